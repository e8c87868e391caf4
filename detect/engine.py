"""The engine: pictures in, detections out, in order, on the threads of this process, on several, or on a cluster.

The results are the same however the work is shared out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from detect.detections import Detections
from detect.detectors import Detector, load_detector
from detect.images import Raster
from detect.pipeline import Ask, Looked, Wanted, detect_tile, look_at, merge_parts, policy_for, processors
from detect.processes import Recipe, look_at_in_processes
from detect.resampling import at_target
from detect.tiles import TilePolicy
from flightplan.errors import Skip

__all__ = ["Ask", "Crew", "Looked", "Recipe", "detect_images", "detect_raster", "look", "policy_for", "processors"]


@dataclass(frozen=True)
class Crew:
    """Who shares the work: `workers` pictures in work at once, in `processes` processes, or on a Ray `cluster`.

    `workers` None is one for each processor. `cluster` is the address of a running one, "local" for one of this
    machine's own, None for none.
    """

    workers: int | None = None
    processes: int = 1
    cluster: str | None = None


def look(
    asks: Iterable[Ask],
    detector: Detector,
    *,
    recipe: Recipe | None = None,
    crew: Crew | None = None,
    policy: TilePolicy | None = None,
    wanted: Wanted | None = None,
    hashed: bool = False,
) -> Iterator[Looked]:
    """Look at pictures with a loaded detector; `recipe` is how other processes load the same.

    As `detect.pipeline.look_at`, which see. Raises ValueError where others are to help and there is no recipe.
    """
    crew = crew or Crew()
    if crew.processes == 1 and crew.cluster is None:
        return look_at(asks, detector, policy=policy, workers=crew.workers, wanted=wanted, hashed=hashed)
    if recipe is None:
        raise ValueError("other processes need a recipe for the detector")
    tiling = policy_for(detector, policy)
    if crew.cluster is not None:
        from detect.cluster import look_at_on_cluster

        return look_at_on_cluster(
            asks,
            detector,
            recipe.like(detector),
            address=crew.cluster,
            workers=crew.workers,
            policy=tiling,
            wanted=wanted,
            hashed=hashed,
        )
    return look_at_in_processes(
        asks,
        recipe.like(detector),
        processes=crew.processes,
        workers=crew.workers,
        policy=tiling,
        wanted=wanted,
        hashed=hashed,
    )


def detect_images(
    paths: Iterable[Path],
    model_path: Path,
    *,
    threshold: float | None = None,
    workers: int | None = None,
    policy: TilePolicy | None = None,
    backend: str | None = None,
    detector: Detector | None = None,
) -> Iterator[tuple[Path, Detections | Skip]]:
    """Find what a model knows in pictures and orthomosaics; yields one result for each, in the order of `paths`.

    Boxes are in the pixels of the image as it is seen; those of a georeferenced TIFF have `lonlat` too. An image that
    cannot be used gives a Skip that says why, and the rest goes on. `workers` threads share the work (default: one for
    each processor), each running the network on its own. `detector` is a loaded one to use instead of `model_path`.
    Raises DetectorError, at the first result, when the model cannot be used.
    """
    chosen = detector or load_detector(model_path, threshold=threshold, threads=1, backend=backend)
    for looked in look_at((Ask(path) for path in paths), chosen, policy=policy, workers=workers):
        assert looked.result is not None, "all are wanted"
        yield looked.path, looked.result


def detect_raster(
    raster: Raster, detector: Detector, policy: TilePolicy | None = None, *, gsd_cm: float | None = None
) -> Detections:
    """Find what a detector knows in one raster, tile after tile on this thread; see `detect_images` for many.

    `gsd_cm` is the raster's ground sampling distance, for a detector that has one of its own.
    """
    tiling = policy_for(detector, policy)
    raster = at_target(raster, tiling.target_gsd_cm, gsd_cm)
    tiles = tiling.cut(raster.width_px, raster.height_px)
    return merge_parts(raster, [(tile, detect_tile(raster, tile, detector)) for tile in tiles], detector)
