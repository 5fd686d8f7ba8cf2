"""clip and timm: tiny models made here, so nothing is downloaded."""

import os
from importlib.util import find_spec

import pytest
import torch

from digpt.errors import UserError
from digpt.tokenizers import fitting

NETWORKS = ("test_vit", "test_convnext", "test_resnet")


@pytest.fixture
def offline(monkeypatch):
    from huggingface_hub import constants  # noqa: PLC0415 - comes with timm

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


every = pytest.mark.parametrize(
    ("family", "model"),
    [("clip", "tiny-vit"), ("clip", "tiny-resnet"), *(("timm", n) for n in NETWORKS)],
)


@pytest.fixture
def published(shelf, fit, dataset):
    return lambda family, model, end="pt": fit(f"{family}:{model}@{shelf / model}.{end}", dataset)


@every
def test_tokens_and_the_whole_image_are_in_one_space(family, model, published, images):
    tokenizer = published(family, model)
    patches, shared = tokenizer.encode(images)
    assert patches.shape == (len(images), *tokenizer.grid_size, tokenizer.dim)
    assert shared is not None
    assert shared.shape == (len(images), tokenizer.dim)
    assert patches.isfinite().all()


@every
def test_both_kinds_of_file_hold_the_same_weights(family, model, published, images):
    found = [published(family, model, end).encode(images).patches for end in ("pt", "safetensors")]
    assert torch.equal(*found)


@every
@pytest.mark.parametrize("end", ["pt", "safetensors"])
def test_a_right_file_passes_the_check_before_a_run_without_its_numbers(
    family, model, end, shelf, monkeypatch
):
    monkeypatch.setattr("safetensors.torch.load_file", None)
    monkeypatch.setattr("digpt.tokenizers.weights.load_file", None)
    name = f"{family}:{model}@{shelf / model}.{end}"
    fitting.check(f"codebook:8({name})")
    if family == "clip":
        fitting.check(f"domain-clip({name})")


def refusal(name, fit, dataset):
    """What a file is refused for, which is known before a run in the same words."""
    with pytest.raises(UserError) as beforehand:
        fitting.check(name)
    with pytest.raises(UserError) as raised:
        fit(name, dataset)
    assert beforehand.value.message == raised.value.message
    return raised.value


@every
def test_saved_and_loaded_it_is_the_same_without_its_file(
    family, model, published, images, tmp_path, offline
):
    tokenizer = published(family, model)
    fitting.save(tokenizer, tmp_path)
    loaded = fitting.load(tmp_path)
    assert torch.equal(loaded.encode(images).patches, tokenizer.encode(images).patches)
    saved = (tmp_path / "tokenizer.safetensors").stat().st_size
    state = sum(v.numel() * v.element_size() for v in tokenizer.network.state_dict().values())
    assert saved < state * 1.1 + 50_000  # no text tower comes along


@every
def test_tuning_starts_from_the_networks_own_vector(family, model, published, images):
    tokenizer = published(family, model)
    module = tokenizer.trainable().eval()
    assert all(p.requires_grad for p in module.parameters())
    torch.testing.assert_close(
        module(images).detach(), tokenizer.encode(images).global_token, rtol=1e-4, atol=1e-5
    )


def test_clip_tokens_are_normed_and_projected_as_its_class_token_is(shelf, published, images):
    """METHOD section 1.5: the last LayerNorm and the visual projection, token by token."""
    import open_clip  # noqa: PLC0415 - seconds

    model = open_clip.create_model("tiny-vit", pretrained=str(shelf / "tiny-vit.pt")).eval()
    pixels = torch.nn.functional.interpolate(images, (32, 32), mode="bicubic", antialias=True)
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    pixels = (pixels.clamp(0, 1) - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[
        :, None, None
    ]
    with torch.no_grad():
        hidden = model.visual.transformer(model.visual._embeds(pixels))  # (B, 1 + h w, W)
        expected = model.visual.ln_post(hidden) @ model.visual.proj
        embedding = model.encode_image(pixels)
    patches, shared = published("clip", "tiny-vit").encode(images)
    torch.testing.assert_close(patches.flatten(1, 2), expected[:, 1:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shared, expected[:, 0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shared, embedding, rtol=1e-4, atol=1e-5)


def test_a_timm_trunk_in_clip_is_projected_too(shelf, fit, dataset, images):
    import open_clip  # noqa: PLC0415 - seconds

    model = open_clip.create_model("tiny-convnext", pretrained=str(shelf / "tiny-convnext.pt"))
    tokenizer = fit(f"clip:tiny-convnext@{shelf / 'tiny-convnext.pt'}", dataset)
    with torch.no_grad():
        embedding = model.eval().encode_image(tokenizer.fitted(images))
    assert tokenizer.dim == embedding.shape[1]
    torch.testing.assert_close(tokenizer.encode(images).global_token, embedding)


def test_a_codebook_can_stand_on_a_clip_model(shelf, fit, dataset, images, tmp_path):
    name = f"codebook:6(clip:tiny-vit@{shelf / 'tiny-vit.pt'})"
    tokenizer = fit(name, dataset)
    fitting.save(tokenizer, tmp_path)
    expected = tokenizer.encode(images).patches
    assert torch.equal(fitting.load(tmp_path).encode(images).patches, expected)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "clip:ViT-B-32@laion2b_s34b_b79k",
            ("open_clip_model.safetensors of laion/CLIP-ViT-B-32", "clip:ViT-B-32@/"),
        ),
        (
            "timm:vit_tiny_patch16_224",
            ("model.safetensors of timm/vit_tiny", "timm:vit_tiny_patch16_224@/"),
        ),
    ],
)
def test_offline_says_what_is_missing_and_how_to_bring_it(
    name, parts, fit, dataset, offline, monkeypatch, tmp_path
):
    from huggingface_hub import constants  # noqa: PLC0415 - comes with timm

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError) as raised:
        fit(name, dataset)
    wanted = (*parts, name, str(tmp_path), "HF_HUB_CACHE", "HTTPS_PROXY")
    assert all(part in raised.value.message for part in wanted)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("clip:ViT-B-33@x.pt", "ViT-B-32"),
        ("clip:ViT-B-32@laion2b_s34b", "laion2b_s34b_b79k"),
        ("clip:ViT-B-32", "which weights"),
        ("clip:ViT-B-32@nowhere.pt", "no file nowhere.pt"),
        ("timm:vit_tiny_patch16_225", "vit_tiny_patch16_224"),
        ("timm:test_vit@nowhere.pt", "no file nowhere.pt"),
        ("timm:resnet18.nonsense", "a1_in1k"),
    ],
)
def test_a_wrong_model_tag_or_file_is_said_with_what_is_near(name, said, fit, dataset):
    with pytest.raises(UserError, match=said):
        fit(name, dataset)


@pytest.mark.parametrize(
    ("network", "file"),
    [
        ("clip:tiny-vit", "tiny-resnet.pt"),
        ("clip:tiny-vit", "junk.safetensors"),
        ("timm:test_vit", "junk.safetensors"),
        ("timm:test_vit", "junk.pt"),
        ("timm:test_vit", "tiny-resnet.pt"),
        ("clip:tiny-vit", "junk.pt"),
    ],
)
def test_a_file_of_something_else_is_refused(network, file, shelf, fit, dataset):
    (shelf / "junk.safetensors").write_bytes(b"these are no weights")
    (shelf / "junk.pt").write_bytes(b"these are no weights")
    assert "does not hold weights" in refusal(f"{network}@{shelf / file}", fit, dataset).message


STAND_INS = {
    "it is empty": b"",
    "with git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n",
    "it is a web page": b"<html><title>Sign in</title></html>",
    "it is damaged, or cut short": None,
    "it is of another kind": b"\xff\xd8\xff\xe0 a picture",
}


@pytest.mark.parametrize(
    ("network", "end"), [("clip:tiny-vit", "pt"), ("timm:test_vit", "safetensors")]
)
@pytest.mark.parametrize("said", STAND_INS)
def test_what_lies_in_place_of_weights_is_told(network, end, said, shelf, fit, dataset, tmp_path):
    whole = (shelf / f"{network.partition(':')[2]}.{end}").read_bytes()
    found = STAND_INS[said]
    (tmp_path / f"x.{end}").write_bytes(whole[: len(whole) // 2] if found is None else found)
    assert said in refusal(f"{network}@{tmp_path / 'x'}.{end}", fit, dataset).message


@pytest.mark.parametrize("network", ["clip:tiny-vit", "timm:test_vit"])
@pytest.mark.parametrize("content", [[1, 2], {}])
def test_a_file_of_torch_without_weights_is_refused(network, content, fit, dataset, tmp_path):
    torch.save(content, tmp_path / "x.pt")
    assert "does not hold" in refusal(f"{network}@{tmp_path / 'x.pt'}", fit, dataset).message


class Foreign:
    """Makes a folder where it is unpickled without care."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_code_in_a_clip_file_is_not_run_and_nobody_is_told_to(
    fit, dataset, tmp_path, shelf, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": Foreign()}}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="which could run code; save its state") as raised:
        fit(f"clip:tiny-vit@{tmp_path / 'a.pt'}", dataset)
    assert "weights_only" not in raised.value.message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("network", "weight"),
    [("clip:tiny-vit", "visual.conv1.weight"), ("timm:test_vit", "norm.bias")],
)
def test_weights_of_another_architecture_are_told_apart_by_example(
    network, weight, shelf, fit, dataset, tmp_path
):
    model = network.partition(":")[2]
    state = dict(torch.load(shelf / f"{model}.pt"))
    dropped = next(n for n in state if "mlp" in n)
    state["blocks.99.weight"] = state.pop(dropped)
    state[weight] = torch.zeros(5, 7)
    torch.save(state, tmp_path / "other.pt")
    found = refusal(f"{network}@{tmp_path / 'other.pt'}", fit, dataset)
    facts, said = found.facts, found.message
    assert f"{tmp_path / 'other.pt'} does not hold weights of {model}: of the model's" in said
    assert facts["missing"] == f"1 ({dropped})"
    assert facts["differing"].startswith(f"1 ({weight}: 5×7 ≠ ")
    assert facts["foreign"] == "1 (blocks.99.weight)"


def test_a_clip_file_with_another_width_of_its_texts_is_refused(shelf, fit, dataset, tmp_path):
    state = dict(torch.load(shelf / "tiny-vit.pt"))
    state["positional_embedding"] = torch.zeros(16, 40)
    torch.save(state, tmp_path / "wide.pt")
    said = refusal(f"clip:tiny-vit@{tmp_path / 'wide.pt'}", fit, dataset).message
    assert "1 (positional_embedding: 16×40 ≠ 16×32) have another" in said


def test_positions_of_another_grid_are_resized_at_the_check_too(shelf, fit, dataset, tmp_path):
    state = dict(torch.load(shelf / "tiny-vit.pt"))
    state["visual.positional_embedding"] = torch.zeros(1 + 7 * 7, 64)
    torch.save(state, tmp_path / "grid.pt")
    fitting.check(f"clip:tiny-vit@{tmp_path / 'grid.pt'}")
    fit(f"clip:tiny-vit@{tmp_path / 'grid.pt'}", dataset)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("clip:ViT-B-33@openai", "Did you mean 'ViT-B-32"),
        ("clip:ViT-B-32@laion2b", "Did you mean 'laion2b_"),
        ("clip:ViT-B-32@laion2b_s34b_b79k", "could not be downloaded"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "could not be downloaded"),
        ("codebook:64(timm:resnet1)", "Did you mean 'resnet1"),
        ("clip:ViT-B-32@/nowhere/file.pt", "there is no file"),
    ],
)
def test_what_could_only_fail_is_known_beforehand(name, said, offline):
    with pytest.raises(UserError, match=said):
        fitting.check(name)


@pytest.mark.skipif(find_spec("transformers") is not None, reason="its texts can be read here")
@pytest.mark.parametrize(
    "name", ["clip:xlm-roberta-base-ViT-B-32@laion5b_s13b_b90k",
             "domain-clip(clip:ViT-B-16-SigLIP2@webli)",
             "codebook:64(domain-clip(clip:ViT-B-16-SigLIP2@webli))"],
)  # fmt: skip
def test_texts_that_need_a_package_are_refused_before_anything_is_loaded(name, offline):
    with pytest.raises(UserError, match="with the package transformers, which is not installed"):
        fitting.check(name)


@pytest.mark.parametrize("name", ["filters", "random(clip:ViT-B-32)", "codebook:64(pixels)"])
def test_what_needs_no_weights_passes(name, offline):
    fitting.check(name)


def test_weights_in_the_cache_are_enough(tmp_path, monkeypatch, offline):
    from huggingface_hub import constants  # noqa: PLC0415 - comes with timm

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--timm--vit_small_patch14_dinov2.lvd142m" / "snapshots" / "1"
    cached.mkdir(parents=True)
    (cached / "model.safetensors").touch()
    fitting.check("timm:vit_small_patch14_dinov2.lvd142m")


@pytest.mark.parametrize(
    ("family", "model", "layer", "width"),
    [
        ("clip", "tiny-vit", "projected", 32),
        ("clip", "tiny-vit", "last", 64),
        ("clip", "tiny-vit", "penultimate", 64),
        ("clip", "tiny-resnet", "last", 512),
        ("clip", "tiny-convnext", "penultimate", 48),
        ("timm", "test_vit", "penultimate", 64),
    ],
)
def test_tokens_come_from_the_layer_that_the_name_says(
    family, model, layer, width, shelf, fit, dataset, images, tmp_path
):
    plain = f"{family}:{model}@{shelf / model}.pt"
    tokenizer = fit(f"{plain}?layer={layer}", dataset)
    patches, shared = tokenizer.encode(images)
    assert (patches.shape[-1], shared.shape[-1]) == (width, width)
    is_default = torch.equal(patches.sum(), fit(plain, dataset).encode(images).patches.sum())
    assert is_default == (layer == "projected")
    fitting.save(tokenizer, tmp_path)
    assert torch.equal(fitting.load(tmp_path).encode(images).patches, patches)


@pytest.mark.parametrize(("model", "size", "grid"), [("test_vit", 64, 4), ("test_resnet", 64, 2)])
def test_a_timm_model_sees_the_size_that_the_name_says(
    model, size, grid, shelf, fit, dataset, images, tmp_path
):
    tokenizer = fit(f"timm:{model}@{shelf / model}.pt?size={size}", dataset)
    found = tokenizer.encode(images).patches
    assert found.shape[1:3] == (grid, grid) == tokenizer.grid_size
    fitting.save(tokenizer, tmp_path)
    assert torch.equal(fitting.load(tmp_path).encode(images).patches, found)


def test_a_size_that_no_patch_divides_is_refused(shelf, fit, dataset):
    with pytest.raises(UserError, match=r"cannot see 50 px .* its own is 160") as refused:
        fit(f"timm:test_vit@{shelf / 'test_vit'}.pt?size=50", dataset)
    assert refused.value.code == "wrong-size"


def test_the_last_layer_projected_is_the_projected_one(shelf, fit, dataset, images):
    plain = f"clip:tiny-vit@{shelf / 'tiny-vit'}.pt"
    last, projected = fit(f"{plain}?layer=last", dataset), fit(plain, dataset)
    expected = last.encode(images).patches @ last.network.proj
    torch.testing.assert_close(projected.encode(images).patches, expected)
