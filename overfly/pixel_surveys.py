"""Virtual surveys with pictures: every frame rendered, brought in, looked at and counted by the chain itself.

What `sim.virtual` does with geometry and a detector's errors is done here with pixels and the detector: slower by a
thousand, to see that both agree.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import shapely

from counts.census import Census
from counts.estimators import EncounterVariance, LimitForm
from counts.population import Estimation
from detect.detectors import load_detector
from detect.models import shipped_model
from detect.sources import hash_file
from flightplan.errors import DesignError
from flightplan.plain_values import to_plain
from flightplan.plan import SurveyPlan
from overfly.chain import Counted, FrameToCheck, Verifier, count_survey, detect_survey, ingest
from sim.camera import AnimalLabel
from sim.flights import FrameTruth, render_flight
from sim.photographs import Shot
from sim.shots import planned_shots
from sim.virtual.estimating import CHOSEN, Result
from sim.virtual.flights import START_S
from sim.virtual.populations import Ground, populate
from sim.virtual.recipe import WorldRecipe
from sim.virtual.runs import Row

SURVEY = "virtual"
CHECKER = "the simulator, in place of a person"

BESIDE: Mapping[str, Estimation] = {
    "t limits": Estimation(form=LimitForm.T),
    "O2": Estimation(spread=EncounterVariance.O2),
}


@dataclass(frozen=True)
class WithPictures:
    """The full path: the plan photographed over the same worlds as the fast path's, by the shipped detector or `model`.

    Each survey is made in a folder of its own, which goes when it is done, or stays under `keep`.
    """

    plan: SurveyPlan
    recipe: WorldRecipe
    model: Path | None = None
    keep: Path | None = None

    def __post_init__(self) -> None:
        for kind in self.recipe.species:
            if not kind.has_body:
                raise DesignError(
                    f"no picture shows a {kind.name}", hint='Say whose body it has: body = "zebra" or "elephant"'
                )
            if any(share < 1 for share in kind.availability.values()):
                raise DesignError(
                    f"pictures show every {kind.name}: its availability is that of the fast path alone",
                    hint="Leave `availability` out, or --pixels",
                )

    def open(self) -> Callable[[int], Row]:
        """Load the detector, and work out what all surveys share."""
        ground, model = Ground.of(self.plan.area), self.model or shipped_model()
        detector = load_detector(model, threads=1)

        def survey(seed: int) -> Row:
            world = populate(ground, self.recipe, seed)
            shots = planned_shots(self.plan, seed, START_S)
            with ExitStack() as stack:
                if self.keep is None:
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overfly-survey-")))
                else:
                    folder = self.keep / f"survey-{seed}"
                truths: dict[str, FrameTruth] = {}
                for sortie, some in groupby(shots, key=_sorties(self.plan)):
                    for truth in render_flight(world, list(some), self.plan.camera, folder / "images" / sortie, jobs=1):
                        truths[f"{sortie}/{truth.frame}"] = truth
                census = stack.enter_context(Census.open(str(folder / "census.gpkg")))
                ingest(census, SURVEY, [folder / "images"], plan=self.plan)
                detect_survey(census, detector, name=model.name, survey=SURVEY, workers=1)
                found = self._estimates(census, truths, seed)
            truth_of = {name: float(sum(strata.values())) for name, strata in world.truth().items()}
            return {
                name: {estimator: _result(counted, name, truth_of[name]) for estimator, counted in found.items()}
                for name in truth_of
            }

        return survey

    def _estimates(self, census: Census, truths: Mapping[str, FrameTruth], seed: int) -> dict[str, Counted]:
        names = [kind.name for kind in self.recipe.species]
        counting = self.recipe.counting

        def count(verifier: Verifier | None, how: Estimation | None = None) -> Counted:
            return count_survey(
                census,
                survey=SURVEY,
                species=names,
                verifier=verifier,
                who=CHECKER,
                verify_positive=counting.verify_positive,
                verify_zero=counting.verify_zero,
                speed_limit_mps=counting.speed_limit_mps,
                seed=seed,
                how=how,
            )

        plain = count(None)
        checker = checked_by(truths)
        return {
            CHOSEN: count(checker),
            **{name: count(checker, how) for name, how in BESIDE.items()},
            "not corrected": plain,
        }

    def fingerprint(self) -> str:
        """The hash of plan, world and model."""
        said = [to_plain(self.plan), asdict(self.recipe), hash_file(self.model or shipped_model())]
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def checked_by(truths: Mapping[str, FrameTruth]) -> Verifier:
    """The stand-in for a person: counts the animals whose middle lies in the core zone of each frame drawn.

    `truths` are those of the frames by "folder/file".
    """

    def check(frames: Sequence[FrameToCheck]) -> dict[int, dict[str, int]]:
        answers: dict[int, dict[str, int]] = {}
        for frame in frames:
            counts = answers.setdefault(frame.capture_id, {})
            for animal in truths[f"{frame.path.parent.name}/{frame.path.name}"].animals:
                # Not that of what shows of it, or one that the side of the picture cuts off would count too often.
                if shapely.contains_xy(frame.zone_px, *_middle(animal)):
                    counts[animal.species] = counts.get(animal.species, 0) + 1
        return answers

    return check


def _middle(animal: AnimalLabel) -> tuple[float, float]:
    x_min, y_min, x_max, y_max = animal.box_px
    return animal.middle_px or ((x_min + x_max) / 2, (y_min + y_max) / 2)


def _sorties(plan: SurveyPlan) -> Callable[[Shot], str]:
    of = {transect: s.identifier for s in reversed(plan.sorties) for transect in s.transects}
    return lambda shot: of[shot.name.rpartition("_")[0]]


def _result(counted: Counted, species: str, truth: float) -> Result:
    (found,) = [e for e in counted.estimates if e.species == species and e.stratum is None]
    return Result(truth, found.value, found.lower, found.upper, found.cv)
