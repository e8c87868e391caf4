"""Files of others as text, and bringing them into a census."""

import json
from datetime import UTC, datetime

import pytest

from counts.exchange.checklist import read_checklist
from counts.exchange.importing import ImportOptions, import_standard

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SURVEY = "2026-wet"
CHECKLIST = (
    "scientificName,vernacularName,synonyms,TSN,gbifKey,taxonRank,listed\n"
    "Loxodonta africana,African elephant|elephant,Elephas africanus,584938,2435350,species,CITES I\n"
    "Equus quagga,plains zebra|zebra,Equus burchellii,,4409288,species,no\n"
    "Equus grevyi,Grevy's zebra|zebra,,,2440890,species,Endangered\n"
)


def bring(census, standard, path, **options):
    return import_standard(census, standard, path, ImportOptions(**options), now=NOW)


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def checklist(tmp_path):
    return read_checklist(written(tmp_path / "species.csv", CHECKLIST))


def as_geojson(*features):
    return json.dumps({"type": "FeatureCollection", "features": list(features)})


def line(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}
