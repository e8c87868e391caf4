"""The engine: pictures in, detections out, in order, with decoding and inference side by side.

Every tile is a job of its own, so one large mosaic keeps all processors as busy as many small frames do. Results do not
depend on the number of workers, nor on which finishes first.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from detect.detections import Detections
from detect.detectors import Detector, load_detector
from detect.images import Raster, open_raster
from detect.merge import merge_tiles
from detect.tiles import Tile, TilePolicy, read_tile
from flightplan.errors import CaptureError, Skip

_TilePart = tuple[Tile, Detections | None]


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
    each processor), each running the network on its own; memory holds about `workers` + 1 decoded pictures, or one tile
    of a TIFF for each worker. `detector` is a loaded one to use instead of `model_path`. Raises DetectorError, at the
    first result, when the model cannot be used.
    """
    chosen = detector or load_detector(model_path, threshold=threshold, threads=1, backend=backend)
    tiling = policy_for(chosen, policy)
    count = workers or processors()
    pool = ThreadPoolExecutor(count, thread_name_prefix="detect")
    ahead: deque[tuple[Path, Future[_Opened]]] = deque()
    try:
        for path in paths:
            ahead.append((path, pool.submit(_open, path, chosen, tiling, pool)))
            if len(ahead) > count:
                yield _finish(*ahead.popleft(), chosen)
        while ahead:
            yield _finish(*ahead.popleft(), chosen)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for _, opening in ahead:
            if not opening.cancelled() and opening.exception() is None:
                opening.result().resources.close()


def detect_raster(raster: Raster, detector: Detector, policy: TilePolicy | None = None) -> Detections:
    """Find what a detector knows in one raster, tile after tile on this thread; see `detect_images` for many."""
    tiles = policy_for(detector, policy).cut(raster.width_px, raster.height_px)
    return _merge(raster, [_detect_tile(raster, tile, detector) for tile in tiles], detector)


def policy_for(detector: Detector, policy: TilePolicy | None = None) -> TilePolicy:
    """The tiles a detector can take: those asked for, or its own size where it has only one."""
    chosen = policy or TilePolicy()
    return replace(chosen, fixed_px=detector.fixed_tile_px) if detector.fixed_tile_px else chosen


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class _Opened:
    """An image whose tiles are in work."""

    raster: Raster
    parts: Sequence[Future[_TilePart]]
    resources: ExitStack


def _open(path: Path, detector: Detector, policy: TilePolicy, pool: ThreadPoolExecutor) -> _Opened:
    with ExitStack() as resources:
        raster = resources.enter_context(open_raster(path))
        tiles = policy.cut(raster.width_px, raster.height_px)
        parts = [pool.submit(_detect_tile, raster, tile, detector) for tile in tiles]
        return _Opened(raster, parts, resources.pop_all())


def _detect_tile(raster: Raster, tile: Tile, detector: Detector) -> _TilePart:
    pixels = read_tile(raster, tile)
    return tile, None if pixels is None else detector.detect_batch([pixels])[0]


def _finish(path: Path, opening: Future[_Opened], detector: Detector) -> tuple[Path, Detections | Skip]:
    """The result of one image once its tiles are done; DetectorError is everybody's and goes on up."""
    try:
        opened = opening.result()
        with opened.resources:
            try:
                return path, _merge(opened.raster, [part.result() for part in opened.parts], detector)
            finally:
                # No tile may still be reading from the file when it closes.
                for part in opened.parts:
                    part.cancel()
                wait(opened.parts)
    except CaptureError as error:
        return path, Skip(str(path), error.what if error.hint is None else f"{error.what}. {error.hint}")
    except OSError as error:
        return path, Skip(str(path), f"The file cannot be read ({error.strerror or error})")
    except MemoryError:
        return path, Skip(str(path), "The picture does not fit into memory. Convert it to a tiled GeoTIFF.")


def _merge(raster: Raster, parts: Iterable[_TilePart], detector: Detector) -> Detections:
    size = (raster.width_px, raster.height_px)
    found = merge_tiles(
        [(tile, part) for tile, part in parts if part is not None],
        width_px=size[0],
        height_px=size[1],
        names=detector.names,
        detector=detector.content_hash,
    )
    return replace(found, image_size_px=size, lonlat=raster.to_lonlat(found.centres_px))
