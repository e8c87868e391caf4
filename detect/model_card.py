"""The card of a trained model: what it saw, how it was trained, how good it is, and on what."""

from __future__ import annotations

from pathlib import Path

from detect.evaluate_detections import DetectionEvaluation
from detect.train import OPSET, Recipe
from detect.training_set import SPLITS, TrainingRecipe, TrainingSet


def training_card(
    name: str,
    tiles: TrainingSet,
    recipe: Recipe,
    cut: TrainingRecipe,
    judged: DetectionEvaluation,
    *,
    command: str,
    minutes: float,
) -> str:
    """Return the card as Markdown."""
    best = judged.all_labels.best
    rule = (
        f"centres within {judged.matching.radius_px:g} px"
        if judged.matching.radius_px is not None
        else f"an overlap of {judged.matching.iou:g}"
    )
    lines = [
        f"# {name}",
        "",
        f"Finds {', '.join(tiles.names)}. ONNX, opset {OPSET}, dynamic axes. Trained from {recipe.start} with "
        "ultralytics, whose licence (AGPL-3.0) its weights carry.",
        f"Recommended threshold: **{best.threshold:.3f}** (in the model's metadata), where F1 is highest on the "
        "flights kept out; so the figures at it flatter a little.",
        "",
        f"Command, {minutes:.1f} minutes on {recipe.device}:",
        "",
        f"    {command}",
        "",
        "## Data",
        "",
        "| split | flights | pictures | tiles with animals | empty tiles | boxes |",
        "|---|---|---|---|---|---|",
        *(_row(tiles, split) for split in SPLITS),
        "",
        f"Tiles of at most {cut.tile_px} px that overlap by {cut.overlap_px} px; {cut.empty_share:g} empty ones for "
        f"each with animals; boxes of which less than {cut.least_visible:g} shows left out"
        + (f"; points are boxes of {cut.point_px:g} px" if cut.point_px else "")
        + f". {recipe.epochs} epochs, batch {recipe.batch}, seed {recipe.seed}. {len(tiles.skipped)} items skipped.",
        "",
        "## Figures on the flights kept out",
        "",
        f"Whole pictures, {judged.frames['scored']} of them; right is one to one with {rule}. Counts are per picture; "
        "each label at its own best threshold.",
        "",
        "| | threshold | true | precision | recall | F1 | mAP50 | count MAE | count RMSE | count bias |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups = {**judged.labels, **{f"{size} px": s for size, s in judged.sizes.items()}, "all": judged.all_labels}
    for label, scored in groups.items():
        at = scored.best
        rates = [_rate(value) for value in (at.precision, at.recall, at.f1, scored.map50)]
        errors = [f"{value:.3f}" for value in (at.mae, at.rmse, at.bias)]
        lines.append(f"| {' | '.join([label, f'{at.threshold:.3f}', str(at.n_truth), *rates, *errors])} |")
    lines += ["", "It has seen nothing but the flights above: check a sample of its frames on any other.", ""]
    return "\n".join(lines)


def _row(tiles: TrainingSet, split: str) -> str:
    flights = ", ".join(Path(folder).name for folder in tiles.flights[split])
    boxes = ", ".join(f"{count} {label}" for label, count in tiles.boxes[split].items() if count)
    with_animals, empty = tiles.tiles[split]
    return f"| {split} | {flights} | {len(tiles.pictures[split])} | {with_animals} | {empty} | {boxes} |"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
