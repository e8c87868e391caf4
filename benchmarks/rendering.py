"""Frames of simulated land a second, and where their time goes, against writing the same pixels as JPEG alone.

    python benchmarks/rendering.py --n 20

Frames of two sizes over the demo's park: as they are, over hills, by heat, smeared. `share` is of one frame's time:
bare ground, things and animals on it, development (softness, noise), the JPEG with its metadata. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import sim.camera as drawing
from flightplan.camera import Camera
from flightplan.cameras import camera_named
from sim.camera import Look, render_frame
from sim.park import demo_area
from sim.photographs import Shot, Writing, write_frame
from sim.relief import Relief
from sim.view import Pose
from sim.world import World

STAGES = {"_ground": "bare ground", "_develop": "development"}


def timed(stage: str, act: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    def measured(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return act(*arguments, **options)
        finally:
            spent[stage] += time.perf_counter() - began

    return measured


def hills(world: World) -> Relief:
    axis = np.arange(-3600.0, 3600.0, 15.0)
    east, north = np.meshgrid(axis, axis)
    return Relief(1000 + 25 * np.sin(east / 300) * np.cos(north / 220), (-3600.0, -3600.0), 15.0)


def run(world: World, camera: Camera, look: Look | None, n: int, folder: Path) -> dict[str, Any]:
    """Draw and write `n` frames over animals, one process."""
    rng = np.random.default_rng(3)
    spent: dict[str, float] = defaultdict(float)
    plain = {name: getattr(drawing, name) for name in STAGES}
    for name, stage in STAGES.items():
        setattr(drawing, name, timed(stage, plain[name], spent))
    animals, encoding = 0, 0.0
    height_m = 80.0 * camera.focal_length_px / 666.7
    began = time.perf_counter()
    try:
        for number in range(n):
            row = int(rng.integers(len(world.animals)))
            longitude, latitude = world.area.frame.to_lonlat(world.animals.home_m[row])[0]
            pose = Pose(float(longitude), float(latitude), min(height_m, 120.0), float(rng.uniform(0, 360)))
            image, labels = render_frame(world, camera, pose, 1.79e9 + number, look)
            start = time.perf_counter()
            write_frame(folder / "a.jpg", image, Shot("a.jpg", 1.79e9 + number, pose, pose), camera, Writing("dji"))
            encoding += time.perf_counter() - start
            animals += len(labels)
    finally:
        whole = time.perf_counter() - began
        for name, act in plain.items():
            setattr(drawing, name, act)
    spent["JPEG and metadata"] = encoding
    spent["things and animals"] = whole - sum(spent.values())
    return {
        "frames_per_s": round(n / whole, 2),
        "animals_a_frame": round(animals / n, 1),
        "times_the_jpeg_alone": round(whole / encoding, 2),
        "share": {stage: round(seconds / whole, 3) for stage, seconds in sorted(spent.items(), key=lambda i: -i[1])},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20, help="frames of each kind")
    asked = parser.parse_args()
    world = World.build(demo_area(), 1)
    small = camera_named("overfly-demo")
    large = Camera("20 megapixels", 5472, 3648, 3600.0)
    kinds: dict[str, tuple[World, Camera, Look | None, int]] = {
        "0.5 MP": (world, small, None, asked.n),
        "0.5 MP, hills": (replace(world, relief=hills(world)), small, None, asked.n),
        "0.5 MP, heat": (world, small, Look(heat=True, blur_px=0.9), asked.n),
        "0.5 MP, smeared": (world, small, Look(smear_px=2.5), asked.n),
        "20 MP": (world, large, None, max(1, asked.n // 10)),
    }
    with tempfile.TemporaryDirectory() as folder:
        found = {name: run(*kind, Path(folder)) for name, kind in kinds.items()}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
