"""`overfly report`."""

from __future__ import annotations

from pathlib import Path

import click

from counts.census import Census
from counts.report import write_report
from counts.store import latest_survey
from flightplan.console import OverflyCommand, finish, json_option
from flightplan.errors import WorkspaceError
from flightplan.plan_files import PLAN_FILE, load_plan
from overfly.commands.places import census_argument, find_places, survey_option, workspace_option


@click.command("report", cls=OverflyCommand)
@census_argument
@survey_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.html", help="Where it goes.")
@click.option("--sensitive", multiple=True, metavar="LABEL", help="Leave the places of this species off the map.")
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path),
    metavar="PLAN",
    help="The survey's plan, whose warnings the report names: the one in the survey's folder unless said.",
)
@workspace_option
@json_option
def report_command(
    census: str | None,
    survey: str | None,
    out: Path | None,
    sensitive: tuple[str, ...],
    plan_path: Path | None,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Write a survey's report: one HTML page that needs nothing else.

    In a workspace it goes into the survey's folder unless --out says otherwise.

    \b
    Examples:
      overfly report
      overfly report census.gpkg --survey 2026-wet --out 2026-wet.html
    """  # noqa: D301 (click's own mark)
    places = find_places(census, workspace_folder, survey)
    out = out or (places.folder.report if places.folder else None)
    if out is None:
        raise WorkspaceError("there is no telling where the report should go", hint="Say so with --out FILE.html")
    with Census.open(places.census, create=False) as opened:
        name = places.survey
        if name is None:
            with opened.reading() as session:
                name = latest_survey(session).name
        if plan_path is None and places.folder is not None and (places.folder.plan / PLAN_FILE).is_file():
            plan_path = places.folder.plan
        plan = None if plan_path is None else load_plan(plan_path)
        written = write_report(opened, name, out, sensitive=sensitive, plan=plan)
    finish({"report": str(written), "survey": name, "census": places.shown}, as_json=as_json, text=str(written))
