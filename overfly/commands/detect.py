"""`overfly detect`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from counts.census import Census
from detect.captures import find_images
from detect.detectors import Detector, named_thresholds
from detect.engine import Crew, Recipe
from detect.into_file import detect_into_file
from detect.models import shipped_model
from detect.shards import Shard
from detect.tiles import MAX_TILE_PX, MULTIPLE_PX, OVERLAP_PX, TilePolicy
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import Skip
from overfly.chain import detect_survey, ingest
from overfly.commands.places import as_sources, find_places, survey_option, workspace_option
from overfly.commands.progress import counted_progress

Thresholds = Mapping[str, float]
"""Lowest scores by label, that of all others under an empty name."""


def _shard(ctx: click.Context, param: click.Parameter, value: str | None) -> Shard | None:
    try:
        return None if value is None else Shard.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _thresholds(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> Thresholds:
    thresholds: dict[str, float] = {}
    for value in values:
        label, _, score = value.rpartition("=")
        try:
            thresholds[label] = float(score)
        except ValueError as error:
            raise click.BadParameter(f"{value!r} is no SCORE or LABEL=SCORE") from error
    return thresholds


@click.command("detect", cls=OverflyCommand)
@click.argument("sources", nargs=-1, callback=as_sources, metavar="[SOURCE...]")
@click.option(
    "--model",
    "model",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An ONNX file, or with the yolo extra a .pt.",
)
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    callback=_thresholds,
    metavar="[LABEL=]SCORE",
    help="The lowest score kept, of all or of one label, instead of the model's own. May be given often.",
)
@click.option(
    "--gsd-cm",
    type=click.FloatRange(min=0, min_open=True),
    metavar="CM",
    help="The size of pixel on the ground that the model knows, if it does not say; pictures are brought to it.",
)
@click.option(
    "--calibrated",
    is_flag=True,
    help="Scores, and --threshold, are the probability of being right, as overfly train measured it.",
)
@click.option("--backend", type=click.Choice(["onnx", "openvino", "ultralytics"]), help="Which runs the model.")
@click.option("--fast", is_flag=True, help="Compute with 16 bits where OpenVINO can: scores differ by thousandths.")
@click.option(
    "--tile-px",
    type=click.IntRange(128, 4096),
    default=MAX_TILE_PX,
    show_default=True,
    metavar="PX",
    help="How large tiles may be. Larger ones overlap less: a sixth faster at 1280, for more memory.",
)
@click.option(
    "--overlap-px",
    type=click.IntRange(0, 1024),
    default=OVERLAP_PX,
    show_default=True,
    metavar="PX",
    help="How much tiles overlap: the length of the largest animal, in pixels as the model knows them.",
)
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
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Share the workers out over N processes.",
)
@click.option("--shard", callback=_shard, metavar="I/N", help="Look at one of N parts of the pictures, the I-th.")
@click.option(
    "--cluster",
    is_flag=False,
    flag_value="local",
    metavar="[ADDRESS]",
    help="Share the work out over the Ray cluster at ADDRESS (HOST:PORT or auto), or a new one on this machine.",
)
@click.option("--retry", is_flag=True, help="Try pictures again that could not be used before.")
@workspace_option
@json_option
def detect_command(
    sources: tuple[Path | str, ...],
    model: Path | None,
    thresholds: Thresholds,
    gsd_cm: float | None,
    calibrated: bool,
    backend: str | None,
    fast: bool,
    tile_px: int,
    overlap_px: int,
    out: Path | None,
    census: str | None,
    survey: str | None,
    workers: int | None,
    processes: int,
    shard: Shard | None,
    cluster: str | None,
    retry: bool,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Look for animals: in the survey's pictures, or in SOURCE... into a file.

    Without --out the pictures are those of the census (SOURCE is brought into it first), and only what this model at
    this threshold has not looked at is looked at. With --out any picture will do, GPS or not; an orthomosaic's boxes
    have longitude and latitude. SOURCE may be a URL (s3://, zip://). Killed, it goes on where it stopped.

    Shards are run anywhere, at any time: into one census, or with the same --out; the last one there makes the file.

    \b
    Examples:
      overfly detect --model elephants.onnx
      overfly detect --model elephants.onnx --threshold 0.3 --threshold elephant=0.5 --gsd-cm 3
      overfly detect colony.tif --model birds.onnx --out birds.csv
      overfly detect s3://survey/2026-wet --shard 1/3 --out wet.csv
    """  # noqa: D301 (click's own mark)
    crew = _crew(workers, processes, cluster)
    if out is not None:
        if not sources:
            raise click.UsageError("--out needs a SOURCE: a folder or a picture.")
        if out.suffix.lower() not in (".csv", ".json"):
            raise click.BadParameter("name a .csv or a .json file", param_hint="--out")
        recipe, detector = _load(model, thresholds, backend, calibrated=calibrated, fast=fast)
        policy = _policy(tile_px, overlap_px, gsd_cm)
        _into_file(sources, recipe, detector, policy, out, crew, shard, retry, as_json)
        return
    places = find_places(census, workspace_folder, survey)
    if places.workspace is not None and model is None and places.workspace.model is not None:
        model, gsd_cm = Path(places.workspace.model), gsd_cm or places.workspace.gsd_cm
        thresholds = thresholds or places.workspace.thresholds
    recipe, detector = _load(model, thresholds, backend, calibrated=calibrated, fast=fast)
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
                recipe=recipe,
                crew=crew,
                shard=shard,
                retry=retry,
                policy=_policy(tile_px, overlap_px, gsd_cm),
                progress=progress,
            )
    _say_unscaled(result.unscaled)
    finish(
        {
            "census": places.shown,
            "survey": result.survey,
            "run": result.run_id,
            "detector": detector.content_hash,
            "threshold": detector.threshold,
            "thresholds": dict(named_thresholds(detector)),
            "looked_at": result.looked_at,
            "captures": result.captures,
            "detections": result.detections,
            "shard": None if shard is None else str(shard),
            "left": result.left,
        },
        as_json=as_json,
        text=f"{result.looked_at} pictures looked at now, {result.captures} in all; {result.detections} detections in "
        f"the survey {result.survey}" + (f"; {result.left} pictures are not looked at yet" if result.left else ""),
        skipped=[*skips, *result.skips],
    )


def _crew(workers: int | None, processes: int, cluster: str | None) -> Crew:
    if cluster is not None and processes != 1:
        raise click.UsageError("--processes and --cluster are two ways to share the work: use one.")
    if cluster is not None and cluster not in ("local", "auto") and ":" not in cluster:
        raise click.BadParameter(f"{cluster!r} is no HOST:PORT; write SOURCE before --cluster", param_hint="--cluster")
    return Crew(workers, processes, cluster)


def _policy(tile_px: int, overlap_px: int, gsd_cm: float | None) -> TilePolicy:
    if overlap_px > tile_px // 2:
        raise click.UsageError("Tiles overlap by half of themselves at most: see --tile-px and --overlap-px.")
    return TilePolicy(-(-tile_px // MULTIPLE_PX) * MULTIPLE_PX, overlap_px, target_gsd_cm=gsd_cm)


def _load(
    model: Path | None, thresholds: Thresholds, backend: str | None, *, calibrated: bool, fast: bool
) -> tuple[Recipe, Detector]:
    if model is None:
        say("The shipped detector is used: it is for simulation and demonstration, not for real animals.")
    named = {label: score for label, score in thresholds.items() if label}
    how = {"backend": backend, "calibrated": calibrated, "fast": fast}
    recipe = Recipe(model or shipped_model(), {"threshold": thresholds.get(""), "thresholds": named, **how})
    return recipe, recipe.load()


def _say_unscaled(count: int) -> None:
    if count:
        say(
            f"Of {count} pictures the size of a pixel on the ground is not known: they were looked at as they are, "
            "though the model knows one size only."
        )


def _into_file(
    sources: tuple[Path | str, ...],
    recipe: Recipe,
    detector: Detector,
    policy: TilePolicy,
    out: Path,
    crew: Crew,
    shard: Shard | None,
    retry: bool,
    as_json: bool,
) -> None:
    paths, skips = find_images(sources)
    with counted_progress("looking at") as progress:
        result = detect_into_file(
            paths, out, detector, recipe=recipe, crew=crew, policy=policy, shard=shard, retry=retry, progress=progress
        )
    _say_unscaled(result.unscaled)
    missing = ", ".join(result.shards_missing)
    finish(
        {
            "out": str(result.out),
            "detector": detector.content_hash,
            "threshold": detector.threshold,
            "thresholds": dict(named_thresholds(detector)),
            "looked_at": result.looked_at,
            "captures": result.captures,
            "detections": result.detections,
            "shard": None if shard is None else str(shard),
            "shards_missing": list(result.shards_missing),
        },
        as_json=as_json,
        text=f"{result.detections} detections in {result.captures} pictures, written to {result.out}"
        + (f"; {out} is written when the shards {missing} lie beside it" if missing else ""),
        skipped=[*skips, *result.skips],
    )
