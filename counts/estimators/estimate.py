"""One estimate: its value, its error by source, its limits or the reason there are none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from counts.estimators.limits import LimitForm, limits, satterthwaite
from flightplan.errors import EstimateError


@dataclass(frozen=True)
class Component:
    """One source of an estimate's variance.

    `name` is "sampling", "detection", "availability". Components of several estimates with the same `source` come from
    one and the same measurement (a recall pooled over strata): their errors move together and are counted once.
    """

    name: str
    variance: float
    degrees_of_freedom: float = math.inf
    source: str | None = None


@dataclass(frozen=True)
class Estimate:
    """A number of animals with its uncertainty.

    Unknown is None and `reason` says why: no limits from fewer than two units, none where nothing was seen, none for
    a total count whose detection was not measured. `components` is empty when the error is unknown; a component of
    variance 0 is known to be 0. `seen` is the number of animals really counted, the floor of the lower limit; `units`
    the number of sampled units; `cv` is standard error over value. `notes` are caveats to print.
    """

    value: float | None
    standard_error: float | None
    lower: float | None
    upper: float | None
    cv: float | None
    degrees_of_freedom: float | None
    method: str
    units: int
    reason: str | None = None
    seen: float = 0.0
    confidence: float = 0.95
    form: LimitForm = LimitForm.T
    components: tuple[Component, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def variance(self) -> float | None:
        """The squared standard error."""
        return None if self.standard_error is None else self.standard_error**2

    def with_notes(self, *notes: str) -> Estimate:
        """Return the same estimate with further caveats."""
        return replace(self, notes=(*self.notes, *notes))

    def with_limits(self, form: LimitForm, confidence: float | None = None) -> Estimate:
        """Return the same estimate with limits of another form or confidence."""
        if self.standard_error is None or self.value is None:
            return replace(self, form=form, confidence=confidence or self.confidence)
        return estimate(
            self.value,
            self.components,
            method=self.method,
            units=self.units,
            seen=self.seen,
            confidence=confidence or self.confidence,
            form=form,
            notes=self.notes,
        )


def estimate(
    value: float,
    components: Iterable[Component],
    *,
    method: str,
    units: int,
    seen: float = 0.0,
    confidence: float = 0.95,
    form: LimitForm = LimitForm.T,
    reason: str | None = None,
    notes: tuple[str, ...] = (),
) -> Estimate:
    """Build an estimate from its variance components: their sum, Satterthwaite's degrees of freedom, and the limits.

    With `reason`, or when the components sum to nothing, standard error and limits are None. Limits alone are None
    where more animals were seen than the upper one.
    """
    parts = tuple(components)
    if any(not part.variance >= 0 or not math.isfinite(part.variance) for part in parts):
        raise EstimateError("a variance is negative or not finite", where=method)
    variance = math.fsum(part.variance for part in parts)
    if reason is None and not variance > 0:
        reason = "every unit gave the same, so the sample holds no measure of its error"
    if reason is not None:
        return Estimate(
            value, None, None, None, None, None, method, units, reason, seen, confidence, form, parts, notes
        )
    error = math.sqrt(variance)
    df = satterthwaite([p.variance for p in parts], [p.degrees_of_freedom for p in parts])
    lower, upper = limits(value, error, df, form=form, confidence=confidence, seen=seen)
    cv = error / value if value > 0 else None
    if not lower < upper:
        reason = f"{seen:g} animals were seen, more than the upper limit of {upper:.4g}: the two do not fit each other"
        return Estimate(value, error, None, None, cv, df, method, units, reason, seen, confidence, form, parts, notes)
    return Estimate(value, error, lower, upper, cv, df, method, units, None, seen, confidence, form, parts, notes)


def no_estimate(reason: str, *, method: str, units: int, seen: float = 0.0) -> Estimate:
    """Return the estimate that could not be made, with its reason."""
    return Estimate(None, None, None, None, None, None, method, units, reason, seen)


def total(estimates: Sequence[Estimate], *, form: LimitForm | None = None, names: Sequence[str] = ()) -> Estimate:
    """Sum the estimates of independent strata.

    Sampling variances add; components with one `source` are one error shared by all strata, so there the standard
    errors add: Var = Σ Var_h + (Σ Y_h)² CV²(shared). Degrees of freedom after Satterthwaite. A stratum in which nothing
    was seen adds nothing and is named; one without a value or with an unknown error leaves the total without limits.
    """
    if not estimates:
        raise EstimateError("there are no strata to sum")
    labels = list(names) or [f"stratum {i + 1}" for i in range(len(estimates))]
    method = "sum of strata: " + "; ".join(dict.fromkeys(e.method for e in estimates))
    units = sum(e.units for e in estimates)
    seen = math.fsum(e.seen for e in estimates)
    missing = [name for name, e in zip(labels, estimates, strict=True) if e.value is None]
    if missing:
        return no_estimate(f"no estimate in {', '.join(missing)}", method=method, units=units, seen=seen)
    value = math.fsum(e.value for e in estimates if e.value is not None)
    notes = list(dict.fromkeys(note for e in estimates for note in e.notes))
    unknown: list[str] = []
    for name, e in zip(labels, estimates, strict=True):
        if e.value == 0:
            notes.append(f"{name}: none seen, counted as 0 without error of its own")
        elif not e.components:
            unknown.append(f"{name}: {e.reason}")
    parts = _summed(estimates)
    if not unknown and not math.fsum(part.variance for part in parts) > 0:
        unknown = list(dict.fromkeys(e.reason for e in estimates if e.reason))
    return estimate(
        value,
        parts,
        method=method,
        units=units,
        seen=seen,
        confidence=estimates[0].confidence,
        form=form or estimates[0].form,
        reason="none seen in any stratum" if value == 0 else "; ".join(unknown) or None,
        notes=tuple(notes),
    )


def _summed(estimates: Sequence[Estimate]) -> list[Component]:
    own: list[Component] = []
    shared: dict[tuple[str, str], tuple[float, float]] = {}
    for e in estimates:
        for part in e.components:
            if part.source is None:
                own.append(part)
                continue
            error, df = shared.get((part.name, part.source), (0.0, math.inf))
            shared[part.name, part.source] = (error + math.sqrt(part.variance), min(df, part.degrees_of_freedom))
    return own + [Component(name, error**2, df, source) for (name, source), (error, df) in shared.items()]
