"""The flight logbook: a line a flight, in one table for a person and one for programs, never rewritten.

Fields as a pilot's logbook asks for them (EASA AMC1 FCL.050: date, places and times of departure and arrival, aircraft,
pilot, total time, landings, remarks), and what operators of drones keep beside: batteries, distance, events.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

LOGBOOK, LOGBOOK_LINES = "logbook.csv", "logbook.jsonl"
# A cell that a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Crew:
    """Who flies what, as typed by them: remote pilot, observer, aircraft and its registration, battery, purpose."""

    pilot: str | None = None
    observer: str | None = None
    aircraft: str | None = None
    registration: str | None = None
    battery: str | None = None
    purpose: str | None = None


@dataclass(frozen=True)
class LogbookEntry:
    """One flight. Times are UTC (ISO 8601), places WGS 84, heights above home; None is unknown.

    `autopilot` is what the vehicle calls itself. `seconds` is from arming to disarming.
    """

    date: str
    sortie: str
    pilot: str | None
    observer: str | None
    aircraft: str | None
    registration: str | None
    autopilot: str | None
    system_id: int
    simulated: bool
    departure_utc: str | None
    departure_longitude_deg: float | None
    departure_latitude_deg: float | None
    arrival_utc: str | None
    arrival_longitude_deg: float | None
    arrival_latitude_deg: float | None
    seconds: float | None
    landings: int
    distance_m: float
    highest_home_m: float | None
    battery: str | None
    charge_before: float | None
    charge_after: float | None
    used_mah: float | None
    purpose: str | None
    outcome: str
    reason: str | None
    frames: int
    frames_on_line: int
    overrides: str | None
    remarks: str | None
    log: str


def append_entry(folder: Path, entry: LogbookEntry) -> None:
    """Add a flight to both tables of a folder; what is there already stays as it is."""
    record = asdict(entry)
    _append(folder / LOGBOOK_LINES, json.dumps(record, ensure_ascii=False) + "\n", head="")
    names = [f.name for f in fields(LogbookEntry)]
    _append(folder / LOGBOOK, _csv([_plain(record[n]) for n in names]), head=_csv(names))


def read_logbook(folder: Path) -> tuple[Mapping[str, object], ...]:
    """Return the entries of a folder's logbook; a line that was cut short by a crash is left out."""
    found = []
    path = folder / LOGBOOK_LINES
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return tuple(found)


def _append(path: Path, text: str, *, head: str) -> None:
    """Write in one piece: several drones of one program may land at the same time."""
    # Windows would end every line twice.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
    try:
        data = text if os.fstat(descriptor).st_size else head + text
        os.write(descriptor, data.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value


def _csv(cells: list[object] | list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
