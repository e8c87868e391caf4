"""A plan as a page to look at and to print for the field: one HTML file that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from flightplan.areas import WHOLE
from flightplan.design import FULL, RANDOM, SYSTEMATIC
from flightplan.plan import Sortie, SurveyPlan
from flightplan.plan_map import TONES, PlanMap, effort_lines, map_of_plan, map_of_sortie
from flightplan.sortie_sheet import Sheet, place, sheet_of, span

MOST_SORTIE_MAPS = 60


@dataclass(frozen=True)
class SortieRow:
    """What the page says of a sortie. Without a count of its own, `images` is the effort over the trigger distance."""

    number: int
    tone: int
    sortie: Sortie
    transects: str
    images: int
    heights_home_m: str
    home: str
    drawn: PlanMap | None
    sheet: Sheet | None


def plan_page(plan: SurveyPlan) -> str:
    """Return the page: map, sorties, warnings, and a sheet of each sortie that prints on one side of A4.

    The same plan gives the same text. Beyond `MOST_SORTIE_MAPS` sorties have no map of their own, which the page says.
    """
    environment = Environment(
        loader=PackageLoader("flightplan", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [_row(plan, i) for i in range(len(plan.sorties))]
    return environment.get_template("plan.html.j2").render(
        plan=plan,
        map=map_of_plan(plan),
        rows=rows,
        lines=sum(len(s.transects) for s in plan.strata),
        area_km2=sum(s.area_m2 for s in plan.strata) / 1e6,
        images=sum(r.images for r in rows),
        design=_design(plan),
        maps_left=max(0, len(rows) - MOST_SORTIE_MAPS),
    )


def _row(plan: SurveyPlan, index: int) -> SortieRow:
    sortie = plan.sorties[index]
    effort_m = sum(
        float(np.hypot(*np.diff(plan.area.frame.to_local(line), axis=0).T).sum())
        for line in effort_lines(sortie.mission)
    )
    images = round(effort_m / plan.trigger_distance_m) if sortie.image_count is None else sortie.image_count
    heights = np.array([i.altitude_m for i in sortie.mission.items if i.longitude_deg is not None])
    with_sheet = index < MOST_SORTIE_MAPS
    return SortieRow(
        number=index + 1,
        tone=index % TONES,
        sortie=sortie,
        transects=_span(sortie.transects),
        images=images,
        heights_home_m=span(heights),
        home=place(sortie.mission.home),
        drawn=map_of_sortie(plan, index) if with_sheet else None,
        sheet=sheet_of(plan, sortie, images) if with_sheet else None,
    )


def _span(transects: tuple[str, ...]) -> str:
    """Transects by stratum, neighbours joined: woodland 9–13, floodplain 12."""
    numbers: dict[str, list[int]] = {}
    for name in transects:
        stratum, _, number = name.rpartition("-")
        if not (stratum and number.isdecimal()):
            return ", ".join(transects)
        numbers.setdefault(stratum, []).append(int(number))
    parts = []
    for stratum, found in numbers.items():
        runs = np.split(np.sort(found), np.flatnonzero(np.diff(np.sort(found)) > 1) + 1)
        joined = ", ".join(f"{r[0]}–{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in runs)
        parts.append(joined if stratum == WHOLE else f"{stratum} {joined}")
    return ", ".join(parts)


def _design(plan: SurveyPlan) -> str:
    design = plan.design
    if plan.as_flown:
        return f"lines as flown, {design.spacing_m:.0f} m apart"
    if design.kind == FULL:
        return f"full coverage, lines {design.spacing_m:.1f} m apart"
    if design.kind == RANDOM:
        return f"random lines, {design.spacing_m:.0f} m apart in the mean, seed {design.seed}"
    if design.kind == SYSTEMATIC:
        return f"systematic lines {design.spacing_m:.0f} m apart from a random start, seed {design.seed}"
    return f"{design.kind.replace('-', ' ')} design, spacing {design.spacing_m:.0f} m, seed {design.seed}"
