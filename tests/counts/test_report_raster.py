"""Cells of a map are filled where their middles lie in a shape; points of a census are read all at once."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import shapely.affinity
from numpy.testing import assert_array_equal

from counts.geopackage import decode_points, encode, encode_points
from counts.report.raster import burnt

ROWS, COLUMNS, CELL = 60, 90, 1.7


def footprints(rng: np.random.Generator) -> np.ndarray:
    """Frames turned at random, some beyond the edges of the grid."""
    middles = rng.uniform(-10, 170, (400, 2))
    frames = shapely.box(-3, -2, 3, 2)
    return np.array(
        [shapely.affinity.translate(shapely.affinity.rotate(frames, a), x, y) for a, (x, y) in
         zip(rng.uniform(0, 360, 400), middles.tolist(), strict=True)], dtype=object,
    )  # fmt: skip


def rings(rng: np.random.Generator) -> np.ndarray:
    """Ground with holes, in several pieces, and none."""
    points = shapely.points(rng.uniform(0, 150, (30, 2)))
    holed = shapely.difference(shapely.buffer(points, 14), shapely.buffer(points, 6))
    return np.array([shapely.union_all(holed), shapely.Polygon(), *holed[:3]], dtype=object)


@pytest.mark.parametrize("shapes", [footprints, rings])
def test_a_cell_is_filled_if_its_middle_lies_in_some_shape(shapes) -> None:
    drawn = shapes(np.random.default_rng([5]))
    x, y = np.meshgrid((np.arange(COLUMNS) + 0.5) * CELL, (np.arange(ROWS) + 0.5) * CELL)
    expected = shapely.contains_xy(shapely.union_all(drawn), x, y)
    grid = burnt(drawn, CELL, ROWS, COLUMNS)
    assert 0.02 < expected.mean() < 0.95
    assert_array_equal(grid.astype(bool), expected)


def test_nothing_fills_no_cell() -> None:
    assert not burnt(np.array([], dtype=object), CELL, 4, 5).any()
    assert burnt(np.array([shapely.Polygon()], dtype=object), CELL, 4, 5).shape == (4, 5)


def test_points_are_read_as_they_were_written_whoever_wrote_them() -> None:
    lonlat = np.random.default_rng([6]).uniform(-90, 90, (50, 2))
    assert_array_equal(decode_points(encode_points(lonlat)), lonlat)
    others = [*encode_points(lonlat[:3]), shapely.to_wkb(shapely.Point(4.5, -1.25)), encode(shapely.Point(7, 8))]
    assert_array_equal(decode_points(others), [*lonlat[:3], (4.5, -1.25), (7, 8)])
    assert decode_points([]).shape == (0, 2)
