"""Plan a survey: from an area and what was asked to checked sorties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flightplan.areas import StudyArea
from flightplan.conditions import check_height, check_wind, good_to_know
from flightplan.covered import coverage_of, name_left_out
from flightplan.delivered import Delivered
from flightplan.design import (
    FULL,
    SYSTEMATIC,
    ZIGZAGS,
    StratumDesign,
    SurveyDesign,
    along_corridor,
    default_allowance_m,
    draw_design,
    reflown,
    resolve_design,
)
from flightplan.errors import PlanError
from flightplan.evenness import zigzag_warning
from flightplan.findings import about_fleet, about_ground, about_view, about_wind, held_speed
from flightplan.flying import Flown, Flying
from flightplan.frames import Floats
from flightplan.hovering import Hover
from flightplan.keep_clear import ClearArea, keep_clear, over_obstacles_home
from flightplan.messages import message
from flightplan.mission_builder import mission_path
from flightplan.mounting import View
from flightplan.ordering import order_runs
from flightplan.paths import Airspace
from flightplan.patterns import Turning
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
    laid = _laid_over(area, asked, agl_range_m)
    area, flying, design, airspace, warnings = laid.area, laid.flying, laid.design, laid.airspace, laid.warnings
    start = laid.homes[0] if laid.homes else None
    pattern = asked.pattern
    runs = order_runs(
        area, design, laid.strata, airspace, start=start, entry=pattern.entry, alternate=pattern.alternate
    )
    flown = build_sorties(area, runs, airspace, laid.homes, flying, warnings)
    if flown.outside_m > 0:
        raise PlanError(
            f"{flown.outside_m:.1f} m of the path would lie in an exclusion or outside of the area and its allowance",
            where=area.name,
            hint="This is a fault of overfly: please report it with the area",
        )
    beyond_m = laid.view.along_m / 2 - flying.trigger_distance_m
    coverage, left_out = coverage_of(area, design, laid.strata, airspace, beyond_m=beyond_m)
    not_covered, not_covered_m2 = name_left_out(area, left_out, warnings)
    said = _said_of(laid, asked, flown)
    turning, operations = laid.turning, asked.operations
    plan = SurveyPlan(
        area=area,
        design=design,
        camera=asked.mounted,
        strata=laid.strata,
        sorties=tuple(_returning_over(s, said.clear_m.get(s.identifier)) for s in flown.sorties),
        altitude_agl_m=flying.altitude_agl_m,
        speed_mps=flying.speed_mps,
        trigger_distance_m=flying.trigger_distance_m,
        gsd_cm=laid.gsd_cm,
        front_overlap=asked.front_overlap,
        metres_outside=flown.outside_m,
        warnings=(*warnings, *said.warnings),
        coverage=coverage,
        allowance_m=laid.allowance_m,
        buffer_m=laid.buffer_m,
        drone=flying.drone.name,
        not_covered=not_covered,
        not_covered_m2=not_covered_m2,
        notes=(*said.notes, *laid.notes),
        turning=turning if turning.radius_m or turning.run_in_m else None,
        hover_s=asked.pattern.hover_s,
        species=tuple(s.name for s in asked.weather.species),
        drones=operations.fleet.drones,
        makespan_s=flown.shares.makespan_s,
        separation=flown.separation,
        aircraft=flying.drone,
        wind=operations.wind,
        tilt_deg=asked.mounting.tilt_deg,
        terrain=None if asked.terrain is None else asked.terrain.described(),
        delivered=said.delivered,
    )
    return plan, flown.agl_range_m


@dataclass(frozen=True)
class _Laid:
    """A design's lines over an area that keeps clear of what is there, and how they are flown.

    What making it had to warn of is in `warnings`, and what is good to know of the airspace in `notes`.
    """

    area: StudyArea
    design: SurveyDesign
    strata: tuple[StratumDesign, ...]
    airspace: Airspace
    homes: list[Floats]
    flying: Flying
    view: View
    turning: Turning
    gsd_cm: float
    allowance_m: float
    buffer_m: float
    warnings: list[str]
    notes: tuple[str, ...]


def _laid_over(area: StudyArea, asked: PlanRequest, agl_range_m: tuple[float, float]) -> _Laid:
    camera, aircraft, conditions = asked.mounted, asked.aircraft, asked.weather
    mounting, operations = asked.mounting, asked.operations
    height_m = asked.height_m()
    gsd_cm = float(mounting.gsd_cm(camera, height_m))
    check_wind(conditions, aircraft)
    # Before the work of planning, and again with the heights that the terrain lets be flown.
    check_height(conditions, height_m, height_m)
    view = mounting.view(camera, height_m)
    trigger_m = view.along_m * (1 - a_share("front overlap", asked.front_overlap))
    design = resolve_design(area, _with_spacing(asked, view.across_m), strip_width_m=view.across_m)
    if asked.pattern.refly:
        design = reflown(design)
    if asked.corridor is not None:
        design = along_corridor(design, asked.corridor)
    warnings: list[str] = []
    speed = held_speed(aircraft, camera, mounting, trigger_m, view.finest_gsd_cm, asked.speed_mps, warnings)
    turning = asked.pattern.turning(aircraft, speed, conditions.wind_mps)
    allowance_m = asked.turn_allowance_m
    if allowance_m is None:
        allowance_m = default_allowance_m(view.across_m, turning.room_m(view.across_m))
    allowance_m, buffer_m = a_length("allowance", allowance_m), a_length("buffer", asked.buffer_m)
    clear = _clear(area, asked, agl_range_m, buffer_m, allowance_m)
    warnings += clear.warnings
    airspace = Airspace.over(
        clear.area,
        allowance_m=allowance_m,
        buffer_m=buffer_m,
        turn_radius_m=turning.radius_m,
        run_in_m=turning.run_in_m,
    )
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
    strata = draw_design(clear.area, design, airspace)
    homes = _homes(clear.area, airspace, warnings)
    return _Laid(
        clear.area, design, strata, airspace, homes, flying, view, turning, gsd_cm, allowance_m, buffer_m, warnings,
        clear.notes,
    )  # fmt: skip


@dataclass(frozen=True)
class _Said:
    """What a plan says of itself; the height each sortie clears obstacles at on its way home; the overlap delivered."""

    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    clear_m: Mapping[str, float]
    delivered: Delivered | None


def _said_of(laid: _Laid, asked: PlanRequest, flown: Flown) -> _Said:
    area, design, flying, view = laid.area, laid.design, laid.flying, laid.view
    camera, mounting, conditions = asked.mounted, asked.mounting, asked.weather
    warnings: list[str] = []
    if design.kind in ZIGZAGS:
        uneven = [zigzag_warning(design, s.name, p) for s, p in zip(area.strata, area.local_strata, strict=True)]
        warnings += [text for text in uneven if text is not None]
    _warn(warnings, flying, laid.strata, laid.homes)
    warnings += asked.pattern.warnings(laid.turning, flying.drone, conditions.wind_mps)
    full_m = design.spacing_m if design.kind == FULL else None
    in_wind, against_wind = about_wind(flown, flying, camera, view, mounting, full_m)
    over_hills, hill_notes, hill_warnings = about_ground(
        flown,
        area,
        flying,
        view,
        front_overlap=asked.front_overlap,
        side_overlap=None if full_m is None else 1 - full_m / view.across_m,
        camera=camera,
        mounting=mounting,
    )
    paths = {s.identifier: mission_path(s.mission) for s in flown.sorties} if area.obstacles else {}
    of_masts, clear_m = over_obstacles_home(
        area, paths, flown.agl_range_m[0], asked.clearance.vertical_m, asked.terrain
    )
    warnings += of_masts
    notes, about_sun = good_to_know(conditions, area, camera, flying.drone, laid.gsd_cm)
    exposure = mounting.exposure_note(camera, laid.gsd_cm, flying.speed_mps)
    notes += [exposure, *in_wind, *hill_notes, *about_fleet(flown, flying)]
    warnings += [*against_wind, *hill_warnings, *about_view(view, mounting)]
    warnings += [*check_height(conditions, *flown.agl_range_m), *about_sun]
    return _Said(tuple(notes), tuple(warnings), clear_m, over_hills)


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
