"""Where verbs find the workspace, the survey and the census when they are not named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from counts.address import shown_address
from detect.sources import is_remote
from flightplan.errors import WorkspaceError
from overfly.workspace import SurveyFolder, Workspace

workspace_option = click.option(
    "--workspace",
    "workspace_folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The workspace, instead of the one you are in.",
)
census_argument = click.argument("census", metavar="[CENSUS]", required=False)
pictures_option = click.option(
    "--pictures",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="A folder to look for pictures in that are not where they were; may be given several times.",
)
utc_offset_option = click.option(
    "--utc-offset",
    "utc_offset_h",
    type=click.FloatRange(-24, 24),
    metavar="HOURS",
    help="How far the cameras' clocks run ahead of UTC, where a file names no zone.",
)
survey_option = click.option("--survey", metavar="NAME", help="The survey (season), instead of the latest.")


@dataclass(frozen=True)
class Places:
    """The census a verb works on, and its workspace and survey folder where there are any."""

    census: str
    workspace: Workspace | None
    survey: str | None
    folder: SurveyFolder | None

    @property
    def shown(self) -> str:
        """The census as it may be printed: an address without its password."""
        return shown_address(self.census)


def find_places(census: str | None, workspace_folder: Path | None, survey: str | None) -> Places:
    """Return what was named, else what the workspace has: CENSUS its census, --survey its latest.

    Raises WorkspaceError when there is neither a census named nor a workspace.
    """
    workspace = Workspace.find(Path.cwd(), workspace_folder)
    if census is not None:
        return Places(census, None, survey, None)
    if workspace is None:
        raise WorkspaceError(
            "no census was named, and this folder is in no workspace",
            where=str(Path.cwd()),
            hint="Name a census file, or make a workspace with: overfly init AREA",
        )
    folders = {f.name: f for f in workspace.surveys()}
    name = survey or (workspace.survey().name if folders else None)
    return Places(workspace.census, workspace, name, folders.get(name) if name else None)


def as_sources(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Path | str, ...]:
    """Folders and pictures as paths, URLs as text: a path would make one slash of their two."""
    return tuple(value if is_remote(value) else Path(value) for value in values)
