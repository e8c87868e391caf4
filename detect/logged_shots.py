"""One exposure as a flight log tells it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class LoggedShot:
    """One exposure as a log tells it: WGS 84, each height from its own datum, angles in degrees; unknown is None.

    `time_s` counts from 1970-01-01 UTC, or from the log's own beginning (see `detect.flight_logs.FlightRecord`).
    `airframe_deg` are heading, pitch and roll of the aircraft; `camera_deg` yaw, pitch and roll of the camera in the
    gimbal order, where a mount told them. `source` is the message.
    """

    time_s: float
    longitude_deg: float | None
    latitude_deg: float | None
    altitude_msl_m: float | None
    altitude_takeoff_m: float | None
    airframe_deg: tuple[float, float, float] | None
    camera_deg: tuple[float, float, float] | None
    horizontal_accuracy_m: float | None
    source: str


def known_place(longitude_deg: float, latitude_deg: float) -> tuple[float, float] | tuple[None, None]:
    """A position, or two None where a receiver without a fix says 0, 0 or nonsense."""
    if not (math.isfinite(longitude_deg) and math.isfinite(latitude_deg)):
        return None, None
    if (longitude_deg, latitude_deg) == (0.0, 0.0) or abs(longitude_deg) > 180.0 or abs(latitude_deg) > 90.0:
        return None, None
    return longitude_deg, latitude_deg
