"""`overfly train`: from labelled pictures to a detector, with its card."""

from __future__ import annotations

import json
import shlex
import sys
import time
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from detect.calibration import CALIBRATION_KEY, Method
from detect.commands.labels import images_option, names_of, names_option
from detect.evaluate_detections import DetectionEvaluation
from detect.ground_pixel import median_gsd_cm
from detect.judging import Judgement, judge
from detect.labels import read_labels
from detect.model_card import Training, training_card
from detect.onnx_weights import read_onnx_weights
from detect.starting import start_from_onnx
from detect.train import Augment, Recipe, export_onnx, require_ultralytics, train
from detect.training_set import TrainingRecipe, TrainingSet, write_training_set
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import DetectorError

_EXAMPLE = """
\b
Examples:
  overfly train labels.json --images flights/ --out elephants
  overfly train YELL.xml --val SOAP.xml --test OSBS.csv --name Alive=Tree --out crowns
  overfly train points.csv --images frames/ --point-px 40 --start last-year.onnx --out kob
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
    "--test",
    "test",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="LABELS",
    help="Labels of flights that choose nothing, only to be measured on; may be given again.",
)
@click.option(
    "--start",
    default="yolo11n.pt",
    show_default=True,
    help="Weights to go on from (a .pt, or the .onnx of an ultralytics export, quantised or not), or a .yaml: from "
    "scratch.",
)
@click.option(
    "--freeze", type=click.IntRange(min=0), default=0, show_default=True, help="First layers kept as started."
)
@click.option("--epochs", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True)
@click.option(
    "--rate", type=click.FloatRange(0.0, min_open=True), default=0.002, show_default=True, help="Of learning."
)
@click.option(
    "--augment",
    type=click.Choice(["survey", "elsewhere"]),
    default="survey",
    show_default=True,
    help="Vary tiles as the pictures of one survey differ, or as other land, light and heights do.",
)
@click.option("--tile", "tile_px", type=click.IntRange(min=96), default=640, show_default=True, help="In pixels.")
@click.option(
    "--empty",
    "empty_share",
    type=click.FloatRange(0.0),
    default=0.25,
    show_default=True,
    help="Empty tiles kept for each tile with animals.",
)
@click.option(
    "--val-share",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the pictures, in whole flights, kept out to judge by.",
)
@click.option("--point-px", type=click.FloatRange(1.0), help="How large an animal is, where labels are points.")
@click.option("--gsd", "gsd_cm", type=click.FloatRange(0.0, min_open=True), help="Centimetres of ground in a pixel.")
@click.option(
    "--calibrate",
    type=click.Choice(["platt", "isotonic"]),
    default="platt",
    show_default=True,
    help="How scores become probabilities; isotonic wants a thousand detections.",
)
@click.option("--licence", default="AGPL-3.0", show_default=True, help="Of the weights, for the card.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Processors to use; all by default.")
@images_option
@names_option
@json_option
def train_command(
    data: Path,
    out: Path,
    val: tuple[Path, ...],
    test: tuple[Path, ...],
    start: str,
    freeze: int,
    epochs: int,
    batch: int,
    rate: float,
    augment: Augment,
    tile_px: int,
    empty_share: float,
    val_share: float,
    point_px: float | None,
    gsd_cm: float | None,
    calibrate: Method,
    licence: str,
    seed: int,
    device: str,
    threads: int | None,
    images: tuple[Path, ...],
    names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a detector on the labelled pictures of DATA: YOLO, COCO, VOC or CSV.

    Pictures are cut into tiles; whole flights (folders) are kept out to judge by, never single frames. DIR gets the
    tiles, the run, model.onnx (with its thresholds, the calibration of its scores and the size of a pixel) and its card
    model.md with the figures on the pictures kept out. Needs the extra yolo.
    """
    # Ultralytics and its exporter talk on stdout, from the moment they are imported; that is for the one document.
    with redirect_stdout(sys.stderr):
        require_ultralytics()
    if (out / "model.onnx").exists() or (out / "tiles").exists():
        begun = "A model was trained here already" if (out / "model.onnx").exists() else "A training was begun here"
        raise DetectorError(begun, where=str(out), hint="Name another folder with --out, or remove it.")
    if tile_px % 32:
        raise click.BadParameter("a tile measures a multiple of 32 pixels", param_hint="--tile")
    _check_start(start)
    began = time.monotonic()
    known = names_of(names)
    labels = read_labels(data, images=images, names=known)
    held_out, tested = (
        [read_labels(path, images=images, names=known, reference=data) for path in paths] for paths in (val, test)
    )
    cut = TrainingRecipe(tile_px=tile_px, empty_share=empty_share, point_px=point_px, val_share=val_share, seed=seed)
    tiles = write_training_set(labels, out / "tiles", cut, held_out=held_out, tested=tested)
    say(f"{sum(tiles.tiles['train'])} tiles to train on, {sum(tiles.tiles['val'])} to judge by")
    for note in tiles.notes:
        say(f"Note: {note}")
    ground = (gsd_cm, "as told") if gsd_cm else median_gsd_cm(tiles.pictures["train"])
    recipe = Recipe(
        start,
        epochs=epochs,
        image_px=tiles.side_px,
        batch=batch,
        learning_rate=rate,
        seed=seed,
        device=device,
        workers=0 if threads == 1 else 1,
        freeze=freeze,
        augment=augment,
        threads=threads,
    )
    with redirect_stdout(sys.stderr):
        trained_in = time.monotonic()
        if start.lower().endswith(".onnx"):
            pictures = (out / "tiles" / "images" / "train").glob("*.png")
            recipe = replace(recipe, start=str(start_from_onnx(Path(start), out / "start.pt", tiles.names, pictures)))
        trained = train(tiles.data, out / "run", recipe)
        minutes = (time.monotonic() - trained_in) / 60
        untuned = export_onnx(trained.weights, out / "run" / "untuned.onnx", metadata=_ground(ground[0]))
        judged = judge(untuned, tiles, [labels, *held_out, *tested], method=calibrate, workers=threads)
        model = export_onnx(trained.weights, out / "model.onnx", metadata=_metadata(judged, ground[0]))
    made = Training(
        command=shlex.join(["overfly", *sys.argv[1:]]),
        minutes=minutes,
        minutes_in_all=(time.monotonic() - began) / 60,
        start=_started(start),
        recipe=recipe,
        cut=cut,
        gsd_cm=ground[0],
        gsd_source=ground[1],
        licence=licence,
    )
    (out / "model.md").write_text(training_card(model.name, tiles, made, judged), encoding="utf-8")
    best = judged.val.all_labels.given
    finish(
        _document(out, model, tiles, judged, made),
        as_json=as_json,
        text=f"{model}: F1 {best.f1 or 0.0:.3f} on pictures kept out, from a score of {judged.threshold:.3f} on; "
        f"its card: {out / 'model.md'}",
        skipped=[*tiles.skipped, *judged.skipped],
    )


def _metadata(judged: Judgement, gsd_cm: float | None) -> dict[str, str]:
    told = {"threshold": f"{judged.threshold:.3f}", **_ground(gsd_cm)}
    if judged.thresholds:
        told["thresholds"] = json.dumps(dict(judged.thresholds))
    if judged.calibration is not None:
        told[CALIBRATION_KEY] = judged.calibration.to_json()
    return told


def _ground(gsd_cm: float | None) -> dict[str, str]:
    """Pictures are brought to this size of pixel, where they are judged as in a survey."""
    return {"gsd_cm": f"{gsd_cm:.2f}"} if gsd_cm else {}


def _check_start(start: str) -> None:
    """What cannot be started from is told before the work of cutting tiles."""
    path = Path(start)
    if path.suffix.lower() == ".onnx":
        read_onnx_weights(path)
    elif path.suffix.lower() not in (".pt", ".yaml", ".yml"):
        raise DetectorError("Training starts from a .pt, an .onnx or a .yaml", where=start)
    elif len(path.parts) > 1 and not path.is_file():
        raise DetectorError("There is nothing to start from", where=start)


def _started(start: str) -> str:
    if start.lower().endswith(".yaml"):
        return f"scratch, with the architecture {Path(start).name}"
    if start.lower().endswith(".onnx"):
        return f"the weights of the ONNX export {Path(start).name}"
    return f"the weights {Path(start).name}"


def _document(out: Path, model: Path, tiles: TrainingSet, judged: Judgement, made: Training) -> dict[str, Any]:
    return {
        "model": str(model),
        "card": str(out / "model.md"),
        "threshold": judged.threshold,
        "thresholds": dict(judged.thresholds),
        "calibrated": judged.calibration is not None,
        "labels": list(tiles.names),
        "flights": {split: list(folders) for split, folders in tiles.flights.items()},
        "tiles": {split: {"with": n[0], "empty": n[1]} for split, n in tiles.tiles.items()},
        "data": tiles.content_hash,
        "val": _summary(judged.val),
        "test": _summary(judged.test) if judged.test else None,
        "gsd_cm": made.gsd_cm,
        "minutes": round(made.minutes_in_all, 2),
    }


def _summary(found: DetectionEvaluation) -> dict[str, Any]:
    at = found.all_labels.given
    return {
        "map50": found.all_labels.map50,
        "f1": at.f1,
        "precision": at.precision,
        "recall": at.recall,
        "mae": at.mae,
        "rmse": at.rmse,
        "bias": at.bias,
    }
