"""The report as PDF, laid out by WeasyPrint from the same HTML."""

from __future__ import annotations

from types import ModuleType

from PIL import ImageFile

from digpt.errors import UserError

LIBRARIES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk"


def pdf(html: str) -> bytes:
    """The pages of an HTML document that refers to nothing outside itself."""
    try:
        engine = weasyprint()
    except OSError as error:
        raise UserError(
            "PDF needs the system's Pango libraries, which are not here. "
            f"Debian/Ubuntu: sudo apt-get install -y {LIBRARIES}; macOS: brew install pango. "
            "Or write .html and print it from a browser.",
            code="no-pango",
            field="out",
            libraries=LIBRARIES,
        ) from error
    return bytes(engine.HTML(string=html, url_fetcher=_refuse).write_pdf() or b"")


def weasyprint() -> ModuleType:
    """WeasyPrint; OSError where the system has no Pango.

    As it loads it tells all of Pillow to accept truncated images, which is taken back here.
    """
    strict = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        import weasyprint  # noqa: PLC0415 - loads Pango from the system, which may be missing
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = strict
    return weasyprint


def _refuse(url: str, *_: object, **__: object) -> dict[str, object]:
    """Nothing is fetched: a report is complete in itself."""
    raise ValueError(f"a report must not ask for {url}")
