"""Training a YOLO detector on a labelled dataset, and exporting it as the ONNX file that detectors load.

Needs the extra `yolo`. The dataset is a YOLO `data.yaml`: image folders per split and the names of the classes, with a
text file of boxes for each image.
"""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from detect.onnx_weights import ARCHITECTURE_KEY, NETWORK_KEYS
from detect.starting import keeping_trainer
from flightplan.errors import DetectorError

OPSET = 17
"""Of ONNX: what ONNX Runtime 1.19 and everything after it runs."""

# Aerial pictures have no up and no left, and animals have one size at one height: flips both ways, little scaling.
_AERIAL: dict[str, Any] = {
    "flipud": 0.5,
    "fliplr": 0.5,
    "scale": 0.15,
    "translate": 0.1,
    "hsv_h": 0.015,
    "hsv_s": 0.3,
    "hsv_v": 0.25,
    "erasing": 0.0,
    "mosaic": 0.3,
}
# Where it has to work on other land, in other light and at other heights than the few pictures there are.
_ELSEWHERE: dict[str, Any] = {"scale": 0.5, "hsv_h": 0.05, "hsv_s": 0.7, "hsv_v": 0.4, "mosaic": 1.0}

Augment = Literal["survey", "elsewhere"]


@dataclass(frozen=True)
class Recipe:
    """How to train.

    `start` is an architecture (.yaml) to train from scratch, or weights (.pt) to go on from. The learning rate
    falls from `learning_rate` along a cosine over `epochs`; `stop_after` ends the run before that. The first `freeze`
    layers stay as they started. `augment` is how far tiles are varied: as pictures of one survey differ, or of other
    land and light. `threads` is how many torch may use. `extra` holds any other ultralytics argument, and wins.
    """

    start: str
    epochs: int = 50
    stop_after: int | None = None
    image_px: int = 640
    batch: int = 16
    learning_rate: float = 0.002
    seed: int = 0
    device: str = "cpu"
    workers: int = 1
    freeze: int = 0
    augment: Augment = "survey"
    threads: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """Weights of the best epoch and of the last one, labels by class id, and what the validation split gave.

    `metrics` has ultralytics' names.
    """

    weights: Path
    last: Path
    names: tuple[str, ...]
    metrics: Mapping[str, float]


def train(data: Path, folder: Path, recipe: Recipe) -> Trained:
    """Train on a dataset's `train` split, choosing the epoch by `val`; the run's files go into `folder`.

    Raises DetectorError when the extra `yolo` is not installed, or the dataset or the start cannot be used.
    """
    if not data.is_file():
        raise DetectorError("there is no such dataset", where=str(data), hint="Name its data.yaml")
    yolo = _yolo()
    try:
        model = yolo(recipe.start, task="detect")
        arguments: dict[str, Any] = {
            "data": str(data),
            "epochs": recipe.epochs,
            "imgsz": recipe.image_px,
            "batch": recipe.batch,
            # Ultralytics sums gradients up to this many pictures: as many as a batch, or few batches learn nothing.
            "nbs": recipe.batch,
            "optimizer": "AdamW",
            "lr0": recipe.learning_rate,
            "lrf": 0.02,
            "cos_lr": True,
            "warmup_epochs": min(2.0, recipe.epochs / 10),
            # Ultralytics would begin with a rate of 0.1 for shifts, which undoes what a start knows.
            "warmup_bias_lr": 0.0,
            "seed": recipe.seed,
            "device": recipe.device,
            "workers": recipe.workers,
            "amp": recipe.device != "cpu",
            "plots": False,
            "project": str(folder.resolve().parent),
            "name": folder.name,
            "exist_ok": True,
            **_AERIAL,
            **(_ELSEWHERE if recipe.augment == "elsewhere" else {}),
            **({"freeze": recipe.freeze} if recipe.freeze else {}),
            **recipe.extra,
        }
        if recipe.threads:
            importlib.import_module("torch").set_num_threads(recipe.threads)
        if recipe.stop_after is not None:
            model.add_callback("on_train_epoch_end", _stopper(recipe.stop_after))
        results = model.train(**arguments, trainer=keeping_trainer() if recipe.start.endswith(".pt") else None)
    except (OSError, RuntimeError, SyntaxError, ValueError, KeyError, AssertionError) as error:
        fetched = recipe.start.endswith(".pt") and not Path(recipe.start).is_file()
        raise DetectorError(
            f"training failed: {_first_line(error)}",
            where=str(data),
            hint=f"{recipe.start} is downloaded; without a network start from a file: --start." if fetched else None,
        ) from error
    weights = folder / "weights" / "best.pt"
    if not weights.is_file():
        raise DetectorError("training ended without weights", where=str(folder))
    figures = {str(name): float(value) for name, value in getattr(results, "results_dict", {}).items()}
    return Trained(weights, weights.with_name("last.pt"), tuple(model.names[i] for i in sorted(model.names)), figures)


def export_onnx(weights: Path, target: Path, *, metadata: Mapping[str, str] | None = None) -> Path:
    """Write weights as ONNX with dynamic axes and without NMS; `metadata` is added to what ultralytics writes.

    A `threshold` in the metadata is the score that detectors keep by default (see `detect.detectors.model_facts`).
    The network's layers are written too, so that training can go on from the export. The export date is left out, so
    that the same weights give the same bytes. Raises DetectorError.
    """
    yolo = _yolo()
    import onnx

    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / f"{target.stem}.pt"
        shutil.copyfile(weights, copy)
        try:
            network = yolo(str(copy))
            layers = {key: network.model.yaml[key] for key in NETWORK_KEYS if key in network.model.yaml}
            written = Path(network.export(format="onnx", dynamic=True, simplify=True, opset=OPSET, device="cpu"))
        except (OSError, RuntimeError, ValueError, KeyError, AttributeError) as error:
            raise DetectorError(f"export failed: {_first_line(error)}", where=str(weights)) from error
        model = onnx.load(written)
    entries = {entry.key: entry.value for entry in model.metadata_props if entry.key != "date"}
    entries |= {ARCHITECTURE_KEY: json.dumps(layers, separators=(",", ":")), **(metadata or {})}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, entries)
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target)
    return target


def require_ultralytics() -> None:
    """Raise DetectorError, saying what to install, where the extra `yolo` is not."""
    _yolo()


def _stopper(epochs: int) -> Callable[[Any], None]:
    def stop(trainer: Any) -> None:
        if trainer.epoch + 1 >= epochs:
            trainer.stop = True

    return stop


def _yolo() -> Any:
    try:
        from ultralytics import YOLO
    except ImportError as error:
        raise DetectorError(
            "training needs ultralytics, which is not installed", hint="Install it: pip install 'overfly[yolo]'"
        ) from error
    return YOLO


def _first_line(error: BaseException) -> str:
    return (str(error).strip().split("\n", 1)[0] or type(error).__name__)[:300]
