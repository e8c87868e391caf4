"""Camtrap DP 1.0: a camera network's deployments and observations (Bubnicki et al. 2024, doi 10.1002/rse2.374).

A folder or a zip with `datapackage.json` and the tables it names. Of the media only the number is read: pictures stay
where they are. Media- and event-based observations tell of the same animals twice; `level` keeps them apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counts.exchange.untrusted import Package, as_json, as_text, check_row, csv_rows, moment, whole
from counts.store.elsewhere import CameraEntry, DeploymentEntry
from flightplan.errors import Skip, UnreadableFileError

_VERSION = re.compile(r"camtrap-dp/(?P<version>\d+\.\d+(?:\.\d+)?(?:-rc\.\d+)?)/")
_KINDS = frozenset({"animal", "human", "vehicle", "blank", "unknown", "unclassified"})
_LEVELS = frozenset({"media", "event"})
_METHODS = frozenset({"human", "machine"})
_REQUIRED = {
    "deployments": ("deploymentID", "latitude", "longitude", "deploymentStart", "deploymentEnd"),
    "media": ("mediaID", "deploymentID", "timestamp", "filePath", "filePublic", "fileMediatype"),
    "observations": (
        "observationID", "deploymentID", "eventStart", "eventEnd", "observationLevel", "observationType",
    ),
}  # fmt: skip
_MISSING = frozenset({"", "NaN", "nan"})


@dataclass(frozen=True)
class CameraPackage:
    """A camera network: `origin` is its project, `media` the number of its pictures and films."""

    name: str
    origin: str
    version: str
    licence: str | None
    content_hash: str
    deployments: tuple[DeploymentEntry, ...]
    observations: tuple[CameraEntry, ...]
    media: int
    skips: tuple[Skip, ...]


def read_camtrap_dp(path: Path) -> CameraPackage:
    """Read a package, each row checked against the standard's own rules.

    A row that breaks one (a missing id, a place off the globe, a time without its zone, a word that is not of the
    vocabulary, an observation of a deployment that is not there) is skipped by table and line. Raises
    UnreadableFileError for what is no Camtrap DP 1.0, lacks a table or a required column, or reaches out of itself.
    """
    package = Package(path)
    package.descend_to("datapackage.json")
    described = package.read("datapackage.json", 1 << 26)
    document = as_json(described, f"{path}: datapackage.json")
    version = _version(document, str(path))
    resources = _resources(document, str(path))
    parts = {"datapackage.json": described}
    skips: list[Skip] = []

    def table(name: str, make: Callable[[Mapping[str, str]], tuple[str, Any]]) -> dict[str, Any]:
        file, delimiter = resources[name]
        parts[name] = package.read(file)
        return dict(_rows(name, as_text(parts[name], f"{path}: {file}"), delimiter, f"{path}: {file}", make, skips))

    deployments = table("deployments", _deployment)
    media = table("media", lambda row: (row["mediaID"], _known_deployment(row, deployments)))
    observations = table("observations", lambda row: _observation(row, deployments))
    return CameraPackage(
        name=str(document.get("title") or document.get("name") or path.name),
        origin=_origin(document, path),
        version=version,
        licence=_licence(document),
        content_hash=package.content_hash(parts),
        deployments=tuple(deployments.values()),
        observations=tuple(observations.values()),
        media=len(media),
        skips=tuple(skips),
    )


def _rows(
    table: str,
    text: str,
    delimiter: str,
    where: str,
    make: Callable[[Mapping[str, str]], tuple[str, Any]],
    skips: list[Skip],
) -> Iterator[tuple[str, Any]]:
    """Yield (id, what was made of it) of each row; an id that was there before, and what cannot be, is skipped."""
    rows = csv_rows(text, where, delimiter)
    header = next(rows)[1]
    missing = [name for name in _REQUIRED[table] if name not in header]
    if missing:
        raise UnreadableFileError(f"the columns {', '.join(missing)} are missing", where=where)
    seen: set[str] = set()
    for line, cells in rows:
        item = f"{table}, line {line}"
        try:
            check_row(cells)
            row = {name: "" if cell in _MISSING else cell for name, cell in cells.items()}
            empty = [name for name in _REQUIRED[table] if not row[name]]
            if empty:
                raise ValueError(f"it has no {empty[0]}")
            identifier, made = make(row)
            if identifier in seen:
                raise ValueError(f"{identifier!r} is on a line before it")
            seen.add(identifier)
            yield identifier, made
        except ValueError as error:
            skips.append(Skip(item, str(error)))


def _deployment(row: Mapping[str, str]) -> tuple[str, DeploymentEntry]:
    start, end = moment(row["deploymentStart"], None), moment(row["deploymentEnd"], None)
    if end < start:
        raise ValueError("it ends before it starts")
    return row["deploymentID"], DeploymentEntry(
        identifier=row["deploymentID"],
        longitude_deg=_number(row, "longitude", -180, 180),
        latitude_deg=_number(row, "latitude", -90, 90),
        start_utc=start,
        end_utc=end,
        location=row.get("locationName") or row.get("locationID") or None,
        coordinate_uncertainty_m=_number_or_none(row, "coordinateUncertainty", 1, 1e7),
        camera_model=row.get("cameraModel") or None,
        habitat=row.get("habitat") or None,
    )


def _observation(row: Mapping[str, str], deployments: Mapping[str, Any]) -> tuple[str, CameraEntry]:
    start, end = moment(row["eventStart"], None), moment(row["eventEnd"], None)
    if end < start:
        raise ValueError("it ends before it starts")
    return row["observationID"], CameraEntry(
        identifier=row["observationID"],
        deployment=_known_deployment(row, deployments),
        start_utc=start,
        end_utc=end,
        level=_word(row, "observationLevel", _LEVELS),
        kind=_word(row, "observationType", _KINDS),
        species=row.get("scientificName") or None,
        count=whole(row.get("count", ""), 1),
        individual=row.get("individualID") or None,
        method=_word(row, "classificationMethod", _METHODS) if row.get("classificationMethod") else None,
        classified_by=row.get("classifiedBy") or None,
        probability=_number_or_none(row, "classificationProbability", 0, 1),
    )


def _known_deployment(row: Mapping[str, str], deployments: Mapping[str, Any]) -> str:
    if row["deploymentID"] not in deployments:
        raise ValueError(f"there is no usable deployment {row['deploymentID']!r}")
    return row["deploymentID"]


def _word(row: Mapping[str, str], column: str, words: frozenset[str]) -> str:
    said = row[column]
    if said not in words:
        raise ValueError(f"its {column} is {said[:40]!r}, not one of {', '.join(sorted(words))}")
    return said


def _number_or_none(row: Mapping[str, str], column: str, least: float, most: float) -> float | None:
    return _number(row, column, least, most) if row.get(column) else None


def _number(row: Mapping[str, str], column: str, least: float, most: float) -> float:
    said = row[column]
    try:
        number = float(said)
    except ValueError:
        raise ValueError(f"its {column} {said[:40]!r} is no number") from None
    if not least <= number <= most:
        raise ValueError(f"its {column} {number:g} is not between {least:g} and {most:g}")
    return number


def _version(document: Any, where: str) -> str:
    profile = document.get("profile") if isinstance(document, Mapping) else None
    found = _VERSION.search(profile) if isinstance(profile, str) else None
    if found is None:
        raise UnreadableFileError("datapackage.json is not of a Camtrap DP: its profile does not say so", where=where)
    version = found["version"]
    if not re.fullmatch(r"1\.0(\.\d+)?", version):
        raise UnreadableFileError(
            f"this is Camtrap DP {version}; 1.0 is read", where=where, hint="Export it again as Camtrap DP 1.0"
        )
    return version


def _resources(document: Mapping[str, Any], where: str) -> dict[str, tuple[str, str]]:
    """Return (file, delimiter) of each of the three tables."""
    listed = document.get("resources")
    found: dict[str, tuple[str, str]] = {}
    for resource in listed if isinstance(listed, list) else []:
        if not isinstance(resource, Mapping) or resource.get("name") not in _REQUIRED:
            continue
        path = resource.get("path")
        dialect = resource.get("dialect")
        delimiter = dialect.get("delimiter", ",") if isinstance(dialect, Mapping) else ","
        if not isinstance(path, str) or not isinstance(delimiter, str) or len(delimiter) != 1:
            raise UnreadableFileError(f"the table {resource['name']} is not one file in the package", where=where)
        if "://" in path:
            raise UnreadableFileError(
                f"the table {resource['name']} is at {path!r}, and nothing is fetched from elsewhere", where=where
            )
        found[resource["name"]] = (path, delimiter)
    missing = [name for name in _REQUIRED if name not in found]
    if missing:
        raise UnreadableFileError(f"datapackage.json names no table {', '.join(missing)}", where=where)
    return found


def _origin(document: Mapping[str, Any], path: Path) -> str:
    project = document.get("project")
    said = [project.get(key) for key in ("id", "acronym", "title")] if isinstance(project, Mapping) else []
    said += [document.get("id"), document.get("name")]
    return next((text for text in said if isinstance(text, str) and text), path.stem)


def _licence(document: Mapping[str, Any]) -> str | None:
    listed = document.get("licenses")
    for licence in listed if isinstance(listed, list) else []:
        if isinstance(licence, Mapping) and licence.get("scope", "data") == "data":
            said = licence.get("name") or licence.get("path")
            return said if isinstance(said, str) else None
    return None
