"""Flights that nobody planned here: transects from where pictures were taken."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flightplan.areas import Stratum, StudyArea
from flightplan.design import FULL, SYSTEMATIC, design_survey
from flightplan.errors import DesignError
from flightplan.flown_lines import lines_as_flown
from flightplan.frames import LocalFrame
from flightplan.request import DesignRequest

FRAME = LocalFrame(34.83, -2.33)
NORTH = [(-2000, 0), (2000, 0), (2000, 1500), (-2000, 1500)]
SOUTH = [(-2000, -1500), (2000, -1500), (2000, 0), (-2000, 0)]
VILLAGE = [(-300, 500), (300, 500), (300, 1000), (-300, 1000)]
STRIP_M = 100.0


def area(*rings: list[tuple[float, float]], hole: list[tuple[float, float]] | None = None) -> StudyArea:
    strata = tuple(
        Stratum(f"s{i}", FRAME.delocalise(shapely.Polygon(ring, [hole] if hole and i == 0 else None)))
        for i, ring in enumerate(rings)
    )
    return StudyArea("park", strata, (FRAME.delocalise(shapely.Polygon(hole)),) if hole else ())


def flown(
    land: StudyArea, ends: list[tuple[tuple[float, float], tuple[float, float]]], *, step_m: float = 40.0, seed: int = 0
) -> list[np.ndarray]:
    """Runs of pictures from one point to another (in FRAME's metres), off by what a drone's GNSS is."""
    rng = np.random.default_rng([seed, 7])
    runs = []
    for start, end in np.asarray(ends, dtype=float):
        count = max(2, round(np.hypot(*(end - start)) / step_m) + 1)
        places = start + np.linspace(0, 1, count)[:, None] * (end - start) + rng.normal(0, 0.7, (count, 2))
        runs.append(land.frame.to_local(FRAME.to_lonlat(places)))
    return runs


def north_south(xs: list[float], low: float = -1500, high: float = 1500) -> list:
    return [((x, low), (x, high)) for x in xs]


@given(spacing_m=st.floats(250, 900), heading_deg=st.floats(1, 179), seed=st.integers(0, 9), back=st.booleans())
@settings(max_examples=25)
def test_a_planned_design_is_read_back_from_pictures_along_it(
    spacing_m: float, heading_deg: float, seed: int, back: bool
) -> None:
    land = area(NORTH)
    (asked,) = design_survey(
        land, DesignRequest(spacing_m=spacing_m, heading_deg=heading_deg, seed=seed), strip_width_m=STRIP_M
    )
    long = [t for t in asked.transects if t.length_m > 2 * STRIP_M]
    ends = [FRAME.to_local(np.asarray(s)) for t in long for s in t.segments]
    found = lines_as_flown(land, flown(land, [e[::-1] if back else e for e in ends]), STRIP_M)
    (stratum,) = found.strata
    assert found.design.kind == SYSTEMATIC
    assert len(stratum.transects) == len(long)
    assert found.design.spacing_m == pytest.approx(spacing_m, abs=3.0)
    assert abs((found.design.heading_deg - heading_deg + 90) % 180 - 90) < 0.5
    assert stratum.possible_transects == pytest.approx(asked.possible_transects, rel=0.01)
    for line, planned in zip(stratum.transects, long, strict=True):
        assert line.length_m == pytest.approx(planned.length_m, abs=60.0)
        assert line.strip_area_m2 == pytest.approx(planned.strip_area_m2, abs=60.0 * STRIP_M)
        cross = shapely.hausdorff_distance(*(
            shapely.MultiLineString([FRAME.to_local(np.asarray(s)) for s in t.segments]) for t in (line, planned)
        ))  # fmt: skip
        assert cross < 60.0


def test_a_line_over_two_strata_is_a_transect_of_each() -> None:
    land = area(NORTH, SOUTH)
    found = lines_as_flown(land, flown(land, north_south([-1200, -400, 400, 1200])), STRIP_M)
    assert [[t.identifier for t in s.transects] for s in found.strata] == [
        [f"{name}-00{n}" for n in (1, 2, 3, 4)] for name in ("s0", "s1")
    ]
    for stratum in found.strata:
        assert [t.length_m for t in stratum.transects] == pytest.approx([1500] * 4, abs=5)
        assert [t.position for t in stratum.transects] == [1, 2, 3, 4]


def test_a_turn_that_reaches_into_the_neighbour_is_no_transect_of_it() -> None:
    land = area(NORTH, SOUTH)
    ends = [*north_south([-1500, -500, 500, 1500], low=-60), *north_south([-1000, 0, 1000], high=30)]
    north, south = lines_as_flown(land, flown(land, ends, step_m=30), STRIP_M).strata
    assert len(north.transects) == 4
    assert len(south.transects) == 3


def test_an_exclusion_parts_a_line_and_does_not_make_two() -> None:
    land = area(NORTH, hole=VILLAGE)
    ends = [*north_south([-1200, 1200], low=0), ((0, 0), (0, 480)), ((0, 1020), (0, 1500))]
    (stratum,) = lines_as_flown(land, flown(land, ends), STRIP_M).strata
    middle = stratum.transects[1]
    assert len(stratum.transects) == 3
    assert len(middle.segments) == 2
    assert middle.length_m == pytest.approx(1000, abs=5), "half a picture's step beyond its last picture, to the border"


def test_a_line_flown_again_is_one_transect_and_a_tie_line_none() -> None:
    land = area(NORTH)
    ends = [*north_south([-1200, -400, 400, 1200], low=0), ((-1190, 1500), (-1190, 0)), ((-1500, 700), (1500, 720))]
    found = lines_as_flown(land, flown(land, ends), STRIP_M)
    assert len(found.strata[0].transects) == 4
    (crossing,) = found.warnings
    assert crossing == "1 straight run of pictures across the lines belongs to no transect"


def test_strips_that_overlap_are_full_coverage() -> None:
    land = area(NORTH)
    xs = [float(x) for x in range(-1980, 2000, 30)]
    found = lines_as_flown(land, flown(land, north_south(xs, low=0)), STRIP_M)
    assert found.design.kind == FULL
    assert len(found.strata[0].transects) == len(xs)


def test_lines_at_uneven_distances_are_named() -> None:
    land = area(NORTH)
    found = lines_as_flown(land, flown(land, north_south([-1800, -1500, -200, 0, 1700], low=0)), STRIP_M)
    assert any("vary by" in warning and "s0" in warning for warning in found.warnings)


def test_a_stratum_that_nobody_flew_over_is_refused_by_name() -> None:
    land = area(NORTH, SOUTH)
    with pytest.raises(DesignError, match="no line was flown over it") as refused:
        lines_as_flown(land, flown(land, north_south([-500, 500], low=10)), STRIP_M)
    assert refused.value.where == "stratum s1"
