"""Poses refined from the pictures themselves: where two of them overlap, the ground must be the same.

Optional, and it has to prove its gain: a fifth of the matches is kept out of the adjustment, and unless they agree
better after it than before, the poses stay as they were read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, diags_array, vstack
from scipy.sparse.linalg import lsqr

from detect.captures import Capture
from detect.georef import Pose, PoseErrors, Standpoint, place, pose_of
from detect.images import decode
from detect.matching import Matches, View, match, neighbours, prepared
from flightplan.errors import OverflyError, Skip
from flightplan.frames import Floats, LocalFrame
from flightplan.terrain import Terrain

_ROUNDS, _STEPS = 2, 6
_MATCH_M_PER_M = 0.002
"""A match is good to about a laid-out pixel: a five-hundredth of the picture's width."""

_HELD_OUT = 5
_LEAST_MATCHES = 10
_FLIP_PATCHES, _FLIP_LEAD = 9, 3


@dataclass(frozen=True)
class Refinement:
    """Captures with refined poses, in the order given, and what says that they are better.

    `before_m` and `after_m` are how far apart the two places of a ground point lie (median), over matches that the
    adjustment never saw; None without any. `turned` are indices of captures whose yaw the pictures contradict by 180°,
    and which were turned. `applied` is False when nothing was gained: then the captures are those given.
    """

    captures: tuple[Capture, ...]
    matches: int
    before_m: float | None
    after_m: float | None
    turned: tuple[int, ...]
    applied: bool
    skipped: tuple[Skip, ...] = ()


def refine(
    captures: Sequence[Capture],
    *,
    terrain: Terrain | None = None,
    takeoff: tuple[float, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Refinement:
    """Refine position, yaw and height of overlapping captures of one flight.

    Each capture gets a shift, a turn and a scale of its height, held to what was read by `PoseErrors`; matches are
    weighted so that wrong ones do not pull (iteratively reweighted least squares, Cauchy). Captures that cannot be
    placed are skipped and come back as they are.
    """
    stands, views, skipped = _views(captures, terrain, takeoff)
    if len(views) < 2:
        return Refinement(tuple(captures), 0, None, None, (), False, tuple(skipped))
    used = sorted(views)
    first = stands[used[0]].pose
    frame = LocalFrame(float(first.longitude_deg), float(first.latitude_deg))
    read = [views[i] for i in used]
    flipped = _flips(read, frame)
    start = [view.turned_half() if flip else view for view, flip in zip(read, flipped, strict=True)]
    sigmas = np.array([_sigmas(captures[i], views[i]) for i in used])
    current, found = start, Matches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2, 2)))
    for _ in range(_ROUNDS):
        found = match(current, neighbours(current, frame), frame, progress=progress)
        if len(found) < _LEAST_MATCHES:
            break
        current = _adjusted(start, found, sigmas, frame)
    held = np.arange(len(found)) % _HELD_OUT == _HELD_OUT - 1
    if len(found) < _LEAST_MATCHES:
        return Refinement(tuple(captures), len(found), None, None, (), False, tuple(skipped))
    trial = _adjusted(start, found.rows(~held), sigmas, frame)
    before = float(np.median(_apart(read, found.rows(held), frame)))
    after = float(np.median(_apart(trial, found.rows(held), frame)))
    turned = tuple(used[n] for n in np.flatnonzero(flipped))
    if not after < before:
        return Refinement(tuple(captures), len(found), before, after, (), False, tuple(skipped))
    refined = list(captures)
    for index, old, new in zip(used, read, current, strict=True):
        refined[index] = _corrected(captures[index], old.pose, new.pose, index in turned)
    return Refinement(tuple(refined), len(found), before, after, turned, True, tuple(skipped))


def _views(
    captures: Sequence[Capture], terrain: Terrain | None, takeoff: tuple[float, float] | None
) -> tuple[dict[int, Standpoint], dict[int, View], list[Skip]]:
    stands: dict[int, Standpoint] = {}
    views: dict[int, View] = {}
    skipped: list[Skip] = []
    for index, capture in enumerate(captures):
        try:
            if capture.camera is None:
                skipped.append(Skip(str(capture.path), "its camera is unknown"))
                continue
            stand = pose_of(capture, terrain=terrain, takeoff=takeoff)
            grey = prepared(decode(capture.path))
            stands[index], views[index] = stand, View(grey, capture.camera, stand.pose, stand.terrain)
        except OverflyError as error:
            skipped.append(Skip(str(capture.path), str(error)))
    return stands, views, skipped


def _flips(views: list[View], frame: LocalFrame) -> npt.NDArray[np.bool_]:
    """Which views match their neighbours only when turned by 180°: none is turned without a clear lead of matches."""
    count = len(views)
    doubled = [*views, *(view.turned_half() for view in views)]
    pairs = [(a, b) for a, b in neighbours(views, frame, most=6)]
    every = [(a + i * count, b + j * count) for a, b in pairs for i in (0, 1) for j in (0, 1)]
    found = match(doubled, every, frame, patches=_FLIP_PATCHES)
    votes: dict[tuple[int, int], npt.NDArray[np.int64]] = {pair: np.zeros((2, 2), dtype=np.int64) for pair in pairs}
    for a, b in zip(found.first, found.second, strict=True):
        votes[int(a % count), int(b % count)][a // count, b // count] += 1
    state = np.zeros(count, dtype=np.int64)
    for _ in range(2 * count):
        gains = np.zeros(count, dtype=np.int64)
        for (a, b), vote in votes.items():
            now = vote[state[a], state[b]]
            gains[a] += vote[1 - state[a], state[b]] - now
            gains[b] += vote[state[a], 1 - state[b]] - now
        best = int(gains.argmax())
        if gains[best] < _FLIP_LEAD:
            break
        state[best] = 1 - state[best]
    return state.astype(bool)


def _sigmas(capture: Capture, view: View) -> Floats:
    """Prior standard deviations of shift east and north (m), turn (rad) and relative height."""
    errors = PoseErrors.of(capture)
    height_m = _above_ground_m(view)
    tilt = np.radians(np.hypot(errors.tilt_common_deg, errors.tilt_deg))
    shift = np.sqrt(errors.horizontal_common_m**2 + errors.horizontal_m**2 + (height_m * tilt) ** 2)
    turn = np.radians(np.hypot(errors.yaw_common_deg, errors.yaw_deg))
    vertical = np.sqrt(errors.height_common_m**2 + errors.height_m**2 + errors.terrain_m**2)
    return np.array([shift, shift, turn, vertical / height_m])


def _above_ground_m(view: View) -> float:
    ground = view.terrain.heights_m([[float(view.pose.longitude_deg), float(view.pose.latitude_deg)]])[0]
    return max(1.0, float(view.pose.height_m) - (float(ground) if np.isfinite(ground) else 0.0))


def _places(views: list[View], index: npt.NDArray[np.int64], pixels: Floats, frame: LocalFrame) -> Floats:
    """Ground points (N, 2) in the frame of pixels, each of its view."""
    local = np.full((len(index), 2), np.nan)
    for n in np.unique(index):
        mine, view = index == n, views[n]
        placed = place(view.camera, view.pose, pixels[mine], view.terrain)
        local[mine] = frame.to_local(placed.lonlat)
    return local


def _apart(views: list[View], found: Matches, frame: LocalFrame) -> Floats:
    ends = [_places(views, i, found.pixels[:, n], frame) for n, i in enumerate((found.first, found.second))]
    apart = np.hypot(*(ends[0] - ends[1]).T)
    return np.asarray(np.where(np.isfinite(apart), apart, np.inf))


def _adjusted(start: list[View], found: Matches, sigmas: Floats, frame: LocalFrame) -> list[View]:
    """Gauss–Newton on four numbers a view; a turn and a scale about the point under the camera."""
    count, change, views = len(start), np.zeros((len(start), 4)), start
    width_m = np.median([_above_ground_m(v) * v.camera.image_width_px / v.camera.focal_length_px for v in start])
    sigma_m = float(_MATCH_M_PER_M * width_m)
    for _ in range(_STEPS):
        sides = []
        for n, index in enumerate((found.first, found.second)):
            places = _places(views, index, found.pixels[:, n], frame)
            under = frame.to_local(
                [[float(views[i].pose.longitude_deg), float(views[i].pose.latitude_deg)] for i in index]
            )
            sides.append((index, places, places - under))
        gap = sides[0][1] - sides[1][1]
        good = np.asarray(np.isfinite(gap).all(axis=1))
        weight = 1 / np.sqrt(1 + (np.hypot(*gap[good].T) / (3 * sigma_m)) ** 2) / sigma_m
        rows, columns, values = _derivatives(sides, good)
        matrix = coo_array((values * np.repeat(weight, 16), (rows, columns)), shape=(2 * good.sum(), 4 * count))
        prior = diags_array(1 / sigmas.ravel())
        wanted = np.concatenate([-(gap[good] * weight[:, None]).ravel(), -change.ravel() / sigmas.ravel()])
        change = change + lsqr(vstack([matrix, prior]).tocsr(), wanted, atol=1e-10, btol=1e-10)[0].reshape(-1, 4)
        views = [_moved(view, delta, frame) for view, delta in zip(start, change, strict=True)]
    return views


def _derivatives(
    sides: list[tuple[npt.NDArray[np.int64], Floats, Floats]], good: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Of the gap's east and north by both views' shift east, shift north, turn clockwise, scale: 16 entries a match."""
    n = int(good.sum())
    rows = np.repeat(np.arange(2 * n).reshape(n, 2), 8, axis=1)
    columns, values = np.empty((n, 2, 8), dtype=np.int64), np.zeros((n, 2, 8))
    for side, (index, _, arm) in enumerate(sides):
        sign, at = (1.0, -1.0)[side], 4 * side
        columns[:, :, at : at + 4] = (4 * index[good])[:, None, None] + np.arange(4)
        values[:, 0, at], values[:, 1, at + 1] = sign, sign
        values[:, 0, at + 2], values[:, 1, at + 2] = sign * arm[good, 1], -sign * arm[good, 0]
        values[:, :, at + 3] = sign * arm[good]
    return rows.ravel(), columns.ravel(), values.ravel()


def _moved(view: View, change: Floats, frame: LocalFrame) -> View:
    east, north, turn, scale = (float(v) for v in change)
    pose = view.pose
    here = frame.to_local([[float(pose.longitude_deg), float(pose.latitude_deg)]])
    longitude, latitude = (float(v) for v in frame.to_lonlat(here + np.array([east, north]))[0])
    moved = Pose(
        longitude,
        latitude,
        float(pose.height_m) + scale * _above_ground_m(view),
        float(pose.yaw_deg) + float(np.degrees(turn)),
        pose.pitch_deg,
        pose.roll_deg,
    )
    return replace(view, pose=moved)


def _corrected(capture: Capture, old: Pose, new: Pose, turned: bool) -> Capture:
    rise_m = float(new.height_m) - float(old.height_m)
    names = ("altitude_takeoff_m", "altitude_msl_m", "altitude_ellipsoid_m")
    heights: dict[str, Any] = {n: getattr(capture, n) + rise_m for n in names if getattr(capture, n) is not None}
    changed = ("longitude_deg", "latitude_deg", "yaw_deg", *heights)
    sources = {name: f"{capture.sources.get(name, 'unknown')}, refined from overlapping pictures" for name in changed}
    note = ("the pictures contradict the yaw by 180°: turned",) if turned else ()
    return replace(
        capture,
        longitude_deg=float(new.longitude_deg),
        latitude_deg=float(new.latitude_deg),
        yaw_deg=(float(new.yaw_deg) + 180.0) % 360.0 - 180.0,
        sources={**capture.sources, **sources},
        findings=(*capture.findings, *note),
        **heights,
    )
