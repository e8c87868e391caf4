"""From individuals and effort to each species' population: Jolly's method 2 per stratum, corrected, summed.

The step every survey takes, with pictures or in simulation: count the individuals of each transect that stand on the
land surveyed, expand them by the area searched, divide by their availability, multiply by the correction from the
verified captures, and sum the strata with what they share counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from counts.assignment import Assignment, TransectLines
from counts.effort import Effort, captures_of
from counts.estimators import (
    EncounterVariance,
    Estimate,
    LimitForm,
    Rate,
    SubsampleMethod,
    bootstrap_ratio,
    density_surface_total,
    divided_by_class,
    estimate,
    jolly1,
    jolly2,
    total,
    total_count,
)
from counts.segments import Surface, strata_of
from counts.spread_rule import spread_of
from counts.verification import Correction, Sample, apply, correction
from flightplan.design import StratumDesign
from flightplan.errors import EstimateError
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

M_PER_KM, M2_PER_KM2 = 1e3, 1e6

DEFAULT_FORM = LimitForm.LOGNORMAL
DEFAULT_METHOD = SubsampleMethod.DIFFERENCE


class SampleEstimator(StrEnum):
    """How the individuals of a sample of transects become those of the stratum."""

    JOLLY_2 = "jolly2"
    JOLLY_1 = "jolly1"
    BOOTSTRAP = "bootstrap"
    TOTAL = "total"
    DENSITY_SURFACE = "density-surface"


@dataclass(frozen=True)
class Estimation:
    """What was asked of the estimates: how, with which spread between transects, and which limits.

    `estimator` None is the design's own: the total count in full coverage, else Jolly 2. `spread` None is what fits the
    design (docs/decisions/0006; counts.spread_rule), with `follow_trend` that of neighbouring lines where density has
    an evident trend across them; `seed` is that of the bootstrap.
    """

    estimator: SampleEstimator | None = None
    spread: EncounterVariance | None = None
    form: LimitForm = DEFAULT_FORM
    confidence: float = 0.95
    seed: int = 1
    follow_trend: bool = False


@dataclass(frozen=True)
class Classes:
    """Individuals (M,) by class of availability: `of` is the row in `names`; `rates` has the rate of each name."""

    of: Ints
    names: tuple[str, ...]
    rates: Mapping[str, Rate]


NO_POSSIBLE_TRANSECTS_NOTE = (
    "the design has no number of possible transects: N is the stratum's area over the mean area searched in one"
)


@dataclass(frozen=True)
class Population:
    """One species: the estimate of each stratum and of all, as counted and corrected, with the correction used."""

    species: str
    strata: Mapping[str, Estimate]
    total: Estimate
    counted_strata: Mapping[str, Estimate]
    counted_total: Estimate
    correction: Correction | None
    individuals: int


def on_land(positions: npt.ArrayLike, transect: npt.ArrayLike, land: Sequence[Any]) -> Bools:
    """Which individuals (M,) stand inside the land of their own transect: its stratum less the exclusions.

    A footprint reaches over the border; what stands there is seen, but its area is not searched.
    """
    where, unit = np.asarray(positions, dtype=np.float64).reshape(-1, 2), np.asarray(transect, dtype=np.int64)
    polygons = np.array(land, dtype=object)[unit] if len(unit) else np.empty(0, dtype=object)
    shapely.prepare(polygons)
    return np.asarray(shapely.contains_xy(polygons, where[:, 0], where[:, 1]), dtype=np.bool_)


def verified_correction(
    sample: Sample,
    true_counts: npt.ArrayLike,
    detected_per_capture: npt.ArrayLike,
    positions: npt.ArrayLike,
    transect: npt.ArrayLike,
    assignment: Assignment,
    lines: TransectLines,
    *,
    source: str,
    method: SubsampleMethod = DEFAULT_METHOD,
) -> Correction:
    """Correct one species' individuals from the captures of a verification sample.

    `sample` was drawn among the captures on effort: its indices are those of the captures. `true_counts` (n,) are the
    animals a person counted in the core zone of each capture sampled; `detected_per_capture` (N,) what the sample was
    stratified by; `positions` (M, 2) and `transect` (M,) the species' individuals on land. See
    `verification.correction`.
    """
    zone = captures_of(positions, transect, assignment, lines)
    if np.any(zone < 0):
        raise EstimateError("an individual is on a transect without captures", where=source)
    counted = np.bincount(zone, minlength=len(assignment.transect))
    on = assignment.transect >= 0
    detected = np.asarray(detected_per_capture) > 0
    return correction(
        true_counts,
        counted[sample.captures],
        sample.stratum,
        sample.stratum_sizes,
        [float(counted[on & ~detected].sum()), float(counted[on & detected].sum())],
        source=source,
        method=method,
    )


def estimate_population(
    species: str,
    transect: npt.ArrayLike,
    effort: Effort,
    lines: TransectLines,
    strata: Sequence[StratumDesign],
    by: Correction | None = None,
    *,
    verified: Mapping[str, float] | None = None,
    how: Estimation | None = None,
    availability: Classes | None = None,
    complete: bool = False,
    surface: Surface | None = None,
    capture: npt.ArrayLike | None = None,
    design_kind: str | None = None,
) -> Population:
    """Estimate one species per stratum and in total from the transect (M,) of each of its individuals on land.

    `complete` is full coverage: everything was searched, so the count is the estimate, and its limits can only come
    from the correction. `verified` is the number of animals a person saw, by stratum: the floor of the corrected lower
    limit. Transects that were not searched are left out. A density surface needs the survey's `surface`, and the
    `capture` (M,) in whose core zone each individual stands. `design_kind` says which variance between transects fits.
    Areas in m². Strata sum in the order given. Raises EstimateError for an estimator that the design cannot carry.
    """
    unit, asked = np.asarray(transect, dtype=np.int64), how or Estimation()
    estimator = asked.estimator or (SampleEstimator.TOTAL if complete else SampleEstimator.JOLLY_2)
    classes = availability or Classes(np.zeros(len(unit), dtype=np.int64), ("all",), {})
    smooth = None
    if estimator is SampleEstimator.DENSITY_SURFACE:
        if surface is None or capture is None:
            raise EstimateError("a density surface needs the segments of the lines", where=species)
        smooth, unit = surface, _segments_of(surface, capture, species)
    strata_of_unit = np.array(lines.strata) if smooth is None else strata_of(smooth.segments, lines.strata)
    counts = {
        name: np.bincount(unit[classes.of == i], minlength=len(strata_of_unit)) for i, name in enumerate(classes.names)
    }
    counted, corrected = {}, {}
    for stratum in strata:
        mine = strata_of_unit == stratum.name
        one: Callable[[npt.ArrayLike], Estimate]
        if smooth is not None:
            one = partial(_smoothed, asked, stratum, smooth, mine)
        else:
            one = partial(_stratum, estimator, asked, stratum, effort.area_m2[mine], effort.notes, design_kind)
        if classes.rates:
            found = divided_by_class(
                one, {name: y[mine] for name, y in counts.items()}, {k: (v,) for k, v in classes.rates.items()}
            )
        else:
            found = one(counts[classes.names[0]][mine])
        counted[stratum.name] = found
        seen = (verified or {}).get(stratum.name)
        corrected[stratum.name] = found if by is None else apply(found, by, verified=seen)
    names = list(counted)
    return Population(
        species=species,
        strata=corrected,
        total=total(list(corrected.values()), names=names),
        counted_strata=counted,
        counted_total=total(list(counted.values()), names=names),
        correction=by,
        individuals=len(unit),
    )


def _segments_of(surface: Surface, capture: npt.ArrayLike, species: str) -> Ints:
    """The segment (M,) of each individual, from the capture in whose core zone it stands."""
    segment = surface.segments.of_capture[np.asarray(capture, dtype=np.int64)]
    if np.any(segment < 0):
        raise EstimateError("animals were counted on a transect whose area searched is 0", where=species)
    return np.asarray(segment, dtype=np.int64)


def _smoothed(
    asked: Estimation, stratum: StratumDesign, surface: Surface, mine: Bools, counts: npt.ArrayLike
) -> Estimate:
    """One stratum by a surface fitted to its own segments: strata are drawn where density differs."""
    segments, cells = surface.segments, surface.cells[stratum.name]
    lines = len(np.unique(segments.transect[mine]))
    found = density_surface_total(
        counts,
        segments.areas_m2[mine] / M2_PER_KM2,
        segments.places_m[mine] / M_PER_KM,
        cells.places_m / M_PER_KM,
        cells.areas_m2 / cells.areas_m2.sum() * stratum.area_m2 / M2_PER_KM2,
        confidence=asked.confidence,
        form=asked.form,
        clusters=segments.transect[mine],
    )
    return replace(found, units=lines).with_notes(
        f"{stratum.name}: a surface of {int(mine.sum())} segments of {lines} transects over {len(cells.areas_m2)} cells"
    )


def _stratum(
    estimator: SampleEstimator,
    asked: Estimation,
    stratum: StratumDesign,
    areas_m2: Floats,
    gaps: tuple[str, ...],
    design_kind: str | None,
    counts: npt.ArrayLike,
) -> Estimate:
    """One stratum by the estimator asked for."""
    if estimator is SampleEstimator.TOTAL:
        return total_count(counts, gaps=gaps)
    if estimator is SampleEstimator.BOOTSTRAP:
        return _bootstrapped(asked, stratum, areas_m2, np.asarray(counts, dtype=np.float64))
    if estimator is SampleEstimator.JOLLY_1:
        if stratum.possible_transects is None:
            raise EstimateError(
                "Jolly 1 needs the number of possible transects, and this design has none",
                where=stratum.name,
                hint="Use jolly2.",
            )
        return jolly1(counts, stratum.possible_transects, form=asked.form, confidence=asked.confidence)
    spread, why = asked.spread, None
    if spread is None:
        spread, why = spread_of(design_kind, counts, areas_m2, follow_trend=asked.follow_trend)
    found = jolly2(
        counts, areas_m2, stratum.area_m2, stratum.possible_transects, spread=spread, form=asked.form,
        confidence=asked.confidence,
    )  # fmt: skip
    if why is not None and found.standard_error is not None:
        found = found.with_notes(why)
    return found.with_notes(NO_POSSIBLE_TRANSECTS_NOTE) if stratum.possible_transects is None else found


def _bootstrapped(asked: Estimation, stratum: StratumDesign, areas_m2: Floats, counts: Floats) -> Estimate:
    """The bootstrap's spread with limits of the form asked for: corrections and sums of strata need a variance."""
    flown = areas_m2 > 0
    drawn, _ = bootstrap_ratio([counts[flown]], [areas_m2[flown]], [stratum.area_m2], seed=asked.seed)
    if drawn.value is None or not drawn.components:
        return drawn
    return estimate(
        drawn.value,
        [replace(part, degrees_of_freedom=float(max(int(flown.sum()) - 1, 1))) for part in drawn.components],
        method="bootstrap of transects",
        units=drawn.units,
        seen=drawn.seen,
        confidence=asked.confidence,
        form=asked.form,
    )
