"""From a written file through import, storing and `prepare` to the pixels that training sees."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digpt.data import load_prepared, open_dataset, prepare, store_dataset
from digpt.data.importers import read
from digpt.reporter import Quiet

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3, (0,) * 3
COLOURS = (RED, GREEN, BLUE, BLACK)  # top left, top right, bottom left, bottom right
GREYS = tuple((v,) * 3 for v in (40, 100, 160, 250))
TELEPHONE = ((200, 40, 40), (30, 60, 190)) * 2  # of two_halves.heic
# how each orientation of EXIF lies in the file, seen from the upright picture
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quarters(values: Any, width: int = 64, height: int = 32, dtype: Any = np.uint8) -> np.ndarray:
    """(height, width, channels) or (height, width): one value in each quarter."""
    table = np.array(values, dtype).reshape(2, 2, -1)
    whole = table.repeat(height // 2, axis=0).repeat(width // 2, axis=1)
    return whole[..., 0] if whole.shape[2] == 1 else whole


def turned(path: Path, orientation: int, width: int = 64, height: int = 32) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = Image.fromarray(quarters(COLOURS, width, height)).transpose(_TURNS[orientation])
    lying.save(path, exif=exif, quality=95)


def deep_png(path: Path, values: Any) -> None:
    """A PNG of 16 bits per channel in RGB, which Pillow reads and does not write."""
    rows = quarters(values, dtype=np.uint16).astype(">u2")
    height, width = rows.shape[:2]
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(body)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def written(folder: Path) -> dict[str, Any]:
    """Writes a picture of every troublesome kind; the four colours to expect by file name."""
    picture = Image.fromarray(quarters(COLOURS))
    grey = Image.fromarray(quarters([v[0] for v in GREYS]))
    deep = quarters([257 * v[0] for v in GREYS], dtype=np.uint16)
    for orientation in _TURNS:
        turned(folder / f"turned{orientation}.jpg", orientation)
    turned(folder / "large.jpg", 6, 1024, 512)  # decoded at a fraction of its size
    turned(folder / "turned.png", 6)
    turned(folder / "turned.webp", 8)
    turned(folder / "turned.tif", 8)
    picture.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    picture.convert("CMYK").save(folder / "cmyk.tif")
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(deep).save(folder / "deep.tif")
    deep_png(folder / "deep_rgb.png", [[257 * v for v in colour] for colour in COLOURS])
    grey.save(folder / "grey.png")
    grey.save(folder / "pages.tif", save_all=True, append_images=[picture.convert("L")])
    veiled = quarters([(*RED, 255), (*RED, 128), (*RED, 0), (*BLACK, 255)])
    Image.fromarray(veiled).save(folder / "alpha.png")
    Image.fromarray(veiled).save(folder / "alpha.webp", lossless=True)
    Image.fromarray(quarters([(40, 255), (40, 0), (160, 255), (250, 255)])).save(folder / "la.png")
    indexed = picture.quantize(4)
    indexed.save(folder / "palette.png")
    indexed.save(folder / "palette.gif")
    indexed.save(folder / "clear.png", transparency=indexed.getpixel((0, 0)))
    picture.save(folder / "plain.bmp")
    (folder / "phone.heic").write_bytes((Path(__file__).parent / "two_halves.heic").read_bytes())
    half_red = (255, 127, 127)
    return {
        **{f"turned{n}.jpg": COLOURS for n in _TURNS},
        **dict.fromkeys(("large.jpg", "turned.png", "turned.webp", "turned.tif"), COLOURS),
        **dict.fromkeys(("cmyk.jpg", "cmyk.tif", "deep_rgb.png"), COLOURS),
        **dict.fromkeys(("palette.png", "palette.gif", "plain.bmp"), COLOURS),
        **dict.fromkeys(("deep.png", "deep.tif", "grey.png", "pages.tif"), GREYS),
        **dict.fromkeys(("alpha.png", "alpha.webp"), (RED, half_red, WHITE, BLACK)),
        "la.png": (GREYS[0], WHITE, *GREYS[2:]),
        "clear.png": (WHITE, GREEN, BLUE, BLACK),
        "phone.heic": TELEPHONE,
    }


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[np.ndarray, Any]]:
    """By file name: the 16 × 16 pixels that training sees, and what they should be."""
    folders = [tmp_path_factory.mktemp(name) for name in ("files", "stored", "prepared")]
    wanted = written(folders[0])
    found = read(folders[0], name="x").dataset
    assert found is not None
    store_dataset(found, folders[1] / "x", reporter=Quiet())
    prepare(open_dataset(folders[1] / "x"), folders[2], size=16, reporter=Quiet())
    ready = load_prepared(folders[2])
    pixels = ready.images.load(np.arange(len(ready)), 16)
    assert set(map(str, ready.ids)) == set(wanted)
    return {str(name): (pixels[i], wanted[str(name)]) for i, name in enumerate(ready.ids)}


NAMES = (
    *(f"turned{n}.jpg" for n in _TURNS), "large.jpg", "turned.png", "turned.webp", "turned.tif",
    "cmyk.jpg", "cmyk.tif", "deep.png", "deep.tif", "deep_rgb.png", "grey.png", "pages.tif",
    "alpha.png", "alpha.webp", "la.png", "palette.png", "palette.gif", "clear.png", "plain.bmp",
    "phone.heic",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_training_sees_the_right_colours_in_the_right_places(seen: Any, name: str):
    pixels, wanted = seen[name]
    lossy = name.endswith((".jpg", ".webp", ".heic")) and not name.startswith("alpha")
    for colour, (row, column) in zip(wanted, ((3, 3), (3, 12), (12, 3), (12, 12)), strict=True):
        around = pixels[row - 1 : row + 2, column - 1 : column + 2].astype(int)
        assert np.abs(around - colour).max() <= (16 if lossy else 1), (name, around[1, 1], colour)
