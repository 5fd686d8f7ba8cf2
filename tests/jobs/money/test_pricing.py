"""Prices, exchange rates and what a user's own file may change."""

from pathlib import Path

import pytest

from digpt.errors import UserError
from jobs.money import Money, PriceTable

TABLE = PriceTable.load()


def own(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    return file


def test_every_entry_of_the_shipped_table_has_price_power_date_and_source():
    assert {"cpu-own", "cpu-cloud", "t4", "l4", "a100", "a100-spot", "h100", "h100-spot"} <= set(
        TABLE.devices
    )
    assert set(TABLE.rates.per_usd) >= {"USD", "JPY", "EUR"}
    for price in TABLE.devices.values():
        assert price.price > 0
        assert price.watts > 0
        assert price.source
        assert price.date.year >= 2025


def test_own_hardware_prices_follow_from_the_arithmetic_in_their_notes():
    cpu = 1000 / (4 * 8760 * 0.2) / 12 + 0.008 * 0.20
    assert TABLE.devices["cpu-own"].price == pytest.approx(cpu, abs=5e-5)
    gpu = 2300 / (4 * 12 * 100) + 0.350 * 0.20
    assert TABLE.devices["cuda-own"].price == pytest.approx(gpu, abs=5e-3)
    mps = 2000 / (4 * 12 * 100) + 0.040 * 0.20
    assert TABLE.devices["mps-own"].price == pytest.approx(mps, abs=5e-3)


@pytest.mark.parametrize(
    ("device", "entry"),
    [
        ("cpu", "cpu-own"),
        ("h100-spot", "h100-spot"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA A100-SXM4-40GB", "a100"),
        ("Tesla T4", "t4"),
        ("NVIDIA L4", "l4"),
        ("cuda", "cuda-own"),
    ],
)
def test_a_device_as_measured_finds_its_price(device: str, entry: str):
    assert TABLE.entry(device)[0] == entry


def test_an_unknown_device_says_what_to_add():
    with pytest.raises(UserError, match="no price for the device 'abacus'"):
        TABLE.entry("abacus")


def test_money_and_energy_count_device_hours_times_cores():
    price = TABLE.devices["cpu-own"]
    assert TABLE.money("cpu", 1800, cores=4) == Money(pytest.approx(2 * price.price), "USD")
    assert TABLE.energy_kwh("cpu", 1800, cores=4) == pytest.approx(2 * price.watts / 1000)


def test_conversion_goes_through_the_stored_rates_and_back():
    per_usd = TABLE.rates.per_usd
    assert TABLE.convert(2, "USD", "JPY") == pytest.approx(2 * per_usd["JPY"])
    assert TABLE.convert(TABLE.convert(7, "EUR", "JPY"), "JPY", "EUR") == pytest.approx(7)
    shown = TABLE.rate("EUR", "JPY")
    assert shown.rate == pytest.approx(per_usd["JPY"] / per_usd["EUR"])
    assert shown.date == TABLE.rates.date
    assert shown.note == TABLE.rates.source
    assert TABLE.convert(5, "CHF", "CHF") == 5


def test_a_missing_rate_is_an_error_not_a_guess():
    with pytest.raises(UserError, match="no exchange rate for CHF"):
        TABLE.convert(1, "CHF", "JPY")


def test_a_users_file_overrides_entry_by_entry(tmp_path: Path):
    table = PriceTable.load(
        own(
            tmp_path,
            """
devices:
  cpu-own: {price: 3, currency: JPY, date: 2026-02-01, watts: 10, source: our accounts}
  ours: {price: 1, currency: EUR, date: 2026-02-01, watts: 300, source: contract}
defaults: {"RTX 6000": ours}
rates: {per_usd: {JPY: 160, CHF: 0.8}}
""",
        )
    )
    assert table.cost("cpu", 3600, "JPY") == pytest.approx(3)
    assert table.entry("NVIDIA RTX 6000 Ada")[0] == "ours"
    assert table.convert(1, "USD", "CHF") == 0.8
    assert table.rates.per_usd["EUR"] == TABLE.rates.per_usd["EUR"]
    assert table.devices["h100"] == TABLE.devices["h100"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "devices:\n  x: {price: -1, currency: USD, date: 2026-01-01, watts: 1, source: s}",
            "'devices.x.price' is -1",
        ),
        ("devices:\n  x: {price: 1}", "'devices.x.currency'"),
        ("defaults: {cpu: nowhere}", "default 'cpu' names 'nowhere'"),
        ("rates: {per_usd: {JPY: 0}}", "'rates.per_usd.JPY' is 0"),
        ("colour: red", "'colour'"),
        ("devices: [", "not valid YAML at line 1"),
        ("5", "holds no fields"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_the_field(tmp_path: Path, text: str, said: str):
    with pytest.raises(UserError) as caught:
        PriceTable.load(own(tmp_path, text))
    assert said in caught.value.message
    assert "prices.yaml" in caught.value.message


def test_a_missing_file_says_which_setting(tmp_path: Path):
    with pytest.raises(UserError, match="DIGPT_PRICES"):
        PriceTable.load(tmp_path / "none.yaml")
