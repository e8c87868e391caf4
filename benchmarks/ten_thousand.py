"""A folder of captures, one in a hundred broken, through ingest and detect, killed at random moments and gone on with.

    python benchmarks/ten_thousand.py --n 10000 --kills 5

Writes small unique JPEGs with a drone's EXIF and XMP, breaks some of them in every way listed below, and runs the two
verbs twice: once in peace, once with SIGKILL at random moments until they are done. Prints one JSON document: whether
each broken one is named with its reason and the rest is done, what was done twice, seconds, rates and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
_NOTE_BYTES = 9
THRESHOLD = 0.01


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


# Content


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


# Names and kinds of file


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


# The folder


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


# Running


@dataclass
class Runs:
    """What the runs of one verb took: seconds and peak memory of each, kills, and what they worked on, by line."""

    seconds: list[float]
    peak_mb: list[float]
    kills: int
    worked_on: Path
    code: int = 0
    cpu_s: list[float] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The pictures worked on, once for each time."""
        return self.worked_on.read_text().splitlines() if self.worked_on.exists() else []


def run(verb: list[str], log: Path, n: int, *, kills: int = 0, seed: int = 1) -> Runs:
    """Run a verb of overfly over n pictures to its end, killing it so many times at random points of what is left."""
    rng = np.random.default_rng([seed, kills, len(verb)])
    runs = Runs([], [], 0, log)
    while True:
        done = len(runs.lines)
        stop_at = done + rng.uniform(0.02, 0.6) * (n - done) if runs.kills < kills else np.inf
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, __file__, "--as-overfly", str(log), *verb],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            found, status, usage = os.wait4(process.pid, os.WNOHANG)
            if found:
                break
            if log.exists() and log.stat().st_size > stop_at * _NOTE_BYTES:
                process.send_signal(signal.SIGKILL)
                _, status, usage = os.wait4(process.pid, 0)
                break
            time.sleep(0.002)
        process.returncode = os.waitstatus_to_exitcode(status)
        runs.seconds.append(time.perf_counter() - begun)
        runs.cpu_s.append(usage.ru_utime + usage.ru_stime)
        runs.peak_mb.append(usage.ru_maxrss / 1024)
        if process.returncode == -signal.SIGKILL:
            runs.kills += 1
            continue
        runs.code = process.returncode
        return runs


def as_overfly(log: Path, words: list[str]) -> None:
    """Be overfly, and write down each picture that is decoded for a look at it, and each that the network is run on."""
    import detect.pipeline
    import overfly.chain.ingesting
    from overfly.cli import main

    notes = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    look, tile = overfly.chain.ingesting.look_at, detect.pipeline.detect_tile

    def noted_look(path: Path, data: bytes) -> Any:
        os.write(notes, b"%08x\n" % zlib.crc32(data))
        return look(path, data)

    def noted_tile(raster: Any, *others: Any) -> Any:
        found = tile(raster, *others)
        os.write(notes, b"%08x\n" % zlib.crc32(np.ascontiguousarray(raster.pixels)))
        return found

    overfly.chain.ingesting.look_at = noted_look  # type: ignore[assignment]
    detect.pipeline.detect_tile = noted_tile  # type: ignore[assignment]
    main(words, prog_name="overfly")


# Looking at what came of it


def contents(census: Path) -> dict[str, Any]:
    """All that a census says of its pictures, in a form that two censuses can be compared by."""
    with sqlite3.connect(f"file:{census}?mode=ro", uri=True) as db:
        captures = {row[0]: row[1:] for row in db.execute("SELECT content_hash, path, findings, refused FROM captures")}
        looked = Counter(
            row[0]
            for row in db.execute(
                "SELECT c.content_hash FROM detection_run_captures d JOIN captures c ON c.fid = d.capture_id"
            )
        )
        boxes = sorted(
            db.execute(
                "SELECT c.content_hash, d.label, d.score, d.x_min_px, d.y_min_px, d.x_max_px, d.y_max_px "
                "FROM detections d JOIN captures c ON c.fid = d.capture_id"
            )
        )
        skips = sorted(db.execute("SELECT stage, item, reason FROM skips"))
        placed = db.execute("SELECT count(*) FROM footprints").fetchone()[0]
    return {"captures": captures, "looked": looked, "boxes": boxes, "skips": skips, "placed": placed}


def faults(card: Card, found: dict[str, Any]) -> Iterator[str]:
    """What is not as it should be: a broken one not named, or not with its reason; a good one not done, or not once."""
    by_name = {
        Path(path).name: (key, findings, refused) for key, (path, findings, refused) in found["captures"].items()
    }
    skips: dict[str, list[tuple[str, str]]] = {}
    for stage, item, reason in found["skips"]:
        skips.setdefault(Path(item).name.replace("\\n", "\n").replace("\\udce9", "\ufffd"), []).append((stage, reason))
    for name, way in card.broken.items():
        said = skips.get(name, [])
        stages = Counter(stage for stage, _ in said)
        findings = json.loads(by_name[name][1]) if name in by_name else []
        if not any(way.says in text for text in (*(reason for _, reason in said), *findings)):
            yield f"{way.name}: {name} is not named with its reason ({said or findings})"
        if any(count > 1 for count in stages.values()):
            yield f"{way.name}: {name} is named {stages}"
        looked = name in by_name and found["looked"][by_name[name][0]]
        if way.left_out == bool(looked):
            yield f"{way.name}: {name} was {'' if looked else 'not '}looked at"
    for name in card.healthy:
        if name not in by_name:
            yield f"{name} is not in the census"
        elif found["looked"][by_name[name][0]] != 1 or by_name[name][2] is not None:
            yield f"{name} was looked at {found['looked'][by_name[name][0]]} times ({by_name[name][2]})"
        if name in skips:
            yield f"{name} is blamed: {skips[name]}"


def audit_is_sound(census: Path) -> bool:
    """Whether every row is as some run wrote it."""
    from counts.audit import verify
    from counts.census import Census

    with Census.open(census, create=False) as opened, opened.reading() as session:
        return verify(session).sound


def compare(folder: Path, n: int, *, kills: int, seed: int = 1, every_way: bool = False) -> dict[str, Any]:
    """Make the card, run both verbs in peace and under kills, and say what differs."""
    begun = time.perf_counter()
    card = make_card(folder / "DCIM", n, seed=seed, every_way=every_way)
    made_s = time.perf_counter() - begun
    result: dict[str, Any] = {
        "captures": n,
        "broken": len(card.broken),
        "ways": len({w.name for w in card.broken.values()}),
    }
    result["seconds to write them"] = round(made_s, 1)
    found = {}
    for kind, times in (("in peace", 0), ("killed", kills)):
        census = folder / f"{kind.replace(' ', '-')}.gpkg"
        for verb, words in (
            ("ingest", [str(card.folder)]),
            ("detect", ["--threshold", str(THRESHOLD)]),
        ):
            log = folder / f"{verb}-{kind}.log"
            words = [verb, *words, "--census", str(census), "--json"]
            runs = run(words, log, n, kills=times, seed=seed)
            lines = Counter(runs.lines)
            result[f"{verb} {kind}"] = {
                "seconds": [round(s, 1) for s in runs.seconds],
                "processor seconds": [round(s, 1) for s in runs.cpu_s],
                "captures per second": round(n / sum(runs.seconds), 1),
                "peak MB": round(max(runs.peak_mb)),
                "exit code": runs.code,
                "kills": runs.kills,
                "pictures worked on": len(lines),
                "worked on again": sum(lines.values()) - len(lines),
            }
        found[kind] = contents(census)
        result[f"faults {kind}"] = list(faults(card, found[kind]))
        result[f"audit sound {kind}"] = audit_is_sound(census)
    result["same census"] = found["in peace"] == found["killed"]
    result["detections"] = len(found["in peace"]["boxes"])
    result["placed"] = found["in peace"]["placed"]
    return result


def main() -> None:
    if len(sys.argv) > 3 and sys.argv[1] == "--as-overfly":
        as_overfly(Path(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=3, help="of each verb")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/overfly-ten-thousand"))
    parser.add_argument("--list", action="store_true", help="print the ways in which captures are broken")
    options = parser.parse_args()
    if options.list:
        for way in BREAKAGES:
            print(f"{way.name}: {way.how}; {'left out' if way.left_out else 'kept'}: {way.says!r}")
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    print(
        json.dumps(compare(options.folder, options.n, kills=options.kills, seed=options.seed, every_way=True), indent=1)
    )


if __name__ == "__main__":
    main()
