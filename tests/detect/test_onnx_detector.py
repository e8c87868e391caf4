"""An ONNX file is a detector when it says so and answers like one; anything else is refused in a sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detect.detectors import load_detector
from detect.engine import detect_raster
from detect.images import open_raster
from flightplan.errors import DetectorError

Build = Callable[..., bytes]

ANSWER = np.array([[50, 20, 46, 20, 0.1, 0.8], [200, 100, 19, 6, 0.6, 0.2]], np.float32).T[None]


def load(tmp_path: Path, content: bytes, **options: float) -> object:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    return load_detector(path, **options)


def test_a_network_with_names_is_a_detector(tmp_path: Path, answering: Build) -> None:
    detector = load(tmp_path, answering(ANSWER))
    assert detector.names == ("elephant", "zebra")
    assert detector.fixed_tile_px is None
    (found,) = detector.detect_batch([np.zeros((128, 224, 3), np.uint8)])
    assert found.labels == ("zebra", "elephant")
    assert found.boxes_px.tolist() == [[27, 10, 73, 30], [190.5, 97, 209.5, 103]]
    assert found.detector == detector.content_hash


def test_boxes_end_at_the_border_of_the_tile(tmp_path: Path, answering: Build) -> None:
    (found,) = load(tmp_path, answering(ANSWER)).detect_batch([np.zeros((96, 64, 3), np.uint8)])
    assert found.boxes_px[0].tolist() == [27, 10, 64, 30]


def test_a_network_of_one_size_says_which(tmp_path: Path, answering: Build) -> None:
    assert load(tmp_path, answering(ANSWER, shape=(1, 3, 320, 640))).fixed_tile_px == (640, 320)


def test_a_threshold_in_the_model_is_its_own_and_one_asked_for_wins(tmp_path: Path, answering: Build) -> None:
    told = {"names": "['elephant', 'zebra']", "threshold": "0.7"}
    tile = np.zeros((128, 224, 3), np.uint8)
    assert len(load(tmp_path, answering(ANSWER, metadata=told)).detect_batch([tile])[0]) == 1
    assert len(load(tmp_path, answering(ANSWER, metadata=told), threshold=0.5).detect_batch([tile])[0]) == 2


@pytest.mark.parametrize(
    "names",
    [
        "__import__('os').system('true')",
        "{0: open('/etc/passwd').read()}",
        "{1: 'elephant'}",
        "{0: 7}",
        "{}",
        "(" * 5000,
        "",
    ],
)
def test_names_that_are_no_plain_literal_are_refused_and_never_run(
    names: str, tmp_path: Path, answering: Build
) -> None:
    with pytest.raises(DetectorError, match="what its classes are called"):
        load(tmp_path, answering(ANSWER, metadata={"names": names}))


def test_a_model_of_another_task_is_refused(tmp_path: Path, answering: Build) -> None:
    with pytest.raises(DetectorError, match="'segment'"):
        load(tmp_path, answering(ANSWER, metadata={"names": "['a']", "task": "segment"}))


@pytest.mark.parametrize(("shape", "kind"), [((1, 1, 64, 64), 1), ((1, 3), 1), ((1, 3, 64, 64), 6)])
def test_a_network_that_takes_no_colour_picture_is_refused(
    shape: tuple[int, ...], kind: int, tmp_path: Path, answering: Build
) -> None:
    with pytest.raises(DetectorError, match=r"does not take one RGB picture|not floats"):
        load(tmp_path, answering(ANSWER, shape=shape, kind=kind))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08", None])
def test_a_file_that_is_no_model_is_refused_in_one_sentence(
    content: bytes | None, tmp_path: Path, answering: Build
) -> None:
    with pytest.raises(DetectorError) as caught:
        load(tmp_path, answering(ANSWER)[:-40] if content is None else content)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "model.onnx") in str(caught.value)


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="no such model file"):
        load_detector(tmp_path / "none.onnx")


def test_a_pt_file_without_the_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ultralytics", None)
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    with pytest.raises(DetectorError, match=r"overfly\[yolo\]"):
        load_detector(path)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1, 25.0])
def test_a_threshold_that_is_no_probability_is_refused(threshold: float, tmp_path: Path, answering: Build) -> None:
    with pytest.raises(DetectorError, match="between 0 and 1"):
        load(tmp_path, answering(ANSWER), threshold=threshold)


def test_the_coco_network_finds_birds_in_the_pelican_colony(shared_data: Path) -> None:
    detector = load_detector(shared_data / "models/yolov8n_coco_int8.onnx", threshold=0.1, threads=1)
    assert detector.fixed_tile_px == (640, 640)
    assert detector.names[14] == "bird"
    with open_raster(shared_data / "imagery/pelicans_dji/AWPE_Pigeon_Lake_2020_DJI_0005.JPG") as picture:
        found = detect_raster(picture, detector)
    # 71 pelicans are there to be seen; this network knows birds from the side and finds some of them.
    assert 15 <= found.labels.count("bird") <= 71
    assert found.image_size_px == (1058, 997)
    assert found.lonlat is None
