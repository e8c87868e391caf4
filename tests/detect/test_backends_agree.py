"""ONNX Runtime and ultralytics find the same boxes with the same network, tile by tile."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import detect.models
from detect.detections import Detections
from detect.detectors import Detector, load_detector
from detect.engine import detect_images, policy_for
from detect.images import open_raster
from detect.tiles import TilePolicy, read_tile

pytestmark = [pytest.mark.yolo, pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("ultralytics_offline")]


def tiles_of(path: Path, detector: Detector) -> list[np.ndarray]:
    with open_raster(path) as raster:
        tiles = policy_for(detector).cut(raster.width_px, raster.height_px)
        return [pixels for tile in tiles if (pixels := read_tile(raster, tile)) is not None]


def assert_same(ours: Detections, theirs: Detections, *, within_px: float) -> None:
    assert ours.labels == theirs.labels
    assert np.abs(ours.scores - theirs.scores).max(initial=0.0) < 1e-4
    assert np.abs(ours.boxes_px - theirs.boxes_px).max(initial=0.0) < within_px


@pytest.mark.parametrize(
    ("image", "least"),
    [("pelicans_dji/AWPE_Pigeon_Lake_2020_DJI_0005.JPG", 40), ("everglades_ortho/Vacation_03192020_203.tif", 1)],
)
def test_the_coco_network_finds_the_same_boxes_in_a_colony_and_on_an_orthomosaic(
    shared_data: Path, image: str, least: int
) -> None:
    model = shared_data / "models/yolov8n_coco_int8.onnx"
    ours = load_detector(model, threshold=0.02, threads=1)
    theirs = load_detector(model, threshold=0.02, threads=1, backend="ultralytics")
    assert theirs.names == ours.names
    assert theirs.fixed_tile_px == ours.fixed_tile_px == (640, 640)
    found = 0
    for pixels in tiles_of(shared_data / "imagery" / image, ours):
        (a,), (b,) = ours.detect_batch([pixels]), theirs.detect_batch([pixels])
        assert_same(a, b, within_px=0.01)
        found += len(a)
    assert found >= least


def write_dataset(folder: Path) -> Path:
    """Dark ellipses on noise, in YOLO's format: enough for a network to learn something in seconds."""
    rng = np.random.default_rng(11)
    for part, count in (("train", 24), ("val", 4)):
        (folder / "images" / part).mkdir(parents=True)
        (folder / "labels" / part).mkdir(parents=True)
        for number in range(count):
            pixels, boxes = scene(rng, 64)
            Image.fromarray(pixels).save(folder / "images" / part / f"{number}.png")
            rows = [
                f"{c} {(x0 + x1) / 128} {(y0 + y1) / 128} {(x1 - x0) / 64} {(y1 - y0) / 64}"
                for c, x0, y0, x1, y1 in boxes
            ]
            (folder / "labels" / part / f"{number}.txt").write_text("\n".join(rows))
    data = folder / "data.yaml"
    data.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames: [elephant, zebra]\n")
    return data


def scene(rng: np.random.Generator, size: int) -> tuple[np.ndarray, list[tuple[int, int, int, int, int]]]:
    pixels = rng.integers(120, 170, (size, size, 3), dtype=np.uint8)
    boxes = []
    y, x = np.mgrid[:size, :size]
    for _ in range(size * size // 1400):
        kind = int(rng.integers(2))
        half = (14, 7) if kind == 0 else (7, 4)
        cx, cy = rng.integers(half[0], size - half[0]), rng.integers(half[1], size - half[1])
        inside = ((x - cx) / half[0]) ** 2 + ((y - cy) / half[1]) ** 2 <= 1
        pixels[inside] = (60, 60, 60) if kind == 0 else (230, 230, 230)
        boxes.append((kind, int(cx - half[0]), int(cy - half[1]), int(cx + half[0]), int(cy + half[1])))
    return pixels, boxes


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A network trained a few steps, as `.pt` and as ONNX with free sizes."""
    ultralytics = pytest.importorskip("ultralytics")
    folder = tmp_path_factory.mktemp("trained")
    os.environ["YOLO_OFFLINE"] = "true"
    model = ultralytics.YOLO(str(Path(detect.models.__file__).with_name("overfly-demo.yaml")))
    # Plain gradient descent at a high rate, a step for each batch: scores that differ from each other after 90 steps.
    model.train(
        data=str(write_dataset(folder / "data")), epochs=30, imgsz=64, batch=8, nbs=8, optimizer="SGD", lr0=0.05,
        warmup_epochs=0, mosaic=0.0, scale=0.0, translate=0.0, hsv_v=0.0, erasing=0.0, amp=False, workers=0, seed=1,
        device="cpu", project=str(folder), name="run", plots=False, verbose=False, val=False,
    )  # fmt: skip
    weights = folder / "run" / "weights" / "last.pt"
    exported = ultralytics.YOLO(str(weights)).export(format="onnx", dynamic=True, imgsz=64, simplify=False, opset=17)
    return weights, Path(exported)


def test_a_network_trained_here_finds_the_same_boxes_as_pt_and_as_onnx(trained: tuple[Path, Path]) -> None:
    weights, exported = trained
    theirs, ours = load_detector(weights, threshold=0.05), load_detector(exported, threshold=0.05)
    assert ours.names == theirs.names == ("elephant", "zebra")
    assert ours.fixed_tile_px is None
    assert theirs.fixed_tile_px is None
    rng = np.random.default_rng(12)
    found = 0
    for _ in range(6):
        pixels = scene(rng, 224)[0][:128]
        (a,), (b,) = ours.detect_batch([pixels]), theirs.detect_batch([pixels])
        assert_same(a, b, within_px=0.05)
        found += len(a)
    assert found > 10


def test_whole_pictures_give_the_same_boxes_through_either_backend(trained: tuple[Path, Path], tmp_path: Path) -> None:
    pixels = scene(np.random.default_rng(13), 320)[0]
    path = tmp_path / "frame.png"
    Image.fromarray(pixels).save(path)
    policy = TilePolicy(max_px=192, overlap_px=32)
    results = [next(detect_images([path], model, threshold=0.05, policy=policy, workers=2))[1] for model in trained]
    assert all(isinstance(found, Detections) and len(found) > 5 for found in results)
    assert_same(results[0], results[1], within_px=0.05)


def test_a_pt_file_that_is_none_is_refused_in_one_sentence(tmp_path: Path) -> None:
    from flightplan.errors import DetectorError

    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    with pytest.raises(DetectorError, match="not a model that ultralytics can run") as caught:
        load_detector(path)
    assert "\n" not in str(caught.value)
