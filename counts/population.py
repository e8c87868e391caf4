"""From individuals and effort to each species' population: Jolly's method 2 per stratum, corrected, summed.

The step every survey takes, with pictures or in simulation: count the individuals of each transect that stand on the
land surveyed, expand them by the area searched, multiply by the correction from the verified captures, and sum the
strata with what they share counted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from counts.effort import Assignment, Effort, TransectLines, captures_of
from counts.estimators import EncounterVariance, Estimate, LimitForm, SubsampleMethod, jolly2, total, total_count
from counts.verification import Correction, Sample, apply, correction
from flightplan.design import StratumDesign
from flightplan.errors import EstimateError

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DEFAULT_FORM = LimitForm.LOGNORMAL
DEFAULT_METHOD = SubsampleMethod.DIFFERENCE

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
    spread: EncounterVariance | None = None,
    form: LimitForm = DEFAULT_FORM,
    confidence: float = 0.95,
    complete: bool = False,
) -> Population:
    """Estimate one species per stratum and in total from the transect (M,) of each of its individuals on land.

    `complete` is full coverage: everything was searched, so the count is the estimate, and its limits can only come
    from the correction. `verified` is the number of animals a person saw, by stratum: the floor of the corrected lower
    limit. Transects that were not searched are left out. Areas in m². Strata sum in the order given.
    """
    unit = np.asarray(transect, dtype=np.int64)
    counts = np.bincount(unit, minlength=len(lines.identifiers))
    counted, corrected = {}, {}
    for stratum in strata:
        mine = np.array([name == stratum.name for name in lines.strata])
        if complete:
            estimate = total_count(counts[mine], gaps=effort.notes)
        else:
            estimate = jolly2(
                counts[mine],
                effort.area_m2[mine],
                stratum.area_m2,
                stratum.possible_transects,
                spread=spread,
                form=form,
                confidence=confidence,
            )
            if stratum.possible_transects is None:
                estimate = replace(estimate, notes=(*estimate.notes, NO_POSSIBLE_TRANSECTS_NOTE))
        counted[stratum.name] = estimate
        seen = (verified or {}).get(stratum.name)
        corrected[stratum.name] = estimate if by is None else apply(estimate, by, verified=seen)
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
