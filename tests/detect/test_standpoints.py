"""Where a camera stood: which of a capture's heights is used, over which ground, and what is never mixed."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from detect.captures import Capture
from detect.pose_errors import PoseErrors
from detect.standpoints import pose_of
from flightplan.errors import GeoreferenceError, TerrainError
from flightplan.frames import HeightDatum

_spec = importlib.util.spec_from_file_location("demo_camera", Path(__file__).with_name("demo_camera.py"))
demo_camera = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(demo_camera)
DEMO, LAT, LON, make_hills = demo_camera.DEMO, demo_camera.LAT, demo_camera.LON, demo_camera.make_hills


# Which height ---------------------------------------------------------------------------------------------------------


def _capture(**fields: object) -> Capture:
    known = {
        "longitude_deg": LON,
        "latitude_deg": LAT,
        "yaw_deg": 10.0,
        "pitch_deg": -90.0,
        "roll_deg": 0.0,
        "camera": DEMO,
    }
    return Capture(Path("a.jpg"), "0" * 64, 800, 600, **{**known, **fields})


def test_without_an_elevation_model_the_take_off_ground_is_the_plane():
    standpoint = pose_of(_capture(altitude_takeoff_m=80.0, altitude_msl_m=1625.0))
    assert standpoint.terrain.height_m == 0.0
    assert standpoint.terrain.datum is HeightDatum.TAKEOFF
    assert standpoint.pose.height_m == 80.0


def test_with_one_the_camera_stands_on_the_terrain_at_take_off():
    hills = make_hills()
    standpoint = pose_of(_capture(altitude_takeoff_m=80.0, altitude_msl_m=1625.0), terrain=hills, takeoff=(LON, LAT))
    assert standpoint.pose.height_m == pytest.approx(80.0 + hills.heights_m([[LON, LAT]])[0])


def test_without_a_height_above_take_off_the_absolute_one_is_used_if_the_ground_is_known():
    capture = _capture(altitude_msl_m=1625.0)
    with pytest.raises(GeoreferenceError, match="height above the ground is unknown"):
        pose_of(capture)
    standpoint = pose_of(capture, ground_msl_m=1545.0)
    assert standpoint.pose.height_m - standpoint.terrain.range_m[0] == 80.0


def test_heights_of_different_datums_meet_through_the_geoid(monkeypatch):
    monkeypatch.setattr("detect.standpoints.geoid_height_m", lambda lonlat: np.array([-17.0]))
    sea = dataclasses.replace(make_hills(), datum=HeightDatum.MEAN_SEA_LEVEL)
    ellipsoid = dataclasses.replace(make_hills(), datum=HeightDatum.ELLIPSOID)
    assert pose_of(_capture(altitude_ellipsoid_m=1610.0), terrain=sea).pose.height_m == 1627.0
    assert pose_of(_capture(altitude_msl_m=1627.0), terrain=ellipsoid).pose.height_m == 1610.0
    assert pose_of(_capture(altitude_msl_m=1627.0), terrain=sea).pose.height_m == 1627.0


def test_heights_of_different_datums_are_never_mixed_without_a_geoid(monkeypatch):
    def none_here(lonlat: object) -> None:
        raise TerrainError("no geoid is here", hint="Install one")

    monkeypatch.setattr("detect.standpoints.geoid_height_m", none_here)
    sea = dataclasses.replace(make_hills(), datum=HeightDatum.MEAN_SEA_LEVEL)
    with pytest.raises(GeoreferenceError, match=r"a\.jpg: no geoid is here\. Install one"):
        pose_of(_capture(altitude_ellipsoid_m=1610.0), terrain=sea)
    with pytest.raises(GeoreferenceError, match="its height above sea level"):
        pose_of(_capture(), terrain=sea)


def test_a_take_off_point_in_a_void_is_refused():
    with pytest.raises(GeoreferenceError, match="void at the take-off point"):
        pose_of(_capture(altitude_takeoff_m=80.0), terrain=make_hills(), takeoff=(10.0, 50.0))


@pytest.mark.parametrize("field", ["longitude_deg", "latitude_deg", "yaw_deg", "pitch_deg", "roll_deg"])
def test_an_unknown_position_or_angle_is_refused_with_its_reason(field):
    capture = _capture(altitude_takeoff_m=80.0, **{field: None}, unknown={field: "the gimbal wrote nothing"})
    with pytest.raises(GeoreferenceError, match=r"a\.jpg: .* is unknown \(the gimbal wrote nothing\)"):
        pose_of(capture)


# Errors of a capture ----------------------------------------------------------------------------------------------


def test_a_stated_accuracy_is_what_the_position_s_errors_add_up_to():
    errors = PoseErrors.of(_capture(horizontal_accuracy_m=0.03))
    assert np.hypot(errors.horizontal_common_m, errors.horizontal_m) == pytest.approx(0.03)


def test_an_airframe_s_attitude_is_less_certain_than_a_gimbal_s():
    gimbal = PoseErrors.of(_capture(sources={"yaw_deg": "XMP drone-dji camera angles"}))
    airframe = PoseErrors.of(_capture(sources={"yaw_deg": "XMP sensefly airframe, camera looking down"}))
    assert airframe.yaw_deg > 3 * gimbal.yaw_deg
    assert airframe.tilt_deg > 3 * gimbal.tilt_deg
