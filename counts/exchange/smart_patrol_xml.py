"""SMART's own patrol export: XML with legs, days, a track as hexadecimal WKB, waypoints and their observations.

The namespaces .../xml/1.0/patrol to 1.3 differ in nothing that is read here, but that observations may stand in groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from xml.etree.ElementTree import Element

import shapely

from counts.exchange.tracks import checked_place
from counts.exchange.untrusted import local_name, moment, whole
from counts.store.elsewhere import ReportedEntry
from flightplan.errors import Skip, UnreadableFileError


@dataclass(frozen=True)
class PatrolXml:
    """A patrol: its lines as they were drawn, the edges of its days, what it saw, and what could not be used."""

    identifier: str
    transport: str | None
    lines: tuple[Any, ...]
    times: tuple[datetime, ...]
    sightings: tuple[ReportedEntry, ...]
    others: int
    skips: tuple[Skip, ...]


def read_patrol_xml(root: Element, where: str, zone: tzinfo, species_key: str, count_key: str) -> PatrolXml:
    """Read a patrol. Raises UnreadableFileError for a document that is none."""
    if local_name(root).lower() != "patrol" or not root.get("id"):
        raise UnreadableFileError("this is no patrol of SMART: its root is no patrol with an id", where=where)
    identifier = str(root.get("id"))
    lines: list[Any] = []
    times: list[datetime] = []
    sightings: list[ReportedEntry] = []
    skips: list[Skip] = []
    others = 0
    transports = [e.get("value", "") for e in root.iter() if local_name(e) == "transportType"]
    for leg in children(root, "legs"):
        for day in children(leg, "days"):
            item = f"leg {leg.get('id')}, day {day.get('date')}"
            for edge in ("startTime", "endTime"):
                try:
                    times.append(moment(f"{day.get('date')}T{day.get(edge)}", zone))
                except ValueError as error:
                    skips.append(Skip(f"{item}, {edge}", str(error)))
            for track in children(day, "track"):
                try:
                    lines.append(_hex_line(track.get("geom", "")))
                except (ValueError, shapely.errors.ShapelyError):
                    skips.append(Skip(f"{item}, track", "it is no line in hexadecimal WKB"))
            for waypoint in children(day, "waypoints"):
                seen, without, bad = _waypoint(waypoint, identifier, leg, day, zone, species_key, count_key)
                sightings += seen
                skips += bad
                others += without
    transport = ", ".join(dict.fromkeys(filter(None, transports))) or root.get("patrolType")
    return PatrolXml(identifier, transport, tuple(lines), tuple(times), tuple(sightings), others, tuple(skips))


def children(element: Element, name: str) -> Iterator[Element]:
    """Yield the children of an element that have a name, whatever their namespace."""
    return (child for child in element if local_name(child) == name)


def child_text(element: Element, name: str) -> str | None:
    """Return the text of the first child of that name, None where there is none."""
    child = next(children(element, name), None)
    return None if child is None or not child.text else child.text.strip() or None


def _waypoint(
    waypoint: Element, patrol: str, leg: Element, day: Element, zone: tzinfo, species_key: str, count_key: str
) -> tuple[list[ReportedEntry], int, list[Skip]]:
    """Return the sightings of a waypoint, the number of its observations that name no species, and what was wrong."""
    name = f"{patrol}/{leg.get('id')}/{day.get('date')}/{waypoint.get('id')}"
    observations = [e for e in waypoint.iter() if local_name(e) == "observations"]
    seen, skips, others = [], [], 0
    for number, observation in enumerate(observations, start=1):
        attributes = {str(a.get("attributeKey")): _value(a) for a in children(observation, "attributes")}
        if not attributes.get(species_key):
            others += 1
            continue
        try:
            longitude, latitude = checked_place(float(waypoint.get("x", "")), float(waypoint.get("y", "")))
            rest = {k: v for k, v in attributes.items() if k not in (species_key, count_key) and v}
            seen.append(
                ReportedEntry(
                    identifier=f"{name}/{number}",
                    species=attributes[species_key],
                    longitude_deg=longitude,
                    latitude_deg=latitude,
                    count=whole(attributes.get(count_key, ""), 1),
                    time_utc=moment(f"{day.get('date')}T{waypoint.get('time')}", zone),
                    details={"category": str(observation.get("categoryKey")), "patrol": patrol, **rest},
                )
            )
        except ValueError as error:
            skips.append(Skip(f"waypoint {name}, observation {number}", str(error)))
    return seen, others, skips


def _value(attribute: Element) -> str:
    for kind in ("itemKey", "dValue", "bValue", "sValue"):
        said = child_text(attribute, kind)
        if said:
            return said
    return ""


def _hex_line(text: str) -> Any:
    line = shapely.from_wkb(text.strip())
    if line is None or line.geom_type not in ("LineString", "MultiLineString"):
        raise ValueError
    return line
