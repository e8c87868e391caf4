"""`overfly evaluate`: how good detections and positions are, measured."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from detect.evaluate_georef import GeorefEvaluation, evaluate_georef
from flightplan.console import OverflyCommand, finish, json_option

_EXAMPLE = """
\b
Examples:
  overfly evaluate georef synthetic_rays.json --json
  overfly evaluate georef flight/ --json
"""


@click.group("evaluate")
def evaluate_group() -> None:
    """Measure how good detections and positions are."""


@evaluate_group.command("georef", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("source", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option("--terrain", "terrain_folder", type=click.Path(path_type=Path), help="Where the elevation models lie.")
@json_option
def evaluate_georef_command(source: Path, terrain_folder: Path | None, as_json: bool) -> None:
    """Measure how far pixels land from where they should.

    FILE holds exact pixel-to-ground pairs as JSON; FOLDER holds pictures and a tie_points.csv that names the same
    ground point in two of them.
    """
    result = evaluate_georef(source, terrain_folder=terrain_folder)
    document = {"categories": {name: asdict(errors) for name, errors in result.categories.items()}}
    finish(document, as_json=as_json, text=_text(result), skipped=result.skipped)


def _text(result: GeorefEvaluation) -> str:
    width = max(len(name) for name in result.categories) if result.categories else 8
    lines = [f"{'category':{width}}  {'n':>5}  {'median m':>9}  {'p90 m':>9}  {'max m':>9}  inside 95 %"]
    lines += [
        f"{name:{width}}  {e.n:5d}  {e.median_m:9.4f}  {e.p90_m:9.4f}  {e.max_m:9.4f}  {e.inside_95:.0%}"
        for name, e in result.categories.items()
    ]
    return "\n".join(lines)
