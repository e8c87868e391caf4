"""What detectors of every runtime share: tiles into a network, and what it answers into detections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.detections import Detections, sorted_detections
from detect.detectors.heads import Raw, decode_head
from detect.detectors.model_facts import ORIENTED, POINTS, ModelFacts, Thresholds
from detect.detectors.oriented import around, decode_oriented
from detect.detectors.points import decode_points, squares
from flightplan.errors import DetectorError

DEFAULT_IOU = 0.7
MAX_DETECTIONS = 1000

_MAX_INPUT_BYTES = 1 << 30
_MAX_TILE_PX = 8192

Planes = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Asked:
    """What is asked of a detector.

    `threshold` is the lowest score kept, `thresholds` the same for some labels; None leaves both to the model. `iou`
    is the overlap above which the weaker of two boxes of one tile goes, `limit` the most rows of one tile. `fast` lets
    the network compute with 16 bits where the processor is faster so.
    """

    threshold: float | None = None
    thresholds: Mapping[str, float] | None = None
    iou: float = DEFAULT_IOU
    limit: int = MAX_DETECTIONS
    fast: bool = False


class NetworkDetector:
    """A detector whose network takes tiles and answers with arrays; `run` is how one runtime does that.

    `shape` is the network's input: batch, channels, height and width, with anything but a number where it is free.
    Any number of threads may call one detector at once where they may call `run`. See `detect.detectors.base.Detector`.
    """

    def __init__(
        self,
        path: Path,
        content_hash: str,
        facts: ModelFacts,
        asked: Asked,
        *,
        shape: Sequence[Any],
        half: bool,
        runtime: str,
        run: Callable[[Planes], Sequence[Raw]],
    ) -> None:
        self.content_hash, self.facts, self.names = content_hash, facts, facts.names
        self.thresholds = Thresholds.choose(facts, asked.threshold, asked.thresholds)
        self.threshold = self.thresholds.lowest
        self.runtime = runtime
        self._asked, self._path, self._run = asked, path, run
        self._dtype = np.float16 if half else np.float32
        sizes = [size if isinstance(size, int) and size > 0 else None for size in shape]
        if len(sizes) != 4 or sizes[1] != 3:
            raise DetectorError(
                "The model does not take one RGB picture",
                where=str(path),
                hint=f"It takes {' x '.join(map(str, shape)) or 'nothing'}; not batch x 3 x height x width.",
            )
        self._batch, _, height, width = sizes
        self.fixed_tile_px = (width, height) if width is not None and height is not None else None
        self._check_size()

    def _check_size(self) -> None:
        width, height = self.fixed_tile_px or (1, 1)
        if max(width, height) > _MAX_TILE_PX or (self._batch or 1) * width * height * 12 > _MAX_INPUT_BYTES:
            raise DetectorError(
                f"The model takes {self._batch or 1} pictures of {width}x{height} pixels at once, which is too much",
                where=str(self._path),
                hint="Export it for tiles of 640 pixels, or with dynamic axes.",
            )

    def detect_batch(self, tiles: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """Detections of each tile, in its own pixels; tiles are RGB (height, width, 3) and of one size."""
        if not tiles:
            return []
        step = self._batch or len(tiles)
        found: list[Detections] = []
        for first in range(0, len(tiles), step):
            part = tiles[first : first + step]
            height, width = part[0].shape[:2]
            outputs = self._infer(part, step)
            found += [self._decode([output[row] for output in outputs], width, height) for row in range(len(part))]
        return found

    def _infer(self, tiles: Sequence[npt.NDArray[np.uint8]], rows: int) -> list[Raw]:
        planes = np.zeros((rows, 3, *tiles[0].shape[:2]), self._dtype)
        for row, tile in enumerate(tiles):
            np.divide(tile.transpose(2, 0, 1), np.float32(255.0), out=planes[row], casting="same_kind")
        try:
            outputs = [np.asarray(output, dtype=np.float32) for output in self._run(planes)]
        except Exception as error:  # runtimes raise a dozen classes without a common base
            raise DetectorError(
                f"The model cannot process a tile of {planes.shape[3]}x{planes.shape[2]} pixels",
                where=str(self._path),
                hint=f"{self.runtime} says: {first_line(error)}",
            ) from error
        if not outputs or any(output.ndim < 2 or len(output) != rows for output in outputs):
            answered = ", ".join("x".join(map(str, output.shape)) or "one number" for output in outputs) or "nothing"
            raise DetectorError(
                f"The network answers with {answered}, not with an answer for each of {rows} pictures",
                where=str(self._path),
                hint="Export it with ultralytics for the task detect or obb.",
            )
        return outputs

    def _decode(self, outputs: Sequence[Raw], width_px: int, height_px: int) -> Detections:
        try:
            found = self._found(outputs, width_px, height_px)
        except DetectorError as error:
            raise DetectorError(error.what, where=str(self._path), hint=error.hint) from error
        return above(found, self.thresholds)

    def _found(self, outputs: Sequence[Raw], width_px: int, height_px: int) -> Detections:
        classes, limit, iou = len(self.names), self._asked.limit, self._asked.iou
        size: npt.NDArray[Any] = np.array([width_px, height_px], np.float32)
        if self.facts.task == POINTS:
            points, scores, class_ids = decode_points(
                outputs, classes, threshold=self.threshold, limit=limit, tile_px=(width_px, height_px)
            )
            points = np.clip(points, 0.0, size)
            boxes = squares(points, self.facts.point_px)
            return sorted_detections(boxes, scores, class_ids, self.names, self.content_hash, points_px=points)
        if self.facts.task == ORIENTED:
            corners, scores, class_ids = decode_oriented(
                outputs[0], classes, threshold=self.threshold, iou=iou, limit=limit
            )
            boxes = np.clip(around(corners), 0.0, np.tile(size, 2))
            return sorted_detections(boxes, scores, class_ids, self.names, self.content_hash, corners_px=corners)
        boxes, scores, class_ids = decode_head(
            outputs[0], classes, threshold=self.threshold, iou=iou, limit=limit,
            end_to_end=self.facts.end_to_end, tile_px=(width_px, height_px),
        )  # fmt: skip
        boxes = np.clip(boxes, 0.0, np.tile(size, 2))
        return sorted_detections(boxes, scores, class_ids, self.names, self.content_hash)


def above(found: Detections, thresholds: Thresholds) -> Detections:
    """The rows that reach the threshold of their label: a box is taken for its likeliest class, or for nothing."""
    if not thresholds.named:
        return found
    return found.take(found.scores > thresholds.by_class[found.class_ids])


def first_line(error: BaseException) -> str:
    """What an error of another library says, in one line of bounded length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text[:300]
