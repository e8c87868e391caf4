"""What must be right before the simulated vehicle arms, and how it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle

PREARM_FROM_S = 23.2
REPEAT_S = 31.0


class Arming:
    """The checks before arming, made once a second and on request."""

    from_s = PREARM_FROM_S

    def __init__(self, vehicle: SimulatedVehicle) -> None:
        self._vehicle = vehicle
        self.ready = False
        self._say_again_s = self.from_s

    def faults(self) -> list[str]:
        """Return what speaks against arming, in the autopilot's words, without its prefix."""
        vehicle = self._vehicle
        faults: list[str] = []
        if not vehicle.initialised:
            return ["System not initialised"]
        mode = vehicle.flight.mode
        if not vehicle.gps_fix:
            faults.append("GPS 1: Bad fix")
        faults += vehicle.failsafes.arming_faults()
        if vehicle.equipment.remote_id:
            faults.append(f"OpenDroneID: {vehicle.equipment.remote_id}")
        fenced = bool(vehicle.parameters["FENCE_ENABLE"])
        if not vehicle.position_ok and vehicle.gps_fix and mode in vehicle.modes.positioned:
            faults.append("Need Position Estimate")
        if fenced and not vehicle.position_ok:
            faults.append("Fence requires position" if vehicle.aided else "Fence enabled, need position estimate")
        elif fenced and vehicle.fence.outside(vehicle.position):
            faults.append("Vehicle breaching Polygon fence")
        if mode == vehicle.modes.auto and len(vehicle.mission.items) <= 1:
            faults.append("Mode requires mission")
        return faults

    def arm(self) -> bool:
        """Arm, or say why not."""
        vehicle = self._vehicle
        if vehicle.armed:
            return True
        faults = self.faults()
        mode = vehicle.flight.mode
        if not faults and not self._armable(mode):
            faults.append("Mode not armable")
        for fault in faults:
            vehicle.say(2, f"Arm: {fault}")
        if faults:
            return False
        vehicle.become_armed()
        return True

    def tick(self) -> None:
        """Check once a second while disarmed; complain now and then."""
        vehicle = self._vehicle
        if vehicle.armed:
            self.ready = True
            return
        if vehicle.time_s < self.from_s:
            return
        faults = self.faults()
        if not faults:
            if not self.ready:
                self._say_again_s = vehicle.time_s + 1.0
            self.ready = True
            return
        if self.ready:
            self._say_again_s = vehicle.time_s + 1.0
        self.ready = False
        if vehicle.time_s >= self._say_again_s:
            self._say_again_s = vehicle.time_s + REPEAT_S
            self._complain(faults)

    def _complain(self, faults: list[str]) -> None:
        for fault in faults:
            self._vehicle.say(2, f"PreArm: {fault}")

    def _armable(self, mode: int) -> bool:
        modes = self._vehicle.modes
        if mode == modes.auto and mode not in modes.armable:
            return bool(int(self._vehicle.parameters["AUTO_OPTIONS"]) & 1)
        return mode in modes.armable
