"""Changes to a preset's numbers by name, as a spec or a command line has them, and their bounds.

What is wrong is a `ValueError` of one sentence that begins with the field, or a `UserError` for an
unknown name. No torch here.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TypeVar

from digpt.errors import pick
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
}


def override(part: P, changes: object, where: str) -> P:
    """`part` with `changes`, each checked against the field's name and type."""
    if not isinstance(changes, Mapping):
        raise ValueError(f"{where} must be a map of fields, not {changes!r}")
    known = {f.name: 0 for f in fields(part) if f.name != "student"}
    for name in changes:
        pick(known, str(name), f"{where} field")
    values = {n: _typed(getattr(part, n), v, f"{where}.{n}") for n, v in changes.items()}
    return replace(part, **values)


def override_student(preset: Student, asked: object) -> Student:
    """The preset's student, or the one of a name, with changes; taps follow a changed depth."""
    changes = {"preset": asked} if isinstance(asked, str) else asked
    if not isinstance(changes, Mapping):
        raise ValueError(
            f"pretrain.student must be one of {', '.join(STUDENTS)} or a map of fields, not "
            f"{asked!r}"
        )
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
        allowed = "true or false" if isinstance(current, bool) else "a number or text"
        raise ValueError(f"{where} must be {allowed}, not {value!r}")
    if isinstance(current, int) and isinstance(value, int):
        return value
    if isinstance(current, float) and isinstance(value, (int, float)):
        return float(value)
    if isinstance(current, str) and isinstance(value, str):
        return value
    raise ValueError(f"{where} must be {type(current).__name__}, not {value!r}")


def whole(value: object, where: str, low: int, high: int) -> int:
    """`value`, if it is a whole number within the bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{where} must be a whole number from {low} to {high}, not {value!r}")
    return value


def _within(value: object, where: str, low: float, high: float) -> None:
    """Refuse numbers that cannot be meant; NaN too."""
    if isinstance(low, int):
        whole(value, where, low, int(high))
    elif not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{where} must be a number from {low:g} to {high:g}, not {value!r}")


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
    if student.image_size % student.patch_size:
        raise ValueError(
            f"pretrain.student.image_size {student.image_size} is not a multiple of "
            f"patch_size {student.patch_size}"
        )
    for width, heads in (("dim", "heads"), ("decoder_dim", "decoder_heads")):
        if getattr(student, width) % getattr(student, heads):
            raise ValueError(
                f"pretrain.student.{width} {getattr(student, width)} is not a multiple of "
                f"{heads} {getattr(student, heads)}"
            )
    if any(not isinstance(t, int) or not 1 <= t <= student.depth for t in student.taps or ()):
        raise ValueError(
            f"pretrain.student.taps {student.taps} are not blocks of the encoder, 1 to "
            f"{student.depth}"
        )
    if student.taps and (
        sorted(set(student.taps)) != list(student.taps) or student.taps[-1] != student.depth
    ):
        raise ValueError(
            f"pretrain.student.taps {student.taps} must ascend and end at {student.depth}, the last"
            " block: blocks after the last tap would never train"
        )
    grid = student.image_size // student.patch_size
    if grid**2 > MAX_TOKENS:
        raise ValueError(
            f"pretrain.student.patch_size {student.patch_size} gives {grid**2:,} tokens per image; "
            f"at most {MAX_TOKENS:,} are possible, so take larger patches"
        )
    if len(student.clusters) != 2 or any(
        not isinstance(c, int) or c < 1 or grid % c for c in student.clusters
    ):
        valid = [k for k in range(1, grid + 1) if grid % k == 0]
        raise ValueError(
            f"pretrain.student.clusters {student.clusters} do not divide the {grid}×{grid} patch "
            f"grid; each may be one of {valid}"
        )


def _check_recipe(recipe: Recipe) -> None:
    for name, allowed in CHOICES.items():
        given = getattr(recipe, name)
        for value in given if isinstance(given, tuple) else (given,):
            pick(dict.fromkeys(allowed), str(value), f"pretrain.{name}")
    _check_crops(recipe)
    for beta in recipe.betas:
        _within(beta, "pretrain.betas", 0.0, 0.99999)
    if len(recipe.betas) != 2:
        raise ValueError(f"pretrain.betas are two numbers, not {recipe.betas}")


def _check_transfer(transfer: Transfer) -> None:
    for rate in transfer.finetune_lrs:
        _within(rate, "transfer.finetune_lrs", *BOUNDS["lr"])
    asked = transfer.finetune_randaugment
    if asked and not re.fullmatch(r"rand(-(m|n|p|mstd|mmax|inc)\d+(\.\d+)?)+", asked):
        raise ValueError(
            "transfer.finetune_randaugment is written as timm has it, e.g. rand-m9-mstd0.5-inc1, "
            f"not {asked!r}"
        )
    for names in ("protocols", "label_budgets", "finetune_budgets", "finetune_lrs"):
        if not getattr(transfer, names):
            raise ValueError(f"transfer.{names} is empty; name at least one, or leave it out")
    for budget in (*transfer.label_budgets, *transfer.finetune_budgets):
        if budget != "all" and not (isinstance(budget, int) and budget >= 1):
            raise ValueError(
                'transfer.label_budgets: a label budget is a number per class or "all", not '
                f"{budget!r}"
            )
    for protocol in transfer.protocols:
        pick(dict.fromkeys(("probe", "knn", "finetune"), 0), protocol, "protocol")


def _check_crops(recipe: Recipe) -> None:
    for view in recipe.views:
        if view not in PLAIN_VIEWS and not re.fullmatch(r"crop[1-9]\d{0,2}", str(view)):
            pick(dict.fromkeys((*PLAIN_VIEWS, "crop1")), str(view), "pretrain.views")
    crop_views = [view for view in recipe.views if view not in PLAIN_VIEWS]
    if not recipe.views or len(set(recipe.views)) < len(recipe.views):
        raise ValueError(f"pretrain.views {recipe.views} must name at least one view, each once")
    if len(recipe.crop_scale) != 2:
        raise ValueError(f"pretrain.crop_scale are two numbers, not {recipe.crop_scale}")
    for share in recipe.crop_scale:
        _within(share, "pretrain.crop_scale", 0.01, 1.0)
    smallest, largest = recipe.crop_scale
    if smallest > largest:
        raise ValueError(f"pretrain.crop_scale {recipe.crop_scale}: the smaller share comes first")
    if crop_views and recipe.crops != "cached":
        raise ValueError(
            f"pretrain.views {crop_views} are fixed crops; with crops {recipe.crops} every view is "
            "cropped anew, so name identity and flip only"
        )
    if crop_views and smallest == 1:
        raise ValueError("pretrain.crop_scale must be below 1 for views that crop, e.g. [0.2, 1.0]")
    if not crop_views and recipe.crops == "cached" and smallest < 1:
        raise ValueError(
            "pretrain.crop_scale has no effect: name views such as crop1, or set crops to rois or "
            "online"
        )
    if recipe.stored_size and recipe.stored_size < recipe.student.image_size:
        raise ValueError(
            f"pretrain.stored_size {recipe.stored_size} is smaller than the student's image_size "
            f"{recipe.student.image_size}; leave it out, or keep images larger"
        )
