"""The study area: strata, what is never flown over, where one may launch, and what is known of the air above."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon

from flightplan.errors import AreaError
from flightplan.frames import LocalFrame
from flightplan.obstacles import AirspaceZone, Obstacle

MAX_RADIUS_M = 220_000.0
"""Up to this distance from its centre a local frame keeps lengths to 0.01 %, so to 1 cm in 100 m."""

MAX_AWAY_M = 100_000.0
"""A launch site or an exclusion further from the area than this is taken for a mistake."""

# GeoJSON edges are straight in degrees, a frame's in metres: a 0.02° edge leaves its chord by 0.1 m at 50° latitude.
_MAX_EDGE_DEG = 0.02
_OVERLAP_TOLERANCE_M2 = 1.0
_ROOM_DEG = 0.02


@dataclass(frozen=True)
class Stratum:
    """A part of the study area with an estimate of its own. `polygon` is geographic: longitude, latitude."""

    name: str
    polygon: Polygon | MultiPolygon


@dataclass(frozen=True)
class LaunchSite:
    """A place to take off from and land at."""

    name: str
    longitude_deg: float
    latitude_deg: float


@dataclass(frozen=True)
class StudyArea:
    """Strata that do not overlap, exclusions never flown over, launch sites. All geographic on WGS 84.

    Holes of the area as read are among the exclusions. `obstacles` and `airspace` are what is known to stand in the air
    or to have rules; `kept_clear` is the ground that a plan at its height does not fly over because of them. Unlike an
    exclusion it stays part of its stratum: what lives there counts, it only is not seen.
    """

    name: str
    strata: tuple[Stratum, ...]
    exclusions: tuple[Polygon | MultiPolygon, ...] = ()
    launch_sites: tuple[LaunchSite, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    airspace: tuple[AirspaceZone, ...] = ()
    kept_clear: tuple[Polygon | MultiPolygon, ...] = ()

    @cached_property
    def boundary(self) -> Polygon | MultiPolygon:
        """The union of the strata, less the exclusions."""
        return shapely.difference(
            shapely.union_all([s.polygon for s in self.strata]), shapely.union_all(list(self.exclusions))
        )

    @cached_property
    def frame(self) -> LocalFrame:
        """The local metric frame that everything over this area is computed in."""
        return LocalFrame.around(shapely.union_all([s.polygon for s in self.strata]))

    @property
    def surroundings_deg(self) -> tuple[float, float, float, float]:
        """West, south, east and north of the strata with room around them: what an elevation model has to cover."""
        return self.bounds_deg(_ROOM_DEG)

    def bounds_deg(self, room_deg: float) -> tuple[float, float, float, float]:
        """Return west, south, east and north of the strata, and some room around them."""
        west, south, east, north = (float(v) for v in shapely.total_bounds([s.polygon for s in self.strata]))
        return west - room_deg, south - room_deg, east + room_deg, north + room_deg

    def localise(self, geometry: Any) -> Any:
        """Return a geographic geometry in the area's frame, its long edges kept where GeoJSON draws them."""
        return self.frame.localise(shapely.segmentize(geometry, _MAX_EDGE_DEG))

    @cached_property
    def local_strata(self) -> tuple[Polygon | MultiPolygon, ...]:
        """Each stratum less the exclusions, in the frame's metres."""
        return tuple(shapely.difference(self.localise(s.polygon), self.local_exclusions) for s in self.strata)

    @cached_property
    def local_exclusions(self) -> Any:
        """The union of the exclusions in the frame's metres; an empty geometry when there are none."""
        return shapely.union_all([self.localise(e) for e in self.exclusions])

    @cached_property
    def local_no_fly(self) -> Any:
        """The union of the exclusions and of what is kept clear, in the frame's metres: nothing flies over it."""
        if not self.kept_clear:
            return self.local_exclusions
        return shapely.union_all([self.local_exclusions, *(self.localise(k) for k in self.kept_clear)])

    @cached_property
    def area_m2(self) -> float:
        """The area of the strata less the exclusions."""
        return float(sum(s.area for s in self.local_strata))

    def away_m(self, geometry: Any) -> float:
        """Return how far a geographic geometry lies from the strata; infinite where the frame does not reach."""
        place = self.frame.localise(geometry)
        if not np.isfinite(shapely.get_coordinates(place)).all():
            return np.inf
        return float(shapely.distance(place, shapely.union_all([self.frame.localise(s.polygon) for s in self.strata])))


def check_area(area: StudyArea, *, where: str | None = None) -> None:
    """Raise AreaError when the area as a whole cannot be surveyed.

    Too large for one local frame, strata that overlap, nothing left of one, a launch site or an exclusion elsewhere.
    """
    where = where or area.name
    check_size(area, where)
    for site in area.launch_sites:
        point = shapely.Point(site.longitude_deg, site.latitude_deg)
        check_near(area, point, where, f"launch site {site.name}")
    for i, exclusion in enumerate(area.exclusions, start=1):
        check_near(area, exclusion, where, f"exclusion {i}")
    for i, stratum in enumerate(area.strata):
        others = shapely.union_all([area.localise(s.polygon) for s in area.strata[:i]])
        overlap_m2 = float(shapely.intersection(area.localise(stratum.polygon), others).area)
        if overlap_m2 > _OVERLAP_TOLERANCE_M2:
            raise AreaError(
                f"stratum {stratum.name} overlaps the strata before it by {overlap_m2:.0f} m²",
                where=where,
                hint="An animal there would be counted in both; cut one of them",
            )
        if area.local_strata[i].area < 1.0:
            raise AreaError(
                f"stratum {stratum.name} has nothing left once its exclusions are taken out",
                where=where,
                hint="Take it out, or the exclusion that covers it",
            )


def check_size(area: StudyArea, where: str) -> None:
    """Raise AreaError when the area reaches further from its centre than one local frame carries."""
    radius_m = area.frame.reach_m([s.polygon for s in area.strata])
    if not radius_m <= MAX_RADIUS_M:
        reach = f"{radius_m / 1000:.0f} km" if np.isfinite(radius_m) else "half round the Earth"
        raise AreaError(
            f"reaches {reach} from its centre; one local frame carries {MAX_RADIUS_M / 1000:.0f} km",
            where=where,
            hint="`overfly plan` plans its strata and parts each on their own; cut any that is too large by itself",
        )


def check_near(area: StudyArea, geometry: Any, where: str, what: str) -> None:
    """Raise AreaError when a geographic geometry lies nowhere near the area."""
    away_m = area.away_m(geometry)
    if away_m > MAX_AWAY_M:
        swapped = shapely.transform(geometry, lambda points: points[:, ::-1])
        raise AreaError(
            f"{what} lies {away_m / 1000:.0f} km from the area" if np.isfinite(away_m) else f"{what} is elsewhere",
            where=where,
            hint="Latitude and longitude look swapped: longitude comes first"
            if area.away_m(swapped) <= MAX_AWAY_M
            else "Is it of another place, or in another coordinate reference system?",
        )
