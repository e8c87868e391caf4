"""Each survey's estimate by the estimator that the tool chooses by itself, and by others that are in use beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from counts.estimators import EncounterVariance, Estimate, LimitForm
from counts.population import Estimation, estimate_population
from counts.verification import Correction
from sim.virtual.recipe import Inhabitants, WorldRecipe
from sim.virtual.surveys import Counted, SpeciesCount

CHOSEN = "chosen"

ESTIMATORS: Mapping[str, str] = {
    CHOSEN: "what `overfly count` does unasked: Jolly 2, corrected by the checked frames, log-normal limits",
    "t limits": "the same with symmetric t limits",
    "O2": "the same with the variance of neighbouring lines (Fewster et al. 2009, O2)",
    "plain spread": "the same, the error of sampling multiplied by the correction's factor alone",
    "card": "the count times the precision over the recall of the detector's card; no frames are checked",
    "not corrected": "the count as it is: Jolly 2, log-normal limits",
    "all seen": "what a detector without a fault would have left to do: Jolly 2 of the animals in the strips",
}
"""What is scored, and what each is."""


@dataclass(frozen=True)
class Result:
    """One estimate of a species' total beside the truth; limits are None where the estimator gives none."""

    truth: float
    value: float | None
    lower: float | None
    upper: float | None
    cv: float | None

    @classmethod
    def of(cls, truth: float, found: Estimate) -> Result:
        """Take an estimate."""
        return cls(truth, found.value, found.lower, found.upper, found.cv)


def estimate_all(survey: Counted, recipe: WorldRecipe) -> dict[str, dict[str, Result]]:
    """Estimate the total of every species by every estimator: species, then estimator."""
    kinds = {kind.name: kind for kind in recipe.species}
    return {
        one.name: {
            name: Result.of(float(sum(one.truth.values())), _ESTIMATORS[name](survey, one, kinds[one.name]))
            for name in ESTIMATORS
        }
        for one in survey.species
    }


def _total(survey: Counted, one: SpeciesCount, by: Correction | None, how: Estimation | None = None) -> Estimate:
    return estimate_population(
        one.name,
        one.transect,
        survey.effort,
        survey.drawn.lines,
        survey.drawn.strata,
        by,
        verified=one.seen if by is not None else None,
        how=how,
        availability=one.availability,
    ).total


def _by_card(survey: Counted, one: SpeciesCount, kind: Inhabitants) -> Estimate:
    recall = kind.recall if kind.stated_recall is None else kind.stated_recall
    precision = kind.precision if kind.stated_precision is None else kind.stated_precision
    card = Correction("detection", precision / recall, 0.0, 1.0, "card", "card")
    return _total(survey, one, card)


def _all_seen(survey: Counted, one: SpeciesCount) -> SpeciesCount:
    """The same survey, had it found every animal in the strips once and nothing else."""
    classes = one.availability
    if classes is not None:
        strata = np.array([classes.names.index(name) for name in survey.drawn.lines.strata], dtype=np.int64)
        classes = replace(classes, of=strata[one.in_strips])
    return replace(one, transect=one.in_strips, availability=classes)


_ESTIMATORS: Mapping[str, Callable[[Counted, SpeciesCount, Inhabitants], Estimate]] = {
    CHOSEN: lambda survey, one, _: _total(survey, one, one.correction),
    "t limits": lambda survey, one, _: _total(survey, one, one.correction, Estimation(form=LimitForm.T)),
    "O2": lambda survey, one, _: _total(survey, one, one.correction, Estimation(spread=EncounterVariance.O2)),
    "plain spread": lambda survey, one, _: _total(survey, one, replace(one.correction, response=None)),
    "card": _by_card,
    "not corrected": lambda survey, one, _: _total(survey, one, None),
    "all seen": lambda survey, one, _: _total(survey, _all_seen(survey, one), None),
}
