"""`overfly transects`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import numpy as np

from detect.captures import Capture, find_images, read_capture
from detect.flown_plan import plan_as_flown
from detect.pipeline import processors, skip_of
from detect.sources import shown
from flightplan.areas import read_area
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import OverflyError, Skip, WorkspaceError
from flightplan.plan import SurveyPlan
from flightplan.plan_files import PLAN_FILE, save_plan
from overfly.commands.places import as_sources, survey_option, utc_offset_option, workspace_option
from overfly.commands.progress import counted_progress
from overfly.workspace import Workspace

_EXAMPLE = """
\b
Examples:
  overfly transects /media/card/DCIM --survey 2019
  overfly transects 2019/images --survey 2019 --height 60
  overfly transects old-flights/ --area park.geojson --out 2019-plan
"""


@click.command("transects", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, callback=as_sources)
@click.option(
    "--area",
    "area_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="The area, instead of the workspace's.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the plan goes, instead of the survey's folder in the workspace.",
)
@click.option(
    "--height",
    "height_m",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="M",
    help="Height above ground that was flown, instead of the pictures' height above take-off.",
)
@utc_offset_option
@survey_option
@workspace_option
@json_option
def transects_command(
    sources: tuple[Path | str, ...],
    area_file: Path | None,
    out: Path | None,
    height_m: float | None,
    utc_offset_h: float | None,
    survey: str | None,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Make the plan of flights that somebody else planned: transects from where their pictures were taken.

    Straight runs of pictures become the transects of the strata they cross; runs on one line are one transect. Camera,
    height, strip width and spacing are what the pictures say. The plan goes into the survey's folder, and ingest, count
    and report take it from there. It has no sorties: there is nothing left to fly.

    Whether the first line was placed at random is not in the pictures; nor whether the lines were chosen because
    animals were there. Lines at uneven distances are named.
    """
    workspace = Workspace.find(Path.cwd(), workspace_folder)
    name = survey or datetime.now(UTC).strftime("%Y-%m-%d")
    if area_file is not None:
        area = read_area(area_file)
    elif workspace is not None:
        area = workspace.area()
    else:
        raise click.UsageError("--area is missing, and this folder is in no workspace.")
    if out is not None:
        folder = out
    elif workspace is not None:
        folder = workspace.survey_folder(name).plan
    else:
        raise click.UsageError("--out is missing, and this folder is in no workspace.")
    if (folder / PLAN_FILE).exists():
        raise WorkspaceError(
            "there is a plan already", where=str(folder), hint="Name another survey with --survey, or another --out"
        )
    paths, skips = find_images(sources)
    captures: list[Capture] = []
    clock = None if utc_offset_h is None else timedelta(hours=utc_offset_h)
    with counted_progress("pictures") as progress:
        for done, read in enumerate(_read(paths, clock), start=1):
            if isinstance(read, Skip):
                skips.append(read)
            else:
                captures.append(read)
            progress(done, len(paths))
    plan, passed_over = plan_as_flown(area, captures, height_m=height_m)
    save_plan(plan, folder)
    if out is None and workspace is not None:
        workspace.start_survey(
            name,
            datetime.now(UTC).isoformat(timespec="seconds"),
            {"as_flown": [shown(source) for source in sources], "height": height_m},
        )
    for warning in plan.warnings:
        say(f"Warning: {warning}")
    strata = [_stratum(plan, i) for i in range(len(plan.strata))]
    finish(
        {
            "plan": str(folder),
            "kind": plan.design.kind,
            "camera": plan.camera.name,
            "heading_deg": plan.design.heading_deg,
            "altitude_agl_m": plan.altitude_agl_m,
            "strip_width_m": plan.design.strip_width_m,
            "trigger_distance_m": plan.trigger_distance_m,
            "front_overlap": plan.front_overlap,
            "strata": strata,
            "warnings": list(plan.warnings),
        },
        as_json=as_json,
        text="\n".join(
            [
                f"{plan.camera.name} at {plan.altitude_agl_m:.0f} m: strips {plan.design.strip_width_m:.0f} m wide,"
                f" a picture every {plan.trigger_distance_m:.0f} m",
                *(
                    f"{s['stratum']}: {s['transects']} transects, {s['length_km']:.1f} km,"
                    f" {s['spacing_m']:.0f} m apart, {s['share_in_strips']:.0%} in the strips"
                    for s in strata
                ),
                f"Written to {folder}",
            ]
        ),
        skipped=(*skips, *passed_over),
    )


def _read(paths: list[Path], clock: timedelta | None) -> Iterator[Capture | Skip]:
    def read(path: Path) -> Capture | Skip:
        try:
            return read_capture(path, clock_utc_offset=clock)
        except OverflyError as error:
            skip = skip_of(path, error)
            if skip is None:
                raise
            return skip

    with ThreadPoolExecutor(processors()) as readers:
        yield from readers.map(read, paths)


def _stratum(plan: SurveyPlan, index: int) -> dict[str, str | int | float]:
    stratum = plan.strata[index]
    return {
        "stratum": stratum.name,
        "transects": len(stratum.transects),
        "length_km": sum(t.length_m for t in stratum.transects) / 1000,
        "spacing_m": plan.design.spacing_in(stratum.name),
        "share_in_strips": float(np.sum([t.strip_area_m2 for t in stratum.transects])) / stratum.area_m2,
    }
