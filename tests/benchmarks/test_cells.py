"""Comparisons in cells: measured once, gone on with, and paired by seed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ablation, budget_fidelity, cache_fidelity, fast_student, high_resolution
from benchmarks.cells import Cell, Lab, against, by_name, scores, value
from digpt.data.surfaces import surfaces
from digpt.evaluate.metrics import score
from digpt.recipe import PRESETS, Recipe

TINY = ["--images", "200", "--images-seen", "64", "--seeds", "2", "--views", "1", "--labels", "3"]
SMOKE: Recipe = replace(PRESETS["smoke"].pretrain, images_seen=64)


def record(name: str, seed: int, classes: list[int]) -> dict[str, object]:
    line = " ".join(map(str, classes))
    return {"name": name, "seed": seed, "predictions": {"5": [line]}, "loop_seconds": 1.0}


def cells(seeds: int) -> list[Cell]:
    return [
        Cell(name="scratch", method="scratch", tokenizer=None, recipe=SMOKE, seed=seed)
        for seed in range(seeds)
    ]


def test_a_value_is_the_score_of_the_classes_that_were_kept() -> None:
    labels = np.array([0, 1, 1, 2])
    made = record("a", 0, [0, 1, 2, 2])
    right = score("balanced_accuracy", np.eye(3)[[0, 1, 2, 2]], labels)
    assert value(made, "5", labels) == pytest.approx(right)
    assert scores([made], "5", labels).plain[0, 0] == pytest.approx(right)


def test_a_difference_is_paired_by_seed() -> None:
    labels = np.arange(40) % 4
    worse = np.where(np.arange(40) < 8, (labels + 1) % 4, labels)
    rows = [record(n, s, list(c)) for s in (0, 1) for n, c in (("a", worse), ("b", labels))]
    text, found = against(rows, "b", ["5"], labels)
    assert found["a", "5"].value == pytest.approx(-0.2)
    assert "-20.0" in text
    assert list(by_name(rows)) == ["a", "b"]


@pytest.mark.slow
def test_what_was_measured_is_read_and_what_was_cut_short_is_measured_again(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, surfaces(200), budgets=[3], label_seeds=1)
    first = lab.run(cells(1))
    with (tmp_path / "cells.jsonl").open("a") as file:
        file.write('{"key": "a line that a kill has cut')
    assert lab.run(cells(1)) == first
    assert lab.run(cells(2), minutes=0) == first  # the minutes are over: nothing new
    assert len(lab.run(cells(2))) == len(lab.run(cells(2), minutes=0)) == 2


@pytest.mark.slow
def test_one_call_after_another_finishes_a_comparison(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--out", str(tmp_path), "--preset", "smoke", *TINY]
    assert cache_fidelity.main([*asked, "--minutes", "0"]) == 3
    assert cache_fidelity.main(asked) in (0, 1)
    lines = [json.loads(x) for x in (tmp_path / "cells.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    assert {x["name"] for x in lines} == set(by_name(lines))
    shown = capsys.readouterr().out
    assert "8 of 8 cells" in shown
    assert shown.count("| online crops |") == 1


def test_the_fast_student_has_half_the_depth_width_and_targets() -> None:
    ways = fast_student.ways("quick", 64)
    full, cut = (ways[name].student for name in (fast_student.REFERENCE, fast_student.BOTH))
    assert (full.decoder_depth, cut.decoder_depth) == (2, 1)
    assert full.decoder_dim == pytest.approx(full.dim * 4 / 3, rel=0.05)
    assert cut.decoder_dim * 2 == full.decoder_dim
    assert [recipe.target_share for recipe in ways.values()] == [1.0, 0.5, 1.0, 0.5]


@pytest.mark.slow
def test_an_ablation_shows_every_arm_on_clean_and_corrupted_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--out", str(tmp_path), "--preset", "smoke", "--images", "200", "--images-seen", "64"]
    assert ablation.main([*asked, "--seeds", "1", "--codes", "8", "--labels", "3"]) == 0
    shown = capsys.readouterr().out
    for name, _, _ in ablation.arms("filters", [8]):
        assert shown.count(f"| {name} |") >= 2, name
    assert "mean relative drop" in shown


def test_equal_rankings_agree_and_opposite_ones_do_not() -> None:
    values = np.array([0.1, 0.4, 0.2, 0.3])
    assert budget_fidelity.spearman(values, values**2) == pytest.approx(1)
    assert budget_fidelity.spearman(values, -values) == pytest.approx(-1)
    assert np.isnan(budget_fidelity.spearman(values, np.ones(4)))


def test_agreement_of_two_budgets_resamples_the_same_items() -> None:
    rng, labels = np.random.default_rng(0), np.arange(80) % 4
    rows = {}
    for wrong, arm in enumerate(budget_fidelity.ARMS):
        for times in (1, budget_fidelity.TIMES):
            made = np.where(rng.random(80) < 0.1 * wrong, (labels + 1) % 4, labels)
            name = budget_fidelity.name(*arm, times)
            rows[name] = [record(name, 0, list(made))]
    value, low, high = budget_fidelity.agreement(rows, "5", labels)
    assert low <= value <= high <= 1
    assert value > 0.8


@pytest.mark.slow
def test_the_cost_of_a_step_is_measured_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--out", str(tmp_path), "--sides", "32", "64", "--steps", "1"]
    assert high_resolution.main(asked) == 0
    kept = (tmp_path / "steps.jsonl").read_text()
    assert high_resolution.main(asked) == 0
    assert (tmp_path / "steps.jsonl").read_text() == kept
    assert capsys.readouterr().out.count("| 64 px, 4 × 4, window 3 |") == 2
