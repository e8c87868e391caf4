"""Networks of camera traps come in whole, and what breaks their standard is named."""

import gzip
import importlib.util
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from counts.store import elsewhere, received
from flightplan.errors import UnreadableFileError

_spec = importlib.util.spec_from_file_location("brought_in", Path(__file__).with_name("brought_in.py"))
brought_in = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(brought_in)
NOW, bring, checklist, line, written = (
    brought_in.NOW,
    brought_in.bring,
    brought_in.checklist,
    brought_in.line,
    brought_in.written,
)


# Camera networks

TDWG = "https://raw.githubusercontent.com/tdwg/camtrap-dp"
TABLES = ("deployments", "media", "observations")
DEPLOYMENTS = (
    "deploymentID,locationName,latitude,longitude,deploymentStart,deploymentEnd,cameraModel\n"
    "d1,River,-2.33,34.82,2026-01-01T00:00:00Z,2026-01-11T00:00:00Z,X\n"
    "d2,Hill,-2.34,34.83,2026-01-01T03:00:00+03:00,2026-01-06T03:00:00+03:00,\n"
)
MEDIA = (
    "mediaID,deploymentID,timestamp,filePath,filePublic,fileMediatype\n"
    "m1,d1,2026-01-02T06:00:00Z,https://example.org/m1.jpg,false,image/jpeg\n"
)
OBSERVATIONS = (
    "observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,observationType,scientificName,"
    "count,individualID,classificationMethod,classificationProbability\n"
    "o1,d1,,e1,2026-01-02T06:00:00Z,2026-01-02T06:01:00Z,event,animal,elephant,3,Tim,human,\n"
    "o2,d1,m1,e1,2026-01-02T06:00:00Z,2026-01-02T06:00:00Z,media,animal,elephant,2,,machine,0.9\n"
    "o3,d2,,e2,2026-01-04T06:00:00Z,2026-01-04T06:00:00Z,event,animal,elephant,1,Tim,human,\n"
    "o4,d2,,e3,2026-01-05T06:00:00Z,2026-01-05T06:00:00Z,event,blank,,,,,\n"
)


def camera_package(folder, deployments=DEPLOYMENTS, observations=OBSERVATIONS, version="1.0.1", **described):
    folder.mkdir()
    base = f"{TDWG}/{version}/"
    document = {
        "name": "park-cameras",
        "profile": base + "camtrap-dp-profile.json",
        "licenses": [{"name": "CC-BY-4.0", "scope": "data"}],
        "project": {"id": "P1"},
        "resources": [
            {
                "name": n,
                "path": f"{n}.csv",
                "profile": "tabular-data-resource",
                "schema": f"{base}{n}-table-schema.json",
            }
            for n in TABLES
        ],
        **described,
    }
    written(folder / "datapackage.json", json.dumps(document))
    for name, text in (("deployments", deployments), ("media", MEDIA), ("observations", observations)):
        written(folder / f"{name}.csv", text)
    return folder


def zipped(folder, out, top=""):
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{top}{path.name}")
    return out


def test_a_camera_network_comes_in_whole_from_a_folder_or_a_zip(census, tmp_path, checklist):
    folder = camera_package(tmp_path / "package")
    done = bring(census, "camtrapdp", folder, checklist=checklist)
    assert done.added == {"deployments": 2, "observations": 4}
    assert (done.skips, done.unresolved) == ((), ())
    again = bring(census, "camtrapdp", zipped(folder, tmp_path / "p.zip", top="package/"))
    assert again.known_since == NOW, "the same package in a zip is the same"
    with census.reading() as session:
        first, second = elsewhere.read_deployments(session)
        seen = elsewhere.read_camera_observations(session)
        (source,) = received.read_sources(session)
    assert (first.location, first.longitude_deg, first.latitude_deg) == ("River", 34.82, -2.33)
    assert second.start_utc == datetime(2026, 1, 1, tzinfo=UTC)
    assert {(o.identifier, o.level, o.kind, o.scientific_name, o.count, o.individual) for o in seen} == {
        ("o1", "event", "animal", "Loxodonta africana", 3, "Tim"),
        ("o2", "media", "animal", "Loxodonta africana", 2, None),
        ("o3", "event", "animal", "Loxodonta africana", 1, "Tim"),
        ("o4", "event", "blank", None, None, None),
    }
    assert (source.entry.origin, source.entry.version, source.entry.licence) == ("P1", "1.0.1", "CC-BY-4.0")


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        (
            "deployments",
            "d3,,91,34,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,",
            "its latitude 91 is not between -90 and 90",
        ),
        (
            "deployments",
            "d3,,-2,34,2026-01-01T00:00:00,2026-01-02T00:00:00Z,",
            "the time '2026-01-01T00:00:00' has no time zone",
        ),
        ("deployments", "d3,,-2,34,2026-01-03T00:00:00Z,2026-01-02T00:00:00Z,", "it ends before it starts"),
        ("deployments", "d1,,-2,34,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,", "'d1' is on a line before it"),
        ("deployments", "d3,,-2,,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,", "it has no longitude"),
        (
            "observations",
            "o5,d9,,,2026-01-02T06:00:00Z,2026-01-02T06:00:00Z,event,animal,,,,,",
            "there is no usable deployment 'd9'",
        ),
        (
            "observations",
            "o5,d1,,,2026-01-02T06:00:00Z,2026-01-02T06:00:00Z,frame,animal,,,,,",
            "its observationLevel is 'frame', not one of event, media",
        ),
        (
            "observations",
            "o5,d1,,,2026-01-02T06:00:00Z,2026-01-02T06:00:00Z,event,animal,,0,,,",
            "'0' is no number of 1 or more",
        ),
        (
            "observations",
            "o5,d1,,,2026-01-02T06:00:00Z,2026-01-02T06:00:00Z,event,animal,,,,,1.5",
            "its classificationProbability 1.5 is not between 0 and 1",
        ),
    ],
)
def test_a_row_that_breaks_the_standard_is_named_and_the_rest_comes_in(census, tmp_path, table, row, reason):
    tables = {"deployments": DEPLOYMENTS, "observations": OBSERVATIONS}
    line = tables[table].count("\n") + 1
    tables[table] += row + "\n"
    done = bring(census, "camtrapdp", camera_package(tmp_path / "package", **tables))
    assert [(s.item, s.reason) for s in done.skips] == [(f"{table}, line {line}", reason)]
    assert done.added == {"deployments": 2, "observations": 4}


@pytest.mark.parametrize(
    ("described", "says"),
    [
        ({"profile": "https://specs.frictionlessdata.io/schemas/data-package.json"}, "not of a Camtrap DP"),
        ({"profile": f"{TDWG}/0.6/camtrap-dp-profile.json"}, "Camtrap DP 0.6"),
        ({"resources": [{"name": "deployments", "path": "deployments.csv"}]}, "no table media, observations"),
        ({"resources": [{"name": "deployments", "path": "https://example.org/d.csv"}]}, "nothing is fetched"),
        ({"resources": [{"name": n, "path": "../secret.csv"} for n in TABLES]}, "outside of itself"),
        ({"resources": [{"name": n, "path": "/etc/passwd"} for n in TABLES]}, "outside of itself"),
    ],
)
def test_what_is_no_camtrap_dp_or_reaches_out_of_itself_is_refused(census, tmp_path, described, says):
    with pytest.raises(UnreadableFileError, match=says):
        bring(census, "camtrapdp", camera_package(tmp_path / "package", **described))


def test_a_link_out_of_a_package_is_not_followed(census, tmp_path):
    folder = camera_package(tmp_path / "package")
    (folder / "media.csv").unlink()
    (folder / "media.csv").symlink_to(written(tmp_path / "secret.csv", MEDIA))
    with pytest.raises(UnreadableFileError, match="outside of itself"):
        bring(census, "camtrapdp", folder)


@pytest.mark.parametrize("packed", ["zip", "gzip"])
def test_what_unpacks_without_end_is_refused(census, tmp_path, packed, monkeypatch):
    monkeypatch.setattr("counts.exchange.untrusted.Package.read.__defaults__", (1 << 20,))
    folder = camera_package(tmp_path / "package")
    bomb = DEPLOYMENTS.encode() + b"\n" * (2 << 20)
    if packed == "gzip":
        document = json.loads((folder / "datapackage.json").read_text())
        document["resources"][0]["path"] = "deployments.csv.gz"
        written(folder / "datapackage.json", json.dumps(document))
        (folder / "deployments.csv.gz").write_bytes(gzip.compress(bomb))
    else:
        (folder / "deployments.csv").write_bytes(bomb)
        folder = zipped(folder, tmp_path / "bomb.zip")
        assert folder.stat().st_size < 10_000
    with pytest.raises(UnreadableFileError, match="unpacks to more than 1 MB"):
        bring(census, "camtrapdp", folder)
