"""A memory card's pictures, some of them broken in one of the ways that pictures break: see `ten_thousand.py`."""

from __future__ import annotations

import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from flightplan.camera import Camera
from sim.photographs import Shot, write_frame
from sim.view import Pose

DAY = datetime(2026, 6, 1, 6, tzinfo=UTC)
SIZE_PX = (160, 128)
CAMERA = Camera("small", *SIZE_PX, focal_length_px=160.0, maker="DJI", models=("FC6310",))
PER_LINE = 100
SPACING_DEG = 1e-3
STEP_DEG = 2.5e-4
PER_FOLDER = 10_000
PER_BROKEN = 100


@dataclass(frozen=True)
class Breakage:
    """One way for a capture to be broken: what it is called, how it is done, and what has to be said of it.

    `says` is looked for in the reason of a skip (at any stage) or among a capture's findings; `left_out`: the picture
    is not looked at in the end.
    """

    name: str
    apply: Callable[[Path], None]
    how: str
    says: str
    left_out: bool = True


def _replace(old: bytes, new: bytes) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        data = path.read_bytes()
        assert old in data, (path, old)
        path.write_bytes(data.replace(old, new))

    return apply


def _cut(share: float) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return apply


def _lost_end(path: Path) -> None:
    """A card that reserved the space and never wrote the rest: zeros up to an end of image."""
    data = path.read_bytes()
    keep = len(data) - 2 - (len(data) - data.rindex(b"\xff\xda")) // 2
    path.write_bytes(data[:keep] + b"\xff\xd9")


def _content(data: Callable[[Path], bytes]) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(data(path)), None)[1]


def _noise(path: Path) -> bytes:
    return np.random.default_rng(zlib.crc32(path.name.encode())).bytes(4000)


def _html(path: Path) -> bytes:
    return f"<!DOCTYPE html><html><body>404: {path.name} is not here</body></html>".encode()


def _save(kind: str) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with Image.open(path) as image:
            pixels = np.asarray(image)
        Image.fromarray(pixels).save(path, kind, quality=90)

    return apply


def _exif(change: Callable[[Any], None], *, with_xmp: bool = False) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with Image.open(path) as image:
            exif, pixels, xmp = image.getexif(), np.asarray(image), image.info.get("xmp")
            change(exif)
        extra = {}
        if with_xmp:
            packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp
            extra["extra"] = b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet
        Image.fromarray(pixels).save(path, "JPEG", quality=90, exif=exif, **extra)

    return apply


def _set_gps(**values: Any) -> Callable[[Any], None]:
    def change(exif: Any) -> None:
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        for name, value in values.items():
            place[ExifTags.GPS[name]] = value

    return change


def _zero_rationals(path: Path) -> None:
    """Every denominator of the position becomes 0, and the XMP goes: what receivers without a fix write."""
    _exif(_set_gps(GPSLatitude=(77.0, 77.0, 77.0), GPSLongitude=(77.0, 77.0, 77.0)))(path)
    _replace(struct.pack(">II", 77, 1), struct.pack(">II", 0, 0))(path)


def _nowhere(path: Path) -> None:
    _exif(_set_gps(GPSLatitude=(0.0, 0.0, 0.0), GPSLongitude=(0.0, 0.0, 0.0)))(path)


def _garbled_exif(path: Path) -> None:
    data = path.read_bytes()
    at = data.index(b"Exif\0\0") + 6
    path.write_bytes(data[:at] + b"\x13" * 40 + data[at + 40 :])


def _claim_huge(path: Path) -> None:
    """The frame header claims 65,000 pixels square: 4 gigapixels, 12 GB decoded."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    path.write_bytes(bytes(data))


def _angles_zero(path: Path) -> None:
    data = re.sub(rb'((?:Gimbal|Flight)\w+Degree=")[^"]*"', lambda m: m[1] + b"+0.000" + b'"', path.read_bytes())
    _fit_xmp(path, data)


def _xmp_gone(field: bytes) -> Callable[[Path], None]:
    """One field of the XMP is left out."""
    return lambda path: _fit_xmp(path, re.sub(rb"\s*drone-dji:" + field + rb'="[^"]*"', b"", path.read_bytes()))


def _clock_reset(path: Path) -> None:
    """The camera's clock says 1970, in EXIF and, where it wrote one, not in the XMP."""
    _xmp_gone(b"UTCAtExposure")(path)
    _replace(f"{DAY:%Y:%m:%d}".encode(), b"1970:01:01")(path)


def _bomb(path: Path) -> None:
    data = path.read_bytes()
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>\n<x:xmpmeta'
    _fit_xmp(path, data.replace(b"<x:xmpmeta", bomb, 1))


def _fit_xmp(path: Path, data: bytes) -> None:
    """Write a file whose XMP packet has another length now, with the segment's length mended."""
    start = data.index(b"http://ns.adobe.com/xap/1.0/\0")
    end = data.index(b'<?xpacket end="w"?>') + len(b'<?xpacket end="w"?>')
    path.write_bytes(data[: start - 2] + struct.pack(">H", end - start + 2) + data[start:])


def _instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        path.unlink()
        make(path)

    return apply


def _rename(to: Callable[[str], bytes]) -> Callable[[Path], None]:
    return lambda path: (path.rename(path.with_name(os.fsdecode(to(path.stem)))), None)[1]


def _sparse(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate((2 << 30) + 1)


def _twin(path: Path) -> None:
    """The same content as the picture before it in the folder."""
    before = sorted(p for p in path.parent.iterdir() if p.name < path.name and p.stem.startswith("DJI"))[-1]
    shutil.copy(before, path)


def _folder(path: Path) -> None:
    path.mkdir()


def _locked(path: Path) -> None:
    path.chmod(0)


BREAKAGES = (
    Breakage("empty", _content(lambda path: b""), "0 bytes", "The file is empty"),
    Breakage("header cut", _cut(0.02), "ends within its header", "header cannot be read"),
    Breakage("body cut", _cut(0.7), "ends at 70 %", "cut short"),
    Breakage("end lost", _lost_end, "half of its data missing, marker and all there", "cut short"),
    Breakage("noise", _content(_noise), "random bytes", "not a JPEG, PNG or TIFF"),
    Breakage("HTML", _content(_html), "an error page saved as .JPG", "not a JPEG, PNG or TIFF"),
    Breakage("PNG", _save("PNG"), "a PNG named .JPG, without metadata", "no GPS position", left_out=False),
    Breakage("no EXIF", _save("JPEG"), "saved again without metadata", "no GPS position", left_out=False),
    Breakage("EXIF garbled", _garbled_exif, "40 bytes of its EXIF overwritten", "EXIF is damaged", left_out=False),
    Breakage("XMP garbled", _replace(b"</rdf:RDF>", b"<<rdf:RDF>"), "no XML", "XMP is not well-formed", False),
    Breakage("XMP bomb", _bomb, "entities that expand", "XMP is not well-formed", left_out=False),
    Breakage("0/0", _zero_rationals, "GPS rationals of 0/0, no XMP", "cannot be read as degrees", left_out=False),
    Breakage("0, 0", _nowhere, "position 0, 0, no XMP", "the receiver had no position", left_out=False),
    Breakage("height unknown", _xmp_gone(b"RelativeAltitude"), "no height above take-off", "height", left_out=False),
    Breakage("angles 0", _angles_zero, "all angles exactly 0", "are exactly 0", left_out=False),
    Breakage("huge", _claim_huge, "claims 65,000x65,000 pixels", "The raster is damaged"),
    Breakage("dangling link", _instead(lambda path: path.symlink_to("gone.JPG")), "link to nothing", "No such file"),
    Breakage("link to itself", _instead(lambda path: path.symlink_to(path.name)), "link to itself", "symbolic link"),
    Breakage("folder", _instead(_folder), "a folder named .JPG", "a folder that is named like a picture"),
    Breakage("pipe", _instead(lambda path: os.mkfifo(path)), "a named pipe, which never ends", "no file but a pipe"),
    Breakage("over 2 GB", _sparse, "a sparse file of 2 GB and a byte", "over 2 GB"),
    Breakage("twin", _twin, "the picture before it once more", "the same picture is in the survey"),
    Breakage("orientation", _exif(lambda e: e.__setitem__(ExifTags.Base.Orientation, 99), with_xmp=True),
             "EXIF orientation 99", "none of 1 to 8", left_out=False),
    Breakage("clock 1970", _clock_reset, "the camera's clock was reset", "it was reset", left_out=False),
    Breakage("bytes in name", _rename(lambda stem: stem.encode() + b"-\xe9.JPG"), "no UTF-8", "no UTF-8"),
)  # fmt: skip
"""Each has to be named with its reason; a file that may not be read is added where the user is not root."""
LOCKED = Breakage("no permission", _locked, "may not be read", "Permission denied")


@dataclass(frozen=True)
class Card:
    """The folder as it was made: the broken files by their final names, and what is as it should be."""

    folder: Path
    broken: dict[str, Breakage]
    healthy: tuple[str, ...]


def make_card(folder: Path, n: int, *, seed: int = 1, every_way: bool = False) -> Card:
    """Write n captures, one in a hundred broken, or as many as there are ways (`every_way`), and stray files."""
    ways = BREAKAGES if os.geteuid() == 0 else (*BREAKAGES, LOCKED)
    rng = np.random.default_rng([seed, n])
    count = max(n // PER_BROKEN, len(ways) if every_way else 1)
    # Not the first of a folder, and no two neighbours: a twin needs a whole picture before it.
    places = [i for i in range(1, n) if i % PER_FOLDER > 1 and i % 3 == 0]
    chosen = dict(zip(sorted(rng.choice(places, count, replace=False).tolist()), range(count), strict=True))
    broken: dict[str, Breakage] = {}
    healthy: list[str] = []
    for number in range(n):
        path = folder / f"{100 + number // PER_FOLDER}MEDIA" / f"DJI_{number:05d}.JPG"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, number, seed)
        if number not in chosen:
            healthy.append(path.name)
            continue
        way = ways[chosen[number] % len(ways)]
        before = set(path.parent.iterdir()) if way.name == "bytes in name" else set()
        way.apply(path)
        renamed = set(path.parent.iterdir()) - before if before else set()
        broken[os.fsencode(renamed.pop().name).decode("utf-8", "replace") if renamed else path.name] = way
    (folder / "100MEDIA" / "._DJI_00000.JPG").write_bytes(b"\0\5\26\7")
    (folder / "100MEDIA" / "Thumbs.db").write_bytes(b"\0" * 100)
    odd = (folder / "100MEDIA" / "DJI_00001.JPG").rename(folder / "100MEDIA" / "DJI\n00001.JPG")
    healthy[healthy.index("DJI_00001.JPG")] = odd.name
    return Card(folder, broken, tuple(healthy))


def _write(path: Path, number: int, seed: int) -> None:
    line, step = divmod(number, PER_LINE)
    north = line % 2 == 0
    pose = Pose(
        longitude_deg=34.8 + line * SPACING_DEG,
        latitude_deg=-2.3 + (step if north else PER_LINE - 1 - step) * STEP_DEG,
        altitude_agl_m=80.0,
        yaw_deg=0.0 if north else 180.0,
        pitch_deg=-90.0,
        roll_deg=0.0,
    )
    rng = np.random.default_rng([seed, number, 7])
    coarse = rng.integers(60, 200, (SIZE_PX[1] // 8, SIZE_PX[0] // 8, 3))
    image = coarse.repeat(8, axis=0).repeat(8, axis=1) + rng.integers(-40, 40, (SIZE_PX[1], SIZE_PX[0], 3))
    shot = Shot(path.name, DAY.timestamp() + 3.0 * number, pose, pose, altitude_msl_m=1580.0, accuracy_m=1.5)
    write_frame(path, image.clip(0, 255).astype(np.uint8), shot, CAMERA)
