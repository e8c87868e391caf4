"""Networks run by OpenVINO, which Intel's processors like better: ONNX models, and its own .xml with a .bin beside."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detect.detectors.base import read_model
from detect.detectors.heads import Raw
from detect.detectors.model_facts import ModelFacts, read_metadata
from detect.detectors.network import Asked, NetworkDetector, Planes, first_line
from detect.detectors.onnx import read_onnx_facts
from flightplan.errors import DetectorError

_QUANTA = frozenset({"i4", "u4", "i8", "u8"})
_MAX_VALUES = 1 << 28
_FIRST_ARRAY = threading.Lock()


class OpenVinoDetector(NetworkDetector):
    """A detector with OpenVINO as its runtime.

    An ONNX model is read and checked as by `OnnxDetector` first; of an `.xml`, what the model is stands in the
    `metadata.yaml` that ultralytics writes beside it. The network runs in single precision, so its answers differ from
    ONNX Runtime's only by the order in which sums are taken. Any number of threads may call one detector at once; as
    many calls are in work side by side as there are streams, each with a request and threads of its own.
    `quantised` says that the network computes in integers: each rounding then magnifies such differences, and its boxes
    are others than those of ONNX Runtime. `rounded` says that it was asked to be fast and computes with 16 bits.
    """

    def __init__(self, path: Path, asked: Asked | None = None, *, threads: int | None = None) -> None:
        try:
            openvino = importlib.import_module("openvino")
        except ImportError as error:
            raise DetectorError(
                "OpenVINO is not installed", where=str(path), hint="Install it: pip install 'overfly[openvino]'"
            ) from error
        content, content_hash = read_model(path)
        weights = b""
        if path.suffix.lower() == ".xml":
            weights, _ = read_model(path.with_suffix(".bin"))
            content_hash = hashlib.sha256(content + weights).hexdigest()
            facts = ModelFacts.read(read_metadata(path.with_name("metadata.yaml")), str(path))
        else:
            facts, *_ = read_onnx_facts(content, path)
        asked = asked or Asked()
        with _FIRST_ARRAY:
            # OpenVINO 2026.4 hangs for ever when two threads hand it their first array at once (pybind11's guards).
            openvino.Tensor(np.zeros(1, np.float32))
        try:
            core = openvino.Core()
            self.rounded = asked.fast and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            streams, settings = _settings(threads, rounded=self.rounded)
            # From bytes: what is run is what was hashed, and it cannot refer to other files.
            model = core.read_model(io.BytesIO(content), io.BytesIO(weights))
            _check(model)
            self.quantised = any(
                port.get_element_type().get_type_name() in _QUANTA for op in model.get_ops() for port in op.outputs()
            )
            compiled: Any = core.compile_model(model, "CPU", settings)
            self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
            for _ in range(streams):
                self._requests.put(compiled.create_infer_request())
            port = model.inputs[0]
            shape = [size.get_length() if size.is_static else str(size) for size in port.get_partial_shape()]
            kind = port.get_element_type().get_type_name()
        except RuntimeError as error:
            raise DetectorError(
                "This is not a model that OpenVINO can run",
                where=str(path),
                hint=f"Try --backend onnx. It says: {_last_line(error)}",
            ) from error
        if kind not in ("f32", "f16"):
            raise DetectorError(f"The model takes {kind}, not floats", where=str(path))
        super().__init__(
            path, content_hash, facts, asked, shape=shape, half=kind == "f16", runtime="OpenVINO",
            run=self._answer,
        )  # fmt: skip

    def _answer(self, planes: Planes) -> Sequence[Raw]:
        request = self._requests.get()
        try:
            request.infer({0: planes})
            return [np.array(tensor.data, dtype=np.float32) for tensor in request.output_tensors]
        finally:
            self._requests.put(request)


def _settings(threads: int | None, *, rounded: bool) -> tuple[int, dict[str, str]]:
    """How many streams, and OpenVINO's settings: one stream for each caller that may come at once, sharing the threads.

    This is what the hint THROUGHPUT chooses on two processors; it is spelt out because callers are counted on it.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    streams = max(1, processors // threads) if threads else 1
    return streams, {
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": str(processors),
        # Some processors would round to 16 bits unasked, and the same model would find other animals there.
        "INFERENCE_PRECISION_HINT": "bf16" if rounded else "f32",
        # A thread that is tied to one processor waits there for whatever else runs on it.
        "ENABLE_CPU_PINNING": "NO",
    }


def _check(model: Any) -> None:
    """Refuse a network without a picture to look at, and one that would fill the memory with one array."""
    if len(model.inputs) != 1:
        raise RuntimeError("the network's answer does not depend on a picture")
    for op in model.get_ops():
        for port in op.outputs():
            sizes = [size.get_length() for size in port.get_partial_shape() if size.is_static] if _ranked(port) else []
            if np.prod(np.array(sizes or [1], dtype=np.float64)) > _MAX_VALUES:
                raise RuntimeError(f"the network has an array of {' x '.join(map(str, sizes))} values")


def _ranked(port: Any) -> bool:
    return bool(port.get_partial_shape().rank.is_static)


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else first_line(error)
