"""Pixels of the procedural surfaces: each picture is drawn from its facts and its own noise."""

import math

import numpy as np

from digpt.data.images import Indices, resized
from digpt.data.scenes import ANCHORS, DISTRACTORS, STATES, Scenes

SIDE = 64
CHUNK = 128  # pictures whose textures are made together
_AXIS = ((np.arange(SIDE) + 0.5) / SIDE - 0.5).astype(np.float32)
X, Y = np.meshgrid(_AXIS, _AXIS)  # each (64, 64), x to the right, y downwards
_GAIN = 0.125  # of one contrast unit in linear 0..1
# texture per material: (smoothness along the grain, across it) in cycles, rings or waves
_ALONG = np.array([2.5, 14, 7, 12, 3, 16], np.float32)
_ACROSS = np.array([24, 16, 8, 24, 12, 18], np.float32)
_WAVES = np.array([0.0, 0, 0, 0, 0.8, 0.9], np.float32)
# per camera: white balance, vignette, softness, noise
_BALANCE = np.array([(1, 1, 1), (1.1, 1, 0.86), (0.9, 0.99, 1.12), (1.03, 1.04, 0.93)], np.float32)
_VIGNETTE = (0.1, 0.7, 0.25, 0.45)
_SOFT = (0.0, 0.3, 0.15, 0.6)
_GRAINY = (1.0, 1.0, 1.8, 0.7)


class SurfaceImages:
    """Draws pictures when they are asked for; the same whatever is asked for with them."""

    def __init__(self, scenes: Scenes, seed: int) -> None:
        self._scenes = scenes
        self._seed = seed

    def __len__(self) -> int:
        return len(self._scenes)

    def load(self, indices: Indices, size: int) -> np.ndarray:
        """uint8 (n, size, size, 3)."""
        rows = np.asarray(indices, np.int64)
        result = np.empty((len(rows), size, size, 3), np.uint8)
        for start in range(0, len(rows), CHUNK):
            some = rows[start : start + CHUNK]
            result[start : start + len(some)] = resized(self._draw(some), size)
        return result

    def _draw(self, rows: np.ndarray) -> np.ndarray:
        """uint8 (n, 64, 64, 3)."""
        draws = [np.random.default_rng((self._seed, len(self), int(row))) for row in rows]
        noise = np.stack([d.standard_normal((2, SIDE, SIDE), np.float32) for d in draws])
        textures = _textures(noise[:, 0], self._scenes, rows)  # (n, 64, 64)
        pictures = np.empty((len(rows), SIDE, SIDE, 3), np.uint8)
        for i, scene in enumerate(self._scenes.rows(rows)):
            canvas = _Canvas(scene, textures[i], draws[i])
            canvas.draw()
            pictures[i] = _expose(canvas, noise[i, 1])
        return pictures


def _textures(noise: np.ndarray, scenes: Scenes, rows: np.ndarray) -> np.ndarray:
    """White noise (n, 64, 64) shaped by each material's spectrum, unit variance times its sd."""
    fy = np.fft.fftfreq(SIDE, 1 / SIDE)[:, None]
    fx = np.fft.rfftfreq(SIDE, 1 / SIDE)[None, :]
    angle = (scenes.grain + scenes.turn)[rows, None, None].astype(np.float32)
    material, coarse = scenes.material[rows], scenes.coarse[rows]
    scale = (1.35 - 0.7 * coarse)[:, None, None].astype(np.float32)
    along = (np.cos(angle) * fx + np.sin(angle) * fy) / (_ALONG[material][:, None, None] * scale)
    across = (np.cos(angle) * fy - np.sin(angle) * fx) / (_ACROSS[material][:, None, None] * scale)
    shaped = np.fft.irfft2(np.fft.rfft2(noise) * np.exp(-(along**2) - across**2), (SIDE, SIDE))
    shaped = shaped.astype(np.float32)
    shaped /= shaped.std(axis=(1, 2), keepdims=True)
    shaped += _WAVES[material][:, None, None] * _waves(scenes, rows)
    shaped /= shaped.std(axis=(1, 2), keepdims=True)
    return shaped * scenes.texture_sd[rows].astype(np.float32)[:, None, None]


def _waves(scenes: Scenes, rows: np.ndarray) -> np.ndarray:
    """Turning marks (rings around a far centre) or a moulded grid, (n, 64, 64)."""
    angle = (scenes.grain + scenes.turn)[rows, None, None].astype(np.float32)
    count = (8 + 8 * scenes.coarse[rows])[:, None, None].astype(np.float32)
    u = np.cos(angle) * X + np.sin(angle) * Y
    v = np.cos(angle) * Y - np.sin(angle) * X
    rings = np.sin(2 * np.pi * count * np.hypot(u + 0.8, v))
    grid = np.sin(2 * np.pi * count * u) * np.sin(2 * np.pi * count * v) * 1.4
    return np.where(_is_turned(scenes, rows), rings, grid).astype(np.float32)


def _is_turned(scenes: Scenes, rows: np.ndarray) -> np.ndarray:
    return (scenes.material[rows] == 4)[:, None, None]


class _Canvas:
    """Relief and dirt in contrast units (64, 64), and a tint that lies over the colour."""

    def __init__(self, scene: Scenes, texture: np.ndarray, draw: np.random.Generator) -> None:
        self.scene = scene
        self.draw_from = draw
        self.value = texture.copy()
        self.tint = np.zeros((SIDE, SIDE), np.float32)  # how much of tint_rgb covers the surface
        self.tint_rgb = np.zeros(3, np.float32)

    def draw(self) -> None:
        """Everything from the ground up: band, harmless things, defect, fasteners, light."""
        scene, state = self.scene, STATES[int(self.scene.state)]
        if scene.has_stripe:
            self._stripe(float(scene.offset) if state == "misalignment" else 0.0)
        for slot, kind in enumerate(scene.kind):
            if kind >= 0:
                place, size = scene.kind_at[slot], float(scene.kind_size[slot])
                _DISTRACTORS[kind](self, place, size, float(scene.kind_angle[slot]))
        if state in _DEFECTS:
            _DEFECTS[state](self)
        self._fasteners()
        self._light()

    def _stripe(self, offset: float) -> None:
        """A band with a joint across it; one half may be out of line."""
        scene = self.scene
        u, v = _turned(scene.stripe_angle + scene.turn, scene.shift)
        beyond = u > scene.joint
        middle = scene.stripe_place * scene.zoom + offset * beyond.astype(np.float32)
        band = _inside(np.abs(v - middle) - scene.stripe_width / 2)
        self.value += scene.stripe_contrast * band
        self.value -= 0.9 * _inside(np.abs(u - scene.joint) - 0.01)

    def _fasteners(self) -> None:
        scene = self.scene
        radius = float(scene.fastener_radius * scene.zoom)
        for anchor in np.flatnonzero(scene.fasteners):
            x, y = anchor_place(scene, int(anchor))
            if anchor == scene.gone:
                self._hole(x, y, radius)
            else:
                self._fastener(x, y, radius, float(scene.turn) + 0.9 * float(anchor))

    def _fastener(self, x: float, y: float, radius: float, angle: float) -> None:
        """A head with a lit and a shaded side, its recess, and the shadow around it."""
        dx, dy = X - x, Y - y
        r = np.hypot(dx, dy)
        head = _inside(r - radius)
        self.value -= 1.6 * _inside(r - radius * 1.3) * (1 - head)
        lit = self._lit(dx, dy) / radius
        self.value = self.value * (1 - head) + head * (1.3 + 1.0 * lit)
        self._cover(0.8 * head, (0.55, 0.55, 0.56))
        u, v = _turned(angle, np.array([x, y]))
        slot = _inside(np.maximum(np.abs(u) - 0.7 * radius, np.abs(v) - 0.18 * radius))
        if self.scene.recess == 1:
            cross = _inside(np.maximum(np.abs(v) - 0.7 * radius, np.abs(u) - 0.18 * radius))
            slot = np.maximum(slot, cross)
        elif self.scene.recess == 2:
            slot = _inside(r - 0.45 * radius)
        self.value -= 2.8 * slot * head

    def _hole(self, x: float, y: float, radius: float) -> None:
        """What is left where a fastener was: dark inside, a bright chamfer around."""
        r = np.hypot(X - x, Y - y)
        inside = _inside(r - 0.8 * radius)
        rim = _inside(r - 1.15 * radius) * (1 - inside)
        self.value = self.value * (1 - inside) - self.scene.contrast * inside
        self.value += 1.5 * rim

    def _light(self) -> None:
        scene = self.scene
        self.value += scene.gradient * 2 * self._lit(X, Y)
        if scene.glare:
            gx, gy = scene.glare_at
            self.value += scene.glare * np.exp(-((X - gx) ** 2 + (Y - gy) ** 2) / 0.06)

    def _lit(self, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
        """How far a place lies towards the light."""
        return math.cos(self.scene.light) * dx + math.sin(self.scene.light) * dy

    def _cover(self, mask: np.ndarray, rgb: tuple[float, float, float]) -> None:
        """Lay a colour over what is there; each counts in the hue by its size."""
        total = self.tint + mask - self.tint * mask
        share = float(mask.sum()) / max(float(total.sum()), 1e-6)
        self.tint_rgb = self.tint_rgb * (1 - share) + np.array(rgb, np.float32) * share
        self.tint = total

    # defects

    def scratch(self) -> None:
        """A long, nearly straight groove that ends inside the picture, with a burr beside it."""
        scene = self.scene
        u, v = _turned(scene.angle, scene.at)
        bend = float(self.draw_from.uniform(-0.35, 0.35))
        v = v - bend * u * u
        ends = _inside(np.abs(u) - 1.6 * scene.radius, 4)
        sign = 1.0 if scene.is_bright else -1.0
        self.value += sign * scene.contrast * ends * _inside(np.abs(v) - scene.width / 2)
        self.value -= sign * 0.9 * ends * _inside(np.abs(v - scene.width) - scene.width / 2)

    def crack(self) -> None:
        """A dark jagged line that forks."""
        scene, draw = self.scene, self.draw_from
        start = scene.at - 1.3 * scene.radius * _direction(scene.angle)
        trunk = _walk(draw, start, float(scene.angle), 2.8 * float(scene.radius), 8)
        lines = [trunk]
        for side in (-1, 1):
            angle = float(scene.angle) + side * draw.uniform(0.5, 1.0)
            root = trunk[int(draw.integers(2, 7))]
            lines.append(_walk(draw, root, angle, 1.1 * float(scene.radius), 4))
        distance = _distance_to(lines)
        self.value -= scene.contrast * _inside(distance - scene.width / 2)

    def pitting(self) -> None:
        """A cluster of small dark pits on a faintly discoloured ground."""
        scene, draw = self.scene, self.draw_from
        count = int(draw.integers(10, 20))
        radius = scene.radius * np.sqrt(draw.random((count, 1, 1), np.float32))
        angle = 2 * np.pi * draw.random((count, 1, 1), np.float32)
        x = scene.at[0] + radius * np.cos(angle)  # (count, 1, 1)
        y = scene.at[1] + radius * np.sin(angle)
        size = 0.018 + 0.018 * draw.random((count, 1, 1), np.float32)
        pits = _inside((np.hypot(X - x, Y - y) - size).min(axis=0))
        self.value -= scene.contrast * pits
        r2 = ((X - scene.at[0]) ** 2 + (Y - scene.at[1]) ** 2) / scene.radius**2
        self._cover((0.45 * np.exp(-r2)).astype(np.float32), (0.46, 0.31, 0.22))

    def stain(self) -> None:
        """An irregular patch with a sharp, darker edge; the texture shows through."""
        scene, draw = self.scene, self.draw_from
        edge = _ragged(draw, scene.at, 0.95 * float(scene.radius))
        inside = _inside(edge, 1.5)
        rim = _inside(np.abs(edge) - 0.018)
        sign = 1.0 if scene.is_bright else -1.0
        self.value += sign * 0.7 * scene.contrast * inside + sign * 0.25 * scene.contrast * rim
        hues = ((0.42, 0.30, 0.16), (0.25, 0.30, 0.38), (0.50, 0.47, 0.30))
        self._cover(0.6 * inside, hues[int(draw.integers(3))])

    def dent(self) -> None:
        """A smooth hollow: shaded towards the light, lit on the far side."""
        scene = self.scene
        u, v = _turned(scene.angle, scene.at)
        radius = 1.05 * float(scene.radius)
        r2 = (u**2 + (v / 0.8) ** 2) / radius**2
        dx, dy = X - scene.at[0], Y - scene.at[1]
        facing = self._lit(dx, dy) / radius
        self.value -= 2.4 * scene.contrast * facing * np.exp(-1.3 * r2)

    # harmless things: place (2,), size 0..1, angle

    def drops(self, place: np.ndarray, size: float, angle: float) -> None:
        for i in range(2 + int(size * 3)):
            x, y = place + 0.12 * i * _direction(angle + 2.4 * i)
            r = np.hypot(X - x, Y - y)
            radius = 0.032 + 0.022 * ((size * 7 + i * 0.37) % 1)
            self.value -= 1.0 * _inside(np.abs(r - radius) - 0.01)
            self.value += 2.2 * _inside(np.hypot(X - x + 0.01, Y - y + 0.01) - 0.4 * radius)

    def dots(self, place: np.ndarray, size: float, angle: float) -> None:
        if size < 0.4:  # a single round one
            radius = 0.05 + 0.08 * size
            self.value -= 2.6 * _inside(np.hypot(X - place[0], Y - place[1]) - radius, 3)
            return
        for i in range(4 + int(size * 5)):  # a row of specks
            x, y = place + (0.08 * i - 0.2) * _direction(angle)
            radius = 0.016 + 0.014 * ((size * 11 + i * 0.61) % 1)
            self.value -= 2.6 * _inside(np.hypot(X - x, Y - y) - radius)

    def label(self, place: np.ndarray, size: float, angle: float) -> None:
        u, v = _turned(0.25 * (angle - np.pi / 2), place)
        width, height = 0.12 + 0.05 * size, 0.06 + 0.03 * size
        sheet = _inside(np.maximum(np.abs(u) - width, np.abs(v) - height))
        self.value = self.value * (1 - sheet) + 2.4 * sheet
        self._cover(0.9 * sheet, (0.62, 0.62, 0.58))
        print_lines = np.cos(2 * np.pi * v / 0.045) > 0.55
        self.value -= 1.7 * sheet * print_lines * (np.abs(u) < 0.8 * width)

    def tool_marks(self, place: np.ndarray, size: float, angle: float) -> None:
        u, v = _turned(angle, place)
        v = v - (0.8 + size) * u * u
        combed = np.cos(2 * np.pi * v / 0.07) > 0.3
        patch = _inside(np.abs(u) - 0.2, 3) * _inside(np.abs(v) - 0.105)
        self.value += 1.0 * combed * patch

    def wire(self, place: np.ndarray, size: float, angle: float) -> None:
        """From edge to edge, perfectly even: a wire, a seam, a cable."""
        _, v = _turned(angle, place)
        sign = 1.0 if size > 0.7 else -1.0
        self.value += sign * (1.3 + 0.6 * size) * _inside(np.abs(v) - 0.012)

    def shade(self, place: np.ndarray, size: float, angle: float) -> None:
        u, v = _turned(angle, place)
        soft = np.exp(-((u / 0.26) ** 2) - (v / 0.16) ** 2).astype(np.float32)
        self.value += (1.8 if size > 0.6 else -1.8) * soft

    def chalk(self, place: np.ndarray, size: float, angle: float) -> None:
        """A hand-drawn tick: two strokes of uneven, dusty chalk."""
        bend = place + 0.1 * _direction(angle)
        strokes = [np.array([place, bend, bend + (0.2 + 0.1 * size) * _direction(angle - 1.9)])]
        dust = 0.6 + 0.4 * np.sign(np.sin(90 * X + 70 * Y) * np.sin(80 * Y - 50 * X))
        self.value += 1.7 * dust * _inside(_distance_to(strokes) - 0.018)

    def boss(self, place: np.ndarray, size: float, angle: float) -> None:
        """A raised round: lit towards the light, with a crisp edge."""
        dx, dy = X - place[0], Y - place[1]
        radius = 0.08 + 0.06 * size
        r = np.hypot(dx, dy)
        facing = self._lit(dx, dy) / radius
        self.value += 1.6 * facing * _inside(r - radius)
        self.value -= 1.0 * _inside(np.abs(r - radius) - 0.008)


_DEFECTS = {
    "scratch": _Canvas.scratch,
    "crack": _Canvas.crack,
    "pitting": _Canvas.pitting,
    "stain": _Canvas.stain,
    "dent": _Canvas.dent,
}
_DISTRACTORS = [getattr(_Canvas, name.replace(" ", "_")) for name in DISTRACTORS]


def anchor_place(scene: Scenes, anchor: int) -> np.ndarray:
    """Where one of the part's anchors is seen in the picture, (x, y)."""
    c, s = math.cos(scene.turn), math.sin(scene.turn)
    x, y = ANCHORS[anchor] * scene.zoom
    return np.array([c * x - s * y, s * x + c * y], np.float32) + scene.shift


def _expose(canvas: _Canvas, noise: np.ndarray) -> np.ndarray:
    """What the camera makes of it: colour, exposure, vignette, blur, noise; uint8 (64, 64, 3)."""
    scene, camera = canvas.scene, int(canvas.scene.camera)
    tint = canvas.tint[..., None]
    colour = scene.rgb * (1 - tint) + canvas.tint_rgb * tint  # (64, 64, 3)
    light = np.float32(_GAIN) * canvas.value[..., None]
    linear = (colour + light * (0.55 + 0.9 * colour)) * scene.brightness * _BALANCE[camera]
    linear = linear * (1 - _VIGNETTE[camera] * (X * X + Y * Y))[..., None]
    linear = _blurred(linear.astype(np.float32), 0.16 * float(scene.blur) + 0.2 * _SOFT[camera])
    linear += (scene.noise * _GRAINY[camera]) * noise[..., None]
    return (np.clip(linear, 0, 1) * 255 + 0.5).astype(np.uint8)


def _blurred(image: np.ndarray, side: float) -> np.ndarray:
    """Three taps along each axis, `side` on the outer ones."""
    wide = np.pad(image, ((1, 1), (0, 0), (0, 0)), mode="edge")
    image = (1 - 2 * side) * image + side * (wide[:-2] + wide[2:])
    wide = np.pad(image, ((0, 0), (1, 1), (0, 0)), mode="edge")
    return (1 - 2 * side) * image + side * (wide[:, :-2] + wide[:, 2:])


def _inside(distance: np.ndarray, softness: float = 1.0) -> np.ndarray:
    """Coverage 0..1 of pixels at a signed distance (negative inside), with a smooth edge."""
    return np.clip(0.5 - distance * (SIDE / softness), 0, 1).astype(np.float32, copy=False)


def _turned(angle: float | np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along and across a direction, around a centre."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    dx, dy = X - np.float32(centre[0]), Y - np.float32(centre[1])
    return c * dx + s * dy, c * dy - s * dx


def _direction(angle: float | np.ndarray) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def _walk(
    draw: np.random.Generator, start: np.ndarray, angle: float, length: float, steps: int
) -> np.ndarray:
    """Corners of a jagged line, (steps + 1, 2)."""
    turns = angle + draw.uniform(-0.85, 0.85, steps)
    moves = np.stack([np.cos(turns), np.sin(turns)], axis=1) * (length / steps)
    return start + np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)])


def _distance_to(lines: list[np.ndarray]) -> np.ndarray:
    """Distance of every pixel from the nearest segment of the given corner lists, (64, 64)."""
    a = np.concatenate([line[:-1] for line in lines]).astype(np.float32)[:, :, None, None]
    b = np.concatenate([line[1:] for line in lines]).astype(np.float32)[:, :, None, None]
    ab = b - a  # (K, 2, 1, 1)
    px, py = X - a[:, 0], Y - a[:, 1]  # (K, 64, 64)
    along = (px * ab[:, 0] + py * ab[:, 1]) / np.maximum((ab**2).sum(axis=1), 1e-12)
    along = np.clip(along, 0, 1)
    squared = (px - along * ab[:, 0]) ** 2 + (py - along * ab[:, 1]) ** 2
    return np.sqrt(squared.min(axis=0))


def _ragged(draw: np.random.Generator, centre: np.ndarray, radius: float) -> np.ndarray:
    """Signed distance from an irregular closed outline, (64, 64)."""
    dx, dy = X - np.float32(centre[0]), Y - np.float32(centre[1])
    phi = np.arctan2(dy, dx)
    outline = np.ones_like(phi)
    for k in range(2, 6):
        height, phase = draw.uniform(0.05, 0.4) / k, draw.uniform(0, 2 * np.pi)
        outline += height * np.cos(k * phi + phase)
    return np.hypot(dx, dy) - radius * outline
