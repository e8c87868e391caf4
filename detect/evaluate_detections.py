"""How good detections are against labels: precision, recall, average precision, and the error of the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt

from detect.detectors.heads import pairwise_iou
from detect.labels.labelled import ImageLabels, LabelSet
from flightplan.errors import DetectorError
from flightplan.frames import Floats

DEFAULT_MATCH_IOU = 0.5
DEFAULT_RADIUS_PX = 20.0
SIZE_EDGES_PX = (0.0, 8.0, 16.0, 32.0, 64.0, 128.0, np.inf)
"""Of the square root of a box's area."""

_RECALLS = np.linspace(0.0, 1.0, 101)

Frames = Literal["truth", "both", "all"]
Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Matching:
    """When a detection is right: its box overlaps a true one by `iou`, or its centre is within `radius_px` of it."""

    iou: float = DEFAULT_MATCH_IOU
    radius_px: float | None = None


@dataclass(frozen=True)
class Figures:
    """How good detections are from one score on; None where nothing can be said, having nothing to divide by.

    `mae`, `rmse` and `bias` are of the number per frame, detections less truth. `n_truth`, `n_found` and `n_right` are
    sums over all frames.
    """

    threshold: float
    n_truth: int
    n_found: int
    n_right: int
    precision: float | None
    recall: float | None
    f1: float | None
    mae: float
    rmse: float
    bias: float


@dataclass(frozen=True)
class Scored:
    """One label, size or everything: `map50` over all scores, the figures as asked and at the score of the best F1."""

    map50: float | None
    given: Figures
    best: Figures


@dataclass(frozen=True)
class DetectionEvaluation:
    """What `evaluate_detections` gives.

    `all_labels` sums over labels, its `map50` is their mean over those that truth has; its best threshold is one for
    all, while each label's best is its own. `sizes` is by the size of the true box, in pixels, or of the false one.
    `frames` counts: scored, only in truth, only in the detections; `scored_frames` says whose were scored.
    `marks` is every mark with what it matched, for whoever looks closer.
    """

    matching: Matching
    all_labels: Scored
    labels: Mapping[str, Scored]
    sizes: Mapping[str, Scored]
    frames: Mapping[str, int]
    scored_frames: Frames
    marks: Marks = field(repr=False, compare=False)


def evaluate_detections(
    found: LabelSet,
    truth: LabelSet,
    *,
    threshold: float = 0.0,
    thresholds: Mapping[str, float] | None = None,
    matching: Matching | None = None,
    frames: Frames | None = None,
) -> DetectionEvaluation:
    """Compare detections with truth, frame by frame, label by label, one to one.

    Detections of a label take turns by falling score, each taking the closest true mark that is still free: by overlap,
    or by the distance of centres where `matching` has a radius, or where either side are points (then 20 px). Average
    precision is interpolated at 101 recalls as COCO does (Lin et al. 2014), at the one overlap or radius. `thresholds`
    are those of labels that have another than `threshold`. `frames` are
    those of both sides (one that the detections do not mention was not searched), those of truth (it was, in vain), or
    of either; by default both, and truth where the detections' format has no word for finding nothing. Raises
    DetectorError where there is nothing to compare.
    """
    rule = matching or Matching()
    if rule.radius_px is None and (truth.points or found.points):
        rule = replace(rule, radius_px=DEFAULT_RADIUS_PX)
    whose: Frames = frames or ("truth" if found.silence_is_empty else "both")
    pairs, counts = _frames(found, truth, whose)
    names = tuple(sorted({*truth.names, *found.names}))
    marks = Marks.of(pairs, names, rule)
    least = np.array([(thresholds or {}).get(name, threshold) for name in names])
    labels = {name: marks.scored(marks.truth_label == i, marks.label == i, least[i]) for i, name in enumerate(names)}
    everything = np.ones(len(marks.truth_label), bool), np.ones(len(marks.label), bool)
    total = marks.scored(*everything, threshold, least[marks.label])
    known = [labels[name].map50 for name in truth.names if name in labels]
    precisions = [value for value in known if value is not None]
    total = replace(total, map50=float(np.mean(precisions)) if precisions else None)
    sizes = {} if truth.points or found.points else marks.by_size(threshold, least[marks.label])
    return DetectionEvaluation(rule, total, labels, sizes, counts, whose, marks)


@dataclass(frozen=True)
class Marks:
    """All marks of all frames in flat arrays, one row each.

    `frame` and `truth_frame` number the `pictures`, pairs of (detections, truth); `label` and `truth_label` number
    `names`. Boxes are (N, 4) in pixels, `size` the square root of their area. `taken` is the true mark of its label
    that a detection matched, or -1.
    """

    names: tuple[str, ...]
    pictures: Sequence[tuple[ImageLabels, ImageLabels]]
    truth_frame: Ids
    truth_label: Ids
    truth_boxes: Floats
    frame: Ids
    label: Ids
    score: Floats
    boxes: Floats
    taken: Ids

    @classmethod
    def of(cls, pairs: Sequence[tuple[ImageLabels, ImageLabels]], names: tuple[str, ...], rule: Matching) -> Marks:
        """Match the marks of each picture, label by label."""
        ids = {name: i for i, name in enumerate(names)}
        ours = [found for found, _ in pairs]
        theirs = [true for _, true in pairs]
        first = np.cumsum([0, *(len(found) for found in ours)])
        first_true = np.cumsum([0, *(len(true) for true in theirs)])
        rows: list[Ids] = []
        columns: list[Ids] = []
        nearness: list[Floats] = []
        for n, (found, true) in enumerate(pairs):
            close, allowed = closeness(found.boxes_px, true.boxes_px, rule)
            a = np.array([ids[name] for name in found.labels], dtype=np.int64)
            b = np.array([ids[name] for name in true.labels], dtype=np.int64)
            i, j = np.nonzero(allowed & (a[:, None] == b[None, :]))
            rows.append(i + first[n])
            columns.append(j + first_true[n])
            nearness.append(close[i, j])
        score = np.concatenate([found.scores for found in ours])
        taken = match(np.concatenate(rows), np.concatenate(columns), np.concatenate(nearness), score, first_true[-1])
        return cls(
            names,
            pairs,
            np.repeat(np.arange(len(pairs)), np.diff(first_true)),
            np.array([ids[name] for true in theirs for name in true.labels], dtype=np.int64),
            np.concatenate([true.boxes_px for true in theirs]),
            np.repeat(np.arange(len(pairs)), np.diff(first)),
            np.array([ids[name] for found in ours for name in found.labels], dtype=np.int64),
            score,
            np.concatenate([found.boxes_px for found in ours]),
            taken,
        )

    @property
    def right(self) -> Flags:
        """Whether each detection matched a true mark of its label."""
        return np.asarray(self.taken >= 0)

    def scored(self, truth: Flags, found: Flags, threshold: float, least: Floats | None = None) -> Scored:
        """The figures of some true marks and some detections; `least` is each detection's own threshold."""
        score, right, n_truth = self.score[found], self.taken[found] >= 0, int(truth.sum())
        return Scored(
            average_precision(score, right, n_truth),
            self._figures(truth, found, threshold, least),
            self._figures(truth, found, _best_threshold(score, right, n_truth)),
        )

    def by_size(self, threshold: float, least: Floats) -> dict[str, Scored]:
        """By the size of the true mark; a false detection counts by its own."""
        size, truth_size = _size(self.boxes), _size(self.truth_boxes)
        size[self.right] = truth_size[self.taken[self.right]]
        return {
            f"{low:g}+" if np.isinf(high) else f"{low:g}-{high:g}": self.scored(
                (truth_size >= low) & (truth_size < high), (size >= low) & (size < high), threshold, least
            )
            for low, high in pairwise(SIZE_EDGES_PX)
        }

    def _figures(self, truth: Flags, found: Flags, threshold: float, least: Floats | None = None) -> Figures:
        kept = found & (self.score >= (threshold if least is None else least))
        n_truth, n_found, n_right = int(truth.sum()), int(kept.sum()), int((self.taken[kept] >= 0).sum())
        error = np.bincount(self.frame[kept], minlength=len(self.pictures)) - np.bincount(
            self.truth_frame[truth], minlength=len(self.pictures)
        )
        return Figures(
            float(threshold),
            n_truth,
            n_found,
            n_right,
            n_right / n_found if n_found else None,
            n_right / n_truth if n_truth else None,
            2 * n_right / (n_truth + n_found) if n_truth + n_found else None,
            float(np.abs(error).mean()),
            float(np.sqrt((error**2).mean())),
            float(error.mean()),
        )


def match(rows: Ids, columns: Ids, nearness: Floats, score: Floats, n_truth: int) -> Ids:
    """The true mark that each detection takes, or -1, from pairs (row, column) that may match.

    The best score chooses first, the closest that is free; found by deferred acceptance (Gale and Shapley 1962), where
    every detection asks for its next choice at once and a true mark keeps the best of those that ask: all true marks
    rank alike, so its one stable matching is that of taking turns.
    """
    taken = np.full(len(score), -1, dtype=np.int64)
    rank = np.empty(len(score), dtype=np.int64)
    rank[np.argsort(-score, kind="stable")] = np.arange(len(score))
    order = np.lexsort((columns, -nearness, rows))
    rows, columns = rows[order], columns[order]
    next_choice = np.searchsorted(rows, np.arange(len(score)))
    end = np.searchsorted(rows, np.arange(len(score)), side="right")
    holder = np.full(n_truth, -1, dtype=np.int64)
    asking = np.flatnonzero(next_choice < end)
    while len(asking):
        wanted = columns[next_choice[asking]]
        next_choice[asking] += 1
        by_rank = np.argsort(rank[asking], kind="stable")
        asking, wanted = asking[by_rank], wanted[by_rank]
        asked, first = np.unique(wanted, return_index=True)
        ahead, held = asking[first], holder[asked]
        wins = (held < 0) | (rank[ahead] < rank[held])
        holder[asked[wins]] = ahead[wins]
        sent_away = np.setdiff1d(np.concatenate([asking, held[held >= 0]]), holder, assume_unique=False)
        asking = sent_away[next_choice[sent_away] < end[sent_away]]
    held_marks = np.flatnonzero(holder >= 0)
    taken[holder[held_marks]] = held_marks
    return taken


def average_precision(score: Floats, right: Flags, n_truth: int) -> float | None:
    """Precision averaged over 101 recalls from 0 to 1; None where truth has none. After COCO's own evaluation."""
    if n_truth == 0:
        return None
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(right[order])
    recall = hits / n_truth
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(envelope, 0.0)[at].mean())


def _best_threshold(score: Floats, right: Flags, n_truth: int) -> float:
    """The score from which F1 is highest, the highest of several; 0 without detections."""
    if not len(score):
        return 0.0
    order = np.argsort(-score, kind="stable")
    values, hits = score[order], np.cumsum(right[order])
    f1 = 2 * hits / (n_truth + np.arange(1, len(values) + 1))
    last_of_score = np.append(values[1:] < values[:-1], True)
    ends = np.flatnonzero(last_of_score)
    return float(values[ends[np.argmax(f1[ends])]])


def closeness(ours: Floats, theirs: Floats, rule: Matching) -> tuple[Floats, Flags]:
    """How close each of `ours` (N, 4) is to each of `theirs` (M, 4), and whether that is a match, both (N, M)."""
    if rule.radius_px is None:
        iou = np.asarray(_iou(ours, theirs))
        return iou, iou >= rule.iou
    apart = (ours[:, None, :2] + ours[:, None, 2:] - theirs[None, :, :2] - theirs[None, :, 2:]) / 2.0
    distance = np.hypot(apart[..., 0], apart[..., 1])
    return -distance, distance <= rule.radius_px


def _iou(ours: Floats, theirs: Floats) -> Floats:
    return np.asarray(pairwise_iou(ours, theirs), dtype=np.float64)  # type: ignore[arg-type]


def _size(boxes: Floats) -> Floats:
    size: Floats = np.sqrt(np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None).prod(axis=1))
    return size


def _frames(
    found: LabelSet, truth: LabelSet, frames: Frames
) -> tuple[list[tuple[ImageLabels, ImageLabels]], dict[str, int]]:
    ours, theirs = _same_names(found, truth)
    both = [name for name in theirs if name in ours]
    only_truth = [name for name in theirs if name not in ours]
    only_found = [name for name in ours if name not in theirs]
    if not both:
        raise DetectorError(
            "The detections and the truth have no picture in common",
            where=f"{next(iter(found.images))} and {next(iter(truth.images))}",
        )
    scored = sorted(both + (only_truth if frames != "both" else []) + (only_found if frames == "all" else []))
    counts = {
        "scored": len(scored),
        "only_in_truth": len(only_truth),
        "only_in_detections": len(only_found),
    }
    nothing = ImageLabels("", np.empty((0, 4)), (), np.empty(0))
    return [(ours.get(name, nothing), theirs.get(name, nothing)) for name in scored], counts


def _same_names(found: LabelSet, truth: LabelSet) -> tuple[dict[str, ImageLabels], dict[str, ImageLabels]]:
    """Both sides by as much of their pictures' paths as tells them apart: folders above that may differ."""
    sides = [{_parts(name): image for name, image in labels.images.items()} for labels in (found, truth)]
    deepest = max((len(parts) for side in sides for parts in side), default=1)
    for kept in range(1, deepest + 1):
        shortened = [{"/".join(parts[-kept:]): image for parts, image in side.items()} for side in sides]
        if all(len(short) == len(labels.images) for short, labels in zip(shortened, (found, truth), strict=True)):
            return shortened[0], shortened[1]
    raise DetectorError("Two pictures of one side have the same name", hint="Put their folders into the labels.")


def _parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name.replace("\\", "/"))
    suffix = path.suffix.lower() in (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
    return (*path.parent.parts, path.stem if suffix else path.name)
