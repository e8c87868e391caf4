"""The census as a GeoPackage: indexed layers, right extents, and open to other programs."""

import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pyogrio
import pytest
import shapely
from shapely.geometry import Point, box

from counts import store
from counts.bulk import insert_points
from counts.census import Census
from counts.geopackage import encode_points
from counts.schema import Base
from counts.spatial_index import register_functions


@pytest.fixture
def plain(filled_file, tmp_path):
    """The filled census as a plain program opens it."""
    connection = sqlite3.connect(shutil.copy(filled_file, tmp_path / "census.gpkg"))
    yield connection
    connection.close()


def layers(plain):
    return plain.execute("SELECT table_name, column_name FROM gpkg_geometry_columns ORDER BY 1").fetchall()


def shapes(path, layer, **where):
    _, fids, geometry, _ = pyogrio.raw.read(path, layer=layer, return_fids=True, **where)
    return dict(zip(fids.tolist(), shapely.from_wkb(geometry), strict=True))


def test_it_keeps_what_a_geopackage_requires(plain):
    assert plain.execute("PRAGMA application_id").fetchone()[0] == 0x47504B47
    assert plain.execute("PRAGMA user_version").fetchone()[0] == 10300
    assert plain.execute("PRAGMA foreign_key_check").fetchall() == []
    assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    systems = {row[0] for row in plain.execute("SELECT srs_id FROM gpkg_spatial_ref_sys")}
    assert {-1, 0, 4326} <= systems
    tables = {row[0] for row in plain.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    listed = plain.execute("SELECT table_name, data_type, srs_id FROM gpkg_contents").fetchall()
    assert {row[0] for row in listed} <= tables
    features = {row[0] for row in listed if row[1] == "features"}
    assert features == {row[0] for row in layers(plain)}
    for table, column in layers(plain):
        columns = {row[1]: (row[2], row[5]) for row in plain.execute(f"PRAGMA table_info({table})")}
        kind = plain.execute(
            "SELECT geometry_type_name FROM gpkg_geometry_columns WHERE table_name = ?", [table]
        ).fetchone()[0]
        assert columns[column] == (kind, 0), table
        assert columns["fid"] == ("INTEGER", 1), table


def test_every_layer_has_an_r_tree_with_its_triggers_listed_as_an_extension(plain):
    listed = set(
        plain.execute(
            "SELECT table_name, column_name FROM gpkg_extensions WHERE extension_name = 'gpkg_rtree_index'"
            " AND scope = 'write-only'"
        )
    )
    assert listed == set(layers(plain))
    for table, column in layers(plain):
        indexed = {r[0] for r in plain.execute(f"SELECT id FROM rtree_{table}_{column}")}
        there = {r[0] for r in plain.execute(f"SELECT fid FROM {table} WHERE {column} NOTNULL")}
        assert indexed == there, table
        triggers = plain.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE ?", [f"rtree_{table}_{column}_%"]
        ).fetchone()[0]
        assert triggers == 7


def test_extents_hold_every_shape_and_are_no_larger_than_rounding(filled_file, plain):
    stated = plain.execute(
        "SELECT table_name, min_x, min_y, max_x, max_y FROM gpkg_contents WHERE data_type = 'features'"
    ).fetchall()
    for table, *extent in stated:
        there = list(shapes(filled_file, table).values())
        if not there:
            assert extent == [None] * 4, table
            continue
        bounds = shapely.total_bounds(there)
        assert (np.array(extent[:2]) <= bounds[:2]).all()
        assert (np.array(extent[2:]) >= bounds[2:]).all()
        np.testing.assert_allclose(extent, bounds, atol=1e-5)


def test_a_part_of_the_map_is_read_by_the_index_as_it_would_be_by_looking_at_all(filled_file):
    window = (34.82, -2.335, 34.835, -2.325)
    everything = shapes(filled_file, "captures")
    inside = {fid for fid, shape in everything.items() if shapely.intersects(shape, box(*window))}
    assert 0 < len(inside) < len(everything)
    assert set(shapes(filled_file, "captures", bbox=window)) == inside


def test_the_index_follows_what_is_replaced_and_taken_away(filled):
    with filled.writing() as session:
        far = box(35.5, -2.0, 35.51, -1.99)
        store.put_footprints(session, [store.FootprintEntry(1, far)])
    with filled.engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT f.capture_id FROM footprints f JOIN rtree_footprints_polygon r ON r.id = f.fid WHERE r.minx > 35"
        ).scalars()
        assert list(found) == [1]
        east = connection.exec_driver_sql("SELECT max_x FROM gpkg_contents WHERE table_name = 'footprints'").scalar()
        assert east == pytest.approx(35.51, abs=1e-5)
    with filled.writing() as session:
        store.put_footprints(session, [store.FootprintEntry(1, box(34.82, -2.33, 34.821, -2.329))])
    with filled.engine.connect() as connection:
        east = connection.exec_driver_sql("SELECT max_x FROM gpkg_contents WHERE table_name = 'footprints'").scalar()
        assert east < 34.9


def test_points_written_many_at_once_are_indexed_as_by_the_trigger(filled):
    places = np.random.default_rng([2]).uniform([34.0, -3.0], [35.0, -2.0], (500, 2))
    table = Base.metadata.tables["launch_sites"]
    rows = [(1, f"site {i}", point) for i, point in enumerate(encode_points(places))]
    with filled.writing() as session:
        insert_points(session, table, "point", ("survey_id", "name", "point"), rows, places)
        session.connection().execute(table.insert(), [{"survey_id": 1, "name": "one", "point": Point(36.5, -2.5)}])
    with filled.engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT s.name, r.minx, r.maxx, r.miny, r.maxy FROM launch_sites s"
            " JOIN rtree_launch_sites_point r ON r.id = s.fid ORDER BY s.fid"
        ).all()
    assert len(found) == 502  # and the camp
    cells = np.array([row[1:] for row in found[1:501]])
    assert (cells[:, [0, 2]] <= places).all()
    assert (cells[:, [1, 3]] >= places).all()
    np.testing.assert_allclose(cells[:, [0, 2]], places, atol=1e-5)
    assert found[-1][0] == "one"
    assert found[-1][1] == pytest.approx(36.5, abs=1e-5)


def test_another_program_adds_a_feature_and_the_index_has_it(filled):
    filled.close()
    point = np.array([shapely.to_wkb(Point(34.9, -2.3))], dtype=object)
    pyogrio.raw.write(
        filled.where, point, [np.array([1]), np.array(["helipad"], dtype=object)], ["survey_id", "name"],
        layer="launch_sites", geometry_type="Point", crs="EPSG:4326", driver="GPKG", append=True,
    )  # fmt: skip
    with Census.open(filled.where) as census:
        with census.engine.connect() as connection:
            assert connection.exec_driver_sql(
                "SELECT count(*) FROM rtree_launch_sites_point WHERE maxx > 34.89"
            ).scalar_one()
        with census.reading() as session:
            assert [s.name for s in store.read_area(session, 1).launch_sites] == ["camp", "helipad"]


def test_the_functions_of_the_triggers_read_what_gdal_writes(tmp_path):
    kinds = {
        "Point": Point(3, 4),
        "Polygon": box(1, 2, 5, 7),
        "MultiPolygon": shapely.MultiPolygon([box(1, 2, 5, 7), box(9, 9, 10, 12)]),
        "LineString": shapely.LineString([(0, 5), (8, 1)]),
    }
    for kind, shape in kinds.items():
        path = tmp_path / f"{kind}.gpkg"
        pyogrio.raw.write(
            path, np.array([shapely.to_wkb(shape)], dtype=object), [], [], layer="a", geometry_type=kind,
            crs="EPSG:4326", driver="GPKG",
        )  # fmt: skip
        with closing(sqlite3.connect(path)) as database, database:
            register_functions(database)
            row = database.execute(
                "SELECT ST_MinX(geom), ST_MinY(geom), ST_MaxX(geom), ST_MaxY(geom), ST_IsEmpty(geom) FROM a"
            ).fetchone()
        database.close()
        assert row == (*shape.bounds, 0), kind
