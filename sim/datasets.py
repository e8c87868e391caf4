"""Labelled pictures of simulated worlds as a dataset to train on, in the layout that YOLO trainers read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from flightplan.camera import Camera
from flightplan.errors import WorkspaceError
from sim.camera import AnimalLabel, Look, render_frame
from sim.flights import TRUTH_FILE, read_truth
from sim.view import Pose
from sim.world import World


@dataclass(frozen=True)
class Sample:
    """One labelled picture: its name, sRGB pixels (H, W, 3), and the animals in it."""

    name: str
    image: npt.NDArray[np.uint8]
    labels: tuple[AnimalLabel, ...]


def training_views(
    world: World, camera: Camera, count: int, *, altitudes_m: tuple[float, float], with_animals: float, tilt_deg: float
) -> Iterator[Sample]:
    """Draw `count` pictures of one world: a share `with_animals` aimed near an animal, the rest anywhere.

    Height above ground, heading, tilt up to `tilt_deg`, hour, softness, noise, exposure and tint vary, all from the
    world's seed.
    """
    rng = np.random.default_rng([world.seed, 9001])
    lived_in = np.nonzero(world.animals.stratum >= 0)[0]
    for number in range(count):
        time_s = float(rng.uniform(0.0, 3600.0))
        reach = 0.4 * camera.footprint_m(altitudes_m[0])[0]
        row = int(rng.choice(lived_in)) if len(lived_in) else 0
        target = world.positions(time_s).local_m[row] + rng.uniform(-reach, reach, 2)
        if not len(lived_in) or rng.random() >= with_animals:
            target = rng.uniform((-1.0, -1.0), (1.0, 1.0)) * 0.5 * np.array(_extent_m(world))
        longitude, latitude = world.area.frame.to_lonlat(target)[0]
        pose = Pose(
            longitude_deg=float(longitude),
            latitude_deg=float(latitude),
            altitude_agl_m=float(rng.uniform(*altitudes_m)),
            yaw_deg=float(rng.uniform(0, 360)),
            pitch_deg=-90.0 + float(rng.uniform(0, tilt_deg)),
            roll_deg=float(rng.uniform(-tilt_deg / 2, tilt_deg / 2)),
        )
        look = Look(
            blur_px=float(rng.uniform(0.3, 0.8)),
            noise=float(rng.uniform(1.5, 6.0)),
            exposure=float(rng.uniform(0.8, 1.2)),
            tint=tuple(rng.normal(1.0, 0.03, 3).tolist()),
        )
        image, labels = render_frame(world, camera, pose, time_s, look)
        yield Sample(f"{world.seed}_{number:03d}", image, labels)


def write_yolo_dataset(
    folder: Path, splits: Mapping[str, Iterable[Sample]], names: Sequence[str], *, least_visible: float = 0.3
) -> Path:
    """Write `images/SPLIT/*.jpg`, `labels/SPLIT/*.txt` and `data.yaml`; return the path of the latter.

    Animals of which less than `least_visible` shows are left out. Raises WorkspaceError when the folder already
    holds a dataset.
    """
    if (folder / "data.yaml").exists():
        raise WorkspaceError("there is a dataset here already", where=str(folder), hint="Name a new folder")
    for split, samples in splits.items():
        images, texts = folder / "images" / split, folder / "labels" / split
        images.mkdir(parents=True, exist_ok=True)
        texts.mkdir(parents=True, exist_ok=True)
        for sample in samples:
            Image.fromarray(sample.image).save(images / f"{sample.name}.jpg", quality=92)
            (texts / f"{sample.name}.txt").write_text(yolo_lines(sample, names, least_visible), encoding="utf-8")
    lines = [f"path: {folder.resolve()}", *(f"{split}: images/{split}" for split in splits)]
    lines += ["names:", *(f"  {i}: {name}" for i, name in enumerate(names))]
    (folder / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "data.yaml"


def write_flight_labels(flights: Sequence[Path], path: Path, *, least_visible: float = 0.3) -> Path:
    """Write the truth of rendered flights as one COCO file of labels, which `overfly train` reads; returns `path`.

    Each flight is a folder of frames with its `truth.jsonl`. Pictures are named by the flight's folder and their own
    name. Animals of which less than `least_visible` shows are left out. Raises UnreadableFileError for a file of truth
    that is none.
    """
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    kinds: dict[str, int] = {}
    for flight in flights:
        for truth in read_truth(flight / TRUTH_FILE):
            with Image.open(flight / truth.frame) as picture:
                width, height = picture.size
            images.append(
                {"id": len(images) + 1, "file_name": f"{flight.name}/{truth.frame}", "width": width, "height": height}
            )
            for animal in truth.animals:
                if animal.visible_share < least_visible:
                    continue
                x0, y0, x1, y1 = animal.box_px
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": len(images),
                        "category_id": kinds.setdefault(animal.species, len(kinds) + 1),
                        "bbox": [x0, y0, x1 - x0, y1 - y0],
                        "area": (x1 - x0) * (y1 - y0),
                        "iscrowd": 0,
                    }
                )
    categories = [{"id": number, "name": name} for name, number in kinds.items()]
    document = {"images": images, "categories": categories, "annotations": annotations}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def yolo_lines(sample: Sample, names: Sequence[str], least_visible: float) -> str:
    """One line per animal: class, then centre x, centre y, width and height as shares of the picture."""
    height, width = sample.image.shape[:2]
    lines = []
    for label in sample.labels:
        if label.visible_share < least_visible:
            continue
        x0, y0, x1, y1 = label.box_px
        box = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
        lines.append(" ".join([str(names.index(label.species)), *(f"{value:.6f}" for value in box)]))
    return "".join(line + "\n" for line in lines)


def _extent_m(world: World) -> tuple[float, float]:
    rows, columns = world.land.cover.shape
    return (columns * world.land.cell_m - 600.0, rows * world.land.cell_m - 600.0)
