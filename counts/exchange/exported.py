"""What is asked of an export, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counts.exchange.checklist import Checklist
from counts.picture_files import PictureFiles
from flightplan.errors import Skip


@dataclass(frozen=True)
class ExportOptions:
    """What an export may need to be told; each standard takes what it knows.

    `layers`: those wanted (CSV, GeoJSON, GeoPackage), empty for the usual ones. `taxa`: scientific name by label
    (Darwin Core). `publisher`: who publishes (Darwin Core). `mapping`: how labels are called in somebody else's data
    model (SMART, EarthRanger). `zone`: IANA name of the time zone that SMART's clocks show. `checklist`: what labels
    are called in science, with keys. `licence`: SPDX identifier of the data's licence (Darwin Core). `data_model`: the
    XML of a park's SMART data model, which the mapping is checked against. `blur_listed`: species that the checklist
    lists are sensitive. `country`: its code of ISO 3166 with two letters (Darwin Core). `pictures`: each waypoint has
    what its picture shows (SMART). `files` finds pictures that lie elsewhere now (SMART, COCO, YOLO).
    """

    layers: tuple[str, ...] = ()
    taxa: Mapping[str, str] = field(default_factory=dict)
    publisher: str | None = None
    mapping: Mapping[str, Any] = field(default_factory=dict)
    zone: str = "UTC"
    checklist: Checklist | None = None
    licence: str | None = None
    data_model: Path | None = None
    blur_listed: bool = False
    country: str | None = None
    pictures: bool = False
    files: PictureFiles = field(default_factory=PictureFiles)


@dataclass(frozen=True)
class Exported:
    """The files written, how many of each thing they hold, what was left out and why, and what to know about them.

    `unresolved` are the names of species that nobody can be sure of, each with its reason.
    """

    files: tuple[Path, ...]
    counts: Mapping[str, int]
    skips: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()
    unresolved: tuple[Skip, ...] = ()
