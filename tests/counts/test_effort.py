"""The area searched is what the captures on effort really saw."""

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from counts.assignment import Assignment, OffEffort, TransectLines, assign_to_transects
from counts.effort import captures_of, core_zones, measure_effort
from flightplan.design import Transect
from flightplan.frames import Floats, LocalFrame

FRAME = LocalFrame(34.83, -2.33)
STEP_M, ALONG_M, ACROSS_M = 57.6, 72.0, 96.0


def transect(name: str, *ends: tuple[tuple[float, float], tuple[float, float]]) -> Transect:
    segments = tuple(tuple(map(tuple, FRAME.to_lonlat(pair))) for pair in ends)
    return Transect(name, "north", int(name[1:]), segments, 1.0, 1.0)  # type: ignore[arg-type]


# T1 is cut by a hole from 500 to 800 m; T2 is whole.
LINES = TransectLines.of(
    [transect("T1", ((0, 0), (0, 500)), ((0, 800), (0, 1500))), transect("T2", ((400, 0), (400, 1500)))], FRAME
)
HOLE = shapely.box(-200, 510, 200, 790)
LAND = [shapely.box(-1000, 0, 1000, 1500) - HOLE] * 2


def footprints_at(positions: Floats, rolled_m: Any = 0.0) -> Any:
    shift = np.broadcast_to(rolled_m, len(positions))
    x, y = positions[:, 0] + shift, positions[:, 1]
    return shapely.box(x - ACROSS_M / 2, y - ALONG_M / 2, x + ACROSS_M / 2, y + ALONG_M / 2)


def down(x: float, start: float = 0.0, stop: float = 1500.0) -> Floats:
    y = np.arange(start, stop + 1, STEP_M)
    return np.column_stack([np.full(len(y), x), y])


def assigned(positions: Floats, headings: Any = 0.0, **options: Any) -> Assignment:
    options = {"cross_track_limit_m": 15.0, "end_slack_m": 36.0} | options
    return assign_to_transects(positions, np.broadcast_to(headings, len(positions)), LINES, **options)


def test_captures_go_to_their_line_whichever_way_it_was_flown() -> None:
    out, back = down(3.0, 0, 490), down(397.0)[::-1]
    result = assigned(np.vstack([out, back]), np.r_[np.full(len(out), 2.0), np.full(len(back), 181.0)])
    assert result.transect.tolist() == [0] * len(out) + [1] * len(back)
    assert result.tally == {"on effort": len(out) + len(back)}
    assert result.cross_m[0] == pytest.approx(3.0, abs=1e-3)
    assert result.cross_m[-1] == pytest.approx(-3.0, abs=1e-3)
    assert result.along_m[: len(out)] == pytest.approx(out[:, 1], abs=1e-3)
    assert result.reason(0) is None


@pytest.mark.parametrize(
    ("position", "heading", "code"),
    [
        ((0.0, 250.0), 0.0, OffEffort.ON_EFFORT),
        ((0.0, 250.0), 180.0, OffEffort.ON_EFFORT),
        ((0.0, 250.0), float("nan"), OffEffort.ON_EFFORT),
        ((30.0, 250.0), 0.0, OffEffort.OFF_LINE),
        ((0.0, 650.0), 0.0, OffEffort.BEYOND_END),
        ((0.0, 1560.0), 0.0, OffEffort.BEYOND_END),
        ((0.0, 1530.0), 0.0, OffEffort.ON_EFFORT),
        ((0.0, 250.0), 90.0, OffEffort.HEADING),
        ((0.0, 250.0), 40.0, OffEffort.HEADING),
        ((float("nan"), 250.0), 0.0, OffEffort.NO_POSITION),
        ((200.0, 250.0), 90.0, OffEffort.OFF_LINE),
    ],
)
def test_a_capture_off_effort_says_why(position: tuple[float, float], heading: float, code: OffEffort) -> None:
    result = assigned(np.array([position]), heading)
    assert OffEffort(int(result.codes[0])) is code
    assert (result.transect[0] == -1) == (code is not OffEffort.ON_EFFORT)
    assert result.reason(0) == (None if code is OffEffort.ON_EFFORT else code.text)


def test_turns_wrong_heights_and_unknown_heights_or_footprints_are_off_effort() -> None:
    positions = np.array([[0.0, 50.0], [0.0, 100.0], [0.0, 150.0], [0.0, 200.0], [0.0, 250.0]])
    footprints = footprints_at(positions)
    footprints[4] = None
    result = assigned(
        positions,
        in_flight=[False, True, True, True, True],
        heights_agl_m=[80, 120, np.nan, 81, 80],
        height_limits_m=(70, 90),
        footprints=footprints,
    )
    assert result.codes.tolist() == [
        OffEffort.NOT_IN_FLIGHT,
        OffEffort.HEIGHT,
        OffEffort.HEIGHT,
        OffEffort.ON_EFFORT,
        OffEffort.NO_FOOTPRINT,
    ]


def test_a_plan_without_lines_puts_every_capture_off_effort() -> None:
    result = assign_to_transects(down(0.0), np.zeros(27), TransectLines.of([], FRAME), cross_track_limit_m=15)
    assert set(result.transect.tolist()) == {-1}


def test_the_area_searched_is_the_union_of_footprints_within_the_land() -> None:
    positions = np.vstack([down(0.0, 0, 500), down(0.0, 806.4), down(400.0)])
    effort = measure_effort(footprints_at(positions), assigned(positions), LINES, LAND, planned_width_m=ACROSS_M)
    # T1: 0 to 496.8 m and 770.4 to 1500 m, of which 770.4 to 790 m lie in the hole; T2 whole.
    expected = [(496.8 + 1500 - 790) * ACROSS_M, 1500 * ACROSS_M]
    assert effort.area_m2 == pytest.approx(expected, abs=0.01)
    assert effort.strata_m2["north"] == pytest.approx(sum(expected), abs=0.01)
    assert effort.union_m2["north"] == pytest.approx(sum(expected), abs=0.01)
    assert effort.captures.tolist() == [22, 27]
    assert effort.gaps_m2 == pytest.approx([3.2 * ACROSS_M, 0], abs=0.1)


def test_a_missing_capture_lowers_the_area_and_names_the_gap() -> None:
    positions = down(400.0)
    footprints = footprints_at(positions)
    whole = measure_effort(footprints, assigned(positions), LINES, LAND, planned_width_m=ACROSS_M)
    kept = np.delete(np.arange(len(positions)), 10)
    less = measure_effort(footprints[kept], assigned(positions[kept]), LINES, LAND, planned_width_m=ACROSS_M)
    missing = (2 * STEP_M - ALONG_M) * ACROSS_M
    assert whole.area_m2[1] - less.area_m2[1] == pytest.approx(missing, abs=0.01)
    assert less.gaps_m2[1] == pytest.approx(missing, abs=0.1)
    assert f"T2: {missing:.0f} m² of its strip were not seen" in less.notes
    assert "T1: no capture on effort" in less.notes


def test_the_overlap_of_two_cameras_is_deducted_from_the_area() -> None:
    positions = down(400.0)
    both = np.vstack([positions, positions])
    footprints = np.concatenate([footprints_at(positions, -20.0), footprints_at(positions, 20.0)])
    effort = measure_effort(footprints, assigned(both), LINES, LAND)
    assert effort.area_m2[1] == pytest.approx(1500 * (ACROSS_M + 40), abs=0.01)


def test_strips_that_overlap_count_once_in_the_union() -> None:
    lines = TransectLines.of([transect("T1", ((0, 0), (0, 500))), transect("T2", ((60, 0), (60, 500)))], FRAME)
    positions = np.vstack([down(0.0, 0, 500), down(60.0, 0, 500)])
    where = assign_to_transects(positions, np.zeros(len(positions)), lines, cross_track_limit_m=15, end_slack_m=36)
    effort = measure_effort(footprints_at(positions), where, lines)
    length = 8 * STEP_M + ALONG_M
    assert effort.strata_m2["north"] == pytest.approx(2 * length * ACROSS_M)
    assert effort.union_m2["north"] == pytest.approx(length * (ACROSS_M + 60), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-14, 14), st.floats(-25, 25), st.booleans()), min_size=1, max_size=26),
    st.floats(0.5, 1.6),
)
def test_core_zones_tile_the_searched_strip_without_overlap(
    jitter: list[tuple[float, float, bool]], scale: float
) -> None:
    kept = [i for i, (_, _, keep) in enumerate(jitter) if keep] or [0]
    positions = np.array([[400 + jitter[i][0], 30 + i * STEP_M * scale] for i in kept])
    positions = positions[positions[:, 1] < 1500]
    roll = np.array([jitter[i][1] for i in kept])[: len(positions)]
    footprints = footprints_at(positions, roll)
    where = assigned(positions)
    zones = core_zones(footprints, where, LINES, LAND)
    effort = measure_effort(footprints, where, LINES, LAND)
    assert zones.areas_m2.sum() == pytest.approx(effort.area_m2[1], rel=1e-9, abs=1e-3)
    assert shapely.area(shapely.union_all(zones.polygons)) == pytest.approx(effort.area_m2[1], rel=1e-9, abs=1e-3)
    outside = shapely.area(shapely.difference(zones.polygons, footprints))
    assert outside == pytest.approx(np.zeros(len(positions)), abs=1e-3)


def test_the_strip_is_cut_half_way_between_neighbours_also_across_a_hole() -> None:
    positions = np.vstack([down(0.0, 0, 500), down(0.0, 806.4)])
    zones = core_zones(footprints_at(positions), assigned(positions), LINES)
    assert zones.from_m[0] == -np.inf
    assert zones.to_m[0] == zones.from_m[1] == pytest.approx(STEP_M / 2, abs=1e-3)
    assert zones.to_m[8] == pytest.approx((8 * STEP_M + 806.4) / 2, abs=1e-3)
    assert zones.to_m[-1] == np.inf
    assert shapely.area(zones.polygons[1]) == pytest.approx(STEP_M * ACROSS_M, abs=0.1)


def test_each_individual_belongs_to_the_capture_of_its_core_zone() -> None:
    positions = np.vstack([down(0.0, 0, 500), down(400.0)[::-1]])
    where = assigned(positions)
    inside = np.array([[10.0, STEP_M * 2 + 20], [-90.0, STEP_M * 3 + 30], [420.0, 1490.0], [0.0, 5000.0], [0.0, -99.0]])
    assert captures_of(inside, [0, 0, 1, 0, 0], where, LINES).tolist() == [2, 4, 9, 8, 0]
    assert captures_of([[0.0, 0.0]], [1], assigned(down(0.0, 0, 500)), LINES).tolist() == [-1]
