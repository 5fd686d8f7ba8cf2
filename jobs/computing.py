"""The compute side of a case: what the pilot used, what more would take, what an item costs.

Pure but for the price table: stages and latencies in, `ComputeView` out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from digpt.errors import UserError
from digpt.flops import encoder_flops
from digpt.recipe import PRESETS, Preset
from jobs import reading
from jobs.money.estimate import Calibration, Range
from jobs.money.pricing import Grid, PriceTable, Tariff
from jobs.money.scale import (
    ItemCost,
    Metered,
    Scale,
    ScaleCost,
    item_cost,
    item_cost_on,
    scale_cost,
)
from jobs.store.records import ArmRecord, PilotStage

STUDENTS = ("pilot", "standard", "paper")  # the pilot's own, and those of two presets
MOST_EPOCHS = 100_000
FURTHER = "l4"  # the usual device to carry an item over to: small, and in every cloud


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a larger pretraining is asked to be; None: as in the pilot."""

    images_factor: float = 1.0
    epochs: float | None = None
    student: str = "pilot"  # one of STUDENTS
    device: str | None = None  # entry of the price table; None: the device that was measured

    def __post_init__(self) -> None:
        if self.epochs is not None and not 0 < self.epochs <= MOST_EPOCHS:
            raise UserError(
                f"A pretraining of {self.epochs:g} epochs cannot be priced: give a number above 0,"
                f" at most {MOST_EPOCHS:,}, or none for the pilot's own.",
                code="epochs-out-of-range",
                field="epochs",
                value=f"{self.epochs:g}",
                most=MOST_EPOCHS,
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What the pilot itself took."""

    money: float  # paid now; reused stages cost nothing
    money_stand_alone: float  # each arm by itself, nothing reused
    device_seconds: float
    energy_kwh: float
    co2_kg: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Larger:
    """A larger pretraining of one arm, and the pilot's own beside it."""

    arm: str
    wish: Wish
    images: float
    epochs: float
    measured_device: str
    cost: ScaleCost
    of_pilot: ScaleCost


@dataclass(frozen=True, kw_only=True, slots=True)
class PerItem:
    """One decision of an arm, as measured here and carried over to another device."""

    arm: str
    protocol: str
    here: ItemCost
    alone_seconds: float  # one image by itself
    there: ItemCost | None  # None: the encoder does no matrix work that could be carried over


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputeView:
    """The compute side; parts that nobody has measured yet are None or empty."""

    currency: str
    spent: Spent
    grid: Grid
    larger: Larger | None
    per_item: tuple[PerItem, ...]


def compute_view(
    arms: Sequence[ArmRecord],
    stages: Sequence[PilotStage],
    preset: Preset,
    latencies: Sequence[Mapping[str, Any]],
    *,
    wish: Wish,
    calibration: Calibration,
    prices: PriceTable,
    currency: str,
    arm: str | None = None,
) -> ComputeView:
    """Everything that is known; `arm` is whose pretraining is scaled, else the first one's."""
    tariff = Tariff(prices, currency)
    return ComputeView(
        currency=currency,
        spent=_spent(arms, stages, tariff),
        grid=prices.grid,
        larger=_larger(arms, stages, preset, wish, arm, calibration, prices, currency),
        per_item=tuple(_per_item(x, wish.device, calibration, prices, currency) for x in latencies),
    )


def as_plain(view: ComputeView) -> dict[str, Any]:
    """The view as plain JSON values."""
    return asdict(view) | {"grid": view.grid.model_dump(mode="json")}


def _spent(arms: Sequence[ArmRecord], stages: Sequence[PilotStage], tariff: Tariff) -> Spent:
    own = [s for s in stages if not s.reused]
    energy = sum(reading.stage_energy(s, tariff) for s in own)
    return Spent(
        money=sum(reading.stage_money(s, tariff) for s in own),
        money_stand_alone=sum(reading.arm_costs(a.name, stages, tariff)["money"] for a in arms),
        device_seconds=sum(s.device_seconds for s in own),
        energy_kwh=energy,
        co2_kg=tariff.prices.co2_kg(energy),
    )


def _larger(
    arms: Sequence[ArmRecord],
    stages: Sequence[PilotStage],
    preset: Preset,
    wish: Wish,
    arm: str | None,
    calibration: Calibration,
    prices: PriceTable,
    currency: str,
) -> Larger | None:
    done = [s for s in stages if s.kind == "pretrain" and s.state == "done" and s.flops]
    names = [a.name for a in arms if any(a.name in s.arms for s in done)]
    if not names:
        return None
    name = arm if arm in names else names[0]
    pretrained = [_metered(s) for s in done if name in s.arms]
    passes = [s for s in stages if s.kind == "tokenize" and s.state == "done" and name in s.arms]
    images = _images(passes) or preset.pretrain.images_seen
    own = Scale(images=images, epochs=pretrained[0].images / images)
    scale = _scale(own, wish, preset)

    def cost(scale: Scale, device: str) -> ScaleCost:
        return scale_cost(
            pretrained,
            [_tokens(s) for s in passes],
            scale,
            device=device,
            calibration=calibration,
            prices=prices,
            currency=currency,
        )

    measured = pretrained[0].device
    return Larger(
        arm=name,
        wish=wish,
        images=scale.images,
        epochs=scale.epochs,
        measured_device=prices.entry(measured)[0],
        cost=cost(scale, wish.device or measured),
        of_pilot=cost(own, measured),
    )


def _scale(own: Scale, wish: Wish, preset: Preset) -> Scale:
    student = preset.pretrain.student
    wanted = student if wish.student == "pilot" else PRESETS[wish.student].pretrain.student
    return Scale(
        images=own.images * wish.images_factor,
        epochs=own.epochs if wish.epochs is None else wish.epochs,
        work_factor=encoder_flops(wanted) / encoder_flops(student),
        pixel_factor=(wanted.image_size / student.image_size) ** 2,
    )


def _images(passes: Sequence[PilotStage]) -> float:
    """How many images were pretrained on: each was tokenised once for each view."""
    return passes[0].units / len(passes[0].params["views"]) if passes else 0.0


def _metered(stage: PilotStage) -> Metered:
    """A pretraining by the rate of its loop; by its whole time where that is not known."""
    per_second = (stage.summary or {}).get("images_per_second")
    return Metered(
        device=stage.device_type or "cpu",
        cores=stage.cores or 1.0,
        seconds=stage.units / per_second if per_second else stage.device_seconds,
        images=stage.units,
        flops=stage.flops,
    )


def _tokens(stage: PilotStage) -> Metered:
    return Metered(
        device=stage.device_type or "cpu",
        cores=stage.cores or 1.0,
        seconds=stage.device_seconds,
        images=_images([stage]),
    )


def _per_item(
    found: Mapping[str, Any],
    device: str | None,
    calibration: Calibration,
    prices: PriceTable,
    currency: str,
) -> PerItem:
    """A latency as money. Carried over: the same share of the peak, in batches."""
    seconds = Range(found["low"], found["seconds"], found["high"])
    there = None
    if found["flops"]:
        measured = Metered(
            device=found["device"],
            cores=1.0,
            seconds=found["seconds"],
            images=1.0,
            flops=found["flops"],
        )
        is_here = device is None or device == prices.entry(found["device"])[0]
        further = FURTHER if is_here or device is None else device
        there = item_cost_on(
            further, measured, calibration=calibration, prices=prices, currency=currency
        )
    return PerItem(
        arm=found["arm"],
        protocol=found["protocol"],
        here=item_cost(
            seconds, device=found["device"], cores=1.0, prices=prices, currency=currency
        ),
        alone_seconds=found["alone"],
        there=there,
    )
