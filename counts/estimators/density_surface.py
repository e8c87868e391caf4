"""Density surface models: counts along the lines as smooth functions of place and habitat, summed over the whole area.

The counting of Hedley & Buckland (2004): a generalised additive model of the animals in each segment with the area it
searched as offset, predicted on a grid. Fitted by statsmodels (extra `density`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from counts.estimators.estimate import Component, Estimate, estimate, no_estimate
from counts.estimators.limits import LimitForm
from flightplan.errors import EstimateError
from flightplan.frames import Floats

_WHERE = "density surface"
_BASIS, _DEGREE = 10, 3
_STIFFNESS = tuple(float(10.0**power) for power in np.arange(-1.0, 6.0, 1.0))
_SWEEPS = 2
_WEIGHT = 1.4
"""What a degree of freedom weighs, over Akaike's 1: keeps chance from bending the surface (Kim & Gu 2004)."""
LEAST_SEGMENTS = 20


@dataclass(frozen=True)
class DensitySurface:
    """A fitted surface: animals per unit of area as exp(intercept + Σ smooths).

    `dispersion` is Pearson's χ² over its degrees of freedom: 1 for animals spread at random, more for clumped ones;
    variances are multiplied by it. `effective_df` are the model's degrees of freedom, `penalties` (c,) how stiff each
    smooth is, against the scatter of the counts. `low`, `high` (c,) bound what was sampled of each covariate.
    """

    names: tuple[str, ...]
    dispersion: float
    effective_df: float
    penalties: tuple[float, ...]
    segments: int
    seen: float
    low: Floats = field(repr=False)
    high: Floats = field(repr=False)
    _result: Any = field(repr=False)
    _smoother: Any = field(repr=False)
    _clusters: npt.NDArray[np.int64] | None = field(default=None, repr=False)

    def density(self, covariates: npt.ArrayLike) -> Floats:
        """Animals per unit of area (m,) at the covariates (m, c); beyond those sampled, at the nearest sampled."""
        rows, _ = self._design(covariates)
        return np.asarray(np.exp(rows @ self._result.params))

    def _design(self, covariates: npt.ArrayLike) -> tuple[Floats, float]:
        """The model's rows (m, q), and the share of them that lie beyond what was sampled."""
        given = _covariates(covariates, self.names)
        held = np.clip(given, self.low, self.high)
        beyond = float((held != given).any(axis=1).mean()) if len(given) else 0.0
        return np.column_stack([np.ones(len(held)), self._smoother.transform(held)]), beyond

    def total(
        self,
        covariates: npt.ArrayLike,
        areas: npt.ArrayLike,
        *,
        confidence: float = 0.95,
        form: LimitForm = LimitForm.LOGNORMAL,
    ) -> Estimate:
        """Sum the surface over cells with `covariates` (m, c) and `areas` (m,): N = Σ a·exp(x'b).

        Variance by the delta method from the coefficients, times the dispersion. Where the segments' clusters (their
        transects) are known, it is no less than what those say: n/(n−1)·Σ u², u being the sum of a cluster's residuals
        by their weight in N (Liang & Zeger 1986), with n − 1 degrees of freedom.
        """
        area = np.asarray(areas, dtype=np.float64)
        rows, beyond = self._design(covariates)
        if area.shape != (len(rows),) or np.any(~(area > 0)):
            raise EstimateError("each cell needs one area larger than 0", where=_WHERE)
        mean = area * np.exp(rows @ self._result.params)
        slope = mean @ rows
        variance = float(slope @ np.asarray(self._result.cov_params()) @ slope) * self.dispersion
        df, notes = max(self.segments - self.effective_df, 1.0), []
        if self._clusters is None:
            notes.append(
                "a density surface takes segments as independent: where herds are larger than one its limits are too"
                " narrow"
            )
        else:
            between, clusters = self._between(slope)
            df = float(max(clusters - 1, 1))
            variance = max(variance, between)
        if beyond > 0:
            notes.append(f"{beyond:.0%} of the cells lie beyond what was sampled: there the nearest sampled is taken")
        return estimate(
            float(mean.sum()),
            (Component("sampling", variance, df),),
            method=f"density surface, s({'), s('.join(self.names)})",
            units=self.segments,
            seen=self.seen,
            confidence=confidence,
            form=form,
            notes=tuple(notes),
        )

    def _between(self, slope: Floats) -> tuple[float, int]:
        """The variance of a sum with this slope (q,) by the coefficients, between clusters, and how many there are."""
        model = self._result.model
        weight = np.asarray(model.exog) @ np.asarray(self._result.cov_params()) @ slope
        names, of = np.unique(np.asarray(self._clusters), return_inverse=True)
        sums = np.bincount(of, weights=weight * (np.asarray(model.endog) - np.asarray(self._result.mu)))
        n = len(names)
        return float(n / max(n - 1, 1) * (sums**2).sum()), n


def fit_density_surface(
    counts: npt.ArrayLike,
    areas: npt.ArrayLike,
    covariates: npt.ArrayLike,
    names: Sequence[str] = ("x", "y"),
    *,
    clusters: npt.ArrayLike | None = None,
) -> DensitySurface:
    """Fit log E(count) = ln(area) + intercept + Σ s(covariate) to segments, quasi-Poisson, with cubic B-splines.

    `counts` (n,) of animals (divided by what detection they had, if it was not certain), `areas` (n,) searched in each
    segment, `covariates` (n, c), `clusters` (n,) which transect each is part of. How stiff each smooth is minimises
    Akaike's criterion. Raises EstimateError for fewer than 20 segments, a covariate that does not vary, or nothing
    seen, and where statsmodels is not installed.
    """
    splines, gam, poisson = _statsmodels()
    y, area = np.asarray(counts, dtype=np.float64), np.asarray(areas, dtype=np.float64)
    given = _covariates(covariates, names)
    if y.ndim != 1 or area.shape != y.shape or len(given) != len(y):
        raise EstimateError("each segment needs one count, one area and its covariates", where=_WHERE)
    if np.any(~(y >= 0)) or np.any(~(area > 0)) or not np.all(np.isfinite(y)):
        raise EstimateError("a count is negative or unknown, or an area not larger than 0", where=_WHERE)
    if len(y) < LEAST_SEGMENTS:
        raise EstimateError(f"{len(y)} segments are too few: at least {LEAST_SEGMENTS}", where=_WHERE)
    if not y.sum() > 0:
        raise EstimateError("none seen in any segment: there is no surface to fit", where=_WHERE)
    flat = [name for name, values in zip(names, given.T, strict=True) if not np.ptp(values) > 0]
    if flat:
        raise EstimateError(f"{flat[0]} is the same in every segment", where=_WHERE)
    smoother = splines(given, df=[_BASIS] * given.shape[1], degree=[_DEGREE] * given.shape[1])
    ones = np.ones((len(y), 1))

    # Counts divided by an availability are as rough as before: a smooth is as stiff against their own scatter.
    even = area * y.sum() / area.sum()
    scatter = float(((y - even) ** 2 / even).sum()) / (len(y) - 1) or 1.0
    fitted: dict[tuple[float, ...], Any] = {}

    def fit(penalties: tuple[float, ...]) -> Any:
        if penalties not in fitted:
            family, alpha = poisson(), [scatter * each for each in penalties]
            model = gam(y, exog=ones, smoother=smoother, alpha=alpha, family=family, offset=np.log(area))
            fitted[penalties] = model.fit()
        return fitted[penalties]

    try:
        penalties, result = _stiffened(fit, given.shape[1], len(y))
    except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
        raise EstimateError(
            f"the segments do not determine the surface ({error})", where=_WHERE, hint="Try fewer covariates."
        ) from error
    degrees = float(np.sum(result.edf))
    if not np.all(np.isfinite(result.params)) or degrees >= len(y):
        raise EstimateError("the segments do not determine the surface", where=_WHERE, hint="Try fewer covariates.")
    return DensitySurface(
        names=tuple(names),
        dispersion=max(float(result.pearson_chi2) / (len(y) - degrees), 1.0),
        effective_df=degrees,
        penalties=penalties,
        segments=len(y),
        seen=float(y.sum()),
        low=given.min(axis=0),
        high=given.max(axis=0),
        _result=result,
        _smoother=smoother,
        _clusters=None if clusters is None else np.asarray(clusters, dtype=np.int64),
    )


def density_surface_total(
    counts: npt.ArrayLike,
    areas: npt.ArrayLike,
    covariates: npt.ArrayLike,
    cells: npt.ArrayLike,
    cell_areas: npt.ArrayLike,
    *,
    names: Sequence[str] = ("x", "y"),
    confidence: float = 0.95,
    form: LimitForm = LimitForm.LOGNORMAL,
    clusters: npt.ArrayLike | None = None,
) -> Estimate:
    """Fit a surface and sum it over `cells` (m, c) of `cell_areas` (m,); no estimate, with the reason, where none fits.

    Raises EstimateError where statsmodels is not installed.
    """
    _statsmodels()
    try:
        surface = fit_density_surface(counts, areas, covariates, names, clusters=clusters)
    except EstimateError as error:
        units = len(np.atleast_1d(np.asarray(counts)))
        return no_estimate(error.what, method=_WHERE, units=units, seen=float(np.sum(counts)))
    return surface.total(cells, cell_areas, confidence=confidence, form=form)


def _stiffened(fit: Callable[[tuple[float, ...]], Any], smooths: int, segments: int) -> tuple[tuple[float, ...], Any]:
    """The penalties with the lowest QAIC, and the fit they give; coordinate by coordinate, stiffest first."""
    loosest = fit((_STIFFNESS[0],) * smooths)
    dispersion = max(float(loosest.pearson_chi2) / max(segments - float(np.sum(loosest.edf)), 1.0), 1.0)

    def score(result: Any) -> float:
        return float(result.deviance) / dispersion + 2 * _WEIGHT * float(np.sum(result.edf))

    chosen = (_STIFFNESS[-1],) * smooths
    best = fit(chosen)
    for _ in range(_SWEEPS):
        for smooth in range(smooths):
            for stiffness in reversed(_STIFFNESS):
                trial = (*chosen[:smooth], stiffness, *chosen[smooth + 1 :])
                result = fit(trial)
                if score(result) < score(best) - 1e-9:
                    chosen, best = trial, result
    return chosen, best


def _statsmodels() -> tuple[Any, Any, Any]:
    try:
        from statsmodels.gam.api import BSplines, GLMGam
        from statsmodels.genmod.families import Poisson
    except ImportError as error:
        raise EstimateError(
            "a density surface needs statsmodels, which is not installed",
            hint="Install it: pip install 'overfly[density]'",
        ) from error
    return BSplines, GLMGam, Poisson


def _covariates(covariates: npt.ArrayLike, names: Sequence[str]) -> Floats:
    given = np.asarray(covariates, dtype=np.float64)
    if given.ndim != 2 or given.shape[1] != len(names) or not np.all(np.isfinite(given)):
        raise EstimateError(f"every segment and cell needs known numbers for {', '.join(names)}", where=_WHERE)
    return given
