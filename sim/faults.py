"""What goes wrong on purpose: a link that loses, doubles, reorders and delays, and a vehicle with troubles of its own.

All of it in simulated time and drawn from a seed, so that a flight with faults is the same each time.
"""

from sim.vehicle.equipment import Aircraft
from sim.vehicle.faults import Faults, Span
from sim.vehicle.faulty import FAULTY, FaultyPlane, FaultyPx4, FaultyVehicle
from sim.vehicle.faulty_link import FaultyLink

__all__ = ["FAULTY", "Aircraft", "Faults", "FaultyLink", "FaultyPlane", "FaultyPx4", "FaultyVehicle", "Span"]
