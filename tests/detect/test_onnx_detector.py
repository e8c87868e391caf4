"""An ONNX file is a detector when it says so and answers like one; anything else is refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest

from detect.detectors import load_detector
from detect.engine import detect_raster
from detect.images import open_raster
from flightplan.errors import DetectorError

ANSWER = np.array([[50, 20, 46, 20, 0.1, 0.8], [200, 100, 19, 6, 0.6, 0.2]], np.float32).T[None]


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def tensor_type(name: bytes, kind: int, shape: tuple[int | bytes, ...]) -> bytes:
    dims = b"".join(field(1, field(1, size) if isinstance(size, int) else field(2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def network(
    answer: np.ndarray = ANSWER,
    metadata: dict[str, str] | None = None,
    shape: tuple[int | bytes, ...] = (b"batch", 3, b"height", b"width"),
    kind: int = 1,
) -> bytes:
    """An ONNX network that gives the same answer to every picture (onnx.proto3 of the ONNX project)."""
    told = {"names": "{0: 'elephant', 1: 'zebra'}", "task": "detect"} if metadata is None else metadata
    constant = b"".join(field(1, size) for size in answer.shape) + field(2, 1) + field(8, b"answer")
    constant += field(9, answer.astype("<f4").tobytes())
    node = field(1, b"answer") + field(2, b"output0") + field(4, b"Identity")
    graph = field(1, node) + field(2, b"g") + field(5, constant)
    graph += field(11, tensor_type(b"images", kind, shape)) + field(12, tensor_type(b"output0", 1, answer.shape))
    model = field(1, 8) + field(8, field(2, 17)) + field(7, graph)
    return model + b"".join(field(14, field(1, k.encode()) + field(2, v.encode())) for k, v in told.items())


def load(tmp_path: Path, content: bytes, **options: float) -> object:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    return load_detector(path, **options)


def test_a_network_with_names_is_a_detector(tmp_path: Path) -> None:
    detector = load(tmp_path, network())
    assert detector.names == ("elephant", "zebra")
    assert detector.fixed_tile_px is None
    (found,) = detector.detect_batch([np.zeros((128, 224, 3), np.uint8)])
    assert found.labels == ("zebra", "elephant")
    assert found.boxes_px.tolist() == [[27, 10, 73, 30], [190.5, 97, 209.5, 103]]
    assert found.detector == detector.content_hash


def test_boxes_end_at_the_border_of_the_tile(tmp_path: Path) -> None:
    (found,) = load(tmp_path, network()).detect_batch([np.zeros((96, 64, 3), np.uint8)])
    assert found.boxes_px[0].tolist() == [27, 10, 64, 30]


def test_a_network_of_one_size_says_which(tmp_path: Path) -> None:
    assert load(tmp_path, network(shape=(1, 3, 320, 640))).fixed_tile_px == (640, 320)


def test_a_threshold_in_the_model_is_its_own_and_one_asked_for_wins(tmp_path: Path) -> None:
    told = {"names": "['elephant', 'zebra']", "threshold": "0.7"}
    tile = np.zeros((128, 224, 3), np.uint8)
    assert len(load(tmp_path, network(metadata=told)).detect_batch([tile])[0]) == 1
    assert len(load(tmp_path, network(metadata=told), threshold=0.5).detect_batch([tile])[0]) == 2


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
def test_names_that_are_no_plain_literal_are_refused_and_never_run(names: str, tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="what its classes are called"):
        load(tmp_path, network(metadata={"names": names}))


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="'segment'"):
        load(tmp_path, network(metadata={"names": "['a']", "task": "segment"}))


@pytest.mark.parametrize(("shape", "kind"), [((1, 1, 64, 64), 1), ((1, 3), 1), ((1, 3, 64, 64), 6)])
def test_a_network_that_takes_no_colour_picture_is_refused(shape: tuple[int, ...], kind: int, tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=r"does not take one RGB picture|not floats"):
        load(tmp_path, network(shape=shape, kind=kind))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08", network()[:-40]])
def test_a_file_that_is_no_model_is_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DetectorError) as caught:
        load(tmp_path, content)
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
def test_a_threshold_that_is_no_probability_is_refused(threshold: float, tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="between 0 and 1"):
        load(tmp_path, network(), threshold=threshold)


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
