"""EarthRanger: where its subjects were, as its API answers, saved to files.

- `GET /api/v1.0/subject/{id}/tracks`: a feature collection, each feature a line of one subject, with a time for each of
  its points in `properties.coordinateProperties.times`.
- `GET /api/v1.0/observations`: rows of a place, a time and a source. A source is a collar and not an animal, so each
  needs its subject: in the row itself, or in `subjectsources.json` in a folder with `observations.json` and
  `subjects.json`, which says who wore which collar from when to when.

The API wraps its answers into `{"data": ...}`; both are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from counts.exchange.tracks import Fix, Tracks, checked_place, checked_time, make_tracks
from counts.exchange.untrusted import Package, as_json, content_hash, read_bytes
from flightplan.errors import Skip, UnreadableFileError


@dataclass(frozen=True)
class SubjectTracks:
    """The tracks of a site's subjects, with the hash of the files they came from."""

    tracks: Tracks
    content_hash: str


def read_earthranger(path: Path, *, subject_type: str | None = "wildlife") -> SubjectTracks:
    """Read a file of tracks or observations, or a folder (or zip) with them and who wore which collar."""
    if path.is_file() and path.suffix.lower() != ".zip":
        content = read_bytes(path)
        document = _data(as_json(content, str(path)))
        digest = content_hash({path.name: content})
        if isinstance(document, Mapping) and "features" in document:
            return SubjectTracks(read_earthranger_tracks(path, subject_type=subject_type), digest)
        rows = _listed(document, str(path))
        return SubjectTracks(_observed(rows, [], {}, subject_type), digest)
    package = Package(path)
    package.descend_to("observations.json")
    parts = {name: package.read(name) for name in ("observations.json", "subjects.json", "subjectsources.json")}
    rows, subjects, worn = (_listed(_data(as_json(c, f"{path}: {n}")), f"{path}: {n}") for n, c in parts.items())
    known = {s["id"]: s for s in subjects if isinstance(s, Mapping) and isinstance(s.get("id"), str)}
    return SubjectTracks(_observed(rows, worn, known, subject_type), content_hash(parts))


def read_earthranger_tracks(path: Path, *, subject_type: str | None = "wildlife") -> Tracks:
    """Read the tracks of the subjects of a type: animals unless another is named; None for all.

    An animal is known by its subject's id, not by its name, which may change. Its subtype ("elephant") is the taxon: a
    label, not a scientific name. Subjects of other types, without an id, or with other than one time per point are
    skipped by name; so is each point without a usable time or place. Raises UnreadableFileError for a file that is no
    such collection.
    """
    document = _data(as_json(read_bytes(path), str(path)))
    features = document.get("features") if isinstance(document, Mapping) else None
    if not isinstance(features, list):
        raise UnreadableFileError(
            "this is not the answer of EarthRanger's subject tracks: it has no features", where=str(path)
        )
    fixes: list[Fix] = []
    skips: list[Skip] = []
    for number, feature in enumerate(features, start=1):
        name = f"subject {number}"
        try:
            found = list(_fixes(feature, name, subject_type))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = str(error) if type(error) is ValueError else "it is not a track with an id, points and times"
            skips.append(Skip(name, reason))
            continue
        fixes += [f for f in found if isinstance(f, Fix)]
        skips += [f for f in found if isinstance(f, Skip)]
    return make_tracks(fixes, skips)


def _fixes(feature: Any, name: str, subject_type: str | None) -> Iterator[Fix | Skip]:
    properties, geometry = feature["properties"], feature["geometry"]
    kind = properties.get("subject_type")
    if subject_type is not None and kind != subject_type:
        raise ValueError(f"it is of the type {kind!r}, not {subject_type!r}")
    identifier = properties["id"]
    if not isinstance(identifier, str) or not identifier:
        raise ValueError("it has no id")
    points = [] if geometry is None else geometry["coordinates"]
    if geometry is not None and geometry.get("type") == "Point":
        points = [points]
    times = (properties.get("coordinateProperties") or {}).get("times") or []
    if len(points) != len(times):
        raise ValueError(f"it has {len(points)} points, but {len(times)} times")
    subtype = properties.get("subject_subtype")
    taxon = subtype if isinstance(subtype, str) and subtype else None
    for row, (point, time) in enumerate(zip(points, times, strict=True), start=1):
        item = f"{name}, point {row}"
        try:
            longitude, latitude = checked_place(float(point[0]), float(point[1]))
            yield Fix(item, identifier, checked_time(time), longitude, latitude, taxon)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            yield Skip(item, str(error))


def _data(document: Any) -> Any:
    return document["data"] if isinstance(document, Mapping) and "data" in document else document


def _listed(document: Any, where: str) -> list[Any]:
    rows = document.get("results") if isinstance(document, Mapping) else document
    if not isinstance(rows, list):
        raise UnreadableFileError("this is no answer of EarthRanger with tracks or observations", where=where)
    return rows


def _observed(
    rows: list[Any], worn: list[Any], subjects: Mapping[str, Mapping[str, Any]], subject_type: str | None
) -> Tracks:
    """Sort observations into the tracks of the subjects that wore their sources at their time."""
    periods: dict[str, list[tuple[datetime | None, datetime | None, str]]] = {}
    skips: list[Skip] = []
    for number, row in enumerate(worn, start=1):
        try:
            span = row.get("assigned_range") or {}
            lower, upper = (checked_time(span[key]) if span.get(key) else None for key in ("lower", "upper"))
            periods.setdefault(str(row["source"]), []).append((lower, upper, str(row["subject"])))
        except (ValueError, TypeError, KeyError, AttributeError):
            skips.append(Skip(f"subject source {number}", "it does not say who wore which source, and when"))
    fixes = []
    for number, row in enumerate(rows, start=1):
        try:
            fixes.append(_observation(row, f"observation {number}", periods, subjects, subject_type))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            reason = str(error) if type(error) is ValueError else "it has no place, time or source that can be read"
            skips.append(Skip(f"observation {number}", reason))
    return make_tracks(fixes, skips)


def _observation(
    row: Any,
    item: str,
    periods: Mapping[str, list[tuple[datetime | None, datetime | None, str]]],
    subjects: Mapping[str, Mapping[str, Any]],
    subject_type: str | None,
) -> Fix:
    if row.get("exclusion_flags"):
        raise ValueError("the site excludes it")
    time = checked_time(row["recorded_at"])
    source = row.get("source")
    subject = row.get("subject_id") or row.get("subject")
    if not isinstance(subject, str):
        wearers = {
            who
            for lower, upper, who in periods.get(str(source), [])
            if (lower is None or lower <= time) and (upper is None or time < upper)
        }
        if len(wearers) != 1:
            many = "several subjects wore" if wearers else "no subject is known to have worn"
            raise ValueError(f"{many} the source {source!r} at its time")
        (subject,) = wearers
    about = subjects.get(subject, {})
    kind = about.get("subject_type")
    if subject_type is not None and kind is not None and kind != subject_type:
        raise ValueError(f"its subject is of the type {kind!r}, not {subject_type!r}")
    place = row["location"]
    longitude, latitude = checked_place(float(place["longitude"]), float(place["latitude"]))
    taxon = about.get("subject_subtype")
    tag = source if isinstance(source, str) else None
    return Fix(item, subject, time, longitude, latitude, taxon if isinstance(taxon, str) and taxon else None, tag)
