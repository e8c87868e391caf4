"""Heights against each other, against their neighbours, against the ground and against the geoid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detect.findings import PoseFinding
from detect.flights import Flight
from flightplan.errors import TerrainError
from flightplan.frames import Floats, HeightDatum
from flightplan.geoid import geoid_height_m
from flightplan.messages import Message, message
from flightplan.terrain import Terrain

HEIGHT_OUTLIER = "height-outlier"
"""A lone capture far above or below its neighbours."""

HEIGHT_JUMP = "height-jump"
"""The height above take-off and the absolute height part in the middle of a flight."""

HEIGHT_OFFSET = "height-offset"
"""The absolute heights of a flight do not agree with the ground at take-off and the height above it."""

HEIGHT_SIGN = "height-sign"
"""A height above sea level lower than any land, for its sign is wrong."""

HEIGHT_DATUM = "height-datum"
"""A height above the ellipsoid that goes by the name of one above sea level, or the other way round."""

_TAKEOFF, _MSL, _ELLIPSOID = "altitude_takeoff_m", "altitude_msl_m", "altitude_ellipsoid_m"
_NEIGHBOURS, _LEAST = 3, 5
_LOWEST_LAND_M = -450.0
"""The shore of the Dead Sea lies 430 m below sea level and sinks."""

_OUTLIER_M, _SPREADS = 8.0, 8.0
_JUMP_M, _OFFSET_M = 6.0, 12.0
_SAME_M, _GEOID_M, _LEAST_GEOID_M = 0.1, 4.0, 8.0


def check_heights(flight: Flight, terrain: Terrain | None = None) -> list[PoseFinding]:
    """Name the captures whose heights contradict each other or the ground, with the height that would fit.

    The ground at take-off is taken as that under the first capture, which hills between make worse: the relief of the
    flight is allowed for.
    """
    heights = {name: _column(flight, name) for name in (_TAKEOFF, _MSL, _ELLIPSOID)}
    signs = _wrong_signs(flight, heights)
    jumps = _jumps(flight, heights)
    for jump in jumps:
        # What is lone is looked for in the heights as they would be.
        for name, values in (jump.repair or {}).items():
            heights[name][np.isin([c.content_hash for c in flight.captures], jump.captures)] = values
    odd = _outliers(flight, heights)
    rest = ~np.isin([c.content_hash for c in flight.captures], [h for f in odd for h in f.captures])
    geoid_m = known_geoid_m(flight)
    return [
        *signs,
        *jumps,
        *odd,
        *_two_names(flight, heights, rest, geoid_m),
        *_against_ground(flight, heights, rest, terrain, geoid_m),
    ]


def known_geoid_m(flight: Flight) -> float | None:
    """The height of sea level above the ellipsoid where the flight was; None where no geoid is installed."""
    for capture in flight.captures:
        if capture.longitude_deg is None or capture.latitude_deg is None:
            continue
        try:
            return float(geoid_height_m([[capture.longitude_deg, capture.latitude_deg]])[0])
        except TerrainError:
            return None
    return None


def _wrong_signs(flight: Flight, heights: dict[str, Floats]) -> list[PoseFinding]:
    """Heights below all land, which an AltitudeRef of 1 makes; `heights` has them right afterwards."""
    rows = np.flatnonzero(heights[_MSL] < _LOWEST_LAND_M)
    if not len(rows):
        return []
    text = flight.told(
        message(
            "the height above sea level is as low as {lowest:.0f} m, and no land is: its sign is wrong",
            lowest=float(heights[_MSL][rows].min()),
        ),
        rows,
    )
    heights[_MSL][rows] *= -1.0
    values = tuple(round(float(h), 3) for h in heights[_MSL][rows])
    return [PoseFinding(HEIGHT_SIGN, flight.hashes(rows), text, {_MSL: values}, is_proved=True)]


# Against neighbours ---------------------------------------------------------------------------------------------------


def _outliers(flight: Flight, heights: dict[str, Floats]) -> list[PoseFinding]:
    findings: list[PoseFinding] = []
    away = {name: _away_from_neighbours(heights[name]) for name in (_TAKEOFF, _MSL)}
    for name, other in ((_TAKEOFF, _MSL), (_MSL, _TAKEOFF)):
        odd = _odd(away[name])
        # Both at once: the aircraft itself went up or down, and came back.
        alone = odd & ~_odd(away[other]) if np.isfinite(away[other]).any() else odd
        rows = np.flatnonzero(alone)
        if not len(rows) or len(rows) > len(flight) / 4:
            continue
        apart = heights[name] - heights[other]
        steady = apart[~alone & np.isfinite(apart)]
        repair = []
        for i in rows.tolist():
            from_other = (
                heights[other][i] + np.median(steady) if len(steady) and np.isfinite(heights[other][i]) else None
            )
            repair.append(round(float(heights[name][i] - away[name][i] if from_other is None else from_other), 3))
        jumps = tuple(f"{a:+.0f} m" for a in away[name][rows][:6])
        if len(steady):
            said = message(
                "the height {which} is {jumps} off its neighbours'; the height {other} goes on as before",
                which=_said(name),
                jumps=jumps,
                other=_said(other),
            )
        else:
            said = message(
                "the height {which} is {jumps} off its neighbours' (no other height is written to compare with)",
                which=_said(name),
                jumps=jumps,
            )
        text = flight.told(said, rows)
        findings.append(PoseFinding(HEIGHT_OUTLIER, flight.hashes(rows), text, {name: tuple(repair)}))
    return findings


def _away_from_neighbours(height: Floats) -> Floats:
    """How far each height is from the median of those before and after it, itself left out."""
    count = len(height)
    away = np.full(count, np.nan)
    if count < _LEAST:
        return away
    padded = np.concatenate([np.full(_NEIGHBOURS, np.nan), height, np.full(_NEIGHBOURS, np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1).copy()
    windows[:, _NEIGHBOURS] = np.nan
    enough = np.isfinite(windows).sum(axis=1) >= _NEIGHBOURS
    away[enough] = height[enough] - np.nanmedian(windows[enough], axis=1)
    return away


def _odd(away: Floats) -> npt.NDArray[np.bool_]:
    known = away[np.isfinite(away)]
    spread = 1.4826 * float(np.median(np.abs(known))) if len(known) else 0.0
    return np.asarray(np.abs(away) > max(_OUTLIER_M, _SPREADS * spread))


# Against each other ---------------------------------------------------------------------------------------------------


def _jumps(flight: Flight, heights: dict[str, Floats]) -> list[PoseFinding]:
    """A step in what both heights say of the take-off point: one of them was set anew on the way."""
    name = _MSL if np.isfinite(heights[_MSL]).sum() >= np.isfinite(heights[_ELLIPSOID]).sum() else _ELLIPSOID
    implied = heights[name] - heights[_TAKEOFF]
    rows = np.flatnonzero(np.isfinite(implied))
    if len(rows) < _LEAST:
        return []
    off = implied[rows] - np.median(implied[rows])
    spread = 1.4826 * float(np.median(np.abs(off)))
    step = np.diff(implied[rows])
    at = np.flatnonzero(np.abs(step) > max(_JUMP_M, _SPREADS * 1.4826 * float(np.median(np.abs(step)))))
    bad = np.abs(off) > max(_JUMP_M, _SPREADS * spread)
    bad &= _in_a_row(bad) > _NEIGHBOURS
    if not len(at) or not bad.any() or bad.sum() > len(rows) / 2:
        return []
    # The one that jumped is the one with the larger step of its own.
    own = {n: float(np.abs(np.diff(heights[n][rows])[at]).sum()) for n in (_TAKEOFF, name)}
    jumped = max(own, key=lambda n: own[n])
    moved = rows[bad]
    by = -off[bad] if jumped == name else off[bad]
    text = flight.told(
        message(
            "the height {which} steps by {steps} against the height {other}",
            which=_said(jumped),
            steps=tuple(f"{s:+.0f} m" for s in step[at][:4]),
            other=_said(_TAKEOFF if jumped == name else name),
        ),
        moved,
    )
    repair = tuple(round(float(h), 3) for h in heights[jumped][moved] + by)
    return [PoseFinding(HEIGHT_JUMP, flight.hashes(moved), text, {jumped: repair})]


def _in_a_row(bad: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How long the run of equals is that each entry stands in."""
    run = np.cumsum(np.concatenate([[True], bad[1:] != bad[:-1]])) - 1
    return np.asarray(np.bincount(run)[run])


def _two_names(
    flight: Flight, heights: dict[str, Floats], rest: npt.NDArray[np.bool_], geoid_m: float | None
) -> list[PoseFinding]:
    """Both absolute heights of each capture, against the geoid."""
    between = heights[_ELLIPSOID] - heights[_MSL]
    rows = np.flatnonzero(rest & np.isfinite(between))
    if not len(rows):
        return []
    usual = float(np.median(between[rows]))
    if geoid_m is not None and abs(usual - geoid_m) > _GEOID_M:
        text = message(
            "the heights above the ellipsoid are {apart:+.1f} m from those above sea level, and the geoid is"
            " {geoid:+.1f} m there: one of them is not what it is called",
            apart=usual,
            geoid=geoid_m,
        )
    elif geoid_m is None and abs(usual) < _SAME_M:
        text = message(
            "the heights above the ellipsoid and above sea level are the same number: one of them is not what it is"
            " called (no geoid is installed to say which)"
        )
    else:
        return []
    return [PoseFinding(HEIGHT_DATUM, flight.hashes(rows), flight.told(text))]


# Against the ground ---------------------------------------------------------------------------------------------------


def _against_ground(
    flight: Flight,
    heights: dict[str, Floats],
    rest: npt.NDArray[np.bool_],
    terrain: Terrain | None,
    geoid_m: float | None,
) -> list[PoseFinding]:
    if terrain is None:
        return []
    lonlat = np.array([(_number(c.longitude_deg), _number(c.latitude_deg)) for c in flight.captures])
    ground = terrain.heights_m(lonlat)
    name = _ELLIPSOID if terrain.datum is HeightDatum.ELLIPSOID else _MSL
    below = np.flatnonzero(rest & (heights[name] < ground))
    rows = np.flatnonzero(rest & np.isfinite(heights[name] - heights[_TAKEOFF]) & np.isfinite(ground))
    if len(rows):
        relief = float(np.ptp(ground[rows]))
        stands_on = float(ground[rows[0]])
        off = float(np.median((heights[name] - heights[_TAKEOFF])[rows])) - stands_on
        if abs(off) > _OFFSET_M + relief:
            return [_offset(flight, heights, rows, name, stands_on, off, relief, geoid_m)]
    if len(below):
        deepest = float((ground - heights[name])[below].max())
        text = message(
            "by the height {which} the camera is up to {depth:.0f} m below the ground", which=_said(name), depth=deepest
        )
        return [PoseFinding(HEIGHT_OFFSET, flight.hashes(below), flight.told(text, below))]
    return []


def _offset(
    flight: Flight,
    heights: dict[str, Floats],
    rows: npt.NDArray[np.int64],
    name: str,
    stands_on_m: float,
    off_m: float,
    relief_m: float,
    geoid_m: float | None,
) -> PoseFinding:
    """The absolute height of a whole flight is off: by the geoid, which is a mix-up of datums, or by anything."""
    lower = message(
        "the ground at take-off ({ground:.0f} m by the elevation model) and the height above take-off put the camera"
        " {apart:.0f} m lower than the height {which}",
        ground=stands_on_m,
        apart=abs(off_m),
        which=_said(name),
    )
    higher = message(
        "the ground at take-off ({ground:.0f} m by the elevation model) and the height above take-off put the camera"
        " {apart:.0f} m higher than the height {which}",
        ground=stands_on_m,
        apart=abs(off_m),
        which=_said(name),
    )
    told = lower if off_m > 0 else higher
    other = _MSL if name == _ELLIPSOID else _ELLIPSOID
    expected = None if geoid_m is None else (-geoid_m if name == _ELLIPSOID else geoid_m)
    unnamed = ~np.isfinite(heights[other][rows])
    if (
        expected is not None
        and abs(expected) > _LEAST_GEOID_M
        and abs(off_m - expected) < _GEOID_M + relief_m
        and relief_m < _LEAST_GEOID_M
        and unnamed.all()
    ):
        values = tuple(round(float(h), 3) for h in heights[name][rows])
        text = flight.told(
            message(
                "{found}; the geoid is {geoid:+.1f} m there: it is the height {other}",
                found=told,
                geoid=float(geoid_m or 0.0),
                other=_said(other),
            )
        )
        return PoseFinding(HEIGHT_DATUM, flight.hashes(rows), text, {name: (None,) * len(rows), other: values})
    values = tuple(round(stands_on_m + float(h), 3) for h in heights[_TAKEOFF][rows])
    text = flight.told(message("{found}; the ground there varies by {relief:.0f} m", found=told, relief=relief_m))
    return PoseFinding(HEIGHT_OFFSET, flight.hashes(rows), text, {name: values})


def _said(name: str) -> Message:
    return {
        _TAKEOFF: message("above take-off"),
        _MSL: message("above sea level"),
        _ELLIPSOID: message("above the ellipsoid"),
    }[name]


def _column(flight: Flight, name: str) -> Floats:
    return np.array([_number(getattr(c, name)) for c in flight.captures], dtype=np.float64)


def _number(value: float | None) -> float:
    return np.nan if value is None else value
