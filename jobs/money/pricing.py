"""The price table: what a device-hour costs, what it draws, and what currencies are worth.

Everything shown to a person can say its price, date and source. A user's file overrides the
shipped one entry by entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from digpt.encodings import read_text
from digpt.errors import UserError

SECONDS_PER_HOUR = 3600.0
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


@dataclass(frozen=True, slots=True)
class Money:
    """An amount with its currency."""

    amount: float
    currency: str


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DevicePrice(_Entry):
    """One kind of device: price per device-hour (a CPU device is one core) and power."""

    price: Annotated[float, Field(ge=0, le=1e9)]
    currency: Currency
    date: date
    watts: Annotated[float, Field(ge=0, le=1e5)]
    tflops: Annotated[float, Field(gt=0, le=1e6)] | None = None  # dense matrix rate, half precision
    source: Annotated[str, Field(min_length=1)]


class Grid(_Entry):
    """What one kWh from the socket emits."""

    place: Annotated[str, Field(min_length=1)]
    kg_per_kwh: Annotated[float, Field(ge=0, le=5)]  # of CO2
    date: date
    source: Annotated[str, Field(min_length=1)]


class ExchangeRates(_Entry):
    """Units of each currency that one US dollar buys."""

    date: date
    source: Annotated[str, Field(min_length=1)]
    per_usd: dict[Currency, Annotated[float, Field(gt=0)]]


@dataclass(frozen=True, slots=True)
class RateShown:
    """The exchange rate that a figure was made with: 1 source = rate target."""

    source: str
    target: str
    rate: float
    date: date
    note: str


class PriceTable(_Entry):
    """All prices. `defaults` maps a device as measured (cpu, "NVIDIA H100 ...") to an entry."""

    version: int = 1
    currency: Currency
    date: date
    devices: dict[str, DevicePrice]
    defaults: dict[str, str]
    rates: ExchangeRates
    grid: Grid

    @staticmethod
    def load(path: str | Path | None = None) -> "PriceTable":
        """The shipped table, with the entries of a user's file in place of its own."""
        shipped = _read(
            files("jobs.money").joinpath("prices.yaml").read_text("utf-8"), "prices.yaml"
        )
        if path is None:
            return _table(shipped, "prices.yaml")
        file = Path(path)
        try:
            text = read_text(file)
        except (OSError, UnicodeError) as error:
            raise UserError(
                f"The price table {file} cannot be read: {error}. Correct DIGPT_PRICES.",
                code="prices-unreadable",
                field="prices",
                path=str(file),
            ) from error
        return _table(_merged(shipped, _read(text, str(file))), str(file))

    def entry(self, device_type: str) -> tuple[str, DevicePrice]:
        """Name and price of a device: an entry's own name, or the longest default that fits."""
        if device_type in self.devices:
            return device_type, self.devices[device_type]
        asked = device_type.lower()
        fits = [key for key in self.defaults if key.lower() in asked]
        if not fits:
            raise UserError(
                f"The price table has no price for the device {device_type!r}. Add it under "
                f"`devices`, or map it under `defaults`. Known: {', '.join(sorted(self.devices))}.",
                code="no-price",
                field="prices",
                device=device_type,
                available=sorted(self.devices),
            )
        name = self.defaults[max(fits, key=len)]
        return name, self.devices[name]

    def money(self, device_type: str, device_seconds: float, cores: float = 1.0) -> Money:
        """Price of `device_seconds` on `cores` devices at once (for a CPU: cores held)."""
        _, price = self.entry(device_type)
        hours = device_seconds * cores / SECONDS_PER_HOUR
        return Money(hours * price.price, price.currency)

    def energy_kwh(self, device_type: str, device_seconds: float, cores: float = 1.0) -> float:
        """Energy estimated from the device's power, where none was measured."""
        _, price = self.entry(device_type)
        return price.watts * device_seconds * cores / SECONDS_PER_HOUR / 1000

    def co2_kg(self, energy_kwh: float) -> float:
        """CO2 of so much energy at the grid's factor."""
        return energy_kwh * self.grid.kg_per_kwh

    def rate(self, source: str, target: str) -> RateShown:
        """The stored exchange rate between two currencies, with its date and source."""
        if source == target:
            return RateShown(source, target, 1.0, self.rates.date, self.rates.source)
        known = self.rates.per_usd
        for currency in (source, target):
            if currency not in known:
                raise UserError(
                    f"The price table has no exchange rate for {currency}. Add it under "
                    f"`rates: per_usd:` with date and source. Known: {', '.join(sorted(known))}.",
                    code="no-exchange-rate",
                    field="currency",
                    currency=currency,
                    available=sorted(known),
                )
        rate = known[target] / known[source]
        return RateShown(source, target, rate, self.rates.date, self.rates.source)

    def convert(self, amount: float, source: str, target: str) -> float:
        """An amount in another currency, at the stored rate."""
        return amount * self.rate(source, target).rate

    def cost(
        self, device_type: str, device_seconds: float, currency: str, cores: float = 1.0
    ) -> float:
        """Price of device-seconds in the reporting currency."""
        paid = self.money(device_type, device_seconds, cores)
        return self.convert(paid.amount, paid.currency, currency)


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price table read in one currency: what a home pays."""

    prices: PriceTable
    currency: str

    def money(self, device_type: str, device_seconds: float, cores: float) -> float:
        return self.prices.cost(device_type, device_seconds, self.currency, cores)

    def energy_kwh(self, device_type: str, device_seconds: float, cores: float) -> float:
        return self.prices.energy_kwh(device_type, device_seconds, cores)


def _read(text: str, source: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise UserError(
            f"The price table {source} is not valid YAML{where}: "
            f"{getattr(error, 'problem', None) or error}.",
            code="prices-format",
            field="prices",
            path=source,
        ) from error
    if not isinstance(values, Mapping):
        raise UserError(
            f"The price table {source} holds no fields. Start from the shipped prices.yaml.",
            code="prices-format",
            field="prices",
            path=source,
        )
    return dict(values)


def _merged(shipped: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Own values over shipped ones, map by map; a device entry is replaced as a whole."""
    merged = {**shipped, **own}
    for key in ("devices", "defaults"):
        if isinstance(own.get(key), Mapping):
            merged[key] = {**shipped[key], **own[key]}
    if isinstance(own.get("rates"), Mapping):
        rates = {**shipped["rates"], **own["rates"]}
        rates["per_usd"] = {**shipped["rates"]["per_usd"], **(own["rates"].get("per_usd") or {})}
        merged["rates"] = rates
    return merged


def _table(values: Mapping[str, Any], source: str) -> PriceTable:
    try:
        table = PriceTable.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        given = "" if first["type"] == "missing" else f" is {first['input']!r}"
        raise UserError(
            f"Price table {source}: field {field!r}{given}: {first['msg']}.",
            code="prices-value",
            field=field,
            path=source,
            value=first["input"],
        ) from error
    for device, name in table.defaults.items():
        if name not in table.devices:
            raise UserError(
                f"Price table {source}: default {device!r} names {name!r}, which is not under "
                f"`devices`. Known: {', '.join(sorted(table.devices))}.",
                code="prices-value",
                field=f"defaults.{device}",
                path=source,
                value=name,
            )
    return table
