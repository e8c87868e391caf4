"""The weights of an ONNX export, to start training from where no `.pt` is to be had.

Exporters fold each batch normalisation into the convolution before it, and quantisation keeps weights as integers with
a scale. Both are undone here as far as they can be: integers times their scale are the weights to half a step.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.detectors.base import read_model
from detect.detectors.model_facts import ModelFacts
from flightplan.errors import DetectorError

ARCHITECTURE_KEY = "architecture"
"""In the metadata of what overfly exports: the network's layers as JSON."""

NETWORK_KEYS = ("nc", "scales", "scale", "depth_multiple", "width_multiple", "max_channels", "backbone", "head")
"""What of ultralytics' description of a network is kept: nothing that it would evaluate as code."""

Weights = npt.NDArray[np.float32]

_INTEGERS = "_quantized"
# Ultralytics looks a layer up by name among all that it has, and calls it: from an untrusted file only these.
_BLOCKS = "Conv DWConv Concat Bottleneck C2f C3 C3k C3k2 C2PSA A2C2f SPP SPPF SCDown C2fCIB PSA Detect nn.Upsample"
_LAYERS = frozenset(_BLOCKS.split())


@dataclass(frozen=True)
class OnnxWeights:
    """What an export says of the network it was made of.

    `architecture` is the name of one that ultralytics knows (`yolov8n.yaml`), or its layers. `arrays` are weights and
    biases by parameter name (`model.0.conv.weight`), normalisation folded in. `names` are its labels by class id.
    `quantised` says that some weights were integers.
    """

    architecture: str | Mapping[str, Any]
    arrays: Mapping[str, Weights]
    names: tuple[str, ...]
    quantised: bool


def read_onnx_weights(path: Path) -> OnnxWeights:
    """Read the weights of an ONNX file exported by ultralytics, quantised or not.

    Integers become (q - zero point) x scale, per tensor or per output channel, as ONNX's DequantizeLinear defines.
    Raises DetectorError for a file that is no ONNX, has no weights by name, or does not say what network it is.
    """
    content, _ = read_model(path)
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise DetectorError(
            "reading an ONNX file's weights needs onnx, which is not installed",
            hint="Install it: pip install 'overfly[yolo]'",
        ) from error
    try:
        model = onnx.load_model_from_string(content)
        kept = {entry.name: entry for entry in model.graph.initializer if not entry.external_data}
        raw = {name: np.asarray(numpy_helper.to_array(entry)) for name, entry in kept.items()}
        metadata = {entry.key: entry.value for entry in model.metadata_props}
    except Exception as error:  # protobuf and onnx raise a dozen classes without a common base
        raise DetectorError("This is not an ONNX file", where=str(path), hint="Name an export or a .pt.") from error
    arrays, quantised = _arrays(raw)
    if not arrays:
        raise DetectorError(
            "This ONNX file does not keep its weights under the names they were trained under",
            where=str(path),
            hint="Export it with ultralytics, or start from its .pt.",
        )
    return OnnxWeights(_architecture(metadata, path), arrays, ModelFacts.read(metadata, str(path)).names, quantised)


def _arrays(raw: Mapping[str, npt.NDArray[Any]]) -> tuple[dict[str, Weights], bool]:
    arrays: dict[str, Weights] = {}
    quantised = False
    for name, values in raw.items():
        if name.endswith(f".weight{_INTEGERS}"):
            plain = name.removesuffix(_INTEGERS)
            zero, scale = raw.get(f"{plain}_zero_point", np.zeros(1)), raw.get(f"{plain}_scale")
            if scale is None:
                continue
            along = (-1, *(1,) * (values.ndim - 1))
            whole = values.astype(np.float64) - zero.astype(np.float64).reshape(along)
            arrays[plain] = (whole * scale.astype(np.float64).reshape(along)).astype(np.float32)
            quantised = True
        elif name.endswith((".weight", ".bias")) and np.issubdtype(values.dtype, np.floating):
            arrays[name] = values.astype(np.float32)
    return arrays, quantised


def _architecture(metadata: Mapping[str, str], path: Path) -> str | Mapping[str, Any]:
    """As the file tells it, else as a .yaml of the same name beside it does, else by its name."""
    told, beside = metadata.get(ARCHITECTURE_KEY), path.with_suffix(".yaml")
    if told:
        try:
            layers = json.loads(told)
        except (ValueError, RecursionError) as error:
            raise DetectorError("The model's architecture cannot be read", where=str(path)) from error
        return _network(layers, path)
    if beside.is_file():
        yaml = importlib.import_module("yaml")
        try:
            layers = yaml.safe_load(beside.read_text(encoding="utf-8"))
        except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:
            raise DetectorError("The model's architecture cannot be read", where=str(beside)) from error
        return _network(layers, beside)
    named = re.search(r"Ultralytics (YOLO[\w-]+) model", metadata.get("description", ""))
    if named is None:
        raise DetectorError(
            "This ONNX file does not say what network it is",
            where=str(path),
            hint="Start from a .pt, from an export whose description names it, as 'Ultralytics YOLOv8n model', or put "
            f"its architecture beside it as {beside.name}.",
        )
    return f"{named.group(1).lower()}.yaml"


def _network(layers: Any, path: Path) -> Mapping[str, Any]:
    if not _is_network(layers):
        raise DetectorError("The model's architecture is none that can be trained", where=str(path))
    return {key: value for key, value in layers.items() if key in NETWORK_KEYS}


def _is_network(layers: Any) -> bool:
    if not isinstance(layers, dict):
        return False
    backbone, head = layers.get("backbone"), layers.get("head")
    if not isinstance(backbone, list) or not isinstance(head, list):
        return False
    rows = [*backbone, *head]
    return bool(backbone and head) and all(
        isinstance(row, list) and len(row) == 4 and isinstance(row[2], str) and row[2] in _LAYERS for row in rows
    )
