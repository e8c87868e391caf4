"""Poses refined from the pictures: they agree better afterwards, or stay as they were."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from detect.captures import Capture, read_capture
from detect.evaluate_georef import evaluate_tie_points
from detect.refine import refine
from flightplan.camera import rotation
from flightplan.cameras import camera_named
from flightplan.frames import Floats, LocalFrame

CAMERA = camera_named("overfly-demo").resized(320, 240)
FRAME = LocalFrame(34.83, -2.33)
# A line north and the next one back south, with the pose told wrong by shift east and north, turn and height.
TRUE = [(0, 0, 10), (2, 30, 12), (-1, 60, 8), (45, 62, -170), (44, 31, -172), (46, 2, -168)]
TOLD_WRONG = [
    (1.5, -1.0, 1.5, 0.5),
    (-1.0, 0.5, -2, 0),
    (0.5, 1.5, 1, 1),
    (-1.5, -1.5, 2, -1),
    (1, 1, -1, 0.5),
    (0, -1, 0, 0),
]


def _ground(seed: int) -> Floats:
    rng = np.random.default_rng([seed, 21])
    rough = [scipy.ndimage.gaussian_filter(rng.normal(size=(700, 700)), s) * s for s in (1.5, 4.0, 9.0)]
    return 120 + 60 * sum(rough) / np.std(sum(rough))


def _fly(folder: Path, ground: Floats, flipped: tuple[int, ...] = ()) -> list[Capture]:
    columns, rows = np.meshgrid(np.arange(320.0), np.arange(240.0))
    pixels = np.column_stack([columns.ravel(), rows.ravel()])
    captures = []
    for n, ((east, north, yaw), (de, dn, turn, rise)) in enumerate(zip(TRUE, TOLD_WRONG, strict=True)):
        told_lon, told_lat = FRAME.to_lonlat([[east + de, north + dn]])[0]
        look = CAMERA.rays(pixels) @ rotation(yaw, -90.0, 0.0).T
        local = np.array([east, north]) + 80.0 * look[:, [1, 0]] / look[:, 2:]
        shown = scipy.ndimage.map_coordinates(ground, [local[:, 1] / 0.4 + 250, local[:, 0] / 0.4 + 250], order=1)
        grey = np.clip(shown, 0, 255).astype(np.uint8).reshape(240, 320)
        path = folder / f"{n}.png"
        Image.fromarray(np.stack([grey] * 3, axis=2)).save(path)
        captures.append(
            Capture(
                path,
                f"{n:064d}",
                320,
                240,
                time_utc=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=3 * n),
                longitude_deg=float(told_lon),
                latitude_deg=float(told_lat),
                altitude_takeoff_m=80.0 + rise,
                yaw_deg=yaw + turn + (180 if n in flipped else 0),
                pitch_deg=-90.0,
                roll_deg=0.0,
                camera=CAMERA,
                sources={"yaw_deg": "XMP"},
            )
        )
    return captures


def _relative_errors(captures: tuple[Capture, ...]) -> tuple[Floats, Floats]:
    """Errors of position (m) and yaw (degrees), less their mean: a flight as a whole may still lie beside itself."""
    local = FRAME.to_local([[c.longitude_deg, c.latitude_deg] for c in captures])
    true = np.array(TRUE, dtype=float)
    shift = local - true[:, :2]
    turn = (np.array([c.yaw_deg for c in captures]) - true[:, 2] + 180) % 360 - 180
    return np.hypot(*(shift - shift.mean(axis=0)).T), turn - np.median(turn)


def test_overlapping_pictures_bring_their_poses_together(tmp_path):
    captures = _fly(tmp_path, _ground(1))
    result = refine(captures)
    assert result.applied
    assert result.turned == ()
    assert result.before_m is not None
    assert result.after_m is not None
    assert result.before_m > 1.0
    assert result.after_m < 0.15
    position_m, yaw_deg = _relative_errors(result.captures)
    assert _relative_errors(tuple(captures))[0].max() > 1.5
    assert position_m.max() < 0.7
    assert np.abs(yaw_deg).max() < 0.7
    assert result.captures[0].sources["yaw_deg"] == "XMP, refined from overlapping pictures"
    assert refine(captures) == result


def test_a_yaw_that_the_pictures_contradict_by_180_degrees_is_found_and_turned(tmp_path):
    result = refine(_fly(tmp_path, _ground(2), flipped=(2, 3)))
    assert result.turned == (2, 3)
    assert np.abs(_relative_errors(result.captures)[1]).max() < 0.7
    assert "the pictures contradict the yaw by 180°: turned" in result.captures[3].findings
    assert result.captures[1].findings == ()


def test_pictures_without_anything_to_match_stay_as_they_were_read(tmp_path):
    captures = _fly(tmp_path, np.full((700, 700), 120.0))
    result = refine(captures)
    assert not result.applied
    assert result.captures == tuple(captures)
    assert result.matches == 0


def test_a_capture_that_cannot_be_placed_is_named_and_left_alone(tmp_path):
    captures = _fly(tmp_path, _ground(3))
    captures[2] = dataclasses.replace(captures[2], yaw_deg=None, unknown={"yaw_deg": "never written"})
    result = refine(captures)
    assert [skip.item for skip in result.skipped] == [str(captures[2].path)]
    assert "never written" in result.skipped[0].reason
    assert result.captures[2] == captures[2]


def test_one_picture_has_nothing_to_be_compared_with(tmp_path):
    captures = _fly(tmp_path, _ground(4))[:1]
    assert refine(captures).captures == tuple(captures)
    assert refine([]).captures == ()


@pytest.mark.slow
def test_a_real_flight_is_refined_below_a_metre_without_reading_its_tie_points(shared_data: Path):
    """orthority 0.7 reaches 1.91 m once somebody has turned the flipped frames back."""
    folder = shared_data / "imagery" / "brighton_dji"
    paths = sorted(folder.glob("*.JPG"))
    result = refine([read_capture(path) for path in paths])
    assert [paths[n].name for n in result.turned] == ["DJI_0024.JPG", "DJI_0025.JPG", "DJI_0028.JPG", "DJI_0029.JPG"]
    captures = {path.name: capture for path, capture in zip(paths, result.captures, strict=True)}
    pairs = evaluate_tie_points(folder, captures=captures).categories["pairs"]
    assert pairs.median_m < 0.35
    assert pairs.p90_m < 1.0
    assert pairs.max_m < 3.0
