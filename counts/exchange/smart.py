"""SMART Connect 7: waypoints of incidents, patrols or missions as GeoJSON, one feature for each request to its server.

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

    [mission]                                   # or missions of SMART's ecological records
    transportType = "uav"
    mandate = "research"
    survey = "..."                              # the UUID of the survey that they belong to
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from counts.exchange.attachments import picture_of
from counts.exchange.exported import Exported, ExportOptions
from counts.exchange.files import iso_time, json_bytes, one_line, write_whole
from counts.exchange.generalise import STATEMENT
from counts.exchange.groups import Group, make_groups
from counts.exchange.mapping import species_mapping
from counts.exchange.records import SurveyRecords
from counts.exchange.smart_model import refuse_bad_mapping
from flightplan.errors import CaptureError, CensusError, Skip

_TIME = "%Y-%m-%dT%H:%M:%S"
_WAYPOINT = "waypoint/new"
_NEEDED = {"patrol": ("transportType", "mandate", "members", "leader"), "mission": ("transportType", "mandate")}
_OPTIONAL = {"patrol": ("team",), "mission": ("survey", "team", "missionId", "members", "leader")}


def export_smart(records: SurveyRecords, out: Path, options: ExportOptions) -> Exported:
    """Write a GeoJSON feature collection; each feature is the body of one POST to SMART Connect.

    A waypoint is what one picture shows of one species. Times are local to `options.zone`, as SMART has no zones; the
    comment has them in UTC. Identifiers follow from the survey, so that sending twice can be noticed. Species that the
    mapping does not name are skipped by name, each with the number of its waypoints. With `options.pictures` a waypoint
    has what its picture shows; pictures that cannot be read are skipped by name.
    """
    features, skips = make_features(records, options)
    document = {"type": "FeatureCollection", "features": features}
    written = write_whole(out, json_bytes(document))
    waypoints = sum(f["properties"]["smartFeatureType"] == _WAYPOINT for f in features)
    return Exported((written,), {"features": len(features), "waypoints": waypoints}, skips)


def make_features(records: SurveyRecords, options: ExportOptions) -> tuple[list[dict[str, Any]], tuple[Skip, ...]]:
    """Return the features in their order, patrols (or missions) before their waypoints, and what cannot be told.

    Raises CensusError for a mapping that names no species of the survey, does not fit the park's data model where that
    is given, or has a patrol or mission without what SMART wants of it.
    """
    zone = zone_of(options.zone)
    if options.data_model is not None:
        refuse_bad_mapping(options.mapping, options.data_model)
    carrier = _carrier_of(options.mapping)
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
    features = [] if carrier is None else _outings(records, carrier, options.mapping[carrier], zone)
    for group in told:
        feature = _waypoint(records, group, species[group.species], carrier, zone)
        if options.pictures:
            try:
                picture = picture_of(records, group, options.files)
            except CaptureError as error:
                skips.append(Skip(error.where or group.species, f"no picture goes with its waypoint: {error.what}"))
            else:
                if picture is not None:
                    feature["properties"]["smartAttributes"]["attachments"] = [picture]
        features.append(feature)
    if options.pictures and records.sensitive:
        skips.append(Skip("pictures", "with a sensitive species none are told: they may show it"))
    return features, tuple(skips)


def _waypoint(
    records: SurveyRecords, group: Group, entry: Mapping[str, Any], carrier: str | None, zone: ZoneInfo
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
    if carrier is not None and group.sortie is not None:
        own |= _keys(carrier, records.survey.name, group.sortie)
        kind = carrier
    else:
        own |= {"incidentUuid": _uuid("incident", group.key), "incidentId": f"overfly-{_uuid('incident', group.key)}"}
        kind = "incident"
    place = (group.longitude_deg, group.latitude_deg)
    return _feature(kind, _WAYPOINT, place, group.time_utc, zone, own)


def _outings(records: SurveyRecords, kind: str, said: Mapping[str, Any], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return the start of a patrol or mission for each sortie whose pictures have place and time, and its track."""
    by_sortie: dict[str, list[tuple[datetime, float, float]]] = {}
    for stored in records.captures.values():
        shot = stored.capture
        if stored.sortie and shot.time_utc and shot.longitude_deg is not None and shot.latitude_deg is not None:
            by_sortie.setdefault(stored.sortie, []).append((shot.time_utc, shot.longitude_deg, shot.latitude_deg))
    features = []
    for sortie, fixes in sorted(by_sortie.items()):
        fixes.sort()
        name = records.survey.name
        leg = _keys(kind, name, sortie)
        start = {
            **leg,
            "objective": one_line(f"Aerial wildlife survey {name}"),
            "comment": one_line(f"overfly {name}, {sortie}"),
            "isArmed": "false",
            **{key: said[key] for key in (*_NEEDED[kind], *_OPTIONAL[kind]) if key in said},
        }
        for row, (time, longitude, latitude) in enumerate(fixes):
            if row == 0:
                features.append(_feature(kind, "start", (longitude, latitude), time, zone, start))
            features.append(_feature(kind, "trackpoint/new", (longitude, latitude), time, zone, leg))
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


def _keys(kind: str, survey: str, sortie: str) -> dict[str, str]:
    """What says to which patrol or mission a feature belongs."""
    if kind == "mission":
        return {"missionUuid": _uuid("mission", survey, sortie)}
    return {"patrolUuid": _uuid("patrol", survey, sortie), "patrolLegUuid": _uuid("leg", survey, sortie)}


def _carrier_of(mapping: Mapping[str, Any]) -> str | None:
    """Return whether sorties go out as patrols or as missions, None for neither."""
    asked = [kind for kind in _NEEDED if kind in mapping]
    if len(asked) > 1:
        raise CensusError("the mapping has a [patrol] and a [mission]", hint="A sortie is one of them: take one out")
    for kind in asked:
        said = mapping[kind]
        missing = [key for key in _NEEDED[kind] if not isinstance(said, Mapping) or key not in said]
        if missing:
            raise CensusError(
                f"the mapping's [{kind}] does not say {', '.join(missing)}",
                hint=f"SMART refuses a {kind} without them; the keys are those of the park's data model",
            )
    return asked[0] if asked else None


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone. Raises CensusError for a name that is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CensusError(f"{name!r} is no time zone", hint="Name one like Africa/Dar_es_Salaam") from error


def _uuid(*parts: str) -> str:
    return str(uuid5(NAMESPACE_URL, "overfly:" + "/".join(parts)))
