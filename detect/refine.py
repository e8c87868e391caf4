"""Poses refined from the pictures themselves: where two of them overlap, the ground must be the same.

Optional, and it has to prove its gain: a fifth of the matches is kept out of the adjustment, and unless they agree
better after it than before, the poses stay as they were read. Headings off by half or quarter turns are put right
first. Everything is recorded as `PoseFinding`s, which is how the census takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from detect.bundle import Adjusted, adjust
from detect.captures import Capture
from detect.engine import processors
from detect.findings import PoseFinding, Repair, repaired
from detect.images import Pixels, decode
from detect.keypoints import Keypoints, find_keypoints, ground_cell_m
from detect.matching import LEAST_MATCHES, Matches, match, neighbours
from detect.placed_flight import PlacedFlight
from detect.pose_errors import packed
from detect.refine_findings import height_findings, is_off, scale_findings, turn_findings, wrapped
from detect.stations import Station, above_ground_m, gaps_m
from detect.turns import GroundScale, Links, find_turns, ground_scale
from flightplan.errors import OverflyError, Skip
from flightplan.frames import Floats
from flightplan.terrain import Terrain

REFINED = "pose-refined"
"""Poses adjusted so that overlapping pictures agree."""

_HELD_OUT = 5
_KEYPOINT_CELLS = 0.7
_HEIGHTS = ("altitude_takeoff_m", "altitude_msl_m", "altitude_ellipsoid_m")

POSE_FIELDS = frozenset(
    {"longitude_deg", "latitude_deg", "yaw_deg", "pitch_deg", "roll_deg", "pose_covariance", *_HEIGHTS}
)
"""Fields of a capture that a refinement repairs."""

Read = Callable[[Path], Pixels]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Refinement:
    """Captures of a flight after their pictures were compared, in the order given, and what says that they are better.

    `repaired` have their headings put right, `captures` are refined as well. `before_m`, `repaired_m` and `after_m` are
    how far apart the two places of a ground point lie (median), over matches that the adjustment never saw; None
    without any. `turned` are indices of captures whose yaw the pictures contradict. `applied` is False when nothing was
    gained: then `captures` are `repaired`. `scale` is the size of the ground shown against heights as read.
    `findings` say all of this; `repairs` lead from the captures as read to `captures`, the last one of a field holding.
    `between` are covariances (6, 6) of one refined pose with another, by content hashes, where the two were matched.
    """

    captures: tuple[Capture, ...]
    repaired: tuple[Capture, ...]
    matches: int
    before_m: float | None
    repaired_m: float | None
    after_m: float | None
    turned: tuple[int, ...]
    applied: bool
    scale: GroundScale | None = None
    findings: tuple[PoseFinding, ...] = ()
    repairs: tuple[Repair, ...] = ()
    skipped: tuple[Skip, ...] = ()
    between: Mapping[tuple[str, str], Floats] = field(default_factory=dict)


def refine(
    captures: Sequence[Capture],
    *,
    terrain: Terrain | None = None,
    takeoff: tuple[float, float] | None = None,
    ground_msl_m: float | None = None,
    read: Read = decode,
    progress: Progress | None = None,
) -> Refinement:
    """Refine position and attitude of overlapping captures of one flight.

    Pictures are read once and one after the other, and only their keypoints are kept: 0.2 MB for each.
    Captures that cannot be placed or read are skipped and come back as they are. `read` gives a capture's pixels.
    """
    flight = PlacedFlight.of(captures, terrain, takeoff, ground_msl_m)
    keypoints, unread = _keypoints(flight, read, progress)
    flight = flight.without(unread)
    nothing = Refinement(
        tuple(captures), tuple(captures), 0, None, None, None, (), False, skipped=(*flight.skipped, *unread.values())
    )
    if len(flight.used) < 2:
        return nothing
    widths = flight.widths_m
    matches = match([keypoints[n] for n in flight.used], neighbours(flight.positions_m, 0.75 * widths), widths)
    if len(matches) < LEAST_MATCHES:
        return replace(nothing, matches=len(matches))
    return _judged(captures, flight, matches, nothing)


def _keypoints(
    flight: PlacedFlight, read: Read, progress: Progress | None
) -> tuple[dict[int, Keypoints], dict[int, Skip]]:
    """Keypoints by index of the capture; pictures that cannot be read, by index."""
    cells = [
        ground_cell_m(s.camera, float(s.pose.pitch_deg), float(s.pose.roll_deg), above_ground_m(s))
        for s in flight.stations
    ]
    cell_m = float(np.nanmedian(cells)) if np.isfinite(cells).any() else 1.0

    def look(n: int) -> Keypoints | Skip:
        station = flight.stations[n]
        try:
            pixels = read(flight.paths[n])
        except OverflyError as error:
            return Skip(str(flight.paths[n]), str(error))
        pose = station.pose
        return find_keypoints(
            pixels, station.camera, float(pose.pitch_deg), float(pose.roll_deg), above_ground_m(station), cell_m
        )

    found: dict[int, Keypoints] = {}
    unread: dict[int, Skip] = {}
    total = len(flight.used)
    with ThreadPoolExecutor(processors()) as pool:
        for batch in _batched(range(total), 2 * processors()):
            for n, result in zip(batch, pool.map(look, batch), strict=True):
                if isinstance(result, Skip):
                    unread[flight.used[n]] = result
                else:
                    found[flight.used[n]] = result
            if progress is not None:
                progress(batch[-1] + 1, total)
    return found, unread


def _batched(items: Sequence[int], size: int) -> Iterator[list[int]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _judged(captures: Sequence[Capture], flight: PlacedFlight, matches: Matches, nothing: Refinement) -> Refinement:
    """Put headings right, adjust, and keep what matches that were held out say is better."""
    read, frame, match_m = flight.stations, flight.frame, _match_m(flight)
    held = np.arange(len(matches)) % _HELD_OUT == _HELD_OUT - 1
    links = Links.of(matches, flight.yaw_deg)
    quarters = find_turns(links, flight.positions_m, flight.yaw_deg, flight.widths_m)
    start = [_turned(station, int(q)) for station, q in zip(read, quarters, strict=True)]
    scale = _scale(flight, matches, start)
    findings = [*turn_findings(captures, flight, quarters), *scale_findings(captures, flight, scale)]
    trusted = [_loosened(s, scale) for s in start]
    before, put_right = (float(np.median(gaps_m(s, matches.rows(held), frame))) for s in (read, start))
    fixed, turns = repaired(captures, findings)
    turned = tuple(flight.used[n] for n in np.flatnonzero(quarters))
    result = replace(
        nothing,
        captures=fixed,
        repaired=fixed,
        matches=len(matches),
        before_m=before,
        repaired_m=put_right,
        turned=turned,
        scale=scale,
        findings=tuple(findings),
        repairs=turns,
    )
    try:
        trial = adjust(trusted, matches.rows(~held), frame, match_m=match_m)
        after = float(np.median(gaps_m(trial.stations, matches.rows(held), frame)))
        result = replace(result, after_m=after)
        if not after < put_right:
            return result
        whole = adjust(trusted, matches, frame, match_m=match_m)
    except (OverflyError, np.linalg.LinAlgError, RuntimeError) as error:
        # Matches that contradict each other can drive an adjustment off the Earth: that proves nothing.
        lost = Skip(str(flight.paths[0].parent), f"the poses of its pictures cannot be adjusted ({error})")
        return replace(result, skipped=(*result.skipped, lost))
    text = (
        f"Overlapping pictures put the same ground {put_right:.2f} m apart (median); with position and attitude of "
        f"{len(flight.used)} captures adjusted to {len(matches)} matches it is {after:.2f} m, over matches kept out"
    )
    findings += height_findings(captures, flight, trusted, whole)
    moved = PoseFinding(
        REFINED,
        tuple(captures[n].content_hash for n in flight.used),
        text,
        _repairs([captures[n] for n in flight.used], read, whole),
        is_proved=True,
    )
    final, moves = repaired(fixed, [moved])
    names = [captures[n].content_hash for n in flight.used]
    between = {(names[a], names[b]): joint for (a, b), joint in whole.between.items()}
    return replace(
        result,
        captures=final,
        applied=True,
        findings=(*findings, moved),
        repairs=(*result.repairs, *moves),
        between=between,
    )


def _match_m(flight: PlacedFlight) -> float:
    cells = [
        ground_cell_m(s.camera, float(s.pose.pitch_deg), float(s.pose.roll_deg), above_ground_m(s))
        for s in flight.stations
    ]
    return _KEYPOINT_CELLS * float(np.nanmedian(cells))


def _turned(station: Station, quarters: int) -> Station:
    if not quarters:
        return station
    pose = replace(station.pose, yaw_deg=float(station.pose.yaw_deg) + 90.0 * quarters)
    return replace(station, pose=pose)


def _scale(flight: PlacedFlight, matches: Matches, start: Sequence[Station]) -> GroundScale | None:
    yaw = np.array([float(s.pose.yaw_deg) for s in start])
    error_m = float(np.median([s.errors.horizontal_m for s in start]))
    return ground_scale(Links.of(matches, yaw), flight.positions_m, yaw, flight.widths_m, error_m)


def _loosened(station: Station, scale: GroundScale | None) -> Station:
    """The station, with its height trusted no more than the size of the ground allows."""
    if scale is None or not is_off(scale):
        return station
    off_m = abs(scale.ratio - 1) * above_ground_m(station)
    errors = replace(station.errors, height_common_m=float(np.hypot(station.errors.height_common_m, off_m)))
    return replace(station, errors=errors)


def _repairs(captures: Sequence[Capture], read: Sequence[Station], found: Adjusted) -> dict[str, tuple[Any, ...]]:
    poses = [station.pose for station in found.stations]
    repairs: dict[str, tuple[Any, ...]] = {
        name: tuple(float(getattr(pose, name)) for pose in poses)
        for name in ("longitude_deg", "latitude_deg", "pitch_deg")
    }
    for name in ("yaw_deg", "roll_deg"):
        repairs[name] = tuple(wrapped(float(getattr(pose, name))) for pose in poses)
    rises = [float(new.pose.height_m) - float(old.pose.height_m) for new, old in zip(found.stations, read, strict=True)]
    for name in _HEIGHTS:
        values = [getattr(capture, name) for capture in captures]
        if any(value is not None for value in values):
            repairs[name] = tuple(None if v is None else v + rise for v, rise in zip(values, rises, strict=True))
    repairs["pose_covariance"] = tuple(
        packed(common, own, found.noise * station.errors.terrain_m)
        for common, own, station in zip(found.common, found.own, read, strict=True)
    )
    return repairs
