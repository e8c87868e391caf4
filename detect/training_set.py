"""From labelled pictures to the tiles a network is trained on, split by flight and never by frame."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from detect.images import Pixels, open_raster
from detect.labels import ImageLabels, LabelSet
from detect.tiles import TilePolicy, read_tile
from flightplan.errors import CaptureError, DetectorError, Skip
from flightplan.frames import Floats

SPLITS = ("train", "val")
_GRID_PX = 0.1
"""Boxes are rounded to this, so that what a format's own rounding adds does not reach the training set."""


@dataclass(frozen=True)
class TrainingRecipe:
    """How labelled pictures become tiles.

    Tiles measure at most `tile_px`. `empty_share` is how many tiles without animals are kept for each one with, drawn
    with `seed`. A box cut by a tile's edge stays where at least `least_visible` of it shows. `point_px` is the side of
    the box that stands for a point. `val_share` is the share of pictures, by whole flights, that are kept out to
    choose by.
    """

    tile_px: int = 640
    overlap_px: int = 64
    empty_share: float = 0.25
    least_visible: float = 0.4
    point_px: float | None = None
    val_share: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class TrainingSet:
    """A dataset in YOLO's format on disk, and what went into it.

    `flights` are the folders of each split, `pictures` its pictures' paths, `tiles` its number of tiles with and
    without animals, `boxes` its boxes by label.
    """

    data: Path
    names: tuple[str, ...]
    flights: Mapping[str, tuple[str, ...]]
    pictures: Mapping[str, tuple[Path, ...]]
    tiles: Mapping[str, tuple[int, int]]
    boxes: Mapping[str, Mapping[str, int]]
    skipped: tuple[Skip, ...]


def write_training_set(
    labels: LabelSet, folder: Path, recipe: TrainingRecipe | None = None, *, held_out: Sequence[LabelSet] = ()
) -> TrainingSet:
    """Cut labelled pictures into tiles under `folder`: images/ and labels/ per split, and data.yaml.

    A flight is the folder a picture lies in. Whole flights are kept out as `val`, or `held_out` is; pictures that
    cannot be used are skips. The result depends on the pictures, the boxes and the recipe alone, not on the format of
    the labels. Raises DetectorError where there is nothing to train on, points have no size, or one flight would have
    to be split.
    """
    chosen = recipe or TrainingRecipe()
    sides = [labels, *held_out]
    if any(side.points for side in sides) and chosen.point_px is None:
        raise DetectorError("The labels are points, which have no size", hint="Say how large an animal is: --point-px.")
    names = tuple(sorted({name for side in sides for name in side.names}))
    if not labels.names:
        raise DetectorError("Nothing is labelled in these pictures")
    skips = [skip for side in sides for skip in side.skipped]
    ours = _with_pictures(labels, skips)
    theirs = [image for side in held_out for image in _with_pictures(side, skips)]
    if not ours:
        raise DetectorError("None of the labelled pictures was found", hint="Name their folder with --images.")
    shared = {image.path for image in ours} & {image.path for image in theirs}
    if shared:
        raise DetectorError("A picture is on both sides", where=str(min(map(str, shared))))
    flights = _flights(ours, chosen) if not held_out else {"train": _folders(ours), "val": _folders(theirs)}
    parts = {"train": ours, "val": theirs}
    if not held_out:
        parts = {split: [image for image in ours if _folder(image) in flights[split]] for split in SPLITS}
    tiles: dict[str, tuple[int, int]] = {}
    boxes: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        root = Path(os.path.commonpath([_folder(image) for image in parts[split]])) if parts[split] else Path()
        writer = _Tiles(folder, split, root, names, chosen)
        for image in parts[split]:
            try:
                writer.add(image)
            except (CaptureError, OSError) as error:
                skips.append(Skip(image.image, str(error)))
        tiles[split], boxes[split] = writer.finish()
        if not tiles[split][0]:
            raise DetectorError(f"The split {split} has no tile with an animal in it", where=str(folder))
    listed = "".join(f"  {number}: {_quoted(name)}\n" for number, name in enumerate(names))
    data = folder / "data.yaml"
    head = f"path: {_quoted(str(folder.resolve()))}\ntrain: images/train\nval: images/val\n"
    data.write_text(f"{head}names:\n{listed}", encoding="utf-8")
    pictures = {split: tuple(image.path for image in parts[split] if image.path) for split in SPLITS}
    return TrainingSet(data, names, flights, pictures, tiles, boxes, tuple(skips))


class _Tiles:
    """Writes the tiles of one split; those without animals wait until it is known how many are wanted."""

    def __init__(self, folder: Path, split: str, root: Path, names: tuple[str, ...], recipe: TrainingRecipe) -> None:
        self._images, self._labels = (folder / kind / split for kind in ("images", "labels"))
        self._images.mkdir(parents=True)
        self._labels.mkdir(parents=True)
        self._root, self._names, self._recipe = root, names, recipe
        self._policy = TilePolicy(max_px=recipe.tile_px, overlap_px=recipe.overlap_px)
        self._with, self._empty = 0, list[tuple[str, Path]]()
        self._boxes = dict.fromkeys(names, 0)

    def add(self, image: ImageLabels) -> None:
        assert image.path is not None
        stem = "__".join(image.path.resolve().relative_to(self._root).with_suffix("").parts)
        boxes, ids = self._shown(image)
        with open_raster(image.path) as raster:
            for tile in self._policy.cut(raster.width_px, raster.height_px):
                pixels = read_tile(raster, tile)
                if pixels is None:
                    continue
                inside, kept, cut = self._inside(
                    boxes - np.array([tile.x_px, tile.y_px] * 2), tile.width_px, tile.height_px
                )
                name = f"{stem}__{tile.x_px}_{tile.y_px}"
                self._save(name, pixels)
                if not len(inside):
                    # An animal that shows too little to be taught is still no empty land.
                    if cut:
                        (self._images / f"{name}.png").unlink()
                    else:
                        self._empty.append((name, self._images / f"{name}.png"))
                    continue
                self._with += 1
                lines = _lines(inside, ids[kept], tile.width_px, tile.height_px)
                (self._labels / f"{name}.txt").write_text(lines, encoding="utf-8")
                for class_id in ids[kept]:
                    self._boxes[self._names[class_id]] += 1

    def finish(self) -> tuple[tuple[int, int], dict[str, int]]:
        """Keep as many empty tiles as are wanted, drawn from all."""
        wanted = min(len(self._empty), round(self._recipe.empty_share * self._with))
        rng = np.random.default_rng([self._recipe.seed, 1])
        kept = set(rng.choice(len(self._empty), wanted, replace=False).tolist()) if wanted else set()
        for number, (name, path) in enumerate(sorted(self._empty)):
            if number in kept:
                (self._labels / f"{name}.txt").write_text("", encoding="utf-8")
            else:
                path.unlink()
        return (self._with, wanted), self._boxes

    def _shown(self, image: ImageLabels) -> tuple[Floats, npt.NDArray[np.int64]]:
        boxes = image.boxes_px.copy()
        if self._recipe.point_px is not None:
            flat = (boxes[:, 2:] <= boxes[:, :2]).all(axis=1)
            boxes[flat] += np.array([-0.5, -0.5, 0.5, 0.5]) * self._recipe.point_px
        boxes = np.round(boxes / _GRID_PX) * _GRID_PX
        ids = np.array([self._names.index(name) for name in image.labels], dtype=np.int64)
        order = np.lexsort((ids, *boxes.T[::-1]))
        return boxes[order], ids[order]

    def _inside(self, boxes: Floats, width: int, height: int) -> tuple[Floats, npt.NDArray[np.bool_], bool]:
        clipped = np.clip(boxes, 0.0, [width, height] * 2)
        area = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1)
        kept = area >= self._recipe.least_visible * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        kept &= area > 0
        return clipped[kept], kept, bool((area[~kept] > 0).any())

    def _save(self, name: str, pixels: Pixels) -> None:
        Image.fromarray(np.ascontiguousarray(pixels)).save(self._images / f"{name}.png", compress_level=1)


def _lines(boxes: Floats, ids: npt.NDArray[np.int64], width: int, height: int) -> str:
    side = np.array([width, height])
    rows = np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2 / side, (boxes[:, 2:] - boxes[:, :2]) / side])
    return "".join(f"{i} " + " ".join(f"{v:.6f}" for v in row) + "\n" for i, row in zip(ids, rows, strict=True))


def _with_pictures(labels: LabelSet, skips: list[Skip]) -> list[ImageLabels]:
    found = [image for image in labels.images.values() if image.path is not None]
    skips += [Skip(i.image, "its picture was not found") for i in labels.images.values() if i.path is None]
    return sorted(found, key=lambda image: str(image.path))


def _folder(image: ImageLabels) -> str:
    assert image.path is not None
    return str(image.path.resolve().parent)


def _folders(images: Sequence[ImageLabels]) -> tuple[str, ...]:
    return tuple(sorted({_folder(image) for image in images}))


def _flights(images: Sequence[ImageLabels], recipe: TrainingRecipe) -> dict[str, tuple[str, ...]]:
    """Whole flights for `val`, drawn until they hold its share of the pictures and some animals."""
    folders = _folders(images)
    if len(folders) < 2:
        raise DetectorError(
            "All pictures are of one flight, and frames of one flight are too alike to judge by",
            where=folders[0],
            hint="Name labels of another flight with --val, or put each flight's pictures into a folder of its own.",
        )
    marked = {folder: sum(len(i) for i in images if _folder(i) == folder) for folder in folders}
    count = {folder: sum(_folder(i) == folder for i in images) for folder in folders}
    order = [folders[i] for i in np.random.default_rng([recipe.seed, 0]).permutation(len(folders))]
    held: list[str] = []
    for folder in sorted(order, key=lambda name: marked[name] == 0):
        enough = sum(count[name] for name in held) >= recipe.val_share * len(images)
        rest = [name for name in folders if name not in (*held, folder)]
        if (held and enough) or not any(marked[name] for name in rest):
            break
        held.append(folder)
    return {"train": tuple(name for name in folders if name not in held), "val": tuple(sorted(held))}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
