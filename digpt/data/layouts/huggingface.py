"""Hugging Face datasets on disk: what `save_to_disk` writes, and Parquet files with images inside.

Read with pyarrow, which is here anyway: the `datasets` package would bring a dozen others along.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any, NamedTuple

from digpt.data.images import BadImage, EncodedImages
from digpt.data.layouts import shards
from digpt.data.layouts.columns import meaning
from digpt.data.layouts.damage import ARROW_FILE, ENDS, damage
from digpt.data.layouts.items import (
    SPLIT_NAMES,
    Item,
    Layout,
    composed,
    folder_of,
    split_in,
    split_of_folders,
)
from digpt.data.layouts.shards import features_in
from digpt.data.problems import Problem, problem
from digpt.data.reasons import Reason, because, reason
from digpt.data.remarks import remark
from digpt.data.shapes import Shape
from digpt.data.sources import FolderSource, Source
from digpt.data.sources.base import SourceImages

_KEPT_GROUPS = 4  # row groups of Parquet files in memory, about one for each thread
_OBJECTS = ("objects", "object", "annotations")
_BOXES = ("bbox", "bboxes", "boxes", "box")
_CLASSES = (
    *("category", "categories", "label", "labels", "class", "classes"),
    *("category_id", "category_ids", "class_id", "label_id"),
)
_TEXTS = ("caption", "captions", "text")


class _Place(NamedTuple):
    """Where one picture lies: the part (a batch or row group) and the row within."""

    part: int
    row: int


class ArrowSource:
    """The pictures in the rows of Arrow or Parquet files, read when they are asked for."""

    def __init__(self, inner: Source) -> None:
        self.kind = inner.kind
        self.files: tuple[str, ...] = ()
        self.folders: tuple[str, ...] = ()
        self.problems: list[Problem] = []
        self._inner = inner
        self._inside = set(inner.files)
        self._places: dict[str, _Place] = {}
        self._parts: list[Any] = []  # a column of pictures, or (Parquet file, row group, column)
        self._groups: dict[int, Any] = {}
        self._reading = threading.Lock()

    def add_part(self, part: Any) -> int:
        self._parts.append(part)
        return len(self._parts) - 1

    def add(self, name: str, part: int, row: int) -> None:
        self._places[name] = _Place(part, row)

    def read(self, path: str) -> bytes:
        if path not in self._places:
            return self._inner.read(path)
        part, row = self._places[path]
        try:
            cell = self._column(part)[row].as_py()
        except _errors() as error:
            raise BadImage(reason("part-damaged")) from error
        if isinstance(cell, bytes):
            return cell
        cell = cell if isinstance(cell, dict) else {}
        if isinstance(cell.get("bytes"), bytes):
            return cell["bytes"]
        outside = str(cell.get("path") or "")
        if outside in self._inside:
            return self._inner.read(outside)
        raise BadImage(reason("row-no-bytes", name=outside))

    def images(self, paths: Sequence[str]) -> EncodedImages:
        return SourceImages(self, paths)

    def _column(self, part: int) -> Any:
        found = self._parts[part]
        if not isinstance(found, tuple):
            return found
        file, group, column = found
        with self._reading:  # a Parquet file is no thing for two threads
            if part not in self._groups:
                if len(self._groups) >= _KEPT_GROUPS:
                    self._groups.pop(next(iter(self._groups)))
                read = file.read_row_group(group, columns=[column]).column(0)
                self._groups[part] = read.combine_chunks()
            return self._groups[part]


def arrow_paths(source: Source) -> list[str]:
    """The files of a dataset of `save_to_disk`, or Parquet files that hold pictures."""
    return shards.arrow_paths(source, lambda path: _holds_pictures(source, path))


def huggingface(source: Source, paths: list[str]) -> Layout:
    """The rows of all files; splits from folder or file names, classes from the stated features."""
    rows = ArrowSource(source)
    layout = Layout([remark("as-huggingface", source=source.kind)], [], [], source=rows)
    stated = shards.stated_features(source, layout.problems)
    unnamed = []
    for path in paths:
        try:
            has_names = _read_file(source, path, rows, layout, stated)
            unnamed += [] if has_names else [path]
        except _errors() as error:
            why = _why(source, path, error)
            layout.problems.append(problem("arrow-unreadable", path, reason=why))
    several = [item for item in layout.items if ";" in item.attributes.get("labels", "")]
    if several:
        layout.problems.append(problem("arrow-several", several[0].path, count=len(several)))
    if unnamed:
        layout.problems.append(problem("arrow-no-names", unnamed[0]))
    layout.problems += shards.missing_files(source, paths)
    rows.files = tuple(sorted(item.path for item in layout.items))
    return layout


def _errors() -> tuple[type[Exception], ...]:
    """What damaged files raise inside pyarrow."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    return (pa.ArrowException, OSError, ValueError, TypeError, LookupError, OverflowError, BadImage)


def _open(source: Source, path: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    if isinstance(source, FolderSource):
        return pa.memory_map(str(source.root / path))  # shards are large, and stay on disk
    return pa.BufferReader(source.read(path))


def _why(source: Source, path: str, error: Exception) -> Reason:
    """What keeps a file from being read; never in pyarrow's words."""
    told = because(error)
    if told.code != "told" or getattr(error, "errno", None):
        return told
    try:
        file = _open(source, path)
        head = file.read(ENDS)
        file.seek(max(file.size() - ENDS, 0))
        return damage(head, file.read(ENDS), "Arrow" if path.endswith(".arrow") else "Parquet")
    except _errors() as again:
        return because(again)


def _holds_pictures(source: Source, path: str) -> bool | None:
    """Whether a Parquet file holds pictures; None where it cannot be read."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    try:
        return _picture_column(pq.ParquetFile(_open(source, path)).schema_arrow) is not None
    except _errors():
        return None


def _read_file(
    source: Source,
    path: str,
    rows: ArrowSource,
    layout: Layout,
    stated: dict[str, dict[str, Any]],
) -> bool:
    """Add the items of a file; whether its classes, if they are numbers, have names."""
    split = _split(path)
    number, features, has_names, label = 0, {}, True, ""
    for batch, part in _parts(source, path, rows):
        if not number:
            features = _features(path, batch.schema, stated)
            has_names = _has_names(batch.schema, features)
            label = _label_column(path, batch.schema.names, features, layout)
        batch.validate(full=True)  # offsets that lead elsewhere would crash the process
        pictures = _picture_column(batch.schema)
        others = [n for n in batch.schema.names if n != pictures]
        cells = {name: batch.column(name).to_pylist() for name in others}
        for row in range(batch.num_rows):
            name = f"{path.removesuffix('.arrow').removesuffix('.parquet')}/{number:07d}"
            number += 1
            rows.add(name, part, row)
            item = Item(name, None, split)
            described = {n: column[row] for n, column in cells.items()}
            _describe(item, described, features, label, layout)
            layout.items.append(item)
    return has_names


def _parts(source: Source, path: str, rows: ArrowSource) -> Iterator[tuple[Any, int]]:
    """Batches of the columns beside the pictures, and the number of their pictures."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    if path.endswith(".arrow"):
        schema, batches = _arrow_batches(_open(source, path))
        pictures = _checked_column(schema)
        for batch in batches:
            yield batch, rows.add_part(batch.column(pictures))
        return
    file = pq.ParquetFile(_open(source, path))
    pictures = _checked_column(file.schema_arrow)
    others = [n for n in file.schema_arrow.names if n != pictures]
    for group in range(file.num_row_groups):
        part = rows.add_part((file, group, pictures))
        yield file.read_row_group(group, columns=others), part


def _arrow_batches(file: Any) -> tuple[Any, Iterator[Any]]:
    """Schema and batches of Arrow's format for streams, as `save_to_disk` writes it, or files."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    is_file = file.read(len(ARROW_FILE)) == ARROW_FILE
    file.seek(0)
    if not is_file:
        reader = pa.ipc.open_stream(file)
        return reader.schema, iter(reader)
    kept = pa.ipc.open_file(file)
    return kept.schema, map(kept.get_batch, range(kept.num_record_batches))


def _checked_column(schema: Any) -> str:
    found = _picture_column(schema)
    if found is None:
        raise ValueError(reason("no-picture-column"))
    return found


def _picture_column(schema: Any) -> str | None:
    """The column of structs with the bytes of a picture, or one of bytes that is named so."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    bare = ("image", "img", "png", "jpg", "jpeg", "pixel_values")
    kinds = (pa.types.is_binary, pa.types.is_large_binary)
    structs = [
        c.name
        for c in schema
        if pa.types.is_struct(c.type) and c.type.get_field_index("bytes") >= 0
    ]
    binary = [c.name for c in schema if c.name in bare and any(is_(c.type) for is_ in kinds)]
    named = [name for name in structs if name in bare]  # masks lie beside the pictures
    return next(iter([*named, *structs, *binary]), None)


def _features(path: str, schema: Any, stated: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What each column means: from the schema's metadata, else dataset_info.json beside the file or
    beside another split."""
    try:
        own = features_in(json.loads((schema.metadata or {}).get(b"huggingface", b"{}")))
    except (ValueError, RecursionError):
        own = {}
    return own or stated.get(folder_of(path)) or next(filter(None, stated.values()), {})


def _has_names(schema: Any, features: dict[str, Any]) -> bool:
    """Whether each column of numbers that means classes has names for them."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    numbers = [c.name for c in schema if pa.types.is_integer(c.type) and meaning(c.name) == "label"]
    return all(_names(features.get(name)) for name in numbers)


def _split(path: str) -> str | None:
    return split_of_folders(path) or split_in(path)


def _names(feature: Any) -> list[str]:
    """The class names of a feature, wherever they are nested in it."""
    if isinstance(feature, dict):
        if isinstance(feature.get("names"), list):
            return [composed(str(name)) for name in feature["names"]]
        feature = list(feature.values())
    if isinstance(feature, list):
        return next(filter(None, map(_names, feature)), [])
    return []


def _label_column(
    path: str, columns: Sequence[str], features: dict[str, Any], layout: Layout
) -> str:
    """The column of classes, "" where there is none; of several the one called label, else the
    first, which is told."""
    found = [
        name
        for name in columns
        if name.lower() not in _OBJECTS and (_names(features.get(name)) or meaning(name) == "label")
    ]
    chosen = next((name for name in found if name.lower() == "label"), *found[:1] or [""])
    if len(found) > 1 and all(p.code != "arrow-labels" for p in layout.problems):
        others = tuple(name for name in found if name != chosen)
        layout.problems.append(problem("arrow-labels", path, name=chosen, others=others))
    return chosen


def _describe(
    item: Item, cells: dict[str, Any], features: dict[str, Any], label: str, layout: Layout
) -> None:
    for name, cell in cells.items():
        feature, role = features.get(name), meaning(name)
        if name.lower() in _OBJECTS:
            objects = _objects(item, cell, layout)
            if objects is not None:
                item.shapes = _shapes(item, objects, _names(feature), layout)
            continue
        if name == label and isinstance(cell, list):
            labels = [_label(item, one, _names(feature), layout) for one in cell]
            item.label = next(filter(None, labels), None)
            item.attributes["labels"] = ";".join(filter(None, labels))
            continue
        if isinstance(cell, list) and name.lower() == "captions":
            cell = next((one for one in cell if isinstance(one, str)), None)
        if cell is None or isinstance(cell, (dict, list)):
            continue
        if name == label:
            item.label = _label(item, cell, _names(feature), layout)
        elif _names(feature):
            item.attributes[name] = _label(item, cell, _names(feature), layout) or ""
        elif role == "group":
            item.group = str(cell)
        elif role == "split" and str(cell).lower() in SPLIT_NAMES:
            item.split = SPLIT_NAMES[str(cell).lower()]
        elif name.lower() in _TEXTS or name.lower().startswith("caption"):
            item.captions["caption" if name.lower() in _TEXTS else name.lower()] = str(cell)
        elif isinstance(cell, (str, int, float, date, time, Decimal)):
            item.attributes[name] = str(cell)


def _label(item: Item, cell: Any, names: list[str], layout: Layout) -> str | None:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if not names or isinstance(cell, str):
        return composed(str(cell).strip()) or None
    if isinstance(cell, int) and 0 <= cell < len(names):
        return names[cell]
    if cell != -1:  # which means that there is none
        item.has_lost = True
        layout.problems.append(problem("arrow-class", item.path, value=cell, count=len(names)))
    return None


def _objects(item: Item, cell: Any, layout: Layout) -> list[tuple[Any, Any]] | None:
    """(box, class) of each object, from a struct of lists or a list of structs."""
    if isinstance(cell, list) and all(isinstance(one, dict) for one in cell):
        keys = cell[0] if cell else ("bbox", "category")
        cell = {key: [one.get(key) for one in cell] for key in keys}
    if not isinstance(cell, dict):
        return None
    boxes = next((cell[name] for name in _BOXES if isinstance(cell.get(name), list)), None)
    classes = next((cell[name] for name in _CLASSES if isinstance(cell.get(name), list)), None)
    if boxes is None:
        return None
    if classes is None or len(classes) != len(boxes):
        item.has_lost = True
        facts = {"boxes": len(boxes), "classes": len(classes or ())}
        layout.problems.append(problem("arrow-objects", item.path, **facts))
        return None
    return list(zip(boxes, classes, strict=True))


def _shapes(
    item: Item, objects: list[tuple[Any, Any]], names: list[str], layout: Layout
) -> list[Shape]:
    """Boxes as the datasets of the hub keep them: x, y, width, height in pixels."""
    found = []
    for number, (box, cell) in enumerate(objects, 1):
        label = _label(item, cell, names, layout)
        try:
            x, y, width, height = map(float, box)
        except (TypeError, ValueError):
            item.has_lost = True
            layout.problems.append(problem("arrow-box", item.path, number=number))
            continue
        if label:
            where = f"{item.path}, object {number}"
            found.append(Shape(label, (x, y, x + width, y + height), where))
    return found
