"""`overfly evaluate`: how good detections and positions are, measured."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from detect.commands.evaluate_detect import evaluate_detect_command
from detect.evaluate_georef import TIE_POINTS, GeorefEvaluation, evaluate_flight, evaluate_georef
from flightplan.console import OverflyCommand, finish, json_option, say

_EXAMPLE = """
\b
Examples:
  overfly evaluate georef synthetic_rays.json --json
  overfly evaluate georef flight/ --no-refine
"""


@click.group("evaluate")
def evaluate_group() -> None:
    """Measure how good detections and positions are."""


evaluate_group.add_command(evaluate_detect_command)


@evaluate_group.command("georef", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("source", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option("--terrain", "terrain_folder", type=click.Path(path_type=Path), help="Where the elevation models lie.")
@click.option(
    "--refine/--no-refine",
    "refined",
    default=True,
    show_default=True,
    help="Whether poses of FOLDER are adjusted to its pictures' overlaps, or only headings put right.",
)
@json_option
def evaluate_georef_command(source: Path, terrain_folder: Path | None, refined: bool, as_json: bool) -> None:
    """Measure how far pixels land from where they should.

    FILE holds exact pixel-to-ground pairs as JSON; FOLDER holds pictures and a tie_points.csv that names the same
    ground point in two of them. For these the errors are those of the poses in the end; each step on the way (as read,
    headings repaired, refined from the pictures) has its own. The tie points are read only to score.
    """
    if source.is_dir() or source.name == TIE_POINTS:
        result = evaluate_flight(source if source.is_dir() else source.parent, adjust=refined)
    else:
        result = evaluate_georef(source, terrain_folder=terrain_folder)
    for line in _said(result):
        say(line)
    finish(_georef_document(result), as_json=as_json, text=_text(result), skipped=result.skipped)


def _said(result: GeorefEvaluation) -> list[str]:
    found = result.refinement
    if found is None:
        return []
    lines = [f"{finding.text}." for finding in found.findings]
    if not found.applied:
        lines.append(f"Not refined: {found.matches} matches between the pictures bring no gain.")
    return lines


def _georef_document(result: GeorefEvaluation) -> dict[str, Any]:
    document: dict[str, Any] = {"categories": {name: asdict(errors) for name, errors in result.categories.items()}}
    if result.pairs is not None:
        document["pairs"] = asdict(result.pairs)
    if result.refinement is not None:
        found = result.refinement
        document["stages"] = {name: asdict(errors) for name, errors in result.stages.items()}
        document["refinement"] = {
            "applied": found.applied,
            "matches": found.matches,
            "held_out_median_m": {
                "as_read": found.before_m,
                "repaired": found.repaired_m,
                "refined": found.after_m,
            },
            "turned": [found.captures[n].path.name for n in found.turned],
            "ground_scale": None if found.scale is None else asdict(found.scale),
            "findings": [{"kind": f.kind, "text": f.text} for f in found.findings],
        }
    return document


def _text(result: GeorefEvaluation) -> str:
    rows = {**result.categories, **{f"  {name.replace('_', ' ')}": errors for name, errors in result.stages.items()}}
    width = max(8, *(len(name) for name in rows)) if rows else 8
    lines = [f"{'category':{width}}  {'n':>5}  {'median m':>9}  {'p90 m':>9}  {'max m':>9}  inside 95 %"]
    lines += [
        f"{name:{width}}  {e.n:5d}  {e.median_m:9.4f}  {e.p90_m:9.4f}  {e.max_m:9.4f}  {e.inside_95:.0%}"
        for name, e in rows.items()
    ]
    return "\n".join(lines)
