"""A detector's count corrected by its precision and recall, both measured on random frames of the same survey."""

from __future__ import annotations

from dataclasses import dataclass

from counts.estimators.estimate import Component, Estimate, estimate, no_estimate
from counts.estimators.limits import LimitForm, wilson_interval
from flightplan.errors import EstimateError


@dataclass(frozen=True)
class DetectorCorrected:
    """The corrected count, with precision and recall and their 95 % score intervals."""

    estimate: Estimate
    precision: float | None
    recall: float | None
    precision_limits: tuple[float, float] | None
    recall_limits: tuple[float, float] | None


def precision_recall(
    count: int,
    *,
    verified_detections: int,
    true_positives: int,
    reference_animals: int,
    recalled: int,
    confidence: float = 0.95,
    form: LimitForm = LimitForm.LOGNORMAL,
) -> DetectorCorrected:
    """Correct a count: N = C·P/R, CV² = (1−P)/(n_p·P)·(1 − n_p/C) + (1−R)/(n_r·R) by the delta method.

    Valid only where precision and recall come from random frames of this survey, not from a model's test set, and where
    errors are independent between animals; herds missed whole need the verified subsample instead.
    """
    method = "detector count × precision / recall"
    if not 0 <= true_positives <= verified_detections <= count:
        raise EstimateError("true positives, verified detections and count do not fit each other", where=method)
    if not 0 <= recalled <= reference_animals:
        raise EstimateError("more animals recalled than there were", where=method)
    if not (true_positives and recalled):
        reason = "precision or recall is not measured: no verified detection was true, or no animal was found again"
        return DetectorCorrected(no_estimate(reason, method=method, units=count), None, None, None, None)
    precision, recall = true_positives / verified_detections, recalled / reference_animals
    value = count * precision / recall
    cv_squared = (1 - precision) / (verified_detections * precision) * (1 - verified_detections / count)
    cv_squared += (1 - recall) / (reference_animals * recall)
    corrected = estimate(
        value,
        (Component("detection", value**2 * cv_squared),),
        method=method,
        units=count,
        seen=float(true_positives),
        confidence=confidence,
        form=form,
        reason=None
        if cv_squared > 0
        else "no error of the detector was found: the sample says nothing about rare ones",
    )
    return DetectorCorrected(
        corrected,
        precision,
        recall,
        wilson_interval(true_positives, verified_detections, confidence),
        wilson_interval(recalled, reference_animals, confidence),
    )
