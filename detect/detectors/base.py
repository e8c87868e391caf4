"""What every detector offers, and how one is chosen for a model file."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from detect.detections import Detections
from detect.detectors.model_facts import BOXES, ModelFacts, Thresholds
from detect.models import shipped_model
from flightplan.errors import DetectorError

BACKENDS = {"onnx": "OnnxDetector", "openvino": "OpenVinoDetector", "ultralytics": "UltralyticsDetector"}
MAX_MODEL_BYTES = 1 << 30


class Detector(Protocol):
    """Finds things in tiles.

    `names` are the labels by class id. `content_hash` is the SHA-256 of the model's files. `threshold` is the lowest
    score returned for any label. `fixed_tile_px` is (width, height) where the network takes one size only, else None:
    any multiple of 32. Those that `load_detector` gives also have `facts` (`model_facts.ModelFacts`), what the model
    says of itself, and `thresholds` (`model_facts.Thresholds`).
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
    thresholds: Mapping[str, float] | None = None,
    iou: float | None = None,
    threads: int | None = None,
    backend: str | None = None,
    calibrated: bool = False,
    fast: bool = False,
) -> Detector:
    """Load a model: `.onnx`, or OpenVINO's `.xml` (its folder will do); anything else through ultralytics.

    `threshold` is the lowest score kept, `thresholds` the same for some labels; where neither is given they are the
    model's own (see `model_facts.py`), else 0.25. `iou` (0.7) is the overlap above which the weaker of two boxes of one
    tile is dropped. `threads` is how many the network may use itself. `backend` ("onnx", "openvino" or "ultralytics")
    forces one. `calibrated` makes scores, and thresholds asked for, the probability that a detection is right, by what
    `overfly train` wrote into the model. `fast` computes with 16 bits where OpenVINO is there and the processor can
    (bfloat16: Intel's from 2020 on, and from 2023 on by matrices): scores differ in the third digit, boxes by a pixel.
    Raises DetectorError for a file that is no model, or one that cannot be used.

    What runs an ONNX model was measured (docs/decisions/0009): OpenVINO where it is installed, and finds the same
    boxes. ONNX Runtime runs the model that ships, so that a demo gives the same figures everywhere, networks that
    compute in integers, whose rounding differs, and whatever OpenVINO cannot run.
    """
    from detect.detectors.network import DEFAULT_IOU, Asked

    if calibrated:
        from detect.calibration import calibrated_detector

        load = functools.partial(load_detector, path, iou=iou, threads=threads, backend=backend, fast=fast)
        return calibrated_detector(load, threshold, thresholds)
    path = _model_file(Path(path), inside=backend != "ultralytics")
    asked = Asked(threshold, thresholds, DEFAULT_IOU if iou is None else iou, fast=fast)
    suffix = path.suffix.lower()
    chosen = backend or {".onnx": "onnx", ".xml": "openvino"}.get(suffix, "ultralytics")
    if chosen not in BACKENDS:
        raise DetectorError(f"There is no backend {chosen!r}", hint=f"Use one of {', '.join(BACKENDS)}.")
    if backend is None and chosen == "onnx" and _prefers_openvino(path):
        from detect.detectors.openvino import OpenVinoDetector

        with suppress(DetectorError):
            detector = OpenVinoDetector(path, asked, threads=threads)
            if not detector.quantised:
                return detector
    loader = getattr(importlib.import_module(f"detect.detectors.{chosen}"), BACKENDS[chosen])
    loaded: Detector = loader(path, asked, threads=threads)
    return loaded


def named_thresholds(detector: Detector) -> Mapping[str, float]:
    """The thresholds of labels that have one of their own."""
    thresholds: Thresholds | None = getattr(detector, "thresholds", None)
    return {} if thresholds is None else thresholds.named


def is_rounded(detector: Detector) -> bool:
    """Whether the network computes with 16 bits, so that its figures are not those of single precision."""
    return bool(getattr(detector, "rounded", False))


def task_of(detector: Detector) -> str:
    """What the detector answers with: "detect" (boxes), "obb" (oriented boxes) or "points"."""
    facts: ModelFacts | None = getattr(detector, "facts", None)
    return BOXES if facts is None else facts.task


def _model_file(path: Path, *, inside: bool) -> Path:
    """A model's file, or its folder: ultralytics exports some formats as one, OpenVINO's with one .xml in it."""
    if path.is_dir():
        networks = sorted(path.glob("*.xml")) if inside else []
        return networks[0] if len(networks) == 1 else path
    if not path.is_file():
        raise DetectorError("There is no such model file", where=str(path))
    return path


def _prefers_openvino(path: Path) -> bool:
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
