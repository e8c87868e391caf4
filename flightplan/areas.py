"""Study areas: the polygons to survey, their strata, what is never flown over, and where one may launch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import shapely
from shapely.geometry import MultiPolygon, Polygon

from flightplan.frames import LocalFrame


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
    """Strata that do not overlap, exclusions never flown over, launch sites. All geographic on WGS 84."""

    name: str
    strata: tuple[Stratum, ...]
    exclusions: tuple[Polygon | MultiPolygon, ...] = ()
    launch_sites: tuple[LaunchSite, ...] = ()

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
