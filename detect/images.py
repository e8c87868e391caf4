"""The pixels of a picture: decoded whole and checked for damage, or read window by window.

Everything leaves here as uint8 RGB, (height, width, 3), turned as the EXIF orientation says: no other module does
either.
"""

from __future__ import annotations

import io
import mmap
import os
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
from rasterio import Affine
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window

from detect.metadata import noted_warnings, open_header, orientation_of
from detect.sources import on_disk, read
from flightplan.closing import Closing
from flightplan.errors import CaptureError
from flightplan.frames import Floats

Pixels = npt.NDArray[np.uint8]

MAX_PIXELS = 300_000_000
"""The largest picture that is decoded whole: 0.9 GB of RGB. Larger ones can only be read by windows."""

WINDOWED_PIXELS = 48_000_000
"""A JPEG of more pixels stays on disk and is read by windows: it is decoded from the top down as tiles need it."""

# GDAL keeps blocks up to a twentieth of the memory otherwise; it reads this once, at its first block. A row of
# tiles across an untiled mosaic 130 000 px wide fits into 256 MB.
os.environ.setdefault("GDAL_CACHEMAX", "256")

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How a TIFF starts; it is read by windows."""

OTHER_DRIVERS = {
    ".jp2": "JP2OpenJPEG", ".j2k": "JP2OpenJPEG", ".webp": "WEBP", ".bmp": "BMP", ".img": "HFA", ".ntf": "NITF",
    ".vrt": "VRT",
}  # fmt: skip
"""What GDAL reads beside TIFF, by suffix; no driver that goes out to the network or runs what a file says."""

_JPEG_MAGIC = b"\xff\xd8\xff"
_MAX_VRT_BYTES = 64 << 20
_FAR = (b"/vsi", b"://", b"pixelfunction", b"<sourcedataset>", b"<!entity", b".vrt<", b'.vrt"')
_BLOCK_PX = 8
# Not stuffed zeros, restart markers or fill bytes, which belong to the coded data.
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_DAMAGED = "Copy it from the card again, or leave it out."


class Raster(Protocol):
    """Anything with pixels that can be read window by window."""

    width_px: int
    height_px: int

    def read(self, x_px: int, y_px: int, width_px: int, height_px: int) -> Pixels | None:
        """A window that lies inside, as (height, width, 3); None where it holds no data at all."""
        ...

    def to_lonlat(self, points_px: Floats) -> Floats | None:
        """Longitude and latitude of (N, 2) points in pixels; None where the raster carries no coordinates."""
        ...


class Picture:
    """A picture decoded whole."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self.height_px, self.width_px = pixels.shape[:2]

    def read(self, x_px: int, y_px: int, width_px: int, height_px: int) -> Pixels | None:
        """A view of a window, (height, width, 3)."""
        return self.pixels[y_px : y_px + height_px, x_px : x_px + width_px]

    def to_lonlat(self, points_px: Floats) -> Floats | None:
        """None: where a picture's pixels lie follows from its camera, see `detect.georef`."""
        return None


class Turned:
    """A raster as it is seen: EXIF orientation applied to each window that is read."""

    def __init__(self, raster: Raster, orientation: int) -> None:
        self._raster, self._orientation = raster, orientation
        size = (raster.width_px, raster.height_px)
        self.width_px, self.height_px = size[::-1] if orientation >= 5 else size

    def read(self, x_px: int, y_px: int, width_px: int, height_px: int) -> Pixels | None:
        """A window of what is seen, as (height, width, 3); None where it holds no data at all."""
        vertical, horizontal = _flips(self._orientation)
        x = self.width_px - x_px - width_px if horizontal else x_px
        y = self.height_px - y_px - height_px if vertical else y_px
        window = (y, x, height_px, width_px) if self._orientation >= 5 else (x, y, width_px, height_px)
        pixels = self._raster.read(*window)
        return None if pixels is None else turned(pixels, self._orientation)

    def to_lonlat(self, points_px: Floats) -> Floats | None:
        """None: what is georeferenced has no orientation."""
        return None


class Mosaic(Closing):
    """A raster on disk, read by windows through GDAL: its size does not matter.

    `transform` takes pixel corners (column, row) to the coordinates of `crs`; both are None where the file is not
    georeferenced. `overviews` are the factors by which the file holds itself smaller; `block_px` are the sides of what
    is read at once, None where all that lies above is read too. 16-bit and floating bands are stretched to 8 bits over
    their 2nd to 98th percentile, found once on an overview. Raises CaptureError for a file that GDAL cannot open as
    pixels.
    """

    def __init__(self, path: Path, *, driver: str = "GTiff") -> None:
        self.path = path
        try:
            with rasterio.Env(GDAL_ERROR_ON_LIBJPEG_WARNING=True):
                self._file = _open_quietly(path, driver)
        except (RasterioError, OSError) as error:
            raise CaptureError(f"The raster cannot be opened ({error})", where=str(path)) from error
        # GDAL's files are not for two threads at once.
        self._reading = threading.Lock()
        self.width_px: int = self._file.width
        self.height_px: int = self._file.height
        self.crs = self._file.crs
        self.overviews: tuple[int, ...] = tuple(self._file.overviews(1))
        # A JPEG is decoded from its top wherever the window lies.
        self.block_px: tuple[int, int] | None = None if driver == "JPEG" else self._file.block_shapes[0][::-1]
        self.transform: Affine | None = self._file.transform if self._file.crs is not None else None
        try:
            self._bands = _colour_bands(self._file)
            flags = self._file.mask_flag_enums[self._bands[0] - 1]
        except CPLE_BaseError as error:  # rasterio lets what GDAL says of a broken tag through as it is
            self._file.close()
            raise CaptureError(f"The raster cannot be read ({error})", where=str(path)) from error
        self._masked = MaskFlags.all_valid not in flags
        self._range = None if all(self._file.dtypes[b - 1] == "uint8" for b in self._bands) else self._stretch()

    def read(self, x_px: int, y_px: int, width_px: int, height_px: int) -> Pixels | None:
        """A window as (height, width, 3), None where mask, alpha or nodata leave nothing of it."""
        return self.read_reduced(x_px, y_px, width_px, height_px, 1)

    def read_reduced(self, x_px: int, y_px: int, width_px: int, height_px: int, factor: int) -> Pixels | None:
        """A window made smaller by a factor, its sides rounded up; from the file's overviews where it has them."""
        window = Window(x_px, y_px, width_px, height_px)
        shape = (-(-height_px // factor), -(-width_px // factor))
        try:
            # What a lenient decoder would paint grey is an error here too.
            with self._reading, rasterio.Env(GDAL_ERROR_ON_LIBJPEG_WARNING=True):
                valid = self._file.dataset_mask(window=window, out_shape=shape) if self._masked else None
                if valid is not None and not valid.any():
                    return None
                how = Resampling.nearest if factor == 1 else Resampling.average
                bands = self._file.read(
                    self._bands, window=window, out_shape=(len(self._bands), *shape), resampling=how
                )
        except (RasterioError, OSError) as error:
            raise CaptureError(
                f"The raster is damaged near column {x_px}, row {y_px} ({error})", where=str(self.path), hint=_DAMAGED
            ) from error
        if self._range is not None:
            low, high = self._range
            bands = np.clip((bands.astype(np.float32) - low) * (255.0 / (high - low)), 0.0, 255.0).astype(np.uint8)
        pixels = np.ascontiguousarray(np.moveaxis(bands, 0, -1))
        if valid is not None:
            pixels[valid == 0] = 0
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3)) if pixels.shape[2] == 1 else pixels

    def to_lonlat(self, points_px: Floats) -> Floats | None:
        """Longitude and latitude on WGS 84 of (N, 2) points, 0, 0 being the top-left corner of the raster."""
        if self.transform is None or self.crs is None:
            return None
        t, (x, y) = self.transform, points_px.T
        project = pyproj.Transformer.from_crs(self.crs.to_wkt(), "EPSG:4326", always_xy=True)
        return np.column_stack(project.transform(t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f))

    def _stretch(self) -> tuple[float, float]:
        shape = (min(self.height_px, 1024), min(self.width_px, 1024))
        sample = self._file.read(self._bands, out_shape=(len(self._bands), *shape), masked=True).astype(np.float64)
        values = sample.compressed()
        values = values[np.isfinite(values)]
        if not len(values):
            return 0.0, 1.0
        low, high = (float(v) for v in np.percentile(values, (2.0, 98.0)))
        return low, high if high > low else low + 1.0

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _open_quietly(source: Path | MemoryFile, driver: str = "JPEG") -> rasterio.DatasetReader:
    """Open without rasterio's warning that a picture has no coordinates, by the driver that its content is for."""
    with noted_warnings([]):
        if isinstance(source, MemoryFile):
            return source.open(driver=driver)
        return rasterio.open(source, driver=driver)


def _colour_bands(file: rasterio.DatasetReader) -> list[int]:
    by_colour = {colour: band for band, colour in reversed(list(enumerate(file.colorinterp, 1)))}
    wanted = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if all(colour in by_colour for colour in wanted):
        return [by_colour[colour] for colour in wanted]
    return [1, 2, 3] if file.count >= 3 else [1]


@contextmanager
def open_raster(path: Path, data: bytes | None = None) -> Iterator[Raster]:
    """Open a picture for reading by windows, as it is seen.

    A JPEG or PNG is decoded whole; a TIFF, a JPEG of more than `WINDOWED_PIXELS` and the other formats of
    `OTHER_DRIVERS` stay on disk. `data` is the file's content when the caller holds it. What is elsewhere and stays on
    disk is read from a copy in the cache. Raises CaptureError for a file that is none of these, or damaged.
    """
    if data is None:
        with on_disk(path).open("rb") as stream:
            start = stream.read(4)
    else:
        start = data[:4]
    other = OTHER_DRIVERS.get(path.suffix.lower())
    if start in TIFF_MAGIC or (other is not None and start[:3] != _JPEG_MAGIC):
        here = on_disk(path)
        if other == "VRT":
            _refuse_far_sources(here)
        with Mosaic(here, driver="GTiff" if other is None else other) as mosaic:
            orientation = _stored_orientation(here) if start in TIFF_MAGIC and mosaic.transform is None else 1
            yield mosaic if orientation == 1 else Turned(mosaic, orientation)
    elif start[:3] == _JPEG_MAGIC and (seen := _by_windows(path, data)) is not None:
        with Mosaic(on_disk(path), driver="JPEG") as mosaic:
            yield mosaic if seen == 1 else Turned(mosaic, seen)
    else:
        yield Picture(decode(path, data))


def _by_windows(path: Path, data: bytes | None) -> int | None:
    """The orientation of a JPEG that is too large to be decoded whole, None for one that is not.

    A progressive one has to be decoded whole: each of its scans has all of its rows. Raises CaptureError for one that
    is cut short.
    """
    with ExitStack() as resources:
        source = io.BytesIO(data) if data is not None else resources.enter_context(on_disk(path).open("rb"))
        with noted_warnings([]):
            image = open_header(source, path)
        if image.size[0] * image.size[1] <= WINDOWED_PIXELS or image.info.get("progressive"):
            return None
        content = data
        if content is None:
            content = resources.enter_context(mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ))  # type: ignore[assignment]
        if not ends_properly(content):  # type: ignore[arg-type]
            raise CaptureError("The picture is cut short: its data never ends", where=str(path), hint=_DAMAGED)
        return orientation_of(image)


def _stored_orientation(path: Path) -> int:
    """The orientation tag of a TIFF, which GDAL leaves to others."""
    try:
        with path.open("rb") as stream, noted_warnings([]):
            return orientation_of(open_header(stream, path))
    except CaptureError:
        return 1


def _refuse_far_sources(path: Path) -> None:
    """Refuse a virtual raster that would have GDAL open addresses, archives or code: only files that lie here."""
    if path.stat().st_size > _MAX_VRT_BYTES:
        raise CaptureError(f"The virtual raster is over {_MAX_VRT_BYTES >> 20} MB", where=str(path))
    text = path.read_bytes().lower()
    far = next((word for word in _FAR if word in text), None)
    if far is not None:
        raise CaptureError(
            f"The virtual raster has {far.decode()!r} in it: only plain files on this machine are read",
            where=str(path),
            hint="Make a tiled GeoTIFF of it: gdal_translate -co TILED=YES in.vrt out.tif",
        )


def decode(path: Path, data: bytes | None = None) -> Pixels:
    """Decode a whole picture to uint8 RGB, (height, width, 3), as it is seen.

    `data` is the file's content when the caller holds it. Raises CaptureError for a file that is no picture, is cut
    short (also where a lenient decoder would paint the missing part grey), or has more than `MAX_PIXELS` pixels.
    """
    if data is None:
        data = read(path)
    with noted_warnings([]):
        image = open_header(io.BytesIO(data), path)
        orientation = orientation_of(image)
    width_px, height_px = image.size
    if width_px * height_px > MAX_PIXELS:
        raise CaptureError(
            f"The picture claims {width_px}x{height_px} pixels, over the limit of {MAX_PIXELS / 1e6:g} million",
            where=str(path),
            hint="Convert a mosaic to a tiled GeoTIFF; leave out a picture that was never this large.",
        )
    if image.format == "TIFF":
        with open_raster(path) as raster:
            pixels = raster.read(0, 0, raster.width_px, raster.height_px)
            return np.zeros((raster.height_px, raster.width_px, 3), np.uint8) if pixels is None else pixels
    try:
        image.load()
        # Where 16 bits have to become 8 the upper byte is what a viewer shows.
        if image.mode.startswith("I"):
            stored = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
            pixels = np.repeat(stored[:, :, None], 3, axis=2)
        else:
            pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise CaptureError(f"The picture is damaged or cut short ({error})", where=str(path), hint=_DAMAGED) from error
    if image.format == "JPEG":
        if not ends_properly(data):
            raise CaptureError("The picture is cut short: its data never ends", where=str(path), hint=_DAMAGED)
        if _ends_flat(pixels):
            refuse_missing_data(path, data)
    return turned(pixels, orientation)


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """A stored picture as it is seen: EXIF orientation 1 to 8 (Exif 3.0, 4.6.5.1) applied, as a view."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    vertical, horizontal = _flips(orientation)
    return pixels[:: -1 if vertical else 1, :: -1 if horizontal else 1]


def _flips(orientation: int) -> tuple[bool, bool]:
    """Whether rows and columns run the other way, once they have been exchanged where the orientation is 5 or more."""
    return orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)


def ends_properly(data: bytes) -> bool:
    """Whether a JPEG's own data runs up to an end-of-image marker (ITU-T T.81, B.1.1).

    A card that reserved the file's space but lost its end leaves zeros or an older picture's data there, which decodes
    to something; only the marker is missing. What follows the first picture (previews, padding) is not looked at.
    """
    position = 2
    while marker := _NEXT_MARKER.search(data, position):
        position = marker.end()
        if marker.group() == b"\xff\xd9":
            return True
        position += int.from_bytes(data[position : position + 2], "big")
    return False


def _ends_flat(pixels: Pixels) -> bool:
    """Whether the lower right block is one colour: what a decoder paints once its data has run out."""
    block = pixels[-_BLOCK_PX:, -_BLOCK_PX:]
    return bool((block == block[0, 0]).all())


def refuse_missing_data(path: Path, data: bytes) -> None:
    """Decode a suspected JPEG again with libjpeg's warnings as errors: a flat sky or a black frame is no damage."""
    try:
        with (
            rasterio.Env(GDAL_ERROR_ON_LIBJPEG_WARNING=True),
            MemoryFile(data, ext=".jpg") as memory,
            _open_quietly(memory) as file,
        ):
            file.read(1)
    except (RasterioError, OSError) as error:
        raise CaptureError(
            f"The picture is cut short: its lower part is missing ({error})", where=str(path), hint=_DAMAGED
        ) from error
