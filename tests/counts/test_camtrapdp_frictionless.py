"""Camtrap DP as frictionless reads it: the same rows, and the same rows refused, by the standard's own constraints."""

import json
import warnings

import pytest

from counts.exchange.camtrapdp import read_camtrap_dp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    frictionless = pytest.importorskip("frictionless", reason="frictionless is not installed")

TDWG = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.1"
TIME = {"type": "datetime", "format": "%Y-%m-%dT%H:%M:%S%z", "constraints": {"required": True}}
IDENTIFIER = {"type": "string", "constraints": {"required": True, "unique": True}}
TEXT = {"type": "string"}


def one_of(*words, required=False):
    return {"type": "string", "constraints": {"required": required, "enum": list(words)}}


def number(least, most, required=False, kind="number"):
    return {
        "type": kind,
        "constraints": {"required": required, "minimum": least, **({"maximum": most} if most else {})},
    }


# Names, types and constraints as in tdwg/camtrap-dp 1.0.1; of its fields those that are read.
FIELDS = {
    "deployments": {
        "deploymentID": IDENTIFIER,
        "latitude": number(-90, 90, required=True),
        "longitude": number(-180, 180, required=True),
        "deploymentStart": TIME,
        "deploymentEnd": TIME,
    },
    "media": {
        "mediaID": IDENTIFIER,
        "deploymentID": {"type": "string", "constraints": {"required": True}},
        "timestamp": TIME,
        "filePath": {"type": "string", "constraints": {"required": True}},
        "filePublic": {"type": "boolean", "constraints": {"required": True}},
        "fileMediatype": {"type": "string", "constraints": {"required": True}},
    },
    "observations": {
        "observationID": IDENTIFIER,
        "deploymentID": {"type": "string", "constraints": {"required": True}},
        "eventStart": TIME,
        "eventEnd": TIME,
        "observationLevel": one_of("media", "event", required=True),
        "observationType": one_of("animal", "human", "vehicle", "blank", "unknown", "unclassified", required=True),
        "scientificName": TEXT,
        "count": number(1, None, kind="integer"),
        "individualID": TEXT,
        "classificationMethod": one_of("human", "machine"),
        "classificationProbability": number(0, 1),
    },
}
ROWS = {
    "deployments": ["d1,-2.3,34.8,2026-01-01T00:00:00Z,2026-01-11T00:00:00+03:00"],
    "media": ["m1,d1,2026-01-02T06:00:00Z,a.jpg,false,image/jpeg"],
    "observations": [
        "o1,d1,2026-01-02T06:00:00Z,2026-01-02T06:01:00Z,event,animal,Loxodonta africana,3,Tim,human,",
        "o2,d1,2026-01-02T06:00:00Z,2026-01-02T06:00:00Z,media,blank,,,,machine,0.25",
    ],
}
BROKEN = {
    "deployments": [
        "d2,-92,34.8,2026-01-01T00:00:00Z,2026-01-11T00:00:00Z",
        "d3,-2.3,x,2026-01-01T00:00:00Z,2026-01-11T00:00:00Z",
        "d4,-2.3,34.8,2026-01-01T00:00:00,2026-01-11T00:00:00Z",
        "d5,-2.3,34.8,2026-13-01T00:00:00Z,2026-01-11T00:00:00Z",
        "d6,,34.8,2026-01-01T00:00:00Z,2026-01-11T00:00:00Z",
        "d1,-2.3,34.8,2026-01-01T00:00:00Z,2026-01-11T00:00:00Z",
    ],
    "observations": [
        "o3,d1,2026-01-02T06:00:00Z,2026-01-02T06:01:00Z,frame,animal,,,,,",
        "o4,d1,2026-01-02T06:00:00Z,2026-01-02T06:01:00Z,event,plant,,,,,",
        "o5,d1,2026-01-02T06:00:00Z,2026-01-02T06:01:00Z,event,animal,,0,,,",
        "o6,d1,2026-01-02T06:00:00Z,2026-01-02T06:01:00Z,event,animal,,2.5,,,",
        "o7,d1,2026-01-02T06:00:00Z,2026-01-02T06:01:00Z,event,animal,,,,,1.01",
        "o8,d1,2026-01-02T06:00:00Z,2026-01-02T06:01:00Z,event,animal,,,,guess,",
        "o9,d1,,2026-01-02T06:01:00Z,event,animal,,,,,",
        "o1,d1,2026-01-02T06:00:00Z,2026-01-02T06:01:00Z,event,animal,,,,,",
        "o10,d9,2026-01-02T06:00:00Z,2026-01-02T06:01:00Z,event,animal,,,,,",
    ],
}


def write(folder, rows):
    resources = []
    for name, fields in FIELDS.items():
        (folder / f"{name}.csv").write_text("\n".join([",".join(fields), *rows[name]]) + "\n")
        schema = {"fields": [{"name": n, **about} for n, about in fields.items()]}
        if name == "observations":
            reference = {"resource": "deployments", "fields": ["deploymentID"]}
            schema["foreignKeys"] = [{"fields": ["deploymentID"], "reference": reference}]
        resources.append({"name": name, "path": f"{name}.csv", "profile": "tabular-data-resource", "schema": schema})
    document = {"name": "cameras", "profile": f"{TDWG}/camtrap-dp-profile.json", "resources": resources}
    (folder / "datapackage.json").write_text(json.dumps(document))
    return folder


def by_frictionless(folder):
    """The package as frictionless sees it; the profile is an address, and nothing is fetched here."""
    document = json.loads((folder / "datapackage.json").read_text())
    del document["profile"]
    return frictionless.Package.from_descriptor(document, basepath=str(folder))


def test_frictionless_finds_the_same_in_a_sound_package(tmp_path):
    ours = read_camtrap_dp(write(tmp_path, ROWS))
    theirs = by_frictionless(tmp_path)
    assert theirs.validate().valid
    assert ours.skips == ()
    (place,) = theirs.get_resource("deployments").read_rows()
    assert (ours.deployments[0].latitude_deg, ours.deployments[0].longitude_deg) == (
        float(place["latitude"]),
        float(place["longitude"]),
    )
    assert (ours.deployments[0].start_utc, ours.deployments[0].end_utc) == (
        place["deploymentStart"],
        place["deploymentEnd"],
    )
    for seen, row in zip(ours.observations, theirs.get_resource("observations").read_rows(), strict=True):
        assert (seen.identifier, seen.species, seen.count, seen.individual) == (
            row["observationID"],
            row["scientificName"],
            row["count"],
            row["individualID"],
        )
        probability = row["classificationProbability"]
        assert seen.probability == (None if probability is None else float(probability))


@pytest.mark.parametrize("table", sorted(BROKEN))
def test_frictionless_refuses_the_same_rows(tmp_path, table):
    rows = {**ROWS, table: [*ROWS[table], *BROKEN[table]]}
    ours = read_camtrap_dp(write(tmp_path, rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = by_frictionless(tmp_path).validate()
    task = next(task for task in report.tasks if task.name == table)
    refused = {f"{table}, line {number}" for number in {row for (row,) in task.flatten(["rowNumber"]) if row}}
    assert refused == {s.item for s in ours.skips}
    assert len(refused) == len(BROKEN[table])
