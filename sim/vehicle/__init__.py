"""A MAVLink autopilot that behaves like ArduCopter: in process, or served to any ground station."""

from sim.vehicle.airframe import Airframe
from sim.vehicle.autopilot import SimulatedVehicle
from sim.vehicle.exposures import Exposure
from sim.vehicle.fleet import Fleet, line_up
from sim.vehicle.place import Home
from sim.vehicle.serve import VehicleServer, serve
from sim.vehicle.weather import PositionError, Wind

__all__ = [
    "Airframe", "Exposure", "Fleet", "Home", "PositionError", "SimulatedVehicle", "VehicleServer", "Wind", "line_up",
    "serve",
]  # fmt: skip
