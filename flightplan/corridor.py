"""A corridor: full coverage along a line such as a river, a fence or a coast.

Its ground is what lies within half its width of the line. Lines are flown beside each other along it, each in straight
legs from bend to bend; a leg is a transect, as a zigzag's is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from flightplan.area_checks import check_degrees
from flightplan.area_crs import to_wgs84
from flightplan.area_formats import read_features
from flightplan.areas import WHOLE, LaunchSite, Stratum, StudyArea, check_area
from flightplan.coverage import Line
from flightplan.errors import AreaError, DesignError
from flightplan.frames import Floats, LocalFrame
from flightplan.legs import lines_on_legs
from flightplan.paths import Airspace

CentreLine = tuple[tuple[float, float], ...]
"""The points of a line in the middle of a corridor, (longitude, latitude)."""

MOST_WIDTH_M = 50_000.0
# Bends are drawn as legs: a leg leaves the line by no more than this share of a strip.
_BEND_SHARE = 0.04
_MITRE_LIMIT = 2.0


@dataclass(frozen=True)
class Corridor:
    """Centre lines, and how wide the ground along them is."""

    lines: tuple[CentreLine, ...]
    width_m: float


def read_corridor(path: Path | str, width_m: float, *, crs: str | None = None) -> tuple[StudyArea, Corridor]:
    """Read lines from any file that areas are read from, and return the ground along them and the lines.

    Points are launch sites. Raises UnreadableFileError for a file that is not what it claims, AreaError for one without
    a line, with polygons (an area is planned without a width), or for a width that is none.
    """
    path = Path(path)
    if not 0 < width_m <= MOST_WIDTH_M:
        raise AreaError(f"a corridor {width_m:g} m wide is none", where=str(path))
    lines: list[CentreLine] = []
    sites: list[LaunchSite] = []
    for feature in (to_wgs84(f, crs, path) for f in read_features(path)):
        where = f"{path}, {feature.label}"
        geometry = shapely.force_2d(feature.geometry)
        check_degrees(shapely.get_coordinates(geometry), where)
        if geometry.geom_type == "Point":
            sites.append(LaunchSite(f"launch {len(sites) + 1}", float(geometry.x), float(geometry.y)))
        elif geometry.geom_type in ("LineString", "MultiLineString"):
            parts = shapely.get_parts(shapely.line_merge(geometry) if geometry.geom_type != "LineString" else geometry)
            lines += [tuple((float(x), float(y)) for x, y in part.coords) for part in parts if part.length > 0]
        else:
            raise AreaError(
                f"is not a line but a {geometry.geom_type}", where=where, hint="An area is planned without --corridor"
            )
    if not lines:
        raise AreaError("holds no line to fly along", where=str(path))
    drawn = shapely.multilinestrings([shapely.linestrings(line) for line in lines])
    frame = LocalFrame.around(drawn)
    ground = shapely.buffer(frame.localise(drawn), width_m / 2, cap_style="flat", quad_segs=4)
    area = StudyArea(path.stem, (Stratum(WHOLE, frame.delocalise(ground)),), (), tuple(sites))
    check_area(area, where=str(path))
    return area, Corridor(tuple(lines), float(width_m))


def lines_along(
    area: StudyArea,
    corridor: Corridor,
    polygon: Any,
    spacing_m: float,
    strip_width_m: float,
    airspace: Airspace,
) -> list[Line]:
    """Lay lines along centre lines, so many that their strips hold the polygon, and cut them to where they may fly.

    Every other one is flown the other way. Raises DesignError where nothing of a line is straight enough to fly.
    """
    found: list[Line] = []
    number = max(1, int(np.ceil((corridor.width_m - strip_width_m) / spacing_m - 1e-9)) + 1)
    for centre_line in corridor.lines:
        centre = area.localise(shapely.linestrings(centre_line))
        simple = shapely.simplify(centre, _BEND_SHARE * strip_width_m)
        legs = []
        for i, offset_m in enumerate((np.arange(number) - (number - 1) / 2) * spacing_m):
            own_legs = _legs(simple, float(offset_m), strip_width_m)
            legs.append(own_legs[::-1, ::-1] if i % 2 else own_legs)
        joined = np.concatenate(legs)
        if not len(joined):
            raise DesignError("a line is too short or too winding to fly along", where=area.name)
        found += lines_on_legs(
            polygon, joined, strip_width_m, airspace.inset, bridge_m=strip_width_m, trim=airspace.trim
        )
    return found


def _legs(centre: Any, offset_m: float, strip_width_m: float) -> Floats:
    """Return the straight pieces, (K, 2, 2), of a line beside another, in its direction."""
    beside = centre
    if offset_m:
        beside = shapely.offset_curve(centre, offset_m, join_style="mitre", mitre_limit=_MITRE_LIMIT)
        beside = shapely.simplify(beside, _BEND_SHARE * strip_width_m)
    found = [np.empty((0, 2, 2))]
    parts = [np.asarray(p.coords) for p in shapely.get_parts(beside) if p.length > 0]
    first = [float(centre.project(shapely.Point(p[0]))) for p in parts]
    for _, points in sorted(zip(first, parts, strict=True), key=lambda f: f[0]):
        along = centre.project(shapely.Point(points[-1])) >= centre.project(shapely.Point(points[0]))
        ordered = points if along else points[::-1]
        found.append(np.stack([ordered[:-1], ordered[1:]], axis=1))
    return np.concatenate(found)
