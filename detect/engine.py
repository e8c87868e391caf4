"""The engine: pictures in, detections out, in order, with decoding and inference side by side.

Results do not depend on the number of workers, nor on which finishes first.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from detect.detections import Detections
from detect.detectors import Detector, load_detector
from detect.images import Raster, open_raster
from detect.merge import merge_tiles
from detect.tiles import Tile, TilePolicy, read_tiles
from flightplan.errors import CaptureError, Skip

Item = TypeVar("Item")
Result = TypeVar("Result")


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
    """Find what a model knows in pictures; yields one result for each, in the order of `paths`.

    Boxes are in the pixels of the picture as it is seen. A picture that cannot be used gives a Skip that says why, and
    the rest goes on. `workers` pictures are in work at once (default: one for each processor), each on one thread;
    memory holds twice as many results, never all pictures. `detector` is a loaded one to use instead of `model_path`.
    Raises DetectorError at the first picture when the model cannot be used.
    """
    chosen = detector or load_detector(model_path, threshold=threshold, threads=1, backend=backend)
    tiling = policy_for(chosen, policy)
    yield from in_order(paths, lambda path: _detect_or_skip(path, chosen, tiling), workers)


def in_order(
    items: Iterable[Item], work: Callable[[Item], Result], workers: int | None = None
) -> Iterator[tuple[Item, Result]]:
    """Work on items in threads, yielding each with its result in their own order, never far ahead of the reader."""
    count = workers or processors()
    with ThreadPoolExecutor(count, thread_name_prefix="detect") as pool:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) >= 2 * count:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def policy_for(detector: Detector, policy: TilePolicy | None = None) -> TilePolicy:
    """The tiles a detector can take: those asked for, or its own size where it has only one."""
    chosen = policy or TilePolicy()
    if detector.fixed_tile_px is None or chosen.fixed_px == detector.fixed_tile_px:
        return chosen
    return TilePolicy(chosen.max_px, chosen.overlap_px, chosen.multiple_px, detector.fixed_tile_px)


def detect_raster(raster: Raster, detector: Detector, policy: TilePolicy | None = None) -> Detections:
    """Find what a detector knows in one raster, tile by tile: memory holds one tile at a time and the boxes."""
    tiles = policy_for(detector, policy).cut(raster.width_px, raster.height_px)
    parts: list[tuple[Tile, Detections]] = [
        (tile, detector.detect_batch([pixels])[0]) for tile, pixels in read_tiles(raster, tiles)
    ]
    size = (raster.width_px, raster.height_px)
    found = merge_tiles(
        parts, width_px=size[0], height_px=size[1], names=detector.names, detector=detector.content_hash
    )
    return replace(found, image_size_px=size, lonlat=raster.to_lonlat(found.centres_px))


def _detect_or_skip(path: Path, detector: Detector, policy: TilePolicy) -> Detections | Skip:
    try:
        with open_raster(path) as raster:
            return detect_raster(raster, detector, policy)
    except CaptureError as error:
        return Skip(str(path), error.what if error.hint is None else f"{error.what}. {error.hint}")
    except (OSError, MemoryError) as error:
        return Skip(str(path), f"{type(error).__name__}: {error}")
