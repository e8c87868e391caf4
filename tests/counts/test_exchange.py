"""Exports: what others read back is what the census has, and of sensitive species no more than a cell and a day."""

import importlib.util
import json
import re
import sqlite3
import warnings
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from counts import store
from counts.exchange import STANDARDS
from counts.exchange.darwincore import EVENT, HUMBOLDT, OCCURRENCE
from counts.exchange.files import one_line, spreadsheet_text
from detect.captures import Capture
from flightplan.errors import CensusError

_spec = importlib.util.spec_from_file_location("exported", Path(__file__).with_name("exported.py"))
exported = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(exported)
HOSTILE, SMART, SURVEY, archive_tables, bytes_of = (
    exported.HOSTILE,
    exported.SMART,
    exported.SURVEY,
    exported.archive_tables,
    exported.bytes_of,
)
export, hostile, opened, rows_of, truth = (
    exported.export,
    exported.hostile,
    exported.opened,
    exported.rows_of,
    exported.truth,
)


@pytest.mark.parametrize("standard", sorted(STANDARDS))
def test_the_same_census_gives_the_same_bytes_and_leaves_nothing_unfinished(opened, standard, tmp_path):
    end = ".gpkg" if standard == "geopackage" else ""
    for out in (f"a{end}", f"b{end}"):
        done = export(opened, standard, tmp_path / out, sensitive=["zebra"], mapping=SMART)
        assert all(path.is_file() for path in done.files)
    assert bytes_of(tmp_path / f"a{end}") == bytes_of(tmp_path / f"b{end}")
    assert not list(tmp_path.rglob("*.part"))


def test_csv_has_every_individual_and_estimate_of_the_census(opened, truth, tmp_path):
    individuals, estimates = truth
    done = export(opened, "csv", tmp_path / "tables")
    rows = rows_of(tmp_path / "tables" / "individuals.csv")
    assert done.counts["individuals"] == len(rows) == len(individuals)
    assert [r["species"] for r in rows] == individuals.species.tolist()
    lonlat = np.array([[float(r["longitude_deg"]), float(r["latitude_deg"])] for r in rows])
    assert np.abs(lonlat - individuals.lonlat).max() <= 0.5e-7 + 1e-12
    assert [r["transect"] for r in rows] == list(individuals.transect)
    # A circle of 95 % around a standard deviation of 1.5 m in both directions.
    assert {float(r["position_uncertainty_m"]) for r in rows} == {3.7}
    assert len(rows_of(tmp_path / "tables" / "sightings.csv")) == len(individuals)
    told = rows_of(tmp_path / "tables" / "estimates.csv")
    assert [float(r["value"]) for r in told] == [e.value for e in estimates]
    assert [r["stratum"] for r in told] == [e.stratum or "" for e in estimates]


def test_unknown_stays_empty(hostile, tmp_path):
    export(hostile, "csv", tmp_path, survey=HOSTILE)
    (row,) = rows_of(tmp_path / "individuals.csv")
    for name in ("position_uncertainty_m", "time_utc", "day", "transect", "stratum"):
        assert row[name] == ""
    assert rows_of(tmp_path / "estimates.csv") == []


def test_a_spreadsheet_runs_no_name_as_a_formula(hostile, tmp_path):
    export(hostile, "csv", tmp_path, survey=HOSTILE)
    (row,) = rows_of(tmp_path / "individuals.csv")
    assert row["species"] == "'" + HOSTILE
    assert row["latitude_deg"] == "-2.0"


@given(st.text())
def test_text_for_others_never_starts_a_formula_and_has_no_control_characters(text):
    assert not spreadsheet_text(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    line = one_line(text)
    assert not re.search("[\x00-\x1f\x7f]", line)
    ElementTree.fromstring(f"<a>{line.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}</a>")


def test_geojson_is_read_by_an_independent_model(opened, truth, tmp_path):
    models = pytest.importorskip("geojson_pydantic", reason="geojson-pydantic is not installed")
    export(opened, "geojson", tmp_path, layers=("individuals", "estimates", "transects"))
    for name in ("individuals", "estimates", "transects"):
        read = models.FeatureCollection.model_validate_json((tmp_path / f"{name}.geojson").read_text())
        assert len(read.features) > 0
    assert len(json.loads((tmp_path / "individuals.geojson").read_text())["features"]) == len(truth[0])


def test_geojson_rings_turn_as_the_standard_asks_and_the_total_has_no_place(opened, tmp_path):
    export(opened, "geojson", tmp_path)
    features = json.loads((tmp_path / "estimates.geojson").read_text())["features"]
    assert {f["properties"]["stratum"] for f in features if f["geometry"] is None} == {None}
    shapes = [shapely.geometry.shape(f["geometry"]) for f in features if f["geometry"]]
    assert shapes
    assert all(part.exterior.is_ccw for shape in shapes for part in shape.geoms)


def test_the_geopackage_copy_has_the_layers_asked_for_and_nothing_else(opened, truth, tmp_path):
    out = tmp_path / "others.gpkg"
    export(opened, "geopackage", out, layers=("individuals", "strata"))
    assert sorted(name for name, _ in pyogrio.list_layers(out)) == ["individuals", "strata"]
    meta, _, geometry, fields = pyogrio.raw.read(out, layer="individuals")
    assert meta["crs"] == "EPSG:4326"
    lonlat = shapely.get_coordinates(shapely.from_wkb(geometry))
    assert np.array_equal(lonlat, truth[0].lonlat)
    assert fields[list(meta["fields"]).index("species")].tolist() == truth[0].species.tolist()
    with closing(sqlite3.connect(out)) as file, file:
        assert file.execute("PRAGMA application_id").fetchone() == (0x47504B47,)
        tables = {row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    file.close()
    assert tables == {"gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys", "individuals", "strata"}


def test_a_geopackage_is_named_so_that_readers_know_it(opened, tmp_path):
    with pytest.raises(CensusError, match=r"ends in \.gpkg"):
        export(opened, "geopackage", tmp_path / "others.zip")


def test_every_layer_of_the_geopackage_is_read(opened, tmp_path):
    names = ("individuals", "sightings", "estimates", "strata", "transects", "footprints")
    done = export(opened, "geopackage", tmp_path / "all.gpkg", layers=names)
    for name in names:
        assert pyogrio.read_info(tmp_path / "all.gpkg", layer=name)["features"] == done.counts[name] > 0


def test_no_export_takes_the_place_of_a_census(filled, tmp_path):
    before = (tmp_path / "filled.gpkg").read_bytes()[:4096]
    for standard in ("geopackage", "coco", "darwincore"):
        with pytest.raises(CensusError, match="is a census"):
            export(filled, standard, tmp_path / "filled.gpkg")
    assert (tmp_path / "filled.gpkg").read_bytes()[:4096] == before


def test_coco_is_read_by_its_own_tools(opened, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tools = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    export(opened, "coco", tmp_path / "coco.json")
    read = tools.COCO(str(tmp_path / "coco.json"))
    with opened.reading() as session:
        run = store.latest_detection_run(session, store.find_survey(session, SURVEY).survey_id)
        table = store.read_detections(session, run.run_id)
    assert len(read.getImgIds()) == run.captures_done
    assert len(read.getAnnIds()) == len(table)
    for category in read.loadCats(read.getCatIds()):
        found = sum(table.labels[i] == category["name"] for i in table.label_ids)
        assert len(read.getAnnIds(catIds=[category["id"]])) == found
    box = read.loadAnns([1])[0]["bbox"]
    x_min, y_min, x_max, y_max = table.boxes_px[0]
    assert box == pytest.approx([x_min, y_min, x_max - x_min, y_max - y_min], abs=0.01)


def test_yolo_labels_turn_back_into_the_boxes(opened, tmp_path):
    done = export(opened, "yolo", tmp_path)
    listed = rows_of(tmp_path / "pictures.csv")
    assert done.counts["images"] == len(listed)
    with opened.reading() as session:
        survey = store.find_survey(session, SURVEY).survey_id
        table = store.read_detections(session, store.latest_detection_run(session, survey).run_id)
        path = {c.capture_id: c.capture.path.as_posix() for c in store.read_captures(session, survey)}
    where = {row["picture"]: tmp_path / row["labels"] for row in listed}
    found = {}
    for picture, file in where.items():
        numbers = [[float(v) for v in line.split()] for line in file.read_text().splitlines()]
        found[picture] = np.array(numbers).reshape(-1, 5)
    assert sum(map(len, found.values())) == len(table)
    first = found[path[int(table.capture_id[0])]][0]
    centre, size = first[1:3] * [800, 600], first[3:] * [800, 600]
    box = np.clip(table.boxes_px[0], 0, [800, 600, 800, 600])
    assert np.concatenate([centre - size / 2, centre + size / 2]) == pytest.approx(box, abs=0.01)
    empty = [p for p, rows in found.items() if not len(rows)]
    assert empty, "a picture with nothing found has an empty file"


def test_a_picture_never_looked_at_is_no_empty_picture(census, pictures, tmp_path):
    with census.writing() as session:
        survey = store.find_survey(session, pictures).survey_id
        late = Capture(Path("late.jpg"), "ef" * 32, 10, 10)
        store.add_captures(session, survey, [store.CaptureEntry(late)])
    for standard in ("coco", "yolo"):
        done = export(census, standard, tmp_path / standard, survey=pictures)
        assert done.counts["images"] == 3
        assert ("late.jpg", "the detector has not looked at it") in [(s.item, s.reason) for s in done.skips]


def test_a_picture_s_path_writes_nothing_outside_the_folder(hostile, tmp_path):
    out = tmp_path / "deep" / "yolo"
    done = export(hostile, "yolo", out, survey=HOSTILE)
    assert all(path.resolve().is_relative_to(out.resolve()) for path in done.files)
    names = (out / "data.yaml").read_text()
    assert len(names.splitlines()) == 5
    line = next((out / "labels").rglob("*.txt")).read_text().split()
    assert line == ["0", "0.550000", "0.300000", "0.900000", "0.200000"]


def test_the_archive_is_read_by_an_independent_reader(opened, truth, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = pytest.importorskip("dwca.read", reason="python-dwca-reader is not installed")
    done = export(opened, "darwincore", tmp_path / "a.zip", taxa={"elephant": "Loxodonta africana"}, publisher="Park")
    with reader.DwCAReader(str(tmp_path / "a.zip")) as archive:
        assert archive.descriptor.core.type == EVENT
        assert {e.type for e in archive.descriptor.extensions} == {OCCURRENCE, HUMBOLDT}
        events = list(archive)
        assert len(events) == done.counts["events"] == 1 + 2 + 26
        rows = [row for event in events for row in event.extensions if row.rowtype == OCCURRENCE]
        status = [row.data["http://rs.tdwg.org/dwc/terms/occurrenceStatus"] for row in rows]
        assert status.count("present") == done.counts["present"] == len(truth[0])
        assert status.count("absent") == done.counts["absent"]
        inventories = [row for event in events for row in event.extensions if row.rowtype == HUMBOLDT]
        assert len(inventories) == len(events)
        assert archive.metadata.find(".//title").text == "Aerial wildlife survey 2026-wet of Demo park"


def test_a_species_is_absent_where_it_was_looked_for_and_not_counted_and_nowhere_else(opened, truth, tmp_path):
    export(opened, "darwincore", tmp_path / "a.zip")
    tables = archive_tables(tmp_path / "a.zip")
    individuals, _ = truth
    seen = {(t, s) for t, s in zip(individuals.transect, individuals.species.tolist(), strict=True)}
    with opened.reading() as session:
        lines = [t for s in store.read_strata(session, 1) for t in s.transects]
    expected = {(t.identifier, s) for t in lines for s in ("elephant", "zebra")} - seen
    absent = [r for r in tables["occurrence"] if r["occurrenceStatus"] == "absent"]
    assert {(r["eventID"].rsplit(":", 1)[1], r["vernacularName"]) for r in absent} == expected
    assert expected
    assert {r["individualCount"] for r in absent} == {"0"}
    events = {e["eventID"]: e for e in tables["event"]}
    assert all(r["eventID"] in events for r in tables["occurrence"])
    assert all(e["parentEventID"] in events for e in tables["event"] if e["parentEventID"])
    ids = [r["occurrenceID"] for r in tables["occurrence"]]
    assert len(set(ids)) == len(ids)
    for row in tables["humboldt"]:
        assert row["isAbsenceReported"] == "true"
        assert bool(row["samplingEffortValue"]) == bool(row["samplingEffortUnit"])


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("Loxodonta africana", "species"),
        ("Equus sp.", ""),
        ("Equus spp", ""),
        ("Equus", ""),
        ("Equus quagga boehmi", ""),
    ],
)
def test_only_a_species_name_has_the_rank_of_a_species(opened, tmp_path, name, rank):
    export(opened, "darwincore", tmp_path / "a.zip", taxa={"elephant": name})
    rows = [r for r in archive_tables(tmp_path / "a.zip")["occurrence"] if r["vernacularName"] == "elephant"]
    assert {(r["scientificName"], r["taxonRank"]) for r in rows} == {(name, rank)}


def test_an_event_s_time_is_that_of_its_own_pictures(opened, tmp_path):
    export(opened, "darwincore", tmp_path / "a.zip")
    events = {e["eventID"]: e for e in archive_tables(tmp_path / "a.zip")["event"]}
    first, last = events[f"{SURVEY}:transect:woodland-01"]["eventDate"].split("/")
    assert (first, last) == ("2026-02-14T06:30:04.800Z", "2026-02-14T06:31:16.800Z")
    assert events[f"{SURVEY}:stratum:woodland"]["eventDate"].split("/")[0] == first
    assert (
        events[SURVEY]["eventDate"].split("/")[1] == events[f"{SURVEY}:stratum:floodplain"]["eventDate"].split("/")[1]
    )


def test_a_survey_never_counted_claims_no_absence(hostile, tmp_path):
    export(hostile, "darwincore", tmp_path / "a.zip", survey=HOSTILE)
    tables = archive_tables(tmp_path / "a.zip")
    assert [r["occurrenceStatus"] for r in tables["occurrence"]] == ["present"]
    assert tables["occurrence"][0]["scientificName"] == ""
    assert [r["isAbsenceReported"] for r in tables["humboldt"]] == ["false"]


def test_hostile_names_leave_the_archive_well_formed(hostile, tmp_path):
    export(hostile, "darwincore", tmp_path / "a.zip", survey=HOSTILE, publisher="<b>&")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        root = ElementTree.fromstring(archive.read("eml.xml"))
        ElementTree.fromstring(archive.read("meta.xml"))
    assert root.find(".//creator/organizationName").text == "<b>&"
    assert root.find(".//title").text.startswith("Aerial wildlife survey " + one_line(HOSTILE))
    assert root.find(".//script") is None


@pytest.mark.parametrize("standard", sorted(STANDARDS))
def test_hostile_names_are_only_names(hostile, standard, tmp_path):
    mapping = {"species": {HOSTILE: {"category": "animals.live"}}}
    out = tmp_path / ("out.gpkg" if standard == "geopackage" else "out")
    done = export(hostile, standard, out, survey=HOSTILE, sensitive=[HOSTILE], mapping=mapping)
    assert all(path.resolve().is_relative_to(tmp_path.resolve()) for path in done.files)
    if standard == "geopackage":
        meta, _, _, fields = pyogrio.raw.read(out, layer="individuals")
        assert dict(zip(meta["fields"], fields, strict=True))["species"].tolist() == [HOSTILE]


def test_smart_has_a_waypoint_for_what_each_picture_shows(opened, truth, tmp_path):
    done = export(opened, "smart", tmp_path / "smart.json", mapping=SMART, zone="Africa/Dar_es_Salaam")
    features = json.loads((tmp_path / "smart.json").read_text())["features"]
    assert done.counts["waypoints"] == len(features)
    numbers = [
        f["properties"]["smartAttributes"]["observationGroups"][0]["observations"][0]["attributes"]["numberofanimals"]
        for f in features
    ]
    assert sum(numbers) == len(truth[0])
    first = features[0]["properties"]
    assert (first["smartDataType"], first["smartFeatureType"]) == ("incident", "waypoint/new")
    utc = re.search(r"2026-02-14T(\d\d):", first["smartAttributes"]["comment"])[1]
    assert first["dateTime"][11:13] == f"{int(utc) + 3:02d}"
    assert len({f["properties"]["smartAttributes"]["incidentUuid"] for f in features}) == len(features)


def test_smart_patrols_are_the_sorties_with_their_tracks(opened, tmp_path):
    patrol = {"transportType": "uav", "mandate": "research", "members": ["a"], "leader": "a"}
    export(opened, "smart", tmp_path / "smart.json", mapping={**SMART, "patrol": patrol})
    features = json.loads((tmp_path / "smart.json").read_text())["features"]
    kinds = [f["properties"]["smartFeatureType"] for f in features]
    assert kinds.count("start") == 2
    uuids = [f["properties"]["smartAttributes"]["patrolUuid"] for f in features]
    assert set(uuids) == {uuid for uuid, kind in zip(uuids, kinds, strict=True) if kind == "start"}
    assert {f["properties"]["smartDataType"] for f in features} == {"patrol"}
    del patrol["mandate"]
    with pytest.raises(CensusError, match="does not say mandate"):
        export(opened, "smart", tmp_path / "b.json", mapping={**SMART, "patrol": patrol})


def test_smart_names_the_species_that_the_park_s_data_model_does_not_have(opened, tmp_path):
    mapping = {"species": {"elephant": SMART["species"]["elephant"]}}
    done = export(opened, "smart", tmp_path / "smart.json", mapping=mapping)
    assert [s.item for s in done.skips] == ["zebra"]
    with pytest.raises(CensusError, match="no category for any species"):
        export(opened, "smart", tmp_path / "none.json")


def test_earthranger_spells_places_as_each_of_its_services_does(opened, truth, tmp_path):
    done = export(opened, "earthranger", tmp_path)
    events = json.loads((tmp_path / "events.json").read_text())
    assert sum(e["event_details"]["wildlifesightingrep_numberanimals"] for e in events) == len(truth[0])
    assert set(events[0]["location"]) == {"latitude", "longitude"}
    observations = json.loads((tmp_path / "observations.json").read_text())
    assert set(observations[0]["location"]) == {"lat", "lon"}
    assert done.counts["observations"] == len(observations) > 0
    assert [o["recorded_at"] for o in observations] == sorted(o["recorded_at"] for o in observations)


def test_what_has_no_time_is_named_not_dated(hostile, tmp_path):
    done = export(hostile, "earthranger", tmp_path, survey=HOSTILE)
    assert [s.reason for s in done.skips] == ["the time it was seen is not known"]
    assert json.loads((tmp_path / "events.json").read_text()) == []
