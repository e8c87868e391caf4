"""Pictures for the page: crops of detections, and whole frames as a pyramid of tiles, drawn once and kept on disk.

A frame of 50 megapixels takes most of a second to decode. So a coarse view of it, which libjpeg decodes in a fraction
of that, is shown first; and what the page will ask for next is drawn ahead of the reviewer. A mosaic of gigapixels is
read by windows; where its file holds no overviews its coarse levels are drawn once, from the top down, in bounded
memory. Only pictures that the census names are read, and a file only when it has the content hash that the census
knows (`counts.picture_files`); nothing of a request reaches the disk.
"""

from __future__ import annotations

import io
import re
import shutil
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from PIL import Image

from counts.picture_files import PictureFiles
from counts.review.ahead import Ahead, Job
from counts.review.pyramid import TILE_PX, draw_levels
from counts.review.sources import DRAFT, Picture, Sources
from flightplan.errors import CaptureError

CROP_PX = 192
_CROP_ROOM = 2.2
_LEAST_CROP_PX = 48
_QUALITY = 82
_LEAST_COARSE_PIXELS = 4_000_000
LIMIT_BYTES = 20 << 30
_HASH = re.compile("[0-9a-f]{64}")

Box = tuple[float, float, float, float]


class NotDrawnYetError(CaptureError):
    """The coarse levels of a mosaic are being drawn; `share` of it is done."""

    def __init__(self, share: float) -> None:
        super().__init__(f"it is being drawn for the first time: {share:.0%} done")
        self.share = share


class PictureStore:
    """Draws and keeps crops and tiles; safe to call from many threads."""

    def __init__(self, cache: Path, files: PictureFiles, limit_bytes: int = LIMIT_BYTES) -> None:
        self._cache, self._limit = cache / "pictures", limit_bytes
        self._cache.mkdir(parents=True, exist_ok=True)
        self._sources = Sources(files)
        self._locks: dict[str, threading.Lock] = {}
        self._shares: dict[str, float] = {}
        self._lock = threading.Lock()
        self._written = 0
        self._closing = threading.Event()
        # A mosaic takes a minute: frames do not wait behind it.
        self._ahead, self._mosaics = Ahead("draw-ahead"), Ahead("draw-mosaics")

    def tile(self, picture: Picture, level: int, column: int, row: int) -> bytes | None:
        """A tile as JPEG; None where the pyramid has none.

        Raises CaptureError for a picture that cannot be read, and NotDrawnYetError for a coarse tile of a mosaic that
        is being drawn.
        """
        if not 0 <= level < picture.levels or column < 0 or row < 0:
            return None
        scale = 1 << (picture.levels - 1 - level)
        side = TILE_PX * scale
        left, top = column * side, row * side
        if left >= picture.width_px or top >= picture.height_px:
            return None
        path = self._folder(picture) / f"{level}-{column}-{row}.jpg"
        if not path.exists() and scale >= DRAFT and not self._sources.is_open(picture):
            self._draw_coarse(picture)
        if path.exists():
            return path.read_bytes()
        source = self._sources.open(picture)
        if not source.is_direct(scale):
            raise NotDrawnYetError(self.drawn(picture))
        size = (min(side, picture.width_px - left), min(side, picture.height_px - top))
        return self._write(path, source.region(left, top, *size, scale))

    def crop(self, picture: Picture, box_px: Box, size_px: int = CROP_PX) -> bytes:
        """A detection with some room around it, square, as JPEG. Raises CaptureError as `tile` does."""
        x0, y0, x1, y1 = box_px
        # A box may be as large as somebody drew it; what is cut out is held in memory.
        most = 2 * max(picture.width_px, picture.height_px)
        side = min(max((max(x1 - x0, y1 - y0)) * _CROP_ROOM, _LEAST_CROP_PX), most)
        left, top = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2
        path = self._folder(picture) / f"crop-{left:.0f}-{top:.0f}-{side:.0f}-{size_px}.jpg"
        if path.exists():
            return path.read_bytes()
        cut = self._cut(picture, round(left), round(top), round(left + side), round(top + side), size_px)
        return self._write(path, cut.resize((size_px, size_px), Image.Resampling.LANCZOS))

    def drawn(self, picture: Picture) -> float:
        """The share of a mosaic's coarse levels that is drawn, 1 for other pictures; begins to draw them."""
        if not picture.is_large or (self._folder(picture) / "drawn").exists():
            return 1.0
        with self._lock:
            share = self._shares.get(picture.content_hash, 0.0)
        if share < 1.0:
            self.draw_mosaics([picture])
        return share

    def draw_mosaics(self, pictures: Iterable[Picture]) -> None:
        """Draw the coarse levels of mosaics, in this order, besides what else is drawn ahead."""
        self._mosaics.wish((p.content_hash, partial(self._quietly, self._draw_mosaic, p)) for p in pictures)

    def draw_ahead(self, pictures: Iterable[Picture], crops: Iterable[tuple[Picture, Box]] = ()) -> None:
        """Draw what will be asked for next: crops of detections, then whole pictures, each in the order given."""
        jobs: list[Job] = [
            (("crop", p.content_hash, box), partial(self._quietly, self.crop, p, box)) for p, box in crops
        ]
        jobs += [(p.content_hash, partial(self._quietly, self._draw, p)) for p in pictures]
        self._ahead.wish(jobs)

    def wait(self, seconds: float) -> bool:
        """Wait until all that was to be drawn ahead is drawn, so long at most; whether that is so."""
        return self._ahead.wait(seconds) and self._mosaics.wait(seconds)

    def close(self) -> None:
        """Stop drawing ahead, a mosaic in the middle too: the next server begins it anew."""
        self._closing.set()
        self._ahead.close()
        self._mosaics.close()
        self._sources.close()

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

    def _of(self, picture: Picture, what: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(f"{what} {picture.content_hash}", threading.Lock())

    def _quietly(self, work: Callable[..., object], picture: Picture, *more: object) -> None:
        try:
            work(picture, *more)
            if self._written > self._limit // 20:
                self._written = 0
                self.trim()
        except (CaptureError, OSError):
            # Whoever opens it is told; nobody has asked yet.
            return

    def _cut(self, picture: Picture, left: int, top: int, right: int, bottom: int, size_px: int) -> Image.Image:
        """A part that may reach over the edges, no finer than it is shown."""
        scale = 1
        while (right - left) // (2 * scale) >= size_px and scale < 1 << (picture.levels - 1):
            scale *= 2
        source = self._sources.open(picture)
        # Tiles lie where multiples of the scale do.
        x0, y0 = max(0, left) // scale * scale, max(0, top) // scale * scale
        x1, y1 = min(right, picture.width_px), min(bottom, picture.height_px)
        found = Image.new("RGB", (-(-(right - left) // scale), -(-(bottom - top) // scale)))
        if x1 <= x0 or y1 <= y0:
            return found
        if source.is_direct(scale):
            part = source.region(x0, y0, x1 - x0, y1 - y0, scale)
            found.paste(part, (round((x0 - left) / scale), round((y0 - top) / scale)))
            return found
        level, step = picture.levels - scale.bit_length(), TILE_PX * scale
        for row in range(y0 // step, -(-y1 // step)):
            for column in range(x0 // step, -(-x1 // step)):
                tile = self.tile(picture, level, column, row)
                if tile is not None:
                    place = (round((column * step - left) / scale), round((row * step - top) / scale))
                    found.paste(Image.open(io.BytesIO(tile)), place)
        return found

    def _draw_coarse(self, picture: Picture) -> None:
        """Draw the levels that are an eighth as fine and coarser, if that is much quicker than drawing them all."""
        if picture.width_px * picture.height_px < _LEAST_COARSE_PIXELS or picture.levels < DRAFT.bit_length():
            return
        with self._of(picture, "coarse"):
            folder = self._folder(picture)
            if (folder / "coarse").exists() or (image := self._sources.draft(picture)) is None:
                return
            self._draw_image(picture, image, DRAFT)
            (folder / "coarse").touch()

    def _draw(self, picture: Picture) -> None:
        """Draw the whole pyramid, coarse levels first; of a mosaic only what cannot be read when it is asked for."""
        if picture.is_large:
            self.drawn(picture)
            return
        done = self._folder(picture) / "drawn"
        if not done.exists() and not self._sources.is_open(picture):
            self._draw_coarse(picture)
        with self._of(picture, "all"):
            if not done.exists():
                source = self._sources.open(picture)
                self._draw_image(picture, source.region(0, 0, picture.width_px, picture.height_px, 1), 1)
                done.touch()

    def _draw_image(self, picture: Picture, image: Image.Image, scale: int) -> None:
        """Draw the levels from a scale on from an image that has it, the coarsest first."""
        images = [image]
        while len(images) < picture.levels - scale.bit_length() + 1:
            images.append(images[-1].reduce(2))
        folder = self._folder(picture)
        for level, each in enumerate(reversed(images)):
            for top in range(0, each.height, TILE_PX):
                for left in range(0, each.width, TILE_PX):
                    path = folder / f"{level}-{left // TILE_PX}-{top // TILE_PX}.jpg"
                    if not path.exists():
                        box = (left, top, min(left + TILE_PX, each.width), min(top + TILE_PX, each.height))
                        self._write(path, each.crop(box))

    def _draw_mosaic(self, picture: Picture) -> None:
        folder = self._folder(picture)

        def write(level: int, column: int, row: int, tile: Image.Image) -> None:
            self._write(folder / f"{level}-{column}-{row}.jpg", tile)

        def told(share: float) -> None:
            if self._closing.is_set():
                raise CaptureError("the server was stopped")
            with self._lock:
                # The last tiles are written after the last rows are read.
                self._shares[picture.content_hash] = min(share, 0.99)

        try:
            if not (folder / "drawn").exists():
                source = self._sources.open(picture)
                if source.drawn_from is not None:
                    draw_levels(source.raster, source.drawn_from, write, told, source.whole_rows)
                (folder / "drawn").touch()
        finally:
            # Also where it cannot be read: its tiles say why.
            with self._lock:
                self._shares[picture.content_hash] = 1.0

    def _write(self, path: Path, image: Image.Image) -> bytes:
        """Write a JPEG whole or not at all; two threads may write the same one. Returns what was written."""
        held = io.BytesIO()
        image.save(held, "JPEG", quality=_QUALITY)
        content = held.getvalue()
        partial_file = path.with_name(f".{path.name}.{threading.get_ident()}")
        partial_file.write_bytes(content)
        partial_file.replace(path)
        self._written += len(content)
        return content


__all__ = ["CROP_PX", "TILE_PX", "NotDrawnYetError", "Picture", "PictureStore"]
