"""`overfly plan`, in a workspace or on a plain file."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from flightplan.commands.plan import plan_command as plan_a_file
from flightplan.console import OverflyCommand
from flightplan.errors import WorkspaceError
from flightplan.plan_files import PLAN_FILE
from overfly.commands.places import survey_option, workspace_option
from overfly.workspace import Workspace


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
            _plan_survey(ctx, workspace, survey or datetime.now(UTC).strftime("%Y-%m-%d"), asked)
            return
    ctx.invoke(plan_a_file, **asked)


def _plan_survey(ctx: click.Context, workspace: Workspace, name: str, asked: dict[str, Any]) -> None:
    """Plan into the survey's folder; a plan that was refused leaves no survey behind."""
    said = {k: value for k, v in asked.items() if k != "as_json" and (value := _plain(v)) is not None}
    folder = workspace.survey_folder(name)
    if (folder.plan / PLAN_FILE).exists():
        raise WorkspaceError(
            f"the survey {name} has its plan already", where=str(folder.plan), hint="Name another with --survey"
        )
    try:
        ctx.invoke(plan_a_file, **{**asked, "folder": folder.plan})
    finally:
        if (folder.plan / PLAN_FILE).exists():
            workspace.start_survey(name, datetime.now(UTC).isoformat(timespec="seconds"), said)


def _plain(value: Any) -> Any:
    """Return an option's value as TOML holds it, None for what was not said."""
    if isinstance(value, tuple):
        return [_plain(v) for v in value] or None
    return str(value) if isinstance(value, Path) else value
