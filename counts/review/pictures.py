"""Pictures for the page: crops of detections, and whole frames as a pyramid of tiles, drawn once and kept on disk.

A frame of 50 megapixels takes a second or two to decode: it is drawn ahead of the reviewer where the page says what
comes next. Only pictures that the census names are read, and a file only when it has the content hash that the census
knows (`counts.picture_files`); nothing of a request reaches the disk.
"""

from __future__ import annotations

import io
import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from counts.picture_files import PictureFiles
from detect.images import MAX_PIXELS, Pixels, open_raster
from flightplan.errors import CaptureError

TILE_PX = 512
CROP_PX = 192
_CROP_ROOM = 2.2
_LEAST_CROP_PX = 48
_QUALITY = 82
_DECODED_BYTES = 500 << 20
LIMIT_BYTES = 20 << 30
_HASH = re.compile("[0-9a-f]{64}")
_DECODING = threading.BoundedSemaphore(2)
"""Large pictures take a gigabyte each while they are decoded."""


@dataclass(frozen=True)
class Picture:
    """A picture that the census names: its key, content hash (the cache goes by it), path and size as it is seen."""

    capture_id: int
    content_hash: str
    path: Path
    width_px: int
    height_px: int

    @property
    def levels(self) -> int:
        """Levels of the pyramid; the last one is the picture itself, the first fits into one tile."""
        levels = 1
        while max(self.width_px, self.height_px) > TILE_PX << (levels - 1):
            levels += 1
        return levels


class PictureStore:
    """Draws and keeps crops and tiles; safe to call from many threads."""

    def __init__(self, cache: Path, files: PictureFiles, limit_bytes: int = LIMIT_BYTES) -> None:
        self._cache, self._files, self._limit = cache / "pictures", files, limit_bytes
        self._cache.mkdir(parents=True, exist_ok=True)
        self._decoded: OrderedDict[str, Pixels] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="draw-ahead")
        self._asked: set[str] = set()

    def tile(self, picture: Picture, level: int, column: int, row: int) -> bytes | None:
        """A tile as JPEG; None where the pyramid has none. Raises CaptureError for a picture that cannot be read."""
        if not 0 <= level < picture.levels or column < 0 or row < 0:
            return None
        scale = 1 << (picture.levels - 1 - level)
        if column * TILE_PX * scale >= picture.width_px or row * TILE_PX * scale >= picture.height_px:
            return None
        path = self._folder(picture) / f"{level}-{column}-{row}.jpg"
        if not path.exists():
            self._draw(picture)
        return path.read_bytes()

    def crop(self, picture: Picture, box_px: tuple[float, float, float, float], size_px: int = CROP_PX) -> bytes:
        """A detection with some room around it, square, as JPEG."""
        x0, y0, x1, y1 = box_px
        # A box may be as large as somebody drew it; what is cut out is held in memory.
        most = 2 * max(picture.width_px, picture.height_px)
        side = min(max((max(x1 - x0, y1 - y0)) * _CROP_ROOM, _LEAST_CROP_PX), most)
        left, top = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2
        name = f"crop-{left:.0f}-{top:.0f}-{side:.0f}-{size_px}.jpg"
        path = self._folder(picture) / name
        if not path.exists():
            with self._of(picture):
                image = Image.fromarray(self._pixels(picture))
                box = (round(left), round(top), round(left + side), round(top + side))
                cut = image.crop(box).resize((size_px, size_px), Image.Resampling.LANCZOS)
            _write(path, cut)
        return path.read_bytes()

    def draw_ahead(self, pictures: Iterable[Picture]) -> None:
        """Draw what will be asked for next, when there is time."""
        for picture in pictures:
            with self._lock:
                if picture.content_hash in self._asked:
                    continue
                self._asked.add(picture.content_hash)
            self._ahead.submit(self._draw_quietly, picture)

    def close(self) -> None:
        """Stop drawing ahead."""
        self._ahead.shutdown(wait=True, cancel_futures=True)

    def trim(self) -> None:
        """Throw away the pictures that were drawn longest ago until the rest is under the limit."""
        folders = [(p.stat().st_mtime, p) for p in self._cache.glob("*/*") if p.is_dir()]
        sizes = {p: sum(f.stat().st_size for f in p.iterdir()) for _, p in folders}
        total = sum(sizes.values())
        for _, folder in sorted(folders):
            if total <= self._limit:
                break
            shutil.rmtree(folder, ignore_errors=True)
            total -= sizes[folder]

    def _folder(self, picture: Picture) -> Path:
        # A census may come from others: its hashes are names of folders here.
        if not _HASH.fullmatch(picture.content_hash):
            raise CaptureError("the census has no proper hash of the picture")
        folder = self._cache / picture.content_hash[:2] / picture.content_hash
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _of(self, picture: Picture) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(picture.content_hash, threading.Lock())

    def _draw_quietly(self, picture: Picture) -> None:
        try:
            self._draw(picture)
        except (CaptureError, OSError):
            # Whoever opens it is told; nobody has asked yet.
            with self._lock:
                self._asked.discard(picture.content_hash)

    def _draw(self, picture: Picture) -> None:
        """Draw the whole pyramid, smallest level last, so that a level that is there is whole."""
        with self._of(picture):
            folder = self._folder(picture)
            done = folder / "drawn"
            if done.exists():
                return
            image = Image.fromarray(self._pixels(picture))
            for level in reversed(range(picture.levels)):
                for top in range(0, image.height, TILE_PX):
                    for left in range(0, image.width, TILE_PX):
                        box = (left, top, min(left + TILE_PX, image.width), min(top + TILE_PX, image.height))
                        _write(folder / f"{level}-{left // TILE_PX}-{top // TILE_PX}.jpg", image.crop(box))
                if level:
                    image = image.reduce(2)
            done.touch()

    def _pixels(self, picture: Picture) -> Pixels:
        with self._lock:
            if picture.content_hash in self._decoded:
                self._decoded.move_to_end(picture.content_hash)
                return self._decoded[picture.content_hash]
        file = self._files.find(picture.path, picture.content_hash)
        with _DECODING, open_raster(file) as raster:
            if (raster.width_px, raster.height_px) != (picture.width_px, picture.height_px):
                raise CaptureError("the file is not the picture that the census saw: its size is another")
            if raster.width_px * raster.height_px > MAX_PIXELS:
                raise CaptureError(f"it has more than {MAX_PIXELS // 10**6} million pixels")
            found = raster.read(0, 0, raster.width_px, raster.height_px)
        pixels = np.zeros((picture.height_px, picture.width_px, 3), np.uint8) if found is None else found
        with self._lock:
            self._decoded[picture.content_hash] = pixels
            while len(self._decoded) > 1 and sum(p.nbytes for p in self._decoded.values()) > _DECODED_BYTES:
                self._decoded.popitem(last=False)
        return pixels


def _write(path: Path, image: Image.Image) -> None:
    """Write a JPEG whole or not at all; two threads may write the same one."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_QUALITY)
    partial = path.with_name(f".{path.name}.{threading.get_ident()}")
    partial.write_bytes(content.getvalue())
    partial.replace(path)
