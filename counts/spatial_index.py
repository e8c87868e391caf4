"""Finding what lies in a part of the map: R-trees in a GeoPackage, GiST in PostGIS; and the extents of layers.

The R-tree of a layer is GeoPackage's extension gpkg_rtree_index (OGC 12-128r18, annex F.3): a virtual table, kept by
the extension's own triggers. They call ST_MinX and its like, which GDAL and SpatiaLite bring, and `register_functions`
for overfly's connections. An R-tree keeps single precision, rounded outwards.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import shapely
from sqlalchemy import Connection, text

from counts.geopackage import decode

_EXTENSIONS_TABLE = """CREATE TABLE gpkg_extensions (
    table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
    CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))"""
_DEFINITION = "http://www.geopackage.org/spec120/#extension_rtree"
_POINT_HEADER_BYTES = 8
_POINT = struct.Struct("<BIdd")
_ENVELOPE = struct.Struct("<4d")
_CELL = struct.Struct(">q4f")

# Names and texts are the specification's, but for the update triggers: 1.4 has these for those of 1.3, which fail on
# an upsert, and GDAL writes them into files of any version.
_TRIGGERS = {
    "insert": """AFTER INSERT ON "{t}" WHEN (new."{c}" NOT NULL AND NOT ST_IsEmpty(NEW."{c}"))
        BEGIN INSERT OR REPLACE INTO "{r}" VALUES (NEW."fid", {bounds}); END""",
    "update2": """AFTER UPDATE OF "{c}" ON "{t}"
        WHEN OLD."fid" = NEW."fid" AND (NEW."{c}" IS NULL OR ST_IsEmpty(NEW."{c}"))
        BEGIN DELETE FROM "{r}" WHERE id = OLD."fid"; END""",
    "update4": """AFTER UPDATE ON "{t}" WHEN OLD."fid" != NEW."fid" AND (NEW."{c}" IS NULL OR ST_IsEmpty(NEW."{c}"))
        BEGIN DELETE FROM "{r}" WHERE id IN (OLD."fid", NEW."fid"); END""",
    "update5": """AFTER UPDATE ON "{t}"
        WHEN OLD."fid" != NEW."fid" AND (NEW."{c}" NOTNULL AND NOT ST_IsEmpty(NEW."{c}"))
        BEGIN DELETE FROM "{r}" WHERE id = OLD."fid";
        INSERT OR REPLACE INTO "{r}" VALUES (NEW."fid", {bounds}); END""",
    "update6": """AFTER UPDATE OF "{c}" ON "{t}" WHEN OLD."fid" = NEW."fid"
        AND (NEW."{c}" NOTNULL AND NOT ST_IsEmpty(NEW."{c}")) AND (OLD."{c}" NOTNULL AND NOT ST_IsEmpty(OLD."{c}"))
        BEGIN UPDATE "{r}" SET minx = ST_MinX(NEW."{c}"), maxx = ST_MaxX(NEW."{c}"), miny = ST_MinY(NEW."{c}"),
        maxy = ST_MaxY(NEW."{c}") WHERE id = NEW."fid"; END""",
    "update7": """AFTER UPDATE OF "{c}" ON "{t}" WHEN OLD."fid" = NEW."fid"
        AND (NEW."{c}" NOTNULL AND NOT ST_IsEmpty(NEW."{c}")) AND (OLD."{c}" ISNULL OR ST_IsEmpty(OLD."{c}"))
        BEGIN INSERT INTO "{r}" VALUES (NEW."fid", {bounds}); END""",
    "delete": """AFTER DELETE ON "{t}" WHEN old."{c}" NOT NULL
        BEGIN DELETE FROM "{r}" WHERE id = OLD."fid"; END""",
}


def create_extensions_table(connection: Connection) -> None:
    """Make the GeoPackage's list of extensions; nothing elsewhere."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_EXTENSIONS_TABLE)


def drop_extensions_table(connection: Connection) -> None:
    """Undo `create_extensions_table`."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("DROP TABLE gpkg_extensions")


def create_index(connection: Connection, table: str, column: str) -> None:
    """Index the geometries of a layer, those that are there and those to come."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f'CREATE INDEX "gist_{table}_{column}" ON "{table}" USING gist ("{column}")')
    if connection.dialect.name != "sqlite":
        return
    rtree = f"rtree_{table}_{column}"
    connection.exec_driver_sql(f'CREATE VIRTUAL TABLE "{rtree}" USING rtree(id, minx, maxx, miny, maxy)')
    connection.exec_driver_sql(
        f'INSERT INTO "{rtree}" SELECT fid, {_bounds(column, "")} FROM "{table}" '  # noqa: S608
        f'WHERE "{column}" NOTNULL AND NOT ST_IsEmpty("{column}")'
    )
    for name in _TRIGGERS:
        _create_trigger(connection, table, column, name)
    connection.execute(
        text("INSERT INTO gpkg_extensions VALUES (:table, :column, 'gpkg_rtree_index', :definition, 'write-only')"),
        {"table": table, "column": column, "definition": _DEFINITION},
    )
    write_extents(connection)


def drop_index(connection: Connection, table: str, column: str) -> None:
    """Undo `create_index`."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f'DROP INDEX "gist_{table}_{column}"')
    if connection.dialect.name != "sqlite":
        return
    rtree = f"rtree_{table}_{column}"
    for name in _TRIGGERS:
        connection.exec_driver_sql(f'DROP TRIGGER IF EXISTS "{rtree}_{name}"')
    connection.exec_driver_sql(f'DROP TABLE "{rtree}"')
    connection.execute(text("DELETE FROM gpkg_extensions WHERE table_name = :table"), {"table": table})


def drop_insert_trigger(connection: Connection, table: str, column: str) -> None:
    """Have new rows of a GeoPackage's layer not indexed, until `create_insert_trigger` in the same transaction."""
    connection.exec_driver_sql(f'DROP TRIGGER "rtree_{table}_{column}_insert"')


def create_insert_trigger(connection: Connection, table: str, column: str) -> None:
    """Have new rows indexed again."""
    _create_trigger(connection, table, column, "insert")


def write_extents(connection: Connection) -> None:
    """Bring the extents that the GeoPackage states for its layers up to date, and the time of those that changed.

    An extent is read from the root of the layer's R-tree, in a time that does not grow with the layer: it holds
    everything, and is too large by a rounding of single precision at most.
    """
    if connection.dialect.name != "sqlite":
        return
    layers = connection.execute(
        text(
            "SELECT c.table_name, e.column_name, c.min_x, c.min_y, c.max_x, c.max_y FROM gpkg_contents c"
            " JOIN gpkg_extensions e ON e.table_name = c.table_name AND e.extension_name = 'gpkg_rtree_index'"
        )
    ).all()
    for table, column, *stated in layers:
        node = connection.exec_driver_sql(
            f'SELECT data FROM "rtree_{table}_{column}_node" WHERE nodeno = 1'  # noqa: S608
        ).scalar()
        extent = _extent(node)
        if extent != tuple(stated):
            connection.execute(
                text(
                    "UPDATE gpkg_contents SET min_x = :w, min_y = :s, max_x = :e, max_y = :n,"
                    " last_change = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE table_name = :table"
                ),
                {**dict(zip("wsen", extent, strict=True)), "table": table},
            )


def register_functions(dbapi_connection: Any) -> None:
    """Give an SQLite connection the functions that the R-tree's triggers call."""
    functions: dict[str, Callable[[Any], Any]] = {
        "ST_MinX": lambda blob: _bound(blob, 0),
        "ST_MaxX": lambda blob: _bound(blob, 1),
        "ST_MinY": lambda blob: _bound(blob, 2),
        "ST_MaxY": lambda blob: _bound(blob, 3),
        "ST_IsEmpty": _is_empty,
    }
    for name, function in functions.items():
        dbapi_connection.create_function(name, 1, function, deterministic=True)


def _create_trigger(connection: Connection, table: str, column: str, name: str) -> None:
    rtree = f"rtree_{table}_{column}"
    body = _TRIGGERS[name].format(t=table, c=column, r=rtree, bounds=_bounds(column, "NEW."))
    connection.exec_driver_sql(f'CREATE TRIGGER "{rtree}_{name}" {body}')


def _bounds(column: str, row: str) -> str:
    """Return the SQL of an R-tree's four bounds; a point's are two."""
    return ", ".join(f'{f}({row}"{column}")' for f in ("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"))


def _bound(blob: bytes | None, which: int) -> float | None:
    """Return min x, max x, min y or max y of GeoPackage binary: of its envelope, or of its one point."""
    if blob is None:
        return None
    envelope = blob[3] >> 1 & 0b111
    if envelope:
        return float(_ENVELOPE.unpack_from(blob, _POINT_HEADER_BYTES)[which])
    order, kind, x, y = _POINT.unpack_from(blob, _POINT_HEADER_BYTES)
    if order == 1 and kind == 1:
        return float(x if which < 2 else y)
    west, south, east, north = decode(blob).bounds
    return float((west, east, south, north)[which])


def _is_empty(blob: bytes | None) -> int | None:
    if blob is None:
        return None
    if blob[3] & 0b10000:
        return 1
    return 0 if blob[3] >> 1 & 0b111 or len(blob) == _POINT_HEADER_BYTES + _POINT.size else int(_decoded_empty(blob))


def _decoded_empty(blob: bytes) -> bool:
    return bool(shapely.is_empty(decode(blob)))


def _extent(root: bytes | None) -> tuple[float | None, float | None, float | None, float | None]:
    """Return west, south, east and north of what is under the root node of an R-tree (SQLite, rtree.c)."""
    cells = 0 if root is None else int.from_bytes(root[2:4], "big")
    if root is None or not cells:
        return (None, None, None, None)
    found = [_CELL.unpack_from(root, 4 + i * _CELL.size)[1:] for i in range(cells)]
    west, east, south, north = (f(cell[i] for cell in found) for i, f in enumerate((min, max, min, max)))
    if not all(map(math.isfinite, (west, south, east, north))):
        return (None, None, None, None)
    return (west, south, east, north)
