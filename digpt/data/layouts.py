"""What a folder's names and tables say: which picture is of which class, split and group."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from digpt.data.sources import Source

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
        *(".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2"),
    )
)
SPLIT_NAMES = {
    "pool": "pool", "unlabelled": "pool", "unlabeled": "pool",
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_COLUMN_NAMES = {
    "path": "path file filename file_name filepath image image_path ファイル ファイル名 画像",
    "label": "label class category class_name state ラベル クラス 分類",
    "split": "split subset 分割",
    "group": "group part part_id patient グループ",
}
MEANING = {name: role for role, names in _COLUMN_NAMES.items() for name in names.split()}
MOST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to know or to put right; an error stops the import, the rest does not."""

    severity: Literal["error", "warning", "note"]
    file: str
    what: str
    fix: str


@dataclass(slots=True)
class Item:
    """One picture as its place or its row describes it."""

    path: str
    label: str | None
    split: str | None = None
    group: str = ""
    captions: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Layout:
    """What was found: the format in words, the items, and what was wrong with them."""

    format: str
    items: list[Item]
    problems: list[Problem]


class Table(NamedTuple):
    """A CSV or TSV file; empty where `problems` say why it cannot be read."""

    path: str
    header: list[str]
    rows: list[tuple[int, list[str]]]  # line number (the header is row 1), cells
    problems: list[Problem]


def is_image(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def class_folders(source: Source) -> Layout:
    """One folder per class, with or without a level of split folders above."""
    prefix = _wrapper(source)
    images = [p for p in source.files if is_image(p) and p.startswith(prefix)]
    inside = {p: PurePosixPath(p[len(prefix) :]).parts for p in images}
    tops = sorted({parts[0] for parts in inside.values() if len(parts) > 1})
    has_splits = any(top.lower() in SPLIT_NAMES for top in tops)
    layout = Layout(
        format=f"class folders{' in split folders' if has_splits else ''} ({source.kind})",
        items=[],
        problems=list(_empty_classes(source, prefix, images, has_splits)),
    )
    if has_splits:
        layout.problems += _beside_splits(tops)
    for path, parts in inside.items():
        _place(layout, path, parts, has_splits)
    return layout


def table_paths(source: Source) -> list[str]:
    """The CSV and TSV files at the top of a source."""
    prefix = _wrapper(source)
    return [
        path
        for path in source.files
        if path.startswith(prefix)
        and "/" not in path[len(prefix) :]
        and PurePosixPath(path).suffix.lower() in (".csv", ".tsv")
    ]


def is_manifest(table: Table) -> bool:
    """Whether a table has one column of paths and one of classes."""
    roles = [_role(name) for name in table.header]
    return roles.count("path") == roles.count("label") == 1


def manifest(source: Source, read: list[Table]) -> Layout:
    """The items that tables list, row by row.

    Other columns: split, group, captions (names that begin with "caption"), the rest attributes.
    """
    names = " and ".join(table.path for table in read)
    layout = Layout(f"table {names} ({source.kind})", [], [])
    known = set(source.files)
    for table in read:
        unclear = _repeated_columns(table)
        layout.problems += unclear
        reading = _Reading(table, known)
        for number, row in [] if unclear else table.rows:
            problem = reading.add(layout, number, row)
            if problem:
                layout.problems.append(problem)
    layout.problems += _not_listed(layout, source, read)
    return layout


def add_details(layout: Layout, table: Table) -> None:
    """Captions, groups and attributes from a table that lists the pictures but no classes."""
    roles = [_role(name) for name in table.header]
    if table.problems or roles.count("path") != 1 or _repeated_columns(table):
        what = table.problems[0].what if table.problems else "It has no one column of file names."
        fix = "The table is not used; correct it if it belongs to the pictures."
        layout.problems.append(Problem("warning", table.path, what, fix))
        return
    by_path = {item.path: item for item in layout.items}
    listed = set()
    for _, row in table.rows:
        cells = dict(zip(table.header, row, strict=False))
        path = _join(table.path, cells.get(table.header[roles.index("path")], ""))
        if path in by_path:
            listed.add(path)
            _describe(by_path[path], cells)
    layout.format += f" with details from {table.path}"
    left = len(by_path) - len(listed)
    if left:
        what = f"{left} of {len(by_path)} images have no row in this table."
        layout.problems.append(Problem("warning", table.path, what, "Add rows, or go on without."))


class _Reading:
    """Turns rows of one table into items, and remembers what it has seen."""

    def __init__(self, table: Table, known: set[str]) -> None:
        self._table = table.path
        self._header = table.header
        self._columns = {_role(name): name for name in table.header}
        self._known = known
        self._seen: dict[str, tuple[int, str | None]] = {}
        self._split = SPLIT_NAMES.get(PurePosixPath(table.path).stem.lower())

    def add(self, layout: Layout, number: int, row: list[str]) -> Problem | None:
        """Add the row's item, or say what is wrong with the row."""
        where = f"{self._table}, row {number}"
        if len(row) != len(self._header):
            what = f"The row has {len(row)} cells, the header {len(self._header)}."
            return Problem("error", where, what, "Quote cells that hold the separator.")
        cells = {name: cell.strip() for name, cell in zip(self._header, row, strict=True)}
        path = _join(self._table, cells[self._columns["path"]])
        label = cells[self._columns["label"]] or None
        split, unknown = self._split_of(cells)
        if path is None:
            what = f"{cells[self._columns['path']]!r} is not the path of a file below the table."
            return Problem("error", where, what, "Write paths relative to the table's folder.")
        if unknown:
            what = f"{unknown!r} is no split."
            return Problem("error", where, what, "Use pool, train, val or test.")
        if path not in self._known:
            return Problem("error", where, f"{path} does not exist.", "Correct or remove the row.")
        if label is None and split != "pool":
            return Problem("error", where, f"{path} has no class.", 'Fill it in, or split "pool".')
        if path in self._seen:
            return self._repeated(where, path, label)
        self._seen[path] = (number, label)
        item = Item(path, label, split)
        _describe(item, cells)
        layout.items.append(item)
        return None

    def _split_of(self, cells: dict[str, str]) -> tuple[str | None, str]:
        """The row's split (None: not said), and the word that is none."""
        text = cells.get(self._columns.get("split", ""), "")
        if not text:
            return self._split, ""
        split = SPLIT_NAMES.get(text.lower())
        return split, "" if split else text

    def _repeated(self, where: str, path: str, label: str | None) -> Problem:
        number, before = self._seen[path]
        if label == before:
            what = f"{path} stands in row {number} already; this row is not used."
            return Problem("warning", where, what, "Remove one of the rows.")
        what = f"{path} is {label!r} here and {before!r} in row {number}."
        return Problem("error", where, what, "Keep the row that is right.")


def _wrapper(source: Source) -> str:
    """The path of folders that only wrap the data, as archives like to have one."""
    prefix = ""
    while True:
        level = [p[len(prefix) :] for p in source.files if p.startswith(prefix)]
        if any("/" not in p and (is_image(p) or _is_table(p)) for p in level):
            return prefix
        below = [p[len(prefix) :] for p in source.folders if p.startswith(prefix)]
        tops = {p.split("/")[0] for p in below if p}
        if len(tops) != 1 or next(iter(tops)).lower() in SPLIT_NAMES:
            return prefix
        inner = f"{next(iter(tops))}/"
        has_folders = any(p.startswith(inner) for p in below)
        has_table = any(p.startswith(inner) and p.count("/") == 1 and _is_table(p) for p in level)
        if not (has_folders or has_table):
            return prefix
        prefix += inner


def _is_table(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in (".csv", ".tsv")


def _place(layout: Layout, path: str, parts: tuple[str, ...], has_splits: bool) -> None:
    """Add one picture by the folders it lies in, or say why it has no class."""
    split = SPLIT_NAMES.get(parts[0].lower()) if has_splits else None
    folders = parts[1:-1] if has_splits else parts[:-1]
    if has_splits and split is None:
        return  # said once for the whole folder
    if split == "pool":
        layout.items.append(Item(path, None, split))
    elif folders:
        layout.items.append(Item(path, folders[0], split))
    else:
        what = "The picture lies in no class folder."
        layout.problems.append(
            Problem("error", path, what, "Move it into the folder of its class.")
        )


def _empty_classes(
    source: Source, prefix: str, images: list[str], has_splits: bool
) -> Iterator[Problem]:
    """A class folder without a picture: a typo, a failed copy, or a class that is not there yet."""
    for folder in source.folders:
        if not folder.startswith(prefix):
            continue
        parts = PurePosixPath(folder[len(prefix) :]).parts
        is_class = len(parts) == (2 if has_splits else 1)
        if has_splits and parts and SPLIT_NAMES.get(parts[0].lower()) in (None, "pool"):
            continue
        if is_class and not any(p.startswith(folder + "/") for p in images):
            what = "The class folder holds no picture."
            yield Problem("error", folder, what, "Put pictures in, or remove the folder.")


def _beside_splits(tops: list[str]) -> Iterator[Problem]:
    for top in tops:
        if top.lower() not in SPLIT_NAMES:
            what = "The folder stands beside split folders but is none."
            yield Problem("error", top, what, "Name it train, val, test or pool, or move it away.")
    names = Counter(SPLIT_NAMES.get(top.lower()) for top in tops)
    for split, n in names.items():
        if split and n > 1:
            what = f"{n} folders mean the split {split!r}; they are read as one."
            yield Problem("warning", split, what, "Keep one of them if that is not meant.")


def read_table(source: Source, table: str) -> Table:
    """The table, or an empty one with what keeps it from being read."""

    def failed(what: str, fix: str) -> Table:
        return Table(table, [], [], [Problem("error", table, what, fix)])

    try:
        text = _decoded(source.read(table))
    except UnicodeDecodeError:
        return failed("The text is neither UTF-8 nor CP932.", "Save it as CSV UTF-8.")
    except OSError as error:
        return failed(f"The table cannot be read: {error.strerror}.", "Check the file.")
    lines = text.splitlines(keepends=True)
    first = lines[0] if lines else ""
    delimiter = max("\t,;", key=first.count)
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        return failed(
            f"Row {reader.line_num} cannot be read: {error}.", "Save the table as CSV again."
        )
    if len(rows) < 2:
        return failed("The table holds no rows below its header.", "Add one row per picture.")
    if len(rows) > MOST_ROWS:
        return failed(f"The table has {len(rows):,} rows.", f"Use at most {MOST_ROWS:,}.")
    return Table(table, [name.strip() for name in rows[0][1]], rows[1:], [])


def _decoded(data: bytes) -> str:
    """UTF-8 with or without mark, UTF-16 with mark (Excel), else CP932 (Excel in Japan)."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp932")


def _role(name: str) -> str:
    """What a column means: path, label, split, group, caption or attribute."""
    lower = name.strip().lower()
    return "caption" if lower.startswith("caption") else MEANING.get(lower, "attribute")


def _repeated_columns(table: Table) -> list[Problem]:
    names = Counter(table.header)
    found = []
    for name in (n for n, times in names.items() if times > 1):
        what = f"The column {name!r} stands there {names[name]} times."
        found.append(Problem("error", table.path, what, "Give every column its own name."))
    roles = Counter(_role(name) for name in table.header)
    for role in ("split", "group"):
        if roles[role] > 1:
            what = f"{roles[role]} columns could be the {role}."
            fix = f"Name only one of them {role!r}."
            found.append(Problem("error", table.path, what, fix))
    return found


def _join(table: str, path: str) -> str | None:
    """The path of a file named in a table, as the source knows it; None where it leads outside."""
    parts = PurePosixPath(path.strip().replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or parts[0].endswith(":"):
        return None
    return str(PurePosixPath(table).parent.joinpath(*parts))


def _describe(item: Item, cells: dict[str, str]) -> None:
    """Keep the row's group, captions and attributes."""
    for name, cell in cells.items():
        role = _role(name)
        if role == "group":
            item.group = cell
        elif role == "caption":
            item.captions["caption" if name.lower() == "captions" else name.lower()] = cell
        elif role == "attribute" and name:
            item.attributes[name] = cell


def _not_listed(layout: Layout, source: Source, read: list[Table]) -> list[Problem]:
    """Pictures below a table that no row of any table names."""
    listed = {item.path for item in layout.items}
    folders = {str(PurePosixPath(table.path).parent) for table in read}
    left = [
        path
        for path in source.files
        if is_image(path) and path not in listed and _is_below(path, folders)
    ]
    if not left:
        return []
    what = f"{len(left)} pictures are in no row that could be used, e.g. {left[0]}."
    return [Problem("warning", read[0].path, what, "Add rows for them if they should be.")]


def _is_below(path: str, folders: set[str]) -> bool:
    return "." in folders or any(path.startswith(f"{folder}/") for folder in folders)
