"""Figures: the data they draw, the house style, and labels that do not collide."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fakes import FakeService

from dashboard.figures import (
    budget_curves,
    cash_flow,
    cost_front,
    difference_heatmap,
    loss_curves,
    value_distribution,
)
from dashboard.figures.accuracy import budget_places, stars
from dashboard.figures.money import nice_step
from dashboard.figures.template import colours, fold, label_room, look, spread_labels
from dashboard.pages import compare
from dashboard.pages.compare.view import named
from dashboard.pages.runs.loss import loss_rows
from dashboard.text import Viewer

CSS = Path(__file__).parents[2] / "dashboard" / "static" / "house.css"
VIEWERS = [Viewer("en"), Viewer("ja", dark=True)]


@pytest.fixture
def rows(service: FakeService) -> pd.DataFrame:
    shown = compare.view(service, compare.Choice(("p1",)))
    return named(shown.rows, shown, Viewer())


@pytest.mark.parametrize("dark", [False, True])
def test_figures_use_the_colours_of_the_style_sheet(dark):
    block = CSS.read_text("utf-8").split("body.dark {" if dark else "html:root {")[1].split("}")[0]
    css = dict(re.findall(r"--([a-z0-9-]+): (#[0-9A-F]{6})", block))
    ours = colours(dark)
    for name in ("text", "muted", "surface", "accent", "go", "no"):
        assert ours[name] == css[name]
    assert ours["border"] == css["line"]
    assert [look(i, dark).colour for i in range(5)] == [css[f"look-{i}"] for i in range(5)]


def test_looks_differ_in_more_than_colour():
    assert len({look(i, False).marker for i in range(5)}) == 5


def test_curves_draw_every_value_and_bands_come_first(rows):
    fig = budget_curves(rows, Viewer())
    fills = [trace.fill is not None for trace in fig.data]
    assert fills == sorted(fills, reverse=True)
    best = next(t for t in fig.data if t.name == "D-iGPT · domain-clip")
    wanted = rows[rows.arm == "digpt × domain-clip"].value
    assert np.allclose(sorted(best.y), sorted(wanted))


def test_one_budget_is_drawn_as_points_with_bars(rows):
    fig = budget_curves(rows[rows.label_budget == "20"], Viewer())
    assert all(t.mode == "markers" and t.error_y.array is not None for t in fig.data)


def test_all_labels_stand_after_the_largest_number():
    places = budget_places(["5", "all", "100"])
    assert places["all"] > places["100"] > places["5"]


def test_the_cost_front_never_falls(rows):
    at = rows[rows.label_budget == "20"].assign(cost=lambda r: r.cost_stand_alone)
    front = cost_front(at, Viewer()).data[0]
    assert list(front.y) == sorted(front.y)


def test_the_heatmap_is_antisymmetric(rows, service):
    pairs = service.differences("p1", protocol="probe", label_budget="20", metric="auroc")
    pairs = pairs.assign(name_a=pairs.arm_a, name_b=pairs.arm_b)
    names = list(dict.fromkeys([*pairs.arm_a, *pairs.arm_b]))
    values = np.array(difference_heatmap(pairs, names, Viewer()).data[0].z, dtype=float)
    off = ~np.eye(len(names), dtype=bool)
    assert np.allclose(values[off], -values.T[off])


def test_stars_follow_the_corrected_p():
    assert [stars(p, Viewer()) for p in (0.0005, 0.005, 0.03, 0.2)] == ["***", "**", "*", "n.s."]


def test_labels_keep_their_distance_and_order():
    heights = [0.05, 0.05, 0.1, 0.05]
    found = spread_labels([0.51, 0.52, 0.5, 0.9], heights)
    assert found[2] < found[0] < found[1]
    assert np.diff([found[2], found[0], found[1]]) == pytest.approx([0.075, 0.05])
    assert found[3] == pytest.approx(0.9)


def test_a_long_name_is_folded_where_it_can_be_broken():
    assert fold("D-iGPT · filters") == "D-iGPT · filters"
    long = "Frozen · timm:vit_small_patch14_dinov2.lvd142m"
    assert fold(long) == "Frozen<br>timm:vit_small_patch14_<br>dinov2.lvd142m"
    assert label_room([long]) < 240


@pytest.mark.parametrize("me", VIEWERS)
def test_money_figures_write_their_ticks_out(me):
    flows = pd.DataFrame({"year": [0, 1], "flow": [-50e3, 80e3], "cumulative": [-50e3, 30e3]})
    ticks = cash_flow(flows, "USD", me).layout.yaxis.ticktext
    assert "0" in ticks
    assert not any("-" in t for t in ticks)  # a real minus sign
    edges = np.linspace(-10, 30, 9)
    bins = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "share": 1 / 8})
    bars = value_distribution(bins, 10.0, 0.25, "JPY", me).data[0]
    assert len(set(bars.marker.color)) == 2


def test_steps_are_one_two_or_five():
    assert [nice_step(x) for x in (0.7, 1.4, 4_000, 60_000)] == [1, 2, 5_000, 100_000]


def test_losses_of_all_arms_are_labelled(service):
    rows = loss_rows(service.curves("p4"), Viewer())
    fig = loss_curves(rows, Viewer())
    labels = {a.text.removeprefix("<b>").removesuffix("</b>") for a in fig.layout.annotations}
    assert labels == set(rows.name)


@pytest.mark.parametrize("me", VIEWERS)
def test_every_figure_has_the_house_style(rows, me):
    fig = budget_curves(rows, me)
    assert fig.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert fig.layout.showlegend is False
    assert fig.layout.width is None
    assert fig.layout.title.text is None


def test_names_at_the_ends_of_lines_have_room():
    short, long = label_room(["iGPT"]), label_room(["iGPT", "D-iGPT · 512 codes of domain-clip"])
    assert 120 <= short < long <= 240
    assert label_room(["全ラベルの分類"]) >= label_room(["seven c"])
