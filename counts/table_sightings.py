"""Tables of sightings without distances: two observers, with covariates or none, and sightability."""

from __future__ import annotations

import numpy as np

from counts.estimators import (
    Estimate,
    LimitForm,
    SampledStratum,
    SightabilityModel,
    TwoObservers,
    double_observer,
    fit_sightability,
    fit_two_observers,
    huggins,
    sightability_total,
)
from counts.table_design import Estimator, StratumOfTable, TableDesign
from counts.tables import Column, Table, read_table
from flightplan.errors import DesignError, UnreadableFileError
from flightplan.frames import Floats

OBSERVERS = (Column("first", maximum=1.0, whole=True), Column("second", maximum=1.0, whole=True))
SIZE = Column("size", minimum=1.0, whole=True, needed=False)
SIGHTING_COLUMNS: dict[Estimator, tuple[Column, ...]] = {
    Estimator.DOUBLE_OBSERVER: OBSERVERS,
    Estimator.HUGGINS: (*OBSERVERS, SIZE),
    Estimator.SIGHTABILITY: (Column("unit", number=False), Column("count", minimum=1.0, whole=True)),
}


def seen_by(table: Table, rows: list[int]) -> tuple[Floats, Floats]:
    """Who saw each animal; one that neither saw is refused with its line."""
    first, second = (np.array(table.column(name, rows)) for name in ("first", "second"))
    neither = np.flatnonzero((first == 0) & (second == 0))
    if len(neither):
        raise UnreadableFileError("seen by neither observer", where=table.where(rows[int(neither[0])]))
    return first, second


def covariates_of(table: Table, rows: list[int], design: TableDesign) -> Floats | None:
    """The covariates (n, c) of the design, None where it has none."""
    if not design.covariates:
        return None
    return np.column_stack([table.column(name, rows) for name in design.covariates])


def plain_observers(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    """Chapman's estimate of one stratum."""
    first, second = seen_by(table, rows)
    return double_observer(
        int(first.sum()), int(second.sum()), int((first * second).sum()), confidence=design.confidence,
        form=design.limits or LimitForm.LOGNORMAL_UNSEEN,
    ).estimate  # fmt: skip


def fit_observers(table: Table, design: TableDesign) -> TwoObservers:
    """Huggins' model of all strata together."""
    rows = list(range(len(table.lines)))
    return fit_two_observers(
        *seen_by(table, rows), covariates=covariates_of(table, rows, design), observer=design.observer
    )


def observed(table: Table, rows: list[int], design: TableDesign, model: TwoObservers) -> Estimate:
    """The animals of one stratum by Huggins' model."""
    sizes = table.column("size", rows) if "size" in table.numbers else None
    return huggins(
        model, sizes=sizes, covariates=covariates_of(table, rows, design), count=len(rows),
        confidence=design.confidence, form=design.limits or LimitForm.LOGNORMAL_UNSEEN,
    )  # fmt: skip


def fit_trials(design: TableDesign) -> SightabilityModel:
    """The sightability model from the table of trials: `seen`, and a column for each covariate."""
    assert design.trials is not None
    columns = (Column("seen", maximum=1.0, whole=True), *(any_number(name) for name in design.covariates))
    trials = read_table(design.trials, columns)
    rows = list(range(len(trials.lines)))
    return fit_sightability(
        trials.column("seen", rows), np.column_stack([trials.column(name, rows) for name in design.covariates])
    )


def sighted(table: Table, rows: dict[str, list[int]], design: TableDesign, model: SightabilityModel) -> Estimate:
    """All strata together: they share the error of the model."""
    sampling = []
    for stratum in design.strata:
        possible, sampled = stratum.possible_units or 0.0, stratum.sampled_units or 0.0
        if possible != int(possible) or sampled != int(sampled) or sampled > possible:
            raise DesignError(
                "sampled_units and possible_units are whole numbers, the first not above the second",
                where=f"{design.where}, strata.{stratum.name}",
            )
        sampling.append(SampledStratum(int(possible), int(sampled)))
    every = [row for stratum in design.strata for row in rows[stratum.name]]
    at = [index for index, stratum in enumerate(design.strata) for _ in rows[stratum.name]]
    given = covariates_of(table, every, design)
    assert given is not None
    return sightability_total(
        model, table.column("count", every), given, at, [table.texts["unit"][row] for row in every], sampling,
        confidence=design.confidence,
    )  # fmt: skip


def any_number(name: str) -> Column:
    """A covariate's column: any number, negative too."""
    return Column(name, minimum=-np.inf)
