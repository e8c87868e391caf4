"""`overfly evaluate`: how good detections and positions are, measured."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import click

from detect.captures import find_images, read_capture
from detect.commands.evaluate_detect import evaluate_detect_command
from detect.evaluate_georef import GeorefEvaluation, evaluate_georef, evaluate_tie_points
from detect.refine import refine
from flightplan.console import OverflyCommand, finish, json_option, say

_EXAMPLE = """
\b
Examples:
  overfly evaluate georef synthetic_rays.json --json
  overfly evaluate georef flight/ --refine
"""


@click.group("evaluate")
def evaluate_group() -> None:
    """Measure how good detections and positions are."""


evaluate_group.add_command(evaluate_detect_command)


@evaluate_group.command("georef", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("source", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option("--terrain", "terrain_folder", type=click.Path(path_type=Path), help="Where the elevation models lie.")
@click.option("--refine", "refined", is_flag=True, help="Refine the poses of FOLDER from its pictures' overlaps first.")
@json_option
def evaluate_georef_command(source: Path, terrain_folder: Path | None, refined: bool, as_json: bool) -> None:
    """Measure how far pixels land from where they should.

    FILE holds exact pixel-to-ground pairs as JSON; FOLDER holds pictures and a tie_points.csv that names the same
    ground point in two of them.
    """
    result = _refined(source) if refined else evaluate_georef(source, terrain_folder=terrain_folder)
    document = {"categories": {name: asdict(errors) for name, errors in result.categories.items()}}
    finish(document, as_json=as_json, text=_text(result), skipped=result.skipped)


def _refined(folder: Path) -> GeorefEvaluation:
    paths, skips = find_images([folder])
    refinement = refine([read_capture(path) for path in paths])
    turned = ", ".join(paths[n].name for n in refinement.turned)
    if refinement.applied:
        say(f"Refined from {refinement.matches} matches" + (f"; turned by 180°: {turned}" if turned else ""))
    else:
        say(f"Not refined: {refinement.matches} matches between the pictures bring no gain")
    captures = {path.name: capture for path, capture in zip(paths, refinement.captures, strict=True)}
    result = evaluate_tie_points(folder, captures=captures)
    return replace(result, skipped=(*skips, *result.skipped))


def _text(result: GeorefEvaluation) -> str:
    width = max(len(name) for name in result.categories) if result.categories else 8
    lines = [f"{'category':{width}}  {'n':>5}  {'median m':>9}  {'p90 m':>9}  {'max m':>9}  inside 95 %"]
    lines += [
        f"{name:{width}}  {e.n:5d}  {e.median_m:9.4f}  {e.p90_m:9.4f}  {e.max_m:9.4f}  {e.inside_95:.0%}"
        for name, e in result.categories.items()
    ]
    return "\n".join(lines)
