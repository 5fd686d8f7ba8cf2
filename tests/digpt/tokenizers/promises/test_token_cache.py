"""The token cache: what is read is what the tokenizer says, or a sentence."""

import shutil
from collections import namedtuple

import numpy as np
import pytest
import torch

from digpt.errors import UserError
from digpt.reporter import Quiet
from digpt.tokenizers import cache
from digpt.tokenizers.cache import TokenCache

CPU = torch.device("cpu")


@pytest.fixture
def write(dataset, tmp_path):
    """Writes the cache of some rows and gives its folder."""

    def make(tokenizer, rows=None, batch=7):
        pixels = dataset.images.load(np.arange(len(dataset)), 16)
        rows = np.arange(5, 25) if rows is None else rows
        cache.write(tokenizer, pixels, rows, tmp_path, device=CPU, reporter=Quiet(), batch=batch)
        return tmp_path

    return make


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
    found = TokenCache.open(write(fitted("random")))
    tokens = found.patches.astype(np.float64).reshape(-1, found.dim)
    np.testing.assert_allclose(found.mean, tokens.mean(0), atol=1e-3)
    np.testing.assert_allclose(found.std, tokens.std(0), atol=1e-3)


def test_the_batch_size_changes_nothing_but_rounding(fitted, write):
    folder = write(fitted("filters"), batch=3)
    first = np.array(TokenCache.open(folder).patches, np.float32)
    again = np.array(TokenCache.open(write(fitted("filters"), batch=20)).patches, np.float32)
    np.testing.assert_allclose(first, again, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("file", ["patches.npy", "statistics.npz", "global_tokens.npy"])
def test_a_cut_off_file_is_refused_by_name(file, fitted, write):
    folder = write(fitted("random"))
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[:-1])
    with pytest.raises(UserError, match=f"{file} is missing or cut short"):
        TokenCache.open(folder)
    (folder / file).unlink()
    with pytest.raises(UserError, match="pilot again"):
        TokenCache.open(folder)


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
