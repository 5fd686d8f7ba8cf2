"""Estimates before launch: what counts, what is reused, what is warned of."""

import dataclasses
from pathlib import Path

import pytest

from digpt import data
from jobs.engine import layout
from jobs.estimating import calibrated
from jobs.money import calibrate
from jobs.money.estimate import Calibration
from jobs.service import PilotService
from jobs.settings import Settings
from jobs.spec import load_spec
from jobs.store import Store
from tests.handmade import SPEC, finish

Finished = tuple[PilotService, str]


def test_an_estimate_adds_up_and_comes_with_ranges(service: PilotService):
    found = service.estimate(load_spec(SPEC))
    assert sum(s.device_seconds.likely for s in found.stages) == pytest.approx(
        found.device_seconds.likely
    )
    assert sum(s.count for s in found.stages) == found.total_stages
    low, high = found.wall_seconds.low, found.wall_seconds.high
    assert low is not None
    assert high is not None
    assert 0 < low <= found.wall_seconds.likely <= high
    assert found.basis == "calibration"
    assert [s.kind for s in found.stages][:2] == ["prepare", "fit"]


def test_what_was_done_before_is_not_counted_again(finished: Finished):
    service, _ = finished
    more = SPEC.replace("transfer:", "  - {method: digpt, tokenizer: pixels}\ntransfer:")
    found = service.estimate(load_spec(more))
    assert 0 < found.reused_stages < found.total_stages
    assert found.saved_by_reuse > 0
    assert found.basis == "history"


def test_limits_that_will_be_reached_are_warned_of(service: PilotService):
    tight = SPEC + "limits: {cost: 0.000001 USD, hours: 0.00001}\n"
    codes = {w["code"] for w in service.estimate(load_spec(tight)).warnings}
    assert {"over-cost-limit", "over-time-limit"} <= codes


def test_a_pilot_without_a_cheap_baseline_is_warned_of(service: PilotService):
    text = SPEC.replace("  - {method: frozen, tokenizer: filters}\n", "")
    codes = {w["code"] for w in service.estimate(load_spec(text)).warnings}
    assert "no-cheap-baseline" in codes


@pytest.mark.parametrize(
    ("images", "arms", "code"),
    [
        (39_999, 1, "short-pretraining"),
        (40_000, 1, None),
        (40_000, 2, "first-arm-only"),
        (320_000, 2, None),
    ],
)
def test_a_pretraining_too_short_to_order_arms_is_warned_of(
    service: PilotService, images: int, arms: int, code: str | None
):
    more = "  - {method: digpt, tokenizer: pixels}\n" * (arms - 1)
    text = SPEC.replace("transfer:", f"{more}transfer:")
    found = service.estimate(load_spec(f"{text}pretrain: {{images_seen: {images}}}\n")).warnings
    of_order = {"short-pretraining", "first-arm-only"}
    told = [(w["code"], w["images"]) for w in found if w["code"] in of_order]
    assert told == [(code, f"{images:,}")] * bool(code)


@pytest.mark.parametrize(("height", "pixels"), [(255, None), (1080, "60 × 34")])
def test_photos_whose_details_vanish_are_warned_of(
    service: PilotService, height: int, pixels: str | None
):
    size = {"name": "photos", "image_size": [height, height * 16 // 9 if pixels else height]}
    service._store.add_dataset("photos", "nowhere", "f", dict(data.describe("digits")) | size)
    spec = load_spec(SPEC.replace("digits, images: 400", "photos"))
    found = [w for w in service.estimate(spec).warnings if w["code"] == "coarse"]
    assert [w["pixels"] for w in found] == [pixels] * bool(pixels)


def test_an_arm_that_takes_most_of_a_long_pilot_is_named(service: PilotService):
    def named(arm: str) -> list[object]:
        text = SPEC.replace("transfer:", f"  - {arm}\ntransfer:")
        found = service.estimate(load_spec(text)).warnings
        return [w["arm"] for w in found if w["code"] == "dear-arm"]

    recogniser = "random(timm:vit_small_patch32_224)"
    assert named(f'{{method: direct, tokenizer: "{recogniser}"}}') == [f"direct × {recogniser}"]
    assert named("{method: direct, tokenizer: random}") == []


def test_another_currency_shows_the_rate_it_was_converted_at(service: PilotService):
    yen = PilotService(dataclasses.replace(service.settings, currency="JPY"))
    found = yen.estimate(load_spec(SPEC))
    assert found.currency == "JPY"
    assert "JPY" in found.rate_shown
    assert service.estimate(load_spec(SPEC)).rate_shown == ""


def test_history_is_used_as_soon_as_every_kind_has_some(service: PilotService):
    finish(service)
    other = load_spec(SPEC.replace("images: 400", "images: 500"))
    found = service.estimate(other)
    assert found.basis == "history"
    assert found.reused_stages == 0


def test_the_yardstick_has_the_threads_of_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measured: list[int] = []

    def measure(device: str, threads: int) -> Calibration:
        measured.append(threads)
        return Calibration(device, threads, 50.0)

    monkeypatch.setattr(calibrate, "calibrate", measure)
    monkeypatch.setattr(layout, "cpu_count", lambda: 16)
    monkeypatch.setattr(layout, "gpu_count", lambda: 0)
    store = Store(Settings(home=tmp_path).database)
    for slots, threads in ((0, 1), (4, 4), (4, 4)):
        assert calibrated(Settings(home=tmp_path, slots=slots), store).threads == threads
    assert measured == [1, 4]
