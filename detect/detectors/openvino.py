"""ONNX models of YOLO networks run by OpenVINO, which Intel's processors like better. Needs the extra `openvino`."""

from __future__ import annotations

import importlib
import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.detectors.base import DEFAULT_IOU, MAX_DETECTIONS, read_model
from detect.detectors.onnx import OnnxDetector
from flightplan.errors import DetectorError

_QUANTA = frozenset({"i4", "u4", "i8", "u8"})


class OpenVinoDetector(OnnxDetector):
    """The detector of an ONNX file with OpenVINO in the place of ONNX Runtime.

    What the model is, is read and checked as in `OnnxDetector`; tiles and boxes are made by the same code. The network
    runs in single precision, so its answers differ from ONNX Runtime's only by the order in which sums are taken. Any
    number of threads may call one detector at once, each through a request of its own. `quantised` says that the
    network computes in integers: each rounding then magnifies such differences, and its boxes are others than those of
    ONNX Runtime.
    """

    _runtime = "OpenVINO"

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
            openvino = importlib.import_module("openvino")
        except ImportError as error:
            raise DetectorError(
                "OpenVINO is not installed", where=str(path), hint="Install it with: pip install openvino"
            ) from error
        super().__init__(path, threshold=threshold, iou=iou, threads=threads, limit=limit)
        del self._session
        content, _ = read_model(path)
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # Streams work side by side and share the threads: one stream for each caller that may come at once.
        settings = {
            "NUM_STREAMS": str(max(1, processors // threads) if threads else 1),
            "INFERENCE_NUM_THREADS": str(processors),
            # Some processors would round to 16 bits otherwise, and the same model would find other animals there.
            "INFERENCE_PRECISION_HINT": "f32",
            # A thread that is tied to one processor waits there for whatever else runs on it.
            "ENABLE_CPU_PINNING": "NO",
        }
        try:
            core = openvino.Core()
            model = core.read_model(io.BytesIO(content), io.BytesIO(b""))
            if len(model.inputs) != 1:
                raise RuntimeError("the network's answer does not depend on a picture")
            self.quantised = any(
                port.get_element_type().get_type_name() in _QUANTA for op in model.get_ops() for port in op.outputs()
            )
            self._compiled: Any = core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise DetectorError(
                "This is not an ONNX model that OpenVINO can run",
                where=str(path),
                hint=f"Try --backend onnx. It says: {str(error).strip().splitlines()[-1][:300]}",
            ) from error
        self._requests = threading.local()

    def _run(self, planes: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.create_infer_request()
        return np.array(self._requests.own.infer({0: planes})[0], dtype=np.float32)
