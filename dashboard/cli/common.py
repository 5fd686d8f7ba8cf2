"""What every command shares: options, output as JSON or text, errors as one sentence."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from dashboard.text import Viewer, columns_of
from digpt.errors import Cancelled, UserError, is_disk_full

if TYPE_CHECKING:
    from jobs.service import PilotService

P = ParamSpec("P")
R = TypeVar("R")
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of this product's data.", envvar="DIGPT_HOME"),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, logs on stderr.")]


class Language(StrEnum):
    """The languages that a command speaks."""

    EN = "en"
    JA = "ja"


Lang = Annotated[Language, typer.Option("--lang", help="Language of what is said.")]


def open_service(home: Path | None) -> "PilotService":
    """The service over the settings of `home`."""
    from jobs.service import PilotService  # noqa: PLC0415 - start-up time of --help
    from jobs.settings import load_settings  # noqa: PLC0415 - start-up time of --help

    return PilotService(load_settings(home))


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Turn what a command may raise into a sentence and an exit code."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        as_json = bool(kwargs.get("as_json"))
        language = str(kwargs.get("lang", Language.EN))
        try:
            return function(*args, **kwargs)
        except UserError as error:
            fail(error, as_json, language)
            raise typer.Exit(BAD_INPUT) from error
        except (KeyboardInterrupt, Cancelled) as error:
            say(Viewer(language).text("cli.interrupted"))
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError:
            raise typer.Exit(DONE) from None
        except OSError as error:
            fail(_of_the_system(error), as_json, language)
            raise typer.Exit(BAD_INPUT) from error
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:  # our mistake, or something nobody thought of
            if _is_disk_full(error):
                fail(_disk_full(), as_json, language)
                raise typer.Exit(BAD_INPUT) from error
            if os.environ.get("DIGPT_DEBUG"):
                raise
            home = kwargs.get("home")
            fail(_unforeseen(error, home if isinstance(home, Path) else None), as_json, language)
            raise typer.Exit(FAILED) from error

    return run


def _of_the_system(error: OSError) -> UserError:
    """A file or disk that cannot be used, as a sentence."""
    if is_disk_full(error):
        return _disk_full()
    reason = error.strerror or error
    text = (
        f"{error.filename or 'A file'} cannot be used: {reason}. Check that it is there and yours."
    )
    return UserError(text, code="os-error", path=error.filename or "–", reason=reason)


def _disk_full() -> UserError:
    text = "The disk is full. Make room, or choose another home with --home DIR or DIGPT_HOME."
    return UserError(text, code="disk-full", field="home")


def _is_disk_full(error: Exception) -> bool:
    """Also what SQLite says, through SQLAlchemy, where the system would raise ENOSPC."""
    return is_disk_full(error) or "disk is full" in str(getattr(error, "orig", ""))


def _unforeseen(error: Exception, home: Path | None) -> UserError:
    """What went wrong in one line, and where the rest stands."""
    reason = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
    said = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    log = _log(error, home)
    where = f"The details are in {log}" if log else "Set DIGPT_DEBUG=1 to see the details"
    text = f'This went wrong: {said}. {where}; "digpt doctor" checks this machine.'
    return UserError(text, code="unexpected", reason=said, log=str(log or "DIGPT_DEBUG=1"))


def _log(error: Exception, home: Path | None) -> Path | None:
    """The file that the traceback was added to; None where none can be written."""
    from jobs.settings import load_settings  # noqa: PLC0415 - start-up time of --help

    try:
        log = load_settings(home).home / "logs" / "digpt.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            print(datetime.now(UTC).isoformat(timespec="seconds"), *sys.argv[1:], file=file)
            traceback.print_exception(error, file=file)
    except (OSError, UserError):
        return None
    return log


def fail(error: UserError, as_json: bool, language: str = "en") -> None:
    """Show one error: an object on stdout with --json, a sentence on stderr without."""
    words = error.message
    if language != "en":
        from dashboard.mistakes import file_error  # noqa: PLC0415 - start-up time of --help

        words = file_error(error, Viewer(language))
    if as_json:
        content = {"code": error.code, "message": words, "field": error.field}
        print(json.dumps({"error": content}, ensure_ascii=False))
    else:
        say(f"{'エラー：' if language == 'ja' else 'Error: '}{words}")


def say(text: str) -> None:
    """One line for the person at the terminal; stdout stays free for results."""
    print(text, file=sys.stderr, flush=True)


def emit(value: Any) -> None:
    """Print `value` as one JSON object."""
    print(json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """Records, paths and dates as JSON can hold them; a figure that is not a number is null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if (as_python := getattr(value, "item", None)) is not None:
        value = as_python()  # a numpy scalar
    if isinstance(value, float) and not (abs(value) < float("inf")):
        return None
    return value


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in aligned columns on stdout."""
    cells = [list(header), *([str(c) for c in row] for row in rows)]
    widths = [max(columns_of(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        padded = (c + " " * (w - columns_of(c)) for c, w in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())
