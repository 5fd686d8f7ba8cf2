"""A pilot spec becomes stages, each named by what could change its result.

Pure: same spec and dataset, same keys. Stage key = SHA-256 of canonical JSON of (kind, version of
that kind, params, keys of inputs); an equal key is an equal result and never runs twice.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from digpt.flops import encoder_flops
from digpt.init import Init
from digpt.recipe import (
    CHECKPOINTS,
    PLAIN_VIEWS,
    Preset,
    Recipe,
    Transfer,
    trial_steps,
    without_off,
)
from digpt.tokenizers.names import TUNED_EPOCHS, TokenizerName, parse
from jobs import equal
from jobs.engine.teacher_work import fit_flops, token_flops
from jobs.spec import PRETRAINING, PROTOCOLS, PROTOCOLS_OF, Arm, PilotSpec

# Raise a number when the code behind that kind changes its results.
VERSIONS: Mapping[str, int] = {
    "prepare": 1,
    "fit": 1,
    "tokenize": 2,
    "init": 1,
    "pretrain": 1,
    "features": 1,
    "probe": 2,
    "knn": 2,
    "finetune": 1,
    "evaluate": 1,
}

# About as many FLOPs as a core does in that time: of one pixel of a prepared image, read or (the
# built-in surfaces) drawn, and of one test item in one resample of all metrics.
READ_FLOPS, DRAWN_FLOPS, EVALUATE_FLOPS = 7e3, 6e4, 1e4
# The same of a labelled image: in all fits of a probe for each class, in kNN for each image asked.
PROBE_FLOPS, KNN_FLOPS = 3e6, 1e3
EARLIER = "earlier pilot"  # label of the stages that an init of an earlier arm brings along


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetFacts:
    """What a plan must know of a dataset, without opening an image."""

    identity: str  # fingerprint, or generator, version and options of a built-in set
    source: str  # where a worker finds it: "builtin:surfaces?images=10000" or a folder
    images: int
    pool: int
    train: int
    val: int
    test: int
    classes: int
    captions: Mapping[str, int] = field(default_factory=dict)  # pool and train with a text
    attributes: Mapping[str, int] = field(default_factory=dict)  # the same of a value
    task: str = "classification"
    image_size: tuple[int, int] = (0, 0)  # typical (height, width)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One piece of work. `source` tells where, not what, so it is not part of the key."""

    key: str
    kind: str
    params: Mapping[str, Any]
    inputs: Mapping[str, str]  # role -> key of the stage that makes it
    arms: tuple[str, ...]
    label: str
    units: float  # amount of work: images or fits
    cost_hint: float  # about how many FLOPs one unit takes
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Stages in an order in which every stage follows its inputs."""

    stages: tuple[Stage, ...]
    images_seen: Mapping[str, int] = field(default_factory=dict)  # by arm that is pretrained

    def of_arm(self, arm: str) -> tuple[Stage, ...]:
        return tuple(s for s in self.stages if arm in s.arms)


EarlierArm = tuple[tuple[Stage, ...], ...]  # by seed: its pretraining, after all that it needs


@dataclass
class _Builder:
    """Collects stages once, remembering which arms need them."""

    data: DatasetFacts
    spec: PilotSpec
    weights: Mapping[str, str]  # weights file as written in a name -> SHA-256 of its content
    earlier: Mapping[str, EarlierArm]
    images: Mapping[str, int]  # arm -> images it is pretrained on
    found: dict[str, Stage] = field(default_factory=dict)

    @property
    def preset(self) -> Preset:
        return self.spec.resolved

    def bring(self, stages: Iterable[Stage], arm: str) -> None:
        """Take over stages of another plan; those that this plan has already stay as they are."""
        for stage in stages:
            here = self.found.get(stage.key, replace(stage, arms=(), label=EARLIER))
            arms = here.arms if arm in here.arms else (*here.arms, arm)
            self.found[stage.key] = replace(here, arms=arms)

    def add(
        self,
        kind: str,
        arm: str,
        params: Mapping[str, Any],
        inputs: Mapping[str, str],
        *,
        label: str = "",
        units: float,
        cost_hint: float,
        source: str = "",
    ) -> str:
        key = stage_key(kind, params, inputs)
        before = self.found.get(key)
        arms = (*before.arms, arm) if before and arm not in before.arms else (arm,)
        if before and arm in before.arms:
            arms = before.arms
        self.found[key] = Stage(
            key=key,
            kind=kind,
            params=params,
            inputs=inputs,
            arms=arms,
            label=label,
            units=units,
            cost_hint=cost_hint,
            source=source,
        )
        return key


def make_plan(
    spec: PilotSpec,
    data: DatasetFacts,
    weights: Mapping[str, str] | None = None,
    *,
    earlier: Mapping[str, EarlierArm] | None = None,
    seconds: equal.Seconds | None = None,
) -> Plan:
    """All stages of a pilot, arm by arm, shared ones once.

    weights: SHA-256 of every weights file that a tokenizer or an init names, by that file.
    earlier: the stages of every earlier arm that an init names, by the init.
    seconds: how fast each arm trains on this device, for a spec that equalises these.
    """
    images = equal.images_seen(spec, seconds)
    builder = _Builder(data, spec, weights or {}, earlier or {}, images)
    for arm in spec.arms:
        _add_arm(builder, arm)
    return Plan(stages=tuple(builder.found.values()), images_seen=images)


def stage_key(kind: str, params: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """SHA-256 (hex) over everything that could change the stage's result."""
    content = {"kind": kind, "version": VERSIONS[kind], "params": params, "inputs": inputs}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def arm_seeds(arm: Arm, preset: Preset) -> range:
    """Seeds that change this arm: pretraining, first weights, or a random recogniser."""
    has_own_weights = bool(arm.init) and not (arm.init or "").startswith(("arm:", "random"))
    varies = arm.method in PRETRAINING or (arm.method == "scratch" and not has_own_weights)
    varies = varies or (arm.tokenizer is not None and parse(arm.tokenizer).depends_on_seed)
    return range(preset.seeds if varies else 1)


def arm_protocols(arm: Arm, preset: Preset) -> tuple[str, ...]:
    """Those of the preset that this arm can be tried with, at least one."""
    allowed = PROTOCOLS_OF.get(arm.method, PROTOCOLS)
    return tuple(p for p in preset.transfer.protocols if p in allowed)


def _add_arm(builder: _Builder, arm: Arm) -> None:
    student = builder.preset.pretrain.student
    prepare = _add_prepare(builder, arm.name, student.image_size)
    runs: dict[str, str] = {}
    for seed in arm_seeds(arm, builder.preset):
        encoder = _add_encoder(builder, arm, seed, prepare)
        tried = _tried(builder, arm, seed, encoder)
        for protocol in arm_protocols(arm, builder.preset):
            add = _add_finetune if protocol == "finetune" else _add_read_out
            runs[f"{protocol}:{seed}"] = add(builder, arm, tried, prepare, protocol)
    if runs:
        builder.add(
            "evaluate",
            arm.name,
            {"bootstrap": builder.preset.transfer.bootstrap},
            {"dataset": prepare} | runs,
            units=len(runs),
            cost_hint=builder.preset.transfer.bootstrap * builder.data.test * EVALUATE_FLOPS,
        )


def _add_encoder(builder: _Builder, arm: Arm, seed: int, prepare: str) -> str | None:
    """The stage whose result this arm's transfer starts from; None for random weights."""
    init = builder.spec.init_of(arm)
    start = {"init": _add_init(builder, arm, init, seed)} if init else {}
    if arm.tokenizer is None:
        return start.get("init")
    fit = _add_fit(builder, arm.name, parse(arm.tokenizer), seed, prepare)
    if arm.method not in PRETRAINING:
        return fit
    recipe = replace(builder.preset.pretrain, images_seen=builder.images[arm.name])
    stored = prepare
    if recipe.stored_size:
        stored = _add_prepare(builder, arm.name, recipe.stored_size)
    source, online = {"tokenizer": fit}, 0.0
    if recipe.crops == "online":
        online = token_flops(parse(arm.tokenizer), recipe.student.image_size)
    else:
        source = {"tokens": _add_tokens(builder, arm.name, arm.tokenizer, fit, stored)}
    return builder.add(
        "pretrain",
        arm.name,
        {"method": arm.method, "recipe": _recipe_params(recipe, arm.method), "seed": seed},
        {"dataset": stored} | source | start,
        label=f"seed {seed}",
        units=recipe.images_seen,
        cost_hint=equal.flops_per_image(arm, recipe) + online,
    )


def _add_init(builder: _Builder, arm: Arm, init: Init, seed: int) -> str:
    """The student's first weights in its own sizes. Where a file lies is not part of the key."""
    student = builder.preset.pretrain.student
    facts, inputs = {"family": init.family, "model": init.model}, {}
    if init.family == "arm":
        runs = builder.earlier[init.text]
        stages = runs[seed % len(runs)]
        builder.bring(stages, arm.name)
        inputs["encoder"] = stages[-1].key
    facts["weights"] = builder.weights[init.file] if init.file else init.weights
    sizes = {n: getattr(student, n) for n in ("dim", "depth", "heads", "mlp_ratio")}
    sizes |= {n: getattr(student, n) for n in ("image_size", "patch_size")}
    return builder.add(
        "init",
        arm.name,
        {"init": facts, "student": sizes},
        inputs,
        label=init.text,
        units=1,
        cost_hint=encoder_flops(student),
        source=str(Path(init.file).expanduser().absolute()) if init.file else "",
    )


def _add_prepare(builder: _Builder, arm: str, size: int) -> str:
    is_drawn = builder.data.source.startswith("builtin:surfaces")
    return builder.add(
        "prepare",
        arm,
        {"dataset": builder.data.identity, "size": size},
        {},
        units=builder.data.images,
        cost_hint=size**2 * (DRAWN_FLOPS if is_drawn else READ_FLOPS),
        source=builder.data.source,
    )


def _add_tokens(builder: _Builder, arm: str, tokenizer: str, fit: str, stored: str) -> str:
    """The token cache: every view, or the whole image alone where crops take their share of it."""
    recipe = builder.preset.pretrain
    views = ["identity"] if recipe.crops == "rois" else list(recipe.views)
    params: dict[str, Any] = {"views": views}
    if any(view not in PLAIN_VIEWS for view in views):
        params["crop_scale"] = list(recipe.crop_scale)
    if recipe.stored_size:
        params["size"] = recipe.student.image_size
    return builder.add(
        "tokenize",
        arm,
        params,
        {"dataset": stored, "tokenizer": fit},
        label=tokenizer,
        units=(builder.data.pool + builder.data.train) * len(views),
        cost_hint=token_flops(parse(tokenizer), recipe.student.image_size),
    )


def _add_fit(builder: _Builder, arm: str, name: TokenizerName, seed: int, prepare: str) -> str:
    student = builder.preset.pretrain.student
    inputs = {"dataset": prepare}
    if name.base is not None and name.needs_base:
        inputs["base"] = _add_fit(builder, arm, name.base, seed, prepare)
    params: dict[str, Any] = {
        "tokenizer": name.canonical,
        "size": student.image_size,
        "patch_size": student.patch_size,
        "seed": seed if name.depends_on_seed else 0,
    }
    images = builder.data.pool + builder.data.train
    if name.tunes:  # absent from earlier plans: 16,000 samples, however few the images
        params |= {"epochs": TUNED_EPOCHS, "held_out": "by group, in two parts"}
    if name.weights_file:
        params["weights"] = builder.weights[name.weights_file]
    return builder.add(
        "fit",
        arm,
        params,
        inputs,
        label=name.canonical,
        units=images,
        cost_hint=fit_flops(name, student.image_size, images),
    )


@dataclass(frozen=True, slots=True)
class _Tried:
    """An encoder that is tried: what tells it, FLOPs of one look, and the pretraining seed."""

    params: Mapping[str, Any]
    inputs: Mapping[str, str]
    flops: float
    seed: int


def _tried(builder: _Builder, arm: Arm, seed: int, encoder: str | None) -> _Tried:
    student = builder.preset.pretrain.student
    if encoder is None:
        params = {"role": "scratch", "seed": seed, "student": asdict(student)}
        return _Tried(params, {}, encoder_flops(student), seed)
    role = arm.method if arm.method in ("frozen", "direct") else "student"
    flops = encoder_flops(student)
    if arm.tokenizer and role != "student":
        flops = token_flops(parse(arm.tokenizer), student.image_size)
    return _Tried({"role": role}, {"encoder": encoder}, flops, seed)


def _add_read_out(builder: _Builder, arm: Arm, tried: _Tried, prepare: str, protocol: str) -> str:
    """A probe or neighbours on frozen features, which are made once for both."""
    transfer, data = builder.preset.transfer, builder.data
    features = builder.add(
        "features",
        arm.name,
        tried.params,
        {"dataset": prepare, **tried.inputs},
        label=f"seed {tried.seed}",
        units=data.train + data.val + data.test,
        cost_hint=tried.flops,
    )
    looks = {"probe": PROBE_FLOPS * data.classes, "knn": KNN_FLOPS * (data.val + data.test)}
    return builder.add(
        protocol,
        arm.name,
        {
            "label_seeds": transfer.label_seeds,
            "transfer": _transfer_params(asdict(transfer), protocol),
        },
        {"dataset": prepare, "features": features},
        label=f"seed {tried.seed}",
        units=sum(
            draws * labelled
            for draws, labelled in _draws(transfer.label_budgets, transfer.label_seeds, data)
        ),
        cost_hint=looks[protocol],
    )


def _add_finetune(builder: _Builder, arm: Arm, tried: _Tried, prepare: str, protocol: str) -> str:
    transfer = builder.preset.transfer
    return builder.add(
        protocol,
        arm.name,
        {
            "label_seeds": transfer.label_seeds,
            "seed": tried.seed,
            "transfer": _transfer_params(asdict(transfer), protocol),
            **tried.params,
        },
        {"dataset": prepare, **tried.inputs},
        label=f"seed {tried.seed}",
        units=tuned_images(transfer, builder.data),
        cost_hint=tried.flops,
    )


def tuned_images(transfer: Transfer, data: DatasetFacts) -> int:
    """Forward passes of fine-tuning at every budget and label seed; a training step is three."""
    total = 0
    for runs, labelled in _draws(transfer.finetune_budgets, transfer.label_seeds, data):
        steps, batch = transfer.finetune_steps(labelled), transfer.finetune_images(labelled)
        whole = 3 * batch * steps + len(CHECKPOINTS) * data.val + data.test
        trial = 3 * batch * trial_steps(steps) + data.val
        total += runs * whole + transfer.finetune_trials * trial
    return total


def _draws(
    budgets: Iterable[int | str], seeds: int, data: DatasetFacts
) -> Iterator[tuple[int, int]]:
    """Of every budget: how many draws of labels, and the training images of each."""
    for budget in budgets:
        if budget == "all":
            yield 1, data.train
        else:
            yield seeds, min(int(budget) * data.classes, data.train)


def _recipe_params(recipe: Recipe, method: str) -> dict[str, Any]:
    """The recipe's numbers that this method reads, as plain JSON."""
    params = json.loads(json.dumps(without_off(asdict(recipe))))
    if method != "masked":
        params.pop("mask_share")
    if not method.startswith("digpt"):
        params.pop("target_share", None)
        params.pop("window", None)
    return params


def _transfer_params(values: Mapping[str, Any], protocol: str) -> dict[str, Any]:
    """Only what this protocol reads, so that an unrelated change does not run it again."""
    if protocol == "finetune":
        names = [n for n in values if n.startswith("finetune_")]
    else:
        names = ["label_budgets"]
    return json.loads(json.dumps(without_off({n: values[n] for n in names})))
