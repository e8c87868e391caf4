"""Where a fixed wing lands: a circle to come down on, a straight final approach, the touchdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import atan2, cos, pi, radians, sin

import numpy as np
import pyproj
import shapely

from flightplan.dubins import RIGHT, Pose
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.messages import Message, message
from flightplan.mission import Command, Frame, Mission, MissionItem

GLIDE_SLOPE = 0.08
"""Of the final approach: below PX4's steepest by default (FW_LND_ANG 5°: 8.7 %), and half of ArduPlane's own landing
mode, 55 m over 400 m (ardupilot.org/plane/docs/mode_autoland.html)."""

HEIGHTS_M = (50.0, 40.0, 30.0)
"""At which the glide may begin."""
_OVERRUN_M = 100.0
_CHORD_DEG = 3.0
_GEOD = pyproj.Geod(ellps="WGS84")
_SAMPLE_M = 20.0
_HEADING_REQUIRED, _LEAVE_ON_TANGENT = 1.0, 1.0
_NOISE_M = 3.0


@dataclass(frozen=True)
class Landing:
    """A landing that was asked for: the touchdown, and the heading flown over it. Raises PlanError for what is none."""

    longitude_deg: float
    latitude_deg: float
    heading_deg: float

    def __post_init__(self) -> None:
        within = abs(self.longitude_deg) <= 180 and abs(self.latitude_deg) <= 90 and abs(self.heading_deg) <= 360
        if not within:
            raise PlanError(
                f"{self.longitude_deg:g} {self.latitude_deg:g} {self.heading_deg:g} is not a landing",
                hint="Say longitude, latitude and heading in degrees",
            )

    @classmethod
    def of(cls, mission: Mission) -> Landing | None:
        """Return where a mission lands after an approach; None where it does not."""
        placed = [i for i in mission.items if i.longitude_deg is not None and i.latitude_deg is not None]
        starts = any(i.command == Command.DO_LAND_START for i in mission.items)
        if not starts or len(placed) < 2 or placed[-1].command != Command.NAV_LAND:
            return None
        (lon, lat), (at_lon, at_lat) = ((i.longitude_deg or 0.0, i.latitude_deg or 0.0) for i in placed[-2:])
        return cls(at_lon, at_lat, float(_GEOD.inv(lon, lat, at_lon, at_lat)[0]) % 360)


@dataclass(frozen=True)
class Approach:
    """A landing in local metres: round a circle down to `height_m`, straight on to the gate, down to the touchdown.

    Heights are above the touchdown, which lies `touchdown_home_m` above home. `side` is how the circle is flown,
    `turns` how often, `lead_m` how far before the gate it is left.
    """

    touchdown: Floats
    heading_deg: float
    height_m: float
    side: int
    radius_m: float
    lead_m: float
    turns: int = 1
    touchdown_home_m: float = 0.0

    @property
    def along(self) -> Floats:
        """The direction of the final approach, of length 1."""
        return np.array([sin(radians(self.heading_deg)), cos(radians(self.heading_deg))])

    @property
    def gate(self) -> Floats:
        """Where the glide begins."""
        return self.touchdown - self.height_m / GLIDE_SLOPE * self.along

    @property
    def entry(self) -> Pose:
        """Where the circle is entered and left."""
        x, y = self.gate - self.lead_m * self.along
        return Pose(float(x), float(y), atan2(self.along[1], self.along[0]))

    @property
    def centre(self) -> Floats:
        """The circle's middle."""
        return np.array(self.entry.centre(self.side, self.radius_m))

    @property
    def final_m(self) -> float:
        """How long the straight part is."""
        return self.lead_m + self.height_m / GLIDE_SLOPE

    @property
    def length_m(self) -> float:
        """How far is flown from the circle's entry on."""
        return float(np.hypot(*np.diff(self.track, axis=0).T).sum())

    @property
    def track(self) -> Floats:
        """What is flown from the circle's entry on, (N, 2); arcs have chords of 3°."""
        count = max(1, self.turns) * round(360 / _CHORD_DEG)
        angles = self.entry.heading - self.side * pi / 2 + self.side * np.linspace(0, 2 * pi * self.turns, count + 1)
        circle = self.centre + self.radius_m * np.column_stack([np.cos(angles), np.sin(angles)])
        return np.concatenate([circle, self.gate[None], self.touchdown[None]])

    @property
    def ground_track(self) -> shapely.Geometry:
        """The circle, the final approach and what a landing that is too long rolls over."""
        final = shapely.LineString([self.entry.point, self.touchdown + _OVERRUN_M * self.along])
        # A plane that leaves the circle early cuts across it to the gate.
        across = shapely.LineString([self.centre, self.gate])
        return shapely.union_all([shapely.LineString(self.track), final, across])

    def items(self, to_lonlat: Callable[[Floats], Floats], *, placed: bool = True) -> list[MissionItem]:
        """Return DO_LAND_START, NAV_LOITER_TO_ALT, the gate and NAV_LAND, as ArduPlane and PX4 ask for a landing.

        ArduPilot keeps a place with DO_LAND_START, for a return to find the nearest; PX4 refuses it with one.
        """
        centre, gate, touchdown = to_lonlat(np.stack([self.centre, self.gate, self.touchdown])).tolist()
        high_m, low_m = round(self.touchdown_home_m + self.height_m, 3), round(self.touchdown_home_m, 3)
        clockwise_m = self.radius_m if self.side == RIGHT else -self.radius_m
        circle = (_HEADING_REQUIRED, round(clockwise_m, 1), 0.0, _LEAVE_ON_TANGENT)
        start = MissionItem(Command.DO_LAND_START, Frame.MISSION)
        return [
            _placed(Command.DO_LAND_START, centre, high_m) if placed else start,
            replace(_placed(Command.NAV_LOITER_TO_ALT, centre, high_m), params=circle),
            _placed(Command.NAV_WAYPOINT, gate, high_m),
            _placed(Command.NAV_LAND, touchdown, low_m),
        ]

    def is_clear(self, ground_home_m: Callable[[Floats], Floats]) -> bool:
        """Whether no ground, above home, reaches up to half the height of the circle or of the glide over it."""
        away_m = np.arange(0.0, self.final_m, _SAMPLE_M)
        points = np.concatenate([self.touchdown - away_m[:, None] * self.along, self.track[:-2]])
        glide_m = np.minimum(away_m * GLIDE_SLOPE, self.height_m)
        height_m = np.concatenate([glide_m, np.full(len(self.track) - 2, self.height_m)])
        over_m = ground_home_m(points) - self.touchdown_home_m
        return bool(np.all(over_m <= height_m / 2 + _NOISE_M))


def landing_words(approach: Approach, wind_from_deg: float | None) -> Message:
    """Say how a flight lands, for its pilot to look at the ground there."""
    into = message("no wind is known, so see that it does not come from behind")
    if wind_from_deg is not None:
        off = float(abs((approach.heading_deg - wind_from_deg + 180) % 360 - 180))
        into = message("into the wind") if off < 1 else message("{angle:.0f}° off the wind", angle=off)
    return message(
        "lands on heading {heading:.0f}°, {into}: circles down to {height:.0f} m, then {final:.0f} m straight at"
        " {slope:.0%}; the plan does not know trees or fences there: look",
        heading=float(approach.heading_deg),
        into=into,
        height=float(approach.height_m),
        final=float(approach.final_m),
        slope=GLIDE_SLOPE,
    )


def no_landing_words(radius_m: float, lead_m: float) -> Message:
    """Say that a flight does not land by itself, and what it does."""
    least_m = lead_m + HEIGHTS_M[-1] / GLIDE_SLOPE
    return message(
        "no legal landing approach exists in the allowed air ({final:.0f} m straight at {slope:.0%} before the"
        " touchdown, {beyond:.0f} m beyond it, and a circle of {radius:.0f} m radius): it ends in a return to launch,"
        " and circles over home until its pilot lands it",
        final=float(least_m),
        slope=GLIDE_SLOPE,
        beyond=float(_OVERRUN_M),
        radius=float(radius_m),
    )


def _placed(command: Command, lonlat: Sequence[float], altitude_m: float) -> MissionItem:
    return MissionItem(command, longitude_deg=lonlat[0], latitude_deg=lonlat[1], altitude_m=altitude_m)
