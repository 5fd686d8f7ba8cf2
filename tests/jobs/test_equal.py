"""Arms that spend the same: by images, by FLOPs, by device-seconds."""

import pytest

from digpt.recipe import Recipe
from jobs.equal import flops_per_image, images_seen
from jobs.spec import Arm, PilotSpec, load_spec


def spec(equalise: str) -> PilotSpec:
    arms = [
        {"method": "digpt", "tokenizer": "codebook:512(filters)"},
        {"method": "scratch"},
        {"method": "igpt", "tokenizer": "pixels"},
        {"method": "masked", "tokenizer": "pixels"},
    ]
    values = {"name": "p", "dataset": {"name": "digits"}, "arms": arms, "equalise": equalise}
    return load_spec(values | {"preset": "quick"})


def test_by_images_all_see_the_recipes() -> None:
    assert set(images_seen(spec("images")).values()) == {40_000}
    assert "scratch" not in images_seen(spec("images"))


def test_by_flops_the_first_arm_is_the_measure() -> None:
    asked = spec("flops")
    found = images_seen(asked)
    spent = {
        a.name: found[a.name] * flops_per_image(a, asked.resolved.pretrain)
        for a in asked.arms
        if a.name in found
    }
    first = next(iter(found))
    assert found[first] == pytest.approx(40_000, abs=64)
    assert all(v == pytest.approx(spent[first], rel=0.01) for v in spent.values())
    assert found["masked × pixels"] > found["igpt × pixels"] > found[first]


def test_by_device_seconds_the_measured_speed_counts() -> None:
    def seconds(arm: Arm, recipe: Recipe) -> float:
        return flops_per_image(arm, recipe) ** 0.5  # a small network reaches less of the rate

    asked = spec("device_seconds")
    found, by_flops = images_seen(asked, seconds), images_seen(spec("flops"))
    assert 40_000 < found["masked × pixels"] < by_flops["masked × pixels"]
