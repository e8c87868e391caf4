"""From lines in order to sorties: cut by battery, given heights, made missions, and measured as they will be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flightplan.areas import StudyArea
from flightplan.drones import Drone
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.hovering import Hover
from flightplan.mission_builder import Fences, build_mission, mission_path
from flightplan.ordering import Run
from flightplan.paths import Airspace
from flightplan.plan import Sortie
from flightplan.profile import Profile, follow_terrain, level_profile
from flightplan.sorties import MAX_ITEMS, Flight, cut_sorties
from flightplan.terrain import Terrain
from flightplan.ways import ways_over


@dataclass(frozen=True)
class Flying:
    """How the sorties are flown."""

    drone: Drone
    speed_mps: float
    transit_speed_mps: float
    altitude_agl_m: float
    trigger_distance_m: float
    wind_share: float
    terrain: Terrain | None
    height_tolerance_m: float
    run_in_m: float = 0.0
    hover: Hover | None = None

    def profile(self, flight: Flight, area: StudyArea) -> Profile:
        """Return the heights of a flight: over the terrain where one was given, level otherwise."""
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


def build_sorties(
    area: StudyArea,
    runs_by_part: Sequence[Sequence[Run]],
    airspace: Airspace,
    homes: Sequence[Floats],
    flying: Flying,
    warnings: list[str],
) -> tuple[list[Sortie], float, tuple[float, float]]:
    """Return the sorties, how much of their missions, read back, lies outside of the air, and their heights."""
    sorties: list[Sortie] = []
    outside_m, agl_m = 0.0, []
    fences, drone = Fences(area, airspace), flying.drone
    ways = ways_over(airspace, flying.run_in_m)
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
            ways=ways,
            hover=flying.hover,
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
                hover=flying.hover,
            )
            name = f"sortie-{len(sorties) + 1:02d}"
            if len(mission.items) > MAX_ITEMS:
                raise PlanError(
                    f"{name} has {len(mission.items)} mission items, and an autopilot holds {MAX_ITEMS}",
                    where=area.name,
                    hint="Allow the height above ground a larger tolerance",
                )
            outside_m += airspace.metres_outside(area.frame.to_local(mission_path(mission)))
            outside_m += sum(airspace.metres_outside(ways.as_flown(way)) for way in flight.ways)
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
    shortened = sum(ways.shortened(runs) for runs in runs_by_part)
    if shortened:
        warnings.append(
            f"{shortened} ends of lines have less than {flying.run_in_m:g} m of straight flight beyond them: the air"
            " ends there; a larger allowance gives more room"
        )
    low, high = min(a[0] for a in agl_m), max(a[1] for a in agl_m)
    if flying.terrain is not None:
        warnings.append(
            f"height above ground is {low:.0f} to {high:.0f} m on the way; asked for {flying.altitude_agl_m:.0f} m"
        )
    return sorties, outside_m, (low, high)
