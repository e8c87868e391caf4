"""The ground under a simulated vehicle: a plane, or an elevation model."""

from __future__ import annotations

import math

from flightplan.terrain import Terrain
from sim.vehicle.place import Home, LocalGrid

_SAMPLE_M = 1.0  # how far the vehicle moves before the elevation model is asked again


class Ground:
    """Heights of the ground in metres above the place where the vehicle was switched on.

    Only differences of the model count: its datum need not be that of the vehicle's altitude. Where it has none, the
    ground goes on as at the last place that had.
    """

    def __init__(self, home: Home, terrain: Terrain | None) -> None:
        self._terrain = None if terrain is None or terrain.is_flat else terrain
        self._grid = LocalGrid(home)
        self._asked: tuple[float, float] | None = None
        self._u = 0.0
        self._base_m = 0.0
        if self._terrain is not None:
            height = float(self._terrain.heights_m([(home.lon, home.lat)])[0])
            self._base_m = height if math.isfinite(height) else self._terrain.range_m[0]

    @property
    def known(self) -> bool:
        """Whether there is an elevation model, not a plane."""
        return self._terrain is not None

    def at(self, n: float, e: float) -> float:
        """Return the height of the ground at a place."""
        if self._terrain is None:
            return 0.0
        height = float(self._terrain.heights_m([self._grid.lonlat(n, e)])[0])
        return height - self._base_m if math.isfinite(height) else self._u

    def under(self, n: float, e: float) -> float:
        """Return the height of the ground under a vehicle that moves: asked anew each metre."""
        if self._terrain is None:
            return 0.0
        if self._asked is None or math.hypot(n - self._asked[0], e - self._asked[1]) >= _SAMPLE_M:
            self._u, self._asked = self.at(n, e), (n, e)
        return self._u
