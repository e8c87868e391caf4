"""What is asked of an export, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flightplan.errors import Skip


@dataclass(frozen=True)
class ExportOptions:
    """What an export may need to be told; each standard takes what it knows.

    `layers`: those wanted (CSV, GeoJSON, GeoPackage), empty for the usual ones. `taxa`: scientific name by label
    (Darwin Core). `publisher`: who publishes (Darwin Core). `mapping`: how labels are called in somebody else's data
    model (SMART, EarthRanger). `zone`: IANA name of the time zone that SMART's clocks show.
    """

    layers: tuple[str, ...] = ()
    taxa: Mapping[str, str] = field(default_factory=dict)
    publisher: str | None = None
    mapping: Mapping[str, Any] = field(default_factory=dict)
    zone: str = "UTC"


@dataclass(frozen=True)
class Exported:
    """The files written, how many of each thing they hold, what was left out and why, and what to know about them."""

    files: tuple[Path, ...]
    counts: Mapping[str, int]
    skips: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()
