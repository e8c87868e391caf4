"""TOML tables whose every key is checked: its kind, its range, and that none is left over."""

from __future__ import annotations

import math
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from flightplan.errors import DesignError, UnreadableFileError

LARGEST_BYTES = 1024 * 1024
_Kind = TypeVar("_Kind", bound=StrEnum)


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file. Raises UnreadableFileError, naming `what` it is, for one that is not TOML or over 1 MB."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UnreadableFileError(f"{what} is larger than 1 MB", where=str(path))
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnreadableFileError:
        raise
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnreadableFileError(f"{what} cannot be read ({error})", where=str(path)) from error


class Keys:
    """Takes keys out of a TOML table, each with its kind; what is left over is unknown."""

    def __init__(self, table: dict[str, Any], where: str, *, page: str = "docs/estimate.md") -> None:
        self._table, self._where, self._page = table, where, page

    def has(self, key: str) -> bool:
        """Whether a key is there and not taken yet."""
        return key in self._table

    def number(
        self, key: str, default: float | None, *, low: float, above: bool = False, high: float = math.inf
    ) -> float:
        """Take a number from `low` (or above it) to `high`; without a default it has to be there."""
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
        """Take a list of numbers from 0; none where the key is missing."""
        values = self._table.pop(key, [])
        if not isinstance(values, list):
            raise DesignError(f"{key} is a list of numbers", where=self._where)
        return tuple(Keys({key: value}, self._where).number(key, None, low=0.0) for value in values)

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text that is not empty."""
        value = self._table.pop(key, default)
        if value is None:
            raise self._missing(key)
        if not isinstance(value, str) or not value:
            raise DesignError(f"{key} is {value!r}, not a text", where=self._where)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a text or a list of them; none where the key is missing."""
        values = self._table.pop(key, [])
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise DesignError(f"{key} is a text or a list of texts", where=self._where)
        return tuple(values)

    def flag(self, key: str, default: bool) -> bool:
        """Take true or false."""
        value = self._table.pop(key, default)
        if not isinstance(value, bool):
            raise DesignError(f"{key} is {value!r}, and must be true or false", where=self._where)
        return value

    def choice(self, key: str, kind: type[_Kind], *, required: bool = True) -> _Kind | None:
        """Take one of the words of `kind`."""
        if key not in self._table and not required:
            return None
        value = self.text(key)
        try:
            return kind(value)
        except ValueError as error:
            listed = ", ".join(kind)
            raise DesignError(f"{key} is {value!r}, and must be one of: {listed}", where=self._where) from error

    def table(self, key: str) -> dict[str, Any]:
        """Take a table; empty where the key is missing."""
        value = self._table.pop(key, {})
        if not isinstance(value, dict):
            raise DesignError(f"{key} is a table", where=self._where, hint=f"Write [{key}.NAME].")
        return value

    def tables(self, key: str) -> list[dict[str, Any]]:
        """Take a list of tables; empty where the key is missing."""
        value = self._table.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise DesignError(f"{key} is a list of tables", where=self._where, hint=f"Write [[{key}]].")
        return value

    def nothing_left(self) -> None:
        """Raise DesignError for a key that nobody took."""
        if self._table:
            raise DesignError(f"unknown key {next(iter(self._table))!r}", where=self._where, hint=f"See {self._page}.")

    def _missing(self, key: str) -> DesignError:
        return DesignError(f"there is no {key}", where=self._where, hint=f"See {self._page}.")
