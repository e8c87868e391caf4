"""Is the network kept busy? Where the time of the engine's threads goes, and what sharing the work out is worth.

    python benchmarks/engine.py --n 12 --size 4000x3000
    python benchmarks/engine.py --n 400 --size 800x600

Writes pictures, brings them into a census, and looks at them with the shipped model: one step after another, on
threads, in processes, and on threads from a store that answers slowly. Prints one JSON document. Shares are of the time
of all workers (seconds times workers); they are measured by the clock, so on a machine that does other things too only
the shares of one run are to be compared.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from counts.census import Census
from detect import pipeline
from detect.engine import Crew, Recipe, processors
from detect.models import shipped_model
from overfly.chain import detect_survey, ingest
from overfly.chain import detecting as detecting_module

SLOW_STORE_S = 0.1


class Clock:
    """Seconds spent in each part, over all threads."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._adding = threading.Lock()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time added to a part."""

        def run(*args: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                with self._adding:
                    self.seconds[part] += time.perf_counter() - begun

        return run


def make_pictures(folder: Path, n: int, size: tuple[int, int]) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    width, height = size
    ground = rng.integers(60, 200, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)[:height, :width]
    for number in range(n):
        noise = rng.integers(-30, 30, (height, width, 1))
        Image.fromarray((ground + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{number:05}.jpg", quality=88)


@contextmanager
def watched(clock: Clock, detector: Any, slow_s: float) -> Iterator[None]:
    """Time the engine's parts while the block runs."""

    def fetch(path: Path) -> bytes:
        time.sleep(slow_s)
        return read(path)

    read = pipeline.read
    with ExitStack() as stack:
        for module, name, part, function in (
            (pipeline, "read", "reading", fetch if slow_s else read),
            (pipeline, "open_raster", "decoding", None),
            (pipeline, "merge_parts", "merging", pipeline.merge_parts),
            (detecting_module._Writer, "__call__", "writing", detecting_module._Writer.__call__),
        ):
            if name == "open_raster":
                wrapped: Any = _timed_opening(clock, pipeline.open_raster)
            else:
                wrapped = clock.timed(part, function)  # type: ignore[arg-type]
            stack.enter_context(mock.patch.object(module, name, wrapped))
        stack.enter_context(mock.patch.object(detector, "_run", clock.timed("network", detector._run)))
        batch = clock.timed("tiles, network included", detector.detect_batch)
        stack.enter_context(mock.patch.object(detector, "detect_batch", batch))
        yield


def _timed_opening(clock: Clock, open_raster: Any) -> Any:
    @contextmanager
    def opened(*args: Any) -> Iterator[Any]:
        with ExitStack() as stack:
            yield clock.timed("decoding", lambda: stack.enter_context(open_raster(*args)))()

    return opened


def measure(census: Path, n: int, crew: Crew, *, most_ahead: int | None = None, slow_s: float = 0.0) -> dict[str, Any]:
    recipe = Recipe(shipped_model())
    detector = recipe.load()
    clock = Clock()
    look_at = pipeline.look_at

    def limited(*args: Any, **options: Any) -> Any:
        return look_at(*args, **{**options, "most_ahead": most_ahead})

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        copy = Census.backup(census, Path(folder) / "c.gpkg")
        if crew.processes == 1:
            stack.enter_context(watched(clock, detector, slow_s))
        if most_ahead is not None:
            from detect import engine

            stack.enter_context(mock.patch.object(engine, "look_at", limited))
        with Census.open(copy) as opened:
            begun = time.perf_counter()
            done = detect_survey(opened, detector, name="shipped", crew=crew, recipe=recipe)
            seconds = time.perf_counter() - begun
    assert done.looked_at == n
    found: dict[str, Any] = {"seconds": round(seconds, 2), "pictures per second": round(n / seconds, 2)}
    if crew.processes == 1:
        workers = crew.workers or processors()
        spent = clock.seconds
        tiles = spent["tiles, network included"]
        parts = {
            "network": spent["network"],
            "preparing tiles and reading heads": tiles - spent["network"],
            "decoding": spent["decoding"],
            "merging": spent["merging"],
        }
        total = seconds * workers
        found["share of the workers' time"] = {k: round(v / total, 3) for k, v in parts.items()}
        found["share of the workers' time"]["waiting and the rest"] = round(1 - sum(parts.values()) / total, 3)
        found["beside them"] = {k: round(spent[k] / seconds, 3) for k in ("reading", "writing")}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--size", default="800x600", help="of the pictures, in pixels")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="overfly-engine-") as named:
        folder = Path(named)
        make_pictures(folder / "photos", options.n, (width, height))
        with Census.open(folder / "c.gpkg") as census:
            ingest(census, "photos", [folder / "photos"])
        workers = processors()
        result: dict[str, Any] = {"pictures": options.n, "size": options.size, "processors": workers}
        where = folder / "c.gpkg"
        result["one after another"] = measure(where, options.n, Crew(workers=1), most_ahead=0)
        result["threads"] = measure(where, options.n, Crew(workers=workers))
        result["processes"] = measure(where, options.n, Crew(processes=workers))
        name = f"a store that takes {SLOW_STORE_S:g} s a picture"
        result[f"one after another, {name}"] = measure(
            where, options.n, Crew(workers=1), most_ahead=0, slow_s=SLOW_STORE_S
        )
        result[f"threads, {name}"] = measure(where, options.n, Crew(workers=workers), slow_s=SLOW_STORE_S)
        shutil.rmtree(folder / "photos")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
