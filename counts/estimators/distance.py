"""Line transects with a detection function: animals in the strips, then in the stratum (Buckland et al. 2001, 2015)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from counts.estimators.encounter_rate import EncounterVariance, encounter_rate_variance
from counts.estimators.estimate import Component, Estimate, estimate, no_estimate
from counts.estimators.limits import LimitForm
from counts.estimators.two_observers import TwoObservers
from flightplan.errors import EstimateError
from flightplan.frames import Floats


class GroupSize(StrEnum):
    """How group sizes come in.

    PER_LINE counts animals, not groups, along each line (Innes et al. 2002): their spread is in the encounter rate.
    MEAN multiplies groups by the mean size. REGRESSION takes the size at a detection of 1 from ln(size) on g(x), where
    small groups are missed far off (Buckland et al. 2001, §3.5.4).
    """

    PER_LINE = "animals per line"
    MEAN = "mean group size"
    REGRESSION = "size-bias regression"


class StripDetection(Protocol):
    """What `line_transects` asks of a detection function: a fitted one, or two observers under full independence."""

    @property
    def model(self) -> object:
        """Its name, in the method of an estimate."""

    @property
    def left(self) -> float:
        """Where the strip begins."""

    @property
    def width(self) -> float:
        """Where it ends."""

    @property
    def parameters(self) -> Floats:
        """What was fitted."""

    @property
    def sightings(self) -> int:
        """To how many sightings."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Caveats to print."""

    def detection(self, distances: npt.ArrayLike, covariates: npt.ArrayLike | None = None) -> Floats:
        """The chance (m,) of being seen at each distance."""

    def covered(self, weights: npt.ArrayLike, covariates: npt.ArrayLike | None = None) -> tuple[Floats, float]:
        """Animals in the strips per sighting (m,), and the variance of their sum."""


def line_transects(
    function: StripDetection,
    distances: npt.ArrayLike,
    lines: npt.ArrayLike,
    lengths: npt.ArrayLike,
    stratum_area: float,
    *,
    sizes: npt.ArrayLike | None = None,
    group_size: GroupSize = GroupSize.PER_LINE,
    covariates: npt.ArrayLike | None = None,
    observers: TwoObservers | None = None,
    observer_covariates: npt.ArrayLike | None = None,
    spread: EncounterVariance = EncounterVariance.R2,
    sides: int = 2,
    confidence: float = 0.95,
    form: LimitForm = LimitForm.LOGNORMAL,
) -> Estimate:
    """Estimate the animals of one stratum: N = A·Σ(s/p) / (sides·(w − left)·L).

    `distances` (n,) of the stratum's sightings, `lines` (n,) the index of each one's line in `lengths` (k,), lines
    without a sighting included and in spatial order; `sizes` (n,) of groups, 1 when None. Distances, lengths and the
    area share one unit. Sightings outside the function's strip are left out, as they were of its fit. Variance by the
    delta method: encounter rate (`spread`, Fewster et al. 2009; on animals over p, Innes et al. 2002), detection and,
    where it is a factor of its own, group size. The detection component of strata that share one function is one
    error: `total` counts it once. With `observers` (and the covariates of their model, one row per sighting) the chance
    of being seen on the line is theirs instead of 1: p = g-bar·p(0), point independence (Laake & Borchers 2004).
    """
    x, at = np.asarray(distances, dtype=np.float64), np.asarray(lines, dtype=np.int64)
    length = np.asarray(lengths, dtype=np.float64)
    size = np.ones_like(x) if sizes is None else np.asarray(sizes, dtype=np.float64)
    rows = None if covariates is None else np.asarray(covariates, dtype=np.float64)
    method = f"line transects, {function.model}, {spread.value} variance"
    if observers is not None:
        method += ", two observers"
    if sizes is not None:
        method += f", {group_size}"
    _check(x, at, length, size, stratum_area, sides, method)
    theirs = None if observer_covariates is None else np.asarray(observer_covariates, dtype=np.float64)
    inside = (x >= function.left) & (x <= function.width)
    x, at, size, rows = x[inside], at[inside], size[inside], None if rows is None else rows[inside]
    k, seen = len(length), float(size.sum())
    if k == 0:
        return no_estimate("no line was flown", method=method, units=0)
    if len(x) == 0:
        nothing = f"none seen from {k} lines: their spread says nothing about what was missed"
        return estimate(0.0, (), method=method, units=k, confidence=confidence, form=form, reason=nothing)
    factor, weights = _Factor(1.0, 0.0, math.inf), size
    if group_size is not GroupSize.PER_LINE and sizes is not None:
        if len(x) < 3:
            raise EstimateError(f"{len(x)} groups are too few to estimate their size", where=method)
        factor, weights = _of_groups(size, group_size, partial(function.detection, x, rows)), np.ones_like(x)
    on_line, on_line_slopes = np.ones_like(x), np.zeros((len(x), 0))
    if observers is not None:
        on_line, on_line_slopes = observers.on_the_line(len(x), None if theirs is None else theirs[inside])
    inverse, detection_variance = function.covered(weights / on_line, rows)
    per_line = np.asarray(np.bincount(at, weights=inverse, minlength=k), dtype=np.float64)
    raised = stratum_area / (sides * (function.width - function.left))
    covered = float(per_line.sum())
    notes = function.notes
    if raised < float(length.sum()):
        seen = 0.0
        notes += ("the strips cover more than the stratum, lines being flown again: no floor at the animals seen",)
    value = raised / float(length.sum()) * covered * factor.mean
    components = [
        Component(
            "detection",
            (value / covered) ** 2 * detection_variance,
            max(function.sightings - len(function.parameters), 1),
            source=f"{function.model} fitted to {function.sightings} sightings",
        )
    ]
    if observers is not None:
        slopes = (inverse / on_line) @ on_line_slopes
        components.append(
            Component(
                "detection",
                (value / covered) ** 2 * float(slopes @ observers.covariance @ slopes),
                max(observers.sightings - len(observers.coefficients), 1),
                source=f"two observers of {observers.sightings} sightings",
            )
        )
    if factor.variance > 0:
        components.append(Component("group size", (value / factor.mean) ** 2 * factor.variance, factor.df))
    sampling, reason = _between_lines(per_line, length, spread, raised * factor.mean)
    if sampling is not None:
        components.insert(0, sampling)
    return estimate(
        value, () if reason else components, method=method, units=k, seen=seen, confidence=confidence, form=form,
        reason=reason, notes=notes,
    )  # fmt: skip


def _check(
    x: Floats, at: npt.NDArray[np.int64], length: Floats, size: Floats, area: float, sides: int, method: str
) -> None:
    if x.ndim != 1 or at.shape != x.shape or size.shape != x.shape:
        raise EstimateError("each sighting needs one distance, one line and one size", where=method)
    if np.any(~np.isfinite(x)) or np.any(x < 0):
        raise EstimateError("a distance is negative or unknown", where=method)
    if np.any(~(length > 0)) or not np.all(np.isfinite(length)):
        raise EstimateError("a line has no length", where=method)
    if np.any(~(size > 0)):
        raise EstimateError("a group has no size", where=method)
    if len(at) and (at.min() < 0 or at.max() >= len(length)):
        raise EstimateError("a sighting is on a line that was not flown", where=method)
    if not area > 0 or sides not in (1, 2):
        raise EstimateError("the area must be larger than 0 and the sides of the line 1 or 2", where=method)


@dataclass(frozen=True)
class _Factor:
    """The animals in a group: the mean, its variance and the degrees of freedom of that."""

    mean: float
    variance: float
    df: float


def _of_groups(size: Floats, how: GroupSize, detection: Callable[[], Floats]) -> _Factor:
    if how is GroupSize.MEAN:
        return _Factor(float(size.mean()), float(size.var(ddof=1)) / len(size), len(size) - 1)
    return _Factor(*_size_at_certain_detection(size, detection()), len(size) - 2)


def _between_lines(
    per_line: Floats, length: Floats, spread: EncounterVariance, raised: float
) -> tuple[Component | None, str | None]:
    """Return the error of sampling by lines, `raised` to the stratum, or the reason why there is none."""
    k = len(length)
    if k < 2:
        return None, "one line has no spread: limits need at least two"
    rate = encounter_rate_variance(per_line, length, spread)
    if not rate > 0:
        return None, f"all {k} lines gave the same rate, so the sample holds no measure of its error"
    df = k - k // 2 if spread in (EncounterVariance.S1, EncounterVariance.S2) else k - 1
    return Component("sampling", raised**2 * rate, df), None


def _size_at_certain_detection(size: Floats, detection: Floats) -> tuple[float, float]:
    """Mean group size where nothing is missed, and its variance (Buckland et al. 2001, §3.5.4)."""
    z, g, n = np.log(size), detection, len(size)
    around = float(((g - g.mean()) ** 2).sum())
    if not around > 1e-12:
        raise EstimateError("every group was seen with the same detection: no regression", where="group size")
    slope = float(((g - g.mean()) * z).sum()) / around
    at_one = float(z.mean()) + slope * (1 - float(g.mean()))
    residual = z - z.mean() - slope * (g - g.mean())
    spread = (1 + 1 / n + (1 - float(g.mean())) ** 2 / around) * float((residual**2).sum()) / (n - 2)
    return math.exp(at_one + spread / 2), math.exp(2 * at_one + spread) * (1 + spread / 2) * spread / n
