"""A simulated fixed wing with ArduPlane's dialect: its modes, parameters, circles and landings.

It follows ArduPlane's documentation and sources. There is no recording of a real ArduPlane to hold it to, as there is
for ArduCopter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.airframe import Body
from sim.vehicle.arming import Arming
from sim.vehicle.autopilot import SimulatedVehicle
from sim.vehicle.boot import Boot
from sim.vehicle.commands import ACCEPTED, FAILED, Commands, Params
from sim.vehicle.modes import PLANE, PLANE_AUTO, PLANE_TAKEOFF
from sim.vehicle.parameters import Parameters
from sim.vehicle.place import Home
from sim.vehicle.plane.body import PlaneBody, Wing
from sim.vehicle.plane.failsafes import PlaneFailsafes
from sim.vehicle.plane.flight import PlaneFlight
from sim.vehicle.plane.mission import PlaneMissionRun
from sim.vehicle.plane.parameters import PLANE as DEFAULTS
from sim.vehicle.telemetry import Telemetry


class PlaneVehicle(SimulatedVehicle):
    """One ArduPlane-like fixed wing; see `SimulatedVehicle`. `parameters` are ArduPlane's."""

    kind = "plane"
    modes = PLANE
    vehicle_type = mav.MAV_TYPE_FIXED_WING
    banner = ("ArduPlane V4.6.0 (overfly)", "overfly simulated vehicle", "Frame: FIXED WING")
    body: PlaneBody

    def _make_body(self, home: Home) -> Body:
        self.wing = Wing()
        return PlaneBody(self.wing, math.radians(home.yaw_deg))

    def _make_parameters(self, values: Mapping[str, float]) -> Parameters:
        return Parameters(values, DEFAULTS)

    def _assemble(self) -> None:
        self.flight = PlaneFlight(self)
        self.mission = PlaneMissionRun(self)
        self.failsafes = PlaneFailsafes(self)
        self.arming = Arming(self)
        self.telemetry = PlaneTelemetry(self)
        self.boot = Boot(self)
        self.commands = PlaneCommands(self)

    def become_armed(self) -> None:
        """Start the motor; home is here. In AUTO and TAKEOFF that is the start."""
        super().become_armed()
        if self.flight.mode == PLANE_AUTO:
            self.mission.start_or_resume()
        elif self.flight.mode == PLANE_TAKEOFF:
            self.flight.take_off(self.parameters["TKOFF_ALT"])

    def start_landing(self) -> bool:
        """Fly on with the mission at its DO_LAND_START; False when it has none."""
        start = next((i for i, item in enumerate(self.mission.items) if item.command == 189), None)
        if start is None or not self.armed or self.flight.landed:
            return False
        self.change_mode(PLANE_AUTO)
        self.mission.jump(start)
        return True

    def _current_a(self) -> float:
        return 0.3 + self.wing.cruise_current_a * self.body.power


class PlaneTelemetry(Telemetry):
    """The streams of a fixed wing."""

    vtol_state = mav.MAV_VTOL_STATE_UNDEFINED


class PlaneCommands(Commands):
    """The commands of a fixed wing: no pause, a landing only where its mission has one."""

    def __init__(self, vehicle: PlaneVehicle) -> None:
        super().__init__(vehicle)
        self._plane = vehicle
        self._handlers.pop(mav.MAV_CMD_DO_PAUSE_CONTINUE)
        self._handlers.pop(mav.MAV_CMD_CONDITION_YAW)
        self._handlers.pop(mav.MAV_CMD_NAV_LAND)
        self._handlers[mav.MAV_CMD_DO_LAND_START] = self._land_start

    def _take_off(self, p: Params, message: object) -> int:
        """ArduPlane takes off in TAKEOFF or AUTO, not by command."""
        return FAILED

    def _land_start(self, p: Params, message: object) -> int:
        if not self._plane.start_landing():
            self._plane.say(4, "Unable to start landing sequence.")
            return FAILED
        self._plane.say(5, "Landing sequence started.")
        return ACCEPTED
