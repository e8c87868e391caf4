"""Column types of the census that mean the same in SQLite, in a GeoPackage's reader and in PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from flightplan.errors import CensusError


class UtcTime(TypeDecorator[datetime]):
    """A moment: goes in with a time zone, comes out in UTC. SQLite keeps it as a GeoPackage must: ISO 8601, ms, Z."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the spelling of the database."""
        return dialect.type_descriptor(_IsoText() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse a moment without a time zone: nobody can tell when it was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise CensusError(f"the time {value.isoformat()} has no time zone", hint="Give it one, UTC if in doubt")
        utc = value.astimezone(UTC)
        if dialect.name != "sqlite":
            return utc
        return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read a moment in UTC."""
        if value is None:
            return None
        return (datetime.fromisoformat(value) if dialect.name == "sqlite" else value).astimezone(UTC)


class _IsoText(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "DATETIME"


class Json(TypeDecorator[Any]):
    """A JSON document as text, its keys sorted, so that equal documents are equal bytes. NaN is refused."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write a document."""
        return None if value is None else canonical_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read a document."""
        return None if value is None else json.loads(value)


def canonical_json(value: Any) -> str:
    """Return the one spelling of a JSON document: sorted keys, no spaces. Raises CensusError for NaN and infinity."""
    try:
        return _ENCODER.encode(value)
    except ValueError as error:
        raise CensusError(
            "a number that is not finite cannot be kept", hint="Unknown is None, with a reason"
        ) from error


def plain(value: Any) -> Any:
    """Return a NumPy scalar or array as Python's own numbers; anything else as it is."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=plain)
