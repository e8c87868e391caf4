"""What an earlier survey found, from a table or from `overfly estimate --json`: the next one's effort goes by it."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from flightplan.allocation import EarlierStratum
from flightplan.errors import UnreadableFileError

COLUMNS = ("stratum", "variance", "standard_error", "sd", "lines", "sampled_share", "possible_units", "estimate")
_SPREADS = ("variance", "standard_error", "sd")
_MAX_BYTES = 4 * 1024 * 1024


def read_earlier(path: Path | str) -> dict[str, EarlierStratum]:
    """Read each stratum's variance.

    CSV has a column `stratum` and one of `variance` or `standard_error` (of the estimated total; then `lines`, and
    `sampled_share` if known) or `sd` (of the animals counted in a line; then `possible_units`); `estimate` is optional.
    JSON is what `overfly estimate --json` prints: its variance by sampling, without what detection adds.

    Raises UnreadableFileError, naming the place, for what is neither.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UnreadableFileError("is too large for a table of strata", where=str(path))
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise UnreadableFileError("is not UTF-8 text", where=str(path)) from error
    found = _from_json(text, path) if path.suffix.lower() == ".json" else _from_csv(text, path)
    if not found:
        raise UnreadableFileError("names no stratum", where=str(path))
    return found


def _from_csv(text: str, path: Path) -> dict[str, EarlierStratum]:
    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise UnreadableFileError(f"is not CSV: {error}", where=str(path)) from error
    header = list(rows[0]) if rows else []
    unknown = [str(h) for h in header if h not in COLUMNS]
    if "stratum" not in header or unknown:
        what = f"has columns that are not known: {', '.join(unknown)}" if unknown else "has no column 'stratum'"
        raise UnreadableFileError(what, where=str(path), hint=f"Known are: {', '.join(COLUMNS)}")
    said = [c for c in _SPREADS if c in header]
    if len(said) != 1:
        raise UnreadableFileError(f"needs one of the columns {', '.join(_SPREADS)}", where=str(path))
    found: dict[str, EarlierStratum] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        name = (row["stratum"] or "").strip()
        if not name or name in found:
            raise UnreadableFileError("names no stratum" if not name else f"names {name!r} twice", where=where)
        found[name] = _stratum(said[0], row, where)
    return found


def _stratum(kind: str, row: dict[str, Any], where: str) -> EarlierStratum:
    spread = _number(row, kind, where)
    estimate = _number(row, "estimate", where) if (row.get("estimate") or "").strip() else None
    if kind == "sd":
        # Any effort that gives N·S back serves: two lines, nothing searched.
        return EarlierStratum((_number(row, "possible_units", where) * spread) ** 2 / 2, 2, 0.0, estimate)
    lines = _number(row, "lines", where)
    if lines != int(lines) or lines < 2:
        raise UnreadableFileError(f"{lines:g} is no number of lines that has a variance", where=where)
    share = _number(row, "sampled_share", where) if (row.get("sampled_share") or "").strip() else 0.0
    if not share < 1:
        raise UnreadableFileError(f"a sampled share of {share:g} is not below 1", where=where)
    return EarlierStratum(spread if kind == "variance" else spread**2, int(lines), share, estimate)


def _from_json(text: str, path: Path) -> dict[str, EarlierStratum]:
    try:
        document = json.loads(text)
        rows = document["strata"]
        found = {}
        for row in rows:
            sampling = [c["variance"] for c in row["components"] if c["name"] == "sampling"]
            if len(sampling) != 1 or sampling[0] is None:
                raise UnreadableFileError(
                    "has no variance by sampling", where=f"{path}, stratum {row['stratum']}", hint=row.get("reason")
                )
            variance, lines = float(sampling[0]), int(row["units"])
            if not (math.isfinite(variance) and variance >= 0) or lines < 2:
                raise UnreadableFileError("has no variance to go by", where=f"{path}, stratum {row['stratum']}")
            found[str(row["stratum"])] = EarlierStratum(variance, lines, 0.0, float(row["value"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(
            "is not what `overfly estimate --json` prints",
            where=str(path),
            hint=f"Or a table with the columns {', '.join(COLUMNS)}, as .csv",
        ) from error
    return found


def _number(row: dict[str, Any], column: str, where: str) -> float:
    try:
        value = float(row.get(column) or "")
    except ValueError:
        raise UnreadableFileError(f"has no number in its column {column!r}", where=where) from None
    if not (math.isfinite(value) and value >= 0):
        raise UnreadableFileError(f"has {value:g} in its column {column!r}", where=where)
    return value
