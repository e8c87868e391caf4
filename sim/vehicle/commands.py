"""The commands of the simulated vehicle: what each does, and the result it acknowledges with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.telemetry import STREAMS

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle

ACCEPTED, DENIED, UNSUPPORTED, FAILED = 0, 2, 3, 4
Params = tuple[float, float, float, float, float, float, float]


class Commands:
    """Answers COMMAND_LONG, COMMAND_INT and the messages that command something without an acknowledgement."""

    def __init__(self, vehicle: SimulatedVehicle) -> None:
        self._vehicle = vehicle
        self._handlers: dict[int, Callable[[Params, Any], int]] = {
            mav.MAV_CMD_COMPONENT_ARM_DISARM: self._arm,
            mav.MAV_CMD_DO_SET_MODE: self._mode,
            mav.MAV_CMD_NAV_TAKEOFF: self._take_off,
            mav.MAV_CMD_MISSION_START: self._start,
            mav.MAV_CMD_DO_PAUSE_CONTINUE: self._pause,
            mav.MAV_CMD_DO_SET_MISSION_CURRENT: self._set_current,
            mav.MAV_CMD_NAV_RETURN_TO_LAUNCH: lambda p, m: self._to_mode(vehicle.modes.back),
            mav.MAV_CMD_NAV_LAND: lambda p, m: self._to_mode(vehicle.modes.land),
            mav.MAV_CMD_NAV_LOITER_UNLIM: lambda p, m: self._to_mode(vehicle.modes.hold),
            mav.MAV_CMD_SET_MESSAGE_INTERVAL: self._interval,
            mav.MAV_CMD_GET_MESSAGE_INTERVAL: self._get_interval,
            mav.MAV_CMD_REQUEST_MESSAGE: self._request,
            mav.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES: lambda p, m: self._send_once(148),
            mav.MAV_CMD_GET_HOME_POSITION: lambda p, m: self._send_once(242),
            mav.MAV_CMD_DO_CHANGE_SPEED: self._speed,
            mav.MAV_CMD_DO_SET_CAM_TRIGG_DIST: self._trigger_distance,
            mav.MAV_CMD_DO_DIGICAM_CONTROL: self._shoot,
            mav.MAV_CMD_IMAGE_START_CAPTURE: self._capture,
            mav.MAV_CMD_IMAGE_STOP_CAPTURE: self._stop_capture,
            mav.MAV_CMD_DO_REPOSITION: self._reposition,
            mav.MAV_CMD_CONDITION_YAW: self._yaw,
            mav.MAV_CMD_DO_FENCE_ENABLE: self._fence,
            mav.MAV_CMD_PREFLIGHT_CALIBRATION: lambda p, m: FAILED if vehicle.armed else ACCEPTED,
            mav.MAV_CMD_DO_SET_HOME: self._home,
            mav.MAV_CMD_PREFLIGHT_REBOOT_SHUTDOWN: self._reboot,
        }
        self._messages: dict[str, Callable[[Any], None]] = {
            "COMMAND_LONG": self._long,
            "COMMAND_INT": self._int,
            "SET_MODE": self._set_mode,
            "REQUEST_DATA_STREAM": self._stream,
            "MISSION_SET_CURRENT": self._set_current_message,
            "PARAM_REQUEST_LIST": self._parameter_list,
            "PARAM_REQUEST_READ": self._parameter_read,
            "PARAM_SET": self._parameter_set,
            "SET_POSITION_TARGET_GLOBAL_INT": self._position_target,
            "MISSION_ITEM": self._guided_item,
            "MISSION_ITEM_INT": self._guided_item,
            "PING": self._ping,
            "TERRAIN_CHECK": self._terrain_check,
            "TIMESYNC": self._timesync,
        }

    def handle(self, message: Any) -> bool:
        """Answer a message; False when it is none of these."""
        handler = self._messages.get(message.get_type())
        if handler is None:
            return False
        handler(message)
        return True

    def _long(self, m: Any) -> None:
        self._run(m, (m.param1, m.param2, m.param3, m.param4, m.param5, m.param6, m.param7))

    def _int(self, m: Any) -> None:
        self._run(m, (m.param1, m.param2, m.param3, m.param4, m.x * 1e-7, m.y * 1e-7, m.z))

    def _run(self, message: Any, params: Params) -> None:
        handler = self._handlers.get(message.command)
        if handler is None:
            result = UNSUPPORTED
        elif any(math.isinf(value) for value in params):
            result = DENIED
        else:
            p1, p2, p3, p4, p5, p6, p7 = (0.0 if math.isnan(value) else value for value in params)
            result = handler((p1, p2, p3, p4, p5, p6, p7), message)
        self._vehicle.send(
            mav.MAVLink_command_ack_message(
                message.command, result, 0, 0, message.get_srcSystem(), message.get_srcComponent()
            )
        )
        self._vehicle.flush_texts()

    def _arm(self, p: Params, message: Any) -> int:
        vehicle = self._vehicle
        if p[0] == 1:
            return ACCEPTED if vehicle.arming.arm() else FAILED
        if p[0] == 0:
            if vehicle.flight.landed or p[1] == 21196:
                vehicle.disarm()
                return ACCEPTED
            return FAILED
        return UNSUPPORTED

    def _mode(self, p: Params, message: Any) -> int:
        if not int(p[0]) & mav.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED:
            return FAILED
        return self._to_mode(int(p[1]))

    def _to_mode(self, mode: int | None) -> int:
        vehicle, modes = self._vehicle, self._vehicle.modes
        if mode is None:
            return UNSUPPORTED
        if mode not in modes.names:
            vehicle.say(4, f"No such mode {mode}")
            return FAILED
        if mode in modes.positioned and vehicle.armed and not vehicle.position_ok:
            vehicle.say(4, f"Mode change to {modes.names[mode]} failed: requires position")
            return FAILED
        if mode == modes.auto and vehicle.armed and len(vehicle.mission.items) <= 1:
            vehicle.say(4, "Mode change to AUTO failed: init failed")
            return FAILED
        vehicle.change_mode(mode)
        return ACCEPTED

    def _take_off(self, p: Params, message: Any) -> int:
        vehicle = self._vehicle
        flight = vehicle.flight
        if flight.mode != vehicle.modes.guided or not vehicle.armed or not flight.landed or not p[6] > 0:
            return FAILED
        flight.take_off(p[6])
        return ACCEPTED

    def _start(self, p: Params, message: Any) -> int:
        vehicle = self._vehicle
        if p[0] or p[1]:
            return DENIED
        if vehicle.flight.mode != vehicle.modes.auto and self._to_mode(vehicle.modes.auto) != ACCEPTED:
            return FAILED
        if vehicle.armed and vehicle.flight.landed and vehicle.mission.state != 3:
            vehicle.flight.forget_speed()
            vehicle.mission.start_or_resume()
        return ACCEPTED

    def _pause(self, p: Params, message: Any) -> int:
        if p[0] not in (0.0, 1.0):
            return DENIED
        return ACCEPTED if self._vehicle.flight.pause(p[0] == 0.0) else FAILED

    def _set_current(self, p: Params, message: Any) -> int:
        vehicle = self._vehicle
        if p[1] == 1:
            vehicle.mission.reset()
        seq = int(p[0]) + vehicle.first_item
        if seq < vehicle.first_item or not vehicle.mission.jump(seq):
            return DENIED if seq >= len(vehicle.mission.items) else FAILED
        vehicle.send(vehicle.telemetry.mission_current())
        return ACCEPTED

    def _set_current_message(self, m: Any) -> None:
        if self._vehicle.mission.jump(m.seq + self._vehicle.first_item):
            self._vehicle.send(self._vehicle.telemetry.mission_current())

    def _interval(self, p: Params, message: Any) -> int:
        telemetry = self._vehicle.telemetry
        number, microseconds = int(p[0]), p[1]
        if not telemetry.knows(number):
            return FAILED
        telemetry.every(number, None if microseconds <= 0 else microseconds / 1e6)
        return ACCEPTED

    def _get_interval(self, p: Params, message: Any) -> int:
        telemetry = self._vehicle.telemetry
        period = telemetry.period_s(int(p[0]))
        known = telemetry.knows(int(p[0]))
        interval = -1 if period is None else round(period * 1e6)
        self._vehicle.send(mav.MAVLink_message_interval_message(int(p[0]), interval if known else 0))
        return ACCEPTED if known else FAILED

    def _request(self, p: Params, message: Any) -> int:
        return self._send_once(int(p[0]))

    def _send_once(self, number: int) -> int:
        return ACCEPTED if self._vehicle.telemetry.once(number) else FAILED

    def _speed(self, p: Params, message: Any) -> int:
        if p[1] <= 0:
            return FAILED
        self._vehicle.flight.change_speed(int(p[0]), p[1])
        return ACCEPTED

    def _trigger_distance(self, p: Params, message: Any) -> int:
        self._vehicle.shutter.every(p[0], now=p[2] == 1)
        return ACCEPTED

    def _shoot(self, p: Params, message: Any) -> int:
        """DO_DIGICAM_CONTROL: one frame when its fifth parameter says so."""
        if p[4] == 1:
            self._vehicle.shutter.fire()
        return ACCEPTED

    def _capture(self, p: Params, message: Any) -> int:
        if p[2] == 1:
            self._vehicle.shutter.fire()
        else:
            self._vehicle.shutter.timed(p[1], int(p[2]))
        return ACCEPTED

    def _stop_capture(self, p: Params, message: Any) -> int:
        self._vehicle.shutter.stop()
        return ACCEPTED

    def _reposition(self, p: Params, message: Any) -> int:
        vehicle = self._vehicle
        if message.get_type() != "COMMAND_INT" or not vehicle.armed or vehicle.flight.landed:
            return DENIED
        place = vehicle.place(message.x, message.y, message.z, message.frame)
        if place is None or (vehicle.flight.mode != vehicle.modes.guided and not int(p[1]) & 1):
            return DENIED
        vehicle.change_mode(vehicle.modes.guided)
        vehicle.flight.go_to(*place)
        return ACCEPTED

    def _yaw(self, p: Params, message: Any) -> int:
        self._vehicle.flight.fix_yaw(math.radians(p[0]), relative=p[3] == 1, clockwise=p[2] >= 0)
        return ACCEPTED

    def _fence(self, p: Params, message: Any) -> int:
        if p[0] not in (0.0, 1.0):
            return FAILED
        self._vehicle.parameters.set("FENCE_ENABLE", p[0])
        return ACCEPTED

    def _reboot(self, p: Params, message: Any) -> int:
        """Start anew: on the ground only, after the acknowledgement has left."""
        vehicle = self._vehicle
        if p[0] not in (1.0, 3.0) or vehicle.armed:
            return FAILED
        vehicle.reboot_soon()
        return ACCEPTED

    def _home(self, p: Params, message: Any) -> int:
        vehicle = self._vehicle
        if not vehicle.position_ok:
            return FAILED
        if p[0] == 1:
            vehicle.set_home(*vehicle.position)
            return ACCEPTED
        place = vehicle.place(round(p[4] * 1e7), round(p[5] * 1e7), p[6], mav.MAV_FRAME_GLOBAL)
        if place is None:
            return FAILED
        vehicle.set_home(*place)
        return ACCEPTED

    def _set_mode(self, m: Any) -> None:
        if m.base_mode & mav.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED:
            self._vehicle.send(
                mav.MAVLink_command_ack_message(
                    mav.MAVLINK_MSG_ID_SET_MODE,
                    self._to_mode(m.custom_mode),
                    0,
                    0,
                    m.get_srcSystem(),
                    m.get_srcComponent(),
                )
            )

    def _stream(self, m: Any) -> None:
        groups = list(STREAMS) if m.req_stream_id == mav.MAV_DATA_STREAM_ALL else [m.req_stream_id]
        for group in groups:
            for number in STREAMS.get(group, ()):
                rate = m.req_message_rate if m.start_stop else 0
                self._vehicle.telemetry.every(number, 1 / rate if rate else None)

    def _parameter_list(self, m: Any) -> None:
        vehicle = self._vehicle
        for text in vehicle.banner:
            vehicle.say(6, text)
        for name in vehicle.parameters:
            self._parameter(name)

    def _parameter_read(self, m: Any) -> None:
        parameters = self._vehicle.parameters
        name = m.param_id if m.param_index < 0 else parameters.name_at(m.param_index)
        if name is not None and name in parameters:
            self._parameter(name)

    def _parameter_set(self, m: Any) -> None:
        vehicle = self._vehicle
        if vehicle.parameters.set(m.param_id, m.param_value):
            vehicle.parameter_changed(m.param_id)
        if m.param_id in vehicle.parameters:
            self._parameter(m.param_id, listed=False)

    def _parameter(self, name: str, *, listed: bool = True) -> None:
        parameters = self._vehicle.parameters
        self._vehicle.send(
            mav.MAVLink_param_value_message(
                name.encode(),
                parameters[name],
                parameters.kind(name),
                len(parameters),
                parameters.index(name) if listed else 65535,
            )
        )

    def _position_target(self, m: Any) -> None:
        vehicle = self._vehicle
        place = vehicle.place(m.lat_int, m.lon_int, m.alt, m.coordinate_frame)
        flight = vehicle.flight
        if place is not None and flight.mode == vehicle.modes.guided and not flight.landed and not m.type_mask & 7:
            vehicle.flight.go_to(*place)

    def _guided_item(self, m: Any) -> None:
        """Fly to an item sent with current = 2, as dronekit's simple_goto does."""
        vehicle = self._vehicle
        scale = 1 if m.get_type() == "MISSION_ITEM_INT" else 1e7
        place = None
        if math.isfinite(m.x) and math.isfinite(m.y):
            place = vehicle.place(round(m.x * scale), round(m.y * scale), m.z, m.frame)
        result = mav.MAV_MISSION_ERROR
        if place is not None and vehicle.flight.mode == vehicle.modes.guided and not vehicle.flight.landed:
            vehicle.flight.go_to(*place)
            result = mav.MAV_MISSION_ACCEPTED
        vehicle.send(mav.MAVLink_mission_ack_message(m.get_srcSystem(), m.get_srcComponent(), result, 0))

    def _ping(self, m: Any) -> None:
        if m.target_system == 0:
            answer = mav.MAVLink_ping_message(m.time_usec, m.seq, m.get_srcSystem(), m.get_srcComponent())
            self._vehicle.send(answer)

    def _terrain_check(self, m: Any) -> None:
        self._send_once(mav.MAVLINK_MSG_ID_TERRAIN_REPORT)

    def _timesync(self, m: Any) -> None:
        if m.tc1 == 0:
            self._vehicle.send(mav.MAVLink_timesync_message(round(self._vehicle.time_s * 1e9), m.ts1))
