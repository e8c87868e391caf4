"""Where the simulated vehicle goes when it returns: home, or a rally point that is nearer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.vehicle.items import RALLY

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle
    from sim.vehicle.waypoints import Point


def return_point(vehicle: SimulatedVehicle) -> Point:
    """Return home, or a nearer rally point within its limit, in local metres."""
    home = (vehicle.home_n, vehicle.home_e, vehicle.home_u)
    best, n, e = home, vehicle.position[0], vehicle.position[1]
    nearest = math.hypot(n - home[0], e - home[1]) if vehicle.parameters["RALLY_INCL_HOME"] else math.inf
    limit = vehicle.parameters["RALLY_LIMIT_KM"] * 1000 or math.inf
    for item in vehicle.transfers.items[RALLY]:
        rn, re = vehicle.grid.local(item.x, item.y)
        away = math.hypot(n - rn, e - re)
        if away < nearest and away <= limit:
            nearest, best = away, (rn, re, vehicle.up(item.z, item.frame))
    return best
