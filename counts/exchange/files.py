"""What every export shares: files that appear whole, text that cannot do harm, JSON and ZIP with the same bytes."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flightplan.errors import CensusError

_SQLITE_MAGIC = b"SQLite format 3\x00"
_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ufffe\uffff\ud800-\udfff]+")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file that appears under its name once it is complete, and return its path.

    A file that is there already is replaced. Raises CensusError for one that is a census, and where it cannot be
    written.
    """
    refuse_census(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise CensusError(f"the export cannot be written ({error.strerror})", where=str(path)) from error
    return path


def refuse_census(path: Path) -> None:
    """Raise CensusError when an export would take the place of a census."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        if file.read(16) != _SQLITE_MAGIC:
            return
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as peek:
            found = peek.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    except sqlite3.DatabaseError as error:
        raise CensusError(f"is a database that cannot be read: {error}", where=str(path)) from error
    if found:
        raise CensusError("is a census; an export never takes its place", where=str(path), hint="Name another file")


def one_line(text: str) -> str:
    """Return text without control characters, line ends or what XML 1.0 forbids: each run of them is one space."""
    return _CONTROL.sub(" ", text).strip()


def spreadsheet_text(text: str) -> str:
    """Return text that a spreadsheet does not run: what looks like a formula gets an apostrophe in front."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def iso_time(moment: datetime) -> str:
    """Return a moment in UTC as ISO 8601 with milliseconds where there are any."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds") + "Z"


def json_bytes(document: Any) -> bytes:
    """Return a JSON document with its keys in the order given. Raises ValueError for NaN: unknown is null."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    return (text + "\n").encode("utf-8", errors="replace")


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a CSV table (RFC 4180, UTF-8, line feeds); None is an empty cell, text cannot be a formula."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue().encode("utf-8", errors="replace")


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """Return a ZIP archive in the order of its members, without the time it was made."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content)
    return stream.getvalue()


_AS_THEY_ARE = (int, float)
"""Numbers that the csv module writes as `str` does."""


def _cell(value: Any) -> Any:
    if type(value) in _AS_THEY_ARE:
        return value
    if value is None:
        return ""
    if isinstance(value, str):
        return spreadsheet_text(value.replace("\x00", ""))
    return iso_time(value) if isinstance(value, datetime) else str(value)
