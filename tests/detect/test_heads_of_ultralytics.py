"""Every head that ultralytics builds gives the same through its own decoding and through ours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detect.detections import Detections
from detect.detectors import load_detector

pytestmark = [pytest.mark.yolo, pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("ultralytics_offline")]


def outspoken(name: str, task: str, folder: Path, picture: np.ndarray) -> Path:
    """An untrained network of some architecture whose scores differ and whose boxes have all sizes, as `.pt`."""
    import torch
    from ultralytics import YOLO

    torch.manual_seed(3)
    network = YOLO(f"{name}.yaml", task=task).model
    planes = torch.from_numpy(picture.transpose(2, 0, 1)[None] / 255.0).float()
    # Without the statistics of a picture an untrained network answers with nothing but its biases.
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    network.train()(planes)
    network.eval()
    head = network.model[-1]
    seen: dict[Any, Any] = {}
    parts = [(part, spread) for part, spread in (("cv3", 2.0), ("cv2", 2.0), ("cv4", 1.0))]
    convolutions = [
        (sequence[-1], spread, part == "cv3")
        for part, spread in parts
        for prefix in ("", "one2one_")
        for sequence in (getattr(head, prefix + part, None) or ())
    ]
    handles = [c.register_forward_hook(lambda c, _, out: seen.update({c: out.detach()})) for c, *_ in convolutions]
    network(planes)
    for convolution, spread, is_class in convolutions:
        if convolution in seen:
            scale = spread / float(seen[convolution].std())
            middle = float(seen[convolution].mean()) * scale
            convolution.weight.data *= scale
            convolution.bias.data = convolution.bias.data * scale - middle - (7.5 if is_class else 0.0)
    for handle in handles:
        handle.remove()
    network.names = {number: f"kind {number}" for number in range(len(network.names))}
    path = folder / f"{name}.pt"
    torch.save({"model": network, "train_args": {}, "epoch": -1}, path)
    return path


def rows(found: Detections, task: str) -> np.ndarray:
    """Box, the corners in one order, score and class; an untrained network's boxes may be inside out, and are none."""
    sound = (found.boxes_px[:, 2:] > found.boxes_px[:, :2]).all(axis=1)
    columns = [found.boxes_px, 500.0 * found.scores[:, None], 1000.0 * found.class_ids[:, None]]
    if task == "obb":
        assert found.corners_px is not None
        # The same rectangle may begin at another of its corners.
        columns.append(np.sort(found.corners_px, axis=1).reshape(-1, 8))
    return np.hstack(columns)[sound]


@pytest.mark.parametrize(
    ("name", "task"), [("yolov10n", "detect"), ("yolo26n", "detect"), ("yolo11n-obb", "obb"), ("yolo26n-obb", "obb")]
)
def test_boxes_and_corners_are_those_of_ultralytics(name: str, task: str, tmp_path: Path) -> None:
    from ultralytics import YOLO

    picture = np.random.default_rng(5).integers(0, 255, (128, 224, 3), dtype=np.uint8)
    weights = outspoken(name, task, tmp_path, picture)
    options = {"dynamic": True, "imgsz": 64, "simplify": False, "nms": False, "device": "cpu"}
    exported = Path(YOLO(str(weights)).export(format="onnx", **options))
    # A .pt gets a suppression that its export without one does not: the same file through both.
    theirs, ours = (load_detector(exported, threshold=0.5, threads=1, backend=b) for b in ("ultralytics", "onnx"))
    assert ours.names == theirs.names
    a, b = (rows(detector.detect_batch([picture])[0], task) for detector in (ours, theirs))
    assert len(b) >= 5
    # To 0.05 px and 0.0001 of the score: each of theirs is one of ours.
    assert np.abs(b[:, None] - a).max(axis=2).min(axis=1).max() < 0.05
    # Their suppression of oriented boxes also counts boxes that are suppressed themselves; ours keeps those then.
    assert len(a) == len(b) if name != "yolo11n-obb" else len(a) >= len(b)
