"""EarthRanger: the tracks of its subjects, as `GET /api/v1.0/subject/{id}/tracks` answers, saved to a file.

A feature collection: each feature a line of one subject, with a time for each of its points in
`properties.coordinateProperties.times`. The API wraps it into `{"data": ...}`; both are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from counts.exchange.tracks import Fix, Tracks, checked_place, checked_time, make_tracks, read_text
from flightplan.errors import Skip, UnreadableFileError


def read_earthranger_tracks(path: Path, *, subject_type: str | None = "wildlife") -> Tracks:
    """Read the tracks of the subjects of a type: animals unless another is named; None for all.

    An animal is known by its subject's id, not by its name, which may change. Its subtype ("elephant") is the taxon: a
    label, not a scientific name. Subjects of other types, without an id, or with other than one time per point are
    skipped by name; so is each point without a usable time or place. Raises UnreadableFileError for a file that is no
    such collection.
    """
    text = read_text(path)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"this is not JSON ({error})", where=str(path)) from error
    if isinstance(document, Mapping) and "data" in document:
        document = document["data"]
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
