"""Tables of counts that people typed: CSV with a header, every fault named with its line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flightplan.errors import UnreadableFileError

LARGEST_TABLE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Column:
    """A column of a table: text, or a number of at least `minimum` (more than it when `above`).

    Columns that are not `needed` may be left out of the header. A cell that `may_be_empty` is None when it is.
    """

    name: str
    number: bool = True
    minimum: float = 0.0
    above: bool = False
    maximum: float = 1e12
    whole: bool = False
    needed: bool = True
    may_be_empty: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of a table by column; `lines` are their numbers in the file."""

    path: str
    lines: tuple[int, ...]
    texts: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[float | None, ...]]

    def column(self, name: str, rows: Sequence[int]) -> list[float]:
        """The numbers of some rows, those that are known."""
        return [value for row in rows if (value := self.numbers[name][row]) is not None]

    def where(self, row: int) -> str:
        """Name a row for an error."""
        return f"{self.path}, line {self.lines[row]}"


def read_table(path: Path, columns: Sequence[Column]) -> Table:
    """Read a CSV file (UTF-8, comma, point as decimal sign) whose columns are all among `columns`.

    Empty lines are passed over. Raises UnreadableFileError, with the line, for an unknown or missing column, a missing
    value, or a number that is none or out of its range.
    """
    rows = _rows(path)
    header = [name.strip() for name in next(rows)[1]]
    known = {column.name: column for column in columns}
    where = f"{path}, line 1"
    unknown = [name for name in header if name not in known]
    if unknown:
        hint = "Use a comma between columns." if len(header) == 1 and ";" in header[0] else None
        listed = ", ".join(c.name if c.needed else f"{c.name} (optional)" for c in columns)
        raise UnreadableFileError(
            f"unknown column {unknown[0]!r}", where=where, hint=hint or f"The columns are: {listed}."
        )
    twice = [name for name in header if header.count(name) > 1]
    missing = [c.name for c in columns if c.needed and c.name not in header]
    if twice or missing:
        fault = f"the column {twice[0]} is there twice" if twice else f"there is no column {missing[0]}"
        raise UnreadableFileError(fault, where=where)
    lines: list[int] = []
    texts: dict[str, list[str]] = {name: [] for name in header if not known[name].number}
    numbers: dict[str, list[float | None]] = {name: [] for name in header if known[name].number}
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}, line {line}"
        if len(cells) != len(header):
            raise UnreadableFileError(f"{len(cells)} values under {len(header)} columns", where=where)
        lines.append(line)
        for name, cell in zip(header, cells, strict=True):
            column, text = known[name], cell.strip()
            if not text and not column.may_be_empty:
                raise UnreadableFileError(
                    f"{name} is missing",
                    where=where,
                    hint="Leave out units that were not searched; a count of none is 0.",
                )
            if column.number:
                numbers[name].append(_number(column, text, where) if text else None)
            else:
                texts[name].append(text)
    if not lines:
        raise UnreadableFileError("there are no rows under the header", where=str(path))
    return Table(
        str(path),
        tuple(lines),
        {name: tuple(cells) for name, cells in texts.items()},
        {name: tuple(cells) for name, cells in numbers.items()},
    )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        if path.stat().st_size > LARGEST_TABLE_BYTES:
            raise UnreadableFileError("the table is larger than 64 MB", where=str(path))
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            empty = True
            for cells in reader:
                empty = False
                yield reader.line_num, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"the table cannot be read ({error})", where=str(path)) from error
    if empty:
        raise UnreadableFileError("the table is empty", where=str(path))


def _number(column: Column, text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise UnreadableFileError(
            f"{column.name} is {text!r}, not a number", where=where, hint="The decimal sign is a point."
        ) from error
    if not math.isfinite(value):
        raise UnreadableFileError(f"{column.name} is {text!r}, not a number", where=where)
    if value < column.minimum or (column.above and value == column.minimum) or value > column.maximum:
        bound = f"more than {column.minimum:g}" if column.above else f"at least {column.minimum:g}"
        if value > column.maximum:
            bound = f"at most {column.maximum:g}"
        raise UnreadableFileError(f"{column.name} is {text}, and must be {bound}", where=where)
    if column.whole and value != int(value):
        raise UnreadableFileError(f"{column.name} is {text}, and must be a whole number", where=where)
    return value
