"""Detections: boxes in pixels with a label, a score, and the detector that said so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flightplan.frames import Floats


@dataclass(frozen=True)
class Detections:
    """What one detector found in one capture: arrays with one row per detection.

    `boxes_px` is (N, 4): x_min, y_min, x_max, y_max, in the pixels of the image as it is seen (EXIF orientation
    applied); the pixel in the top-left corner covers 0 to 1. `scores` is (N,), 0 to 1. `class_ids` is (N,) and points
    into `names`. Rows are ordered by falling score, then by box, whatever order the network gave.
    """

    boxes_px: Floats
    scores: Floats
    class_ids: np.typing.NDArray[np.int64]
    names: tuple[str, ...]
    detector: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each row."""
        return tuple(self.names[i] for i in self.class_ids)

    def __len__(self) -> int:
        return len(self.scores)
