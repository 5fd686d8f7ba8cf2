"""Why a file, a line or an object cannot be used, in a few words that a page can translate."""

from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any
from xml.etree.ElementTree import ParseError

REASONS: dict[str, str] = {
    "told": "{words}",  # by the system or a library, in its own words
    "empty": "empty file",
    "unknown-format": "not a picture in a known format",
    "missing": "the file is missing",
    "no-permission": "no permission to read it",
    "truncated": "truncated file",
    "damaged": "damaged file",
    "damaged-so": "damaged file ({words})",
    "cut-short": "it is damaged, or cut short as by a broken transfer",
    "git-pointer": "Git left a pointer in its place: git lfs pull fetches the file itself",
    "web-page": "it is a web page, as a download without sign-in leaves it",
    "encrypted": "it is encrypted, and there is no key here",
    "other-kind": "it is no {kind} file, whatever its name says",
    "part-damaged": "a part of it is damaged, or of a kind that is not read here",
    "excel-old": "it is of Excel before 2007, or protected by a password",
    "zip-damaged": "damaged inside the ZIP",
    "encoding": "its text is neither UTF-8, UTF-16 nor CP932; save it as UTF-8",
    "number": "{value!r} is no number",
    "syntax": "a mistake in line {line}, column {column}",  # of JSON, XML or YAML
    "huge": "more than 100 megapixels",
    "huge-size": "{width} × {height} is more than 100 megapixels",
    "large-file": "it has {gib:.1f} GiB, more than {most}",
    "heic": "it is a HEIC photo, which takes a further package: pip install pi-heif. Or convert it "
    "to JPEG (Mac: sips -s format jpeg; iPhone: Settings, Camera, Formats, Most Compatible)",
    "zip-hidden": "it is a picture and a ZIP at once, which no camera writes",
    "mask-kind": "it is no PNG, BMP, TIFF or GIF (a JPEG blurs the edges of a mask), or damaged",
    "mask-size": "it has {mask} pixels, its picture {real}",
    "row-no-bytes": "the row holds no bytes, and its file {name!r} is not in the folder",
    "no-picture-column": "no column holds pictures (bytes and path)",
    "json-object": "it is no object",
    "json-list": "{name!r} is no list",
    "coco-box": "its bbox is no list of four numbers",
    "outline-none": "it has neither bbox nor segmentation",
    "outline-points": "a polygon needs three points or more",
    "rle-size": "the run lengths do not fill the picture",
    "rle-damaged": "the compressed run lengths are damaged",
    "rle-empty": "the run lengths mark no pixel",
    "xml-large": "it has more than {mib} MiB",
    "xml-entities": "it defines entities, which annotations never need and attacks do",
    "voc-incomplete": "it has no name or no bndbox",
    "voc-corners": "its bndbox is not complete",
    "labelme-label": "it has no label",
    "labelme-points": "its points are not all pairs of numbers",
    "labelme-few": "a {kind} needs {least} points, this one has {count}",
    "labelme-no-mask": "its mask is missing",
    "labelme-mask-size": "a mask needs imageWidth and imageHeight, at most 100 megapixels",
    "yaml-large": "it is too large for one, or full of references",
    "yolo-class": "class {number} is not among the {count} names",
    "yolo-few": "it has {count} numbers after the class",
    "yolo-odd": "{count} numbers are no polygon",
    "yolo-shares": "its numbers are no shares from 0 to 1 of the picture's sides",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A code of `REASONS` with its facts; English as text."""

    code: str
    facts: Mapping[str, Any]

    def __str__(self) -> str:
        return REASONS[self.code].format(**self.facts)


def reason(code: str, **facts: Any) -> Reason:
    return Reason(code, facts)


def number(text: str) -> float:
    """What a file writes as a number; ValueError where it is none."""
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(reason("number", value=text)) from error


def because(error: BaseException) -> Reason:
    """The reason that an exception was raised with, else what the system or a library says."""
    given = error.args[0] if error.args else None
    if isinstance(given, Reason):
        return given
    if isinstance(error, JSONDecodeError):
        return reason("syntax", line=error.lineno, column=error.colno)
    if isinstance(error, ParseError):
        return reason("syntax", line=error.position[0], column=error.position[1] + 1)
    if isinstance(error, UnicodeError):
        return reason("encoding")
    return reason("told", words=str(getattr(error, "strerror", None) or error))
