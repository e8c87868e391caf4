"""From a YOLO network's raw output to detections: decoding and suppression, in NumPy.

Heads: the anchor-free one of YOLOv8, 11 and 12, (4 + classes, N) with centre, size and scores; YOLOv5's, (N, 5 +
classes) with an objectness before the scores; and end-to-end ones, (N, 6) with corners, score and class.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flightplan.errors import DetectorError

Raw = npt.NDArray[np.float32]

_MAX_CANDIDATES = 4096


def decode_head(
    output: Raw, classes: int, *, threshold: float, iou: float, limit: int
) -> tuple[Raw, Raw, npt.NDArray[np.int64]]:
    """Boxes (N, 4), scores and class ids of one tile, best first, from the network's output for it.

    Boxes of any class suppress each other: one animal is one species. Raises DetectorError for an output of no known
    head.
    """
    if output.ndim == 2 and output.shape[0] == 4 + classes:
        boxes, scores, class_ids = _anchor_free(output, threshold)
    elif output.ndim == 2 and output.shape[1] == 6:
        kept = output[output[:, 4] > threshold]
        boxes, scores, class_ids = kept[:, :4], kept[:, 4], kept[:, 5].astype(np.int64)
        iou = 1.0
    elif output.ndim == 2 and output.shape[1] == 5 + classes:
        joint = np.vstack([output[:, :4].T, output[:, 4] * output[:, 5:].T])
        boxes, scores, class_ids = _anchor_free(joint, threshold)
    else:
        raise DetectorError(
            f"The network answers with {'x'.join(map(str, output.shape))} values, which no known head of "
            f"{classes} classes does",
            hint="Export it with ultralytics for the task detect.",
        )
    sound = np.isfinite(boxes).all(axis=1) & (class_ids >= 0) & (class_ids < classes)
    boxes, scores, class_ids = boxes[sound], scores[sound], class_ids[sound]
    order = np.argsort(-scores, kind="stable")[:_MAX_CANDIDATES]
    boxes, scores, class_ids = boxes[order], scores[order], class_ids[order]
    if iou < 1.0:
        kept_rows = suppress(boxes, iou)[:limit]
        boxes, scores, class_ids = boxes[kept_rows], scores[kept_rows], class_ids[kept_rows]
    return boxes[:limit], scores[:limit], class_ids[:limit]


def _anchor_free(output: Raw, threshold: float) -> tuple[Raw, Raw, npt.NDArray[np.int64]]:
    scores = output[4:]
    best = scores.max(axis=0)
    columns = np.flatnonzero(best > threshold)
    x, y, width, height = output[:4, columns]
    corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    return corners, best[columns], scores[:, columns].argmax(axis=0)


def suppress(boxes: Raw, iou: float) -> npt.NDArray[np.intp]:
    """The rows that greedy non-maximum suppression keeps, of (N, 4) boxes ordered by falling score.

    A box goes when a kept, better one overlaps it by more than `iou`. All boxes are settled at once: a pass decides
    every box whose better neighbours are decided, so there are as many passes as the longest chain of neighbours is
    long.
    """
    if len(boxes) < 2:
        return np.arange(len(boxes))
    beaten_by = np.triu(pairwise_iou(boxes, boxes) > iou, k=1)
    if not beaten_by.any():
        return np.arange(len(boxes))
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
