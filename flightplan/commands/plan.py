"""`overfly plan`: from an area to sorties."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from flightplan.cameras import camera_from_file, camera_named
from flightplan.commands.area_options import area_options, areas_asked, clearances_asked
from flightplan.commands.design_options import (
    EFFORTS,
    buffer_option,
    design_asked,
    design_options,
    efforts_said,
    gsd_option,
    height_option,
)
from flightplan.commands.operation_options import operation_options
from flightplan.commands.pattern_options import pattern_options
from flightplan.commands.plan_document import design_of_part, joined_document, plan_document
from flightplan.conditions import Conditions
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.drones import drone_from_file, drone_library
from flightplan.plan_files import save_plan
from flightplan.planning import plan_survey
from flightplan.request import DEFAULT_DRONE, PlanRequest
from flightplan.terrain import Terrain
from flightplan.wildlife import species_named, species_table

_EXAMPLE = """
\b
Examples:
  overfly plan park.geojson --camera "DJI Mavic 3E wide" --gsd 2 --spacing 500 --date 2026-03-01T07:30Z --out plan
  overfly plan colony.kml --camera overfly-demo --height 60 --front 75 --side 70 --out plan
  overfly plan park.gpkg --camera overfly-demo --height 80 --lines 15 --species zebra --out plan
  overfly plan park.gpkg --camera overfly-demo --height 80 --length 90 --allocate neyman --earlier 2025.csv --out plan
  overfly plan hills.gpkg --camera "DJI Mavic 3E wide" --gsd 2 --spacing 400 --terrain dem.tif --wind 6,240 --out plan
      --drones 3 --max-distance 2000 --line-of-sight
  overfly plan park.zip --camera overfly-demo --height 80 --spacing 400 --launch-file camps.kml --out plan
      --obstacles lines.gpkg --obstacle-height h:m:agl --airspace zones.geojson --permit "CTR Mara"
  overfly plan river.geojson --camera "DJI Mavic 3E wide" --gsd 2 --side 40 --front 70 --corridor 300 --out plan
"""


@click.command("plan", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("area", type=click.Path(path_type=Path))
@click.option("--camera", "camera", required=True, metavar="NAME|FILE", help="A camera of the library, or a file.")
@gsd_option
@height_option
@click.option(
    "--front", "front_percent", type=float, default=20.0, show_default=True, metavar="PCT", help="Overlap along a line."
)
@click.option("--side", "side_percent", type=float, metavar="PCT", help="Overlap between lines: full coverage.")
@design_options
@pattern_options
@operation_options
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of the random start of the lines.")
@click.option(
    "--drone",
    default=DEFAULT_DRONE,
    show_default=True,
    metavar="NAME|FILE",
    help=f"A file, or one of: {', '.join(d.name for d in drone_library())}.",
)
@click.option("--speed", "speed_mps", type=float, metavar="M/S", help="Speed on the lines.")
@buffer_option
@click.option(
    "--allowance", "turn_allowance_m", type=float, metavar="M", help="How far outside of the area one may turn."
)
@area_options
@click.option(
    "--terrain",
    type=click.Path(path_type=Path),
    metavar="DEM",
    help="An elevation model: the height above ground is then held over hills.",
)
@click.option(
    "--species",
    multiple=True,
    metavar="NAME",
    help="Animals to keep the least height over; may be given again. Known are:"
    f" {', '.join(s.name for s in species_table())}.",
)
@click.option("--force-height", is_flag=True, help="Fly below a species' least height all the same.")
@click.option("--ceiling", "ceiling_agl_m", type=float, metavar="M", help="Greatest height above ground allowed here.")
@click.option(
    "--date", "when", metavar="DATE", help="Day, or time with its offset (2026-03-01T07:30+03:00): sun and glint."
)
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where the plan goes."
)
@json_option
def plan_command(
    area: Path,
    camera: str,
    front_percent: float,
    side_percent: float | None,
    terrain: Path | None,
    species: tuple[str, ...],
    force_height: bool,
    ceiling_agl_m: float | None,
    wind_mps: float | None,
    when: str | None,
    folder: Path,
    as_json: bool,
    **asked: Any,
) -> None:
    """Plan a survey over AREA: lines, sorties and their missions, checked, in the folder --out.

    AREA is GeoJSON, KML, KMZ, Shapefile (also zipped), GeoPackage, FlatGeobuf, CSV or .poly (Osmosis' or Mission
    Planner's). Holes and features whose attribute `role` is "exclusion" are never flown over; points are launch sites.
    What is too large for one local frame is planned in parts, each in a folder of its own.
    """
    _one_of("--gsd or --height", asked["gsd_cm"], asked["altitude_agl_m"])
    if efforts_said(asked) + (side_percent is not None) != 1:
        raise click.UsageError(f"Say one of --side, {EFFORTS}.")
    conditions = Conditions(
        species=tuple(dict.fromkeys(species_named(name) for name in species)),
        force_height=force_height,
        ceiling_agl_m=ceiling_agl_m,
        wind_mps=wind_mps,
        when=None if when is None else _when(when),
    )
    parts = areas_asked(area, asked)
    clearances = clearances_asked(asked, parts)
    taken_by = camera_from_file(Path(camera)) if Path(camera).is_file() else camera_named(camera)
    if Path(asked["drone"]).is_file():
        asked["drone"] = drone_from_file(Path(asked["drone"]))
    design = design_asked(asked)
    plans = []
    for park, clearance in zip(parts, clearances, strict=True):
        request = PlanRequest(
            camera=taken_by,
            terrain=None if terrain is None else Terrain.from_file(terrain, park.surroundings_deg),
            front_overlap=front_percent / 100,
            side_overlap=None if side_percent is None else side_percent / 100,
            conditions=conditions,
            clearance=clearance,
            **(design if len(parts) == 1 else design_of_part(design, park, parts)),
        )
        plans.append(plan_survey(park, request))
    # Nothing is written before every part has its plan.
    folders = [folder] if len(plans) == 1 else [folder / f"part-{i}" for i in range(1, len(plans) + 1)]
    documents = [plan_document(p, f, save_plan(p, f)) for p, f in zip(plans, folders, strict=True)]
    document = documents[0] if len(documents) == 1 else joined_document(documents, folder)
    for warning in document["warnings"]:
        say(f"Warning: {warning}")
    for note in document["notes"]:
        say(f"Note: {note}")
    finish(document, as_json=as_json, text=_text(document, folder))


def _text(document: dict[str, Any], folder: Path) -> str:
    lines = [
        f"{document['lines']} lines over {document['area_km2']:.4g} km²: {document['coverage']:.1%} lies in the strips",
        f"{len(document['sorties'])} sorties: {document['length_km']:.1f} km, {document['duration_min']:.0f} min in the"
        f" air, {document['metres_outside']:g} m outside of where may be flown",
    ]
    several = len({s["drone"] for s in document["sorties"]}) > 1
    lines += [
        f"  {s['name']}: {s['length_km']:.1f} km, {s['duration_min']:.0f} min, {s['energy_share']:.0%} of the battery"
        + (f"; drone {s['drone']} from {s['launch'] or 'the border'} at {s['takeoff_min']:.0f} min" if several else "")
        for s in document["sorties"]
    ]
    return "\n".join([*lines, f"Written to {folder}"])


def _one_of(names: str, *values: object) -> None:
    if sum(v is not None for v in values) != 1:
        raise click.UsageError(f"Say one of {names}.")


def _when(text: str) -> date | datetime:
    """Return a day, or a time that says its offset to UTC."""
    try:
        day_only = len(text) <= len("2026-03-01")
        when = date.fromisoformat(text) if day_only else datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--date {text!r} is not a date: say 2026-03-01 or 2026-03-01T07:30+03:00.") from None
    if isinstance(when, datetime) and when.tzinfo is None:
        raise click.UsageError(f"--date {text!r} does not say its offset to UTC: 2026-03-01T07:30+03:00, or Z.")
    return when
