"""Resume a sortie: a flight of just what its logs miss.

A vehicle that comes back to its mission flies on to the next item and never the gap; so what is missing is a mission of
its own, with legal ways, a trigger that is armed again at each piece's start, and an energy that is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flightplan.areas import LaunchSite
from flightplan.drones import FIXED_WING, Drone, drone_named
from flightplan.errors import PlanError
from flightplan.flying import Flying
from flightplan.hovering import Hover
from flightplan.landing import Landing
from flightplan.mission import AutopilotType
from flightplan.operations import Operations
from flightplan.ordering import Run
from flightplan.paths import Airspace
from flightplan.patterns import ON_THE_SPOT, Turning
from flightplan.plan import Sortie, SurveyPlan
from flightplan.sortie_missions import build_sorties
from flightplan.terrain import Terrain
from flightplan.vehicle.assessment import (
    Assessment,
    FrameLimits,
    Missing,
    assess,
    lines_of,
    log_folders,
    reach_m,
)

_LEAST_OVERLAP_M = 5.0
_LEVEL_M = 0.5
_TURN_RADII = 4.0
# Run-ins that a wing still needs after its own to fly on a line: it comes out of a turn beside it.
_SETTLED = 2.0


def plan_resume(
    plan: SurveyPlan,
    sortie: Sortie,
    missing: Sequence[Missing],
    *,
    first_number: int = 1,
    drone: Drone | None = None,
    launch: tuple[float, float] | None = None,
    terrain: Terrain | None = None,
    wind_share: float | None = None,
    height_tolerance_m: float = 5.0,
) -> tuple[Sortie, ...]:
    """Return the sorties, one a battery, that fly just what is missing, at the same height over the ground.

    Each piece begins at the last good frame less the overlap, with the trigger armed there, and ends as far behind the
    next good frame. A fixed wing has its run-in before and after it, and begins earlier on the line, to be on it where
    it matters; a piece at a line's start it flies the other way round for that. They are named SORTIE-resume-N from
    `first_number`, and start from the sortie's home or from `launch`, (longitude, latitude), where the crew stands now.
    PlanError when it cannot be flown, or when the sortie followed terrain and none is given.
    """
    aircraft = drone or plan.aircraft or drone_named(plan.drone or "")
    home = launch or sortie.mission.home
    if home is None or plan.allowance_m is None or plan.buffer_m is None:
        raise PlanError("the plan does not say where may be flown, or from where", where=sortie.identifier)
    turning = plan.turning or ON_THE_SPOT
    runs = _pieces(plan, sortie, missing, turning)
    if not runs:
        return ()
    airspace = Airspace.over(
        plan.area,
        allowance_m=plan.allowance_m,
        buffer_m=plan.buffer_m,
        turn_radius_m=turning.radius_m,
        run_in_m=turning.run_in_m,
    )
    area = replace(plan.area, launch_sites=(LaunchSite(sortie.launch or "here", *home),))
    flying = _flying(plan, sortie, aircraft, turning, terrain, wind_share, height_tolerance_m)
    if launch is not None:  # it lands where it starts now, not where it started then
        flying = replace(flying, operations=replace(flying.operations, landing=None))
    stand = airspace.nearest(area.frame.to_local([home])[0])
    flown = build_sorties(area, [runs], airspace, [stand], flying, [])
    if flown.outside_m > 0:
        raise PlanError(
            "a way would lie in an exclusion or outside of the area and its allowance", where=sortie.identifier
        )
    found = []
    for number, resumed in enumerate(flown.sorties, first_number):
        name = f"{sortie.identifier}-resume-{number}"
        if resumed.energy_share > 1:
            raise PlanError("its climbs take more than a battery has", where=name)
        mission = resumed.mission
        if launch is None and mission.home_altitude_msl_m is None:
            mission = replace(mission, home_altitude_msl_m=sortie.mission.home_altitude_msl_m)
        found.append(
            replace(
                resumed,
                identifier=name,
                mission=mission,
                drone=sortie.drone,
                launch=sortie.launch if launch is None else None,
                takeoff_offset_s=0.0,
            )
        )
    return tuple(found)


def _pieces(plan: SurveyPlan, sortie: Sortie, missing: Sequence[Missing], turning: Turning) -> list[Run]:
    """Return the pieces in the sortie's order and direction: a trigger leaves a line's end short, never its start.

    Neighbouring ones become one where the way between them is shorter than what lies before and behind a line anyway.
    """
    overlap_m = max(plan.front_overlap * plan.camera.footprint_m(plan.altitude_agl_m)[1], _LEAST_OVERLAP_M)
    rewind_m = reach_m(plan) + overlap_m
    settle_m = _SETTLED * turning.run_in_m if turning.radius_m > 0 else 0.0
    apart_m = max(plan.trigger_distance_m, settle_m + 2 * turning.run_in_m + _TURN_RADII * turning.radius_m)
    runs: list[Run] = []
    for n, line in enumerate(lines_of(sortie, plan.area.frame), start=1):
        spans: list[tuple[float, float]] = []
        for gap in sorted((m for m in missing if m.line == n), key=lambda m: m.from_m):
            from_m, to_m = max(gap.from_m - rewind_m, 0.0), min(gap.to_m + rewind_m, line.length_m)
            if spans and from_m - spans[-1][1] < apart_m:
                from_m = spans.pop()[0]
            spans.append((from_m, to_m))
        ends = [_settled(a, b, line.length_m, settle_m, plan.trigger_distance_m) for a, b in spans]
        runs += [Run(line.transect, np.stack([line.at(a), line.at(b)])) for a, b in ends]
    return runs


def _settled(from_m: float, to_m: float, length_m: float, settle_m: float, trigger_m: float) -> tuple[float, float]:
    """Return from where to where a piece is flown, so that a wing has come to the line where the piece begins.

    Just behind a line's start there is no room for that on the line: the piece is then flown towards the start, and
    begins a whole number of trigger distances and a half from its end, so that the last frame is near that.
    """
    if from_m >= settle_m:
        return from_m - settle_m, to_m
    count = np.ceil((to_m + settle_m - from_m) / trigger_m - 0.5)
    begin_m = from_m + (float(count) + 0.5) * trigger_m
    return (begin_m, from_m) if begin_m <= length_m else (0.0, to_m)


def _flying(
    plan: SurveyPlan,
    sortie: Sortie,
    drone: Drone,
    turning: Turning,
    terrain: Terrain | None,
    wind_share: float | None,
    tolerance_m: float,
) -> Flying:
    """Return how the plan's sorties are flown."""
    height_m = plan.altitude_agl_m
    if terrain is None:
        heights_m = [float(h) for line in lines_of(sortie, plan.area.frame) for h in line.altitude_home_m]
        if max(heights_m) - min(heights_m) > _LEVEL_M:
            raise PlanError(
                "this sortie follows the terrain, and its ways home from the middle of a line do too",
                where=sortie.identifier,
                hint="Name the elevation model it was planned with: --terrain FILE",
            )
        height_m = heights_m[0]
    raised_m = sortie.transit_offset_m
    px4_lands = drone.kind == FIXED_WING and sortie.mission.autopilot_type == AutopilotType.PX4
    operations = Operations(
        wind=plan.wind,
        transit_agl_m=height_m + raised_m if raised_m > 0 else None,
        landing=Landing.of(sortie.mission),
        autopilot="px4" if px4_lands else "ardupilot",
    )
    return Flying(
        drone=drone,
        speed_mps=plan.speed_mps,
        transit_speed_mps=max(plan.speed_mps, drone.cruise_speed_mps),
        altitude_agl_m=height_m,
        trigger_distance_m=plan.trigger_distance_m,
        wind_share=operations.energy_margin(wind_share),
        terrain=terrain,
        height_tolerance_m=tolerance_m,
        run_in_m=turning.run_in_m,
        hover=None if plan.hover_s is None else Hover(plan.trigger_distance_m, plan.hover_s),
        operations=operations,
        camera=plan.camera,
        tilt_deg=plan.tilt_deg,
    )


__all__ = ["Assessment", "FrameLimits", "Missing", "assess", "log_folders", "plan_resume"]
