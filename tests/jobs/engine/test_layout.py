"""How stages share what there is."""

from pathlib import Path

import pytest

from digpt.errors import UserError
from jobs.engine import layout as laid
from jobs.engine.layout import CLUSTER_KEY, Layout, lay_out, layout
from jobs.settings import Settings
from jobs.store import Store


@pytest.mark.parametrize(
    ("wanted", "cpus", "gpus", "expected", "held"),
    [
        (0, 8, 0, Layout(8, 1), 1.0),
        (2, 8, 0, Layout(2, 4), 4.0),
        (0, 64, 2, Layout(2, 32, 1.0), 1.0),
        (4, 64, 1, Layout(4, 16, 0.25), 0.25),
        (1, 64, 2, Layout(1, 64, 1.0), 1.0),
    ],
)
def test_slots_share_cores_and_gpus(
    wanted: int, cpus: int, gpus: int, expected: Layout, held: float
):
    assert lay_out(wanted, cpus, gpus) == expected
    assert expected.held == held


def test_more_slots_than_cores_are_refused():
    with pytest.raises(UserError, match="9 stages side by side need as many CPUs; Ray offers 8"):
        lay_out(9, 8, 0)


def test_a_machine_with_gpus_has_a_slot_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(laid, "cpu_count", lambda: 16)
    monkeypatch.setattr(laid, "gpu_count", lambda: 2)
    settings = Settings(home=tmp_path)
    assert layout(settings, Store(settings.database)) == Layout(2, 8, 1.0)


def test_a_cluster_counts_as_it_was_met_and_another_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(laid, "cpu_count", lambda: 2)
    monkeypatch.setattr(laid, "gpu_count", lambda: 0)
    settings = Settings(home=tmp_path, ray_address="there:6379")
    store = Store(settings.database)
    assert layout(settings, store) == Layout(2, 1)
    met = {"address": "there:6379", "cpus": 32, "gpus": 4, "calibration": {}}
    store.set_value(CLUSTER_KEY, met)
    assert layout(settings, store) == Layout(4, 8, 1.0)
    store.set_value(CLUSTER_KEY, met | {"address": "elsewhere:6379"})
    assert layout(settings, store) == Layout(2, 1)
