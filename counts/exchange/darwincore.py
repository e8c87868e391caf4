"""Darwin Core archive: events, occurrences with explicit absences, and the inventory's own description.

Core: Event. Extensions: Occurrence, and the Humboldt Extension for Ecological Inventories (TDWG, ratified February
2024, row type http://rs.tdwg.org/eco/terms/Event). The archive is described by `meta.xml` (Darwin Core Text Guide) and
`eml.xml` (EML 2.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import shapely
from pyproj import Geod

from counts.exchange.darwincore_eml import eml
from counts.exchange.exported import Exported, ExportOptions
from counts.exchange.files import iso_time, one_line, write_whole, zip_bytes
from counts.exchange.generalise import STATEMENT
from counts.exchange.names import Names, find_licence, resolve_names
from counts.exchange.records import Animal, SurveyRecords
from counts.store import EffortEntry
from flightplan.errors import CensusError

DWC, ECO = "http://rs.tdwg.org/dwc/terms/", "http://rs.tdwg.org/eco/terms/"
_ELSEWHERE = {"license": "http://purl.org/dc/terms/"}
EVENT, OCCURRENCE, HUMBOLDT = f"{DWC}Event", f"{DWC}Occurrence", f"{ECO}Event"
EVENT_TERMS = (
    "eventID", "parentEventID", "eventType", "eventDate", "samplingProtocol", "sampleSizeValue", "sampleSizeUnit",
    "samplingEffort", "locality", "countryCode", "footprintWKT", "footprintSRS", "decimalLatitude", "decimalLongitude",
    "geodeticDatum", "coordinateUncertaintyInMeters", "eventRemarks", "license",
)  # fmt: skip
OCCURRENCE_TERMS = (
    "eventID", "occurrenceID", "basisOfRecord", "occurrenceStatus", "scientificName", "taxonRank", "vernacularName",
    "taxonID", "scientificNameID", "kingdom", "family", "verbatimIdentification", "individualCount",
    "organismQuantity", "organismQuantityType", "eventDate", "decimalLatitude", "decimalLongitude", "geodeticDatum",
    "coordinateUncertaintyInMeters", "identifiedBy", "identificationVerificationStatus", "dataGeneralizations",
    "informationWithheld", "occurrenceRemarks", "license",
)  # fmt: skip
HUMBOLDT_TERMS = (
    "eventID", "siteCount", "geospatialScopeAreaValue", "geospatialScopeAreaUnit", "totalAreaSampledValue",
    "totalAreaSampledUnit", "targetTaxonomicScope", "isTaxonomicScopeFullyReported", "isAbsenceReported", "absentTaxa",
    "isAbundanceReported", "inventoryTypes", "protocolNames", "protocolDescriptions", "isSamplingEffortReported",
    "samplingEffortProtocol", "samplingEffortValue", "samplingEffortUnit", "samplingPerformedBy",
)  # fmt: skip
PROTOCOL = "aerial strip survey with nadir photographs"
_ABSENT = "Searched, and none counted; animals that were hidden or missed by the detector are possible"
_GEOD = Geod(ellps="WGS84")
_Row = dict[str, Any]
_Times = tuple[datetime, datetime]


def export_darwincore(records: SurveyRecords, out: Path, options: ExportOptions) -> Exported:
    """Write a Darwin Core archive (.zip).

    Events: the survey, its strata, their transects. Occurrences: each individual as present, with its place; each
    species looked for as absent on each transect that was searched without counting one. A transect without effort, or
    a survey never counted, has no absences: nobody looked. An individual off the transects belongs to the survey.
    Sensitive species are told of the survey as a whole, with their cell and their day, never of a transect; neither
    are their absences, which would tell the presences. A label without a scientific name keeps that field empty and is
    named. With a checklist a species has its key in GBIF's backbone (taxonID) and in ITIS (scientificNameID).
    """
    licence = find_licence(options.licence)
    labels = dict.fromkeys([*records.species, *(a.species for a in records.individuals)])
    names = resolve_names(labels, options)
    events, humboldt = _events(records)
    occurrences = [*_present(records, names), *_absent(records, names)]
    _inventories(records, names, humboldt, occurrences)
    for row in (*events, *occurrences):
        row["license"] = licence.url if licence else None
    for row in events:
        row["countryCode"] = _country(options.country)
    members = {
        "meta.xml": _meta(),
        "eml.xml": eml(records, options.publisher, licence, names).encode(),
        "event.txt": _table(EVENT_TERMS, events),
        "occurrence.txt": _table(OCCURRENCE_TERMS, occurrences),
        "humboldt.txt": _table(HUMBOLDT_TERMS, humboldt),
    }
    written = write_whole(out, zip_bytes(members))
    absences = sum(row["occurrenceStatus"] == "absent" for row in occurrences)
    counts = {"events": len(events), "present": len(occurrences) - absences, "absent": absences}
    notes = [f"{s.item}: {s.reason}, so that field is empty" for s in names.unresolved]
    if licence is None:
        notes.append("no licence was named (--licence): GBIF takes no archive without one")
    return Exported((written,), counts, notes=tuple(notes), unresolved=names.unresolved)


def event_id(records: SurveyRecords, *parts: str) -> str:
    """Return an identifier that is the same at every export: survey, then stratum or transect, URL-escaped."""
    return ":".join(quote(part, safe="") for part in (records.survey.name, *parts))


def _events(records: SurveyRecords) -> tuple[list[_Row], list[_Row]]:
    root = event_id(records)
    effort = {e.transect: e for e in records.effort if e.transect is not None}
    area = None if records.area is None else shapely.union_all([s.polygon for s in records.area.strata])
    whole = None if area is None else sum(s.area_m2 for s in records.strata)
    every = list(records.effort)
    survey = _event(records, root, None, "Survey", records.times, area, every)
    events = [{**survey, "locality": records.survey.protected_area}]
    humboldt = [_inventory(root, len(every) or None, whole, every)]
    polygons = {s.name: s.polygon for s in records.area.strata} if records.area else {}
    times = _times(records)
    for stratum in records.strata:
        key = event_id(records, "stratum", stratum.name)
        own = [effort[line.identifier] for line in stratum.transects if line.identifier in effort]
        # What mosaics show belongs to no line.
        own += [e for e in records.effort if e.transect is None and e.stratum == stratum.name]
        span = _span(times[line.identifier] for line in stratum.transects if line.identifier in times)
        event = _event(records, key, root, "Stratum", span, polygons.get(stratum.name), own)
        events.append({**event, "locality": stratum.name})
        humboldt.append(_inventory(key, len(own) if own else None, stratum.area_m2, own))
        for line in stratum.transects:
            shape = shapely.multilinestrings(list(line.segments))
            done = [effort[line.identifier]] if line.identifier in effort else []
            name = event_id(records, "transect", line.identifier)
            events.append(_event(records, name, key, "Transect", times.get(line.identifier), shape, done))
            if done:
                humboldt.append(_inventory(name, 1, line.strip_area_m2, done))
    return events, humboldt


def _event(
    records: SurveyRecords,
    key: str,
    parent: str | None,
    kind: str,
    times: _Times | None,
    shape: Any,
    effort: list[EffortEntry],
) -> _Row:
    row: _Row = {
        "eventID": key,
        "parentEventID": parent,
        "eventType": kind,
        "eventDate": _interval(times),
        "samplingProtocol": PROTOCOL,
    }
    if effort:
        row["sampleSizeValue"] = round(sum(e.area_searched_m2 for e in effort), 1)
        row["sampleSizeUnit"] = "square metre"
        row["samplingEffort"] = f"{_km(effort)} km of strip, {sum(e.captures for e in effort)} pictures"
    if shape is not None and not shape.is_empty:
        row["footprintWKT"] = shapely.to_wkt(shape, rounding_precision=7)
        row["footprintSRS"] = "EPSG:4326"
        row.update(_place(shape))
    if records.effort and not effort:
        row["eventRemarks"] = "Planned, but nothing of it was searched"
    return row


def _place(shape: Any) -> _Row:
    """Return the middle of a shape and the radius around it that holds the whole of it."""
    circle = shapely.minimum_bounding_circle(shape)
    centre = circle.centroid
    corners = shapely.get_coordinates(shape)
    _, _, metres = _GEOD.inv([centre.x] * len(corners), [centre.y] * len(corners), corners[:, 0], corners[:, 1])
    return {
        "decimalLatitude": f"{centre.y:.7f}",
        "decimalLongitude": f"{centre.x:.7f}",
        "geodeticDatum": "EPSG:4326",
        "coordinateUncertaintyInMeters": round(float(max(metres)), 1),
    }


def _inventory(key: str, sites: int | None, scope_m2: float | None, effort: list[EffortEntry]) -> _Row:
    row: _Row = {
        "eventID": key,
        "siteCount": sites,
        "inventoryTypes": "restrictedSearch",
        "protocolNames": PROTOCOL,
        "protocolDescriptions": (
            "Photographs taken straight down along parallel transects; animals found by a detector, placed on the "
            "ground and counted once within their transect; area searched from the pictures' footprints"
        ),
        "isSamplingEffortReported": _truth(bool(effort)),
    }
    if scope_m2 is not None:
        row |= {"geospatialScopeAreaValue": round(scope_m2 / 1e6, 6), "geospatialScopeAreaUnit": "km²"}
    if effort:
        searched = sum(e.area_searched_m2 for e in effort)
        row |= {"totalAreaSampledValue": round(searched / 1e6, 6), "totalAreaSampledUnit": "km²"}
        row |= {"samplingEffortValue": _km(effort), "samplingEffortUnit": "km"}
        row["samplingEffortProtocol"] = "length of transect searched"
    return row


def _inventories(records: SurveyRecords, names: Names, humboldt: list[_Row], occurrences: list[_Row]) -> None:
    """Say for each event which species were looked for, and which were not there."""
    absent: dict[str, list[str]] = {}
    for row in occurrences:
        if row["occurrenceStatus"] == "absent":
            absent.setdefault(row["eventID"], []).append(row["vernacularName"])
    root = event_id(records)
    for row in humboldt:
        # What was seen of a sensitive species is told of the survey only, so other events do not speak of it at all.
        whole = row["eventID"] == root
        scope = [s for s in records.species if whole or s not in records.sensitive]
        row["targetTaxonomicScope"] = _listed(scope, names)
        row["isTaxonomicScopeFullyReported"] = _truth(bool(scope)) if records.effort else None
        row["isAbundanceReported"] = _truth(bool(records.individuals) or bool(records.effort))
        row["isAbsenceReported"] = _truth(bool(records.effort) and bool(scope))
        row["absentTaxa"] = _listed(absent.get(row["eventID"], []), names)


def _present(records: SurveyRecords, names: Names) -> Iterable[_Row]:
    for order, animal in enumerate(records.individuals, start=1):
        # A sensitive animal's number follows from its place in an order that says nothing of where it was.
        name = f"individual-{animal.number}" if animal.number is not None else f"generalised-{order}"
        yield {
            **_taxon(animal.species, names),
            "eventID": event_id(records, "transect", animal.transect) if animal.transect else event_id(records),
            "occurrenceID": event_id(records, name),
            "basisOfRecord": "MachineObservation",
            "occurrenceStatus": "present",
            "individualCount": 1,
            "organismQuantity": 1,
            "organismQuantityType": "individuals",
            "eventDate": iso_time(animal.time_utc) if animal.time_utc else animal.day,
            "decimalLatitude": _degrees(animal.latitude_deg, animal),
            "decimalLongitude": _degrees(animal.longitude_deg, animal),
            "geodeticDatum": "EPSG:4326",
            "coordinateUncertaintyInMeters": animal.uncertainty_m,
            "identifiedBy": f"detector {records.run.detector.name}" if records.run else None,
            "identificationVerificationStatus": (
                "confirmed by a person" if animal.confirmed else "identified by a detector, not verified"
            ),
            "dataGeneralizations": STATEMENT if animal.generalised else None,
            "informationWithheld": "time of day; transect; picture" if animal.generalised else None,
        }


def _absent(records: SurveyRecords, names: Names) -> Iterable[_Row]:
    seen = {(a.transect, a.species) for a in records.individuals}
    searched = [e for e in records.effort if e.area_searched_m2 > 0]
    for species in records.species if searched else ():
        if species in records.sensitive:
            if not any(a.species == species for a in records.individuals):
                yield _absence(records, names, species, event_id(records), "survey")
            continue
        for transect in (e.transect for e in searched if e.transect is not None):
            if (transect, species) not in seen:
                yield _absence(records, names, species, event_id(records, "transect", transect), transect)
        # An animal in a mosaic stands in the whole survey's event, and so does it when there is none.
        if any(e.transect is None for e in searched) and (None, species) not in seen:
            yield _absence(records, names, species, event_id(records), "survey")


def _absence(records: SurveyRecords, names: Names, species: str, event: str, where: str) -> _Row:
    return {
        **_taxon(species, names),
        "eventID": event,
        "occurrenceID": event_id(records, "absent", where, species),
        "basisOfRecord": "MachineObservation",
        "occurrenceStatus": "absent",
        "individualCount": 0,
        "organismQuantity": 0,
        "organismQuantityType": "individuals",
        "occurrenceRemarks": _ABSENT,
    }


def _taxon(label: str, names: Names) -> _Row:
    taxon = names.known.get(label)
    if taxon is None:
        return {"vernacularName": label, "verbatimIdentification": label}
    words = taxon.scientific_name.split()
    # Two words are a species' name ("Equus sp." is not); more, or one, could be of any rank.
    is_species = len(words) == 2 and words[1].isalpha() and words[1] not in ("sp", "spp")
    return {
        "scientificName": taxon.scientific_name,
        "taxonRank": taxon.rank or ("species" if is_species else None),
        "vernacularName": label,
        "verbatimIdentification": label,
        "taxonID": None if taxon.gbif_key is None else f"https://www.gbif.org/species/{taxon.gbif_key}",
        "scientificNameID": None if taxon.tsn is None else f"urn:lsid:itis.gov:itis_tsn:{taxon.tsn}",
        "kingdom": taxon.kingdom,
        "family": taxon.family,
    }


def _country(code: str | None) -> str | None:
    if code is not None and not (len(code) == 2 and code.isascii() and code.isalpha()):
        raise CensusError(f"{code!r} is no country code", hint="Name one of ISO 3166 with two letters, like TZ")
    return None if code is None else code.upper()


def _times(records: SurveyRecords) -> dict[str, _Times]:
    """Return the first and last exposure of each transect that has one with a time."""
    found: dict[str, _Times] = {}
    for stored in records.captures.values():
        time = stored.capture.time_utc
        if stored.transect is not None and time is not None:
            first, last = found.get(stored.transect, (time, time))
            found[stored.transect] = (min(first, time), max(last, time))
    return found


def _span(times: Iterable[_Times]) -> _Times | None:
    known = list(times)
    return (min(t[0] for t in known), max(t[1] for t in known)) if known else None


def _interval(times: _Times | None) -> str | None:
    if times is None:
        return None
    first, last = iso_time(times[0]), iso_time(times[1])
    return first if first == last else f"{first}/{last}"


def _degrees(value: float, animal: Animal) -> str:
    return f"{value:.2f}" if animal.generalised else f"{value:.7f}"


def _km(effort: list[EffortEntry]) -> float:
    return round(sum(e.length_m for e in effort) / 1000, 3)


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _listed(labels: Sequence[str], names: Names) -> str | None:
    return " | ".join(names.scientific(label) or label for label in labels) or None


def _table(terms: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a tab-separated table: no quoting, so text keeps neither tabs nor line ends."""
    lines = ["\t".join(terms)]
    lines += ["\t".join("" if row.get(t) is None else one_line(str(row[t])) for t in terms) for row in rows]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _meta() -> bytes:
    parts = [
        ("core", "id", EVENT, "event.txt", EVENT_TERMS),
        ("extension", "coreid", OCCURRENCE, "occurrence.txt", OCCURRENCE_TERMS),
        ("extension", "coreid", HUMBOLDT, "humboldt.txt", HUMBOLDT_TERMS),
    ]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append('<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">')
    for tag, key, row_type, name, terms in parts:
        lines.append(
            f'  <{tag} encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy="" '
            f'ignoreHeaderLines="1" rowType={quoteattr(row_type)}>'
        )
        lines.append(f"    <files><location>{name}</location></files>")
        lines.append(f'    <{key} index="0"/>')
        own = ECO if row_type == HUMBOLDT else DWC
        for index, term in enumerate(terms):
            # The key of an extension is the core's; it is a term of its own only in the core.
            if index or tag == "core":
                lines.append(f'    <field index="{index}" term={quoteattr(_ELSEWHERE.get(term, own) + term)}/>')
        lines.append(f"  </{tag}>")
    lines.append("</archive>")
    return ("\n".join(lines) + "\n").encode()
