"""Estimates from a plain table: counts from the air or the ground that have nothing to do with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counts.estimators import Estimate, divided_by, total
from counts.table_design import Estimator, StratumOfTable, TableDesign
from counts.table_lines import LINE_COLUMNS, Detectability, estimate_lines, fit_detectability
from counts.table_sightings import (
    SIGHTING_COLUMNS,
    any_number,
    fit_observers,
    fit_trials,
    observed,
    plain_observers,
    sighted,
)
from counts.table_surface import SEGMENT_COLUMNS, estimate_surface
from counts.table_units import UNIT_COLUMNS, bootstrap_total, estimate_units
from counts.tables import Column, Table, read_table
from flightplan.errors import DesignError, UnreadableFileError

_STRATUM = Column("stratum", number=False, needed=False)
COLUMNS: dict[Estimator, tuple[Column, ...]] = {
    **UNIT_COLUMNS,
    **SIGHTING_COLUMNS,
    **LINE_COLUMNS,
    Estimator.DENSITY_SURFACE: SEGMENT_COLUMNS,
}


@dataclass(frozen=True)
class TableEstimates:
    """The estimate of each stratum by name and of all; what was fitted, and its figures, where there is such a thing.

    Strata that share a model and have no estimate of their own (sightability) are in `total` alone.
    """

    estimator: Estimator
    strata: dict[str, Estimate]
    total: Estimate
    detectability: Detectability | None = None
    model: dict[str, Any] = field(default_factory=dict)


def estimate_table(path: Path, design: TableDesign) -> TableEstimates:
    """Estimate from the table at `path` as the design says; columns are those of `COLUMNS` and the covariates.

    Rows keep their order: it is that of the units along the baseline. Raises UnreadableFileError naming the line of a
    fault, EstimateError where the data cannot carry the estimator.
    """
    table = read_table(path, _columns(design))
    rows = _by_stratum(table, design)
    strata = design.strata or tuple(StratumOfTable(name) for name in rows)
    rates = [rate.rate for rate in design.rates if rate.only is None]

    def over(estimate: Estimate) -> Estimate:
        return divided_by(estimate, *rates) if rates else estimate

    detectability: Detectability | None = None
    model: dict[str, Any] = {}
    found: dict[str, Estimate] = {}
    whole: Estimate | None = None
    if design.estimator in LINE_COLUMNS:
        fitted = detectability = fit_detectability(table, design)
        found = {s.name: estimate_lines(table, rows[s.name], s, design, fitted) for s in strata}
    elif design.estimator is Estimator.HUGGINS:
        observers = fit_observers(table, design)
        found = {s.name: observed(table, rows[s.name], design, observers) for s in strata}
        terms = ["intercept", *(["observer"] if observers.observer else []), *design.covariates]
        model = _coefficients(terms, observers.coefficients.tolist(), observers.aic)
    elif design.estimator is Estimator.SIGHTABILITY:
        trials = fit_trials(design)
        whole = sighted(table, rows, design, trials)
        model = _coefficients(["intercept", *design.covariates], trials.coefficients.tolist(), None)
        model["trials"] = trials.trials
    elif design.estimator is Estimator.DOUBLE_OBSERVER:
        found = {s.name: plain_observers(table, rows[s.name], s, design) for s in strata}
    elif design.estimator is Estimator.DENSITY_SURFACE:
        found = {s.name: estimate_surface(table, rows[s.name], s, design) for s in strata}
    else:
        found = {s.name: estimate_units(table, rows[s.name], s, design) for s in strata}
        if design.estimator is Estimator.BOOTSTRAP and len(strata) > 1:
            whole = bootstrap_total(table, rows, design)
    if rates and design.estimator is Estimator.BOOTSTRAP:
        raise DesignError("a bootstrap's limits cannot be divided by rates", where=design.where, hint="Use jolly2.")
    found = {name: over(estimate) for name, estimate in found.items()}
    if whole is not None:
        whole = over(whole)
    elif len(found) > 1:
        whole = total(list(found.values()), names=list(found))
    else:
        whole = next(iter(found.values()))
    return TableEstimates(design.estimator, found, whole, detectability, model)


def _columns(design: TableDesign) -> list[Column]:
    fixed = [*COLUMNS[design.estimator], _STRATUM]
    names = {column.name for column in fixed}
    clash = [name for name in design.covariates if name in names and name != "size"]
    if clash:
        raise DesignError(f"{clash[0]} is no covariate: it is a column of {design.estimator}", where=design.where)
    gaps = design.estimator in LINE_COLUMNS
    return [
        *fixed,
        *(
            Column(c.name, minimum=c.minimum, may_be_empty=gaps)
            for c in map(any_number, design.covariates)
            if c.name not in names
        ),
    ]


def _coefficients(terms: Sequence[str], values: Sequence[float], aic: float | None) -> dict[str, Any]:
    model: dict[str, Any] = {"coefficients": dict(zip(terms, values, strict=True))}
    if aic is not None:
        model["aic"] = aic
    return model


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
