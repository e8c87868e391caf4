"""From pixels to the ground and back, with the covariance of each point.

Angles and pixels follow `flightplan.camera`. A pose's height and the terrain's heights are measured from the same
datum; which one does not matter to the geometry (both count as ellipsoidal), but `pose_of` sees to it that they agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon

from detect.captures import Capture
from detect.pose_errors import PoseErrors as PoseErrors
from detect.raycast import Placement, cast
from flightplan.camera import Camera, rotation
from flightplan.ellipsoid import horizon_axes, to_geocentric, to_geodetic
from flightplan.errors import GeoreferenceError, TerrainError
from flightplan.frames import Floats, HeightDatum
from flightplan.geoid import geoid_height_m
from flightplan.terrain import Terrain

_EDGE_POINTS = 8
_BLOCK = 100_000


@dataclass(frozen=True)
class Pose:
    """Where a camera was and how it looked, for one capture, or (N,) arrays with one row per pixel."""

    longitude_deg: float | Floats
    latitude_deg: float | Floats
    height_m: float | Floats
    yaw_deg: float | Floats
    pitch_deg: float | Floats
    roll_deg: float | Floats = 0.0


@dataclass(frozen=True)
class Placed:
    """Pixels on the ground.

    `lonlat` is (N, 2); `height_m` (N,) the ground's height there; `covariance_m2` (N, 2, 2) of east and north, all
    errors together; `common_m2` (N, 2, 2) the part of it that is common to the sortie; `status` (N,) of `Placement`.
    A pixel that is not on the ground is NaN throughout.
    """

    lonlat: Floats
    height_m: Floats
    covariance_m2: Floats
    common_m2: Floats
    status: npt.NDArray[np.int8]

    @property
    def on_ground(self) -> npt.NDArray[np.bool_]:
        """Which pixels were placed, (N,)."""
        return np.asarray(self.status == Placement.GROUND)


def place(
    camera: Camera, pose: Pose, pixels: npt.ArrayLike, terrain: Terrain, errors: PoseErrors | None = None
) -> Placed:
    """Place pixels (N, 2) of one capture, or of many with a pose row for each, on the ground.

    The covariance is first-order: the ray is moved by each error and met with the plane that touches the ground where
    the ray does. Raises GeoreferenceError when the pose is not finite.
    """
    points = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    sight = _Sight.of(camera, pose, points)
    blocks = [slice(first, first + _BLOCK) for first in range(0, max(len(points), 1), _BLOCK)]
    parts = [_place(sight.rows(block), terrain, errors or PoseErrors()) for block in blocks]
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Placed(*(np.concatenate(column) for column in columns))


def _place(sight: _Sight, terrain: Terrain, errors: PoseErrors) -> Placed:
    distance, status = cast(sight.origin, sight.direction, terrain)
    lonlat, height = to_geodetic(sight.origin + distance[:, None] * sight.direction)
    jacobian = _jacobian(sight, distance, lonlat, terrain)
    turned = jacobian.swapaxes(1, 2)
    common = jacobian @ errors.common() @ turned
    independent = jacobian @ errors.independent() @ turned
    return Placed(lonlat, height, common + independent, common, status)


def place_with_derivatives(
    camera: Camera, pose: Pose, pixels: npt.ArrayLike, terrain: Terrain
) -> tuple[Floats, Floats]:
    """Place pixels and say how each place moves: degrees (N, 2), and (N, 2, 9) of its east and north in metres.

    The nine are the errors of `detect.pose_errors`, in its order. NaN where a pixel is not on the ground.
    """
    sight = _Sight.of(camera, pose, np.asarray(pixels, dtype=np.float64).reshape(-1, 2))
    distance, _ = cast(sight.origin, sight.direction, terrain)
    lonlat, _ = to_geodetic(sight.origin + distance[:, None] * sight.direction)
    return lonlat, _jacobian(sight, distance, lonlat, terrain)


def ground_to_pixel(camera: Camera, pose: Pose, lonlat: npt.ArrayLike, height_m: npt.ArrayLike) -> Floats:
    """Pixels (N, 2) of ground points: degrees (N, 2) and heights (N,) from the pose's datum. NaN behind the camera.

    The inverse of `place`, except that ground between the camera and the point does not hide it.
    """
    points = np.atleast_2d(np.asarray(lonlat, dtype=np.float64))
    position, axes, turned = _stand(pose, len(points))
    offset = to_geocentric(points, np.broadcast_to(np.asarray(height_m, dtype=np.float64), (len(points),))) - position
    local = np.einsum("nij,ni->nj", axes, offset)
    return camera.project(np.einsum("nij,ni->nj", turned, local))


def footprint(camera: Camera, pose: Pose, terrain: Terrain) -> Polygon:
    """Return the outline of one capture on the ground, in degrees, longitude first.

    Across the antimeridian longitudes go on beyond 180°. Raises GeoreferenceError when part of the outline is not on
    the ground.
    """
    outline = _outline_px(camera)
    placed = place(camera, pose, outline, terrain)
    if not placed.on_ground.all():
        worst = Placement(int(placed.status[~placed.on_ground][0]))
        raise GeoreferenceError(f"the edge of the picture is not on the ground: {worst.reason}")
    longitude = float(np.ravel(pose.longitude_deg)[0])
    lonlat = placed.lonlat.copy()
    lonlat[:, 0] = longitude + (lonlat[:, 0] - longitude + 180) % 360 - 180
    polygon = Polygon(lonlat)
    if not polygon.is_valid:
        polygon = shapely.make_valid(polygon)
        if polygon.geom_type != "Polygon":
            polygon = max(shapely.get_parts(polygon), key=lambda part: part.area)
    return polygon


@dataclass(frozen=True)
class Standpoint:
    """A capture's pose, the ground to place it on with heights from the same datum, and where the height came from."""

    pose: Pose
    terrain: Terrain
    height_source: str


OVER_MODEL = "over an elevation model"
"""How the words end that say which height of a capture was used, where its ground was not taken as level."""


def pose_of(
    capture: Capture,
    *,
    terrain: Terrain | None = None,
    takeoff: tuple[float, float] | None = None,
    ground_msl_m: float | None = None,
) -> Standpoint:
    """Decide which of a capture's heights to stand on.

    Without an elevation model the ground is a plane: that of the take-off point, which the height above take-off is
    measured from; or, where that height is unknown, the one at `ground_msl_m` under the height above sea level. With
    one, the camera stands on the model's height at `takeoff` (longitude, latitude) plus the height above take-off; only
    without those is the absolute height used, because it is the one that can be 25 m off; through the geoid, where it
    is not measured from the model's own datum. Raises GeoreferenceError when
    position, attitude or every usable height is unknown.
    """
    where = str(capture.path)
    for field in ("longitude_deg", "latitude_deg", "yaw_deg", "pitch_deg", "roll_deg"):
        if getattr(capture, field) is None:
            reason = capture.unknown.get(field, "no reason given")
            raise GeoreferenceError(f"its {_WORDS[field]} is unknown ({reason})", where=where)
    ground, height_m, source = _stand_on(capture, terrain, takeoff, ground_msl_m)
    assert capture.longitude_deg is not None
    assert capture.latitude_deg is not None
    assert capture.yaw_deg is not None
    assert capture.pitch_deg is not None
    assert capture.roll_deg is not None
    pose = Pose(
        capture.longitude_deg,
        capture.latitude_deg,
        height_m,
        capture.yaw_deg,
        capture.pitch_deg,
        capture.roll_deg,
    )
    return Standpoint(pose, ground, source)


_WORDS = {
    "longitude_deg": "longitude",
    "latitude_deg": "latitude",
    "yaw_deg": "yaw",
    "pitch_deg": "pitch",
    "roll_deg": "roll",
}


def _stand_on(
    capture: Capture, terrain: Terrain | None, takeoff: tuple[float, float] | None, ground_msl_m: float | None
) -> tuple[Terrain, float, str]:
    where, above_takeoff, msl = str(capture.path), capture.altitude_takeoff_m, capture.altitude_msl_m
    if terrain is None:
        if above_takeoff is not None:
            return Terrain.flat(0.0, HeightDatum.TAKEOFF), above_takeoff, "height above take-off, over level ground"
        if msl is not None and ground_msl_m is not None:
            ground = Terrain.flat(ground_msl_m, HeightDatum.MEAN_SEA_LEVEL)
            return ground, msl, "height above sea level, over level ground"
        raise GeoreferenceError(
            f"its height above the ground is unknown ({capture.unknown.get('altitude_takeoff_m', 'no reason given')})",
            where=where,
            hint="Give an elevation model, or the ground's height above sea level",
        )
    if above_takeoff is not None and takeoff is not None:
        ground_m = float(terrain.heights_m([takeoff])[0])
        if not np.isfinite(ground_m):
            raise GeoreferenceError("the elevation model is void at the take-off point", where=where)
        return terrain, ground_m + above_takeoff, f"terrain at take-off plus height above take-off, {OVER_MODEL}"
    if terrain.datum is HeightDatum.ELLIPSOID:
        known, other, datum, sign = capture.altitude_ellipsoid_m, msl, "the ellipsoid", 1.0
    else:
        known, other, datum, sign = msl, capture.altitude_ellipsoid_m, "sea level", -1.0
    if known is not None:
        return terrain, known, f"height above {datum}, {OVER_MODEL}"
    if other is not None:
        return terrain, other + sign * _geoid_m(capture), f"height above {datum}, through the geoid, {OVER_MODEL}"
    raise GeoreferenceError(
        f"its height above {datum}, which the elevation model's heights are measured from, is unknown",
        where=where,
        hint="Give the take-off point" if above_takeoff is not None else None,
    )


def _geoid_m(capture: Capture) -> float:
    try:
        return float(geoid_height_m(np.array([[capture.longitude_deg, capture.latitude_deg]], dtype=np.float64))[0])
    except TerrainError as error:
        raise GeoreferenceError(error.what, where=str(capture.path), hint=error.hint) from error


@dataclass(frozen=True)
class _Sight:
    """Rays of pixels, a row each: geocentric, with what their derivatives need."""

    origin: Floats
    direction: Floats
    local: Floats
    turned: Floats
    look: Floats
    focal_length_px: float

    @classmethod
    def of(cls, camera: Camera, pose: Pose, pixels: Floats) -> _Sight:
        """Return the rays of pixels (N, 2): positions, and directions geocentric, in the horizon and in the camera."""
        origin, axes, turned = _stand(pose, len(pixels))
        look = camera.rays(pixels)
        local = np.einsum("nij,nj->ni", turned, look)
        return cls(origin, np.einsum("nij,nj->ni", axes, local), local, turned, look, camera.focal_length_px)

    def rows(self, block: slice) -> _Sight:
        """Return some of the rays."""
        return _Sight(
            self.origin[block],
            self.direction[block],
            self.local[block],
            self.turned[block],
            self.look[block],
            self.focal_length_px,
        )


def _stand(pose: Pose, count: int) -> tuple[Floats, Floats, Floats]:
    """Return the camera's geocentric position (N, 3), its horizon's axes (N, 3, 3) and its rotation (N, 3, 3)."""
    columns = [
        np.asarray(value, dtype=np.float64)
        for value in (
            pose.longitude_deg,
            pose.latitude_deg,
            pose.height_m,
            pose.yaw_deg,
            pose.pitch_deg,
            pose.roll_deg,
        )
    ]
    if not all(np.isfinite(column).all() for column in columns):
        raise GeoreferenceError("the pose has a position, height or angle that is not a number")
    if any(column.ndim and len(column) != count for column in columns):
        raise GeoreferenceError("a pose with arrays needs one row per pixel")
    longitude, latitude, height, yaw, pitch, roll = columns
    if (np.abs(latitude) > 90).any() or (np.abs(longitude) > 360).any():
        raise GeoreferenceError("a latitude beyond 90° or a longitude beyond 360°", hint="Are the two swapped?")
    lonlat = np.column_stack(np.broadcast_arrays(np.atleast_1d(longitude), np.atleast_1d(latitude)))
    rows = len(lonlat)
    position = to_geocentric(lonlat, np.broadcast_to(height, (max(rows, height.size),)))
    shapes = (
        (position, (count, 3)),
        (horizon_axes(lonlat), (count, 3, 3)),
        (rotation(yaw, pitch, roll), (count, 3, 3)),
    )
    stood, axes, turned = (np.broadcast_to(array, shape) for array, shape in shapes)
    return stood, axes, turned


def _jacobian(sight: _Sight, distance: Floats, lonlat: Floats, terrain: Terrain) -> Floats:
    """Derivatives (N, 2, 9) of the point's east and north by each of the errors, in `detect.pose_errors`' order.

    In the camera's horizon (north, east, down) the ray C + t·d meets the plane through the point with normal n, so
    δP = (I − d nᵀ / n·d)(δC + t δd) + d (n·δG) / (n·d), with δd = ω × d for a rotation by ω.
    """
    local, count = sight.local, len(lonlat)
    slope_east, slope_north = _slopes(lonlat, terrain)
    normal = np.column_stack([slope_north, slope_east, np.ones(count)])
    facing = np.einsum("ni,ni->n", normal, local)
    with np.errstate(invalid="ignore", divide="ignore"):
        along = local / facing[:, None]
    slide = np.eye(3) - along[:, :, None] * normal[:, None, :]
    reach = distance[:, None]
    moves = [np.broadcast_to(shift, (count, 3)) for shift in np.diag([1.0, 1.0, -1.0])]
    moves += [reach * np.cross(axis, local) for axis in np.eye(3)]
    # A pixel subtends the less of an angle the farther off axis it is.
    per_pixel = reach * sight.look[:, :1] / sight.focal_length_px
    moves += [per_pixel * sight.turned[:, :, 1], per_pixel * sight.turned[:, :, 2]]
    columns = [np.einsum("nij,nj->ni", slide, move) for move in moves]
    columns.insert(6, -along)
    return np.stack(columns, axis=2)[:, [1, 0], :]


def _slopes(lonlat: Floats, terrain: Terrain) -> tuple[Floats, Floats]:
    """Rise of the ground to the east and to the north, metres per metre; 0 beside a void."""
    if terrain.is_flat:
        return np.zeros(len(lonlat)), np.zeros(len(lonlat))
    half_m = terrain.cell_m / 2
    north_deg = np.degrees(half_m / 6_371_000.0)
    with np.errstate(invalid="ignore"):
        east_deg = north_deg / np.cos(np.radians(lonlat[:, 1]))
    step_east, step_north = np.column_stack([east_deg, np.zeros(len(lonlat))]), np.array([0.0, north_deg])
    rise_east = terrain.heights_m(lonlat + step_east) - terrain.heights_m(lonlat - step_east)
    rise_north = terrain.heights_m(lonlat + step_north) - terrain.heights_m(lonlat - step_north)
    return np.nan_to_num(rise_east / (2 * half_m)), np.nan_to_num(rise_north / (2 * half_m))


def _outline_px(camera: Camera) -> Floats:
    """Points around the outer edge of the picture, clockwise from the top left, (4 · n, 2)."""
    right, bottom = camera.image_width_px - 0.5, camera.image_height_px - 0.5
    corners = np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom], [-0.5, -0.5]])
    steps = np.arange(_EDGE_POINTS) / _EDGE_POINTS
    sides = corners[:-1, None, :] + steps[None, :, None] * np.diff(corners, axis=0)[:, None, :]
    return sides.reshape(-1, 2)
