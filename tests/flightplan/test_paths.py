"""Legal ways: clear of exclusions, inside the allowance, and as short as they can be."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flightplan.areas import Stratum, StudyArea
from flightplan.errors import PlanError
from flightplan.frames import LocalFrame
from flightplan.paths import Airspace

FRAME = LocalFrame(34.83, -2.33)


def study_area(land: shapely.Polygon, *exclusions: shapely.Polygon) -> StudyArea:
    return StudyArea("test", (Stratum("all", FRAME.delocalise(land)),), tuple(FRAME.delocalise(e) for e in exclusions))


def in_frame(area: StudyArea, *points: tuple[float, float]) -> np.ndarray:
    return area.frame.to_local(FRAME.to_lonlat(points))


def test_a_clear_way_is_straight() -> None:
    area = study_area(shapely.box(-1000, -1000, 1000, 1000))
    a, b = in_frame(area, (-900, -900), (900, 800))
    assert np.array_equal(Airspace.over(area, allowance_m=30, buffer_m=15).route(a, b), np.stack([a, b]))


def test_a_way_around_an_exclusion_keeps_the_buffer_and_is_the_shortest() -> None:
    area = study_area(shapely.box(-1000, -1000, 1000, 1000), shapely.box(-100, -300, 100, 300))
    air = Airspace.over(area, allowance_m=30, buffer_m=20)
    a, b = in_frame(area, (-500, 0), (500, 0))
    way = air.route(a, b)
    line = shapely.LineString(way)
    assert line.distance(area.local_exclusions) >= 20
    # Two corners of the buffered box: the least length is known, the rounding of corners aside.
    least_m = 2 * np.hypot(380, 320) + 240
    assert least_m - 12 < line.length < least_m + 5
    assert air.metres_outside(way) == 0.0


def test_a_way_around_a_bay_stays_inside_the_allowance() -> None:
    u_shape = shapely.Polygon(
        [
            (-1000, -1000),
            (1000, -1000),
            (1000, 1000),
            (600, 1000),
            (600, -400),
            (-600, -400),
            (-600, 1000),
            (-1000, 1000),
        ]
    )
    area = study_area(u_shape)
    air = Airspace.over(area, allowance_m=40, buffer_m=15)
    a, b = in_frame(area, (-800, 900), (800, 900))
    way = air.route(a, b)
    assert len(way) == 4
    beyond = shapely.LineString(way).difference(area.localise(area.boundary).buffer(40.001))
    assert beyond.length == 0


def test_metres_outside_measures_what_lies_outside() -> None:
    area = study_area(shapely.box(-1000, -1000, 1000, 1000), shapely.box(-100, -100, 100, 100))
    air = Airspace.over(area, allowance_m=30, buffer_m=20)
    straight_through = in_frame(area, (-500, 0), (500, 0))
    assert air.metres_outside(straight_through) == pytest.approx(240, abs=0.1)
    out_and_back = in_frame(area, (0, 900), (0, 1230), (0, 900))
    assert air.metres_outside(out_and_back) == pytest.approx(400, abs=0.2)


def test_parts_that_no_way_joins_are_refused() -> None:
    two = shapely.MultiPolygon([shapely.box(-1000, -100, -500, 100), shapely.box(500, -100, 1000, 100)])
    area = study_area(two)
    air = Airspace.over(area, allowance_m=30, buffer_m=15)
    a, b = in_frame(area, (-700, 0), (700, 0))
    assert air.part_of([a, b]).tolist() in ([0, 1], [1, 0])
    with pytest.raises(PlanError, match="no legal path"):
        air.route(a, b)


def test_exclusions_that_leave_nothing_are_refused() -> None:
    area = study_area(shapely.box(-50, -50, 50, 50), shapely.box(-45, -45, 45, 45))
    with pytest.raises(PlanError, match="leave nothing to fly over"):
        Airspace.over(area, allowance_m=5, buffer_m=60)


@st.composite
def stars(draw: st.DrawFn, radius_m: float, corners: int, centre: tuple[float, float] = (0.0, 0.0)) -> shapely.Polygon:
    """A simple polygon, mostly concave: a random radius at each of some directions."""
    radii = draw(st.lists(st.floats(0.25 * radius_m, radius_m), min_size=corners, max_size=corners))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return shapely.Polygon(np.column_stack([np.cos(angles), np.sin(angles)]) * np.array(radii)[:, None] + centre)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    land=stars(2000, 11),
    village=stars(300, 7, (150, 100)),
    lake=stars(200, 5, (-400, -200)),
    picks=st.lists(st.integers(0, 10_000), min_size=4, max_size=4),
)
def test_any_way_over_any_concave_and_holed_area_is_legal(
    land: shapely.Polygon, village: shapely.Polygon, lake: shapely.Polygon, picks: list[int]
) -> None:
    area = study_area(land, village, lake)
    air = Airspace.over(area, allowance_m=40, buffer_m=15)
    assume(not air.inset.is_empty)
    west, south, east, north = air.inset.bounds
    xs, ys = np.meshgrid(np.linspace(west, east, 40), np.linspace(south, north, 40))
    inside = np.column_stack([xs.ravel(), ys.ravel()])
    inside = inside[shapely.contains_xy(air.inset, inside)]
    assume(len(inside) > 4)
    stops = inside[np.array(picks) % len(inside)]
    assume(len(set(air.part_of(stops).tolist())) == 1)
    kept_out = shapely.buffer(area.local_exclusions, 15 - 0.01, quad_segs=64)
    land_m = shapely.buffer(area.localise(area.strata[0].polygon), 40 + 0.01, quad_segs=64)
    for a, b in pairwise(stops):
        way = air.route(a, b)
        line = shapely.LineString(way)
        assert not line.crosses(kept_out)
        assert line.intersection(kept_out).length == 0
        assert land_m.covers(line)
        assert line.length >= np.hypot(*(b - a)) - 1e-6
        assert air.metres_outside(way) == 0.0
