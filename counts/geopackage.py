"""The GeoPackage side of the census: geometry as GeoPackage binary, and the tables that make QGIS open it.

Source: OGC 12-128r18, GeoPackage Encoding Standard 1.3.1, sections 1.1 (SQLite container), 1.1.2 (spatial reference
systems), 1.1.3 (contents) and 2.1 (features; the binary header is table 5).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, Dialect, LargeBinary, text, type_coerce
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from flightplan.errors import CensusError
from flightplan.frames import Floats

APPLICATION_ID = 0x47504B47
USER_VERSION = 10300
WGS84_SRS_ID = 4326

_HEADER = struct.Struct("<2sBBi")
_ENVELOPE = struct.Struct("<4d")
_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_EWKB_HAS_SRID = 0x20000000
_WKB_LEAST = 9
_LITTLE_ENDIAN, _ENVELOPE_XY, _EMPTY = 0b00001, 0b00010, 0b10000
_POINT_HEAD = _HEADER.pack(b"GP", 0, _LITTLE_ENDIAN, WGS84_SRS_ID) + struct.pack("<BI", 1, 1)
_POINT = np.dtype([("head", "V13"), ("x", "<f8"), ("y", "<f8")])
_MULTI = {"MULTIPOLYGON": shapely.multipolygons, "MULTILINESTRING": shapely.multilinestrings}


class Geometry(TypeDecorator[BaseGeometry]):
    """A column of geographic shapely geometries: longitude, latitude on WGS 84.

    `kind` is the GeoPackage's name of the geometry ("POINT", "MULTIPOLYGON", ...); a simple geometry in a column of
    its multi kind is wrapped. Stored as GeoPackage binary in SQLite, as PostGIS geometry in PostgreSQL.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Declare the column by the name of its geometry, as both a GeoPackage and PostGIS demand."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(_Declared(f"geometry({self.kind},{WGS84_SRS_ID})"))
        return dialect.type_descriptor(_Declared(self.kind) if dialect.name == "sqlite" else LargeBinary())

    def process_bind_param(self, value: BaseGeometry | bytes | None, dialect: Dialect) -> bytes | str | None:
        """Write a geometry, or the bytes that `encode_points` made of one."""
        if value is None:
            return None
        blob = value if isinstance(value, bytes) else encode(_as_kind(value, self.kind))
        return _extended(blob[_body_offset(blob) :]) if dialect.name == "postgresql" else blob

    def process_result_value(self, value: bytes | str | None, dialect: Dialect) -> BaseGeometry | None:
        """Read a geometry."""
        return None if value is None else decode(_as_bytes(value))


class _RawGeometry(TypeDecorator[bytes]):
    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(_Declared("BLOB"))

    def process_result_value(self, value: bytes | str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else _as_bytes(value)


class _Declared(UserDefinedType[Any]):
    cache_ok = True

    def __init__(self, declaration: str) -> None:
        self.declaration = declaration

    def get_col_spec(self, **_: Any) -> str:
        return self.declaration


def raw(column: Any) -> Any:
    """Select a geometry column as bytes for `decode_many`, which reads thousands at once."""
    return type_coerce(column, _RawGeometry())


def encode(geometry: BaseGeometry) -> bytes:
    """Return a geometry as GeoPackage binary, little-endian, with its envelope unless it is a point."""
    body: bytes = shapely.to_wkb(geometry, byte_order=1, output_dimension=2)
    if geometry.is_empty:
        return _HEADER.pack(b"GP", 0, _LITTLE_ENDIAN | _EMPTY, WGS84_SRS_ID) + body
    if geometry.geom_type == "Point":
        return _HEADER.pack(b"GP", 0, _LITTLE_ENDIAN, WGS84_SRS_ID) + body
    west, south, east, north = geometry.bounds
    head = _HEADER.pack(b"GP", 0, _LITTLE_ENDIAN | _ENVELOPE_XY, WGS84_SRS_ID)
    return head + _ENVELOPE.pack(west, east, south, north) + body


def encode_points(lonlat: npt.ArrayLike) -> list[bytes]:
    """Return points (N, 2), longitude first, each as GeoPackage binary."""
    xy = np.asarray(lonlat, dtype="<f8").reshape(-1, 2)
    rows = np.empty(len(xy), dtype=_POINT)
    rows["head"], rows["x"], rows["y"] = np.void(_POINT_HEAD), xy[:, 0], xy[:, 1]
    blob = rows.tobytes()
    return [blob[start : start + rows.itemsize] for start in range(0, len(blob), rows.itemsize)]


def decode(blob: bytes) -> BaseGeometry:
    """Return the geometry of GeoPackage or PostGIS binary, whoever wrote it; its height and measure are left behind."""
    return shapely.set_srid(shapely.force_2d(shapely.from_wkb(blob[_body_offset(blob) :])), 0)


def decode_many(blobs: Sequence[bytes | None]) -> npt.NDArray[np.object_]:
    """Return an (N,) array of geometries; None stays None."""
    bodies = [None if blob is None else blob[_body_offset(blob) :] for blob in blobs]
    found = np.asarray(shapely.from_wkb(np.array(bodies, dtype=object)), dtype=object)
    # GeoPackage binary has its system in its head; only PostGIS writes it into the geometry.
    return np.asarray(shapely.set_srid(found, 0), dtype=object) if (shapely.get_srid(found) > 0).any() else found


def decode_points(blobs: Sequence[bytes]) -> Floats:
    """Return points as degrees (N, 2), longitude first: all at once, where they are written as overfly does."""
    whole = b"".join(blobs)
    if len(whole) == _POINT.itemsize * len(blobs):
        rows = np.frombuffer(whole, dtype=_POINT)
        if (rows["head"] == np.void(_POINT_HEAD)).all():
            return np.column_stack([rows["x"], rows["y"]])
    return np.asarray(shapely.get_coordinates(decode_many(blobs)), dtype=np.float64).reshape(-1, 2)


def write_container(connection: Connection) -> None:
    """Make an SQLite database a GeoPackage without layers, and PostgreSQL one that knows geometries."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS postgis"))
    if connection.dialect.name != "sqlite":
        return
    connection.execute(text(f"PRAGMA application_id = {APPLICATION_ID}"))
    connection.execute(text(f"PRAGMA user_version = {USER_VERSION}"))
    for statement in _CONTAINER_TABLES:
        connection.execute(text(statement))
    connection.execute(text(_SRS_INSERT), _SRS_ROWS)


def drop_container(connection: Connection) -> None:
    """Undo `write_container`."""
    if connection.dialect.name != "sqlite":
        return
    for table in ("gpkg_geometry_columns", "gpkg_contents", "gpkg_spatial_ref_sys"):
        connection.execute(text(f"DROP TABLE {table}"))
    connection.execute(text("PRAGMA application_id = 0"))
    connection.execute(text("PRAGMA user_version = 0"))


def register(connection: Connection, table: str, title: str, geometry: tuple[str, str] | None = None) -> None:
    """List a table in the GeoPackage; `geometry` is (column, kind) for a layer, None for a table without a map."""
    if connection.dialect.name != "sqlite":
        return
    connection.execute(
        text(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) "
            "VALUES (:table, :type, :table, :title, :srs)"
        ),
        {
            "table": table,
            "type": "features" if geometry else "attributes",
            "title": title,
            "srs": WGS84_SRS_ID if geometry else None,
        },
    )
    if geometry:
        connection.execute(
            text("INSERT INTO gpkg_geometry_columns VALUES (:table, :column, :kind, :srs, 0, 0)"),
            {"table": table, "column": geometry[0], "kind": geometry[1], "srs": WGS84_SRS_ID},
        )


def unregister(connection: Connection, table: str) -> None:
    """Take a table off the GeoPackage's list."""
    if connection.dialect.name != "sqlite":
        return
    for listing in ("gpkg_geometry_columns", "gpkg_contents"):
        connection.execute(text(f"DELETE FROM {listing} WHERE table_name = :table"), {"table": table})  # noqa: S608


def guard(connection: Connection, table: str) -> None:
    """Let a table only grow; PostgreSQL's function for it comes with the audit (r0004)."""
    if connection.dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            connection.execute(
                text(
                    f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
            )
    elif connection.dialect.name == "postgresql":
        connection.execute(
            text(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION overfly_append_only()"
            )
        )


def _as_kind(geometry: BaseGeometry, kind: str) -> BaseGeometry:
    found = geometry.geom_type.upper()
    if found == kind or kind == "GEOMETRY":
        return geometry
    if kind == f"MULTI{found}":
        return _MULTI[kind]([geometry])
    raise CensusError(
        f"a {geometry.geom_type} cannot be stored where the census keeps a {kind.lower()}",
        hint="Split the geometry, or drop the parts of another kind",
    )


def _as_bytes(value: bytes | str) -> bytes:
    """Return stored bytes as they are, and PostGIS's hexadecimal as bytes."""
    return bytes.fromhex(value) if isinstance(value, str) else value


def _extended(wkb: bytes) -> str:
    """Return little-endian WKB with the reference system in it, as PostGIS reads and writes it."""
    kind = int.from_bytes(wkb[1:5], "little") | _EWKB_HAS_SRID
    return (wkb[:1] + struct.pack("<II", kind, WGS84_SRS_ID) + wkb[5:]).hex()


def _body_offset(blob: bytes) -> int:
    if len(blob) >= _WKB_LEAST and blob[0] in (0, 1):
        return 0  # WKB as it is
    if len(blob) < _HEADER.size or blob[:2] != b"GP":
        raise CensusError("a geometry is not GeoPackage binary", hint="The file was changed by another program")
    envelope = _ENVELOPE_BYTES.get(blob[3] >> 1 & 0b111)
    if envelope is None:
        raise CensusError("a geometry's envelope is of an unknown kind", hint="The file was changed by another program")
    return _HEADER.size + envelope


_CONTAINER_TABLES = (
    """CREATE TABLE gpkg_spatial_ref_sys (
        srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
        organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT)""",
    """CREATE TABLE gpkg_contents (
        table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
        description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
        min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
        CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))""",
    """CREATE TABLE gpkg_geometry_columns (
        table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL,
        z TINYINT NOT NULL, m TINYINT NOT NULL,
        CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
        CONSTRAINT uk_gc_table_name UNIQUE (table_name),
        CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
        CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id))""",
)
_WGS84_WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],'
    'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],'
    'AUTHORITY["EPSG","4326"]]'
)
_SRS_INSERT = "INSERT INTO gpkg_spatial_ref_sys VALUES (:name, :srs, :organization, :code, :definition, :description)"
_SRS_ROWS = [
    {
        "name": "Undefined Cartesian SRS",
        "srs": -1,
        "organization": "NONE",
        "code": -1,
        "definition": "undefined",
        "description": "undefined Cartesian coordinate reference system",
    },
    {
        "name": "Undefined geographic SRS",
        "srs": 0,
        "organization": "NONE",
        "code": 0,
        "definition": "undefined",
        "description": "undefined geographic coordinate reference system",
    },
    {
        "name": "WGS 84",
        "srs": WGS84_SRS_ID,
        "organization": "EPSG",
        "code": WGS84_SRS_ID,
        "definition": _WGS84_WKT,
        "description": "longitude and latitude in degrees on the WGS 84 ellipsoid",
    },
]
