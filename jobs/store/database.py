"""The database behind the store: opening, migrating, short transactions, rows as records."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import DeclarativeBase

from digpt.errors import UserError

T = TypeVar("T")
HEAD = "0002"  # the newest migration; a test compares it with the folder
BUSY_SECONDS = 10
MAX_PAGE = 500


class Database:
    """One engine, two doors: `_reading()` and `_writing()`, each one short transaction."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._writer = self.engine.execution_options(digpt_write=True)
        try:
            self._migrate()
        except OperationalError as error:
            raise UserError(
                f"The database {self.engine.url!r} cannot be opened: {error.orig}. "
                "Check that its folder exists and is writable, or set DIGPT_DATABASE_URL.",
                code="database-unreachable",
                field="database_url",
            ) from error

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._writer.begin() as connection:
            yield connection

    def _migrate(self) -> None:
        with self._reading() as connection:
            if _revision(connection) == HEAD:
                return  # the usual case, without importing alembic
        with self._writing() as connection:  # others wait here, then find it done
            found = _revision(connection)
            if found != HEAD:
                _upgrade(connection, found)


def columns(table: type[DeclarativeBase], record: type[Any]) -> tuple[Any, ...]:
    """The table's columns that the record has a field for."""
    return tuple(
        getattr(table, name) for name in _names(record) if name in table.__mapper__.columns
    )


def one(connection: Connection, statement: Any, record: type[T]) -> T | None:
    """The first row as a record, or None."""
    row = connection.execute(statement).mappings().first()
    return None if row is None else record(**row)


def many(connection: Connection, statement: Any, record: type[T]) -> list[T]:
    """All rows as records."""
    return [record(**row) for row in connection.execute(statement).mappings()]


def upsert(
    connection: Connection, table: type[DeclarativeBase], rows: list[dict[str, Any]]
) -> None:
    """Insert the rows; those whose key exists are overwritten."""
    if not rows:
        return
    statement = _insert(connection, table)
    keys = [c.name for c in inspect(table).primary_key]
    rest = {n: statement.excluded[n] for n in rows[0] if n not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest), rows)


def insert_missing(
    connection: Connection, table: type[DeclarativeBase], rows: list[dict[str, Any]]
) -> None:
    """Insert the rows whose key does not exist yet."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def page_bounds(page: int, size: int) -> tuple[int, int]:
    """Limit and offset of a page (from 1) of at most MAX_PAGE rows."""
    if page < 1 or not 1 <= size <= MAX_PAGE:
        raise UserError(
            f"Page {page} of {size} rows does not exist: pages count from 1 and hold 1 to "
            f"{MAX_PAGE} rows.",
            code="bad-page",
            field="page",
        )
    return size, (page - 1) * size


@cache
def _names(record: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(record))


def _insert(connection: Connection, table: type[DeclarativeBase]) -> Any:
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert  # noqa: PLC0415 (one dialect or the other)
    else:
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415
    return insert(table)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        is_sqlite = parsed.get_backend_name() == "sqlite"
        if is_sqlite and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, json_serializer=_dumps, pool_pre_ping=not is_sqlite)
    except (ArgumentError, ImportError, OSError) as error:
        raise UserError(
            f"The database {_masked(url)!r} cannot be used: {error}. Use sqlite:///file or "
            "postgresql+psycopg://user:password@host/name (with psycopg installed).",
            code="bad-database",
            field="database_url",
        ) from error
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin in _begin_sqlite
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=NORMAL",  # in WAL a crash loses no consistency
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that writes takes the lock at once: one that upgraded half-way could not wait.
    is_write = connection.get_execution_options().get("digpt_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, found: str | None) -> None:
    from alembic import command  # noqa: PLC0415 (0.3 s, needed once per database)
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    known = {s.revision for s in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise UserError(
            f"The database was written by a newer version of this program (revision {found}; "
            f"this one knows up to {HEAD}). Update the program or use another home.",
            code="newer-database",
            field="database_url",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    """Mappings that are not dicts, tuples' relatives, and numpy scalars as plain JSON."""
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "keys"):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not JSON: {value!r}")


def _masked(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url
