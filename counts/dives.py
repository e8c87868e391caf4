"""Depths that tags record, and what they say of how much of their time animals can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from counts.collars import EVERY_HOUR, HourShare, shares_by_hour
from counts.tables import Column, read_table
from flightplan.errors import EstimateError, UnreadableFileError
from flightplan.frames import Floats

COLUMNS = (Column("animal", number=False), Column("time_utc", number=False), Column("depth_m", minimum=-100.0))


@dataclass(frozen=True)
class DiveRecord:
    """One animal's depths in metres below the surface (N,), at `times_utc` (N,) in rising order."""

    animal: str
    times_utc: npt.NDArray[np.datetime64]
    depths_m: Floats


def read_dives(path: Path) -> tuple[DiveRecord, ...]:
    """Read a table of depths: `animal`, `time_utc` (ISO 8601; UTC where no zone is written), `depth_m`.

    Tags sample at equal steps, so a share of records is a share of time. Raises UnreadableFileError with the line.
    """
    table = read_table(path, COLUMNS)
    rows: dict[str, list[tuple[datetime, float]]] = {}
    for row, (animal, said) in enumerate(zip(table.texts["animal"], table.texts["time_utc"], strict=True)):
        try:
            moment = datetime.fromisoformat(said)
        except ValueError as error:
            raise UnreadableFileError(f"{said!r} is no time", where=table.where(row)) from error
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        rows.setdefault(animal, []).append((moment, table.column("depth_m", [row])[0]))
    found = []
    for animal, records in sorted(rows.items()):
        records.sort()
        times = np.array([np.datetime64(round(t.timestamp() * 1000), "ms") for t, _ in records])
        found.append(DiveRecord(animal, times, np.array([depth for _, depth in records])))
    return tuple(found)


def surface_by_hour(
    dives: Sequence[DiveRecord],
    seen_to_m: float,
    *,
    utc_offset_h: float,
    blocks: Sequence[tuple[int, int]] = EVERY_HOUR,
) -> tuple[HourShare, ...]:
    """Return for each block of local hours the share of records no deeper than what a picture shows.

    Each animal has the same weight, and the error is between animals. Raises EstimateError for a depth that is not
    positive or 0.
    """
    if not seen_to_m >= 0:
        raise EstimateError(f"{seen_to_m:g} m is no depth to be seen to", where="availability")
    seen = [(record.times_utc, record.depths_m <= seen_to_m) for record in dives]
    return shares_by_hour(seen, utc_offset_h=utc_offset_h, blocks=blocks)
