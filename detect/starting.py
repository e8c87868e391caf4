"""Where training starts from: ultralytics' own weights and architectures, or the weights of an ONNX export."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detect.onnx_weights import OnnxWeights, read_onnx_weights
from flightplan.errors import DetectorError

_SETTLED_WITH = 32
"""Pictures from which the statistics of each normalisation are taken."""
_FIXED = ".dfl.conv.weight"
"""The numbers 0 to 15 in the head, which no training moves: a quantised file has them rounded, or has none."""


def start_from_onnx(path: Path, target: Path, names: Sequence[str], pictures: Iterable[Path]) -> Path:
    """Write the network of an ONNX export as a `.pt` that training goes on from; returns `target`.

    The head tells `names` apart: a class that the export knows by the same name keeps its weights, any other starts as
    the mean of all it knows, which answers to things rather than to land.

    Exporters fold normalisations into the convolutions. Here each convolution gets one again: with the mean and the
    variance that its output has over `pictures` (tiles to be trained on, all of one size), and with the scale and shift
    that undo it. The network computes what it did, and goes on doing so when training takes those statistics from its
    batches. Raises DetectorError for a file that is no such export.
    """
    network = network_of(_with_classes(read_onnx_weights(path), names), path)
    network.names = dict(enumerate(names))
    _settle(network, sorted(pictures)[:_SETTLED_WITH])
    torch = importlib.import_module("torch")
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": network, "train_args": {}, "epoch": -1}, target)
    return target


def network_of(weights: OnnxWeights, path: Path) -> Any:
    """Build the ultralytics network that an export was made of, with its weights, in evaluation mode.

    Raises DetectorError where the architecture is not known or does not fit the weights.
    """
    try:
        torch = importlib.import_module("torch")
        tasks = importlib.import_module("ultralytics.nn.tasks")
    except ImportError as error:
        raise DetectorError(
            "training needs ultralytics, which is not installed", hint="Install it: pip install 'overfly[yolo]'"
        ) from error
    # The head is as wide inside as the number of classes it was first made for, which a new number must not change.
    classes, width = _classes(weights)
    layers = weights.architecture if isinstance(weights.architecture, str) else dict(weights.architecture)
    try:
        network = tasks.DetectionModel(layers, nc=width, verbose=False).eval()
        _tell_apart(torch, network, classes)
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        told = layers if isinstance(layers, str) else "of its own"
        raise DetectorError(
            f"ultralytics cannot build the network {told} ({type(error).__name__})", where=str(path)
        ) from error
    normalised = {f"{name}.conv": module.bn for name, module in network.named_modules() if hasattr(module, "bn")}
    state = network.state_dict()
    wanted = {name for name in state if name.endswith((".weight", ".bias")) and ".bn." not in name}
    with torch.no_grad():
        for name in sorted(wanted - set(weights.arrays)):
            if not name.endswith(_FIXED):
                raise DetectorError(f"The ONNX file has no {name}, which its network does", where=str(path))
        for name, values in weights.arrays.items():
            layer, kind = name.rsplit(".", 1)
            if name.endswith(_FIXED):
                continue
            if name in wanted and state[name].shape == values.shape:
                state[name].copy_(torch.from_numpy(values.copy()))
            elif kind == "bias" and layer in normalised and normalised[layer].bias.shape == values.shape:
                _fold_out(torch, normalised[layer], torch.from_numpy(values.copy()))
            elif name in wanted or layer in normalised:
                raise DetectorError(f"{name} of the ONNX file does not fit its network", where=str(path))
    return network


def _classes(weights: OnnxWeights) -> tuple[int, int]:
    """How many classes the head tells apart, and from how many channels: the last convolutions on scores."""
    last = [values for name, values in weights.arrays.items() if _scores(name) and name.endswith(".weight")]
    return (int(last[0].shape[0]), int(last[0].shape[1])) if last else (1, 1)


def _tell_apart(torch: Any, network: Any, classes: int) -> None:
    head = network.model[-1]
    for branch in head.cv3:
        branch[-1] = torch.nn.Conv2d(branch[-1].in_channels, classes, 1)
    head.nc, head.no = classes, classes + 4 * head.reg_max
    network.yaml["nc"] = network.nc = classes


def _scores(name: str) -> bool:
    return ".cv3." in name and name.endswith((".2.bias", ".2.weight"))


def _with_classes(weights: OnnxWeights, names: Sequence[str]) -> OnnxWeights:
    known = {name.strip().lower(): row for row, name in enumerate(weights.names)}
    rows = [known.get(name.strip().lower()) for name in names]
    arrays = {
        name: np.stack([values.mean(0) if row is None else values[row] for row in rows]) if _scores(name) else values
        for name, values in weights.arrays.items()
    }
    return replace(weights, arrays=arrays, names=tuple(names))


def keeping_trainer() -> Any:
    """Ultralytics' trainer, but for training the network of a start as it is, where it would build one anew."""
    base = importlib.import_module("ultralytics.models.yolo.detect").DetectionTrainer

    class KeepingTrainer(base):  # type: ignore[misc, valid-type]
        def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
            if weights is None or weights.yaml.get("nc") != self.data["nc"]:
                return super().get_model(cfg, weights, verbose)
            return weights

    return KeepingTrainer


def _fold_out(torch: Any, norm: Any, bias: Any) -> None:
    """A normalisation that does nothing but add `bias`."""
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
    norm.bias.copy_(bias)


def _settle(network: Any, pictures: list[Path]) -> None:
    """Give each normalisation the statistics of these pictures, without changing what the network computes."""
    torch = importlib.import_module("torch")
    found: dict[str, list[tuple[Any, Any]]] = {}
    blocks = {name: module for name, module in network.named_modules() if hasattr(module, "bn")}

    def watch(name: str) -> Any:
        def seen(_: Any, __: Any, output: Any) -> None:
            found.setdefault(name, []).append((output.mean((0, 2, 3)), (output**2).mean((0, 2, 3))))

        return seen

    hooks = [block.conv.register_forward_hook(watch(name)) for name, block in blocks.items()]
    with torch.no_grad():
        for picture in pictures:
            with Image.open(picture) as image:
                pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255.0
            network(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None])
        for name, moments in found.items():
            norm = blocks[name].bn
            mean = torch.stack([first for first, _ in moments]).mean(0)
            variance = (torch.stack([second for _, second in moments]).mean(0) - mean**2).clamp_min(0.0)
            # What is added now is all that the normalisation did, wherever its mean lay before.
            shift = norm.bias - norm.weight * norm.running_mean / torch.sqrt(norm.running_var + norm.eps)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_(torch.sqrt(variance + norm.eps))
            norm.bias.copy_(shift + mean)
    for hook in hooks:
        hook.remove()
