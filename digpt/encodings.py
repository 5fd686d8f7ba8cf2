"""Text files as people have them: the encodings of Windows, Excel, PowerShell and Japan."""

import codecs
from pathlib import Path

_MARKS = {  # the longest first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def decoded(data: bytes) -> str:
    """UTF-8 or UTF-16 with or without mark (Excel's "Unicode text", PowerShell's `>`), else CP932
    (Windows in Japan).

    UnicodeError where it is none of these.
    """
    mark, encoding = _told(data)
    if encoding or b"\0" not in data:  # which CP932 would take, and no text of it holds
        for name in (encoding,) if encoding else ("utf-8", "cp932"):
            try:
                return data[len(mark) :].decode(name)
            except UnicodeDecodeError:
                continue
    raise UnicodeError("its text is neither UTF-8, UTF-16 nor CP932: save it as UTF-8")


def read_text(path: Path) -> str:
    """A text file that a person wrote; OSError or UnicodeError where it cannot be read."""
    return decoded(path.read_bytes()).replace("\r\n", "\n")


def mentions(data: bytes, *words: str) -> bool:
    """Whether a text holds all of these ASCII words, without decoding it: it may be large."""
    encoding = _told(data)[1] or "ascii"
    return all(word.encode(encoding) in data for word in words)


def _told(data: bytes) -> tuple[bytes, str]:
    """The mark at the start and the encoding that it tells; both empty where nothing does."""
    found = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    if found:
        return found, _MARKS[found]
    # without a mark: tables, JSON, XML and YAML begin with an ASCII character, half of it a zero
    zeros = tuple(byte == 0 for byte in data[:2])
    encoding = "utf-16-le" if zeros == (False, True) else ""
    return b"", "utf-16-be" if zeros == (True, False) else encoding
