"""How lines are flown: turns that the aircraft can fly, where first, in which order, with or without stops."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flightplan.areas import Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.conditions import Conditions
from flightplan.drones import drone_named
from flightplan.errors import DesignError, PlanError
from flightplan.frames import LocalFrame
from flightplan.mission import Command, Mission
from flightplan.mission_builder import ONE_PICTURE, mission_path
from flightplan.ordering import interleaved
from flightplan.patterns import Pattern, turn_radius_m
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.vehicle.effort import EffortMap
from flightplan.vehicle.resume import assess, plan_resume

FRAME = LocalFrame(34.83, -2.33)
CAMERA = camera_named("overfly-demo")
LAND = shapely.Polygon([(-2500, -1900), (2500, -1900), (2500, 0), (200, 0), (200, 1900), (-2500, 1900)])
VILLAGE = shapely.Polygon([(-900, -500), (-500, -520), (-450, -150), (-800, -100)])
WING = "WingtraOne GEN II"


def study_area(land: shapely.Polygon = LAND, *exclusions: shapely.Polygon) -> StudyArea:
    ground = shapely.difference(land, shapely.union_all(exclusions))
    return StudyArea(
        "park", (Stratum("all", FRAME.delocalise(ground)),), tuple(FRAME.delocalise(e) for e in exclusions)
    )


def plan(area: StudyArea | None = None, *, pattern: Pattern | None = None, **asked: object) -> SurveyPlan:
    said = {"altitude_agl_m": 80.0, "spacing_m": 300.0, "heading_deg": 0.0, **asked}
    said["pattern"] = pattern or Pattern()
    return plan_survey(area or study_area(LAND, VILLAGE), PlanRequest(camera=CAMERA, **said))  # type: ignore[arg-type]


def flown(result: SurveyPlan, mission: Mission) -> np.ndarray:
    return np.asarray(result.area.frame.to_local(mission_path(mission)))


def before_landing(mission: Mission) -> Mission:
    """Up to the approach, whose circle is one item."""
    commands = [i.command for i in mission.items]
    end = commands.index(Command.DO_LAND_START) if Command.DO_LAND_START in commands else len(commands)
    return replace(mission, items=mission.items[:end])


def illegal_m(result: SurveyPlan) -> float:
    """Metres of mission outside, with borders drawn here."""
    assert result.allowance_m is not None
    assert result.buffer_m is not None
    land = shapely.union_all([result.area.localise(s.polygon) for s in result.area.strata])
    legal = shapely.difference(
        land.buffer(result.allowance_m + 0.01, quad_segs=64),
        shapely.buffer(result.area.local_exclusions, result.buffer_m - 0.01, quad_segs=64),
    )
    return sum(shapely.LineString(flown(result, s.mission)).difference(legal).length for s in result.sorties)


def tightest_turn_m(path: np.ndarray) -> float:
    """The smallest radius of a circle through three points in a row; points on one arc give the arc's."""
    apart = np.concatenate([[True], np.hypot(*np.diff(path, axis=0).T) > 0.5])
    a, b, c = (path[apart][i : len(path[apart]) - 2 + i] for i in range(3))
    sides = [np.hypot(*(p - q).T) for p, q in ((a, b), (b, c), (c, a))]
    twice_area = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    return float((sides[0] * sides[1] * sides[2] / np.maximum(2 * twice_area, 1e-9)).min())


def test_the_radius_of_a_turn_follows_from_speed_bank_and_wind() -> None:
    # 16 m/s at 30 degrees of bank: v2 / (g tan 30) = 256 / 5.664.
    assert turn_radius_m(16.0, 30.0) == pytest.approx(45.2, abs=0.05)
    assert turn_radius_m(16.0, 30.0, 8.0) == pytest.approx(45.2 * 2.25, abs=0.1)
    assert turn_radius_m(16.0, 45.0) == pytest.approx(256 / 9.81)
    with pytest.raises(PlanError, match="bank of 0"):
        turn_radius_m(16.0, 0.0)


@pytest.mark.parametrize("heading_deg", [0.0, 33.0, 90.0])
def test_a_fixed_wing_never_turns_tighter_than_it_can_nor_outside_of_its_air(heading_deg: float) -> None:
    result = plan(drone=WING, heading_deg=heading_deg)
    assert result.metres_outside == 0.0
    assert illegal_m(result) == 0.0
    radius_m = turn_radius_m(16.0, 30.0)
    assert all(
        tightest_turn_m(flown(result, before_landing(s.mission))[1:-1]) > 0.99 * radius_m for s in result.sorties
    )
    assert {t for s in result.sorties for t in s.transects} == {
        t.identifier for s in result.strata for t in s.transects
    }


def test_a_fixed_wing_is_on_its_line_a_run_in_before_and_after_it() -> None:
    result = plan(drone=WING, pattern=Pattern(turnaround_m=80.0))
    number = 0
    for sortie in result.sorties:
        items = [i for i in sortie.mission.items if i.longitude_deg is not None or i.command == 206]
        for n, item in enumerate(items):
            if item.command != Command.DO_SET_CAM_TRIGG_DIST or item.params[0] == 0:
                continue
            before, start, end, after = (
                result.area.frame.to_local([(i.longitude_deg, i.latitude_deg)])[0]
                for i in (items[n - 2], items[n - 1], items[n + 1], items[n + 3])
            )
            along = (end - start) / np.hypot(*(end - start))
            for leg in (start - before, after - end):
                assert leg @ along == pytest.approx(np.hypot(*leg), abs=0.01)
                assert leg @ along > 79.9
            number += 1
    assert number >= sum(len(t.segments) for s in result.strata for t in s.transects)


def test_lines_too_close_to_turn_between_are_flown_with_others_in_between() -> None:
    # 48 m apart, and a half circle needs 90 m: each turn to the neighbour would be a loop.
    square = study_area(shapely.box(-600, -600, 600, 600))
    result = plan(square, drone=WING, spacing_m=None, side_overlap=0.5, pattern=Pattern(turnaround_m=45.0))
    starts = [t.segments[0][0] for s in result.strata for t in s.transects]
    x = dict(
        zip(
            [t.identifier for s in result.strata for t in s.transects],
            result.area.frame.to_local(starts)[:, 0],
            strict=True,
        )
    )
    steps = [abs(x[b] - x[a]) for s in result.sorties for a, b in pairwise(s.transects)]
    # Of a dozen orders the one with the shortest turns is taken; a loop may be part of it.
    assert np.mean(np.array(steps) > 90.0) > 0.85
    landings_m = 1500.0 * len(result.sorties)
    assert result.length_m - landings_m < 1.6 * sum(t.length_m for s in result.strata for t in s.transects)


@given(number=st.integers(1, 120), stride=st.integers(1, 12))
def test_interleaving_flies_every_line_once_and_leaves_room(number: int, stride: int) -> None:
    order = interleaved(number, stride)
    assert sorted(order) == list(range(number))
    if number >= 2 * stride:
        assert min((abs(a - b) for a, b in pairwise(order)), default=stride) >= stride - 1


def test_without_room_to_turn_there_is_no_plan() -> None:
    slim = study_area(shapely.box(-60, -1000, 60, 1000))
    with pytest.raises((PlanError, DesignError)) as refused:
        plan(slim, drone=WING, heading_deg=90.0, turn_allowance_m=20.0)
    assert "turn" in str(refused.value) or "no line of the design can be flown" in str(refused.value)


def test_wind_and_bank_widen_the_turns_and_the_allowance() -> None:
    calm, windy = plan(drone=WING), plan(drone=WING, conditions=Conditions(wind_mps=8.0))
    assert calm.turning is not None
    assert windy.turning is not None
    assert windy.turning.radius_m == pytest.approx(calm.turning.radius_m * 2.25)
    assert (windy.allowance_m or 0) > (calm.allowance_m or 0) + 70
    assert any("radius of 102 m" in w for w in windy.warnings)


def test_straight_turns_stay_to_be_had() -> None:
    result = plan(drone=WING, pattern=Pattern(turns="straight", turnaround_m=0.0))
    assert result.turning is None
    assert any("drawn as straight legs" in w for w in result.warnings)
    assert illegal_m(result) == 0.0


@st.composite
def stars(draw: st.DrawFn, radius_m: float, corners: int, centre: tuple[float, float] = (0.0, 0.0)) -> shapely.Polygon:
    radii = draw(st.lists(st.floats(0.3 * radius_m, radius_m), min_size=corners, max_size=corners))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return shapely.Polygon(np.column_stack([np.cos(angles), np.sin(angles)]) * np.array(radii)[:, None] + centre)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    land=stars(2500, 9),
    hole=stars(350, 6, (150, 100)),
    heading_deg=st.floats(0, 360),
    bank_deg=st.sampled_from([20.0, 30.0, 45.0]),
)
def test_over_any_area_a_fixed_wing_turns_legally_or_is_refused(
    land: shapely.Polygon, hole: shapely.Polygon, heading_deg: float, bank_deg: float
) -> None:
    inside = shapely.intersection(hole, land)
    assume(inside.geom_type == "Polygon" and inside.area > 100)
    area = study_area(land, inside)
    assume(all(s.area > 10_000 for s in area.local_strata))
    try:
        result = plan(area, drone=WING, heading_deg=heading_deg, spacing_m=400.0, pattern=Pattern(bank_deg=bank_deg))
    except (PlanError, DesignError) as refused:
        assert "no legal turn" in str(refused) or "can be flown" in str(refused)  # noqa: PT017
        return
    radius_m = turn_radius_m(16.0, bank_deg)
    assert result.metres_outside == illegal_m(result) == 0.0
    assert all(
        tightest_turn_m(flown(result, before_landing(s.mission))[1:-1]) > 0.99 * radius_m for s in result.sorties
    )


@pytest.mark.parametrize(("entry", "east", "north"), [("nw", -1, 1), ("ne", 1, 1), ("sw", -1, -1), ("se", 1, -1)])
def test_flying_begins_at_the_corner_asked_for(entry: str, east: int, north: int) -> None:
    result = plan(study_area(shapely.box(-1000, -700, 1000, 700)), pattern=Pattern(entry=entry))
    items = result.sorties[0].mission.items
    on = next(n for n, i in enumerate(items) if i.command == Command.DO_SET_CAM_TRIGG_DIST)
    start = next(i for i in reversed(items[:on]) if i.longitude_deg is not None)
    ((x, y),) = result.area.frame.to_local([(start.longitude_deg, start.latitude_deg)])
    assert east * x > 600
    assert north * y > 600


def test_alternate_lines_are_every_other_one_and_then_the_rest() -> None:
    result = plan(study_area(shapely.box(-1500, -700, 1500, 700)), pattern=Pattern(alternate=True, entry="sw"))
    order = [int(t[-3:]) for s in result.sorties for t in s.transects]
    number = len(order)
    odd, even = list(range(1, number + 1, 2)), list(range(2, number + 1, 2))
    assert order == odd + even[::-1]


def test_a_multirotor_flies_straight_on_where_asked_and_says_where_it_cannot() -> None:
    square = study_area(shapely.box(-1000, -700, 1000, 700))
    result = plan(square, pattern=Pattern(turnaround_m=40.0))
    assert illegal_m(result) == 0.0
    y = np.abs(np.concatenate([flown(result, s.mission) for s in result.sorties])[:, 1])
    assert y.max() == pytest.approx(740.0, abs=0.1)
    assert not any("straight flight" in w for w in result.warnings)
    tight = plan(square, pattern=Pattern(turnaround_m=40.0), turn_allowance_m=30.0)
    assert illegal_m(tight) == 0.0
    assert any("less than 40 m of straight flight" in w for w in tight.warnings)


def test_full_coverage_flown_again_crosses_itself_at_right_angles() -> None:
    area = study_area(shapely.box(-300, -300, 300, 300))
    once = plan(area, spacing_m=None, side_overlap=0.4, heading_deg=20.0)
    twice = plan(area, spacing_m=None, side_overlap=0.4, heading_deg=20.0, pattern=Pattern(refly=True))
    lines = [t for s in twice.strata for t in s.transects]
    assert [t.segments for t in lines[: len(once.strata[0].transects)]] == [
        t.segments for s in once.strata for t in s.transects
    ]
    headings = []
    for t in lines:
        (a, b) = result_ends(twice, t.segments[0])
        headings.append(round(float(np.degrees(np.arctan2(*(b - a))) % 180)))
    assert set(headings) == {20, 110}
    assert headings.count(110) >= 9
    assert {t for s in twice.sorties for t in s.transects} == {t.identifier for t in lines}
    with pytest.raises(DesignError, match="count twice"):
        plan(area, spacing_m=200.0, pattern=Pattern(refly=True))


def result_ends(result: SurveyPlan, segment: object) -> np.ndarray:
    return np.asarray(result.area.frame.to_local(np.asarray(segment)))


def test_hover_and_capture_stops_for_each_picture_and_pays_for_it() -> None:
    area = study_area(shapely.box(-300, -300, 300, 300))
    past = plan(area, front_overlap=0.5)
    stopping = plan(area, front_overlap=0.5, pattern=Pattern(hover_s=3.0))
    pictures = stops = 0
    for sortie in stopping.sorties:
        items = sortie.mission.items
        assert not any(i.command == Command.DO_SET_CAM_TRIGG_DIST for i in items)
        for before, item in pairwise(items):
            if item.command == Command.IMAGE_START_CAPTURE:
                assert item.params == ONE_PICTURE
                assert (before.command, before.params[0]) == (Command.NAV_WAYPOINT, 3.0)
                assert before.transect == item.transect is not None
                pictures += 1
            stops += item.params[0] == 3.0 and item.command == Command.NAV_WAYPOINT
    lines_m = [t.length_m for s in stopping.strata for t in s.transects]
    assert pictures == stops == sum(int(np.ceil(length / stopping.trigger_distance_m)) + 1 for length in lines_m)
    # Each stop costs its time, and a drone brakes and starts again for it.
    assert stopping.duration_s > past.duration_s + 3.0 * pictures
    assert sum(s.energy_share for s in stopping.sorties) > sum(s.energy_share for s in past.sorties)
    assert illegal_m(stopping) == 0.0


def test_a_wing_does_not_hover() -> None:
    with pytest.raises(PlanError, match="cannot stop for its pictures"):
        plan(drone=WING, pattern=Pattern(hover_s=2.0))
    assert drone_named(WING).kind == "fixed wing"


def test_stops_are_effort_and_the_ways_between_lines_are_not() -> None:
    area = study_area(shapely.box(-300, -300, 300, 300))
    result = plan(area, pattern=Pattern(hover_s=2.0))
    for sortie in result.sorties:
        legs = EffortMap(sortie.mission).legs
        assert {leg.transect for leg in legs} == set(sortie.transects)
        for name in sortie.transects:
            (transect,) = [t for s in result.strata for t in s.transects if t.identifier == name]
            assert sum(leg.length_m for leg in legs if leg.transect == name) == pytest.approx(
                transect.length_m, abs=0.1
            )


@pytest.mark.parametrize(("drone", "pattern"), [(WING, Pattern()), ("overfly-demo", Pattern(hover_s=2.0))])
def test_turns_and_stops_are_no_effort_and_can_be_resumed(drone: str, pattern: Pattern) -> None:
    result = plan(drone=drone, pattern=pattern)
    planned_m = sum(t.length_m for s in result.strata for t in s.transects)
    on_effort_m = [sum(leg.length_m for leg in EffortMap(s.mission).legs) for s in result.sorties]
    assert sum(on_effort_m) == pytest.approx(planned_m, rel=1e-4)
    sortie = result.sorties[0]
    nothing_flown = assess(result, sortie, [])
    assert nothing_flown.missing_m == pytest.approx(on_effort_m[0], rel=1e-4)
    again = plan_resume(result, sortie, nothing_flown.missing[:2])
    commands = {i.command for s in again for i in s.mission.items}
    assert (Command.IMAGE_START_CAPTURE in commands) == (pattern.hover_s is not None)
    assert (Command.DO_SET_CAM_TRIGG_DIST in commands) == (pattern.hover_s is None)
    if drone == WING:
        radius_m = turn_radius_m(16.0, 30.0)
        assert all(tightest_turn_m(flown(result, before_landing(s.mission))[1:-1]) > 0.99 * radius_m for s in again)


@given(length_m=st.floats(0, 5000), speed_mps=st.floats(1, 20), name=st.sampled_from(["overfly-demo", WING]))
def test_one_leg_takes_as_long_as_the_same_leg_among_many(length_m: float, speed_mps: float, name: str) -> None:
    drone = drone_named(name)
    assert drone.one_leg_seconds(length_m, speed_mps) == pytest.approx(float(drone.leg_seconds(length_m, speed_mps)))
