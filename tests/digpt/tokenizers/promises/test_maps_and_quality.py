"""Token maps and token quality."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from digpt.data.dataset import UNLABELLED
from digpt.data.images import ArrayImages
from digpt.errors import Cancelled, UserError
from digpt.reporter import Quiet
from digpt.tokenizers import quality
from digpt.tokenizers.advice import advise
from digpt.tokenizers.maps import palette, token_maps
from digpt.tokenizers.quality import check
from digpt.tokenizers.quality.index import index
from digpt.tokenizers.quality.labels import decoded, nearest, weakest

NAMES = ("pixels", "filters", "hog", "random", "codebook:8(filters)")


@pytest.mark.parametrize("name", NAMES)
def test_a_map_has_one_coloured_cell_per_token(name, fitted, images):
    maps = token_maps(fitted(name), images)
    assert maps.shape == (len(images), 4, 4, 3)
    assert maps.dtype == np.uint8
    assert maps.std() > 10  # not one plain colour


@pytest.mark.parametrize("name", NAMES)
def test_the_same_image_has_the_same_map_wherever_it_stands(name, fitted, images):
    maps = token_maps(fitted(name), torch.cat([images[:3], images[:3]]))
    np.testing.assert_array_equal(maps[:3], maps[3:])
    turned = token_maps(fitted(name), images.flip(0))[::-1]
    assert np.abs(turned.astype(int) - token_maps(fitted(name), images)).max() <= 1


def test_equal_codes_have_equal_colours_and_different_ones_differ(fitted, images):
    codes = fitted("codebook:8(filters)").encode(images).patches.numpy()
    maps = token_maps(fitted("codebook:8(filters)"), images)
    for code in np.unique(codes):
        assert len(np.unique(maps[codes == code], axis=0)) == 1
    assert len(np.unique(palette(64), axis=0)) == 64


def test_blank_images_make_a_grey_map(fitted):
    maps = token_maps(fitted("pixels"), torch.full((2, 3, 16, 16), 0.5))
    assert (maps == maps[0, 0, 0]).all()


@pytest.mark.parametrize("name", NAMES)
def test_quality_is_the_same_twice_and_its_interval_holds_the_value(name, fitted, dataset):
    found = check(fitted(name), dataset, reporter=Quiet())
    again = check(fitted(name), dataset, reporter=Quiet())
    assert repr(replace(found, images_per_second=0.0)) == repr(
        replace(again, images_per_second=0.0)
    )  # as text, in which two unknown values are equal
    for measure in (found.decodability, found.token_decodability, found.agreement):
        assert 0 <= measure.low <= measure.value <= measure.high <= 1
    assert 1 <= found.effective_rank.value <= fitted(name).dim + 1e-6
    assert found.images_per_second > 0
    assert (
        (found.dead_codes is None) == (found.perplexity is None) == (not fitted(name).is_discrete)
    )


def test_tokens_that_see_the_stripes_decode_them_and_shuffled_labels_are_chance(fitted, dataset):
    assert check(fitted("hog"), dataset, reporter=Quiet()).decodability.value > 0.95
    shuffled = np.random.default_rng(0).permutation(dataset.labels)
    found = check(fitted("hog"), replace(dataset, labels=shuffled), reporter=Quiet())
    assert found.decodability.low < found.chance < found.decodability.high


def test_test_images_are_never_looked_at(fitted, dataset):
    class Guarded(ArrayImages):
        def load(self, indices, size):
            assert not set(np.asarray(indices)) & set(dataset.indices("test"))
            return super().load(indices, size)

    pixels = np.array(dataset.images.load(np.arange(len(dataset)), 16))
    check(fitted("hog"), replace(dataset, images=Guarded(pixels)), reporter=Quiet())


def test_without_labels_decodability_is_unknown_not_zero(fitted, dataset):
    unlabelled = replace(dataset, labels=np.full(len(dataset), UNLABELLED))
    assert math.isnan(check(fitted("hog"), unlabelled, reporter=Quiet()).decodability.value)


def test_a_dataset_of_test_images_alone_is_an_error_in_words(fitted, dataset):
    only_test = dataset.subset(dataset.indices("test"))
    with pytest.raises(UserError, match="no pool, training or validation image"):
        check(fitted("hog"), only_test, reporter=Quiet())


def test_a_check_stops_when_asked(fitted, dataset):
    class Stopping(Quiet):
        def check(self):
            raise Cancelled

    with pytest.raises(Cancelled):
        check(fitted("hog"), dataset, reporter=Stopping())


def test_effective_rank_counts_equally_strong_directions():
    eye = np.concatenate([np.eye(6), -np.eye(6)])  # six directions, centred
    assert quality.effective_rank(eye) == pytest.approx(6)
    assert quality.effective_rank(np.outer(np.arange(9.0), np.ones(6))) == pytest.approx(
        1, abs=1e-4
    )


def test_code_usage_is_exact_where_it_can_be_counted():
    assert quality.code_usage(np.array([0, 1, 2, 3]), 6) == (pytest.approx(4), 2)
    assert quality.code_usage(np.zeros(5, int), 3) == (pytest.approx(1), 2)


def test_pixels_are_explained_by_pixels_and_the_index_is_unknown_without_labels(fitted, dataset):
    found = check(fitted("pixels"), dataset, reporter=Quiet())
    assert found.pixels.value > check(fitted("hog"), dataset, reporter=Quiet()).pixels.value
    unlabelled = replace(dataset, labels=np.full(len(dataset), UNLABELLED))
    assert math.isnan(index(check(fitted("hog"), unlabelled, reporter=Quiet())).value)


def test_a_slice_that_is_told_worse_is_named_with_its_gap():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    is_dark = np.arange(400) < 100
    features = np.where(is_dark, rng.normal(size=400), 2.0 * labels - 1)[:, None]
    found = decoded(features, labels)
    shown = weakest(found, ("a", "b"), {"light": np.where(is_dark, "dark", "bright")})
    assert (shown[0].column, shown[0].value) == ("light", "dark")  # the widest gap first
    assert 0.2 < shown[0].gap.low < shown[0].gap.value < shown[0].gap.high


def test_nearest_images_are_of_other_groups():
    features = np.array([[0.0, 1], [0, 1.1], [1, 0], [1.1, 0], [0.1, 1]])
    near = nearest(features, 1, np.array([0, 0, 1, 2, 3]))
    assert near[:4, 0].tolist() == [4, 4, 3, 2]


def test_advice_is_the_first_where_it_is_clear_else_the_quickest_of_its_equals():
    speeds = {"slow": 1.0, "quick": 9.0, "bad": 99.0}
    clear = {"slow": (50, 45, 55), "quick": (30, 25, 35), "bad": (1, 0, 2)}
    assert advise(clear, speeds) == ("slow", "clear")
    equal = clear | {"quick": (48, 44, 52)}
    assert advise(equal, speeds) == ("quick", "cheapest")
    equal = clear | {"quick": (52, 44, 58)}
    assert advise(equal, speeds) == ("quick", "first")
    assert advise({"slow": None}, speeds) == (None, "no-labels")
