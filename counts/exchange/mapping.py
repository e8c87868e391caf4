"""How labels are called in somebody else's data model: a table [species.LABEL] for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flightplan.errors import CensusError


def species_mapping(mapping: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Mapping[str, Any]]:
    """Return the tables by label. Raises CensusError, naming the label, for one that lacks a required key."""
    tables = mapping.get("species", {})
    if not isinstance(tables, Mapping):
        raise CensusError("the mapping's [species] is not a table", hint="Write [species.LABEL] for each label")
    found: dict[str, Mapping[str, Any]] = {}
    for label, table in tables.items():
        if not isinstance(table, Mapping) or not isinstance(table.get("attributes", {}), Mapping):
            raise CensusError(f"the mapping's [species.{label}] is not a table of keys and attributes")
        missing = [key for key in required if not isinstance(table.get(key), str) or not table[key]]
        if missing:
            raise CensusError(f"the mapping's [species.{label}] does not say its {missing[0]}")
        found[str(label)] = table
    return found
