"""From individuals on the ground to each species' estimate: what was counted where, expanded and corrected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from counts.availability import Availability, solar_hours
from counts.effort import Effort, captures_of
from counts.identity import Individuals
from counts.population import Classes, Estimation, estimate_population
from counts.segments import Surface
from counts.store import CorrectionEntry, EstimateEntry, SurveyInfo
from counts.store.detections import DetectionRunInfo
from counts.verification import Correction
from flightplan.design import FULL
from overfly.chain.ground import Ints, Sightings, SurveyGround
from overfly.chain.verifying import Verification


@dataclass(frozen=True)
class Resolved:
    """A survey whose individuals are resolved, with the boxes `detected` (C,) in each capture.

    `transect` (M,) is −1 for individuals outside of the design.
    """

    info: SurveyInfo
    run: DetectionRunInfo
    identity_run_id: int
    ground: SurveyGround
    detected: Ints
    detections: int
    sightings: Sightings
    individuals: Individuals
    transect: Ints
    species: tuple[str, ...]


def estimate_species(
    count: Resolved,
    effort: Effort,
    checked: Verification | None,
    factors: Mapping[str, Correction],
    *,
    how: Estimation | None = None,
    available: Mapping[str, Classes] | None = None,
    surface: Surface | None = None,
) -> tuple[EstimateEntry, ...]:
    """Estimate every species, per stratum and in all.

    `factors` are the corrections of those that have one, `available` the classes of availability of those that have,
    `surface` what a density surface needs.
    """
    ground = count.ground
    entries: list[EstimateEntry] = []
    for name in count.species:
        members = np.flatnonzero((count.transect >= 0) & (count.individuals.labels == name))
        mine = count.transect[members]
        animals = np.bincount(mine, minlength=len(ground.transects))
        population = estimate_population(
            name,
            mine,
            effort,
            ground.lines,
            ground.strata,
            factors.get(name),
            verified=_verified(count, checked, name),
            how=how,
            availability=(available or {}).get(name),
            complete=count.info.design_kind == FULL,
            surface=surface,
            capture=captures_of(count.individuals.positions[members], mine, ground.assignment, ground.lines),
            design_kind=count.info.design_kind,
        )
        for stratum in ground.strata:
            lines = np.array([s == stratum.name for s in ground.lines.strata], dtype=bool)
            entries.append(
                EstimateEntry.of(
                    population.strata[stratum.name],
                    species=name,
                    stratum=stratum.name,
                    individuals=int(animals[lines].sum()),
                    possible_units=stratum.possible_transects,
                    area_m2=stratum.area_m2,
                    area_searched_m2=float(effort.area_m2[lines].sum()),
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


def availability_classes(count: Resolved, availability: Availability) -> dict[str, Classes]:
    """Which value of availability holds for each individual that counts, by species.

    By the stratum it stands in, and the solar hour at which the capture of its core zone was taken.
    """
    ground, inside = count.ground, np.flatnonzero(count.transect >= 0)
    unit = count.transect[inside]
    capture = captures_of(count.individuals.positions[inside], unit, ground.assignment, ground.lines)
    hours = solar_hours(np.where(capture >= 0, ground.times_s[capture], np.nan), ground.frame.longitude_deg)
    found = {}
    for name in count.species:
        given = availability.of(name)
        mine = np.flatnonzero(count.individuals.labels[inside] == name)
        if given:
            strata = [ground.lines.strata[i] for i in unit[mine].tolist()]
            labels = tuple(c.label for c in given)
            rates = {c.label: c.rate for c in given}
            found[name] = Classes(availability.assign(name, strata, hours[mine]), labels, rates)
    return found


def availability_entries(available: Mapping[str, Classes]) -> tuple[CorrectionEntry, ...]:
    """One line for what each species' count is divided by, as a factor, and from which values."""
    entries = []
    for name, classes in available.items():
        number = np.bincount(classes.of, minlength=len(classes.names)).astype(np.float64)
        share = number / number.sum() if number.sum() > 0 else np.full(len(number), 1 / len(number))
        rates = [classes.rates[label] for label in classes.names]
        value, error = np.array([r.value for r in rates]), np.array([r.standard_error for r in rates])
        entries.append(
            CorrectionEntry(
                species=name,
                kind=rates[0].name,
                factor=float((share / value).sum()),
                variance=float(((share * error / value**2) ** 2).sum()),
                method="one value" if len(rates) == 1 else "by class of stratum and hour",
                source="; ".join(dict.fromkeys(r.source for r in rates)),
                details={
                    label: {"value": r.value, "standard_error": r.standard_error, "individuals": int(n)}
                    for label, r, n in zip(classes.names, rates, number, strict=True)
                },
            )
        )
    return tuple(entries)


def _verified(count: Resolved, checked: Verification | None, species: str) -> dict[str, float] | None:
    """Animals that a person saw in the checked frames, by stratum: there are at least so many."""
    if checked is None:
        return None
    unit = count.ground.assignment.transect[checked.frames]
    strata = np.array(count.ground.lines.strata)[unit]
    return {s.name: float(checked.seen[species][strata == s.name].sum()) for s in count.ground.strata}
