"""EarthRanger: events (what was seen) and observations (where the drone was), as the API's JSON in files.

The bodies are those of POST /api/v1.0/activity/events, whose location has `latitude` and `longitude`, and of the
sensor observations, whose location has `lat` and `lon` (earthranger-client 1.19, gundi-core 1.14). A site's own event
types are named by a mapping (see `overfly export`); without it an event is the wildlife sighting that new sites have:

    [species.elephant]
    event_type = "elephant_sighting"
    count = "number"                            # the field of the details that takes the number
    attributes = { species = "elephant" }       # what else goes into the details
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counts.exchange.exported import Exported, ExportOptions
from counts.exchange.files import iso_time, json_bytes, one_line, write_whole
from counts.exchange.generalise import STATEMENT
from counts.exchange.groups import Group, make_groups
from counts.exchange.mapping import species_mapping
from counts.exchange.records import SurveyRecords
from flightplan.errors import Skip

EVENT_TYPE = "wildlife_sighting_rep"
_SPECIES_FIELD, _COUNT_FIELD = "wildlifesightingrep_species", "wildlifesightingrep_numberanimals"


def export_earthranger(records: SurveyRecords, out: Path, options: ExportOptions) -> Exported:
    """Write `events.json` and `observations.json` into the folder `out`: a list of request bodies each.

    An event is what one picture shows of one species. Observations are the drone's places at each exposure. Individuals
    without a time are skipped by name; exposures without time or place are left out, for there is nothing to tell.
    """
    bodies, skips = event_bodies(records, options)
    events = [body for _, body in bodies]
    observations = observation_bodies(records)
    files = (
        write_whole(out / "events.json", json_bytes(events)),
        write_whole(out / "observations.json", json_bytes(observations)),
    )
    return Exported(files, {"events": len(events), "observations": len(observations)}, skips)


def event_bodies(
    records: SurveyRecords, options: ExportOptions
) -> tuple[list[tuple[str, dict[str, Any]]], tuple[Skip, ...]]:
    """Return (key, body) of each event in the order of their time, and the individuals that cannot be told."""
    species = species_mapping(options.mapping)
    groups, skips = make_groups(records)
    return [(group.key, _event(records, group, species.get(group.species))) for group in groups], skips


def _event(records: SurveyRecords, group: Group, entry: Mapping[str, Any] | None) -> dict[str, Any]:
    if entry is None:
        details: dict[str, Any] = {_SPECIES_FIELD: group.species, _COUNT_FIELD: group.count}
    else:
        details = dict(entry.get("attributes", {}))
        details[str(entry.get("count", _COUNT_FIELD))] = group.count
    details["survey"] = records.survey.name
    if group.transect is not None:
        details["transect"] = group.transect
    if group.generalised:
        details["data_generalizations"] = STATEMENT
    return {
        "event_type": str((entry or {}).get("event_type", EVENT_TYPE)),
        "title": one_line(f"{group.count} {group.species} (aerial survey)"),
        "time": iso_time(group.time_utc),
        "location": {"latitude": round(group.latitude_deg, 7), "longitude": round(group.longitude_deg, 7)},
        "event_details": details,
        "state": "new",
    }


def observation_bodies(records: SurveyRecords) -> list[dict[str, Any]]:
    """Return where the drone was at each exposure that has a time and a place, in order of time."""
    found = []
    for stored in records.captures.values():
        shot = stored.capture
        if shot.time_utc is None or shot.longitude_deg is None or shot.latitude_deg is None:
            continue
        name = one_line(f"{records.survey.name} {stored.sortie or 'drone'}")
        found.append(
            {
                "manufacturer_id": f"overfly {name}",
                "source_type": "tracking-device",
                "subject_name": name,
                "subject_type": "vehicle",
                "subject_subtype": "drone",
                "recorded_at": iso_time(shot.time_utc),
                "location": {"lat": round(shot.latitude_deg, 7), "lon": round(shot.longitude_deg, 7)},
                "additional": {} if stored.transect is None else {"transect": stored.transect},
            }
        )
    found.sort(key=lambda o: (str(o["recorded_at"]), str(o["subject_name"])))
    return found
