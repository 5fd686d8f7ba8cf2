"""Published checkpoints: figures that the official code gave, round trips, wrong files."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from digpt.errors import UserError
from digpt.models.official import encoder, from_official, official_names, to_official

PARITY = Path(os.environ.get("DIGPT_TEST_PARITY", Path(__file__).parents[4] / "shared" / "parity"))
GOLDEN = PARITY / "official_small.safetensors"
needs_golden = pytest.mark.skipif(
    not GOLDEN.is_file(), reason=f"no golden figures at {GOLDEN}; set DIGPT_TEST_PARITY"
)


def golden() -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, str]]:
    """Official weights, the inputs, and the figures."""
    with safe_open(GOLDEN, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        figures = file.metadata()
    weights = {n.removeprefix("state."): t.float() for n, t in tensors.items() if "state." in n}
    return weights, {n: t for n, t in tensors.items() if "state." not in n}, figures


def official_layout(
    dim: int = 8, depth: int = 12, decoder_dim: int = 16, mlp_ratio: float = 4
) -> dict[str, Tensor]:
    """Random weights under the official names, written out from the published description."""
    generator = torch.Generator().manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embed.proj.weight": (dim, 3, 4, 4),
        "patch_embed.proj.bias": (dim,),
        "cls_token": (1, 1, dim),
        "pos_embed": (1, 17, dim),
        "decoder_pos_embed": (1, 17, decoder_dim),
    }

    def pair(name: str, out: int, width: int | None = None) -> None:
        shapes[f"{name}.weight"] = (out,) if width is None else (out, width)
        shapes[f"{name}.bias"] = (out,)

    for block in range(depth):
        for norm in ("norm1", "norm2"):
            pair(f"blocks.{block}.{norm}", dim)
        pair(f"blocks.{block}.attn.qkv", 3 * dim, dim)
        pair(f"blocks.{block}.attn.proj", dim, dim)
        pair(f"blocks.{block}.mlp.fc1", int(dim * mlp_ratio), dim)
        pair(f"blocks.{block}.mlp.fc2", dim, int(dim * mlp_ratio))
    for side in ("ar", "kd"):
        for tap in range(4):
            pair(f"{side}_enc_norm.{tap}", dim)
        pair(f"{side}_enc2dec", 3 * decoder_dim, 4 * dim)
        shapes[f"{side}_token"] = (1, 1, decoder_dim)
        for block in range(3):
            name = f"{side}_blocks.{block}"
            for norm in ("norm1", "norm2_1", "norm2_2", "norm2"):
                pair(f"{name}.{norm}", decoder_dim)
            pair(f"{name}.attn1.qkv", 3 * decoder_dim, decoder_dim)
            pair(f"{name}.attn2.q", decoder_dim, decoder_dim)
            pair(f"{name}.attn2.kv", 2 * decoder_dim, decoder_dim)
            pair(f"{name}.attn1.proj", decoder_dim, decoder_dim)
            pair(f"{name}.attn2.proj", decoder_dim, decoder_dim)
            pair(f"{name}.mlp.fc1", int(decoder_dim * mlp_ratio), decoder_dim)
            pair(f"{name}.mlp.fc2", decoder_dim, int(decoder_dim * mlp_ratio))
        pair(f"{side}_norm", decoder_dim)
        pair(f"{side}_pred", 6, decoder_dim)
    state = {n: 0.1 * torch.randn(s, generator=generator) for n, s in shapes.items()}
    for name in state:
        side, _, rest = name.partition("_enc_norm.")
        if rest:
            state[name] = state[f"{side}_enc_norm.0{rest[1:]}"]
    return state


@needs_golden
def test_losses_and_gradients_equal_those_of_the_official_code() -> None:
    weights, inputs, figures = golden()
    model = from_official(
        weights, heads=int(figures["heads"]), decoder_heads=int(figures["decoder_heads"])
    )
    target = inputs["target"].float()
    losses = model(
        inputs["images"].float(),
        target[:, 1:].unflatten(1, (16, 16)),
        target[:, 0],
        inputs["order"],
    )
    assert losses.ar_loss.item() == pytest.approx(float(figures["ar_loss"]), abs=1e-5)
    assert losses.visible_loss.item() == pytest.approx(float(figures["visible_loss"]), abs=1e-5)

    losses.loss.backward()
    norms, compared = json.loads(figures["grad_norms"]), set()
    for name, parameter in model.named_parameters():
        for theirs in official_names(name):
            if theirs in norms:
                assert parameter.grad is not None
                found = float(parameter.grad.norm())
                assert found == pytest.approx(norms[theirs], rel=1e-3), name
                compared.add(theirs)
    assert compared == set(norms)


@needs_golden
def test_pooled_features_equal_those_of_the_official_finetuning_vit() -> None:
    weights, inputs, figures = golden()
    with torch.no_grad():
        features = encoder(weights, heads=int(figures["heads"])).features(inputs["images"].float())
    assert torch.allclose(features.pooled, inputs["pooled_features"], atol=1e-5)
    assert features.patches.shape == (3, 14, 14, 48)


def test_official_weights_survive_the_round_trip_exactly() -> None:
    state = official_layout()
    back = to_official(from_official(state, heads=2, decoder_heads=4))
    assert set(back) == {*state, "mask"}
    for name, value in state.items():
        assert torch.equal(back[name], value), name
    assert torch.equal(back["mask"] == 0, from_official(state, heads=2, decoder_heads=4).mask)


@pytest.mark.parametrize(
    ("changed", "said"), [("window", "window of 1"), ("ar_decoder", "one decoder")]
)
def test_what_the_official_code_cannot_compute_is_not_given_to_it(changed: str, said: str) -> None:
    model = from_official(official_layout(), heads=2, decoder_heads=4)
    setattr(model, changed, 1 if changed == "window" else None)
    with pytest.raises(UserError, match=said):
        to_official(model)


def test_sizes_are_read_from_the_shapes() -> None:
    model = from_official(official_layout(dim=12, depth=14), heads=3, decoder_heads=2)
    assert model.encoder.config() == {
        "image_size": 16,
        "patch_size": 4,
        "dim": 12,
        "depth": 14,
        "heads": 3,
        "mlp_ratio": 4.0,
    }
    assert model.taps == (6, 8, 10, 12)
    assert len(model.ar_decoder.blocks) == 3
    images, tokens = torch.randn(2, 3, 16, 16), torch.randn(2, 8, 8, 6)
    assert model(images, tokens, torch.randn(2, 6)).loss.isfinite()


def test_hidden_widths_that_the_official_code_rounds_down_are_read_from_their_own_shapes() -> None:
    state = official_layout(dim=12, mlp_ratio=8 / 3)  # 32 of the encoder, 42 of the decoders
    back = to_official(from_official(state, heads=3, decoder_heads=4))
    assert all(torch.equal(back[name], value) for name, value in state.items())


def test_heads_that_do_not_share_a_width_are_refused_by_their_argument() -> None:
    state = official_layout()
    with pytest.raises(UserError, match=r"heads=12: it is 8 wide.*valid: 1, 2, 4, 8\.") as error:
        encoder(state)
    assert error.value.field == "heads"
    for wrong in (32, 0, -4):
        with pytest.raises(UserError, match=rf"decoder_heads={wrong}: it is 16 wide") as error:
            from_official(state, heads=2, decoder_heads=wrong)
        assert error.value.field == "decoder_heads"


def test_half_precision_weights_are_read_as_float32() -> None:
    state = {name: value.half() for name, value in official_layout().items()}
    vit = encoder(state, heads=2)
    assert vit.cls_token.dtype == torch.float32
    assert torch.equal(vit.cls_token, state["cls_token"].float()[0, 0])


def test_a_checkpoint_as_training_scripts_write_it_is_the_same_model() -> None:
    state = official_layout()
    wrapped = {"model": {f"module.{n}": w for n, w in state.items()}, "epoch": 299, "scaler": {}}
    back = to_official(from_official(wrapped, heads=2, decoder_heads=4))
    assert all(torch.equal(back[name], value) for name, value in state.items())
    assert torch.equal(encoder(wrapped, heads=2).cls_token, state["cls_token"][0, 0])


def test_a_wrong_file_is_told_in_one_sentence() -> None:
    with pytest.raises(UserError, match="holds a list, no named weights"):
        encoder([1, 2], heads=2)
    with pytest.raises(UserError, match=r"not an official D-iGPT checkpoint: patch_embed.*missing"):
        from_official({"fc.weight": torch.zeros(2, 2)})
    state = official_layout()
    del state["ar_norm.bias"]
    state["blocks.3.attn.qkv.weight"] = torch.zeros(5, 5)
    with pytest.raises(UserError) as error:
        from_official(state, heads=2, decoder_heads=4)
    assert "ar_norm.bias missing" in str(error.value)
    assert "blocks.3.attn.qkv.weight is 5×5 and should be 24×8" in str(error.value)


def test_weights_that_are_no_numbers_are_refused() -> None:
    state = official_layout()
    state["cls_token"][..., 0] = float("nan")
    with pytest.raises(UserError, match="not all numbers are finite in cls_token"):
        encoder(state, heads=2)


def test_unequal_tap_norms_are_refused_because_the_model_shares_one() -> None:
    state = official_layout()
    state["kd_enc_norm.2.weight"] = torch.zeros(8)
    with pytest.raises(UserError, match=r"kd_enc_norm.2.weight should equal entry 0"):
        from_official(state, heads=2, decoder_heads=4)


def test_a_shallow_checkpoint_gives_its_encoder_but_no_pretraining_model() -> None:
    state = official_layout(depth=4)
    assert encoder(state, heads=2).depth == 4
    with pytest.raises(UserError, match="4 encoder blocks"):
        from_official(state, heads=2, decoder_heads=4)
