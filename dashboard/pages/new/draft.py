"""The draft of a pilot: what a person has entered so far, and the spec it stands for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from digpt.recipe import PRESETS
from digpt.tokenizers.names import parse
from jobs.families import TOO_FEW
from jobs.spec import Arm, PilotSpec, arm_parts, load_spec
from jobs.views import TokenizerView

# families that are networks of their own: only they can be fine-tuned directly
RECOGNISERS = ("domain-clip", "clip", "timm")
METHODS = ("digpt", "digpt-ar", "igpt", "masked", "direct")
BUDGETS = ("5", "10", "20", "50", "100", "200", "all")
SUGGESTED = ("domain-clip", "filters", "pixels")


@dataclass(frozen=True, slots=True)
class Draft:
    """All fields of the form as plain values, as they are kept in the browser."""

    name: str = ""
    dataset: str = ""
    tokenizers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("digpt",)
    arms: tuple[str, ...] = ()  # names, a part of `candidates`
    preset: str = "quick"
    seeds: int | None = None  # None: the preset's
    label_budgets: tuple[str, ...] = ()  # empty: the preset's
    finetune_budgets: tuple[str, ...] = ()
    cost: str = ""  # "20 USD"
    hours: float | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)  # of a spec, what the form does not show

    @property
    def images(self) -> int | None:
        """How many images of a built-in set; None: as many as it has by itself."""
        return self.rest.get("dataset", {}).get("images")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def from_json(values: object) -> Draft:
    """A draft from the browser's memory; what does not fit is left out."""
    if not isinstance(values, Mapping):
        return Draft()
    known = {f.name for f in fields(Draft)}
    kept: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known
    }
    return Draft(**kept)


def candidates(methods: Iterable[str], tokenizers: Sequence[str]) -> list[str]:
    """Names of all arms that the methods and tokenizers allow, controls last."""
    arms = [
        Arm(method=m, tokenizer=t)  # type: ignore[arg-type]
        for m in METHODS
        if m in methods
        for t in tokenizers
        if m != "direct" or is_recogniser(t)
    ]
    controls = [Arm(method="frozen", tokenizer=t) for t in tokenizers]
    return [a.name for a in (*arms, Arm(method="scratch"), *controls)]


def is_recogniser(tokenizer: str) -> bool:
    """Whether the tokenizer is a network that could be used by itself."""
    return parse(tokenizer).family in RECOGNISERS


def usual(candidate_names: Sequence[str], tokenizers: Sequence[str]) -> list[str]:
    """The arms that are chosen at first: all pretrained ones, scratch and one frozen baseline."""
    base = next((t for t in tokenizers if is_recogniser(t)), tokenizers[0] if tokenizers else "")
    frozen = f"frozen × {base}"
    return [n for n in candidate_names if not n.startswith("frozen") or n == frozen]


def with_choice(draft: Draft, *, tokenizers: Sequence[str], methods: Sequence[str]) -> Draft:
    """The draft after its tokenizers or methods changed: kept arms stay, new usual ones join."""
    before = set(candidates(draft.methods, draft.tokenizers))
    now = candidates(methods, tokenizers)
    fresh = [n for n in usual(now, tokenizers) if n not in before]
    if not draft.arms:
        fresh = usual(now, tokenizers)
    has_frozen = any(n.startswith("frozen") for n in draft.arms if n in now)
    fresh = [n for n in fresh if not (n.startswith("frozen") and has_frozen)]
    started = [n for n in draft.arms if n.partition(" ← ")[0] in now and n not in now]
    chosen = (*(n for n in now if n in draft.arms or n in fresh), *started)
    if not any(n.startswith("frozen") for n in chosen):
        chosen += tuple(n for n in usual(now, tokenizers) if n.startswith("frozen"))
    return replace(draft, tokenizers=tuple(tokenizers), methods=tuple(methods), arms=chosen)


def suggested(known: Sequence[TokenizerView]) -> list[str]:
    """The tokenizers to begin with: those that are ready of the suggested ones."""
    ready = [t.name for t in known if t.ready]
    return [n for n in SUGGESTED if n in ready] or ready[:1]


def for_dataset(draft: Draft, known: Sequence[TokenizerView]) -> Draft:
    """The draft after another dataset was chosen: its own suggestions where suggestions stood, and
    nothing that its images are too few for."""
    few = {t.name for t in known if t.remark == TOO_FEW}
    untouched = set(SUGGESTED), set(SUGGESTED) - {"domain-clip"}  # on many images, and on few
    chosen = suggested(known) if set(draft.tokenizers) in untouched else draft.tokenizers
    kept = [n for n in chosen if n not in few] or suggested(known)
    return with_choice(draft, tokenizers=kept, methods=draft.methods)


def to_spec(draft: Draft) -> PilotSpec:
    """The spec of the draft; raises a UserError that names the field."""
    preset = PRESETS[draft.preset]
    values: dict[str, Any] = {k: v for k, v in draft.rest.items() if v}
    pretrain, transfer = dict(values.get("pretrain", {})), dict(values.get("transfer", {}))
    if draft.seeds is not None and draft.seeds != preset.seeds:
        pretrain["seeds"] = int(draft.seeds)
    for name in ("label_budgets", "finetune_budgets"):
        chosen = [_budget(b) for b in getattr(draft, name)]
        if chosen and tuple(chosen) != tuple(getattr(preset.transfer, name)):
            transfer[name] = chosen
    limits = {"cost": draft.cost.strip() or None, "hours": draft.hours}
    values |= {
        "name": draft.name.strip(),
        "dataset": {**values.get("dataset", {}), "name": draft.dataset},
        "arms": [arm_parts(name) for name in draft.arms],
        "preset": draft.preset,
        "pretrain": pretrain,
        "transfer": transfer,
        "limits": {k: v for k, v in limits.items() if v},
    }
    return load_spec({k: v for k, v in values.items() if v or k in ("name", "arms")})


def from_spec(spec: PilotSpec) -> Draft:
    """The draft that stands for a spec; what the form does not show is kept in `rest`."""
    transfer, pretrain = dict(spec.transfer), dict(spec.pretrain)
    preset = PRESETS[spec.preset]
    seeds = pretrain.pop("seeds", preset.seeds)
    shown = {
        name: tuple(str(b) for b in transfer.pop(name, getattr(preset.transfer, name)))
        for name in ("label_budgets", "finetune_budgets")
    }
    dataset = spec.dataset.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    dataset.pop("name", None)
    tokenizers = tuple(dict.fromkeys(a.tokenizer for a in spec.arms if a.tokenizer))
    return Draft(
        name=spec.name,
        dataset=spec.dataset.name,
        tokenizers=tokenizers,
        methods=tuple(m for m in METHODS if any(a.method == m for a in spec.arms)),
        arms=tuple(a.name for a in spec.arms),
        preset=spec.preset,
        seeds=seeds,
        cost=spec.limits.cost or "",
        hours=spec.limits.hours,
        rest={
            "dataset": dataset,
            "equalise": spec.equalise if spec.equalise != "images" else None,
            "pretrain": pretrain,
            "transfer": transfer,
            "case": spec.case,
            "licence_accepted": list(spec.licence_accepted),
        },
        **shown,
    )


def _budget(shown: str) -> int | str:
    return "all" if shown == "all" else int(shown)
