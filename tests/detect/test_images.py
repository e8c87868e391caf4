"""Pixels come whole and upright, or the file is refused by name."""

import io
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from rasterio import Affine

import detect.images as images
from detect.images import Mosaic, decode, ends_properly, open_raster, turned
from detect.tiles import TilePolicy, read_tile
from flightplan.errors import CaptureError


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


@pytest.fixture
def savanna() -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_exif_orientation_gives_the_picture_as_it_is_seen(orientation: int, tmp_path: Path) -> None:
    # One bright corner tells all eight apart, together with the shape.
    stored = np.zeros((48, 80, 3), np.uint8)
    stored[:16, :16] = (255, 0, 0)
    stored[-16:, :16] = (0, 255, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    Image.fromarray(stored).save(path, exif=exif, quality=95, subsampling=0)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert np.array_equal(decode(path), upright)


@given(st.integers(1, 8))
def test_turning_is_a_view_of_the_same_pixels(orientation: int) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.shares_memory(turned(pixels, orientation), pixels)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.98])
@pytest.mark.parametrize("tail", ["nothing", "end marker", "zeros", "older data"])
def test_a_picture_cut_short_is_refused_whatever_fills_its_end(
    kept: float, tail: str, savanna: np.ndarray, tmp_path: Path
) -> None:
    whole = jpeg(savanna)
    cut = whole[: int(len(whole) * kept)]
    rest = len(whole) - len(cut)
    fill = {"nothing": b"", "end marker": b"\xff\xd9", "zeros": b"\0" * rest, "older data": b"Z" * rest}
    path = tmp_path / "cut.jpg"
    path.write_bytes(cut + fill[tail])
    with pytest.raises(CaptureError, match="cut short") as caught:
        decode(path)
    assert caught.value.where == str(path)


def test_a_night_frame_that_is_all_black_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "night.jpg"
    path.write_bytes(jpeg(np.zeros((240, 320, 3), np.uint8)))
    assert decode(path).shape == (240, 320, 3)


def test_a_real_frame_cut_short_behind_a_false_end_is_refused(shared_data: Path, tmp_path: Path) -> None:
    whole = (shared_data / "imagery/pelicans_dji/AWPE_Pigeon_Lake_2020_DJI_0005.JPG").read_bytes()
    path = tmp_path / "cut.jpg"
    path.write_bytes(whole[: int(len(whole) * 0.7)] + b"\xff\xd9")
    with pytest.raises(CaptureError, match="cut short"):
        decode(path)


def test_a_progressive_picture_ends_with_its_last_scan(savanna: np.ndarray) -> None:
    whole = jpeg(savanna, progressive=True)
    assert ends_properly(whole)
    assert not ends_properly(whole[:-2])


def test_a_preview_after_the_picture_does_not_stand_in_for_its_end(savanna: np.ndarray) -> None:
    whole = jpeg(savanna)
    assert ends_properly(whole + jpeg(savanna)[:100])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"GIF89a....", "not a JPEG, PNG or TIFF"), (b"\xff\xd8\xff\xe0\x00", "header|cut short")],
)
def test_a_file_that_is_no_picture_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "fake.jpg"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=reason):
        decode(path)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 10_000)
    path = tmp_path / "bomb.png"
    Image.new("1", (200, 100)).save(path)
    with pytest.raises(CaptureError, match="200x100 pixels, over the limit"):
        decode(path)


def test_sixteen_bits_become_eight_by_their_upper_byte(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((10, 12), 0x8042, np.uint16)).save(path)
    pixels = decode(path)
    assert pixels.shape == (10, 12, 3)
    assert (pixels == 0x80).all()


def write_mosaic(path: Path, bands: np.ndarray, **options: object) -> None:
    profile = {"driver": "GTiff", "count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    place = {"crs": "EPSG:32736", "transform": Affine(0.5, 0.0, 500_000.0, 0.0, -0.5, 10_000_000.0)}
    with rasterio.open(path, "w", dtype=bands.dtype, **profile, **place, **options) as file:
        file.write(bands)


def test_a_mosaic_gives_the_longitude_and_latitude_of_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "ortho.tif"
    # UTM zone 36 S: 500 000 m east is its middle meridian, 33 degrees east; 10 000 000 m north is the equator.
    write_mosaic(path, np.ones((3, 40, 60), np.uint8))
    with Mosaic(path) as mosaic:
        lonlat = mosaic.to_lonlat(np.array([[0.0, 0.0], [60.0, 40.0]]))
    assert lonlat is not None
    assert lonlat[0] == pytest.approx((33.0, 0.0), abs=1e-9)
    # 30 m east and 20 m south, at 0.9996 of true scale.
    assert (lonlat[1] - lonlat[0]) == pytest.approx((30 / 0.9996 / 111319.49, -20 / 0.9996 / 110574.3), rel=1e-4)


def test_tiles_of_a_mosaic_without_data_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ortho.tif"
    bands = np.zeros((4, 300, 1000), np.uint8)
    bands[:3] = 9
    bands[3, :, :200] = 255
    write_mosaic(path, bands, photometric="RGB", alpha="YES")
    with Mosaic(path) as mosaic:
        tiles = TilePolicy(max_px=256, overlap_px=32).cut(1000, 300)
        seen = {tile.x_px: read_tile(mosaic, tile) for tile in tiles}
    assert {x for x, pixels in seen.items() if pixels is not None} == {0, 186}
    first = seen[0]
    assert first is not None
    assert (first[:, :200] == 9).all()
    assert (first[:, 200:] == 0).all()


def test_a_mosaic_of_floats_is_stretched_to_eight_bits(tmp_path: Path) -> None:
    path = tmp_path / "reflectance.tif"
    ramp = np.tile(np.linspace(0.0, 1.0, 100, dtype=np.float32), (3, 50, 1))
    write_mosaic(path, ramp)
    with Mosaic(path) as mosaic:
        pixels = mosaic.read(0, 0, 100, 50)
    assert pixels is not None
    assert pixels.dtype == np.uint8
    assert (pixels[0, 0, 0], pixels[0, 50, 0], pixels[0, 99, 0]) == (0, pytest.approx(128, abs=3), 255)


def test_a_grey_mosaic_has_three_equal_bands(tmp_path: Path) -> None:
    path = tmp_path / "grey.tif"
    write_mosaic(path, np.full((1, 30, 40), 77, np.uint8))
    with open_raster(path) as raster:
        pixels = raster.read(5, 5, 10, 8)
    assert pixels is not None
    assert pixels.shape == (8, 10, 3)
    assert (pixels == 77).all()


def test_a_tiff_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.tif"
    path.write_bytes(b"II*\0" + b"\0" * 40)
    with pytest.raises(CaptureError, match="cannot be opened"), open_raster(path):
        pass


def write_jpeg(path: Path, orientation: int, size: tuple[int, int] = (330, 250), **options: object) -> Path:
    rng = np.random.default_rng(9)
    coarse = Image.fromarray(rng.integers(0, 255, (size[1] // 10, size[0] // 10, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    coarse.resize(size, Image.Resampling.BICUBIC).save(path, exif=exif, quality=92, subsampling=0, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_huge_jpeg_is_read_by_windows_as_it_is_seen(
    orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_jpeg(tmp_path / "huge.jpg", orientation)
    whole = decode(path).astype(int)
    monkeypatch.setattr(images, "WINDOWED_PIXELS", 1000)
    for data in (None, path.read_bytes()):
        with open_raster(path, data) as raster:
            assert not isinstance(raster, images.Picture)
            assert (raster.height_px, raster.width_px) == whole.shape[:2]
            # Upwards too: what was read before may be asked for again.
            for x, y, width, height in ((100, 130, 90, 100), (0, 0, 40, 30), (17, 5, 200, 60)):
                part = raster.read(x, y, width, height)
                assert part is not None
                assert part.shape == (height, width, 3)
                assert np.abs(part - whole[y : y + height, x : x + width]).max() <= 3


@pytest.mark.parametrize("tail", [b"", b"\xff\xd9"])
def test_a_huge_jpeg_that_is_cut_short_is_refused(tail: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_jpeg(tmp_path / "cut.jpg", 1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + tail)
    monkeypatch.setattr(images, "WINDOWED_PIXELS", 1000)
    with pytest.raises(CaptureError, match=r"cut short|damaged"), open_raster(path) as raster:
        raster.read(0, 200, 330, 50)


def test_a_progressive_jpeg_is_decoded_whole_however_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_jpeg(tmp_path / "progressive.jpg", 1, progressive=True)
    monkeypatch.setattr(images, "WINDOWED_PIXELS", 1000)
    with open_raster(path) as raster:
        assert isinstance(raster, images.Picture)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_tiff_from_a_camera_is_turned_as_a_jpeg_is(orientation: int, tmp_path: Path) -> None:
    stored = np.zeros((20, 30, 3), np.uint8)
    stored[:5, :5] = 200
    path = tmp_path / "camera.tif"
    Image.fromarray(stored).save(path, tiffinfo={274: orientation})
    with open_raster(path) as raster:
        pixels = raster.read(0, 0, raster.width_px, raster.height_px)
    assert pixels is not None
    assert np.array_equal(pixels, turned(stored, orientation))
    assert np.array_equal(decode(path), turned(stored, orientation))


@pytest.mark.parametrize(("suffix", "lossless"), [(".jp2", False), (".bmp", True), (".webp", False), (".img", True)])
def test_what_else_gdal_reads_is_read_by_windows(suffix: str, lossless: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    smooth = Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).resize((300, 200))
    bands = np.moveaxis(np.asarray(smooth), -1, 0)
    path = tmp_path / f"land{suffix}"
    write_mosaic(tmp_path / "land.tif", bands)
    options = {"QUALITY": "100"} if suffix in (".webp", ".jp2") else {}
    rasterio.shutil.copy(tmp_path / "land.tif", path, driver=images.OTHER_DRIVERS[suffix], **options)
    with open_raster(path) as raster:
        assert (raster.width_px, raster.height_px) == (300, 200)
        part = raster.read(50, 60, 100, 80)
    assert part is not None
    assert np.abs(part.astype(int) - np.moveaxis(bands, 0, -1)[60:140, 50:150]).max() <= (0 if lossless else 24)


def test_a_virtual_mosaic_of_files_is_read_and_one_of_addresses_is_refused(tmp_path: Path) -> None:
    write_mosaic(tmp_path / "part.tif", np.full((3, 30, 40), 77, np.uint8))
    rasterio.shutil.copy(tmp_path / "part.tif", tmp_path / "whole.vrt", driver="VRT")
    with open_raster(tmp_path / "whole.vrt") as raster:
        pixels = raster.read(5, 5, 10, 8)
    assert pixels is not None
    assert (pixels == 77).all()
    text = (tmp_path / "whole.vrt").read_text()
    for far in ("/vsicurl/http://example.org/part.tif", "http://example.org/part.tif", "other.vrt"):
        (tmp_path / "far.vrt").write_text(text.replace("part.tif", far))
        with pytest.raises(CaptureError, match="only plain files"), open_raster(tmp_path / "far.vrt"):
            pass
