"""Running a mission: which item is flown, what is done between waypoints, what is said about it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.items import MISSION, Item

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle

NOT_STARTED, ACTIVE, COMPLETE = 2, 3, 5


class MissionRun:
    """Where the vehicle is in its mission. `seq` is the item being navigated, 0 before the start and after the end."""

    def __init__(self, vehicle: SimulatedVehicle) -> None:
        self._vehicle = vehicle
        self.seq = 0
        self.state = NOT_STARTED
        self._jumps: dict[int, int] = {}
        self._hold_until_s = math.inf

    @property
    def items(self) -> list[Item]:
        """The stored mission, home first."""
        return self._vehicle.transfers.items[MISSION]

    @property
    def current(self) -> Item | None:
        """The item being navigated."""
        return self.items[self.seq] if 0 < self.seq < len(self.items) else None

    def reset(self) -> None:
        """Start from the first item next time."""
        self.seq, self.state = 0, NOT_STARTED
        self._jumps.clear()

    def start_or_resume(self) -> None:
        """Fly on with the current item, or the first."""
        if self.state == COMPLETE or self.seq == 0 or self._vehicle.parameters["MIS_RESTART"]:
            self.reset()
            self.state = ACTIVE
            self._advance_from(1)
            return
        self.state = ACTIVE
        self._begin(self.seq)

    def jump(self, seq: int) -> bool:
        """Make an item the current one; False when there is none of that number."""
        if not 0 < seq < len(self.items):
            if seq == 0 and self.items:
                self.reset()
                return True
            return False
        if self.state == ACTIVE and self._vehicle.flight.running_mission:
            self._advance_from(seq)
        else:
            self.seq = seq
            self.state = NOT_STARTED if self.state == COMPLETE else self.state
        return True

    def following(self) -> Item | None:
        """The next navigation item after the current one."""
        seq, hops = self.seq + 1, 0
        while seq < len(self.items) and hops < 100:
            item = self.items[seq]
            if item.navigates:
                return item
            if item.command == 177 and self._jumps.get(seq, int(item.params[1])) != 0:
                seq, hops = self._target(item), hops + 1
                continue
            seq += 1
        return None

    def tick(self) -> None:
        """Go on to the next item when the current one is done."""
        item = self.current
        if self.state != ACTIVE or item is None:
            return
        flight = self._vehicle.flight
        if not flight.leg_done:
            return
        if item.command == 22:
            self._reached(self.seq + 1, spoken=False)
        elif item.command in (16, 82, 19, 18, 31, 93):
            hold_s = item.params[0] if item.command != 31 else 0.0
            if item.command == 18:
                radius = abs(item.params[2]) or 10.0
                hold_s = item.params[0] * 2 * math.pi * radius / max(math.sqrt(radius * 1.25), 0.5)
            if self._hold_until_s == math.inf:
                self._hold_until_s = self._vehicle.time_s + hold_s
            if self._vehicle.time_s < self._hold_until_s - 1e-6:
                return
            self._reached(self.seq, spoken=True)
        elif item.command == 17:
            return
        else:
            return
        self._advance_from(self.seq + 1)

    def landed(self) -> None:
        """Note that a landing or return in the mission ended on the ground."""
        if self.state != ACTIVE:
            return
        self._reached(self.seq, spoken=False)
        self._finish()
        self.seq = 0

    def _reached(self, seq: int, *, spoken: bool) -> None:
        vehicle = self._vehicle
        vehicle.send(mav.MAVLink_mission_item_reached_message(seq))
        if spoken:
            vehicle.say(6, f"Reached command #{seq}")

    def _advance_from(self, seq: int) -> None:
        """Do what comes before the next navigation item, then begin that."""
        hops = 0
        while seq < len(self.items) and hops < 1000:
            hops += 1
            item = self.items[seq]
            if item.command == 177:
                left = self._jumps.setdefault(seq, int(item.params[1]))
                if left != 0 and 0 < self._target(item) < len(self.items):
                    if left > 0:
                        self._jumps[seq] = left - 1
                    seq = self._target(item)
                    continue
                seq += 1
                continue
            if item.navigates:
                self._begin(seq)
                return
            self._say(seq)
            self._do(item)
            seq += 1
        self._finish()
        self._vehicle.flight.mission_over()

    def _begin(self, seq: int) -> None:
        self.seq = seq
        self._vehicle.transfers.current_seq = seq
        self._hold_until_s = math.inf
        self._say(seq)
        self._vehicle.flight.navigate(self.items[seq], self.following())

    def _target(self, jump: Item) -> int:
        return int(jump.params[0]) + self._vehicle.first_item

    def _finish(self) -> None:
        self.state = COMPLETE

    def _say(self, seq: int) -> None:
        self._vehicle.say(6, f"Mission: {seq} {self.items[seq].name}")

    def _do(self, item: Item) -> None:
        vehicle, p = self._vehicle, item.params
        if item.command == 178:
            vehicle.flight.change_speed(int(p[0]), p[1])
        elif item.command == 206:
            vehicle.shutter.every(p[0], now=bool(p[2]))
        elif item.command == 203:
            vehicle.shutter.fire()
        elif item.command == 2000:
            vehicle.shutter.timed(p[1], int(p[2]))
        elif item.command == 2001:
            vehicle.shutter.stop()
        elif item.command == 214:
            vehicle.shutter.timed(p[0] / 1000, 0 if p[0] > 0 else -1)
        elif item.command == 115:
            vehicle.flight.fix_yaw(math.radians(p[0]), relative=bool(p[3]), clockwise=p[2] >= 0)
        elif item.command == 207:
            vehicle.parameters.set("FENCE_ENABLE", float(int(p[0]) != 0))
