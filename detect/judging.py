"""Judging a trained detector on whole pictures of flights kept out: thresholds, calibration, and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detect.calibration import Calibration, Method, Reliability, fit_calibration, reliability
from detect.detectors import load_detector
from detect.engine import detect_images
from detect.evaluate_detections import DetectionEvaluation, Marks, evaluate_detections
from detect.labels import ImageLabels, LabelSet
from detect.training_set import TrainingSet
from flightplan.errors import DetectorError, Skip

LOWEST_SCORE = 0.01
_HIGHEST = 0.99
_LEAST_FOR_A_LABEL = 10
"""True marks that a label needs on the flights kept out to have a threshold of its own."""


@dataclass(frozen=True)
class Judgement:
    """What the flights kept out say of a detector.

    `val` chose the `threshold`, the `thresholds` of labels and the `calibration` (None: too few detections to learn one
    from); `test`, where there is one, saw none of the choosing and is measured at them. `reliability_before` and
    `reliability_after` are of the calibration, on the `test` pictures where there are some and else by learning it on
    one half of the pictures and measuring on the other, both ways.
    """

    threshold: float
    thresholds: Mapping[str, float]
    calibration: Calibration | None
    val: DetectionEvaluation
    test: DetectionEvaluation | None
    reliability_before: Reliability
    reliability_after: Reliability | None
    skipped: tuple[Skip, ...]


def judge(
    model: Path, tiles: TrainingSet, sides: Sequence[LabelSet], *, method: Method = "platt", workers: int | None = None
) -> Judgement:
    """Run a model over the pictures kept out, through the tiles and the merging of a survey, and compare with `sides`.

    Thresholds are where F1 is highest: for all labels, and for each label with ten true marks or more. Raises
    DetectorError where no picture could be judged by.
    """
    skips: list[Skip] = []
    found = {split: _found(model, tiles, split, sides, skips, workers) for split in ("val", "test")}
    chosen = evaluate_detections(*found["val"])
    threshold = _held(chosen.all_labels.best.threshold)
    thresholds = {
        name: _held(chosen.labels[name].best.threshold)
        for name in tiles.names
        if chosen.labels[name].best.n_truth >= _LEAST_FOR_A_LABEL and chosen.labels[name].best.n_right
    }
    val = evaluate_detections(*found["val"], threshold=threshold, thresholds=thresholds)
    test = None
    if found["test"][1].images:
        test = evaluate_detections(*found["test"], threshold=threshold, thresholds=thresholds)
    calibration = fit_calibration(val.marks.score, _labels(val.marks), val.marks.right, method=method)
    checked = (test or val).marks
    if calibration is None:
        made = None
    elif test is not None:
        made = reliability(calibration.apply(checked.score, _labels(checked)), checked.right)
    else:
        made = _crossed(checked, method)
    before = reliability(checked.score, checked.right)
    return Judgement(threshold, thresholds, calibration, val, test, before, made, tuple(skips))


def _found(
    model: Path,
    tiles: TrainingSet,
    split: str,
    sides: Sequence[LabelSet],
    skips: list[Skip],
    workers: int | None,
) -> tuple[LabelSet, LabelSet]:
    wanted = set(tiles.pictures.get(split, ()))
    truth = {str(i.path): i for side in sides for i in side.images.values() if i.path in wanted}
    detector = load_detector(model, threshold=LOWEST_SCORE, threads=1)
    found: dict[str, ImageLabels] = {}
    for path, result in detect_images(sorted(wanted), model, detector=detector, workers=workers):
        if isinstance(result, Skip):
            skips.append(result)
        else:
            found[str(path)] = ImageLabels(str(path), result.boxes_px, result.labels, result.scores, path)
    if wanted and not found:
        raise DetectorError(f"None of the pictures of {split} could be read", where=str(min(map(str, wanted))))
    points = any(side.points for side in sides)
    return LabelSet(found, tiles.names, False), LabelSet(truth, tiles.names, points)


def _crossed(marks: Marks, method: Method) -> Reliability | None:
    """Reliability with each half of the pictures calibrated by the other; None where a half is too small."""
    half = marks.frame % 2 == 0
    labels = np.array(_labels(marks), dtype=object)
    scores = np.empty(len(marks.score))
    for ours in (half, ~half):
        learnt = fit_calibration(marks.score[~ours], list(labels[~ours]), marks.right[~ours], method=method)
        if learnt is None:
            return None
        scores[ours] = learnt.apply(marks.score[ours], list(labels[ours]))
    return reliability(scores, marks.right)


def _labels(marks: Marks) -> list[str]:
    return [marks.names[i] for i in marks.label]


def _held(threshold: float) -> float:
    return round(min(max(threshold, LOWEST_SCORE), _HIGHEST), 3)
