"""Whatever is in a file of others, reading it ends in what could be read or in one clear refusal."""

import csv
import json
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counts.exchange.camtrapdp import read_camtrap_dp
from counts.exchange.checklist import read_checklist
from counts.exchange.earthranger_subjects import read_earthranger
from counts.exchange.importing import zone_of
from counts.exchange.labels_in import read_labels
from counts.exchange.movebank import read_movebank
from counts.exchange.reported import read_reported_csv, read_reported_geojson
from counts.exchange.smart_model import read_data_model
from counts.exchange.smart_patrols import read_smart_patrols
from counts.exchange.untrusted import Package, as_json, csv_rows, moment, read_bytes, whole
from counts.store import StoredCapture
from detect.captures import Capture
from flightplan.errors import CensusError, UnreadableFileError

ZONE = zone_of("UTC")
GEOM = shapely.to_wkb(shapely.LineString([(34, -2), (34.1, -2)]), hex=True)
PATROL = f"""<patrol xmlns="http://www.smartconservationsoftware.org/xml/1.2/patrol" id="P"><legs id="1">
<days date="2026-02-14" startTime="06:00:00" endTime="07:00:00"><track geom="{GEOM}"/>
<waypoints id="1" x="34" y="-2" time="06:10:00"><observations categoryKey="a">
<attributes attributeKey="species"><sValue>elephant</sValue></attributes></observations></waypoints></days></legs>
</patrol>"""
GPX = """<gpx><trk><trkseg><trkpt lat="-2" lon="34"><time>2026-02-14T06:00:00Z</time></trkpt>
<trkpt lat="-2" lon="34.1"/></trkseg></trk></gpx>"""
POINTS = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"species": "elephant", "patrol_id": "A", "time": "2026-02-14T06:00:00Z"},
            "geometry": {"type": "Point", "coordinates": [34.0, -2.0]},
        }
    ],
}
TRACKS = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {"type": "LineString", "coordinates": [[34.0, -2.0]]},
            "properties": {
                "id": "a",
                "subject_type": "wildlife",
                "coordinateProperties": {"times": ["2026-02-14T06:00:00Z"]},
            },
        }
    ],
}
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    "categories": [{"id": 1, "name": "bird"}],
}
MODEL = (
    '<DataModel><attributes><attribute key="n" type="NUMERIC"/></attributes><categories><category key="a" '
    'isactive="true"><attribute attributekey="n" isactive="true"/></category></categories></DataModel>'
)
ROWS = [{"location": {"longitude": 34, "latitude": -2}, "recorded_at": "2026-02-14T06:00:00Z", "subject_id": "a"}]
WAYPOINTS = [
    {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [34, -2]},
        "properties": {
            "dateTime": "2026-02-14T06:00:00",
            "smartFeatureType": "waypoint/new",
            "smartAttributes": {
                "observationGroups": [
                    {"observations": [{"observationUuid": "u", "category": "a", "attributes": {"species": "zebra"}}]}
                ]
            },
        },
    }
]
CAPTURES = [StoredCapture(1, Capture(Path("a.jpg"), "ab" * 32, 100, 100), None, None, None, None, None)]
READERS = {
    "a.csv": (
        read_movebank,
        "timestamp,location-long,location-lat,individual-local-identifier\n2026-02-14 06:00:00.000,34,-2,Tim\n",
    ),
    "b.csv": (lambda path: read_reported_csv(path, ZONE), "species,lon,lat,time\nzebra,34,-2,2026-02-14T06:00\n"),
    "c.csv": (lambda path: read_smart_patrols(path, ZONE), "patrol_id,time,x,y\nA,2026-02-14T06:00:00Z,34,-2\n"),
    "d.csv": (read_checklist, "scientificName,vernacularName,TSN\nEquus quagga,zebra,1\n"),
    "e.csv": (lambda path: read_labels("csv", path, CAPTURES), "image,label,xmin,ymin,xmax,ymax\na.jpg,bird,1,2,3,4\n"),
    "f.json": (read_earthranger, json.dumps(TRACKS)),
    "g.json": (lambda path: read_reported_geojson(path, ZONE), json.dumps(POINTS)),
    "h.json": (lambda path: read_smart_patrols(path, ZONE), json.dumps(POINTS)),
    "i.json": (lambda path: read_labels("coco", path, CAPTURES), json.dumps(COCO)),
    "j.xml": (lambda path: read_smart_patrols(path, ZONE), PATROL),
    "k.gpx": (lambda path: read_smart_patrols(path, ZONE), GPX),
    "l.xml": (read_data_model, MODEL),
    "n.json": (lambda path: read_smart_patrols(path, ZONE), json.dumps(WAYPOINTS)),
    "m.json": (read_earthranger, json.dumps(ROWS)),
}
PIECES = [
    b"", b"\x00", b"\xff", b"-1e999", b"NaN", b"null", b"[]", b"{}", b'"', b"<", b">", b"&a;", b"9" * 400, b"\n", b",",
    b"0001-01-01T00:00:00+14:00", b"true", b"Infinity", b"\xf0\x9f\x90\x98",
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(READERS))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_a_file_that_was_damaged_anywhere_is_read_or_refused(tmp_path, name, data):
    reader, text = READERS[name]
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        end = min(len(content), start + data.draw(st.integers(0, 12)))
        content[start:end] = data.draw(st.sampled_from(PIECES))
    path = tmp_path / name
    path.write_bytes(content)
    with suppress(UnreadableFileError, CensusError):
        reader(path)


@pytest.mark.parametrize("name", sorted(READERS))
def test_the_undamaged_file_is_read_in_full(tmp_path, name):
    reader, text = READERS[name]
    (tmp_path / name).write_text(text)
    assert not getattr(reader(tmp_path / name), "skips", ())


@given(st.text(max_size=30))
def test_a_moment_is_in_utc_or_is_none(text):
    try:
        found = moment(text)
    except ValueError:
        return
    assert found.utcoffset().total_seconds() == 0
    assert 1970 <= found.year <= 2200


@given(st.text(max_size=12))
def test_a_whole_number_is_whole_or_is_none(text):
    try:
        found = whole(text)
    except ValueError:
        return
    assert found is None or (isinstance(found, int) and 0 <= found <= 1e9)


def test_a_row_of_another_length_is_named_by_its_line():
    text = 'a,b\n1,2\n\n"x\ny",2\n1,2,3\n'
    rows = list(csv_rows(text, "t.csv"))
    assert rows[0] == (1, {"a": "", "b": ""})
    assert [line for line, _ in rows[1:]] == [2, 5, 6]
    assert rows[-1][1] == {"": "it has 3 cells, the header 2"}


@pytest.mark.parametrize("text", ["a,a\n1,2\n", "", "\n1\n", 'a,b\n"' + "x" * 200_000 + '",1\n'])
def test_what_is_no_table_is_refused_whatever_other_libraries_allow(text):
    allowed = csv.field_size_limit(10**9)
    try:
        with pytest.raises(UnreadableFileError):
            list(csv_rows(text, "t.csv"))
    finally:
        csv.field_size_limit(allowed)


def test_a_device_a_folder_and_a_giant_are_no_files(tmp_path):
    with (tmp_path / "giant").open("wb") as file:
        file.truncate((1 << 28) + 1)
    for path in ("/dev/zero", tmp_path, tmp_path / "giant", tmp_path / "none"):
        with pytest.raises(UnreadableFileError):
            read_bytes(tmp_path / path)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "C:\\x", "..\\x", ""])
def test_a_name_that_leads_out_of_a_package_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("../x", "secret")
    for package in (Package(tmp_path / "p.zip"), Package(tmp_path)):
        with pytest.raises(UnreadableFileError, match="outside of itself"):
            package.read(name)


def test_a_zip_whose_sizes_lie_is_read_no_further_than_the_limit(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * (3 << 20))
    # Sizes stand little-endian in the file's own header (offset 22) and in the directory's (24 after its mark).
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[22:26] = content[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError):
        Package(path).read("a.csv", 1 << 20)


def test_numbers_that_are_no_json_numbers_are_only_numbers():
    assert as_json(b'[1e400, "x"]', "x")[1] == "x"
    with pytest.raises(UnreadableFileError):
        as_json(b"9" * 5000, "x")


def test_a_folder_that_is_no_package_says_what_is_missing(tmp_path):
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_camtrap_dp(tmp_path)
