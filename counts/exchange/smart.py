"""SMART Connect 7: waypoints of incidents or patrols as GeoJSON, one feature for each request its server takes.

A park's data model is its own, so what a label is called there has to be said (a TOML file, see `overfly export`):

    [species.elephant]
    category = "animals.live"
    count = "numberofanimals"                   # the attribute that takes the number
    attributes = { species = "elephant" }       # what else goes with it

    [patrol]                                    # only for patrols: incidents without it
    transportType = "uav"
    mandate = "research"
    members = ["..."]
    leader = "..."
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from counts.exchange.exported import Exported, ExportOptions
from counts.exchange.files import iso_time, json_bytes, one_line, write_whole
from counts.exchange.generalise import STATEMENT
from counts.exchange.groups import Group, make_groups
from counts.exchange.mapping import species_mapping
from counts.exchange.records import SurveyRecords
from counts.exchange.smart_model import refuse_bad_mapping
from flightplan.errors import CensusError, Skip

_TIME = "%Y-%m-%dT%H:%M:%S"
_WAYPOINT = "waypoint/new"
_PATROL_KEYS = ("transportType", "mandate", "members", "leader")


def export_smart(records: SurveyRecords, out: Path, options: ExportOptions) -> Exported:
    """Write a GeoJSON feature collection; each feature is the body of one POST to SMART Connect.

    A waypoint is what one picture shows of one species. Times are local to `options.zone`, as SMART has no zones; the
    comment has them in UTC. Identifiers follow from the survey, so that sending twice can be noticed. Species that the
    mapping does not name are skipped by name, each with the number of its waypoints.
    """
    features, skips = make_features(records, options)
    document = {"type": "FeatureCollection", "features": features}
    written = write_whole(out, json_bytes(document))
    waypoints = sum(f["properties"]["smartFeatureType"] == _WAYPOINT for f in features)
    return Exported((written,), {"features": len(features), "waypoints": waypoints}, skips)


def make_features(records: SurveyRecords, options: ExportOptions) -> tuple[list[dict[str, Any]], tuple[Skip, ...]]:
    """Return the features in their order, patrols before their waypoints, and what cannot be told, by name.

    Raises CensusError for a mapping that names no species of the survey, does not fit the park's data model where that
    is given, or has a patrol without what SMART wants of it.
    """
    zone = zone_of(options.zone)
    if options.data_model is not None:
        refuse_bad_mapping(options.mapping, options.data_model)
    patrol = options.mapping.get("patrol")
    if patrol is not None:
        _check_patrol(patrol)
    species = species_mapping(options.mapping, required=("category",))
    groups, lost = make_groups(records)
    skips = list(lost)
    for label in sorted({g.species for g in groups} - set(species)):
        waypoints = sum(g.species == label for g in groups)
        skips.append(Skip(label, f"{waypoints} waypoints: the mapping names no category for this species"))
    told = [g for g in groups if g.species in species]
    if groups and not told:
        raise CensusError(
            "the mapping names no category for any species of the survey",
            hint="Write a --mapping FILE.toml with a table [species.LABEL] and its category",
        )
    features = [] if patrol is None else _patrols(records, patrol, zone)
    features += [_waypoint(records, group, species[group.species], patrol is not None, zone) for group in told]
    return features, tuple(skips)


def _waypoint(
    records: SurveyRecords, group: Group, entry: Mapping[str, Any], as_patrol: bool, zone: ZoneInfo
) -> dict[str, Any]:
    attributes = dict(entry.get("attributes", {}))
    if "count" in entry:
        attributes[str(entry["count"])] = group.count
    comment = f"overfly {records.survey.name}: {group.count} {group.species}, {iso_time(group.time_utc)}"
    own: dict[str, Any] = {
        "observationGroups": [
            {
                "observations": [
                    {
                        "observationUuid": _uuid("observation", group.key),
                        "category": str(entry["category"]),
                        "attributes": attributes,
                    }
                ]
            }
        ],
        "comment": one_line(f"{comment}. {STATEMENT}" if group.generalised else comment),
    }
    # A sensitive waypoint belongs to no patrol: a leg would tell where it was.
    if as_patrol and group.sortie is not None:
        own |= {"patrolUuid": _uuid("patrol", records.survey.name, group.sortie)}
        own |= {"patrolLegUuid": _uuid("leg", records.survey.name, group.sortie)}
        kind = "patrol"
    else:
        own |= {"incidentUuid": _uuid("incident", group.key), "incidentId": f"overfly-{_uuid('incident', group.key)}"}
        kind = "incident"
    place = (group.longitude_deg, group.latitude_deg)
    return _feature(kind, _WAYPOINT, place, group.time_utc, zone, own)


def _patrols(records: SurveyRecords, patrol: Mapping[str, Any], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return the start of a patrol for each sortie that took pictures with place and time, and its track."""
    by_sortie: dict[str, list[tuple[datetime, float, float]]] = {}
    for stored in records.captures.values():
        shot = stored.capture
        if stored.sortie and shot.time_utc and shot.longitude_deg is not None and shot.latitude_deg is not None:
            by_sortie.setdefault(stored.sortie, []).append((shot.time_utc, shot.longitude_deg, shot.latitude_deg))
    features = []
    for sortie, fixes in sorted(by_sortie.items()):
        fixes.sort()
        name = records.survey.name
        leg = {"patrolUuid": _uuid("patrol", name, sortie), "patrolLegUuid": _uuid("leg", name, sortie)}
        start = {
            **leg,
            "objective": one_line(f"Aerial wildlife survey {name}"),
            "comment": one_line(f"overfly {name}, {sortie}"),
            "isArmed": "false",
            **{key: patrol[key] for key in _PATROL_KEYS},
        }
        for row, (time, longitude, latitude) in enumerate(fixes):
            if row == 0:
                features.append(_feature("patrol", "start", (longitude, latitude), time, zone, start))
            features.append(_feature("patrol", "trackpoint/new", (longitude, latitude), time, zone, leg))
    return features


def _feature(
    kind: str, what: str, place: tuple[float, float], time: datetime, zone: ZoneInfo, attributes: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [round(place[0], 7), round(place[1], 7)]},
        "properties": {
            "dateTime": time.astimezone(zone).strftime(_TIME),
            "smartDataType": kind,
            "smartFeatureType": what,
            "smartAttributes": dict(attributes),
        },
    }


def _check_patrol(patrol: Any) -> None:
    missing = [key for key in _PATROL_KEYS if not isinstance(patrol, Mapping) or key not in patrol]
    if missing:
        raise CensusError(
            f"the mapping's [patrol] does not say {', '.join(missing)}",
            hint="SMART refuses a patrol without them; the keys are those of the park's data model",
        )


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone. Raises CensusError for a name that is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CensusError(f"{name!r} is no time zone", hint="Name one like Africa/Dar_es_Salaam") from error


def _uuid(*parts: str) -> str:
    return str(uuid5(NAMESPACE_URL, "overfly:" + "/".join(parts)))
