"""`overfly ingest`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from counts.census import Census
from detect.findings import PoseFinding
from detect.flight_checks import KINDS
from detect.sources import shown
from detect.video import VIDEO_SUFFIXES, extract_frames
from flightplan.areas import StudyArea, read_area
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import Skip
from flightplan.plan import SurveyPlan
from flightplan.plan_files import load_plan
from flightplan.terrain import Terrain
from overfly.chain import Ingested, ingest
from overfly.commands.places import Places, as_sources, find_places, survey_option, utc_offset_option, workspace_option
from overfly.commands.progress import counted_progress

_STEP = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m)")


@click.command("ingest", cls=OverflyCommand)
@click.argument("sources", nargs=-1, required=True, callback=as_sources, metavar="SOURCE...")
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
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="FILE",
    help="A log (.tlog, ArduPilot's .bin, a flight's folder of overfly fly) to find pictures in by time. Repeatable.",
)
@click.option(
    "--terrain",
    "terrain_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="DEM",
    help="An elevation model to check heights against.",
)
@click.option(
    "--repair",
    multiple=True,
    type=click.Choice(["all", *KINDS]),
    metavar="KIND",
    help="Apply what is proposed for this kind of finding; all for every kind. Repeat for several.",
)
@click.option(
    "--pixels/--no-pixels",
    default=True,
    show_default=True,
    help="Look at the pixels too, at half their size: blur, exposure, missing data.",
)
@click.option(
    "--refine",
    is_flag=True,
    help="Adjust position and attitude so that overlapping pictures of a flight agree, where that proves a gain.",
)
@click.option(
    "--every",
    default="2s",
    show_default=True,
    metavar="STEP",
    help="Of a video: a frame each so many seconds (2s) or metres flown (15m).",
)
@click.option(
    "--frames",
    "frames_folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where frames of videos are written, instead of a folder beside each.",
)
@utc_offset_option
@workspace_option
@json_option
def ingest_command(
    sources: tuple[Path | str, ...],
    census: str | None,
    survey: str | None,
    plan_folder: Path | None,
    ground_msl_m: float | None,
    logs: tuple[Path, ...],
    terrain_file: Path | None,
    repair: tuple[str, ...],
    pixels: bool,
    refine: bool,
    every: str,
    frames_folder: Path | None,
    utc_offset_h: float | None,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Bring pictures into the census: position, heights, attitude, camera, time, and the ground each one shows.

    SOURCE is a folder, a picture, or a URL of either (s3://, zip://photos.zip). What is in the census already is not
    brought in twice. A picture that cannot be read, or not placed on the ground, is named; the rest is done.

    With --refine the pictures of each flight are compared: headings they contradict are turned, and poses are adjusted
    to the ground that two of them show. What is then found in them is placed with what is left of the errors.

    A GeoTIFF is an orthomosaic: it needs no plan, and is counted in the workspace's area.

    A video (.mp4, .mov) with the drone's .SRT beside it is cut into frames first, which are pictures like any other
    from then on (extra `video`).

    With --log pictures that know too little get position, heights and attitude from the log. The offset of the camera's
    clock is found from the pattern of exposures, or the log is refused.

    Each flight is checked: yaw against track and neighbours, heights, clock, missing and surplus frames; its pictures
    for blur, exposure and missing data. What is wrong is named with what would put it right; that is done with
    --repair, or unasked where it is proved, and written down. Run it again with --repair for pictures that are in the
    census already.

    \b
    Examples:
      overfly ingest 2026-wet/images
      overfly ingest 2026-wet/images --repair yaw-flipped --repair clock-step
      overfly ingest 2026-wet/images --refine
      overfly ingest /media/card/DCIM --log flight.tlog --log 00000042.BIN
      overfly ingest /media/card/DCIM --census census.gpkg --survey 2026-wet
      overfly ingest DJI_0001.MP4 --every 15m --utc-offset 3
    """  # noqa: D301 (click's own mark)
    places = find_places(census, workspace_folder, survey)
    name = places.survey or "survey"
    plan = _plan(plan_folder, places.folder.plan if places.folder else None)
    clock = None if utc_offset_h is None else timedelta(hours=utc_offset_h)
    sources, passed_over = _pictures(sources, every, frames_folder, clock)
    with Census.open(places.census) as opened, counted_progress("pictures") as progress:
        result = ingest(
            opened,
            name,
            sources,
            plan=plan,
            protected_area=places.workspace.name if places.workspace else None,
            ground_msl_m=ground_msl_m,
            terrain=None if terrain_file is None else Terrain.from_file(terrain_file),
            repair=KINDS if "all" in repair else repair,
            logs=logs,
            pixels=pixels,
            refine=refine,
            area=_area(places),
            progress=progress,
        )
    for finding in result.findings:
        say(f"Found: {finding.kind}: {finding.text}{_done(finding, result)}")
    finish(
        {
            "census": places.shown,
            "survey": name,
            "found": result.found,
            "added": result.added,
            "known": result.known,
            "placed": result.placed,
            "findings": [_finding(finding, result) for finding in result.findings],
            "repairs": [
                {
                    "kind": r.kind,
                    "capture": shown(result.paths[r.capture]),
                    "field": r.field,
                    "before": _plain(r.before),
                    "after": _plain(r.after),
                    "source": r.source,
                }
                for r in result.repairs
            ],
        },
        as_json=as_json,
        text=f"{result.found} pictures found, {result.added} added to the survey {name}, {result.known} known already; "
        f"{result.placed} of the survey's pictures are placed on the ground; {len(result.findings)} findings, "
        f"{len({r.capture for r in result.repairs})} pictures repaired",
        skipped=(*passed_over, *result.skips),
    )


def _pictures(
    sources: tuple[Path | str, ...], every: str, folder: Path | None, clock: timedelta | None
) -> tuple[tuple[Path | str, ...], list[Skip]]:
    """The sources with videos replaced by folders of their frames, and what was passed over in them."""
    step = _STEP.fullmatch(every)
    if step is None or float(step[1]) <= 0:
        raise click.BadParameter("a step is like 2s (seconds) or 15m (metres)", param_hint="--every")
    by = {"every_s": float(step[1])} if step[2] == "s" else {"every_s": None, "every_m": float(step[1])}
    pictures: list[Path | str] = []
    skips: list[Skip] = []
    for source in sources:
        if not isinstance(source, Path) or source.suffix.lower() not in VIDEO_SUFFIXES:
            pictures.append(source)
            continue
        into = folder / source.stem if folder else source.with_name(f"{source.stem}_frames")
        with counted_progress(f"frames of {source.name}") as progress:
            frames = extract_frames(source, into, **by, utc_offset=clock, progress=progress)
        skips += frames.skips
        pictures += frames.paths
    return tuple(pictures), skips


def _plan(named: Path | None, of_survey: Path | None) -> SurveyPlan | None:
    if named is not None:
        return load_plan(named)
    if of_survey is not None and (of_survey / "plan.json").is_file():
        return load_plan(of_survey)
    return None


def _area(places: Places) -> StudyArea | None:
    """The workspace's area, which orthomosaics are counted in; pictures are not, without lines."""
    workspace = places.workspace
    return read_area(workspace.area_path) if workspace is not None and workspace.area_path.is_file() else None


def _finding(finding: PoseFinding, result: Ingested) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "text": finding.text,
        "captures": [shown(result.paths[h]) for h in finding.captures],
        "proposed": {name: [_plain(v) for v in values] for name, values in (finding.repair or {}).items()},
        "proved": finding.is_proved,
        "repaired": _is_repaired(finding, result),
    }


def _is_repaired(finding: PoseFinding, result: Ingested) -> bool:
    return any(r.kind == finding.kind and r.capture in finding.captures for r in result.repairs)


def _done(finding: PoseFinding, result: Ingested) -> str:
    if _is_repaired(finding, result):
        return " [repaired]"
    return f" [--repair {finding.kind} changes {', '.join(finding.repair)}]" if finding.repair else ""


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
