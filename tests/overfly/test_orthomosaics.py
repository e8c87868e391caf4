"""An orthomosaic goes the way of any picture: brought in, looked at, counted, and its own coordinates say where."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import scipy.ndimage
import shapely
from PIL import Image
from rasterio import Affine

from counts.audit import verify
from counts.census import Census
from counts.store import read_captures, read_footprints
from counts.store.sightings import read_sightings
from detect.detections import Detections, sorted_detections
from detect.georeference import Georeference
from detect.orthomosaics import place_in_mosaic, read_mosaic, valid_ground
from flightplan.errors import CaptureError, GeoreferenceError
from flightplan.frames import Floats, LocalFrame
from overfly.chain import count_survey, detect_survey, ingest

PIXEL_M = 0.05
# A grid that is turned by 20° against that of its zone.
COSINE, SINE = PIXEL_M * math.cos(math.radians(20)), PIXEL_M * math.sin(math.radians(20))
PLACED = Affine(COSINE, -SINE, 703_000, -SINE, -COSINE, 9_742_000)
ANIMALS = [(700, 100), (1100, 640), (655, 850)]


@dataclass
class Bright:
    """A detector of what is white."""

    names: tuple[str, ...] = ("elephant",)
    content_hash: str = "b" * 64
    threshold: float = 0.25
    fixed_tile_px: tuple[int, int] | None = None

    def detect_batch(self, tiles: Sequence[np.ndarray]) -> list[Detections]:
        return [self._one(tile) for tile in tiles]

    def _one(self, tile: np.ndarray) -> Detections:
        spots, count = scipy.ndimage.label(tile[:, :, 0] > 250)
        boxes = [[c.start, r.start, c.stop, r.stop] for r, c in scipy.ndimage.find_objects(spots)]
        return sorted_detections(boxes, [0.9] * count, [0] * count, self.names, self.content_hash)


def write_mosaic(path: Path, crs: str = "EPSG:32736", transform: Affine = PLACED, nodata: int | None = 0) -> Path:
    """Ground 1200 x 900 pixels, its left half not seen, with three white squares of 12 pixels."""
    pixels = np.random.default_rng([8, 8]).integers(60, 120, (3, 900, 1200), dtype=np.uint8)
    for column, row in ANIMALS:
        pixels[:, row - 6 : row + 6, column - 6 : column + 6] = 255
    if nodata is not None:
        pixels[:, :, :600] = nodata
    with rasterio.open(
        path, "w", driver="GTiff", width=1200, height=900, count=3, dtype="uint8", crs=crs, transform=transform,
        nodata=nodata, tiled=True, blockxsize=256, blockysize=256,
    ) as file:  # fmt: skip
        file.write(pixels)
    return path


def on_the_ground(points_px: Sequence[tuple[float, float]], crs: str = "EPSG:32736") -> Floats:
    to_degrees = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    x, y = np.array(points_px, dtype=float).T
    a, b, c, d, e, f = tuple(PLACED)[:6]
    return np.column_stack(to_degrees.transform(a * x + b * y + c, d * x + e * y + f))


def test_what_is_found_in_a_mosaic_is_counted_where_its_coordinates_say_on_the_ground_it_shows(tmp_path: Path) -> None:
    write_mosaic(tmp_path / "colony.tif")
    with Census.open(tmp_path / "census.gpkg") as census:
        brought = ingest(census, "wet", [tmp_path / "colony.tif"], pixels=True, refine=True)
        assert (brought.added, brought.placed, brought.skips, brought.findings) == (1, 1, (), ())
        assert detect_survey(census, Bright(), name="bright").detections == 3
        counted = count_survey(census)
        assert (counted.sightings, counted.individuals) == (3, 3)
        # Half of it was never seen: the area searched is the other half.
        assert counted.area_searched_m2 == pytest.approx(600 * 900 * PIXEL_M**2, rel=0.01)
        assert ingest(census, "wet", [tmp_path / "colony.tif"]).known == 1
        with census.reading() as session:
            assert verify(session).sound
            (stored,) = read_captures(session, 1)
            table = read_footprints(session, 1)
            sightings = read_sightings(session, counted.identity_run_id)
    frame = LocalFrame(*map(float, on_the_ground([(600.0, 450.0)])[0]))
    placed = frame.to_local(sightings.lonlat)
    true = frame.to_local(on_the_ground(ANIMALS))
    apart = np.hypot(*(placed[:, None] - true[None]).transpose(2, 0, 1))
    assert sorted(apart.argmin(axis=1).tolist()) == [0, 1, 2]
    assert apart.min(axis=1).max() < 0.5 * PIXEL_M
    assert sightings.covariance_m2[1] == pytest.approx((1.5**2 + (3 * PIXEL_M) ** 2) * np.eye(2), abs=0.01)
    assert table.gsd_cm == pytest.approx([100 * PIXEL_M], rel=1e-3)
    assert stored.capture.camera is None
    assert stored.capture.georeference is not None
    assert stored.capture.sources["georeference"] == "GeoTIFF (EPSG:32736)"


@pytest.mark.parametrize("crs", ["EPSG:32736", "EPSG:4326", "EPSG:3857"])
def test_the_ground_of_a_mosaic_is_what_nodata_leaves(tmp_path: Path, crs: str) -> None:
    here = Affine(4.5e-7, 0, 34.83, 0, -4.5e-7, -2.33)
    transform = {"EPSG:4326": here, "EPSG:3857": Affine(0.05, 0, 3877258, 0, -0.05, -259445)}
    capture = read_mosaic(write_mosaic(tmp_path / "m.tif", crs, transform.get(crs, PLACED)))
    assert capture is not None
    assert capture.georeference is not None
    assert capture.georeference.gsd_cm == pytest.approx(5.0, rel=0.02)
    outline = valid_ground(capture)
    frame = LocalFrame(outline.centroid.x, outline.centroid.y)
    assert frame.localise(outline).area == pytest.approx(600 * 900 * 0.05**2, rel=0.02)
    corners = capture.georeference.to_lonlat([[599.0, 450.0], [601.0, 450.0], [1201.0, 450.0]])
    assert shapely.contains_xy(outline, corners[:, 0], corners[:, 1]).tolist() == [False, True, False]
    back = capture.georeference.to_pixels(corners)
    assert back == pytest.approx(np.array([[599.0, 450.0], [601.0, 450.0], [1201.0, 450.0]]), abs=1e-3)


def test_parts_apart_from_each_other_are_one_footprint_of_their_area(tmp_path: Path) -> None:
    path = write_mosaic(tmp_path / "m.tif")
    with rasterio.open(path, "r+") as file:
        middle = np.zeros((3, 900, 100), dtype=np.uint8)
        file.write(middle, window=rasterio.windows.Window(850, 0, 100, 900))
    capture = read_mosaic(path)
    assert capture is not None
    outline = valid_ground(capture)
    assert outline.geom_type == "Polygon"
    frame = LocalFrame(outline.centroid.x, outline.centroid.y)
    assert frame.localise(outline).area == pytest.approx(500 * 900 * PIXEL_M**2, rel=0.005)


def test_a_real_mosaic_lies_where_it_says(shared_data: Path) -> None:
    capture = read_mosaic(shared_data / "imagery/everglades_ortho/Vacation_03192020_203.tif")
    assert capture is not None
    assert valid_ground(capture).bounds == pytest.approx((-80.630305871, 25.915080189, -80.630199022, 25.915176819))
    placed = place_in_mosaic(capture, [[0.0, 0.0], [1000.0, 1000.0]])
    assert placed.on_ground.all()
    assert placed.lonlat == pytest.approx(np.array([[-80.630305871, 25.915176819], [-80.630199022, 25.915080189]]))


def test_a_picture_without_coordinates_is_no_mosaic(tmp_path: Path) -> None:
    path = tmp_path / "plain.tif"
    Image.new("RGB", (8, 8)).save(path)
    assert read_mosaic(path) is None
    assert read_mosaic(tmp_path / "photo.jpg") is None


def test_a_mosaic_nowhere_on_earth_or_with_nothing_in_it_is_refused(tmp_path: Path) -> None:
    far = Affine(1, 0, 0, 0, -1, 5e9)
    with pytest.raises(CaptureError, match="no place on Earth"):
        read_mosaic(write_mosaic(tmp_path / "far.tif", transform=far))
    path = write_mosaic(tmp_path / "empty.tif")
    with rasterio.open(path, "r+") as file:
        file.write(np.zeros((3, 900, 1200), dtype=np.uint8))
    capture = read_mosaic(path)
    assert capture is not None
    with pytest.raises(GeoreferenceError, match="nothing in it is valid"):
        valid_ground(capture)


def test_coordinates_go_there_and_back() -> None:
    place = Georeference("EPSG:32736", tuple(PLACED)[:6], 5.0)  # type: ignore[arg-type]
    points = np.random.default_rng([2]).uniform(0, 1000, (50, 2))
    assert place.to_pixels(place.to_lonlat(points)) == pytest.approx(points, abs=1e-4)
