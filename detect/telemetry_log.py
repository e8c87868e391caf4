"""Exposures out of a ground station's telemetry log (tlog): 8 bytes of microseconds, then one MAVLink packet, and on.

Packets are found by their framing and only those decoded that tell of the camera, so that a day's log takes seconds.
"""

from __future__ import annotations

import bisect
import math
import struct
from collections import Counter
from pathlib import Path
from typing import Any

from detect.logged_shots import LoggedShot, known_place
from flightplan.attitude import roll_pitch_yaw_deg
from flightplan.errors import CaptureError

_FEEDBACK, _CAPTURED, _TRIGGER = 180, 263, 112
_ATTITUDE, _POSITION, _GPS = 30, 33, 24
_MOUNT_STATUS, _MOUNT, _GIMBAL = 158, 265, 285
_WANTED = frozenset({_FEEDBACK, _CAPTURED, _TRIGGER, _ATTITUDE, _POSITION, _GPS, _MOUNT_STATUS, _MOUNT, _GIMBAL})
_V1, _V2 = 0xFE, 0xFD
_SIGNED, _SIGNATURE_BYTES = 0x01, 13
_STALE_US = 500_000
_GPS_STALE_US = 2_000_000
_EARLIEST_US = 10**15
_LATEST_US = 4 * 10**15
_EARTH_FRAME, _VEHICLE_FRAME, _YAW_LOCK = 64, 32, 16
_NOTHING_IN = 1 << 20
_HINT = "It is no tlog, or a broken one: save it again from the ground station."

_Found = list[tuple[int, int, int, int]]
"""Microseconds, start, end and the system that sent it."""


def read_telemetry(path: Path) -> tuple[list[LoggedShot], bool]:
    """Return the exposures that a tlog tells of, and whether their times are UTC by GPS (else the ground station's).

    Of CAMERA_FEEDBACK, CAMERA_IMAGE_CAPTURED and CAMERA_TRIGGER the first that is there is kept to. Raises CaptureError
    where no packet can be read.
    """
    data = path.read_bytes()
    decoder = _Decoder(data, _of_the_camera(_index(data, str(path))))
    for message in (_FEEDBACK, _CAPTURED, _TRIGGER):
        shots = [shot for stamp, m in decoder.all_of(message) if (shot := decoder.shot(message, stamp, m)) is not None]
        if shots:
            return shots, decoder.is_utc
    return [], False


def _index(data: bytes, where: str) -> dict[int, _Found]:
    """Where each wanted packet lies, by message; a torn stretch is passed over."""
    found: dict[int, _Found] = {message: [] for message in _WANTED}
    at, end, packets = 0, len(data), 0
    while at + 16 <= end:
        magic = data[at + 8]
        length = 0
        if magic == _V2 and at + 18 <= end:
            signed = _SIGNATURE_BYTES if data[at + 10] & _SIGNED else 0
            length, message = data[at + 9] + 12 + signed, int.from_bytes(data[at + 15 : at + 18], "little")
            system = data[at + 13]
        elif magic == _V1:
            length, message, system = data[at + 9] + 8, data[at + 13], data[at + 11]
        after = at + 8 + length
        # The next packet has to begin where this one ends, or the log to end there.
        if not length or after > end or (after + 9 <= end and data[after + 8] not in (_V1, _V2)):
            at = _next_start(data, at + 1)
            if packets == 0 and at > _NOTHING_IN:
                raise CaptureError("No telemetry can be read from the log", where=where, hint=_HINT)
            continue
        packets += 1
        if message in _WANTED:
            found[message].append((int.from_bytes(data[at : at + 8], "big"), at + 8, after, system))
        at = after
    if not packets:
        raise CaptureError("No telemetry can be read from the log", where=where, hint=_HINT)
    return found


def _of_the_camera(found: dict[int, _Found]) -> dict[int, _Found]:
    """Only what one vehicle sent, where several are in a log: the one that told of most exposures."""
    senders = Counter(row[3] for message in (_FEEDBACK, _CAPTURED, _TRIGGER) for row in found[message])
    if not senders:
        return found
    system = senders.most_common(1)[0][0]
    return {message: [row for row in rows if row[3] == system] for message, rows in found.items()}


def _next_start(data: bytes, at: int) -> int:
    candidates = [c for c in (data.find(bytes([_V2]), at + 8), data.find(bytes([_V1]), at + 8)) if c >= 0]
    return min(candidates) - 8 if candidates else len(data)


class _Decoder:
    """Decodes packets when they are asked for."""

    def __init__(self, data: bytes, found: dict[int, _Found]) -> None:
        from pymavlink.dialects.v20 import ardupilotmega

        self._data = data
        self._found = found
        self._link = ardupilotmega.MAVLink(None)
        self._errors = (ardupilotmega.MAVError, struct.error, ValueError, TypeError, IndexError, KeyError)
        self._stamps = {message: [stamp for stamp, *_ in rows] for message, rows in found.items()}
        self.is_utc = True

    def all_of(self, message: int) -> list[tuple[int, Any]]:
        decoded = ((row[0], self._decode(row)) for row in self._found[message])
        return [(stamp, m) for stamp, m in decoded if m is not None]

    def _decode(self, row: tuple[int, int, int, int]) -> Any:
        try:
            return self._link.decode(bytearray(self._data[row[1] : row[2]]))
        except self._errors:
            return None  # its checksum is wrong

    def _near(self, message: int, stamp: int, within_us: int = _STALE_US) -> Any:
        """The message of a kind that came nearest to a moment."""
        stamps = self._stamps[message]
        at = bisect.bisect_left(stamps, stamp)
        around = [i for i in (at - 1, at) if 0 <= i < len(stamps) and abs(stamps[i] - stamp) <= within_us]
        for i in sorted(around, key=lambda i: abs(stamps[i] - stamp)):
            decoded = self._decode(self._found[message][i])
            if decoded is not None:
                return decoded
        return None

    def shot(self, message: int, stamp: int, m: Any) -> LoggedShot | None:
        """One exposure with all that other messages of that moment say of it."""
        attitude = self._near(_ATTITUDE, stamp)
        airframe = None
        if attitude is not None:
            airframe = (math.degrees(attitude.yaw), math.degrees(attitude.pitch), math.degrees(attitude.roll))
        camera = self._camera_deg(stamp, airframe)
        heights: tuple[float | None, float | None]
        if message == _FEEDBACK:
            # These are the airframe's at the exposure itself.
            place, heights = known_place(m.lng / 1e7, m.lat / 1e7), (m.alt_msl, m.alt_rel)
            airframe, told_us = (m.yaw, m.pitch, m.roll), m.time_usec
        elif message == _CAPTURED:
            if m.capture_result == 0:
                return None
            place, heights = known_place(m.lon / 1e7, m.lat / 1e7), (m.alt / 1000, m.relative_alt / 1000)
            camera, told_us = camera or _of_quaternion(m.q), m.time_utc
        else:
            position = self._near(_POSITION, stamp)
            place, heights = (None, None), (None, None)
            if position is not None:
                place = known_place(position.lon / 1e7, position.lat / 1e7)
                heights = position.alt / 1000, position.relative_alt / 1000
            told_us = m.time_usec
        if not _EARLIEST_US <= told_us <= _LATEST_US:
            told_us, self.is_utc = stamp, False
        gps = self._near(_GPS, stamp, _GPS_STALE_US)
        accuracy = None if gps is None or not getattr(gps, "h_acc", 0) else gps.h_acc / 1000
        if place[0] is None:
            heights = None, None
        return LoggedShot(
            told_us / 1e6, place[0], place[1], heights[0], heights[1], airframe, camera, accuracy,
            {_FEEDBACK: "CAMERA_FEEDBACK", _CAPTURED: "CAMERA_IMAGE_CAPTURED", _TRIGGER: "CAMERA_TRIGGER"}[message],
        )  # fmt: skip

    def _camera_deg(self, stamp: int, airframe: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
        """Yaw (from north), pitch and roll that a mount or a gimbal tells of itself."""
        heading = None if airframe is None else airframe[0]
        gimbal = self._near(_GIMBAL, stamp)
        if gimbal is not None:
            turned = _of_quaternion(gimbal.q)
            if turned is not None:
                return _from_north(turned, heading, bool(gimbal.flags & (_EARTH_FRAME | _YAW_LOCK)))
        mount = self._near(_MOUNT, stamp)
        if mount is not None:
            absolute = float(getattr(mount, "yaw_absolute", math.nan))
            if math.isfinite(absolute):
                return absolute % 360.0, mount.pitch, mount.roll
            return _from_north((mount.yaw, mount.pitch, mount.roll), heading, False)
        old = self._near(_MOUNT_STATUS, stamp)
        if old is not None and (old.pointing_a, old.pointing_b, old.pointing_c) != (0, 0, 0):
            return _from_north((old.pointing_c / 100, old.pointing_a / 100, old.pointing_b / 100), heading, False)
        return None


def _from_north(
    angles: tuple[float, float, float], heading_deg: float | None, is_from_north: bool
) -> tuple[float, float, float] | None:
    """Yaw from north, where a mount tells it from the nose."""
    if is_from_north:
        return angles[0] % 360.0, angles[1], angles[2]
    if heading_deg is None or not all(map(math.isfinite, angles)):
        return None
    return (angles[0] + heading_deg) % 360.0, angles[1], angles[2]


def _of_quaternion(q: Any) -> tuple[float, float, float] | None:
    """Yaw, pitch and roll of a quaternion, None where it is none."""
    turned = roll_pitch_yaw_deg(q)
    return None if turned is None else (turned[2], turned[1], turned[0])
