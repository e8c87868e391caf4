"""A MAVLink autopilot that behaves like ArduCopter: in process, or served to any ground station."""

from collections.abc import Mapping

from sim.vehicle.airframe import Airframe
from sim.vehicle.autopilot import SimulatedVehicle
from sim.vehicle.equipment import Aircraft, Equipment
from sim.vehicle.exposures import Exposure
from sim.vehicle.fleet import Fleet, line_up
from sim.vehicle.place import Home
from sim.vehicle.plane import PlaneVehicle
from sim.vehicle.px4 import Px4Vehicle
from sim.vehicle.serve import VehicleServer, serve
from sim.vehicle.sitl import ArduCopter, find_arducopter
from sim.vehicle.weather import PositionError, Wind

# What `--kind` names.
KINDS: Mapping[str, type[SimulatedVehicle]] = {"copter": SimulatedVehicle, "plane": PlaneVehicle, "px4": Px4Vehicle}

__all__ = [
    "KINDS", "Aircraft", "Airframe", "ArduCopter", "Equipment", "Exposure", "Fleet", "Home", "PlaneVehicle",
    "PositionError", "Px4Vehicle", "SimulatedVehicle", "VehicleServer", "Wind", "find_arducopter", "line_up", "serve",
]  # fmt: skip
