"""How a table of counts was sampled: the TOML file beside it, every key checked."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from counts.estimators import (
    Adjustment,
    DetectionModel,
    EncounterVariance,
    GroupSize,
    Key,
    LimitForm,
    Rate,
    RatioVariance,
)
from flightplan.errors import DesignError, EstimateError, UnreadableFileError

LARGEST_DESIGN_BYTES = 1024 * 1024
_Kind = TypeVar("_Kind", bound=StrEnum)


class Estimator(StrEnum):
    """The estimators that work on a table."""

    JOLLY_1 = "jolly1"
    JOLLY_2 = "jolly2"
    JOLLY_3 = "jolly3"
    TOTAL = "total"
    DOUBLE_OBSERVER = "double-observer"
    DISTANCE = "distance"


@dataclass(frozen=True)
class StratumOfTable:
    """One stratum: its area and the number of units that could have been drawn, None where not given."""

    name: str
    area_km2: float | None = None
    possible_units: float | None = None


@dataclass(frozen=True)
class TableDesign:
    """How a table was sampled and how to estimate from it. Widths in metres; `limits` None is the estimator's own."""

    estimator: Estimator
    strata: tuple[StratumOfTable, ...]
    confidence: float = 0.95
    limits: LimitForm | None = None
    rates: tuple[Rate, ...] = ()
    spread: EncounterVariance | None = None
    convention: RatioVariance = RatioVariance.N_FORM
    gaps: tuple[str, ...] = ()
    models: tuple[DetectionModel, ...] = ()
    width_m: float = math.nan
    left_m: float = 0.0
    bins_m: tuple[float, ...] | None = None
    group_size: GroupSize = GroupSize.PER_LINE
    sides: int = 2
    where: str = field(default="", compare=False)


_STRATUM_KEYS = {
    Estimator.JOLLY_1: ("possible_units",),
    Estimator.JOLLY_2: ("area_km2", "possible_units"),
    Estimator.JOLLY_3: ("area_km2",),
    Estimator.DISTANCE: ("area_km2",),
}


def read_table_design(path: Path) -> TableDesign:
    """Read a design; its keys are those of docs/estimate.md.

    Raises UnreadableFileError for a file that is not TOML, DesignError for a key that is unknown, missing or out of
    range.
    """
    try:
        if path.stat().st_size > LARGEST_DESIGN_BYTES:
            raise UnreadableFileError("the design is larger than 1 MB", where=str(path))
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnreadableFileError:
        raise
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnreadableFileError(f"the design cannot be read ({error})", where=str(path)) from error
    return table_design(document, where=str(path))


def table_design(document: Mapping[str, Any], *, where: str = "design") -> TableDesign:
    """Check a design given as a mapping, as `read_table_design` does."""
    keys = _Keys(dict(document), where)
    estimator = keys.choice("estimator", Estimator)
    assert estimator is not None
    given: dict[str, Any] = {
        "estimator": estimator,
        "strata": _strata(keys.table("strata"), estimator, where),
        "rates": tuple(_rate(_Keys(dict(r), f"{where}, rates")) for r in keys.tables("rates")),
        "confidence": keys.number("confidence", 0.95, low=0.5, high=0.999),
        "limits": keys.choice("limits", LimitForm, required=False),
        "where": where,
    }
    if given["limits"] is LimitForm.WONG:
        raise DesignError("limits 'wong' belong to sightability", where=where)
    if estimator in (Estimator.JOLLY_2, Estimator.DISTANCE):
        given["spread"] = keys.choice("spread", EncounterVariance, required=False)
    if estimator is Estimator.JOLLY_2:
        form = keys.text("variance_form", "N")
        if form not in ("N", "Z"):
            raise DesignError(f"variance_form is {form!r}, and must be 'N' or 'Z'", where=where)
        given["convention"] = RatioVariance.N_FORM if form == "N" else RatioVariance.Z_FORM
    if estimator is Estimator.TOTAL:
        given["gaps"] = keys.texts("gaps")
    if estimator is Estimator.DISTANCE:
        given |= _distance(keys, where)
    keys.nothing_left()
    return TableDesign(**given)


def _distance(keys: _Keys, where: str) -> dict[str, Any]:
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


def _strata(tables: Mapping[str, Any], estimator: Estimator, where: str) -> tuple[StratumOfTable, ...]:
    allowed = _STRATUM_KEYS.get(estimator, ())
    strata = []
    for name, content in tables.items():
        place = f"{where}, strata.{name}"
        if not isinstance(content, dict):
            raise DesignError("a stratum is a table of keys", where=place, hint=f"Write [strata.{name}].")
        keys = _Keys(dict(content), place)
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


def _rate(keys: _Keys) -> Rate:
    name, source = keys.text("name"), keys.text("source")
    high = 1.0 if name == "availability" else math.inf
    value = keys.number("value", None, low=0.0, above=True, high=high)
    error = keys.number("standard_error", None, low=0.0)
    per_animal = keys.flag("per_animal", True)
    keys.nothing_left()
    return Rate(name, value, error, source, per_animal=per_animal)


class _Keys:
    """Takes keys out of a TOML table, each with its kind; what is left over is unknown."""

    def __init__(self, table: dict[str, Any], where: str) -> None:
        self._table, self._where = table, where

    def number(
        self, key: str, default: float | None, *, low: float, above: bool = False, high: float = math.inf
    ) -> float:
        value = self._table.pop(key, default)
        if value is None:
            raise self._missing(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DesignError(f"{key} is {value!r}, not a number", where=self._where)
        if value < low or value > high or (above and value == low):
            bound = f"more than {low:g}" if above else f"at least {low:g}"
            bound += f" and at most {high:g}" if high < math.inf else ""
            raise DesignError(f"{key} is {value:g}, and must be {bound}", where=self._where)
        return float(value)

    def numbers(self, key: str) -> tuple[float, ...]:
        values = self._table.pop(key, [])
        if not isinstance(values, list):
            raise DesignError(f"{key} is a list of numbers", where=self._where)
        return tuple(_Keys({key: value}, self._where).number(key, None, low=0.0) for value in values)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._table.pop(key, default)
        if value is None:
            raise self._missing(key)
        if not isinstance(value, str) or not value:
            raise DesignError(f"{key} is {value!r}, not a text", where=self._where)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._table.pop(key, [])
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise DesignError(f"{key} is a text or a list of texts", where=self._where)
        return tuple(values)

    def flag(self, key: str, default: bool) -> bool:
        value = self._table.pop(key, default)
        if not isinstance(value, bool):
            raise DesignError(f"{key} is {value!r}, and must be true or false", where=self._where)
        return value

    def choice(self, key: str, kind: type[_Kind], *, required: bool = True) -> _Kind | None:
        if key not in self._table and not required:
            return None
        value = self.text(key)
        try:
            return kind(value)
        except ValueError as error:
            listed = ", ".join(kind)
            raise DesignError(f"{key} is {value!r}, and must be one of: {listed}", where=self._where) from error

    def table(self, key: str) -> dict[str, Any]:
        value = self._table.pop(key, {})
        if not isinstance(value, dict):
            raise DesignError(f"{key} is a table", where=self._where, hint=f"Write [{key}.NAME].")
        return value

    def tables(self, key: str) -> list[dict[str, Any]]:
        value = self._table.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise DesignError(f"{key} is a list of tables", where=self._where, hint=f"Write [[{key}]].")
        return value

    def nothing_left(self) -> None:
        if self._table:
            raise DesignError(
                f"unknown key {next(iter(self._table))!r}", where=self._where, hint="See docs/estimate.md."
            )

    def _missing(self, key: str) -> DesignError:
        return DesignError(f"there is no {key}", where=self._where, hint="See docs/estimate.md.")
