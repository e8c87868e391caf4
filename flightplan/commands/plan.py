"""`overfly plan`: from an area to sorties."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import click

from flightplan.areas import LaunchSite, avoiding, read_area
from flightplan.cameras import camera_from_file, camera_named
from flightplan.commands.design_options import EFFORTS, design_asked, design_options, efforts_said
from flightplan.conditions import Conditions
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.design import StratumDesign, Transect
from flightplan.drones import drone_library
from flightplan.plan import SurveyPlan
from flightplan.plan_files import PAGE_FILE, save_plan
from flightplan.planning import plan_survey
from flightplan.request import DEFAULT_BUFFER_M, DEFAULT_DRONE, PlanRequest
from flightplan.terrain import Terrain
from flightplan.wildlife import species_named, species_table

_EXAMPLE = """
\b
Examples:
  overfly plan park.geojson --camera "DJI Mavic 3E wide" --gsd 2 --spacing 500 --date 2026-03-01T07:30Z --out plan
  overfly plan colony.kml --camera overfly-demo --height 60 --front 75 --side 70 --out plan
  overfly plan park.gpkg --camera overfly-demo --height 80 --lines 15 --species zebra --out plan
  overfly plan park.gpkg --camera overfly-demo --height 80 --length 90 --allocate neyman --earlier 2025.csv --out plan
"""


@click.command("plan", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("area", type=click.Path(path_type=Path))
@click.option("--camera", "camera", required=True, metavar="NAME|FILE", help="A camera of the library, or a file.")
@click.option("--gsd", "gsd_cm", type=float, metavar="CM", help="Ground sampling distance in centimetres a pixel.")
@click.option("--height", "altitude_agl_m", type=float, metavar="M", help="Height above ground, instead of --gsd.")
@click.option(
    "--front", "front_percent", type=float, default=20.0, show_default=True, metavar="PCT", help="Overlap along a line."
)
@click.option("--side", "side_percent", type=float, metavar="PCT", help="Overlap between lines: full coverage.")
@design_options
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of the random start of the lines.")
@click.option(
    "--drone",
    default=DEFAULT_DRONE,
    show_default=True,
    metavar="NAME",
    help=f"One of: {', '.join(d.name for d in drone_library())}.",
)
@click.option("--speed", "speed_mps", type=float, metavar="M/S", help="Speed on the lines.")
@click.option(
    "--buffer",
    "buffer_m",
    type=float,
    default=DEFAULT_BUFFER_M,
    show_default=True,
    metavar="M",
    help="Kept from exclusions.",
)
@click.option(
    "--allowance", "turn_allowance_m", type=float, metavar="M", help="How far outside of the area one may turn."
)
@click.option("--crs", metavar="EPSG:N", help="What the area's coordinates are, when its file does not say.")
@click.option("--strata-field", metavar="NAME", help="The attribute that names the strata.")
@click.option(
    "--avoid",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Polygons never flown over, besides the area's own. May be given again.",
)
@click.option(
    "--launch",
    type=(float, float),
    multiple=True,
    metavar="LON LAT",
    help="A launch site, besides the area's own. May be given again.",
)
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
@click.option("--wind", "wind_mps", type=float, metavar="M/S", help="The wind forecast, against what the drone bears.")
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
    crs: str | None,
    strata_field: str | None,
    avoid: tuple[Path, ...],
    launch: tuple[tuple[float, float], ...],
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

    AREA is GeoJSON, KML, KMZ, Shapefile, GeoPackage or CSV. Holes and features whose attribute `role` is "exclusion"
    are never flown over; points are launch sites.
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
    park = reduce(avoiding, avoid, read_area(area, crs=crs, strata_field=strata_field))
    sites = tuple(LaunchSite(f"launch {i}", *site) for i, site in enumerate(launch, start=1))
    request = PlanRequest(
        camera=camera_from_file(Path(camera)) if Path(camera).is_file() else camera_named(camera),
        terrain=None if terrain is None else Terrain.from_file(terrain, park.surroundings_deg),
        front_overlap=front_percent / 100,
        side_overlap=None if side_percent is None else side_percent / 100,
        conditions=conditions,
        **design_asked(asked),
    )
    plan = plan_survey(replace(park, launch_sites=park.launch_sites + sites), request)
    files = save_plan(plan, folder)
    for warning in plan.warnings:
        say(f"Warning: {warning}")
    for note in plan.notes:
        say(f"Note: {note}")
    document = plan_document(plan, folder, files)
    finish(document, as_json=as_json, text=_text(document, folder))


def plan_document(plan: SurveyPlan, folder: Path, files: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return what `overfly plan --json` prints."""
    return {
        "plan": str(folder),
        "lines": sum(len(s.transects) for s in plan.strata),
        "length_km": round(plan.length_m / 1000, 3),
        "duration_min": round(plan.duration_s / 60, 2),
        "metres_outside": plan.metres_outside,
        "coverage": plan.coverage,
        "not_covered_m2": round(plan.not_covered_m2, 1),
        "area_km2": round(sum(s.area_m2 for s in plan.strata) / 1e6, 4),
        "heading_deg": plan.design.heading_deg,
        "spacing_m": plan.design.spacing_m,
        "strip_width_m": plan.design.strip_width_m,
        "altitude_agl_m": plan.altitude_agl_m,
        "gsd_cm": plan.gsd_cm,
        "speed_mps": plan.speed_mps,
        "sorties": [
            {
                "name": s.identifier,
                "transects": list(s.transects),
                "items": len(s.mission.items),
                "energy_share": round(s.energy_share, 4),
                "duration_min": round(s.duration_s / 60, 2),
                "length_km": round(s.length_m / 1000, 3),
                "files": {kind: str(folder / name) for kind, name in files[s.identifier].items()},
            }
            for s in plan.sorties
        ],
        "strata": [_stratum(plan, s) for s in plan.strata],
        "transects": [_transect(plan, t) for s in plan.strata for t in s.transects],
        "warnings": list(plan.warnings),
        "notes": list(plan.notes),
        "map": str(folder / PAGE_FILE),
    }


def _stratum(plan: SurveyPlan, stratum: StratumDesign) -> dict[str, Any]:
    strips_m2 = sum(t.strip_area_m2 for t in stratum.transects)
    return {
        "name": stratum.name,
        "area_km2": round(stratum.area_m2 / 1e6, 4),
        "spacing_m": plan.design.spacing_in(stratum.name),
        "lines": len(stratum.transects),
        "length_km": round(sum(t.length_m for t in stratum.transects) / 1000, 3),
        "strip_area_km2": round(strips_m2 / 1e6, 4),
        "sampled_share": round(strips_m2 / stratum.area_m2, 4),
        "possible_transects": stratum.possible_transects,
    }


def _transect(plan: SurveyPlan, transect: Transect) -> dict[str, Any]:
    return {
        "name": transect.identifier,
        "stratum": transect.stratum,
        "length_m": round(transect.length_m, 2),
        "strip_width_m": round(plan.design.strip_width_m, 3),
        "strip_area_m2": round(transect.strip_area_m2, 1),
    }


def _text(document: dict[str, Any], folder: Path) -> str:
    lines = [
        f"{document['lines']} lines over {document['area_km2']:.4g} km²: {document['coverage']:.1%} lies in the strips",
        f"{len(document['sorties'])} sorties: {document['length_km']:.1f} km, {document['duration_min']:.0f} min in the"
        f" air, {document['metres_outside']:g} m outside of where may be flown",
    ]
    lines += [
        f"  {s['name']}: {s['length_km']:.1f} km, {s['duration_min']:.0f} min, {s['energy_share']:.0%} of the battery"
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
