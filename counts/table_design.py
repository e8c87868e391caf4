"""How a table of counts was sampled: the TOML file beside it, every key checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from counts.estimators import (
    Adjustment,
    DetectionModel,
    EncounterVariance,
    GroupSize,
    Key,
    LimitForm,
    Rate,
    RatioVariance,
    SubsampleMethod,
)
from counts.toml_keys import Keys, read_toml
from flightplan.errors import DesignError, EstimateError


class Estimator(StrEnum):
    """The estimators that work on a table."""

    JOLLY_1 = "jolly1"
    JOLLY_2 = "jolly2"
    JOLLY_3 = "jolly3"
    TOTAL = "total"
    BOOTSTRAP = "bootstrap"
    DOUBLE_OBSERVER = "double-observer"
    HUGGINS = "huggins"
    DISTANCE = "distance"
    TWO_OBSERVERS = "two-observer-distance"
    SIGHTABILITY = "sightability"
    SUBSAMPLE = "verified-subsample"
    PRECISION_RECALL = "precision-recall"
    DENSITY_SURFACE = "density-surface"


class Independence(StrEnum):
    """Where two observers see independently of each other: on the line alone, or at every distance."""

    POINT = "point"
    FULL = "full"


@dataclass(frozen=True)
class StratumOfTable:
    """One stratum: its area and the number of units that could have been drawn, None where not given."""

    name: str
    area_km2: float | None = None
    possible_units: float | None = None
    sampled_units: float | None = None


@dataclass(frozen=True)
class TableRate:
    """A rate that an estimate is divided by; `only` is the class of animals or ground it is of, None for all."""

    rate: Rate
    only: str | None = None


@dataclass(frozen=True)
class TableDesign:
    """How a table was sampled and how to estimate from it. Widths in metres; `limits` None is the estimator's own.

    `trials` and `grid` are tables beside the design: sightings of marked groups, and cells to predict a surface on.
    """

    estimator: Estimator
    strata: tuple[StratumOfTable, ...]
    confidence: float = 0.95
    limits: LimitForm | None = None
    rates: tuple[TableRate, ...] = ()
    spread: EncounterVariance | None = None
    convention: RatioVariance = RatioVariance.N_FORM
    gaps: tuple[str, ...] = ()
    models: tuple[DetectionModel, ...] = ()
    width_m: float = math.nan
    left_m: float = 0.0
    bins_m: tuple[float, ...] | None = None
    group_size: GroupSize = GroupSize.PER_LINE
    sides: int = 2
    covariates: tuple[str, ...] = ()
    independence: Independence = Independence.POINT
    observer: bool = False
    distance_by_observer: bool = False
    method: SubsampleMethod = SubsampleMethod.DIFFERENCE
    seed: int = 1
    replicates: int = 2000
    trials: Path | None = None
    grid: Path | None = None
    where: str = field(default="", compare=False)


_STRATUM_KEYS = {
    Estimator.JOLLY_1: ("possible_units",),
    Estimator.JOLLY_2: ("area_km2", "possible_units"),
    Estimator.JOLLY_3: ("area_km2",),
    Estimator.BOOTSTRAP: ("area_km2",),
    Estimator.DISTANCE: ("area_km2",),
    Estimator.TWO_OBSERVERS: ("area_km2",),
    Estimator.SIGHTABILITY: ("possible_units", "sampled_units"),
}
_BY_CLASS = (Estimator.JOLLY_1, Estimator.JOLLY_2, Estimator.TOTAL)
_WITH_COVARIATES = (
    Estimator.HUGGINS,
    Estimator.DISTANCE,
    Estimator.TWO_OBSERVERS,
    Estimator.SIGHTABILITY,
    Estimator.DENSITY_SURFACE,
)


def read_table_design(path: Path) -> TableDesign:
    """Read a design; its keys are those of docs/estimate.md.

    Raises UnreadableFileError for a file that is not TOML, DesignError for a key that is unknown, missing or out of
    range.
    """
    return table_design(read_toml(path, "the design"), where=str(path), folder=path.parent)


def table_design(document: Mapping[str, Any], *, where: str = "design", folder: Path = Path()) -> TableDesign:
    """Check a design given as a mapping, as `read_table_design` does; `folder` is where its tables are named from."""
    keys = Keys(dict(document), where)
    estimator = keys.choice("estimator", Estimator)
    assert estimator is not None
    given: dict[str, Any] = {
        "estimator": estimator,
        "strata": _strata(keys.table("strata"), estimator, where),
        "rates": tuple(_rate(Keys(dict(r), f"{where}, rates")) for r in keys.tables("rates")),
        "confidence": keys.number("confidence", 0.95, low=0.5, high=0.999),
        "limits": keys.choice("limits", LimitForm, required=False),
        "where": where,
    }
    if given["limits"] is LimitForm.WONG:
        raise DesignError("limits 'wong' belong to sightability", where=where)
    if any(rate.only for rate in given["rates"]) and estimator not in _BY_CLASS:
        raise DesignError(f"rates by class go with {', '.join(_BY_CLASS)}", where=where)
    if estimator in (Estimator.JOLLY_2, Estimator.DISTANCE, Estimator.TWO_OBSERVERS):
        given["spread"] = keys.choice("spread", EncounterVariance, required=False)
    if estimator is Estimator.JOLLY_2:
        form = keys.text("variance_form", "N")
        if form not in ("N", "Z"):
            raise DesignError(f"variance_form is {form!r}, and must be 'N' or 'Z'", where=where)
        given["convention"] = RatioVariance.N_FORM if form == "N" else RatioVariance.Z_FORM
    if estimator is Estimator.TOTAL:
        given["gaps"] = keys.texts("gaps")
    if estimator in _WITH_COVARIATES:
        given["covariates"] = _covariates(keys, estimator, where)
    if estimator in (Estimator.HUGGINS, Estimator.TWO_OBSERVERS):
        given["observer"] = keys.flag("observer", False)
    if estimator in (Estimator.DISTANCE, Estimator.TWO_OBSERVERS):
        given |= _distance(keys, where)
    if estimator is Estimator.TWO_OBSERVERS:
        given["independence"] = keys.choice("independence", Independence, required=False) or Independence.POINT
        given["distance_by_observer"] = keys.flag("distance_by_observer", False)
    if estimator is Estimator.SUBSAMPLE:
        given["method"] = keys.choice("method", SubsampleMethod, required=False) or SubsampleMethod.DIFFERENCE
    if estimator is Estimator.BOOTSTRAP:
        given["seed"] = int(keys.number("seed", 1, low=0, high=2**31))
        given["replicates"] = int(keys.number("replicates", 2000, low=200, high=100_000))
    if estimator is Estimator.SIGHTABILITY:
        given["trials"] = folder / keys.text("trials")
    if estimator is Estimator.DENSITY_SURFACE:
        given["grid"] = folder / keys.text("grid")
    keys.nothing_left()
    return TableDesign(**given)


def _distance(keys: Keys, where: str) -> dict[str, Any]:
    width = keys.number("width_m", None, low=0.0, above=True)
    left = keys.number("left_m", 0.0, low=0.0)
    if left >= width:
        raise DesignError(f"left_m is {left:g}, and width_m only {width:g}", where=where)
    named = keys.texts("key") or (Key.HALF_NORMAL.value,)
    adjustment = keys.choice("adjustment", Adjustment, required=False)
    orders = keys.numbers("orders")
    if any(order != int(order) for order in orders):
        raise DesignError("orders are whole numbers", where=where)
    try:
        models = tuple(DetectionModel(Key(name), adjustment, tuple(int(o) for o in orders)) for name in named)
    except EstimateError as error:
        raise DesignError(error.what, where=where) from error
    except ValueError as error:
        raise DesignError(f"key is one of {', '.join(Key)} ({error})", where=where) from error
    sides = keys.number("sides", 2, low=1, high=2)
    return {
        "models": models,
        "width_m": width,
        "left_m": left,
        "bins_m": keys.numbers("bins_m") or None,
        "group_size": keys.choice("group_size", GroupSize, required=False) or GroupSize.PER_LINE,
        "sides": 2 if sides > 1 else 1,
    }


def _covariates(keys: Keys, estimator: Estimator, where: str) -> tuple[str, ...]:
    names = keys.texts("covariates")
    if not names and estimator in (Estimator.SIGHTABILITY, Estimator.DENSITY_SURFACE):
        raise DesignError(f"{estimator} needs covariates", where=where, hint='Write covariates = ["COLUMN"].')
    if len(set(names)) < len(names):
        raise DesignError("a covariate is named twice", where=where)
    return names


def _strata(tables: Mapping[str, Any], estimator: Estimator, where: str) -> tuple[StratumOfTable, ...]:
    allowed = _STRATUM_KEYS.get(estimator, ())
    strata = []
    for name, content in tables.items():
        place = f"{where}, strata.{name}"
        if not isinstance(content, dict):
            raise DesignError("a stratum is a table of keys", where=place, hint=f"Write [strata.{name}].")
        keys = Keys(dict(content), place)
        values = {
            key: keys.number(key, None, low=0.0, above=True)
            for key in allowed
            if key in content or not (key == "possible_units" and estimator is Estimator.JOLLY_2)
        }
        keys.nothing_left()
        strata.append(StratumOfTable(name, **values))
    if not strata and allowed:
        raise DesignError(
            f"{estimator} needs {allowed[0]} for each stratum", where=where, hint="Write [strata.NAME] with it."
        )
    return tuple(strata)


def _rate(keys: Keys) -> TableRate:
    name, source = keys.text("name"), keys.text("source")
    only = keys.text("class", "") if keys.has("class") else None
    high = 1.0 if name == "availability" else math.inf
    value = keys.number("value", None, low=0.0, above=True, high=high)
    error = keys.number("standard_error", None, low=0.0)
    per_animal = keys.flag("per_animal", True)
    keys.nothing_left()
    return TableRate(Rate(name, value, error, source, per_animal=per_animal), only)
