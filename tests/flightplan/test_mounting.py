"""Portrait, tilted, and how long it may expose: what a camera then sees and how fast one may fly."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.camera import Camera, rotation
from flightplan.cameras import camera_from_file, camera_library, camera_named
from flightplan.drones import drone_named
from flightplan.errors import CameraError, PlanError
from flightplan.findings import held_speed
from flightplan.frames import LocalFrame
from flightplan.mission import Command
from flightplan.mounting import Mounting
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

FRAME = LocalFrame(34.83, -2.33)
CAMERA = camera_named("overfly-demo")
DRONE = drone_named("overfly-demo")


def plan(camera: Camera = CAMERA, **asked: object) -> SurveyPlan:
    ((longitude, latitude),) = FRAME.to_lonlat([(-1000, -500)])
    land = FRAME.delocalise(shapely.box(-1000, -500, 1000, 500))
    area = StudyArea("park", (Stratum("all", land),), (), (LaunchSite("camp", float(longitude), float(latitude)),))
    settings = {"altitude_agl_m": 80.0, "spacing_m": 300.0, "heading_deg": 0.0, "drone": DRONE, **asked}
    return plan_survey(area, PlanRequest(camera=camera, **settings))  # type: ignore[arg-type]


@given(tilt_deg=st.floats(0, 48), height_m=st.floats(20, 300), portrait=st.booleans())
def test_a_tilted_frame_s_corners_lie_where_the_camera_s_own_rays_meet_the_ground(
    tilt_deg: float, height_m: float, portrait: bool
) -> None:
    mounting = Mounting(tilt_deg=tilt_deg, portrait=portrait)
    camera = mounting.camera(CAMERA)
    view = mounting.view(camera, height_m)
    right, bottom = camera.image_width_px - 0.5, camera.image_height_px - 0.5
    corners = [(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)]
    rays = camera.rays(corners) @ rotation(0.0, tilt_deg - 90.0, 0.0).T
    north, east = (rays[:, :2] * (height_m / rays[:, 2:])).T
    assert east[2] - east[3] == pytest.approx(view.across_m, rel=1e-6)
    assert north[2] == pytest.approx(view.ahead_near_m, abs=1e-6 * height_m)
    assert north[1] == pytest.approx(view.ahead_far_m, abs=1e-6 * height_m)
    assert north[0] - north[3] == pytest.approx(view.along_m, rel=1e-6)
    assert 100 * (east[2] - east[3]) / camera.image_width_px == pytest.approx(view.finest_gsd_cm, rel=1e-6)
    assert 100 * (east[1] - east[0]) / camera.image_width_px == pytest.approx(view.coarsest_gsd_cm, rel=1e-6)


@given(tilt_deg=st.floats(0, 60), gsd_cm=st.floats(0.3, 50))
def test_height_follows_from_ground_sampling_distance_and_back_when_tilted(tilt_deg: float, gsd_cm: float) -> None:
    mounting = Mounting(tilt_deg=tilt_deg)
    assert mounting.gsd_cm(CAMERA, mounting.altitude_for_gsd_m(CAMERA, gsd_cm)) == pytest.approx(gsd_cm)


def test_in_portrait_the_strip_is_narrower_and_frames_are_further_apart() -> None:
    wide, tall = plan(), plan(mounting=Mounting(portrait=True))
    assert (wide.design.strip_width_m, tall.design.strip_width_m) == (pytest.approx(96.0), pytest.approx(72.0))
    assert (wide.trigger_distance_m, tall.trigger_distance_m) == (pytest.approx(57.6), pytest.approx(76.8))
    assert (tall.camera.image_width_px, tall.camera.image_height_px) == (600, 800)
    assert wide.gsd_cm == pytest.approx(tall.gsd_cm)


def test_a_tilted_camera_is_pointed_before_the_first_line_and_the_plan_says_what_it_misses() -> None:
    result = plan(mounting=Mounting(tilt_deg=40.0))
    for sortie in result.sorties:
        pointed = [i for i, item in enumerate(sortie.mission.items) if item.command == Command.DO_MOUNT_CONTROL]
        lines = [i for i, item in enumerate(sortie.mission.items) if item.transect is not None]
        assert pointed == [1]
        assert pointed[0] < lines[0]
        assert sortie.mission.items[1].params[0] == -50.0
    half_deg = np.degrees(np.arctan(72 / 2 / 80))
    near_m = 80 * np.tan(np.radians(40 - half_deg))
    assert any(f"the first {near_m:.0f} m of each line are not seen" in w for w in result.warnings)
    assert result.tilt_deg == 40.0
    assert not any(i.command == Command.DO_MOUNT_CONTROL for s in plan().sorties for i in s.mission.items)


def test_a_camera_tilted_up_to_the_horizon_is_refused_with_the_greatest_tilt() -> None:
    with pytest.raises(CameraError, match=r"Tilt it by 56° at most"):
        plan(mounting=Mounting(tilt_deg=65.0))


def held(camera: Camera, mounting: Mounting, asked_mps: float = 12.0) -> tuple[float, list[str]]:
    warnings: list[str] = []
    return held_speed(DRONE, camera, mounting, 57.6, 12.0, asked_mps, warnings), warnings


def test_speed_is_held_by_whichever_of_trigger_and_blur_is_slower() -> None:
    fast, slow = replace(CAMERA, min_trigger_interval_s=1.0), replace(CAMERA, min_trigger_interval_s=8.0)
    # Half a pixel of 12 cm in 1/100 s is 6 m/s.
    assert held(fast, Mounting(exposure_s=0.01))[0] == pytest.approx(6.0)
    speed, warnings = held(slow, Mounting(exposure_s=0.001))
    assert speed == pytest.approx(57.6 / 8)
    assert "takes a frame each 8 s" in warnings[0]
    speed, warnings = held(slow, Mounting(exposure_s=0.01))
    assert speed == pytest.approx(6.0)
    assert "an exposure of 0.01 s lets 0.5 px of 12 cm blur" in warnings[0]
    assert held(fast, Mounting(exposure_s=0.01, blur_px=1.0)) == (12.0, [])
    assert held(fast, Mounting()) == (12.0, [])


def test_a_fixed_wing_that_cannot_fly_so_slowly_is_refused() -> None:
    with pytest.raises(PlanError, match=r"does not fly as slowly as 6\.0"):
        plan(drone="WingtraOne GEN II", mounting=Mounting(exposure_s=0.01))


def test_without_an_exposure_the_plan_says_which_to_set() -> None:
    assert any(n.startswith("expose for 1/200 s or less") for n in plan(speed_mps=12.0).notes)
    assert any("motion blur is 0.2 px" in n for n in plan(speed_mps=12.0, mounting=Mounting(exposure_s=0.002)).notes)


def test_a_microbolometer_s_time_constant_holds_the_speed() -> None:
    camera = camera_named("DJI Mavic 3T thermal")
    result = plan(camera, altitude_agl_m=60.0, drone="DJI Mavic 3 Enterprise")
    assert result.speed_mps == pytest.approx(0.5 * result.gsd_cm / 100 / 0.010)
    assert result.speed_mps < 5.0


@pytest.mark.parametrize(
    "asked", [{"tilt_deg": -5.0}, {"tilt_deg": 95.0}, {"exposure_s": 0.0}, {"exposure_s": 30.0}, {"blur_px": 0.0}]
)
def test_a_mounting_that_is_none_is_refused(asked: dict[str, float]) -> None:
    with pytest.raises(PlanError):
        Mounting(**asked)  # type: ignore[arg-type]


def test_pictures_are_counted_as_the_trigger_takes_them_and_stored_as_the_camera_writes_them() -> None:
    result = plan()
    expected = 0
    for sortie in result.sorties:
        here, on = None, None
        for item in sortie.mission.items:
            if item.command == Command.DO_SET_CAM_TRIGG_DIST:
                on = item.params[0] if item.params[0] > 0 else None
            elif item.longitude_deg is not None:
                place = FRAME.to_local([(item.longitude_deg, item.latitude_deg)])[0]
                if on is not None and here is not None:
                    # One at the line's start, and one more each trigger distance.
                    expected += 1 + int(np.hypot(*(place - here)) / on + 1e-6)
                here = place
    assert sum(s.image_count or 0 for s in result.sorties) == expected
    stored = plan(replace(CAMERA, image_mb=12.3))
    assert sum(s.storage_mb or 0.0 for s in stored.sorties) == pytest.approx(expected * 12.3, rel=0.01)


def test_the_library_has_survey_cameras_of_each_kind_with_sources(tmp_path: Path) -> None:
    library = camera_library()
    assert len(library) >= 40
    assert all(c.source and len(c.source) > 10 for c in library)
    thermal = [c for c in library if c.exposure_s is not None]
    assert len(thermal) >= 5
    assert {"MicaSense RedEdge-MX", "MicaSense Altum", "DJI Mavic 3M multispectral", "DJI P4 Multispectral"} <= {
        c.name for c in library
    }
    own = tmp_path / "own.toml"
    own.write_text(
        "image_width_px = 640\nimage_height_px = 512\nfocal_length_px = 758\nexposure_s = 0.008\nimage_mb = 0.7\n"
    )
    camera = camera_from_file(own)
    assert (camera.exposure_s, camera.storage_mb) == (0.008, 0.7)
