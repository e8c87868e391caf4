"""What a model file says of itself: what it finds, how sure it has to be, and the size of pixel it was trained at.

The metadata is that of ultralytics' exports (`task`, `names`, `end2end`, `head`), with what overfly adds, all optional:

| key | meaning |
|---|---|
| `threshold` | the lowest score to keep |
| `thresholds` | the same for some labels: `{'elephant': 0.4}` |
| `gsd_cm` | centimetres of ground in a pixel of the pictures it was trained on |
| `calibration` | how scores become probabilities: see `detect.calibration` |
| `point_px` | side of the square that stands for one thing, for a network that answers with points |

Texts are Python or JSON literals from an untrusted file, and are never run.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from flightplan.errors import DetectorError
from flightplan.frames import Floats

DEFAULT_THRESHOLD = 0.25
DEFAULT_POINT_PX = 24.0
BOXES, ORIENTED, POINTS = "detect", "obb", "points"
TASKS = (BOXES, ORIENTED, POINTS)

_MAX_TEXT = 1 << 20
_ENTRY = re.compile(r"(\w+):(?: +(.*))?")
_NUMBERED = re.compile(r" +(\d+): +(.+)")
_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class ModelFacts:
    """What a model says of itself. `gsd_cm` is None where it does not say; `end_to_end` needs no suppression."""

    task: str
    names: tuple[str, ...]
    threshold: float = DEFAULT_THRESHOLD
    thresholds: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    gsd_cm: float | None = None
    point_px: float = DEFAULT_POINT_PX
    end_to_end: bool = False
    calibration: str = ""

    @classmethod
    def read(cls, metadata: Mapping[str, str], where: str) -> ModelFacts:
        """Read them from a model's metadata. Raises DetectorError for another task, or for classes without names."""
        task = metadata.get("task", BOXES)
        if task not in TASKS:
            raise DetectorError(f"The model does {task!r}, not {', '.join(map(repr, TASKS))}", where=where)
        if metadata.get("head") == "RTDETRDecoder":
            raise DetectorError("The model is an RT-DETR, whose answers are not understood", where=where)
        names = _names(metadata.get("names", ""), where)
        return cls(
            task=task,
            names=names,
            threshold=_score(metadata.get("threshold")) or DEFAULT_THRESHOLD,
            thresholds=_own_thresholds(metadata.get("thresholds", ""), names),
            gsd_cm=_positive(metadata.get("gsd_cm")),
            point_px=_positive(metadata.get("point_px")) or DEFAULT_POINT_PX,
            end_to_end=metadata.get("end2end", "").strip().lower() == "true",
            calibration=metadata.get("calibration", "")[:_MAX_TEXT],
        )


@dataclass(frozen=True)
class Thresholds:
    """The lowest score kept for each class, (classes,), and for which labels it was asked by name."""

    by_class: Floats
    named: Mapping[str, float]

    @property
    def lowest(self) -> float:
        """The lowest of all: nothing below it is ever kept."""
        return float(self.by_class.min())

    @classmethod
    def choose(cls, facts: ModelFacts, overall: float | None, named: Mapping[str, float] | None) -> Thresholds:
        """Those asked for, else the model's own; one asked for a label goes before one asked for all.

        Raises DetectorError for a score outside of 0 to 1, and for a label that the model does not know.
        """
        named = dict(named or {})
        for label, score in {"": overall, **named}.items():
            if score is not None and not 0.0 < score < 1.0:
                of = f" for {label!r}" if label else ""
                raise DetectorError(f"A threshold lies between 0 and 1, not at {score:g}{of}")
        unknown = sorted(set(named) - set(facts.names))
        if unknown:
            raise DetectorError(
                f"The model does not know {', '.join(map(repr, unknown))}",
                hint=f"It knows: {', '.join(facts.names[:40])}{', ...' if len(facts.names) > 40 else ''}",
            )
        if overall is None:
            overall, named = facts.threshold, {**facts.thresholds, **named}
        by_class = np.array([named.get(name, overall) for name in facts.names])
        return cls(by_class, {label: named[label] for label in sorted(named) if named[label] != overall})


def read_metadata(path: Path) -> dict[str, str]:
    """The entries of ultralytics' metadata.yaml as text, as they are in an ONNX file; the file is not trusted.

    Only what its writer writes is understood: one entry a line, and classes numbered below `names`.
    """
    try:
        if path.stat().st_size > _MAX_TEXT:
            raise ValueError("it is over 1 MB")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DetectorError(
            "What the model's classes are called cannot be read",
            where=str(path),
            hint="Copy the whole folder that ultralytics exported.",
        ) from error
    entries: dict[str, str] = {}
    nested: dict[str, dict[int | str, str]] = {}
    key = ""
    for line in lines:
        if entry := _ENTRY.fullmatch(line):
            key = entry[1]
            if entry[2]:
                entries[key] = _scalar(entry[2])
        elif numbered := _NUMBERED.fullmatch(line):
            nested.setdefault(key, {})[int(numbered[1])] = _scalar(numbered[2])
    return entries | {key: repr(values) for key, values in nested.items()}


def _scalar(text: str) -> str:
    text = text.strip()
    if text[:1] == "'" == text[-1:] and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text[:1] == '"' == text[-1:] and len(text) > 1:
        try:
            return str(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            return text[1:-1]
    return text


def _names(text: str, where: str) -> tuple[str, ...]:
    names = _literal(text)
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    numbered = isinstance(names, dict) and names and set(names) == set(range(len(names)))
    if not numbered or not all(isinstance(name, str) and name for name in names.values()):
        raise DetectorError(
            "The model does not say what its classes are called",
            where=where,
            hint="Export it with ultralytics, which writes the names into the file.",
        )
    return tuple(names[class_id] for class_id in range(len(names)))


def _own_thresholds(text: str, names: tuple[str, ...]) -> Mapping[str, float]:
    told = _literal(text)
    if not isinstance(told, dict):
        return _NOTHING
    scores = {label: _score(str(score)) for label, score in told.items() if label in names}
    return MappingProxyType({label: score for label, score in scores.items() if score is not None})


def _literal(text: str) -> Any:
    """The value of a Python or JSON literal; None for any other text."""
    if len(text) > _MAX_TEXT:
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _positive(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0.0 else None


def _score(text: str | None) -> float | None:
    value = _positive(text)
    return value if value is not None and value < 1.0 else None
