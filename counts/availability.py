"""Availability: the share of animals that can be seen at all, by species, stratum and hour of the day.

A value with its error from collars, dives or trials, written down in a TOML file (docs/count.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from counts.estimators import Rate
from counts.toml_keys import Keys, read_toml
from flightplan.errors import DesignError
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]
NAME = "availability"
_HOURS = 24.0


@dataclass(frozen=True)
class AvailabilityClass:
    """One value: of a species, in a stratum (None: in all), between two hours of the local day (None: always).

    Hours are solar: UTC plus a fifteenth of the longitude in degrees. `until_h` before `from_h` goes over midnight.
    """

    species: str
    rate: Rate
    stratum: str | None = None
    from_h: float | None = None
    until_h: float | None = None

    @property
    def label(self) -> str:
        """What it is of, as a report names it."""
        parts = [self.stratum] if self.stratum else []
        if self.from_h is not None and self.until_h is not None:
            parts.append(f"{self.from_h:g} to {self.until_h:g} h")
        return ", ".join(parts) or "all"

    def holds(self, strata: npt.NDArray[np.str_], hours: Floats) -> npt.NDArray[np.bool_]:
        """For which animals (n,), by the stratum they stand in and the hour they were seen, it is the value."""
        found = np.ones(len(strata), dtype=bool) if self.stratum is None else strata == self.stratum
        if self.from_h is None or self.until_h is None:
            return found
        length = (self.until_h - self.from_h) % _HOURS or _HOURS
        return found & ((hours - self.from_h) % _HOURS < length)


@dataclass(frozen=True)
class Availability:
    """All values of a file, in its order."""

    classes: tuple[AvailabilityClass, ...]
    where: str = ""

    def of(self, species: str) -> tuple[AvailabilityClass, ...]:
        """The values of one species, none where it has none."""
        return tuple(c for c in self.classes if c.species == species)

    def assign(self, species: str, strata: Sequence[str], hours: npt.ArrayLike) -> Ints:
        """Which of the values of a species (n,) holds for each animal, by stratum and hour (n,; NaN where unknown).

        Raises DesignError where none or two hold, or the hour decides and is not known.
        """
        given, at = self.of(species), np.asarray(hours, dtype=np.float64)
        names = np.array(list(strata), dtype=np.str_)
        if any(c.from_h is not None for c in given) and not np.isfinite(at).all():
            raise DesignError(
                f"availability of {species} goes by the hour, and some of them were seen at an unknown time",
                where=self.where,
            )
        holds = np.array([c.holds(names, at) for c in given], dtype=bool).reshape(len(given), len(at))
        number = holds.sum(axis=0)
        if np.any(number != 1):
            row = int(np.flatnonzero(number != 1)[0])
            seen = f"in {names[row]}" + (f" at {at[row]:.1f} h" if np.isfinite(at[row]) else "")
            fault = "has no value" if number[row] == 0 else "has two values"
            raise DesignError(f"availability of {species} {fault} {seen}", where=self.where)
        chosen: Ints = holds.argmax(axis=0).astype(np.int64)
        return chosen


def solar_hours(times_s: npt.ArrayLike, longitude_deg: float) -> Floats:
    """Hours of the local solar day (n,), 0 to 24, of seconds since 1970 UTC; the equation of time is left out."""
    seconds = np.asarray(times_s, dtype=np.float64)
    return np.asarray(np.mod(seconds / 3600.0 + longitude_deg / 15.0, _HOURS), dtype=np.float64)


def read_availability(path: Path) -> Availability:
    """Read a file of `[[availability]]` tables. Raises UnreadableFileError or DesignError, naming the place."""
    return availability_of(read_toml(path, "the availability"), where=str(path))


def availability_of(document: Mapping[str, Any], *, where: str = "availability") -> Availability:
    """Check values given as a mapping, as `read_availability` does."""
    keys = Keys(dict(document), where, page="docs/count.md")
    tables = keys.tables("availability")
    keys.nothing_left()
    if not tables:
        raise DesignError("there is no value", where=where, hint="Write [[availability]] with species and value.")
    return Availability(
        tuple(_class(Keys(dict(t), f"{where}, value {i}", page="docs/count.md")) for i, t in enumerate(tables, 1)),
        where,
    )


def _class(keys: Keys) -> AvailabilityClass:
    species, source = keys.text("species"), keys.text("source")
    value = keys.number("value", None, low=0.0, above=True, high=1.0)
    error = keys.number("standard_error", None, low=0.0)
    stratum = keys.text("stratum") if keys.has("stratum") else None
    hours = keys.numbers("hours")
    if hours and (len(hours) != 2 or max(hours) > _HOURS):
        raise DesignError("hours are two numbers from 0 to 24", where=source)
    keys.nothing_left()
    from_h, until_h = hours if hours else (None, None)
    return AvailabilityClass(species, Rate(NAME, value, error, source), stratum, from_h, until_h)
