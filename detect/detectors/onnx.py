"""ONNX models of YOLO networks, as ultralytics exports them, run by ONNX Runtime."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from detect.detections import Detections, sorted_detections
from detect.detectors.base import DEFAULT_IOU, DEFAULT_THRESHOLD, MAX_DETECTIONS, read_model
from detect.detectors.heads import decode_head
from flightplan.errors import DetectorError

_ORT_ERROR_LEVEL = 3
_MAX_METADATA = 1 << 20


class OnnxDetector:
    """A detector in an ONNX file with the metadata that ultralytics writes (names, task).

    Any number of threads may call one detector at once. See `detect.detectors.base.Detector`.
    """

    _runtime = "ONNX Runtime"

    def __init__(
        self,
        path: Path,
        *,
        threshold: float | None = None,
        iou: float = DEFAULT_IOU,
        threads: int | None = None,
        limit: int = MAX_DETECTIONS,
    ) -> None:
        content, self.content_hash = read_model(path)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ORT_ERROR_LEVEL
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        # A thread that spins while it waits takes the processor from the decoding of the next picture.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # From its bytes, so that the hash covers the whole model: none can refer to weights in other files.
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen classes without a common base
            raise DetectorError(
                "This is not an ONNX model that ONNX Runtime can run",
                where=str(path),
                hint=f"It says: {_first_line(error)}",
            ) from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        task = metadata.get("task", "detect")
        if task != "detect":
            raise DetectorError(f"The model does {task!r}, not 'detect'", where=str(path))
        self.names = _names(metadata, path)
        self.threshold = threshold if threshold is not None else _own_threshold(metadata)
        self._iou = iou
        self._limit = limit
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[1] != 3:
            raise DetectorError(
                "The model does not take one RGB picture",
                where=str(path),
                hint=f"Its inputs: {', '.join(f'{i.name} {i.shape}' for i in inputs)}",
            )
        if inputs[0].type not in ("tensor(float)", "tensor(float16)"):
            raise DetectorError(f"The model takes {inputs[0].type}, not floats", where=str(path))
        self._input = inputs[0].name
        self._output = self._session.get_outputs()[0].name
        self._dtype = np.float16 if inputs[0].type == "tensor(float16)" else np.float32
        batch, _, height, width = inputs[0].shape
        self.fixed_tile_px = (width, height) if isinstance(width, int) and isinstance(height, int) else None
        self._batch = batch if isinstance(batch, int) and batch > 0 else None
        self._path = path

    def detect_batch(self, tiles: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """Detections of each tile, in its own pixels; tiles are RGB (height, width, 3) and of one size."""
        if not tiles:
            return []
        step = self._batch or len(tiles)
        found: list[Detections] = []
        for first in range(0, len(tiles), step):
            part = tiles[first : first + step]
            height, width = part[0].shape[:2]
            found += [self._decode(output, width, height) for output in self._infer(part, step)[: len(part)]]
        return found

    def _infer(self, tiles: Sequence[npt.NDArray[np.uint8]], rows: int) -> npt.NDArray[np.float32]:
        planes = np.zeros((rows, 3, *tiles[0].shape[:2]), self._dtype)
        for row, tile in enumerate(tiles):
            np.divide(tile.transpose(2, 0, 1), np.float32(255.0), out=planes[row], casting="same_kind")
        try:
            return self._run(planes)
        except Exception as error:  # as above
            raise DetectorError(
                f"The model cannot process a tile of {planes.shape[3]}x{planes.shape[2]} pixels",
                where=str(self._path),
                hint=f"{self._runtime} says: {_first_line(error)}",
            ) from error

    def _run(self, planes: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """The network's output for (N, 3, height, width); the one step that another runtime does otherwise."""
        return np.asarray(self._session.run([self._output], {self._input: planes})[0], dtype=np.float32)

    def _decode(self, output: npt.NDArray[np.float32], width_px: int, height_px: int) -> Detections:
        boxes, scores, class_ids = decode_head(
            output, len(self.names), threshold=self.threshold, iou=self._iou, limit=self._limit
        )
        boxes = np.clip(boxes, 0.0, np.array([width_px, height_px] * 2, np.float32))
        return sorted_detections(boxes, scores, class_ids, self.names, self.content_hash)


def _names(metadata: Mapping[str, str], path: Path) -> tuple[str, ...]:
    """Labels by class id; the text is a Python literal from an untrusted file, and is never run."""
    text = metadata.get("names", "")
    try:
        if len(text) > _MAX_METADATA:
            raise ValueError("too long")
        names = ast.literal_eval(text)
        if isinstance(names, list | tuple):
            names = dict(enumerate(names))
        if not isinstance(names, dict) or sorted(names) != list(range(len(names))) or not names:
            raise ValueError("not numbered from 0")
        if not all(isinstance(name, str) and name for name in names.values()):
            raise ValueError("not all text")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise DetectorError(
            "The model does not say what its classes are called",
            where=str(path),
            hint="Export it with ultralytics, which writes the names into the file.",
        ) from error
    return tuple(names[class_id] for class_id in range(len(names)))


def _own_threshold(metadata: Mapping[str, str]) -> float:
    try:
        threshold = float(metadata.get("threshold", ""))
    except ValueError:
        return DEFAULT_THRESHOLD
    return threshold if 0.0 < threshold < 1.0 else DEFAULT_THRESHOLD


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
