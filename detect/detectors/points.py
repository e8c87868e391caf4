"""From the output of a network that answers with points: density and heatmap heads, as an ONNX convention.

There is no common export for such networks (HerdNet, FIDT and their like), so this is ours. The model's metadata says
`task` = `points` and the `names` of the classes. The picture goes in as for the others: RGB, (batch, 3, height, width),
0 to 1; what else the network wants (mean and deviation) is part of its graph, the final sigmoid or softmax too. It
answers with one of

- one map for each class, (batch, classes, h, w), with values from 0 to 1: its peaks are points. FIDT is this with one
  class. A map may be coarser than the picture: its cells then share it evenly;
- two outputs, as HerdNet has: one map of where, (batch, 1, h, w), and one of what, (batch, classes, h2, w2) or, with
  the background first, (batch, classes + 1, h2, w2), which names each peak by its highest class there;
- rows (batch, N, 4) of x, y in the picture's pixels, score and class.

A peak is a cell that none of the 3 x 3 around it exceeds, above the threshold; of equal cells that touch, the first.
A point lies in the middle of its cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from detect.detectors.heads import ClassIds, Raw, best_first, unknown_head, whole_numbers
from flightplan.errors import DetectorError

_TOUCHING = np.ones((3, 3), dtype=int)


def decode_points(
    outputs: Sequence[Raw], classes: int, *, threshold: float, limit: int, tile_px: tuple[int, int]
) -> tuple[Raw, Raw, ClassIds]:
    """Points (N, 2), scores and class ids of one tile of `tile_px` (width, height), best first.

    `outputs` are the network's for this tile, without the batch. Raises DetectorError where they are of none of the
    forms above.
    """
    first = outputs[0]
    if len(outputs) == 1 and first.ndim == 2 and first.shape[1] == 4:
        kept = first[first[:, 2] > threshold]
        points, scores, class_ids = kept[:, :2], kept[:, 2], whole_numbers(kept[:, 3])
    elif len(outputs) == 1 and first.ndim == 3 and len(first) == classes:
        points, scores, class_ids = _peaks(first, threshold, tile_px)
    elif len(outputs) == 2 and first.ndim == 3 and len(first) == 1 and outputs[1].ndim == 3:
        points, scores, _ = _peaks(first, threshold, tile_px)
        class_ids = _named(points, outputs[1], classes, tile_px)
    else:
        raise unknown_head(first, classes)
    rows = best_first(points, scores, class_ids, classes)[:limit]
    return points[rows], scores[rows], class_ids[rows]


def squares(points: npt.NDArray[np.floating], side_px: float) -> npt.NDArray[np.floating]:
    """The boxes (N, 4) of `side_px` around (N, 2) points."""
    return np.hstack([points - side_px / 2.0, points + side_px / 2.0])


def _peaks(maps: Raw, threshold: float, tile_px: tuple[int, int]) -> tuple[Raw, Raw, ClassIds]:
    """Peaks of (classes, h, w) maps; where the maps of several classes peak in one cell, the highest of them."""
    highest = np.nan_to_num(maps.max(axis=0), nan=0.0, posinf=0.0, neginf=0.0)
    peak = (highest > threshold) & (highest >= ndimage.maximum_filter(highest, size=3, mode="constant"))
    plateau, count = ndimage.label(peak, structure=_TOUCHING)
    cells = np.flatnonzero(plateau)
    # Cells that touch and are both peaks are equal: each plateau is one thing.
    cells = cells[np.unique(plateau.reshape(-1)[cells], return_index=True)[1]] if count < len(cells) else cells
    rows, columns = np.divmod(cells, highest.shape[1])
    across, down = tile_px[0] / highest.shape[1], tile_px[1] / highest.shape[0]
    points = np.column_stack([(columns + 0.5) * across, (rows + 0.5) * down]).astype(np.float32)
    return points, highest[rows, columns], maps[:, rows, columns].argmax(axis=0).astype(np.int64)


def _named(points: Raw, kinds: Raw, classes: int, tile_px: tuple[int, int]) -> ClassIds:
    if len(kinds) == classes + 1:
        kinds = kinds[1:]
    if len(kinds) != classes:
        raise DetectorError(f"The network's map of classes has {len(kinds)}, for {classes} names")
    columns = np.clip((points[:, 0] * kinds.shape[2] / tile_px[0]).astype(int), 0, kinds.shape[2] - 1)
    rows = np.clip((points[:, 1] * kinds.shape[1] / tile_px[1]).astype(int), 0, kinds.shape[1] - 1)
    return np.asarray(kinds[:, rows, columns].argmax(axis=0), dtype=np.int64)
