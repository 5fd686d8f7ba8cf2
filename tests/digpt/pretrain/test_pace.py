"""How long an image takes in a training step: what equal device-seconds rest on."""

import itertools

import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from digpt.models import Target
from digpt.pretrain import pace
from digpt.pretrain.pace import CPU_FLOPS, seconds_per_image
from digpt.recipe import Recipe, Student

CPU = torch.device("cpu")


def recipe(depth: int = 1) -> Recipe:
    sizes = {"image_size": 16, "patch_size": 4, "dim": 16, "heads": 2, "decoder_dim": 16}
    return Recipe(student=Student(**sizes, depth=depth), batch_size=6)


def test_the_fastest_step_counts_and_the_first_one_warms_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Steps of 0.1, 9, 2, 6, 4 and 8 seconds, of 3 images each, as the FLOPs allow."""
    ends = itertools.accumulate([0.1, 9.0, 2.0, 6.0, 4.0, 8.0])
    times = iter([0.0, *itertools.chain.from_iterable(itertools.pairwise(ends))])
    monkeypatch.setattr(pace.time, "thread_time", lambda: next(times))
    found = seconds_per_image("digpt", recipe(), Target(8), CPU_FLOPS / 3, CPU)
    assert found == pytest.approx(2.0 / 3)


@pytest.mark.parametrize("method", ["digpt", "masked"])
def test_a_deeper_encoder_has_a_slower_pace(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that ticks with every layer that is run, so that no machine's load counts."""
    ticks = itertools.count(1)
    monkeypatch.setattr(pace.time, "thread_time", lambda: next(ticks))
    hook = register_module_forward_hook(lambda *_: next(ticks) and None)
    try:
        shallow, deep = (
            seconds_per_image(method, recipe(depth), Target(8), CPU_FLOPS, CPU) for depth in (1, 12)
        )
    finally:
        hook.remove()
    assert deep > 2 * shallow


def test_codes_and_every_option_of_a_recipe_have_a_pace() -> None:
    asked = Recipe(student=recipe().student, clip_norm=0, crops="online", stored_size=32, ema=0.9)
    assert 0 < seconds_per_image("digpt", asked, Target(9, 9), CPU_FLOPS, CPU) < 1
