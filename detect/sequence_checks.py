"""Missing and surplus frames: what numbers in names, distances and intervals say of the pictures of a line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detect.findings import PoseFinding
from detect.flights import Flight

FRAMES_MISSING = "frames-missing"
"""Pictures that were taken, or should have been, and are not there."""

FRAMES_SURPLUS = "frames-surplus"
"""Pictures too close to the one before to be of the same trigger."""

_LEAST_STEPS = 5
_GAP, _DOUBLE = 1.6, 0.3


def check_sequence(flight: Flight) -> list[PoseFinding]:
    """Name the gaps in a flight, and the pictures it has too many; the captures named are those beside a gap."""
    return [*_missing_numbers(flight), *_uneven(flight)]


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
    few = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
    verb = "is" if len(missing) == 1 else "are"
    rows = np.unique(np.concatenate([gaps, gaps + 1]))
    text = f"{flight.name}: by the numbers of their names {len(missing)} pictures {verb} missing ({few}){agreed}"
    return [PoseFinding(FRAMES_MISSING, flight.hashes(rows), text)]


def _gaps_agree(flight: Flight, gaps: npt.NDArray[np.int64], step: npt.NDArray[np.int64]) -> str:
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
        return f"; the gaps on lines are as long as that, at {each:.1f} m a picture"
    return f"; the gaps on lines are not as long as that, at {each:.1f} m a picture"


def _uneven(flight: Flight) -> list[PoseFinding]:
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
    # A drone that slows down keeps its distance or its interval: only what keeps neither is a picture too many.
    soon = ~(interval >= _DOUBLE * usual_s) if np.isfinite(usual_s) else np.ones(len(apart), dtype=np.bool_)
    doubles = np.flatnonzero(same & (apart < _DOUBLE * usual_m) & soon) + 1
    findings = []
    if len(gaps):
        missing = int(np.maximum(1, np.round(apart[gaps] / usual_m) - 1).sum())
        rows = np.unique(np.concatenate([gaps, gaps + 1]))
        text = (
            f"{flight.name}: on its lines a picture comes every {usual_m:.1f} m, and about {missing} "
            f"{'is' if missing == 1 else 'are'} missing or never taken: gaps of {_metres(apart[gaps])} beside "
            f"{flight.names(rows)}"
        )
        findings.append(PoseFinding(FRAMES_MISSING, flight.hashes(rows), text))
    if len(doubles):
        text = (
            f"{flight.name}: on its lines a picture comes every {usual_m:.1f} m, and {len(doubles)} came only "
            f"{_metres(apart[doubles - 1])} after the one before: {flight.names(doubles)}"
        )
        findings.append(PoseFinding(FRAMES_SURPLUS, flight.hashes(doubles), text))
    return findings


def _metres(lengths: npt.NDArray[np.float64]) -> str:
    few = ", ".join(f"{length:.1f}" for length in lengths[:6].tolist())
    return f"{few} m" + (" and more" if len(lengths) > 6 else "")
