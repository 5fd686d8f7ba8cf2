"""Tables as people have them: CSV, TSV, Excel, Parquet, JSON lines; every encoding met in Japan."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from digpt.data.images import BadImage
from digpt.data.layouts.columns import header_row
from digpt.data.layouts.damage import ENDS, damage
from digpt.data.layouts.excel_marks import Merged, merged_cells, uncomputed
from digpt.data.problems import Problem, problem
from digpt.data.reasons import because
from digpt.data.sources import Source
from digpt.data.sources.archive import MAX_RATIO
from digpt.encodings import decoded

MOST_ROWS = 1_000_000
MOST_UNPACKED = 2**30  # bytes of the XML inside an Excel file


class Table(NamedTuple):
    """A table as text; empty where `problems` say why it cannot be read."""

    path: str
    header: list[str]
    rows: list[tuple[int, list[str]]]  # row number (the header is row 1), cells
    problems: list[Problem]


class _Unreadable(Exception):
    """The code and the facts of what is wrong with a table."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


def read_table(source: Source, path: str) -> Table:
    """The table, or an empty one with what keeps it from being read."""
    try:
        rows, problems = _rows(source, path)
        rows = [(n, row) for n, row in rows if any(cell.strip() for cell in row)]
        if len(rows) < 2:
            raise _Unreadable("table-empty")
        if len(rows) > MOST_ROWS:
            raise _Unreadable("table-long", count=len(rows), most=MOST_ROWS)
    except _Unreadable as error:
        return Table(path, [], [], [problem(error.code, path, **error.facts)])
    rows = rows[header_row([row for _, row in rows]) or 0 :]
    kept = [i for i, name in enumerate(rows[0][1]) if name.strip() or _is_used(rows, i)]
    rows = [(n, [row[i] for i in kept if i < len(row)] + row[len(rows[0][1]) :]) for n, row in rows]
    return Table(path, [name.strip() for name in rows[0][1]], rows[1:], problems)


def _is_used(rows: list[tuple[int, list[str]]], column: int) -> bool:
    """Whether a column without a name holds anything."""
    return any(row[column].strip() for _, row in rows if column < len(row))


def _rows(source: Source, path: str) -> tuple[list[tuple[int, list[str]]], list[Problem]]:
    try:
        data = source.read(path)
    except (OSError, BadImage) as error:
        raise _Unreadable("table-unreadable", reason=because(error)) from error
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in (".xlsx", ".xlsm"):
        return _from_excel(path, data)
    if suffix == ".parquet":
        return list(enumerate(_from_parquet(data), 1)), []
    if suffix == ".jsonl":
        return list(enumerate(_from_json_lines(data), 1)), []
    return _from_text(data), []


def _from_text(data: bytes) -> list[tuple[int, list[str]]]:
    lines = _decoded(data).splitlines(keepends=True)
    first = lines[0] if lines else ""
    reader = csv.reader(lines, delimiter=max("\t,;", key=first.count))
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise _Unreadable("table-row", row=reader.line_num, reason=because(error)) from error


def _decoded(data: bytes) -> str:
    try:
        return decoded(data)
    except ValueError as error:
        raise _Unreadable("table-encoding") from error


def _from_excel(path: str, data: bytes) -> tuple[list[tuple[int, list[str]]], list[Problem]]:
    """One sheet's values; what formulas last showed, never what they would compute.

    The first sheet with columns of paths and classes counts, else the first of all.
    """
    import openpyxl  # noqa: PLC0415 - half a second, and few tables are Excel files

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            unpacked = sum(entry.file_size for entry in packed.infolist())
        if unpacked > max(len(data) * MAX_RATIO, 2**20) or unpacked > MOST_UNPACKED:
            raise _Unreadable("excel-bomb")
        book: Any = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheets = ((sheet, _of_sheet(sheet)) for sheet in book.worksheets)
        first = next(sheets)
        sheet, rows = first if _has_header(first) else next(filter(_has_header, sheets), first)
        count, inside = len(book.worksheets), sheet._worksheet_path
        filled, empty = _fill(rows, merged_cells(data, inside)), uncomputed(data, inside)
    except _Unreadable:
        raise
    except Exception as error:  # a damaged file fails anywhere inside the library
        raise _Unreadable("excel-damaged", reason=damage(data[:ENDS], b"", "Excel")) from error
    said = [problem("excel-sheets", path, count=count, name=sheet.title)] if count > 1 else []
    said += [problem("excel-merged", path, count=filled)] if filled else []
    said += [problem("excel-formulas", path, count=empty)] if empty else []
    return rows, said


def _fill(rows: list[tuple[int, list[str]]], merged: list[Merged]) -> int:
    """Give the cells below the header that are merged with one above its value; how many."""
    header = header_row([row for _, row in rows])
    count = 0
    for column, first, last in merged if header is not None else []:
        if first - 1 <= (header or 0) or column > len(rows[0][1]):
            continue
        for _, row in rows[first:last]:
            row[column - 1] = rows[first - 1][1][column - 1]
            count += 1
    return count


def _of_sheet(sheet: Any) -> list[tuple[int, list[str]]]:
    """The rows of a sheet, all of one length."""
    sheet.reset_dimensions()  # some programs write a wrong size, which cuts rows off
    rows = []
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        rows.append((number, [_text(cell) for cell in row]))
        if number > MOST_ROWS + 1:
            break
    width = max((len(_trimmed(row)) for _, row in rows), default=0)
    return [(n, (row + [""] * width)[:width]) for n, row in rows]


def _has_header(sheet: tuple[Any, list[tuple[int, list[str]]]]) -> bool:
    return header_row([row for _, row in sheet[1]]) is not None


def _trimmed(row: list[str]) -> list[str]:
    """Without empty cells at its end, which Excel likes to keep."""
    end = max((i for i, cell in enumerate(row, 1) if cell.strip()), default=0)
    return row[:end]


def _from_parquet(data: bytes) -> Iterator[list[str]]:
    import pyarrow as pa  # noqa: PLC0415 - start-up time
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        if file.metadata.num_rows > MOST_ROWS:
            raise _Unreadable("table-long", count=file.metadata.num_rows, most=MOST_ROWS)
        table = file.read()
        table.validate(full=True)
        columns = [column.to_pylist() for column in table.columns]
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        why = damage(data[:ENDS], data[-ENDS:], "Parquet")
        raise _Unreadable("parquet-damaged", reason=why) from error
    yield list(table.column_names)
    for row in zip(*columns, strict=True):
        yield [_text(cell) for cell in row]


def _from_json_lines(data: bytes) -> Iterator[list[str]]:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(_decoded(data).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _Unreadable("json-line", line=number, reason=because(error)) from error
        if not isinstance(row, dict):
            raise _Unreadable("json-line-object", line=number)
        rows.append(row)
    header = list(dict.fromkeys(name for row in rows for name in row))
    yield header
    for row in rows:
        yield [_text(row.get(name)) for name in header]


def _text(cell: Any) -> str:
    """A value as it would stand in a CSV file; a whole number loses its ".0"."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, (list, tuple)):
        return ";".join(map(_text, cell))
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return str(cell)
