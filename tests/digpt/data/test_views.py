"""Views: the same pixels for student and tokenizer, cut as torchvision cuts them."""

import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resized_crop

from digpt.data.views import Views, draw_boxes, pixel_boxes, see
from digpt.errors import UserError

SCALE = (0.2, 1.0)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(12, 24, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [24, 16, 40])
def test_a_cut_is_what_torchvision_cuts(images: np.ndarray, size: int) -> None:
    boxes = draw_boxes(12, SCALE, np.random.default_rng(1))
    seen = see(images, boxes, np.zeros(12, bool), size)
    for image, (left, top, right, bottom), cut in zip(
        images, pixel_boxes(boxes, 24).tolist(), seen, strict=True
    ):
        expected = resized_crop(
            torch.from_numpy(image).permute(2, 0, 1).float(),
            top, left, bottom - top, right - left, [size, size],
            interpolation=InterpolationMode.BICUBIC,
            antialias=True,
        )  # fmt: skip
        expected = expected.round().clamp(0, 255).permute(1, 2, 0).numpy()
        assert np.abs(cut.astype(float) - expected).max() <= 1


def test_crops_are_spread_as_torchvision_spreads_them() -> None:
    boxes = draw_boxes(20_000, SCALE, np.random.default_rng(2))
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    torch.manual_seed(0)
    picture, ratio = torch.zeros(3, 1000, 1000), [3 / 4, 4 / 3]
    drawn = [RandomResizedCrop.get_params(picture, list(SCALE), ratio) for _ in range(2000)]
    top, left, tall, wide = np.array(drawn).T / 1000
    for own, theirs in (
        (width * height, wide * tall),
        (np.log(width / height), np.log(wide / tall)),
        (boxes[:, 0], left),
        (boxes[:, 1], top),
    ):
        shares = (0.1, 0.5, 0.9)
        np.testing.assert_allclose(np.quantile(own, shares), np.quantile(theirs, shares), atol=0.03)


def test_plain_views_are_the_image_and_its_mirror(images: np.ndarray) -> None:
    views = Views(("identity", "flip"), 12, (1.0, 1.0), 24)
    seen = views.see(images, np.arange(12), np.tile([0, 1], 6))
    assert np.array_equal(seen[::2], images[::2])
    assert np.array_equal(seen[1::2], images[1::2, :, ::-1])


def test_a_crop_view_is_fixed_for_every_image_and_differs_between_images(
    images: np.ndarray,
) -> None:
    same = np.repeat(images[:1], 12, axis=0)
    views = Views(("identity", "crop1", "crop2"), 12, SCALE, 24)
    first = views.see(same, np.arange(12), np.ones(12, int))
    few = Views(("crop1",), 12, SCALE, 24).see(same[:3], np.array([5, 0, 5]), np.zeros(3, int))
    assert np.array_equal(few, first[[5, 0, 5]])
    assert len(np.unique(first.reshape(12, -1), axis=0)) == 12
    assert not np.array_equal(first, views.see(same, np.arange(12), np.full(12, 2)))


@pytest.mark.parametrize(
    ("names", "scale", "message"),
    [
        (("rotate",), SCALE, "Unknown view 'rotate'"),
        (("crop0",), SCALE, "Unknown view 'crop0'"),
        (("crop1",), (1.0, 1.0), "crop_scale below 1"),
        (("identity",), (0.0, 1.0), "smallest and largest share"),
        (("identity",), (0.9, 0.2), "smallest and largest share"),
    ],
)
def test_views_that_cannot_be_are_refused(names, scale, message) -> None:
    with pytest.raises(UserError, match=message):
        Views(names, 3, scale, 24)
