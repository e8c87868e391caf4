"""How far two people who looked at the same frames agree (Cohen 1960; weighted: Cohen 1968)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flightplan.errors import EstimateError
from flightplan.frames import Floats


@dataclass(frozen=True)
class ReviewerAgreement:
    """Two people over `frames` frames that both counted.

    `presence_kappa` is Cohen's κ of "any there" against "none", `count_kappa` the linearly weighted κ of the numbers;
    None where chance alone would have them agree always (both saw none anywhere), with `same` still the share of frames
    with equal counts. `first_total` and `second_total` are the animals each counted.
    """

    frames: int
    same: float | None
    presence_kappa: float | None
    count_kappa: float | None
    first_total: int
    second_total: int


def compare_reviewers(first: npt.ArrayLike, second: npt.ArrayLike) -> ReviewerAgreement:
    """Compare what two people counted, (n,) each, frame by frame."""
    a, b = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if a.shape != b.shape or a.ndim != 1 or np.any(a < 0) or np.any(b < 0):
        raise EstimateError("each frame needs one count of each person, none negative", where="agreement of reviewers")
    if not len(a):
        return ReviewerAgreement(0, None, None, None, 0, 0)
    return ReviewerAgreement(
        frames=len(a),
        same=float((a == b).mean()),
        presence_kappa=_kappa(np.minimum(a, 1), np.minimum(b, 1)),
        count_kappa=_kappa(a, b),
        first_total=int(a.sum()),
        second_total=int(b.sum()),
    )


def _kappa(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> float | None:
    """1 − Σ w·observed / Σ w·expected with w = |i − j|; of two categories it is Cohen's own."""
    observed = float(np.abs(a - b).mean())
    values, weights_a = np.unique(a, return_counts=True)
    others, weights_b = np.unique(b, return_counts=True)
    apart: Floats = np.abs(values[:, None] - others[None, :]).astype(np.float64)
    expected = float(weights_a @ apart @ weights_b) / len(a) ** 2
    return 1 - observed / expected if expected > 0 else None
