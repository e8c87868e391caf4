"""Plan a survey: from an area and what was asked to checked sorties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flightplan.areas import StudyArea
from flightplan.conditions import check_height, check_wind, good_to_know
from flightplan.covered import coverage_of, name_left_out
from flightplan.design import (
    FULL,
    SYSTEMATIC,
    ZIGZAGS,
    StratumDesign,
    along_corridor,
    default_allowance_m,
    draw_design,
    reflown,
    resolve_design,
)
from flightplan.errors import PlanError
from flightplan.evenness import zigzag_warning
from flightplan.findings import about_fleet, about_ground, about_view, about_wind, held_speed
from flightplan.flying import Flying
from flightplan.frames import Floats
from flightplan.hovering import Hover
from flightplan.keep_clear import ClearArea, keep_clear, over_obstacles_home
from flightplan.messages import message
from flightplan.mission_builder import mission_path
from flightplan.ordering import order_runs
from flightplan.paths import Airspace
from flightplan.plan import Sortie, SurveyPlan
from flightplan.request import PlanRequest, a_length, a_share
from flightplan.sortie_missions import build_sorties
from flightplan.spacing import said_efforts

_HEIGHT_ROUNDS = 4


def plan_survey(area: StudyArea, asked: PlanRequest) -> SurveyPlan:
    """Plan sorties that fly a design over an area, and check every metre of them.

    `PlanRequest` says what can be asked. The same area and request give the same plan. Raises PlanError, DesignError,
    CameraError, TerrainError or AreaError.
    """
    height_m = asked.height_m()
    heights_m = (height_m, height_m)
    for _ in range(_HEIGHT_ROUNDS):
        plan, flown_m = _plan_between(area, asked, heights_m)
        # Over hills the flight comes lower and higher than was asked, and other obstacles and airspace may matter then.
        heights_m = (min(heights_m[0], flown_m[0]), max(heights_m[1], flown_m[1]))
        if _clear(area, asked, heights_m, plan.buffer_m or 0.0, plan.allowance_m or 0.0).area == plan.area:
            return plan
    raise PlanError(
        "obstacles and airspace change with every way around them, because of the heights flown there",
        where=area.name,
        hint="Fly at another height, or allow the height above ground a smaller tolerance",
    )


def _clear(
    area: StudyArea, asked: PlanRequest, agl_range_m: tuple[float, float], buffer_m: float, reach_m: float
) -> ClearArea:
    if not area.obstacles and not area.airspace and not asked.clearance.permissions:
        return ClearArea(area)
    return keep_clear(area, asked.clearance, agl_range_m, buffer_m=buffer_m, reach_m=reach_m, terrain=asked.terrain)


def _plan_between(
    area: StudyArea, asked: PlanRequest, agl_range_m: tuple[float, float]
) -> tuple[SurveyPlan, tuple[float, float]]:
    """Return a plan that keeps clear of what a flight between two heights meets, and the heights that it flies at."""
    camera, aircraft, conditions = asked.mounted, asked.aircraft, asked.weather
    mounting, operations = asked.mounting, asked.operations
    height_m = asked.height_m()
    gsd = float(mounting.gsd_cm(camera, height_m))
    check_wind(conditions, aircraft)
    # Before the work of planning, and again with the heights that the terrain lets be flown.
    check_height(conditions, height_m, height_m)
    view = mounting.view(camera, height_m)
    across_m = view.across_m
    trigger_m = view.along_m * (1 - a_share("front overlap", asked.front_overlap))
    design = resolve_design(area, _with_spacing(asked, across_m), strip_width_m=across_m)
    if asked.pattern.refly:
        design = reflown(design)
    if asked.corridor is not None:
        design = along_corridor(design, asked.corridor)
    warnings: list[str] = []
    speed = held_speed(aircraft, camera, mounting, trigger_m, view.finest_gsd_cm, asked.speed_mps, warnings)
    turning = asked.pattern.turning(aircraft, speed, conditions.wind_mps)
    allowance_m = asked.turn_allowance_m
    if allowance_m is None:
        allowance_m = default_allowance_m(across_m, turning.room_m(across_m))
    allowance_m, buffer_m = a_length("allowance", allowance_m), a_length("buffer", asked.buffer_m)
    clear = _clear(area, asked, agl_range_m, buffer_m, allowance_m)
    area = clear.area
    warnings += clear.warnings
    airspace = Airspace.over(
        area,
        allowance_m=allowance_m,
        buffer_m=buffer_m,
        turn_radius_m=turning.radius_m,
        run_in_m=turning.run_in_m,
    )
    strata = draw_design(area, design, airspace)
    homes = _homes(area, airspace, warnings)
    flying = Flying(
        drone=aircraft,
        speed_mps=speed,
        transit_speed_mps=max(speed, aircraft.cruise_speed_mps),
        altitude_agl_m=height_m,
        trigger_distance_m=trigger_m,
        wind_share=operations.energy_margin(asked.wind_share),
        terrain=asked.terrain,
        height_tolerance_m=a_length("height tolerance", asked.height_tolerance_m),
        run_in_m=turning.run_in_m,
        hover=None if asked.pattern.hover_s is None else Hover(trigger_m, asked.pattern.hover_s),
        operations=operations,
        camera=camera,
        tilt_deg=mounting.tilt_deg,
    )
    start = homes[0] if homes else None
    pattern = asked.pattern
    runs = order_runs(area, design, strata, airspace, start=start, entry=pattern.entry, alternate=pattern.alternate)
    flown = build_sorties(area, runs, airspace, homes, flying, warnings)
    if flown.outside_m > 0:
        raise PlanError(
            f"{flown.outside_m:.1f} m of the path would lie in an exclusion or outside of the area and its allowance",
            where=area.name,
            hint="This is a fault of overfly: please report it with the area",
        )
    coverage, left_out = coverage_of(area, design, strata, airspace, beyond_m=view.along_m / 2 - trigger_m)
    not_covered, not_covered_m2 = name_left_out(area, left_out, warnings)
    if design.kind in ZIGZAGS:
        uneven = [zigzag_warning(design, s.name, p) for s, p in zip(area.strata, area.local_strata, strict=True)]
        warnings += [text for text in uneven if text is not None]
    _warn(warnings, flying, strata, homes)
    warnings += asked.pattern.warnings(turning, aircraft, conditions.wind_mps)
    full_m = design.spacing_m if design.kind == FULL else None
    in_wind, against_wind = about_wind(flown, flying, camera, view, mounting, full_m)
    over_hills, hill_notes, hill_warnings = about_ground(
        flown,
        area,
        flying,
        view,
        front_overlap=asked.front_overlap,
        side_overlap=None if full_m is None else 1 - full_m / across_m,
        camera=camera,
        mounting=mounting,
    )
    paths = {s.identifier: mission_path(s.mission) for s in flown.sorties} if area.obstacles else {}
    of_masts, clear_m = over_obstacles_home(
        area, paths, flown.agl_range_m[0], asked.clearance.vertical_m, asked.terrain
    )
    warnings += of_masts
    notes, about_sun = good_to_know(conditions, area, camera, aircraft, gsd)
    notes += [mounting.exposure_note(camera, gsd, speed), *in_wind, *hill_notes, *about_fleet(flown, flying)]
    warnings += [*against_wind, *hill_warnings, *about_view(view, mounting)]
    warnings += [*check_height(conditions, *flown.agl_range_m), *about_sun]
    plan = SurveyPlan(
        area=area,
        design=design,
        camera=camera,
        strata=strata,
        sorties=tuple(_returning_over(s, clear_m.get(s.identifier)) for s in flown.sorties),
        altitude_agl_m=height_m,
        speed_mps=speed,
        trigger_distance_m=trigger_m,
        gsd_cm=gsd,
        front_overlap=asked.front_overlap,
        metres_outside=flown.outside_m,
        warnings=tuple(warnings),
        coverage=coverage,
        allowance_m=allowance_m,
        buffer_m=buffer_m,
        drone=aircraft.name,
        not_covered=not_covered,
        not_covered_m2=not_covered_m2,
        notes=(*notes, *clear.notes),
        turning=turning if turning.radius_m or turning.run_in_m else None,
        hover_s=asked.pattern.hover_s,
        species=tuple(s.name for s in conditions.species),
        drones=operations.fleet.drones,
        makespan_s=flown.shares.makespan_s,
        separation=flown.separation,
        aircraft=aircraft,
        wind=operations.wind,
        tilt_deg=mounting.tilt_deg,
        terrain=None if asked.terrain is None else asked.terrain.described(),
        delivered=over_hills,
    )
    return plan, flown.agl_range_m


def _returning_over(sortie: Sortie, obstacles_m: float | None) -> Sortie:
    """Return a sortie whose return height clears obstacles as well; where the ground is not known it stays unknown."""
    if obstacles_m is None or sortie.return_height_m is None:
        return sortie
    return replace(sortie, return_height_m=max(sortie.return_height_m, obstacles_m))


def _with_spacing(asked: PlanRequest, across_m: float) -> PlanRequest:
    """Return what was asked with the spacing that the side overlap means, and the kind that follows from it."""
    spacing_m = asked.spacing_m
    if asked.side_overlap is not None:
        if said_efforts(asked):
            raise PlanError("side overlap and spacing were both asked for", hint="One follows from the other")
        spacing_m = across_m * (1 - a_share("side overlap", asked.side_overlap))
    touching = spacing_m is not None and spacing_m <= across_m
    return replace(asked, spacing_m=spacing_m, kind=asked.kind or (FULL if touching else SYSTEMATIC))


def _homes(area: StudyArea, airspace: Airspace, warnings: list[str]) -> list[Floats]:
    homes = []
    for site in area.launch_sites:
        point = area.frame.to_local([(site.longitude_deg, site.latitude_deg)])[0]
        legal = airspace.nearest(point)
        moved_m = float(np.hypot(*(legal - point)))
        if moved_m > 1.0:
            warnings.append(
                message(
                    "launch site {site} lies {away:.0f} m outside of where may be flown; the nearest legal point is"
                    " taken instead",
                    site=site.name,
                    away=moved_m,
                )
            )
        homes.append(legal)
    return homes


def _warn(warnings: list[str], flying: Flying, strata: Sequence[StratumDesign], homes: Sequence[Floats]) -> None:
    if not homes:
        warnings.append(
            message(
                "no launch site was given: sorties start from points on the area's boundary; check that they can be"
                " reached"
            )
        )
    warnings += [
        message("stratum {stratum} has one transect: its variance cannot be estimated", stratum=s.name)
        for s in strata
        if len(s.transects) < 2
    ]
    if flying.terrain is None:
        warnings.append(
            message("heights are above the launch site: right over flat ground only, no elevation was given")
        )
