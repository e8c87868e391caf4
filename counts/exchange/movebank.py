"""Movebank: a study's CSV download. Columns as in the Movebank Attribute Dictionary; timestamps are UTC."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from counts.exchange.tracks import Fix, Tracks, checked_place, checked_time, make_tracks, read_text
from flightplan.errors import Skip, UnreadableFileError

_TIME, _LONGITUDE, _LATITUDE = "timestamp", "location-long", "location-lat"
_INDIVIDUAL, _TAG, _TAXON = "individual-local-identifier", "tag-local-identifier", "individual-taxon-canonical-name"
_REQUIRED = (_TIME, _LONGITUDE, _LATITUDE, _INDIVIDUAL)


def read_movebank(path: Path) -> Tracks:
    """Read the fixes of a study, sorted into the tracks of its animals.

    The API's spelling of the columns, with underscores, is read too. A row that the study marked as an outlier (visible
    false), without animal, time or place, or with one that cannot be, is skipped by its row number (the header is row
    1). Raises UnreadableFileError for a file that is no such table.
    """
    rows = csv.reader(io.StringIO(read_text(path), newline=""))
    fixes, skips = [], []
    try:
        header = [name.strip().replace("_", "-") for name in next(rows, [])]
        missing = [name for name in _REQUIRED if name not in header]
        if missing:
            raise UnreadableFileError(
                f"this is not a Movebank table: the columns {', '.join(missing)} are missing", where=str(path)
            )
        for number, cells in enumerate(rows, start=2):
            if not any(cells):
                continue
            try:
                if len(cells) != len(header):
                    raise ValueError(f"it has {len(cells)} cells, the header {len(header)}")
                fixes.append(_fix(f"row {number}", dict(zip(header, map(str.strip, cells), strict=True))))
            except ValueError as error:
                skips.append(Skip(f"row {number}", str(error)))
    except csv.Error as error:
        raise UnreadableFileError(f"this is not a CSV table ({error})", where=str(path)) from error
    return make_tracks(fixes, skips)


def study_of(path: Path) -> str | None:
    """Return the study that a download names in its first row, None where it names none."""
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        first = next(rows, {})
    except csv.Error:
        return None
    return (first.get("study-name") or first.get("study_name") or "").strip() or None


def _fix(item: str, row: Mapping[str, str]) -> Fix:
    if row.get("visible", "").lower() == "false":
        raise ValueError("the study marks it as an outlier")
    if not row[_INDIVIDUAL]:
        tag = row.get(_TAG)
        raise ValueError(f"it names no animal{f', only the tag {tag}' if tag else ''}")
    if not row[_LONGITUDE] or not row[_LATITUDE]:
        raise ValueError("it has no place")
    if not row[_TIME]:
        raise ValueError("it has no time")
    longitude, latitude = checked_place(float(row[_LONGITUDE]), float(row[_LATITUDE]))
    time = checked_time(row[_TIME])
    return Fix(item, row[_INDIVIDUAL], time, longitude, latitude, row.get(_TAXON) or None, row.get(_TAG) or None)
