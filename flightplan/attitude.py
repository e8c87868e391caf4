"""Attitude: roll, pitch and yaw of the quaternion that a vehicle sends."""

from __future__ import annotations

import math
from collections.abc import Iterable


def roll_pitch_yaw_deg(q: Iterable[float]) -> tuple[float, float, float] | None:
    """Return the angles of a quaternion (w, x, y, z), degrees, yaw from -180 to 180; None where it is no rotation.

    The turns are about z, then y, then x, as MAVLink has them.
    """
    w, x, y, z = (float(v) for v in q)
    if not math.isclose(math.hypot(w, x, y, z), 1.0, abs_tol=0.05):
        return None
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return math.degrees(roll), math.degrees(pitch), math.degrees(yaw)
