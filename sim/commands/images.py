"""`overfly sim images`: the pictures that a planned survey would bring back, without flying it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.plan_files import load_plan
from sim.flights import render_flight
from sim.shots import planned_shots
from sim.world import World

_EXAMPLE = """
\b
Example:
  overfly sim images serengeti/2026-wet/plan --seed 3 --out serengeti/2026-wet/images
"""


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
@json_option
def images_command(plan: Path, out: Path, seed: int, jobs: int | None, start: datetime, as_json: bool) -> None:
    """Render the geotagged frames of PLAN over simulated land and animals, and the truth about each.

    Frames are JPEG with EXIF and XMP; truth.jsonl beside them says which animals each one shows. Frames that are there
    already are kept.
    """
    survey = load_plan(plan)
    world = World.build(survey.area, seed)
    shots = planned_shots(survey, seed, start.replace(tzinfo=UTC).timestamp())
    say(f"{len(shots)} frames of {survey.camera.image_width_px} × {survey.camera.image_height_px} px into {out}")
    truth = render_flight(world, shots, survey.camera, out, jobs=jobs)
    seen = {animal.animal for frame in truth for animal in frame.animals}
    total = sum(sum(strata.values()) for strata in world.truth().values())
    finish(
        {"frames": len(truth), "folder": str(out), "animals_seen": len(seen), "truth": world.truth()},
        as_json=as_json,
        text=f"{len(truth)} frames in {out}; {len(seen)} animals in them, of {total} in the area and some around it",
    )
