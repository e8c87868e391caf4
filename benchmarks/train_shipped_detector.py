"""Train, export and score the detector that ships: `python benchmarks/train_shipped_detector.py --work DIR`.

Needs the yolo extra. Renders its own data; nothing is downloaded. Steps can be named to run some of them only.
The seeds of the worlds are far from those a demo is asked for: 10 000 to train, 20 000 to choose, 30 000 to score.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from shapely.geometry import Polygon

from flightplan.areas import Stratum, StudyArea
from flightplan.camera import Camera
from sim.datasets import Sample, training_views, write_yolo_dataset
from sim.species import SPECIES
from sim.world import World

NAMES = tuple(kind.name for kind in SPECIES)
FOCAL_PX = 80.0 / 0.12
CROP = Camera(name="training crop", image_width_px=256, image_height_px=256, focal_length_px=FOCAL_PX)
TRAIN_SEEDS = range(10_000, 10_080)
VALIDATION_SEEDS = range(20_000, 20_010)
TEST_SEEDS = range(30_000, 30_020)
ALTITUDES_M = (0.10 * FOCAL_PX, 0.14 * FOCAL_PX)


def training_area() -> StudyArea:
    """Return two strata of 2 by 1 km, nowhere near the demo's park."""

    def rectangle(west: float, south: float, east: float, north: float) -> Polygon:
        return Polygon([(west, south), (east, south), (east, north), (west, north)])

    woodland = Stratum("woodland", rectangle(31.000, -7.000, 31.018, -6.991))
    floodplain = Stratum("floodplain", rectangle(31.000, -7.009, 31.018, -7.000))
    return StudyArea("training", (woodland, floodplain))


def crops(seeds: range, per_world: int) -> Iterator[Sample]:
    """Crowded worlds, seen in crops of 256 px at 10 to 14 cm; one in four looks anywhere."""
    for seed in seeds:
        world = World.build(training_area(), seed, density=5.0)
        yield from training_views(world, CROP, per_world, altitudes_m=ALTITUDES_M, with_animals=0.72, tilt_deg=8.0)


def render(work: Path) -> Path:
    """Write the training and validation crops."""
    return write_yolo_dataset(
        work / "data", {"train": crops(TRAIN_SEEDS, 20), "val": crops(VALIDATION_SEEDS, 16)}, NAMES
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    render(options.work)


if __name__ == "__main__":
    main()
