"""How long one picture's EXIF and XMP take to read: overfly against other readers, on the same files in the same run.

    python benchmarks/metadata.py [--repeats N] [FILE|FOLDER ...]

Prints JSON: milliseconds a picture (median over rounds in which the readers take turns), for each set of pictures, and
how much of it overfly's own parts take. Sets are the folders given, else those of the test data, and `made`: JPEGs of
4 MB with DJI's metadata. "overfly tags" reads EXIF and XMP into fields, as the others do (Pillow leaves XMP a string,
exifread reads none); "overfly capture" is all of `read_capture`: the file read and hashed, the tags read and judged.
exifread and pyexiv2 are measured where they are installed (pip install exifread pyexiv2). The page cache is warm.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detect.captures import capture_of, find_images, read_capture
from detect.metadata import read_metadata
from detect.picture_checks import look_at

Reader = Callable[[Path], Any]


def made(folder: Path, count: int = 8) -> list[Path]:
    """JPEGs of about 4 MB, 12 megapixels, with EXIF, GPS and an XMP packet as DJI pads it."""
    values = " ".join(
        f'drone-dji:{name}="{value}"'
        for name, value in {
            "AbsoluteAltitude": "+1498.23", "RelativeAltitude": "+79.90", "GimbalRollDegree": "+0.00",
            "GimbalYawDegree": "-104.60", "GimbalPitchDegree": "-89.90", "FlightRollDegree": "+1.20",
            "FlightYawDegree": "-101.30", "FlightPitchDegree": "-8.70", "GpsLatitude": "-2.3331",
            "GpsLongitude": "34.8335", "RtkFlag": "50", "RtkStdLon": "0.011", "RtkStdLat": "0.013", "RtkStdHgt": "0.03",
        }.items()
    )  # fmt: skip
    xmp = (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="DJI Meta Data" '
        f'xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" {values}/></rdf:RDF></x:xmpmeta>{" " * 2000}'
    )
    rng = np.random.default_rng([4, 20])
    grain = rng.normal(0, 9, (3000, 4000, 3))
    paths = []
    for n in range(count):
        tags = Image.Exif()
        tags.update({0x010F: "DJI", 0x0110: "M3E"})
        tags.get_ifd(0x8769).update({0x9003: f"2026:07:01 09:30:{n:02d}", 0x920A: 12.29, 0xA405: 24})
        tags.get_ifd(0x8825).update({1: "S", 2: (2.0, 19.0, 59.2), 3: "E", 4: (34.0, 50.0, 0.6), 5: b"\0", 6: 1498.2})
        levels = np.clip(120 + np.roll(grain, 97 * n, axis=1), 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(levels).save(stream, "JPEG", quality=94, exif=tags, xmp=xmp.encode())
        paths.append(folder / f"DJI_{n:04d}.JPG")
        paths[-1].write_bytes(stream.getvalue())
    return paths


def readers() -> dict[str, Reader]:
    """Every reader that is installed, by name."""

    def pillow(path: Path) -> Any:
        with Image.open(path) as image:
            exif = image.getexif()
            return dict(exif), dict(exif.get_ifd(0x8769)), dict(exif.get_ifd(0x8825)), image.info.get("xmp")

    found: dict[str, Reader] = {
        "overfly capture": read_capture,
        "overfly tags": read_metadata,
        "Pillow, EXIF and raw XMP": pillow,
    }
    try:
        import exifread  # type: ignore[import-not-found]

        def with_exifread(path: Path) -> Any:
            with path.open("rb") as stream:
                return exifread.process_file(stream, details=False)

        found["exifread, EXIF only"] = with_exifread
    except ImportError:
        pass
    try:
        import pyexiv2  # type: ignore[import-not-found]

        def with_pyexiv2(path: Path) -> Any:
            image = pyexiv2.Image(str(path))
            try:
                return image.read_exif(), image.read_xmp()
            finally:
                image.close()

        found["pyexiv2"] = with_pyexiv2
    except (ImportError, OSError):
        pass
    return found


def parts() -> dict[str, Reader]:
    """What overfly's own time goes into."""
    return {
        "read the file": lambda path: path.read_bytes(),
        "read and hash": lambda path: hashlib.sha256(path.read_bytes()).hexdigest(),
        "read, hash, tags, judged": lambda path: capture_of(path, path.read_bytes()),
        "look at the pixels": lambda path: look_at(path, path.read_bytes()),
    }


def timed(paths: list[Path], by: dict[str, Reader], repeats: int) -> dict[str, float]:
    """Milliseconds a picture: median over rounds, the readers taking turns on each picture."""
    rounds: dict[str, list[float]] = {name: [] for name in by}
    for path in paths:
        for reader in by.values():
            reader(path)
    for _ in range(repeats):
        spent = dict.fromkeys(by, 0.0)
        for path in paths:
            for name, reader in by.items():
                start = time.perf_counter()
                reader(path)
                spent[name] += time.perf_counter() - start
        for name, seconds in spent.items():
            rounds[name].append(1000 * seconds / len(paths))
    return {name: round(statistics.median(values), 3) for name, values in rounds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="*", type=Path)
    parser.add_argument("--repeats", "--n", type=int, default=15)
    arguments = parser.parse_args()
    data = Path(os.environ.get("OVERFLY_TESTDATA", Path(__file__).parents[2] / "shared" / "data")) / "imagery"
    sources = arguments.sources or [data / name for name in ("brighton_dji", "pelicans_dji") if (data / name).is_dir()]
    with tempfile.TemporaryDirectory() as folder:
        sets = {source.name: find_images([source])[0] for source in sources}
        sets["made"] = made(Path(folder))
        result: dict[str, Any] = {"repeats": arguments.repeats, "sets": {}}
        for name, paths in sets.items():
            result["sets"][name] = {
                "pictures": len(paths),
                "mb": round(statistics.mean(path.stat().st_size for path in paths) / 1e6, 2),
                "ms": timed(paths, readers(), arguments.repeats),
                "ms_of_overfly": timed(paths, parts(), max(1, arguments.repeats // 5)),
            }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
