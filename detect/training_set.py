"""From labelled pictures to the tiles a network is trained on, split by flight and never by frame."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from detect.flight_split import split_by_flight
from detect.images import Pixels, open_raster
from detect.labels import ImageLabels, LabelSet
from detect.tiles import PADDING, TilePolicy, read_tile
from flightplan.errors import CaptureError, DetectorError, Skip
from flightplan.frames import Floats

SPLITS = ("train", "val")
_GRID_PX = 0.1
"""Boxes are rounded to this, so that what a format's own rounding adds does not reach the training set."""


@dataclass(frozen=True)
class TrainingRecipe:
    """How labelled pictures become tiles.

    Tiles measure at most `tile_px`, and are padded to squares of one side: a trainer would enlarge small ones, and with
    them the animals. `empty_share` is how many tiles without animals are kept for each one with, drawn
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
    without animals, `boxes` its boxes by label. The split `test` has flights and pictures, but no tiles. `content_hash`
    is the SHA-256 of all tiles' names, pixels and boxes, and of the labels. Tiles are squares of `side_px`. `notes` are
    what to know of the data.
    """

    data: Path
    names: tuple[str, ...]
    flights: Mapping[str, tuple[str, ...]]
    pictures: Mapping[str, tuple[Path, ...]]
    tiles: Mapping[str, tuple[int, int]]
    boxes: Mapping[str, Mapping[str, int]]
    skipped: tuple[Skip, ...]
    content_hash: str = ""
    side_px: int = 0
    notes: tuple[str, ...] = ()


def write_training_set(
    labels: LabelSet,
    folder: Path,
    recipe: TrainingRecipe | None = None,
    *,
    held_out: Sequence[LabelSet] = (),
    tested: Sequence[LabelSet] = (),
) -> TrainingSet:
    """Cut labelled pictures into tiles under `folder`: images/ and labels/ per split, and data.yaml.

    Pictures are shared out by flight (`split_by_flight`); `tested` is no part of the tiles. Pictures that cannot be
    used are skips. The result depends on the pictures, the boxes and the recipe alone, not on the format of the labels.
    Raises DetectorError where there is nothing to train on, points have no size, one flight would have to be split, or
    labels are mixed up.
    """
    chosen = recipe or TrainingRecipe()
    sides = [labels, *held_out, *tested]
    if any(side.points for side in sides) and chosen.point_px is None:
        raise DetectorError("The labels are points, which have no size", hint="Say how large an animal is: --point-px.")
    names = _names(labels, [*held_out, *tested])
    split_up = split_by_flight(labels, held_out, tested, val_share=chosen.val_share, seed=chosen.seed)
    parts = split_up.pictures
    skips = [*(skip for side in sides for skip in side.skipped), *split_up.skipped]
    tiles: dict[str, tuple[int, int]] = {}
    boxes: dict[str, dict[str, int]] = {}
    digest = sha256(repr(names).encode())
    policy = TilePolicy(max_px=chosen.tile_px, overlap_px=chosen.overlap_px)
    side = max(_longest(image, policy) for split in SPLITS for image in parts[split])
    for split in SPLITS:
        root = Path(os.path.commonpath(split_up.flights[split]))
        writer = _Tiles(folder, split, root, names, chosen, policy, side)
        for image in parts[split]:
            try:
                writer.add(image)
            except (CaptureError, OSError) as error:
                skips.append(Skip(image.image, str(error)))
        tiles[split], boxes[split] = writer.finish()
        digest.update(writer.digest())
        if not tiles[split][0]:
            raise DetectorError(f"The split {split} has no tile with an animal in it", where=str(folder))
    listed = "".join(f"  {number}: {_quoted(name)}\n" for number, name in enumerate(names))
    data = folder / "data.yaml"
    head = f"path: {_quoted(str(folder.resolve()))}\ntrain: images/train\nval: images/val\n"
    data.write_text(f"{head}names:\n{listed}", encoding="utf-8")
    pictures = {split: tuple(image.path for image in part if image.path) for split, part in parts.items()}
    notes = [
        f"no flight kept out has a {name}: how well it is found is not known"
        for name in names
        if not boxes["val"].get(name)
    ]
    return TrainingSet(
        data,
        names,
        split_up.flights,
        pictures,
        tiles,
        boxes,
        tuple(skips),
        digest.hexdigest(),
        side,
        (*labels.notes, *split_up.notes, *notes),
    )


def _names(labels: LabelSet, others: Sequence[LabelSet]) -> tuple[str, ...]:
    """The labels to learn. Raises DetectorError where there are none, or where those of the sides do not agree."""
    names = labels.names
    if not names:
        raise DetectorError(
            "Nothing is labelled in these pictures",
            hint=f"{len(labels.skipped)} rows were left out, the first: {labels.skipped[0].item}: "
            f"{labels.skipped[0].reason}"
            if labels.skipped
            else None,
        )
    alike: dict[str, str] = {}
    for name in sorted({name for side in (labels, *others) for name in side.names}):
        first = alike.setdefault(" ".join(name.split()).casefold(), name)
        if first != name:
            raise DetectorError(
                f"The labels {first!r} and {name!r} differ only in how they are written",
                hint=f'Make them one: --name "{name}={first}"',
            )
    unknown = sorted({name for side in others for name in side.names} - set(names))
    if unknown:
        raise DetectorError(
            f"Nothing to learn {', '.join(map(repr, unknown))} from: only the pictures kept out have it",
            hint=f'If it is another word for {names[0]!r}: --name "{unknown[0]}={names[0]}"',
        )
    return names


class _Tiles:
    """Writes the tiles of one split; those without animals wait until it is known how many are wanted."""

    def __init__(
        self,
        folder: Path,
        split: str,
        root: Path,
        names: tuple[str, ...],
        recipe: TrainingRecipe,
        policy: TilePolicy,
        side_px: int,
    ) -> None:
        self._images, self._labels = (folder / kind / split for kind in ("images", "labels"))
        self._images.mkdir(parents=True)
        self._labels.mkdir(parents=True)
        self._root, self._names, self._recipe = root, names, recipe
        self._policy, self._side = policy, side_px
        self._with, self._empty = 0, list[tuple[str, Path]]()
        self._boxes = dict.fromkeys(names, 0)
        self._hashes: dict[str, bytes] = {}

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
                        del self._hashes[name]
                    else:
                        self._empty.append((name, self._images / f"{name}.png"))
                    continue
                self._with += 1
                lines = _lines(inside, ids[kept], self._side)
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
                del self._hashes[name]
        return (self._with, wanted), self._boxes

    def digest(self) -> bytes:
        """The hash of the tiles kept: their names, pixels and boxes."""
        made = sha256()
        for name, pixels in sorted(self._hashes.items()):
            made.update(name.encode() + b"\0" + pixels + (self._labels / f"{name}.txt").read_bytes())
        return made.digest()

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
        height, width = pixels.shape[:2]
        whole = np.full((self._side, self._side, 3), PADDING, np.uint8)
        whole[:height, :width] = pixels
        self._hashes[name] = sha256(f"{whole.shape}".encode() + whole.tobytes()).digest()
        Image.fromarray(whole).save(self._images / f"{name}.png", compress_level=1)


def _lines(boxes: Floats, ids: npt.NDArray[np.int64], side: int) -> str:
    rows = np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2 / side, (boxes[:, 2:] - boxes[:, :2]) / side])
    return "".join(f"{i} " + " ".join(f"{v:.6f}" for v in row) + "\n" for i, row in zip(ids, rows, strict=True))


def _longest(image: ImageLabels, policy: TilePolicy) -> int:
    if image.size_px is None:
        return 0
    return max((side for tile in policy.cut(*image.size_px) for side in (tile.width_px, tile.height_px)), default=0)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
