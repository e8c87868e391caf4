"""What an ArduPlane does by itself when something fails: names and numbers differ from ArduCopter's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sim.vehicle.failsafes import ACT_LAND, EKF_PATIENCE_S, NOTHING, RETURN, Failsafes
from sim.vehicle.modes import PLANE_AUTO

if TYPE_CHECKING:
    from sim.vehicle.plane import PlaneVehicle


class PlaneFailsafes(Failsafes):
    """Battery (1 returns, 2 lands), ground station (FS_GCS_ENABL with FS_LONG_ACTN), fence and position."""

    battery_actions: ClassVar[dict[int, int]] = {0: NOTHING, 2: ACT_LAND}
    fence_actions: ClassVar[dict[int, int]] = {}

    def __init__(self, vehicle: PlaneVehicle) -> None:
        super().__init__(vehicle)
        self._plane = vehicle

    def _watch_station(self) -> None:
        vehicle, p = self._vehicle, self._vehicle.parameters
        if not p["FS_GCS_ENABL"] or vehicle.heard_s is None:
            return
        silent = vehicle.time_s - vehicle.heard_s > p["FS_LONG_TIMEOUT"]
        if silent and not self.gcs and vehicle.armed:
            self.gcs = True
            # In AUTO without an action it flies on; in other modes it returns (ArduPlane, failsafe_long_on_event).
            goes_on = vehicle.flight.mode == PLANE_AUTO and not p["FS_LONG_ACTN"]
            if not goes_on:
                self._act(RETURN)
            vehicle.say(4, f"GCS Failsafe On: {vehicle.modes.names[vehicle.flight.mode]}")
        elif not silent and self.gcs:
            self.gcs = False
            vehicle.say(4, "GCS Failsafe Cleared")

    def _watch_gps(self) -> None:
        """Without GPS it turns slowly where it is, and goes on when there is a position again."""
        vehicle, now = self._vehicle, self._vehicle.time_s
        if vehicle.gps_fix:
            if self._no_gps_since_s is not None:
                self._no_gps_since_s = None
                if self.ekf:
                    self._say(6, "gps", lanes=2)
                self.ekf = False
                vehicle.position_ok = vehicle.aided
            return
        if not vehicle.aided:
            return
        if self._no_gps_since_s is None:
            self._no_gps_since_s = now
        if now - self._no_gps_since_s > EKF_PATIENCE_S and not self.ekf:
            self.ekf = True
            vehicle.position_ok = False
            self._say(2, "ekf")

    def _act(self, action: int) -> None:
        """Return, or go to the landing of the mission where it has one."""
        vehicle = self._vehicle
        if not vehicle.armed or action == NOTHING:
            return
        if action == ACT_LAND and self._plane.start_landing():
            return
        vehicle.change_mode(vehicle.modes.back)
