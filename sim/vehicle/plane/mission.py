"""How an ArduPlane runs its mission: waypoints are reported by the pilot, circles end after their turns."""

from __future__ import annotations

import math

from sim.vehicle.missions import MissionRun


class PlaneMissionRun(MissionRun):
    """Where the aeroplane is in its mission."""

    def tick(self) -> None:
        """Go on to the next item when the current one is done."""
        item = self.current
        if self.state != 3 or item is None or not self._vehicle.flight.leg_done:
            return
        if item.command in (17, 20, 21):
            return
        if item.command in (19, 93):
            if self._hold_until_s == math.inf:
                self._hold_until_s = self._vehicle.time_s + item.params[0]
            if self._vehicle.time_s < self._hold_until_s:
                return
        self._reached(self.seq, spoken=False)
        self._advance_from(self.seq + 1)
