"""Multipliers of an estimate: availability, and rates at which animals leave signs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from counts.estimators.estimate import Component, Estimate, estimate
from flightplan.errors import EstimateError
from flightplan.frames import Floats


@dataclass(frozen=True)
class Rate:
    """A number that an estimate is divided by, with its standard error and where it comes from.

    `name` becomes the variance component ("availability", "decay"). `per_animal` is False for rates of signs (dung per
    day): what was seen was then no animal, and is no floor of the lower limit.
    """

    name: str
    value: float
    standard_error: float
    source: str
    degrees_of_freedom: float = math.inf
    per_animal: bool = True


def divided_by(count: Estimate, *rates: Rate) -> Estimate:
    """Divide an estimate by rates: N / ∏r, CV² adds (delta method; Buckland et al. 2001, §3.7).

    Each rate's error is one for all strata that share its source; `total` counts it once. An estimate whose error is
    unknown keeps its reason; a total count, with a sampling error known to be 0, gets its limits from the rates alone.
    Raises EstimateError for a rate that is not positive, or an availability over 1.
    """
    for rate in rates:
        if not (rate.value > 0 and math.isfinite(rate.value) and rate.standard_error >= 0):
            raise EstimateError(f"{rate.name} is {rate.value:g} ± {rate.standard_error:g}", where=rate.source)
        if rate.name == "availability" and rate.value > 1:
            raise EstimateError(f"availability is {rate.value:g}, more than all animals", where=rate.source)
    product = math.prod(rate.value for rate in rates)
    method = " / ".join([count.method, *(rate.name for rate in rates)])
    if count.value is None:
        return replace(count, method=method)
    value = count.value / product
    seen = count.seen if all(rate.per_animal for rate in rates) else 0.0
    parts = [replace(part, variance=part.variance / product**2) for part in count.components]
    parts += [
        Component(r.name, (value * r.standard_error / r.value) ** 2, r.degrees_of_freedom, r.source)
        for r in rates
        if r.standard_error > 0
    ]
    nothing_but_rates = bool(count.components) and all(c.name == "sampling" for c in count.components)
    reason = None if nothing_but_rates and any(r.standard_error > 0 for r in rates) else count.reason
    return estimate(
        value,
        parts if reason is None else count.components,
        method=method,
        units=count.units,
        seen=seen,
        confidence=count.confidence,
        form=count.form,
        reason=reason,
        notes=count.notes,
    )


def divided_by_class(
    estimator: Callable[[Floats], Estimate], counts: Mapping[str, npt.ArrayLike], rates: Mapping[str, Sequence[Rate]]
) -> Estimate:
    """Estimate from counts (n,) by class, each class of animals divided by rates of its own.

    Availability differs between habitats and hours of the day: what was counted in each is divided by its own before
    the units are summed, N = Ŷ(Σ_c y_c / a_c). The error of a class's rate counts on that class's share of N: what
    `estimator` makes of that class alone, in proportion where it is not linear in the counts. A class without a rate is
    taken as it is. Rates with one source are one measurement: their errors move together and add up.
    """
    raised = {
        name: np.asarray(y, dtype=np.float64) / math.prod(rate.value for rate in rates.get(name, ()))
        for name, y in counts.items()
    }
    found = estimator(np.sum(list(raised.values()), axis=0))
    seen = float(sum(np.sum(y) for y in counts.values()))
    used = dict.fromkeys(rate.name for group in rates.values() for rate in group)
    method = " / ".join([found.method, *(f"{name} by class" for name in used)])
    if found.value is None:
        return replace(found, method=method, seen=seen)
    alone = {name: estimator(y).value or 0.0 for name, y in raised.items()}
    scale = found.value / (math.fsum(alone.values()) or 1.0)
    errors: dict[tuple[str, str], tuple[float, float]] = {}
    for name, share in alone.items():
        for rate in rates.get(name, ()):
            key = (rate.name, rate.source)
            error, df = errors.get(key, (0.0, math.inf))
            error += scale * share * rate.standard_error / rate.value
            errors[key] = (error, min(df, rate.degrees_of_freedom))
    parts = list(found.components)
    parts += [Component(kind, error**2, df, source) for (kind, source), (error, df) in errors.items() if error > 0]
    only_rates = bool(found.components) and all(c.variance == 0 for c in found.components)
    reason = None if only_rates and len(parts) > len(found.components) else found.reason
    return estimate(
        found.value,
        parts if reason is None else found.components,
        method=method,
        units=found.units,
        seen=seen if all(rate.per_animal for group in rates.values() for rate in group) else 0.0,
        confidence=found.confidence,
        form=found.form,
        reason=reason,
        notes=found.notes,
    )


def availability_in_view(surface_s: float, dive_s: float, view_s: float = 0.0) -> float:
    """Return the chance that a diving animal is at the surface at some time while in view (Laake et al. 1997, eq. 4).

    `surface_s`, `dive_s`: mean times at and under the surface; `view_s`: seconds a place stays in view, 0 for a single
    picture. Raises EstimateError for times that are negative or a cycle that takes none.
    """
    if not (surface_s >= 0 and dive_s >= 0 and view_s >= 0 and surface_s + dive_s > 0):
        raise EstimateError("times at the surface, under it and in view are positive", where="availability")
    cycle = surface_s + dive_s
    in_time = 0.0 if dive_s == 0 else dive_s * -math.expm1(-view_s / dive_s)
    return (surface_s + in_time) / cycle
