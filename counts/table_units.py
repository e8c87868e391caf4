"""Tables of sampled units: Jolly's methods, total counts, bootstrap, and detectors checked on a part of the units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from counts.estimators import (
    Estimate,
    LimitForm,
    bootstrap_ratio,
    divided_by_class,
    jolly1,
    jolly2,
    jolly3,
    precision_recall,
    subsample_total,
    total_count,
)
from counts.table_design import Estimator, StratumOfTable, TableDesign
from counts.tables import Column, Table
from flightplan.errors import EstimateError, UnreadableFileError
from flightplan.frames import Floats

_UNIT, _COUNT = Column("unit", number=False), Column("count", whole=True)
_AREA, _CLASS = Column("area_km2", above=True), Column("class", number=False, needed=False)
_LARGE_SHARE, _FEW_ZEROS = 0.25, 30

UNIT_COLUMNS: dict[Estimator, tuple[Column, ...]] = {
    Estimator.JOLLY_1: (_UNIT, _COUNT, _CLASS),
    Estimator.JOLLY_2: (_UNIT, _COUNT, _AREA, _CLASS),
    Estimator.JOLLY_3: (_UNIT, _COUNT, _AREA),
    Estimator.TOTAL: (_UNIT, _COUNT, _CLASS),
    Estimator.BOOTSTRAP: (_UNIT, _COUNT, _AREA),
    Estimator.SUBSAMPLE: (_UNIT, Column("detected", whole=True), Column("verified", whole=True, may_be_empty=True)),
    Estimator.PRECISION_RECALL: tuple(
        Column(name, whole=True)
        for name in ("count", "verified_detections", "true_positives", "reference_animals", "recalled")
    ),
}


def estimate_units(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    """Estimate one stratum of a table of units, with rates that differ by class already in it."""
    return _ESTIMATORS[design.estimator](table, rows, stratum, design)


def bootstrap_total(table: Table, rows: dict[str, list[int]], design: TableDesign) -> Estimate:
    """The strata of a table resampled together."""
    return bootstrap_ratio(
        [_units(table, rows[s.name]) for s in design.strata],
        [table.column("area_km2", rows[s.name]) for s in design.strata],
        [s.area_km2 or 0.0 for s in design.strata],
        seed=design.seed,
        replicates=design.replicates,
        confidence=design.confidence,
    )[0]


def _units(table: Table, rows: list[int]) -> list[float]:
    """The counts, one for each unit."""
    first: dict[str, int] = {}
    for row in rows:
        unit = table.texts["unit"][row]
        if unit in first:
            raise UnreadableFileError(
                f"unit {unit!r} was already on line {table.lines[first[unit]]}", where=table.where(row)
            )
        first[unit] = row
    return table.column("count", rows)


def _by_class(
    table: Table, rows: list[int], design: TableDesign, estimator: Callable[[Floats, Floats], Estimate]
) -> Estimate:
    """Estimate from one row a unit, or from one row a unit and class, each class over its own rates."""
    area = "area_km2" in table.numbers
    if "class" not in table.texts:
        if any(rate.only for rate in design.rates):
            raise UnreadableFileError("there are rates by class, but no column class", where=f"{table.path}, line 1")
        counts = np.array(_units(table, rows))
        return estimator(counts, np.array(table.column("area_km2", rows) if area else [0.0] * len(rows)))
    units: dict[str, int] = {}
    areas: list[float] = []
    parts: dict[str, dict[int, float]] = {}
    for row in rows:
        unit, kind, count = table.texts["unit"][row], table.texts["class"][row], table.numbers["count"][row]
        size = (table.numbers["area_km2"][row] if area else 0.0) or 0.0
        at = units.setdefault(unit, len(units))
        if at == len(areas):
            areas.append(size)
        elif areas[at] != size:
            raise UnreadableFileError(
                f"unit {unit!r} is {size:g} km² here and {areas[at]:g} km² above", where=table.where(row)
            )
        if at in parts.setdefault(kind, {}):
            raise UnreadableFileError(f"unit {unit!r} has class {kind!r} twice", where=table.where(row))
        parts[kind][at] = count or 0.0
    named = {rate.only for rate in design.rates if rate.only}
    if named - set(parts):
        raise EstimateError(f"no row is of class {min(named - set(parts))!r}", where=table.path)
    counts_of = {k: np.bincount(list(v), list(v.values()), len(units)) for k, v in parts.items()}
    rates = {kind: [rate.rate for rate in design.rates if rate.only == kind] for kind in parts}
    return divided_by_class(lambda y: estimator(y, np.array(areas)), counts_of, rates)


def _jolly1(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    possible = stratum.possible_units
    assert possible is not None

    def of(counts: Floats, _: Floats) -> Estimate:
        _enough(table, len(counts), stratum, design)
        return jolly1(counts, possible, confidence=design.confidence, form=design.limits or LimitForm.T)

    return _by_class(table, rows, design, of)


def _jolly2(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    area_km2 = stratum.area_km2
    assert area_km2 is not None

    def of(counts: Floats, areas: Floats) -> Estimate:
        _enough(table, len(counts), stratum, design)
        _within(table, float(areas.sum()), stratum)
        return jolly2(
            counts, areas, area_km2, stratum.possible_units, convention=design.convention, spread=design.spread,
            confidence=design.confidence, form=design.limits or LimitForm.T,
        )  # fmt: skip

    return _by_class(table, rows, design, of)


def _jolly3(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    assert stratum.area_km2 is not None
    # A unit drawn twice stands in the table twice: the draw was with replacement.
    counts, areas = table.column("count", rows), table.column("area_km2", rows)
    return jolly3(counts, areas, stratum.area_km2, confidence=design.confidence, form=design.limits or LimitForm.T)


def _total(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    found = _by_class(table, rows, design, lambda counts, _: total_count(counts, gaps=design.gaps))
    return found.with_limits(design.limits or LimitForm.LOGNORMAL, design.confidence)


def _bootstrap(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    assert stratum.area_km2 is not None
    areas = table.column("area_km2", rows)
    _within(table, sum(areas), stratum)
    return bootstrap_ratio(
        [_units(table, rows)], [areas], [stratum.area_km2],
        seed=design.seed, replicates=design.replicates, confidence=design.confidence,
    )[0]  # fmt: skip


def _subsample(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    detected = np.array(table.column("detected", rows))
    checked = np.array([table.numbers["verified"][row] is not None for row in rows], dtype=bool)
    verified = np.array(table.column("verified", rows))
    found = subsample_total(
        verified, len(rows), cheap_counts=detected[checked], cheap_total=float(detected.sum()), method=design.method,
        confidence=design.confidence, form=design.limits or LimitForm.T,
    )  # fmt: skip
    notes = []
    if verified.sum() > 0 and verified.max() > _LARGE_SHARE * verified.sum():
        notes.append(
            f"{stratum.name}: one unit holds {verified.max() / verified.sum():.0%} of the animals verified: one herd "
            "dominates"
        )
    zeros, of_zeros = int((detected == 0).sum()), int((detected[checked] == 0).sum())
    if of_zeros < min(_FEW_ZEROS, zeros):
        notes.append(
            f"{stratum.name}: only {of_zeros} of {zeros} units without detections were verified: missed herds may hide "
            "there"
        )
    return found.with_notes(*notes)


def _precision_recall(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    if len(rows) > 1:
        raise UnreadableFileError(f"{stratum.name} has a second row", where=table.where(rows[1]))
    given = {c.name: int(table.column(c.name, rows)[0]) for c in UNIT_COLUMNS[Estimator.PRECISION_RECALL]}
    return precision_recall(
        given.pop("count"), **given, confidence=design.confidence, form=design.limits or LimitForm.LOGNORMAL
    ).estimate


def _enough(table: Table, sampled: int, stratum: StratumOfTable, design: TableDesign) -> None:
    if stratum.possible_units is not None and sampled > stratum.possible_units:
        raise EstimateError(
            f"{sampled} units of stratum {stratum.name}, where possible_units is {stratum.possible_units:g}",
            where=f"{table.path}, {design.where}",
        )


def _within(table: Table, searched_km2: float, stratum: StratumOfTable) -> None:
    if stratum.area_km2 is not None and searched_km2 > stratum.area_km2 * (1 + 1e-9):
        raise EstimateError(
            f"{searched_km2:g} km² searched in stratum {stratum.name} of {stratum.area_km2:g} km²", where=table.path
        )


_ESTIMATORS: dict[Estimator, Callable[[Table, list[int], StratumOfTable, TableDesign], Estimate]] = {
    Estimator.JOLLY_1: _jolly1,
    Estimator.JOLLY_2: _jolly2,
    Estimator.JOLLY_3: _jolly3,
    Estimator.TOTAL: _total,
    Estimator.BOOTSTRAP: _bootstrap,
    Estimator.SUBSAMPLE: _subsample,
    Estimator.PRECISION_RECALL: _precision_recall,
}
