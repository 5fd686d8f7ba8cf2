"""Settings: one object, read once from the environment and `digpt.toml`, handed down from there."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from digpt.encodings import read_text
from digpt.errors import UserError

DEFAULT_HOME = "~/.digpt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where things live and what they talk to. Defaults need no server."""

    home: Path
    database_url: str = ""  # empty: SQLite under home
    artifacts_url: str = ""  # empty: folder under home
    ray_address: str = ""  # empty: a head node of our own
    prices: str = ""  # empty: the table that ships with the product
    currency: str = ""  # empty: JPY in Japanese, USD otherwise
    token: str = ""  # sign-in token when serving on other hosts than this one
    slots: int = 0  # stages side by side; 0: one per CPU core
    data_roots: str = ""  # folders that the browser may import from, as in PATH; empty: none

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders of `data_roots`."""
        return tuple(Path(p).expanduser() for p in self.data_roots.split(os.pathsep) if p.strip())

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'digpt.sqlite'}"

    @property
    def artifacts(self) -> Path:
        return Path(self.artifacts_url) if self.artifacts_url else self.home / "artifacts"

    @property
    def datasets(self) -> Path:
        return self.home / "datasets"

    @property
    def uploads(self) -> Path:
        """What is on its way in from browsers."""
        return self.home / "uploads"

    @property
    def attempts(self) -> Path:
        """Working folders of stage attempts: logs and events; artifacts move out when complete."""
        return self.home / "attempts"


def load_settings(
    home: Path | str | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Return settings; an argument wins over DIGPT_* variables, those over `digpt.toml`."""
    env = os.environ if environ is None else environ
    folder = Path(home or env.get("DIGPT_HOME") or DEFAULT_HOME).expanduser().absolute()
    values = _from_file(folder / "digpt.toml")
    names = tuple(name for name in Settings.__slots__ if name != "home")
    values |= {n: env[f"DIGPT_{n.upper()}"] for n in names if env.get(f"DIGPT_{n.upper()}")}
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise UserError(
            f"{folder / 'digpt.toml'}: unknown setting {unknown[0]!r}. Known: {', '.join(names)}.",
            code="bad-setting",
            field=unknown[0],
            why="unknown",
            path=str(folder / "digpt.toml"),
            known=names,
        )
    odd = next((n for n, v in values.items() if n != "slots" and not isinstance(v, str)), None)
    if odd is not None:
        raise UserError(
            f"{folder / 'digpt.toml'}: {odd} must be a text in quotes, not {values[odd]!r}.",
            code="bad-setting",
            field=odd,
            why="text",
            path=str(folder / "digpt.toml"),
            value=values[odd],
        )
    settings = replace(Settings(home=folder), **{k: v for k, v in values.items() if k != "slots"})
    return replace(settings, slots=_slots(values.get("slots", 0)))


def ensure_home(settings: Settings) -> None:
    """Create the home folder, or say in a sentence why it cannot be written."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        probe = settings.home / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"The home folder {settings.home} cannot be written ({error.strerror}). "
            "Choose another with --home DIR or DIGPT_HOME.",
            code="home-unwritable",
            field="home",
            folder=str(settings.home),
            reason=error.strerror,
        ) from error


def _from_file(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise UserError(
            f"{path} is not valid TOML: {error}.",
            code="bad-setting",
            why="toml",
            path=str(path),
            reason=str(error),
        ) from error


def _slots(value: object) -> int:
    try:
        slots = int(str(value))
    except ValueError:
        slots = -1
    if slots < 0:
        raise UserError(
            f"DIGPT_SLOTS must be a whole number of stages to run side by side, not {value!r}.",
            code="bad-setting",
            field="slots",
            why="slots",
            value=value,
        )
    return slots
