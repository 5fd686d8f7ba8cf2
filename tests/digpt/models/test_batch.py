"""The one contract of every method's forward pass: each wrong input is told in one sentence."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from digpt.errors import UserError
from digpt.models import METHODS, Method, Target
from digpt.recipe import Recipe, Student

STUDENT = Student(image_size=16, patch_size=4, dim=16, depth=2, heads=2, decoder_dim=16)
Inputs = dict[str, Any]
# kind of targets -> codes, has_global
KINDS = {"tokens": (None, False), "codes": (9, False), "global": (None, True)}


def build(method: str, kind: str) -> Method:
    return METHODS[method](Recipe(student=STUDENT), Target(8, *KINDS[kind]))


def inputs(kind: str) -> Inputs:
    codes, has_global = KINDS[kind]
    tokens = torch.randint(codes, (2, 4, 4)) if codes else torch.randn(2, 4, 4, 8)
    given = {"images": torch.randn(2, 3, 16, 16), "tokens": tokens}
    return given | ({"global_token": torch.randn(2, 8)} if has_global else {})


def changed(field: str, change: Callable[[Any], Any]) -> Callable[[Inputs], Inputs]:
    return lambda given: given | {field: change(given.get(field))}


# what comes, the kind of targets of the model, the field that is named, and what is said of it
WRONG: dict[str, tuple[Callable[[Inputs], Inputs], str, str, str]] = {
    "bytes": (changed("images", lambda x: x.byte()), "tokens", "images", "not torch.uint8"),
    "numpy": (changed("images", lambda x: x.numpy()), "tokens", "images", "not as ndarray"),
    "double": (changed("images", lambda x: x.double()), "tokens", "images", "not in torch.float64"),
    "half": (changed("images", lambda x: x.half()), "tokens", "images", "torch.autocast"),
    "elsewhere": (changed("images", lambda x: x.to("meta")), "tokens", "images", "not on meta"),
    "channels last": (
        changed("images", lambda x: x.permute(0, 2, 3, 1)), "tokens", "images", "16, 16, 3"
    ),
    "one image": (changed("images", lambda x: x[0]), "tokens", "images", r"not \(3, 16, 16\)"),
    "gray": (changed("images", lambda x: x[:, :1]), "tokens", "images", r"\(B, 3, 16, 16\)"),
    "no image": (lambda g: {n: x[:0] for n, x in g.items()}, "tokens", "images", "no images"),
    "numpy tokens": (changed("tokens", lambda x: x.numpy()), "tokens", "tokens", "not ndarray"),
    "tokens elsewhere": (changed("tokens", lambda x: x.to("meta")), "codes", "tokens", "on meta"),
    "tokens of one image": (
        changed("tokens", lambda x: x[:1]), "tokens", "tokens", r"\(1, 4, 4, 8\).*\(2, h, w, 8\)"
    ),
    "codes of one image": (changed("tokens", lambda x: x[:1]), "codes", "tokens", r"\(2, h, w\)"),
    "a list of tokens": (
        changed("tokens", lambda x: x.flatten(1, 2)), "tokens", "tokens", r"\(2, 16, 8\)"
    ),
    "narrow tokens": (changed("tokens", lambda x: x[..., :1]), "tokens", "tokens", "h, w, 8"),
    "no place": (changed("tokens", lambda x: x[:, :0]), "tokens", "tokens", r"\(2, 0, 4, 8\)"),
    "codes for tokens": (changed("tokens", lambda x: x.long()), "tokens", "tokens", "torch.int64"),
    "tokens for codes": (changed("tokens", lambda x: x.float()), "codes", "tokens", "predicts c"),
    "a wrong code": (changed("tokens", lambda x: x * 0 + 9), "codes", "tokens", "predicts 0 to 8"),
    # torch would leave out a target of -100 without a word
    "no code": (changed("tokens", lambda x: x * 0 - 100), "codes", "tokens", "from -100 to -100"),
    "none global": (changed("global_token", lambda _: None), "global", "global_token", "got none"),
    "one global": (
        changed("global_token", lambda _: torch.randn(2, 8)), "tokens", "global_token", "got one"
    ),
    "global of one": (
        changed("global_token", lambda x: x[:1]), "global", "global_token", r"must.*\(2, 8\)"
    ),
    "global narrow": (
        changed("global_token", lambda x: x[:, :1]), "global", "global_token", r"\(2, 1\)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_every_method_names_the_input_that_does_not_fit(case: str) -> None:
    change, kind, field, said = WRONG[case]
    for method in METHODS:
        with pytest.raises(UserError, match=said) as error:
            build(method, kind)(**change(inputs(kind)))
        assert error.value.field == field, method


@pytest.mark.parametrize("method", ["digpt", "masked"])
def test_an_order_must_be_a_permutation_for_each_image(method: str) -> None:
    model, given = build(method, "tokens"), inputs("tokens")
    order = torch.stack([torch.randperm(model.count) for _ in range(2)])
    assert model(**given, order=order).loss.isfinite()
    assert torch.equal(model(**given, order=order.int()).loss, model(**given, order=order).loss)
    for wrong, said in (
        (order[:1], "must be torch.int64"),
        (order[:, :-1], "must be torch.int64"),
        (order.float(), "is torch.float32"),
        (order.tolist(), "not list"),
        (order.clamp(min=1), "every number from 0 to"),
        (order + 1, "every number from 0 to"),
    ):
        with pytest.raises(UserError, match=said) as error:
            model(**given, order=wrong)
        assert error.value.field == "order"


@pytest.mark.parametrize("method", METHODS)
def test_what_fits_may_be_one_image_lie_anyhow_and_be_of_any_precision(method: str) -> None:
    model, given = build(method, "codes"), inputs("codes")

    def loss(of: Inputs) -> torch.Tensor:
        return model(**of, generator=torch.Generator().manual_seed(0)).loss

    whole = loss(given)
    strided = {n: x.transpose(1, 2).contiguous().transpose(1, 2) for n, x in given.items()}
    assert torch.allclose(loss(strided), whole)
    for kind in (torch.uint8, torch.int16, torch.int32):
        assert torch.equal(loss(given | {"tokens": given["tokens"].to(kind)}), whole)
    assert loss({name: value[:1] for name, value in given.items()}).isfinite()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(given | {"images": given["images"].bfloat16()}).isfinite()
