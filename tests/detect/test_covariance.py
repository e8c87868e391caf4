"""How honest the covariance of a place is, over simulated flights: benchmarks/covariance.py, in small."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from detect.captures import Capture
from detect.pose_errors import PoseErrors, common_turned, packed


@pytest.fixture(scope="module")
def covariance(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("covariance")


@pytest.mark.parametrize("ground", ["level", "hills"])
@pytest.mark.parametrize("view", ["nadir", "oblique 45"])
@pytest.mark.parametrize("receiver", ["gnss", "rtk", "no gimbal"])
def test_points_lie_inside_their_95_percent_ellipse_19_times_of_20(
    covariance: ModuleType, receiver: str, view: str, ground: str
) -> None:
    squared = []
    for number in range(40):
        rng = np.random.default_rng([31, number])
        flight = covariance.simulated(
            rng, covariance.RECEIVERS[receiver], covariance.VIEWS[view], hills=ground == "hills", lines=1
        )
        squared.append(covariance.as_read(rng, flight))
    found = covariance.shares(np.concatenate(squared))
    assert found["n"] > 3100
    assert 0.90 <= found["inside_95"] <= 0.98
    assert 0.32 <= found["inside_1_sigma"] <= 0.48


def test_refined_poses_state_what_is_left_of_their_errors(covariance: ModuleType) -> None:
    """Of 16 captures adjusted to each other: two places of one ground point, and each place by itself."""
    parts: dict[str, list[np.ndarray]] = {}
    for number in range(3):
        rng = np.random.default_rng([32, number])
        flight = covariance.simulated(rng, covariance.RTK, -90.0, hills=False, lines=2)
        for name, squared in covariance.refined(rng, flight).items():
            parts.setdefault(name, []).append(squared)
    found = {name: covariance.shares(np.concatenate(squared)) for name, squared in parts.items()}
    assert 0.90 <= found["gaps"]["inside_95"] <= 0.99
    assert 0.90 <= found["gaps by own part"]["inside_95"] <= 0.99
    assert 0.85 <= found["places"]["inside_95"] <= 0.995


def test_time_between_fix_and_exposure_blurs_the_position_along_the_track_only() -> None:
    capture = Capture(Path("a.jpg"), "0" * 64, 800, 600)
    still, moving = PoseErrors.of(capture), PoseErrors.of(capture, speed_m_s=12.0, track_deg=90.0)
    more = moving.independent() - still.independent()
    assert more[1, 1] == pytest.approx((12.0 * 0.05) ** 2)
    assert np.abs(more).sum() == pytest.approx(more[1, 1])
    anyhow = PoseErrors.of(capture, speed_m_s=12.0).independent() - still.independent()
    assert np.diag(anyhow)[:2] == pytest.approx([0.36, 0.36])


def test_a_synchronised_receiver_is_off_along_the_track_by_its_milliseconds() -> None:
    capture = Capture(Path("a.jpg"), "0" * 64, 800, 600, horizontal_accuracy_m=0.02)
    assert PoseErrors.of(capture, speed_m_s=12.0).along_track_m == pytest.approx(0.06)


def test_a_tilt_in_the_mount_turns_with_the_heading_and_the_compass_does_not() -> None:
    north, east = common_turned(np.array([0.0, 90.0]))
    assert north == pytest.approx(np.eye(6))
    # A turn about the camera's forward axis is one about north, and about east once it heads there.
    assert east[:, 3] == pytest.approx([0, 0, 0, 0, 1, 0], abs=1e-12)
    assert east[:, 5] == pytest.approx([0, 0, 0, 0, 0, 1])


def test_a_refined_pose_brings_its_covariance_along() -> None:
    rng = np.random.default_rng([3])
    common, own = (m @ m.T for m in rng.normal(size=(2, 6, 6)))
    capture = Capture(Path("a.jpg"), "0" * 64, 800, 600, pose_covariance=packed(common, own, 0.3))
    errors = PoseErrors.of(capture, speed_m_s=20.0)
    assert errors.common()[:6, :6] == pytest.approx(common)
    assert errors.independent()[:6, :6] == pytest.approx(own)
    assert errors.independent()[6, 6] == pytest.approx(0.09)
