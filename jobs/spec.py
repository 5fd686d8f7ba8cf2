"""PilotSpec: what a person asks for, as YAML or JSON. Validated once, here; trusted inside."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from digpt.encodings import read_text
from digpt.errors import UserError, pick
from digpt.init import Init, parse_init
from digpt.overrides import MAX_SEEDS, check, override, override_student, whole
from digpt.recipe import PRESETS, Preset
from digpt.tokenizers.names import parse
from jobs.spec_errors import Misfit, at_its_place, of_validation, of_yaml

Method = Literal[
    "digpt", "digpt-ar", "digpt-visible", "igpt", "masked", "scratch", "frozen", "direct"
]
PRETRAINING = (
    "digpt",
    "digpt-ar",
    "digpt-visible",
    "igpt",
    "masked",
)  # methods with a pretraining stage
NEED_TOKENIZER = (*PRETRAINING, "frozen", "direct")
# What a method is tried with: frozen features are probed, the recogniser itself is fine-tuned, a
# student gets all
PROTOCOLS = ("probe", "knn", "finetune")
PROTOCOLS_OF: Mapping[str, tuple[str, ...]] = {"frozen": ("probe", "knn"), "direct": ("finetune",)}
HAVE_STUDENT = (*PRETRAINING, "scratch")  # methods that an init can be given to
RANDOM = "random"  # an arm's init where the spec's is not wanted
MAX_ARMS = 40
MOST_IMAGES = 100_000  # of a built-in set


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetRef(_Part):
    """Which data: a built-in set or an imported one, by name (and version, default the newest)."""

    name: str = Field(min_length=1, max_length=100)
    task: Literal["classification"] = "classification"
    version: int | None = Field(default=None, ge=1)
    images: int | None = Field(default=None, ge=200, le=MOST_IMAGES)  # built-in sets only


class Arm(_Part):
    """One way of getting features: a method and, where it has one, a tokenizer and an init."""

    method: Method
    tokenizer: str | None = None
    init: str | None = None  # what the student starts from, e.g. "official:FILE"

    @model_validator(mode="after")
    def _tokenizer_fits_method(self) -> "Arm":
        if self.method == "scratch" and self.tokenizer:
            raise Misfit("no-tokenizer", "scratch has no tokenizer; remove it")
        if self.method in NEED_TOKENIZER and not self.tokenizer:
            said = f"{self.method} needs a tokenizer, e.g. filters"
            raise Misfit("needs-tokenizer", said, method=self.method)
        if self.tokenizer:
            name = parse(self.tokenizer)
            if self.method == "direct" and not (name.facts.has_network or name.family == "random"):
                raise Misfit(
                    "not-tunable",
                    f"{name.canonical} has no weights to fine-tune; take method frozen, or a "
                    "recogniser such as domain-clip or clip:NAME",
                    tokenizer=name.canonical,
                )
            object.__setattr__(self, "tokenizer", name.canonical)
        return self

    @model_validator(mode="after")
    def _init_fits_method(self) -> "Arm":
        if self.init and self.method not in HAVE_STUDENT:
            raise Misfit(
                "no-student",
                f"{self.method} has no student that an init could start; remove it, or take "
                f"one of {', '.join(HAVE_STUDENT)}",
                method=self.method,
                known=HAVE_STUDENT,
            )
        if self.init and self.init != RANDOM:
            object.__setattr__(self, "init", parse_init(self.init).text)
        return self

    @property
    def name(self) -> str:
        """How the arm is called everywhere, unique within a pilot: "digpt × filters ← timm:..."."""
        named = f"{self.method} × {self.tokenizer}" if self.tokenizer else self.method
        return f"{named} ← {self.init}" if self.init else named


def arm_parts(name: str) -> dict[str, str]:
    """The fields of the arm of that name."""
    rest, _, init = name.partition(" ← ")
    method, _, tokenizer = rest.partition(" × ")
    fields = {"method": method, "tokenizer": tokenizer, "init": init}
    return {field: value for field, value in fields.items() if value}


class Limits(_Part):
    """Where the pilot stops cleanly with what it has."""

    cost: str | None = None  # "20 USD"
    hours: float | None = Field(default=None, gt=0, le=10_000)

    @field_validator("cost", mode="before")
    @classmethod
    def _money(cls, value: object) -> object:
        if value is None:
            return None
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Z]{3})\s*", str(value))
        if not match:
            raise Misfit("money", 'write an amount and a currency, e.g. "20 USD"')
        return f"{match[1]} {match[2]}"

    @property
    def money(self) -> tuple[float, str] | None:
        if self.cost is None:
            return None
        amount, currency = self.cost.split()
        return float(amount), currency


class PilotSpec(_Part):
    """A whole pilot. `pretrain` and `transfer` override single fields of the preset."""

    name: str = Field(min_length=1, max_length=100)
    dataset: DatasetRef
    arms: tuple[Arm, ...] = Field(min_length=1, max_length=MAX_ARMS)
    preset: str = "quick"
    equalise: Literal["images", "flops", "device_seconds"] = "images"  # what pretraining arms share
    pretrain: dict[str, Any] = Field(default_factory=dict)
    transfer: dict[str, Any] = Field(default_factory=dict)
    limits: Limits = Limits()
    case: dict[str, Any] | None = None  # a business case to decide with once it has finished
    # recognisers that are used although their licence forbids commercial use
    licence_accepted: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "PilotSpec":
        names = [arm.name for arm in self.arms]
        twice = next((i for i, n in enumerate(names) if n in names[:i]), None)
        if twice is not None:
            raise UserError(
                f"arm {names[twice]!r} is listed twice.",
                code="bad-spec",
                field=f"arms.{twice}",
                why="arm-twice",
                arm=names[twice],
            )
        pick(PRESETS, self.preset, "preset")
        for number, arm in enumerate(self.arms):
            self._check_protocols(number, arm)
        return self

    def _check_protocols(self, number: int, arm: Arm) -> None:
        """Refuse an arm that would be made and never tried."""
        given = self.resolved.transfer.protocols
        allowed = PROTOCOLS_OF.get(arm.method, PROTOCOLS)
        if not set(allowed) & set(given):
            listed = " or ".join(allowed)
            raise UserError(
                f"arm {arm.name!r} could not be tried: {arm.method} takes {listed}, and"
                f" transfer.protocols has {', '.join(given)} only. Add one, or leave the arm out.",
                code="bad-spec",
                field=f"arms.{number}",
                why="no-protocol",
                arm=arm.name,
                known=allowed,
                given=given,
            )

    @cached_property
    def resolved(self) -> Preset:
        """The preset with this spec's overrides applied and checked."""
        preset = PRESETS[self.preset]
        pretrain = dict(self.pretrain)
        seeds = whole(pretrain.pop("seeds", preset.seeds), "pretrain.seeds", 1, MAX_SEEDS)
        student = override_student(preset.pretrain.student, pretrain.pop("student", {}))
        _init(pretrain.pop("init", None))
        recipe = replace(override(preset.pretrain, pretrain, "pretrain"), student=student)
        transfer = override(preset.transfer, self.transfer, "transfer")
        check(recipe, transfer)
        return Preset(pretrain=recipe, transfer=transfer, seeds=seeds)

    def init_of(self, arm: Arm) -> Init | None:
        """What the arm's student starts from; `pretrain.init` is for all that are pretrained."""
        given = arm.init
        if given is None and arm.method in PRETRAINING:
            given = self.pretrain.get("init")
        return _init(given)


def load_spec(source: Path | str | Mapping[str, Any]) -> PilotSpec:
    """Read a spec from a YAML file, YAML text or plain values; errors name the field and line."""
    if isinstance(source, Mapping):
        return _validate(dict(source), "", "")
    is_file = isinstance(source, Path)
    text, file = (_read(source), str(source)) if is_file else (str(source), "")
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise of_yaml(error, file) from error
    if not isinstance(values, dict):
        raise UserError(
            f'{file or "The spec"} is not a pilot spec: expected fields such as "name", "dataset" '
            'and "arms". Start from "digpt pilot template".',
            code="bad-spec",
            why="shape",
            source=file,
        )
    return _validate(values, text, file)


def with_more_seeds(spec: PilotSpec, more: int) -> PilotSpec:
    """The same pilot with more pretraining seeds, or label seeds where nothing is trained."""
    resolved = spec.resolved
    pretrains = any(a.method in (*PRETRAINING, "scratch") for a in spec.arms)
    values = spec.model_dump(mode="json")
    if pretrains:
        values["pretrain"] |= {"seeds": min(resolved.seeds + more, MAX_SEEDS)}
    else:
        seeds = min(resolved.transfer.label_seeds + more, MAX_SEEDS)
        values["transfer"] |= {"label_seeds": seeds}
    return load_spec(values)


def with_more_labels(spec: PilotSpec, images: int | None = None) -> PilotSpec:
    """The same pilot on the newest version of its data, or on more images of a built-in set, with
    every label among its budgets."""
    values, transfer = spec.model_dump(mode="json"), spec.resolved.transfer
    values["dataset"] |= {"version": None, "images": images and min(images, MOST_IMAGES)}
    for name in ("label_budgets", "finetune_budgets"):
        budgets = list(getattr(transfer, name))
        values["transfer"] |= {name: budgets if "all" in budgets else [*budgets, "all"]}
    return load_spec(values)


def to_yaml(spec: PilotSpec) -> str:
    """The spec as YAML that `load_spec` reads back as an equal spec."""
    values = spec.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    values = {"name": spec.name} | values | {"preset": spec.preset}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def json_schema() -> dict[str, Any]:
    """JSON schema of a pilot spec, for editors."""
    return PilotSpec.model_json_schema()


def _validate(values: dict[str, Any], text: str, source: str) -> PilotSpec:
    try:
        return PilotSpec.model_validate(values)
    except ValidationError as error:
        parts = {"dataset": DatasetRef, "arms": Arm, "limits": Limits}
        raise of_validation(error, PilotSpec, parts, text, source) from error
    except UserError as error:  # of a recipe, or an unknown name, e.g. of a tokenizer
        raise at_its_place(error, text, source) from error


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError as error:
        raise UserError(
            f"There is no file {path}.", code="missing-file", field="spec", path=str(path)
        ) from error
    except (OSError, UnicodeError) as error:
        raise UserError(
            f"{path} cannot be read: {error}.", code="bad-file", field="spec", path=str(path)
        ) from error


def _init(text: object) -> Init | None:
    if text is None or text == RANDOM:
        return None
    if not isinstance(text, str):
        raise UserError(
            f"pretrain.init must be text such as official:FILE, not {text!r}.",
            code="bad-spec",
            field="pretrain.init",
            why="init",
            value=text,
        )
    return parse_init(text)
