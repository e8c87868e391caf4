"""What services know and a census wants: tracks of EarthRanger's subjects, patrols of SMART Connect, as files.

The files are what `overfly import` reads, so that what came over the line is checked as any file of others is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from counts.exchange.services.client import ServiceClient
from flightplan.errors import CensusError, ServiceError, Skip

SUBJECTS = "/api/v1.0/subjects"
WAYPOINTS = "/api/query/custom/waypoint/patrol"
MOST_PAGES = 10_000


def download_subjects(
    client: ServiceClient,
    folder: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    subject_type: str = "wildlife",
) -> tuple[Path, tuple[Skip, ...]]:
    """Write the tracks of all of EarthRanger's subjects of a type into one file, and return it with those without any.

    A subject that one may not see is skipped by name. Raises ServiceError where the service does not let us in, answers
    what cannot be read, or is silent.
    """
    features: list[Any] = []
    skips = []
    for subject in _pages(client, SUBJECTS, {"include_inactive": "true"}):
        if not isinstance(subject, Mapping) or subject.get("subject_type") != subject_type:
            continue
        identifier = subject.get("id")
        name = str(subject.get("name") or identifier)[:80]
        if not isinstance(identifier, str) or not identifier:
            skips.append(Skip(name, "the service gives it no id"))
            continue
        params = {key: moment.isoformat() for key, moment in (("since", since), ("until", until)) if moment is not None}
        document = client.fetch(f"/api/v1.0/subject/{quote(identifier, safe='')}/tracks", params, may_miss=True)
        found = _data(document)
        own = found.get("features") if isinstance(found, Mapping) else None
        if not own:
            skips.append(Skip(name, "the service has no tracks of it"))
            continue
        features += own
    if not features:
        raise CensusError(f"the service has no tracks of any subject of type {subject_type!r}", where=client.target)
    path = folder / "tracks.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path, tuple(skips)


def download_patrols(client: ServiceClient, folder: Path, patrols: Sequence[str]) -> tuple[Path, tuple[Skip, ...]]:
    """Write the waypoints of patrols of SMART Connect, by their UUIDs, into one file, and return it with those unknown.

    Its API is asked as smartconnect-client 1.16 does: by the UUID of the client that began the patrol. Raises as
    `download_subjects` does.
    """
    features: list[Any] = []
    skips = []
    for said in patrols:
        try:
            uuid = str(UUID(said))
        except ValueError as error:
            raise CensusError(f"{said!r} is no UUID of a patrol", hint="SMART shows it with the patrol") from error
        found = client.fetch(WAYPOINTS, {"client_patrol_uuid": uuid}, may_miss=True)
        if not isinstance(found, list) or not found:
            skips.append(Skip(f"patrol {uuid}", "the service does not know it, or it has no waypoints"))
            continue
        features += found
    if not features:
        raise CensusError("the service knows none of these patrols", where=client.target)
    path = folder / "patrols.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path, tuple(skips)


def _pages(client: ServiceClient, path: str, params: Mapping[str, str]) -> list[Any]:
    """All rows of an answer that may come in pages, by its page number and not by the address it names as the next."""
    rows: list[Any] = []
    for page in range(1, MOST_PAGES + 1):
        found = _data(client.fetch(path, {**params, **({"page": str(page)} if page > 1 else {})}))
        if isinstance(found, list):
            return rows + found
        if not isinstance(found, Mapping) or not isinstance(found.get("results"), list):
            raise ServiceError("answered no list", where=client.target + path)
        rows += found["results"]
        if not found.get("next"):
            return rows
    raise ServiceError(f"has more than {MOST_PAGES} pages", where=client.target + path)


def _data(document: Any) -> Any:
    return document["data"] if isinstance(document, Mapping) and "data" in document else document
