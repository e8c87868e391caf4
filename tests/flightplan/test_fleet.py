"""Several drones at once: shared out, kept apart, and done sooner."""

import importlib.util
import json
import sys
from dataclasses import replace
from itertools import combinations, pairwise, product
from pathlib import Path

import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightplan.areas import LaunchSite, Stratum, StudyArea, write_area
from flightplan.cameras import camera_named
from flightplan.commands.plan import plan_command
from flightplan.conditions import Conditions
from flightplan.drones import drone_named
from flightplan.energy import Wind
from flightplan.errors import PlanError
from flightplan.fleet import MOVE_MPS, MOVE_S, SWAP_S, Fleet, keep_apart, one_after_another, share_out
from flightplan.frames import Floats, LocalFrame
from flightplan.mission import CAPACITIES, Command, Mission, does_not_fit
from flightplan.operations import Operations
from flightplan.patterns import Pattern
from flightplan.plan import Sortie, SurveyPlan
from flightplan.plan_files import load_plan, save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.separation import Separation, forbidden_offsets
from flightplan.sorties import Flight
from flightplan.timeline import LAST_METRES, LAST_MPS, LOITER_S, SPOOL_S, Timeline, predict

FRAME = LocalFrame(34.83, -2.33)
DRONE = replace(drone_named("overfly-demo"), battery_wh=60.0)


def park(*sites: tuple[str, float, float]) -> StudyArea:
    launch = []
    for name, east, north in sites:
        ((longitude, latitude),) = FRAME.to_lonlat([(east, north)])
        launch.append(LaunchSite(name, float(longitude), float(latitude)))
    land = FRAME.delocalise(shapely.box(-1500, -800, 1500, 800))
    return StudyArea("park", (Stratum("all", land),), (), tuple(launch))


CAMP = park(("camp", 0.0, -800.0))


def plan(area: StudyArea = CAMP, fleet: Fleet | None = None, **asked: object) -> SurveyPlan:
    options = {
        "altitude_agl_m": 80.0,
        "spacing_m": 200.0,
        "heading_deg": 0.0,
        "drone": DRONE,
        "operations": Operations(fleet=fleet or Fleet()),
        **asked,
    }
    return plan_survey(area, PlanRequest(camera=camera_named("overfly-demo"), **options))  # type: ignore[arg-type]


def drawn(sortie: Sortie, area: StudyArea) -> tuple[Floats, Floats]:
    """Times and places of a sortie, worked out again here: legs at one mean speed each, sampled at every second."""
    now, times, places = sortie.takeoff_offset_s, [], []
    speed_mps, here = DRONE.cruise_speed_mps, None
    home = area.frame.to_local([sortie.mission.home])[0]
    stops = [(*home, 0.0, None)]
    for item in sortie.mission.items:
        if item.command == Command.DO_CHANGE_SPEED:
            speed_mps = item.params[1]
        elif item.longitude_deg is not None:
            place = area.frame.to_local([(item.longitude_deg, item.latitude_deg)])[0]
            stops.append((*place, item.altitude_m, speed_mps))
    stops.append((*home, 0.0, None))
    for stop in stops:
        point = np.array(stop[:3])
        if here is not None:
            level_m, rise_m = np.hypot(*(point - here)[:2]), point[2] - here[2]
            if level_m > 0.01:
                reach_m = stop[3] ** 2 / DRONE.acceleration_mps2
                seconds = (
                    level_m / stop[3] + stop[3] / DRONE.acceleration_mps2
                    if level_m >= reach_m
                    else 2 * np.sqrt(level_m / DRONE.acceleration_mps2)
                )
            else:
                seconds = abs(rise_m) / (DRONE.climb_mps if rise_m > 0 else DRONE.descent_mps)
            share = np.linspace(0, 1, max(2, int(seconds)))
            times.append(now + share * seconds)
            places.append(here + share[:, None] * (point - here))
            now += seconds
        here = point
    return np.concatenate(times), np.concatenate(places)


def nearest_m(result: SurveyPlan, vertical_m: float, late_s: float) -> float:
    """The least distance over ground of two drones in the air that are less than a layer apart in height."""
    found = np.inf
    flights = [(s.drone, *drawn(s, result.area)) for s in result.sorties]
    for i, (drone, times, places) in enumerate(flights):
        for other, times2, places2 in flights[i + 1 :]:
            if drone == other:
                continue
            now = np.arange(max(times[0], times2[0] + late_s), min(times[-1], times2[-1] + late_s), 1.0)
            a = np.column_stack([np.interp(now, times, places[:, k]) for k in range(3)])
            b = np.column_stack([np.interp(now - late_s, times2, places2[:, k]) for k in range(3)])
            level = np.abs(a[:, 2] - b[:, 2]) < vertical_m - 1.0
            if level.any():
                found = min(found, float(np.hypot(*(a - b)[level, :2].T).min()))
    return found


needs_ortools = pytest.mark.skipif(
    importlib.util.find_spec("ortools") is None, reason="OR-Tools (the extra `fleet`) is not installed"
)


def test_one_drone_flies_its_sorties_in_turn_with_battery_changes_between() -> None:
    result = plan()
    assert len(result.sorties) > 2
    assert {s.drone for s in result.sorties} == {1}
    now = 0.0
    for sortie in result.sorties:
        assert sortie.takeoff_offset_s == pytest.approx(now, abs=0.1)
        now += sortie.duration_s + SWAP_S
    assert result.makespan_s == pytest.approx(now - SWAP_S)
    assert result.separation is None


def test_moving_to_another_launch_site_takes_time() -> None:
    flights = [Flight(np.array([x, 0.0]), (), (), 600.0, 10.0) for x in (0.0, 0.0, 3000.0)]
    shares = one_after_another(flights)
    assert shares.start_s == (0.0, 600 + SWAP_S, 1200 + SWAP_S + MOVE_S + 3000 / MOVE_MPS)


@needs_ortools
@pytest.mark.parametrize("drones", [2, 3])
def test_more_drones_are_done_sooner_and_fly_every_line_once(drones: int) -> None:
    alone, together = plan(), plan(fleet=Fleet(drones=drones))
    assert {s.drone for s in together.sorties} == set(range(1, drones + 1))
    assert alone.makespan_s is not None
    assert together.makespan_s is not None
    assert together.makespan_s < 1.35 * alone.makespan_s / drones
    flown = sorted(t for s in together.sorties for t in s.transects)
    assert flown == sorted(t.identifier for t in together.strata[0].transects)
    assert [s.takeoff_offset_s for s in together.sorties] == sorted(s.takeoff_offset_s for s in together.sorties)
    assert together.sorties[0].takeoff_offset_s == 0.0
    assert max(s.takeoff_offset_s + s.duration_s for s in together.sorties) <= together.makespan_s + 1.0
    for drone in range(1, drones + 1):
        own = [s for s in together.sorties if s.drone == drone]
        for before, after in pairwise(own):
            assert after.takeoff_offset_s >= before.takeoff_offset_s + before.duration_s + SWAP_S - 1.0
    assert all(s.energy_share <= 1 - DRONE.reserve_share for s in together.sorties)


@needs_ortools
@pytest.mark.parametrize("late_s", [-30.0, -15.0, 0.0, 15.0, 30.0])
def test_drones_stay_apart_as_planned_and_early_or_late_by_another_reckoning(late_s: float) -> None:
    fleet = Fleet(drones=3, layer_m=20.0, horizontal_m=100.0, margin_s=30.0)
    result = plan(fleet=fleet)
    # Legs flown at one mean speed leave those with ramps by v²/8a: 7 m at 12 m/s.
    assert nearest_m(result, fleet.layer_m, late_s) >= fleet.horizontal_m - 2 * 7.2
    assert result.separation is not None
    assert result.separation.closest_m is None or result.separation.closest_m >= 100.0


@needs_ortools
def test_without_layers_drones_are_kept_apart_by_time_alone() -> None:
    fleet = Fleet(drones=2, layer_m=0.0, horizontal_m=80.0, margin_s=10.0)
    result = plan(fleet=fleet)
    assert {s.transit_offset_m for s in result.sorties} == {0.0}
    assert nearest_m(result, np.inf, 0.0) >= 80.0 - 2 * 7.2


@needs_ortools
def test_each_drone_has_a_height_of_its_own_for_ways_out_and_home() -> None:
    result = plan(fleet=Fleet(drones=3, layer_m=25.0))
    for sortie in result.sorties:
        assert sortie.transit_offset_m == 25.0 * sortie.drone
        assert sortie.mission.items[0].altitude_m <= 80 + 25.0 * sortie.drone + 1e-6
        on_lines = [i.altitude_m for i in sortie.mission.items if i.transect and i.longitude_deg is not None]
        assert on_lines == pytest.approx([80.0] * len(on_lines))


@needs_ortools
def test_launch_sites_on_both_sides_are_used_at_once() -> None:
    area = park(("west", -1500.0, 0.0), ("east", 1500.0, 0.0))
    result = plan(area, Fleet(drones=2))
    first = [s for s in result.sorties if s.takeoff_offset_s < 200]
    assert {s.launch for s in first} == {"west", "east"}


@needs_ortools
def test_the_same_request_gives_the_same_shares_and_a_plan_reads_back_equal(tmp_path: Path) -> None:
    one, other = (plan(fleet=Fleet(drones=3)) for _ in range(2))
    assert one == other
    save_plan(one, tmp_path / "plan")
    assert load_plan(tmp_path / "plan") == one


def test_without_ortools_several_drones_are_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ortools", "ortools.sat", "ortools.sat.python"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PlanError, match=r'pip install "overfly\[fleet\]"'):
        plan(fleet=Fleet(drones=2))
    assert len(plan().sorties) > 2


@pytest.mark.parametrize(
    "asked", [{"drones": 0}, {"drones": 99}, {"layer_m": -1.0}, {"horizontal_m": float("nan")}, {"margin_s": -3.0}]
)
def test_a_fleet_that_is_none_is_refused(asked: dict[str, float]) -> None:
    with pytest.raises(PlanError):
        Fleet(**asked)  # type: ignore[arg-type]


# Motors that start, a wait over home, and 10 m at 0.5 m/s and not at 1.5, where a plan has 10 s for all of it.
AS_RECORDED_S = SPOOL_S + LOITER_S + LAST_METRES / LAST_MPS - LAST_METRES / DRONE.descent_mps - 10.0


def test_a_time_table_ends_when_the_sortie_does_and_knows_how_a_landing_was_recorded() -> None:
    result = plan()
    for sortie in result.sorties:
        line = predict(sortie.mission, result.area.frame, DRONE)
        assert line.duration_s == pytest.approx(sortie.duration_s + AS_RECORDED_S, abs=0.5)
        assert line.points[:, 2].max() == pytest.approx(80.0)
        assert (np.diff(line.times_s) >= 0).all()


def test_a_time_table_knows_the_wind() -> None:
    wind = Wind(6.0, 0.0)
    for sortie in plan(operations=Operations(wind=wind)).sorties:
        still, windy = (predict(sortie.mission, CAMP.frame, DRONE, wind=w) for w in (None, wind))
        assert windy.duration_s == pytest.approx(sortie.duration_s + AS_RECORDED_S, abs=0.5)
        assert windy.duration_s >= still.duration_s


def test_stops_for_pictures_are_in_the_time_table() -> None:
    result = plan(pattern=Pattern(hover_s=4.0))
    for sortie in result.sorties:
        line = predict(sortie.mission, result.area.frame, DRONE)
        assert line.duration_s == pytest.approx(sortie.duration_s + AS_RECORDED_S, rel=0.01)


speeds = st.floats(3, 15)
points = st.tuples(st.floats(-400, 400), st.floats(-400, 400))


@st.composite
def flights(draw: st.DrawFn) -> Timeline:
    corners = np.array(draw(st.lists(points, min_size=2, max_size=4)))
    height_m = draw(st.sampled_from([80.0, 90.0, 100.0]))
    legs = np.hypot(*np.diff(corners, axis=0).T)
    times = np.concatenate([[0.0], np.cumsum(np.maximum(legs / draw(speeds), 1.0))])
    return Timeline(times, np.column_stack([corners, np.full(len(corners), height_m)]))


@settings(max_examples=40, deadline=None)
@given(one=flights(), other=flights(), seed=st.integers(0, 1000))
def test_every_start_that_brings_two_too_near_is_forbidden(one: Timeline, other: Timeline, seed: int) -> None:
    """Against a brute-force look at random offsets, five times a second."""
    forbidden = forbidden_offsets(one, other, Separation(horizontal_m=50.0, vertical_m=15.0, margin_s=0.0))
    for offset in np.random.default_rng(seed).uniform(-other.duration_s, one.duration_s, 8):
        now = np.arange(max(0.0, offset), min(one.duration_s, offset + other.duration_s), 0.2)
        if not len(now):
            continue
        apart = one.at(now) - other.at(now - offset)
        near = (np.hypot(apart[:, 0], apart[:, 1]) < 50.0) & (np.abs(apart[:, 2]) < 14.5)
        if near.any():
            assert any(low <= offset <= high for low, high in forbidden)


@pytest.mark.parametrize("autopilot", ["litchi", "px4"])
def test_missions_fit_what_the_autopilot_holds(autopilot: str) -> None:
    """Litchi takes 99 waypoints: lines 60 m apart over a park are then cut into more sorties than a battery asks."""
    strong = replace(drone_named("overfly-demo"), battery_wh=2000.0)
    asked = {"spacing_m": 100.0, "drone": strong}
    free, bound = plan(**asked), plan(**asked, operations=Operations(autopilot=autopilot))

    def waypoints(mission: Mission) -> int:
        return sum(i.command == Command.NAV_WAYPOINT for i in mission.items)

    holder = CAPACITIES[autopilot]
    if holder.waypoints is not None:
        assert max(waypoints(s.mission) for s in free.sorties) <= 99 or len(bound.sorties) > len(free.sorties)
        assert max(waypoints(s.mission) for s in bound.sorties) <= holder.waypoints
    assert not any("items" in e or "waypoints" in e for s in bound.sorties for e in does_not_fit(s.mission, holder))


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(plan_command, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@needs_ortools
def test_the_command_says_who_flies_what_and_when(tmp_path: Path) -> None:
    write_area(CAMP, tmp_path / "park.geojson")
    asked = ["--camera", "overfly-demo", "--height", "80", "--spacing", "200", "--drone", "overfly-demo"]
    code, out, err = run(
        str(tmp_path / "park.geojson"),
        *asked,
        "--drones",
        "2",
        "--wind",
        "5,270",
        "--out",
        str(tmp_path / "p"),
        "--json",
    )
    assert code == 0, err
    document = json.loads(out)
    assert document["drones"] == 2
    assert {s["drone"] for s in document["sorties"]} == {1, 2}
    assert document["makespan_min"] < document["duration_min"]
    assert document["batteries"] == len(document["sorties"])
    assert document["images"] == sum(s["images"] for s in document["sorties"]) > 50
    assert document["storage_gb"] == pytest.approx(document["images"] * 800 * 600 * 0.45e-9, abs=0.001)
    assert document["wind"] == {"speed_mps": 5.0, "from_deg": 270.0}
    assert document["separation"]["horizontal_m"] == 100.0
    assert "2 drones, kept apart" in err


@pytest.mark.parametrize(
    ("option", "code", "words"),
    [
        (["--wind", "brisk"], 2, "is no wind"),
        (["--exposure", "fast"], 2, "is no time"),
        (["--drones", "0"], 1, "0 drones"),
        (["--payload", "3"], 1, "may carry"),
        (["--max-distance", "200"], 1, "further than 200 m"),
        (["--line-of-sight"], 1, "needs an elevation model"),
        (["--autopilot", "abacus"], 2, "abacus"),
    ],
)
def test_the_command_refuses_what_cannot_be_flown(tmp_path: Path, option: list[str], code: int, words: str) -> None:
    write_area(CAMP, tmp_path / "park.geojson")
    asked = ["--camera", "overfly-demo", "--height", "80", "--spacing", "200", "--out", str(tmp_path / "p")]
    got, _, err = run(str(tmp_path / "park.geojson"), *asked, *option)
    assert got == code
    assert words in err
    assert not (tmp_path / "p").exists()


def flight(seconds: float, east: float = 0.0) -> Flight:
    return Flight(np.array([east, 0.0]), (), (), seconds, 10.0)


@needs_ortools
@settings(max_examples=25, deadline=None)
@given(seconds=st.lists(st.integers(200, 1500), min_size=2, max_size=6), drones=st.integers(2, 3))
def test_no_other_sharing_is_done_sooner(seconds: list[int], drones: int) -> None:
    """Against every way of giving each flight to a drone."""
    shares = share_out([flight(s) for s in seconds], Fleet(drones=drones))
    best = min(
        max(sum(s + SWAP_S for s, d in zip(seconds, owner, strict=True) if d == drone) for drone in range(drones))
        for owner in product(range(drones), repeat=len(seconds))
    )
    assert shares.makespan_s == best - SWAP_S
    assert shares.least_s == pytest.approx(shares.makespan_s)


@needs_ortools
def test_a_drone_stays_where_it_is_when_moving_costs_more_than_it_saves() -> None:
    """Two flights at each of two sites 6 km apart: a drone for each site, not one of each for both."""
    shares = share_out([flight(900, 0), flight(900, 6000), flight(900, 0), flight(900, 6000)], Fleet(drones=2))
    assert shares.drone[0] == shares.drone[2] != shares.drone[1] == shares.drone[3]
    assert shares.makespan_s == 2 * 900 + SWAP_S


@needs_ortools
@settings(max_examples=25, deadline=None)
@given(
    seconds=st.lists(st.integers(200, 900), min_size=2, max_size=5),
    spans=st.lists(st.tuples(st.integers(-900, 900), st.integers(0, 300)), min_size=10, max_size=10),
)
def test_take_offs_avoid_every_forbidden_time_and_the_first_is_at_once(
    seconds: list[int], spans: list[tuple[int, int]]
) -> None:
    drone = [1 + i % 2 for i in range(len(seconds))]
    pairs = [(i, j) for j in range(len(seconds)) for i in range(j) if drone[i] != drone[j]]
    forbidden = {pair: [(low, low + width)] for pair, (low, width) in zip(pairs, spans, strict=False)}
    timed = keep_apart([flight(s) for s in seconds], drone, seconds, forbidden)
    assert min(timed.start_s) == 0.0
    for (i, j), ((low, high),) in forbidden.items():
        assert not low <= timed.start_s[j] - timed.start_s[i] <= high
    for i, j in combinations(range(len(seconds)), 2):
        if drone[i] != drone[j]:
            continue
        first, second = sorted((i, j), key=lambda k: timed.start_s[k])
        assert timed.start_s[second] >= timed.start_s[first] + seconds[first] + SWAP_S
    assert timed.makespan_s == max(s + d for s, d in zip(timed.start_s, seconds, strict=True))


@needs_ortools
def test_layers_that_reach_above_the_ceiling_are_refused() -> None:
    with pytest.raises(PlanError, match="would reach 140 m above ground, and the ceiling is 120"):
        plan(fleet=Fleet(drones=3, layer_m=20.0), conditions=Conditions(ceiling_agl_m=120.0))


@needs_ortools
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    drones=st.integers(1, 4),
    layer_m=st.sampled_from([0.0, 15.0, 30.0]),
    wind=st.tuples(st.floats(0, 9), st.floats(0, 360)),
    heading_deg=st.floats(0, 180),
    drone=st.sampled_from(["overfly-demo", "DJI Mavic 3 Enterprise", "WingtraOne GEN II"]),
    seed=st.integers(0, 99),
)
def test_whatever_is_asked_flights_are_legal_apart_and_within_their_batteries(
    drones: int, layer_m: float, wind: tuple[float, float], heading_deg: float, drone: str, seed: int
) -> None:
    area = park(("west", -1500.0, 0.0), ("south", 0.0, -800.0))
    operations = Operations(fleet=Fleet(drones=drones, layer_m=layer_m), wind=Wind(*wind))
    result = plan(area, operations=operations, heading_deg=heading_deg, drone=drone, seed=seed, spacing_m=300.0)
    assert result.metres_outside == 0.0
    assert result.aircraft is not None
    assert all(s.energy_share <= 1 - result.aircraft.reserve_share + 1e-9 for s in result.sorties)
    assert {s.drone for s in result.sorties} <= set(range(1, drones + 1))
    if result.separation is not None and result.separation.closest_m is not None:
        assert result.separation.closest_m >= 100.0
