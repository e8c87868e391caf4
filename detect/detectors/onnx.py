"""ONNX models run by ONNX Runtime, which the base install has."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from detect.detectors.base import read_model
from detect.detectors.heads import Raw
from detect.detectors.model_facts import ModelFacts
from detect.detectors.network import Asked, NetworkDetector, Planes, first_line
from flightplan.errors import DetectorError

_ERROR_LEVEL = 3
_MAX_ARENA_BYTES = 8 << 30
_AS_REQUESTED, _DEFAULT = 1, -1
_FLOATS = {"tensor(float)": False, "tensor(float16)": True}


class OnnxDetector(NetworkDetector):
    """A detector in an ONNX file with the metadata that ultralytics writes, or as `points.py` says.

    Any number of threads may call one detector at once. See `detect.detectors.base.Detector`.
    """

    def __init__(self, path: Path, asked: Asked | None = None, *, threads: int | None = None) -> None:
        content, content_hash = read_model(path)
        session = _session(content, path, threads)
        facts, inputs, half = _about(session, path)
        self._session, self._input = session, inputs.name
        super().__init__(
            path, content_hash, facts, asked or Asked(), shape=inputs.shape, half=half, runtime="ONNX Runtime",
            run=self._answer,
        )  # fmt: skip

    def _answer(self, planes: Planes) -> Sequence[Raw]:
        return [np.asarray(output) for output in self._session.run(None, {self._input: planes})]


def read_onnx_facts(content: bytes, path: Path) -> tuple[ModelFacts, Sequence[Any], bool]:
    """What an ONNX model says of itself, the shape of its input, and whether that is in half precision."""
    facts, inputs, half = _about(_session(content, path, 1, optimised=False), path)
    return facts, inputs.shape, half


def _session(content: bytes, path: Path, threads: int | None, *, optimised: bool = True) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERROR_LEVEL
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    # A thread that spins while it waits takes the processor from the decoding of the next picture.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # One arena of bounded size for all models: a network that asks for more memory fails instead of the machine.
    _bound_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        # From its bytes, and with an empty folder to look in, so that the hash covers the whole model: none can refer
        # to weights in other files.
        with tempfile.TemporaryDirectory() as nowhere:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", nowhere)
            return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a dozen classes without a common base
        raise DetectorError(
            "This is not an ONNX model that ONNX Runtime can run",
            where=str(path),
            hint=f"It says: {first_line(error)}",
        ) from error


@functools.cache
def _bound_memory() -> None:
    where = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(
        where, onnxruntime.OrtArenaCfg(_MAX_ARENA_BYTES, _AS_REQUESTED, _DEFAULT, _DEFAULT)
    )


def _about(session: Any, path: Path) -> tuple[ModelFacts, Any, bool]:
    metadata: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    facts = ModelFacts.read(metadata, str(path))
    inputs = session.get_inputs()
    if len(inputs) != 1:
        told = ", ".join(f"{i.name} {i.shape}" for i in inputs) or "none"
        raise DetectorError("The model does not take one RGB picture", where=str(path), hint=f"Its inputs: {told}")
    if inputs[0].type not in _FLOATS:
        raise DetectorError(f"The model takes {inputs[0].type}, not floats", where=str(path))
    odd = [output.type for output in session.get_outputs() if not output.type.startswith("tensor(")]
    if odd:
        raise DetectorError(f"The model answers with {odd[0]}, not with arrays", where=str(path))
    return facts, inputs[0], _FLOATS[inputs[0].type]
