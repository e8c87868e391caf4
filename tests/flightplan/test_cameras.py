"""The camera library, and camera files of one's own."""

import math
from pathlib import Path

import pytest

from flightplan.cameras import camera_for, camera_from_file, camera_library, camera_named
from flightplan.errors import CameraError, UnreadableFileError


def test_every_camera_of_the_library_has_figures_and_says_where_they_come_from():
    library = camera_library()
    assert len(library) >= 40
    assert len({c.name.casefold() for c in library}) == len(library)
    for camera in library:
        assert camera.source
        assert camera.maker
        assert camera.models
        assert camera.focal_length_y_px == pytest.approx(camera.focal_length_px, rel=0.025)
        across_deg = 2 * math.degrees(math.atan(camera.image_width_px / 2 / camera.focal_length_px))
        assert 20 < across_deg < 85


def test_the_demo_camera_has_12_cm_at_80_m():
    camera = camera_named("overfly-demo")
    assert camera.gsd_cm(80) == pytest.approx(12.0)
    assert camera.footprint_m(80) == pytest.approx((96.0, 72.0))


@pytest.mark.parametrize(
    ("name", "height_m", "gsd_cm"),
    [
        ("DJI Phantom 4 RTK", 100, 2.74),  # DJI: GSD = H / 36.5 cm
        ("DJI Mavic 3E wide", 100, 2.67),
        ("DJI Zenmuse P1 35 mm", 100, 1.25),  # DJI: GSD = H / 80
        ("MicaSense RedEdge-MX", 120, 8.3),  # MicaSense: 8 cm at 120 m
        ("MicaSense Altum", 120, 5.2),  # MicaSense: 5.2 cm at 120 m
    ],
)
def test_the_gsd_is_the_one_its_maker_states(name, height_m, gsd_cm):
    assert camera_named(name).gsd_cm(height_m) == pytest.approx(gsd_cm, rel=0.01)


@pytest.mark.parametrize("name", ["dji mavic 2 pro", "DJI-Mavic-2-Pro", "L1D-20c"])
def test_a_camera_is_found_however_its_name_is_written(name):
    assert camera_named(name).name == "DJI Mavic 2 Pro"


def test_an_unknown_camera_is_refused_with_the_nearest_names():
    with pytest.raises(CameraError, match="DJI Mavic 3E wide"):
        camera_named("DJI Mavic 3E wid")


def test_a_model_with_two_cameras_asks_which():
    with pytest.raises(CameraError, match="'DJI M30T wide' or 'DJI M30T thermal'"):
        camera_named("M30T")


@pytest.mark.parametrize(
    ("maker", "model", "size", "name"),
    [
        ("DJI", "FC6310R", (5472, 3648), "DJI Phantom 4 RTK"),
        ("Hasselblad", "L1D-20c", (5472, 3648), "DJI Mavic 2 Pro"),
        ("DJI", "M30T", (640, 512), "DJI M30T thermal"),
        ("DJI", "M30T", (4000, 3000), "DJI M30T wide"),
        ("DJI", "M3T", (4000, 3000), "DJI Mavic 3T wide"),
        ("SONY", "DSC-RX1RM2", (7952, 5304), "Sony RX1R II"),
        ("Canon", "Canon PowerShot ELPH 300 HS", (3600, 2700), "Canon PowerShot ELPH 300 HS"),
        ("Skydio", "2", (4056, 3040), "Skydio 2"),
    ],
)
def test_a_picture_finds_its_camera_at_its_own_size(maker, model, size, name):
    camera = camera_for(maker, model, *size)
    assert camera is not None
    assert camera.name == name
    assert (camera.image_width_px, camera.image_height_px) == size


def test_a_16_to_9_photograph_is_the_middle_of_the_frame_with_the_same_focal_length():
    whole, wide = camera_for("DJI", "FC300S", 4000, 3000), camera_for("DJI", "FC300S", 4000, 2250)
    assert whole is not None
    assert wide is not None
    assert wide.focal_length_px == whole.focal_length_px
    assert wide.rays([[1999.5, 1124.5]]) == pytest.approx(whole.rays([[1999.5, 1499.5]]))
    assert wide.source is not None
    assert "middle" in wide.source


def test_a_cut_out_that_could_be_from_anywhere_in_the_frame_has_no_camera():
    assert camera_for("DJI", "FC6310", 1058, 997) is None


def test_the_focal_length_in_the_picture_picks_the_lens():
    camera = camera_for("DJI", "ZenmuseP1", 8192, 5460, focal_length_mm=50.0)
    assert camera is not None
    assert camera.name == "DJI Zenmuse P1 50 mm"


def test_another_lens_on_the_same_body_scales_the_focal_length():
    camera = camera_for("SONY", "ILCE-6000", 6000, 4000, focal_length_mm=32.0)
    assert camera is not None
    assert camera.focal_length_px == pytest.approx(2 * camera_named("Sony A6000 16 mm").focal_length_px)


@pytest.mark.parametrize(("maker", "model"), [(None, None), ("DJI", ""), ("Acme", "Eye 9000"), ("DJI", "FC9999")])
def test_an_unknown_picture_has_no_camera(maker, model):
    assert camera_for(maker, model, 4000, 3000) is None


def test_a_camera_file_of_ones_own_in_toml(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "Mine"\nimage_width_px = 4000\nimage_height_px = 3000\nfocal_length_px = 2800.0\n'
        "distortion = [-0.1, 0.01, 0.0, 0.0, 0.0]\n"
    )
    camera = camera_from_file(path)
    assert camera.gsd_cm(28) == pytest.approx(1.0)
    assert camera.distortion == (-0.1, 0.01, 0.0, 0.0, 0.0)


def test_a_camera_file_of_ones_own_in_json_from_a_data_sheet(tmp_path: Path):
    path = tmp_path / "mine.json"
    path.write_text(
        '{"camera": {"image_width_px": 800, "image_height_px": 600, "sensor_width_mm": 13.2,'
        ' "sensor_height_mm": 9.9, "focal_length_mm": 11}}'
    )
    camera = camera_from_file(path)
    assert camera.name == "mine"
    assert camera.gsd_cm(80) == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('focal_lenght_mm = 3\nname="x"', "Did you mean 'focal_length_mm'"),
        ("image_width_px = 4000\nimage_height_px = 3000", "sensor_width_mm, sensor_height_mm, focal_length_mm missing"),
        ('image_width_px = "many"\nimage_height_px = 3000\nfocal_length_px = 1.0', "whole number"),
        ("image_width_px = 4000\nimage_height_px = 3000\nfocal_length_px = nan", "number above 0"),
        ("focal_length_px = 100.0", "wrong kind"),
    ],
)
def test_a_camera_file_that_does_not_hold_together_is_refused_with_the_reason(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(CameraError, match=message):
        camera_from_file(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[[[", b"= 3"])
def test_a_file_that_is_no_camera_file_is_refused(tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="not a camera file"):
        camera_from_file(path)


def test_a_focal_length_that_no_number_can_hold_is_refused(tmp_path: Path):
    path = tmp_path / "eye.toml"
    sizes = "image_width_px = 4000\nimage_height_px = 3000\nsensor_width_mm = 13.2\nsensor_height_mm = 8.8\n"
    path.write_text(f'name = "Eye"\n{sizes}focal_length_mm = {"9" * 400}\n')
    with pytest.raises(CameraError, match="wrong kind"):
        camera_from_file(path)
