"""`overfly plan`, in a workspace or on a plain file."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from flightplan.commands.plan import plan_command as plan_a_file
from flightplan.console import OverflyCommand
from overfly.commands.places import survey_option, workspace_option
from overfly.workspace import SurveyFolder, Workspace


def _params() -> list[click.Parameter]:
    """The planner's own options; what a workspace knows may be left out."""
    params = [copy.copy(p) for p in plan_a_file.params]
    for param in params:
        if param.name in ("area", "folder"):
            param.required = False
        if param.name == "folder":
            param.help = "Where the plan goes, instead of the survey's folder in the workspace."
    return params


@click.command(
    "plan", cls=OverflyCommand, params=_params(), help=plan_a_file.help, epilog=plan_a_file.epilog, add_help_option=True
)
@workspace_option
@survey_option
@click.pass_context
def plan_command(ctx: click.Context, /, workspace_folder: Path | None, survey: str | None, **asked: Any) -> None:
    """Plan in the survey's folder of the workspace, or where --out says."""
    if asked["area"] is None or asked["folder"] is None:
        workspace = Workspace.find(Path.cwd(), workspace_folder)
        if workspace is None:
            missing = "AREA" if asked["area"] is None else "--out"
            raise click.UsageError(f"{missing} is missing, and this folder is in no workspace.")
        if asked["area"] is None:
            asked["area"] = workspace.area_path
        if asked["folder"] is None:
            asked["folder"] = _survey(workspace, survey, asked).plan
    assert plan_a_file.callback is not None
    ctx.invoke(plan_a_file.callback, **asked)


def _survey(workspace: Workspace, name: str | None, asked: dict[str, Any]) -> SurveyFolder:
    """Start the survey that was named, else one named for today, and note what was asked of it."""
    now = datetime.now(UTC)
    said = {k: v for k, v in asked.items() if isinstance(v, str | int | float) and k != "as_json"}
    return workspace.start_survey(name or now.strftime("%Y-%m-%d"), now.isoformat(timespec="seconds"), said)
