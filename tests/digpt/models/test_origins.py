"""Students that start from published weights: tiny models made here, nothing is downloaded."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from digpt.errors import UserError
from digpt.init import parse_init
from digpt.models import ViT, build_vit, normalise, save_encoder
from digpt.models.digpt import DiGPT
from digpt.models.losses import token_loss
from digpt.models.official import to_official
from digpt.models.origins import start_from
from digpt.models.positions import resize_positions
from digpt.recipe import Student

STUDENT = Student(image_size=32, patch_size=8, dim=48, depth=2, heads=3)
SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3}
TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
TOWER = {"image_size": 32, "patch_size": 8, "width": 48, "layers": 2, "head_width": 16}


def disturbed(model: torch.nn.Module) -> torch.nn.Module:
    """All weights away from their neutral start, or norms and scales would test nothing."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def write(model: torch.nn.Module, path: Path) -> Path:
    save_file({n: v.contiguous() for n, v in model.state_dict().items()}, path)
    return path


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def normed(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


@pytest.fixture
def as_timm(monkeypatch: pytest.MonkeyPatch):
    """Makes `timm.create_model("vit_base_patch16_224")` a tiny one of its kind."""
    from timm.models import vision_transformer  # noqa: PLC0415 - seconds
    from timm.models._registry import _model_entrypoints  # noqa: PLC0415

    def build(**changes: object):
        def tiny(pretrained: bool = False, **asked: object):
            del pretrained, asked
            sizes = {**SIZES, **changes, "num_classes": 0}
            return vision_transformer._create_vision_transformer("vit_base_patch16_224", **sizes)

        monkeypatch.setitem(_model_entrypoints, "vit_base_patch16_224", tiny)
        return disturbed(tiny())

    return build


PLAIN_KINDS = {
    "plain": {},
    "layer scale": {"init_values": 0.5},
    "class token without a position": {"no_embed_class": True},
    "norm before the blocks": {"pre_norm": True},
    "pooled by the mean": {"global_pool": "avg"},
}


@pytest.mark.parametrize("kind", PLAIN_KINDS)
def test_a_timm_student_sees_what_the_timm_model_sees(kind, as_timm, images, tmp_path) -> None:
    network = as_timm(**PLAIN_KINDS[kind])
    path = write(network, tmp_path / "own.safetensors")
    vit = start_from(parse_init(f"timm:vit_base_patch16_224@{path}"), STUDENT)
    with torch.device("meta"):  # as a check before a run does, of names and shapes alone
        checked = start_from(parse_init(f"timm:vit_base_patch16_224@{path}"), STUDENT)
    assert checked.config() == vit.config()
    network.norm = torch.nn.Identity()  # a student's last norm has no parameters
    data = network.pretrained_cfg
    mean, std = (torch.tensor(data[name]).view(3, 1, 1) for name in ("mean", "std"))
    assert data["mean"] == (0.5, 0.5, 0.5)  # not ImageNet's: it has to be folded in
    with torch.no_grad():
        theirs = network.forward_features((images - mean) / std)
        ours = vit.features(normalise(images))
    torch.testing.assert_close(ours.cls, normed(theirs[:, 0]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        ours.patches.flatten(1, 2), normed(theirs[:, 1:]), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("quick", [False, True])
def test_a_clip_student_sees_what_the_tower_sees(quick: bool, images, tmp_path) -> None:
    import open_clip  # noqa: PLC0415 - seconds

    name = f"tiny-start-{quick}"
    about = {"embed_dim": 32, "vision_cfg": TOWER, "text_cfg": TEXT, "quick_gelu": quick}
    (tmp_path / f"{name}.json").write_text(json.dumps(about))
    open_clip.add_model_config(tmp_path / f"{name}.json")
    model = disturbed(open_clip.create_model(name))
    path = tmp_path / "clip.pt"
    torch.save(model.state_dict(), path)

    vit = start_from(parse_init(f"clip:{name}@{path}"), STUDENT)
    with torch.device("meta"):
        assert start_from(parse_init(f"clip:{name}@{path}"), STUDENT).config() == vit.config()
    assert vit.quick_gelu == quick
    visual = model.visual
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)
    with torch.no_grad():
        hidden = visual.transformer(visual._embeds((images - mean) / std))  # (B, 1 + N, D)
        ours = vit.features(normalise(images))
    torch.testing.assert_close(ours.cls, normed(hidden[:, 0]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        ours.patches.flatten(1, 2), normed(hidden[:, 1:]), rtol=1e-4, atol=1e-4
    )


def test_an_official_student_is_the_checkpoints_encoder(images, tmp_path) -> None:
    encoder = ViT(image_size=32, patch_size=8, dim=48, depth=12, heads=3)
    taps = (6, 8, 10, 12)
    loss = token_loss("cosine", None)
    model = DiGPT(encoder, token_dim=4, token_loss=loss, has_global=True, taps=taps)
    path = tmp_path / "checkpoint.pth"
    options = Namespace(lr=1.5e-4, model="DiGPT_vit_base")  # the official scripts keep them
    torch.save({"model": to_official(model), "epoch": 3, "args": options}, path)
    student = Student(image_size=32, patch_size=8, dim=48, depth=12, heads=3)
    vit = start_from(parse_init(f"official:{path}"), student)
    assert torch.equal(vit(normalise(images)), encoder(normalise(images)))


def test_an_earlier_arms_encoder_is_read_from_its_folder(images, tmp_path) -> None:
    vit = build_vit(STUDENT)
    save_encoder(vit, tmp_path)
    found = start_from(parse_init("arm:0f3k2q/digpt × filters"), STUDENT, tmp_path)
    assert torch.equal(found(normalise(images)), vit(normalise(images)))


def test_positions_are_resized_to_the_students_image(tmp_path) -> None:
    vit = build_vit(STUDENT)
    save_encoder(vit, tmp_path)
    larger = Student(image_size=48, patch_size=8, dim=48, depth=2, heads=3)
    found = start_from(parse_init("arm:0f3k2q/digpt × filters"), larger, tmp_path)
    assert found.grid_size == (6, 6)
    expected = resize_positions(vit.positions, (4, 4), (6, 6))
    assert torch.equal(found.positions, expected)
    assert torch.equal(found.blocks[1].mlp.fc1.weight, vit.blocks[1].mlp.fc1.weight)


def test_what_a_student_cannot_be_is_refused_in_one_sentence(as_timm, tmp_path) -> None:
    init = parse_init(f"timm:vit_base_patch16_224@{tmp_path / 'own.safetensors'}")
    write(as_timm(reg_tokens=2, no_embed_class=True), tmp_path / "own.safetensors")
    with pytest.raises(UserError, match="parts that a student has not \\(reg_token"):
        start_from(init, STUDENT)
    write(as_timm(class_token=False, global_pool="avg"), tmp_path / "own.safetensors")
    with pytest.raises(UserError, match="no class token"):
        start_from(init, STUDENT)
    write(as_timm(), tmp_path / "own.safetensors")
    other = Student(image_size=32, patch_size=4, dim=96, depth=2, heads=3)
    with pytest.raises(UserError, match=r"write pretrain: \{student: \{patch_size: 8, dim: 48\}\}"):
        start_from(init, other)


def test_a_wrong_file_says_which_keys_are_missing_and_which_shapes_differ(
    as_timm, tmp_path
) -> None:
    network, path = as_timm(), tmp_path / "own.safetensors"
    state = {n: v.contiguous() for n, v in network.state_dict().items()}
    del state["blocks.1.attn.qkv.weight"]
    state["blocks.0.mlp.fc1.bias"] = torch.zeros(5)
    save_file(state, path)
    with pytest.raises(UserError) as error:
        start_from(parse_init(f"timm:vit_base_patch16_224@{path}"), STUDENT)
    assert "blocks.1.attn.qkv.weight missing" in error.value.message
    assert "blocks.0.mlp.fc1.bias is 5 and should be 192" in error.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("official:{}", "does not hold weights"),
        ("timm:vit_base_patch16_224@{}", "does not hold weights"),
        ("timm:resnet18@{}", "does not hold weights"),
        ("timm:vit_base_patch16_225@{}", "Did you mean"),
        ("clip:RN50@{}", "does not hold weights"),
        ("official:nowhere.pth", "there is no file"),
    ],
)
def test_a_file_of_something_else_is_refused(text: str, says: str, tmp_path) -> None:
    path = tmp_path / "junk.pt"
    path.write_bytes(b"these are no weights")
    with pytest.raises(UserError, match=says) as told:
        start_from(parse_init(text.format(path)), STUDENT)
    assert "(1" not in told.value.message  # no number that a reader of pickles stumbled over
    with pytest.raises(UserError, match=says), torch.device("meta"):
        start_from(parse_init(text.format(path)), STUDENT)


class Foreign:
    """What no reader of weights may bring to life."""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], "holds a list, no named weights"),
        ({"model": [1]}, "holds a list, no named weights"),
        ({1: 2}, "not an official D-iGPT checkpoint: patch_embed.proj.weight, pos_embed"),
        ({"model": {}, "by": Foreign()}, r"holds .*Foreign, which could run code; save its state"),
        ({"norm.weight": torch.ones(8)}, r"of timm or MAE.* Write timm:NAME@"),
        (
            {
                "patch_embed.proj.weight": torch.zeros(8, 3, 2, 4, 4),  # of a video model
                "pos_embed": torch.zeros(1, 17, 8),
                "blocks.0.mlp.fc1.weight": torch.zeros(32, 8),
            },
            "patch_embed.proj.weight is 8×3×2×4×4 and should have 4 axes",
        ),
    ],
)
def test_a_pickle_of_something_else_is_told_in_one_sentence(
    content: object, says: str, tmp_path
) -> None:
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(UserError, match=says):
        start_from(parse_init(f"official:{path}"), STUDENT)


def test_a_model_that_is_no_vit_is_refused(tmp_path) -> None:
    import timm  # noqa: PLC0415 - seconds

    path = write(timm.create_model("test_resnet", num_classes=0), tmp_path / "own.safetensors")
    with pytest.raises(UserError, match="it is no ViT"):
        start_from(parse_init(f"timm:test_resnet@{path}"), STUDENT)
