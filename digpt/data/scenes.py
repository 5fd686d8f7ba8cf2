"""What can be seen on each procedural surface: one column per fact, drawn for all images at once.

n images of p parts of u units. Lengths are shares of the picture's side, angles radians, places
(x, y) run from -0.5 (left, top) to 0.5. Contrasts are in units of which a texture has 0.25 to 0.6.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

STATES = (
    "normal", "scratch", "crack", "pitting", "stain", "dent", "missing-fastener", "misalignment",
)  # fmt: skip
MATERIALS = (
    "brushed steel", "cast iron", "painted sheet", "anodised aluminium", "turned brass", "plastic",
)  # fmt: skip
CAMERAS = ("A", "B", "C", "D")
# harmless things, drawn on pictures of every state
DISTRACTORS = (
    "drops", "dots", "label", "tool marks", "wire", "shade", "chalk", "boss",
)  # fmt: skip
SLOTS = 4  # distractors at most per image
ANCHORS = np.array(
    [(x, y) for y in (-0.32, 0.0, 0.32) for x in (-0.32, 0.0, 0.32) if (x, y) != (0.0, 0.0)]
)  # where a part may have fasteners, in its own frame
IMAGES_PER_PART = 8
PARTS_PER_UNIT = 5
COLOURS = {
    "grey": (0.50, 0.51, 0.53), "dark": (0.30, 0.30, 0.32), "light": (0.66, 0.66, 0.65),
    "green": (0.36, 0.50, 0.42), "blue": (0.36, 0.44, 0.58), "yellow": (0.62, 0.54, 0.34),
    "red": (0.56, 0.36, 0.33), "beige": (0.62, 0.57, 0.48),
}  # fmt: skip
_MATERIAL_COLOURS = (
    ("grey", "light", "dark"), ("dark", "grey"), ("green", "blue", "yellow", "red", "light"),
    ("grey", "blue", "red", "light"), ("yellow", "beige"), ("dark", "beige", "blue", "green"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenes:
    """Columns of n rows; see the module's head for units."""

    state: np.ndarray  # (n,) index into STATES
    part: np.ndarray  # (n,)
    unit: np.ndarray  # (n,)
    day: np.ndarray  # (n,) days since the first inspection of all
    # of the part
    material: np.ndarray  # (n,) index into MATERIALS
    colour: np.ndarray  # (n,) index into COLOURS
    rgb: np.ndarray  # (n, 3) in 0..1
    texture_sd: np.ndarray
    grain: np.ndarray  # texture direction in the part's frame
    coarse: np.ndarray  # texture scale, 0..1
    fasteners: np.ndarray  # (n, 8) bool, which anchors the part has
    fastener_radius: np.ndarray
    recess: np.ndarray  # 0 slot, 1 cross, 2 hexagon
    has_stripe: np.ndarray  # bool: a band across, and a joint across the band
    stripe_angle: np.ndarray
    stripe_place: np.ndarray  # distance of its middle line from the centre, signed
    stripe_width: np.ndarray
    stripe_contrast: np.ndarray  # signed
    joint: np.ndarray  # where along the stripe the two halves meet
    # of the picture
    turn: np.ndarray
    zoom: np.ndarray
    shift: np.ndarray  # (n, 2)
    camera: np.ndarray  # index into CAMERAS
    light: np.ndarray  # direction the light comes from
    gradient: np.ndarray
    glare: np.ndarray  # strength, 0 for none
    glare_at: np.ndarray  # (n, 2)
    brightness: np.ndarray  # exposure, 1 is right
    blur: np.ndarray  # 0..1
    noise: np.ndarray
    # the defect, meaningful where the state has one
    at: np.ndarray  # (n, 2)
    radius: np.ndarray
    angle: np.ndarray
    width: np.ndarray
    contrast: np.ndarray  # positive
    is_bright: np.ndarray  # bool, for scratch and stain
    gone: np.ndarray  # which anchor lost its fastener
    offset: np.ndarray  # signed, of the half stripe that is out of line
    # distractors
    kind: np.ndarray  # (n, SLOTS) index into DISTRACTORS, -1 for none
    kind_at: np.ndarray  # (n, SLOTS, 2)
    kind_size: np.ndarray  # (n, SLOTS) 0..1
    kind_angle: np.ndarray  # (n, SLOTS)

    def __len__(self) -> int:
        return len(self.state)

    def rows(self, indices: Iterable[int]) -> Iterator["Scenes"]:
        """One picture's facts after another: plain numbers, which keep float32 pictures float32."""
        picked = np.asarray(list(indices), np.int64)
        columns = {f.name: _plain(getattr(self, f.name)[picked]) for f in fields(self)}
        for values in zip(*columns.values(), strict=True):
            yield Scenes(**dict(zip(columns, values, strict=True)))


def split_sizes(n: int) -> dict[str, int]:
    """Images per split: 60/16/8/16%, labelled ones in whole sets of all states."""
    sets = {"train": 0.16, "val": 0.08, "test": 0.16}
    sizes = {name: len(STATES) * round(n * share / len(STATES)) for name, share in sets.items()}
    return {"pool": n - sum(sizes.values()), **sizes}


def draw_scenes(n: int, seed: int) -> Scenes:
    """The facts of n pictures, in the order pool, train, val, test; parts never span two."""
    draw = np.random.default_rng((seed, n))
    part, unit = _parts_and_units(split_sizes(n))
    of_parts = _draw_parts(draw, int(part.max()) + 1)
    columns = {name: column[part] for name, column in of_parts.items()}
    day = _draw_days(draw, part)
    state = _draw_states(draw, unit, day, split_sizes(n))
    columns |= _draw_pictures(draw, n) | _draw_defects(draw, columns["fasteners"], state)
    columns |= _draw_distractors(draw, state, columns["at"])
    # what is out of line or lost was there before; the other fasteners are as many as elsewhere
    columns["has_stripe"] = columns["has_stripe"] | (state == STATES.index("misalignment"))
    columns["fasteners"] = columns["fasteners"] | (
        np.arange(len(ANCHORS)) == columns["gone"][:, None]
    )
    return Scenes(state=state, part=part, unit=unit, day=day, **columns)


def failure_days(scenes: Scenes, seed: int, last_day: float) -> np.ndarray:
    """Day on which each picture's unit failed, NaN where it did not until `last_day`, (n,).

    A unit's hazard after its last inspection grows with the share of bad findings on it, the
    grave ones (crack, missing fastener, misalignment) counting double.
    """
    draw = np.random.default_rng((seed, len(scenes), 1))
    weight = np.array([0.0, 0.5, 2.0, 1.0, 0.3, 0.7, 2.0, 2.0])[scenes.state]
    units = int(scenes.unit.max()) + 1
    pictures = np.bincount(scenes.unit, minlength=units)
    load = np.bincount(scenes.unit, weight, units) / np.maximum(pictures, 1)
    last = np.zeros(units)
    np.maximum.at(last, scenes.unit, scenes.day)
    failed = last + draw.exponential(size=units) * 600 * np.exp(-3.0 * (load - load.mean()))
    return np.where(failed <= last_day, failed, np.nan)[scenes.unit]


def _plain(column: np.ndarray) -> list[Any]:
    """A list of Python numbers, or of vectors."""
    if column.ndim == 1:
        return column.tolist()
    return list(column.astype(np.float32) if column.dtype == np.float64 else column)


def _parts_and_units(sizes: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Part and unit number of every picture; both start anew with each split."""
    parts, units = [], []
    first_part = first_unit = 0
    for size in sizes.values():
        part = np.arange(size) // IMAGES_PER_PART
        parts.append(first_part + part)
        units.append(first_unit + part // PARTS_PER_UNIT)
        if size:
            first_part, first_unit = int(parts[-1][-1]) + 1, int(units[-1][-1]) + 1
    return np.concatenate(parts), np.concatenate(units)


def _draw_parts(draw: np.random.Generator, p: int) -> dict[str, np.ndarray]:
    material = draw.integers(len(MATERIALS), size=p)
    names = list(COLOURS)
    colour = np.array(
        [names.index(_MATERIAL_COLOURS[m][int(u * len(_MATERIAL_COLOURS[m]))])
         for m, u in zip(material, draw.random(p), strict=True)]
    )  # fmt: skip
    rgb = np.array(list(COLOURS.values()))[colour] * draw.uniform(0.88, 1.12, (p, 1))
    order = draw.random((p, len(ANCHORS))).argsort(axis=1)  # a random rank for every anchor
    return {
        "material": material,
        "colour": colour,
        "rgb": rgb + draw.normal(0, 0.02, (p, 3)),
        "texture_sd": draw.uniform(0.25, 0.6, p),
        "grain": draw.uniform(0, np.pi, p),
        "coarse": draw.random(p),
        "fasteners": order < draw.integers(1, 5, (p, 1)),
        "fastener_radius": draw.uniform(0.07, 0.10, p),
        "recess": draw.integers(3, size=p),
        "has_stripe": draw.random(p) < 0.8,
        "stripe_angle": draw.integers(4, size=p) * np.pi / 4 + draw.uniform(-0.2, 0.2, p),
        "stripe_place": draw.uniform(-0.22, 0.22, p),
        "stripe_width": draw.uniform(0.09, 0.14, p),
        "stripe_contrast": draw.uniform(2.0, 3.2, p) * draw.choice([-1, 1], p),
        "joint": draw.uniform(-0.12, 0.12, p),
    }


def _draw_days(draw: np.random.Generator, part: np.ndarray) -> np.ndarray:
    """Inspections of one part follow one another over some two years."""
    start = draw.uniform(0, 250, int(part.max()) + 1)[part]
    step = np.arange(len(part)) % IMAGES_PER_PART
    return start + 90 * step + draw.uniform(0, 60, len(part))


def _draw_states(
    draw: np.random.Generator, unit: np.ndarray, day: np.ndarray, sizes: dict[str, int]
) -> np.ndarray:
    """Balanced in every split; the normal ones tend to be of unworn units and early days."""
    wear = draw.normal(0, 1, int(unit.max()) + 1)[unit]
    score = wear + day / 500 + draw.normal(0, 1, len(unit))
    # grave findings go to worn units more often, so that units differ in what they hold
    grave = np.array([STATES.index(s) for s in ("crack", "missing-fastener", "misalignment")])
    state = np.empty(len(unit), np.int64)
    start = 0
    for size in sizes.values():
        rows = np.arange(start, start + size)
        balanced = np.arange(size) % len(STATES)
        rank = draw.normal(0, 1.5, size) + 0.6 * np.isin(balanced, grave) - 1.5 * (balanced == 0)
        state[rows[np.argsort(score[rows], kind="stable")]] = balanced[np.argsort(rank)]
        start += size
    return state


def _draw_pictures(draw: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    has_glare = draw.random(n) < 0.4
    return {
        "turn": draw.uniform(-0.25, 0.25, n) + draw.integers(4, size=n) * np.pi / 2,
        "zoom": draw.uniform(0.9, 1.12, n),
        "shift": draw.uniform(-0.04, 0.04, (n, 2)),
        "camera": draw.integers(len(CAMERAS), size=n),
        "light": draw.uniform(0, 2 * np.pi, n),
        "gradient": draw.uniform(0.2, 1.3, n),
        "glare": has_glare * draw.uniform(0.7, 1.6, n),
        "glare_at": draw.uniform(-0.45, 0.45, (n, 2)),
        "brightness": draw.uniform(0.75, 1.2, n),
        "blur": draw.uniform(0, 1, n),
        "noise": draw.uniform(0.005, 0.03, n),
    }


def _draw_defects(
    draw: np.random.Generator, fasteners: np.ndarray, state: np.ndarray
) -> dict[str, np.ndarray]:
    n = len(state)
    chance = draw.random(fasteners.shape) * ~fasteners
    return {
        "at": draw.uniform(-0.22, 0.22, (n, 2)),
        "radius": draw.uniform(0.18, 0.28, n),
        "angle": draw.uniform(0, np.pi, n),
        "width": draw.uniform(0.045, 0.065, n),
        "contrast": draw.uniform(3.2, 4.4, n),
        "is_bright": draw.random(n) < 0.6,
        "gone": np.where(state == STATES.index("missing-fastener"), chance.argmax(axis=1), -1),
        "offset": draw.uniform(0.13, 0.2, n) * draw.choice([-1, 1], n),
    }


def _draw_distractors(
    draw: np.random.Generator, state: np.ndarray, at: np.ndarray
) -> dict[str, np.ndarray]:
    """None to two harmless things each; where the state leaves no mark of its own, one more."""
    n = len(state)
    unmarked = np.isin(state, [STATES.index("normal"), STATES.index("misalignment")])
    count = draw.integers(0, 3, n) + unmarked
    kinds = draw.random((n, len(DISTRACTORS))).argsort(axis=1)[:, :SLOTS]
    place = draw.uniform(-0.38, 0.38, (n, SLOTS, 2))
    # what would hide the defect lies across from it; `at` is drawn for every state, so none shows
    is_near = np.linalg.norm(place - at[:, None], axis=2, keepdims=True) < 0.25
    across = -np.copysign(np.abs(place), at[:, None])
    return {
        "kind": np.where(np.arange(SLOTS) < count[:, None], kinds, -1),
        "kind_at": np.where(is_near, across, place),
        "kind_size": draw.random((n, SLOTS)),
        "kind_angle": draw.uniform(0, np.pi, (n, SLOTS)),
    }
