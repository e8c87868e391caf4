"""A fixed wing's plan ends on the ground, or says that it does not; and what a flight makes of either."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely

from flightplan.area_heights import AGL, Level
from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.clock import SimulatedClock
from flightplan.energy import Wind
from flightplan.frames import LocalFrame
from flightplan.landing import GLIDE_SLOPE, Landing
from flightplan.mission import Command, Mission
from flightplan.mission_builder import mission_path
from flightplan.obstacles import Obstacle
from flightplan.operations import Operations
from flightplan.patterns import Pattern
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.terrain import Terrain
from flightplan.vehicle.campaign import fly_one
from flightplan.vehicle.flight import FlightResult, Outcome
from flightplan.vehicle.landings import run_out_m
from flightplan.vehicle.setup import FlightSetup
from sim.vehicle import KINDS, Home, SimulatedVehicle, VehicleServer

FRAME = LocalFrame(34.83, -2.33)
WING = "WingtraOne GEN II"
START_S = 1_790_000_000.0
LAND = shapely.box(-700, -500, 700, 500)


def planned(
    land: shapely.Polygon = LAND, *, home: tuple[float, float] = (0.0, 0.0), obstacles=(), holes=(), **asked: object
) -> SurveyPlan:
    lon, lat = FRAME.to_lonlat(np.array([home]))[0]
    ground = shapely.difference(land, shapely.union_all(list(holes)))
    area = StudyArea(
        "park",
        (Stratum("all", FRAME.delocalise(ground)),),
        tuple(FRAME.delocalise(h) for h in holes),
        (LaunchSite("camp", float(lon), float(lat)),),
        obstacles=tuple(obstacles),
    )
    said = {"altitude_agl_m": 80.0, "spacing_m": 500.0, "heading_deg": 0.0, "drone": WING, **asked}
    return plan_survey(area, PlanRequest(camera=camera_named("overfly-demo"), **said))  # type: ignore[arg-type]


def ending(mission: Mission) -> list[int]:
    commands = [int(i.command) for i in mission.items]
    return commands[commands.index(189) :] if 189 in commands else commands[-1:]


def final(plan: SurveyPlan, mission: Mission) -> tuple[np.ndarray, np.ndarray, float]:
    """Gate and touchdown, local, and the height between them."""
    gate, land = mission.items[-2:]
    places = plan.area.frame.to_local([(i.longitude_deg, i.latitude_deg) for i in (gate, land)])
    return places[0], places[1], gate.altitude_m - land.altitude_m


@contextmanager
def plane(plan: SurveyPlan, **parameters: float) -> Iterator[tuple[str, SimulatedClock, SimulatedVehicle]]:
    clock = SimulatedClock(START_S)
    home = plan.sorties[0].mission.home
    assert home is not None
    vehicle = KINDS["plane"](
        Home(*home, 1500.0), 5, start_time_utc_s=START_S, battery_ah=20.0, parameters=dict(parameters)
    )
    with VehicleServer(vehicle, clock=clock) as server:
        yield server.address, clock, vehicle


def texts(result: FlightResult, kind: str) -> list[str]:
    return [e.text for e in result.events if e.kind == kind]


def test_a_fixed_wing_is_planned_down_to_its_launch_site_within_the_allowed_air() -> None:
    plan = planned(operations=Operations(wind=Wind(4.0, 250.0)))
    assert plan.metres_outside == 0.0
    for sortie in plan.sorties:
        assert ending(sortie.mission) == [189, 31, 16, 21]
        gate, touchdown, height_m = final(plan, sortie.mission)
        assert touchdown == pytest.approx([0.0, 0.0], abs=0.1)
        assert height_m / np.hypot(*(touchdown - gate)) == pytest.approx(GLIDE_SLOPE, abs=1e-3)
        east, north = touchdown - gate
        assert np.degrees(np.arctan2(east, north)) % 360 == pytest.approx(250.0, abs=0.2)
        circle = sortie.mission.items[-3]
        assert circle.altitude_m == height_m
        assert circle.params[0] == 1.0  # it leaves the circle when it heads for the gate
    assert any("lands on heading 250°, into the wind" in w for w in plan.warnings)


def test_every_metre_of_the_approach_keeps_clear_of_exclusions() -> None:
    village = shapely.box(150, 150, 420, 420)  # where the unhindered approach would come from
    plan = planned(holes=(village,), operations=Operations(wind=Wind(4.0, 225.0)))
    kept = village.buffer((plan.buffer_m or 0.0) - 0.1)
    for sortie in plan.sorties:
        assert ending(sortie.mission) == [189, 31, 16, 21]
        path = plan.area.frame.to_local(mission_path(sortie.mission))
        assert not shapely.LineString(path).intersects(kept)
        gate, touchdown, _ = final(plan, sortie.mission)
        assert not shapely.LineString([gate, touchdown]).intersects(kept)
    assert plan.metres_outside == 0.0
    assert any("off the wind" in w for w in plan.warnings)


def test_an_approach_keeps_from_an_obstacle_that_the_lines_fly_over() -> None:
    free = planned(operations=Operations(wind=Wind(4.0, 250.0)))
    gate, touchdown, _ = final(free, free.sorties[0].mission)
    lon, lat = FRAME.to_lonlat((gate + (touchdown - gate) * 0.7)[None])[0]
    mast = Obstacle("mast", shapely.Point(lon, lat), Level(20.0, AGL))
    plan = planned(operations=Operations(wind=Wind(4.0, 250.0)), obstacles=(mast,))
    gate, touchdown, _ = final(plan, plan.sorties[0].mission)
    east, north = FRAME.to_local([(lon, lat)])[0]
    assert shapely.LineString([gate, touchdown]).distance(shapely.Point(east, north)) >= 29.9


def test_a_landing_that_is_asked_for_is_where_and_how_it_was_asked() -> None:
    lon, lat = FRAME.to_lonlat(np.array([[100.0, -200.0]]))[0]
    asked = Landing(float(lon), float(lat), 90.0)
    mission = planned(operations=Operations(landing=asked)).sorties[0].mission
    found = Landing.of(mission)
    assert found is not None
    assert (found.longitude_deg, found.latitude_deg) == pytest.approx((lon, lat), abs=1e-6)
    assert found.heading_deg == pytest.approx(90.0, abs=0.2)


def test_px4_is_given_the_same_landing_without_a_place_for_its_start() -> None:
    plan = planned(operations=Operations(autopilot="px4"))
    for sortie in plan.sorties:
        assert ending(sortie.mission) == [189, 31, 16, 21]
        start = next(i for i in sortie.mission.items if i.command == 189)
        assert (start.frame, start.longitude_deg) == (2, None)
        gate, touchdown, height_m = final(plan, sortie.mission)
        assert np.degrees(np.arctan2(height_m, np.hypot(*(touchdown - gate)))) < 5.0  # FW_LND_ANG


def test_a_small_area_has_no_room_for_an_approach_and_its_plan_says_so() -> None:
    plan = planned(shapely.box(-60, -60, 60, 60), pattern=Pattern(turnaround_m=20.0), spacing_m=200.0)
    assert plan.metres_outside == 0.0
    assert all(ending(s.mission) == [Command.NAV_RETURN_TO_LAUNCH] for s in plan.sorties)
    assert any("no legal landing approach exists in the allowed air" in w for w in plan.warnings)


def test_a_landing_that_was_asked_for_where_there_is_no_room_is_not_guessed_another() -> None:
    lon, lat = FRAME.to_lonlat(np.array([[0.0, 480.0]]))[0]
    plan = planned(operations=Operations(landing=Landing(float(lon), float(lat), 180.0)), turn_allowance_m=230.0)
    assert all(ending(s.mission) == [Command.NAV_RETURN_TO_LAUNCH] for s in plan.sorties)
    assert any("no legal landing approach exists in the allowed air" in w for w in plan.warnings)


def test_a_landing_takes_its_time_and_energy() -> None:
    lon, lat = FRAME.to_lonlat(np.array([[0.0, 480.0]]))[0]
    lands = planned(turn_allowance_m=230.0)
    circles = planned(operations=Operations(landing=Landing(float(lon), float(lat), 180.0)), turn_allowance_m=230.0)
    assert sum(s.duration_s for s in lands.sorties) > sum(s.duration_s for s in circles.sorties)
    assert sum(s.energy_share for s in lands.sorties) > sum(s.energy_share for s in circles.sorties)
    for sortie in lands.sorties:
        path = lands.area.frame.to_local(mission_path(sortie.mission))
        straight_m = float(np.hypot(*np.diff(path, axis=0).T).sum())
        # Up to three times round the circle, which is one item of the mission.
        assert straight_m < sortie.length_m < straight_m + 3 * 2 * np.pi * 46


def test_lines_go_on_straight_for_as_long_as_a_plane_may_turn_early() -> None:
    for sortie in planned().sorties:
        assert run_out_m(sortie.mission) == pytest.approx(90.0, abs=1.0)


def test_a_planned_fixed_wing_flies_takes_every_frame_of_its_lines_and_lands(tmp_path: Path) -> None:
    plan = planned(operations=Operations(wind=Wind(3.0, 250.0)))
    sortie = plan.sorties[0]
    with plane(plan) as (url, clock, vehicle):
        result = fly_one(sortie, url, out=tmp_path, clock=clock)
        assert vehicle.flight.landed
        assert not vehicle.armed
        away_m = float(np.hypot(vehicle.body.n, vehicle.body.e))
    assert (result.outcome, result.reason) == (Outcome.COMPLETED, None)
    assert result.gaps == ()
    assert sum(c.on_line for c in result.captures) >= (sortie.image_count or 0)
    assert "RTL_AUTOLAND set from 0 to 1" in texts(result, "parameter")
    assert away_m < 150.0


def test_a_plane_that_only_circles_at_the_end_is_told_to_be_landed_instead_of_watched_for_hours(tmp_path: Path) -> None:
    lon, lat = FRAME.to_lonlat(np.array([[0.0, 480.0]]))[0]
    plan = planned(operations=Operations(landing=Landing(float(lon), float(lat), 180.0)), turn_allowance_m=230.0)
    with plane(plan) as (url, clock, vehicle):
        result = fly_one(plan.sorties[0], url, out=tmp_path, clock=clock)
        assert vehicle.armed
        flown_s = clock.now_s() - START_S
        taken = len(vehicle.exposures)
    assert result.outcome is Outcome.COMPLETED
    assert result.reason is not None
    assert "mission done, circling over home at" in result.reason
    assert "land it" in result.reason
    assert flown_s < plan.sorties[0].duration_s + 400.0
    assert len(result.captures) == taken
    assert result.gaps == ()


def test_a_plane_that_turns_earlier_than_the_plan_assumed_is_set_or_refused(tmp_path: Path) -> None:
    plan = planned()
    setup = FlightSetup(check_only=True)
    with plane(plan, WP_RADIUS=150.0) as (url, clock, _):
        result = fly_one(plan.sorties[0], url, out=tmp_path, clock=clock, setup=replace(setup, simulated=True))
    assert "WP_RADIUS set from 150 to 90" in texts(result, "parameter")


def test_an_approach_goes_round_a_hill_that_stands_half_as_high_as_it() -> None:
    cell_deg, count = 2e-4, 121
    east, north = np.meshgrid(
        (np.arange(count) - 60) * cell_deg * 111_250, (60 - np.arange(count)) * cell_deg * 110_600
    )
    corner = 34.83 - 60.5 * cell_deg, -2.33 + 60.5 * cell_deg

    def final_over(hill_m: float) -> list[str]:
        heights = 1000.0 + hill_m * np.exp(-((east - 450) ** 2 + (north - 160) ** 2) / 150**2)
        terrain = Terrain(
            grid_m=heights,
            crs=pyproj.CRS.from_epsg(4326),
            transform=(cell_deg, 0.0, corner[0], 0.0, -cell_deg, corner[1]),
        )
        warnings = planned(terrain=terrain, operations=Operations(wind=Wind(4.0, 250.0))).warnings
        return [w for w in warnings if "lands on heading" in w]

    assert "into the wind" in final_over(5.0)[0]
    assert "off the wind" in final_over(35.0)[0]
