"""A camera that sits askew in its mount, corrected by the angles that somebody measured."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.boresight import Boresight, correct_boresight
from detect.captures import Capture
from detect.findings import repaired
from detect.georef import place
from detect.standpoints import pose_of
from flightplan.camera import rotation
from flightplan.cameras import camera_named
from flightplan.errors import CaptureError
from flightplan.frames import LocalFrame

small = st.floats(-5, 5)


@given(yaw=st.floats(-180, 180), pitch=st.floats(-90, 20), roll=st.floats(-30, 30), dy=small, dp=small, dr=small)
def test_the_correction_is_a_turn_in_the_camera_s_own_axes(yaw, pitch, roll, dy, dp, dr):
    corrected = rotation(*Boresight(dy, dp, dr).turned(yaw, pitch, roll))
    assert corrected == pytest.approx(rotation(yaw, pitch, roll) @ rotation(dy, dp, dr), abs=1e-9)


def _capture(yaw_deg: float | None) -> Capture:
    camera = camera_named("overfly-demo")
    return Capture(
        Path("a.jpg"), f"{yaw_deg}", 800, 600, longitude_deg=34.83, latitude_deg=-2.33, altitude_takeoff_m=80.0,
        yaw_deg=yaw_deg, pitch_deg=-90.0, roll_deg=0.0, camera=camera, sources={"yaw_deg": "XMP"},
    )  # fmt: skip


def test_a_camera_that_looks_up_by_two_degrees_shows_ground_ahead_of_it_whichever_way_it_flies():
    captures = [_capture(0.0), _capture(180.0), _capture(None)]
    finding = correct_boresight(captures, Boresight(pitch_deg=2.0))
    fixed, repairs = repaired(captures, [finding])
    assert len(finding.captures) == 2
    assert fixed[2] == captures[2]
    assert [r.after for r in repairs if r.field == "pitch_deg"] == pytest.approx([-88.0, -88.0])
    ahead_m = 80 * np.tan(np.radians(2.0))
    for capture, north_m in zip(fixed[:2], (ahead_m, -ahead_m), strict=True):
        stand = pose_of(capture)
        placed = place(camera_named("overfly-demo"), stand.pose, [[399.5, 299.5]], stand.terrain)
        assert LocalFrame(34.83, -2.33).to_local(placed.lonlat)[0] == pytest.approx([0.0, north_m], abs=1e-3)


def test_a_boresight_that_is_a_mounting_or_has_nothing_to_correct_is_refused():
    with pytest.raises(CaptureError, match="a few degrees"):
        Boresight(yaw_deg=90.0)
    with pytest.raises(CaptureError, match="no capture has an attitude"):
        correct_boresight([_capture(None)], Boresight(pitch_deg=1.0))
