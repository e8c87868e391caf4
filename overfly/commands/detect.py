"""`overfly detect`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from counts.census import Census
from detect.captures import find_images
from detect.detection_files import write_detections
from detect.detections import Detections
from detect.detectors import Detector, load_detector
from detect.engine import detect_images
from detect.models import shipped_model
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import Skip
from overfly.chain import detect_survey, ingest
from overfly.commands.places import find_places, survey_option, workspace_option
from overfly.commands.progress import counted_progress


@click.command("detect", cls=OverflyCommand)
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path), metavar="[SOURCE...]")
@click.option(
    "--model",
    "model",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An ONNX file, or with the yolo extra a .pt.",
)
@click.option("--threshold", type=float, metavar="SCORE", help="The lowest score kept, instead of the model's own.")
@click.option("--backend", type=click.Choice(["onnx", "openvino", "ultralytics"]), help="Which runs the model.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A .csv or COCO .json, instead of a census.",
)
@click.option("--census", metavar="FILE|URL", help="The census, instead of the workspace's.")
@survey_option
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Pictures in work at once; all processors by default."
)
@workspace_option
@json_option
def detect_command(
    sources: tuple[Path, ...],
    model: Path | None,
    threshold: float | None,
    backend: str | None,
    out: Path | None,
    census: str | None,
    survey: str | None,
    workers: int | None,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Look for animals: in the survey's pictures, or in SOURCE... into a file.

    Without --out the pictures are those of the census (SOURCE is brought into it first), and only what this model at
    this threshold has not looked at is looked at. With --out any picture will do, GPS or not; an orthomosaic's boxes
    have longitude and latitude.

    \b
    Examples:
      overfly detect --model elephants.onnx
      overfly detect colony.tif --model birds.onnx --out birds.csv
    """  # noqa: D301 (click's own mark)
    if out is not None:
        if not sources:
            raise click.UsageError("--out needs a SOURCE: a folder or a picture.")
        if out.suffix.lower() not in (".csv", ".json"):
            raise click.BadParameter("name a .csv or a .json file", param_hint="--out")
        _into_file(sources, _load(model, threshold, backend), out, workers, as_json)
        return
    places = find_places(census, workspace_folder, survey)
    if model is None and places.workspace is not None and places.workspace.model is not None:
        model = Path(places.workspace.model)
    detector = _load(model, threshold, backend)
    skips: list[Skip] = []
    with Census.open(places.census, create=bool(sources)) as opened:
        if sources:
            with counted_progress("bringing in") as progress:
                skips += ingest(opened, places.survey or "survey", sources, progress=progress).skips
        with counted_progress("looking at") as progress:
            result = detect_survey(
                opened,
                detector,
                name=(model or shipped_model()).name,
                survey=places.survey,
                workers=workers,
                progress=progress,
            )
    finish(
        {
            "census": places.census,
            "survey": result.survey,
            "run": result.run_id,
            "detector": detector.content_hash,
            "threshold": detector.threshold,
            "looked_at": result.looked_at,
            "captures": result.captures,
            "detections": result.detections,
        },
        as_json=as_json,
        text=f"{result.looked_at} pictures looked at now, {result.captures} in all; {result.detections} detections in "
        f"the survey {result.survey}",
        skipped=[*skips, *result.skips],
    )


def _load(model: Path | None, threshold: float | None, backend: str | None) -> Detector:
    if model is None:
        say("The shipped detector is used: it is for simulation and demonstration, not for real animals.")
    return load_detector(model or shipped_model(), threshold=threshold, threads=1, backend=backend)


def _into_file(sources: tuple[Path, ...], detector: Detector, out: Path, workers: int | None, as_json: bool) -> None:
    paths, skips = find_images(sources)
    with counted_progress("looking at") as progress:

        def counted() -> Iterator[tuple[Path, Detections | Skip]]:
            for number, result in enumerate(detect_images(paths, out, detector=detector, workers=workers), start=1):
                progress(number, len(paths))
                yield result

        searched, detections, failed = write_detections(out, counted())
    finish(
        {
            "out": str(out),
            "detector": detector.content_hash,
            "threshold": detector.threshold,
            "captures": searched,
            "detections": detections,
        },
        as_json=as_json,
        text=f"{detections} detections in {searched} pictures, written to {out}",
        skipped=[*skips, *failed],
    )
