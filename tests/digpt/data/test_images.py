"""Any picture file becomes upright 8-bit RGB of the wanted size, or one clear sentence."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digpt.data import images as images_module
from digpt.data.images import (
    ArrayImages,
    BadImage,
    FileImages,
    decode,
    decode_with_facts,
    resized,
)
from digpt.errors import UserError


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def test_shrinking_by_a_whole_factor_is_the_mean_of_each_box():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    boxes = pixels.reshape(3, 4, 2, 4, 2, 3).astype(float).mean(axis=(2, 4))
    assert np.abs(resized(pixels, 4) - boxes).max() <= 0.5


def test_files_and_arrays_are_shrunk_alike(tmp_path: Path):
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(pixels)))
    from_file = FileImages(tmp_path, ["a.png"]).load([0], 32)
    assert np.array_equal(from_file, ArrayImages(pixels[None]).load([0], 32))


def test_fine_stripes_shrink_to_grey_instead_of_aliasing():
    stripes = np.zeros((1, 90, 90, 3), np.uint8)
    stripes[:, :, ::2] = 255
    small = resized(stripes, 20).astype(int)[:, 2:-2, 2:-2]
    assert abs(small - 127).max() < 12


def test_rows_at_the_stored_size_are_a_view():
    images = ArrayImages(np.zeros((6, 8, 8, 3), np.uint8))
    assert np.shares_memory(images.load(np.arange(2, 5), 8), images.array)
    assert images.load([4, 0, 4], 8).shape == (3, 8, 8, 3)


def test_an_array_that_is_no_rgb_is_refused():
    with pytest.raises(UserError, match="uint8 of shape"):
        ArrayImages(np.zeros((2, 8, 8)))


def test_a_photo_is_turned_as_its_camera_noted():
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, :4] = 255  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # hold it a quarter turn clockwise
    upright = np.asarray(decode(encoded(Image.fromarray(pixels), exif=exif)))
    assert upright.shape == (8, 4, 3)
    assert upright[:4].min() == 255
    assert upright[4:].max() == 0


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_becomes_rgb(mode: str):
    grey = Image.new("L", (4, 4), 255)
    image = Image.fromarray(np.full((4, 4), 65535, np.uint16)) if mode == "I;16" else None
    if mode == "I":
        image = Image.fromarray(np.full((4, 4), 65535, np.int32))
    data = encoded(image or grey.convert(mode), "TIFF")
    found = decode(data)
    assert found.mode == "RGB"
    assert np.asarray(found).min() == 255


def test_sixteen_bits_keep_their_brightness():
    deep = Image.fromarray(np.full((4, 4), 257 * 100, np.uint16))
    assert np.asarray(decode(encoded(deep))).tolist()[0][0] == [100, 100, 100]


def test_transparency_shows_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert np.asarray(decode(encoded(clear))).min() == 255


def test_a_palette_with_a_transparent_colour_shows_white_there():
    image = Image.new("P", (4, 4), 3)
    image.putpalette([0, 0, 0] * 256)
    assert np.asarray(decode(encoded(image, transparency=3))).min() == 255


def test_a_truncated_file_is_named_with_its_place_and_what_to_do(tmp_path: Path):
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), "u1")))
    (tmp_path / "ok.png").write_bytes(whole)
    (tmp_path / "scratch_07.png").write_bytes(whole[: len(whole) // 2])
    images = FileImages(tmp_path, ["ok.png", "scratch_07.png"])
    with pytest.raises(UserError, match=r"Image 2 of 2 \(scratch_07.png\).*truncated.*Re-export"):
        images.load([0, 1], 32)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_is_no_picture_says_so(data: bytes):
    with pytest.raises(BadImage):
        decode(data)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="the file is missing"):
        FileImages(tmp_path, ["gone.png"]).load([0], 8)


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images_module, "MAX_PIXELS", 100)
    with pytest.raises(BadImage, match="megapixels"):
        decode(encoded(Image.new("L", (11, 10))))


def test_a_large_jpeg_may_be_decoded_smaller_but_never_below_the_wanted_size():
    large = Image.fromarray(np.full((512, 512, 3), 90, np.uint8))
    found = decode(encoded(large, "JPEG"), size=32)
    assert 64 <= found.width < 512


def test_a_photo_of_a_telephone_is_read():
    """A HEIC of 40 × 24 pixels: red on the left, blue on the right."""
    picture = np.asarray(decode((Path(__file__).parent / "two_halves.heic").read_bytes()))
    assert picture.shape == (24, 40, 3)
    assert np.abs(picture[:, :16].mean((0, 1)) - (200, 40, 40)).max() < 10
    assert np.abs(picture[:, 24:].mean((0, 1)) - (30, 60, 190)).max() < 10


def test_a_broken_heic_photo_is_told():
    data = (Path(__file__).parent / "two_halves.heic").read_bytes()
    for broken in (data[:300], b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100):
        with pytest.raises(BadImage):
            decode(broken)


def test_a_heic_photo_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    images_module._register_heif.cache_clear()
    with pytest.raises(BadImage, match="pip install pi-heif"):
        decode((Path(__file__).parent / "two_halves.heic").read_bytes())


@pytest.mark.parametrize(
    "data", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"%PDF-1.4\n", b"8BPS\0\1"]
)
def test_kinds_that_are_no_plain_pictures_are_not_even_tried(data: bytes):
    with pytest.raises(BadImage, match="not a picture in a known format"):
        decode(data)


def test_the_first_of_several_pages_is_read_and_their_number_known():
    pages = [Image.new("L", (4, 4), grey) for grey in (10, 200, 30)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    picture, facts = decode_with_facts(data)
    assert np.asarray(picture).max() == 10
    assert facts.pages == 3


def test_a_file_too_large_for_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.png").write_bytes(encoded(Image.new("L", (8, 8))))
    monkeypatch.setattr(images_module, "MAX_BYTES", 20)
    with pytest.raises(UserError, match="more than 0"):
        FileImages(tmp_path, ["a.png"]).load([0], 8)
