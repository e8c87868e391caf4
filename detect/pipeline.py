"""Pictures through a detector on the threads of one process: reading, decoding, inference and merging overlap.

Files are read ahead by threads of their own. Every tile is a job, so one large mosaic keeps all processors as busy as
many small frames do; whoever finishes a picture's last tile merges it. Results come in the order asked for, and do not
depend on the number of threads, nor on which finishes first: tiles are never put into one batch with others, for a
network's last digits depend on what it is run with.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from detect.detections import Detections
from detect.detectors import Detector
from detect.detectors.model_facts import ModelFacts
from detect.images import TIFF_MAGIC, Picture, Raster, open_raster
from detect.merge import merge_tiles
from detect.resampling import Resampled, at_target, known_gsd_cm
from detect.sources import RASTER_SUFFIXES, TIFF_SUFFIXES, hash_file, is_remote, on_disk, read, shown
from detect.tiles import Tile, TilePolicy, read_tile
from flightplan.errors import CaptureError, Skip

Wanted = Callable[[str], bool]
"""Whether a picture of this content hash is to be looked at; has to be picklable where processes share the work."""

_READERS = 4
_LONG_BYTES = 40_000_000
_CAMERA_SUFFIXES = (".jpg", ".jpeg")
_AHEAD_PX = 48e6
_AHEAD_PER_WORKER = 16


@dataclass(frozen=True)
class Ask:
    """A picture to look at.

    `content_hash` is the SHA-256 that its content must have, None where that is not known. `gsd_cm` is its ground
    sampling distance, None leaves it to what the picture itself says.
    """

    path: Path
    content_hash: str | None = None
    gsd_cm: float | None = None


@dataclass(frozen=True)
class Looked:
    """One picture's result, and its content hash where that was asked for and the file could be read.

    `result` is None for a picture that was not wanted.
    """

    path: Path
    content_hash: str | None
    result: Detections | Skip | None


def look_at(
    asks: Iterable[Ask],
    detector: Detector,
    *,
    policy: TilePolicy | None = None,
    workers: int | None = None,
    wanted: Wanted | None = None,
    hashed: bool = False,
    most_ahead: int | None = None,
) -> Iterator[Looked]:
    """Look at pictures on `workers` threads (one for each processor); yields one result for each, in order.

    A picture that cannot be used, or whose content is not what was asked for, gives a Skip that says why. Pictures are
    worked on ahead of the one yielded, the more the smaller they are: about 48 million decoded pixels, at most
    `most_ahead` pictures. `hashed` asks for content hashes; they are worked out too where `wanted` or an ask needs
    them. Raises DetectorError where the model fails.
    """
    count = workers or processors()
    line = _Line(detector, policy_for(detector, policy), count, wanted, hashed)
    limit = _AHEAD_PER_WORKER * count if most_ahead is None else most_ahead
    ahead: deque[_Job] = deque()
    try:
        for ask in asks:
            ahead.append(line.begin(ask))
            while ahead and (ahead[0].done.done() or len(ahead) > line.room(limit)):
                yield _first(ahead)
        while ahead:
            yield _first(ahead)
    finally:
        line.stop()
        for job in ahead:
            job.close()


def _first(ahead: deque[_Job]) -> Looked:
    # It stays among those that are closed in the end until it is over itself.
    found = ahead[0].done.result()
    ahead.popleft()
    return found


def policy_for(detector: Detector, policy: TilePolicy | None = None) -> TilePolicy:
    """The tiles a detector can take: those asked for, or its own size where it has only one, at its own scale."""
    chosen = policy or TilePolicy()
    if chosen.target_gsd_cm is None:
        facts: ModelFacts | None = getattr(detector, "facts", None)
        chosen = replace(chosen, target_gsd_cm=None if facts is None else facts.gsd_cm)
    return replace(chosen, fixed_px=detector.fixed_tile_px) if detector.fixed_tile_px else chosen


def at_scale(raster: Raster, policy: TilePolicy, ask: Ask, data: bytes | None = None) -> tuple[Raster, bool]:
    """The raster at the scale that the tiles are cut at, and whether that is known (or no scale was asked for)."""
    target = policy.target_gsd_cm
    if target is None:
        return raster, True
    gsd_cm = ask.gsd_cm
    if gsd_cm is None:
        if data is None and ask.path.suffix.lower() in _CAMERA_SUFFIXES:
            data = read(ask.path)
        gsd_cm = known_gsd_cm(raster, ask.path, data)
    return at_target(raster, target, gsd_cm), gsd_cm is not None


def merge_parts(raster: Raster, parts: Iterable[tuple[Tile, Detections | None]], detector: Detector) -> Detections:
    """The detections of a raster from those of its tiles; None is a tile without data."""
    size = (raster.width_px, raster.height_px)
    found = merge_tiles(
        [(tile, part) for tile, part in parts if part is not None],
        width_px=size[0],
        height_px=size[1],
        names=detector.names,
        detector=detector.content_hash,
    )
    lonlat = raster.to_lonlat(found.centres_px)
    if isinstance(raster, Resampled):
        found, size = raster.in_its_pixels(found), (raster.raster.width_px, raster.raster.height_px)
    return replace(found, image_size_px=size, lonlat=lonlat)


def detect_tile(raster: Raster, tile: Tile, detector: Detector) -> Detections | None:
    """What a detector finds in one tile, in the tile's pixels; None where the raster holds no data there."""
    pixels = read_tile(raster, tile)
    return None if pixels is None else detector.detect_batch([pixels])[0]


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def skip_of(path: Path, error: BaseException) -> Skip | None:
    """The skip that names a picture which cannot be used; None for an error that is not about the picture."""
    if isinstance(error, CaptureError):
        return Skip(shown(path), error.what if error.hint is None else f"{error.what}. {error.hint}")
    if isinstance(error, OSError):
        return Skip(shown(path), f"The file cannot be read ({error.strerror or error})")
    if isinstance(error, MemoryError):
        return Skip(shown(path), "The picture does not fit into memory. Convert it to a tiled GeoTIFF.")
    return None


def _is_long(path: Path) -> bool:
    """Whether a file is too long to be held beside its pixels, as pictures are that have to be read by windows."""
    return not is_remote(path) and path.is_file() and path.stat().st_size > _LONG_BYTES


class _Line:
    """What the jobs of one run share."""

    def __init__(self, detector: Detector, policy: TilePolicy, count: int, wanted: Wanted | None, hashed: bool) -> None:
        self.detector, self.policy, self.wanted, self.hashed = detector, policy, wanted, hashed
        self._count = count
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")
        self.pool = ThreadPoolExecutor(count, thread_name_prefix="detect")
        self.stopped = False
        self._mean_px = 0.0

    def begin(self, ask: Ask) -> _Job:
        job = _Job(ask, self)
        self._readers.submit(job.read)
        return job

    def opened(self, pixels: int) -> None:
        """Note the size of a picture that was decoded; a mosaic's does not fill memory."""
        self._mean_px = pixels if not self._mean_px else 0.75 * self._mean_px + 0.25 * pixels

    def room(self, limit: int) -> int:
        """How many pictures may be in work beside the one waited for."""
        if not self._mean_px:
            return min(self._count, limit)
        return min(max(self._count, int(_AHEAD_PX / self._mean_px)), limit)

    def stop(self) -> None:
        self.stopped = True
        self._readers.shutdown(wait=True, cancel_futures=True)
        self.pool.shutdown(wait=True, cancel_futures=True)


class _Job:
    """One picture on its way: read, opened, its tiles looked at, merged."""

    def __init__(self, ask: Ask, line: _Line) -> None:
        self.done: Future[Looked] = Future()
        self._ask, self._line = ask, line
        self._content_hash: str | None = None
        self._resources = ExitStack()
        self._parts: list[tuple[Tile, Detections | None]] = []
        self._left = 0
        self._scaled = True
        self._counting = threading.Lock()
        self._error: BaseException | None = None

    def read(self) -> None:
        """Fetch the file's content, unless it is one that is read by windows, and see whether it is wanted."""
        try:
            data, self._content_hash = self._content()
            if self._content_hash is not None:
                if self._line.wanted is not None and not self._line.wanted(self._content_hash):
                    self.done.set_result(Looked(self._ask.path, self._content_hash, None))
                    return
                if self._ask.content_hash not in (None, self._content_hash):
                    raise CaptureError(
                        "The file is not the picture that was brought in: its content is another",
                        hint="Bring it in again, or put the picture back.",
                    )
            self._line.pool.submit(self.open, data)
        except BaseException as error:
            self._fail(error)

    def _content(self) -> tuple[bytes | None, str | None]:
        path, line = self._ask.path, self._line
        needed = line.hashed or line.wanted is not None or self._ask.content_hash is not None
        if path.suffix.lower() in TIFF_SUFFIXES | RASTER_SUFFIXES or _is_long(path):
            here = on_disk(path)
            return None, hash_file(here) if needed else None
        data = read(path)
        content_hash = hashlib.sha256(data).hexdigest() if needed else None
        return (None if data[:4] in TIFF_MAGIC else data), content_hash

    def open(self, data: bytes | None) -> None:
        """Decode the picture and put its tiles to work."""
        try:
            if self._line.stopped:
                return
            opened = self._resources.enter_context(open_raster(self._ask.path, data))
            raster, self._scaled = at_scale(opened, self._line.policy, self._ask, data)
            tiles = self._line.policy.cut(raster.width_px, raster.height_px)
            self._line.opened(opened.width_px * opened.height_px if isinstance(opened, Picture) else 0)
            self._parts = [(tile, None) for tile in tiles]
            self._left = len(tiles)
            if len(tiles) == 1:
                self.look(raster, 0)
            else:
                for number in range(len(tiles)):
                    self._line.pool.submit(self.look, raster, number)
        except BaseException as error:
            self._fail(error)

    def look(self, raster: Raster, number: int) -> None:
        """Look at one tile; the last one finishes the picture."""
        tile = self._parts[number][0]
        try:
            if self._error is None and not self._line.stopped:
                self._parts[number] = (tile, detect_tile(raster, tile, self._line.detector))
        except BaseException as error:
            self._error = self._error or error
        with self._counting:
            self._left -= 1
            if self._left:
                return
        # No tile reads from the file any more.
        try:
            if self._error is not None:
                raise self._error
            found = replace(merge_parts(raster, self._parts, self._line.detector), scaled=self._scaled)
            self.close()
            self.done.set_result(Looked(self._ask.path, self._content_hash, found))
        except BaseException as error:
            self._fail(error)

    def close(self) -> None:
        """Let go of the file and the pixels."""
        self._resources.close()
        self._parts = []

    def _fail(self, error: BaseException) -> None:
        if self._line.stopped:
            # Nobody waits for it, and another of its tiles may be being read: it is closed when all threads are done.
            return
        self.close()
        skip = skip_of(self._ask.path, error)
        if skip is None:
            self.done.set_exception(error)
        else:
            self.done.set_result(Looked(self._ask.path, self._content_hash, skip))
