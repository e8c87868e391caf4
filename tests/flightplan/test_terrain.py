"""Heights of the ground: bilinear, with voids named."""

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from flightplan.ellipsoid import SEMI_MINOR_M, horizon_axes, level_crossing_m, to_geocentric, to_geodetic
from flightplan.errors import TerrainError, UnreadableFileError
from flightplan.frames import HeightDatum
from flightplan.terrain import Terrain

longitudes, latitudes, heights = st.floats(-180, 180), st.floats(-90, 90), st.floats(-500, 9000)


def _write(path: Path, grid: np.ndarray, *, crs: str | None = "EPSG:4326", **options: object) -> Path:
    grid = np.atleast_3d(grid.astype(np.float32).transpose()).transpose()
    unit = options.pop("unit", None)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=grid.shape[1],
        width=grid.shape[2],
        count=grid.shape[0],
        dtype="float32",
        crs=crs,
        transform=rasterio.Affine(0.001, 0.0, 34.0, 0.0, -0.001, -2.0),
        **options,
    ) as dataset:
        dataset.write(grid)
        if unit:
            dataset.units = (unit,)
    return path


def _centre(column: float, row: float) -> list[float]:
    return [34.0 + (column + 0.5) * 0.001, -2.0 - (row + 0.5) * 0.001]


def test_level_ground_is_the_same_everywhere():
    assert Terrain.flat(1500.0).heights_m([[34.8, -2.3], [0.0, 0.0]]) == pytest.approx([1500.0, 1500.0])


def test_a_cell_centre_has_the_cell_s_height_and_half_way_the_mean(tmp_path):
    terrain = Terrain.from_file(_write(tmp_path / "dem.tif", np.array([[10.0, 20.0], [30.0, 80.0]])))
    points = [_centre(0, 0), _centre(1, 0), _centre(0.5, 0), _centre(0, 0.5), _centre(0.5, 0.5)]
    assert terrain.heights_m(points) == pytest.approx([10, 20, 15, 20, 35], abs=1e-6)


def test_outside_the_model_the_ground_is_unknown(tmp_path):
    terrain = Terrain.from_file(_write(tmp_path / "dem.tif", np.full((3, 3), 7.0)))
    assert np.isnan(terrain.heights_m([_centre(5, 1), _centre(-2, 1), _centre(1, 9), [np.nan, 0.0]])).all()
    assert terrain.heights_m([_centre(-0.4, 1)]) == pytest.approx([7.0])


@pytest.mark.parametrize("void", [-9999.0, -32768.0, 1e30, float("nan")])
def test_a_void_is_unknown_whether_or_not_the_file_marks_it(tmp_path, void):
    grid = np.full((4, 4), 100.0)
    grid[1, 1] = void
    terrain = Terrain.from_file(_write(tmp_path / "dem.tif", grid))
    assert np.isnan(terrain.heights_m([_centre(1, 1), _centre(1.4, 1.4)])).all()
    assert terrain.heights_m([_centre(2, 2), _centre(3, 1)]) == pytest.approx([100.0, 100.0])
    assert terrain.range_m == (100.0, 100.0)


def test_feet_become_metres(tmp_path):
    terrain = Terrain.from_file(_write(tmp_path / "dem.tif", np.full((3, 3), 1000.0), unit="ft"))
    assert terrain.heights_m([_centre(1, 1)]) == pytest.approx([304.8])


def test_only_the_part_around_the_bounds_is_held_and_is_the_same_there(tmp_path):
    grid = np.add.outer(np.arange(200.0) * 3, np.arange(300.0))
    path = _write(tmp_path / "dem.tif", grid)
    points = [_centre(120.3, 80.7), _centre(125, 84.2)]
    part = Terrain.from_file(path, bounds=(*_centre(118, 90), *_centre(130, 75)))
    assert part.grid_m is not None
    assert part.grid_m.size < 600
    assert part.heights_m(points) == pytest.approx(Terrain.from_file(path).heights_m(points))


@pytest.mark.parametrize(
    ("grid", "options", "message"),
    [
        (np.zeros((3, 3)), {"crs": None}, "no coordinate reference system"),
        (np.zeros((3, 4, 4)), {}, "3 bands"),
        (np.full((3, 3), np.nan), {}, "no cell"),
        (np.zeros((3, 3)), {"unit": "furlong"}, "furlong"),
    ],
)
def test_a_raster_that_is_no_elevation_model_is_refused(tmp_path, grid, options, message):
    path = _write(tmp_path / "dem.tif", grid, **options)
    with pytest.raises(TerrainError, match=message):
        Terrain.from_file(path)


def test_bounds_beyond_the_model_are_refused(tmp_path):
    path = _write(tmp_path / "dem.tif", np.zeros((3, 3)))
    with pytest.raises(TerrainError, match="does not reach"):
        Terrain.from_file(path, bounds=(10.0, 50.0, 10.1, 50.1))


def test_a_file_that_is_no_raster_is_refused(tmp_path):
    path = tmp_path / "dem.tif"
    path.write_text("not a raster")
    with pytest.raises(UnreadableFileError, match="not an elevation model"):
        Terrain.from_file(path)


def test_a_real_model_with_a_compound_reference_system(shared_data: Path):
    terrain = Terrain.from_file(shared_data / "terrain" / "dem_ngi_baviaans_za.tif")
    assert terrain.datum is HeightDatum.MEAN_SEA_LEVEL
    assert terrain.cell_m == pytest.approx(24.0, rel=0.001)
    assert terrain.range_m == pytest.approx((148.556, 781.257), abs=0.001)


@given(longitudes, latitudes, heights)
def test_geocentric_and_back_is_the_same_place(longitude, latitude, height):
    lonlat, back = to_geodetic(to_geocentric([[longitude, latitude]], [height]))
    assert to_geocentric(lonlat, back) == pytest.approx(to_geocentric([[longitude, latitude]], [height]), abs=1e-6)
    assert back == pytest.approx([height], abs=1e-6)


@given(longitudes, latitudes, heights)
def test_geocentric_agrees_with_proj(longitude, latitude, height):
    proj = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    assert to_geocentric([[longitude, latitude]], [height])[0] == pytest.approx(
        proj.transform(longitude, latitude, height), abs=1e-6
    )


@given(longitudes, st.floats(-89, 89), st.floats(10, 5000), st.floats(-400, 3000), st.floats(0, 80), st.floats(0, 360))
def test_a_ray_comes_down_to_exactly_the_level_asked_for(longitude, latitude, drop, level, off_nadir, azimuth):
    origin = to_geocentric([[longitude, latitude]], [level + drop])
    angle, way = np.radians(off_nadir), np.radians(azimuth)
    local = np.array([np.sin(angle) * np.cos(way), np.sin(angle) * np.sin(way), np.cos(angle)])
    direction = horizon_axes([[longitude, latitude]]) @ local
    distance = level_crossing_m(origin, direction, level)
    _, height = to_geodetic(origin + distance[:, None] * direction)
    assert height == pytest.approx([level], abs=1e-5)
    assert drop - 1e-6 <= distance[0] <= 1.05 * drop / np.cos(angle)


def test_straight_down_over_a_pole_the_ground_is_as_far_as_the_height():
    origin = np.array([[0.0, 0.0, SEMI_MINOR_M + 100.0]])
    distance = level_crossing_m(origin, np.array([[0.0, 0.0, -1.0]]), [40.0])
    assert distance == pytest.approx([60.0], abs=1e-6)


def test_a_ray_that_looks_up_or_starts_below_never_comes_down():
    origin = to_geocentric([[34.8, -2.3], [34.8, -2.3]], [100.0, 40.0])
    axes = horizon_axes([[34.8, -2.3]])
    direction = np.vstack([axes @ [1.0, 0.0, -0.1], axes @ [0.0, 0.0, 1.0]])
    assert np.isnan(level_crossing_m(origin, direction, 50.0)).all()
