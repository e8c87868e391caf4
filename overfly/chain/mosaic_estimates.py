"""What is found in orthomosaics to each species' estimate, with the effort and the gaps behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import shapely

from counts.assignment import TransectLines
from counts.availability import Availability
from counts.effort import Effort
from counts.estimators.estimate import no_estimate
from counts.population import Classes, Estimation, estimate_population
from counts.store import EffortEntry, EstimateEntry, GapEntry
from counts.verification import Correction
from flightplan.design import FULL
from overfly.chain.ground import Ints
from overfly.chain.mosaic_ground import MosaicsShown
from overfly.chain.verifying import Verification

LEAST_GAP_M2 = 1.0
_WEAVE_M = 0.5
"""Half the width of what is only the raggedness of an outline, and no gap on a map."""


def availability_in_parts(
    shown: MosaicsShown,
    part: Ints,
    labels: npt.NDArray[np.str_],
    species: Sequence[str],
    availability: Availability,
) -> dict[str, Classes]:
    """Which value of availability holds for each animal, by species: by stratum, for nobody knows the hour."""
    found = {}
    for name in species:
        if given := availability.of(name):
            mine = part[labels == name]
            strata = [shown.strata[i].name for i in shown.parts.stratum[mine].tolist()]
            of = availability.assign(name, strata, np.full(len(mine), np.nan))
            found[name] = Classes(of, tuple(c.label for c in given), {c.label: c.rate for c in given})
    return found


def estimate_in_parts(
    shown: MosaicsShown,
    name: str,
    part: Ints,
    checked: Verification | None,
    factor: Correction | None,
    how: Estimation | None,
    available: Classes | None,
    notes: Sequence[tuple[str, ...]],
) -> tuple[EstimateEntry, ...]:
    """One species by stratum and in all; a stratum that no mosaic shows has no estimate, and is in no sum."""
    parts, seen_m2 = shown.parts, shown.shown_m2
    strata_of = [shown.strata[i].name for i in parts.stratum.tolist()]
    lines = TransectLines(
        np.empty((0, 2)), np.empty((0, 2)), np.empty(0, dtype=np.int64), tuple(map(str, range(len(parts)))),
        tuple(strata_of),
    )  # fmt: skip
    effort = Effort(
        parts.areas_m2, np.ones(len(parts), dtype=np.int64), {}, {}, parts.polygons,
        np.full(len(parts), shapely.Polygon(), dtype=object), np.zeros(len(parts)), (),
    )  # fmt: skip
    there = [stratum for stratum, area_m2 in zip(shown.strata, seen_m2.tolist(), strict=True) if area_m2 > 0]
    if not there:
        nothing = no_estimate("no mosaic that was looked at shows any of it", method="total count", units=0)
        return (EstimateEntry.of(nothing, species=name, stratum=None, individuals=0, area_searched_m2=0.0),)
    of_animal = parts.stratum[part]
    population = estimate_population(
        name,
        part,
        effort,
        lines,
        there,
        factor,
        verified=_verified(shown, checked, name),
        how=how,
        availability=available,
        complete=True,
        design_kind=FULL,
    )
    entries = []
    for index, stratum in enumerate(shown.strata):
        found = population.strata.get(stratum.name)
        if found is None:
            found = no_estimate("no mosaic shows any of it", method="total count", units=0)
        entries.append(
            EstimateEntry.of(
                found.with_notes(*notes[index]),
                species=name,
                stratum=stratum.name,
                individuals=int((of_animal == index).sum()),
                area_m2=stratum.area_m2,
                area_searched_m2=float(seen_m2[index]),
            )
        )
    if not shown.ground.searchable:
        return (replace(entries[0], stratum=None),)
    whole = population.total.with_notes(*(note for own in notes for note in own))
    total = EstimateEntry.of(
        whole,
        species=name,
        stratum=None,
        individuals=len(part),
        area_m2=sum(s.area_m2 for s in shown.strata),
        area_searched_m2=float(seen_m2.sum()),
    )
    return (*entries, total)


def _verified(shown: MosaicsShown, checked: Verification | None, name: str) -> dict[str, float] | None:
    """Animals that a person saw in the checked parts, by stratum: there are at least so many."""
    if checked is None:
        return None
    stratum = shown.parts.stratum[checked.frames]
    return {s.name: float(checked.seen[name][stratum == i].sum()) for i, s in enumerate(shown.strata)}


def effort_of(shown: MosaicsShown) -> tuple[EffortEntry, ...]:
    """What the mosaics show of each stratum, what masks take of it and what no mosaic shows."""
    masked: list[float | None] = [None] * len(shown.strata)
    if shown.ground.searchable:
        taken = [
            float(shapely.area(shown.ground.habitat[s.name]) - shapely.area(land))
            for s, land in zip(shown.strata, shown.land, strict=True)
        ]
        masked = [m2 if m2 > 0 else None for m2 in taken]
    return tuple(
        EffortEntry(
            transect=None,
            area_searched_m2=float(shown.shown_m2[i]),
            length_m=0.0,
            captures=int(shown.mosaics_in[i]),
            planned_area_m2=stratum.area_m2,
            masked_area_m2=masked[i],
            gap_area_m2=float(shapely.area(shown.gaps[i])),
            stratum=stratum.name if shown.ground.searchable else None,
        )
        for i, stratum in enumerate(shown.strata)
    )


def gaps_of(shown: MosaicsShown) -> tuple[GapEntry, ...]:
    """What no mosaic shows, without the raggedness of their outlines along the border of the area."""
    wide = shapely.buffer(shapely.buffer(shown.gaps, -_WEAVE_M), _WEAVE_M, join_style="mitre")
    return tuple(
        GapEntry(shown.ground.frame.delocalise(piece), float(piece.area), None, "no mosaic shows it")
        for gap in wide
        for piece in shapely.get_parts(gap)
        if piece.area >= LEAST_GAP_M2
    )
