"""Plan a survey: from an area and what was asked to checked sorties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.camera import Camera
from flightplan.conditions import Conditions, check_height, check_wind, good_to_know
from flightplan.coverage import out_of_reach
from flightplan.design import (
    FULL,
    SYSTEMATIC,
    ZIGZAG,
    StratumDesign,
    SurveyDesign,
    default_allowance_m,
    draw_design,
    resolve_design,
)
from flightplan.drones import DEFAULT_WIND_SHARE, FIXED_WING, Drone, drone_named
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.legs import HULL
from flightplan.mission_builder import Fences, build_mission, mission_path
from flightplan.ordering import Run, order_runs
from flightplan.paths import Airspace
from flightplan.plan import Sortie, SurveyPlan
from flightplan.profile import Profile, follow_terrain, level_profile
from flightplan.sorties import MAX_ITEMS, Flight, cut_sorties
from flightplan.terrain import Terrain

DEFAULT_BUFFER_M = 15.0
DEFAULT_DRONE = "DJI Mavic 3 Enterprise"

_WORTH_NAMING_M2 = 1.0


def plan_survey(
    area: StudyArea,
    *,
    camera: Camera,
    altitude_agl_m: float | None = None,
    gsd_cm: float | None = None,
    front_overlap: float = 0.2,
    side_overlap: float | None = None,
    spacing_m: float | None = None,
    sampling_fraction: float | None = None,
    min_lines: int | None = None,
    kind: str | None = None,
    heading_deg: float | None = None,
    random_heading: bool = False,
    segment_m: float | None = None,
    segment_spacing_m: float | None = None,
    bounds: str = HULL,
    stratum_spacing_m: Mapping[str, float] | None = None,
    seed: int = 1,
    drone: Drone | str = DEFAULT_DRONE,
    speed_mps: float | None = None,
    buffer_m: float = DEFAULT_BUFFER_M,
    turn_allowance_m: float | None = None,
    wind_share: float = DEFAULT_WIND_SHARE,
    terrain: Terrain | None = None,
    height_tolerance_m: float = 5.0,
    conditions: Conditions | None = None,
) -> SurveyPlan:
    """Plan sorties that fly a design over an area, and check every metre of them.

    Say the height or the ground sampling distance; and one of side overlap (full coverage), spacing, sampling fraction
    (0 to 1) or lines per stratum. Overlaps are shares, 0 to below 1. `kind` follows from that when it is None: full
    coverage when strips touch. With `terrain` the height above ground is held within `height_tolerance_m`, as far as
    the drone can climb and descend; without it the ground is taken as level. The allowance around the area is by
    default what `default_allowance_m` says. `conditions` are the animals, ceiling, wind and date to respect. The same
    arguments give the same plan. Raises PlanError, DesignError, CameraError, TerrainError or AreaError.
    """
    aircraft = drone_named(drone) if isinstance(drone, str) else drone
    height_m, gsd = _height(camera, altitude_agl_m, gsd_cm)
    asked = conditions or Conditions()
    check_wind(asked, aircraft)
    # Before the work of planning, and again with the heights that the terrain lets be flown.
    check_height(asked, height_m, height_m)
    across_m, along_m = camera.footprint_m(height_m)
    trigger_m = along_m * (1 - _share("front overlap", front_overlap))
    if side_overlap is not None:
        if spacing_m is not None or sampling_fraction is not None or min_lines is not None:
            raise PlanError("side overlap and spacing were both asked for", hint="One follows from the other")
        spacing_m = across_m * (1 - _share("side overlap", side_overlap))
    if kind is None:
        kind = FULL if spacing_m is not None and spacing_m <= across_m else SYSTEMATIC
    design = resolve_design(
        area,
        kind,
        strip_width_m=across_m,
        spacing_m=spacing_m,
        sampling_fraction=sampling_fraction,
        min_lines=min_lines,
        heading_deg=heading_deg,
        random_heading=random_heading,
        segment_m=segment_m,
        segment_spacing_m=segment_spacing_m,
        bounds=bounds,
        stratum_spacing_m=stratum_spacing_m,
        seed=seed,
    )
    warnings: list[str] = []
    speed = _speed(aircraft, camera, trigger_m, speed_mps, warnings)
    allowance_m = turn_allowance_m
    if allowance_m is None:
        allowance_m = default_allowance_m(across_m, 2 * aircraft.turn_radius_m(speed))
    airspace = Airspace.over(area, allowance_m=_length("allowance", allowance_m), buffer_m=_length("buffer", buffer_m))
    strata = draw_design(area, design, airspace)
    homes = _homes(area, airspace, warnings)
    flying = _Flying(
        drone=aircraft,
        speed_mps=speed,
        transit_speed_mps=max(speed, aircraft.cruise_speed_mps),
        altitude_agl_m=height_m,
        trigger_distance_m=trigger_m,
        wind_share=wind_share,
        terrain=terrain,
        height_tolerance_m=_length("height tolerance", height_tolerance_m),
    )
    runs = order_runs(area, design, strata, airspace, start=homes[0] if homes else None)
    sorties, outside_m, heights_m = _sorties(area, runs, airspace, homes, flying, warnings)
    if outside_m > 0:
        raise PlanError(
            f"{outside_m:.1f} m of the path would lie in an exclusion or outside of the area and its allowance",
            where=area.name,
            hint="This is a fault of overfly: please report it with the area",
        )
    coverage, left_out = _coverage(area, design, strata, airspace)
    not_covered, not_covered_m2 = _left_out(area, left_out, warnings)
    if design.kind == ZIGZAG:
        warnings.append(
            "which ground no leg of a zigzag may reach is not worked out; `overfly design` maps the coverage"
        )
    _warn(warnings, flying, strata, homes)
    notes, about_sun = good_to_know(asked, area, camera, aircraft, gsd)
    warnings += [*check_height(asked, *heights_m), *about_sun]
    return SurveyPlan(
        area=area,
        design=design,
        camera=camera,
        strata=strata,
        sorties=tuple(sorties),
        altitude_agl_m=height_m,
        speed_mps=speed,
        trigger_distance_m=trigger_m,
        gsd_cm=gsd,
        front_overlap=front_overlap,
        metres_outside=outside_m,
        warnings=tuple(warnings),
        coverage=coverage,
        allowance_m=float(allowance_m),
        buffer_m=float(buffer_m),
        drone=aircraft.name,
        not_covered=not_covered,
        not_covered_m2=not_covered_m2,
        notes=tuple(notes),
        species=tuple(s.name for s in asked.species),
    )


@dataclass(frozen=True)
class _Flying:
    """How the sorties are flown."""

    drone: Drone
    speed_mps: float
    transit_speed_mps: float
    altitude_agl_m: float
    trigger_distance_m: float
    wind_share: float
    terrain: Terrain | None
    height_tolerance_m: float

    def profile(self, flight: Flight, area: StudyArea) -> Profile:
        if self.terrain is None:
            return level_profile(flight.path, self.altitude_agl_m)
        return follow_terrain(
            flight.path,
            area,
            self.terrain,
            altitude_agl_m=self.altitude_agl_m,
            tolerance_m=self.height_tolerance_m,
            steepest_climb=self.drone.climb_mps / self.transit_speed_mps,
            steepest_descent=self.drone.descent_mps / self.transit_speed_mps,
        )


def _sorties(
    area: StudyArea,
    runs_by_part: Sequence[Sequence[Run]],
    airspace: Airspace,
    homes: Sequence[Floats],
    flying: _Flying,
    warnings: list[str],
) -> tuple[list[Sortie], float, tuple[float, float]]:
    """Return the sorties, how much of their missions, read back, lies outside of the air, and their heights."""
    sorties: list[Sortie] = []
    outside_m, agl_m = 0.0, []
    fences, drone = Fences(area, airspace), flying.drone
    for runs in runs_by_part:
        flights = cut_sorties(
            area,
            runs,
            airspace,
            drone,
            speed_mps=flying.speed_mps,
            transit_speed_mps=flying.transit_speed_mps,
            altitude_agl_m=flying.altitude_agl_m,
            wind_share=flying.wind_share,
            fixed_homes=homes,
        )
        for flight in flights:
            profile = flying.profile(flight, area)
            mission = build_mission(
                flight,
                area,
                fences,
                profile,
                speed_mps=flying.speed_mps,
                transit_speed_mps=flying.transit_speed_mps,
                trigger_distance_m=flying.trigger_distance_m,
            )
            name = f"sortie-{len(sorties) + 1:02d}"
            if len(mission.items) > MAX_ITEMS:
                raise PlanError(
                    f"{name} has {len(mission.items)} mission items, and an autopilot holds {MAX_ITEMS}",
                    where=area.name,
                    hint="Allow the height above ground a larger tolerance",
                )
            outside_m += airspace.metres_outside(area.frame.to_local(mission_path(mission)))
            agl_m.append(profile.agl_range_m)
            energy_wh = flight.energy_wh + drone.climb_wh(profile.ascent_m) * (1 + flying.wind_share)
            if energy_wh > drone.budget_wh:
                warnings.append(f"{name} climbs {profile.ascent_m:.0f} m on its way, which takes from its reserve")
            sorties.append(
                Sortie(
                    identifier=name,
                    transects=tuple(dict.fromkeys(r.transect for r in flight.runs)),
                    mission=mission,
                    length_m=flight.length_m,
                    duration_s=flight.duration_s,
                    energy_share=energy_wh / drone.battery_wh,
                )
            )
    low, high = min(a[0] for a in agl_m), max(a[1] for a in agl_m)
    if flying.terrain is not None:
        warnings.append(
            f"height above ground is {low:.0f} to {high:.0f} m on the way; asked for {flying.altitude_agl_m:.0f} m"
        )
    return sorties, outside_m, (low, high)


def _height(camera: Camera, altitude_agl_m: float | None, gsd_cm: float | None) -> tuple[float, float]:
    if (altitude_agl_m is None) == (gsd_cm is None):
        raise PlanError("say either the height or the ground sampling distance")
    if altitude_agl_m is None:
        assert gsd_cm is not None
        height_m = camera.altitude_for_gsd_m(_length("ground sampling distance", gsd_cm, "cm"))
    else:
        height_m = altitude_agl_m
    if not 0 < height_m < 10_000:
        raise PlanError(f"a height of {height_m:g} m above ground cannot be flown")
    return float(height_m), float(camera.gsd_cm(height_m))


def _share(what: str, value: float) -> float:
    if not 0 <= value < 1:
        raise PlanError(f"a {what} of {value:g} is not a share from 0 to below 1")
    return value


def _length(what: str, value: float, unit: str = "m") -> float:
    if not (value >= 0 and np.isfinite(value)):
        raise PlanError(f"a {what} of {value:g} {unit} is not one")
    return float(value)


def _speed(
    drone: Drone, camera: Camera, trigger_distance_m: float, asked_mps: float | None, warnings: list[str]
) -> float:
    """Return the speed to fly: what was asked, or the drone's own, held below what the camera's trigger can follow."""
    speed_mps = drone.cruise_speed_mps if asked_mps is None else asked_mps
    if not 0 < speed_mps <= drone.max_speed_mps:
        raise PlanError(
            f"{speed_mps:g} m/s is not a speed that {drone.name} flies", hint=f"At most {drone.max_speed_mps:g} m/s"
        )
    if camera.min_trigger_interval_s:
        fastest_mps = trigger_distance_m / camera.min_trigger_interval_s
        if speed_mps > fastest_mps:
            warnings.append(
                f"speed held at {fastest_mps:.1f} m/s: {camera.name} takes a frame each"
                f" {camera.min_trigger_interval_s:g} s at most, and frames are {trigger_distance_m:.1f} m apart"
            )
            speed_mps = fastest_mps
    if speed_mps < drone.min_speed_mps:
        raise PlanError(
            f"{drone.name} does not fly as slowly as {speed_mps:.1f} m/s",
            hint="Ask for less overlap along the line, or for another drone",
        )
    return float(speed_mps)


def _homes(area: StudyArea, airspace: Airspace, warnings: list[str]) -> list[Floats]:
    homes = []
    for site in area.launch_sites:
        point = area.frame.to_local([(site.longitude_deg, site.latitude_deg)])[0]
        legal = airspace.nearest(point)
        moved_m = float(np.hypot(*(legal - point)))
        if moved_m > 1.0:
            warnings.append(
                f"launch site {site.name} lies {moved_m:.0f} m outside of where may be flown;"
                " the nearest legal point is taken instead"
            )
        homes.append(legal)
    return homes


def _coverage(
    area: StudyArea, design: SurveyDesign, strata: Sequence[StratumDesign], airspace: Airspace
) -> tuple[float, Any]:
    """Return the share of the area in the strips, each point counted once, and the ground left out (local)."""
    whole_m2 = sum(s.area_m2 for s in strata)
    if design.kind == ZIGZAG:
        # Legs overlap where they turn, and point in many directions: what none may reach is not worked out.
        seen_m2 = sum(
            float(_strips(area, design, stratum).intersection(polygon).area)
            for stratum, polygon in zip(strata, area.local_strata, strict=True)
        )
        return seen_m2 / whole_m2, shapely.MultiPolygon()
    if design.kind != FULL:
        missed = [
            out_of_reach(polygon, design.heading_deg, design.strip_width_m, airspace.inset)
            for polygon in area.local_strata
        ]
        return sum(t.strip_area_m2 for s in strata for t in s.transects) / whole_m2, shapely.union_all(missed)
    missed = []
    for stratum, polygon in zip(strata, area.local_strata, strict=True):
        missed.append(shapely.difference(polygon, _strips(area, design, stratum)))
    left_out = shapely.union_all(missed)
    return 1 - float(left_out.area) / whole_m2, left_out


def _strips(area: StudyArea, design: SurveyDesign, stratum: StratumDesign) -> Any:
    ends = np.concatenate([np.asarray(t.segments) for t in stratum.transects]).reshape(-1, 2)
    lines = shapely.linestrings(area.frame.to_local(ends).reshape(-1, 2, 2))
    return shapely.union_all(shapely.buffer(lines, design.strip_width_m / 2, cap_style="flat"))


def _left_out(area: StudyArea, left_out: Any, warnings: list[str]) -> tuple[Any, float]:
    """Return what is worth naming of the ground left out, geographic, and its area."""
    parts = [p for p in shapely.get_parts(left_out) if p.geom_type == "Polygon" and p.area >= _WORTH_NAMING_M2]
    if not parts:
        return None, 0.0
    named = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    warnings.append(
        f"{named.area / 1e4:.2f} ha cannot be seen: no line may pass close enough (beside exclusions and their buffer,"
        " mostly); an estimate for that ground is an extrapolation"
    )
    return area.frame.delocalise(named), float(named.area)


def _warn(warnings: list[str], flying: _Flying, strata: Sequence[StratumDesign], homes: Sequence[Floats]) -> None:
    if not homes:
        warnings.append(
            "no launch site was given: sorties start from points on the area's boundary; check that they can be reached"
        )
    if flying.drone.kind == FIXED_WING:
        warnings.append(
            "turns are drawn as straight legs; a fixed wing rounds them within the allowance, which was set for it"
        )
    warnings += [
        f"stratum {s.name} has one transect: its variance cannot be estimated" for s in strata if len(s.transects) < 2
    ]
    if flying.terrain is None:
        warnings.append("heights are above the launch site: right over flat ground only, no elevation was given")
