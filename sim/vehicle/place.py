"""Where the simulated vehicle's local metres are on Earth."""

from __future__ import annotations

import math
from dataclasses import dataclass

# ArduPilot's flat earth: metres per 1e-7 degree of latitude, and of longitude at the equator.
METRES_PER_E7 = 0.011131884502145034


@dataclass(frozen=True)
class Home:
    """Where the vehicle stands when it is switched on."""

    lon: float
    lat: float
    altitude_msl_m: float
    yaw_deg: float = 0.0

    def moved(self, north_m: float, east_m: float) -> Home:
        """Return the place so many metres further north and east, at the same height and heading."""
        lon, lat = LocalGrid(self).lonlat(north_m, east_m)
        return Home(lon, lat, self.altitude_msl_m, self.yaw_deg)


class LocalGrid:
    """Metres north and east of a place, and degrees, on a flat earth around it."""

    def __init__(self, origin: Home) -> None:
        self._lon, self._lat = origin.lon, origin.lat
        self._lon_metres_per_e7 = METRES_PER_E7 * math.cos(math.radians(origin.lat))

    def e7(self, n: float, e: float) -> tuple[int, int]:
        """Local metres to latitude and longitude in 1e-7 degrees."""
        return round(self._lat * 1e7 + n / METRES_PER_E7), round(self._lon * 1e7 + e / self._lon_metres_per_e7)

    def lonlat(self, n: float, e: float) -> tuple[float, float]:
        """Local metres to longitude and latitude in degrees."""
        return self._lon + e / self._lon_metres_per_e7 * 1e-7, self._lat + n / METRES_PER_E7 * 1e-7

    def local(self, lat_e7: int, lon_e7: int) -> tuple[float, float]:
        """Latitude and longitude in 1e-7 degrees to local metres."""
        return (lat_e7 - self._lat * 1e7) * METRES_PER_E7, (lon_e7 - self._lon * 1e7) * self._lon_metres_per_e7
