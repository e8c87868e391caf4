"""From a YOLO network's raw output to boxes: decoding and suppression, in NumPy.

Heads: the anchor-free one of YOLOv8, 9, 11 and 12, (4 + classes, N) with centre, size and scores; YOLOv5's, (N, 5 +
classes) with an objectness before the scores; and end-to-end ones (YOLOv10, YOLO26, exports with NMS inside), (N, 6)
with corners, score and class. Oriented boxes are in `oriented.py`, points in `points.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from flightplan.errors import DetectorError

Raw = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
ClassIds = npt.NDArray[np.int64]

MAX_CANDIDATES = 4096

_STRIDES = (8, 16, 32, 64)
_ANCHORS_OF_V5 = 3


def decode_head(
    output: Raw,
    classes: int,
    *,
    threshold: float,
    iou: float,
    limit: int,
    end_to_end: bool | None = None,
    tile_px: tuple[int, int] | None = None,
) -> tuple[Raw, Raw, ClassIds]:
    """Boxes (N, 4), scores and class ids of one tile, best first, from the network's output for it.

    Boxes of any class suppress each other: one animal is one species. `end_to_end` says that the model says so;
    `tile_px` (width, height) tells YOLOv5's head of one class from an end-to-end one, which is as wide. Raises
    DetectorError for an output of no known head.
    """
    if output.ndim == 2 and output.shape[1] == 6 and (end_to_end or not _of_v5(output, classes, tile_px)):
        kept = output[output[:, 4] > threshold]
        boxes, scores, class_ids = kept[:, :4], kept[:, 4], whole_numbers(kept[:, 5])
        iou = 1.0
    elif output.ndim == 2 and output.shape[0] == 4 + classes:
        boxes, scores, class_ids = _anchor_free(output, threshold)
    elif output.ndim == 2 and output.shape[1] == 5 + classes:
        joint = np.vstack([output[:, :4].T, output[:, 4] * output[:, 5:].T])
        boxes, scores, class_ids = _anchor_free(joint, threshold)
    else:
        raise unknown_head(output, classes)
    rows = best_first(boxes, scores, class_ids, classes)
    rows = rows[(boxes[rows, 2:] > boxes[rows, :2]).all(axis=1)]
    boxes, scores, class_ids = boxes[rows], scores[rows], class_ids[rows]
    kept_rows = suppress(boxes, iou) if iou < 1.0 else different(boxes)
    return boxes[kept_rows][:limit], scores[kept_rows][:limit], class_ids[kept_rows][:limit]


def unknown_head(output: Raw, classes: int) -> DetectorError:
    """The error for an answer of a shape that no head has."""
    return DetectorError(
        f"The network answers with {'x'.join(map(str, output.shape))} values, which no known head of "
        f"{classes} classes does",
        hint="Export it with ultralytics for the task detect or obb, or as docs/detect.md says for points.",
    )


def best_first(values: Raw, scores: Raw, class_ids: ClassIds, classes: int) -> Rows:
    """The rows that are sound (finite numbers, a class there is), by falling score, at most `MAX_CANDIDATES`."""
    sound = np.isfinite(values).all(axis=1) & np.isfinite(scores) & (class_ids >= 0) & (class_ids < classes)
    rows = np.flatnonzero(sound)
    return rows[np.argsort(-scores[rows], kind="stable")[:MAX_CANDIDATES]]


def whole_numbers(values: Raw) -> ClassIds:
    """Class ids that a network gives as floating numbers; -1 for one that is none."""
    sound = np.isfinite(values) & (np.abs(values) < 1e6)
    return np.where(sound, np.where(sound, values, 0.0).round(), -1.0).astype(np.int64)


def different(boxes: npt.NDArray[np.floating[Any]]) -> Rows:
    """The rows that are not the very box of a better one: an end-to-end head lists a box once for each likely class."""
    return np.sort(np.unique(boxes, axis=0, return_index=True)[1])


def _of_v5(output: Raw, classes: int, tile_px: tuple[int, int] | None) -> bool:
    if classes != 1 or tile_px is None:
        return False
    cells = [(tile_px[0] // stride) * (tile_px[1] // stride) * _ANCHORS_OF_V5 for stride in _STRIDES]
    return len(output) in (sum(cells[:3]), sum(cells))


def _anchor_free(output: Raw, threshold: float) -> tuple[Raw, Raw, ClassIds]:
    scores = output[4:]
    best = scores.max(axis=0)
    columns = np.flatnonzero(best > threshold)
    x, y, width, height = output[:4, columns]
    corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    return corners, best[columns], scores[:, columns].argmax(axis=0)


def suppress(boxes: Raw, iou: float) -> Rows:
    """The rows that greedy non-maximum suppression keeps, of (N, 4) boxes ordered by falling score.

    A box goes when a kept, better one overlaps it by more than `iou`.
    """
    if len(boxes) < 2:
        return np.arange(len(boxes))
    return greedy(pairwise_iou(boxes, boxes) > iou)


def greedy(overlaps: npt.NDArray[np.bool_]) -> Rows:
    """The rows that stay where a kept row removes all later ones that it overlaps, (N, N) booleans.

    All rows are settled at once: a pass decides every row whose better neighbours are decided, so there are as many
    passes as the longest chain of neighbours is long.
    """
    beaten_by = np.triu(overlaps, k=1)
    if not beaten_by.any():
        return np.arange(len(overlaps))
    kept = ~beaten_by.any(axis=0)
    while True:
        after = ~beaten_by[kept].any(axis=0)
        if np.array_equal(after, kept):
            return np.flatnonzero(kept)
        kept = after


def pairwise_iou(ours: Raw, theirs: Raw) -> Raw:
    """Intersection over union of (N, 4) with (M, 4) boxes, (N, M)."""
    low = np.maximum(ours[:, None, :2], theirs[None, :, :2])
    high = np.minimum(ours[:, None, 2:], theirs[None, :, 2:])
    both = np.clip(high - low, 0.0, None).prod(axis=2)
    area_ours = (ours[:, 2:] - ours[:, :2]).prod(axis=1)
    area_theirs = (theirs[:, 2:] - theirs[:, :2]).prod(axis=1)
    union = area_ours[:, None] + area_theirs[None, :] - both
    iou: Raw = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return iou
