"""Tables of line transects: distances to a detection function, with one observer or two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from counts.estimators import (
    DetectionFunction,
    EncounterVariance,
    Estimate,
    FullIndependence,
    GoodnessOfFit,
    LimitForm,
    TwoObservers,
    fit_two_observers,
    goodness_of_fit,
    line_transects,
    select_detection_function,
)
from counts.table_design import Estimator, Independence, StratumOfTable, TableDesign
from counts.table_sightings import OBSERVERS
from counts.tables import Column, Table
from flightplan.errors import UnreadableFileError
from flightplan.frames import Floats

_LINES = (
    Column("line", number=False),
    Column("length_km", above=True),
    Column("distance_m", may_be_empty=True),
    Column("size", minimum=1.0, whole=True, needed=False, may_be_empty=True),
)
LINE_COLUMNS: dict[Estimator, tuple[Column, ...]] = {
    Estimator.DISTANCE: _LINES,
    Estimator.TWO_OBSERVERS: (
        *_LINES,
        *(Column(c.name, maximum=1.0, whole=True, may_be_empty=True) for c in OBSERVERS),
    ),
}


@dataclass(frozen=True)
class Detectability:
    """What was fitted to all sightings: a detection function, two observers, or both; `aic` of each that was tried."""

    function: DetectionFunction | None = None
    observers: TwoObservers | None = None
    fit: GoodnessOfFit | None = None
    aic: dict[str, float] | None = None


def fit_detectability(table: Table, design: TableDesign) -> Detectability:
    """Fit the sightings of all strata together."""
    seen = [row for row, x in enumerate(table.numbers["distance_m"]) if x is not None]
    distances = table.column("distance_m", seen)
    given = _covariates(table, seen, design)
    observers = None
    if design.estimator is Estimator.TWO_OBSERVERS:
        observers = _observers(table, seen, design, given)
        if design.independence is Independence.FULL:
            return Detectability(observers=observers, aic={"two observers": observers.aic})
        given = None  # They explain the observers; the shape of the distances is one for all (point independence).
    fits = select_detection_function(
        distances, design.width_m, design.models, left=design.left_m, bins=design.bins_m, covariates=given
    )
    aic = {str(fit.model): fit.aic for fit in fits}
    if observers is not None:
        aic["two observers"] = observers.aic
    fit = goodness_of_fit(fits[0], distances) if given is None else None
    return Detectability(fits[0], observers, fit, aic)


def estimate_lines(
    table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign, detectability: Detectability
) -> Estimate:
    """Estimate one stratum's animals from its lines."""
    assert stratum.area_km2 is not None
    lines: dict[str, int] = {}
    lengths: list[float] = []
    seen: list[int] = []
    at: list[int] = []
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
        if table.numbers["distance_m"][row] is not None:
            seen.append(row)
            at.append(lines[name])
    given = _covariates(table, seen, design)
    options: dict[str, Any] = {
        "sizes": _sizes(table, seen),
        "group_size": design.group_size,
        "spread": design.spread or EncounterVariance.R2,
        "sides": design.sides,
        "confidence": design.confidence,
        "form": design.limits or LimitForm.LOGNORMAL,
    }
    common = (table.column("distance_m", seen), at, np.array(lengths) * 1000, stratum.area_km2 * 1e6)
    observers = detectability.observers
    if detectability.function is None:
        assert observers is not None
        strip = FullIndependence(observers, design.left_m, design.width_m)
        return line_transects(strip, *common, covariates=given, **options)
    if observers is not None:
        return line_transects(
            detectability.function, *common, observers=observers, observer_covariates=given, **options
        )
    return line_transects(detectability.function, *common, covariates=given, **options)


def _observers(table: Table, seen: list[int], design: TableDesign, given: Floats | None) -> TwoObservers:
    """The model of the observers, from the sightings within the strip."""
    for row in seen:
        who = [table.numbers[name][row] for name in ("first", "second")]
        if None in who:
            raise UnreadableFileError("who saw it is missing", where=table.where(row))
        if not any(who):
            raise UnreadableFileError("seen by neither observer", where=table.where(row))
    x = np.array(table.column("distance_m", seen))
    inside = (x >= design.left_m) & (x <= design.width_m)
    first, second = (np.array(table.column(name, seen))[inside] for name in ("first", "second"))
    return fit_two_observers(
        first, second, x[inside], covariates=None if given is None else given[inside],
        observer=design.observer, distance_by_observer=design.distance_by_observer,
    )  # fmt: skip


def _covariates(table: Table, seen: list[int], design: TableDesign) -> Floats | None:
    if not design.covariates:
        return None
    for name in design.covariates:
        missing = [row for row in seen if table.numbers[name][row] is None]
        if missing:
            raise UnreadableFileError(f"{name} is missing beside a distance", where=table.where(missing[0]))
    return np.array([[table.numbers[name][row] for name in design.covariates] for row in seen], dtype=np.float64)


def _sizes(table: Table, seen: list[int]) -> list[float] | None:
    if "size" not in table.numbers:
        return None
    for row in seen:
        if table.numbers["size"][row] is None:
            raise UnreadableFileError("size is missing beside a distance", where=table.where(row))
    return table.column("size", seen)
