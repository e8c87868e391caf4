"""How far and how high a mission goes."""

from __future__ import annotations

from dataclasses import dataclass

import pyproj

from flightplan.mission import Command, Frame, Mission

_GEOD = pyproj.Geod(ellps="WGS84")


@dataclass(frozen=True)
class Extent:
    """Greatest distance from home, greatest and least height above home of what is flown; the take-off is left out."""

    reach_m: float
    highest_m: float
    lowest_m: float

    @classmethod
    def of(cls, mission: Mission) -> Extent:
        """Measure a mission; all 0 for one without positions."""
        placed = [i for i in mission.items if i.longitude_deg is not None and i.latitude_deg is not None]
        above = [i for i in placed if i.frame == Frame.GLOBAL_RELATIVE_ALT]
        flown = [i.altitude_m for i in above if i.command not in (Command.NAV_TAKEOFF, Command.NAV_LAND)]
        heights = flown or [i.altitude_m for i in above] or [0.0]
        reach_m = 0.0
        if mission.home is not None and placed:
            lon, lat = [mission.home[0]] * len(placed), [mission.home[1]] * len(placed)
            far = _GEOD.inv(lon, lat, [i.longitude_deg for i in placed], [i.latitude_deg for i in placed])[2]
            reach_m = max(far)
        return cls(reach_m, max(i.altitude_m for i in above) if above else 0.0, min(heights))
