"""The census as a file: it opens, migrates, refuses what is not one, and keeps what it acknowledged."""

import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, inspect, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from counts import migrations, store
from counts.address import address_of
from counts.audit import verify
from counts.census import Census
from counts.columns import UtcTime
from counts.geopackage import Geometry, decode, decode_many, encode, encode_points
from counts.schema import AuditEntry, Base, Capture, Survey
from flightplan.errors import CensusError, Skip

BOTH = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)
coordinates = st.tuples(st.floats(-180, 180), st.floats(-90, 90))


def test_looking_at_a_census_again_keeps_others_from_taking_its_log_away(tmp_path):
    path = tmp_path / "census.gpkg"
    with Census.open(path) as census:
        with census.writing() as session:
            store.add_survey(session, name="first")
        address_of(path, create=False)
        Census.open(path).close()
        # The last program to close a census writes its log into it and removes it: this one is not the last.
        other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM surveys'); c.close()"
        subprocess.run([sys.executable, "-c", other, str(path)], check=True)
        assert path.with_name("census.gpkg-wal").exists()
        with census.writing() as session:
            store.add_survey(session, name="second")
        with census.reading() as session:
            assert session.scalars(select(Survey.name).order_by(Survey.fid)).all() == ["first", "second"]


@pytest.mark.parametrize("content", [b"x", b"SQLite format 3\x00", b"no database " * 100])
def test_what_is_no_database_is_refused_and_left_as_it_is(tmp_path, content):
    path = tmp_path / "census.gpkg"
    path.write_bytes(content)
    with pytest.raises(CensusError, match="nor any GeoPackage"):
        Census.open(path)
    assert path.read_bytes() == content


def test_a_new_census_is_a_geopackage_that_other_programs_recognise(tmp_path):
    path = tmp_path / "census.gpkg"
    Census.open(path).close()
    header = path.read_bytes()[:100]
    assert header[68:72] == b"GPKG"
    assert int.from_bytes(header[60:64], "big") == 10300
    layers = dict(pyogrio.list_layers(path).tolist())
    assert layers["footprints"] == "Polygon"
    assert layers["strata"] == "MultiPolygon"


def test_every_layer_of_a_filled_census_reads_with_its_crs_and_geometries(filled):
    filled.close()
    path = filled.where
    counts = {}
    for layer, kind in pyogrio.list_layers(path):
        meta, _, geometry, _ = pyogrio.raw.read(path, layer=layer)
        if kind is None:
            assert geometry is None
            continue
        assert meta["crs"] == "EPSG:4326", layer
        shapes = shapely.from_wkb(geometry)
        assert shapely.is_valid(shapes[~shapely.is_missing(shapes)]).all(), layer
        if not len(shapes):
            continue
        west, south, east, north = shapely.total_bounds(shapes)
        assert 34.80 < west <= east < 34.86, layer
        assert -2.34 < south <= north < -2.32, layer
        counts[layer] = len(shapes)
    assert counts["strata"] == 2
    assert counts["transects"] == 26
    assert counts["sorties"] == 2
    assert counts["captures"] == counts["footprints"] == 26 * 16
    assert counts["individuals"] == counts["sightings"] > 100


@BOTH
@pytest.mark.filterwarnings("ignore:Did not recognize type 'geometry'")
def test_the_migrations_build_exactly_the_tables_of_the_models(census):
    with census.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": _compare_type, "include_name": _is_not_of_the_geopackage}
        )
        assert compare_metadata(context, Base.metadata) == []


def _compare_type(context, column, model_column, found, wanted):
    return (
        False if isinstance(wanted, Geometry | UtcTime) else None
    )  # SQLite reads POINT as an INT; the layers' test sees kinds


def _is_not_of_the_geopackage(name, kind, _):
    if kind == "index":
        return not name.startswith("gist_")
    return not (kind == "table" and name.startswith(("gpkg_", "rtree_", "layer_styles", "spatial_ref_sys")))


@BOTH
def test_migrations_go_down_and_up_again_on_a_filled_census(filled, fill):
    revisions = [r.revision for r in ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions()]
    assert filled.revision() == revisions[0]
    before = rows_of(filled)
    assert before["individuals"] > 100
    for revision in revisions[1:]:
        filled.downgrade(revision)
        assert filled.revision() == revision
        if revision == "r0004":  # the audit is older than all that was taken away
            filled.upgrade()
            with filled.reading() as session:
                assert verify(session).sound
            worked_out_again = {"tallies"} | {name for name, count in rows_of(filled).items() if count == before[name]}
            assert worked_out_again == set(before)
            filled.downgrade(revision)
    filled.upgrade()
    kept = rows_of(filled)
    assert {name for name in before if kept[name] != before[name]} <= {"audit", "verification_samples"}
    filled.downgrade("base")
    assert set(inspect(filled.engine).get_table_names()) - {"alembic_version", "spatial_ref_sys"} == set()
    filled.upgrade()
    fill(filled)


def rows_of(census):
    with census.reading() as session:
        return {
            t.name: session.execute(select(func.count()).select_from(t)).scalar_one()
            for t in Base.metadata.sorted_tables
        }


def test_a_census_of_a_newer_overfly_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "census.gpkg"
    Census.open(path).close()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE alembic_version SET version_num = 'r9999'")
    file.close()
    before = path.read_bytes()
    with pytest.raises(CensusError, match=r"newer overfly.*r9999"):
        Census.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name,count\nelephant,3\n", "is not a census"),
        (b"SQLite format 3\x00" + b"\x00" * 200, "damaged|not a census"),
    ],
)
def test_a_file_that_is_not_a_census_is_refused_and_left_as_it_is(tmp_path, content, says):
    path = tmp_path / "census.gpkg"
    path.write_bytes(content)
    with pytest.raises(CensusError, match=says):
        Census.open(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE birds (name TEXT)")
    file.close()
    before = path.read_bytes()
    with pytest.raises(CensusError, match="is a database, but not a census"):
        Census.open(path)
    assert path.read_bytes() == before


def test_another_programs_geopackage_is_refused(tmp_path):
    path = tmp_path / "parcels.gpkg"
    pyogrio.raw.write(
        path, np.array([shapely.to_wkb(shapely.box(0, 0, 1, 1))], dtype=object), [], [], layer="parcels",
        crs="EPSG:4326", geometry_type="Polygon", driver="GPKG",
    )  # fmt: skip
    with pytest.raises(CensusError, match="a GeoPackage, but not a census"):
        Census.open(path)


def test_a_file_whose_tables_have_no_readable_names_is_refused(tmp_path, blank_file):
    path = tmp_path / "census.gpkg"
    content = blank_file.read_bytes()
    assert b"tablegpkg_contents" in content
    path.write_bytes(content.replace(b"tablegpkg_contents", b"table\x8bpkg_contents"))
    with pytest.raises(CensusError, match="damaged"):
        Census.open(path, create=False)


def test_a_census_that_must_exist_is_not_made(tmp_path):
    with pytest.raises(CensusError, match="no census here"):
        Census.open(tmp_path / "census.gpkg", create=False)
    assert not list(tmp_path.iterdir())
    with pytest.raises(CensusError, match="folder does not exist"):
        Census.open(tmp_path / "nowhere" / "census.gpkg")
    with pytest.raises(CensusError, match="is a folder"):
        Census.open(tmp_path)


WRITER = """
import os, sys
from counts import store
from counts.census import Census
from counts.columns import UtcTime
census = Census.open(sys.argv[1])
with census.writing() as session:
    survey = store.add_survey(session, name="acknowledged")
print("acknowledged", flush=True)
with census.writing() as session:
    store.add_survey(session, name="not acknowledged")
    session.flush()
    os._exit(9)
"""


def test_what_was_acknowledged_is_on_disk_when_the_writer_is_killed(tmp_path):
    path = tmp_path / "census.gpkg"
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path)],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (9, "acknowledged\n")
    with Census.open(path, create=False) as census, census.reading() as session:
        assert store.latest_survey(session).name == "acknowledged"


def store_is_whole(census):
    with census.writing() as session:
        return store.add_survey(session, name="first") == 1


HALF_MADE = """
import os, sys
from counts import census
census._check_foreign_keys = lambda *_: os._exit(9)
census.Census.open(sys.argv[1])
"""


def test_a_census_whose_making_was_killed_is_made_the_next_time(tmp_path):
    path = tmp_path / "census.gpkg"
    done = subprocess.run([sys.executable, "-c", HALF_MADE, str(path)], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 9
    assert path.exists()
    with Census.open(path) as census:
        assert store_is_whole(census)


def test_two_writers_take_turns_and_both_are_kept(census):
    def write(name):
        for number in range(5):
            with census.writing() as session:
                store.add_survey(session, name=f"{name}-{number}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ("a", "b")))
    with census.reading() as session:
        names = set(session.scalars(select(Survey.name)))
    assert names == {f"{name}-{number}" for name in "ab" for number in range(5)}


def test_a_reader_sees_one_state_while_another_writes(census):
    with census.reading() as session:
        assert session.scalars(select(Survey.name)).all() == []
        with census.writing() as other:
            store.add_survey(other, name="new")
        assert session.scalars(select(Survey.name)).all() == []
    with census.reading() as session:
        assert session.scalars(select(Survey.name)).all() == ["new"]


def test_a_full_disk_is_said_and_what_was_there_stays(census):
    def write_more_than_there_is_room_for():
        with census.writing() as session:
            pages = session.scalar(text("PRAGMA page_count"))
            session.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
            store.add_skips(session, 1, "ingest", [Skip(f"{i}.jpg", "x" * 500) for i in range(200)])

    with census.writing() as session:
        store.add_survey(session, name="before")
    with pytest.raises(CensusError, match="full"):
        write_more_than_there_is_room_for()
    with census.reading() as session:
        assert store.latest_survey(session).name == "before"
        assert store.read_skips(session, 1) == ()


def test_every_style_for_qgis_names_a_layer_and_is_xml(census):
    with census.engine.connect() as connection:
        rows = connection.execute(text("SELECT f_table_name, f_geometry_column, styleQML FROM layer_styles")).all()
        layers = set(connection.execute(text("SELECT table_name, column_name FROM gpkg_geometry_columns")).all())
    assert {(row[0], row[1]) for row in rows} == layers
    kinds = {fromstring(row[2], forbid_dtd=False).find("renderer-v2/symbols/symbol").get("type") for row in rows}
    assert kinds == {"fill", "line", "marker"}


def test_a_block_that_fails_leaves_nothing_behind(census):
    with pytest.raises(CensusError, match="no sortie"), census.writing() as session:
        store.record_flight(session, store.add_survey(session, name="half"), "sortie-01")
    with census.reading() as session, pytest.raises(CensusError, match="has none yet"):
        store.find_survey(session, "half")


def test_rows_that_point_to_nothing_are_refused(census):
    with pytest.raises(CensusError, match="FOREIGN KEY"), census.writing() as session:
        session.execute(text("INSERT INTO skips (survey_id, stage, item, reason) VALUES (99, 'ingest', 'a', 'b')"))


@given(st.lists(coordinates, min_size=2, max_size=6))
def test_a_geometry_comes_back_from_geopackage_binary_to_the_last_bit(points):
    line = shapely.LineString(points)
    assert decode(encode(line)).equals_exact(line, 0)
    assert encode(line)[:4] == b"GP\x00\x03"


@given(st.lists(st.one_of(st.none(), coordinates), max_size=6))
def test_many_points_are_read_at_once_and_unknown_stays_none(points):
    shapes = [None if p is None else shapely.Point(p) for p in points]
    back = decode_many([None if s is None else encode(s) for s in shapes])
    assert [None if s is None else s.coords[0] for s in back] == points


@given(st.lists(coordinates, max_size=4))
def test_many_points_are_written_at_once_as_each_of_them_would_be(points):
    assert encode_points(points) == [encode(shapely.Point(p)) for p in points]


def test_a_geometry_with_height_written_by_another_program_is_read_flat():
    blob = b"GP\x00\x05" + (4326).to_bytes(4, "little") + bytes(48) + shapely.to_wkb(shapely.Point(1, 2, 3))
    assert decode(blob).equals(shapely.Point(1, 2))


def test_bytes_that_are_no_geometry_are_refused():
    with pytest.raises(CensusError, match="not GeoPackage binary"):
        decode(b"\x01\x02")


def test_a_geometry_of_the_wrong_kind_is_refused(census):
    with pytest.raises(CensusError, match="cannot be stored"), census.writing() as session:
        session.execute(
            Base.metadata.tables["launch_sites"].insert(),
            [{"survey_id": 1, "name": "camp", "point": shapely.box(0, 0, 1, 1)}],
        )


def test_an_unknown_position_stays_unknown(census):
    with census.reading() as session:
        assert session.scalars(select(Capture.position)).all() == []


def test_the_tables_can_be_made_in_postgresql_as_they_are():
    made = [str(CreateTable(t).compile(dialect=postgresql.dialect())) for t in Base.metadata.sorted_tables]
    assert len(made) == len(Base.metadata.tables)
    assert "time_utc TIMESTAMP WITH TIME ZONE" in "".join(made)
    assert "polygon geometry(POLYGON,4326)" in "".join(made)


def test_a_copy_of_the_file_has_a_writer_of_its_own(filled, tmp_path):
    filled.close()
    with Census.open(shutil.copy(filled.where, tmp_path / "copy.gpkg")) as copy:
        with copy.writing() as session:
            store.add_import(session, 1, "flights", found=1, added=1)
        with copy.reading() as session:
            assert len(set(session.scalars(select(AuditEntry.writer)))) == 2
            assert verify(session).sound
