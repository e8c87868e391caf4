"""What others observed comes into the census once, whole, and with every row that cannot be used by its line."""

import gzip
import json
import zipfile
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely

from counts import store
from counts.exchange import ExportOptions, export_survey
from counts.exchange.checklist import read_checklist
from counts.exchange.importing import STANDARDS_IN, ImportOptions, import_standard
from counts.store import elsewhere, received
from flightplan.errors import CensusError, UnreadableFileError

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


# Names of species


def test_a_name_is_resolved_by_any_of_its_spellings_and_never_guessed(checklist):
    found = checklist.resolve(["Elephant", "elephas  africanus", "Loxodonta africana", "zebra", "elefant"])
    assert {name: taxon.gbif_key for name, taxon in found.known.items()} == {
        "Elephant": 2435350,
        "elephas  africanus": 2435350,
        "Loxodonta africana": 2435350,
    }
    reasons = {s.item: s.reason for s in found.unresolved}
    assert set(reasons) == {"zebra", "elefant"}
    assert "Equus grevyi, Equus quagga" in reasons["zebra"], "a name of two species means none"


def test_an_accepted_name_goes_before_another_species_synonym(tmp_path):
    text = "scientificName,synonyms\nEquus quagga,Equus burchellii\nEquus burchellii,\n"
    found = read_checklist(written(tmp_path / "s.csv", text)).resolve(["Equus burchellii"])
    assert found.known["Equus burchellii"].scientific_name == "Equus burchellii"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Panthera leo,,,12x,,,", "its TSN '12x' is no number"),
        (",lion,,,,,", "it has no scientific name"),
        ("loxodonta  AFRICANA,,,,,,", "loxodonta AFRICANA is on a line before it"),
        ("Panthera leo,lion", "it has 2 cells, the header 7"),
    ],
)
def test_a_line_of_a_checklist_that_cannot_be_is_named(tmp_path, line, reason):
    found = read_checklist(written(tmp_path / "s.csv", CHECKLIST + line + "\n"))
    assert [(s.item, s.reason) for s in found.skips] == [("line 5", reason)]
    assert len(found) == 3


def test_the_census_keeps_the_checklist_that_came_last(census, tmp_path):
    bring(census, "checklist", written(tmp_path / "a.csv", CHECKLIST))
    later = "scientificName,vernacularName,TSN\nSyncerus caffer,buffalo,625078\n"
    assert bring(census, "checklist", written(tmp_path / "b.csv", later)).added == {"species": 1}
    with census.reading() as session:
        assert [(t.scientific_name, t.tsn) for t in elsewhere.read_taxa(session)] == [("Syncerus caffer", 625078)]


# Collars

MOVEBANK = (
    "event-id,visible,timestamp,location-long,location-lat,individual-taxon-canonical-name,tag-local-identifier,"
    "individual-local-identifier,study-name\n"
)


def fix(minute, longitude, animal="Tim", tag="t1"):
    return f"1,true,2026-02-14 06:{minute:02d}:00.000,{longitude},-2.33,Loxodonta africana,{tag},{animal},Park\n"


def test_a_newer_download_of_a_study_adds_only_what_is_new(census, tmp_path):
    first = written(tmp_path / "jan.csv", MOVEBANK + fix(0, 34.82) + fix(10, 34.83))
    later = written(tmp_path / "feb.csv", MOVEBANK + fix(0, 34.82) + fix(10, 34.83) + fix(20, 34.84, tag="t2"))
    assert bring(census, "movebank", first).added == {"fixes": 2}
    again = bring(census, "movebank", first)
    assert (again.added, again.known_since) == ({}, NOW)
    assert bring(census, "movebank", later).added == {"fixes": 1}
    with census.reading() as session:
        (track,) = received.read_tracks(session)
    assert (track.origin, track.individual, track.taxon, track.tags) == (
        "Park",
        "Tim",
        "Loxodonta africana",
        ("t1", "t2"),
    )
    assert track.lonlat.tolist() == [[34.82, -2.33], [34.83, -2.33], [34.84, -2.33]]
    assert (
        track.times_utc.tolist()
        == np.array(["2026-02-14T06:00", "2026-02-14T06:10", "2026-02-14T06:20"], dtype="datetime64[ms]").tolist()
    )


def test_the_same_animal_of_two_studies_is_two(census, tmp_path):
    bring(census, "movebank", written(tmp_path / "a.csv", MOVEBANK + fix(0, 34.82)))
    bring(census, "movebank", written(tmp_path / "b.csv", MOVEBANK + fix(0, 34.82) + fix(1, 34.8)), origin="other")
    with census.reading() as session:
        assert [t.origin for t in received.read_tracks(session)] == ["Park", "other"]


def test_a_collar_that_changed_its_animal_gives_each_its_own_fixes(census, tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    place = {"longitude": 34.8, "latitude": -2.3}
    rows = [
        {"id": str(h), "location": place, "recorded_at": f"2026-02-14T{h:02d}:00:00Z", "source": "collar", **more}
        for h, more in [(6, {}), (8, {}), (10, {}), (11, {"exclusion_flags": 1})]
    ]
    written(folder / "observations.json", json.dumps({"data": {"results": rows, "next": None}}))
    subjects = [
        {"id": "a", "subject_type": "wildlife", "subject_subtype": "elephant"},
        {"id": "b", "subject_type": "wildlife", "subject_subtype": "rhino"},
    ]
    written(folder / "subjects.json", json.dumps({"data": subjects}))
    worn = [
        {
            "source": "collar",
            "subject": "a",
            "assigned_range": {"lower": "2026-02-14T00:00:00Z", "upper": "2026-02-14T07:00:00Z"},
        },
        {
            "source": "collar",
            "subject": "b",
            "assigned_range": {"lower": "2026-02-14T07:30:00Z", "upper": "2026-02-14T09:00:00Z"},
        },
    ]
    written(folder / "subjectsources.json", json.dumps({"data": {"results": worn}}))
    done = bring(census, "earthranger", folder, origin="park")
    assert done.added == {"fixes": 2}
    assert [(s.item, s.reason) for s in done.skips] == [
        ("observation 3", "no subject is known to have worn the source 'collar' at its time"),
        ("observation 4", "the site excludes it"),
    ]
    with census.reading() as session:
        assert [(t.individual, t.taxon, len(t)) for t in received.read_tracks(session)] == [
            ("a", "elephant", 1),
            ("b", "rhino", 1),
        ]


def test_a_site_s_word_for_an_animal_becomes_its_scientific_name_where_the_checklist_is_sure(
    census, tmp_path, checklist
):
    times = {"times": ["2026-02-14T06:00:00Z"]}
    features = [
        line(
            {"type": "LineString", "coordinates": [[34.8, -2.3]]},
            id=kind, subject_type="wildlife", subject_subtype=kind, coordinateProperties=times,
        )
        for kind in ("elephant", "zebra")
    ]  # fmt: skip
    path = written(tmp_path / "tracks.json", as_geojson(*features))
    done = bring(census, "earthranger", path, checklist=checklist)
    assert [s.item for s in done.unresolved] == ["zebra"]
    with census.reading() as session:
        assert [t.taxon for t in received.read_tracks(session)] == ["Loxodonta africana", "zebra"]


def test_a_collar_alone_is_no_animal(census, tmp_path):
    row = {"location": {"longitude": 34.8, "latitude": -2.3}, "recorded_at": "2026-02-14T06:00:00Z", "source": "c"}
    done = bring(census, "earthranger", written(tmp_path / "o.json", json.dumps([row])))
    assert done.added == {}
    assert "no subject is known" in done.skips[0].reason


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


# Patrols

GEOM = shapely.to_wkb(shapely.LineString([(34.80, -2.30), (34.81, -2.30)]), hex=True)
PATROL_XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<ns2:patrol xmlns:ns2="http://www.smartconservationsoftware.org/xml/1.3/patrol" patrolType="GROUND" id="SMART_7"
  startDate="2026-02-14" endDate="2026-02-14" isArmed="false">
 <ns2:legs startDate="2026-02-14" endDate="2026-02-14" id="1">
  <ns2:transportType languageCode="en" value="Foot"/>
  <ns2:days date="2026-02-14" startTime="06:00:00" endTime="09:30:00" restMinutes="0.0">
   <ns2:track distance="1.1" geom="{GEOM}"/>
   <ns2:waypoints id="1" x="34.805" y="-2.3" time="07:00:00"><ns2:groups>
    <ns2:observations categoryKey="animals.live.">
     <ns2:attributes attributeKey="species"><ns2:itemKey>elephant.</ns2:itemKey></ns2:attributes>
     <ns2:attributes attributeKey="numberofanimals"><ns2:dValue>4.0</ns2:dValue></ns2:attributes>
     <ns2:attributes attributeKey="age"><ns2:sValue>mixed</ns2:sValue></ns2:attributes>
    </ns2:observations>
    <ns2:observations categoryKey="humanactivity.snare."/>
   </ns2:groups></ns2:waypoints>
   <ns2:waypoints id="2" x="340" y="-2.3" time="07:10:00"><ns2:observations categoryKey="animals.live.">
     <ns2:attributes attributeKey="species"><ns2:itemKey>zebra</ns2:itemKey></ns2:attributes>
   </ns2:observations></ns2:waypoints>
  </ns2:days>
 </ns2:legs>
</ns2:patrol>"""


def test_a_patrol_of_smart_has_its_track_its_local_times_and_what_it_saw_of_animals(census, tmp_path):
    path = written(tmp_path / "patrol.xml", PATROL_XML)
    done = bring(census, "smart", path, zone="Africa/Dar_es_Salaam")
    assert done.added == {"patrols": 1, "sightings": 1}
    assert done.notes == ("1 observations have no attribute 'species' and are no sightings",)
    assert [s.item for s in done.skips] == ["waypoint SMART_7/1/2026-02-14/2, observation 1"]
    with census.reading() as session:
        (patrol,) = elsewhere.read_patrols(session)
        (seen,) = elsewhere.read_reported(session)
    assert (patrol.identifier, patrol.transport) == ("SMART_7", "Foot")
    assert (patrol.started_utc, patrol.ended_utc) == (
        datetime(2026, 2, 14, 3, tzinfo=UTC),
        datetime(2026, 2, 14, 6, 30, tzinfo=UTC),
    )
    # A hundredth of a degree of longitude at 2.3 degrees south on WGS 84.
    assert patrol.length_m == pytest.approx(1112.3, abs=0.2)
    assert (seen.species, seen.count, seen.time_utc) == ("elephant.", 4, datetime(2026, 2, 14, 4, tzinfo=UTC))
    assert seen.details == {"category": "animals.live.", "patrol": "SMART_7", "age": "mixed"}
    assert bring(census, "smart", path).known_since == NOW


GPX = """<gpx xmlns="http://www.topografix.com/GPX/1/1"><trk><name>A</name><trkseg>
<trkpt lat="-2.30" lon="34.80"><time>2026-02-14T06:00:00Z</time></trkpt>
<trkpt lat="-2.30" lon="34.81"><time>2026-02-14T06:30:00Z</time></trkpt></trkseg></trk>
<trk><name>B</name><trkseg><trkpt lat="x" lon="1"/></trkseg></trk></gpx>"""
POINTS = "patrol_id,datetime,x,y\nA,2026-02-14T06:30:00Z,34.81,-2.30\nA,2026-02-14T06:00:00Z,34.80,-2.30\nA,,0,0\n"


def as_geojson(*features):
    return json.dumps({"type": "FeatureCollection", "features": list(features)})


def line(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


@pytest.mark.parametrize(
    ("name", "text", "patrol", "skipped"),
    [
        ("t.gpx", GPX, "t/A", ["track 2 (B)"]),
        ("t.csv", POINTS, "A", ["line 4"]),
        (
            "t.geojson",
            as_geojson(
                line(
                    {"type": "LineString", "coordinates": [[34.80, -2.30], [34.81, -2.30]]},
                    patrol_id="A",
                    start="2026-02-14T06:00:00Z",
                    end="2026-02-14T06:30:00Z",
                ),
                line(None, patrol_id="B"),
            ),
            "A",
            ["feature 2"],
        ),
    ],
)
def test_tracks_of_patrols_come_in_the_same_from_each_format(census, tmp_path, name, text, patrol, skipped):
    done = bring(census, "smart", written(tmp_path / name, text))
    assert [s.item for s in done.skips] == skipped
    with census.reading() as session:
        (found,) = elsewhere.read_patrols(session)
    assert found.identifier == patrol
    assert found.length_m == pytest.approx(1112.3, abs=0.2)
    assert (found.started_utc, found.ended_utc) == (
        datetime(2026, 2, 14, 6, tzinfo=UTC),
        datetime(2026, 2, 14, 6, 30, tzinfo=UTC),
    )
    assert shapely.get_coordinates(found.track).tolist() == [[34.80, -2.30], [34.81, -2.30]]


def test_what_overfly_sends_to_smart_it_reads_back_as_patrols(filled, tmp_path):
    patrol = {"transportType": "uav", "mandate": "research", "members": ["a"], "leader": "a"}
    elephant = {"category": "animals", "count": "n", "attributes": {"species": "elephant"}}
    mapping = {"species": {"elephant": elephant}, "patrol": patrol}
    export_survey(filled, SURVEY, "smart", tmp_path / "out.json", options=ExportOptions(mapping=mapping))
    done = bring(filled, "smart", tmp_path / "out.json", count_key="n")
    assert (done.added["patrols"], done.skips, done.notes) == (2, (), ())
    with filled.reading() as session:
        patrols = elsewhere.read_patrols(session)
        seen = elsewhere.read_reported(session)
        individuals = store.read_individuals(session, store.latest_identity_run(session, 1))
        shots = [c.capture for c in store.read_captures(session, 1, usable=True)]
    assert patrols[0].started_utc == min(c.time_utc for c in shots if c.time_utc).replace(microsecond=0)
    assert patrols[0].transport == "uav"
    assert sum(s.count for s in seen) == (individuals.species == "elephant").sum()
    # The way is the drone's: where animals were is no corner of it.
    assert sum(len(shapely.get_coordinates(p.track)) for p in patrols) == len(shots) + 2


def test_a_shapefile_of_patrols_is_turned_into_degrees(census, tmp_path):
    import pyogrio
    import pyproj

    turn = pyproj.Transformer.from_crs(4326, 32736, always_xy=True)
    corners = np.column_stack(turn.transform([34.80, 34.81], [-2.30, -2.30]))
    pyogrio.raw.write(
        tmp_path / "tracks.shp",
        np.array([shapely.to_wkb(shapely.linestrings(corners))], dtype=object),
        [np.array(["P7"], dtype=object), np.array(["2026-02-14"], dtype=object)],
        ["Patrol_ID", "Start_Date"],
        crs="EPSG:32736",
        geometry_type="LineString",
    )
    assert bring(census, "smart", tmp_path / "tracks.shp").added == {"patrols": 1}
    with census.reading() as session:
        (patrol,) = elsewhere.read_patrols(session)
    assert patrol.identifier == "P7"
    assert patrol.started_utc is None, "a day alone is no time"
    assert shapely.get_coordinates(patrol.track) == pytest.approx(np.array([[34.80, -2.30], [34.81, -2.30]]), abs=1e-7)


def test_xml_with_entities_is_refused(census, tmp_path):
    bomb = '<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><patrol id="x">&b;</patrol>'
    for name in ("p.xml", "p.gpx"):
        with pytest.raises(UnreadableFileError, match="declares entities"):
            bring(census, "smart", written(tmp_path / name, bomb))


def test_xml_that_nests_without_end_is_refused(census, tmp_path):
    deep = "<patrol id='x'>" + "<a>" * 200 + "</a>" * 200 + "</patrol>"
    with pytest.raises(UnreadableFileError, match="nests deeper"):
        bring(census, "smart", written(tmp_path / "p.xml", deep))


# Sightings of others

SIGHTINGS = (
    "Art;Lon;Lat;eventDate;count;Zaun\n"
    "elephant;34.8;-2.3;2026-02-14T06:00;3;north\n"
    "elephant;34.8;-2.3;2026-02-14;;\n"
    "elephant;34.8;-2.3;2026-02-14;;\n"
    "zebra;234.8;-2.3;2026-02-14;2;\n"
    "zebra;34.8;-2.3;2026-02-14;0;\n"
    ";34.8;-2.3;2026-02-14;1;\n"
)


def test_a_table_of_sightings_keeps_what_was_said_and_nothing_more(census, tmp_path, checklist):
    path = written(tmp_path / "rangers.csv", SIGHTINGS)
    done = bring(
        census, "sightings", path, columns={"species": "Art"}, zone="Africa/Dar_es_Salaam", checklist=checklist
    )
    assert done.added == {"sightings": 3}
    assert [(s.item, s.reason) for s in done.skips] == [
        ("line 5", "longitude 234.8, latitude -2.3 is not on the globe"),
        ("line 6", "it reports an absence, which is no sighting"),
        ("line 7", "it names no species"),
    ]
    with census.reading() as session:
        first, second, third = elsewhere.read_reported(session)
    assert (first.scientific_name, first.count, first.time_utc) == (
        "Loxodonta africana",
        3,
        datetime(2026, 2, 14, 3, tzinfo=UTC),
    )
    assert first.details == {"Zaun": "north"}
    assert (second.count, second.time_utc, second.details) == (None, None, {"day": "2026-02-14"})
    assert second.identifier != third.identifier, "two rows that say the same are two sightings"


def test_a_name_that_the_checklist_does_not_have_is_kept_as_said_and_listed(census, tmp_path, checklist):
    text = "species,lon,lat\nzebra,34.8,-2.3\n"
    done = bring(census, "sightings", written(tmp_path / "a.csv", text), checklist=checklist)
    assert [s.item for s in done.unresolved] == ["zebra"]
    with census.reading() as session:
        (seen,) = elsewhere.read_reported(session)
    assert (seen.species, seen.scientific_name) == ("zebra", None)


def test_overfly_s_own_geojson_comes_back_as_sightings(filled, tmp_path):
    export_survey(filled, SURVEY, "geojson", tmp_path, options=ExportOptions(layers=("individuals",)))
    done = bring(filled, "sightings", tmp_path / "individuals.geojson")
    with filled.reading() as session:
        individuals = store.read_individuals(session, store.latest_identity_run(session, 1))
        seen = elsewhere.read_reported(session)
    assert done.added == {"sightings": len(individuals)}
    assert sorted(s.longitude_deg for s in seen) == pytest.approx(sorted(individuals.lonlat[:, 0]), abs=1e-7)


def test_hostile_cells_are_only_text(census, tmp_path):
    text = 'species,lon,lat,remarks\n"=cmd|""/C calc""!A1",34.8,-2.3,"<script>"\n'
    bring(census, "sightings", written(tmp_path / "a.csv", text))
    with census.reading() as session:
        (seen,) = elsewhere.read_reported(session)
    assert (seen.species, seen.remarks) == ('=cmd|"/C calc"!A1', "<script>")


# Boxes of others


@pytest.mark.parametrize("standard", ["coco", "yolo"])
def test_boxes_that_went_out_come_back_as_a_layer_of_their_own(filled, tmp_path, standard):
    out = tmp_path / "boxes"
    export_survey(filled, SURVEY, standard, out)
    with filled.reading() as session:
        before = store.latest_detection_run(session, 1)
        boxes = store.read_detections(session, before.run_id)
    done = bring(filled, standard, out, survey=SURVEY)
    assert done.added == {"pictures": before.captures_done, "detections": len(boxes)}
    with filled.reading() as session:
        run = store.latest_detection_run(session, 1)
        assert run.run_id != before.run_id
        again = store.read_detections(session, run.run_id)
    assert sorted(again.capture_id.tolist()) == sorted(boxes.capture_id.tolist())
    # YOLO keeps six decimals of the picture's side and cuts boxes off at its edge.
    size = [800, 600, 800, 600]
    expected = np.clip(boxes.boxes_px, 0, size) if standard == "yolo" else boxes.boxes_px
    assert np.sort(again.boxes_px, axis=0) == pytest.approx(np.sort(expected, axis=0), abs=0.011)
    assert bring(filled, standard, out, survey=SURVEY).added == {}


def test_boxes_of_pictures_that_the_survey_does_not_have_are_named(census, pictures, tmp_path):
    text = (
        "image,label,xmin,ymin,xmax,ymax,score\n"
        "photos/DJI_0000.JPG,bird,10,10,20,20,0.5\n"
        "DJI_0001.JPG,,,,,,\n"
        "other.jpg,bird,10,10,20,20,0.5\n"
        "DJI_0000.JPG,bird,20,10,10,20,0.5\n"
    )
    done = bring(census, "detections", written(tmp_path / "b.csv", text), survey=pictures)
    assert done.added == {"pictures": 2, "detections": 1}
    assert [(s.item, s.reason) for s in done.skips] == [
        ("line 4", "the survey has no one picture of that name"),
        ("line 5", "its box has no size"),
    ]


@pytest.mark.parametrize(
    "names",
    ["names: [bird, hare]", 'names: ["bird", "hare"]', "names:\n- bird\n- hare", "names:\n  0: bird\n  1: hare"],
)
def test_the_classes_of_yolo_labels_are_read_however_they_are_written(census, pictures, tmp_path, names):
    folder = tmp_path / "y"
    (folder / "labels").mkdir(parents=True)
    written(folder / "data.yaml", f"path: .\nnc: 2\n{names}\ntrain: images\n")
    written(folder / "labels" / "DJI_0000.txt", "1 0.5 0.5 0.1 0.2\n")
    bring(census, "yolo", folder, survey=pictures)
    with census.reading() as session:
        table = store.read_detections(session, store.latest_detection_run(session, 1).run_id)
    assert [table.labels[i] for i in table.label_ids] == ["hare"]
    assert table.boxes_px.tolist() == [pytest.approx([1800, 1200, 2200, 1800])]


# What all have in common


NOT_THEM = (b"", b"\x00\xff\xfe", b"{}", b"a,b\n1,2\n", b"<x/>", b"[" * 5000, b"PK\x03\x04broken")


@pytest.mark.parametrize("standard", STANDARDS_IN)
def test_a_file_of_something_else_is_refused_and_leaves_the_census_as_it_was(census, pictures, tmp_path, standard):
    for content in NOT_THEM:
        for name in ("file.csv", "file.json", "file.xml"):
            path = tmp_path / name
            path.write_bytes(content)
            with pytest.raises((UnreadableFileError, CensusError)):
                bring(census, standard, path, survey=pictures)
    with census.reading() as session:
        assert received.read_sources(session) == ()


def test_bad_rows_stay_with_the_source_they_were_in(census, tmp_path):
    path = written(tmp_path / "a.csv", "species,lon,lat\nzebra,34.8,-2.3\nzebra,,\n")
    bring(census, "sightings", path)
    with census.reading() as session:
        (source,) = received.read_sources(session)
    assert (source.found, source.added, source.skipped, source.skips) == (1, 1, 1, ("line 3: it has no place",))
