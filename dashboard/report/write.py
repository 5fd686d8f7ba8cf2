"""A report into a file: the format by the file's suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dashboard.report.facts import Facts
from dashboard.report.words import tell
from digpt.errors import UserError


def _html(facts: Facts, language: str) -> bytes:
    from dashboard.report.page import html_page  # noqa: PLC0415 - each format loads its own

    return html_page(tell(facts, language)).encode()


def _pdf(facts: Facts, language: str) -> bytes:
    from dashboard.report.pdf import pdf  # noqa: PLC0415 - each format loads its own

    return pdf(_html(facts, language).decode())


def _pptx(facts: Facts, language: str) -> bytes:
    from dashboard.report.slides import slides  # noqa: PLC0415 - each format loads its own

    return slides(tell(facts, language))


def _xlsx(facts: Facts, language: str) -> bytes:
    from dashboard.report.workbook import workbook  # noqa: PLC0415 - each format loads its own

    return workbook(facts, language)


def _markdown(facts: Facts, language: str) -> bytes:
    from dashboard.report.markdown import markdown  # noqa: PLC0415 - each format loads its own

    return markdown(tell(facts, language)).encode()


WRITERS: dict[str, Callable[[Facts, str], bytes]] = {
    ".html": _html,
    ".pdf": _pdf,
    ".pptx": _pptx,
    ".xlsx": _xlsx,
    ".md": _markdown,
}


def writer(out: Path) -> Callable[[Facts, str], bytes]:
    """What writes files like `out`; unknown suffixes are refused before any work."""
    found = WRITERS.get(out.suffix.lower())
    if found is None:
        raise UserError(
            f"The report {out.name!r} has no suffix that says its format. "
            f"Use one of {', '.join(WRITERS)}.",
            code="report-format",
            field="out",
            value=out.suffix,
            available=list(WRITERS),
        )
    return found


def check_target(out: Path) -> None:
    """Refuse a format or a path that cannot be written, before any work is done for it."""
    writer(out)
    if out.is_dir():
        raise UserError(
            f"{out} is a folder. Give the name of a file, such as {out / 'report.pdf'}.",
            code="report-folder",
            field="out",
        )
    if not out.absolute().parent.is_dir():
        raise UserError(
            f"There is no folder {out.absolute().parent}. Make it first, or choose another.",
            code="report-folder",
            field="out",
        )


def write(facts: Facts, language: str, out: Path) -> Path:
    """Write the report; an unfinished file never stands under its name."""
    made = writer(out)(facts, language)
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_bytes(made)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(
            f"{out} cannot be written: {error.strerror or error}. Choose a folder that is yours.",
            code="report-folder",
            field="out",
        ) from error
    return out
