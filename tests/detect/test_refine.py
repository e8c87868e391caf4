"""Poses refined from the pictures: they agree better afterwards, or stay as they were."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from detect.captures import Capture
from detect.evaluate_georef import evaluate_flight
from detect.findings import YAW_FLIPPED, with_repairs
from detect.georef import place
from detect.pose_errors import PoseErrors
from detect.refine import POSE_FIELDS, REFINED, refine
from detect.refine_findings import GROUND_SCALE, YAW_TURNED
from detect.standpoints import pose_of
from flightplan.camera import rotation
from flightplan.cameras import camera_named
from flightplan.errors import GeoreferenceError
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


def _fly(
    folder: Path, ground: Floats, turned: dict[int, float] | None = None, told_height: float = 1.0
) -> list[Capture]:
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
                altitude_takeoff_m=told_height * 80.0 + rise,
                yaw_deg=yaw + turn + (turned or {}).get(n, 0.0),
                pitch_deg=-90.0,
                roll_deg=0.0,
                camera=CAMERA,
                sources={"yaw_deg": "XMP"},
            )
        )
    return captures


def _relative_errors(captures: tuple[Capture, ...]) -> tuple[Floats, Floats]:
    """Errors on the ground (m), at the middle and the corner of each picture, less their mean over the flight."""
    shifts, corners = [], []
    for capture, (east, north, yaw) in zip(captures, TRUE, strict=True):
        stand = pose_of(capture)
        pixels = np.array([[159.5, 119.5], [0.0, 0.0]])
        placed = place(CAMERA, stand.pose, pixels, stand.terrain)
        look = CAMERA.rays(pixels) @ rotation(yaw, -90.0, 0.0).T
        true = np.array([east, north]) + 80.0 * look[:, [1, 0]] / look[:, 2:]
        error = FRAME.to_local(placed.lonlat) - true
        shifts.append(error[0])
        corners.append(error[1])
    middle, corner = np.array(shifts), np.array(corners)
    return np.hypot(*(middle - middle.mean(axis=0)).T), np.hypot(*(corner - middle).T)


def test_overlapping_pictures_bring_their_poses_together(tmp_path):
    captures = _fly(tmp_path, _ground(1))
    result = refine(captures)
    assert result.applied
    assert result.turned == ()
    assert result.repaired == tuple(captures)
    assert result.before_m == result.repaired_m
    assert result.before_m is not None
    assert result.after_m is not None
    assert result.before_m > 1.0
    assert result.after_m < 0.1
    assert _relative_errors(tuple(captures))[0].max() > 1.5
    middle_m, corner_m = _relative_errors(result.captures)
    assert middle_m.max() < 0.5
    assert corner_m.max() < 0.8


def test_refining_twice_gives_the_same_to_the_last_bit(tmp_path):
    captures = _fly(tmp_path, _ground(1))[:4]
    assert refine(captures).captures == refine(captures).captures


def test_what_was_refined_is_told_as_repairs_that_give_the_same_captures_again(tmp_path):
    captures = _fly(tmp_path, _ground(1), {2: 180.0})
    result = refine(captures)
    assert [finding.kind for finding in result.findings] == [YAW_FLIPPED, REFINED]
    for before, after in zip(captures, result.captures, strict=True):
        mine = [repair for repair in result.repairs if repair.capture == before.content_hash]
        assert with_repairs(before, mine) == after
    assert result.captures[0].sources["yaw_deg"] == "repaired: XMP; pose-refined"
    assert result.captures[2].sources["yaw_deg"] == "repaired: repaired: XMP; yaw-flipped; pose-refined"
    assert {r.field for r in result.repairs} == POSE_FIELDS - {"altitude_msl_m", "altitude_ellipsoid_m"}
    # A census keeps values as JSON.
    assert tuple(json.loads(json.dumps(result.captures[0].pose_covariance))) == result.captures[0].pose_covariance


def test_refined_poses_are_known_better_among_each_other_and_hardly_better_as_a_whole(tmp_path):
    captures = _fly(tmp_path, _ground(1))
    result = refine(captures)
    for before, after in zip(captures, result.captures, strict=True):
        was, now = PoseErrors.of(before), PoseErrors.of(after)
        stand = pose_of(after)
        places = [place(CAMERA, stand.pose, [[159.5, 119.5]], stand.terrain, errors) for errors in (was, now)]
        own = [np.linalg.det(p.covariance_m2[0] - p.common_m2[0]) ** 0.25 for p in places]
        common = [np.linalg.det(p.common_m2[0]) ** 0.25 for p in places]
        assert 0.3 < own[1] < 0.8 * own[0]
        assert 0.7 < common[1] < 1.05 * np.hypot(common[0], own[0])


@pytest.mark.parametrize(
    ("turned", "kind"),
    [
        ({2: 180.0, 3: 180.0}, YAW_FLIPPED),
        ({0: 180.0, 1: 180.0, 2: 180.0}, YAW_FLIPPED),
        (dict.fromkeys(range(6), 180.0), YAW_FLIPPED),
        (dict.fromkeys(range(6), -90.0), YAW_TURNED),
    ],
    ids=["two of two lines", "a whole line", "the whole flight", "a camera mounted sideways"],
)
def test_yaws_that_the_pictures_contradict_are_found_and_turned(tmp_path, turned, kind):
    captures = _fly(tmp_path, _ground(2), turned)
    result = refine(captures)
    assert result.turned == tuple(turned)
    assert result.applied
    found = next(finding for finding in result.findings if finding.kind == kind)
    assert found.is_proved
    assert found.captures == tuple(captures[n].content_hash for n in turned)
    assert _relative_errors(result.repaired)[1].max() < 4.0
    assert _relative_errors(result.captures)[1].max() < 0.8


def test_heights_that_the_size_of_the_ground_contradicts_are_named(tmp_path):
    result = refine(_fly(tmp_path, _ground(3), told_height=0.75))
    assert result.scale is not None
    assert result.scale.ratio == pytest.approx(1 / 0.75, abs=3 * result.scale.error)
    text = next(finding.text for finding in result.findings if finding.kind == GROUND_SCALE)
    assert "larger than heights and focal length say: at 60 m that is" in text
    assert [f.kind for f in refine(_fly(tmp_path, _ground(3))).findings] == [REFINED]


def test_pictures_without_anything_to_match_stay_as_they_were_read(tmp_path):
    captures = _fly(tmp_path, np.full((700, 700), 120.0))
    result = refine(captures)
    assert not result.applied
    assert result.captures == tuple(captures)
    assert result.matches == 0


def test_a_capture_that_cannot_be_placed_or_read_is_named_and_left_alone(tmp_path):
    captures = _fly(tmp_path, _ground(3))
    captures[2] = dataclasses.replace(captures[2], yaw_deg=None, unknown={"yaw_deg": "never written"})
    captures[4].path.write_bytes(b"no picture")
    result = refine(captures)
    assert [skip.item for skip in result.skipped] == [str(captures[2].path), str(captures[4].path)]
    assert "never written" in result.skipped[0].reason
    assert "not a JPEG" in result.skipped[1].reason
    assert [result.captures[n] for n in (2, 4)] == [captures[n] for n in (2, 4)]
    assert result.applied


def test_an_adjustment_that_fails_leaves_the_poses_and_says_so(tmp_path, monkeypatch):
    def lost(*arguments: object, **options: object) -> None:
        raise GeoreferenceError("the pose has a position, height or angle that is not a number")

    monkeypatch.setattr("detect.refine.adjust", lost)
    captures = _fly(tmp_path, _ground(3), {2: 180.0, 3: 180.0})
    result = refine(captures)
    assert not result.applied
    assert result.captures == result.repaired
    assert result.turned == (2, 3)
    assert "cannot be adjusted (the pose has" in result.skipped[0].reason


def test_one_picture_has_nothing_to_be_compared_with(tmp_path):
    captures = _fly(tmp_path, _ground(4))[:1]
    assert refine(captures).captures == tuple(captures)
    assert refine([]).captures == ()


@pytest.mark.slow
def test_a_real_flight_is_refined_below_a_fifth_of_a_metre_without_reading_its_tie_points(shared_data: Path):
    """orthority 0.7 reaches 1.91 m once somebody has turned the flipped frames back."""
    result = evaluate_flight(shared_data / "imagery" / "brighton_dji")
    found = result.refinement
    assert found is not None
    assert [found.captures[n].path.name for n in found.turned] == [
        "DJI_0024.JPG",
        "DJI_0025.JPG",
        "DJI_0028.JPG",
        "DJI_0029.JPG",
    ]
    assert result.pairs == result.stages["refined"]
    assert result.pairs.n == 462
    assert result.pairs.median_m < 0.15
    assert result.pairs.p90_m < 0.5
    assert result.pairs.inside_95 > 0.85
    assert result.stages["repaired"].median_m < 2.8
    assert result.stages["as_read"].median_m > 15


def test_a_real_fixed_wing_without_a_gimbal_is_refined_below_a_fifth_of_a_metre(shared_data: Path):
    """orthority 0.7 leaves 18.4 m: the log's headings are up to 17° off."""
    result = evaluate_flight(shared_data / "imagery" / "seneca_sensefly")
    assert result.pairs == result.stages["refined"]
    assert result.pairs.n == 80
    assert result.pairs.median_m < 0.2
    assert result.pairs.inside_95 > 0.85
    assert result.stages["as_read"].median_m < 18.4
