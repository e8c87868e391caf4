"""Frames as vehicles report them: CAMERA_FEEDBACK (ArduPilot), CAMERA_IMAGE_CAPTURED (cameras, PX4), CAMERA_TRIGGER.

One frame may be reported in two of these ways. The first of the two that tell a place is kept to for the whole flight;
a trigger alone (PX4 without feedback) counts only when neither comes within PATIENCE_S, with its place from the
telemetry.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from flightplan.attitude import roll_pitch_yaw_deg

FEEDBACK, CAPTURED, TRIGGER = "CAMERA_FEEDBACK", "CAMERA_IMAGE_CAPTURED", "CAMERA_TRIGGER"
_EARLIEST_UTC_US = 1e15
_STALE_MS = 3000
PATIENCE_S = 2.0


@dataclass(frozen=True)
class Shot:
    """One frame as it was reported: WGS 84, heights above mean sea level and home, the airframe's angles in degrees.

    `camera_deg` are the roll, pitch and yaw that the camera itself told; None where only the airframe's are known.
    `index` is None when the camera does not count, `time_s` when the time is not known.
    """

    source: str
    index: int | None
    time_s: float | None
    longitude_deg: float
    latitude_deg: float
    altitude_msl_m: float
    altitude_home_m: float
    roll_deg: float
    pitch_deg: float
    yaw_deg: float
    camera_deg: tuple[float, float, float] | None = None


class Shots:
    """Turns messages into frames, each told once. What is wrong is left in `problems`."""

    def __init__(self) -> None:
        self.source: str | None = None
        self.problems: list[str] = []
        self._latest: dict[str, Any] = {}
        self._triggered: list[tuple[float, Shot]] = []

    def hear(self, message: Any, now_s: float) -> list[Shot]:
        """Take any message; return the frames that are known of by it, most often none."""
        kind = message.get_type()
        if kind in ("GLOBAL_POSITION_INT", "ATTITUDE"):
            self._latest[kind] = message
        shot = None
        if kind == TRIGGER and self.source in (None, TRIGGER):
            shot = self._trigger(message)
            if shot is not None and self.source is None:
                self._triggered.append((now_s, shot))
                shot = None
        elif kind in (FEEDBACK, CAPTURED) and self.source in (None, TRIGGER, kind):
            if self.source == TRIGGER:
                self.problems.append(f"frames are told by {kind} from here on, before only by their trigger")
            self.source = kind
            self._triggered.clear()
            shot = self._feedback(message) if kind == FEEDBACK else self._captured(message)
        return [*self._overdue(now_s), *([] if shot is None else [shot])]

    def _overdue(self, now_s: float) -> list[Shot]:
        if not self._triggered or now_s - self._triggered[0][0] < PATIENCE_S:
            return []
        self.source = TRIGGER
        shots = [shot for _, shot in self._triggered]
        self._triggered.clear()
        return shots

    def _feedback(self, m: Any) -> Shot:
        return Shot(
            source=FEEDBACK,
            index=m.img_idx,
            time_s=m.time_usec / 1e6 if m.time_usec >= _EARLIEST_UTC_US else None,
            longitude_deg=m.lng / 1e7,
            latitude_deg=m.lat / 1e7,
            altitude_msl_m=m.alt_msl,
            altitude_home_m=m.alt_rel,
            roll_deg=m.roll,
            pitch_deg=m.pitch,
            yaw_deg=m.yaw,
        )

    def _captured(self, m: Any) -> Shot | None:
        index = m.image_index if m.image_index >= 0 else None
        if m.capture_result == 0:
            self.problems.append("the camera failed to take a frame")
            return None
        camera = _angles(m.q)
        airframe = self._attitude(m.time_boot_ms) or camera or (0.0, 0.0, 0.0)
        return Shot(
            source=CAPTURED,
            index=index,
            time_s=m.time_utc / 1e6 if m.time_utc >= _EARLIEST_UTC_US else None,
            longitude_deg=m.lon / 1e7,
            latitude_deg=m.lat / 1e7,
            altitude_msl_m=m.alt / 1000,
            altitude_home_m=m.relative_alt / 1000,
            roll_deg=airframe[0],
            pitch_deg=airframe[1],
            yaw_deg=airframe[2],
            camera_deg=camera,
        )

    def _trigger(self, m: Any) -> Shot | None:
        place = self._latest.get("GLOBAL_POSITION_INT")
        if place is None:
            self.problems.append(f"frame {m.seq}: triggered, but nobody knows where")
            return None
        roll, pitch, yaw = self._attitude(None) or (0.0, 0.0, place.hdg / 100 if place.hdg != 65535 else 0.0)
        return Shot(
            source=TRIGGER,
            index=m.seq,
            time_s=m.time_usec / 1e6 if m.time_usec >= _EARLIEST_UTC_US else None,
            longitude_deg=place.lon / 1e7,
            latitude_deg=place.lat / 1e7,
            altitude_msl_m=place.alt / 1000,
            altitude_home_m=place.relative_alt / 1000,
            roll_deg=roll,
            pitch_deg=pitch,
            yaw_deg=yaw,
        )

    def _attitude(self, boot_ms: int | None) -> tuple[float, float, float] | None:
        """Return the airframe's angles as last told, not when that was long before `boot_ms`."""
        told = self._latest.get("ATTITUDE")
        if told is None or (boot_ms and abs(boot_ms - told.time_boot_ms) > _STALE_MS):
            return None
        return math.degrees(told.roll), math.degrees(told.pitch), math.degrees(told.yaw) % 360


def _angles(q: Any) -> tuple[float, float, float] | None:
    """Return roll, pitch and yaw from north of a quaternion, None when it is none."""
    turned = roll_pitch_yaw_deg(q)
    return None if turned is None else (turned[0], turned[1], turned[2] % 360)
