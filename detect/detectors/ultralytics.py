"""Models that ultralytics runs: `.pt` files and all its export formats. Needs the extra `yolo`."""

from __future__ import annotations

import hashlib
import importlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.detections import Detections, sorted_detections
from detect.detectors.base import read_model
from detect.detectors.heads import different
from detect.detectors.model_facts import BOXES, ORIENTED, ModelFacts, Thresholds, read_metadata
from detect.detectors.network import Asked, above, first_line
from detect.detectors.onnx import read_onnx_facts
from detect.detectors.oriented import around
from flightplan.errors import DetectorError

_PICKLES = (".pt", ".pth")


class UltralyticsDetector:
    """A detector run by ultralytics: boxes and oriented boxes. See `detect.detectors.base.Detector`.

    A `.pt` file is a pickle: opening one runs what it says, so open only those you trust. One thread at a time may call
    it.
    """

    def __init__(self, path: Path, asked: Asked | None = None, *, threads: int | None = None) -> None:
        try:
            ultralytics = importlib.import_module("ultralytics")
            torch = importlib.import_module("torch")
        except ImportError as error:
            raise DetectorError(
                f"A {path.suffix or 'model'} file needs ultralytics, which is not installed",
                where=str(path),
                hint="Install it with: pip install 'overfly[yolo]'. Or export the model to ONNX.",
            ) from error
        if threads:
            torch.set_num_threads(threads)
        self._asked = asked or Asked()
        self.content_hash = _hash(path)
        told = None if path.suffix.lower() in _PICKLES else _told(path)
        try:
            # A .pt knows its task; an export has to be told.
            task_of = {} if path.suffix.lower() in _PICKLES else {"task": told.task if told else BOXES}
            self._model: Any = ultralytics.YOLO(str(path), **task_of)
            names = dict(self._model.names)
            task = str(self._model.task)
            self.fixed_tile_px = self._fixed_size()
        except Exception as error:  # a file that is no model fails in as many ways as there are formats
            raise DetectorError(
                "This is not a model that ultralytics can run", where=str(path), hint=f"It says: {first_line(error)}"
            ) from error
        if task not in (BOXES, ORIENTED):
            raise DetectorError(f"The model does {task!r}, not 'detect' or 'obb'", where=str(path))
        self.names = tuple(str(names[class_id]) for class_id in range(len(names)))
        self.facts = replace(told or ModelFacts(task, self.names), task=task, names=self.names)
        self.thresholds = Thresholds.choose(self.facts, self._asked.threshold, self._asked.thresholds)
        self.threshold = self.thresholds.lowest
        self._turn = threading.Lock()

    def _fixed_size(self) -> tuple[int, int] | None:
        """Exports have one input size unless they were made dynamic; a `.pt` takes any."""
        if isinstance(self._model.model, str):
            self._model.predict(np.zeros((32, 32, 3), np.uint8), verbose=False)
            backend = self._model.predictor.model
            if not getattr(backend, "dynamic", False):
                size = getattr(backend, "imgsz", None) or 640
                height, width = (size, size) if isinstance(size, int) else size
                return int(width), int(height)
        return None

    def detect_batch(self, tiles: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """Detections of each tile, in its own pixels; tiles are RGB (height, width, 3) and of one size."""
        return [above(self._detect(tile), self.thresholds) for tile in tiles]

    def _detect(self, tile: npt.NDArray[np.uint8]) -> Detections:
        # ultralytics takes arrays in OpenCV's order of colours.
        with self._turn:
            result = self._model.predict(
                np.ascontiguousarray(tile[:, :, ::-1]),
                imgsz=tile.shape[:2],
                conf=self.threshold,
                iou=self._asked.iou,
                max_det=self._asked.limit,
                agnostic_nms=True,
                verbose=False,
            )[0]
        oriented = self.facts.task == ORIENTED
        found = result.obb if oriented else result.boxes
        scores, class_ids = found.conf.cpu().numpy(), found.cls.cpu().numpy()
        best = np.argsort(-scores, kind="stable")
        corners: npt.NDArray[np.float64] | None = None
        if oriented:
            corners = found.xyxyxyxy.cpu().numpy().astype(np.float64).reshape(-1, 4, 2)[best]
            boxes = np.clip(around(corners), 0.0, [tile.shape[1], tile.shape[0]] * 2)
            rows = different(corners.reshape(-1, 8))
            corners = corners[rows]
        else:
            boxes = found.xyxy.cpu().numpy()[best]
            rows = different(boxes)
        best = best[rows]
        return sorted_detections(
            boxes[rows], scores[best], class_ids[best], self.names, self.content_hash, corners_px=corners
        )


def _told(path: Path) -> ModelFacts | None:
    """What an export says of itself, where it says so in a way that can be read without running it."""
    if path.suffix.lower() == ".onnx":
        return read_onnx_facts(read_model(path)[0], path)[0]
    beside = path / "metadata.yaml" if path.is_dir() else path.with_name("metadata.yaml")
    return ModelFacts.read(read_metadata(beside), str(path)) if beside.is_file() else None


def _hash(path: Path) -> str:
    """The SHA-256 of a model's file, or of all files of an export that is a folder, in the order of their names."""
    if not path.is_dir():
        return read_model(path)[1]
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(read_model(file)[1].encode())
    return digest.hexdigest()
