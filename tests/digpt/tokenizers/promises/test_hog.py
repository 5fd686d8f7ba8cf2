"""Histograms of oriented gradients, against a loop written from the paper."""

import math

import numpy as np
import pytest
import torch

from digpt.tokenizers.hog import CELLS, CLIP, EPS, ORIENTATIONS, Hog


def slow(image: np.ndarray, patch: int) -> np.ndarray:
    """Tokens (h, w, O 4) of one image (3, H, W), pixel by pixel."""
    height, width = image.shape[1:]
    cell = patch // CELLS
    sums = np.zeros((height // cell, width // cell, ORIENTATIONS))
    for y in range(height):
        for x in range(width):
            left, right, up, down = max(x - 1, 0), min(x + 1, width - 1), max(y - 1, 0), y + 1
            down = min(down, height - 1)
            across = image[:, y, right] - image[:, y, left]
            along = image[:, down, x] - image[:, up, x]
            c = int(np.argmax(across**2 + along**2))
            place = math.atan2(along[c], across[c]) % math.pi / math.pi * ORIENTATIONS
            lower, share = int(place) % ORIENTATIONS, place - int(place)
            vote = math.hypot(across[c], along[c]) / cell**2
            sums[y // cell, x // cell, lower] += vote * (1 - share)
            sums[y // cell, x // cell, (lower + 1) % ORIENTATIONS] += vote * share
    tokens = np.zeros((height // patch, width // patch, CELLS**2 * ORIENTATIONS))
    for i, j in np.ndindex(tokens.shape[:2]):
        block = sums[i * CELLS : (i + 1) * CELLS, j * CELLS : (j + 1) * CELLS]
        block = block.transpose(2, 0, 1).ravel()  # orientation first, then the cells
        length = math.hypot(*block)
        block = np.minimum(block / length, CLIP)
        tokens[i, j] = block / math.hypot(*block) * length / math.hypot(length, EPS)
    return tokens


@pytest.fixture
def made() -> Hog:
    return Hog(name="hog", image_size=16, patch_size=8)


def test_tokens_equal_a_slow_loop(made):
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = made.encode(image[None]).patches[0]
    np.testing.assert_allclose(found, slow(image.numpy(), 8), atol=1e-4)


def test_a_ramp_votes_for_the_orientation_it_rises_in(made):
    ramp = torch.linspace(0, 1, 16).expand(1, 3, 16, 16)  # rises to the right: angle 0
    across = made.encode(ramp).patches[0, 0, 0].view(ORIENTATIONS, 4)
    assert (across.argmax(0) == 0).all()
    down = made.encode(ramp.transpose(2, 3)).patches[0, 0, 0].view(ORIENTATIONS, 4)
    assert set(down.argmax(0).tolist()) <= {4, 5}  # 90 degrees lies between these two


def test_brighter_images_have_the_same_tokens_and_stronger_ones_nearly(made):
    image = 0.6 * torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    plain = made.encode(image).patches
    torch.testing.assert_close(made.encode(image + 0.2).patches, plain, atol=1e-4, rtol=0)
    torch.testing.assert_close(made.encode(image * 1.5).patches, plain, atol=0.03, rtol=0)


def test_the_strongest_channel_speaks(made):
    image = torch.full((1, 3, 16, 16), 0.5)
    image[:, 2] = torch.linspace(0, 1, 16)  # blue rises to the right, red barely falls
    image[:, 0] = torch.linspace(0.5, 0.45, 16)[:, None]
    assert (made.encode(image).patches[0, 0, 0].view(ORIENTATIONS, 4).argmax(0) == 0).all()


def test_a_blank_patch_has_no_orientation(made):
    assert made.encode(torch.full((1, 3, 16, 16), 0.4)).patches.abs().max() == 0


def test_noise_below_one_grey_level_stays_near_zero(made):
    noise = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    assert made.encode(0.4 + 0.001 * noise).patches.norm(dim=-1).max() < 0.2


def test_an_odd_patch_is_one_cell():
    made = Hog(name="hog", image_size=21, patch_size=7)
    patches = made.encode(torch.rand(2, 3, 21, 21)).patches
    assert patches.shape == (2, 3, 3, made.dim) == (2, 3, 3, ORIENTATIONS)
