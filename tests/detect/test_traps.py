"""Files that have tripped other programs: each is read for what it is, or refused by name."""

import io
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image, TiffImagePlugin
from rasterio import Affine

from detect.captures import find_images, read_capture
from detect.picture_checks import look_at
from flightplan.errors import CaptureError


def jpeg(exif: dict[int, Any], gps: dict[int, Any] | None = None, size: tuple[int, int] = (64, 48)) -> bytes:
    tags = Image.Exif()
    tags.get_ifd(0x8769).update(exif)
    tags.get_ifd(0x8825).update(gps or {})
    stream = io.BytesIO()
    Image.new("RGB", size, (90, 120, 60)).save(stream, "JPEG", exif=tags)
    return stream.getvalue()


def rational(above: int, below: int) -> TiffImagePlugin.IFDRational:
    return TiffImagePlugin.IFDRational(above, below)


def test_the_size_of_the_original_in_a_resized_file_scales_the_focal_length(tmp_path: Path) -> None:
    path = tmp_path / "small.jpg"
    lens = {0x920A: rational(88, 10), 0xA20E: rational(5472, 13), 0xA210: 4, 0xA002: 5472, 0xA003: 3648}
    path.write_bytes(jpeg(lens, size=(1368, 912)))
    capture = read_capture(path)
    assert capture.camera is not None
    assert capture.camera.image_width_px == 1368
    assert capture.camera.focal_length_px == pytest.approx(8.8 * 5472 / 13 / 4, rel=1e-3)
    assert any("resized from 5472x3648" in finding for finding in capture.findings)


def test_zero_over_zero_in_any_rational_is_unknown_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "nan.jpg"
    nothing = rational(0, 0)
    place = {
        1: "S",
        2: (rational(2, 1), rational(20, 1), nothing),
        3: "E",
        4: (nothing,) * 3,
        5: b"\0",
        6: nothing,
        31: nothing,
    }
    path.write_bytes(jpeg({0x920A: nothing, 0xA20E: nothing, 0x9003: "2026:07:01 09:30:15"}, place))
    capture = read_capture(path)
    assert capture.longitude_deg is capture.latitude_deg is capture.altitude_msl_m is None
    assert capture.horizontal_accuracy_m is capture.camera is None
    assert "cannot be read as degrees" in capture.unknown["latitude_deg"] + capture.unknown["longitude_deg"]
    assert "is not a number" in capture.unknown["altitude_msl_m"]
    assert capture.time_utc is not None


def test_one_name_in_every_folder_is_as_many_pictures(tmp_path: Path) -> None:
    for n in range(3):
        folder = tmp_path / f"10{n}MEDIA"
        folder.mkdir()
        (folder / "DJI_0001.JPG").write_bytes(jpeg({0x9003: f"2026:07:01 09:30:1{n}"}))
        (folder / "._DJI_0001.JPG").write_bytes(b"\0\5\x16\7 of macOS")
    paths, skips = find_images([tmp_path])
    assert [path.parent.name for path in paths] == ["100MEDIA", "101MEDIA", "102MEDIA"]
    assert skips == []
    assert len({read_capture(path).content_hash for path in paths}) == 3


def test_one_picture_under_two_names_is_one_capture(tmp_path: Path) -> None:
    for name in ("DJI_0001.JPG", "copy of DJI_0001.JPG"):
        (tmp_path / name).write_bytes(jpeg({0x9003: "2026:07:01 09:30:15"}))
    paths, _ = find_images([tmp_path])
    one, other = (read_capture(path) for path in paths)
    assert one.path != other.path
    assert one.content_hash == other.content_hash


def test_a_picture_named_itself_that_macos_hid_is_skipped_by_name(tmp_path: Path) -> None:
    (tmp_path / "._DJI_0001.JPG").write_bytes(b"\0\5\x16\7")
    (tmp_path / "DJI_0001.JPG").write_bytes(jpeg({}))
    paths, skips = find_images([tmp_path / "DJI_0001.JPG", tmp_path / "._DJI_0001.JPG"])
    assert [path.name for path in paths] == ["DJI_0001.JPG"]
    assert "not a JPEG" in skips[0].reason


@pytest.mark.parametrize("name", ["DJI_0001.JPG", "dji_0001.Jpeg", "0001.TIFF", "0001.png"])
def test_what_a_file_is_does_not_depend_on_what_it_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(jpeg({0x9003: "2026:07:01 09:30:15"}))
    assert read_capture(tmp_path / name).time_utc is not None


def test_a_tiff_of_500_megapixels_is_read_by_its_header_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "mosaic.tif"
    profile = {"driver": "GTiff", "width": 25_000, "height": 20_000, "count": 3, "dtype": "uint8", "tiled": True}
    with rasterio.open(
        path, "w", **profile, sparse_ok=True, crs="EPSG:4326", transform=Affine(1e-6, 0, 34.8, 0, -1e-6, -2.3)
    ):
        pass
    data = path.read_bytes()
    tracemalloc.start()
    capture = read_capture(path)
    look = look_at(path, data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (capture.width_px, capture.height_px) == (25_000, 20_000)
    assert look is None
    assert peak < 4 * len(data) + 20_000_000


def test_a_jpeg_that_claims_more_pixels_than_it_has_is_not_decoded(tmp_path: Path) -> None:
    data = bytearray(jpeg({}))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = (65_000).to_bytes(2, "big") * 2
    assert look_at(tmp_path / "bomb.jpg", bytes(data)) is None


@pytest.mark.parametrize("altitude", [b"\0", 0, b"", b"\x07"])
def test_an_altitude_reference_of_any_type_leaves_a_number_or_none(tmp_path: Path, altitude: Any) -> None:
    path = tmp_path / "ref.jpg"
    path.write_bytes(jpeg({}, {5: altitude, 6: rational(1500, 1)}))
    capture = read_capture(path)
    known = [h for h in (capture.altitude_msl_m, capture.altitude_ellipsoid_m) if h is not None]
    assert known == [1500.0]


def test_an_empty_file_and_a_folder_of_other_things_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(CaptureError, match=r"empty\.jpg: The file is empty"):
        read_capture(tmp_path / "empty.jpg")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(CaptureError, match="This is not a JPEG, PNG or TIFF"):
        read_capture(tmp_path / "notes.txt")


def test_angles_that_are_no_numbers_leave_no_attitude(tmp_path: Path) -> None:
    for text in ("nan", "inf", "", "N/A", "1e999", "12,5"):
        packet = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f'<rdf:Description xmlns:d="http://www.dji.com/drone-dji/1.0/" d:GimbalYawDegree="{text}" '
            'd:GimbalPitchDegree="-90" d:GimbalRollDegree="0"/></rdf:RDF></x:xmpmeta>'
        )
        path = tmp_path / "angle.jpg"
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path, xmp=packet.encode())
        capture = read_capture(path)
        assert capture.yaw_deg is None
        assert "lacks GimbalYawDegree" in capture.unknown["yaw_deg"]
        assert not math.isnan(capture.pitch_deg or 0.0)
