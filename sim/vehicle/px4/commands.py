"""The commands of a PX4 (PX4-Autopilot, modules/commander/Commander.cpp): results and modes differ from ArduPilot's."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.commands import ACCEPTED, DENIED, FAILED, UNSUPPORTED, Commands, Params
from sim.vehicle.px4.modes import BENEATH, HOLD, LANDING, MISSION, RETURN, TAKEOFF
from sim.vehicle.px4.parameters import HASH_NAME

if TYPE_CHECKING:
    from sim.vehicle.px4 import Px4Vehicle

REJECTED = 1  # MAV_RESULT_TEMPORARILY_REJECTED
_UINT32 = 5


class Px4Commands(Commands):
    """Answers COMMAND_LONG, COMMAND_INT and the other requests as a PX4 does."""

    def __init__(self, vehicle: Px4Vehicle) -> None:
        super().__init__(vehicle)
        self._px4 = vehicle
        handlers = self._handlers
        for unknown in (mav.MAV_CMD_DO_PAUSE_CONTINUE, mav.MAV_CMD_DO_FENCE_ENABLE, mav.MAV_CMD_CONDITION_YAW):
            handlers.pop(unknown)
        # A camera of its own would answer these; the autopilot does not.
        handlers.pop(mav.MAV_CMD_IMAGE_START_CAPTURE)
        handlers.pop(mav.MAV_CMD_IMAGE_STOP_CAPTURE)
        handlers[mav.MAV_CMD_NAV_RETURN_TO_LAUNCH] = lambda p, m: self._switch(RETURN)
        handlers[mav.MAV_CMD_NAV_LAND] = lambda p, m: self._switch(LANDING)
        handlers[mav.MAV_CMD_NAV_LOITER_UNLIM] = lambda p, m: self._switch(HOLD)
        handlers[mav.MAV_CMD_DO_SET_CAM_TRIGG_INTERVAL] = self._trigger_interval
        handlers[mav.MAV_CMD_DO_TRIGGER_CONTROL] = self._trigger_control

    def _arm(self, p: Params, message: Any) -> int:
        vehicle = self._px4
        if p[0] == 1:
            return ACCEPTED if vehicle.arming.arm() else REJECTED
        if p[0] == 0:
            if vehicle.flight.landed or p[1] == 21196:
                vehicle.disarm()
                return ACCEPTED
            vehicle.say(2, "Disarming denied: not landed")
            return REJECTED
        return UNSUPPORTED

    def _mode(self, p: Params, message: Any) -> int:
        if not int(p[0]) & mav.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED:
            return REJECTED
        return self._switch((int(p[1]), int(p[2])))

    def _set_mode(self, m: Any) -> None:
        """SET_MODE has no acknowledgement of its own; PX4 answers as if it were the command."""
        result = REJECTED
        if m.base_mode & mav.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED:
            result = self._switch((m.custom_mode >> 16 & 0xFF, m.custom_mode >> 24 & 0xFF))
        self._px4.send(
            mav.MAVLink_command_ack_message(
                mav.MAV_CMD_DO_SET_MODE, result, 0, 0, m.get_srcSystem(), m.get_srcComponent()
            )
        )

    def _switch(self, mode: tuple[int, int]) -> int:
        vehicle = self._px4
        if mode[0] != 4:
            mode = (mode[0], 0)
        if mode == TAKEOFF:
            return self._lift(math.nan)
        if mode not in BENEATH:
            return REJECTED
        number = BENEATH[mode]
        if number in vehicle.modes.positioned and not vehicle.position_ok and vehicle.armed:
            vehicle.say(2, "Switching to mode is currently not possible")
            return REJECTED
        if mode == MISSION and len(vehicle.mission.items) <= 1:
            vehicle.say(2, "Switching to mode 'Mission' is currently not possible")
            return REJECTED
        vehicle.change_mode(number)
        return ACCEPTED

    def _take_off(self, p: Params, message: Any) -> int:
        altitude_msl_m = message.z if message.get_type() == "COMMAND_INT" else message.param7
        return self._lift(altitude_msl_m)

    def _lift(self, altitude_msl_m: float) -> int:
        """Go to TAKEOFF; it climbs when armed. PX4 takes the height above mean sea level, or MIS_TAKEOFF_ALT."""
        vehicle = self._px4
        if not vehicle.position_ok or not vehicle.flight.landed:
            return REJECTED
        height_m = altitude_msl_m - vehicle.altitude_msl_m if math.isfinite(altitude_msl_m) else 0.0
        vehicle.plan_takeoff(height_m if height_m > 0 else vehicle.told["MIS_TAKEOFF_ALT"])
        return ACCEPTED

    def _start(self, p: Params, message: Any) -> int:
        """Switch to the mission and arm: a PX4 does both."""
        vehicle = self._px4
        if self._switch(MISSION) != ACCEPTED:
            return REJECTED
        return ACCEPTED if vehicle.armed or vehicle.arming.arm() else REJECTED

    def _reposition(self, p: Params, message: Any) -> int:
        vehicle = self._px4
        if not vehicle.armed or vehicle.flight.landed:
            return DENIED
        if message.get_type() != "COMMAND_INT" or (message.x == 0x7FFFFFFF or not math.isfinite(message.z)):
            return self._switch(HOLD)  # without a place it is a pause
        return super()._reposition((p[0], 1.0, *p[2:]), message)

    def _speed(self, p: Params, message: Any) -> int:
        return super()._speed(p, message) if p[1] > 0 else ACCEPTED

    def _trigger_interval(self, p: Params, message: Any) -> int:
        shutter = self._px4.shutter
        if p[0] > 0:
            shutter.timed(p[0] / 1000, 0)
        else:
            shutter.stop()
        return ACCEPTED

    def _trigger_control(self, p: Params, message: Any) -> int:
        shutter = self._px4.shutter
        if p[2] == 1:
            shutter.held = True
        elif p[2] == 0:
            shutter.held = False
        if p[0] == 0:
            shutter.every(0.0, now=False)
        return ACCEPTED

    def _home(self, p: Params, message: Any) -> int:
        return ACCEPTED if super()._home(p, message) == ACCEPTED else REJECTED

    def _interval(self, p: Params, message: Any) -> int:
        return ACCEPTED if super()._interval(p, message) == ACCEPTED else FAILED

    def _parameter_list(self, m: Any) -> None:
        for name in self._px4.told:
            self._parameter(name)
        self._hash()

    def _parameter_read(self, m: Any) -> None:
        told = self._px4.told
        if m.param_index < 0 and m.param_id == HASH_NAME:
            self._hash()
            return
        name = m.param_id if m.param_index < 0 else told.name_at(m.param_index)
        if name is not None and name in told:
            self._parameter(name)

    def _parameter_set(self, m: Any) -> None:
        vehicle = self._px4
        if m.param_id not in vehicle.told:
            vehicle.say(3, f"unknown param: {m.param_id}")
            return
        if vehicle.told.set_field(m.param_id, m.param_value, m.param_type):
            vehicle.parameter_changed(m.param_id)
        else:
            vehicle.say(3, f"param types mismatch param: {m.param_id}")
        self._parameter(m.param_id)

    def _parameter(self, name: str, *, listed: bool = True) -> None:
        told = self._px4.told
        self._px4.send(
            mav.MAVLink_param_value_message(
                name.encode(), told.field(name), told.kind(name), len(told), told.index(name)
            )
        )

    def _hash(self) -> None:
        told = self._px4.told
        field = _as_float(told.hash)
        self._px4.send(mav.MAVLink_param_value_message(HASH_NAME.encode(), field, _UINT32, len(told), 65535))


def _as_float(value: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", value))[0])
