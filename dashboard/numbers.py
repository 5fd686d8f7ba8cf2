"""How figures are written: one function per language rule, the same on every page and figure."""

import math
from datetime import datetime, timedelta

MINUS = "−"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_NAMES_JA = {"USD": "ドル", "EUR": "ユーロ", "GBP": "ポンド", "JPY": "円"}
_CENTS = {("USD", "en"): "1 cent", ("EUR", "en"): "1 cent", ("USD", "ja"): "1セント"}


def number(value: float, kind: str, language: str = "en", currency: str = "") -> str:
    """`value` as people read it.

    Kinds: accuracy, share, change (percent with its sign), points, points-bare, count, compact,
    money, price (money, trifles written out), duration (seconds), years, energy (kWh), bytes,
    plain.
    """
    if not math.isfinite(value):
        return "–"
    return _WRITERS[kind](value, language, currency)


def is_trifle(money: float, currency: str) -> bool:
    """Whether an amount is above zero and below the smallest one that people pay."""
    return 0 < abs(money) < _smallest(currency)


def _smallest(currency: str) -> float:
    return 1.0 if currency == "JPY" else 0.01


def interval(low: float, high: float, kind: str, language: str = "en", currency: str = "") -> str:
    """Both ends of a range; the unit is written once where it is the same."""
    if kind == "money" and is_trifle(low, currency) and not is_trifle(high, currency):
        low = 0.0  # "$0–0.02", not "under 1 cent–$0.02"
    if kind == "duration" and 0 < low < 0.5 <= high:
        low = 0.0
    bare = {"accuracy": "accuracy-bare", "points": "points-bare"}.get(kind, kind)
    first, last = (number(end, bare, language, currency) for end in (low, high))
    if first == last:
        return first
    first = _without_shared_unit(first, last, language)
    if language == "ja":
        return f"{first}〜{last}"
    signed = kind.startswith("points") or low < 0 or high < 0
    return f"{first} to {last}" if signed else f"{first}–{_without_symbol(last, first)}"


def when(moment: datetime, language: str, now: datetime) -> str:
    """A moment as "Today 15:40", "Yesterday", "18 Nov" or with its year, on a 24-hour clock."""
    moment, now = moment.astimezone(), now.astimezone()
    if moment.date() == now.date():
        return f"今日 {moment:%H:%M}" if language == "ja" else f"Today {moment:%H:%M}"
    if moment.date() == (now - timedelta(days=1)).date():
        return f"昨日 {moment:%H:%M}" if language == "ja" else f"Yesterday {moment:%H:%M}"
    if language == "ja":
        year = "" if moment.year == now.year else f"{moment.year}年"
        return f"{year}{moment.month}月{moment.day}日"
    year = "" if moment.year == now.year else f" {moment.year}"
    return f"{moment.day} {moment:%b}{year}"


def day(moment: datetime, language: str) -> str:
    """A date with its year: "23 Nov 2026" or 2026年11月23日."""
    moment = moment.astimezone()
    if language == "ja":
        return f"{moment.year}年{moment.month}月{moment.day}日"
    return f"{moment.day} {moment:%b} {moment.year}"


def _signed(value: float, digits: int) -> str:
    rounded = round(value, digits)
    if rounded == 0:
        return f"{0:.{digits}f}"
    return f"{'+' if rounded > 0 else MINUS}{abs(rounded):.{digits}f}"


def _accuracy(value: float, language: str, currency: str) -> str:
    return f"{_minus(f'{100 * value:.1f}')}%"


def _accuracy_bare(value: float, language: str, currency: str) -> str:
    return _minus(f"{100 * value:.1f}")


def _share(value: float, language: str, currency: str) -> str:
    percent = 100 * value
    shown = f"{percent:.2g}" if 0 < abs(percent) < 1 else f"{percent:.0f}"
    return f"{_minus(shown)}%"


def _change(value: float, language: str, currency: str) -> str:
    return f"{_signed(100 * value, 0)}%"


def _points(value: float, language: str, currency: str) -> str:
    return f"{_signed(100 * value, 1)}{'ポイント' if language == 'ja' else ' pts'}"


def _points_bare(value: float, language: str, currency: str) -> str:
    return _signed(100 * value, 1)


def _count(value: float, language: str, currency: str) -> str:
    return _minus(f"{value:,.0f}")


def _compact(value: float, language: str, currency: str = "") -> str:
    """1.2M or 120万: three significant digits at most."""
    steps = ((1e8, "億"), (1e4, "万")) if language == "ja" else ((1e9, "B"), (1e6, "M"), (1e4, "k"))
    for size, unit in steps:
        if abs(value) >= size:
            scale = 1e3 if unit == "k" else size
            return _minus(f"{_digits(value / scale)}{unit}")
    return _minus(_digits(value) if abs(value) < 1000 else f"{value:,.0f}")


def _money(value: float, language: str, currency: str) -> str:
    if is_trifle(value, currency):
        return _under(value, language, currency)
    sign, size = (MINUS if value < 0 else ""), abs(value)
    amount = _amount(size, language, currency)
    if language == "ja":
        return f"{sign}{amount}{_NAMES_JA.get(currency, currency)}"
    symbol = _SYMBOLS.get(currency, f"{currency} " if currency else "")
    return f"{sign}{symbol}{amount}"


def _under(value: float, language: str, currency: str) -> str:
    """A trifle in words: nobody reads $0.00024."""
    if value < 0:
        return _money(0, language, currency)
    least = _CENTS.get((currency, language)) or _money(_smallest(currency), language, currency)
    return f"{least}未満" if language == "ja" else f"under {least}"


def _price(value: float, language: str, currency: str) -> str:
    """What one item costs: a trifle is written out, for it is paid a million times."""
    if not is_trifle(value, currency):
        return _money(value, language, currency)
    amount = _digits(value)
    if language == "ja":
        return f"{amount}{_NAMES_JA.get(currency, currency)}"
    return f"{_SYMBOLS.get(currency, f'{currency} ' if currency else '')}{amount}"


def _amount(size: float, language: str, currency: str) -> str:
    if size >= 1e4:
        return _compact(size, language)
    if size == 0:
        return "0"
    return f"{size:,.0f}" if size >= 100 or currency == "JPY" else f"{size:.2f}"


def _duration(seconds: float, language: str, currency: str) -> str:
    if 0 < abs(seconds) < 0.5:
        return "1秒未満" if language == "ja" else "under 1 s"
    units = ("秒", "分", "時間", "日") if language == "ja" else (" s", " min", " h", " days")
    for size, unit, limit in ((1, units[0], 90), (60, units[1], 90), (3600, units[2], 48)):
        if abs(seconds) / size < limit:
            value = seconds / size
            shown = f"{value:.0f}" if size < 3600 or value >= 10 else _digits(value, 2)
            return _minus(f"{shown}{unit}")
    return _minus(f"{_digits(seconds / 86400, 2)}{units[3]}")


def _years(value: float, language: str, currency: str) -> str:
    return f"{value:.1f}年" if language == "ja" else f"{value:.1f} years"


def _energy(value: float, language: str, currency: str) -> str:
    return (
        f"{_digits(value, 2)} kWh"
        if value >= 0.1 or value == 0
        else f"{_digits(1000 * value, 2)} Wh"
    )


def _bytes(value: float, language: str, currency: str) -> str:
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if value >= size:
            return f"{_digits(value / size)} {unit}"
    return f"{value / 1e3:.0f} kB"


def _plain(value: float, language: str, currency: str) -> str:
    return _minus(_digits(value))


def _digits(value: float, significant: int = 3) -> str:
    """Decimal notation with so many significant digits, without trailing zeros."""
    if value == 0:
        return "0"
    places = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    shown = f"{value:,.{places}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _minus(shown: str) -> str:
    return shown.replace("-", MINUS)


def _without_shared_unit(first: str, last: str, language: str) -> str:
    """`first` without the unit at its end where `last` ends with the same one."""
    unit = last.lstrip(f"{MINUS}+0123456789.,$€£¥")
    cut = first.removesuffix(unit) if unit and first.endswith(unit) else first
    if language == "en" and unit in ("k", "M", "B") and "$" in first:
        return first  # $8k–13k reads worse than $8k–$13k
    return cut


def _without_symbol(last: str, first: str) -> str:
    """`last` without the currency sign that `first` already carries."""
    return last[1:] if last[:1] in "$€£¥" and last[:1] == first[:1] else last


_WRITERS = {
    "accuracy": _accuracy,
    "accuracy-bare": _accuracy_bare,
    "share": _share,
    "change": _change,
    "points": _points,
    "points-bare": _points_bare,
    "count": _count,
    "compact": _compact,
    "money": _money,
    "price": _price,
    "duration": _duration,
    "years": _years,
    "energy": _energy,
    "bytes": _bytes,
    "plain": _plain,
}
