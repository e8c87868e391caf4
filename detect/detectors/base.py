"""What every detector offers, and how one is chosen for a model file."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from detect.detections import Detections
from detect.models import shipped_model
from flightplan.errors import DetectorError

DEFAULT_THRESHOLD = 0.25
DEFAULT_IOU = 0.7
MAX_DETECTIONS = 1000
MAX_MODEL_BYTES = 1 << 30


class Detector(Protocol):
    """Finds things in tiles.

    `names` are the labels by class id. `content_hash` is the SHA-256 of the model file. `threshold` is the lowest score
    returned. `fixed_tile_px` is (width, height) where the network takes one size only, else None: any multiple of 32.
    """

    names: tuple[str, ...]
    content_hash: str
    threshold: float
    fixed_tile_px: tuple[int, int] | None

    def detect_batch(self, tiles: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """Detections of each tile, in its own pixels; tiles are RGB (height, width, 3) and of one size."""
        ...


def load_detector(
    path: Path,
    *,
    threshold: float | None = None,
    iou: float = DEFAULT_IOU,
    threads: int | None = None,
    backend: str | None = None,
) -> Detector:
    """Load a model file: `.onnx` through OpenVINO or ONNX Runtime, anything else through ultralytics (extra `yolo`).

    OpenVINO is taken where it is installed and finds the same boxes; ONNX Runtime runs the model that ships, networks
    quantised to integers, and whatever OpenVINO cannot run.

    `threshold` is the lowest score kept; None takes the model's own (metadata `threshold`), else 0.25. `iou` is the
    overlap above which the weaker of two boxes of one tile is dropped. `threads` is how many the network may use
    itself. `backend` ("onnx", "openvino" or "ultralytics") forces one. Raises DetectorError for a file that is no
    model, or one that cannot be used.
    """
    path = Path(path)
    if threshold is not None and not 0.0 < threshold < 1.0:
        raise DetectorError(f"A threshold lies between 0 and 1, not at {threshold:g}")
    if not path.is_file():
        raise DetectorError("There is no such model file", where=str(path))
    chosen = backend or ("onnx" if path.suffix.lower() == ".onnx" else "ultralytics")
    if backend is None and chosen == "onnx" and _prefers_openvino(path):
        from detect.detectors.openvino import OpenVinoDetector

        with suppress(DetectorError):
            detector = OpenVinoDetector(path, threshold=threshold, iou=iou, threads=threads)
            if not detector.quantised:
                return detector
    if chosen == "onnx":
        from detect.detectors.onnx import OnnxDetector

        return OnnxDetector(path, threshold=threshold, iou=iou, threads=threads)
    if chosen == "openvino":
        from detect.detectors.openvino import OpenVinoDetector

        return OpenVinoDetector(path, threshold=threshold, iou=iou, threads=threads)
    if chosen == "ultralytics":
        from detect.detectors.ultralytics import UltralyticsDetector

        return UltralyticsDetector(path, threshold=threshold, iou=iou, threads=threads)
    raise DetectorError(f"There is no backend {chosen!r}", hint="Use onnx, openvino or ultralytics.")


def _prefers_openvino(path: Path) -> bool:
    # A demo gives the same figures to the last digit whatever is installed beside it.
    return importlib.util.find_spec("openvino") is not None and path.resolve() != shipped_model().resolve()


def read_model(path: Path) -> tuple[bytes, str]:
    """A model file's content and its SHA-256. Raises DetectorError where it cannot be read or is too large."""
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise DetectorError(f"The model file is over {MAX_MODEL_BYTES >> 30} GB", where=str(path))
        content = path.read_bytes()
    except OSError as error:
        raise DetectorError(f"The model file cannot be read ({error.strerror})", where=str(path)) from error
    return content, hashlib.sha256(content).hexdigest()
