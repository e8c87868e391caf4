"""Aircraft nearby, from ADSB_VEHICLE: shown when they come near, warned of when they would come too near.

Too near is ASTM F3442/F3442M-20's well-clear volume around a small drone: 2,000 ft (610 m) on the ground and 250 ft
(76 m) in height. A warning is given when an aircraft is in it, or, flying on as it does, would be within LOOK_AHEAD_S;
60 s is more than the 35 s of modified tau in RTCA DO-365A's corrective alert, as a pilot on the ground has to be told.
Its height is a pressure height or a height over the ellipsoid, ours one over mean sea level: HEIGHT_DOUBT_M is added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

WELL_CLEAR_M, WELL_CLEAR_HEIGHT_M = 610.0, 76.0
LOOK_AHEAD_S = 60.0
HEIGHT_DOUBT_M = 100.0
SHOWN_M, SHOWN_HEIGHT_M = 10_000.0, 1_000.0
_FORGET_S = 60.0
_PLACE, _HEIGHT, _HEADING, _SPEED, _CALLSIGN = 1, 2, 4, 8, 16
_METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class Encounter:
    """An aircraft as we meet it: distances in metres now and at the nearest, `height_m` above us (None unknown).

    `closing_mps` is how fast the distance shrinks, below 0 when it grows.
    """

    name: str
    distance_m: float
    height_m: float | None
    closing_mps: float
    nearest_m: float
    nearest_in_s: float

    @property
    def is_warning(self) -> bool:
        """Whether it is, or would be, within the well-clear volume."""
        return self.nearest_m <= WELL_CLEAR_M and (
            self.height_m is None or abs(self.height_m) <= WELL_CLEAR_HEIGHT_M + HEIGHT_DOUBT_M
        )

    @property
    def words(self) -> str:
        """What a pilot is told."""
        if self.height_m is None:
            height = "at an unknown height"
        else:
            height = f"{abs(self.height_m):.0f} m {'above' if self.height_m >= 0 else 'below'} the drone"
        text = f"aircraft {self.name}: {self.distance_m / 1000:.1f} km away, {height}"
        if not self.is_warning:
            return text
        if self.distance_m <= WELL_CLEAR_M:
            return f"{text}: too near; give way, land or come down"
        return (
            f"{text}, closing at {self.closing_mps:.0f} m/s: within {self.nearest_m:.0f} m in {self.nearest_in_s:.0f} s"
        )


class Traffic:
    """Keeps the aircraft that were told of, and says each once when it is shown and once when it is warned of."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[bool, float]] = {}

    def hear(self, report: Any, here: Any, now_s: float) -> Encounter | None:
        """Take an ADSB_VEHICLE and our GLOBAL_POSITION_INT; return what has to be said anew."""
        met = encounter(report, here)
        if met is None:
            return None
        warned, said_s = self._said.get(report.ICAO_address, (False, -math.inf))
        if now_s - said_s > _FORGET_S:
            warned, said_s = False, -math.inf
        shown = met.distance_m <= SHOWN_M and (met.height_m is None or abs(met.height_m) <= SHOWN_HEIGHT_M)
        if not met.is_warning and not shown:
            return None
        new = (met.is_warning and not warned) or said_s == -math.inf
        self._said[report.ICAO_address] = (warned or met.is_warning, now_s)
        return met if new else None


def encounter(report: Any, here: Any) -> Encounter | None:
    """Reckon how an aircraft meets us, both flying on as they do; None without the place of either."""
    if not report.flags & _PLACE or (not here.lat and not here.lon):
        return None
    per_lon = _METRES_PER_DEGREE * math.cos(math.radians(here.lat / 1e7))
    turn = (report.lon - here.lon + 1_800_000_000) % 3_600_000_000 - 1_800_000_000  # over the date line too
    east, north = turn / 1e7 * per_lon, (report.lat - here.lat) / 1e7 * _METRES_PER_DEGREE
    distance_m = math.hypot(east, north)
    height_m = report.altitude / 1000 - here.alt / 1000 if report.flags & _HEIGHT else None
    if report.flags & _HEADING and report.flags & _SPEED:
        course, speed = math.radians(report.heading / 100), report.hor_velocity / 100
        v_east, v_north = speed * math.sin(course) - here.vy / 100, speed * math.cos(course) - here.vx / 100
    else:
        v_east = v_north = 0.0
    square = v_east**2 + v_north**2
    closing = -(east * v_east + north * v_north) / distance_m if distance_m > 0 else 0.0
    in_s = min(max(-(east * v_east + north * v_north) / square, 0.0), LOOK_AHEAD_S) if square > 0.01 else 0.0
    nearest_m = math.hypot(east + v_east * in_s, north + v_north * in_s)
    call = report.callsign if isinstance(report.callsign, str) else bytes(report.callsign).decode("ascii", "replace")
    name = call.strip("\0 ") if report.flags & _CALLSIGN else ""
    name = "".join(c for c in name if c.isprintable())[:9] or f"{report.ICAO_address:06X}"
    return Encounter(name, distance_m, height_m, closing, nearest_m, in_s)
