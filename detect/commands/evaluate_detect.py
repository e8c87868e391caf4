"""`overfly evaluate detect`: how good detections are, measured against labels."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from detect.calibration import reliability
from detect.commands.labels import images_option, names_of, names_option
from detect.confidence_curve import confidence_curves, write_curves
from detect.confusion import BACKGROUND, Confusion, confusion, write_confusion
from detect.evaluate_detections import (
    DEFAULT_MATCH_IOU,
    DEFAULT_RADIUS_PX,
    DetectionEvaluation,
    Figures,
    Frames,
    Matching,
    Scored,
    evaluate_detections,
)
from detect.labels import read_labels
from detect.misses import draw_misses, worst_misses
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import Skip
from flightplan.frames import Floats

_EXAMPLE = """
\b
Examples:
  overfly evaluate detect detections.csv points.csv --radius 20 --json
  overfly evaluate detect found.json labels/ --threshold 0.4 --out judged/
"""


@click.command("detect", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("pred", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(0.0, 1.0),
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
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write the confidence curve, the confusion matrix and pictures of the worst misses.",
)
@click.option(
    "--worst", type=click.IntRange(1, 200), default=24, show_default=True, help="Pictures of each kind of miss."
)
@images_option
@names_option
@json_option
def evaluate_detect_command(
    pred: Path,
    truth: Path,
    threshold: float | None,
    radius_px: float | None,
    iou: float,
    frames: Frames | None,
    out: Path | None,
    worst: int,
    images: tuple[Path, ...],
    names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure how good detections PRED are against labels TRUTH.

    Each is a folder of YOLO or VOC files, a COCO .json, or a .csv of boxes or points (a file of overfly detect too).
    Per label, in all and by size in pixels: precision, recall, F1, mean average precision (at the one --iou or
    --radius), and mean absolute error, root mean square error and bias of the count per frame; at --threshold, and at
    the score of the best F1. The confusion matrix and the misses are at --threshold, or else each label's best.
    """
    known = names_of(names)
    true = read_labels(truth, images=images, names=known)
    beside = truth if truth.is_dir() else truth.parent
    found = read_labels(pred, images=[*images, beside], names=known, reference=truth)
    rule = Matching(iou, radius_px)
    result = evaluate_detections(found, true, threshold=threshold or 0.0, matching=rule, frames=frames)
    notes = [*true.notes, *found.notes, *_unscored(result), *(_unseen(result) if out else ())]
    for note in notes:
        say(f"Note: {note}")
    least = _least(result, threshold)
    taken = confusion(result.marks, result.matching, least)
    written, skips = _write(out, result, taken, least, worst) if out else ([], [])
    document = {**_document(result, taken, notes), "out": [str(path) for path in written]}
    told = "".join(f"\nWritten: {path}" for path in written)
    text = f"{_table(result)}\n\n{_confusion_table(taken)}{told}"
    finish(document, as_json=as_json, text=text, skipped=[*true.skipped, *found.skipped, *skips])


def _least(result: DetectionEvaluation, threshold: float | None) -> Floats:
    """The score from which each detection counts in the confusion matrix and in the pictures."""
    marks = result.marks
    if threshold is not None:
        return np.full(len(marks.score), threshold)
    best = np.array([result.labels[name].best.threshold for name in marks.names])
    return np.asarray(best[marks.label], dtype=np.float64)


def _write(
    folder: Path, result: DetectionEvaluation, taken: Confusion, least: Floats, worst: int
) -> tuple[list[Path], list[Skip]]:
    folder.mkdir(parents=True, exist_ok=True)
    written = list(write_curves(confidence_curves(result.marks), folder))
    written.append(folder / "confusion.csv")
    write_confusion(taken, written[-1])
    misses = worst_misses(result.marks, taken, result.matching, least, count=worst)
    pictures, skips = draw_misses(result.marks, misses, folder, least, radius_px=result.matching.radius_px)
    return [*written, *pictures], skips


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


def _unseen(result: DetectionEvaluation) -> list[str]:
    unseen = sum(found.path is None and true.path is None for found, true in result.marks.pictures)
    if not unseen:
        return []
    return [
        f"{unseen} of the {len(result.marks.pictures)} pictures are not here, and their misses not shown (--images)"
    ]


def _document(result: DetectionEvaluation, taken: Confusion, notes: list[str]) -> dict[str, Any]:
    by_centre = result.matching.radius_px is not None
    rule = {"radius_px": result.matching.radius_px} if by_centre else {"iou": result.matching.iou}
    return {
        "match": rule,
        "frames": {"of": result.scored_frames, **result.frames},
        "all": _entry(result.all_labels),
        "labels": {name: _entry(scored) for name, scored in result.labels.items()},
        "sizes_px": {name: _entry(scored) for name, scored in result.sizes.items()},
        "confusion": {"names": [*taken.names, BACKGROUND], "counts": taken.counts.tolist()},
        "reliability": asdict(reliability(result.marks.score.clip(0.0, 1.0), result.marks.right)),
        "notes": notes,
    }


def _entry(scored: Scored) -> dict[str, Any]:
    """The figures as asked; the same at the best threshold under `best`."""
    return {**_figures(scored, scored.given), "best": _figures(scored, scored.best)}


def _figures(scored: Scored, at: Figures) -> dict[str, Any]:
    # Average precision is over all scores, so it is the same at any threshold.
    return {**asdict(at), "map50": scored.map50}


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


def _confusion_table(taken: Confusion) -> str:
    names = [*taken.names, BACKGROUND]
    width = max(len(name) for name in names)
    rows = [f"{'true / found':>{width}}  " + "  ".join(f"{name:>{max(len(name), 5)}}" for name in names)]
    rows += [
        f"{name:>{width}}  " + "  ".join(f"{n:>{max(len(column), 5)}}" for n, column in zip(row, names, strict=True))
        for name, row in zip(names, taken.counts.tolist(), strict=True)
    ]
    return "\n".join(rows)
