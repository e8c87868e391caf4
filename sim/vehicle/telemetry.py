"""What the simulated vehicle reports by itself, message by message, at the rates it was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.equipment import CAMERA_COMPONENT, storage_information
from sim.vehicle.missions import COMPLETE, NOT_STARTED

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle

# REQUEST_DATA_STREAM groups, as ArduCopter fills them (of the messages known here).
STREAMS: dict[int, tuple[int, ...]] = {
    1: (mav.MAVLINK_MSG_ID_GPS_RAW_INT,),
    2: (
        mav.MAVLINK_MSG_ID_SYS_STATUS, mav.MAVLINK_MSG_ID_MISSION_CURRENT, mav.MAVLINK_MSG_ID_GPS_RAW_INT,
        mav.MAVLINK_MSG_ID_NAV_CONTROLLER_OUTPUT, mav.MAVLINK_MSG_ID_FENCE_STATUS,
    ),
    3: (),
    4: (),
    6: (mav.MAVLINK_MSG_ID_GLOBAL_POSITION_INT,),
    10: (mav.MAVLINK_MSG_ID_ATTITUDE,),
    11: (mav.MAVLINK_MSG_ID_VFR_HUD,),
    12: (
        mav.MAVLINK_MSG_ID_SYSTEM_TIME, mav.MAVLINK_MSG_ID_WIND, mav.MAVLINK_MSG_ID_BATTERY_STATUS,
        mav.MAVLINK_MSG_ID_EKF_STATUS_REPORT, mav.MAVLINK_MSG_ID_TERRAIN_REPORT,
    ),
}  # fmt: skip
_NAN = float("nan")


class Telemetry:
    """The streams. Message builders are pure functions of the vehicle's state; `UNASKED` stream without a request."""

    UNASKED: ClassVar[dict[int, float]] = {}
    vtol_state: int = mav.MAV_VTOL_STATE_MC

    def __init__(self, vehicle: SimulatedVehicle) -> None:
        self._vehicle = vehicle
        self._builders: dict[int, Callable[[], Any]] = {
            mav.MAVLINK_MSG_ID_HEARTBEAT: self.heartbeat,
            mav.MAVLINK_MSG_ID_SYS_STATUS: self._sys_status,
            mav.MAVLINK_MSG_ID_SYSTEM_TIME: self._system_time,
            mav.MAVLINK_MSG_ID_GPS_RAW_INT: self._gps,
            mav.MAVLINK_MSG_ID_ATTITUDE: self._attitude,
            mav.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: self._position,
            mav.MAVLINK_MSG_ID_MISSION_CURRENT: self.mission_current,
            mav.MAVLINK_MSG_ID_NAV_CONTROLLER_OUTPUT: self._nav,
            mav.MAVLINK_MSG_ID_VFR_HUD: self._hud,
            mav.MAVLINK_MSG_ID_BATTERY_STATUS: self._battery,
            mav.MAVLINK_MSG_ID_FENCE_STATUS: self._fence,
            mav.MAVLINK_MSG_ID_WIND: self._wind,
            mav.MAVLINK_MSG_ID_EKF_STATUS_REPORT: self._ekf,
            mav.MAVLINK_MSG_ID_HOME_POSITION: self.home_position,
            mav.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: self._landed,
            mav.MAVLINK_MSG_ID_AUTOPILOT_VERSION: self._version,
            mav.MAVLINK_MSG_ID_GPS_GLOBAL_ORIGIN: self.origin,
            mav.MAVLINK_MSG_ID_TERRAIN_REPORT: self.terrain_report,
        }
        if vehicle.equipment.card_mb is not None:
            self._builders[mav.MAVLINK_MSG_ID_STORAGE_INFORMATION] = lambda: storage_information(vehicle)
        self._period: dict[int, float] = {mav.MAVLINK_MSG_ID_HEARTBEAT: 1.0, **self.UNASKED}
        self._due: dict[int, float] = dict.fromkeys(self._period, 0.0)
        self._next_s = 0.0

    def knows(self, message_id: int) -> bool:
        """Whether the vehicle can send a message of this number."""
        return message_id in self._builders

    def period_s(self, message_id: int) -> float | None:
        """Return the seconds between messages of a kind, None when it is not sent."""
        return self._period.get(message_id)

    def every(self, message_id: int, period_s: float | None) -> None:
        """Send a kind of message at a period, or stop sending it (None)."""
        self._period.pop(message_id, None)
        self._due.pop(message_id, None)
        if period_s is not None:
            self._period[message_id] = max(period_s, 0.02)
            start = self._vehicle.time_s
            self._due[message_id] = start + (-start) % self._period[message_id]
        self._next_s = 0.0

    def once(self, message_id: int) -> bool:
        """Send one message now; False when it is unknown, or has nothing to say yet."""
        builder = self._builders.get(message_id)
        message = builder() if builder else None
        if message is None:
            return False
        component = CAMERA_COMPONENT if message_id == mav.MAVLINK_MSG_ID_STORAGE_INFORMATION else 1
        self._vehicle.radio.send(message, component)
        return True

    def tick(self) -> None:
        """Send what is due."""
        now = self._vehicle.time_s + 1e-6
        if now < self._next_s:
            return
        for message_id, due in self._due.items():
            if due <= now:
                self._due[message_id] = due + self._period[message_id] * max(
                    1, math.floor((now - due) / self._period[message_id])
                )
                self.once(message_id)
        self._next_s = min(self._due.values(), default=math.inf)

    def repeat(self) -> None:
        """Send everything that streams once, without waiting: for a vehicle whose time stands still."""
        for message_id in self._period:
            self.once(message_id)

    def heartbeat(self) -> Any:
        """Build HEARTBEAT."""
        vehicle = self._vehicle
        mode = vehicle.flight.mode
        base = 81
        landing = mode == vehicle.modes.land and not vehicle.flight.blind
        if mode in vehicle.modes.positioned or landing or not vehicle.initialised:
            base |= mav.MAV_MODE_FLAG_GUIDED_ENABLED
        if vehicle.armed:
            base |= mav.MAV_MODE_FLAG_SAFETY_ARMED
        return mav.MAVLink_heartbeat_message(
            vehicle.vehicle_type, mav.MAV_AUTOPILOT_ARDUPILOTMEGA, base, mode, self.status, 3
        )

    @property
    def status(self) -> int:
        """The MAV_STATE."""
        vehicle = self._vehicle
        if not vehicle.initialised:
            return int(mav.MAV_STATE_BOOT)
        if vehicle.failsafes.any:
            return int(mav.MAV_STATE_CRITICAL)
        return int(mav.MAV_STATE_STANDBY if vehicle.flight.landed else mav.MAV_STATE_ACTIVE)

    def frame_taken(self, index: int) -> None:
        """Report a frame: CAMERA_FEEDBACK, with what the vehicle believes."""
        vehicle, body = self._vehicle, self._vehicle.body
        lat_e7, lon_e7 = vehicle.reported_e7()
        vehicle.send(
            mav.MAVLink_camera_feedback_message(
                round(vehicle.epoch_s * 1e6), 0, 0, index & 0xFFFF, lat_e7, lon_e7, round(vehicle.altitude_msl_m, 2),
                round(vehicle.altitude_home_m, 2), math.degrees(body.roll), math.degrees(body.pitch),
                math.degrees(vehicle.believed_yaw) % 360, 0.0, 0, 0,
            )
        )  # fmt: skip

    def mission_current(self) -> Any:
        """Build MISSION_CURRENT."""
        vehicle = self._vehicle
        run, auto = vehicle.mission, vehicle.flight.mode == vehicle.modes.auto
        total = max(len(run.items) - 1, 0)
        if total == 0:
            state = mav.MISSION_STATE_NO_MISSION
        elif not auto:
            state = NOT_STARTED
        elif vehicle.flight.paused and run.state != COMPLETE:
            state = mav.MISSION_STATE_PAUSED
        else:
            state = run.state
        return mav.MAVLink_mission_current_message(run.seq, total, state, int(auto))

    def home_position(self) -> Any | None:
        """Build HOME_POSITION, None before there is one."""
        vehicle = self._vehicle
        if not vehicle.home_set:
            return None
        lat, lon = vehicle.grid.e7(vehicle.home_n, vehicle.home_e)
        altitude = round((vehicle.home.altitude_msl_m + vehicle.home_u) * 100) * 10
        quaternion = [_NAN] * 4
        return mav.MAVLink_home_position_message(
            lat, lon, altitude, vehicle.home_n, vehicle.home_e, -vehicle.home_u, quaternion, 0.0, 0.0, 0.0,
            round(vehicle.time_s * 1e6),
        )  # fmt: skip

    def origin(self) -> Any | None:
        """Build GPS_GLOBAL_ORIGIN, None before there is one."""
        vehicle = self._vehicle
        if not vehicle.home_set:
            return None
        lat, lon = vehicle.grid.e7(0.0, 0.0)
        return mav.MAVLink_gps_global_origin_message(
            lat, lon, round(vehicle.home.altitude_msl_m * 1000), round(vehicle.time_s * 1e6)
        )

    def terrain_report(self) -> Any:
        """Build TERRAIN_REPORT: the ground under the vehicle above mean sea level; without a model, a spacing of 0."""
        vehicle = self._vehicle
        lat, lon = vehicle.reported_e7()
        if not vehicle.ground.known:
            return mav.MAVLink_terrain_report_message(lat, lon, 0, 0.0, 0.0, 0, 0)
        under = vehicle.ground.under(vehicle.body.n, vehicle.body.e)
        return mav.MAVLink_terrain_report_message(
            lat, lon, 100, vehicle.home.altitude_msl_m + under, vehicle.position[2] - under, 0, 504
        )

    def _sys_status(self) -> Any:
        vehicle = self._vehicle
        gps = 0x20 if vehicle.gps_seen else 0
        control = 0x6000 if vehicle.flight.mode in vehicle.modes.positioned else 0
        fence = 0x100000 if vehicle.parameters["FENCE_ENABLE"] else 0
        enabled = 0x52619C0F | gps | control | fence | (0x1000000 if vehicle.armed else 0)
        ready = mav.MAV_SYS_STATUS_PREARM_CHECK if vehicle.arming.ready else 0
        health = 0x47719C0F | gps | control | ready
        battery = vehicle.battery
        return mav.MAVLink_sys_status_message(
            0x5371FC0F | gps, enabled, health, 0, round(battery.voltage * 1000), round(battery.current_a * 100),
            vehicle.battery_percent(), 0, 0, 0, 0, 0, 0,
        )  # fmt: skip

    def _system_time(self) -> Any:
        vehicle = self._vehicle
        known = round(vehicle.epoch_s * 1e6) if vehicle.gps_seen else 0
        return mav.MAVLink_system_time_message(known, round(vehicle.time_s * 1000))

    def _gps(self) -> Any:
        vehicle = self._vehicle
        if not vehicle.gps_seen:
            return mav.MAVLink_gps_raw_int_message(0, 0, 0, 0, 0, 65535, 65535, 0, 0, 0)
        usec = round(vehicle.time_s * 1e6)
        fix, satellites = (6, 10) if vehicle.gps_fix else (1, 3)
        lat, lon = vehicle.reported_e7()
        vn, ve, _ = vehicle.velocity
        speed = math.hypot(vn, ve)
        course = round(math.degrees(math.atan2(ve, vn)) % 360 * 100) % 36000 if speed > 0.05 else 0
        altitude = round(vehicle.altitude_msl_m * 1000)
        return mav.MAVLink_gps_raw_int_message(
            usec, fix, lat, lon, altitude, 121, 200, round(speed * 100), course, satellites, altitude, 300, 300, 0, 0, 0
        )

    def _attitude(self) -> Any:
        body = self._vehicle.body
        return mav.MAVLink_attitude_message(
            round(self._vehicle.time_s * 1000),
            body.roll,
            body.pitch,
            self._vehicle.believed_yaw,
            0.0,
            0.0,
            body.yaw_rate,
        )

    def _position(self) -> Any:
        vehicle = self._vehicle
        boot_ms = round(vehicle.time_s * 1000)
        if not vehicle.gps_seen:
            return mav.MAVLink_global_position_int_message(boot_ms, 0, 0, 0, 0, 0, 0, 0, 0)
        lat, lon = vehicle.reported_e7()
        vn, ve, vu = vehicle.velocity
        heading = round(math.degrees(vehicle.believed_yaw) % 360 * 100) % 36000
        return mav.MAVLink_global_position_int_message(
            boot_ms, lat, lon, round(vehicle.altitude_msl_m * 100) * 10, round(vehicle.altitude_home_m * 1000),
            round(vn * 100), round(ve * 100), round(-vu * 100), heading,
        )  # fmt: skip

    def _nav(self) -> Any:
        vehicle = self._vehicle
        flight, body = vehicle.flight, vehicle.body
        bearing = distance = 0
        if flight.destination is not None:
            n, e, _ = vehicle.position
            dn, de = flight.destination[0] - n, flight.destination[1] - e
            distance = min(round(math.hypot(dn, de)), 65535)
            bearing = round(math.degrees(math.atan2(de, dn)))
        error = flight.wanted_u - vehicle.position[2] if vehicle.armed else 0.0
        return mav.MAVLink_nav_controller_output_message(
            math.degrees(body.roll), math.degrees(body.pitch), bearing, bearing, distance, error, 0.0, 0.0
        )

    def _hud(self) -> Any:
        vehicle = self._vehicle
        vn, ve, vu = vehicle.velocity
        throttle = 0 if vehicle.flight.landed else min(100, round(37 * vehicle.body.thrust_ratio**0.5))
        return mav.MAVLink_vfr_hud_message(
            vehicle.body.airspeed, math.hypot(vn, ve), int(math.degrees(vehicle.believed_yaw) % 360), throttle,
            vehicle.altitude_msl_m if vehicle.gps_seen else 0.0, vu,
        )  # fmt: skip

    def _battery(self) -> Any:
        vehicle = self._vehicle
        battery = vehicle.battery
        volts = [round(battery.voltage * 1000)] + [65535] * 9
        state = mav.MAV_BATTERY_CHARGE_STATE_LOW if vehicle.failsafes.battery else mav.MAV_BATTERY_CHARGE_STATE_OK
        return mav.MAVLink_battery_status_message(
            0, 0, 0, 32767, volts, round(battery.current_a * 100), round(battery.used_mah),
            round(battery.used_wh * 36), vehicle.battery_percent(), 0, state, [0, 0, 0, 0], 0, 0,
        )  # fmt: skip

    def _fence(self) -> Any | None:
        vehicle = self._vehicle
        if not vehicle.parameters["FENCE_ENABLE"]:
            return None
        safes = vehicle.failsafes
        kind = {1: 2, 2: 3, 4: 3}.get(safes.breach & -safes.breach, 0)
        return mav.MAVLink_fence_status_message(
            int(bool(safes.breach)), safes.breach_count, kind, safes.breach_time_ms, 1
        )

    def _wind(self) -> Any | None:
        vehicle = self._vehicle
        if not vehicle.aided:
            return None
        n, e = vehicle.wind_now()
        return mav.MAVLink_wind_message(math.degrees(math.atan2(-e, -n)), math.hypot(n, e), 0.0)

    def _ekf(self) -> Any | None:
        vehicle = self._vehicle
        if vehicle.time_s < 3.9:
            return None
        if vehicle.time_s < 5.8:
            flags = 1024
        elif vehicle.position_ok:
            flags = 831
        elif vehicle.failsafes.ekf and not vehicle.failsafes.stopped_aiding:
            flags = 39
        else:
            flags = 167
        return mav.MAVLink_ekf_status_report_message(flags, 0.005, 0.006, 0.001, 0.005, 0.0, 0.0)

    def _landed(self) -> Any:
        flight = self._vehicle.flight
        if flight.landed:
            state = mav.MAV_LANDED_STATE_ON_GROUND
        elif flight.climbing_out:
            state = mav.MAV_LANDED_STATE_TAKEOFF
        elif flight.landing:
            state = mav.MAV_LANDED_STATE_LANDING
        else:
            state = mav.MAV_LANDED_STATE_IN_AIR
        return mav.MAVLink_extended_sys_state_message(self.vtol_state, state)

    def _version(self) -> Any:
        version = [ord(c) for c in "overfly\0"]
        return mav.MAVLink_autopilot_version_message(64495, 0x04070000, 0, 0, 0, version, [0] * 8, [0] * 8, 0, 0, 0)
