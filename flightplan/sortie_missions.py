"""From lines in order to sorties: cut by battery, shared out, given heights, made missions, measured as read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from flightplan.areas import StudyArea
from flightplan.drones import FIXED_WING
from flightplan.errors import PlanError
from flightplan.findings import about_heights
from flightplan.fleet import Shares, estimated_makespan_s, one_after_another, share_out
from flightplan.flying import Flown, Flying, image_count, made_for, ways_of
from flightplan.frames import Floats
from flightplan.ground import ground_under, return_height_m
from flightplan.landing import Approach, landing_words, no_landing_words
from flightplan.landing_ways import LandingWays
from flightplan.messages import Message, message, plural_message
from flightplan.mission import (
    Command,
    Frame,
    Mission,
    MissionItem,
    RallyPoint,
    does_not_fit,
)
from flightplan.mission_builder import Fences, Places, build_mission, mission_path, places_of
from flightplan.operations import Limits
from flightplan.ordering import Run
from flightplan.paths import Airspace
from flightplan.plan import Sortie
from flightplan.profile import Profile
from flightplan.separation import Separation
from flightplan.separation import return_height_m as height_of_return_m
from flightplan.sorties import Flight, cut_sorties
from flightplan.take_offs import set_take_offs
from flightplan.terrain import Terrain
from flightplan.timeline import predict
from flightplan.visibility import judge_sight, line_of_sight
from flightplan.ways import Ways

_MOST_CUTS = 4
_STRETCHES = tuple(1 + 0.05 * i for i in range(13))
_POINTED_BY_MAVLINK = 2.0


@dataclass(frozen=True)
class _Draft:
    """A flight with its heights and its mission; `ascent_wh` is what its climbs take besides.

    The way home of a flight with an `approach` ends where that begins; its time and energy are of all of it.
    """

    flight: Flight
    raised_m: float
    profile: Profile
    mission: Mission
    ascent_wh: float
    approach: Approach | None = None

    @property
    def energy_wh(self) -> float:
        return self.flight.energy_wh + self.ascent_wh


def build_sorties(
    area: StudyArea,
    runs_by_part: Sequence[Sequence[Run]],
    airspace: Airspace,
    homes: Sequence[Floats],
    flying: Flying,
    warnings: list[str],
) -> Flown:
    """Return sorties over runs in order, each with its mission, drone and time of take-off.

    Raises PlanError for a flight that no battery, autopilot or limit lets be flown.
    """
    ways = ways_of(area, airspace, flying)
    maker = _Maker(area, runs_by_part, airspace, tuple(homes), flying, ways, Fences(area, airspace))
    drafts, shares = maker.drafts()
    separation = None
    if flying.operations.fleet.drones > 1:
        shares, separation = maker.apart(drafts, shares)
    order = sorted(range(len(drafts)), key=lambda i: (shares.start_s[i], shares.drone[i], i))
    named = {i: f"sortie-{number:02d}" for number, i in enumerate(order, start=1)}
    if separation is not None and separation.sorties is not None:
        one, other = separation.sorties
        separation = replace(separation, sorties=(named[int(one)], named[int(other)]))
    sorties = tuple(maker.sortie(drafts[i], named[i], shares.drone[i], shares.start_s[i], warnings) for i in order)
    outside_m = maker.outside_m(drafts)
    warnings += _about_landings({named[i]: drafts[i] for i in order}, flying, airspace)
    shortened = sum(ways.shortened(runs) for runs in runs_by_part)
    if shortened:
        warnings.append(
            plural_message(
                "{count} end of a line has less than {run_in:g} m of straight flight beyond it: the air ends there; a"
                " larger allowance gives more room",
                "{count} ends of lines have less than {run_in:g} m of straight flight beyond them: the air ends there;"
                " a larger allowance gives more room",
                shortened,
                run_in=float(flying.run_in_m),
            )
        )
    low = min(d.profile.agl_range_m[0] for d in drafts)
    high = max(d.profile.agl_range_m[1] for d in drafts)
    if flying.terrain is not None:
        warnings.append(about_heights(low, high, flying.altitude_agl_m))
    if flying.operations.line_of_sight and flying.terrain is None:
        raise PlanError("line of sight needs an elevation model", hint="Name one: --terrain DEM")
    seen = [(s.identifier, s.length_m, s.visibility) for s in sorties if s.visibility is not None]
    warnings += judge_sight(seen, must_see=flying.operations.line_of_sight)
    return Flown(sorties, outside_m, (low, high), tuple((d.flight, d.profile) for d in drafts), shares, separation)


@dataclass(frozen=True)
class _Maker:
    area: StudyArea
    runs_by_part: Sequence[Sequence[Run]]
    airspace: Airspace
    homes: tuple[Floats, ...]
    flying: Flying
    ways: Ways
    fences: Fences
    known: dict[bytes, tuple[float, float, int]] = field(default_factory=dict)

    def drafts(self) -> tuple[list[_Draft], Shares]:
        """Cut, share out and give heights, again with less in a flight while a mission or its climbs do not fit."""
        limits, budget_wh = self.flying.operations.limits, self.flying.drone.budget_wh
        found: tuple[list[_Draft], Shares] | None = None
        least_over_wh = np.inf
        for attempt in range(_MOST_CUTS):
            try:
                flights, shares = self._shared(limits)
            except PlanError:
                # Less in a flight than can be cut so: what was found before is what there is.
                if found is None:
                    raise
                break
            drafts = self._drafts(flights, [self._raised_m(d) for d in shares.drone])
            crowded = max(_crowding(d.mission, limits) for d in drafts)
            over_wh = max(0.0, max(d.energy_wh for d in drafts) - budget_wh)
            if found is None or crowded > 1 or over_wh < least_over_wh:
                found, least_over_wh = (drafts, shares), over_wh
            if crowded <= 1 and over_wh <= 1e-9:
                break
            # First what was missing is held back, then as much as any climbs take.
            missing_wh = limits.held_back_wh + over_wh if attempt == 0 else max(d.ascent_wh for d in drafts)
            limits = replace(
                limits,
                crowding=limits.crowding * max(1.0, 1.02 * crowded),
                held_back_wh=max(limits.held_back_wh, missing_wh) if over_wh > 0 else limits.held_back_wh,
            )
        assert found is not None
        for number, draft in enumerate(found[0], start=1):
            if _crowding(draft.mission, limits) > 1:
                raise PlanError(
                    f"flight {number} has {does_not_fit(draft.mission, limits.capacity)[0]}",
                    where=self.area.name,
                    hint="Allow the height above ground a larger tolerance",
                )
        return found

    def apart(self, drafts: Sequence[_Draft], shares: Shares) -> tuple[Shares, Separation | None]:
        """Set when each takes off, so that no two drones come near each other."""
        flying, fleet = self.flying, self.flying.operations.fleet
        timelines = [
            predict(
                d.mission,
                self.area.frame,
                flying.drone,
                height_of_return_m(d.mission, number, fleet.layer_m, d.raised_m),
                wind=flying.operations.wind,
                ground_m=ground_m,
            )
            for d, number, ground_m in zip(drafts, shares.drone, self.home_grounds_m(drafts), strict=True)
        ]
        return set_take_offs([d.flight for d in drafts], timelines, shares, fleet)

    def outside_m(self, drafts: Sequence[_Draft]) -> float:
        """Metres of the missions, as read back and in one projection, that lie where nobody may fly."""
        airspace = self.airspace
        read_back = [mission_path(d.mission) for d in drafts]
        local = self.area.frame.to_local(np.concatenate(read_back))
        outside_m = airspace.all_metres_outside(np.split(local, np.cumsum([len(path) for path in read_back])[:-1]))
        if airspace.turning is not None:
            # Waypoints stand for arcs: what is flown between them is looked at too.
            outside_m += sum(airspace.metres_outside(self.ways.as_flown(way)) for d in drafts for way in d.flight.ways)
            outside_m += sum(airspace.metres_outside(d.approach.track) for d in drafts if d.approach is not None)
        return outside_m

    def sortie(self, draft: _Draft, name: str, drone: int, start_s: float, warnings: list[str]) -> Sortie:
        """Return the sortie of a draft, with what it takes and what it meets."""
        flying, flight = self.flying, draft.flight
        if draft.energy_wh > flying.drone.budget_wh:
            warnings.append(
                message(
                    "{sortie} climbs {climb:.0f} m on its way, which takes from its reserve",
                    sortie=name,
                    climb=float(draft.profile.ascent_m),
                )
            )
        warnings += [
            message("{sortie}: {what}", sortie=name, what=excess)
            for excess in does_not_fit(draft.mission, flying.operations.capacity)
        ]
        images = sum(image_count(run.length_m, flying) for run in flight.runs)
        sortie = Sortie(
            identifier=name,
            transects=tuple(dict.fromkeys(r.transect for r in flight.runs)),
            mission=draft.mission,
            length_m=flight.length_m + (0.0 if draft.approach is None else draft.approach.length_m),
            duration_s=flight.duration_s,
            energy_share=draft.energy_wh / flying.drone.battery_wh,
            drone=drone,
            launch=self._launch(flight.home),
            takeoff_offset_s=start_s,
            transit_offset_m=draft.raised_m,
            image_count=images,
            storage_mb=None if flying.camera is None else round(images * flying.camera.storage_mb, 1),
            furthest_m=round(float(np.hypot(*(flight.path - flight.home).T).max()), 1),
        )
        return sortie if flying.terrain is None else self._over_ground(sortie, draft, flying.terrain, warnings)

    def _over_ground(self, sortie: Sortie, draft: _Draft, terrain: Terrain, warnings: list[str]) -> Sortie:
        """Return a sortie with what an elevation model says of it: a safe height to return at, the line of sight."""
        area, flight, profile = self.area, draft.flight, draft.profile
        safe_m, void_share = return_height_m(
            flight.path,
            flight.home,
            area,
            terrain,
            clearance_m=self.flying.operations.return_clearance_m,
            at_least_m=float(profile.altitude_home_m[0]),
        )
        if void_share > 0:
            warnings.append(
                message(
                    "{sortie}: {share:.1%} of the ground on its straight ways home has no height: the return height"
                    " knows nothing of it",
                    sortie=sortie.identifier,
                    share=float(void_share),
                )
            )
        seen = line_of_sight(flight.path, profile.distance_m, profile.altitude_home_m, area, terrain)
        rally = tuple(
            RallyPoint(r.longitude_deg, r.latitude_deg, max(r.altitude_home_m, safe_m)) for r in draft.mission.rally
        )
        return replace(
            sortie,
            mission=replace(draft.mission, rally=rally),
            return_height_m=safe_m,
            ground=ground_under(draft.mission, area, terrain),
            visibility=seen,
        )

    def _shared(self, limits: Limits) -> tuple[list[Flight], Shares]:
        fleet = self.flying.operations.fleet
        flights = self._cut(limits)
        if fleet.drones == 1:
            return flights, one_after_another(flights)
        best, best_s = flights, estimated_makespan_s(flights, fleet.drones)
        total_s = sum(f.duration_s for f in flights)
        rounds = -(-len(flights) // fleet.drones)
        # Flights as long as a battery lasts seldom share out evenly: shorter ones may, at the price of more ways home.
        for each in range(rounds, rounds + 3):
            for stretch in _STRETCHES:
                longest_s = stretch * total_s / (fleet.drones * each)
                shorter = self._cut(replace(limits, longest_s=longest_s))
                seconds = estimated_makespan_s(shorter, fleet.drones)
                if seconds < best_s - 1.0:
                    best, best_s = shorter, seconds
        return best, share_out(best, fleet)

    def _cut(self, limits: Limits) -> list[Flight]:
        flying = self.flying
        return [
            flight
            for runs in self.runs_by_part
            for flight in cut_sorties(
                self.area,
                runs,
                self.airspace,
                flying.drone,
                speed_mps=flying.speed_mps,
                transit_speed_mps=flying.transit_speed_mps,
                altitude_agl_m=flying.altitude_agl_m + self._raised_m(flying.operations.fleet.drones),
                wind_share=flying.wind_share,
                fixed_homes=self.homes,
                ways=self.ways,
                wind=flying.operations.wind,
                limits=limits,
                hover=flying.hover,
                known=self.known,
            )
        ]

    def _raised_m(self, drone: int) -> float:
        operations = self.flying.operations
        return operations.raised_m(self.flying.altitude_agl_m) + operations.fleet.offset_m(drone)

    def _drafts(self, flights: Sequence[Flight], raised_m: Sequence[float]) -> list[_Draft]:
        parted = [self._parted(flight) for flight in flights]
        profiles = [
            self.flying.profile(flight, self.area, above_m)
            for (flight, _), above_m in zip(parted, raised_m, strict=True)
        ]
        flown = [(flight, profile) for (flight, _), profile in zip(parted, profiles, strict=True)]
        places = places_of(flown, self.area, self.flying.hover)
        return [
            self._draft(flight, above_m, profile, where, approach)
            for (flight, approach), above_m, profile, where in zip(parted, raised_m, profiles, places, strict=True)
        ]

    def _parted(self, flight: Flight) -> tuple[Flight, Approach | None]:
        """Return a flight up to its approach, and that; all of it and None without one."""
        if not isinstance(self.ways, LandingWays):
            return flight, None
        before, approach = self.ways.parted(flight.ways[-1])
        return replace(flight, ways=(*flight.ways[:-1], before)), approach

    def _draft(
        self, flight: Flight, raised_m: float, profile: Profile, places: Places, approach: Approach | None
    ) -> _Draft:
        flying = self.flying
        mission = build_mission(
            flight,
            self.area,
            self.fences,
            profile,
            speed_mps=flying.speed_mps,
            transit_speed_mps=flying.transit_speed_mps,
            trigger_distance_m=flying.trigger_distance_m,
            hover=flying.hover,
            approach=approach,
            landing_placed=flying.operations.autopilot != "px4",
            places=places,
        )
        autopilot_type, vehicle_type = made_for(flying)
        mission = replace(mission, autopilot_type=autopilot_type, vehicle_type=vehicle_type)
        if flying.tilt_deg:
            # Behind the take-off: the camera is pointed before the first line.
            items = mission.items
            mission = replace(mission, items=(items[0], _pointed(flying.tilt_deg), *items[1:]))
        ascent_wh = flying.drone.climb_wh(profile.ascent_m) * (1 + flying.wind_share)
        return _Draft(flight, raised_m, profile, mission, ascent_wh, approach)

    def home_grounds_m(self, drafts: Sequence[_Draft]) -> list[float]:
        """Return the ground's height at each home; 0 without an elevation model."""
        if self.flying.terrain is None:
            return [0.0] * len(drafts)
        homes = self.area.frame.to_lonlat(np.stack([d.flight.home for d in drafts]))
        return [float(m) for m in self.flying.terrain.heights_m(homes)]

    def _launch(self, home: Floats) -> str | None:
        sites = zip(self.area.launch_sites, self.homes, strict=True) if self.homes else ()
        return next((site.name for site, place in sites if np.array_equal(place, home)), None)


def _about_landings(drafts: Mapping[str, _Draft], flying: Flying, airspace: Airspace) -> list[Message]:
    """Return how fixed wings land, or that they do not; the sorties that do the same together."""
    if flying.drone.kind != FIXED_WING:
        return []
    wind = flying.operations.wind
    said: dict[Message, list[str]] = {}
    for name, draft in drafts.items():
        if draft.approach is not None:
            words = landing_words(draft.approach, None if wind is None else wind.from_deg)
        elif airspace.turning is None:
            words = message(
                "with straight turns no landing is worked out: it circles over home until its pilot lands it"
            )
        else:
            words = no_landing_words(airspace.turning.radius_m, flying.run_in_m)
        said.setdefault(words, []).append(name)
    return [message("{sortie}: {what}", sortie=tuple(names), what=words) for words, names in said.items()]


def _crowding(mission: Mission, limits: Limits) -> float:
    """Return how much of what the autopilot holds a mission takes."""
    holder = limits.capacity
    waypoints = 0 if holder.waypoints is None else sum(i.command == Command.NAV_WAYPOINT for i in mission.items)
    return max(len(mission.items) / (holder.items or np.inf), waypoints / (holder.waypoints or np.inf))


def _pointed(tilt_deg: float) -> MissionItem:
    return MissionItem(
        command=Command.DO_MOUNT_CONTROL,
        frame=Frame.MISSION,
        params=(tilt_deg - 90.0, 0.0, 0.0, 0.0),
        altitude_m=_POINTED_BY_MAVLINK,
    )
