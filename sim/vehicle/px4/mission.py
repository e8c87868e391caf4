"""How a PX4 runs its mission: numbered from 0, silently, with a return that is a mode of its own."""

from __future__ import annotations

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.missions import MissionRun


class Px4MissionRun(MissionRun):
    """Where the vehicle is in its mission; `seq` counts home as 0, what is told does not."""

    reached = -1

    def reset(self) -> None:
        """Start from the first item next time."""
        super().reset()
        self.reached = -1

    def _reached(self, seq: int, *, spoken: bool) -> None:
        self.reached = min(seq, len(self.items) - 1) - 1
        self._vehicle.send(mav.MAVLink_mission_item_reached_message(self.reached))

    def tick(self) -> None:
        """Go on to the next item when the current one is done."""
        item = self.current
        if item is not None and item.command == 22 and self._vehicle.flight.leg_done:
            self._reached(self.seq, spoken=False)
            self._advance_from(self.seq + 1)
            return
        super().tick()

    def _begin(self, seq: int) -> None:
        if self.items[seq].command == 20:
            self.seq = self._vehicle.transfers.current_seq = seq
            self._reached(seq, spoken=False)
            self._vehicle.change_mode(self._vehicle.modes.back)
            self._finish()
            return
        super()._begin(seq)

    def _say(self, seq: int) -> None:
        """PX4 does not announce its items."""

    def _finish(self) -> None:
        super()._finish()
        vehicle = self._vehicle
        if vehicle.flight.running_mission and not vehicle.flight.landed:
            vehicle.change_mode(vehicle.modes.hold)
