"""What networks of every head answer becomes detections: through ONNX Runtime and OpenVINO alike."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detect.detections import Detections
from detect.detectors import Detector, load_detector
from detect.detectors.heads import pairwise_iou
from flightplan.errors import DetectorError

Build = Callable[..., bytes]

NAMES = "{0: 'elephant', 1: 'zebra'}"
openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
backends = pytest.mark.parametrize("backend", ["onnx", pytest.param("openvino", marks=openvino)])


def load(tmp_path: Path, content: bytes, **options: object) -> Detector:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    return load_detector(path, **options)


def look(detector: Detector, width: int = 224, height: int = 128) -> Detections:
    (found,) = detector.detect_batch([np.zeros((height, width, 3), np.uint8)])
    return found


def test_an_oriented_head_gives_corners_and_the_box_around_them(tmp_path: Path, answering: Build) -> None:
    # Columns are x, y, w, h, elephant, zebra, angle.
    answer = np.array([[100, 50, 40, 20, 0.1, 0.8, np.pi / 6], [20, 20, 8, 4, 0.1, 0.1, 0]]).T[None]
    found = look(load(tmp_path, answering(answer, metadata={"names": NAMES, "task": "obb"}), backend="onnx"))
    assert found.labels == ("zebra",)
    assert found.corners_px is not None
    along = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
    across = np.array([-along[1], along[0]])
    centre = np.array([100.0, 50.0])
    corners = [centre + 20 * a * along + 10 * b * across for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    assert found.corners_px[0] == pytest.approx(np.array(corners), abs=1e-4)
    # Half the width of a turned box: (w cos + h sin) / 2.
    assert found.boxes_px[0] == pytest.approx([100 - 22.3205, 50 - 18.6603, 100 + 22.3205, 50 + 18.6603], abs=1e-3)
    assert found.centres_px[0] == pytest.approx((100, 50), abs=1e-4)


def test_an_end_to_end_oriented_head_is_only_filtered(tmp_path: Path, answering: Build) -> None:
    rows = np.array([[100, 50, 40, 20, 0.9, 0, 0.5], [101, 50, 40, 20, 0.8, 1, 0.5], [9, 9, 4, 2, 0.1, 0, 0]])[None]
    told = {"names": NAMES, "task": "obb", "end2end": "True"}
    found = look(load(tmp_path, answering(rows, metadata=told), backend="onnx"))
    assert found.labels == ("elephant", "zebra")


def test_oriented_boxes_side_by_side_at_a_slant_do_not_suppress_each_other(tmp_path: Path, answering: Build) -> None:
    # Two animals of 60 x 5 px lying at 45 degrees, 5.5 px apart: the boxes around them overlap by 0.72.
    offset = 5.5 / np.sqrt(2)
    rows = [[60, 60, 60, 5, 0.9, 0.1, np.pi / 4], [60 + offset, 60 - offset, 60, 5, 0.8, 0.1, np.pi / 4]]
    told = {"names": NAMES, "task": "obb"}
    found = look(load(tmp_path, answering(np.array(rows).T[None], metadata=told), backend="onnx"))
    assert pairwise_iou(found.boxes_px, found.boxes_px)[0, 1] > 0.7
    assert len(found) == 2


def test_yolov5_with_one_class_is_told_from_an_end_to_end_head_by_its_number_of_rows(
    tmp_path: Path, answering: Build
) -> None:
    told = {"names": "['elephant']"}
    # A tile of 224 x 128: 28 x 16 + 14 x 8 + 7 x 4 cells of three anchors each.
    rows = np.zeros((1, 1764, 6))
    rows[0, 5] = (50, 20, 46, 20, 0.9, 0.5)
    found = look(load(tmp_path, answering(rows, metadata=told), backend="onnx"))
    assert found.boxes_px.tolist() == [[27, 10, 73, 30]]
    assert found.scores == pytest.approx([0.45])
    few = look(load(tmp_path, answering(rows[:, :300], metadata=told), backend="onnx"))
    assert len(few) == 0  # corners of no box


def test_a_box_that_an_end_to_end_head_lists_for_two_classes_is_the_likelier(tmp_path: Path, answering: Build) -> None:
    rows = np.array([[27, 10, 73, 30, 0.4, 0], [27, 10, 73, 30, 0.6, 1], [28, 10, 74, 30, 0.5, 1]])[None]
    found = look(load(tmp_path, answering(rows, metadata={"names": NAMES, "end2end": "True"}), backend="onnx"))
    assert [(label, score) for label, score in zip(found.labels, found.scores.round(3), strict=True)] == [
        ("zebra", 0.6),
        ("zebra", 0.5),
    ]


def picture(spots: dict[tuple[int, int], tuple[int, int, int]], width: int = 224, height: int = 128) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    for (x, y), colour in spots.items():
        pixels[y, x] = colour
    return pixels


@backends
def test_the_peaks_of_heatmaps_are_points(backend: str, tmp_path: Path, seeing: Build) -> None:
    detector = load(tmp_path, seeing({"names": NAMES, "task": "points", "point_px": "30"}), backend=backend)
    pixels = picture({(50, 20): (255, 0, 0), (51, 21): (255, 0, 0), (120, 99): (0, 204, 0), (200, 5): (60, 0, 0)})
    (found,) = detector.detect_batch([pixels])
    # In the middle of cells of 4 px; what is too faint is none, and of one class the stronger comes first.
    assert found.labels == ("elephant", "zebra")
    assert found.points_px is not None
    assert found.points_px.tolist() == [[50, 22], [122, 98]]
    assert found.scores == pytest.approx([1.0, 0.8], abs=1e-5)
    assert found.boxes_px.tolist() == [[35, 7, 65, 37], [107, 83, 137, 113]]
    assert found.centres_px.tolist() == found.points_px.tolist()


@backends
def test_equal_cells_that_touch_are_one_point(backend: str, tmp_path: Path, seeing: Build) -> None:
    detector = load(tmp_path, seeing({"names": NAMES, "task": "points"}, cell=1), backend=backend)
    pixels = picture({(x, y): (255, 0, 0) for x in (70, 71, 72) for y in (40, 41)} | {(90, 41): (255, 0, 0)})
    (found,) = detector.detect_batch([pixels])
    assert found.points_px is not None
    assert found.points_px.tolist() == [[70.5, 40.5], [90.5, 41.5]]


def test_a_map_of_where_and_a_map_of_what_name_each_point(tmp_path: Path, answering: Build) -> None:
    where = np.zeros((1, 1, 64, 112))
    where[0, 0, 10, 20], where[0, 0, 50, 100] = 0.9, 0.6
    what = np.zeros((1, 3, 4, 7))  # background first
    what[0, 0], what[0, 1, :, :4], what[0, 2, :, 4:] = 0.9, 0.3, 0.3
    found = look(load(tmp_path, answering(where, what, metadata={"names": NAMES, "task": "points"}), backend="onnx"))
    assert found.labels == ("elephant", "zebra")
    assert found.points_px is not None
    assert found.points_px.tolist() == [[41, 21], [201, 101]]


def test_rows_of_points_are_points(tmp_path: Path, answering: Build) -> None:
    rows = np.array([[10, 20, 0.5, 1], [30, 40, 0.9, 0], [5, 5, 0.1, 0], [7, 7, 0.9, 9]])[None]
    found = look(load(tmp_path, answering(rows, metadata={"names": NAMES, "task": "points"}), backend="onnx"))
    assert found.labels == ("elephant", "zebra")
    assert found.points_px is not None
    assert found.points_px.tolist() == [[30, 40], [10, 20]]


def test_each_label_has_the_threshold_that_was_asked_for_it(tmp_path: Path, answering: Build) -> None:
    answer = np.array([[50, 20, 46, 20, 0.1, 0.5], [200, 100, 19, 6, 0.6, 0.2], [120, 60, 9, 9, 0.3, 0.1]]).T[None]
    told = {"names": NAMES, "threshold": "0.25", "thresholds": "{'elephant': 0.5, 'lion': 0.1, 'zebra': 7}"}
    content = answering(answer, metadata=told)
    labels = [
        look(load(tmp_path, content, backend="onnx", **options)).labels
        for options in (
            {},
            {"thresholds": {"zebra": 0.55}},
            {"threshold": 0.28},
            {"threshold": 0.28, "thresholds": {"elephant": 0.7}},
        )
    ]
    assert labels == [("elephant", "zebra"), ("elephant",), ("elephant", "zebra", "elephant"), ("zebra",)]
    detector = load(tmp_path, content, thresholds={"zebra": 0.4}, backend="onnx")
    assert detector.threshold == 0.4
    assert detector.thresholds.named == {"elephant": 0.5, "zebra": 0.4}


@pytest.mark.parametrize(
    ("thresholds", "reason"), [({"lion": 0.5}, "'lion'.*knows: elephant"), ({"zebra": 1.5}, "1.5")]
)
def test_a_threshold_for_an_unknown_label_or_no_score_is_refused(
    thresholds: dict[str, float], reason: str, tmp_path: Path, answering: Build
) -> None:
    answer = np.zeros((1, 6, 4))
    with pytest.raises(DetectorError, match=reason):
        load(tmp_path, answering(answer, metadata={"names": NAMES}), thresholds=thresholds)


@pytest.mark.parametrize(
    ("answer", "task"),
    [
        (np.zeros((1, 9, 9)), "detect"),
        (np.zeros((1, 9, 9)), "obb"),
        (np.zeros((1, 3, 8, 8)), "points"),
        (np.zeros((1, 7)), "points"),
        (np.zeros((3, 6, 8)), "detect"),
        (np.zeros(6), "detect"),
    ],
)
def test_an_answer_that_fits_no_head_is_refused_with_its_shape_and_the_file(
    answer: np.ndarray, task: str, tmp_path: Path, answering: Build
) -> None:
    detector = load(tmp_path, answering(answer, metadata={"names": NAMES, "task": task}), backend="onnx")
    with pytest.raises(DetectorError, match=r"The network('s)? ") as caught:
        look(detector)
    assert str(tmp_path / "model.onnx") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_rt_detr_is_refused_rather_than_misread(tmp_path: Path, answering: Build) -> None:
    with pytest.raises(DetectorError, match="RT-DETR"):
        load(tmp_path, answering(np.zeros((1, 300, 6)), metadata={"names": NAMES, "head": "RTDETRDecoder"}))


@backends
@pytest.mark.parametrize(
    "harm",
    [
        "weights in another file",
        "weights in a device",
        "weights beside it",
        "an array of gigabytes",
        "a picture of terabytes",
    ],
)
def test_a_model_that_means_harm_is_refused_in_one_sentence(
    harm: str, backend: str, tmp_path: Path, hostile: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(bytes(96))
    with pytest.raises(DetectorError) as caught:
        look(load(tmp_path, hostile[harm], backend=backend), 64, 64)
    assert str(tmp_path / "model.onnx") in str(caught.value)
    assert "\n" not in str(caught.value)
