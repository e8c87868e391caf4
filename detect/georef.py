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

from detect.pose_errors import PoseErrors as PoseErrors
from detect.raycast import Placement, cast
from flightplan.camera import Camera, rotation
from flightplan.ellipsoid import horizon_axes, to_geocentric, to_geodetic
from flightplan.errors import GeoreferenceError
from flightplan.frames import Floats
from flightplan.terrain import Terrain

_EDGE_POINTS = 8
_BLOCK = 8192


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
    count, stand = len(points), _Stand.of(pose, len(points))
    assumed = errors or PoseErrors()
    common, independent = assumed.common(), assumed.independent()
    placed = Placed(
        np.empty((count, 2)),
        np.empty(count),
        np.empty((count, 2, 2)),
        np.empty((count, 2, 2)),
        np.empty(count, dtype=np.int8),
    )
    for first in range(0, count, _BLOCK):
        block = slice(first, first + _BLOCK)
        sight = _Sight.of(camera, stand.rows(block), points[block])
        distance, placed.status[block] = cast(*sight.rays, terrain)
        placed.lonlat[block], placed.height_m[block] = to_geodetic(sight.at(distance))
        moves = _jacobian(sight, distance, placed.lonlat[block], terrain)
        _spread(moves, common, placed.common_m2[block])
        _spread(moves, independent, placed.covariance_m2[block])
    np.add(placed.covariance_m2, placed.common_m2, out=placed.covariance_m2)
    placed.common_m2[~placed.on_ground] = placed.covariance_m2[~placed.on_ground] = np.nan
    return placed


def place_with_derivatives(
    camera: Camera, pose: Pose, pixels: npt.ArrayLike, terrain: Terrain
) -> tuple[Floats, Floats]:
    """Place pixels and say how each place moves: degrees (N, 2), and (N, 2, 9) of its east and north in metres.

    The nine are the errors of `detect.pose_errors`, in its order. NaN where a pixel is not on the ground.
    """
    points = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    sight = _Sight.of(camera, _Stand.of(pose, len(points)), points)
    distance, _ = cast(*sight.rays, terrain)
    lonlat, _ = to_geodetic(sight.at(distance))
    return lonlat, np.ascontiguousarray(_jacobian(sight, distance, lonlat, terrain).transpose(2, 0, 1))


def sight_lines(camera: Camera, pose: Pose, pixels: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Rays of pixels (N, 2) as `detect.raycast.cast` wants them: geocentric positions and unit directions, (N, 3)."""
    points = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    stand, directions = _Stand.of(pose, len(points)), np.empty((3, len(points)))
    for first in range(0, len(points), _BLOCK):
        block = slice(first, first + _BLOCK)
        directions[:, block] = _Sight.of(camera, stand.rows(block), points[block]).direction
    return np.broadcast_to(stand.position.T, directions.T.shape), directions.T


def ground_to_pixel(camera: Camera, pose: Pose, lonlat: npt.ArrayLike, height_m: npt.ArrayLike) -> Floats:
    """Pixels (N, 2) of ground points: degrees (N, 2) and heights (N,) from the pose's datum. NaN behind the camera.

    The inverse of `place`, except that ground between the camera and the point does not hide it.
    """
    points = np.atleast_2d(np.asarray(lonlat, dtype=np.float64))
    stand = _Stand.of(pose, len(points))
    there = to_geocentric(points, np.broadcast_to(np.asarray(height_m, dtype=np.float64), (len(points),)))
    local = _times(stand.axes.swapaxes(0, 1), there.T - stand.position)
    return camera.project(_times(stand.turned.swapaxes(0, 1), local).T)


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
class _Stand:
    """Where cameras are, with one pose for all pixels (M = 1) or one for each.

    `position` (3, M) is geocentric, `axes` (3, 3, M) are those of the horizon there as columns, and `turned` (3, 3, M)
    is the camera's rotation: the pixels come last, where what is done to all of them is side by side in memory.
    """

    position: Floats
    axes: Floats
    turned: Floats

    @classmethod
    def of(cls, pose: Pose, count: int) -> _Stand:
        """Return where the pixels' cameras are."""
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
        turned = rotation(*(np.atleast_1d(angle) for angle in (yaw, pitch, roll)))
        return cls(
            np.ascontiguousarray(position.T),
            np.ascontiguousarray(horizon_axes(lonlat).transpose(1, 2, 0)),
            np.ascontiguousarray(turned.transpose(1, 2, 0)),
        )

    def rows(self, block: slice) -> _Stand:
        """Return those of some of the pixels."""
        parts = (self.position, self.axes, self.turned)
        return _Stand(*(part if part.shape[-1] == 1 else part[..., block] for part in parts))


@dataclass(frozen=True)
class _Sight:
    """Rays (3, N) of pixels: in the camera, in its horizon and geocentric."""

    stand: _Stand
    look: Floats
    local: Floats
    direction: Floats
    focal_length_px: float

    @classmethod
    def of(cls, camera: Camera, stand: _Stand, pixels: Floats) -> _Sight:
        """Return the rays of pixels (N, 2)."""
        look = camera.rays(pixels).T
        local = _times(stand.turned, look)
        return cls(stand, look, local, _times(stand.axes, local), camera.focal_length_px)

    @property
    def rays(self) -> tuple[Floats, Floats]:
        """Origins and directions (N, 3), geocentric."""
        return np.broadcast_to(self.stand.position.T, self.direction.T.shape), self.direction.T

    def at(self, distance: Floats) -> Floats:
        """Return geocentric points (N, 3) so far along the rays."""
        return (self.stand.position + distance * self.direction).T


def _times(matrix: Floats, vectors: Floats) -> Floats:
    """Multiply matrices (3, 3, M) by vectors (3, N), M being 1 or N."""
    product = np.empty(vectors.shape)
    for row, out in zip(matrix, product, strict=True):
        np.multiply(row[0], vectors[0], out=out)
        out += row[1] * vectors[1]
        out += row[2] * vectors[2]
    return product


def _jacobian(sight: _Sight, distance: Floats, lonlat: Floats, terrain: Terrain) -> Floats:
    """Derivatives (2, 9, N) of the point's east and north by each of the errors, in `detect.pose_errors`' order.

    In the camera's horizon (north, east, down) the ray C + t·d meets the plane through the point with normal n, so
    δP = (I − d nᵀ / n·d)(δC + t δd) + d (n·δG) / (n·d), with δd = ω × d for a rotation by ω.
    """
    slope_east, slope_north = _slopes(lonlat, terrain)
    north, east, down = sight.local
    found = np.empty((2, 9, len(distance)))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        facing = 1 / (slope_north * north + slope_east * east + down)
        along_north, along_east = north * facing, east * facing

        def moved(column: int, by_north: Floats, by_east: Floats, by_down: Floats) -> None:
            into = slope_north * by_north + slope_east * by_east + by_down
            np.subtract(by_east, along_east * into, out=found[0, column])
            np.subtract(by_north, along_north * into, out=found[1, column])

        zero, one = np.zeros(1), np.ones(1)
        moved(0, one, zero, zero)
        moved(1, zero, one, zero)
        found[:, 2] = along_east, along_north
        reach_north, reach_east, reach_down = distance * sight.local
        moved(3, zero, -reach_down, reach_east)
        moved(4, reach_down, zero, -reach_north)
        moved(5, -reach_east, reach_north, zero)
        np.negative(found[:, 2], out=found[:, 6])
        # A pixel subtends the less of an angle the farther off axis it is.
        per_pixel = distance * sight.look[0] / sight.focal_length_px
        for column, axis in ((7, 1), (8, 2)):
            moved(column, *(per_pixel * part for part in sight.stand.turned[:, axis]))
    return found


def _spread(moves: Floats, covariance: Floats, out: Floats) -> None:
    """Write J Σ Jᵀ (N, 2, 2) of derivatives (2, 9, N), from what is not 0 in Σ (9, 9)."""
    east, north = moves
    first, second = np.nonzero(covariance)
    sums = np.zeros((3, moves.shape[-1]))
    for i in np.unique(first):
        there = second[first == i]
        weighted = [sum(covariance[i, j] * part[j] for j in there) for part in (east, north)]
        sums[0] += east[i] * weighted[0]
        sums[1] += east[i] * weighted[1]
        sums[2] += north[i] * weighted[1]
    out[:, 0, 0], out[:, 1, 1] = sums[0], sums[2]
    out[:, 0, 1] = out[:, 1, 0] = sums[1]


def _slopes(lonlat: Floats, terrain: Terrain) -> tuple[Floats, Floats]:
    """Rise of the ground to the east and to the north, metres per metre, (N,) or the same for all; 0 beside a void."""
    if terrain.is_flat:
        return np.zeros(1), np.zeros(1)
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
