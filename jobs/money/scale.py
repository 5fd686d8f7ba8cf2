"""What it would cost to go on: a larger pretraining, and one decision per item. Pure.

Everything starts from what was metered. On the device that was measured, its rate (FLOP/s for each
core or accelerator) is carried over. To another device of the price table goes the *share of the
peak* that was reached, times that device's peak. Intervals are 80%, as in the estimates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import median

from scipy.stats import t as student

from digpt.errors import UserError
from jobs.money.estimate import (
    COVERAGE,
    PRIOR_SD,
    PRIOR_SPREAD,
    PRIOR_WEIGHT,
    Calibration,
    Range,
)
from jobs.money.pricing import SECONDS_PER_HOUR, PriceTable

SIZE_SD = 0.1  # of log seconds for each factor e in size: a larger network reaches another share
MEASURED, BY_SHARE = "measured", "share-of-peak"  # what a rate rests on


@dataclass(frozen=True, kw_only=True, slots=True)
class Metered:
    """Finished work of one kind: one pretraining, or one pass of a tokenizer."""

    device: str  # cpu, or the accelerator's name
    cores: float  # CPU cores or accelerators held
    seconds: float  # occupied
    images: float  # seen
    flops: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """A pretraining to come, beside the one that was measured (`factor` 1 is the pilot's own)."""

    images: float  # to pretrain on
    epochs: float  # passes over them
    work_factor: float = 1.0  # FLOPs of one image, in units of the measured student's
    pixel_factor: float = 1.0  # pixels of one image, for the tokenizer

    @property
    def images_seen(self) -> float:
        return self.images * self.epochs


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """FLOP/s of one core or accelerator, with what it rests on."""

    device: str  # entry of the price table
    per_second: float
    share_of_peak: float | None  # None: the peak of the measured device is not known
    spread: float  # standard deviation of log seconds
    freedom: float
    observations: int
    basis: str  # MEASURED or BY_SHARE


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaleCost:
    """What a larger pretraining takes, and what the figure rests on."""

    images_seen: float
    flops: float
    device_hours: Range
    money: Range
    currency: str
    energy_kwh: Range
    co2_kg: Range
    rate: Rate


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemCost:
    """What one decision costs on one device."""

    seconds: Range
    money: Range
    energy_kwh: float
    co2_kg: float
    device: str
    basis: str


def scale_cost(
    pretrained: Sequence[Metered],
    tokenised: Sequence[Metered],
    scale: Scale,
    *,
    device: str,
    calibration: Calibration,
    prices: PriceTable,
    currency: str,
) -> ScaleCost:
    """Cost of one pretraining of this scale, its tokens included, on a device of the price table.

    `device` is an entry's name, or a device as measured. Fitting a tokenizer and trying the result
    on labels are not in it: they do not grow with the pretraining.
    """
    per_image = median(flops / m.images for m, flops in _with_flops(pretrained))
    flops = per_image * scale.work_factor * scale.images_seen
    rate = rate_on(device, pretrained, calibration, prices, growth=scale.work_factor)
    own = rate_on(pretrained[0].device, pretrained, calibration, prices)
    tokens = median([m.seconds * m.cores / m.images for m in tokenised if m.images] or [0.0])
    faster = rate.per_second / own.per_second  # tokens are matrix work as well
    seconds = flops / rate.per_second + tokens * scale.images * scale.pixel_factor / faster
    entry, _ = prices.entry(device)
    within = _interval(seconds, rate)
    return ScaleCost(
        images_seen=scale.images_seen,
        flops=flops,
        device_hours=times(within, 1 / SECONDS_PER_HOUR),
        money=times(within, prices.cost(entry, 1.0, currency)),
        currency=currency,
        energy_kwh=times(within, prices.energy_kwh(entry, 1.0)),
        co2_kg=times(within, prices.co2_kg(prices.energy_kwh(entry, 1.0))),
        rate=rate,
    )


def rate_on(
    device: str,
    measured: Sequence[Metered],
    calibration: Calibration,
    prices: PriceTable,
    *,
    growth: float = 1.0,
) -> Rate:
    """The rate to expect on a device, from runs on another or the same one.

    `growth` is how many times larger the network will be; that widens the interval only, because
    larger networks tend to reach a larger share, but nobody has measured how much larger here.
    """
    runs = _with_flops(measured)
    reached = [flops / (m.seconds * m.cores) for m, flops in runs]
    entry, price = prices.entry(device)
    own = {prices.entry(m.device)[0] for m, _ in runs}
    peak = _peak(runs[0][0].device, calibration, prices)
    spread = _spread(reached) ** 2 + (SIZE_SD * log(growth)) ** 2
    share = median(reached) / peak if peak else None
    if entry in own:
        per_second, basis = median(reached), MEASURED
    elif price.tflops is None or share is None:
        raise UserError(
            f"The price table does not say how fast {entry!r} is, so nothing can be carried over "
            f"to it. Add its `tflops`. Known: {', '.join(devices(prices))}.",
            code="no-peak",
            field="device",
            device=entry,
        )
    else:
        per_second, basis = price.tflops * 1e12 * share, BY_SHARE
        spread += PRIOR_SD**2
    return Rate(
        device=entry,
        per_second=per_second,
        share_of_peak=share,
        spread=sqrt(spread),
        freedom=PRIOR_WEIGHT + len(runs),
        observations=len(runs),
        basis=basis,
    )


def devices(prices: PriceTable) -> list[str]:
    """Entries of the price table that measured speed can be carried over to."""
    return [name for name, price in prices.devices.items() if price.tflops is not None]


def item_cost(
    seconds: Range, *, device: str, cores: float, prices: PriceTable, currency: str
) -> ItemCost:
    """Cost of one decision that was measured on this device."""
    entry, _ = prices.entry(device)
    energy = prices.energy_kwh(entry, seconds.likely, cores)
    return ItemCost(
        seconds=seconds,
        money=times(seconds, prices.cost(entry, 1.0, currency, cores)),
        energy_kwh=energy,
        co2_kg=prices.co2_kg(energy),
        device=entry,
        basis=MEASURED,
    )


def item_cost_on(
    device: str,
    measured: Metered,
    *,
    calibration: Calibration,
    prices: PriceTable,
    currency: str,
) -> ItemCost:
    """Cost of one decision carried over to another device: the same share of its peak."""
    rate = rate_on(device, [measured], calibration, prices)
    assert measured.flops is not None, "rate_on refuses work without FLOPs"
    seconds = _interval(measured.flops / measured.images / rate.per_second, rate)
    found = item_cost(seconds, device=rate.device, cores=1.0, prices=prices, currency=currency)
    return ItemCost(
        seconds=found.seconds,
        money=found.money,
        energy_kwh=found.energy_kwh,
        co2_kg=found.co2_kg,
        device=found.device,
        basis=rate.basis,
    )


def times(value: Range, factor: float) -> Range:
    return Range(value.low * factor, value.likely * factor, value.high * factor)


def _with_flops(measured: Sequence[Metered]) -> list[tuple[Metered, float]]:
    found = [(m, m.flops) for m in measured if m.flops and m.seconds > 0 and m.images > 0]
    if not found:
        raise UserError(
            "No finished pretraining of this pilot has its FLOPs metered, so there is nothing to "
            "carry over. Run a pilot with a pretrained arm first.",
            code="nothing-metered",
            field="pilot",
        )
    return found


def _peak(device: str, calibration: Calibration, prices: PriceTable) -> float | None:
    """FLOP/s that one core or accelerator of the measured device could reach."""
    if device == calibration.device:
        per_unit = calibration.threads if device == "cpu" else 1
        return calibration.gflops * 1e9 / per_unit
    _, price = prices.entry(device)
    return price.tflops * 1e12 if price.tflops else None


def _spread(reached: Sequence[float]) -> float:
    """Standard deviation of log seconds: a prior and the scatter between like runs."""
    logs = [log(r) for r in reached]
    middle = median(logs)
    squares = sum((x - middle) ** 2 for x in logs)
    return sqrt((PRIOR_WEIGHT * PRIOR_SPREAD**2 + squares) / (PRIOR_WEIGHT + len(logs) - 1))


def _interval(seconds: float, rate: Rate) -> Range:
    reach = exp(float(student.ppf(0.5 + COVERAGE / 2, rate.freedom)) * rate.spread)
    return Range(seconds / reach, seconds, seconds * reach)
