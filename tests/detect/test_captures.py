"""A picture's position, heights, attitude, camera and time come from its tags with their source, or stay unknown."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from detect.captures import find_images, read_capture
from flightplan.errors import CaptureError


def test_a_dji_picture_gives_its_gimbal_angles_and_height_above_takeoff(shared_data: Path) -> None:
    capture = read_capture(shared_data / "imagery/brighton_dji/DJI_0018.JPG")
    assert (capture.longitude_deg, capture.latitude_deg) == pytest.approx((-91.9945599, 46.8426071), abs=1e-7)
    assert (capture.yaw_deg, capture.pitch_deg, capture.roll_deg) == (45.0, -89.9, 0.0)
    assert capture.airframe_yaw_deg == 46.0
    assert capture.altitude_takeoff_m == 39.8
    assert capture.altitude_msl_m == 198.31
    assert capture.altitude_ellipsoid_m is None
    assert capture.unknown["altitude_ellipsoid_m"]
    assert capture.sources["yaw_deg"] == "XMP drone-dji camera angles"
    assert (capture.maker, capture.model) == ("DJI", "FC300S")
    assert (capture.width_px, capture.height_px) == (4000, 2250)


def test_a_camera_without_calibration_comes_from_the_library(shared_data: Path) -> None:
    camera = read_capture(shared_data / "imagery/brighton_dji/DJI_0018.JPG").camera
    assert camera is not None
    assert camera.focal_length_px == pytest.approx(2329, abs=1)
    assert camera.source == "camera library: DJI Phantom 3 Professional"


def test_a_picture_cut_out_of_a_larger_one_keeps_its_scale_and_says_so(shared_data: Path) -> None:
    capture = read_capture(shared_data / "imagery/pelicans_dji/AWPE_Pigeon_Lake_2020_DJI_0005.JPG")
    assert capture.camera is not None
    assert capture.camera.focal_length_px == pytest.approx(3666.67, abs=0.01)
    assert (capture.camera.image_width_px, capture.camera.image_height_px) == (1058, 997)
    assert any("cut out of one of 5472x3078" in finding for finding in capture.findings)
    assert (capture.yaw_deg, capture.pitch_deg) == (111.3, -88.0)


def test_a_sensefly_picture_keeps_its_two_altitudes_apart(shared_data: Path) -> None:
    capture = read_capture(shared_data / "imagery/seneca_sensefly/IMG_0463.jpg")
    assert capture.altitude_msl_m == pytest.approx(321.5789, abs=1e-4)
    assert capture.altitude_ellipsoid_m == pytest.approx(286.1820, abs=1e-4)
    assert capture.altitude_takeoff_m == pytest.approx(73.7003, abs=1e-4)
    assert capture.time_utc == datetime(2013, 6, 4, 17, 39, 49, tzinfo=UTC)
    assert capture.airframe_yaw_deg == pytest.approx(40.6366, abs=1e-4)


def test_the_focal_length_of_a_resized_picture_is_that_of_the_picture(shared_data: Path) -> None:
    camera = read_capture(shared_data / "imagery/seneca_sensefly/IMG_0463.jpg").camera
    assert camera is not None
    # 4.3 mm at 16393.44 px per inch on 4000 px across, resized to 3600.
    assert camera.focal_length_px == pytest.approx(4.3 / 25.4 * 16393.44 * 0.9, rel=1e-5)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no pictures here")
    (tmp_path / "._DJI_0001.JPG").write_bytes(b"\0")
    with pytest.raises(CaptureError, match="No pictures found"):
        find_images([tmp_path])
