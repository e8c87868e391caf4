"""Where a camera stood: which of a capture's heights its pose has, and over which ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detect.captures import Capture
from detect.georef import Pose
from flightplan.errors import GeoreferenceError, TerrainError
from flightplan.frames import HeightDatum
from flightplan.geoid import geoid_height_m
from flightplan.terrain import Terrain


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
