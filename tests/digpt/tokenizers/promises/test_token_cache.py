"""The token cache: what is read is what the tokenizer says, or a sentence."""

import shutil
from collections import namedtuple

import numpy as np
import pytest
import torch

from digpt.data.views import Views
from digpt.errors import UserError
from digpt.reporter import Quiet
from digpt.tokenizers import cache
from digpt.tokenizers.cache import TokenCache
from digpt.tokenizers.online import Online
from digpt.tokenizers.portions import encode

CPU = torch.device("cpu")


@pytest.fixture
def write(dataset, tmp_path):
    """Writes the cache of some rows and gives its folder."""

    def make(tokenizer, rows=None, batch=7, reporter=None, **options):
        pixels = dataset.images.load(np.arange(len(dataset)), 16)
        rows = np.arange(5, 25) if rows is None else rows
        reporter = reporter or Quiet()
        cache.write(
            tokenizer, pixels, rows, tmp_path, device=CPU, reporter=reporter, batch=batch, **options
        )
        return tmp_path

    return make


def test_making_tokens_says_how_far_it_is_after_each_portion(fitted, write, monkeypatch):
    class Told(Quiet):
        done: list[tuple[int, int]] = []  # noqa: RUF012 - of this test alone

        def progress(self, done: int, total: int) -> None:
            self.done.append((done, total))

    monkeypatch.setattr("digpt.tokenizers.portions.MOST_PIXELS", 5 * 16**2)  # five images at once
    write(fitted("pixels"), batch=20, reporter=Told())
    assert [done for done, _ in Told.done] == [2, 5, 7, 10, 12, 15, 17, 20]  # of two views each
    assert {total for _, total in Told.done} == {20}


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of one batch: three of seven, seven and six images."""
    monkeypatch.setattr(cache, "SHARD_BYTES", 1)


class Killed(Quiet):
    """Breaks off at the n-th check and keeps what was said."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.checks, self.lines = at, 0, []

    def check(self) -> None:
        self.checks += 1
        if self.checks == self.at:
            raise KeyboardInterrupt

    def log(self, message: str, level: str = "info") -> None:
        self.lines.append(message)


def everything(folder) -> tuple[np.ndarray, np.ndarray | None]:
    """All tokens of a cache of 20 images in two views."""
    return TokenCache.open(folder).read(np.repeat(np.arange(20), 2), np.tile([0, 1], 20))


@pytest.mark.parametrize("name", ["pixels", "hog", "random", "codebook:8(filters)"])
@pytest.mark.parametrize("view", [0, 1])
def test_the_cache_holds_what_the_tokenizer_says_of_each_view(name, view, fitted, write, dataset):
    found = TokenCache.open(write(fitted(name)))
    picked = np.array([3, 0, 19])  # of the cache's own rows
    pixels = torch.from_numpy(np.array(dataset.images.load(picked + 5, 16)))
    images = pixels.permute(0, 3, 1, 2).float() / 255
    expected = fitted(name).encode(images.flip(-1) if view else images)
    patches, shared = found.read(picked, np.full(3, view))
    if fitted(name).is_discrete:
        np.testing.assert_array_equal(patches, expected.patches.numpy())
        assert found.codes == fitted(name).dim
    else:
        np.testing.assert_allclose(patches, expected.patches.numpy(), rtol=2e-3, atol=2e-3)
    assert (shared is None) == (expected.global_token is None) == (not found.has_global)
    if shared is not None:
        np.testing.assert_allclose(shared, expected.global_token.numpy(), rtol=2e-3, atol=2e-3)


def test_statistics_are_those_of_all_cached_tokens(fitted, write):
    folder = write(fitted("random"))
    found = TokenCache.open(folder)
    tokens = everything(folder)[0].astype(np.float64).reshape(-1, found.dim)
    np.testing.assert_allclose(found.mean, tokens.mean(0), atol=1e-3)
    np.testing.assert_allclose(found.std, tokens.std(0), atol=1e-3)


def test_the_batch_size_changes_nothing_but_rounding(fitted, write):
    first = everything(write(fitted("filters"), batch=3))[0].astype(np.float32)
    again = everything(write(fitted("filters"), batch=20))[0].astype(np.float32)
    np.testing.assert_allclose(first, again, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["random", "codebook:8(filters)"])
def test_the_number_of_shards_changes_nothing(name, fitted, write, monkeypatch):
    whole = everything(write(fitted(name)))
    statistics = TokenCache.open(write(fitted(name)))
    monkeypatch.setattr(cache, "SHARD_BYTES", 1)
    folder = write(fitted(name))
    assert len(list(folder.glob("shard-*.npy"))) == 3
    assert len(TokenCache.open(folder)) == 20
    for one, other in zip(whole, everything(folder), strict=True):
        assert (one is None and other is None) or np.array_equal(one, other)
    np.testing.assert_allclose(TokenCache.open(folder).mean, statistics.mean, rtol=1e-6)


@pytest.mark.parametrize("killed_at", [1, 4, 6])  # of two looks, one for each view, at a shard
def test_a_killed_run_goes_on_from_the_whole_shards(
    killed_at, fitted, write, small_shards, tmp_path
):
    expected = everything(write(fitted("random")))
    statistics = TokenCache.open(tmp_path).std
    shutil.rmtree(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write(fitted("random"), reporter=Killed(at=killed_at))
    assert not (tmp_path / cache.ABOUT).exists()
    again = Killed()
    found = everything(write(fitted("random"), reporter=again))
    assert again.checks == 6 - (killed_at - 1) // 2 * 2  # only the missing shards are made
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))
    assert np.array_equal(TokenCache.open(tmp_path).std, statistics)
    assert not (tmp_path / cache.UNFINISHED).exists()


def test_a_damaged_or_foreign_shard_is_made_anew(fitted, write, small_shards, tmp_path):
    expected = everything(write(fitted("random")))
    for spoil in ("shard-00000-*.npy", "sums-00001.npz", "other"):
        shutil.rmtree(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            write(fitted("filters" if spoil == "other" else "random"), reporter=Killed(at=5))
        for path in (tmp_path / cache.UNFINISHED).glob(spoil):
            path.write_bytes(path.read_bytes()[:-3] + b"bad")
        again = Killed()
        found = everything(write(fitted("random"), reporter=again))
        assert again.checks == (6 if spoil == "other" else 4)
        assert "other tokens" in again.lines[0] if spoil == "other" else "damaged" in again.lines[0]
        assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def test_a_cut_off_file_is_refused_by_name(fitted, write):
    folder = write(fitted("random"))
    for path in (*folder.glob("shard-*.npy"), folder / "statistics.npz"):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(UserError, match=f"{path.name} is missing or cut short"):
            TokenCache.open(folder)
        path.write_bytes(whole)
    path.unlink()
    with pytest.raises(UserError, match="Retry the pilot"):
        TokenCache.open(folder)


def test_a_changed_byte_is_found_when_its_shard_is_first_read(fitted, write, small_shards):
    folder = write(fitted("random"))
    spoilt = sorted(folder.glob("shard-*.npy"))[1]
    content = bytearray(spoilt.read_bytes())
    content[-5] ^= 1
    spoilt.write_bytes(content)
    found = TokenCache.open(folder)
    found.read(np.array([0, 6, 19]), np.zeros(3, int))  # first and last shard
    with pytest.raises(UserError, match=f"{spoilt.name} is missing or changed") as error:
        found.read(np.array([0, 7]), np.zeros(2, int))
    assert error.value.code == "damaged-cache"
    with pytest.raises(UserError, match="changed since"):
        TokenCache.open(folder).verify()


def test_reading_maps_the_files_and_copies_only_the_rows_asked_for(fitted, write):
    found = TokenCache.open(write(fitted("random")))
    assert isinstance(found._shard(0), np.memmap)
    assert not found._shard(0).flags.writeable


def test_crop_views_hold_the_tokens_of_what_the_student_sees(fitted, write, dataset):
    views = ("identity", "crop1", "crop2")
    found = TokenCache.open(write(fitted("filters"), views=views, crop_scale=(0.2, 0.6)))
    rows, picked = np.array([3, 0, 19, 3]), np.array([1, 2, 1, 2])
    pixels = np.array(dataset.images.load(rows + 5, 16))
    seen = Views(views, 20, (0.2, 0.6), 16).see(pixels, rows, picked)
    expected = encode(fitted("filters"), seen, CPU).patches.numpy()
    np.testing.assert_allclose(found.read(rows, picked)[0], expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["random", "codebook:8(filters)"])
def test_an_online_tokenizer_says_what_its_cache_holds(name, fitted, write, dataset):
    folder = write(fitted(name))
    pixels = np.array(dataset.images.load(np.arange(len(dataset)), 16))
    online = Online(fitted(name), pixels, np.arange(5, 25), size=16, device=CPU, reporter=Quiet())
    rows, views = np.array([3, 0, 19]), np.array([0, 1, 1])
    cached = TokenCache.open(folder)
    for a, b in zip(cached.read(rows, views), online.read(rows, views), strict=True):
        assert (a is None and b is None) or a.dtype == b.dtype
        if a is not None and b is not None:
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)
    assert (online.dim, online.codes, online.grid_size) == (
        cached.dim, cached.codes, cached.grid_size
    )  # fmt: skip
    np.testing.assert_allclose(online.mean, cached.mean, rtol=1e-4, atol=1e-5)
    assert online.flops_per_image > 0


def test_a_cache_that_was_not_finished_is_refused(fitted, write):
    folder = write(fitted("pixels"))
    (folder / "cache.json").unlink()
    with pytest.raises(UserError, match="no complete token cache"):
        TokenCache.open(folder)


def test_too_little_disk_is_said_before_anything_is_written(fitted, write, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 0, 10))
    with pytest.raises(UserError, match="Make room"):
        write(fitted("pixels"))
    assert not list(tmp_path.iterdir())


def test_no_image_is_an_error_in_words(fitted, write):
    with pytest.raises(UserError, match="pool and train are empty"):
        write(fitted("pixels"), rows=np.array([], int))
