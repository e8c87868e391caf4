"""Layers are indexed: QGIS draws a part of the map without reading all of it, and so does the review page."""

from alembic import op

from counts.spatial_index import create_extensions_table, create_index, drop_extensions_table, drop_index

revision = "r0009"
down_revision = "r0008"
branch_labels = None
depends_on = None

LAYERS = {
    "protected_areas": "boundary",
    "strata": "polygon",
    "exclusions": "polygon",
    "launch_sites": "point",
    "transects": "line",
    "sorties": "track",
    "footprints": "polygon",
    "captures": "position",
    "sightings": "point",
    "individuals": "point",
    "obstacles": "geometry",
    "airspaces": "polygon",
    "kept_clear": "polygon",
    "masks": "polygon",
    "gaps": "polygon",
    "animal_fixes": "point",
    "camera_deployments": "point",
    "patrols": "track",
    "reported_sightings": "point",
}


def upgrade() -> None:
    create_extensions_table(op.get_bind())
    for table, column in LAYERS.items():
        create_index(op.get_bind(), table, column)


def downgrade() -> None:
    for table, column in LAYERS.items():
        drop_index(op.get_bind(), table, column)
    drop_extensions_table(op.get_bind())
