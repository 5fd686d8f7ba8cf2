"""Regularisers of fine-tuning: what each changes, by which draws, and that off means off."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from digpt.models.vit import ViT
from digpt.recipe import PRESETS, Transfer
from digpt.reporter import Quiet
from digpt.transfer import encoders
from digpt.transfer.finetune import Task, finetune
from digpt.transfer.regularise import Regulariser, drop_paths

OFF = Transfer()
LABELS = torch.tensor([0, 1, 2, 0, 1])
IMAGES = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def made(**options: float | str) -> Regulariser:
    regulariser = Regulariser.of(replace(OFF, **options), 3, 0.1)
    assert regulariser is not None
    return regulariser


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_is_off_unless_asked_for_and_on_in_the_published_recipe() -> None:
    for name, preset in PRESETS.items():
        assert (Regulariser.of(preset.transfer, 3, 0.1) is not None) == (name == "paper")
    published = PRESETS["paper"].transfer
    assert (published.finetune_mixup, published.finetune_cutmix) == (0.8, 1.0)
    assert (published.finetune_erasing, published.finetune_drop_path) == (0.25, 0.1)
    assert (published.finetune_warmup_share, published.finetune_epochs) == (0.05, 100)
    assert (published.finetune_clip_norm, published.finetune_head_rate) == (0.0, 1.0)
    assert (published.finetune_min_lr, published.finetune_positions) == (1e-6, True)
    assert published.finetune_crop_scale == (0.08, 1.0)


def test_mixed_images_and_targets_are_mixed_alike() -> None:
    images, targets = made(finetune_mixup=1.0).batch(IMAGES, LABELS, drawn())
    plain = torch.nn.functional.one_hot(LABELS, 3) * 0.9 + 0.1 / 3
    partner = IMAGES[:4].flip(0)
    share = ((images[0] - partner[0]).sum() / (IMAGES[0] - partner[0]).sum()).item()
    assert 0 < share < 1
    assert torch.allclose(images[:4], share * IMAGES[:4] + (1 - share) * partner, atol=1e-5)
    assert torch.allclose(
        targets[:4], share * plain[:4] + (1 - share) * plain[:4].flip(0), atol=1e-5
    )
    assert torch.equal(images[4], IMAGES[4])  # nobody is left to mix the last one with
    assert torch.allclose(targets[4], plain[4])


def test_cutmix_targets_are_the_shares_of_the_pixels() -> None:
    images, targets = made(finetune_cutmix=1.0).batch(IMAGES, LABELS, drawn(3))
    share = (images[0] == IMAGES[0]).all(dim=0).float().mean().item()
    assert 0 < share < 1
    assert targets[0, 0].item() == pytest.approx((0.9 + 0.1 / 3), abs=1e-5)  # both are class 0
    mixed = share * 0.9 + 0.1 / 3
    assert targets[1, 1].item() == pytest.approx(mixed, abs=1e-5)


def test_erasing_changes_one_rectangle_and_keeps_the_target() -> None:
    images, targets = made(finetune_erasing=1.0).batch(IMAGES, LABELS, drawn())
    for before, after in zip(IMAGES, images, strict=True):
        changed = ((before - after).abs() > 1e-4).any(dim=0)
        rows, columns = changed.any(dim=1).nonzero(), changed.any(dim=0).nonzero()
        area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
        assert 0 < changed.sum() < 16 * 16
        assert changed.sum() > 0.8 * area
    assert images.min() >= 0
    assert images.max() <= 1
    assert torch.equal(targets.argmax(dim=1), LABELS)


def test_randaugment_distorts_pixels_and_the_same_draw_does_the_same() -> None:
    pixels = np.random.default_rng(0).integers(256, size=(6, 16, 16, 3), dtype=np.uint8)
    distort = made(finetune_randaugment="rand-m9-mstd0.5-inc1").pixels
    first, again = distort(pixels, drawn(1)), distort(pixels, drawn(1))
    assert first.shape == pixels.shape
    assert first.dtype == np.uint8
    assert not np.array_equal(first, pixels)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, distort(pixels, drawn(2)))


def test_global_generators_are_left_as_they_were() -> None:
    before = (random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state())
    made(finetune_mixup=0.8, finetune_erasing=0.5).batch(IMAGES, LABELS, drawn())
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_deeper_branches_are_left_out_more_often_and_none_when_evaluated() -> None:
    vit = ViT(image_size=16, patch_size=4, dim=16, depth=3, heads=2)
    drop_paths(vit, 0.6)
    torch.manual_seed(0)
    x = torch.randn(400, 17, 16)
    shares = []
    for block in vit.train().blocks:
        out = block.attn(x)
        shares.append((out.flatten(1) == 0).all(dim=1).float().mean().item())
    assert shares == pytest.approx([0.0, 0.3, 0.6], abs=0.08)
    assert not (vit.eval().blocks[2].attn(x).flatten(1) == 0).all(dim=1).any()


def test_the_published_recipe_tunes_a_recogniser_without_drop_path_and_says_so(
    dataset, conv, monkeypatch
) -> None:
    monkeypatch.setattr("digpt.recipe.LEAST_STEPS", 4)
    said: list[str] = []

    class Lines(Quiet):
        def log(self, message: str, level: str = "info") -> None:
            said.append(message)

    rows = {split: dataset.indices(split) for split in ("train", "val", "test")}
    task = Task(images=dataset.images.array, labels=dataset.labels, classes=4, **rows)
    recipe = replace(PRESETS["paper"].transfer, finetune_epochs=1)
    found = finetune(conv, task, transfer=recipe, seed=0, device="cpu", reporter=Lines())
    assert np.isfinite(found.test).all()
    assert any("without drop path" in line for line in said)


def test_the_published_recipe_tunes_a_student_and_repeats_itself(dataset, monkeypatch) -> None:
    monkeypatch.setattr("digpt.recipe.LEAST_STEPS", 10)
    vit = ViT(image_size=16, patch_size=4, dim=32, depth=2, heads=2)
    rows = {split: dataset.indices(split) for split in ("train", "val", "test")}
    task = Task(images=dataset.images.array, labels=dataset.labels, classes=4, **rows)
    recipe = replace(PRESETS["paper"].transfer, finetune_epochs=3, finetune_lrs=(2e-3,))

    def tuned(recipe: Transfer) -> np.ndarray:
        encoder = encoders.student(vit)
        return finetune(
            encoder, task, transfer=recipe, seed=0, device="cpu", reporter=Quiet()
        ).test  # fmt: skip

    first = tuned(recipe)
    assert np.isfinite(first).all()
    assert np.array_equal(first, tuned(recipe))
    assert not np.array_equal(first, tuned(replace(recipe, finetune_mixup=0.2)))
