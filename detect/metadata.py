"""What a picture's file says about itself: EXIF and XMP as written, not yet judged.

Only the header is read, never the pixels. EXIF: CIPA DC-008 (Exif 3.0). XMP: ISO 16684-1; the packet is untrusted XML
and goes through defusedxml.
"""

from __future__ import annotations

import io
import math
import struct
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError

import defusedxml
from defusedxml.ElementTree import fromstring
from PIL import ExifTags, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from flightplan.errors import CaptureError

MAX_XMP_BYTES = 1 << 20

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
# What Pillow raises on tags and headers that do not hold together.
_DAMAGE = (OSError, SyntaxError, ValueError, struct.error, KeyError, TypeError, IndexError, OverflowError)
_EXIF_POINTER, _GPS_POINTER = 0x8769, 0x8825
_XMP_TIFF_TAG = 700

# Namespaces as makers write them, without their closing slash, and the short name used here.
_NAMESPACES = {
    "http://www.dji.com/drone-dji/1.0": "drone-dji",
    "http://ns.sensefly.com/sensefly/1.0": "sensefly",
    "http://ns.sensefly.com/camera/1.0": "sensefly-camera",
    "http://pix4d.com/camera/1.0": "pix4d-camera",
    "http://www.pix4d.com/camera/1.0": "pix4d-camera",
    "http://www.parrot.com/drone-parrot/1.0": "drone-parrot",
    "http://ns.parrot.com/drone-parrot/1.0": "drone-parrot",
    "https://www.skydio.com/drone-skydio/1.0": "drone-skydio",
    "http://www.skydio.com/drone-skydio/1.0": "drone-skydio",
    "http://www.autelrobotics.com/drone-autel/1.0": "drone-autel",
    "http://www.autel.com/drone-autel/1.0": "drone-autel",
    "http://ns.adobe.com/exif/1.0": "exif",
    "http://ns.adobe.com/tiff/1.0": "tiff",
    "http://ns.adobe.com/xap/1.0": "xmp",
}


@dataclass(frozen=True)
class Metadata:
    """The tags of one picture.

    `exif` is keyed by the standard's tag names, the three directories flattened; rationals are floats, NaN where the
    file says 0/0. `xmp` is keyed "namespace:Name" with the short names of this module ("drone-dji:GimbalYawDegree");
    its values are text. `width_px` and `height_px` are as stored, before `orientation` (1 to 8) is applied. `flaws`
    names what could not be read, one sentence each.
    """

    path: Path
    format: str
    width_px: int
    height_px: int
    orientation: int = 1
    exif: Mapping[str, Any] = field(default_factory=dict)
    xmp: Mapping[str, str] = field(default_factory=dict)
    flaws: tuple[str, ...] = ()

    @property
    def size_as_seen_px(self) -> tuple[int, int]:
        """Width and height once the orientation is applied."""
        if self.orientation >= 5:
            return self.height_px, self.width_px
        return self.width_px, self.height_px

    def text(self, tag: str) -> str | None:
        """An EXIF or "namespace:Name" XMP tag as text, None when absent or empty."""
        value = self.xmp.get(tag) if ":" in tag else self.exif.get(tag)
        if isinstance(value, bytes):
            value = value.decode("ascii", "replace")
        if value is None:
            return None
        return str(value).split("\0", 1)[0].strip() or None

    def number(self, tag: str) -> float | None:
        """An EXIF or "namespace:Name" XMP tag as a finite number, None when absent or not one (0/0 included)."""
        value = self.xmp.get(tag) if ":" in tag else self.exif.get(tag)
        try:
            number = _fraction(value) if isinstance(value, str) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            return None
        return number if math.isfinite(number) else None


def read_metadata(path: Path, data: bytes | None = None) -> Metadata:
    """Read the tags of a JPEG, PNG or TIFF from its header.

    `data` is the file's content when the caller already holds it. Damaged EXIF or XMP leaves the rest readable and is
    named in `flaws`. Raises CaptureError for a file that is not one of these pictures.
    """
    stream: BinaryIO = io.BytesIO(data) if data is not None else path.open("rb")
    flaws: list[str] = []
    with stream, noted_warnings(flaws):
        image = open_header(stream, path)
        exif = _read_exif(image, flaws)
        xmp = _read_xmp(image, flaws)
        orientation = orientation_of(image)
        width_px, height_px = _stored_size(image)
    if exif.get("Orientation", 1) != orientation:
        flaws.append(f"EXIF orientation {exif['Orientation']!r} is none of 1 to 8: the picture is taken as stored")
    return Metadata(
        path=path,
        format=image.format or "",
        width_px=width_px,
        height_px=height_px,
        orientation=orientation,
        exif=exif,
        xmp=xmp,
        flaws=tuple(dict.fromkeys(flaws)),
    )


_WARNINGS = threading.Lock()


@contextmanager
def noted_warnings(notes: list[str]) -> Iterator[None]:
    """Turn the warnings of a library that reads a damaged file into notes; one thread at a time, as they are global."""
    with _WARNINGS, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    notes.extend(str(warning.message) for warning in caught)


def open_header(stream: BinaryIO, path: Path) -> Image.Image:
    """Open a picture by its first bytes, whatever its name says, without reading its pixels.

    Pillow's own `Image.open` also tries formats nobody surveys with, and warns of large pictures through a global
    switch; the limit on size is `detect.images`'s to keep. Raises CaptureError.
    """
    magic = stream.read(8)
    stream.seek(0)
    if not magic:
        raise CaptureError("The file is empty", where=str(path), hint="Copy it from the card again.")
    reader = next((reader for start, reader in _READERS if magic.startswith(start)), None)
    if reader is None:
        raise CaptureError("This is not a JPEG, PNG or TIFF picture", where=str(path))
    try:
        return reader(stream)
    except _DAMAGE as error:
        raise CaptureError(
            f"The picture's header cannot be read ({error})", where=str(path), hint="Copy it from the card again."
        ) from error


_SEARCHED_PX = 300_000_000
_READERS: tuple[tuple[bytes, Callable[[BinaryIO], Image.Image]], ...] = (
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"II+\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0+", TiffImagePlugin.TiffImageFile),
)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of an opened picture, 1 (as stored) where it is missing or none of 1 to 8."""
    try:
        orientation = _exif_of(image).get(ExifTags.Base.Orientation, 1)
    except _DAMAGE:
        return 1
    return int(orientation) if orientation in range(1, 9) else 1


def _exif_of(image: Image.Image) -> Image.Exif:
    """The EXIF block of an opened picture."""
    # Pillow decodes a whole PNG in search of a block behind its pixels: not one that only claims to be so large.
    unread = isinstance(image, PngImagePlugin.PngImageFile) and "exif" not in image.info
    if unread and image.width * image.height > _SEARCHED_PX:
        return Image.Exif()
    return image.getexif()


def _stored_size(image: Image.Image) -> tuple[int, int]:
    # Pillow swaps the size of a TIFF whose orientation turns it by 90 degrees already when it opens it.
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(image.tag_v2[ExifTags.Base.ImageWidth]), int(image.tag_v2[ExifTags.Base.ImageLength])
    return image.size


def _read_exif(image: Image.Image, flaws: list[str]) -> dict[str, Any]:
    tags: dict[str, Any] = {}
    try:
        exif = _exif_of(image)
        directories = (
            (exif, ExifTags.TAGS),
            (exif.get_ifd(_EXIF_POINTER), ExifTags.TAGS),
            (exif.get_ifd(_GPS_POINTER), ExifTags.GPSTAGS),
        )
        for directory, names in directories:
            for tag, value in directory.items():
                if tag in names and tag not in (_EXIF_POINTER, _GPS_POINTER):
                    tags[names[tag]] = _plain(value)
        if not tags and image.info.get("exif"):
            flaws.append("EXIF is damaged (nothing in it can be read)")
    except _DAMAGE as error:
        flaws.append(f"EXIF is damaged ({error})")
    return tags


def _plain(value: Any) -> Any:
    """Rationals as floats (0/0 as NaN), tuples of them likewise, everything else as it is."""
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    if isinstance(value, TiffImagePlugin.IFDRational):
        return float(value.numerator) / float(value.denominator) if value.denominator else math.nan
    return value


def _read_xmp(image: Image.Image, flaws: list[str]) -> dict[str, str]:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if packet is None and isinstance(image, TiffImagePlugin.TiffImageFile):
        packet = image.tag_v2.get(_XMP_TIFF_TAG)
    if not packet:
        return {}
    if isinstance(packet, str):
        packet = packet.encode()
    return parse_xmp(bytes(packet), flaws)


def parse_xmp(packet: bytes, flaws: list[str]) -> dict[str, str]:
    """The simple properties of an XMP packet, written as attributes or as elements, keyed "namespace:Name".

    Sequences give their items, with commas between, alternatives the first of theirs; structures give "Name:Part".
    Properties in namespaces this module does not know are left out. What cannot be read is named in `flaws`.
    """
    if len(packet) > MAX_XMP_BYTES:
        flaws.append(f"XMP of {len(packet)} bytes is over the limit of {MAX_XMP_BYTES} and was not read")
        return {}
    # The closing root tag ends it: cameras pad the packet with blanks and NULs.
    packet = packet.rstrip(b"\0 \r\n\t")
    try:
        root: Element = fromstring(packet, forbid_dtd=True)
    except (ParseError, defusedxml.DefusedXmlException, ValueError, LookupError) as error:
        flaws.append(f"XMP is not well-formed XML ({type(error).__name__}: {error})".rstrip())
        return {}
    properties: dict[str, str] = {}
    for description in root.iter(f"{_RDF}Description"):
        for name, value in description.attrib.items():
            _put(properties, name, value)
        for element in description:
            _put(properties, element.tag, _element_text(element))
            for part in (*element, *(inner for outer in element for inner in outer)):
                short, known = _short_name(part.tag)
                outer_name, outer_known = _short_name(element.tag)
                if known and outer_known and part.text and part.text.strip():
                    properties.setdefault(f"{outer_name}:{short.split(':', 1)[1]}", part.text.strip())
    return properties


def _put(properties: dict[str, str], qualified: str, value: str | None) -> None:
    short, known = _short_name(qualified)
    if known and value is not None and value.strip():
        properties.setdefault(short, value.strip())


def _element_text(element: Element) -> str | None:
    if element.text and element.text.strip():
        return element.text
    items = [item.text.strip() for item in element.iterfind(f".//{_RDF}li") if item.text and item.text.strip()]
    alternative = element.find(f"{_RDF}Alt") is not None
    return (items[0] if alternative else ",".join(items)) if items else None


def _short_name(qualified: str) -> tuple[str, bool]:
    if not isinstance(qualified, str) or not qualified.startswith("{"):
        return "", False
    namespace, _, name = qualified[1:].partition("}")
    short = _NAMESPACES.get(namespace.rstrip("/").lower())
    return (f"{short}:{name}", True) if short else ("", False)


def _fraction(text: str) -> float:
    """XMP writes a number as decimal text or, for EXIF rationals, as "a/b"."""
    numerator, slash, denominator = text.partition("/")
    return float(numerator) / float(denominator) if slash else float(numerator)
