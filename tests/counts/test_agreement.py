"""What was flown is held against what was planned, line by line."""

from typing import Any

import numpy as np
import pytest
import shapely

from counts.agreement import compare_with_plan
from counts.assignment import TransectLines, assign_to_transects
from counts.effort import measure_effort
from flightplan.design import Transect
from flightplan.frames import Floats, LocalFrame

FRAME = LocalFrame(34.83, -2.33)
STEP_M, ALONG_M, ACROSS_M = 50.0, 72.0, 96.0


def transect(name: str, *ends: tuple[tuple[float, float], tuple[float, float]]) -> Transect:
    segments = tuple(tuple(map(tuple, FRAME.to_lonlat(pair))) for pair in ends)
    return Transect(name, "north", int(name[1:]), segments, 1.0, 1.0)  # type: ignore[arg-type]


# T1 is cut by a village from 500 to 800 m; T2 is whole.
LINES = TransectLines.of(
    [transect("T1", ((0, 0), (0, 500)), ((0, 800), (0, 1500))), transect("T2", ((400, 0), (400, 1500)))], FRAME
)
LAND = [shapely.box(-1000, 0, 1000, 1500) - shapely.box(-200, 500, 200, 800)] * 2


def flown(positions: Floats, heights_m: Any = 80.0, **options: Any) -> Any:
    x, y = positions[:, 0], positions[:, 1]
    footprints = shapely.box(x - ACROSS_M / 2, y - ALONG_M / 2, x + ACROSS_M / 2, y + ALONG_M / 2)
    assignment = assign_to_transects(
        positions, np.zeros(len(positions)), LINES, cross_track_limit_m=25.0, end_slack_m=36.0
    )
    effort = measure_effort(footprints, assignment, LINES, LAND, planned_width_m=ACROSS_M)
    heights = np.broadcast_to(heights_m, len(positions)).astype(np.float64)
    return compare_with_plan(
        assignment, LINES, effort, heights_agl_m=heights, land=LAND, planned_width_m=ACROSS_M, **options
    )


def down(x: float, start: float = 0.0, stop: float = 1500.0) -> Floats:
    y = np.arange(start, stop + 1, STEP_M)
    return np.column_stack([np.full(len(y), x), y])


WHOLE = np.vstack([down(0, 0, 500), down(0, 800), down(400)])


def test_a_survey_flown_as_planned_covers_every_metre() -> None:
    for line in flown(WHOLE):
        assert line.covered_share == pytest.approx(1.0)
        assert line.gaps == ()
        assert line.off_line_m == pytest.approx(0.0, abs=1e-3)
        assert line.height_mean_m == pytest.approx(80.0)
        assert line.strip_share == pytest.approx(1.0, abs=1e-4)
    assert [line.planned_m for line in flown(WHOLE)] == pytest.approx([1200.0, 1500.0], abs=0.01)


def test_pictures_that_are_missing_leave_a_gap_that_is_named_by_its_metres() -> None:
    kept = WHOLE[(WHOLE[:, 0] == 0) | (WHOLE[:, 1] < 600) | (WHOLE[:, 1] > 800)]
    _, line = flown(kept)
    assert [(gap.from_m, gap.to_m) for gap in line.gaps] == [pytest.approx((586.0, 814.0), abs=0.01)]
    assert line.covered_m == pytest.approx(1500.0 - 228.0, abs=0.01)
    assert line.widest_step_m == pytest.approx(300.0)
    assert line.strip_share == pytest.approx(line.covered_share, abs=1e-4)


def test_the_village_in_a_line_is_no_gap_but_the_line_behind_it_is() -> None:
    line, _ = flown(np.vstack([down(0, 0, 500), down(400)]))
    assert [(gap.from_m, gap.to_m) for gap in line.gaps] == [pytest.approx((800.0, 1500.0), abs=0.01)]
    assert line.covered_share == pytest.approx(500 / 1200, abs=1e-4)


def test_a_line_flown_beside_itself_says_how_far_and_how_high() -> None:
    weaving = down(400) + np.column_stack([np.tile([6.0, -8.0], 16)[:31], np.zeros(31)])
    heights = np.r_[np.full(22, 80.0), np.tile([70.0, 90.0], 16)[:31]]
    _, line = flown(np.vstack([down(0, 0, 500), down(0, 800, 1300), weaving]), heights)
    assert line.off_line_m == pytest.approx(np.sqrt((16 * 36 + 15 * 64) / 31), abs=1e-3)
    assert line.worst_off_line_m == pytest.approx(8.0, abs=1e-3)
    assert line.height_sd_m == pytest.approx(np.std(heights[22:], ddof=1))


def test_a_line_that_was_not_flown_is_one_gap_and_knows_no_height() -> None:
    _, line = flown(np.vstack([down(0, 0, 500), down(0, 800)]))
    assert (line.captures, line.covered_m, line.strip_share) == (0, 0.0, 0.0)
    assert (line.off_line_m, line.height_mean_m, line.height_sd_m, line.widest_step_m) == (None, None, None, None)
    assert [gap.length_m for gap in line.gaps] == [pytest.approx(1500.0, abs=0.01)]


def test_unknown_heights_are_left_out_of_the_mean() -> None:
    heights = np.full(len(WHOLE), np.nan)
    heights[-1] = 82.0
    first, second = flown(WHOLE, heights)
    assert (first.height_mean_m, second.height_mean_m, second.height_sd_m) == (None, 82.0, None)
