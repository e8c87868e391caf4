"""Models that ultralytics runs: `.pt` files and all its export formats. Needs the extra `yolo`."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.detections import Detections, sorted_detections
from detect.detectors.base import DEFAULT_IOU, DEFAULT_THRESHOLD, MAX_DETECTIONS, read_model
from flightplan.errors import DetectorError


class UltralyticsDetector:
    """A detector run by ultralytics. See `detect.detectors.base.Detector`.

    A `.pt` file is a pickle: opening one runs what it says, so open only those you trust. One thread at a time may call
    it.
    """

    def __init__(
        self,
        path: Path,
        *,
        threshold: float | None = None,
        iou: float = DEFAULT_IOU,
        threads: int | None = None,
        limit: int = MAX_DETECTIONS,
    ) -> None:
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
        self.content_hash = read_model(path)[1]
        try:
            self._model: Any = ultralytics.YOLO(str(path), task="detect")
            names = dict(self._model.names)
        except Exception as error:  # a file that is no model fails in as many ways as there are formats
            raise DetectorError(
                "This is not a model that ultralytics can run",
                where=str(path),
                hint=f"It says: {(str(error).strip() or type(error).__name__).splitlines()[0][:300]}",
            ) from error
        if self._model.task != "detect":
            raise DetectorError(f"The model does {self._model.task!r}, not 'detect'", where=str(path))
        self.names = tuple(str(names[class_id]) for class_id in range(len(names)))
        self.threshold = DEFAULT_THRESHOLD if threshold is None else threshold
        self._iou = iou
        self._limit = limit
        self._turn = threading.Lock()
        self.fixed_tile_px = self._fixed_size()

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
        found = []
        for tile in tiles:
            # ultralytics takes arrays in OpenCV's order of colours.
            with self._turn:
                result = self._model.predict(
                    np.ascontiguousarray(tile[:, :, ::-1]),
                    imgsz=tile.shape[:2],
                    conf=self.threshold,
                    iou=self._iou,
                    max_det=self._limit,
                    agnostic_nms=True,
                    verbose=False,
                )[0]
            boxes = result.boxes
            found.append(
                sorted_detections(
                    boxes.xyxy.cpu().numpy(),
                    boxes.conf.cpu().numpy(),
                    boxes.cls.cpu().numpy(),
                    self.names,
                    self.content_hash,
                )
            )
        return found
