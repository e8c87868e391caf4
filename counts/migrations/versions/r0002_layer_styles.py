"""QGIS opens the census with its layers styled."""

from alembic import op

from counts.geopackage import register, unregister
from counts.layer_styles import create_table, drop_table, style

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None

# Table, geometry column, kind of symbol, and the properties of its one symbol layer, as QGIS 3 writes them.
STYLES = (
    (
        "protected_areas",
        "boundary",
        "fill",
        {"color": "0,0,0,0", "outline_color": "74,74,66,255", "outline_width": "0.5"},
    ),
    (
        "strata",
        "polygon",
        "fill",
        {"color": "227,232,214,255", "outline_color": "122,138,98,255", "outline_width": "0.4"},
    ),
    (
        "exclusions",
        "polygon",
        "fill",
        {"color": "236,217,208,255", "outline_color": "165,92,66,255", "outline_width": "0.4"},
    ),
    (
        "launch_sites",
        "point",
        "marker",
        {"name": "triangle", "color": "74,74,66,255", "outline_style": "no", "size": "3"},
    ),
    ("transects", "line", "line", {"line_color": "122,138,98,255", "line_width": "0.26", "line_style": "dash"}),
    ("sorties", "track", "line", {"line_color": "95,120,140,255", "line_width": "0.3", "line_style": "solid"}),
    (
        "footprints",
        "polygon",
        "fill",
        {"color": "95,140,170,40", "outline_color": "95,140,170,140", "outline_width": "0.1"},
    ),
    (
        "captures",
        "position",
        "marker",
        {"name": "circle", "color": "95,120,140,160", "outline_style": "no", "size": "0.8"},
    ),
    (
        "sightings",
        "point",
        "marker",
        {"name": "circle", "color": "0,0,0,0", "outline_color": "178,84,30,200", "size": "1.8"},
    ),
    (
        "individuals",
        "point",
        "marker",
        {"name": "circle", "color": "178,84,30,255", "outline_style": "no", "size": "1.6"},
    ),
)


def upgrade() -> None:
    bind = op.get_bind()
    create_table(bind)
    register(bind, "layer_styles", "Styles of the layers, for QGIS")
    for table, column, kind, properties in STYLES:
        style(bind, table, column, kind, properties)


def downgrade() -> None:
    unregister(op.get_bind(), "layer_styles")
    drop_table(op.get_bind())
