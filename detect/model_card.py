"""The card of a trained model: what it saw, how it was trained, how good it is, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detect.calibration import Reliability
from detect.evaluate_detections import DetectionEvaluation, Figures, Scored
from detect.judging import Judgement
from detect.train import OPSET, Recipe
from detect.training_set import SPLITS, TrainingRecipe, TrainingSet

_HEAD = "| | threshold | true | found | precision | recall | F1 | mAP50 | count MAE | count RMSE | count bias |"


@dataclass(frozen=True)
class Training:
    """How a model was made: `command` as it was typed, `minutes` of training alone and of everything.

    `gsd_cm` is centimetres of ground in a pixel, None where it is not known; `gsd_source` says why, or where it is
    from. `start` is what training went on from, in words.
    """

    command: str
    minutes: float
    minutes_in_all: float
    start: str
    recipe: Recipe
    cut: TrainingRecipe
    gsd_cm: float | None
    gsd_source: str
    licence: str


def training_card(name: str, tiles: TrainingSet, made: Training, judged: Judgement) -> str:
    """Return the card as Markdown."""
    recipe, cut = made.recipe, made.cut
    own = ", ".join(f"{label} {score:.3f}" for label, score in judged.thresholds.items())
    ground = f"{made.gsd_cm:.1f} cm of ground a pixel" if made.gsd_cm else "an unknown size of pixel on the ground"
    lines = [
        f"# {name}",
        "",
        f"Finds {', '.join(tiles.names)} at {ground} ({made.gsd_source}). ONNX, opset {OPSET}, dynamic axes, no NMS "
        "inside.",
        "",
        f"- Started from {made.start}.",
        f"- Licence of the weights: {made.licence}. Whether they may be passed on depends on that of the pictures too.",
        f"- Threshold: **{judged.threshold:.3f}** for all labels"
        + (f"; of their own: {own}" if own else "")
        + ". They "
        "are in the model's metadata, and are where F1 is highest on the flights that judge.",
        "",
        f"Command, {made.minutes:.1f} minutes of training on {recipe.device}"
        + (f" ({recipe.threads} thread{'s' if recipe.threads > 1 else ''})" if recipe.threads else "")
        + f", {made.minutes_in_all:.1f} in all:",
        "",
        f"    {made.command}",
        "",
        "## Data",
        "",
        "| split | flights or pictures | pictures | tiles with animals | empty tiles | boxes |",
        "|---|---|---|---|---|---|",
        *(_row(tiles, split) for split in (*SPLITS, "test") if tiles.pictures.get(split)),
        "",
        "Whole flights are kept out: `val` chooses the epoch, the thresholds and the calibration"
        + ("; `test` chooses nothing." if judged.test else "."),
        "",
        f"Tiles of at most {cut.tile_px} px that overlap by {cut.overlap_px} px; {cut.empty_share:g} empty ones for "
        f"each with animals; boxes of which less than {cut.least_visible:g} shows left out"
        + (f"; points are boxes of {cut.point_px:g} px" if cut.point_px else "")
        + f". {recipe.epochs} epochs, batch {recipe.batch}, learning rate {recipe.learning_rate:g}, "
        + (f"first {recipe.freeze} layers frozen, " if recipe.freeze else "")
        + f"varied as on {'one survey' if recipe.augment == 'survey' else 'land and in light elsewhere'}, seed "
        f"{recipe.seed}. {len(tiles.skipped)} items skipped. SHA-256 of tiles and boxes: `{tiles.content_hash}`.",
        "",
        *[f"Note: {note}." for note in tiles.notes],
        "",
    ]
    if judged.test is not None:
        lines += ["## On the test flights, which chose nothing", "", *_figures(judged.test, at_given=True)]
        lines += ["", "The same with the thresholds that would have been best there (they flatter):", ""]
        lines += [*_figures(judged.test, at_given=False)[2:], ""]
    title = "## On the flights that chose the epoch and the thresholds, so these flatter"
    lines += [title, "", *_figures(judged.val, at_given=True), ""]
    lines += ["## What a score is worth", "", *_worth(judged), ""]
    lines += ["It has seen nothing but the flights above: check a sample of its frames on any other.", ""]
    return "\n".join(lines)


def _row(tiles: TrainingSet, split: str) -> str:
    # A flight is a folder; a few pictures named one by one say more themselves.
    few = len(tiles.pictures[split]) <= 3
    shown = [f"{path.parent.name}/{path.name}" for path in tiles.pictures[split]]
    folders = sorted(set(shown if few else [Path(folder).name for folder in tiles.flights[split]]))
    flights = ", ".join(folders) if len(folders) <= 12 else f"{len(folders)}: {folders[0]} to {folders[-1]}"
    boxes = ", ".join(f"{count} {label}" for label, count in tiles.boxes.get(split, {}).items() if count)
    with_animals, empty = tiles.tiles.get(split, ("-", "-"))
    return f"| {split} | {flights} | {len(tiles.pictures[split])} | {with_animals} | {empty} | {boxes or '-'} |"


def _figures(judged: DetectionEvaluation, *, at_given: bool) -> list[str]:
    rule = (
        f"centres within {judged.matching.radius_px:g} px"
        if judged.matching.radius_px is not None
        else f"an overlap of {judged.matching.iou:g}"
    )
    lines = [
        f"Whole pictures, {judged.frames['scored']} of them; right is one to one with {rule}. Counts are per picture.",
        "",
        _HEAD,
        f"|{'---|' * 11}",
    ]
    sizes = {f"{size} px": scored for size, scored in judged.sizes.items() if scored.given.n_truth}
    for label, scored in {**judged.labels, **sizes, "all": judged.all_labels}.items():
        at = scored.given if at_given else scored.best
        # What counts over labels counts each at its own threshold.
        own = at_given and label not in judged.labels
        lines.append(_line(label, scored, at, "own" if own else f"{at.threshold:.3f}"))
    return lines


def _line(label: str, scored: Scored, at: Figures, threshold: str) -> str:
    rates = [_rate(value) for value in (at.precision, at.recall, at.f1, scored.map50)]
    errors = [f"{value:.3f}" for value in (at.mae, at.rmse, at.bias)]
    return f"| {' | '.join([label, threshold, str(at.n_truth), str(at.n_found), *rates, *errors])} |"


def _worth(judged: Judgement) -> list[str]:
    if judged.calibration is None:
        return ["Too few detections on the flights kept out to learn it from: scores are not probabilities."]
    method = "Platt scaling" if judged.calibration.all_labels.method == "platt" else "isotonic regression"
    where = "the test flights" if judged.test else "one half of the pictures, learnt on the other, both ways"
    lines = [
        f"`overfly detect --calibrated` turns scores into the probability of being right, by {method} learnt from "
        f"{judged.calibration.n} detections on `val` (in the metadata). Measured on {where}, over detections of any "
        "score from 0.01 on:",
        "",
        "| | detections | expected calibration error | Brier score |",
        "|---|---|---|---|",
        _reliability("as the network gives them", judged.reliability_before),
    ]
    if judged.reliability_after is not None:
        lines.append(_reliability("calibrated", judged.reliability_after))
    return lines


def _reliability(what: str, found: Reliability) -> str:
    return f"| {what} | {sum(found.n)} | {_rate(found.error)} | {_rate(found.brier)} |"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
