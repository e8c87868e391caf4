"""The description of a data set in Ecological Metadata Language 2.2 (Jones et al. 2019)."""

from __future__ import annotations

from datetime import UTC
from urllib.parse import quote
from xml.sax.saxutils import escape

import shapely

from counts.exchange.files import one_line
from counts.exchange.generalise import STATEMENT
from counts.exchange.names import Licence, Names
from counts.exchange.records import SurveyRecords

_NAMESPACE = "https://eml.ecoinformatics.org/eml-2.2.0"


def eml(records: SurveyRecords, publisher: str | None, licence: Licence | None, names: Names) -> str:
    """Return the description: title, who, what was estimated, where, when and how.

    EML asks for a creator and a contact; without a publisher both say that nobody was named.
    """
    survey = records.survey
    who = f"<organizationName>{_text(publisher or 'not stated')}</organizationName>"
    place = f" of {survey.protected_area}" if survey.protected_area else ""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<eml:eml xmlns:eml="{_NAMESPACE}" packageId="overfly-{quote(survey.name, safe="")}" system="overfly">',
        "  <dataset>",
        f"    <title>{_text(f'Aerial wildlife survey {survey.name}{place}')}</title>",
        f"    <creator>{who}</creator>",
        "    <language>en</language>",
        "    <abstract>",
        *(f"      <para>{_text(line)}</para>" for line in _abstract(records)),
        "    </abstract>",
        "    <keywordSet><keyword>Samplingevent</keyword></keywordSet>",
        *_rights(licence),
        *_coverage(records, names),
        f"    <contact>{who}</contact>",
        "    <methods>",
        "      <methodStep><description><para>"
        "Photographs straight down along the transects of a survey design; animals found by a detector, placed on the "
        "ground with their uncertainty, and counted once within their transect."
        "</para></description></methodStep>",
        *_detector(records),
        "    </methods>",
        "  </dataset>",
        "</eml:eml>",
    ]
    return "\n".join(lines) + "\n"


def _abstract(records: SurveyRecords) -> list[str]:
    lines = [f"{len(records.individuals)} individuals counted in {len(records.captures)} pictures."]
    for entry in records.estimates:
        if entry.value is None:
            continue
        where = "all strata" if entry.stratum is None else f"stratum {entry.stratum}"
        if entry.lower is None or entry.upper is None:
            limits = f"no limits: {entry.limits_reason}"
        else:
            limits = f"{entry.confidence:.0%} limits {entry.lower:.0f} to {entry.upper:.0f}"
        lines.append(f"{entry.species}, {where}: estimated {entry.value:.0f} ({limits}; {entry.method}).")
    if records.sensitive:
        lines.append(f"{', '.join(sorted(records.sensitive))}: {STATEMENT}.")
    return lines


def _rights(licence: Licence | None) -> list[str]:
    """Return the licence twice: in words, where GBIF looks for it, and as EML 2.2 has it."""
    if licence is None:
        return []
    link = f'<ulink url="{licence.url}"><citetitle>{_text(licence.name)}</citetitle></ulink>'
    return [
        f"    <intellectualRights><para>This work is licensed under a {link}.</para></intellectualRights>",
        f"    <licensed><licenseName>{_text(licence.name)}</licenseName><url>{licence.url}</url>"
        f"<identifier>{licence.identifier}</identifier></licensed>",
    ]


def _coverage(records: SurveyRecords, names: Names) -> list[str]:
    lines = ["    <coverage>"]
    shapes = [s.polygon for s in records.area.strata] if records.area else list(records.footprints.polygons)
    if shapes:
        west, south, east, north = shapely.total_bounds(shapes).tolist()
        lines += [
            "      <geographicCoverage>",
            f"        <geographicDescription>{_text(records.survey.protected_area or 'not stated')}"
            "</geographicDescription>",
            "        <boundingCoordinates>",
            f"          <westBoundingCoordinate>{west:.7f}</westBoundingCoordinate>",
            f"          <eastBoundingCoordinate>{east:.7f}</eastBoundingCoordinate>",
            f"          <northBoundingCoordinate>{north:.7f}</northBoundingCoordinate>",
            f"          <southBoundingCoordinate>{south:.7f}</southBoundingCoordinate>",
            "        </boundingCoordinates>",
            "      </geographicCoverage>",
        ]
    if records.times:
        first, last = (moment.astimezone(UTC).date().isoformat() for moment in records.times)
        lines.append(
            f"      <temporalCoverage><rangeOfDates><beginDate><calendarDate>{first}</calendarDate></beginDate>"
            f"<endDate><calendarDate>{last}</calendarDate></endDate></rangeOfDates></temporalCoverage>"
        )
    taxa = [_classification(label, names) for label in records.species if label in names.known]
    if taxa:
        lines.append(f"      <taxonomicCoverage>{''.join(taxa)}</taxonomicCoverage>")
    return [*lines, "    </coverage>"] if len(lines) > 1 else []


def _classification(label: str, names: Names) -> str:
    taxon = names.known[label]
    keys = ""
    if taxon.tsn is not None:
        keys += f'<taxonId provider="https://itis.gov">{taxon.tsn}</taxonId>'
    if taxon.gbif_key is not None:
        keys += f'<taxonId provider="https://gbif.org">{taxon.gbif_key}</taxonId>'
    rank = f"<taxonRankName>{_text(taxon.rank)}</taxonRankName>" if taxon.rank else ""
    return (
        f"<taxonomicClassification>{rank}<taxonRankValue>{_text(taxon.scientific_name)}</taxonRankValue>"
        f"<commonName>{_text(label)}</commonName>{keys}</taxonomicClassification>"
    )


def _detector(records: SurveyRecords) -> list[str]:
    if records.run is None:
        return []
    model = records.run.detector
    said = f"Detector {model.name}, SHA-256 {model.content_hash}, threshold {records.run.threshold}."
    return [f"      <methodStep><description><para>{_text(said)}</para></description></methodStep>"]


def _text(value: str) -> str:
    return escape(one_line(value))
