"""Collars and patrols: fixes and tracks come in once, each with its own animal, time and place."""

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import shapely

from counts import store
from counts.exchange import ExportOptions, export_survey
from counts.store import elsewhere, received
from flightplan.errors import UnreadableFileError

_spec = importlib.util.spec_from_file_location("brought_in", Path(__file__).with_name("brought_in.py"))
brought_in = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(brought_in)
NOW, SURVEY, as_geojson, bring, checklist = (
    brought_in.NOW,
    brought_in.SURVEY,
    brought_in.as_geojson,
    brought_in.bring,
    brought_in.checklist,
)
line, written = brought_in.line, brought_in.written


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
