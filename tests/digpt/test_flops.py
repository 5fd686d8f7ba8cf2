"""FLOPs that are worked out against those that torch counts."""

from dataclasses import replace

import pytest
import torch

from digpt.flops import training_flops
from digpt.meter import count_flops
from digpt.models import METHODS, Target
from digpt.recipe import STUDENTS, Recipe, Student

SIZES = {
    "wide": Student(image_size=32, patch_size=8, dim=64, depth=3, heads=2, decoder_dim=48),
    "long": Student(image_size=48, patch_size=4, dim=16, depth=6, heads=2, decoder_dim=16),
    "by groups": Student(image_size=56, patch_size=4, dim=16, depth=2, heads=2, decoder_dim=16),
    "clusters": Student(image_size=36, patch_size=6, dim=32, depth=2, clusters=(3, 2)),
}


@pytest.mark.parametrize("student", SIZES)
@pytest.mark.parametrize("target_share", [1.0, 0.3])
@pytest.mark.parametrize("method", METHODS)
def test_worked_out_flops_are_those_that_torch_counts(
    method: str, target_share: float, student: str
) -> None:
    sizes = replace(SIZES[student], decoder_depth=2, decoder_heads=2)
    recipe = Recipe(student=sizes, mask_share=0.6, target_share=target_share)
    side = sizes.image_size // sizes.patch_size
    model = METHODS[method](recipe, Target(20, has_global=True))
    images, tokens = torch.randn(2, 3, *[sizes.image_size] * 2), torch.randn(2, side, side, 20)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        model(images, tokens, torch.randn(2, 20), generator=generator).loss.backward()

    found = training_flops(method, recipe, token_dim=20)
    assert found == pytest.approx(count_flops(step) / 2, rel=0.03)


@pytest.mark.parametrize("window", [1, 2])
def test_flops_of_a_window_are_those_that_torch_counts(window: int) -> None:
    sizes = replace(
        SIZES["by groups"], image_size=84, clusters=(3, 3), decoder_depth=2, decoder_heads=2
    )
    recipe = Recipe(student=sizes, window=window)
    model = METHODS["digpt"](recipe, Target(20, has_global=True))
    images, tokens = torch.randn(2, 3, 84, 84), torch.randn(2, 21, 21, 20)

    def step() -> None:
        model(images, tokens, torch.randn(2, 20)).loss.backward()

    found = training_flops("digpt", recipe, token_dim=20)
    assert found == pytest.approx(count_flops(step) / 2, rel=0.03)
    assert found < 0.95 * training_flops("digpt", replace(recipe, window=0), token_dim=20)


def test_the_published_step_costs_what_was_measured() -> None:
    """METHOD section 1: 153 GFLOP of the student per image."""
    found = training_flops("digpt", Recipe(student=STUDENTS["base"]), token_dim=1024)
    assert found == pytest.approx(153e9, rel=0.03)
