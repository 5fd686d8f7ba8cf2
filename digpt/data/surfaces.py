"""The built-in equipment surfaces: eight states of machine parts under many nuisances.

Procedural, so they can be made anywhere and their truth is known; hard, since material, light,
camera and harmless marks vary far more than the states do.
"""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from digpt.data import drawing, scenes
from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.data.drawing import SurfaceImages, anchor_place
from digpt.data.scenes import CAMERAS, COLOURS, MATERIALS, SLOTS, STATES, Scenes, split_sizes
from digpt.errors import UserError
from digpt.reporter import Quiet, Reporter

FEWEST, MOST = 200, 1_000_000
_FIRST_DAY = datetime(2023, 1, 9, 6)
_NOTED = 0.6  # share of marks that are written down; inspectors do not note everything
_LAST_DAY = 1085.0  # failures after it are not known yet


def surfaces(n: int = 10_000, seed: int = 0, reporter: Reporter | None = None) -> ImageDataset:
    """n surfaces, 64 × 64, drawn when loaded: 60% unlabelled pool, 16/8/16% train/val/test.

    Every labelled split holds all states equally often, and no part is in two splits. Column
    "caption" notes the marks that are seen and names no state; "caption_of_scene" adds material,
    light, fasteners and camera; "caption_with_state" names the state.
    """
    if not FEWEST <= n <= MOST:
        raise UserError(
            f"The surfaces come in {FEWEST:,} to {MOST:,} images, not {n:,}.",
            code="bad-count",
            field="n",
            name="surfaces",
            least=FEWEST,
            most=MOST,
            value=n,
        )
    (reporter or Quiet()).check()
    drawn = scenes.draw_scenes(n, seed)
    split = np.repeat(list(split_sizes(n)), list(split_sizes(n).values()))
    notes, views = _notes(drawn, seed), _views(drawn)
    stated = [f"{text}; state: {STATES[s]}" for text, s in zip(notes, drawn.state, strict=True)]
    return ImageDataset(
        name="surfaces",
        classes=STATES,
        images=SurfaceImages(drawn, seed),
        labels=np.where(split == "pool", UNLABELLED, drawn.state),
        split=split,
        ids=np.array([f"surface_{i:06d}" for i in range(n)]),
        groups=np.array([f"part_{p:05d}" for p in drawn.part]),
        captions={
            "caption": np.array(notes),
            "caption_of_scene": np.array([f"{v}; {n}" for v, n in zip(views, notes, strict=True)]),
            "caption_with_state": np.array(stated),
        },
        caption_names_class={"caption": 0.0, "caption_of_scene": 0.0, "caption_with_state": 1.0},
        attributes=_attributes(drawn, seed),
        good_classes=("normal",),
        fingerprint=_fingerprint(n, seed),
        image_size=(drawing.SIDE, drawing.SIDE),
        source="procedural",
        licence="Apache-2.0 (generated)",
        notes=(
            "Drawn by a program: good for learning the tool, no evidence for your own parts.",
            "Captions note marks by shade and shape without diagnosis; harmless marks share them.",
        ),
    )


def _fingerprint(n: int, seed: int) -> str:
    """The drawing code itself and its arguments: they decide every pixel and every column."""
    digest = hashlib.sha256(json.dumps(["surfaces", n, seed]).encode())
    for module in (drawing.__file__, scenes.__file__, __file__):
        digest.update(Path(module).read_bytes())
    return digest.hexdigest()


def _attributes(drawn: Scenes, seed: int) -> dict[str, np.ndarray]:
    failed = scenes.failure_days(drawn, seed, _LAST_DAY)
    return {
        "material": np.array(MATERIALS)[drawn.material],
        "colour": np.array(list(COLOURS))[drawn.colour],
        "camera": np.array(CAMERAS)[drawn.camera],
        "line": np.char.add("line ", (drawn.unit % 3 + 1).astype(str)),
        "brightness": np.round(drawn.brightness, 3),
        "timestamp": np.array([_date(day, "minutes") for day in drawn.day]),
        "unit": np.array([f"unit_{u:04d}" for u in drawn.unit]),
        "failure_date": np.array(["" if np.isnan(day) else _date(day)[:10] for day in failed]),
    }


def _date(day: float, precision: str = "hours") -> str:
    return (_FIRST_DAY + timedelta(days=float(day))).isoformat(timespec=precision)


# ---- captions -------------------------------------------------------------------------------

_SMALL = "several small marks"
_DEFECT_WORDS = {  # where the mark is bright, where it is dark
    "scratch": ("a bright elongated mark", "a dark elongated mark"),
    "crack": ("a dark elongated mark", "a dark elongated mark"),
    "pitting": (_SMALL, _SMALL),
    "stain": ("a bright patch", "a dark patch"),
    "dent": ("a bright round mark", "a dark round mark"),
    "missing-fastener": ("a dark round mark", "a dark round mark"),
}


def _notes(drawn: Scenes, seed: int) -> list[str]:
    """One line per picture: the marks an inspector would write down, without a diagnosis."""
    draw = np.random.default_rng((seed, len(drawn), 2))
    noted = draw.random((len(drawn), SLOTS + 1)) < _NOTED
    order = draw.random((len(drawn), SLOTS + 1)).argsort(axis=1)
    texts = []
    for i, scene in enumerate(drawn.rows(range(len(drawn)))):
        marks = _marks(scene)
        seen = [marks[k] for k in order[i] if k < len(marks) and marks[k] and noted[i, k]]
        texts.append("; ".join(seen) or "no marks")
    return texts


def _views(drawn: Scenes) -> list[str]:
    """One line per picture on the rest of the scene: surface, light, fasteners, band, camera."""
    makers = (_surface, _lighting, _fastener_words, _stripe_words, _camera_words)
    scenes_of = drawn.rows(range(len(drawn)))
    return ["; ".join(t for t in (m(scene) for m in makers) if t) for scene in scenes_of]


def _marks(scene: Scenes) -> list[str]:
    """The defect's line ("" where the state has no mark of its own), then the harmless ones."""
    state = STATES[int(scene.state)]
    words = ""
    if state in _DEFECT_WORDS:
        gone = state == "missing-fastener"
        place = anchor_place(scene, int(scene.gone)) if gone else scene.at
        words = f"{_DEFECT_WORDS[state][0 if scene.is_bright else 1]} {_region(place)}"
    return [words, *(_harmless(scene, slot) for slot in range(SLOTS) if scene.kind[slot] >= 0)]


def _harmless(scene: Scenes, slot: int) -> str:
    size = float(scene.kind_size[slot])
    words = {
        "drops": _SMALL,
        "dots": "a dark round mark" if size < 0.4 else _SMALL,
        "label": "a bright patch",
        "tool marks": "a bright elongated mark",
        "wire": f"a {'bright' if size > 0.7 else 'dark'} elongated mark",
        "shade": f"a {'bright' if size > 0.6 else 'dark'} patch",
        "chalk": "a bright elongated mark",
        "boss": f"a {'bright' if size > 0.5 else 'dark'} round mark",
    }[scenes.DISTRACTORS[int(scene.kind[slot])]]
    return f"{words} {_region(scene.kind_at[slot])}"


def _surface(scene: Scenes) -> str:
    colour = list(COLOURS)[int(scene.colour)]
    grain = _slope(float(scene.grain + scene.turn))
    scale = "fine" if scene.coarse < 0.5 else "coarse"
    return f"{colour} {MATERIALS[int(scene.material)]}, {scale} {grain} grain"


def _lighting(scene: Scenes) -> str:
    exposure = "dim" if scene.brightness < 0.88 else "bright" if scene.brightness > 1.07 else "even"
    glare = f", glare {_region(scene.glare_at)}" if scene.glare else ""
    side = _region(0.4 * np.array([np.cos(scene.light), np.sin(scene.light)]))
    return f"{exposure} light {side}{glare}"


def _fastener_words(scene: Scenes) -> str:
    """How many fasteners are seen and where."""
    held = [a for a in np.flatnonzero(scene.fasteners) if a != scene.gone]
    places = sorted(_region(anchor_place(scene, int(a))) for a in held)
    kind = ("slotted", "cross", "hexagon")[int(scene.recess)]
    return f"{len(held)} {kind} fasteners {', '.join(places)}" if held else ""


def _stripe_words(scene: Scenes) -> str:
    if not scene.has_stripe:
        return ""
    shade = "bright" if scene.stripe_contrast > 0 else "dark"
    angle = float(scene.stripe_angle + scene.turn)
    across = np.array([-np.sin(angle), np.cos(angle)])
    return f"{shade} {_slope(angle)} band {_region(scene.stripe_place * 1.6 * across)}"


def _camera_words(scene: Scenes) -> str:
    return f"camera {CAMERAS[int(scene.camera)]}, {'sharp' if scene.blur < 0.5 else 'soft'}"


def _region(place: np.ndarray) -> str:
    """One of nine fields of the picture."""
    x, y = place
    row = "top" if y < -0.167 else "bottom" if y > 0.167 else ""
    column = "left" if x < -0.167 else "right" if x > 0.167 else ""
    return " ".join(word for word in (row, column) if word) or "centre"


def _slope(angle: float) -> str:
    """The direction of a line in words; y points down, so a positive angle falls to the right."""
    eighth = round(angle / (np.pi / 4)) % 4
    return ("horizontal", "falling", "vertical", "rising")[eighth]
