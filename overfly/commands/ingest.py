"""`overfly ingest`."""

from __future__ import annotations

from pathlib import Path

import click

from counts.census import Census
from flightplan.console import OverflyCommand, finish, json_option
from flightplan.plan import SurveyPlan
from flightplan.plan_files import load_plan
from overfly.chain import ingest
from overfly.commands.places import find_places, survey_option, workspace_option
from overfly.commands.progress import counted_progress


@click.command("ingest", cls=OverflyCommand)
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SOURCE...")
@click.option("--census", metavar="FILE|URL", help="The census, instead of the workspace's.")
@survey_option
@click.option(
    "--plan",
    "plan_folder",
    type=click.Path(path_type=Path),
    metavar="PLAN",
    help="The plan the pictures were flown by, instead of the survey's in the workspace.",
)
@click.option(
    "--ground",
    "ground_msl_m",
    type=float,
    metavar="M",
    help="The ground's height above sea level, for pictures that do not say their height above take-off.",
)
@workspace_option
@json_option
def ingest_command(
    sources: tuple[Path, ...],
    census: str | None,
    survey: str | None,
    plan_folder: Path | None,
    ground_msl_m: float | None,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Bring pictures into the census: position, heights, attitude, camera, time, and the ground each one shows.

    SOURCE is a folder or a picture. What is in the census already is not brought in twice. A picture that cannot be
    read, or not placed on the ground, is named; the rest is done.

    \b
    Examples:
      overfly ingest 2026-wet/images
      overfly ingest /media/card/DCIM --census census.gpkg --survey 2026-wet
    """  # noqa: D301 (click's own mark)
    places = find_places(census, workspace_folder, survey)
    name = places.survey or "survey"
    plan = _plan(plan_folder, places.folder.plan if places.folder else None)
    with Census.open(places.census) as opened, counted_progress("pictures") as progress:
        result = ingest(
            opened,
            name,
            sources,
            plan=plan,
            protected_area=places.workspace.name if places.workspace else None,
            ground_msl_m=ground_msl_m,
            progress=progress,
        )
    finish(
        {
            "census": places.census,
            "survey": name,
            "found": result.found,
            "added": result.added,
            "known": result.known,
            "placed": result.placed,
        },
        as_json=as_json,
        text=f"{result.found} pictures found, {result.added} added to the survey {name}, {result.known} known already; "
        f"{result.placed} of the survey's pictures are placed on the ground",
        skipped=result.skips,
    )


def _plan(named: Path | None, of_survey: Path | None) -> SurveyPlan | None:
    if named is not None:
        return load_plan(named)
    if of_survey is not None and (of_survey / "plan.json").is_file():
        return load_plan(of_survey)
    return None
