"""`overfly train`: from labelled pictures to a detector, with its card."""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from detect.commands.labels import images_option, names_of, names_option
from detect.detectors import load_detector
from detect.engine import detect_images
from detect.evaluate_detections import DetectionEvaluation, evaluate_detections
from detect.labels import ImageLabels, LabelSet, read_labels
from detect.model_card import training_card
from detect.train import Recipe, export_onnx, require_ultralytics, train
from detect.training_set import TrainingRecipe, TrainingSet, write_training_set
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import DetectorError, Skip

_LOWEST_SCORE = 0.01
_EXAMPLE = """
\b
Examples:
  overfly train labels.json --images flights/ --out elephants
  overfly train YELL.xml --val SOAP.xml --val OSBS.csv --out crowns --epochs 40
  overfly train points.csv --images frames/ --point-px 40 --name 6=elephant --out kob
"""


@click.command("train", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option(
    "--val",
    "val",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="LABELS",
    help="Labels of other flights to judge by, instead of flights kept out of DATA; may be given again.",
)
@click.option(
    "--start", default="yolo11n.pt", show_default=True, help="Weights to go on from, or a .yaml: from scratch."
)
@click.option("--epochs", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True)
@click.option("--tile", "tile_px", type=click.IntRange(min=96), default=640, show_default=True, help="In pixels.")
@click.option(
    "--empty",
    "empty_share",
    type=click.FloatRange(0.0),
    default=0.25,
    show_default=True,
    help="Empty tiles kept for each tile with animals.",
)
@click.option("--point-px", type=click.FloatRange(1.0), help="How large an animal is, where labels are points.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@images_option
@names_option
@json_option
def train_command(
    data: Path,
    out: Path,
    val: tuple[Path, ...],
    start: str,
    epochs: int,
    batch: int,
    tile_px: int,
    empty_share: float,
    point_px: float | None,
    seed: int,
    device: str,
    images: tuple[Path, ...],
    names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a detector on the labelled pictures of DATA: YOLO, COCO, VOC or CSV.

    Pictures are cut into tiles; whole flights (folders) are kept out to judge by, never single frames. DIR gets the
    tiles, the run, model.onnx and its card model.md with the figures on the pictures kept out. Needs the extra yolo.
    """
    # Ultralytics and its exporter talk on stdout, from the moment they are imported; that is for the one document.
    with redirect_stdout(sys.stderr):
        require_ultralytics()
    if (out / "model.onnx").exists() or (out / "tiles").exists():
        raise DetectorError("A model was trained here already", where=str(out), hint="Name another folder with --out.")
    if tile_px % 32:
        raise click.BadParameter("a tile measures a multiple of 32 pixels", param_hint="--tile")
    began = time.monotonic()
    known = names_of(names)
    labels = read_labels(data, images=images, names=known)
    held_out = [read_labels(path, images=images, names=known, reference=data) for path in val]
    cut = TrainingRecipe(tile_px=tile_px, empty_share=empty_share, point_px=point_px, seed=seed)
    tiles = write_training_set(labels, out / "tiles", cut, held_out=held_out)
    say(f"{sum(tiles.tiles['train'])} tiles to train on, {sum(tiles.tiles['val'])} to judge by")
    recipe = Recipe(start, epochs=epochs, image_px=tile_px, batch=batch, seed=seed, device=device)
    with redirect_stdout(sys.stderr):
        trained = train(tiles.data, out / "run", recipe)
        judged = _judge(export_onnx(trained.weights, out / "run" / "untuned.onnx"), tiles, [labels, *held_out])
        threshold = judged.all_labels.best.threshold
        told = {"threshold": f"{min(max(threshold, _LOWEST_SCORE), 0.99):.3f}"}
        model = export_onnx(trained.weights, out / "model.onnx", metadata=told)
    minutes = (time.monotonic() - began) / 60
    command = shlex.join(["overfly", *sys.argv[1:]])
    card = training_card(model.name, tiles, recipe, cut, judged, command=command, minutes=minutes)
    (out / "model.md").write_text(card, encoding="utf-8")
    best = judged.all_labels.best
    figures: dict[str, Any] = {
        "map50": judged.all_labels.map50,
        "f1": best.f1,
        "precision": best.precision,
        "recall": best.recall,
        "mae": best.mae,
        "rmse": best.rmse,
        "bias": best.bias,
    }
    finish(
        {
            "model": str(model),
            "card": str(out / "model.md"),
            "threshold": float(told["threshold"]),
            "labels": list(tiles.names),
            "flights": {split: list(folders) for split, folders in tiles.flights.items()},
            "tiles": {split: {"with": n[0], "empty": n[1]} for split, n in tiles.tiles.items()},
            "val": figures,
            "minutes": round(minutes, 2),
        },
        as_json=as_json,
        text=f"{model}: F1 {best.f1 or 0.0:.3f} on pictures kept out, from a score of {told['threshold']} on; "
        f"its card: {out / 'model.md'}",
        skipped=tiles.skipped,
    )


def _judge(model: Path, tiles: TrainingSet, sides: list[LabelSet]) -> DetectionEvaluation:
    """Whole pictures of the flights kept out, through the tiles and the merging of a survey."""
    wanted = set(tiles.pictures["val"])
    truth = {str(i.path): i for side in sides for i in side.images.values() if i.path in wanted}
    detector = load_detector(model, threshold=_LOWEST_SCORE, threads=1)
    found: dict[str, ImageLabels] = {}
    for path, result in detect_images(sorted(wanted), model, detector=detector):
        if not isinstance(result, Skip):
            found[str(path)] = ImageLabels(str(path), result.boxes_px, result.labels, result.scores, path)
    points = any(side.points for side in sides)
    return evaluate_detections(LabelSet(found, tiles.names, False), LabelSet(truth, tiles.names, points))
