"""The filter bank: whitened, oriented, indifferent to plain light."""

import math

import pytest
import torch

from digpt.tokenizers import filters
from digpt.tokenizers.filters import ORIENTATIONS, WAVELENGTHS, Filters


def grating(wavelength: float, angle: float, size: int = 32) -> torch.Tensor:
    """A grey sine wave (1, 3, S, S) that changes along `angle`."""
    line = torch.arange(size, dtype=torch.float32)
    y, x = torch.meshgrid(line, line, indexing="ij")
    wave = torch.sin(2 * math.pi / wavelength * (x * math.cos(angle) + y * math.sin(angle)))
    return (0.5 + 0.4 * wave).expand(1, 3, size, size)


def test_training_tokens_have_mean_zero_and_the_identity_as_covariance(fitted, dataset):
    rows = dataset.indices("pool", "train")
    pixels = torch.from_numpy(dataset.images.load(rows, 16))
    tokens = fitted("filters").encode(pixels.permute(0, 3, 1, 2).float() / 255).patches
    tokens = tokens.flatten(0, 2).double()
    covariance = torch.cov(tokens.T, correction=0)
    used = covariance.diagonal() > 0.5  # components without variance are zeros
    assert used.sum() > 10
    assert torch.all(covariance.diagonal()[~used].abs() < 1e-6)
    torch.testing.assert_close(
        covariance[used][:, used],
        torch.eye(int(used.sum()), dtype=torch.float64),
        atol=2e-2,
        rtol=0,
    )
    assert tokens.mean(0).abs().max() < 1e-2


@pytest.mark.parametrize("wavelength", WAVELENGTHS)
@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
def test_a_gabor_filter_responds_most_to_its_own_orientation(wavelength, orientation):
    made = Filters(name="filters", image_size=32, patch_size=8)
    image = grating(wavelength, math.pi * orientation / ORIENTATIONS)
    energy = made.responses(image)[0, 1:3, 1:3].mean((0, 1))  # (R,): means, then maxima
    first = WAVELENGTHS.index(wavelength) * ORIENTATIONS
    assert energy[first : first + ORIENTATIONS].argmax() == orientation


def test_even_light_says_nothing_to_oriented_and_ring_filters():
    made = Filters(name="filters", image_size=32, patch_size=8)
    responses = made.responses(torch.full((1, 3, 32, 32), 0.7))
    oriented = responses[..., : len(WAVELENGTHS) * ORIENTATIONS + 3 * len(filters.SCALES)]
    assert oriented.abs().max() < 1e-4


def test_many_large_images_are_filtered_a_few_at_a_time(monkeypatch):
    """Their maps would take gigabytes."""
    filtered, seen = filters._filtered, []

    def watched(maps, kernels):
        seen.append(len(maps))
        return filtered(maps, kernels)

    images = torch.rand(7, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tokenizer = Filters(name="filters", image_size=32, patch_size=8)
    whole = tokenizer.responses(images)
    monkeypatch.setattr(filters, "_filtered", watched)
    monkeypatch.setattr(filters, "AT_ONCE", 2 * 32 * 32)
    torch.testing.assert_close(tokenizer.responses(images), whole)
    assert set(seen) == {2, 1}
