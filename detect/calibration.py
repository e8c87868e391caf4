"""Scores made probabilities: how often a detection of that score is right, learnt on flights that were kept out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from detect.detections import Detections
from detect.detectors.base import is_rounded
from detect.detectors.model_facts import Thresholds
from flightplan.errors import DetectorError
from flightplan.frames import Floats

CALIBRATION_KEY = "calibration"
"""In a model's metadata."""

Method = Literal["platt", "isotonic"]
Flags = npt.NDArray[np.bool_]

_LEAST_OF_A_LABEL = 30
"""With fewer detections, or fewer right or wrong ones than a sixth of that, a label is calibrated as all labels are."""
_EDGE = 1e-4
_LEAST_SCORE = 0.001
_ITERATIONS = 100


@dataclass(frozen=True)
class Curve:
    """One rising function from score to probability.

    Platt's: `knots` are a and b of 1 / (1 + exp(-(a logit(score) + b))). Isotonic: `knots` are scores and `values` the
    probabilities at them, straight between and level outside.
    """

    method: Method
    knots: tuple[float, ...]
    values: tuple[float, ...] = ()

    def __call__(self, scores: Floats) -> Floats:
        """The probability of each score."""
        if self.method == "isotonic":
            return np.asarray(np.interp(scores, self.knots, self.values), dtype=np.float64)
        slope, shift = self.knots
        return np.asarray(1.0 / (1.0 + np.exp(-(slope * _logit(scores) + shift))), dtype=np.float64)


@dataclass(frozen=True)
class Calibration:
    """From score to the probability of being right, per label; labels with too few marks use that of `all_labels`.

    `n` is the number of detections it was learnt from.
    """

    all_labels: Curve
    labels: Mapping[str, Curve] = field(default_factory=dict)
    n: int = 0

    def apply(self, scores: Floats, labels: Sequence[str]) -> Floats:
        """Probabilities (N,) of detections by score and label."""
        given = np.asarray(scores, dtype=np.float64)
        made = self.all_labels(given)
        names = np.array(labels, dtype=object)
        for name, curve in self.labels.items():
            of_label = names == name
            made[of_label] = curve(given[of_label])
        return np.asarray(made)

    def lowest_score(self, probability: float) -> float:
        """The lowest score that any label's curve takes to `probability`; 1 where none does."""
        scores = np.linspace(0.0, 1.0, 2001)
        enough = np.max([curve(scores) for curve in (self.all_labels, *self.labels.values())], axis=0) >= probability
        return float(scores[np.argmax(enough)]) if enough.any() else 1.0

    def to_json(self) -> str:
        """As text for a model's metadata: the same calibration gives the same text."""

        def entry(curve: Curve) -> dict[str, Any]:
            return {"method": curve.method, "knots": _rounded(curve.knots), "values": _rounded(curve.values)}

        curves = {name: entry(curve) for name, curve in sorted(self.labels.items())}
        return json.dumps({"n": self.n, "all": entry(self.all_labels), "labels": curves}, separators=(",", ":"))


def fit_calibration(
    scores: Floats, labels: Sequence[str], right: Flags, *, method: Method = "platt"
) -> Calibration | None:
    """Learn a calibration from detections of known truth; None where there are too few to learn from."""
    whole = _fit(scores, right, method)
    if whole is None:
        return None
    names = np.array(labels, dtype=object)
    curves: dict[str, Curve] = {}
    for name in sorted(set(labels)):
        curve = _fit(scores[names == name], right[names == name], method)
        if curve is not None:
            curves[name] = curve
    return Calibration(whole, curves, len(scores))


def read_calibration(text: str) -> Calibration:
    """Read what `Calibration.to_json` wrote. Raises ValueError for anything else."""
    try:
        document = json.loads(text)
        labels = {str(name): _curve(entry) for name, entry in document["labels"].items()}
        return Calibration(_curve(document["all"]), labels, int(document["n"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no calibration ({error})") from None


class CalibratedDetector:
    """A detector whose scores are probabilities. See `detect.detectors.base.Detector`.

    `least` is the lowest probability of each class, None to keep what the detector itself keeps. Its hash is one of its
    own: detections with other scores are another run. `backend` is what runs the network.
    """

    def __init__(self, detector: Any, calibration: Calibration, least: Thresholds | None = None) -> None:
        self._detector, self._calibration = detector, calibration
        self.names, self.facts = detector.names, detector.facts
        self.fixed_tile_px = detector.fixed_tile_px
        self.rounded = is_rounded(detector)
        self.backend = type(detector).__module__.rpartition(".")[2]
        self._kept = least
        self.thresholds = least or Thresholds(
            np.array(
                [
                    calibration.apply(np.array([detector.thresholds.by_class[i]]), (name,))[0]
                    for i, name in enumerate(self.names)
                ]
            ),
            {},
        )
        self.threshold = self.thresholds.lowest
        self.content_hash = sha256(f"{detector.content_hash} {calibration.to_json()}".encode()).hexdigest()

    def detect_batch(self, tiles: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """Detections of each tile, in its own pixels; tiles are RGB (height, width, 3) and of one size."""
        return [self._calibrated(found) for found in self._detector.detect_batch(tiles)]

    def _calibrated(self, found: Detections) -> Detections:
        scores = self._calibration.apply(found.scores, found.labels)
        made = replace(found, scores=scores, detector=self.content_hash)
        order = np.argsort(-scores, kind="stable")
        if self._kept is not None:
            order = order[scores[order] >= self._kept.by_class[found.class_ids[order]]]
        return made.take(order)


def calibrated_detector(
    load: Callable[..., Any], threshold: float | None = None, thresholds: Mapping[str, float] | None = None
) -> CalibratedDetector:
    """A detector whose scores are probabilities, by the calibration in its metadata.

    `load` loads it, and takes a `threshold`. Thresholds asked for are probabilities; where none is, those of the model
    stay what they are. Raises DetectorError where the model has no calibration.
    """
    plain = load()
    text = plain.facts.calibration
    if not text:
        raise DetectorError(
            "The model has no calibration of its scores",
            hint="overfly train writes one where the flights kept out have enough detections.",
        )
    try:
        calibration = read_calibration(text)
    except ValueError as error:
        raise DetectorError(f"The calibration of the model cannot be read: {error}") from error
    made = CalibratedDetector(plain, calibration)
    if threshold is None and not thresholds:
        return made
    asked = Thresholds.choose(plain.facts, threshold, thresholds)
    own = [made.thresholds.by_class[i] if threshold is None else threshold for i in range(len(made.names))]
    by_class = np.array([(thresholds or {}).get(name, own[i]) for i, name in enumerate(made.names)])
    lowest = max(calibration.lowest_score(float(by_class.min())), _LEAST_SCORE)
    return CalibratedDetector(
        load(threshold=min(lowest, 1.0 - _LEAST_SCORE)), calibration, replace(asked, by_class=by_class)
    )


@dataclass(frozen=True)
class Reliability:
    """How far scores are from how often they are right.

    Bins of equal width: `edges` (B + 1), and of each the number of detections, their mean score and the share of them
    that is right; None in an empty one. `error` is the expected calibration error, the mean gap weighted by number
    (Naeini et al. 2015); `brier` the mean squared difference (Brier 1950). Both None without detections.
    """

    edges: tuple[float, ...]
    n: tuple[int, ...]
    score: tuple[float | None, ...]
    right: tuple[float | None, ...]
    error: float | None
    brier: float | None


def reliability(scores: Floats, right: Flags, *, bins: int = 10) -> Reliability:
    """Compare scores (N,) with whether each detection is right (N,)."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    # A score of 0.6 starts the bin from 0.6 on, whatever its last digit.
    number = np.clip((scores * bins + 1e-9).astype(np.int64), 0, bins - 1)
    n = np.bincount(number, minlength=bins)
    score, hits = (np.bincount(number, values, bins) for values in (scores, right.astype(np.float64)))
    total = len(scores)
    return Reliability(
        tuple(np.round(edges, 6).tolist()),
        tuple(n.tolist()),
        tuple(float(s / k) if k else None for s, k in zip(score, n, strict=True)),
        tuple(float(h / k) if k else None for h, k in zip(hits, n, strict=True)),
        float(np.abs(score - hits).sum() / total) if total else None,
        float(np.mean((scores - right) ** 2)) if total else None,
    )


def _fit(scores: Floats, right: Flags, method: Method) -> Curve | None:
    rarer = min(int(right.sum()), int((~right).sum()))
    if len(scores) < _LEAST_OF_A_LABEL or rarer < _LEAST_OF_A_LABEL / 6:
        return None
    return _platt(scores, right) if method == "platt" else _isotonic(scores, right)


def _platt(scores: Floats, right: Flags) -> Curve:
    """Logistic regression on the logit of the score, by Newton's method, towards targets that are not quite 0 and 1.

    Platt (1999); the steps after Lin, Lin & Weng (2007), whose targets are (n + 1) / (n + 2) and 1 / (n + 2). The slope
    is held above 0: a better score is never made a worse probability.
    """
    n_right, n_wrong = int(right.sum()), int((~right).sum())
    target = np.where(right, (n_right + 1.0) / (n_right + 2.0), 1.0 / (n_wrong + 2.0))
    design = np.column_stack([_logit(scores), np.ones(len(scores))])
    knots = np.array([0.0, np.log((n_right + 1.0) / (n_wrong + 1.0))])
    loss = _cross_entropy(design @ knots, target)
    for _ in range(_ITERATIONS):
        made = 1.0 / (1.0 + np.exp(-(design @ knots)))
        gradient = design.T @ (made - target)
        if np.abs(gradient).max() < 1e-8 * len(scores):
            break
        curvature = (design * (made * (1.0 - made))[:, None]).T @ design + 1e-10 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        share = 1.0
        while share > 1e-8 and _cross_entropy(design @ (knots - share * step), target) > loss:
            share /= 2.0
        knots = knots - share * step
        loss = _cross_entropy(design @ knots, target)
    return Curve("platt", (max(float(knots[0]), _EDGE), float(knots[1])))


def _cross_entropy(logits: Floats, target: Floats) -> float:
    return float((np.logaddexp(0.0, logits) - target * logits).sum())


def _isotonic(scores: Floats, right: Flags) -> Curve:
    """The rising step function closest to the outcomes: pool adjacent violators (Ayer et al. 1955)."""
    values, where = np.unique(scores, return_inverse=True)
    weights = np.bincount(where).astype(np.float64)
    means = np.bincount(where, right.astype(np.float64)) / weights
    blocks: list[list[float]] = []
    for value, weight, mean in zip(values, weights, means, strict=True):
        blocks.append([mean, weight, value, value])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            after = blocks.pop()
            before = blocks[-1]
            weight_both = before[1] + after[1]
            before[0] = (before[0] * before[1] + after[0] * after[1]) / weight_both
            before[1], before[3] = weight_both, after[3]
    knots = [edge for block in blocks for edge in ((block[2], block[3]) if block[3] > block[2] else (block[2],))]
    made = [block[0] for block in blocks for _ in range(2 if block[3] > block[2] else 1)]
    return Curve("isotonic", tuple(_rounded(knots)), tuple(_rounded(made)))


def _logit(scores: Floats) -> Floats:
    held = np.clip(scores, _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(held / (1.0 - held)))


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 6) for value in values]


def _curve(entry: Mapping[str, Any]) -> Curve:
    knots, values = (tuple(float(v) for v in entry[key]) for key in ("knots", "values"))
    if not np.isfinite([*knots, *values]).all():
        raise ValueError("a number is not finite")
    if entry["method"] == "platt" and len(knots) == 2 and not values and knots[0] > 0:
        return Curve("platt", knots)
    rises = bool(np.all(np.diff(knots) >= 0) and np.all(np.diff(values) >= 0))
    if entry["method"] == "isotonic" and len(knots) == len(values) > 0 and rises:
        return Curve("isotonic", knots, values)
    raise ValueError("a curve that does not rise")
