"""Pictures that are open: decoded whole, or read by windows where they are too large for that."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from counts.picture_files import PictureFiles, picture_name
from counts.review.pyramid import count_levels
from detect.images import MAX_PIXELS, WINDOWED_PIXELS, Mosaic, Pixels, Raster, ends_properly, open_raster
from detect.images import Picture as Decoded
from detect.images import turned as as_seen
from detect.metadata import noted_warnings, open_header, orientation_of
from flightplan.errors import CaptureError

MOST_PIXELS = 10_000_000_000
"""The largest picture that is shown. A file of a few bytes may claim more than anybody flew over."""

DIRECT = 4
"""By how much a window may be larger than what is shown of it, to be read while somebody waits."""

DRAFT = 8
"""What libjpeg makes smaller by this factor it need not decode in full."""

_DECODED_BYTES = 500 << 20
_MOST_OPEN = 12
_MOST_BLOCK_PIXELS = 1 << 26
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
        return count_levels(self.width_px, self.height_px)

    @property
    def is_large(self) -> bool:
        """Whether it is read by windows, and its coarse levels may have to be drawn first."""
        pixels = self.width_px * self.height_px
        return pixels > (WINDOWED_PIXELS if picture_name(self.path).lower().endswith((".tif", ".tiff")) else MAX_PIXELS)


class Source:
    """An open picture. What is not `direct` at a scale (pixels a pixel) has to be drawn from the top down first."""

    def __init__(self, raster: Raster, held: ExitStack | None, pixels: Pixels | None) -> None:
        self.raster, self._held, self.pixels = raster, held, pixels
        self.lock = threading.Lock()
        mosaic = raster if isinstance(raster, Mosaic) else None
        self.whole_rows = pixels is None and (mosaic is None or mosaic.block_px is None)
        self._reach = 0 if self.whole_rows else DIRECT * max((1, *(mosaic.overviews if mosaic else ())))

    def is_direct(self, scale: int) -> bool:
        """Whether a window of this scale is read at once."""
        return self.pixels is not None or scale <= self._reach

    @property
    def drawn_from(self) -> int | None:
        """The finest scale that has to be drawn first; None where none has to."""
        if self.pixels is not None:
            return None
        scale = 1
        while self.is_direct(scale):
            scale *= 2
        return scale if scale < 1 << count_levels(self.raster.width_px, self.raster.height_px) else None

    def region(self, left: int, top: int, width: int, height: int, scale: int) -> Image.Image:
        """A window that lies inside, made smaller by a scale, its sides rounded up. Raises CaptureError."""
        if isinstance(self.raster, Mosaic) and scale > 1:
            found = self.raster.read_reduced(left, top, width, height, scale)
            shape = (-(-height // scale), -(-width // scale), 3)
            return Image.fromarray(np.zeros(shape, np.uint8) if found is None else np.ascontiguousarray(found))
        found = self.raster.read(left, top, width, height)
        if found is None:
            found = np.zeros((height, width, 3), np.uint8)
        image = Image.fromarray(np.ascontiguousarray(found))
        return image if scale == 1 else image.reduce(scale)


class Sources:
    """Opens pictures, each once while it is asked for again; safe to call from many threads."""

    def __init__(self, files: PictureFiles) -> None:
        self._files = files
        self._open: OrderedDict[str, Source] = OrderedDict()
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}

    def open(self, picture: Picture) -> Source:
        """The picture, open. Raises CaptureError for one that is not there, is another one, or cannot be shown."""
        key = picture.content_hash
        with self._lock:
            one = self._opening.setdefault(key, threading.Lock())
        with one:
            found = self._known(key)
            if found is None:
                found = self._opened(picture)
                self._keep(key, found)
        return found

    def is_open(self, picture: Picture) -> bool:
        """Whether it is open already."""
        with self._lock:
            return picture.content_hash in self._open

    def draft(self, picture: Picture) -> Image.Image | None:
        """A JPEG an eighth as large, in a fraction of the time that it takes to decode; None where that is not so.

        Raises CaptureError as `open` does.
        """
        file = self._files.find(picture.path, picture.content_hash)
        with file.open("rb") as stream:
            if stream.read(3) != b"\xff\xd8\xff":
                return None
        data = file.read_bytes()
        try:
            with noted_warnings([]):
                image = open_header(io.BytesIO(data), file)
                orientation = orientation_of(image)
                image.draft("RGB", (image.width // DRAFT, image.height // DRAFT))
                image.load()
        except (OSError, SyntaxError, ValueError) as error:
            raise CaptureError("it is damaged or cut short") from error
        if not ends_properly(data):
            raise CaptureError("it is damaged or cut short")
        seen = Image.fromarray(np.ascontiguousarray(as_seen(np.asarray(image.convert("RGB")), orientation)))
        wanted = (-(-picture.width_px // DRAFT), -(-picture.height_px // DRAFT))
        return seen if seen.size == wanted else None

    def close(self) -> None:
        """Let go of all."""
        with self._lock:
            self._open.clear()

    def _known(self, key: str) -> Source | None:
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
            return self._open.get(key)

    def _keep(self, key: str, source: Source) -> None:
        with self._lock:
            self._open[key] = source
            # What is thrown out closes when whoever reads from it has done so.
            while len(self._open) > 1 and (_held_bytes(self._open) > _DECODED_BYTES or len(self._open) > _MOST_OPEN):
                self._open.popitem(last=False)

    def _opened(self, picture: Picture) -> Source:
        if picture.width_px * picture.height_px > MOST_PIXELS:
            raise CaptureError(f"it has more than {MOST_PIXELS // 10**6:,} million pixels")
        file = self._files.find(picture.path, picture.content_hash)
        size = (picture.width_px, picture.height_px)
        with ExitStack() as held:
            with _DECODING:
                raster = held.enter_context(open_raster(file))
                if (raster.width_px, raster.height_px) != size:
                    raise CaptureError("the file is not the picture that the census saw: its size is another")
                if not picture.is_large:
                    found = raster.read(0, 0, *size)
                    whole = np.zeros((size[1], size[0], 3), np.uint8) if found is None else found
                    return Source(Decoded(whole), None, whole)
            _refuse_large_blocks(raster)
            return Source(raster, held.pop_all(), None)


def _refuse_large_blocks(raster: Raster) -> None:
    """Raise CaptureError where a window of a few pixels would take all of the memory."""
    block = raster.block_px if isinstance(raster, Mosaic) else None
    if block is not None and block[0] * block[1] > _MOST_BLOCK_PIXELS:
        raise CaptureError("it is in one piece: make a tiled GeoTIFF of it (gdal_translate -co TILED=YES)")


def _held_bytes(sources: OrderedDict[str, Source]) -> int:
    return sum(source.pixels.nbytes for source in sources.values() if source.pixels is not None)
