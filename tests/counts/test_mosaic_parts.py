"""Parts of mosaics tile the ground they show, and each place is counted in one of them."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from counts.mosaic_parts import SLIVER, cut_into_parts, part_side_m, share_ground

GROUND = shapely.box(0, 0, 97, 61) - shapely.Point(40, 30).buffer(12)
LAND = [shapely.box(-10, -10, 50, 80), shapely.box(50, -10, 90, 80)]


def shapes(*polygons: shapely.Geometry) -> np.ndarray:
    found = np.empty(len(polygons), dtype=object)
    found[:] = polygons
    return found


@given(side_m=st.floats(3, 70), east=st.floats(-200, 200), north=st.floats(-200, 200))
@settings(max_examples=40, deadline=None)
def test_parts_tile_what_is_shown_of_each_stratum(side_m: float, east: float, north: float) -> None:
    moved = [shapely.affinity.translate(shape, east, north) for shape in (GROUND, *LAND)]
    parts = cut_into_parts(shapes(moved[0]), moved[1:], side_m)
    for stratum, land in enumerate(moved[1:]):
        mine = parts.polygons[parts.stratum == stratum]
        here = shapely.intersection(moved[0], land)
        assert parts.areas_m2[parts.stratum == stratum].sum() == pytest.approx(here.area, rel=1e-6)
        assert shapely.union_all(mine).area == pytest.approx(here.area, rel=1e-6), "no place is in two parts"
    assert sorted(parts.number.tolist()) == list(range(1, len(parts) + 1))
    large = parts.areas_m2 >= SLIVER * side_m**2
    # Only where a stratum has no whole part at all may a part be a sliver.
    assert all(large[parts.stratum == s].all() or (parts.stratum == s).sum() == 1 for s in (0, 1))


def test_a_point_belongs_to_the_part_that_holds_it_or_else_to_the_nearest() -> None:
    parts = cut_into_parts(shapes(GROUND), LAND, 10.0)
    points = np.random.default_rng([4]).uniform((0, 0), (97, 61), (500, 2))
    stratum = np.where(points[:, 0] < 50, 0, 1)
    of = parts.holding(points, np.zeros(500, dtype=int), stratum)
    assert (of >= 0).all()
    shown = shapely.contains_xy(GROUND, points) & (points[:, 0] < 90)
    held = shapely.contains_xy(parts.polygons[of], points[:, 0], points[:, 1])
    assert held[shown].all()
    beyond = parts.holding([[60.0, 61.4]], [0], [1])
    assert parts.polygons[beyond[0]].distance(shapely.Point(60, 61.4)) == pytest.approx(0.4)
    assert parts.holding([[10.0, 10.0]], [1], [0]).tolist() == [-1], "another mosaic shows nothing there"


def test_ground_that_several_mosaics_show_belongs_to_the_finest_and_of_equals_to_the_last() -> None:
    coarse, fine, again = shapely.box(0, 0, 100, 10), shapely.box(40, 0, 60, 10), shapely.box(55, 0, 70, 10)
    shared = share_ground(shapes(coarse, fine, again), [5.0, 2.0, 2.04])
    assert shapely.area(shared.own).tolist() == [700.0, 150.0, 150.0]
    assert shared.turn.tolist() == [2, 1, 0]
    assert shared.doubled_m2 == pytest.approx(50 + 300)
    assert shapely.union_all(shared.own).area == pytest.approx(1000)


@pytest.mark.parametrize(
    ("area_m2", "gsd_cm", "side_m"),
    [(300 * 300, 1.0, 10.0), (100 * 100, 1.0, 5.0), (20 * 20, 1.0, 2.5), (5_000 * 5_000, 10.0, 100.0)],
)
def test_a_part_is_no_larger_than_a_screen_and_no_speck(area_m2: float, gsd_cm: float, side_m: float) -> None:
    assert part_side_m(area_m2, gsd_cm) == pytest.approx(side_m)


def test_nothing_shown_has_no_parts() -> None:
    parts = cut_into_parts(shapes(shapely.box(200, 200, 210, 210)), LAND, 10.0)
    assert len(parts) == 0
    assert parts.holding([[1.0, 1.0]], [0], [0]).tolist() == [-1]
