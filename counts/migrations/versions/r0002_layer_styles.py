"""QGIS opens the census with its layers styled."""

import sqlalchemy as sa
from alembic import op

from counts.geopackage import register, unregister

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None

# Table, kind of symbol, and the properties of its one symbol layer, as QGIS 3 writes them.
STYLES = (
    ("protected_areas", "fill", {"color": "0,0,0,0", "outline_color": "74,74,66,255", "outline_width": "0.5"}),
    ("strata", "fill", {"color": "227,232,214,255", "outline_color": "122,138,98,255", "outline_width": "0.4"}),
    ("exclusions", "fill", {"color": "236,217,208,255", "outline_color": "165,92,66,255", "outline_width": "0.4"}),
    ("launch_sites", "marker", {"name": "triangle", "color": "74,74,66,255", "outline_style": "no", "size": "3"}),
    ("transects", "line", {"line_color": "122,138,98,255", "line_width": "0.26", "line_style": "dash"}),
    ("sorties", "line", {"line_color": "95,120,140,255", "line_width": "0.3", "line_style": "solid"}),
    ("footprints", "fill", {"color": "95,140,170,40", "outline_color": "95,140,170,140", "outline_width": "0.1"}),
    ("captures", "marker", {"name": "circle", "color": "95,120,140,160", "outline_style": "no", "size": "0.8"}),
    ("sightings", "marker", {"name": "circle", "color": "0,0,0,0", "outline_color": "178,84,30,200", "size": "1.8"}),
    ("individuals", "marker", {"name": "circle", "color": "178,84,30,255", "outline_style": "no", "size": "1.6"}),
)
SYMBOL_LAYERS = {"fill": "SimpleFill", "line": "SimpleLine", "marker": "SimpleMarker"}


def upgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        return
    # The columns are QGIS's own: it finds the style by the names of table and geometry column.
    bind.execute(
        sa.text(
            """CREATE TABLE layer_styles (
            id INTEGER PRIMARY KEY NOT NULL, f_table_catalog TEXT, f_table_schema TEXT,
            f_table_name TEXT, f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT,
            useAsDefault BOOLEAN, description TEXT, owner TEXT, ui TEXT,
            update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))"""
        )
    )
    register(bind, "layer_styles", "Styles of the layers, for QGIS")
    for table, kind, properties in STYLES:
        bind.execute(
            sa.text(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName,"
                " styleQML, styleSLD, useAsDefault, description, owner)"
                " SELECT '', '', table_name, column_name, 'overfly', :qml, '', 1, 'overfly', ''"
                " FROM gpkg_geometry_columns WHERE table_name = :table"
            ),
            {"table": table, "qml": _qml(kind, properties)},
        )


def downgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        return
    unregister(bind, "layer_styles")
    bind.execute(sa.text("DROP TABLE layer_styles"))


def _qml(kind: str, properties: dict[str, str]) -> str:
    options = "".join(f'<Option name="{name}" type="QString" value="{value}"/>' for name, value in properties.items())
    return (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">'
        '<qgis version="3.22" styleCategories="Symbology"><renderer-v2 type="singleSymbol" symbollevels="0" '
        f'enableorderby="0" forceraster="0"><symbols><symbol type="{kind}" name="0" alpha="1" clip_to_extent="1">'
        f'<layer class="{SYMBOL_LAYERS[kind]}" enabled="1" pass="0" locked="0"><Option type="Map">{options}</Option>'
        "</layer></symbol></symbols></renderer-v2></qgis>"
    )
