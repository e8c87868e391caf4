"""How often the limits of a count by orthomosaic hold the truth: colonies drawn, detected with errors, parts checked.

Each colony stands in clumps on a mosaic of 130 by 120 m with a hole; the detector misses some, and makes some up. Parts
are cut, drawn and counted as in a census, and the limits are those of the same estimator. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

import numpy as np
import shapely

from counts.assignment import TransectLines
from counts.effort import Effort
from counts.mosaic_parts import Parts, cut_into_parts, part_side_m
from counts.population import estimate_population
from counts.verification import correction, draw_sample
from flightplan.design import StratumDesign

SHOWN = shapely.box(0, 0, 130, 120) - shapely.box(20, 30, 40, 60)
GSD_CM = 5.0


def run(colonies: int, checked: tuple[int, int], recall: float, litter: float, clumps: int) -> Mapping[str, float]:
    """Count so many colonies; `checked` parts with detections and without, `litter` made up per bird found."""
    own = np.array([SHOWN], dtype=object)
    parts = cut_into_parts(own, [SHOWN], part_side_m(SHOWN.area, GSD_CM))
    zeros = np.zeros(len(parts))
    effort = Effort(parts.areas_m2, np.ones(len(parts), dtype=np.int64), {}, {}, parts.polygons, own[:0], zeros, ())
    empty = np.empty((0, 2))
    names = tuple(map(str, range(len(parts))))
    lines = TransectLines(empty, empty, np.empty(0, dtype=np.int64), names, ("shown",) * len(parts))
    stratum = StratumDesign("shown", SHOWN.area, 0.0, None, ())
    inside, without, off, raw, width = [], 0, [], [], []
    for number in range(colonies):
        rng = np.random.default_rng([number, 0xC0])
        birds = _on(np.vstack([m + rng.normal(0, 6, (40, 2)) for m in rng.uniform((5, 5), (125, 115), (clumps, 2))]))
        # Where the ground hides birds it hides many of them: parts differ in what is missed.
        hidden = rng.beta(8 * recall, 8 * (1 - recall), len(parts))
        of = _part(parts, birds)
        seen = rng.random(len(birds)) < hidden[of]
        made_up = _on(rng.uniform((0, 0), (130, 120), (rng.poisson(litter * len(birds)), 2)))
        found = np.concatenate([of[seen], _part(parts, made_up)])
        truth, counted = (np.bincount(rows, minlength=len(parts)) for rows in (of, found))
        sample = draw_sample(counted, *checked, seed=number)
        positive = counted > 0
        factor = correction(
            truth[sample.captures], counted[sample.captures], sample.stratum, sample.stratum_sizes,
            (float(counted[~positive].sum()), float(counted[positive].sum())), source="benchmark",
        )  # fmt: skip
        population = estimate_population(
            "gull", found, effort, lines, [stratum], factor, complete=True,
            verified={"shown": float(truth[sample.captures].sum())},
        )  # fmt: skip
        whole = population.total
        raw.append(len(found) / len(birds) - 1)
        if whole.value is None or whole.lower is None or whole.upper is None:
            without += 1
            continue
        off.append(whole.value / len(birds) - 1)
        inside.append(whole.lower <= len(birds) <= whole.upper)
        width.append((whole.upper - whole.lower) / 2 / whole.value)
    return {
        "colonies": colonies,
        "parts": len(parts),
        "checked_with": checked[0],
        "checked_without": checked[1],
        "recall": recall,
        "made_up_per_bird": litter,
        "uncorrected_mean_off": round(float(np.mean(raw)), 4),
        "mean_off": round(float(np.mean(off)), 4),
        "limits_hold": round(float(np.mean(inside)), 3),
        "mean_half_width": round(float(np.mean(width)), 4),
        "without_limits": without,
    }


def _on(points: np.ndarray) -> np.ndarray:
    return points[shapely.contains_xy(SHOWN, points)]


def _part(parts: Parts, points: np.ndarray) -> np.ndarray:
    zero = np.zeros(len(points), dtype=np.int64)
    return parts.holding(points, zero, zero)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--n", type=int, default=300)
    n = asked.parse_args().n
    settings = [
        ((40, 20), 0.9, 0.05, 25),
        ((40, 20), 0.7, 0.1, 25),
        ((20, 20), 0.9, 0.05, 25),
        ((20, 10), 0.9, 0.05, 6),
    ]
    print(json.dumps([run(n, *each) for each in settings], indent=1))
