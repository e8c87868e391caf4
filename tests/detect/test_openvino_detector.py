"""OpenVINO finds what ONNX Runtime finds, and is never what runs the model that ships unless it is asked for."""

import importlib.util
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from detect.detections import Detections
from detect.detectors import is_rounded, load_detector
from detect.detectors.onnx import OnnxDetector
from detect.models import shipped_model
from flightplan.camera import Camera
from flightplan.errors import DetectorError
from sim.datasets import training_views
from sim.park import demo_area
from sim.world import World

INSTALLED = importlib.util.find_spec("openvino") is not None
needs_openvino = pytest.mark.skipif(not INSTALLED, reason="openvino is not installed")


def tiles(count: int) -> list[np.ndarray]:
    """Land with animals on it, as the shipped network knows them."""
    camera = Camera(name="tile", image_width_px=256, image_height_px=224, focal_length_px=80 / 0.12)
    world = World.build(demo_area(), 3, density=5.0)
    views = training_views(world, camera, count, altitudes_m=(75.0, 85.0), with_animals=1.0, tilt_deg=2.0)
    return [view.image for view in views]


def assert_same(ours: Detections, theirs: Detections) -> None:
    assert ours.labels == theirs.labels
    assert np.abs(ours.scores - theirs.scores).max(initial=0.0) < 1e-4
    assert np.abs(ours.boxes_px - theirs.boxes_px).max(initial=0.0) < 0.01


@needs_openvino
def test_openvino_finds_the_same_boxes_to_a_hundredth_of_a_pixel_from_any_thread() -> None:
    theirs = load_detector(shipped_model(), threshold=0.05, threads=1, backend="onnx")
    ours = load_detector(shipped_model(), threshold=0.05, threads=1, backend="openvino")
    assert (ours.names, ours.content_hash, ours.fixed_tile_px) == (theirs.names, theirs.content_hash, None)
    pixels = tiles(6)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda tile: ours.detect_batch([tile])[0], pixels))
    for a, b in zip(found, theirs.detect_batch(pixels), strict=True):
        assert_same(a, b)
    assert sum(map(len, found)) > 5


@needs_openvino
def test_a_model_in_openvinos_own_format_finds_the_same_boxes(tmp_path: Path) -> None:
    import openvino

    folder = tmp_path / "demo_openvino_model"
    openvino.save_model(openvino.Core().read_model(shipped_model()), folder / "demo.xml", compress_to_fp16=False)
    told = (
        "description: what it was\n  trained on\ntask: detect\nthreshold: 0.05\nnames:\n  0: elephant\n  1: 'zebra'\n"
    )
    (folder / "metadata.yaml").write_text(told)
    theirs = load_detector(shipped_model(), threshold=0.05, threads=1, backend="onnx")
    ours = load_detector(folder, threads=1)
    assert (ours.names, ours.threshold, ours.fixed_tile_px) == (theirs.names, 0.05, None)
    assert ours.content_hash == load_detector(folder / "demo.xml", threads=1).content_hash
    pixels = tiles(3)
    for a, b in zip(ours.detect_batch(pixels), theirs.detect_batch(pixels), strict=True):
        assert_same(a, b)
        assert len(a) > 0


@needs_openvino
@pytest.mark.parametrize("missing", ["demo.bin", "metadata.yaml"])
def test_a_model_in_openvinos_own_format_without_one_of_its_files_is_refused(missing: str, tmp_path: Path) -> None:
    import openvino

    openvino.save_model(openvino.Core().read_model(shipped_model()), tmp_path / "demo.xml")
    (tmp_path / "metadata.yaml").write_text("names:\n  0: elephant\n  1: zebra\n")
    (tmp_path / missing).unlink()
    with pytest.raises(DetectorError, match=missing):
        load_detector(tmp_path / "demo.xml")


@needs_openvino
def test_fast_finds_the_same_animals_to_a_pixel_or_two_and_says_that_it_rounds() -> None:
    import openvino

    exact = load_detector(shipped_model(), threshold=0.3, threads=1, backend="openvino")
    fast = load_detector(shipped_model(), threshold=0.3, threads=1, backend="openvino", fast=True)
    able = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert (is_rounded(exact), is_rounded(fast)) == (False, able)
    pixels = tiles(6)
    sure = 0
    for a, b in zip(exact.detect_batch(pixels), fast.detect_batch(pixels), strict=True):
        for row in np.flatnonzero(a.scores > 0.4):
            apart = np.abs(b.boxes_px - a.boxes_px[row]).max(axis=1, initial=0.0)
            near = int(apart.argmin())
            assert apart[near] < 3.0
            assert abs(b.scores[near] - a.scores[row]) < 0.1
            sure += 1
    assert sure > 3


@needs_openvino
def test_a_network_quantised_to_integers_stays_on_onnx_runtime_unless_asked_for(shared_data: Path) -> None:
    model = shared_data / "models" / "yolov8n_coco_int8.onnx"
    assert type(load_detector(model, threads=1)) is OnnxDetector
    asked = load_detector(model, threads=1, backend="openvino")
    assert asked.fixed_tile_px == (640, 640)
    assert len(asked.detect_batch([np.zeros((640, 640, 3), np.uint8)])) == 1


def test_the_model_that_ships_runs_on_onnx_runtime_whatever_is_installed() -> None:
    assert type(load_detector(shipped_model(), threads=1)) is OnnxDetector


def test_another_onnx_model_runs_on_openvino_where_that_is_installed(tmp_path: Path) -> None:
    copy = shutil.copy(shipped_model(), tmp_path / "mine.onnx")
    assert type(load_detector(Path(copy), threads=1)).__name__ == ("OpenVinoDetector" if INSTALLED else "OnnxDetector")


@pytest.mark.skipif(INSTALLED, reason="openvino is installed")
def test_without_openvino_asking_for_it_says_what_to_install() -> None:
    with pytest.raises(DetectorError, match=r"overfly\[openvino\]"):
        load_detector(shipped_model(), backend="openvino")
