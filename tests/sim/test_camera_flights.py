"""What a rendered flight promises: pictures a drone could have taken, and a run that goes on where it was cut short."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.captures import read_capture
from flightplan.camera import Camera
from flightplan.errors import UnreadableFileError, WorkspaceError
from flightplan.frames import LocalFrame
from sim.datasets import Sample, training_views, write_yolo_dataset
from sim.flights import TRUTH_FILE, read_truth, render_flight
from sim.park import demo_area
from sim.photographs import PoseErrors, Shot, reported_poses, write_frame
from sim.view import Pose
from sim.world import World

CAMERA = Camera(name="tiny", image_width_px=160, image_height_px=120, focal_length_px=80 / 0.24)
NOON_S = datetime(2026, 3, 1, 9, 30, 0, 250000, UTC).timestamp()


@pytest.fixture(scope="module")
def world() -> World:
    return World.build(demo_area(), 6)


@pytest.fixture
def shots(world: World) -> list[Shot]:
    where = world.area.frame.to_lonlat(world.animals.home_m[:4])
    poses = [Pose(float(lon), float(lat), 80.0, -170.0, -89.5, 0.4) for lon, lat in where]
    return [
        Shot(f"f{i}.jpg", NOON_S + i, pose, replace(pose, yaw_deg=-171.0), 1580.0, 1.0) for i, pose in enumerate(poses)
    ]


def test_a_frame_says_what_the_drone_believed(tmp_path: Path, world: World, shots: list[Shot]) -> None:
    reported = Pose(-34.8123456789, -2.3312345678, 81.25, 190.5, -89.25, -0.75)
    write_frame(tmp_path / "a.jpg", np.full((120, 160, 3), 90, np.uint8), replace(shots[0], reported=reported), CAMERA)
    capture = read_capture(tmp_path / "a.jpg")
    assert capture.longitude_deg == pytest.approx(-34.8123456789, abs=1e-9)
    assert capture.latitude_deg == pytest.approx(-2.3312345678, abs=1e-9)
    assert capture.altitude_takeoff_m == 81.25
    assert capture.altitude_msl_m == 1580.0
    assert (capture.yaw_deg, capture.pitch_deg, capture.roll_deg) == (-169.5, -89.25, -0.75)
    assert capture.time_utc == datetime(2026, 3, 1, 9, 30, 0, 250000, UTC)
    assert capture.horizontal_accuracy_m == 1.0
    assert capture.camera is not None
    assert capture.camera.focal_length_px == pytest.approx(CAMERA.focal_length_px)
    assert capture.camera.focal_length_mm == pytest.approx(13.2 * CAMERA.focal_length_px / 160, rel=1e-3)


def test_exif_alone_gives_the_same_place(tmp_path: Path, shots: list[Shot]) -> None:
    write_frame(tmp_path / "a.jpg", np.zeros((120, 160, 3), np.uint8), shots[0], CAMERA)
    with Image.open(tmp_path / "a.jpg") as picture:
        gps = picture.getexif().get_ifd(0x8825)
    degrees = [float(d) + float(m) / 60 + float(s) / 3600 for d, m, s in (gps[2], gps[4])]
    assert (gps[1], gps[3]) == ("S", "E")
    assert degrees[0] == pytest.approx(-shots[0].reported.latitude_deg, abs=1e-9)
    assert degrees[1] == pytest.approx(shots[0].reported.longitude_deg, abs=1e-9)


def test_an_unknown_height_above_the_sea_is_not_written(tmp_path: Path, shots: list[Shot]) -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    write_frame(tmp_path / "a.jpg", image, replace(shots[0], altitude_msl_m=None), CAMERA)
    capture = read_capture(tmp_path / "a.jpg")
    assert capture.altitude_msl_m is None
    assert capture.unknown["altitude_msl_m"]


def test_frames_that_are_there_are_kept_and_the_rest_is_the_same(
    tmp_path: Path, world: World, shots: list[Shot]
) -> None:
    whole = render_flight(world, shots, CAMERA, tmp_path / "whole", jobs=1)
    part = tmp_path / "part"
    render_flight(world, shots[:3], CAMERA, part, jobs=1)
    (part / "f1.jpg").unlink()
    kept = (part / "f2.jpg").stat().st_mtime_ns
    truth = part / TRUTH_FILE
    truth.write_text(truth.read_text()[:-40])
    (part / "f0.jpg").touch()
    resumed = render_flight(world, shots, CAMERA, part, jobs=1)
    again = render_flight(world, shots, CAMERA, part, jobs=1)
    assert resumed == again == whole
    assert truth.read_bytes() == (tmp_path / "whole" / TRUTH_FILE).read_bytes()
    for shot in shots:
        assert (part / shot.name).read_bytes() == (tmp_path / "whole" / shot.name).read_bytes()
    assert (part / "f2.jpg").stat().st_mtime_ns != kept, "its truth was cut short, so it was rendered again"


def test_every_frame_of_the_truth_holds_the_animal_it_was_aimed_at(
    tmp_path: Path, world: World, shots: list[Shot]
) -> None:
    still = [s for i, s in enumerate(shots) if world.animals.speed_mps[i] == 0]
    for truth in render_flight(world, still, CAMERA, tmp_path, jobs=1):
        assert int(truth.frame[1]) in {animal.animal for animal in truth.animals}


def test_the_middle_of_an_animal_is_told_though_the_border_cuts_it_off(tmp_path: Path, world: World) -> None:
    row = int(np.flatnonzero(world.animals.speed_mps == 0)[0])
    kind = world.species[world.animals.species[row]]
    gsd_m = 0.24
    half_m = gsd_m * 160 / 2
    seen = {}
    for off_m in (-1.0, 0.0, 0.2 * kind.width_m):
        # Looking from so far west that the animal stands `off_m` beyond the picture's right side.
        at = world.positions(NOON_S, np.array([row])).local_m[0] - np.array([half_m + off_m, 0.0])
        longitude, latitude = world.area.frame.to_lonlat(at)[0]
        pose = Pose(float(longitude), float(latitude), 80.0, 0.0, -90.0, 0.0)
        shot = Shot("a.jpg", NOON_S, pose, pose, None, 1.0)
        folder = tmp_path / str(off_m)
        render_flight(world, [shot], CAMERA, folder, jobs=1)
        (truth,) = read_truth(folder / TRUTH_FILE)
        (seen[off_m],) = [a for a in truth.animals if a.animal == row]
    for off_m, label in seen.items():
        assert label.middle_px is not None
        # It leans outwards by what its body is above the ground: a few pixels at most here.
        assert label.middle_px[0] == pytest.approx(160 + off_m / gsd_m, abs=2.5)
        assert label.box_px[2] <= 160
    assert seen[0.2 * kind.width_m].visible_share < 0.5 < seen[-1.0].visible_share


def test_a_truth_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / TRUTH_FILE).write_text('{"frame": "a.jpg"}\n')
    with pytest.raises(UnreadableFileError, match="line 1"):
        read_truth(tmp_path / TRUTH_FILE)


def test_reported_poses_err_as_asked_and_slowly() -> None:
    pose = Pose(34.83, -2.33, 80.0, 10.0)
    errors = PoseErrors(horizontal_m=1.0, vertical_m=0.8, yaw_deg=0.8, tilt_deg=0.3, memory_s=60.0)
    times = [4.8 * i for i in range(4000)]
    believed = reported_poses([pose] * 4000, times, errors, np.random.default_rng(3))
    offset = LocalFrame(34.83, -2.33).to_local([(b.longitude_deg, b.latitude_deg) for b in believed])
    assert offset.std(axis=0) == pytest.approx([1.0, 1.0], rel=0.2)
    assert np.std([b.altitude_agl_m for b in believed]) == pytest.approx(0.8, rel=0.2)
    assert np.std([b.pitch_deg for b in believed]) == pytest.approx(0.3, rel=0.1)
    neighbours = np.corrcoef(offset[:-1, 0], offset[1:, 0])[0, 1]
    assert neighbours == pytest.approx(np.exp(-4.8 / 60), abs=0.03)


def test_a_dataset_holds_a_line_for_each_animal_that_shows(tmp_path: Path, world: World) -> None:
    samples = list(training_views(world, CAMERA, 6, altitudes_m=(70.0, 90.0), with_animals=1.0, tilt_deg=5.0))
    data = write_yolo_dataset(tmp_path, {"train": samples, "val": samples[:2]}, ("elephant", "zebra"))
    assert "0: elephant" in data.read_text()
    for sample in samples:
        lines = (tmp_path / "labels" / "train" / f"{sample.name}.txt").read_text().splitlines()
        assert len(lines) == sum(label.visible_share >= 0.3 for label in sample.labels)
        for line in lines:
            kind, *box = line.split()
            assert kind in ("0", "1")
            assert all(0 <= float(value) <= 1 for value in box)
    assert sum(len(sample.labels) for sample in samples) > 0
    with pytest.raises(WorkspaceError, match="already"):
        write_yolo_dataset(tmp_path, {"train": []}, ("elephant", "zebra"))


def test_a_box_in_a_dataset_is_the_label_in_shares_of_the_picture(tmp_path: Path, world: World) -> None:
    sample = next(training_views(world, CAMERA, 1, altitudes_m=(80.0, 80.1), with_animals=1.0, tilt_deg=0.0))
    label = replace(sample.labels[0], box_px=(40.0, 30.0, 80.0, 60.0), species="zebra", visible_share=1.0)
    write_yolo_dataset(tmp_path, {"val": [Sample("one", sample.image, (label,))]}, ("elephant", "zebra"))
    assert (tmp_path / "labels/val/one.txt").read_text() == "1 0.375000 0.375000 0.250000 0.250000\n"
