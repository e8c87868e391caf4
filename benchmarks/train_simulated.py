"""Train on simulated flights, measure on flights over other worlds: `python benchmarks/train_simulated.py --work DIR`.

Needs the yolo extra. Each flight is planned, flown on paper and rendered over a world of its own, at its own height and
in its own light. `overfly train` keeps some of them out to judge by, and never sees the worlds of the test flights.
Prints its JSON; the card is DIR/out/model.md. `--flights`, `--tests` and `--epochs` scale it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from shapely.geometry import Polygon

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.camera import Camera
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from sim.camera import Look
from sim.datasets import write_flight_labels
from sim.flights import render_flight
from sim.shots import planned_shots
from sim.world import World

CAMERA = Camera(name="overfly-demo", image_width_px=800, image_height_px=600, focal_length_px=80.0 / 0.12)
TRAIN_SEEDS, TEST_SEEDS = 40_000, 41_000
TRAIN_DENSITY, TEST_DENSITY = 5.0, 2.0
LINES, FRAMES = 3, 60
START_S = 1_770_000_000.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for flights, tiles and the run")
    parser.add_argument("--start", default="yolo11n.pt", help="as of overfly train: a .pt, .onnx or .yaml")
    parser.add_argument("--flights", type=int, default=10)
    parser.add_argument("--tests", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--freeze", type=int, default=4, help="first layers kept as started; 0 for a .yaml")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    train = render(options.work / "train", TRAIN_SEEDS, options.flights, TRAIN_DENSITY)
    test = render(options.work / "test", TEST_SEEDS, options.tests, TEST_DENSITY)
    out = options.work / "out"
    shutil.rmtree(out, ignore_errors=True)
    arguments = [str(train), "--test", str(test), "--out", str(out), "--start", options.start]
    arguments += ["--epochs", str(options.epochs), "--tile", "320", "--batch", "8", "--rate", "0.001"]
    arguments += ["--freeze", str(options.freeze)]
    overfly("train", *arguments, "--threads", str(options.threads), "--json")


def render(folder: Path, first_seed: int, flights: int, density: float) -> Path:
    """Render flights, each over a world of its own, into folders; returns their labels, one COCO file."""
    folders = []
    for seed in range(first_seed, first_seed + flights):
        rng = np.random.default_rng([seed, 1])
        area = training_area()
        plan = plan_survey(
            area,
            PlanRequest(
                camera=CAMERA,
                altitude_agl_m=float(rng.uniform(72.0, 90.0)),
                front_overlap=0.0,
                min_lines=LINES,
                drone="overfly-demo",
                speed_mps=12.0,
                seed=seed,
            ),
        )
        shots = planned_shots(plan, seed, START_S)[:FRAMES]
        look = Look(
            blur_px=float(rng.uniform(0.3, 0.8)),
            noise=float(rng.uniform(1.5, 6.0)),
            exposure=float(rng.uniform(0.8, 1.2)),
            tint=tuple(rng.normal(1.0, 0.03, 3).tolist()),
        )
        folders.append(folder / f"flight-{seed}")
        render_flight(World.build(area, seed, density=density), shots, plan.camera, folders[-1], jobs=1, look=look)
    return write_flight_labels(folders, folder / "labels.json")


def training_area() -> StudyArea:
    """Two strata of 2 by 1 km, nowhere near the demo's park."""

    def rectangle(west: float, south: float, east: float, north: float) -> Polygon:
        return Polygon([(west, south), (east, south), (east, north), (west, north)])

    woodland = Stratum("woodland", rectangle(31.000, -7.000, 31.018, -6.991))
    floodplain = Stratum("floodplain", rectangle(31.000, -7.009, 31.018, -7.000))
    return StudyArea("training", (woodland, floodplain), launch_sites=(LaunchSite("camp", 31.009, -7.0),))


def overfly(*arguments: str) -> None:
    """Run the command as a user does; what it skips is no reason to stop."""
    done = subprocess.run([sys.executable, "-m", "overfly", *arguments], check=False)
    if done.returncode not in (0, 3):
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
