"""Changes to a preset's numbers by name, as a spec or a command line has them, and their bounds.

What is wrong is a `UserError` of one sentence that begins with the field, or that of an unknown
name. No torch here.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from digpt.errors import UserError, pick
from digpt.recipe import CROPS, PLAIN_VIEWS, STUDENTS, Recipe, Student, Transfer

P = TypeVar("P", Student, Recipe, Transfer)
MAX_SEEDS, MAX_TOKENS = 20, 16_384
BOUNDS: Mapping[str, tuple[float, float]] = {  # of every number in a recipe, by its name
    "image_size": (8, 4096),
    "patch_size": (1, 256),
    "dim": (8, 8192),
    "depth": (1, 128),
    "heads": (1, 256),
    "mlp_ratio": (0.25, 32.0),
    "decoder_dim": (8, 8192),
    "decoder_depth": (1, 128),
    "decoder_heads": (1, 256),
    "images_seen": (1, 10**10),
    "batch_size": (1, 1_000_000),
    "lr": (1e-8, 10.0),
    "weight_decay": (0.0, 10.0),
    "warmup_share": (0.0, 1.0),
    "clip_norm": (0.0, 1e6),
    "mask_share": (0.01, 0.99),
    "stored_size": (0, 4096),
    "label_smoothing": (0.0, 0.99),
    "target_share": (0.01, 1.0),
    "window": (0, 4096),
    "ema": (0.0, 0.99999),
    "micro_batch": (0, 1_000_000),
    "label_seeds": (1, MAX_SEEDS),
    "finetune_epochs": (1, 10_000),
    "finetune_batch": (1, 1_000_000),
    "finetune_layer_decay": (0.01, 1.0),
    "finetune_weight_decay": (0.0, 10.0),
    "finetune_warmup_share": (0.0, 1.0),
    "finetune_min_lr": (0.0, 10.0),
    "finetune_clip_norm": (0.0, 1e6),
    "finetune_head_rate": (0.01, 1000.0),
    "finetune_mixup": (0.0, 10.0),
    "finetune_cutmix": (0.0, 10.0),
    "finetune_erasing": (0.0, 1.0),
    "finetune_drop_path": (0.0, 0.9),
    "bootstrap": (50, 100_000),
}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "crops": CROPS,
    "target_norm": ("none", "standardise", "whiten"),
    "precision": ("fp32", "bf16", "fp16", "auto"),
    "loss": ("own", "cosine", "mse", "smooth-l1"),
    "attention": ("sdpa", "flex"),
}


def override(part: P, changes: object, where: str) -> P:
    """`part` with `changes`, each checked against the field's name and type."""
    if not isinstance(changes, Mapping):
        raise _wrong(where, "map", value=changes)
    known = {f.name: 0 for f in fields(part) if f.name != "student"}
    for name in changes:
        pick(known, str(name), f"{where} field")
    values = {n: _typed(getattr(part, n), v, f"{where}.{n}") for n, v in changes.items()}
    return replace(part, **values)


def override_student(preset: Student, asked: object) -> Student:
    """The preset's student, or the one of a name, with changes; taps follow a changed depth."""
    changes = {"preset": asked} if isinstance(asked, str) else asked
    if not isinstance(changes, Mapping):
        raise _wrong("pretrain.student", "student", known=", ".join(STUDENTS), value=asked)
    changes = dict(changes)
    if "preset" in changes:
        preset = pick(STUDENTS, str(changes.pop("preset")), "student preset")
    if "depth" in changes:
        preset = replace(preset, taps=None)
    return override(preset, changes, "pretrain.student")


def _typed(current: object, value: object, where: str) -> object:
    """`value` in the type that the preset's value has, or a sentence."""
    if isinstance(current, tuple) or current is None:
        return tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if isinstance(current, bool) and isinstance(value, bool):
        return value
    if isinstance(current, bool) or isinstance(value, bool):
        why = "yes-or-no" if isinstance(current, bool) else "no-yes-or-no"
        raise _wrong(where, why, value=value)
    if isinstance(current, int) and isinstance(value, int):
        return value
    if where.endswith("image_size") and not isinstance(value, (int, float)):
        raise _wrong(where, "square", value=value)
    if isinstance(current, float) and isinstance(value, (int, float)):
        return float(value)
    if isinstance(current, str) and isinstance(value, str):
        return value
    raise _wrong(where, f"type-{type(current).__name__}", value=value)


def whole(value: object, where: str, low: int, high: int) -> int:
    """`value`, if it is a whole number within the bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _wrong(where, "whole", low=low, high=high, value=value)
    return value


def _within(value: object, where: str, low: float, high: float) -> None:
    """Refuse numbers that cannot be meant; NaN too."""
    if isinstance(low, int):
        whole(value, where, low, int(high))
    elif not isinstance(value, (int, float)) or not low <= value <= high:
        raise _wrong(where, "number", low=f"{low:g}", high=f"{high:g}", value=value)


def check(recipe: Recipe, transfer: Transfer) -> None:
    """Refuse what cannot be meant, or cannot be built."""
    _check_bounds(recipe, transfer)
    _check_student(recipe.student)
    _check_recipe(recipe)
    _check_transfer(transfer)


def _check_bounds(recipe: Recipe, transfer: Transfer) -> None:
    for part, where in (
        (recipe.student, "pretrain.student"),
        (recipe, "pretrain"),
        (transfer, "transfer"),
    ):
        for name, (low, high) in BOUNDS.items():
            if hasattr(part, name):
                _within(getattr(part, name), f"{where}.{name}", low, high)


def _check_student(student: Student) -> None:
    where, size, patch = "pretrain.student", student.image_size, student.patch_size
    if size % patch:
        raise _wrong(f"{where}.image_size", "multiple", value=size, other="patch_size", by=patch)
    for width, heads in (("dim", "heads"), ("decoder_dim", "decoder_heads")):
        value, by = getattr(student, width), getattr(student, heads)
        if value % by:
            raise _wrong(f"{where}.{width}", "multiple", value=value, other=heads, by=by)
        if value % 4:
            raise _wrong(f"{where}.{width}", "positions", value=value)
    taps, depth = student.taps, student.depth
    if any(not isinstance(t, int) or not 1 <= t <= depth for t in taps or ()):
        raise _wrong(f"{where}.taps", "taps-blocks", value=taps, depth=depth)
    if taps and (sorted(set(taps)) != list(taps) or taps[-1] != depth):
        raise _wrong(f"{where}.taps", "taps-end", value=taps, depth=depth)
    grid = size // patch
    if grid**2 > MAX_TOKENS:
        raise _wrong(f"{where}.patch_size", "tokens", value=patch, count=grid**2, most=MAX_TOKENS)
    if len(student.clusters) != 2 or any(
        not isinstance(c, int) or c < 1 or grid % c for c in student.clusters
    ):
        valid = [k for k in range(1, grid + 1) if grid % k == 0]
        raise _wrong(
            f"{where}.clusters", "clusters", value=student.clusters, grid=grid, known=valid
        )
    if math.prod(student.clusters) == 1:
        raise _wrong(f"{where}.clusters", "one-cluster", value=student.clusters)


def _check_recipe(recipe: Recipe) -> None:
    for name, allowed in CHOICES.items():
        given = getattr(recipe, name)
        for value in given if isinstance(given, tuple) else (given,):
            pick(dict.fromkeys(allowed), str(value), f"pretrain.{name}")
    _check_crops(recipe)
    count = (recipe.student.image_size // recipe.student.patch_size) ** 2
    visible = round(count * (1 - recipe.mask_share))
    if not 0 < visible < count:
        share = recipe.mask_share
        raise _wrong("pretrain.mask_share", "mask", value=share, visible=visible, count=count)
    for beta in recipe.betas:
        _within(beta, "pretrain.betas", 0.0, 0.99999)
    if len(recipe.betas) != 2:
        raise _wrong("pretrain.betas", "two", value=recipe.betas)


def _check_transfer(transfer: Transfer) -> None:
    _check_shares(transfer.finetune_crop_scale, "transfer.finetune_crop_scale")
    for rate in transfer.finetune_lrs:
        _within(rate, "transfer.finetune_lrs", *BOUNDS["lr"])
    asked = transfer.finetune_randaugment
    if asked and not re.fullmatch(r"rand(-(m|n|p|mstd|mmax|inc)\d+(\.\d+)?)+", asked):
        raise _wrong("transfer.finetune_randaugment", "randaugment", value=asked)
    for names in ("protocols", "label_budgets", "finetune_budgets", "finetune_lrs"):
        if not getattr(transfer, names):
            raise _wrong(f"transfer.{names}", "empty")
    for names in ("label_budgets", "finetune_budgets"):
        for budget in getattr(transfer, names):
            if budget != "all" and not (isinstance(budget, int) and budget >= 1):
                raise _wrong(f"transfer.{names}", "budget", value=budget)
    for protocol in transfer.protocols:
        pick(dict.fromkeys(("probe", "knn", "finetune"), 0), protocol, "protocol")


def _check_crops(recipe: Recipe) -> None:
    for view in recipe.views:
        if view not in PLAIN_VIEWS and not re.fullmatch(r"crop[1-9]\d{0,2}", str(view)):
            pick(dict.fromkeys((*PLAIN_VIEWS, "crop1")), str(view), "pretrain.views")
    _check_scale(recipe, [view for view in recipe.views if view not in PLAIN_VIEWS])
    if recipe.stored_size and recipe.stored_size < recipe.student.image_size:
        size = recipe.student.image_size
        raise _wrong("pretrain.stored_size", "stored", value=recipe.stored_size, size=size)


def _check_scale(recipe: Recipe, crop_views: list[str]) -> None:
    if not recipe.views or len(set(recipe.views)) < len(recipe.views):
        raise _wrong("pretrain.views", "views", value=recipe.views)
    scale = recipe.crop_scale
    _check_shares(scale, "pretrain.crop_scale")
    if crop_views and recipe.crops != "cached":
        raise _wrong("pretrain.views", "views-fixed", value=crop_views, crops=recipe.crops)
    if crop_views and scale[0] == 1:
        raise _wrong("pretrain.crop_scale", "scale-whole")
    if not crop_views and recipe.crops == "cached" and scale[0] < 1:
        raise _wrong("pretrain.crop_scale", "scale-idle")


def _check_shares(scale: tuple[float, ...], where: str) -> None:
    """Refuse what are not the smallest and the largest share of an image in a crop."""
    if len(scale) != 2:
        raise _wrong(where, "two", value=scale)
    for share in scale:
        _within(share, where, 0.01, 1.0)
    if scale[0] > scale[1]:
        raise _wrong(where, "scale-order", value=scale)


def _wrong(field: str, why: str, **facts: Any) -> UserError:
    said = _WRONG[why].format(**facts)
    return UserError(f"{field} {said}.", code="bad-recipe", field=field, why=why, **facts)


_WRONG = {  # what can be wrong with a field, said after its name
    "map": "must be a map of fields, not {value!r}",
    "student": "must be one of {known} or a map of fields, not {value!r}",
    "yes-or-no": "must be true or false, not {value!r}",
    "no-yes-or-no": "must be a number or text, not {value!r}",
    "square": "is one number, the side of the square to which pictures are scaled, not {value!r}; "
    "only digpt.models.DiGPT itself takes other shapes",
    "type-int": "must be a whole number, not {value!r}",
    "type-float": "must be a number, not {value!r}",
    "type-str": "must be text, not {value!r}",
    "whole": "must be a whole number from {low} to {high}, not {value!r}",
    "number": "must be a number from {low} to {high}, not {value!r}",
    "multiple": "{value} is not a multiple of {other} {by}",
    "positions": "{value} cannot hold two-dimensional positions: choose a multiple of 4",
    "taps-blocks": "{value} are not blocks of the encoder, 1 to {depth}",
    "taps-end": "{value} must ascend and end at {depth}, the last block: blocks after the last tap "
    "would never train",
    "tokens": "{value} gives {count:,} tokens per image; at most {most:,} are possible, so take "
    "larger patches",
    "clusters": "{value} do not divide the {grid}×{grid} patch grid; each may be one of {known}",
    "one-cluster": "{value} make the whole image one cluster, and D-iGPT predicts the next: take "
    "at least two, e.g. [1, 2]",
    "two": "are two numbers, not {value}",
    "mask": "{value} leaves {visible} of {count} patches visible: choose one that masks some and "
    "leaves some",
    "randaugment": "is written as timm has it, e.g. rand-m9-mstd0.5-inc1, not {value!r}",
    "empty": "is empty; name at least one, or leave it out",
    "budget": 'holds {value!r}; a label budget is a number per class or "all"',
    "views": "{value} must name at least one view, each once",
    "scale-order": "{value}: the smaller share comes first",
    "views-fixed": "{value} are fixed crops; with crops {crops} every view is cropped anew, so "
    "name identity and flip only",
    "scale-whole": "must be below 1 for views that crop, e.g. [0.2, 1.0]",
    "scale-idle": "has no effect: name views such as crop1, or set crops to rois or online",
    "stored": "{value} is smaller than the student's image_size {size}; leave it out, or keep "
    "images larger",
}
