"""`overfly sim survey`: a plan flown over invented animals, thousands of times, and its estimates held to the truth."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from detect.pipeline import processors
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.plan import SurveyPlan
from flightplan.plan_files import load_plan_to_fly
from overfly.commands.places import survey_option, workspace_option
from overfly.commands.progress import counted_progress
from overfly.pixel_surveys import WithPictures
from overfly.precision import ENOUGH_LINES
from overfly.workspace import CONFIG_NAME, Workspace
from sim.virtual import read_world
from sim.virtual.estimating import CHOSEN, ESTIMATORS
from sim.virtual.flights import Flying
from sim.virtual.runs import Row, Surveys, WithoutPictures, run_seeds, run_surveys
from sim.virtual.scores import Score, score
from sim.virtual.surveys import Setting
from sim.virtual.world_file import check_strata

_EXAMPLE = """
\b
Examples:
  overfly sim survey serengeti/2026-wet/plan --world animals.toml --runs 1000
  overfly sim survey --world animals.toml --runs 5000 --redraw --journal runs.jsonl --json
"""


@click.command("survey", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("plan", required=False, type=click.Path(path_type=Path), metavar="[PLAN|WORKSPACE]")
@click.option(
    "--world",
    "world_file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="Animals, detector, errors and checking, as TOML (docs/simulate.md).",
)
@click.option("--runs", type=click.IntRange(1), default=200, show_default=True, metavar="N", help="How many surveys.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, metavar="N", help="Of all of them.")
@click.option("--pixels", is_flag=True, help="Render every frame and count with the whole chain.")
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True),
    metavar="FILE",
    help="With --pixels: the detector, instead of the shipped one.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="With --pixels: leave each survey's pictures and census there.",
)
@click.option("--redraw", is_flag=True, help="Draw the design's lines anew for each survey, instead of the plan's.")
@click.option("--one-world", is_flag=True, help="The same animals in all surveys, instead of others in each.")
@click.option(
    "--processes", type=click.IntRange(1), metavar="N", help="Surveys at once; one for each processor when not said."
)
@click.option(
    "--cluster",
    is_flag=False,
    flag_value="local",
    metavar="[ADDRESS]",
    help="Share them out over the Ray cluster at ADDRESS (HOST:PORT or auto), or a new one on this machine.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write each survey down as it is done, and go on from there when run again.",
)
@survey_option
@workspace_option
@json_option
def survey_command(
    plan: Path | None,
    world_file: Path,
    runs: int,
    seed: int,
    pixels: bool,
    model: Path | None,
    keep: Path | None,
    redraw: bool,
    one_world: bool,
    processes: int | None,
    cluster: str | None,
    journal: Path | None,
    survey: str | None,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Fly PLAN many times over animals that are drawn anew, count them, and score the estimates against the truth.

    Unless asked for, no pictures are made: geometry and the detector's errors that the world file states stand in for
    them, and what is detected is counted by the same functions as in `overfly count`. For each species it tells bias,
    CV and coverage of the limits, of what `overfly count` would print and of other estimators beside it, each with what
    chance does to so many surveys. PLAN is a plan's folder or a workspace, by default the one you are in.

    With --pixels the same worlds are photographed, and the detector's errors are its own: to try the whole chain, and
    to see that both ways agree.
    """
    if pixels and (redraw or one_world or cluster):
        raise click.UsageError("--pixels flies the plan's own lines, over other animals each time, on this machine.")
    if not pixels and (model or keep):
        raise click.UsageError("--model and --keep go with --pixels.")
    started = time.perf_counter()
    place = _plan_folder(plan, workspace_folder, survey)
    flown = load_plan_to_fly(place)
    world = read_world(world_file)
    check_strata(world, [s.name for s in flown.area.strata], str(world_file))
    surveys: Surveys = WithoutPictures(Setting(Flying.of(flown), world, redraw, one_world))
    if pixels:
        surveys = WithPictures(flown, world, model, keep)
    with counted_progress("Surveys") as progress:
        rows = run_surveys(
            surveys,
            run_seeds(seed, runs),
            processes=processes or processors(),
            cluster=cluster,
            journal=journal,
            progress=progress,
        )
    document = {
        "plan": str(place),
        "world": str(world_file),
        "path": "pixels" if pixels else "fast",
        **scored(rows, flown),
        "runs": runs,
        "seed": seed,
        "redraw": redraw,
        "one_world": one_world,
        "seconds": round(time.perf_counter() - started, 2),
    }
    for note in document["warnings"]:
        say(f"Warning: {note}")
    finish(document, as_json=as_json, text=told(document))


def scored(rows: Sequence[Row], plan: SurveyPlan) -> dict[str, Any]:
    """The part of the document that says what was found: the mean truth, and each estimator's score, by species."""
    names = list(rows[0])
    scores: dict[str, dict[str, Score]] = {
        name: {e: score([row[name][e] for row in rows]) for e in rows[0][name]} for name in names
    }
    return {
        "lines": {s.name: len(s.transects) for s in plan.strata},
        "truth": {name: scores[name][CHOSEN].mean_truth for name in names},
        "chosen": CHOSEN,
        "estimators": {name: {e: s.document() for e, s in scores[name].items()} for name in names},
        "meaning": {e: ESTIMATORS[e] for e in rows[0][names[0]]},
        "warnings": [
            f"{s.name} has {len(s.transects)} lines: of fewer than {ENOUGH_LINES}, limits are wide, and for herds in"
            " clusters hold less often than they say"
            for s in plan.strata
            if len(s.transects) < ENOUGH_LINES
        ],
    }


def told(document: Mapping[str, Any]) -> str:
    """The document as a table for each species."""
    lines = [f"{document['runs']} surveys of {document['plan']}"]
    for name, found in document["estimators"].items():
        lines.append(f"\n{name}: {document['truth'][name]:.0f} animals on average")
        lines.append(
            f"  {'':14} {'bias':>16} {'CV':>16} {'stated':>7} {'coverage of 95 % limits':>25} {'width':>6} {'n':>6}"
        )
        for estimator, one in found.items():
            lines.append(
                f"  {estimator:14} {_signed(one['bias'], one['bias_interval']):>16}"
                f" {_share(one['cv'], one['cv_interval']):>16} {_plain(one['stated_cv']):>7}"
                f" {_share(one['coverage'], one['coverage_interval']):>25} {_plain(one['mean_width']):>6} {one['n']:>6}"
            )
    lines.append(
        "\nIn brackets: what chance does to so many surveys (95 %). Width: upper less lower limit over the truth."
    )
    lines += [f"  {name}: {what}" for name, what in document["meaning"].items()]
    return "\n".join(lines)


def _plan_folder(plan: Path | None, workspace_folder: Path | None, survey: str | None) -> Path:
    if plan is not None and not (plan / CONFIG_NAME).is_file():
        return plan
    workspace = Workspace.find(Path.cwd(), plan or workspace_folder)
    if workspace is None:
        raise click.UsageError("PLAN is missing, and this folder is in no workspace.")
    return workspace.survey(survey).plan


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" ({interval[0]:.3f}-{interval[1]:.3f})" if interval else "")


def _signed(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:+.1%}" + (f" ± {(interval[1] - interval[0]) / 2:.1%}" if interval else "")
