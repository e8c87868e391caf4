"""Where a simulated vehicle is, where it believes to be, and where home is."""

from __future__ import annotations

import math

from flightplan.terrain import Terrain
from sim.vehicle.airframe import Body, wrap_pi
from sim.vehicle.ground import Ground
from sim.vehicle.place import Home, LocalGrid
from sim.vehicle.waypoints import Point

ABOVE_GROUND = frozenset({10, 11})  # MAV_FRAME_GLOBAL_TERRAIN_ALT and its integer twin
_ABOVE_SEA = frozenset({0, 5})
MAX_HEIGHT_M, FARTHEST_M = 20_000.0, 1_000_000.0


class Whereabouts:
    """The true state (`body`), the believed `position` and `velocity`, the ground and home.

    Metres north, east and up of `home`, where it was switched on; `home_n`, `home_e` and `home_u` are the autopilot's
    own home, which moves there with each arming.
    """

    def __init__(self, home: Home, body: Body, terrain: Terrain | None) -> None:
        self.home, self.body = home, body
        self.grid = LocalGrid(home)
        self.ground = Ground(home, terrain)
        self._lose_bearings()

    def _lose_bearings(self) -> None:
        """Know nothing, as when it is switched on."""
        self.home_set = False
        self.home_n = self.home_e = self.home_u = self.home_true_u = 0.0
        self.gps_seen = self.gps_fix = self.aided = self.position_ok = False
        self.yaw_error = 0.0
        self.position: Point = (self.body.n, self.body.e, self.body.u)
        self.velocity: Point = (0.0, 0.0, 0.0)

    def _believe(self, error: list[float]) -> None:
        """Believe in the truth but for an error of the position."""
        body = self.body
        n, e, u = error
        self.position = (body.n + n, body.e + e, body.u + u)
        self.velocity = (body.vn, body.ve, body.vu)

    @property
    def believed_yaw(self) -> float:
        """Where it believes that its nose points (radians)."""
        return wrap_pi(self.body.yaw + self.yaw_error)

    @property
    def altitude_msl_m(self) -> float:
        """The height above mean sea level that it believes in."""
        return self.home.altitude_msl_m + self.position[2]

    @property
    def altitude_home_m(self) -> float:
        """The height above home that it believes in."""
        return self.position[2] - self.home_u if self.home_set else 0.0

    def reported_e7(self) -> tuple[int, int]:
        """Latitude and longitude in 1e-7 degrees that it believes in."""
        return self.grid.e7(self.position[0], self.position[1])

    def up(self, altitude_m: float, frame: int, place: tuple[float, float] | None = None) -> float:
        """A height in a MAV_FRAME, at a place for those above ground, to metres above where it was switched on."""
        if frame in ABOVE_GROUND and place is not None:
            return self.ground.at(*place) + altitude_m
        return altitude_m - self.home.altitude_msl_m if frame in _ABOVE_SEA else self.home_u + altitude_m

    def place(self, lat_e7: int, lon_e7: int, altitude_m: float, frame: int) -> Point | None:
        """A commanded place to local metres; None when it is nowhere a vehicle could fly to."""
        if abs(lat_e7) > 900_000_000 or abs(lon_e7) > 1_800_000_000 or not abs(altitude_m) < MAX_HEIGHT_M:
            return None
        n, e = self.grid.local(lat_e7, lon_e7)
        return (n, e, self.up(altitude_m, frame, (n, e))) if math.hypot(n, e) < FARTHEST_M else None
