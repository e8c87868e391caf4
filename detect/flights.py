"""Captures taken in one go: their order, the lines they were flown on, and which way they went and looked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detect.captures import Capture
from detect.poses import rotation_matrix
from flightplan.frames import Floats, LocalFrame
from flightplan.messages import Message, Value, message, some_of

Ints = npt.NDArray[np.int64]

LONGEST_GAP_S = 900.0
"""Pictures further apart in time than this are of two flights, unless the drone had not moved on."""

_LARGEST_TURN_DEG = 30.0
_LEAST_STEP_M = 2.0
_LONGEST_STEPS = 8.0
_SAME_NAMES, _IN_ORDER = 0.9, 0.7
_OBLIQUE_DEG = -45.0


@dataclass(frozen=True)
class Flight:
    """Captures of one camera in one folder, in the order they were taken, with what that order tells.

    All arrays have a row for each capture. `number` is the sequence number in the file's name (−1: none); `time_s`
    counts from 1970-01-01 UTC; `position_m` (N, 2) is east and north in one local frame; `azimuth_deg` is the direction
    on the ground of the top of the picture (of the view, where it is oblique), clockwise from north; `airframe_deg`
    that of the nose. `line` numbers the straight runs (−1: on none) and `course_deg` is the way flown there. Unknown is
    NaN.
    """

    captures: tuple[Capture, ...]
    number: Ints
    time_s: Floats
    position_m: Floats
    azimuth_deg: Floats
    airframe_deg: Floats
    line: Ints
    course_deg: Floats

    def __len__(self) -> int:
        return len(self.captures)

    @property
    def name(self) -> str:
        """The folder it lies in, and its first and last picture: enough to find it again."""
        first, last = self.captures[0].path, self.captures[-1].path
        return f"{first.parent.name}/{first.name}" + (f" to {last.name}" if last != first else "")

    def hashes(self, rows: Iterable[int]) -> tuple[str, ...]:
        """The content hashes of captures by row."""
        return tuple(self.captures[int(row)].content_hash for row in rows)

    def names(self, rows: Iterable[int], most: int = 6) -> Value:
        """The file names of captures by row, as they are told in a sentence."""
        return some_of([self.captures[int(row)].path.name for row in rows], most)

    def told(self, what: Value, rows: Iterable[int] | None = None) -> Message:
        """A sentence about this flight, and the captures by row that it is about."""
        if rows is None:
            return message("{flight}: {what}", flight=self.name, what=what)
        return message("{flight}: {what}: {pictures}", flight=self.name, what=what, pictures=self.names(rows))


def flights_of(captures: Iterable[Capture]) -> tuple[Flight, ...]:
    """Put captures into flights: those of one folder and one camera, without a long pause."""
    groups: dict[tuple[Path, str | None, str | None], list[Capture]] = {}
    for capture in captures:
        groups.setdefault((capture.path.parent, capture.maker, capture.model), []).append(capture)
    flights: list[Flight] = []
    for group in groups.values():
        ordered = _in_order(group)
        flights += [flight_of(part) for part in _without_pauses(ordered)]
    return tuple(flights)


def flight_of(captures: Sequence[Capture]) -> Flight:
    """A flight of captures that are in order already."""
    position = _positions(captures)
    line, course = _lines(position)
    return Flight(
        captures=tuple(captures),
        number=_numbers(captures),
        time_s=_times(captures),
        position_m=position,
        azimuth_deg=np.array([_azimuth_deg(c) for c in captures], dtype=np.float64),
        airframe_deg=np.array([np.nan if c.airframe_yaw_deg is None else c.airframe_yaw_deg for c in captures]),
        line=line,
        course_deg=course,
    )


def turn_deg(to_deg: Floats | float, from_deg: Floats | float) -> Floats:
    """How far one must turn from one direction to the other, in [−180, 180)."""
    return np.asarray((to_deg - from_deg + 180.0) % 360.0 - 180.0)


def mean_direction_deg(angles_deg: Floats) -> tuple[float, float]:
    """The mean of directions, and how well they agree: 1 all alike, 0 all around (Mardia and Jupp 2000, 2.2)."""
    vector = np.exp(1j * np.radians(angles_deg)).mean()
    return float(np.degrees(np.angle(vector))), float(abs(vector))


# Order ----------------------------------------------------------------------------------------------------------------


def _in_order(captures: list[Capture]) -> list[Capture]:
    """By the numbers in their names where those are a sequence (a clock may be wrong); else by time, then by name."""
    numbers, times = _numbers(captures), _times(captures)
    if (numbers >= 0).all() and len(set(numbers.tolist())) == len(numbers):
        order = np.argsort(numbers, kind="stable")
        known = order[np.isfinite(times[order])]
        backward = np.flatnonzero(np.diff(times[known]) < 0.0)
        if len(backward) == 1 and _has_wrapped(numbers[known], int(backward[0])):
            first = int(np.flatnonzero(order == known[backward[0] + 1])[0])
            return [captures[i] for i in np.roll(order, -first).tolist()]
        if len(known) < 2 or 1.0 - len(backward) / (len(known) - 1) >= _IN_ORDER:
            return [captures[i] for i in order.tolist()]
    by_time = sorted(
        range(len(captures)),
        key=lambda i: (float(times[i]) if np.isfinite(times[i]) else np.inf, captures[i].path.name),
    )
    return [captures[i] for i in by_time]


def _has_wrapped(numbers: Ints, at: int) -> bool:
    """Whether a counter went round here: the numbers before the step back are the first ones, those after the last."""
    return bool(numbers[at + 1] - numbers[at] > 100 and numbers[-1] >= 900 and numbers[0] <= 100)


def _numbers(captures: Sequence[Capture]) -> Ints:
    skeletons = [re.sub(r"\d+", "#", c.path.stem) for c in captures]
    usual, count = Counter(skeletons).most_common(1)[0]
    found = np.full(len(captures), -1, dtype=np.int64)
    if count < _SAME_NAMES * len(captures):
        return found
    for i, capture in enumerate(captures):
        runs = [run for run in re.findall(r"\d+", capture.path.stem) if len(run) <= 6]
        if runs and skeletons[i] == usual:
            found[i] = int(runs[-1])
    return found


def _without_pauses(captures: list[Capture]) -> list[list[Capture]]:
    times, positions = _times(captures), _positions(captures)
    steps = np.hypot(*np.diff(positions, axis=0).T) if len(captures) > 1 else np.empty(0)
    usual = float(np.nanmedian(steps)) if np.isfinite(steps).any() else np.nan
    parts: list[list[Capture]] = [[captures[0]]]
    for i in range(1, len(captures)):
        # A clock that jumps in the middle of a line has not ended the flight.
        paused = times[i] - times[i - 1] > LONGEST_GAP_S and not steps[i - 1] < 3.0 * usual
        if paused:
            parts.append([])
        parts[-1].append(captures[i])
    return parts


# Where and when -------------------------------------------------------------------------------------------------------


def _times(captures: Sequence[Capture]) -> Floats:
    return np.array(
        [np.nan if c.time_utc is None else c.time_utc.astimezone(UTC).timestamp() for c in captures], dtype=np.float64
    )


def _positions(captures: Sequence[Capture]) -> Floats:
    lonlat = np.array(
        [
            (np.nan, np.nan) if c.longitude_deg is None or c.latitude_deg is None else (c.longitude_deg, c.latitude_deg)
            for c in captures
        ],
        dtype=np.float64,
    )
    known = np.flatnonzero(np.isfinite(lonlat).all(axis=1))
    local = np.full((len(captures), 2), np.nan)
    if len(known):
        frame = LocalFrame(float(lonlat[known[0], 0]), float(lonlat[known[0], 1]))
        local[known] = frame.to_local(lonlat[known])
    return local


def _azimuth_deg(capture: Capture) -> float:
    if capture.yaw_deg is None or capture.pitch_deg is None or capture.roll_deg is None:
        return float("nan")
    axes = rotation_matrix(capture.yaw_deg, capture.pitch_deg, capture.roll_deg)
    towards = axes[:, 0] if capture.pitch_deg > _OBLIQUE_DEG else -axes[:, 2]
    return float(np.degrees(np.arctan2(towards[1], towards[0])))


# Lines ----------------------------------------------------------------------------------------------------------------


def _lines(position: Floats) -> tuple[Ints, Floats]:
    """Number the straight runs of a track, and the course at each capture on one.

    A capture where the one before was taken is on its line.
    """
    line, course = np.full(len(position), -1, dtype=np.int64), np.full(len(position), np.nan)
    known = np.flatnonzero(np.isfinite(position).all(axis=1))
    moved, stays = _moved(position[known])
    if len(moved) < 2:
        return line, course
    of, ways = _runs(position[known][moved])
    line[known], course[known] = of[stays], ways[stays]
    return line, course


def _moved(places: Floats) -> tuple[Ints, Ints]:
    """Rows (M,) that have moved on from the one before, and for each row (N,) which of them it is still at."""
    rows: list[int] = []
    stays = np.zeros(len(places), dtype=np.int64)
    for i, place in enumerate(places):
        if not rows or float(np.hypot(*(place - places[rows[-1]]))) > _LEAST_STEP_M:
            rows.append(i)
        stays[i] = len(rows) - 1
    return np.array(rows, dtype=np.int64), stays


def _runs(places: Floats) -> tuple[Ints, Floats]:
    """The straight run (N,) that each place is on, and its course there."""
    step = np.diff(places, axis=0)
    length = np.hypot(*step.T)
    heading = np.degrees(np.arctan2(*step.T))
    near = length < _LONGEST_STEPS * np.median(length)
    starts = np.ones(len(step), dtype=np.bool_)
    starts[1:] = (np.abs(turn_deg(heading[1:], heading[:-1])) > _LARGEST_TURN_DEG) | ~near[1:] | ~near[:-1]
    run = np.cumsum(starts) - 1
    steps_of = np.bincount(run, weights=near.astype(np.float64))
    # A capture between two runs is of the longer one: the step across to the next line is a run too, a short one.
    before, after = np.concatenate([[-1], run]), np.concatenate([run, [-1]])
    longer = np.where(before < 0, -1.0, steps_of[before]) >= np.where(after < 0, -1.0, steps_of[after])
    of = np.where(longer, before, after)
    of[steps_of[of] < 1] = -1
    line, course = np.full(len(places), -1, dtype=np.int64), np.full(len(places), np.nan)
    number = 0
    for value in np.unique(of[of >= 0]).tolist():
        rows = np.flatnonzero(of == value)
        if len(rows) < 2:
            continue
        first, last = np.maximum(np.arange(len(rows)) - 2, 0), np.minimum(np.arange(len(rows)) + 2, len(rows) - 1)
        chord = places[rows[last]] - places[rows[first]]
        line[rows], course[rows] = number, np.degrees(np.arctan2(*chord.T))
        number += 1
    return line, course
