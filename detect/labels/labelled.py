"""What every label format is read into: marks by picture, whatever file they came from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flightplan.errors import Skip, UnreadableFileError
from flightplan.frames import Floats

MAX_LABEL_BYTES = 1 << 28
"""The largest label file that is read: a million boxes take about 100 MB of JSON."""


@dataclass(frozen=True)
class ImageLabels:
    """The marks of one picture: arrays with one row per mark.

    `boxes_px` is (N, 4): x_min, y_min, x_max, y_max in pixels of the picture as it is seen, as in `Detections`; a point
    is a box without extent. `scores` is (N,), 1 where the format has none. `path` is the picture, None where it was not
    found; `size_px` is (width, height), None where neither file nor picture says.
    """

    image: str
    boxes_px: Floats
    labels: tuple[str, ...]
    scores: Floats
    path: Path | None = None
    size_px: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class LabelSet:
    """Marks by picture, the labels there are in alphabetical order, every row left out, and what to know of the rest.

    `images` is ordered by name and holds pictures without marks too, where the format can name them. `points` says that
    the marks are points and have no size. `silence_is_empty` says that the format writes nothing at all for a picture
    in which there is nothing, so that one it does not mention may have been looked at.
    """

    images: Mapping[str, ImageLabels]
    names: tuple[str, ...]
    points: bool
    skipped: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()
    silence_is_empty: bool = False


@dataclass
class Gathered:
    """What a reader finds, row by row; `label_set` makes values of it. `declared` are labels that the file lists."""

    rows: dict[str, list[tuple[str, float, tuple[float, float, float, float]]]] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    skips: list[Skip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)

    def see(self, image: str) -> None:
        """A picture that was looked at, with or without marks."""
        self.rows.setdefault(image, [])

    def add(self, image: str, label: str, corners: Iterable[float], score: float = 1.0) -> None:
        """A mark. Raises ValueError for one that cannot be."""
        x_min, y_min, x_max, y_max = (float(value) for value in corners)
        if not all(map(math.isfinite, (x_min, y_min, x_max, y_max, score))):
            raise ValueError("a number is not finite")
        if not image:
            raise ValueError("it names no picture")
        if not label:
            raise ValueError("it has no label")
        if x_max < x_min or y_max < y_min:
            raise ValueError(f"the box ends before it starts ({x_min:g}, {y_min:g}, {x_max:g}, {y_max:g})")
        size = self.sizes.get(image)
        if size and (x_max < 0 or y_max < 0 or x_min > size[0] or y_min > size[1]):
            raise ValueError(f"it lies outside of the picture of {size[0]}x{size[1]} pixels")
        self.rows.setdefault(image, []).append((label, score, (x_min, y_min, x_max, y_max)))

    def label_set(self, source: Path, names: Mapping[str, str]) -> LabelSet:
        """The marks as a value; `names` gives labels other names. Raises UnreadableFileError where there is nothing."""
        marks = [(image, row) for image, rows in self.rows.items() for row in rows]
        if not self.rows:
            why = (
                f" (the first of {len(self.skips)}: {self.skips[0].item}: {self.skips[0].reason})" if self.skips else ""
            )
            raise UnreadableFileError(f"No picture is labelled here{why}", where=str(source))
        flat = [_is_flat(row[2]) for _, row in marks]
        points = bool(flat) and all(flat)
        if not points and any(flat):
            self.skips += [
                Skip(image, "a box without extent") for (image, _), bad in zip(marks, flat, strict=True) if bad
            ]
            self.rows = {image: [r for r in rows if not _is_flat(r[2])] for image, rows in self.rows.items()}
        images = {image: self._image(image, names) for image in sorted(self.rows)}
        found = sorted({label for marked in images.values() for label in marked.labels})
        return LabelSet(images, tuple(found), points, tuple(self.skips), (*self.notes, *self._unmarked(found, names)))

    def _unmarked(self, found: list[str], names: Mapping[str, str]) -> list[str]:
        empty = sorted({names.get(label, label) for label in self.declared} - set(found))
        if not empty:
            return []
        listed = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
        return [f"no picture has a mark of {len(empty)} of the labels that are listed: {listed}"]

    def _image(self, image: str, names: Mapping[str, str]) -> ImageLabels:
        rows = self.rows[image]
        return ImageLabels(
            image,
            np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4),
            tuple(names.get(row[0], row[0]) for row in rows),
            np.array([row[1] for row in rows], dtype=np.float64),
            self.paths.get(image),
            self.sizes.get(image),
        )


def _is_flat(corners: tuple[float, float, float, float]) -> bool:
    return corners[2] <= corners[0] or corners[3] <= corners[1]


def read_text(path: Path) -> str:
    """A label file's text. Raises UnreadableFileError where it cannot be read or is too large."""
    try:
        if path.stat().st_size > MAX_LABEL_BYTES:
            raise UnreadableFileError(f"The file is over {MAX_LABEL_BYTES >> 20} MB", where=str(path))
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"The file is not text ({error})", where=str(path)) from error
    except OSError as error:
        raise UnreadableFileError(f"The file cannot be read ({error.strerror})", where=str(path)) from error
