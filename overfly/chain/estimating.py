"""From individuals on the ground to each species' estimate: what was counted where, expanded and corrected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from counts.effort import Effort, captures_of
from counts.identity import Individuals
from counts.population import estimate_population
from counts.store import EstimateEntry, SurveyInfo
from counts.store.detections import DetectionRunInfo
from counts.verification import Correction
from flightplan.design import FULL
from overfly.chain.ground import Ints, Sightings, SurveyGround
from overfly.chain.verifying import Verification


@dataclass(frozen=True)
class Resolved:
    """A survey whose individuals are resolved. `transect` (M,) is −1 for individuals outside of the design."""

    info: SurveyInfo
    run: DetectionRunInfo
    identity_run_id: int
    ground: SurveyGround
    detected_captures: Ints
    detections: int
    sightings: Sightings
    individuals: Individuals
    transect: Ints
    species: tuple[str, ...]


def estimate_species(
    count: Resolved, effort: Effort, checked: Verification | None, factors: Mapping[str, Correction]
) -> tuple[EstimateEntry, ...]:
    """Estimate every species, per stratum and in all; `factors` are the corrections of those that have one."""
    ground = count.ground
    entries: list[EstimateEntry] = []
    for name in count.species:
        mine = count.transect[(count.transect >= 0) & (count.individuals.labels == name)]
        animals = np.bincount(mine, minlength=len(ground.transects))
        population = estimate_population(
            name,
            mine,
            effort,
            ground.lines,
            ground.strata,
            factors.get(name),
            verified=_verified(count, checked, name),
            complete=count.info.design_kind == FULL,
        )
        for stratum in ground.strata:
            members = np.array([s == stratum.name for s in ground.lines.strata], dtype=bool)
            entries.append(
                EstimateEntry.of(
                    population.strata[stratum.name],
                    species=name,
                    stratum=stratum.name,
                    individuals=int(animals[members].sum()),
                    possible_units=stratum.possible_transects,
                    area_m2=stratum.area_m2,
                    area_searched_m2=float(effort.area_m2[members].sum()),
                )
            )
        entries.append(
            EstimateEntry.of(
                population.total,
                species=name,
                stratum=None,
                individuals=population.individuals,
                area_m2=sum(s.area_m2 for s in ground.strata),
                area_searched_m2=float(effort.area_m2.sum()),
            )
        )
    return tuple(entries)


def counts_by_capture(count: Resolved) -> dict[str, Ints]:
    """Individuals (C,) in each capture's core zone, by species."""
    ground, inside = count.ground, np.flatnonzero(count.transect >= 0)
    capture = captures_of(count.individuals.positions[inside], count.transect[inside], ground.assignment, ground.lines)
    labels = count.individuals.labels[inside]
    return {
        name: np.bincount(capture[(labels == name) & (capture >= 0)], minlength=len(ground.captures)).astype(np.int64)
        for name in count.species
    }


def _verified(count: Resolved, checked: Verification | None, species: str) -> dict[str, float] | None:
    """Animals that a person saw in the checked frames, by stratum: there are at least so many."""
    if checked is None:
        return None
    unit = count.ground.assignment.transect[checked.frames]
    strata = np.array(count.ground.lines.strata)[unit]
    return {s.name: float(checked.seen[species][strata == s.name].sum()) for s in count.ground.strata}
