"""Where QGroundControl lays a survey's lines over a polygon, and the polygon over which it lays given ones.

Source: QGroundControl, SurveyComplexItem.cc (the layout) and QGCGeo.cc (its planes).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyproj

from flightplan.frames import Floats, LocalFrame

Points = Sequence[tuple[float, float]]

_SPARE_M = 2000.0
_SPHERE_M = 6_371_000.0
# Its inverse problem asks nothing to be made for each origin, as a projection does.
_ELLIPSOID = pyproj.Geod(ellps="WGS84")
_STEP = 0.4
"""Of the spacing: how far a step of the outline reaches to either side of its line."""
_REACH, _GRID = 0.08, 85
"""Of the spacing: how far the first and the last step reach outwards at least, and less than a spacing at most."""
_WELL_ENOUGH_M = 0.25
_LEANS = np.array([0.0, *(sign * share for share in (0.5, 1.0, 1.5, 2.0, 3.0) for sign in (1, -1))])
_LEANING = 0.5
"""Of the spacing: how far the first step leans out along the lines, and how far it then reaches outwards at least."""


def relaid_lines(corners: Floats, angle_deg: float, spacing_m: float, entry: int) -> Floats:
    """Return the lines that QGroundControl lays over a polygon of local (east, north) corners, (N, 2 ends, 2).

    After SurveyComplexItem.cc: lines `spacing_m` apart from a start that its bounding box gives, each from its first to
    its last crossing of the outline, flown to and fro from the corner named by `entry`.
    """
    angle = np.radians(angle_deg)
    along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    offsets = _offsets(corners, spacing_m) + _middle(corners) @ across
    a, b = corners, np.roll(corners, -1, axis=0)
    at_a, at_b = a @ across, b @ across
    lines = []
    for offset in offsets:
        crossed = np.flatnonzero((np.minimum(at_a, at_b) <= offset) & (offset <= np.maximum(at_a, at_b)))
        crossed = crossed[at_a[crossed] != at_b[crossed]]
        if len(crossed) < 2:
            continue
        share = (offset - at_a[crossed]) / (at_b[crossed] - at_a[crossed])
        points = a[crossed] + share[:, None] * (b[crossed] - a[crossed])
        distances = points @ along
        ends = sorted((int(distances.argmin()), int(distances.argmax())))
        if np.ptp(distances) > 1e-6:
            lines.append(points[ends])
    laid = np.array(lines).reshape(-1, 2, 2)
    if len(laid) == 0:
        return laid
    first = (laid[0, 1] - laid[0, 0]) @ along
    backwards = ((laid[:, 1] - laid[:, 0]) @ along) * first < 0
    laid[backwards] = laid[backwards, ::-1]
    if entry in (2, 3):
        laid = laid[:, ::-1]
    if entry in (1, 3):
        laid = laid[::-1]
    laid = laid.copy()
    laid[1::2] = laid[1::2, ::-1]
    return laid


def relaid_miss_m(corners: Points, ends: Points, angle_deg: float, spacing_m: float, entry: int) -> float:
    """Return how far QGroundControl's own line ends would lie from `ends` at most; infinite for other lines.

    `corners` and `ends` are (longitude, latitude); two ends a line, in the order flown.

    Reckoned on the ellipsoid, as its newest versions do, and on the sphere of all before: the worse of both.
    """
    worst_m = 0.0
    for plane in (_ellipsoidal, _spherical):
        laid = relaid_lines(plane(corners, corners), angle_deg, spacing_m, entry)
        wanted = plane(corners, ends).reshape(-1, 2, 2)
        if laid.shape != wanted.shape:
            return float("inf")
        worst_m = max(worst_m, float(np.hypot(*(laid - wanted).reshape(-1, 2).T).max()))
    return worst_m


def outline(local: Floats, angle: float, spacing_m: float, frame: LocalFrame) -> Floats:
    """Return a polygon of steps, one a line, over which QGroundControl lays lines where these are.

    Where its lines begin follows from the polygon's bounding box alone, so how far the first and the last step reach
    outwards decides it: tried on a grid. Where that is not enough, the outer part of the first step, which no line
    crosses, also leans out along the lines. A line a little aside of ours still is as long as ours.
    """
    across, along = np.array([np.cos(angle), -np.sin(angle)]), np.array([np.sin(angle), np.cos(angle)])
    position = local.mean(axis=1) @ across
    order = np.argsort(position)
    at, reach = position[order], np.sort(local[order] @ along, axis=1)
    steps = np.stack([at - _STEP * spacing_m, at + _STEP * spacing_m], axis=1)

    def drawn(offsets: Floats, alongs: Floats) -> Floats:
        return np.asarray(offsets[..., None] * across + alongs[..., None] * along)

    # Stretched as the mean of ellipsoid and sphere, so that both miss equally.
    stretch = 1 + (_spherical_stretch(frame) - 1) / 2
    shares = np.linspace(_REACH, 1 - _REACH, _GRID) * spacing_m
    heads, tails = (a.ravel() for a in np.meshgrid(shares, shares))
    unlike_half = 1e-3 * (np.abs(heads - spacing_m / 2) + np.abs(tails - spacing_m / 2))
    inner = drawn(np.repeat(steps.ravel()[1:-1], 2), np.repeat(reach, 2, axis=0)[1:-1].ravel())
    last = drawn((at[-1] + tails)[:, None], reach[-1])
    best = (np.inf, 0.0, 0.0, 0.0)
    for lean_m in _LEANS * spacing_m:
        first = drawn((at[0] - heads)[:, None], reach[0] + (min(lean_m, 0.0), max(lean_m, 0.0)))
        outer = np.concatenate([first, last], axis=1)
        least = np.minimum(inner.min(axis=0), outer.min(axis=1)) * stretch
        most = np.maximum(inner.max(axis=0), outer.max(axis=1)) * stretch
        begin = (least + most) / 2 @ across - ((most - least).max(axis=1) + _SPARE_M) / 2
        offset = at[0] * (stretch @ across**2)
        miss_m = np.abs((offset - begin + spacing_m / 2) % spacing_m - spacing_m / 2).clip(_WELL_ENOUGH_M)
        # Of those that do well enough, the one that reaches most like half a spacing.
        cost = miss_m + unlike_half + np.where((lean_m != 0) & (heads < _LEANING * spacing_m), np.inf, 0.0)
        found = int(cost.argmin())
        if miss_m[found] < best[0]:
            best = (float(miss_m[found]), float(heads[found]), float(tails[found]), float(lean_m))
        if best[0] <= _WELL_ENOUGH_M:
            break
    _, head_m, tail_m, lean_m = best
    offsets, ends = np.repeat(at, 2), np.repeat(reach, 2, axis=0)
    offsets[::2], offsets[1::2] = steps[:, 0], steps[:, 1]
    offsets[-1] = at[-1] + tail_m
    outermost = reach[0] + (min(lean_m, 0.0), max(lean_m, 0.0))
    if lean_m:
        offsets, ends = np.append(at[0] - head_m, offsets), np.vstack([outermost, ends])
    else:
        offsets[0] = at[0] - head_m
    return drawn(np.append(offsets, offsets[::-1]), np.append(ends[:, 1], ends[::-1, 0]))


def _ellipsoidal(corners: Points, points: Points) -> Floats:
    """Return points in the plane that touches the ground at the first corner, where `LocalFrame` puts them."""
    lon, lat = np.asarray(points, dtype=np.float64).T
    azimuth, _, distance = _ELLIPSOID.inv(np.full(len(lon), corners[0][0]), np.full(len(lon), corners[0][1]), lon, lat)
    return np.column_stack([distance * np.sin(np.radians(azimuth)), distance * np.cos(np.radians(azimuth))])


def _spherical(corners: Points, points: Points) -> Floats:
    """Return the same on a sphere, by the azimuthal equidistant projection (Snyder 1987, p. 195)."""
    lon, lat = np.radians(np.asarray(points)).T
    lon0, lat0 = np.radians(corners[0])
    cosine = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon - lon0)
    arc = np.arccos(np.clip(cosine, -1.0, 1.0))
    scale = _SPHERE_M * np.divide(arc, np.sin(arc), out=np.ones_like(arc), where=arc > 0)
    north = np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon - lon0)
    return np.column_stack([scale * np.cos(lat) * np.sin(lon - lon0), scale * north])


def _spherical_stretch(frame: LocalFrame) -> Floats:
    """Return how much longer QGroundControl's sphere takes a metre to be, east and north."""
    origin = (frame.longitude_deg, frame.latitude_deg)
    points = frame.to_lonlat(np.array([(1000.0, 0.0), (0.0, 1000.0)]))
    return np.diag(_spherical([origin], [(float(lon), float(lat)) for lon, lat in points])) / 1000.0


def _offsets(corners: Floats, spacing_m: float) -> Floats:
    width_m = float(np.ptp(corners, axis=0).max()) + _SPARE_M
    return np.arange(0.0, width_m, spacing_m) - width_m / 2


def _middle(corners: Floats) -> Floats:
    return np.asarray((corners.min(axis=0) + corners.max(axis=0)) / 2)
