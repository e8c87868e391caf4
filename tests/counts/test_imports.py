"""What others observed comes into the census once, whole, and with every row that cannot be used by its line."""

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from counts import store
from counts.exchange import ExportOptions, export_survey
from counts.exchange.checklist import read_checklist
from counts.exchange.importing import STANDARDS_IN
from counts.store import elsewhere, received
from flightplan.errors import CensusError, UnreadableFileError

_spec = importlib.util.spec_from_file_location("brought_in", Path(__file__).with_name("brought_in.py"))
brought_in = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(brought_in)
CHECKLIST, SURVEY, bring, checklist, line = (
    brought_in.CHECKLIST,
    brought_in.SURVEY,
    brought_in.bring,
    brought_in.checklist,
    brought_in.line,
)
written = brought_in.written


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
