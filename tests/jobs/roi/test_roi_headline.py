"""The first figures of a case are those of the whole result."""

from dataclasses import replace

import numpy as np
import pytest

from jobs.roi import evaluate_case
from jobs.roi.decision import COLLECT, NO_GO
from jobs.roi.headline import foremost, headline, headline_of
from tests.jobs.roi.cases import DRAWS, case, evidence

CASES = {
    "go": {},
    "no-go": {"one_off": 1e9},
    "ranges": {"cost_miss": {"low": 1000, "likely": 5000, "high": 9000}, "one_off": 9e6},
    "review": {"review": {"cost_per_item": 5, "miss_rate": 0.02, "capacity_per_year": 5_000}},
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_figures_are_those_of_the_whole_result(name):
    arms = [evidence("a"), evidence("b", gap=2.5), evidence("c", failed=True)]
    given = case(**CASES[name])
    whole = evaluate_case(given, arms, draws=DRAWS)
    first = headline(given, arms, draws=DRAWS)
    assert first is not None
    assert first == headline_of(whole, first.arm)
    assert first.arm == foremost(whole).arm


def test_where_the_mean_decides_the_figures_are_not_those_of_an_arm_that_is_no_go():
    whole = evaluate_case(case(), [evidence("a"), evidence("b", gap=2.5)], draws=DRAWS)
    best = foremost(whole)
    last = replace(best, verdict=NO_GO)
    rest = {n: replace(a, verdict=COLLECT) for n, a in whole.arms.items() if n != best.arm}
    other = foremost(replace(whole, chosen_arm=None, arms={best.arm: last, **rest}))
    assert other.arm != best.arm


def test_without_a_usable_arm_or_a_good_class_there_are_no_figures():
    assert headline(case(), [evidence(failed=True)]) is None
    assert headline(case(good_classes=[]), [evidence()]) is None


def test_scores_that_are_kept_follow_the_labels_and_the_prevalence():
    # the same scores with other labels, then another mix of classes, are not taken for the first
    first = evidence()
    classes = np.where(first.test_positive, np.arange(400) % 8 // 4, 2).astype(str)
    of_val = np.where(first.val_positive, np.arange(300) % 2, 2).astype(str)
    both = {"test_class": classes, "val_class": of_val}
    by_class = evidence(**both, val_scores=first.val_scores, test_scores=first.test_scores)
    rates = [
        headline(case(prevalence=mix, good_classes=[]), [by_class], draws=200).miss_rate
        for mix in ({"0": 0.009, "1": 0.001}, {"0": 0.001, "1": 0.009})
    ]
    turned = evidence(
        val_scores=first.val_scores,
        test_scores=first.test_scores,
        test_positive=~first.test_positive,
    )
    assert rates[0] != rates[1]
    one, other = (headline(case(), [e], draws=200) for e in (first, turned))
    assert one is not None
    assert other is not None
    assert other.miss_rate > 0.5 > one.miss_rate
