"""`overfly sim images`: the pictures that a planned survey would bring back, without flying it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import TerrainError
from flightplan.plan import SurveyPlan
from flightplan.plan_files import load_plan_to_fly
from flightplan.terrain import Terrain
from sim.camera import Look
from sim.collars import write_collars
from sim.flights import render_flight
from sim.makers import MAKERS, Slips
from sim.orthophoto import PhotographedLand
from sim.photographs import Writing
from sim.relief import Relief
from sim.shots import over_hills, planned_shots
from sim.virtual import read_world
from sim.virtual.populations import Ground, populate
from sim.virtual.world_file import check_strata
from sim.world import World

_EXAMPLE = """
\b
Examples:
  overfly sim images serengeti/2026-wet/plan --seed 3 --out serengeti/2026-wet/images
  overfly sim images plan --world animals.toml --terrain dem.tif --maker autel --collars 12 --out images
"""
COLLARS_FILE = "collars.csv"


@click.command("images", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where the frames go.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of land, animals and errors.")
@click.option("--jobs", type=click.IntRange(1), help="Processes that render; one a core when not said.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S"]),
    default="2026-02-01T06:30:00",
    show_default=True,
    help="UTC of the first frame.",
)
@click.option(
    "--world",
    "world_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Species, herds, movement and behaviour, as TOML (docs/simulate.md), instead of the demo's.",
)
@click.option(
    "--terrain", type=click.Path(path_type=Path, exists=True), metavar="DEM", help="Hills: an elevation model."
)
@click.option(
    "--follow/--level",
    default=True,
    show_default=True,
    help="With --terrain: keep the height above the ground, or that above take-off.",
)
@click.option(
    "--orthophoto",
    type=click.Path(path_type=Path, exists=True),
    metavar="TIF",
    help="The ground: a georeferenced picture of three bands, instead of drawn land.",
)
@click.option("--thermal", is_flag=True, help="A thermal camera's pictures: white is hot.")
@click.option(
    "--shutter", type=click.FloatRange(0, 1), metavar="S", help="Exposure in seconds, which smears what is flown over."
)
@click.option("--maker", type=click.Choice(list(MAKERS)), help="Whose drone writes the metadata.")
@click.option(
    "--slips",
    default="",
    metavar="TEXT",
    help="What is wrong with metadata, as yaw_flipped=0.05,no_position=0.01,clock_ahead_s=3600.",
)
@click.option(
    "--collars", type=click.IntRange(0), default=0, metavar="N", help="Animals whose tracks go to collars.csv."
)
@json_option
def images_command(
    plan: Path,
    out: Path,
    seed: int,
    jobs: int | None,
    start: datetime,
    world_file: Path | None,
    terrain: Path | None,
    follow: bool,
    orthophoto: Path | None,
    thermal: bool,
    shutter: float | None,
    maker: str | None,
    slips: str,
    collars: int,
    as_json: bool,
) -> None:
    """Render the geotagged frames of PLAN over simulated land and animals, and the truth about each.

    Frames are JPEG with EXIF and XMP; truth.jsonl beside them says which animals each one shows. Frames that are there
    already are kept.
    """
    survey = load_plan_to_fly(plan)
    world = _world(survey, seed, world_file, terrain, orthophoto)
    begin_s = start.replace(tzinfo=UTC).timestamp()
    wrong = Slips.parse(slips)
    shots = planned_shots(survey, seed, begin_s, slips=wrong)
    if world.relief is not None:
        shots = over_hills(shots, survey.area.frame, world.relief, follow=follow)
    smear_px = (shutter or 0.0) * survey.speed_mps * 100.0 / survey.gsd_cm
    look = Look(smear_px=smear_px, heat=thermal, blur_px=0.9 if thermal else 0.55) if thermal or smear_px else None
    writing = Writing(maker, wrong, thermal) if maker or slips or thermal else None
    say(f"{len(shots)} frames of {survey.camera.image_width_px} × {survey.camera.image_height_px} px into {out}")
    truth = render_flight(world, shots, survey.camera, out, jobs=jobs, look=look, writing=writing)
    if collars:
        write_collars(world, collars, begin_s, max(shot.time_s for shot in shots), out / COLLARS_FILE)
    seen = {animal.animal for frame in truth for animal in frame.animals}
    total = sum(sum(strata.values()) for strata in world.truth().values())
    finish(
        {
            "frames": len(truth),
            "folder": str(out),
            "animals_seen": len(seen),
            "truth": world.truth(),
            "slips": sum(1 for shot in shots if shot.slip),
            "collars": str(out / COLLARS_FILE) if collars else None,
        },
        as_json=as_json,
        text=f"{len(truth)} frames in {out}; {len(seen)} animals in them, of {total} in the area and some around it",
    )


def _world(
    survey: SurveyPlan, seed: int, world_file: Path | None, terrain: Path | None, orthophoto: Path | None
) -> World:
    """The demo's animals or those of a file, on drawn or photographed land, flat or on an elevation model."""
    if world_file is None:
        world = World.build(survey.area, seed)
    else:
        recipe = read_world(world_file)
        check_strata(recipe, [stratum.name for stratum in survey.area.strata], str(world_file))
        world = populate(Ground.of(survey.area), recipe, seed)
    if orthophoto is not None:
        world = replace(world, land=PhotographedLand.of(survey.area, orthophoto, seed))
    if terrain is not None:
        model = Terrain.from_file(terrain, survey.area.surroundings_deg)
        try:
            world = replace(world, relief=Relief.of(survey.area, model))
        except TerrainError as error:
            raise TerrainError(str(error), where=str(terrain)) from error
    return world
