"""Score the demo's estimates: how often the 95 % limits hold the truth, how far off the mean is, how wide they are.

    python benchmarks/coverage.py --seeds 300 --processes 2          # without pictures
    python benchmarks/coverage.py --pictures 10                      # `overfly demo --seed N`, ten times

Without pictures these are virtual surveys (`sim.virtual`) over the demo's own park and animals, with lines of another
draw for each seed; benchmarks/virtual_surveys.py has other worlds. Prints one JSON document; progress on stderr.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from virtual_surveys import flying

from counts.effort import captures_of, core_zones
from counts.estimators import EncounterVariance, Estimate, LimitForm
from counts.population import Estimation, Population, SampleEstimator, estimate_population
from counts.segments import Surface, surface_of
from flightplan.design import SYSTEMATIC
from sim.park import demo_area
from sim.virtual.recipe import Counting, DetectorErrors, Inhabitants, Placing, WorldRecipe
from sim.virtual.surveys import Counted, Setting, SpeciesCount, Surveyor
from sim.world import World


@dataclass(frozen=True)
class Conditions:
    """What is flown, how well the detector sees, and how it is estimated.

    Recall and precision are those of the shipped detector's card; the pose error, 1.2 m per axis in all, is that of
    the demo's frames against the truth.
    """

    recall: Mapping[str, float] = field(default_factory=lambda: {"elephant": 0.864, "zebra": 0.842})
    precision: Mapping[str, float] = field(default_factory=lambda: {"elephant": 0.894, "zebra": 0.750})
    common_error_m: float = 0.9
    frame_error_m: float = 0.8
    lines: int = 12
    verify_positive: int = 80
    verify_zero: int = 60
    lost_frames: float = 0.0
    form: LimitForm = LimitForm.LOGNORMAL
    spread: EncounterVariance | None = None
    estimator: SampleEstimator | None = None

    def recipe(self) -> WorldRecipe:
        """What a virtual survey supposes; the animals are the demo's, in the order of its species."""
        kinds = World.build(demo_area(), 1).species
        return WorldRecipe(
            tuple(
                Inhabitants(kind.name, {}, recall=self.recall[kind.name], precision=self.precision[kind.name])
                for kind in kinds
            ),
            DetectorErrors(),
            Placing(self.common_error_m, self.frame_error_m),
            Counting(self.verify_positive, self.verify_zero),
            self.lost_frames,
        )


class OverTheDemo(Surveyor):
    """Virtual surveys of the worlds that `overfly demo --seed N` has."""

    def world(self, seed: int) -> World:
        """The demo's world of a seed."""
        return World.build(self.setting.flying.area, seed)


def survey(seed: int, conditions: Conditions) -> dict[str, Any]:
    """Fly one survey without pictures and set its estimates beside the truth."""
    setting = Setting(flying(SYSTEMATIC, conditions.lines), conditions.recipe(), redraw=True)
    counted = OverTheDemo(setting).count(seed)
    surface = _surface(counted) if conditions.estimator is SampleEstimator.DENSITY_SURFACE else None
    result = {}
    for one in counted.species:
        found = _estimated(counted, one, surface, conditions)
        result[one.name] = {
            "truth": sum(one.truth.values()),
            **_plain(found.total),
            "strata": {name: {"truth": one.truth[name], **_plain(each)} for name, each in found.strata.items()},
            "individuals": len(one.transect),
            "animals_in_strips": len(one.in_strips),
            "correction": one.correction.factor,
            "correction_cv": one.correction.cv,
            "uncorrected_cv": found.counted_total.cv,
            "frames": counted.frames,
        }
    return result


def _estimated(counted: Counted, one: SpeciesCount, surface: Surface | None, c: Conditions) -> Population:
    assignment, lines = counted.flown.assignment, counted.drawn.lines
    return estimate_population(
        one.name,
        one.transect,
        counted.effort,
        lines,
        counted.drawn.strata,
        one.correction,
        verified=one.seen,
        how=Estimation(estimator=c.estimator, spread=c.spread, form=c.form),
        surface=surface,
        capture=None if surface is None else captures_of(one.positions_m, one.transect, assignment, lines),
    )


def _surface(counted: Counted) -> Surface:
    drawn, flown = counted.drawn, counted.flown
    zones = core_zones(flown.footprints, flown.assignment, drawn.lines, drawn.land)
    ground = dict(zip(drawn.lines.strata, drawn.land, strict=True))
    return surface_of(flown.assignment, zones, drawn.lines, ground, strip_width_m=flown.exposures.across_m)


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {
        "estimate": estimate.value,
        "se": estimate.standard_error,
        "lower": estimate.lower,
        "upper": estimate.upper,
        "cv": estimate.cv,
        "df": estimate.degrees_of_freedom,
        "reason": estimate.reason,
    }


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Coverage with its Clopper-Pearson interval, bias with its error, mean CV, of estimates beside their truth."""
    bounded = [r for r in rows if r["lower"] is not None]
    truth = np.array([r["truth"] for r in rows], dtype=np.float64)
    value = np.array([np.nan if r["estimate"] is None else r["estimate"] for r in rows], dtype=np.float64)
    below = sum(r["truth"] < r["lower"] for r in bounded)
    above = sum(r["truth"] > r["upper"] for r in bounded)
    inside = len(bounded) - below - above
    interval = stats.binomtest(inside, len(bounded)).proportion_ci(0.95) if bounded else None
    relative = value / np.where(truth > 0, truth, np.nan) - 1
    known = relative[np.isfinite(relative)]
    cvs = [r["cv"] for r in rows if r["cv"] is not None]
    return {
        "surveys": len(rows),
        "without_limits": len(rows) - len(bounded),
        "coverage": inside / len(bounded) if bounded else None,
        "coverage_95_monte_carlo": [float(interval.low), float(interval.high)] if interval else None,
        "truth_below_lower": below,
        "truth_above_upper": above,
        "mean_truth": float(truth.mean()),
        "mean_estimate": float(np.nanmean(value)),
        "bias": float(np.nanmean(value) / truth.mean() - 1),
        "bias_se": float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else None,
        "mean_cv": float(np.mean(cvs)) if cvs else None,
        "real_cv": float(np.std(known, ddof=1)) if len(known) > 1 else None,
    }


def without_pictures(seeds: Sequence[int], processes: int, conditions: Conditions) -> dict[str, Any]:
    """Run `survey` for every seed and score each species' total and strata."""
    work = partial(survey, conditions=conditions)
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            runs = list(pool.map(work, seeds, chunksize=4))
    else:
        runs = [work(seed) for seed in seeds]
    means = ("individuals", "animals_in_strips", "correction", "correction_cv", "uncorrected_cv", "frames")
    return {
        name: {
            "total": summarise([run[name] for run in runs]),
            "strata": {s: summarise([run[name]["strata"][s] for run in runs]) for s in runs[0][name]["strata"]},
            **{f"mean_{key}": float(np.nanmean([run[name][key] or np.nan for run in runs])) for key in means},
        }
        for name in runs[0]
    }


def with_pictures(seeds: Sequence[int], out: Path | None) -> dict[str, Any]:
    """Run `overfly demo` for every seed and score what it prints."""
    documents, failures = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in seeds:
            folder = (out or Path(scratch)) / f"seed-{seed}"
            command = [sys.executable, "-m", "overfly", "demo", "--seed", str(seed), "--out", str(folder), "--json"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode not in (0, 3):
                failures.append({"seed": seed, "exit": done.returncode, "stderr": done.stderr[-500:]})
                continue
            documents.append(json.loads(done.stdout))
            print(f"seed {seed}: {documents[-1]['seconds']:.0f} s", file=sys.stderr)
    return score_documents(documents) | {"failures": failures}


def score_documents(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Score the JSON documents of `overfly demo`: each species' total against the simulator's truth."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for document in documents:
        for estimate in document["estimates"]:
            if estimate["stratum"] in (None, "total", "all"):
                truth = _true_total(document["truth"][estimate["species"]])
                rows.setdefault(estimate["species"], []).append({"truth": truth, **estimate})
    seconds = [document["seconds"] for document in documents]
    return {
        "species": {name: {"total": summarise(each), "surveys": each} for name, each in sorted(rows.items())},
        "mean_seconds": float(np.mean(seconds)) if seconds else None,
        "longest_seconds": float(np.max(seconds)) if seconds else None,
    }


def _true_total(truth: Any) -> float:
    if not isinstance(truth, Mapping):
        return float(truth)
    return float(truth["total"] if "total" in truth else sum(truth.values()))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=300, help="surveys without pictures (0: none)")
    parser.add_argument("--first-seed", type=int, default=1000, help="so that no seed was used to train or tune")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=0, help="runs of `overfly demo`")
    parser.add_argument("--out", type=Path, help="keep the demo's folders here")
    parser.add_argument("--recall", nargs=2, type=float, metavar=("ELEPHANT", "ZEBRA"))
    parser.add_argument("--precision", nargs=2, type=float, metavar=("ELEPHANT", "ZEBRA"))
    parser.add_argument("--pose-error", nargs=2, type=float, metavar=("COMMON_M", "FRAME_M"))
    parser.add_argument("--verify", nargs=2, type=int, metavar=("POSITIVE", "ZERO"), help="captures checked")
    parser.add_argument("--lines", type=int, help="lines a stratum")
    parser.add_argument("--lost-frames", type=float, help="share of captures that never arrive")
    parser.add_argument("--form", choices=[str(form) for form in LimitForm])
    parser.add_argument("--estimator", choices=[str(kind) for kind in SampleEstimator])
    parser.add_argument("--spread", choices=[str(kind) for kind in EncounterVariance])
    options = parser.parse_args(arguments)
    conditions = _conditions(options)
    result: dict[str, Any] = {}
    if options.seeds:
        started = time.perf_counter()
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        result["without_pictures"] = {
            "conditions": asdict(conditions),
            "species": without_pictures(seeds, options.processes, conditions),
            "seconds_a_survey": (time.perf_counter() - started) / options.seeds,
        }
    if options.pictures:
        result["with_pictures"] = with_pictures(range(1, options.pictures + 1), options.out)
    print(json.dumps(result, indent=2))


def _conditions(options: argparse.Namespace) -> Conditions:
    changed: dict[str, Any] = {}
    for name in ("recall", "precision"):
        if getattr(options, name):
            changed[name] = dict(zip(("elephant", "zebra"), getattr(options, name), strict=True))
    if options.pose_error:
        changed |= dict(zip(("common_error_m", "frame_error_m"), options.pose_error, strict=True))
    if options.verify:
        changed |= dict(zip(("verify_positive", "verify_zero"), options.verify, strict=True))
    if options.lines:
        changed["lines"] = options.lines
    if options.lost_frames is not None:
        changed["lost_frames"] = options.lost_frames
    for name, kind in (
        ("form", LimitForm),
        ("spread", EncounterVariance),
        ("estimator", SampleEstimator),
    ):
        if getattr(options, name):
            changed[name] = kind(getattr(options, name))
    return Conditions(**changed)


if __name__ == "__main__":
    main()
