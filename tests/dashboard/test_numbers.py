"""Figures are written as the visual guide says, in both languages."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.numbers import interval, number, when


@pytest.mark.parametrize(
    ("value", "kind", "english", "japanese"),
    [
        (0.889, "accuracy", "88.9%", "88.9%"),
        (0.047, "points", "+4.7 pts", "+4.7ポイント"),
        (-0.004, "points", "−0.4 pts", "−0.4ポイント"),
        (0.0, "points-bare", "0.0", "0.0"),
        (1_200_000, "compact", "1.2M", "120万"),
        (6840, "duration", "1.9 h", "1.9時間"),
        (360, "duration", "6 min", "6分"),
        (45, "duration", "45 s", "45秒"),
        (0.2, "duration", "under 1 s", "1秒未満"),
        (1.8, "years", "1.8 years", "1.8年"),
        (12_345, "count", "12,345", "12,345"),
        (0.94, "share", "94%", "94%"),
        (float("nan"), "accuracy", "–", "–"),
    ],
)  # fmt: skip
def test_plain_figures(value, kind, english, japanese):
    assert number(value, kind, "en") == english
    assert number(value, kind, "ja") == japanese


@pytest.mark.parametrize(
    ("value", "currency", "english", "japanese"),
    [
        (40_000, "USD", "$40k", "4万ドル"),
        (6_020_000, "JPY", "¥6.02M", "602万円"),
        (120_000_000, "JPY", "¥120M", "1.2億円"),
        (578, "JPY", "¥578", "578円"),
        (11.01, "USD", "$11.01", "11.01ドル"),
        (0.5, "USD", "$0.50", "0.50ドル"),
        (6438, "USD", "$6,438", "6,438ドル"),
        (-50_000, "USD", "−$50k", "−5万ドル"),
        (0, "USD", "$0", "0ドル"),
        (0.00024, "USD", "under 1 cent", "1セント未満"),
        (0.2, "JPY", "under ¥1", "1円未満"),
        (0.001, "GBP", "under £0.01", "0.01ポンド未満"),
        (-0.00024, "USD", "$0", "0ドル"),
    ],
)
def test_money(value, currency, english, japanese):
    assert number(value, "money", "en", currency) == english
    assert number(value, "money", "ja", currency) == japanese


@pytest.mark.parametrize(
    ("low", "high", "kind", "currency", "english", "japanese"),
    [
        (0.872, 0.906, "accuracy", "", "87.2–90.6", "87.2〜90.6"),
        (-0.026, 0.017, "points", "", "−2.6 to +1.7", "−2.6〜+1.7"),
        (0.021, 0.072, "points", "", "+2.1 to +7.2", "+2.1〜+7.2"),
        (-390_000, 13_390_000, "money", "JPY", "−¥390k to ¥13.4M", "−39〜1,339万円"),
        (8.9, 13.74, "money", "USD", "$8.90–13.74", "8.90〜13.74ドル"),
        (240, 540, "duration", "", "4–9 min", "4〜9分"),
        (0.2, 2, "duration", "", "0–2 s", "0〜2秒"),
        (0.0001, 0.0002, "money", "USD", "under 1 cent", "1セント未満"),
        (0.0001, 0.02, "money", "USD", "$0–0.02", "0〜0.02ドル"),
    ],
)
def test_ranges(low, high, kind, currency, english, japanese):
    assert interval(low, high, kind, "en", currency) == english
    assert interval(low, high, kind, "ja", currency) == japanese


def test_moments_are_told_from_today():
    now = datetime(2026, 11, 23, 15, 40, tzinfo=UTC).astimezone()
    assert when(now, "en", now) == f"Today {now:%H:%M}"
    assert when(now - timedelta(days=1), "ja", now).startswith("昨日")
    assert when(now - timedelta(days=5), "en", now) == "18 Nov"
    assert when(now - timedelta(days=400), "ja", now) == "2025年10月19日"
