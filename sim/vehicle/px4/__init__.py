"""A simulated multirotor with a PX4-like dialect: its modes, parameters, mission protocol and acknowledgements.

It follows PX4's published sources and MAVLink's documentation. There is no recording of a real PX4 to hold it to, as
there is for ArduCopter; its flight is that of the same body and controller with PX4's speeds and limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.vehicle.arming import Arming
from sim.vehicle.autopilot import SimulatedVehicle
from sim.vehicle.boot import Boot
from sim.vehicle.flight import TAKEOFF as CLIMBING
from sim.vehicle.flight import Flight
from sim.vehicle.modes import AUTO, GUIDED
from sim.vehicle.parameters import Parameters
from sim.vehicle.place import Home
from sim.vehicle.px4.commands import Px4Commands
from sim.vehicle.px4.failsafes import Px4Failsafes
from sim.vehicle.px4.mission import Px4MissionRun
from sim.vehicle.px4.modes import PX4, TAKEOFF, TOLD
from sim.vehicle.px4.parameters import Px4Parameters
from sim.vehicle.px4.telemetry import Px4Telemetry
from sim.vehicle.px4.transfers import Px4Transfers
from sim.vehicle.transfers import Transfers


class Px4Vehicle(SimulatedVehicle):
    """One PX4-like multirotor; see `SimulatedVehicle`. `parameters` are PX4's."""

    kind = "px4"
    modes = PX4
    first_item = 1

    def __init__(self, home: Home, seed: int = 0, *, battery_ah: float | None = None, **options: Any) -> None:
        super().__init__(home, seed, battery_ah=battery_ah, **options)
        if battery_ah is not None:
            self.told.set("BAT1_CAPACITY", 1000 * battery_ah)

    def _make_parameters(self, values: Mapping[str, float]) -> Parameters:
        own = dict(values)
        beneath = Parameters({"MAV_SYSID": own.pop("MAV_SYSID", 1)})
        self.told = Px4Parameters(beneath)
        for name, value in own.items():
            if not self.told.set(name, value):
                raise KeyError(name)
        return beneath

    def _make_transfers(self) -> Transfers:
        self.px4_transfers = Px4Transfers(self.send, self.say, self._items_changed)
        return self.px4_transfers

    def _assemble(self) -> None:
        self._takeoff_m: float | None = None
        self.flight = Flight(self)
        self.mission = self.px4_mission = Px4MissionRun(self)
        self.failsafes = Px4Failsafes(self)
        self.arming = Px4Arming(self)
        self.telemetry = Px4Telemetry(self)
        self.boot = Px4Boot(self, ())
        self.commands = Px4Commands(self)
        self.flight.mode = self.modes.hold

    @property
    def told_mode(self) -> tuple[int, int]:
        """Main and sub mode as HEARTBEAT tells them."""
        if self.flight.mode == GUIDED and (self._takeoff_m is not None or self.flight.stage == CLIMBING):
            return TAKEOFF
        return TOLD[self.flight.mode]

    def battery_share(self) -> float:
        """Charge left, 0 to 1: the lesser of what was counted and what the voltage tells."""
        counted = 1.0 - self.battery.used_mah / max(self.told["BAT1_CAPACITY"], 1.0)
        empty, full = self.told["BAT1_V_EMPTY"], self.told["BAT1_V_CHARGED"]
        by_voltage = (self.battery.voltage / max(self.told["BAT1_N_CELLS"], 1) - empty) / max(full - empty, 0.01)
        return min(max(min(counted, by_voltage), 0.0), 1.0)

    def battery_percent(self) -> int:
        """Charge left, 0 to 100."""
        return round(100 * self.battery_share())

    def plan_takeoff(self, height_m: float) -> None:
        """Take off to a height above home, now or when armed."""
        self._takeoff_m = height_m
        self.flight.mode = GUIDED
        self.send(self.telemetry.heartbeat())
        if self.armed:
            self._lift()

    def change_mode(self, mode: int | None) -> None:
        """Enter a flight mode and tell it; the distance trigger rests while no mission is flown."""
        if mode is None or mode == self.flight.mode:
            return
        self._takeoff_m = None
        super().change_mode(mode)
        self.shutter.held = mode != AUTO and self.armed
        if mode == AUTO and self.armed and self.flight.landed:
            self.mission.start_or_resume()

    def become_armed(self) -> None:
        """Start the motors; home is here. In MISSION and TAKEOFF that is the start."""
        super().become_armed()
        self.shutter.held = False
        if self.flight.mode == AUTO:
            self.mission.start_or_resume()
        elif self._takeoff_m is not None:
            self._lift()

    def say(self, severity: int, text: str) -> None:
        """Queue a STATUSTEXT; ArduPilot's own words about arming and the ground are not said."""
        renamed = {"Arming motors": "Armed by external command", "Disarming motors": "Disarmed"}.get(text, text)
        if not renamed.startswith(("SIM Hit ground", "EKF3", "Flight plan", "Fence Indexed")):
            super().say(severity, renamed)

    def _lift(self) -> None:
        height_m, self._takeoff_m = self._takeoff_m, None
        if height_m is not None:
            self.flight.take_off(height_m)


class Px4Arming(Arming):
    """The checks before arming in PX4's order, and its refusal."""

    from_s = 5.0

    def faults(self) -> list[str]:
        """Return what speaks against arming."""
        vehicle = self._vehicle
        if not vehicle.initialised:
            return ["System not initialised"]
        faults = []
        if not vehicle.position_ok:
            faults.append("ekf2 missing data" if vehicle.time_s < 5 else "Global position required")
        faults += vehicle.failsafes.arming_faults()
        if vehicle.flight.mode == AUTO and len(vehicle.mission.items) <= 1:
            faults.append("Mission is not valid")
        if vehicle.position_ok and vehicle.fence.outside(vehicle.position):
            faults.append("Geofence violation")
        return faults

    def arm(self) -> bool:
        """Arm, or say why not."""
        vehicle = self._vehicle
        if vehicle.armed:
            return True
        faults = self.faults()
        if not faults and vehicle.flight.mode not in vehicle.modes.armable:
            faults = ["Mode not suitable for takeoff"]
        for fault in faults:
            vehicle.say(2, f"Preflight Fail: {fault}")
        if faults:
            vehicle.say(2, "Arming denied: Resolve system health failures")
            return False
        vehicle.become_armed()
        return True

    def _complain(self, faults: list[str]) -> None:
        for fault in faults:
            self._vehicle.say(4, f"Preflight Fail: {fault}")


class Px4Boot(Boot):
    """A start with fewer words, and sooner over: PX4's simulated GPS is there at once."""

    gps_s, origin_s, aided_s = 3.0, 6.0, 12.0

    def _say_origin(self) -> None:
        """Nothing is said of the origin."""

    def _say_aided(self) -> None:
        self._vehicle.say(6, "Ready for takeoff!")
