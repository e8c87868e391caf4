"""The camera's clock: set back to its first day, stepping in the middle of a flight, standing still."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from detect.captures import Capture
from detect.findings import PoseFinding
from detect.flights import Flight
from flightplan.frames import Floats
from flightplan.messages import Message, Value, message, plural_message

CLOCK_RESET = "clock-reset"
"""A clock that started again from its first day: the date is none."""

CLOCK_STEP = "clock-step"
"""A clock that was set, or changed its zone, between two pictures of a flight."""

CLOCK_STANDS = "clock-stands"
"""Many pictures from different places that say the same moment."""

CLOCK_OFFSET = "clock-offset"
"""A clock that puts pictures outside the time in which their flight was flown."""

_BACK_S = -1.0
_SLACK_S, _QUARTER_S, _LARGEST_ZONE_S = 120.0, 900.0, 14 * 3600.0
_SECONDS_PER_DAY = 86_400.0
_AFTER_RESET = timedelta(hours=36)
_FIRST_DAYS = frozenset({1970, 1980, 2000, 2001, 2005, 2008, 2010, 2012, 2013, 2014, 2015, 2016, 2017, 2018, 2020})
"""Years on whose first day clocks of cameras, autopilots and their chips start when their battery was empty."""

_LONG_AGO = 2005
_STANDS_S, _STANDS = 0.5, 3
_MOVED_M = 3.0


def check_clock(flight: Flight) -> list[PoseFinding]:
    """Name the captures of a flight whose time cannot be, with the time that would fit the others."""
    reset = _reset(flight)
    rest = ~np.isin([c.content_hash for c in flight.captures], [h for f in reset for h in f.captures])
    return [*reset, *_steps(flight, rest), *_stands(flight, rest)]


def check_flown(captures: Sequence[Capture], started_utc: datetime, ended_utc: datetime) -> list[PoseFinding]:
    """Hold the times of a flight's pictures against when it was flown, and propose the time zone that was forgotten.

    Two minutes on either side are allowed. A zone is proposed where exactly one whole quarter of an hour fits.
    """
    timed = [c for c in captures if c.time_utc is not None]
    if not timed:
        return []
    times = np.array([c.time_utc.timestamp() for c in timed if c.time_utc is not None])
    first, last = started_utc.timestamp() - _SLACK_S, ended_utc.timestamp() + _SLACK_S
    if 2 * ((times < first) | (times > last)).sum() <= len(times):
        return []
    # The shifts that bring all of them into the flight.
    low, high = np.ceil((times.max() - last) / _QUARTER_S), np.floor((times.min() - first) / _QUARTER_S)
    text = plural_message(
        "{flight}: {count} picture says that it was taken between {first} and {last} UTC, and the flight went from"
        " {started} to {ended}",
        "{flight}: {count} pictures say that they were taken between {first} and {last} UTC, and the flight went from"
        " {started} to {ended}",
        len(timed),
        flight=f"{timed[0].path.parent.name}/{timed[0].path.name}",
        first=f"{min(filter(None, (c.time_utc for c in timed))):%Y-%m-%d %H:%M:%S}",
        last=f"{max(filter(None, (c.time_utc for c in timed))):%H:%M:%S}",
        started=f"{started_utc:%Y-%m-%d %H:%M:%S}",
        ended=f"{ended_utc:%H:%M:%S}",
    )
    hashes = tuple(c.content_hash for c in timed)
    if low != high or abs(low) > _LARGEST_ZONE_S / _QUARTER_S:
        return [PoseFinding(CLOCK_OFFSET, hashes, text)]
    ahead = timedelta(seconds=float(low) * _QUARTER_S)
    times_utc = tuple(None if c.time_utc is None else c.time_utc - ahead for c in timed)
    zone = message("{found}: a time zone of {zone:+g} h is missing", found=text, zone=ahead / timedelta(hours=1))
    return [PoseFinding(CLOCK_OFFSET, hashes, zone, {"time_utc": times_utc})]


def _reset(flight: Flight) -> list[PoseFinding]:
    """Captures from a clock's first day, among others of a later date, or so long ago that nothing was surveyed so."""
    clocks = [c.camera_clock for c in flight.captures]
    first_day = np.array(
        [
            k is not None and k.year in _FIRST_DAYS and k - k.replace(month=1, day=1, hour=0) < _AFTER_RESET
            for k in clocks
        ]
    )
    years = np.array([0 if k is None else k.year for k in clocks])
    known = np.array([c.time_utc is not None for c in flight.captures])
    years_known = np.array([0 if c.time_utc is None else c.time_utc.year for c in flight.captures])
    rows = np.flatnonzero(first_day)
    if not len(rows):
        return []
    others = np.flatnonzero(~first_day & (years > 0))
    # GPS knows the date: where it gave the time, the camera's clock does not matter.
    given = known[rows] & (np.abs(years_known[rows] - years[rows]) <= 1)
    proved = bool(
        (years[rows] < _LONG_AGO).all() or (len(others) and (np.abs(years[others] - years[rows[0]]) > 1).all())
    )
    text = plural_message(
        "{count} picture from {dates}, the first day of a clock that was reset",
        "{count} pictures from {dates}, the first day of a clock that was reset",
        len(rows),
        dates=tuple(sorted({f"{clocks[i]:%Y-%m-%d}" for i in rows.tolist()})),
    )
    if len(others):
        text = message(
            "{found}; the other {number} of the flight say {date}",
            found=text,
            number=len(others),
            date=f"{clocks[others[0]]:%Y-%m-%d}",
        )
    named = flight.told(text, rows)
    if not given.any():
        # Read as unknown already, or known from GPS: nothing to repair.
        return [PoseFinding(CLOCK_RESET, flight.hashes(rows), named, None, proved)]
    repair = {"time_utc": tuple(None if g else flight.captures[i].time_utc for i, g in zip(rows, given, strict=True))}
    return [PoseFinding(CLOCK_RESET, flight.hashes(rows), named, repair, proved)]


def _steps(flight: Flight, rest: npt.NDArray[np.bool_]) -> list[PoseFinding]:
    """A step back in time between two pictures, or one ahead without the way that the time between would take."""
    rows = np.flatnonzero(rest & np.isfinite(flight.time_s))
    if len(rows) < 3 or (flight.number[rows] < 0).any():
        return []  # without numbers in the names the order is that of the clock itself
    between = np.diff(flight.time_s[rows])
    usual = float(np.median(between[between > 0.0])) if (between > 0.0).any() else 1.0
    steps = np.hypot(*np.diff(flight.position_m[rows], axis=0).T)
    along = np.nanmedian(steps) if np.isfinite(steps).any() else np.nan
    ahead = (between > 300.0) & (between > 30.0 * usual) & (steps < 3.0 * along)
    findings = []
    for at in np.flatnonzero((between < _BACK_S) | ahead).tolist():
        step = float(between[at]) - usual * _skipped(flight, rows, at)
        before, after = rows[: at + 1], rows[at + 1 :]
        moved, by = (before, step) if len(before) < len(after) else (after, -step)
        quarter = round(step / 900.0)
        zone: Value = ""
        if quarter and abs(step - quarter * 900.0) < 60.0:
            zone = message(" ({hours:+g} h: a time zone)", hours=quarter * 0.25)
        a, b = (flight.captures[i].path.name for i in (rows[at], rows[at + 1]))
        text = flight.told(
            message(
                "the clock steps by {step}{zone} between {before} and {after}; the {number} pictures on the shorter"
                " side are proposed to follow the others",
                step=_spelled(step),
                zone=zone,
                before=a,
                after=b,
                number=len(moved),
            )
        )
        times = tuple(_moved(flight, int(i), by) for i in moved)
        findings.append(PoseFinding(CLOCK_STEP, flight.hashes(moved), text, {"time_utc": times}))
    # Each proposal is reckoned alone: with several steps none can be made.
    return findings if len(findings) < 2 else [PoseFinding(f.kind, f.captures, f.text) for f in findings]


def _skipped(flight: Flight, rows: npt.NDArray[np.int64], at: int) -> int:
    """How many intervals lie between two pictures by the numbers in their names."""
    return int(np.clip(flight.number[rows[at + 1]] - flight.number[rows[at]], 1, 50))


def _stands(flight: Flight, rest: npt.NDArray[np.bool_]) -> list[PoseFinding]:
    rows = np.flatnonzero(rest & np.isfinite(flight.time_s))
    if len(rows) < 2 * _STANDS:
        return []
    whole = bool((flight.time_s[rows] == np.round(flight.time_s[rows])).all())
    _, group, count = np.unique(flight.time_s[rows], return_inverse=True, return_counts=True)
    usual = float(np.median(np.diff(np.sort(flight.time_s[rows]))))
    # Three pictures a second are a burst where seconds are all that is written, and nothing else is.
    most = max(_STANDS, 3 * _per_second(usual)) if whole else _STANDS
    bad = np.flatnonzero(count >= most)
    standing = [rows[group == value] for value in bad.tolist()]
    standing = [members for members in standing if _spread_m(flight.position_m[members]) > _MOVED_M]
    if not standing:
        return []
    every = np.concatenate(standing)
    text = plural_message(
        "{count} picture from another place says the same moment as others",
        "{count} pictures from different places say the same moment as others",
        len(every),
    )
    return [PoseFinding(CLOCK_STANDS, flight.hashes(every), flight.told(text, every))]


def _per_second(interval_s: float) -> int:
    return 1 if interval_s >= 1.0 else 10


def _spread_m(places: Floats) -> float:
    known = places[np.isfinite(places).all(axis=1)]
    return float(np.hypot(*np.ptp(known, axis=0))) if len(known) > 1 else 0.0


def _moved(flight: Flight, row: int, by_s: float) -> object:
    time = flight.captures[row].time_utc
    return None if time is None else time + timedelta(seconds=round(by_s, 3))


def _spelled(seconds: float) -> Message:
    size = abs(seconds)
    sign = "−" if seconds < 0 else "+"
    if size >= _SECONDS_PER_DAY:
        return message("{sign}{days:.1f} days", sign=sign, days=size / _SECONDS_PER_DAY)
    if size >= 3600.0:
        return message("{sign}{hours:.2f} h", sign=sign, hours=size / 3600.0)
    return message("{sign}{seconds:.0f} s", sign=sign, seconds=size)
