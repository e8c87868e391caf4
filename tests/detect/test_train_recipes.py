"""Training: refused with a reason where it cannot be done, and its export is what detectors load."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from detect.detectors import load_detector
from detect.models import shipped_model
from detect.train import Recipe, export_onnx, train
from flightplan.errors import DetectorError


def test_a_dataset_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=r"data\.yaml"):
        train(tmp_path / "data.yaml", tmp_path / "run", Recipe("nothing.yaml"))


@pytest.mark.skipif(importlib.util.find_spec("ultralytics") is not None, reason="ultralytics is installed")
def test_without_ultralytics_training_says_what_to_install(tmp_path: Path) -> None:
    data = tmp_path / "data.yaml"
    data.write_text("names: {0: a}\n")
    with pytest.raises(DetectorError, match=r"overfly\[yolo\]"):
        train(data, tmp_path / "run", Recipe("nothing.yaml"))


def test_the_shipped_model_is_small_and_says_what_it_finds_and_from_which_score() -> None:
    detector = load_detector(shipped_model(), threads=1)
    assert detector.names == ("elephant", "zebra")
    assert detector.fixed_tile_px is None
    assert 0.1 < detector.threshold < 0.9
    assert shipped_model().stat().st_size <= 12_000_000
    assert "must not be used for real animals" in shipped_model().with_suffix(".md").read_text()


def test_the_shipped_model_finds_nothing_in_nothing() -> None:
    detector = load_detector(shipped_model(), threads=1)
    assert len(detector.detect_batch([np.full((64, 96, 3), 114, np.uint8)])[0]) == 0


@pytest.mark.yolo
@pytest.mark.filterwarnings("ignore")  # torch and ultralytics warn of their own
def test_a_model_trained_for_one_epoch_loads_as_a_detector_with_its_own_threshold(tmp_path: Path) -> None:
    from flightplan.camera import Camera
    from sim.datasets import training_views, write_yolo_dataset
    from sim.park import demo_area
    from sim.world import World

    camera = Camera(name="tiny", image_width_px=96, image_height_px=96, focal_length_px=80 / 0.12)
    world = World.build(demo_area(), 1)
    samples = list(training_views(world, camera, 4, altitudes_m=(70.0, 90.0), with_animals=1.0, tilt_deg=2.0))
    data = write_yolo_dataset(tmp_path / "data", {"train": samples, "val": samples}, ("elephant", "zebra"))
    start = shipped_model().with_suffix(".yaml")
    recipe = Recipe(str(start), epochs=3, stop_after=1, image_px=96, batch=2, workers=0)
    trained = train(data, tmp_path / "run", recipe)
    assert trained.names == ("elephant", "zebra")
    assert (tmp_path / "run" / "results.csv").read_text().count("\n") == 2
    model = export_onnx(trained.weights, tmp_path / "small.onnx", metadata={"threshold": "0.42"})
    again = export_onnx(trained.weights, tmp_path / "again" / "small.onnx", metadata={"threshold": "0.42"})
    detector = load_detector(model, threads=1)
    assert detector.threshold == 0.42
    assert len(detector.detect_batch([samples[0].image])) == 1
    assert model.read_bytes() == again.read_bytes()
