"""Estimates from a plain table: counts from the air or the ground that have nothing to do with pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from counts.estimators import (
    DetectionFunction,
    EncounterVariance,
    Estimate,
    GoodnessOfFit,
    LimitForm,
    divided_by,
    double_observer,
    goodness_of_fit,
    jolly1,
    jolly2,
    jolly3,
    line_transects,
    select_detection_function,
    total,
    total_count,
)
from counts.table_design import Estimator, StratumOfTable, TableDesign
from counts.tables import Column, Table, read_table
from flightplan.errors import EstimateError, UnreadableFileError

_STRATUM = Column("stratum", number=False, needed=False)
_UNIT, _COUNT = Column("unit", number=False), Column("count", whole=True)
_AREA = Column("area_km2", above=True)
COLUMNS: dict[Estimator, tuple[Column, ...]] = {
    Estimator.JOLLY_1: (_UNIT, _COUNT, _STRATUM),
    Estimator.JOLLY_2: (_UNIT, _COUNT, _AREA, _STRATUM),
    Estimator.JOLLY_3: (_UNIT, _COUNT, _AREA, _STRATUM),
    Estimator.TOTAL: (_UNIT, _COUNT, _STRATUM),
    Estimator.DOUBLE_OBSERVER: (
        Column("first", maximum=1.0, whole=True),
        Column("second", maximum=1.0, whole=True),
        _STRATUM,
    ),
    Estimator.DISTANCE: (
        Column("line", number=False),
        Column("length_km", above=True),
        Column("distance_m", may_be_empty=True),
        Column("size", minimum=1.0, whole=True, needed=False, may_be_empty=True),
        _STRATUM,
    ),
}


@dataclass(frozen=True)
class TableEstimates:
    """The estimate of each stratum by name and of all; the detection function and its fit where there is one."""

    estimator: Estimator
    strata: dict[str, Estimate]
    total: Estimate
    function: DetectionFunction | None = None
    fit: GoodnessOfFit | None = None
    aic: dict[str, float] | None = None


def estimate_table(path: Path, design: TableDesign) -> TableEstimates:
    """Estimate from the table at `path` as the design says; columns are those of `COLUMNS`.

    Rows keep their order: it is that of the units along the baseline. Raises UnreadableFileError naming the line of a
    fault, EstimateError where the data cannot carry the estimator.
    """
    table = read_table(path, COLUMNS[design.estimator])
    rows = _by_stratum(table, design)
    fits: tuple[DetectionFunction, ...] = ()
    if design.estimator is Estimator.DISTANCE:
        fits = _detection(table, design)
        estimates = {s.name: _lines(table, rows[s.name], s, design, fits[0]) for s in _strata(design, rows)}
    else:
        one = _ESTIMATORS[design.estimator]
        estimates = {s.name: one(table, rows[s.name], s, design) for s in _strata(design, rows)}
    estimates = {name: divided_by(e, *design.rates) if design.rates else e for name, e in estimates.items()}
    whole = next(iter(estimates.values()))
    if len(estimates) > 1:
        whole = total(list(estimates.values()), names=list(estimates))
    if not fits:
        return TableEstimates(design.estimator, estimates, whole)
    distances = [x for x in table.numbers["distance_m"] if x is not None]
    return TableEstimates(
        design.estimator, estimates, whole, fits[0], goodness_of_fit(fits[0], distances),
        {str(fit.model): fit.aic for fit in fits},
    )  # fmt: skip


def _by_stratum(table: Table, design: TableDesign) -> dict[str, list[int]]:
    """Rows of each stratum, those of the design first; a unit named twice within one is refused."""
    rows: dict[str, list[int]] = {stratum.name: [] for stratum in design.strata}
    names = table.texts.get("stratum")
    if names is None and len(rows) > 1:
        raise UnreadableFileError(
            f"there is no column stratum, but the design has {len(rows)} of them", where=f"{table.path}, line 1"
        )
    if names is None:
        return {next(iter(rows), "all"): list(range(len(table.lines)))}
    for row, name in enumerate(names):
        if design.strata and name not in rows:
            raise UnreadableFileError(f"stratum {name!r} is not in the design", where=table.where(row))
        rows.setdefault(name, []).append(row)
    return rows


def _strata(design: TableDesign, rows: dict[str, list[int]]) -> tuple[StratumOfTable, ...]:
    return design.strata or tuple(StratumOfTable(name) for name in rows)


def _column(table: Table, name: str, rows: list[int]) -> list[float]:
    return [value for row in rows if (value := table.numbers[name][row]) is not None]


def _counts(table: Table, rows: list[int]) -> list[float]:
    first: dict[str, int] = {}
    for row in rows:
        unit = table.texts["unit"][row]
        if unit in first:
            raise UnreadableFileError(
                f"unit {unit!r} was already on line {table.lines[first[unit]]}", where=table.where(row)
            )
        first[unit] = row
    return _column(table, "count", rows)


def _jolly1(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    assert stratum.possible_units is not None
    _enough(table, len(rows), stratum, design)
    return jolly1(
        _counts(table, rows), stratum.possible_units, confidence=design.confidence, form=design.limits or LimitForm.T
    )


def _jolly2(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    assert stratum.area_km2 is not None
    _enough(table, len(rows), stratum, design)
    areas = _column(table, "area_km2", rows)
    if sum(areas) > stratum.area_km2 * (1 + 1e-9):
        raise EstimateError(
            f"{sum(areas):g} km² searched in stratum {stratum.name} of {stratum.area_km2:g} km²", where=table.path
        )
    return jolly2(
        _counts(table, rows), areas, stratum.area_km2, stratum.possible_units,
        convention=design.convention, spread=design.spread, confidence=design.confidence,
        form=design.limits or LimitForm.T,
    )  # fmt: skip


def _jolly3(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    assert stratum.area_km2 is not None
    # A unit drawn twice stands in the table twice: the draw was with replacement.
    counts, areas = _column(table, "count", rows), _column(table, "area_km2", rows)
    return jolly3(counts, areas, stratum.area_km2, confidence=design.confidence, form=design.limits or LimitForm.T)


def _total(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    found = total_count(_counts(table, rows), gaps=design.gaps)
    return found.with_limits(design.limits or LimitForm.LOGNORMAL, design.confidence)


def _double(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    first, second = (np.array(_column(table, name, rows)) for name in ("first", "second"))
    neither = np.flatnonzero((first == 0) & (second == 0))
    if len(neither):
        raise UnreadableFileError("seen by neither observer", where=table.where(rows[int(neither[0])]))
    return double_observer(
        int(first.sum()), int(second.sum()), int((first * second).sum()), confidence=design.confidence,
        form=design.limits or LimitForm.LOGNORMAL_UNSEEN,
    ).estimate  # fmt: skip


def _detection(table: Table, design: TableDesign) -> tuple[DetectionFunction, ...]:
    distances = [x for x in table.numbers["distance_m"] if x is not None]
    return select_detection_function(distances, design.width_m, design.models, left=design.left_m, bins=design.bins_m)


def _lines(
    table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign, function: DetectionFunction
) -> Estimate:
    assert stratum.area_km2 is not None
    lines: dict[str, int] = {}
    lengths: list[float] = []
    distances, at, sizes = [], [], []
    for row in rows:
        name, length = table.texts["line"][row], table.numbers["length_km"][row]
        assert length is not None
        if name not in lines:
            lines[name] = len(lengths)
            lengths.append(length)
        elif lengths[lines[name]] != length:
            raise UnreadableFileError(
                f"line {name!r} is {length:g} km here and {lengths[lines[name]]:g} km above", where=table.where(row)
            )
        distance = table.numbers["distance_m"][row]
        size = table.numbers["size"][row] if "size" in table.numbers else 1.0
        if distance is None:
            continue
        if size is None:
            raise UnreadableFileError("size is missing beside a distance", where=table.where(row))
        distances.append(distance)
        at.append(lines[name])
        sizes.append(size)
    return line_transects(
        function, distances, at, np.array(lengths) * 1000, stratum.area_km2 * 1e6,
        sizes=sizes if "size" in table.numbers else None, group_size=design.group_size,
        spread=design.spread or EncounterVariance.R2, sides=design.sides, confidence=design.confidence,
        form=design.limits or LimitForm.LOGNORMAL,
    )  # fmt: skip


def _enough(table: Table, sampled: int, stratum: StratumOfTable, design: TableDesign) -> None:
    if stratum.possible_units is not None and sampled > stratum.possible_units:
        raise EstimateError(
            f"{sampled} units of stratum {stratum.name}, where possible_units is {stratum.possible_units:g}",
            where=f"{table.path}, {design.where}",
        )


_ESTIMATORS: dict[Estimator, Callable[[Table, list[int], StratumOfTable, TableDesign], Estimate]] = {
    Estimator.JOLLY_1: _jolly1,
    Estimator.JOLLY_2: _jolly2,
    Estimator.JOLLY_3: _jolly3,
    Estimator.TOTAL: _total,
    Estimator.DOUBLE_OBSERVER: _double,
}
