"""What others load: timm's ViT and ONNX see what our encoder sees."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.init import parse_init
from digpt.models import ViT, build_vit, normalise
from digpt.models.export import (
    check_onnx,
    save_onnx,
    save_timm,
    timm_arguments,
    timm_call,
    to_timm,
)
from digpt.models.origins import start_from
from digpt.recipe import STUDENTS, Student

KINDS: dict[str, dict[str, Any]] = {
    "own sizes": {"image_size": 32, "patch_size": 8, "dim": 48, "depth": 3, "heads": 3},
    "a third as wide inside": {"image_size": 24, "patch_size": 4, "dim": 24, "mlp_ratio": 3.0},
    "wider than high": {"image_size": (16, 48), "patch_size": 8, "dim": 24, "depth": 2, "heads": 2},
    "of a CLIP": {"image_size": 32, "dim": 32, "heads": 2, "pre_norm": True, "quick_gelu": True},
    "of another CLIP": {"dim": 32, "heads": 2, "pre_norm": True, "eps": 1e-5},
    "as timm knows it": {"image_size": 64, "patch_size": 16, "dim": 192, "depth": 12, "heads": 3},
}


def made(kind: str) -> ViT:
    torch.manual_seed(0)
    vit = ViT(**KINDS[kind])
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return vit.eval()


def pictures(vit: ViT) -> Tensor:
    return torch.rand(3, 3, *vit.image_shape)


@pytest.mark.parametrize("kind", KINDS)
def test_timm_loads_the_file_and_gives_the_same_features(kind: str, tmp_path: Path) -> None:
    import timm  # noqa: PLC0415 - seconds

    vit, path = made(kind), tmp_path / "timm.safetensors"
    save_timm(vit, path)
    model: nn.Module = eval(timm_call(vit, str(path)), {"timm": timm})  # as a person pastes it
    images = normalise(pictures(vit))
    with torch.no_grad():
        theirs, ours = model.eval()(images), vit(images)
    # a CLIP's epsilon is timm's in the last norm too, where ours stays
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-5 if vit.eps == 1e-6 else 1e-4)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["timm"].startswith("timm.create_model(")


@pytest.mark.parametrize("name", STUDENTS)
def test_named_students_have_timms_names_and_shapes(name: str) -> None:
    import timm  # noqa: PLC0415 - seconds

    with torch.device("meta"):
        arguments = timm_arguments(ViT(**_sizes(STUDENTS[name])))
        assert f"vit_{name}_patch" in arguments["model_name"]
        theirs = timm.create_model(**arguments)
    assert set(arguments) == {"model_name", "num_classes", "global_pool"}
    assert theirs.embed_dim == STUDENTS[name].dim


def _sizes(student: Student) -> dict[str, Any]:
    names = ("image_size", "patch_size", "dim", "depth", "heads", "mlp_ratio")
    return {name: asdict(student)[name] for name in names}


def test_an_exported_student_can_be_started_from_again(tmp_path: Path) -> None:
    student = Student(image_size=32, patch_size=16, dim=192, depth=12, heads=3)
    vit, path = build_vit(student), tmp_path / "timm.safetensors"
    save_timm(vit, path)
    again = start_from(parse_init(f"timm:vit_tiny_patch16_224@{path}"), student)
    grey = pictures(vit)
    # that timm model reads images by mean and deviation 0.5, which the start makes up for
    torch.testing.assert_close(again(normalise(grey)), vit((grey - 0.5) / 0.5), rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["own sizes", "of a CLIP"])
def test_onnx_gives_the_same_features_for_any_batch(kind: str, tmp_path: Path) -> None:
    from onnx import checker, load  # noqa: PLC0415 - seconds
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    vit, path = made(kind), tmp_path / "encoder.onnx"
    save_onnx(vit, path)
    assert [p.name for p in tmp_path.iterdir()] == ["encoder.onnx"]
    checker.check_model(load(path), full_check=True)
    images = pictures(vit)[:1].repeat(5, 1, 1, 1)
    found = ReferenceEvaluator(str(path)).run(None, {"images": images.numpy()})
    with torch.no_grad():
        features = vit.features(normalise(images))
    for theirs, ours in zip(found, (features.pooled, features.cls, features.patches), strict=True):
        torch.testing.assert_close(torch.from_numpy(theirs), ours, rtol=0, atol=1e-4)


def test_without_its_packages_onnx_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(UserError, match="pip install onnx onnxscript"):
        check_onnx()


def test_exporting_changes_nothing_of_the_encoder() -> None:
    vit = made("of a CLIP")
    before = {name: value.clone() for name, value in vit.state_dict().items()}
    to_timm(vit)
    assert all(torch.equal(value, before[name]) for name, value in vit.state_dict().items())
