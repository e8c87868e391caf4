"""`overfly init`."""

from __future__ import annotations

from pathlib import Path

import click

from flightplan.areas import read_area
from flightplan.console import OverflyCommand, finish, json_option
from overfly.workspace import CONFIG_NAME, Workspace


@click.command("init", cls=OverflyCommand)
@click.argument("area", type=click.Path(path_type=Path))
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--strata", "strata_field", metavar="FIELD", help="The attribute that names the strata.")
@click.option("--crs", metavar="CRS", help="The file's coordinate system, where it does not say: EPSG:32736, ...")
@json_option
def init_command(area: Path, folder: Path | None, strata_field: str | None, crs: str | None, as_json: bool) -> None:
    """Make a workspace from a boundary: GeoJSON, KML, KMZ, Shapefile (zipped too), GeoPackage, CSV, .poly.

    Without DIR the workspace is a folder beside you, named after the file.

    \b
    Example:
      overfly init podyji.geojson podyji
    """  # noqa: D301 (click's own mark)
    study_area = read_area(area, strata_field=strata_field, crs=crs)
    workspace = Workspace.create(folder or Path(area.stem), study_area)
    strata = [
        {"name": stratum.name, "area_km2": float(land.area) / 1e6}
        for stratum, land in zip(study_area.strata, study_area.local_strata, strict=True)
    ]
    listed = ", ".join(f"{s['name']} ({s['area_km2']:.2f} km²)" for s in strata)
    finish(
        {
            "workspace": str(workspace.root),
            "name": workspace.name,
            "strata": strata,
            "exclusions": len(study_area.exclusions),
            "launch_sites": len(study_area.launch_sites),
        },
        as_json=as_json,
        text=f"{workspace.root / CONFIG_NAME}: {workspace.name}, strata: {listed}; "
        f"{len(study_area.exclusions)} exclusions, {len(study_area.launch_sites)} launch sites",
    )
