"""How precision, recall, F1 and the count change with the score from which detections count: a table and a drawing."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detect.evaluate_detections import Marks
from flightplan.frames import Floats

STEPS = 200
_WIDTH, _HEIGHT, _MARGIN = 640.0, 360.0, 48.0
_COLOURS = {"precision": "#1b6ca8", "recall": "#c1502e", "f1": "#2a2a2a"}


@dataclass(frozen=True)
class ConfidenceCurve:
    """Figures of one label, or of all, at each of some thresholds, all (N,).

    Not a number where there is nothing to divide by. `found_ratio` is detections over true marks: 1 where the count is
    right on average.
    """

    label: str
    threshold: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    found_ratio: Floats


def confidence_curves(marks: Marks, *, steps: int = STEPS) -> tuple[ConfidenceCurve, ...]:
    """The curve of all labels first, named "all", then of each, at thresholds from the lowest score to the highest."""
    everything = np.ones(len(marks.score), bool), len(marks.truth_label)
    groups = [("all", *everything)] + [
        (name, marks.label == i, int((marks.truth_label == i).sum())) for i, name in enumerate(marks.names)
    ]
    return tuple(_curve(label, marks.score[of], marks.right[of], n_truth, steps) for label, of, n_truth in groups)


def write_curves(curves: Sequence[ConfidenceCurve], folder: Path) -> tuple[Path, Path]:
    """Write `confidence.csv` and `confidence.svg` into a folder; returns their paths."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["label", "threshold", "precision", "recall", "f1", "found_ratio"])
    for curve in curves:
        columns = (curve.threshold, curve.precision, curve.recall, curve.f1, curve.found_ratio)
        for values in zip(*columns, strict=True):
            rows.writerow([curve.label, *("" if np.isnan(value) else f"{value:.5f}" for value in values)])
    paths = folder / "confidence.csv", folder / "confidence.svg"
    paths[0].write_text(table.getvalue(), encoding="utf-8")
    paths[1].write_text(drawn(curves), encoding="utf-8")
    return paths


def drawn(curves: Sequence[ConfidenceCurve]) -> str:
    """The curves as one SVG, a panel for each label."""
    panels = [_panel(curve, number * _HEIGHT) for number, curve in enumerate(curves)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT * len(curves):g}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        + "".join(panels)
        + "</svg>\n"
    )


def _curve(label: str, score: Floats, right: npt.NDArray[np.bool_], n_truth: int, steps: int) -> ConfidenceCurve:
    order = np.argsort(-score, kind="stable")
    falling, hits = score[order], np.concatenate([[0], np.cumsum(right[order])])
    threshold = np.linspace(falling[-1], falling[0], steps) if len(falling) else np.zeros(1)
    found = np.searchsorted(-falling, -threshold, side="right")
    n_right = hits[found]
    with np.errstate(divide="ignore", invalid="ignore"):
        return ConfidenceCurve(
            label,
            threshold,
            n_right / np.where(found > 0, found, np.nan),
            n_right / (n_truth or np.nan),
            2.0 * n_right / np.where(found + n_truth > 0, found + n_truth, np.nan),
            found / (n_truth or np.nan),
        )


def _panel(curve: ConfidenceCurve, top: float) -> str:
    left, right = _MARGIN, _WIDTH - _MARGIN
    base, height = top + _HEIGHT - _MARGIN, _HEIGHT - 2 * _MARGIN
    low, high = float(curve.threshold[0]), float(curve.threshold[-1])
    span = (high - low) or 1.0
    x = left + (curve.threshold - low) / span * (right - left)
    parts = [f'<text x="{left:g}" y="{base - height - 16:g}" font-weight="bold">{escape(curve.label)}</text>']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = base - share * height
        parts.append(f'<path d="M{left:g} {y:g}H{right:g}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8:g}" y="{y + 4:g}" text-anchor="end" fill="#555">{share:g}</text>')
        at = left + share * (right - left)
        parts.append(
            f'<text x="{at:g}" y="{base + 18:g}" text-anchor="middle" fill="#555">{low + share * span:.2f}</text>'
        )
    for number, (name, colour) in enumerate(_COLOURS.items()):
        values = getattr(curve, name)
        known = ~np.isnan(values)
        if known.any():
            points = " ".join(f"{a:.1f},{base - b * height:.1f}" for a, b in zip(x[known], values[known], strict=True))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        word = "F1" if name == "f1" else name
        at = right - 170 + 70 * number
        parts.append(f'<text x="{at:g}" y="{base - height - 16:g}" fill="{colour}">{word}</text>')
    parts.append(f'<text x="{(left + right) / 2:g}" y="{base + 36:g}" text-anchor="middle" fill="#555">score</text>')
    return "\n".join(parts) + "\n"
