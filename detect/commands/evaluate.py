"""`overfly evaluate`: how good detections and positions are, measured."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from detect.captures import find_images, read_capture
from detect.commands.labels import images_option, names_of, names_option
from detect.evaluate_detections import (
    DEFAULT_MATCH_IOU,
    DEFAULT_RADIUS_PX,
    DetectionEvaluation,
    Frames,
    Matching,
    Scored,
    evaluate_detections,
)
from detect.evaluate_georef import GeorefEvaluation, evaluate_georef, evaluate_tie_points
from detect.labels import read_labels
from detect.refine import refine
from flightplan.console import OverflyCommand, finish, json_option, say

_EXAMPLE = """
\b
Examples:
  overfly evaluate georef synthetic_rays.json --json
  overfly evaluate georef flight/ --refine
"""

_DETECT_EXAMPLE = """
\b
Examples:
  overfly evaluate detect detections.csv points.csv --radius 20 --json
  overfly evaluate detect found.json labels/ --threshold 0.4
"""


@click.group("evaluate")
def evaluate_group() -> None:
    """Measure how good detections and positions are."""


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


@evaluate_group.command("detect", cls=OverflyCommand, epilog=_DETECT_EXAMPLE)
@click.argument("pred", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(0.0, 1.0),
    default=0.0,
    metavar="SCORE",
    help="The lowest score that counts; all by default.",
)
@click.option(
    "--radius",
    "radius_px",
    type=click.FloatRange(0.0, min_open=True),
    metavar="PX",
    help=f"Match centres this close, not boxes by overlap; {DEFAULT_RADIUS_PX:g} where there are points.",
)
@click.option(
    "--iou",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=DEFAULT_MATCH_IOU,
    show_default=True,
    help="The overlap from which boxes match.",
)
@click.option(
    "--frames",
    type=click.Choice(["both", "truth", "all"]),
    help="Pictures that count: those of both sides (the default), all of TRUTH (the default for YOLO), or of either.",
)
@images_option
@names_option
@json_option
def evaluate_detect_command(
    pred: Path,
    truth: Path,
    threshold: float,
    radius_px: float | None,
    iou: float,
    frames: Frames | None,
    images: tuple[Path, ...],
    names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure how good detections PRED are against labels TRUTH.

    Each is a folder of YOLO or VOC files, a COCO .json, or a .csv of boxes or points (a file of overfly detect too).
    Per label, in all and by size in pixels: precision, recall, F1, mean average precision (at the one --iou or
    --radius), and mean absolute error, root mean square error and bias of the count per frame; at --threshold, and at
    the score of the best F1.
    """
    known = names_of(names)
    true = read_labels(truth, images=images, names=known)
    beside = truth if truth.is_dir() else truth.parent
    found = read_labels(pred, images=[*images, beside], names=known, reference=truth)
    result = evaluate_detections(found, true, threshold=threshold, matching=Matching(iou, radius_px), frames=frames)
    notes = [*true.notes, *found.notes, *_unscored(result)]
    for note in notes:
        say(f"Note: {note}")
    finish(_document(result, notes), as_json=as_json, text=_table(result), skipped=[*true.skipped, *found.skipped])


def _unscored(result: DetectionEvaluation) -> list[str]:
    unfound, unlabelled = result.frames["only_in_truth"], result.frames["only_in_detections"]
    notes = []
    if unfound:
        left_out = result.scored_frames == "both"
        does = (
            "are left out (--frames truth takes them as searched in vain)" if left_out else "count as searched in vain"
        )
        notes.append(f"{unfound} pictures of TRUTH are not in PRED and {does}")
    if unlabelled:
        left_out = result.scored_frames != "all"
        does = "are left out (--frames all takes them as empty)" if left_out else "count as empty"
        notes.append(f"{unlabelled} pictures of PRED are not in TRUTH and {does}")
    return notes


def _document(result: DetectionEvaluation, notes: list[str]) -> dict[str, Any]:
    by_centre = result.matching.radius_px is not None
    rule = {"radius_px": result.matching.radius_px} if by_centre else {"iou": result.matching.iou}
    return {
        "match": rule,
        "frames": {"of": result.scored_frames, **result.frames},
        "all": _entry(result.all_labels),
        "labels": {name: _entry(scored) for name, scored in result.labels.items()},
        "sizes_px": {name: _entry(scored) for name, scored in result.sizes.items()},
        "notes": notes,
    }


def _entry(scored: Scored) -> dict[str, Any]:
    return {"map50": scored.map50, **asdict(scored.given), "best": asdict(scored.best)}


def _table(result: DetectionEvaluation) -> str:
    groups = {
        **result.labels,
        **{f"{size} px": scored for size, scored in result.sizes.items()},
        "all": result.all_labels,
    }
    width = max(6, *(len(name) for name in groups))
    lines = [f"{'':{width}}  threshold  truth  found  precision  recall     F1    mAP    MAE   RMSE    bias"]
    for name, scored in groups.items():
        for title, at in ((name, scored.given), ("  best", scored.best)):
            rates = (at.precision, at.recall, at.f1, scored.map50)
            shown = ["-" if rate is None else f"{rate:.3f}" for rate in rates]
            lines.append(
                f"{title:{width}}  {at.threshold:9.3f}  {at.n_truth:5d}  {at.n_found:5d}  {shown[0]:>9}  "
                f"{shown[1]:>6}  {shown[2]:>5}  {shown[3]:>5}  {at.mae:5.2f}  {at.rmse:5.2f}  {at.bias:6.2f}"
            )
    return "\n".join(lines)


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
