"""Tables of others name the same thing in many ways: their columns by what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flightplan.errors import CensusError

PLACE = {
    "longitude": ("longitude", "decimallongitude", "longitudedeg", "lon", "lng", "long", "x", "locationlong"),
    "latitude": ("latitude", "decimallatitude", "latitudedeg", "lat", "y", "locationlat"),
}
TIME = ("timeutc", "datetime", "timestamp", "time", "eventdate", "recordedat", "observedon", "waypointdatetime")
SIGHTING = {
    **PLACE,
    "species": ("species", "scientificname", "label", "taxon", "vernacularname", "commonname", "animal"),
    "count": ("count", "individualcount", "number", "numberofanimals", "n"),
    "time": (*TIME, "date"),
    "identifier": ("id", "occurrenceid", "identifier", "uuid", "observationid"),
    "observer": ("observer", "recordedby", "observedby"),
    "remarks": ("remarks", "occurrenceremarks", "comment", "comments", "notes"),
    "status": ("occurrencestatus",),
}
PATROL = {
    **PLACE,
    "identifier": (
        "patrolid",
        "patroluuid",
        "missionuuid",
        "missionid",
        "clientuuid",
        "patrol",
        "mission",
        "identifier",
        "id",
        "name",
    ),
    "time": (*TIME, "date"),
    "start": ("startdatetime", "starttime", "started", "startedutc", "patrolstartdate", "startdate", "start"),
    "end": ("enddatetime", "endtime", "ended", "endedutc", "patrolenddate", "enddate", "end"),
    "transport": ("transporttype", "patroltransporttype", "transport", "patroltype", "type"),
}


def find_columns(
    header: Iterable[str], meanings: Mapping[str, tuple[str, ...]], named: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the table's own name of each column whose meaning is known; the first spelling that is there counts.

    `named` says some of them by hand. Raises CensusError for a meaning or a column that there is not.
    """
    own = list(header)
    plain = {"".join(c for c in name.casefold() if c.isalnum()): name for name in reversed(own)}
    found = {}
    for meaning, spellings in meanings.items():
        name = next((plain[spelling] for spelling in spellings if spelling in plain), None)
        if name is not None:
            found[meaning] = name
    for meaning, name in (named or {}).items():
        if meaning not in meanings:
            raise CensusError(f"there is no field {meaning!r}", hint=f"There are: {', '.join(meanings)}")
        if name not in own:
            raise CensusError(f"there is no column {name!r}", hint=f"There are: {', '.join(own)[:400]}")
        found[meaning] = name
    return found
