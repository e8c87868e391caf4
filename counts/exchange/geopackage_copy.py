"""GeoPackage: a clean copy for others, with the layers asked for and nothing else of the census."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import shapely
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from counts.exchange.exported import Exported, ExportOptions
from counts.exchange.files import refuse_census, write_whole
from counts.exchange.layers import INTEGER, REAL, TEXT, TIME, Layer, make_layers, unresolved_names
from counts.exchange.records import SurveyRecords
from counts.geopackage import encode, encode_points, register, write_container
from flightplan.errors import CensusError

DEFAULT = ("individuals", "estimates", "strata", "transects")
_TYPES = {TEXT: "TEXT", INTEGER: "INTEGER", REAL: "DOUBLE", TIME: "DATETIME"}
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def export_geopackage(records: SurveyRecords, out: Path, options: ExportOptions) -> Exported:
    """Write the layers to one new GeoPackage 1.3 file, WGS 84.

    It holds no detector, verdict, name of a person or audit, unlike the census, which is a GeoPackage too. The date of
    its layers is that of the last exposure, so that the same census gives the same bytes.
    """
    if out.suffix.lower() != ".gpkg":
        raise CensusError("a GeoPackage's name ends in .gpkg", where=str(out), hint="Readers go by it")
    refuse_census(out)
    layers = make_layers(records, options.layers or DEFAULT, options)
    moment = records.times[1] if records.times else _NO_TIME
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "copy.gpkg"
        engine = create_engine(f"sqlite:///{draft}", poolclass=NullPool)
        with engine.begin() as connection:
            write_container(connection)
            for layer in layers:
                _write(connection, layer, _stamp(moment))
        engine.dispose()
        content = draft.read_bytes()
    return Exported(
        (write_whole(out, content),),
        {layer.name: len(layer.rows) for layer in layers},
        unresolved=unresolved_names(layers, options),
    )


def _write(connection: Connection, layer: Layer, stamp: str) -> None:
    # Names of tables and columns are this package's own words; only values come from the census.
    columns = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in layer.columns.items())
    connection.execute(
        text(f"CREATE TABLE {layer.name} (fid INTEGER PRIMARY KEY NOT NULL, geom {layer.geometry_kind}, {columns})")
    )
    register(connection, layer.name, layer.title, ("geom", layer.geometry_kind))
    names = ["geom", *layer.columns]
    blobs = (
        encode_points(shapely.get_coordinates(list(layer.geometries)))
        if layer.geometry_kind == "POINT"
        else [None if shape is None else encode(shape) for shape in layer.geometries]
    )
    rows = [
        dict(zip(names, (blob, *map(_value, row)), strict=True)) for blob, row in zip(blobs, layer.rows, strict=True)
    ]
    if rows:
        places = ", ".join(f":{name}" for name in names)
        statement = f"INSERT INTO {layer.name} ({', '.join(names)}) VALUES ({places})"  # noqa: S608
        connection.execute(text(statement), rows)
    shapes = [shape for shape in layer.geometries if shape is not None]
    west, south, east, north = shapely.total_bounds(shapes).tolist() if shapes else [None] * 4
    connection.execute(
        text(
            "UPDATE gpkg_contents SET last_change = :stamp, min_x = :west, min_y = :south, max_x = :east, "
            "max_y = :north WHERE table_name = :name"
        ),
        {"stamp": stamp, "west": west, "south": south, "east": east, "north": north, "name": layer.name},
    )


def _value(value: Any) -> Any:
    return _stamp(value) if isinstance(value, datetime) else value


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
