"""Detections: boxes, oriented boxes or points in pixels, each with a label, a score, and the detector that said so."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flightplan.frames import Floats


@dataclass(frozen=True)
class Detections:
    """What one detector found in one capture: arrays with one row per detection.

    `boxes_px` is (N, 4): x_min, y_min, x_max, y_max, in the pixels of the image as it is seen (EXIF orientation
    applied); the pixel in the top-left corner covers 0 to 1. `scores` is (N,), 0 to 1. `class_ids` is (N,) and points
    into `names`. Rows are ordered by falling score, then by box, whatever order the network gave. `image_size_px` is
    the (width, height) of the image. `lonlat` is (N, 2), longitude and latitude of each row's centre on WGS 84, where
    the image is an orthomosaic that carries its own coordinates; None for a picture, which has to be placed first.

    `corners_px` is (N, 4, 2), the corners of oriented boxes in turn, where the detector gives such; `boxes_px` then
    encloses what of them lies in the image. `points_px` is (N, 2) where the detector gives points; `boxes_px` is then a
    square around each that says how large such a thing is taken to be, which is not clipped to the image.

    `scaled` is false where the detector has a ground sampling distance of its own and the image's is not known: it was
    looked at as it is.
    """

    boxes_px: Floats
    scores: Floats
    class_ids: npt.NDArray[np.int64]
    names: tuple[str, ...]
    detector: str
    image_size_px: tuple[int, int] | None = None
    lonlat: Floats | None = None
    corners_px: Floats | None = None
    points_px: Floats | None = None
    scaled: bool = True

    @property
    def centres_px(self) -> Floats:
        """Where each row is, (N, 2): its point, or the middle of its oriented box or box."""
        if self.points_px is not None:
            return self.points_px
        if self.corners_px is not None:
            return np.asarray(self.corners_px.mean(axis=1))
        return (self.boxes_px[:, :2] + self.boxes_px[:, 2:]) / 2.0

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each row."""
        return tuple(self.names[i] for i in self.class_ids)

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Detections:
        """The rows asked for, in the order they have here."""
        return replace(
            self,
            boxes_px=self.boxes_px[rows],
            scores=self.scores[rows],
            class_ids=self.class_ids[rows],
            lonlat=None if self.lonlat is None else self.lonlat[rows],
            corners_px=None if self.corners_px is None else self.corners_px[rows],
            points_px=None if self.points_px is None else self.points_px[rows],
        )

    def resized(self, across: float, down: float) -> Detections:
        """The same in the pixels of an image that has `across` times the columns and `down` times the rows."""
        factors = np.array([across, down])
        return replace(
            self,
            boxes_px=self.boxes_px * np.tile(factors, 2),
            corners_px=None if self.corners_px is None else self.corners_px * factors,
            points_px=None if self.points_px is None else self.points_px * factors,
        )

    def as_points(self) -> Detections:
        """The same reduced to points: each row's centre. Boxes stay, as the extent of what is there."""
        return replace(self, points_px=self.centres_px, corners_px=None)


def sorted_detections(
    boxes_px: npt.ArrayLike,
    scores: npt.ArrayLike,
    class_ids: npt.ArrayLike,
    names: tuple[str, ...],
    detector: str,
    *,
    corners_px: npt.ArrayLike | None = None,
    points_px: npt.ArrayLike | None = None,
) -> Detections:
    """Detections in their one order: by falling score, then box, then class."""
    boxes = np.asarray(boxes_px, dtype=np.float64).reshape(-1, 4)
    values = np.asarray(scores, dtype=np.float64).reshape(-1)
    classes = np.asarray(class_ids, dtype=np.int64).reshape(-1)
    order = np.lexsort((classes, boxes[:, 3], boxes[:, 2], boxes[:, 1], boxes[:, 0], -values))
    corners = None if corners_px is None else np.asarray(corners_px, dtype=np.float64).reshape(-1, 4, 2)[order]
    points = None if points_px is None else np.asarray(points_px, dtype=np.float64).reshape(-1, 2)[order]
    return Detections(
        boxes[order], values[order], classes[order], names, detector, corners_px=corners, points_px=points
    )
