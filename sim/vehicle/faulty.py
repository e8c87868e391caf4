"""Simulated vehicles to which faults happen, on the link and in the air, in simulated time and the same each time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.autopilot import SimulatedVehicle
from sim.vehicle.exposures import Shutter
from sim.vehicle.faults import Faults, Span
from sim.vehicle.faulty_link import FaultyLink
from sim.vehicle.place import Home
from sim.vehicle.plane import PlaneVehicle
from sim.vehicle.px4 import Px4Vehicle

_UP, _DOWN, _CAMERA = 1, 2, 3
_UNKNOWN_COMMAND = 31999


class FaultyVehicle(SimulatedVehicle):
    """A simulated vehicle to which `Faults` happen; otherwise, and without any, the same as `SimulatedVehicle`."""

    def __init__(self, home: Home, seed: int = 0, *, faults: Faults, **options: Any) -> None:
        self.faults, self._fault_seed = faults, seed
        options.setdefault("traffic", faults.traffic)
        super().__init__(home, seed, **options)
        self._entry = mav.MAVLink(None)
        self._entry.robust_parsing = True
        self._repacker = mav.MAVLink(None)
        self._came = 0
        self._up: FaultyLink[bytes] = FaultyLink(faults, [seed, 71, _UP])
        self._down: FaultyLink[bytes] = FaultyLink(faults, [seed, 71, _DOWN])
        self._acks_to_lose = faults.lost_acks
        self._happened: set[str] = set()

    def _make_shutter(self) -> Shutter:
        return Shutter(self, lambda index: _hit(self._fault_seed, index, self.faults.shots))

    @property
    def received_count(self) -> int:
        """How many messages were sent to it: on a simulated clock, those that get lost must be counted too."""
        return self._came

    def receive(self, data: bytes) -> None:
        """Take bytes from a ground station; what reaches the vehicle is up to the link."""
        for message in self._entry.parse_buffer(data) or ():
            if message.get_msgId() < 0:
                continue
            self._came += 1
            if not self._is_cut():
                self._up.send(self.elapsed_s, bytes(message.get_msgbuf()))
        self._deliver()

    def step(self, dt_s: float = 0.02) -> bytes:
        """Move time on, and return what reaches the ground station by then."""
        self._follow_script()
        self._deliver()
        return super().step(dt_s)

    def collect(self) -> bytes:
        """Return what reaches the ground station now."""
        for packet in _packets(super().collect()):
            if not self._is_cut() and not self._loses(packet):
                self._down.send(self.elapsed_s, packet)
        return b"".join(self._down.due(self.elapsed_s))

    def _deliver(self) -> None:
        for packet in self._up.due(self.elapsed_s):
            heard = None if self.is_off else self._changed(packet)
            if heard is not None:
                super().receive(heard)

    def _is_cut(self) -> bool:
        return self.is_off or (self.armed and _within(self.time_s - self.armed_s, self.faults.cut))

    def _changed(self, packet: bytes) -> bytes | None:
        """Return a packet as the vehicle hears it: an item made one that it refuses; None when it starts anew at it."""
        faults = self.faults
        if faults.restart is None and faults.refuse is None:
            return packet
        message = self._repacker.decode(bytearray(packet))
        if message.get_type() not in ("MISSION_ITEM", "MISSION_ITEM_INT") or message.mission_type != 0:
            return packet
        if message.seq == faults.restart and self.transfers.uploading and not self.armed and self._once("restart"):
            self.reboot(faults.restart_s)
            return None
        if message.seq != faults.refuse:
            return packet
        message.command = _UNKNOWN_COMMAND
        self._repacker.srcSystem, self._repacker.srcComponent = message.get_srcSystem(), message.get_srcComponent()
        return bytes(message.pack(self._repacker))

    def _loses(self, packet: bytes) -> bool:
        if self._acks_to_lose <= 0 or _message_id(packet) != mav.MAVLINK_MSG_ID_MISSION_ACK:
            return False
        self._acks_to_lose -= 1
        return True

    def _follow_script(self) -> None:
        faults = self.faults
        since_s = self.time_s - self.armed_s if self.armed else -math.inf
        if faults.gps:
            self.gps_works = not _within(since_s, faults.gps)
        if _is_due(faults.sag_s, since_s) and self._once("sag"):
            self.battery.set_voltage = faults.sag_volts
        if _is_due(faults.motor_s, since_s) and self._once("motor"):
            self.lose_motor()
        if faults.compass_s is not None:
            lasts = _within(since_s, ((faults.compass_s, faults.compass_s + faults.compass_lasts_s),))
            self.mislead_compass(math.radians(faults.compass_deg) if lasts else 0.0)
        if _is_due(faults.reboot_s, since_s) and self._once("reboot"):
            self.reboot(faults.restart_s)

    def _once(self, what: str) -> bool:
        if what in self._happened:
            return False
        self._happened.add(what)
        return True


class FaultyPlane(FaultyVehicle, PlaneVehicle):
    """A fixed wing to which `Faults` happen."""


class FaultyPx4(FaultyVehicle, Px4Vehicle):
    """A PX4-like vehicle to which `Faults` happen."""


FAULTY: Mapping[str, type[FaultyVehicle]] = {"copter": FaultyVehicle, "plane": FaultyPlane, "px4": FaultyPx4}


def _is_due(at_s: float | None, since_s: float) -> bool:
    return at_s is not None and since_s >= at_s


def _hit(seed: int, index: int, misses: float) -> bool:
    return not misses or bool(np.random.default_rng([seed, 71, _CAMERA, index]).random() >= misses)


def _within(time_s: float, spans: tuple[Span, ...]) -> bool:
    return any(start <= time_s < end for start, end in spans)


def _packets(data: bytes) -> list[bytes]:
    """Cut a run of whole MAVLink 2 frames."""
    packets, at = [], 0
    while at < len(data):
        end = at + 12 + data[at + 1] + (13 if data[at + 2] & 1 else 0)
        packets.append(data[at:end])
        at = end
    return packets


def _message_id(packet: bytes) -> int:
    return int.from_bytes(packet[7:10], "little")
