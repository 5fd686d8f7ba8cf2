"""Tables that list pictures: with their classes or boxes, or with details beside class folders."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import PurePosixPath

from digpt.data.layouts.columns import CORNERS, TARGET, lists_classes, means_id, roles
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

_LONGEST = 200  # characters of a path that is told
_TRIED = 20  # rows that tell whether a column holds the names of pictures
_SEVERAL = re.compile(r"\s*[;|、]\s*")  # between the classes of one picture


def table_paths(source: Source) -> list[str]:
    """The tables at the top of a source, and in its split folders; of Kaggle's not the sample
    submission, whose classes are made up."""
    prefix = wrapper(source)
    found = []
    for path in source.files:
        folders = folder_of(path[len(prefix) :])
        sample = PurePosixPath(path).stem.lower().replace("_", "") == "samplesubmission"
        if path.startswith(prefix) and is_table(path) and not sample:
            found += [path] if not folders or folders.lower() in SPLIT_NAMES else []
    return found


def is_manifest(table: Table) -> bool:
    """Whether a table has one column of paths and one of classes."""
    return lists_classes(table.header)


def understood(table: Table, source: Source) -> Table:
    """The table with names for its columns where it has no header, or where the pictures are known
    by an id, as on Kaggle; else as it is."""
    if table.rows and not is_manifest(table):
        table = _without_header(table, source) or _with_ids(table, source) or table
    return _with_split(table)


def _with_split(table: Table) -> Table:
    """The one column whose every cell speaks of a split, by whatever name, is that of splits."""
    meant = roles(table.header)
    if "split" in meant or not is_manifest(table):
        return table
    words = {i: _split_words(table, i) for i, role in enumerate(meant) if role == "attribute"}
    found = [i for i, said in words.items() if len({SPLIT_NAMES[word] for word in said}) > 1]
    if len(found) != 1:
        return table
    at, header = found[0], list(table.header)
    said = problem("table-split", table.path, name=header[at], words=words[at])
    header[at] = "split"
    return table._replace(header=header, problems=[*table.problems, said])


def _split_words(table: Table, column: int) -> tuple[str, ...]:
    """The words of a column in which no other cell stands than words for splits, else ()."""
    cells = (row[column].strip().lower() for _, row in table.rows if column < len(row))
    words = tuple(dict.fromkeys(filter(None, cells)))
    return words if all(word in SPLIT_NAMES for word in words) else ()


def _without_header(table: Table, source: Source) -> Table | None:
    """Of two columns whose first row names a picture."""
    if len(table.header) != 2:
        return None
    places = Places(source)
    is_path = [len(_found(places, table.path, cell)) == 1 for cell in table.header]
    if sum(is_path) != 1:
        return None
    at = is_path.index(True)
    header = ["path", "label"] if at == 0 else ["label", "path"]
    said = problem("table-no-header", table.path, path=at + 1, label=2 - at)
    rows = [(table.rows[0][0] - 1, table.header), *table.rows]
    return table._replace(header=header, rows=rows, problems=[*table.problems, said])


def _with_ids(table: Table, source: Source) -> Table | None:
    """Of a column of ids that most pictures of its first rows are called by, and one of classes."""
    meant, header = roles(table.header), list(table.header)
    ids = [i for i, name in enumerate(header) if means_id(name)]
    labels = [i for i, role in enumerate(meant) if role == "label"] or [
        i for i, name in enumerate(header) if name.strip().lower() == TARGET
    ]
    if "path" in meant or len(ids) != 1 or len(labels) != 1:
        return None
    at, label = ids[0], labels[0]
    places = Places(source)
    tried = [row[at] for _, row in table.rows[:_TRIED] if at < len(row)]
    known = sum(len(_found(places, table.path, cell)) == 1 for cell in tried)
    if known * 2 <= len(tried):
        return None
    said = problem("table-ids", table.path, name=header[at], label=header[label])
    header[at], header[label] = "path", "label"
    return table._replace(header=header, problems=[*table.problems, said])


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
            found = reading.add(layout, number, row)
            if found:
                layout.problems.append(found)
        if reading.by_end:
            named, path = reading.by_end[0]
            facts_found = {"count": len(reading.by_end), "named": named, "path": path}
            layout.problems.append(problem("paths-by-end", table.path, **facts_found))
    if any(item.shapes is not None for item in layout.items):
        layout.formats = [remark("as-box-table", **facts)]
    layout.problems += _not_listed(layout, places, read)
    return layout


def add_details(layout: Layout, table: Table, source: Source) -> None:
    """Captions, groups and attributes from a table that lists the pictures but no classes."""
    meant = roles(table.header)
    errors = [p for p in table.problems if p.severity == "error"]
    if errors or meant.count("path") != 1 or _repeated_columns(table):
        layout.problems += [replace(error, severity="warning") for error in errors]
        layout.problems.append(
            problem("details-unused", table.path)
            if errors
            else problem("details-column", table.path, columns=", ".join(table.header))
        )
        return
    by_path = {item.path: item for item in layout.items}
    places, listed, by_name = Places(source), set(), dict(zip(table.header, meant, strict=True))
    for _, row in table.rows:
        cells = dict(zip(table.header, row, strict=False))
        named = cells.get(table.header[meant.index("path")], "")
        found = [path for path in _found(places, table.path, named) if path in by_path]
        if len(found) == 1:
            listed.add(found[0])
            _describe(by_path[found[0]], cells, by_name)
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
        found = roles(table.header)
        self._roles = dict(zip(table.header, found, strict=True))
        self._columns = dict(zip(found, table.header, strict=True))
        self._columns.pop("", None)  # columns of row numbers mean nothing
        self._has_boxes = all(corner in self._columns for corner in CORNERS)
        self._places = places
        self._seen: dict[str, tuple[int, str | None, Item]] = {}
        self._split = split_in(table.path) or split_in(folder_of(table.path))
        self.by_end: list[tuple[str, str]] = []  # paths as written, and the pictures they mean

    def add(self, layout: Layout, number: int, row: list[str]) -> Problem | None:
        """Add the row's item, or say what is wrong with the row."""
        where = f"{self._table}, row {number}"
        if len(row) != len(self._header):
            return problem("row-cells", where, count=len(row), header=len(self._header))
        cells = {name: cell.strip() for name, cell in zip(self._header, row, strict=True)}
        named = cells[self._columns["path"]]
        label = composed(cells[self._columns["label"]]) or None
        split, unknown = self._split_of(cells)
        if unknown:
            return problem("row-split", where, split=unknown)
        found = _found(self._places, self._table, named, split)
        if len(found) != 1:
            return _not_found(self._table, where, named, len(found))
        path = found[0]
        if path != self._places.exact(_join(self._table, named) or ""):
            self.by_end.append((named, path))
        if self._has_boxes:
            return self._add_box(layout, where, path, label, split, cells)
        if label is None and split != "pool":
            return problem("row-no-class", where, path=path)
        if path in self._seen:
            return self._repeated(where, path, label)
        item = Item(path, label, split)
        self._seen[path] = (number, label, item)
        _describe(item, cells, self._roles)
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
            _describe(item, cells, self._roles)
        item = self._seen[path][2]
        corners = [cells[self._columns[corner]] for corner in CORNERS]
        if label is None and not any(corners):
            return None
        try:
            x0, y0, x1, y1 = map(float, corners)
        except ValueError:
            item.has_lost = True
            return problem("row-corners", where, corners=", ".join(corners))
        if label is None:
            item.has_lost = True
            return problem("row-box-class", where)
        assert item.shapes is not None
        item.shapes.append(Shape(label, (x0, y0, x1, y1), where))
        return None

    def _split_of(self, cells: dict[str, str]) -> tuple[str | None, str]:
        """The row's split (None: not said), and the word that is none."""
        text = cells[self._columns["split"]] if "split" in self._columns else ""
        if not text:
            return self._split, ""
        split = SPLIT_NAMES.get(text.lower())
        return split, "" if split else text

    def _repeated(self, where: str, path: str, label: str | None) -> Problem:
        number, before, _ = self._seen[path]
        if label == before:
            return problem("row-twice", where, path=path, row=number)
        return problem("row-differs", where, path=path, label=label, before=before, row=number)


def _repeated_columns(table: Table) -> list[Problem]:
    names = Counter(filter(None, table.header))
    found = []
    for name in (n for n, times in names.items() if times > 1):
        found.append(problem("column-twice", table.path, name=name, count=names[name]))
    meant = Counter(roles(table.header))
    for role in ("split", "group"):
        if meant[role] > 1:
            found.append(problem("column-unclear", table.path, count=meant[role], role=role))
    return found


def _join(table: str, path: str) -> str | None:
    """The path of a file named in a table, as the source knows it; None where it leads outside."""
    parts = PurePosixPath(path.strip().replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or parts[0].endswith(":"):
        return None
    return composed(str(PurePosixPath(table).parent.joinpath(*parts)))


def _found(places: Places, table: str, named: str, split: str | None = None) -> list[str]:
    """The pictures that a row may mean: at the path, else by as much of its end as agrees.

    Tables come from other machines (C:\\data\\a.png) and other folders, some without suffixes.
    """
    inside = _join(table, named)
    exact = places.exact(inside) if inside else None
    if exact or ".." in PurePosixPath(named.replace("\\", "/")).parts:
        return [exact] if exact else []
    like = places.all_like(named, table, split)
    return [path for path in like if _agree(path, named, folder_of(table))]


def _agree(path: str, named: str, folder: str) -> bool:
    """Whether no folder speaks against it: train/1.png is not test/1.png."""
    inside = composed(path.removeprefix(f"{folder}/")).split("/")
    parts = composed(named).replace("\\", "/").split("/")
    return all(a == b for a, b in zip(inside[-2::-1], parts[-2::-1], strict=False))


def _not_found(table: str, where: str, named: str, count: int) -> Problem:
    if len(named) > _LONGEST:  # no path, but perhaps a picture in Base64
        named = f"{named[:_LONGEST]}…"
    if count:
        return problem("row-several", where, path=named, count=count)
    code = "row-missing" if _join(table, named) else "row-path"
    return problem(code, where, path=named)


def _describe(item: Item, cells: dict[str, str], meant: dict[str, str]) -> None:
    """Keep the row's group, captions and attributes."""
    for name, cell in cells.items():
        role = meant[name]
        if role == "group":
            item.group = cell
        elif role == "caption":
            item.captions["caption" if name.lower() == "captions" else name.lower()] = cell
        elif role == "attribute":
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
