"""Where a flight may begin and end: at the launch sites, or without any at the legal places next to the area's rim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.ordering import Run
from flightplan.paths import Airspace


@dataclass
class Homes:
    """The homes (2,) that flights over an area have a choice of; what was found once is remembered.

    `fixed` are launch sites. `airspace` may be in several parts, with no legal way from one to another: a flight begins
    in the part that its first run is in.
    """

    area: StudyArea
    airspace: Airspace
    fixed: tuple[Floats, ...]
    _parts: dict[bytes, int] = field(default_factory=dict)
    _rim_homes: dict[bytes, tuple[Floats, int]] = field(default_factory=dict)

    def of(self, first: Run, last: Run) -> Sequence[Floats]:
        """Return the homes of a flight from one run to another. Raises PlanError where no launch site will do."""
        start, end = first.ends[0], last.ends[1]
        key = start.tobytes()
        if key not in self._parts:
            self._parts[key] = int(self.airspace.part_of(start)[0])
        part = self._parts[key]
        if self.fixed:
            reachable = [h for h, where in zip(self.fixed, self._fixed_parts, strict=True) if where == part]
            if not reachable:
                raise PlanError(
                    f"no launch site has a legal way to transect {first.transect}",
                    where=self.area.name,
                    hint="Add one in that part of the area",
                )
            return reachable
        near = self._near_rim((start, end, (start + end) / 2))
        return [home for home, where in near if where == part] or [start]

    def look_ahead(self, runs: Sequence[Run]) -> None:
        """Look for the homes of flights over one run, and over two that follow each other, all at once."""
        starts, ends = (np.stack([run.ends[i] for run in runs]) for i in (0, 1))
        parts = self.airspace.part_of(starts).tolist()
        self._parts.update({start.tobytes(): part for start, part in zip(starts, parts, strict=True)})
        if not self.fixed:
            self._near_rim(np.concatenate([starts, ends, (starts + ends) / 2, (starts[:-1] + ends[1:]) / 2]))

    def _near_rim(self, points: Sequence[Floats] | Floats) -> list[tuple[Floats, int]]:
        """Return the legal place nearest to where the area's boundary is nearest to each point, and its part."""
        keys = [point.tobytes() for point in points]
        missing = {key: point for key, point in zip(keys, points, strict=True) if key not in self._rim_homes}
        if missing:
            where = shapely.points(np.stack(list(missing.values())))
            rims = shapely.get_coordinates(shapely.shortest_line(self._rim, where))[::2]
            homes = self.airspace.all_nearest(rims)
            parts = self.airspace.part_of(homes).tolist()
            self._rim_homes.update(zip(missing, zip(homes, parts, strict=True), strict=True))
        return [self._rim_homes[key] for key in keys]

    @cached_property
    def _fixed_parts(self) -> list[int]:
        return [int(part) for part in self.airspace.part_of(np.stack(self.fixed))]

    @cached_property
    def _rim(self) -> shapely.MultiLineString:
        land = shapely.union_all([self.area.localise(s.polygon) for s in self.area.strata])
        rim = shapely.MultiLineString([p.exterior for p in shapely.get_parts(land)])
        shapely.prepare(rim)
        return rim
