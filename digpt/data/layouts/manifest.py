"""Tables that list pictures: with their classes or boxes, or with details beside class folders."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import PurePosixPath

from digpt.data.layouts.folders import wrapper
from digpt.data.layouts.items import (
    SPLIT_NAMES,
    Item,
    Layout,
    Places,
    composed,
    folder_of,
    is_table,
    split_in,
)
from digpt.data.layouts.tables import Table
from digpt.data.problems import Problem, problem
from digpt.data.remarks import remark
from digpt.data.shapes import Shape
from digpt.data.sources import Source

_COLUMN_NAMES = {
    "path": "path file filename file_name filepath image image_path ファイル ファイル名 画像",
    "label": "label labels class classes category class_name state ラベル クラス 分類",
    "split": "split subset 分割",
    "group": "group part part_id patient グループ",
    "x0": "xmin x_min x1 left",
    "y0": "ymin y_min y1 top",
    "x1": "xmax x_max x2 right",
    "y1": "ymax y_max y2 bottom",
}
MEANING = {name: role for role, names in _COLUMN_NAMES.items() for name in names.split()}
CORNERS = ("x0", "y0", "x1", "y1")
_SEVERAL = re.compile(r"\s*[;|、]\s*")  # between the classes of one picture


def table_paths(source: Source) -> list[str]:
    """The tables at the top of a source, and in its split folders."""
    prefix = wrapper(source)
    found = []
    for path in source.files:
        folders = folder_of(path[len(prefix) :])
        if path.startswith(prefix) and is_table(path):
            found += [path] if not folders or folders.lower() in SPLIT_NAMES else []
    return found


def is_manifest(table: Table) -> bool:
    """Whether a table has one column of paths and one of classes."""
    roles = _roles(table.header)
    return roles.count("path") == roles.count("label") == 1


def manifest(source: Source, read: list[Table]) -> Layout:
    """The items that tables list, row by row.

    Other columns: split, group, corners of boxes, captions (names that begin with "caption"), the
    rest attributes.
    """
    facts = {"files": tuple(table.path for table in read), "source": source.kind}
    layout = Layout([remark("as-table", **facts)], [], [])
    places = Places(source)
    for table in read:
        unclear = _repeated_columns(table)
        layout.problems += [*table.problems, *unclear]
        reading = _Reading(table, places)
        for number, row in [] if unclear else table.rows:
            problem = reading.add(layout, number, row)
            if problem:
                layout.problems.append(problem)
    if any(item.shapes is not None for item in layout.items):
        layout.formats = [remark("as-box-table", **facts)]
    layout.problems += _not_listed(layout, places, read)
    return layout


def add_details(layout: Layout, table: Table) -> None:
    """Captions, groups and attributes from a table that lists the pictures but no classes."""
    roles = _roles(table.header)
    errors = [p for p in table.problems if p.severity == "error"]
    if errors or roles.count("path") != 1 or _repeated_columns(table):
        layout.problems += [replace(error, severity="warning") for error in errors]
        layout.problems.append(
            problem("details-unused" if errors else "details-column", table.path)
        )
        return
    by_path = {composed(item.path): item for item in layout.items}
    listed = set()
    for _, row in table.rows:
        cells = dict(zip(table.header, row, strict=False))
        path = _join(table.path, cells.get(table.header[roles.index("path")], ""))
        if path in by_path:
            listed.add(path)
            _describe(by_path[path], cells)
    layout.problems += table.problems
    layout.formats.append(remark("with-details", file=table.path))
    left = len(by_path) - len(listed)
    if left:
        layout.problems.append(problem("details-left", table.path, count=left, total=len(by_path)))


class _Reading:
    """Turns rows of one table into items, and remembers what it has seen."""

    def __init__(self, table: Table, places: Places) -> None:
        self._table = table.path
        self._header = table.header
        self._columns = dict(zip(_roles(table.header), table.header, strict=True))
        self._has_boxes = all(corner in self._columns for corner in CORNERS)
        self._places = places
        self._seen: dict[str, tuple[int, str | None, Item]] = {}
        self._split = split_in(table.path) or split_in(folder_of(table.path))

    def add(self, layout: Layout, number: int, row: list[str]) -> Problem | None:
        """Add the row's item, or say what is wrong with the row."""
        where = f"{self._table}, row {number}"
        if len(row) != len(self._header):
            return problem("row-cells", where, count=len(row), header=len(self._header))
        cells = {name: cell.strip() for name, cell in zip(self._header, row, strict=True)}
        named = _join(self._table, cells[self._columns["path"]])
        label = composed(cells[self._columns["label"]]) or None
        split, unknown = self._split_of(cells)
        if named is None:
            return problem("row-path", where, path=cells[self._columns["path"]])
        if unknown:
            return problem("row-split", where, split=unknown)
        path = self._places.exact(named)
        if path is None:
            return problem("row-missing", where, path=named)
        if self._has_boxes:
            return self._add_box(layout, where, path, label, split, cells)
        if label is None and split != "pool":
            return problem("row-no-class", where, path=path)
        if path in self._seen:
            return self._repeated(where, path, label)
        item = Item(path, label, split)
        self._seen[path] = (number, label, item)
        _describe(item, cells)
        layout.items.append(item)
        return self._first_of_several(where, item)

    def _first_of_several(self, where: str, item: Item) -> Problem | None:
        """Keep the first class of several as the picture's, all of them as an attribute."""
        labels = [label for label in _SEVERAL.split(item.label or "") if label]
        if len(labels) < 2:
            return None
        item.label, item.attributes["labels"] = labels[0], ";".join(labels)
        return problem("row-classes", where, path=item.path, count=len(labels), label=labels[0])

    def _add_box(
        self,
        layout: Layout,
        where: str,
        path: str,
        label: str | None,
        split: str | None,
        cells: dict[str, str],
    ) -> Problem | None:
        """Add one object to its picture; a row without a class and corners marks none."""
        if path not in self._seen:
            item = Item(path, None, split, shapes=[])
            self._seen[path] = (0, None, item)
            layout.items.append(item)
            _describe(item, cells)
        item = self._seen[path][2]
        corners = [cells[self._columns[corner]] for corner in CORNERS]
        if label is None and not any(corners):
            return None
        try:
            x0, y0, x1, y1 = map(float, corners)
        except ValueError:
            return problem("row-corners", where, corners=", ".join(corners))
        if label is None:
            return problem("row-box-class", where)
        assert item.shapes is not None
        item.shapes.append(Shape(label, (x0, y0, x1, y1), where))
        return None

    def _split_of(self, cells: dict[str, str]) -> tuple[str | None, str]:
        """The row's split (None: not said), and the word that is none."""
        text = cells.get(self._columns.get("split", ""), "")
        if not text:
            return self._split, ""
        split = SPLIT_NAMES.get(text.lower())
        return split, "" if split else text

    def _repeated(self, where: str, path: str, label: str | None) -> Problem:
        number, before, _ = self._seen[path]
        if label == before:
            return problem("row-twice", where, path=path, row=number)
        return problem("row-differs", where, path=path, label=label, before=before, row=number)


def _roles(header: list[str]) -> list[str]:
    """What each column means; corners count only where all four are there."""
    roles = [_role(name) for name in header]
    has_boxes = all(roles.count(corner) == 1 for corner in CORNERS)
    return [r if has_boxes or r not in CORNERS else "attribute" for r in roles]


def _role(name: str) -> str:
    """What a column means: path, label, split, group, a corner, caption or attribute."""
    lower = name.strip().lower()
    return "caption" if lower.startswith("caption") else MEANING.get(lower, "attribute")


def _repeated_columns(table: Table) -> list[Problem]:
    names = Counter(table.header)
    found = []
    for name in (n for n, times in names.items() if times > 1):
        found.append(problem("column-twice", table.path, name=name, count=names[name]))
    roles = Counter(_roles(table.header))
    for role in ("split", "group"):
        if roles[role] > 1:
            found.append(problem("column-unclear", table.path, count=roles[role], role=role))
    return found


def _join(table: str, path: str) -> str | None:
    """The path of a file named in a table, as the source knows it; None where it leads outside."""
    parts = PurePosixPath(path.strip().replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or parts[0].endswith(":"):
        return None
    return composed(str(PurePosixPath(table).parent.joinpath(*parts)))


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


def _not_listed(layout: Layout, places: Places, read: list[Table]) -> list[Problem]:
    """Pictures below a table that no row of any table names."""
    listed = {item.path for item in layout.items}
    folders = {folder_of(table.path) for table in read}
    left = [path for path in places if path not in listed and _is_below(path, folders)]
    if not left:
        return []
    return [problem("rows-left", read[0].path, count=len(left), example=left[0])]


def _is_below(path: str, folders: set[str]) -> bool:
    return "" in folders or any(path.startswith(f"{folder}/") for folder in folders)
