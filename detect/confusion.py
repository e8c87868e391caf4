"""What was taken for what: true labels against found ones, with the background on both sides."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detect.evaluate_detections import Marks, Matching, closeness, match
from flightplan.frames import Floats

BACKGROUND = "background"

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Confusion:
    """Numbers of marks (L + 1, L + 1): row the true label, column the found one, the last of each the background.

    The last column is what was missed, the last row what was found where nothing is; the corner is 0. `taken_for` is,
    for each detection, the true mark that it is right about or took for another, or -1.
    """

    names: tuple[str, ...]
    counts: Ids
    taken_for: Ids


def confusion(marks: Marks, rule: Matching, least: Floats | float) -> Confusion:
    """Count what detections from `least` on ((N,) or one score for all) were taken for.

    A detection that matched a true mark of its label stays with it, so the diagonal is what precision and recall count;
    the others and the true marks left over are matched by the same rule whatever their labels.
    """
    kept = marks.score >= least
    taken_for = np.where(kept, marks.taken, -1)
    free = np.ones(len(marks.truth_label), bool)
    free[taken_for[taken_for >= 0]] = False
    rows, columns, close = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    ours, theirs = np.flatnonzero(kept & (taken_for < 0)), np.flatnonzero(free)
    first = np.searchsorted(marks.frame[ours], np.arange(len(marks.pictures) + 1))
    first_true = np.searchsorted(marks.truth_frame[theirs], np.arange(len(marks.pictures) + 1))
    for n in np.flatnonzero((np.diff(first) > 0) & (np.diff(first_true) > 0)):
        here, there = ours[first[n] : first[n + 1]], theirs[first_true[n] : first_true[n + 1]]
        near, allowed = closeness(marks.boxes[here], marks.truth_boxes[there], rule)
        i, j = np.nonzero(allowed)
        rows.append(here[i])
        columns.append(there[j])
        close.append(near[i, j])
    other = match(
        np.concatenate(rows), np.concatenate(columns), np.concatenate(close), marks.score, len(marks.truth_label)
    )
    taken_for = np.where(taken_for >= 0, taken_for, other)
    size = len(marks.names)
    counts = np.zeros((size + 1, size + 1), np.int64)
    true = np.append(marks.truth_label, size)[taken_for]
    np.add.at(counts, (true[kept], marks.label[kept]), 1)
    seen = np.zeros(len(marks.truth_label), bool)
    seen[taken_for[taken_for >= 0]] = True
    counts[:size, size] = np.bincount(marks.truth_label[~seen], minlength=size)
    return Confusion(marks.names, counts, taken_for)


def write_confusion(found: Confusion, path: Path) -> None:
    """Write it as CSV: a row for each true label, the background last."""
    names = [*found.names, BACKGROUND]
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["true \\ found", *names])
        rows.writerows([name, *row] for name, row in zip(names, found.counts.tolist(), strict=True))
