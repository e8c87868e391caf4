"""Verification: a random sample of captures checked by a person, and what it says about the detector's count.

The sample is a probability sample of all captures on effort, stratified by whether anything was detected in them: the
captures without detections must be sampled too, or the animals missed there are never seen. A person counts, in each
sampled capture's core zone, the animals really there; beside it stands what the census counted there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from counts.estimators import (
    Component,
    Estimate,
    LimitForm,
    SubsampleMethod,
    estimate,
    satterthwaite,
    subsample_moments,
)
from flightplan.errors import EstimateError
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

FEWEST_OF_ZERO_STRATUM = 20
LARGEST_HERD_SHARE = 0.5
MOST_SPREAD = 1.5
FEWEST_FOR_RESPONSE = 10


@dataclass(frozen=True)
class Sample:
    """Captures drawn for verification.

    `captures` are indices of the frame list, rising; `stratum` (n,) is 1 where something was detected, else 0.
    `stratum_sizes` and `sample_sizes` are (zero, positive).
    """

    captures: Ints
    stratum: Ints
    stratum_sizes: tuple[int, int]
    sample_sizes: tuple[int, int]
    seed: int


def draw_sample(detections_per_capture: npt.ArrayLike, n_positive: int, n_zero: int, seed: int) -> Sample:
    """Draw captures to verify, without replacement, stratified by zero and non-zero detections.

    `detections_per_capture` (N,) counts all species, for every capture on effort. A stratum smaller than what is asked
    is taken whole. The same input and seed give the same sample.
    """
    detected = np.asarray(detections_per_capture, dtype=np.int64)
    if detected.ndim != 1 or np.any(detected < 0):
        raise EstimateError("detections per capture are one row of numbers, none negative", where="verification")
    if n_positive < 0 or n_zero < 0:
        raise EstimateError("a sample size is negative", where="verification")
    rng = np.random.default_rng([seed, 0x5EED])
    groups = (np.flatnonzero(detected == 0), np.flatnonzero(detected > 0))
    drawn = [
        np.sort(rng.choice(group, size=min(wanted, len(group)), replace=False))
        for group, wanted in zip(groups, (n_zero, n_positive), strict=True)
    ]
    captures = np.sort(np.concatenate(drawn)).astype(np.int64)
    return Sample(
        captures=captures,
        stratum=(detected[captures] > 0).astype(np.int64),
        stratum_sizes=(len(groups[0]), len(groups[1])),
        sample_sizes=(len(drawn[0]), len(drawn[1])),
        seed=seed,
    )


@dataclass(frozen=True)
class Correction:
    """One factor from the detector's count to the animals visible, with its error and its source.

    `factor` is T̂/M: estimated true animals in the searched strips over the census' individuals there. None with
    `reason` where it could not be measured.
    """

    name: str
    factor: float | None
    variance: float | None
    degrees_of_freedom: float | None
    method: str
    source: str
    true_total: float | None = None
    counted_total: float = 0.0
    verified: float = 0.0
    reason: str | None = None
    notes: tuple[str, ...] = ()
    response: float | None = None

    @property
    def spread_factor(self) -> float | None:
        """What the standard error of sampling is multiplied by: 1/response, at least the factor, at most 1.5 times it.

        N̂ = Y·T̂/M is the expansion of the true total T̂, so its sampling error is that of true animals over transects.
        False alarms that lie evenly make transects look more alike than they are; multiplying by the factor alone would
        keep that.
        """
        if self.factor is None or self.response is None:
            return self.factor
        return float(np.clip(1 / self.response, self.factor, MOST_SPREAD * self.factor))

    @property
    def cv(self) -> float | None:
        """Standard error over factor."""
        if self.factor is None or self.variance is None or not self.factor > 0:
            return None
        return math.sqrt(self.variance) / self.factor


def correction(
    true_counts: npt.ArrayLike,
    census_counts: npt.ArrayLike,
    stratum: npt.ArrayLike,
    stratum_sizes: Sequence[int],
    census_totals: Sequence[float],
    *,
    source: str,
    method: SubsampleMethod = SubsampleMethod.DIFFERENCE,
) -> Correction:
    """Estimate the factor from counted to true animals of one species from verified captures.

    `true_counts` and `census_counts` (n,) are animals and individuals by core zone of the verified captures, `stratum`
    (n,) their verification stratum h, `stratum_sizes` the captures N_h of each stratum and `census_totals` the census'
    individuals M_h in all of them. Difference estimator: T̂ = Σ_h [M_h + N_h·mean(y − m)], variance Σ_h N_h²(1 −
    n_h/N_h)s²(y − m)/n_h (Cochran 1977, §7.1, 7.3); ratio: T̂_h = M_h·Σy/Σm where Σm > 0, with residuals y − r·m
    (Cochran 1977, §6.3). `source` names the sample: corrections with one source share one error.
    """
    y, m = np.asarray(true_counts, dtype=np.float64), np.asarray(census_counts, dtype=np.float64)
    h = np.asarray(stratum, dtype=np.int64)
    if not len(y) == len(m) == len(h):
        raise EstimateError("each verified capture needs a true count, a census count and a stratum", where=source)
    if np.any(~np.isfinite(y)) or np.any(~np.isfinite(m)) or np.any(y < 0) or np.any(m < 0):
        raise EstimateError("a verified count is negative or unknown", where=source)
    counted = math.fsum(census_totals)
    label = f"stratified {method}"

    def refused(reason: str) -> Correction:
        return Correction("detection", None, None, None, label, source, None, counted, float(y.sum()), reason)

    if not counted > 0:
        return refused("the census counted none, so there is nothing to correct")
    totals, variances, freedoms, notes = [], [], [], []
    for index, (size, census) in enumerate(zip(stratum_sizes, census_totals, strict=True)):
        inside = h == index
        n = int(inside.sum())
        if n > size:
            raise EstimateError(f"{n} captures verified of {size}", where=source)
        if size == 0:
            continue
        if n == 0 or (n == 1 and size > 1):
            return refused(f"{n} of {size} captures {_WHICH[index > 0]} verified: at least two are needed")
        part, variance, _ = subsample_moments(y[inside], m[inside], size, census, method)
        totals.append(part)
        variances.append(variance)
        freedoms.append(float(max(n - 1, 1)))
        if index == 0 and n < min(FEWEST_OF_ZERO_STRATUM, size):
            notes.append(f"only {n} of {size} captures without detections were verified: missed herds may hide there")
    notes += _caveats(y, m, h, stratum_sizes)
    true_total = math.fsum(totals)
    if not true_total > 0:
        return refused("the verified captures say that none of the individuals counted was an animal")
    return Correction(
        name="detection",
        factor=true_total / counted,
        variance=math.fsum(variances) / counted**2,
        degrees_of_freedom=satterthwaite(variances, freedoms),
        method=label,
        source=source,
        true_total=true_total,
        counted_total=counted,
        verified=float(y.sum()),
        notes=tuple(notes),
        response=_response(y, m, h, stratum_sizes),
    )


def apply(
    counted: Estimate, by: Correction, *, form: LimitForm | None = None, verified: float | None = None
) -> Estimate:
    """Multiply an estimate by a correction: N̂ = Y·k, CV²(N̂) = CV²(Y) + CV²(k), freedom after Satterthwaite.

    The error of sampling is scaled by the correction's `spread_factor`: k, or more where even false alarms hide how
    unlike transects are. The correction's component carries its source, so that `total` counts it once over strata. The
    floor of the lower limit becomes `verified`, the animals a person saw there (a detector's count includes false
    alarms), else 0.
    """
    notes = (*counted.notes, *by.notes)
    if counted.value is None:
        return counted
    if by.factor is None or by.variance is None or by.degrees_of_freedom is None:
        return replace(counted, notes=(*notes, f"not corrected for detection: {by.reason}"))
    factor, value = by.factor, counted.value * by.factor
    spread = by.spread_factor or factor
    components = [
        replace(part, variance=part.variance * (spread if part.name == "sampling" else factor) ** 2)
        for part in counted.components
    ]
    unknown = not counted.components
    if not unknown:
        shared = Component(by.name, counted.value**2 * by.variance, by.degrees_of_freedom, by.source)
        components.append(shared)
    return estimate(
        value,
        components,
        method=f"{counted.method}; {by.method} correction",
        units=counted.units,
        seen=float(verified) if verified is not None else 0.0,
        confidence=counted.confidence,
        form=form or counted.form,
        reason=counted.reason if unknown else None,
        notes=tuple(dict.fromkeys(notes)),
    )


_WHICH = {False: "without detections", True: "with detections"}


def _response(y: Floats, m: Floats, h: Ints, stratum_sizes: Sequence[int]) -> float | None:
    sizes = np.bincount(h, minlength=len(stratum_sizes))
    weight = (np.asarray(stratum_sizes) / np.maximum(sizes, 1))[h]
    centred = y - np.average(y, weights=weight)
    if y.sum() < FEWEST_FOR_RESPONSE or not np.ptp(y) > 0:
        return None
    slope = float((weight * centred * m).sum() / (weight * centred**2).sum())
    return slope if slope > 0 else None


def _caveats(y: Floats, m: Floats, h: Ints, stratum_sizes: Sequence[int]) -> list[str]:
    notes = []
    if y.sum() > 0 and y.max() > LARGEST_HERD_SHARE * y.sum() and (y > 0).sum() > 1:
        notes.append(f"one capture holds {y.max() / y.sum():.0%} of the animals verified: one herd dominates")
    missed = (y - m)[(h == 0) & (y > m)]
    if len(missed) and missed.max() >= 5:
        notes.append(
            f"a group of {missed.max():.0f} stood where nothing was detected: the error may be larger than stated"
        )
    if np.all(y == m) and any(size > n for size, n in zip(stratum_sizes, np.bincount(h, minlength=2), strict=False)):
        notes.append("no error was found in the sample: its spread says nothing about rare ones")
    return notes
