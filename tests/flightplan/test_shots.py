"""Frames from what the camera or the autopilot says, each counted once."""

import math
from types import SimpleNamespace

import pytest

from flightplan.vehicle.shots import Shots


def said(kind: str, **fields):
    return SimpleNamespace(get_type=lambda: kind, **fields)


def feedback(index: int, **changes):
    fields = {
        "img_idx": index, "time_usec": 1.8e15, "lng": 348333000, "lat": -23333000, "alt_msl": 1580.0, "alt_rel": 80.0,
        "roll": 1.0, "pitch": -5.0, "yaw": 359.0,
    }  # fmt: skip
    return said("CAMERA_FEEDBACK", **(fields | changes))


def captured(index: int, *, q=(1.0, 0.0, 0.0, 0.0), result: int = 1, utc: float = 1.8e15):
    return said(
        "CAMERA_IMAGE_CAPTURED", image_index=index, time_utc=utc, time_boot_ms=90_000, lat=-23333000, lon=348333000,
        alt=1_580_000, relative_alt=80_000, q=q, capture_result=result,
    )  # fmt: skip


def trigger(number: int):
    return said("CAMERA_TRIGGER", seq=number, time_usec=1.8e15)


def attitude(roll_deg: float, boot_ms: int = 89_500):
    return said("ATTITUDE", roll=math.radians(roll_deg), pitch=0.1, yaw=-0.1, time_boot_ms=boot_ms)


POSITION = said("GLOBAL_POSITION_INT", lon=348333500, lat=-23333500, alt=1_579_000, relative_alt=79_000, hdg=4500)


def one(shots: Shots, message, now_s: float = 0.0):
    """Hear a message; return the one frame that it makes known, None for none."""
    came = shots.hear(message, now_s)
    assert len(came) <= 1
    return came[0] if came else None


def test_an_ardupilot_tells_place_and_attitude_of_the_airframe() -> None:
    shot = one(Shots(), feedback(7))
    assert (shot.index, shot.time_s, shot.altitude_home_m, shot.pitch_deg) == (7, 1.8e9, 80.0, -5.0)
    assert (shot.longitude_deg, shot.latitude_deg) == (34.8333, -2.3333)
    assert shot.camera_deg is None
    assert one(Shots(), feedback(7, time_usec=90e6)).time_s is None


def test_a_camera_tells_its_own_angles_and_the_airframes_come_from_the_telemetry() -> None:
    shots = Shots()
    one(shots, attitude(12.0))
    down = (math.cos(math.radians(-45)), 0.0, math.sin(math.radians(-45)), 0.0)
    shot = one(shots, captured(3, q=down))
    assert shot.camera_deg == pytest.approx((0.0, -90.0, 0.0), abs=1e-4)
    assert (shot.roll_deg, shot.yaw_deg) == (pytest.approx(12.0), pytest.approx(360 - math.degrees(0.1)))
    assert (shot.index, shot.altitude_msl_m, shot.altitude_home_m) == (3, 1580.0, 80.0)


def test_an_old_attitude_is_not_taken_for_that_of_the_frame() -> None:
    shots = Shots()
    one(shots, attitude(12.0, boot_ms=10_000))
    assert one(shots, captured(3)).roll_deg == 0.0
    assert one(shots, captured(4, q=(0.0, 0.0, 0.0, 0.0))).camera_deg is None


def test_one_frame_told_in_several_ways_is_one_frame() -> None:
    shots = Shots()
    one(shots, POSITION)
    said = (trigger(40), feedback(1), captured(0), trigger(41), feedback(2), captured(1))
    told = [one(shots, m, t) for t, m in enumerate(said)]
    assert [s.index if s else None for s in told] == [None, 1, None, None, 2, None]
    assert shots.problems == []


def test_a_camera_that_counts_nothing_and_one_that_fails() -> None:
    shots = Shots()
    assert one(shots, captured(-1)).index is None
    assert one(shots, captured(5, result=0)) is None
    assert shots.problems == ["the camera failed to take a frame"]


def test_a_trigger_alone_is_placed_by_the_telemetry_when_nothing_better_comes() -> None:
    shots = Shots()
    assert one(shots, trigger(1)) is None
    assert "nobody knows where" in shots.problems[0]
    one(shots, POSITION)
    assert one(shots, trigger(2), 10.0) is None
    shot = one(shots, POSITION, 12.1)
    assert (shot.index, shot.source, shot.altitude_home_m, shot.yaw_deg) == (2, "CAMERA_TRIGGER", 79.0, 45.0)
    assert one(shots, trigger(3), 13.0).index == 3


def test_better_word_of_frames_takes_over_and_says_so() -> None:
    shots = Shots()
    one(shots, POSITION)
    one(shots, trigger(1))
    assert one(shots, POSITION, 3.0).index == 1
    assert one(shots, captured(1), 4.0).source == "CAMERA_IMAGE_CAPTURED"
    assert one(shots, trigger(2), 5.0) is None
    assert "before only by their trigger" in shots.problems[0]
