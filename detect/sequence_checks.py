"""Missing and surplus frames: what numbers in names, distances and intervals say of the pictures of a line."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from detect.findings import PoseFinding
from detect.flights import Flight
from flightplan.frames import LocalFrame
from flightplan.messages import Message, Value, message, plural_message, some_of

FRAMES_MISSING = "frames-missing"
"""Pictures that were taken, or should have been, and are not there."""

FRAMES_SURPLUS = "frames-surplus"
"""Pictures too close to the one before to be of the same trigger."""

_LEAST_STEPS = 5
_GAP, _DOUBLE = 1.6, 0.3


def check_sequence(flight: Flight, *, planned: Any = None) -> list[PoseFinding]:
    """Name the gaps in a flight, and the pictures it has too many; the captures named are those beside a gap.

    `planned` is the planned lines as one geographic geometry (WGS 84), None where no plan is known: a gap between two
    of their parts, as over an exclusion, is no gap.
    """
    return [*_missing_numbers(flight), *_uneven(flight, planned)]


def _missing_numbers(flight: Flight) -> list[PoseFinding]:
    step = np.diff(flight.number)
    if not len(step) or (flight.number < 0).any():
        return []
    usual = int(np.median(step)) if len(step) >= _LEAST_STEPS else 1
    # Some cameras count by twos; a counter that went round says nothing here.
    gaps = np.flatnonzero((step > max(usual, 1)) & (step < 1000))
    if not len(gaps):
        return []
    missing = [
        str(n)
        for at in gaps.tolist()
        for n in range(int(flight.number[at]) + max(usual, 1), int(flight.number[at + 1]), max(usual, 1))
    ]
    if len(missing) > len(flight):
        return []  # numbers that belong to something else
    agreed = _gaps_agree(flight, gaps, step)
    rows = np.unique(np.concatenate([gaps, gaps + 1]))
    text = plural_message(
        "by the numbers of their names {count} picture is missing ({numbers}){agreed}",
        "by the numbers of their names {count} pictures are missing ({numbers}){agreed}",
        len(missing),
        numbers=some_of(missing, 8),
        agreed=agreed,
    )
    return [PoseFinding(FRAMES_MISSING, flight.hashes(rows), flight.told(text))]


def _gaps_agree(flight: Flight, gaps: npt.NDArray[np.int64], step: npt.NDArray[np.int64]) -> Value:
    """Whether the ground left out is as long as the missing pictures would make it."""
    apart = np.hypot(*np.diff(flight.position_m, axis=0).T)
    same = (flight.line[1:] == flight.line[:-1]) & (flight.line[1:] >= 0)
    plain = same & (step == 1) & np.isfinite(apart)
    wide = np.intersect1d(gaps, np.flatnonzero(same & np.isfinite(apart)))
    if plain.sum() < 2 or not len(wide):
        return ""
    each = float(np.median(apart[plain]))
    fits = np.abs(apart[wide] / each - step[wide]) < 0.5 * step[wide] ** 0.5
    if fits.all():
        return message("; the gaps on lines are as long as that, at {each:.1f} m a picture", each=each)
    return message("; the gaps on lines are not as long as that, at {each:.1f} m a picture", each=each)


def _uneven(flight: Flight, planned: Any) -> list[PoseFinding]:
    """Steps along a line that are a multiple of the usual one, or a small part of it."""
    apart = np.hypot(*np.diff(flight.position_m, axis=0).T)
    interval = np.diff(flight.time_s)
    same = (flight.line[1:] == flight.line[:-1]) & (flight.line[1:] >= 0) & np.isfinite(apart)
    if same.sum() < _LEAST_STEPS:
        return []
    usual_m = float(np.median(apart[same]))
    timed = same & np.isfinite(interval) & (interval > 0.0)
    usual_s = float(np.median(interval[timed])) if timed.sum() >= _LEAST_STEPS else np.nan
    numbered = (flight.number[1:] >= 0) & (flight.number[:-1] >= 0)
    told = numbered & (np.diff(flight.number) > 1)
    gaps = np.flatnonzero(same & (apart > _GAP * usual_m) & ~told)
    lost = np.array([_not_taken(flight, int(gap), usual_m, planned) for gap in gaps], dtype=np.int64)
    gaps, lost = gaps[lost > 0], lost[lost > 0]
    # A drone that slows down keeps its distance or its interval: only what keeps neither is a picture too many.
    soon = ~(interval >= _DOUBLE * usual_s) if np.isfinite(usual_s) else np.ones(len(apart), dtype=np.bool_)
    doubles = np.flatnonzero(same & (apart < _DOUBLE * usual_m) & soon) + 1
    findings = []
    if len(gaps):
        missing = int(lost.sum())
        rows = np.unique(np.concatenate([gaps, gaps + 1]))
        text = plural_message(
            "on its lines a picture comes every {usual:.1f} m, and about {count} is missing or never taken: gaps of"
            " {lengths} beside {pictures}",
            "on its lines a picture comes every {usual:.1f} m, and about {count} are missing or never taken: gaps of"
            " {lengths} beside {pictures}",
            missing,
            usual=usual_m,
            lengths=_metres(apart[gaps]),
            pictures=flight.names(rows),
        )
        findings.append(PoseFinding(FRAMES_MISSING, flight.hashes(rows), flight.told(text)))
    if len(doubles):
        text = plural_message(
            "on its lines a picture comes every {usual:.1f} m, and {count} came only {lengths} after the one before",
            "on its lines a picture comes every {usual:.1f} m, and {count} came only {lengths} after the one before",
            len(doubles),
            usual=usual_m,
            lengths=_metres(apart[doubles - 1]),
        )
        findings.append(PoseFinding(FRAMES_SURPLUS, flight.hashes(doubles), flight.told(text, doubles)))
    return findings


def _not_taken(flight: Flight, before: int, usual_m: float, planned: Any) -> int:
    """How many pictures the gap after a capture leaves out, of those that the plan, where it is known, asks for."""
    ends = np.array([[c.longitude_deg, c.latitude_deg] for c in flight.captures[before : before + 2]], dtype=np.float64)
    frame = LocalFrame(*ends[0].tolist())
    start, end = frame.to_local(ends)
    count = max(1, round(float(np.hypot(*(end - start))) / usual_m) - 1)
    if planned is None:
        return count
    lines = shapely.transform(planned, frame.to_local)
    near = 0.5 * usual_m
    if not shapely.dwithin(lines, shapely.points([start, end]), near).all():
        return count  # not flown by this plan
    share = np.arange(1, count + 1)[:, None] / (count + 1)
    return int(shapely.dwithin(lines, shapely.points(start + share * (end - start)), near).sum())


def _metres(lengths: npt.NDArray[np.float64]) -> Message:
    few = tuple(lengths[:6].tolist())
    if len(lengths) > 6:
        return message("{lengths:.1f} m and more", lengths=few)
    return message("{lengths:.1f} m", lengths=few)
