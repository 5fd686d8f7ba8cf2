"""Looks of arms, and which of them have seen more labels than they count."""

import dataclasses

import pytest

from jobs import looks
from jobs.service import PilotService
from jobs.spec import Arm
from jobs.views import DatasetView


def arms(*names: str) -> list[Arm]:
    pairs = [name.split(":", 1) for name in names]
    return [Arm(method=p[0], tokenizer=p[1] if len(p) > 1 else None) for p in pairs]  # type: ignore[arg-type]


def test_every_arm_has_one_look_and_the_first_five_differ():
    given = looks.assign(
        arms("frozen:filters", "scratch", "digpt:filters", "digpt:pixels", "masked:pixels")
    )
    assert sorted(given.values()) == [0, 1, 2, 3, 4]
    assert given["frozen × filters"] == looks.BASELINE


def test_more_than_five_arms_are_muted_and_grey_stays_the_baselines():
    tokenizers = ("filters", "pixels", "hog", "random", "domain-clip", "codebook:8(filters)")
    given = looks.assign(arms(*(f"digpt:{t}" for t in tokenizers)))
    assert looks.BASELINE not in given.values()
    assert list(given.values()).count(looks.MUTED) == 2


def test_the_looks_do_not_depend_on_what_comes_after():
    few = looks.assign(arms("scratch", "digpt:filters"))
    more = looks.assign(arms("scratch", "digpt:filters", "digpt:pixels", "igpt:pixels"))
    assert few.items() <= more.items()


@pytest.fixture
def surfaces(service: PilotService) -> DatasetView:
    digits = service.dataset("digits")
    share = {"caption": 0.0, "caption_with_state": 1.0}
    return dataclasses.replace(digits, caption_columns=tuple(share), caption_names_class=share)


@pytest.mark.parametrize(
    ("tokenizer", "sees"),
    [
        ("filters", False),
        ("domain-clip", False),
        ("domain-clip:caption_with_state", True),
        ("codebook:8(domain-clip:caption_with_state)", True),
    ],
)
def test_captions_that_name_the_class_are_seen_through_any_base(
    surfaces: DatasetView, tokenizer: str, sees: bool
):
    assert looks.sees_labels(Arm(method="digpt", tokenizer=tokenizer), surfaces) is sees


def test_without_captions_the_labels_themselves_are_seen(surfaces: DatasetView):
    bare = dataclasses.replace(surfaces, caption_columns=(), captioned={}, caption_names_class={})
    assert looks.sees_labels(Arm(method="digpt", tokenizer="domain-clip"), bare)
