"""What a simulated vehicle carries beside its autopilot: a camera's card, Remote ID, a key; and who flies by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.place import Home, LocalGrid

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle

CAMERA_COMPONENT, REMOTE_ID_COMPONENT = 100, 236
_EPOCH_2015_S = 1_420_070_400
_TICKS_PER_S = 100_000
_EVERYTHING_VALID = 1 | 2 | 4 | 8 | 16 | 128  # place, height, heading, speed, call sign, vertical speed
_SIMULATED = 64


@dataclass(frozen=True)
class Equipment:
    """What it carries.

    `card_mb` is the size of the camera's card, None for a camera that does not tell; each frame takes `frame_mb`.
    `remote_id` is None without a transmitter, "" when that is ready, else why it is not. With a `signing_key` of 32
    bytes it signs what it sends and listens only to who signs with the same.
    """

    card_mb: float | None = None
    frame_mb: float = 8.0
    remote_id: str | None = None
    signing_key: bytes | None = None


@dataclass(frozen=True)
class Aircraft:
    """One that flies by in a straight line: where it is at `from_s` after arming, relative to the vehicle's home.

    Metres north, east and above home, degrees from true north, m/s. It is heard from `from_s` to `until_s`.
    """

    callsign: str = "TRAFFIC"
    from_s: float = 0.0
    until_s: float = math.inf
    north_m: float = 0.0
    east_m: float = 0.0
    height_m: float = 100.0
    course_deg: float = 0.0
    speed_mps: float = 50.0
    climb_mps: float = 0.0

    def report(self, home: Home, since_s: float, number: int) -> Any | None:
        """Build ADSB_VEHICLE for a moment after arming, None when it is not heard."""
        if not self.from_s <= since_s < self.until_s:
            return None
        flown = self.speed_mps * (since_s - self.from_s)
        course = math.radians(self.course_deg)
        lat, lon = LocalGrid(home).e7(self.north_m + flown * math.cos(course), self.east_m + flown * math.sin(course))
        height = home.altitude_msl_m + self.height_m + self.climb_mps * (since_s - self.from_s)
        return mav.MAVLink_adsb_vehicle_message(
            0xABC000 + number, lat, lon, mav.ADSB_ALTITUDE_TYPE_GEOMETRIC, round(height * 1000),
            round(self.course_deg % 360 * 100) % 36000, round(self.speed_mps * 100), round(self.climb_mps * 100),
            self.callsign[:8].encode("ascii", "replace"), mav.ADSB_EMITTER_TYPE_LIGHT, 1,
            _EVERYTHING_VALID | _SIMULATED, 1200,
        )  # fmt: skip


def storage_information(vehicle: SimulatedVehicle) -> Any | None:
    """Build STORAGE_INFORMATION of the camera's card, None for a camera that does not tell. Sizes are in MiB."""
    equipment = vehicle.equipment
    if equipment.card_mb is None:
        return None
    total = equipment.card_mb / 1.048576
    used = min(total, len(vehicle.exposures) * equipment.frame_mb / 1.048576)
    return mav.MAVLink_storage_information_message(
        round(vehicle.time_s * 1000), 1, 1, mav.STORAGE_STATUS_READY, total, used, total - used, 90.0, 60.0
    )


def remote_id_status(vehicle: SimulatedVehicle) -> Any | None:
    """Build OPEN_DRONE_ID_ARM_STATUS, None without a transmitter."""
    why = vehicle.equipment.remote_id
    if why is None:
        return None
    status = mav.MAV_ODID_ARM_STATUS_PRE_ARM_FAIL_GENERIC if why else mav.MAV_ODID_ARM_STATUS_GOOD_TO_ARM
    return mav.MAVLink_open_drone_id_arm_status_message(status, why[:50].encode("ascii", "replace"))


def tick(vehicle: SimulatedVehicle) -> None:
    """Once a second: the Remote ID transmitter's status, and the aircraft that are heard."""
    status = remote_id_status(vehicle)
    if status is not None:
        vehicle.radio.send(status, REMOTE_ID_COMPONENT)
    if vehicle.armed:
        for number, aircraft in enumerate(vehicle.traffic):
            report = aircraft.report(vehicle.home, vehicle.time_s - vehicle.armed_s, number)
            if report is not None:
                vehicle.send(report)


class Signing:
    """The vehicle's end of MAVLink 2 signing (mavlink.io/en/guide/message_signing.html)."""

    def __init__(self, sends: Any, hears: Any) -> None:
        self._sends, self._hears = sends, hears
        self.key: bytes | None = None

    def use(self, key: bytes | None, now_s: float) -> None:
        """Sign and demand signatures with a key, or neither (None)."""
        self.key = key
        for protocol in (self._sends, self._hears):
            signing = protocol.signing
            signing.secret_key, signing.link_id = key, 0
            signing.sign_outgoing = key is not None
            signing.timestamp = ticks(now_s)
            signing.stream_timestamps.clear()
            signing.allow_unsigned_callback = _only_radio

    def advance(self, now_s: float) -> None:
        """Bring the time of signatures up to now."""
        if self.key is not None:
            self._sends.signing.timestamp = max(self._sends.signing.timestamp, ticks(now_s))

    def set_up(self, message: Any, now_s: float) -> None:
        """Take the key of a SETUP_SIGNING; one of zeros ends signing."""
        key = bytes(message.secret_key)
        self.use(key if any(key) else None, now_s)


def ticks(time_s: float) -> int:
    """Return seconds since 1970 in units of 10 µs since 2015."""
    return max(0, round((time_s - _EPOCH_2015_S) * _TICKS_PER_S))


def _only_radio(protocol: Any, message_id: int) -> bool:
    return message_id == int(mav.MAVLINK_MSG_ID_RADIO_STATUS)
