"""What the review page's pictures take: a frame of 48 megapixels and an orthomosaic of a gigapixel, as JSON.

    python benchmarks/review_pictures.py --n 3 --work /tmp/pictures

Makes a JPEG of 48 megapixels, and tiled GeoTIFFs of 100 and 1000 megapixels without overviews (as `big_pictures.py`
makes them), and asks the picture store of the review page, in a process of its own for each, what the page asks: the
first coarse tile, fine tiles, a crop, and the coarse levels of a mosaic. Milliseconds on the clock, those that the
process worked, and the most memory that it held, of which the libraries take `before`. `--n` pictures are looked at.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from big_pictures import make_picture

from counts.picture_files import PictureFiles
from counts.review.pictures import Picture, PictureStore

FRAME_PX = (8000, 6000)
MOSAICS_PX = ((11552, 8664), (36512, 27392))
LONG_S = 1000.0


def main() -> None:
    """Make each picture, look at it in a process of its own, print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2, help="how many of the pictures (3 has the gigapixel)")
    parser.add_argument("--work", type=Path, help="where the pictures are made and kept; a temporary folder by default")
    parser.add_argument("--look", nargs=3, metavar=("PATH", "WIDTH", "HEIGHT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.look:
        print(json.dumps(look_at(Path(asked.look[0]), int(asked.look[1]), int(asked.look[2]))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.work or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for width, height in (FRAME_PX, *MOSAICS_PX)[: asked.n]:
            path = folder / f"{width}.{'jpg' if (width, height) == FRAME_PX else 'tiled.tif'}"
            if path.suffix == ".tif":
                make_picture(path, width, height, nodata=True)
            elif not path.exists():
                make_frame(path)
            command = [sys.executable, __file__, "--look", str(path), str(width), str(height)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append({"megapixels": round(width * height / 1e6), "file": path.name, **json.loads(done.stdout)})
    print(json.dumps({"pictures": rows}, indent=1))


def make_frame(path: Path) -> None:
    """Write a frame as busy as a drone's: 15 MB at quality 90."""
    rng = np.random.default_rng([48])
    coarse = Image.fromarray(rng.integers(60, 190, (FRAME_PX[1] // 8, FRAME_PX[0] // 8, 3), dtype=np.uint8))
    land = np.asarray(coarse.resize(FRAME_PX, Image.Resampling.BICUBIC)).astype(np.int16)
    land += rng.integers(-6, 7, (FRAME_PX[1], FRAME_PX[0], 1), dtype=np.int16)
    Image.fromarray(np.clip(land, 0, 255).astype(np.uint8)).save(path, quality=90)


def look_at(path: Path, width: int, height: int) -> dict[str, Any]:
    """What the page asks for of one picture that nobody drew before."""
    cache = path.with_name(f"{path.name}.cache")
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    files = PictureFiles(kept=cache / "hashes.json")
    found: dict[str, Any] = {"before_mb": _peak_mb(), "file_mb": round(path.stat().st_size / 1e6)}

    def timed(what: str, ask: Callable[[], object]) -> None:
        clock, worked = time.perf_counter(), time.process_time()
        ask()
        found[what] = {
            "clock_ms": round(1000 * (time.perf_counter() - clock), 1),
            "worked_ms": round(1000 * (time.process_time() - worked), 1),
        }

    timed("its hash", lambda: files.hash_of(path))
    picture = Picture(1, files.hash_of(path), path, width, height)
    store = PictureStore(cache, files)
    fine, middle = picture.levels - 1, (width / 2, height / 2, width / 2 + 40, height / 2 + 40)

    def drawn() -> None:
        store.draw_ahead([picture])
        if not store.wait(LONG_S) or store.drawn(picture) < 1:
            raise SystemExit("it was not drawn")

    if not picture.is_large:
        timed("something seen", lambda: store.tile(picture, 0, 0, 0))
    timed("first fine tile", lambda: store.tile(picture, fine, 3, 2))
    timed("another fine tile", lambda: store.tile(picture, fine, 5, 4))
    timed("a tile at 1:4", lambda: store.tile(picture, fine - 2, 1, 1))
    timed("a crop", lambda: store.crop(picture, middle))
    timed("the rest drawn ahead", drawn)
    timed("coarse tile, drawn before", lambda: store.tile(picture, 0, 0, 0))
    store.close()
    found["peak_mb"] = _peak_mb()
    found["kept_mb"] = round(sum(f.stat().st_size for f in cache.rglob("*") if f.is_file()) / 1e6, 1)
    shutil.rmtree(cache)
    return found


def _peak_mb() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024


if __name__ == "__main__":
    main()
