"""A detector that knows animals of one size sees them in that size, whatever height a picture was taken from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio import Affine

from detect.detections import Detections
from detect.detectors import load_detector
from detect.engine import Ask, detect_raster, look
from detect.images import Picture
from detect.resampling import Resampled, at_target, known_gsd_cm
from detect.tiles import TilePolicy
from flightplan.errors import CaptureError, Skip

Build = Callable[..., bytes]
POINTS = {"names": "{0: 'red', 1: 'green'}", "task": "points", "gsd_cm": "4"}


def meadow(width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(8)
    coarse = rng.integers(0, 255, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@given(st.sampled_from([0.13, 0.3, 0.5, 0.9, 1.4, 2.6]), st.integers(0, 2**32))
def test_a_window_has_the_pixels_that_the_whole_has_there(scale: float, seed: int) -> None:
    raster = Resampled(Picture(meadow(600, 400)), scale)
    whole = raster.read(0, 0, raster.width_px, raster.height_px)
    rng = np.random.default_rng(seed)
    x, y = int(rng.integers(0, raster.width_px)), int(rng.integers(0, raster.height_px))
    width, height = int(rng.integers(1, raster.width_px - x + 1)), int(rng.integers(1, raster.height_px - y + 1))
    part = raster.read(x, y, width, height)
    assert whole is not None
    assert part is not None
    assert np.abs(part.astype(int) - whole[y : y + height, x : x + width]).max() <= 2


def test_a_scale_of_nearly_one_leaves_the_pixels_alone_and_too_coarse_a_picture_is_refused() -> None:
    picture = Picture(meadow(100, 80))
    assert at_target(picture, 4.0, 4.1) is picture
    assert at_target(picture, None, 2.0) is picture
    assert at_target(picture, 4.0, None) is picture
    half = at_target(picture, 4.0, 2.0)
    assert (half.width_px, half.height_px) == (50, 40)
    with pytest.raises(CaptureError, match="too coarse"):
        at_target(picture, 1.0, 9.0)


def spotted(width: int, height: int, spots: list[tuple[int, int]], size: int) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    for x, y in spots:
        pixels[y : y + size, x : x + size, 0] = 255
    return pixels


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_points_come_back_in_the_pictures_own_pixels(factor: int, tmp_path: Path, seeing: Build) -> None:
    path = tmp_path / "points.onnx"
    path.write_bytes(seeing(POINTS, cell=4))
    detector = load_detector(path, threads=1)
    spots = [(400, 160), (1200, 600), (32, 8)]
    pixels = spotted(800 * factor, 400 * factor, [(x * factor // 2, y * factor // 2) for x, y in spots], 4 * factor)
    found = detect_raster(Picture(pixels), detector, TilePolicy(max_px=320), gsd_cm=4.0 / factor)
    assert found.image_size_px == (800 * factor, 400 * factor)
    assert found.points_px is not None
    middle = sorted((x * factor / 2 + 2 * factor, y * factor / 2 + 2 * factor) for x, y in spots)
    # A spot of one cell is blurred into its neighbours, which are lower.
    assert np.abs(np.array(sorted(map(tuple, found.points_px))) - middle).max() <= 2 * factor


def test_an_orthomosaic_knows_its_own_pixel(tmp_path: Path) -> None:
    path = tmp_path / "ortho.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=3, width=200, height=100, dtype="uint8", crs="EPSG:32736",
        transform=Affine(0.02, 0.0, 500_000.0, 0.0, -0.02, 9_740_000.0),
    ) as file:  # fmt: skip
        file.write(np.moveaxis(spotted(200, 100, [(100, 40)], 8), -1, 0))
    from detect.images import open_raster

    with open_raster(path) as raster:
        # 0.9996 is the scale of UTM on its middle meridian.
        assert known_gsd_cm(raster, path, None) == pytest.approx(2.0 / 0.9996, rel=1e-4)


def test_a_picture_without_a_height_is_looked_at_as_it_is_and_says_so(tmp_path: Path, seeing: Build) -> None:
    model, picture = tmp_path / "points.onnx", tmp_path / "plain.png"
    model.write_bytes(seeing(POINTS, cell=4))
    Image.fromarray(spotted(200, 100, [(100, 40)], 8)).save(picture)
    detector = load_detector(model, threads=1)
    asks = [Ask(picture), Ask(picture, gsd_cm=2.0), Ask(picture, gsd_cm=200.0)]
    unknown, known, coarse = (looked.result for looked in look(asks, detector))
    assert isinstance(unknown, Detections)
    assert isinstance(known, Detections)
    assert (unknown.scaled, known.scaled) == (False, True)
    # At its own scale the spot fills four cells, which are one plateau; at half of it, one.
    assert len(known) == 1
    assert known.centres_px[0] == pytest.approx((104, 44), abs=4)
    assert isinstance(coarse, Skip)
    assert "too coarse" in coarse.reason
