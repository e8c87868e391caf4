"""Detections: boxes in pixels with a label, a score, and the detector that said so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flightplan.frames import Floats


@dataclass(frozen=True)
class Detections:
    """What one detector found in one capture: arrays with one row per detection.

    `boxes_px` is (N, 4): x_min, y_min, x_max, y_max, in the pixels of the image as it is seen (EXIF orientation
    applied); the pixel in the top-left corner covers 0 to 1. `scores` is (N,), 0 to 1. `class_ids` is (N,) and points
    into `names`. Rows are ordered by falling score, then by box, whatever order the network gave. `image_size_px` is
    the (width, height) of the image. `lonlat` is (N, 2), longitude and latitude of each box's centre on WGS 84, where
    the image is an orthomosaic that carries its own coordinates; None for a picture, which has to be placed first.
    """

    boxes_px: Floats
    scores: Floats
    class_ids: npt.NDArray[np.int64]
    names: tuple[str, ...]
    detector: str
    image_size_px: tuple[int, int] | None = None
    lonlat: Floats | None = None

    @property
    def centres_px(self) -> Floats:
        """The middle of each box, (N, 2): x, y."""
        return (self.boxes_px[:, :2] + self.boxes_px[:, 2:]) / 2.0

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each row."""
        return tuple(self.names[i] for i in self.class_ids)

    def __len__(self) -> int:
        return len(self.scores)


def sorted_detections(
    boxes_px: npt.ArrayLike, scores: npt.ArrayLike, class_ids: npt.ArrayLike, names: tuple[str, ...], detector: str
) -> Detections:
    """Detections in their one order: by falling score, then box, then class."""
    boxes = np.asarray(boxes_px, dtype=np.float64).reshape(-1, 4)
    values = np.asarray(scores, dtype=np.float64).reshape(-1)
    classes = np.asarray(class_ids, dtype=np.int64).reshape(-1)
    order = np.lexsort((classes, boxes[:, 3], boxes[:, 2], boxes[:, 1], boxes[:, 0], -values))
    return Detections(boxes[order], values[order], classes[order], names, detector)
