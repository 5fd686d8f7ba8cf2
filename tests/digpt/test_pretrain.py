"""The pretraining loop: what it learns, what it reports, how it stops and goes on."""

import itertools
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from digpt.checkpoint import read_checkpoint
from digpt.errors import Cancelled, UserError
from digpt.models import IGPT, METHODS, load_encoder
from digpt.models.targets import standardise, whiten
from digpt.pretrain import Feed, Result, learning_rate, pretrain, resolve_precision, steps_of
from digpt.pretrain.state import images_at_once, start
from digpt.recipe import PRESETS, Recipe, Student
from digpt.reporter import Quiet, Reporter

STUDENT = Student(
    image_size=8, patch_size=2, dim=16, depth=2, heads=2, decoder_dim=16, decoder_heads=2
)
RECIPE = Recipe(student=STUDENT, images_seen=12 * 30, batch_size=12)
CPU = torch.device("cpu")


class FakeTokens:
    """Tokens in memory; those of the flipped view are the mirrored grid."""

    views = ("identity", "flip")
    crop_scale = (1.0, 1.0)

    def __init__(self, count: int = 40, codes: int | None = None, has_global: bool = True) -> None:
        rng = np.random.default_rng(0)
        self.codes, self.dim, self.grid_size = codes, codes or 6, (4, 4)
        self.has_global = has_global
        if codes:
            self.patches = rng.integers(codes, size=(count, 4, 4)).astype(np.uint16)
        else:
            self.patches = rng.normal(2, 3, size=(count, 4, 4, 6)).astype(np.float16)
        self.whole = rng.normal(-1, 2, size=(count, 6)).astype(np.float16)
        tokens = self.patches.reshape(-1, 6).astype(np.float32) if not codes else np.zeros((1, 6))
        self.mean, self.std = tokens.mean(axis=0), tokens.std(axis=0)
        self.global_mean = self.whole.astype(np.float32).mean(axis=0)
        self.global_std = self.whole.astype(np.float32).std(axis=0)

    def read(self, rows: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        patches = self.patches[rows]
        patches[views == 1] = patches[views == 1][:, :, ::-1]
        return patches, self.whole[rows] if self.has_global else None


class Listening(Quiet):
    """Keeps what was reported, and stops or breaks the run when asked to."""

    def __init__(self, fail_at: int | None = None, error: type[Exception] = RuntimeError) -> None:
        self.points: list[tuple[int, dict[str, float]]] = []
        self.lines: list[str] = []
        self.done: list[tuple[int, int]] = []
        self.checks, self.fail_at, self.error = 0, fail_at, error

    def check(self) -> None:
        self.checks += 1
        if self.checks == self.fail_at:
            raise self.error("stop here")

    def metric(self, step: int, **values: float) -> None:
        self.points.append((step, values))

    def progress(self, done: int, total: int) -> None:
        self.done.append((done, total))

    def log(self, message: str, level: str = "info") -> None:
        self.lines.append(message)


def images(count: int = 40) -> np.ndarray:
    return np.random.default_rng(1).integers(256, size=(count, 8, 8, 3), dtype=np.uint8)


def run(
    out_dir: Path,
    recipe: Recipe = RECIPE,
    method: str = "digpt",
    seed: int = 0,
    reporter: Reporter | None = None,
    tokens: FakeTokens | None = None,
    checkpoint_seconds: float = 1e9,
) -> Result:
    return pretrain(
        images(),
        tokens or FakeTokens(),
        recipe,
        method=method,
        seed=seed,
        out_dir=out_dir,
        device=CPU,
        reporter=reporter or Quiet(),
        checkpoint_seconds=checkpoint_seconds,
    )


def weights(result: Result) -> dict[str, Tensor]:
    return load_encoder(result.encoder).state_dict()


def same(first: Result, second: Result) -> bool:
    pairs = zip(weights(first).values(), weights(second).values(), strict=True)
    return first.curve == second.curve and all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_and_writes_an_encoder(method: str, tmp_path: Path) -> None:
    reporter = Listening()
    result = run(tmp_path, replace(RECIPE, lr=5e-3, target_norm="none"), method, reporter=reporter)
    assert result.curve[-1]["loss"] < 0.98 * result.curve[0]["loss"]
    assert (result.steps, result.images_seen) == (30, 360)
    assert result.images_per_second > 0
    assert result.flops_per_image > 0
    assert load_encoder(result.encoder)(torch.zeros(1, 3, 8, 8)).shape == (1, 16)
    assert reporter.done[-1] == (360, 360)
    assert [step for step, _ in reporter.points] == list(range(1, 31))
    assert not (tmp_path / "checkpoints").exists()


def test_the_curve_names_the_parts_a_method_has(tmp_path: Path) -> None:
    point = run(tmp_path / "a").curve[-1]
    assert set(point) == {"step", "images", "loss", "ar_loss", "visible_loss", "lr"}
    assert point["loss"] == pytest.approx(point["ar_loss"] + point["visible_loss"], rel=1e-5)
    assert set(run(tmp_path / "b", method="masked").curve[-1]) == {"step", "images", "loss", "lr"}


@pytest.mark.parametrize("norm", ["none", "standardise", "whiten"])
def test_codes_and_every_target_norm_train(norm: str, tmp_path: Path) -> None:
    recipe = replace(RECIPE, images_seen=24, target_norm=norm)
    assert np.isfinite(run(tmp_path / "a", recipe).curve[-1]["loss"])
    codes = FakeTokens(codes=9, has_global=False)
    assert run(tmp_path / "b", recipe, tokens=codes).curve[0]["ar_loss"] == pytest.approx(
        np.log(9), abs=0.6
    )


def test_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    first = run(tmp_path / "a", seed=3)
    torch.manual_seed(123)  # the global generator has no say
    assert same(first, run(tmp_path / "b", seed=3))
    assert not same(first, run(tmp_path / "c", seed=4))


def test_pretraining_leaves_nothing_but_the_encoder(tmp_path: Path) -> None:
    run(tmp_path / "a", checkpoint_seconds=0)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["encoder"]


@pytest.mark.parametrize("method", ["digpt", "masked"])
def test_resumed_run_equals_uninterrupted_run(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "digpt.pretrain.loop.POINTS", 10
    )  # a point spans 3 steps: a cut may split one
    whole = run(tmp_path / "whole", method=method)
    for cut in random.Random(5).choices(range(2, 12), k=3):
        with pytest.raises(RuntimeError, match="stop here"):  # no farewell checkpoint
            run(
                tmp_path / "cut",
                method=method,
                reporter=Listening(fail_at=cut),
                checkpoint_seconds=0 if cut % 2 else 0.03,
            )
    assert same(whole, run(tmp_path / "cut", method=method))


def test_a_cancelled_run_keeps_its_place(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run(tmp_path / "cut", reporter=Listening(fail_at=18, error=Cancelled))
    kept = read_checkpoint(tmp_path / "cut" / "checkpoints", Quiet())
    assert kept is not None
    assert kept.step == 17
    reporter = Listening()
    assert same(run(tmp_path / "whole"), run(tmp_path / "cut", reporter=reporter))
    assert reporter.checks == 13
    assert "Resumed after step 17." in reporter.lines


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run(tmp_path, reporter=Listening(fail_at=5, error=Cancelled))
    with pytest.raises(UserError, match=r"of another run \(different: seed\)"):
        run(tmp_path, seed=1)


def test_divergence_is_told_with_step_and_remedy_and_leaves_no_encoder(tmp_path: Path) -> None:
    recipe = replace(RECIPE, lr=1e30, clip_norm=0.0, warmup_share=0.0)
    with pytest.raises(UserError, match=r"diverged: .* at step \d+ of 30\. Lower lr") as error:
        run(tmp_path, recipe, "igpt")
    assert error.value.code == "diverged"
    assert error.value.facts["step"] <= 4
    assert not (tmp_path / "encoder").exists()


def test_a_batch_too_large_for_memory_is_computed_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "whole", method="igpt")
    forward = IGPT.forward

    def limited(self: torch.nn.Module, batch: Tensor, *rest: Tensor, **options: object) -> object:
        if len(batch) > 4:
            raise torch.OutOfMemoryError("simulated")
        return forward(self, batch, *rest, **options)  # pyright: ignore

    monkeypatch.setattr(IGPT, "forward", limited)
    reporter = Listening()
    parts = run(tmp_path / "parts", method="igpt", reporter=reporter)
    assert any("going on with 3 images at once, still 12" in line for line in reporter.lines)
    assert (whole.micro_batch, parts.micro_batch) == (12, 3)
    for a, b in zip(weights(whole).values(), weights(parts).values(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)


def test_every_epoch_shows_every_image_once() -> None:
    feed = Feed(images(10), np.arange(10), FakeTokens(10), replace(RECIPE, batch_size=4), seed=0)
    chosen = np.concatenate([feed._chosen(step) for step in range(10)])
    for epoch in range(4):
        assert sorted(chosen[epoch * 10 : epoch * 10 + 10]) == list(range(10))
    assert not np.array_equal(chosen[:10], chosen[10:20])
    wide = Feed(images(10), np.arange(10), FakeTokens(10), replace(RECIPE, batch_size=25), seed=0)
    assert np.array_equal(np.concatenate([wide._chosen(0), wide._chosen(1)])[:40], chosen)


def test_images_are_flipped_exactly_where_their_tokens_are() -> None:
    pool, tokens = images(10), FakeTokens(10)
    rows = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])  # row r of the tokens is image 9 - r
    feed = Feed(pool, rows, tokens, replace(RECIPE, batch_size=10), seed=0)
    batch, chosen = feed.batch(0), feed._chosen(0)
    flips = 0
    for image, token, row in zip(batch.images, batch.tokens, chosen, strict=True):
        flipped = not np.array_equal(image, pool[rows[row]])
        assert np.array_equal(image, pool[rows[row]][:, ::-1] if flipped else pool[rows[row]])
        patches = tokens.patches[row]
        assert np.array_equal(token, patches[:, ::-1] if flipped else patches)
        flips += flipped
    assert 0 < flips < 10


def test_learning_rate_warms_up_then_falls_to_zero() -> None:
    recipe = replace(RECIPE, images_seen=12 * 100, warmup_share=0.1, lr=1.0)
    rates = [learning_rate(recipe, step) for step in range(steps_of(recipe))]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[10:]))
    assert 0 < rates[-1] < 0.001


def test_only_matrices_decay(tmp_path: Path) -> None:
    recipe = replace(RECIPE, images_seen=12, lr=1e-9, weight_decay=1e8, clip_norm=0.0)
    trained = weights(run(tmp_path, recipe))
    assert trained["cls_token"].abs().max() > 1e-3  # (1 - 1e-9 * 1e8) per step leaves 90%
    torch.manual_seed(0)
    assert torch.allclose(trained["blocks.0.norm1.weight"], torch.ones(16), atol=1e-6)


def test_the_official_pretraining_lets_the_learned_tokens_decay_too() -> None:
    assert PRESETS["paper"].pretrain.decay_tokens
    for decays, recipe in ((False, RECIPE), (True, replace(RECIPE, decay_tokens=True))):
        run = start(FakeTokens(), recipe, "digpt", 0, CPU, None)
        decayed = {id(p) for p in run.optimizer.param_groups[0]["params"]}
        others = {id(p) for p in run.optimizer.param_groups[1]["params"]}
        names = {n for n, p in run.model.named_parameters() if id(p) in others}
        tokens = {"encoder.cls_token", "ar_decoder.token", "visible_decoder.token"}
        assert tokens & names == (set() if decays else tokens)
        assert all("bias" in n or "norm" in n for n in names - tokens)
        assert len(decayed | others) == len(list(run.model.parameters()))


def test_the_official_pretraining_starts_its_class_token_at_zero_and_learns_it(
    tmp_path: Path,
) -> None:
    assert PRESETS["paper"].pretrain.zero_class_token
    recipe = replace(RECIPE, zero_class_token=True)
    first = start(FakeTokens(), recipe, "digpt", 0, CPU, None).model
    assert not first.encoder.cls_token.any()
    assert first.ar_decoder.token.all()
    trained = weights(run(tmp_path, recipe))
    assert trained["cls_token"].all()
    assert all(value.isfinite().all() for value in trained.values())


def test_standardised_targets_have_zero_mean_and_unit_variance_per_channel_then_per_token() -> None:
    tokens = FakeTokens()
    flat = torch.from_numpy(tokens.patches.reshape(-1, 6)).float()
    shifted = (flat - flat.mean(0)) / flat.std(0, correction=0)
    expected = (shifted - shifted.mean(1, keepdim=True)) / shifted.std(1, correction=0)[:, None]
    found = standardise(tokens.mean, tokens.std, CPU)(torch.from_numpy(tokens.patches))
    assert torch.allclose(found.reshape(-1, 6), expected, atol=1e-3)


def test_whitened_targets_are_uncorrelated() -> None:
    rng = np.random.default_rng(0)
    sample = (rng.normal(size=(4000, 5)) @ rng.normal(size=(5, 5)) + 3).astype(np.float32)
    white = whiten(sample, CPU)(torch.from_numpy(sample))
    assert torch.allclose(white.T @ white / 4000, torch.eye(5), atol=1e-2)
    assert white.mean(0).abs().max() < 1e-3


def test_precision_follows_the_device() -> None:
    assert resolve_precision("auto", CPU) == "fp32"
    assert resolve_precision("bf16", CPU) == "bf16"
    with pytest.raises(UserError, match="fp16 needs a CUDA device"):
        resolve_precision("fp16", CPU)
    with pytest.raises(UserError, match="Available: auto, bf16, fp16, fp32"):
        resolve_precision("int8", CPU)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"student": replace(STUDENT, image_size=16)}, "reads uint8"),
        ({"views": ("identity", "rotate")}, "Unknown view 'rotate'"),
        ({"views": ("crop1",), "crop_scale": (0.2, 1.0)}, "'crop1' is not in the token cache"),
        ({"crops": "online"}, "give the tokenizer itself"),
        ({"crops": "rios"}, "Did you mean 'rois'"),
        ({"crops": "rois", "views": ("crop1",), "crop_scale": (0.2, 1.0)}, "cached crops only"),
        ({"target_norm": "minmax"}, "Available: none, standardise, whiten"),
        ({"precision": "half"}, "Unknown precision"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_training(
    change: dict, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path, replace(RECIPE, **change))
    with pytest.raises(UserError, match="Did you mean 'digpt'"):
        run(tmp_path, method="digtp")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("simulated"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        MemoryError(),
    ],
)
def test_without_memory_for_one_image_the_advice_is_a_smaller_student(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> object:
        raise error

    recipe, reporter = replace(RECIPE, batch_size=4, images_seen=8), Listening()
    monkeypatch.setattr("digpt.pretrain.trainer.Trainer.count_flops", lambda _: 1.0)
    monkeypatch.setattr(IGPT, "forward", full)
    with pytest.raises(UserError, match="even with one image at a time") as told:
        run(tmp_path, recipe, "igpt", reporter=reporter)
    assert told.value.code == "out-of-memory"
    told_counts = [line.split()[6] for line in reporter.lines if "Out of memory" in line]
    assert told_counts == ["2", "1"]


def test_an_error_that_is_no_lack_of_memory_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr("digpt.pretrain.trainer.Trainer.count_flops", lambda _: 1.0)
    monkeypatch.setattr(IGPT, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(tmp_path, method="igpt")


@pytest.mark.parametrize("method", METHODS)
def test_micro_batches_and_checkpointed_activations_change_no_curve(
    method: str, tmp_path: Path
) -> None:
    whole = run(tmp_path / "a", method=method)
    saving = replace(RECIPE, micro_batch=5, activation_checkpointing=True)
    saved = run(tmp_path / "b", saving, method)
    for one, two in zip(whole.curve, saved.curve, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-4)
    assert saved.micro_batch == 5


def test_activation_checkpointing_keeps_fewer_tensors_for_the_backward_pass() -> None:
    def kept(recipe: Recipe) -> int:
        model = start(FakeTokens(), recipe, "digpt", 0, CPU, None).model
        sizes: list[int] = []

        def note(tensor: Tensor) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            model(torch.zeros(4, 3, 8, 8), torch.ones(4, 4, 4, 6), torch.ones(4, 6))
        return sum(sizes)

    assert kept(replace(RECIPE, activation_checkpointing=True)) < 0.6 * kept(RECIPE)


def test_the_average_is_kept_instead_and_lags_behind(tmp_path: Path) -> None:
    plain, averaged = run(tmp_path / "a"), run(tmp_path / "b", replace(RECIPE, ema=0.99))
    assert plain.curve == averaged.curve  # training itself is the same
    assert not same(plain, averaged)
    with pytest.raises(Cancelled):
        run(tmp_path / "c", replace(RECIPE, ema=0.99), reporter=Listening(18, Cancelled))
    assert same(averaged, run(tmp_path / "c", replace(RECIPE, ema=0.99)))


def test_fp16_scales_gradients_skips_overflows_and_resumes_its_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of a GPU without bf16, on a CPU: precision is fp16 where the scaler asks only."""
    monkeypatch.setattr("digpt.pretrain.state.resolve_precision", lambda *_: "fp16")
    monkeypatch.setattr("digpt.pretrain.state.FIRST_SCALE", 2.0**127)  # overflows at first
    scales: list[float] = []
    update = torch.amp.GradScaler.update

    def noted(self: torch.amp.GradScaler) -> None:
        update(self)
        scales.append(self.get_scale())

    monkeypatch.setattr(torch.amp.GradScaler, "update", noted)
    recipe = replace(RECIPE, clip_norm=1.0)
    whole = run(tmp_path / "a", recipe)
    assert scales[0] == 2.0**126  # the first step overflowed, and was skipped
    assert 1e-3 < scales[-1] < 2.0**126
    assert np.isfinite(whole.curve[-1]["loss"])
    with pytest.raises(Cancelled):
        run(tmp_path / "b", recipe, reporter=Listening(18, Cancelled))
    assert same(whole, run(tmp_path / "b", recipe))


def test_fp16_that_overflows_at_every_step_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digpt.pretrain.state.resolve_precision", lambda *_: "fp16")
    monkeypatch.setattr("digpt.pretrain.state.FIRST_SCALE", 1e-4)
    with pytest.raises(UserError, match="gradients overflow in fp16"):
        run(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_compiled_blocks_learn_the_same(tmp_path: Path) -> None:
    recipe = replace(RECIPE, images_seen=48)
    plain = run(tmp_path / "a", recipe)
    compiled = run(tmp_path / "b", replace(recipe, compile=True))
    for one, two in zip(plain.curve, compiled.curve, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-3)


def test_compiling_without_a_compiler_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digpt.pretrain.acceleration.shutil.which", lambda _: None)
    with pytest.raises(UserError, match=r"needs a C\+\+ compiler on a CPU"):
        run(tmp_path, replace(RECIPE, compile=True))


def test_on_a_cpu_as_many_images_are_computed_at_once_as_memory_is_sure_to_hold() -> None:
    def at_once(recipe: Recipe, device: str = "cpu") -> int:
        return images_at_once(recipe, 768, torch.device(device))

    quick, paper = PRESETS["quick"].pretrain, PRESETS["paper"].pretrain
    large = replace(quick, student=replace(quick.student, image_size=512))
    assert at_once(quick) == quick.batch_size
    assert 1 <= at_once(large) < at_once(paper) < 8
    assert at_once(paper, "cuda") == paper.batch_size
    assert (
        start(FakeTokens(), replace(large, micro_batch=9), "digpt", 0, CPU, None).micro_batch == 9
    )
