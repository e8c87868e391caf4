"""From the output of a network for oriented boxes to corners: YOLOv8 and 11 (-obb), and YOLO26, which needs no NMS.

Heads: (4 + classes + 1, N) with centre, size, scores and the angle; and end-to-end ones, (N, 7) with centre, size,
score, class and angle. Angles are radians, clockwise as seen in the image, from the x axis to the box's width.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detect.detectors.heads import (
    ClassIds,
    Raw,
    best_first,
    different,
    greedy,
    unknown_head,
    whole_numbers,
)
from flightplan.frames import Floats


def decode_oriented(
    output: Raw, classes: int, *, threshold: float, iou: float, limit: int
) -> tuple[Floats, Raw, ClassIds]:
    """Corners (N, 4, 2), scores and class ids of one tile, best first, from the network's output for it.

    Boxes of any class suppress each other where `gaussian_iou` says that they overlap by more than `iou`. Raises
    DetectorError for an output of no known head.
    """
    if output.ndim == 2 and output.shape[0] == 5 + classes:
        best = output[4:-1].max(axis=0)
        columns = np.flatnonzero(best > threshold)
        rotated = np.vstack([output[:4, columns], output[-1:, columns]]).T
        scores, class_ids = best[columns], output[4:-1, columns].argmax(axis=0)
    elif output.ndim == 2 and output.shape[1] == 7:
        kept = output[output[:, 4] > threshold]
        rotated, scores, class_ids = kept[:, [0, 1, 2, 3, 6]], kept[:, 4], whole_numbers(kept[:, 5])
        iou = 1.0
    else:
        raise unknown_head(output, classes)
    rows = best_first(rotated, scores, class_ids, classes)
    rotated, scores, class_ids = rotated[rows], scores[rows], class_ids[rows]
    kept_rows = greedy(gaussian_iou(rotated) > iou) if iou < 1.0 else different(rotated)
    kept_rows = kept_rows[:limit]
    return corners_of(rotated[kept_rows]), scores[kept_rows], class_ids[kept_rows]


def corners_of(rotated: npt.NDArray[np.floating]) -> Floats:
    """The corners in turn, (N, 4, 2), of boxes (N, 5): centre x and y, width, height, angle in radians."""
    centre, half = rotated[:, None, :2].astype(np.float64), rotated[:, 2:4].astype(np.float64) / 2.0
    cos, sin = np.cos(rotated[:, 4].astype(np.float64)), np.sin(rotated[:, 4].astype(np.float64))
    along = np.stack([half[:, 0] * cos, half[:, 0] * sin], axis=1)[:, None]
    across = np.stack([-half[:, 1] * sin, half[:, 1] * cos], axis=1)[:, None]
    return np.concatenate(
        [centre + along + across, centre + along - across, centre - along - across, centre - along + across], axis=1
    )


def around(corners: Floats) -> Floats:
    """The boxes (N, 4) that enclose (N, 4, 2) corners."""
    return np.hstack([corners.min(axis=1), corners.max(axis=1)])


def gaussian_iou(rotated: Raw) -> Floats:
    """How much each of (N, 5) oriented boxes overlaps each, (N, N), taken as Gaussians of the same spread.

    One minus their Hellinger distance: Llerena et al. 2021, "Gaussian bounding boxes and probabilistic
    intersection-over-union for object detection", equations 4 to 8; what these networks are trained and suppressed by.
    """
    tiny = 1e-7
    x, y, width, height, angle = rotated.astype(np.float64).T
    cos, sin = np.cos(angle), np.sin(angle)
    along, across = width**2 / 12.0, height**2 / 12.0
    a, b = along * cos**2 + across * sin**2, along * sin**2 + across * cos**2
    c = (along - across) * cos * sin
    a_sum, b_sum, c_sum = a[:, None] + a, b[:, None] + b, c[:, None] + c
    dx, dy = x[:, None] - x, y[:, None] - y
    determinant = a_sum * b_sum - c_sum**2
    distance = (a_sum * dy**2 + b_sum * dx**2) / (determinant + tiny) * 0.25
    distance += c_sum * -dx * dy / (determinant + tiny) * 0.5
    own = np.sqrt(np.clip(a * b - c**2, 0.0, None))
    distance += 0.5 * np.log(determinant / (4.0 * own[:, None] * own + tiny) + tiny)
    return np.asarray(1.0 - np.sqrt(1.0 - np.exp(-np.clip(distance, tiny, 100.0)) + tiny))
