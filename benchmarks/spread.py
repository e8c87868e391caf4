"""Score the variance between systematic lines: which form holds its limits where density has a trend, and where not.

    python benchmarks/spread.py --surveys 2000

A stratum is 60 strips side by side, of which every fifth is flown from a random start. Animals in a strip are negative
binomial (size `--clumping`: herds short against the spacing of lines) around a density that rises `--ratio` times over
the stratum, or does not. Each survey's total goes through `counts.estimators.jolly2` with log-normal limits. Prints one
JSON document: coverage of 95 % limits, mean CV over the real one, and how often the rule of `--spread auto` took O2.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from counts.estimators import EncounterVariance, LimitForm, jolly2
from counts.spread_rule import spread_of
from flightplan.design import SYSTEMATIC
from flightplan.frames import Floats

STRIPS, EVERY, MEAN = 60, 5, 12.0
FORMS = ("random sample", EncounterVariance.S2, EncounterVariance.O2, EncounterVariance.SUCCESSIVE, "auto")
SHAPES = ("none", "rising", "in the middle")


def survey(rng: np.random.Generator, shape: str, ratio: float, clumping: float) -> tuple[Floats, float]:
    """Return the animals on each line flown, and those of the stratum."""
    x = (np.arange(STRIPS) + 0.5) / STRIPS
    along = {"none": np.zeros(STRIPS), "rising": x, "in the middle": 1 - np.abs(2 * x - 1)}[shape]
    mean = ratio**along
    mean *= MEAN / mean.mean()
    animals = rng.poisson(rng.gamma(clumping, mean / clumping)).astype(np.float64)
    return animals[rng.integers(EVERY) :: EVERY], float(animals.sum())


def score(surveys: int, shape: str, ratio: float, clumping: float, seed: int) -> dict[str, Any]:
    """Fly the surveys of one kind of world and score each form."""
    rng = np.random.default_rng([seed, SHAPES.index(shape), int(ratio * 100), int(clumping * 100)])
    inside = dict.fromkeys(map(str, FORMS), 0)
    cvs: dict[str, list[float]] = {str(form): [] for form in FORMS}
    off, taken, used = [], 0, 0
    for _ in range(surveys):
        counts, truth = survey(rng, shape, ratio, clumping)
        areas = np.ones(len(counts))
        chosen, _why = spread_of(SYSTEMATIC, counts, areas, follow_trend=True)
        if not counts.sum() > 0:
            continue
        used += 1
        taken += chosen is not None
        off.append(counts.sum() * EVERY / truth - 1)
        for form in FORMS:
            spread = chosen if form == "auto" else form if isinstance(form, EncounterVariance) else None
            found = jolly2(counts, areas, STRIPS, STRIPS, spread=spread, form=LimitForm.LOGNORMAL)
            if found.lower is not None and found.upper is not None and found.cv is not None:
                inside[str(form)] += found.lower <= truth <= found.upper
                cvs[str(form)].append(found.cv)
    real = float(np.std(off))
    return {
        "shape": shape,
        "ratio": ratio,
        "clumping": clumping,
        "surveys": used,
        "took_O2": taken / used,
        "real_cv": real,
        "coverage": {name: number / used for name, number in inside.items()},
        "cv_over_real": {name: float(np.mean(each)) / real for name, each in cvs.items()},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--surveys", type=int, default=2000)
    parser.add_argument("--ratio", type=float, nargs="+", default=[4.0, 20.0])
    parser.add_argument("--clumping", type=float, nargs="+", default=[2.0, 20.0])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    worlds = [("none", 1.0), *((shape, ratio) for shape in SHAPES[1:] for ratio in given.ratio)]
    rows = [score(given.surveys, *world, clumping, given.seed) for world in worlds for clumping in given.clumping]
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
