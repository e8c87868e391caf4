"""Heights as maps of masts and airspace state them: a number, its unit, and what it is measured from.

None of the three is ever assumed: a height is stated in its text ("1500 ft AMSL", "GND", "FL065"), in the form that
openAIP writes ({"value", "unit", "referenceDatum"}: 0 metres, 1 feet, 6 flight level; 0 ground, 1 sea level, 2 standard
pressure), by its attribute's name (`height_agl_m`), or by who gives the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flightplan.area_features import printable
from flightplan.errors import AreaError

AGL, AMSL = "agl", "amsl"

FOOT_M = 0.3048
_PRESSURE_M = 300.0
"""How far from sea level a flight level may lie: 1013 hPa less 978 hPa, 8.4 m each (ICAO standard atmosphere)."""

_UNITS = {
    "m": 1.0,
    "metre": 1.0,
    "metres": 1.0,
    "meter": 1.0,
    "meters": 1.0,
    "ft": FOOT_M,
    "feet": FOOT_M,
    "foot": FOOT_M,
}
_DATUMS = {
    "agl": AGL,
    "gnd": AGL,
    "sfc": AGL,
    "asfc": AGL,
    "amsl": AMSL,
    "msl": AMSL,
    "asl": AMSL,
}
_GROUND = ("gnd", "sfc", "ground", "surface")
_OPEN_UNITS = {0: 1.0, 1: FOOT_M, "m": 1.0, "ft": FOOT_M}
_OPEN_DATUMS = {0: AGL, 1: AMSL, "gnd": AGL, "agl": AGL, "msl": AMSL, "amsl": AMSL}


@dataclass(frozen=True)
class Level:
    """A height in metres, `datum` "agl" (above the ground below it) or "amsl" (above mean sea level)."""

    metres: float
    datum: str

    def __str__(self) -> str:
        return f"{self.metres:.0f} m {self.datum.upper()}"


@dataclass(frozen=True)
class StatedHeight:
    """What the user says of heights in a file: in which attribute they are, in which unit, from what they count."""

    field: str
    unit: str | None = None
    datum: str | None = None

    @classmethod
    def parse(cls, text: str) -> StatedHeight:
        """Read FIELD, or FIELD:UNIT:DATUM such as "height:ft:agl"; raises AreaError for anything else."""
        field, _, rest = text.partition(":")
        unit, _, datum = rest.partition(":")
        if not field or (rest and (unit.lower() not in _UNITS or datum.lower() not in _DATUMS)):
            raise AreaError(
                f"{printable(text)!r} does not say a height",
                hint="Say attribute, unit (m or ft) and datum (agl or amsl): height:m:agl",
            )
        return cls(field, unit.lower() or None, _DATUMS[datum.lower()] if rest else None)


def level_of(
    value: Any, where: str, *, unit: str | None = None, datum: str | None = None, highest: bool
) -> Level | None:
    """Return the level that a value states, None for one that states none (empty, or unlimited).

    `unit` and `datum` are what is known of bare numbers. `highest` says which side is the safe one where a level is not
    exact: the upper limit of a zone may lie higher than its flight level, the lower one lower. Raises AreaError for a
    value that does not say its unit or datum.
    """
    if isinstance(value, Mapping):
        return _open_level(value, where, highest=highest)
    if value is None or isinstance(value, bool):
        return None
    text = " ".join(str(value).strip().lower().split())
    if text in ("", "nan", "none", "unl", "unlimited", "unknown"):
        return None
    if text in _GROUND:
        return Level(0.0, AGL)
    flight_level = re.fullmatch(r"fl ?(\d{1,3})", text)
    if flight_level:
        return _at_pressure(float(flight_level[1]) * 100 * FOOT_M, highest=highest)
    match = re.fullmatch(r"([-+]?\d*\.?\d+(?:e[-+]?\d+)?) ?([a-z]*) ?([a-z]*)", text)
    if match is None:
        raise _unclear(value, where)
    own_unit, own_datum = match[2], match[3]
    if own_unit in _DATUMS and not own_datum:
        own_unit, own_datum = "", own_unit
    unit, datum = own_unit or unit, _DATUMS.get(own_datum) if own_datum else datum
    if unit is None or unit not in _UNITS or datum is None:
        raise _unclear(value, where)
    metres = float(match[1]) * _UNITS[unit]
    if not np.isfinite(metres) or abs(metres) > 100_000:
        raise AreaError(f"has a height of {printable(str(value))}, which is none", where=where, hint="Correct it there")
    return Level(metres, datum)


def _open_level(value: Mapping[str, Any], where: str, *, highest: bool) -> Level | None:
    number, unit, datum = value.get("value"), value.get("unit"), value.get("referenceDatum")
    unit, datum = (v.lower() if isinstance(v, str) else v for v in (unit, datum))
    if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < 1e6:
        raise _unclear(value, where)
    if unit in (6, "fl") or datum in (2, "std"):
        feet = number * 100 if unit in (6, "fl") else number * _OPEN_UNITS.get(unit, np.nan) / FOOT_M
        if not np.isfinite(feet):
            raise _unclear(value, where)
        return _at_pressure(feet * FOOT_M, highest=highest)
    if unit not in _OPEN_UNITS or datum not in _OPEN_DATUMS:
        raise _unclear(value, where)
    return Level(float(number) * _OPEN_UNITS[unit], _OPEN_DATUMS[datum])


def _at_pressure(metres: float, *, highest: bool) -> Level:
    return Level(metres + _PRESSURE_M if highest else metres - _PRESSURE_M, AMSL)


def _unclear(value: Any, where: str) -> AreaError:
    return AreaError(
        f"has a height of {printable(str(value))!r} that does not say its unit and what it is measured from",
        where=where,
        hint="Say so for the file, as attribute, unit and datum: height:m:agl or upper:ft:amsl",
    )
