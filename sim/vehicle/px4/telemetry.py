"""What a PX4 reports by itself: its streams run without being asked (PX4-Autopilot, mavlink_main.cpp, mode NORMAL)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.items import FENCE, MISSION, RALLY
from sim.vehicle.missions import ACTIVE, COMPLETE, NOT_STARTED
from sim.vehicle.modes import STABILIZE
from sim.vehicle.px4.messages import MissionCurrent
from sim.vehicle.px4.modes import custom_mode
from sim.vehicle.telemetry import Telemetry

if TYPE_CHECKING:
    from sim.vehicle.px4 import Px4Vehicle

_MANUAL, _AUTO = 64 | 16, 16 | 8 | 4
_PAUSED = 4
_CAPABILITIES = (
    mav.MAV_PROTOCOL_CAPABILITY_MISSION_INT
    | mav.MAV_PROTOCOL_CAPABILITY_COMMAND_INT
    | mav.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_BYTEWISE
    | mav.MAV_PROTOCOL_CAPABILITY_SET_POSITION_TARGET_GLOBAL_INT
    | mav.MAV_PROTOCOL_CAPABILITY_MAVLINK2
    | mav.MAV_PROTOCOL_CAPABILITY_MISSION_FENCE
    | mav.MAV_PROTOCOL_CAPABILITY_MISSION_RALLY
)


class Px4Telemetry(Telemetry):
    """The streams of a PX4."""

    UNASKED: ClassVar[dict[int, float]] = {
        mav.MAVLINK_MSG_ID_SYS_STATUS: 1.0, mav.MAVLINK_MSG_ID_SYSTEM_TIME: 1.0, mav.MAVLINK_MSG_ID_GPS_RAW_INT: 1.0,
        mav.MAVLINK_MSG_ID_ATTITUDE: 0.1, mav.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: 0.2,
        mav.MAVLINK_MSG_ID_MISSION_CURRENT: 1.0, mav.MAVLINK_MSG_ID_NAV_CONTROLLER_OUTPUT: 1.0,
        mav.MAVLINK_MSG_ID_VFR_HUD: 0.25, mav.MAVLINK_MSG_ID_BATTERY_STATUS: 2.0,
        mav.MAVLINK_MSG_ID_ESTIMATOR_STATUS: 2.0, mav.MAVLINK_MSG_ID_WIND_COV: 2.0,
        mav.MAVLINK_MSG_ID_HOME_POSITION: 2.0, mav.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: 1.0,
    }  # fmt: skip

    def __init__(self, vehicle: Px4Vehicle) -> None:
        super().__init__(vehicle)
        self._px4 = vehicle
        for gone in (mav.MAVLINK_MSG_ID_EKF_STATUS_REPORT, mav.MAVLINK_MSG_ID_WIND, mav.MAVLINK_MSG_ID_FENCE_STATUS):
            self._builders.pop(gone)
        own: dict[int, Callable[[], Any]] = {
            mav.MAVLINK_MSG_ID_ESTIMATOR_STATUS: self._estimator,
            mav.MAVLINK_MSG_ID_WIND_COV: self._wind_cov,
        }
        self._builders.update(own)

    def heartbeat(self) -> Any:
        """Build HEARTBEAT."""
        vehicle = self._px4
        main, sub = vehicle.told_mode
        base = mav.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED | (_AUTO if main == 4 else _MANUAL)
        if vehicle.armed:
            base |= mav.MAV_MODE_FLAG_SAFETY_ARMED
        return mav.MAVLink_heartbeat_message(
            vehicle.vehicle_type, mav.MAV_AUTOPILOT_PX4, base, custom_mode((main, sub)), self.status, 3
        )

    def mission_current(self) -> Any:
        """Build MISSION_CURRENT, with the checksums of what is stored."""
        vehicle = self._px4
        run, ids = vehicle.mission, vehicle.px4_transfers.ids
        total = max(len(run.items) - 1, 0)
        active = vehicle.flight.running_mission
        if total == 0:
            state = mav.MISSION_STATE_NO_MISSION
        elif run.state == COMPLETE:
            state = COMPLETE
        elif active and vehicle.armed:
            state = ACTIVE
        else:
            state = _PAUSED if vehicle.px4_mission.reached >= 0 else NOT_STARTED
        seq = min(max(run.seq - 1, 0), max(total - 1, 0))
        return MissionCurrent(seq, total, state, 1 if active else 2, (ids[MISSION], ids[FENCE], ids[RALLY]))

    def frame_taken(self, index: int) -> None:
        """Report a frame: CAMERA_TRIGGER, and CAMERA_IMAGE_CAPTURED with the vehicle's attitude."""
        vehicle, body = self._px4, self._px4.body
        lat_e7, lon_e7 = vehicle.reported_e7()
        usec = round(vehicle.epoch_s * 1e6)
        vehicle.send(mav.MAVLink_camera_trigger_message(usec, index))
        vehicle.send(
            mav.MAVLink_camera_image_captured_message(
                round(vehicle.time_s * 1000), usec, 1, lat_e7, lon_e7, round(vehicle.altitude_msl_m * 1000),
                round(vehicle.altitude_home_m * 1000), quaternion(body.roll, body.pitch, vehicle.believed_yaw),
                index, 1, b"",
            )
        )  # fmt: skip

    def _estimator(self) -> Any:
        vehicle = self._px4
        flags = 0x1 | 0x20 | 0x4
        if vehicle.position_ok:
            flags |= 0x2 | 0x8 | 0x10 | 0x100 | 0x200
        accuracy = 0.5 if vehicle.position_ok else 50.0
        return mav.MAVLink_estimator_status_message(
            round(vehicle.time_s * 1e6), flags, 0.05, 0.05, 0.05, 0.05, 0.0, 0.0, accuracy, 0.8
        )

    def _wind_cov(self) -> Any | None:
        vehicle = self._px4
        if not vehicle.aided or vehicle.flight.mode == STABILIZE:
            return None
        n, e = vehicle.wind_now()
        return mav.MAVLink_wind_cov_message(
            round(vehicle.time_s * 1e6), n, e, 0.0, 0.2, 0.0, vehicle.altitude_msl_m, 0.5, 0.5
        )

    def _version(self) -> Any:
        # Version 1.15.0, release (255): as MAVLink packs it.
        custom = [ord(c) for c in "overfly\0"]
        return mav.MAVLink_autopilot_version_message(
            _CAPABILITIES, 0x010F00FF, 0x010F00FF, 0, 0, custom, [0] * 8, [0] * 8, 0, 0, 0
        )


def quaternion(roll: float, pitch: float, yaw: float) -> list[float]:
    """Return (w, x, y, z) of a body turned by yaw, then pitch, then roll (radians)."""
    cr, sr = math.cos(roll / 2), math.sin(roll / 2)
    cp, sp = math.cos(pitch / 2), math.sin(pitch / 2)
    cy, sy = math.cos(yaw / 2), math.sin(yaw / 2)
    return [
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    ]
