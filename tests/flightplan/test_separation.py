"""Two flights are clear of each other when no place near both ways can be taken at the same time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flightplan.drones import drone_named
from flightplan.errors import PlanError
from flightplan.frames import LocalFrame
from flightplan.mission import Mission, MissionItem
from flightplan.plan import Sortie
from flightplan.separation import UNPLANNED, Separation
from flightplan.timeline import STEP_M, Timeline, predict
from flightplan.vehicle.separation import (
    clear_from,
    encounter,
    meeting,
    share_out,
    take_off_times,
)

FRAME = LocalFrame(34.83, -2.33)
DRONE = drone_named("overfly-demo")
RULES = UNPLANNED


def mission(home: tuple[float, float], points: list[tuple[float, float]], height_m: float = 60.0) -> Mission:
    """Take-off, waypoints (local metres) at 12 m/s, return."""
    lonlat = FRAME.to_lonlat(np.array([home, *points])).tolist()
    ways = [MissionItem(16, 3, (0, 0, 0, 0), lon, lat, height_m) for lon, lat in lonlat[1:]]
    items = (MissionItem(22, 3, (0, 0, 0, 0), *lonlat[0], height_m), MissionItem(178, 2, (1, 12, -1, 0)), *ways)
    return Mission((*items, MissionItem(20, 2)), home=tuple(lonlat[0]))


def flight(home: tuple[float, float], points: list[tuple[float, float]], height_m: float = 60.0) -> Timeline:
    return predict(mission(home, points, height_m), FRAME, DRONE)


def test_a_timeline_climbs_flies_its_legs_comes_home_waits_and_lands() -> None:
    found = flight((0, 0), [(0, 300), (300, 300)])
    # 5 s of motors, 24 s up; 300 m from standstill to standstill at 12 m/s and 2.5 m/s² are 29.8 s.
    assert found.at(29.0) == pytest.approx([0, 0, 60], abs=0.1)
    assert found.at(29.0 + 29.8) == pytest.approx([0, 300, 60], abs=0.5)
    assert found.at(29.0 + 59.6) == pytest.approx([300, 300, 60], abs=1.0)
    home_s = 29.0 + 59.6 + 300 * 2**0.5 / 12 + 4.8
    assert found.at(home_s) == pytest.approx([0, 0, 60], abs=1.0)
    assert found.duration_s == pytest.approx(home_s + 5 + 50 / 1.5 + 10 / 0.5, abs=0.2)
    assert np.all(np.diff(found.times_s) >= 0)
    assert np.max(np.linalg.norm(np.diff(found.points, axis=0), axis=1)) <= STEP_M + 1e-9


def test_flights_far_apart_or_at_other_heights_start_together() -> None:
    west, east = flight((0, 0), [(0, 500)]), flight((200, 0), [(200, 500)])
    above = flight((0, 0), [(0, 500)], 100.0)
    assert meeting(west, 0.0, east, 0.0, RULES) is None
    assert clear_from(east, 7.0, [(west, 0.0)], RULES) == 7.0
    # From one home they share the column over it, whatever their height.
    assert clear_from(above, 0.0, [(west, 0.0)], RULES) > 0


def test_a_crossing_is_free_when_the_first_has_passed_it_however_late_and_the_second_however_early() -> None:
    first, second = flight((0, 0), [(0, 600)]), flight((400, 300), [(-400, 300)])
    start_s = clear_from(second, 0.0, [(first, 100.0)], RULES)
    met = meeting(first, 100.0, second, start_s - 2.0, RULES)
    assert met is not None
    assert (met.east_m, met.north_m) == pytest.approx((0.0, 300.0), abs=70.0)
    assert meeting(first, 100.0, second, start_s, RULES) is None


def places(timeline: Timeline, start_s: float, pace: float, when: np.ndarray) -> np.ndarray:
    """Where a flight is that takes `pace` times as long as predicted; NaN on the ground."""
    since = (when - start_s) / pace
    points = np.column_stack([np.interp(since, timeline.times_s, axis) for axis in timeline.points.T])
    points[(since < 0) | (since > timeline.duration_s) | (points[:, 2] < 3.0)] = np.nan
    return points


corner = st.tuples(st.integers(-8, 8).map(lambda n: 50.0 * n), st.integers(-8, 8).map(lambda n: 50.0 * n))


@settings(max_examples=60, deadline=None)
@given(
    ways=st.lists(st.lists(corner, min_size=1, max_size=4), min_size=2, max_size=4),
    paces=st.lists(st.floats(0.9, 1.2), min_size=4, max_size=4),
    queued=st.booleans(),
)
def test_flights_started_at_their_times_never_meet_though_each_is_faster_or_slower_than_predicted(
    ways: list[list[tuple[float, float]]], paces: list[float], queued: bool
) -> None:
    flights = [flight((30.0 * n, 0.0), way) for n, way in enumerate(ways)]
    queues = [flights[::2], flights[1::2]] if queued else [[f] for f in flights]
    starts = take_off_times(queues, RULES)
    order = [f for queue in queues for f in queue]
    at = [s for queue in starts for s in queue]
    assert min(at) == 0.0
    when = np.arange(0.0, max(s + 1.3 * f.duration_s for f, s in zip(order, at, strict=True)), 0.5)
    where = [places(f, s, p, when) for f, s, p in zip(order, at, paces, strict=False)]
    for i in range(len(where)):
        for j in range(i):
            apart = np.abs(where[i] - where[j])
            near = (np.hypot(apart[:, 0], apart[:, 1]) < RULES.horizontal_m) & (apart[:, 2] < RULES.vertical_m)
            assert not near.any()


def test_a_vehicles_next_flight_waits_for_its_last() -> None:
    a, b = flight((0, 0), [(0, 300)]), flight((0, 0), [(100, 300)])
    ((first_s, second_s),) = take_off_times([[a, b]], RULES, between_s=180.0)
    assert first_s == 0.0
    assert second_s >= a.duration_s * 1.2 + 180.0


def sorties(*durations_s: float) -> list[Sortie]:
    return [Sortie(f"s{n}", (), Mission(()), 0.0, seconds, 0.5) for n, seconds in enumerate(durations_s, 1)]


def names(shared: list[list[Sortie]]) -> list[list[str]]:
    return [[s.identifier for s in queue] for queue in shared]


def test_neighbouring_sorties_go_to_one_vehicle_and_the_longest_share_is_short() -> None:
    assert names(share_out(sorties(10, 10, 10, 30), 2)) == [["s1", "s2", "s3"], ["s4"]]
    assert names(share_out(sorties(10, 10), 3)) == [["s1"], ["s2"], []]
    assert names(share_out(sorties(5, 5, 5, 5, 5), 2)) == [["s1", "s2", "s3"], ["s4", "s5"]]


def test_a_plan_for_several_drones_is_shared_as_it_says() -> None:
    planned = [replace(s, drone=d) for s, d in zip(sorties(10, 10, 10, 10), (1, 2, 3, 1), strict=True)]
    assert names(share_out(planned, 3)) == [["s1", "s4"], ["s2"], ["s3"]]
    assert names(share_out(planned, 2)) == [["s1", "s3", "s4"], ["s2"]]


@settings(max_examples=100, deadline=None)
@example([1.0, 24.0, 999.2199867886819, 1.9, 1.0, 1.0, 1.0, 1.0], 1)
@given(st.lists(st.floats(1, 1000), min_size=1, max_size=12), st.integers(1, 5))
def test_every_sortie_has_one_vehicle(durations: list[float], vehicles: int) -> None:
    shared = share_out(sorties(*durations), vehicles)
    assert len(shared) == vehicles
    assert [n for queue in names(shared) for n in queue] == [f"s{n}" for n in range(1, len(durations) + 1)]
    fair_s = max(max(durations), sum(durations) / vehicles)
    assert max(sum(s.duration_s for s in queue) for queue in shared) < fair_s + max(durations) + 1


def test_vehicles_flying_on_are_told_when_they_come_too_close() -> None:
    here, north = np.zeros(3), np.array([0.0, 10.0, 0.0])
    ahead = np.array([0.0, 200.0, 0.0])
    found = encounter(here, north, ahead, -north, RULES)
    assert found is not None
    assert found.in_s == pytest.approx(7.75, abs=0.3)
    assert encounter(here, -north, ahead, north, RULES) is None
    assert encounter(here, north, ahead + np.array([0.0, 0.0, 20.0]), -north, RULES) is None
    assert encounter(here, north, ahead + np.array([60.0, 0.0, 0.0]), -north, RULES) is None


def test_a_distance_that_is_none_is_refused() -> None:
    with pytest.raises(PlanError, match="horizontal_m"):
        Separation(horizontal_m=-1.0, vertical_m=15.0, margin_s=20.0)
    with pytest.raises(PlanError, match="no vehicle"):
        share_out(sorties(1), 0)
