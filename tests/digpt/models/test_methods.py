"""What every entry of METHODS must do, and what igpt and masked may look at."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from digpt.errors import UserError
from digpt.models import METHODS, DiGPT, Method, Target
from digpt.models.clusters import draw_numbers
from digpt.models.igpt import IGPT
from digpt.models.layers import initialise
from digpt.models.masked import Masked
from digpt.recipe import Recipe, Student

STUDENT = Student(image_size=16, patch_size=4, dim=16, depth=2, heads=2, decoder_dim=16)
KINDS = {"tokens and global": (None, True), "tokens": (None, False), "codes": (9, False)}


def build(method: str, codes: int | None = None, has_global: bool = False) -> Method:
    model = METHODS[method](
        Recipe(student=STUDENT, label_smoothing=0.1), Target(8, codes, has_global)
    )
    initialise(model, torch.Generator().manual_seed(1))
    return model


def batch(codes: int | None, has_global: bool, side: int = 4) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(3, 3, 16, 16, generator=generator)
    if codes:
        return images, torch.randint(codes, (3, side, side), generator=generator)
    tokens = torch.randn(3, side, side, 8, generator=generator)
    return (
        (images, tokens, torch.randn(3, 8, generator=generator))
        if has_global
        else (
            images,
            tokens,
        )
    )


def loss_of(model: Method, *inputs: Tensor, seed: int = 3) -> Tensor:
    return model(*inputs, generator=torch.Generator().manual_seed(seed)).loss


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_every_parameter_on_every_kind_of_token(method: str, kind: str) -> None:
    model = build(method, *KINDS[kind])
    loss = loss_of(model, *batch(*KINDS[kind]))
    loss.backward()
    assert loss.isfinite()
    still = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    # a query or key bias may have no effect at the start, never a whole projection
    assert not still, still


@pytest.mark.parametrize("method", METHODS)
def test_state_dict_round_trip_gives_the_same_loss(method: str) -> None:
    model, other = build(method, None, True), build(method, None, True)
    initialise(other, torch.Generator().manual_seed(9))
    inputs = batch(None, True)
    assert loss_of(model, *inputs) != loss_of(other, *inputs)
    other.load_state_dict(model.state_dict())
    assert torch.equal(loss_of(model, *inputs), loss_of(other, *inputs))


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_gives_the_same_weights_and_loss(method: str) -> None:
    first, second = build(method), build(method)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert torch.equal(loss_of(first, *batch(None, False)), loss_of(second, *batch(None, False)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("side", [2, 3, 8])
def test_any_teacher_grid_will_do(method: str, side: int) -> None:
    for codes in (None, 9):
        assert loss_of(build(method, codes), *batch(codes, False, side)).isfinite()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_offers_the_same_encoder(method: str) -> None:
    encoder = build(method).encoder
    assert encoder(torch.randn(2, 3, 16, 16)).shape == (2, 16)


@pytest.mark.parametrize("method", ["digpt", "igpt", "masked"])
def test_an_encoder_that_has_learnt_something_is_left_as_it_is(method: str) -> None:
    built = build(method, None, True)
    encoder = deepcopy(built.encoder)
    sizes = {"token_dim": 8, "token_loss": built.token_loss, "has_global": True}
    if isinstance(built, IGPT):
        IGPT(encoder, **sizes, hidden=16)
    elif isinstance(built, Masked):
        decoder = {"decoder_dim": 16, "decoder_depth": 1, "decoder_heads": 2}
        Masked(encoder, **sizes, mask_share=0.5, **decoder)
    else:
        DiGPT(encoder, **sizes)
    for name, value in built.encoder.state_dict().items():
        assert torch.equal(value, encoder.state_dict()[name]), name


def test_an_igpt_prediction_sees_only_earlier_patches() -> None:
    model = build("igpt")
    assert isinstance(model, IGPT)
    images, tokens = batch(None, False)

    def said(images: Tensor) -> Tensor:
        prediction = model(images, tokens, predictions=True).ar_prediction
        assert prediction is not None
        return prediction.patches  # (B, 16, 8)

    before = said(images)
    for patch in (0, 5, 15):
        changed = images.clone()
        row, column = divmod(patch, 4)
        changed[:, :, row * 4 : row * 4 + 4, column * 4 : column * 4 + 4] += 1
        moved = (said(changed) - before).abs().amax(dim=(0, 2)) > 0
        assert moved.tolist() == [place > patch for place in range(16)]


def test_igpt_loss_is_the_mean_squared_error_of_each_next_patch() -> None:
    images, tokens = batch(None, False)
    losses = build("igpt")(images, tokens, predictions=True)
    assert losses.ar_prediction is not None
    gaps = losses.ar_prediction.patches - tokens.flatten(1, 2)
    assert torch.allclose(losses.loss, gaps.square().mean())
    assert losses.visible_loss is None


def test_a_masked_model_never_sees_masked_patches() -> None:
    model = build("masked")
    assert isinstance(model, Masked)
    images, tokens = batch(None, False)
    order = torch.stack([torch.randperm(16) for _ in range(3)])
    assert model.visible == 5  # of 16, at a mask share of 0.7

    def said(images: Tensor) -> Tensor:
        prediction = model(images, tokens, order=order, predictions=True).masked_prediction
        assert prediction is not None
        return prediction.patches

    before = said(images)
    assert before.shape == (3, 11, 8)
    for place, is_seen in ((0, True), (4, True), (5, False), (15, False)):
        changed = images.clone()
        for image in range(3):
            row, column = divmod(int(order[image, place]), 4)
            changed[image, :, row * 4 : row * 4 + 4, column * 4 : column * 4 + 4] += 1
        assert torch.equal(said(changed), before) != is_seen


def test_masked_loss_compares_each_masked_patch_with_its_own_token() -> None:
    images, tokens = batch(None, False)
    order = torch.stack([torch.randperm(16) for _ in range(3)])
    losses = build("masked")(images, tokens, order=order, predictions=True)
    assert losses.masked_prediction is not None
    total = 0.0
    patches = losses.masked_prediction.patches.detach()
    for image in range(3):
        for index, patch in enumerate(order[image, 5:].tolist()):
            gap = patches[image, index] - tokens[image, patch // 4, patch % 4]
            total += float(gap.square().mean())
    assert losses.loss.item() == pytest.approx(total / 33, rel=1e-5)
    assert losses.ar_loss is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clusters": (3, 3)}, "do not divide the patch grid 4×4"),
        ({"taps": (1,)}, "blocks after would never train"),
        ({"patch_size": 5}, "does not divide image size 16"),
        ({"heads": 3}, "not a multiple of 3 heads"),
        ({"decoder_heads": 3}, "not a multiple of 3 heads"),
        ({"dim": 18}, "multiple of 4"),
    ],
)
def test_a_student_that_cannot_be_built_is_refused(change: dict, message: str) -> None:
    student = replace(STUDENT, **change)
    with pytest.raises(UserError, match=message):
        METHODS["digpt"](Recipe(student=student), Target(8))


@pytest.mark.parametrize("share", [0.0, 0.99])
def test_a_mask_share_that_hides_all_or_nothing_is_refused(share: float) -> None:
    with pytest.raises(UserError, match="mask share"):
        METHODS["masked"](Recipe(student=STUDENT, mask_share=share), Target(8))


@pytest.mark.parametrize("target_share", [1.0, 0.5])
@pytest.mark.parametrize("method", METHODS)
def test_a_forward_pass_draws_as_many_numbers_as_the_method_says(
    method: str, target_share: float
) -> None:
    """So that a process can skip those of the images that another one computes."""
    recipe = Recipe(student=STUDENT, target_share=target_share)
    model = METHODS[method](recipe, Target(8))
    used, skipped = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    model(*batch(None, False), generator=used)
    draw_numbers(3, model.draws, skipped, torch.device("cpu"))
    assert torch.equal(used.get_state(), skipped.get_state())
