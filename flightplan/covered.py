"""What the lines see of an area, and the ground that they leave out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.coverage import out_of_reach
from flightplan.design import COMPLEMENTARY, FULL, ZIGZAGS, StratumDesign, SurveyDesign
from flightplan.legs import out_of_zigzags_reach
from flightplan.messages import message
from flightplan.paths import Airspace

_WORTH_NAMING_M2 = 1.0
_LOOKS_A_STRIP = 10


def coverage_of(
    area: StudyArea,
    design: SurveyDesign,
    strata: Sequence[StratumDesign],
    airspace: Airspace,
    *,
    beyond_m: float = 0.0,
) -> tuple[float, Any]:
    """Return the share of the area in the strips, each point counted once, and the ground left out (local).

    Pictures see `beyond_m` past both ends of a line; it counts along a corridor only, where legs meet in bends.
    """
    whole_m2 = sum(s.area_m2 for s in strata)
    if design.kind in ZIGZAGS:
        # Legs overlap where they turn: no sum of their strips is the area that is seen.
        seen_m2 = sum(
            float(_strips(area, design, stratum).intersection(polygon).area)
            for stratum, polygon in zip(strata, area.local_strata, strict=True)
        )
        missed = [
            out_of_zigzags_reach(
                polygon,
                design.heading_deg,
                design.spacing_in(stratum.name),
                design.strip_width_m,
                design.bounds,
                airspace.inset,
                mirrored=design.kind == COMPLEMENTARY,
                trim=airspace.trim,
            )
            for stratum, polygon in zip(strata, area.local_strata, strict=True)
        ]
        return seen_m2 / whole_m2, shapely.union_all(missed)
    if design.kind != FULL:
        room = airspace.room_along(design.heading_deg, design.strip_width_m / _LOOKS_A_STRIP)
        missed = [
            out_of_reach(polygon, design.heading_deg, design.strip_width_m, room) for polygon in area.local_strata
        ]
        return sum(t.strip_area_m2 for s in strata for t in s.transects) / whole_m2, shapely.union_all(missed)
    missed = []
    for stratum, polygon in zip(strata, area.local_strata, strict=True):
        beyond_m = max(beyond_m, 0.0) if design.corridor is not None else 0.0
        missed.append(shapely.difference(polygon, _strips(area, design, stratum, beyond_m)))
    left_out = shapely.union_all(missed)
    return 1 - float(left_out.area) / whole_m2, left_out


def name_left_out(area: StudyArea, left_out: Any, warnings: list[str]) -> tuple[Any, float]:
    """Return what is worth naming of the ground left out, geographic, and its area; a warning says so."""
    parts = [p for p in shapely.get_parts(left_out) if p.geom_type == "Polygon" and p.area >= _WORTH_NAMING_M2]
    if not parts:
        return None, 0.0
    named = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    warnings.append(
        message(
            "{area:.2f} ha cannot be seen: no line may pass close enough (beside exclusions and their buffer, mostly);"
            " an estimate for that ground is an extrapolation",
            area=float(named.area / 1e4),
        )
    )
    return area.frame.delocalise(named), float(named.area)


def _strips(area: StudyArea, design: SurveyDesign, stratum: StratumDesign, beyond_m: float = 0.0) -> Any:
    lonlat = np.concatenate([np.asarray(t.segments) for t in stratum.transects]).reshape(-1, 2)
    ends = area.frame.to_local(lonlat).reshape(-1, 2, 2)
    run = ends[:, 1] - ends[:, 0]
    along = beyond_m * run / np.hypot(*run.T)[:, None]
    lines = shapely.linestrings(ends + np.stack([-along, along], axis=1))
    return shapely.union_all(shapely.buffer(lines, design.strip_width_m / 2, cap_style="flat"))
