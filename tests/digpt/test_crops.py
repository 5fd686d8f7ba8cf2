"""Crops in pretraining: the student's picture and its tokens are of the same part of an image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from digpt.data.views import WHOLE
from digpt.errors import UserError
from digpt.flops import training_flops
from digpt.models import load_encoder
from digpt.pretrain import Feed, pretrain
from digpt.pretrain.ranks import Ranks
from digpt.pretrain.rois import tokens_within
from digpt.recipe import CROPS, Recipe, Student
from digpt.reporter import Quiet
from digpt.tokenizers import cache
from digpt.tokenizers.base import Tokenizer, Tokens
from digpt.tokenizers.cache import TokenCache
from digpt.tokenizers.online import Online

CPU = torch.device("cpu")
STUDENT = Student(
    image_size=8, patch_size=2, dim=16, depth=2, heads=2, decoder_dim=16, decoder_heads=2
)
RECIPE = Recipe(student=STUDENT, images_seen=96, batch_size=12)
PLAIN = ("identity", "flip")
SCALE = (0.2, 1.0)


class Means(Tokenizer):
    """The mean colour of every patch, and of the image: tokens a test can work out itself."""

    dim, name, grid_size = 3, "means", (4, 4)

    def forward(self, images: torch.Tensor) -> Tokens:
        patches = torch.nn.functional.adaptive_avg_pool2d(images, 4).permute(0, 2, 3, 1)
        return Tokens(patches, images.mean(dim=(2, 3)))

    def config(self) -> dict[str, object]:
        return {}


def images(count: int = 40, size: int = 8) -> np.ndarray:
    return np.random.default_rng(1).integers(256, size=(count, size, size, 3), dtype=np.uint8)


def cached(folder: Path, pool: np.ndarray, views: tuple[str, ...] = PLAIN, **more) -> TokenCache:
    rows = np.arange(len(pool))
    cache.write(Means(), pool, rows, folder, views=views, device=CPU, reporter=Quiet(), **more)
    return TokenCache.open(folder)


def online(pool: np.ndarray) -> Online:
    rows = np.arange(len(pool))
    return Online(Means(), pool, rows, size=8, device=CPU, reporter=Quiet())


def means(pictures: np.ndarray) -> np.ndarray:
    """Patch means (B, 4, 4, 3) of uint8 pictures (B, 8, 8, 3), by hand."""
    return pictures.reshape(-1, 4, 2, 4, 2, 3).mean(axis=(2, 4)) / 255


@pytest.mark.parametrize("crops", ["cached", "online"])
@pytest.mark.parametrize("stored", [8, 20])
def test_a_batch_has_the_tokens_of_exactly_the_pictures_in_it(
    crops: str, stored: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digpt.tokenizers.online.BATCH", 5)  # a batch of 12 is seen in three parts
    pool = images(size=stored)
    views = ("identity", "flip", "crop1", "crop2") if crops == "cached" else PLAIN
    recipe = replace(RECIPE, crops=crops, crop_scale=SCALE, views=views, stored_size=stored)
    more = {"crop_scale": SCALE, "size": 8}
    source = online(pool) if crops == "online" else cached(tmp_path, pool, views, **more)
    feed = Feed(pool, np.arange(40), source, recipe, seed=0)
    for step in range(4):
        batch = feed.batch(step)
        assert batch.images.shape == (12, 8, 8, 3)
        np.testing.assert_allclose(batch.tokens, means(batch.images), atol=1e-3)
        assert np.array_equal(batch.images, feed.batch(step).images)
    assert not np.array_equal(feed.batch(0).images, feed.batch(1).images)


@pytest.mark.parametrize("crops", CROPS)
def test_what_two_processes_read_is_together_what_one_reads(crops: str, tmp_path: Path) -> None:
    pool = images()
    recipe = replace(RECIPE, crops=crops, crop_scale=WHOLE if crops == "cached" else SCALE)
    source = online(pool) if crops == "online" else cached(tmp_path, pool)
    whole, *parts = (
        Feed(pool, np.arange(40), source, recipe, 0, Ranks(index, count).own(12)).batch(3)
        for index, count in ((0, 1), (0, 2), (1, 2))
    )
    assert len(whole.images) == 12
    for one, two, together in zip(*parts, whole, strict=True):
        if together is None:
            assert one is two is None
            continue
        assert len(one) == len(two) == 6
        np.testing.assert_allclose(np.concatenate([one, two]), together, atol=1e-3)


def test_more_processes_than_images_in_a_batch_are_refused() -> None:
    Ranks(0, 12).check_share(12)
    with pytest.raises(UserError, match="batch of 12 cannot be shared by 13 processes"):
        Ranks(0, 13).check_share(12)


def test_tokens_within_the_whole_image_are_its_tokens() -> None:
    rng = np.random.default_rng(0)
    boxes, mirrored = np.tile([0.0, 0, 1, 1], (6, 1)), np.arange(6) % 2 == 1
    for tokens in (rng.normal(size=(6, 5, 4, 3)), rng.integers(9, size=(6, 5, 4))):
        found = tokens_within(tokens, boxes, mirrored)
        np.testing.assert_allclose(found[::2], tokens[::2], atol=1e-6)
        np.testing.assert_allclose(found[1::2], tokens[1::2, :, ::-1], atol=1e-6)


def test_tokens_within_a_box_lie_where_the_box_lies() -> None:
    column = np.arange(8.0)[None, None, :, None]
    ramp = np.tile(column, (1, 8, 1, 1))  # (1, 8, 8, 1): the column's number
    quarter = np.array([[0.5, 0.0, 1.0, 0.5]])  # columns 4 to 8, in steps of half a column
    found = tokens_within(ramp, quarter, np.zeros(1, bool))[0, 0, :, 0]
    inner = 4 + (np.arange(8) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(found[:-1], inner[:-1], atol=1e-6)  # the last is beyond a centre
    codes = ramp[..., 0].astype(np.int64)
    nearest = tokens_within(codes, quarter, np.zeros(1, bool))[0, 0]
    assert nearest.tolist() == [4, 4, 5, 5, 6, 6, 7, 7]
    assert tokens_within(codes, quarter, np.ones(1, bool))[0, 0].tolist() == [
        7,
        7,
        6,
        6,
        5,
        5,
        4,
        4,
    ]


def test_rois_of_smooth_images_are_near_the_tokens_of_the_crop(tmp_path: Path) -> None:
    line = np.linspace(0, 255, 8)
    pool = np.stack([line[:, None] * np.ones(8), line * np.ones((8, 1)), np.full((8, 8), 90)], -1)
    pool = np.tile(pool.round().astype(np.uint8), (40, 1, 1, 1))
    recipe = replace(RECIPE, crops="rois", crop_scale=SCALE)
    feed = Feed(pool, np.arange(40), cached(tmp_path, pool, ("identity",)), recipe, seed=0)
    batch = feed.batch(0)
    assert np.abs(batch.tokens - means(batch.images))[:, 1:3, 1:3].max() < 0.06
    assert np.ptp(batch.images.astype(int), axis=0).max() > 50  # the crops differ


def test_online_without_crops_is_pretraining_from_the_cache(tmp_path: Path) -> None:
    pool = images()
    options = {"method": "digpt", "seed": 0, "device": CPU, "reporter": Quiet()}
    tokens = cached(tmp_path / "cache", pool)
    recipe = replace(RECIPE, target_norm="none")
    first = pretrain(pool, tokens, recipe, out_dir=tmp_path / "a", **options)
    again = replace(recipe, crops="online")
    second = pretrain(pool, online(pool), again, out_dir=tmp_path / "b", **options)
    assert first.curve == second.curve
    states = [load_encoder(result.encoder).state_dict().values() for result in (first, second)]
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


@pytest.mark.parametrize("crops", ["cached", "rois", "online"])
def test_random_crops_train(crops: str, tmp_path: Path) -> None:
    pool = images()
    views = {"cached": ("crop1", "crop2"), "rois": PLAIN, "online": PLAIN}[crops]
    recipe = replace(RECIPE, crops=crops, crop_scale=SCALE, views=views)
    kept = views if crops == "cached" else ("identity",)
    tokens = online(pool) if crops == "online" else cached(
        tmp_path / "cache", pool, kept, crop_scale=SCALE
    )  # fmt: skip
    result = pretrain(
        pool, tokens, recipe, method="digpt", seed=0, out_dir=tmp_path, device=CPU, reporter=Quiet()
    )
    assert np.isfinite(result.curve[-1]["loss"])
    student = training_flops("digpt", recipe, token_dim=tokens.dim)
    assert result.flops_per_image == pytest.approx(student, rel=0.05)  # without cutting the crops


class Cramped(Means):
    """It runs out of memory when it reads more than `room` images at once."""

    room = 12

    def forward(self, images: torch.Tensor) -> Tokens:
        if len(images) > self.room:
            raise torch.OutOfMemoryError("simulated")
        return super().forward(images)


class Lines(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, message: str, level: str = "info") -> None:
        self.lines.append(message)


def test_a_teacher_that_runs_out_of_memory_in_its_thread_goes_on_with_fewer_images(
    tmp_path: Path,
) -> None:
    pool, reporter, teacher = images(), Lines(), Cramped()
    recipe = replace(RECIPE, crops="online", crop_scale=SCALE, target_norm="none")
    options = {"method": "digpt", "seed": 0, "device": CPU, "reporter": reporter}
    roomy = pretrain(pool, online(pool), recipe, out_dir=tmp_path / "a", **options)
    teacher.room = 40
    source = Online(teacher, pool, np.arange(40), size=8, device=CPU, reporter=reporter)
    teacher.room = 4  # memory is short only once the student is there
    cramped = pretrain(pool, source, recipe, out_dir=tmp_path / "b", **options)
    assert cramped.curve == roomy.curve
    assert [line.split()[8] for line in reporter.lines if "Out of memory" in line] == ["6", "3"]


def test_a_cache_is_filled_in_smaller_portions_where_memory_is_short(tmp_path: Path) -> None:
    pool, rows, tokens = images(), np.arange(40), []
    for name, teacher in (("roomy", Means()), ("cramped", Cramped())):
        cache.write(teacher, pool, rows, tmp_path / name, device=CPU, reporter=Quiet())
        tokens.append(TokenCache.open(tmp_path / name).read(rows, rows % 2))
    for whole, in_portions in zip(*tokens, strict=True):
        assert np.array_equal(whole, in_portions)


def test_a_teacher_without_memory_for_one_image_is_named(tmp_path: Path) -> None:
    teacher, reporter = Cramped(), Lines()
    source = Online(teacher, images(), np.arange(40), size=8, device=CPU, reporter=reporter)
    teacher.room = 0
    with pytest.raises(UserError, match="one image at a time in tokenizer 'means'") as told:
        source.encode(images(3))
    assert told.value.code == "out-of-memory"


def test_a_cache_of_other_crops_is_refused(tmp_path: Path) -> None:
    pool = images()
    tokens = cached(tmp_path, pool, ("crop1",), crop_scale=(0.5, 1.0))
    recipe = replace(RECIPE, views=("crop1",), crop_scale=SCALE)
    with pytest.raises(UserError, match=r"crops of \(0.5, 1.0\)"):
        pretrain(
            pool, tokens, recipe, method="digpt", seed=0, out_dir=tmp_path, device=CPU,
            reporter=Quiet(),
        )  # fmt: skip
