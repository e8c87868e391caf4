"""The fence of the simulated vehicle: polygons and circles to stay in or out of, a height and a radius."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import shapely

from sim.vehicle.items import FENCE

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle
    from sim.vehicle.waypoints import Point

ALTITUDE, CIRCLE, POLYGON = 1, 2, 4


class Fence:
    """The stored fence in local metres."""

    def __init__(self, vehicle: SimulatedVehicle) -> None:
        self._vehicle = vehicle
        self._areas: list[tuple[bool, object]] = []

    def load(self) -> None:
        """Take the fence from the stored items."""
        vehicle = self._vehicle
        self._areas = []
        items = vehicle.transfers.items[FENCE]
        at = 0
        while at < len(items):
            item = items[at]
            if item.command in (5001, 5002):
                count = int(item.params[0])
                ring = [vehicle.grid.local(v.x, v.y) for v in items[at : at + count]]
                area = shapely.Polygon(ring)
                shapely.prepare(area)
                self._areas.append((item.command == 5001, area))
                at += count
                continue
            if item.command in (5003, 5004):
                area = shapely.Point(vehicle.grid.local(item.x, item.y)).buffer(item.params[0], quad_segs=32)
                self._areas.append((item.command == 5003, area))
            at += 1
        vehicle.parameters.set("FENCE_TOTAL", float(min(len(items), 127)))

    def outside(self, position: Point) -> int:
        """Return the bits of the fences that a position (north, east, up) breaches, 0 inside."""
        vehicle = self._vehicle
        p = vehicle.parameters
        kinds = int(p["FENCE_TYPE"])
        n, e, u = position
        breached = 0
        if kinds & ALTITUDE and u - vehicle.home_u > p["FENCE_ALT_MAX"]:
            breached |= ALTITUDE
        if kinds & CIRCLE and math.hypot(n - vehicle.home_n, e - vehicle.home_e) > p["FENCE_RADIUS"]:
            breached |= CIRCLE
        if kinds & POLYGON and self._areas:
            inclusions = [a for keep, a in self._areas if keep]
            exclusions = [a for keep, a in self._areas if not keep]
            outside = any(not shapely.contains_xy(a, n, e) for a in inclusions)
            if outside or any(shapely.contains_xy(a, n, e) for a in exclusions):
                breached |= POLYGON
        return breached
