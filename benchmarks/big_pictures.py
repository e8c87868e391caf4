"""Peak memory of the detector's engine from a frame of 24 megapixels to a mosaic of a gigapixel.

Makes a tiled GeoTIFF, a GeoTIFF in plain rows and a JPEG of each size (land with red spots, most of it the same few
blocks; a fifth of each GeoTIFF holds no data), finds the spots in each in a process of its own, and says how many there
were, how many were found, how long it took and the most memory it held. A JPEG of a gigapixel can be made here in
little memory only by a program of its own, so GDAL writes all of them.

    python benchmarks/big_pictures.py --n 3 --work /tmp/big

prints JSON. `--n` sizes are looked at: 24, 100, 1000 megapixels. `--model` is a real network in place of the one that
knows red spots; it is the one that ships by default with `--model shipped`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SIZES_PX = ((6000, 4000), (11552, 8664), (36512, 27392))
SPOTS = 400
SPOT_PX = 12
STRIPE_PX = 256
KINDS = ("tiled.tif", "rows.tif", "jpg")


def main() -> None:
    """Make each picture, look at it in a process of its own, print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=len(SIZES_PX), help="how many of the sizes")
    parser.add_argument("--work", type=Path, help="where the pictures are made and kept; a temporary folder by default")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--model", help="an ONNX file, or shipped; without it a detector of red spots")
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.look:
        print(json.dumps(look_at_one(asked.look, asked.model)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.work or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for size in SIZES_PX[: asked.n]:
            for kind in asked.kinds:
                path = folder / f"{size[0]}.{kind}"
                spots = make_picture(path, *size, nodata=not kind.endswith("jpg"))
                rows.append(
                    {"megapixels": round(size[0] * size[1] / 1e6), "kind": kind, "spots": spots, **_run(path, asked)}
                )
                if asked.work is None:
                    path.unlink()
    print(json.dumps({"detector": asked.model or "red spots", "pictures": rows}, indent=1))


def _run(path: Path, asked: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--look", str(path), *(["--model", asked.model] if asked.model else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def make_picture(path: Path, width: int, height: int, *, nodata: bool) -> int:
    """Write a picture stripe by stripe; returns how many spots are in it."""
    import warnings

    import rasterio
    import rasterio.shutil
    from rasterio import Affine
    from rasterio.errors import NotGeoreferencedWarning

    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    rng = np.random.default_rng([width, height])
    centres = np.column_stack(
        [rng.integers(SPOT_PX, width - SPOT_PX, SPOTS), rng.integers(SPOT_PX, height - SPOT_PX, SPOTS)]
    )
    apart = np.abs(centres[:, None] - centres).max(axis=2) + np.eye(SPOTS) * 1e6
    centres = centres[apart.min(axis=1) > 3 * SPOT_PX]
    if nodata:
        centres = centres[centres[:, 1] < 0.8 * height - 2 * SPOT_PX]
    if path.exists():
        return len(centres)
    profile: dict[str, Any] = {"count": 3, "width": width, "height": height, "dtype": "uint8"}
    temporary = path.with_suffix(".making.tif") if path.suffix == ".jpg" else path
    profile |= {"driver": "GTiff", "compress": "deflate", "zlevel": 1, "BIGTIFF": "YES", "SPARSE_OK": True}
    if path.suffix == ".jpg" or "tiled" in path.name:
        profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512}
    if nodata:
        profile |= {"nodata": 0, "crs": "EPSG:32736", "transform": Affine(0.02, 0, 5e5, 0, -0.02, 9.74e6)}
    land = np.where(rng.random((3, STRIPE_PX, 1024)) < 0.03, 90, 130).astype(np.uint8)
    with rasterio.open(temporary, "w", **profile) as file:
        for top in range(0, height, STRIPE_PX):
            if nodata and top >= 0.8 * height:
                break
            rows = min(STRIPE_PX, height - top)
            stripe = np.tile(land, (1, 1, width // 1024 + 1))[:, :rows, :width]
            for x, y in centres[(centres[:, 1] > top - SPOT_PX) & (centres[:, 1] < top + STRIPE_PX + SPOT_PX)]:
                low, high = max(0, y - SPOT_PX // 2 - top), max(0, y + SPOT_PX // 2 - top)
                stripe[:, low:high, x - SPOT_PX // 2 : x + SPOT_PX // 2] = np.array([250, 5, 5])[:, None, None]
            file.write(stripe, window=rasterio.windows.Window(0, top, width, rows))
    if temporary != path:
        rasterio.shutil.copy(temporary, path, driver="JPEG", QUALITY="85")
        temporary.unlink()
        path.with_suffix(".jpg.aux.xml").unlink(missing_ok=True)
    return len(centres)


def look_at_one(path: Path, model: str | None) -> dict[str, Any]:
    """What the engine finds in one picture, and the most memory that this process held."""
    from detect.detections import Detections
    from detect.detectors import load_detector
    from detect.engine import Ask, look
    from detect.models import shipped_model

    detector: Any = RedSpots()
    if model is not None:
        detector = load_detector(shipped_model() if model == "shipped" else Path(model), threads=1)
    before = _peak_mb()
    start = time.perf_counter()
    (looked,) = look([Ask(path)], detector)
    seconds = time.perf_counter() - start
    if not isinstance(looked.result, Detections):
        raise SystemExit(str(looked.result))
    return {
        "found": len(looked.result),
        "seconds": round(seconds, 1),
        "peak_rss_mb": round(_peak_mb()),
        "rss_before_mb": round(before),
        "file_mb": round(path.stat().st_size / 1e6),
    }


def _peak_mb() -> float:
    """Of this program alone: what `getrusage` says counts the one that started it too."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


@dataclass
class RedSpots:
    """A detector that finds red spots, so that memory is the engine's and not a network's."""

    names: tuple[str, ...] = ("spot",)
    content_hash: str = "red"
    threshold: float = 0.5
    fixed_tile_px: tuple[int, int] | None = None

    def detect_batch(self, tiles: Sequence[npt.NDArray[np.uint8]]) -> list[Any]:
        """The box around each connected red patch."""
        from scipy import ndimage

        from detect.detections import sorted_detections

        found = []
        for tile in tiles:
            patches, count = ndimage.label((tile[:, :, 0] > 190) & (tile[:, :, 1] < 60))
            spans = ndimage.find_objects(patches)
            boxes = [[x.start, y.start, x.stop, y.stop] for y, x in spans]
            found.append(sorted_detections(boxes, [0.9] * count, [0] * count, self.names, self.content_hash))
        return found


if __name__ == "__main__":
    main()
