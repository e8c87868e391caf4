"""How QGIS draws the census' layers: one symbol each, in the table where QGIS looks for it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

_SYMBOL_LAYERS = {"fill": "SimpleFill", "line": "SimpleLine", "marker": "SimpleMarker"}

# The columns are QGIS's own: it finds the style by the names of table and geometry column.
_TABLE = {
    "sqlite": """CREATE TABLE layer_styles (
        id INTEGER PRIMARY KEY NOT NULL, f_table_catalog TEXT, f_table_schema TEXT,
        f_table_name TEXT, f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT,
        useAsDefault BOOLEAN, description TEXT, owner TEXT, ui TEXT,
        update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))""",
    "postgresql": """CREATE TABLE layer_styles (
        id SERIAL PRIMARY KEY, f_table_catalog VARCHAR, f_table_schema VARCHAR,
        f_table_name VARCHAR, f_geometry_column VARCHAR, stylename TEXT, styleqml XML, stylesld XML,
        useasdefault BOOLEAN, description TEXT, owner VARCHAR(63), ui XML,
        update_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP, type VARCHAR)""",
}
_INSERT = {
    "sqlite": "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName,"
    " styleQML, styleSLD, useAsDefault, description, owner)"
    " VALUES ('', '', :table, :column, 'overfly', :qml, '', 1, 'overfly', '')",
    "postgresql": "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column,"
    " stylename, styleqml, useasdefault, description, owner)"
    " VALUES (current_database(), current_schema(), :table, :column, 'overfly', CAST(:qml AS XML), TRUE,"
    " 'overfly', '')",
}


def create_table(connection: Connection) -> None:
    """Make the table of styles."""
    connection.execute(text(_TABLE[connection.dialect.name]))


def drop_table(connection: Connection) -> None:
    """Undo `create_table`."""
    connection.execute(text("DROP TABLE layer_styles"))


def style(connection: Connection, table: str, column: str, kind: str, properties: Mapping[str, str]) -> None:
    """Give a layer its symbol: `kind` "fill", "line" or "marker", `properties` as QGIS 3 names them."""
    connection.execute(
        text(_INSERT[connection.dialect.name]), {"table": table, "column": column, "qml": _qml(kind, properties)}
    )


def unstyle(connection: Connection, table: str) -> None:
    """Take a layer's symbol away."""
    connection.execute(text("DELETE FROM layer_styles WHERE f_table_name = :table"), {"table": table})


def _qml(kind: str, properties: Mapping[str, str]) -> str:
    options = "".join(f'<Option name="{name}" type="QString" value="{value}"/>' for name, value in properties.items())
    return (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">'
        '<qgis version="3.22" styleCategories="Symbology"><renderer-v2 type="singleSymbol" symbollevels="0" '
        f'enableorderby="0" forceraster="0"><symbols><symbol type="{kind}" name="0" alpha="1" clip_to_extent="1">'
        f'<layer class="{_SYMBOL_LAYERS[kind]}" enabled="1" pass="0" locked="0"><Option type="Map">{options}</Option>'
        "</layer></symbol></symbols></renderer-v2></qgis>"
    )
