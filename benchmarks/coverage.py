"""Score the estimates: how often the 95 % limits hold the truth, how far off the mean is, how wide the interval.

    python benchmarks/coverage.py --seeds 300 --processes 2          # without pictures
    python benchmarks/coverage.py --pictures 10                      # `overfly demo --seed N`, ten times

Without pictures, the simulator's own park, animals and lines are flown with detections drawn at the recall, precision
and pose error given (measure them first: `overfly evaluate`), and then go through the same identity, effort,
verification and estimator functions as pictures do. Prints one JSON document; progress on stderr.
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
import shapely
from scipy import stats

from counts.assignment import Assignment, TransectLines, assign_to_transects
from counts.effort import CoreZones, Effort, captures_of, core_zones, measure_effort
from counts.estimators import EncounterVariance, Estimate, LimitForm, SubsampleMethod
from counts.identity import resolve
from counts.population import Estimation, SampleEstimator, estimate_population, on_land, verified_correction
from counts.segments import Surface, surface_of
from counts.verification import draw_sample
from flightplan.design import StratumDesign, design_survey
from flightplan.frames import Floats
from flightplan.request import DesignRequest
from sim.park import demo_area
from sim.world import World


@dataclass(frozen=True)
class Conditions:
    """What is flown, and how well the detector sees.

    Recall and precision are those of the shipped detector's card; the pose error, 1.2 m per axis in all, is that of
    the demo's frames against the truth.
    """

    recall: Mapping[str, float] = field(default_factory=lambda: {"elephant": 0.864, "zebra": 0.842})
    precision: Mapping[str, float] = field(default_factory=lambda: {"elephant": 0.894, "zebra": 0.750})
    recall_spread: float = 0.1
    common_error_m: float = 0.9
    frame_error_m: float = 0.8
    box_error_m: float = 0.3
    density: float = 1.0
    lines: int = 12
    verify_positive: int = 80
    verify_zero: int = 60
    speed_mps: float = 12.0
    strip_width_m: float = 96.0
    footprint_along_m: float = 72.0
    front_overlap: float = 0.2
    line_change_s: float = 20.0
    lines_per_sortie: int = 5
    lost_frames: float = 0.0
    method: SubsampleMethod = SubsampleMethod.DIFFERENCE
    form: LimitForm = LimitForm.LOGNORMAL
    spread: EncounterVariance | None = None
    estimator: SampleEstimator | None = None
    speed_limit_mps: Mapping[str, float] = field(default_factory=lambda: {"elephant": 1.2, "zebra": 1.4})


@dataclass(frozen=True)
class Flight:
    """Exposures of a survey: nominal and true centres (F, 2), time (F,), line heading (F,), transect (F,)."""

    reported: Floats
    actual: Floats
    times: Floats
    headings_deg: Floats


@dataclass(frozen=True)
class Seen:
    """Boxes of all frames, georeferenced: where they come out (N, 2), frame, species, score, and the animal or −1."""

    points: Floats
    frame: np.typing.NDArray[np.int64]
    species: np.typing.NDArray[np.int64]
    scores: Floats
    animal: np.typing.NDArray[np.int64]


def survey(seed: int, conditions: Conditions) -> dict[str, Any]:
    """Fly one simulated survey without pictures and set its estimates beside the truth."""
    return estimates(flown(seed, conditions), conditions)


@dataclass(frozen=True)
class Flown:
    """A survey up to its detections, before anything is estimated."""

    seed: int
    world: World
    strata: Sequence[StratumDesign]
    lines: TransectLines
    land: Sequence[Any]
    flight: Flight
    footprints: Any
    assignment: Assignment
    zones: CoreZones
    effort: Effort
    surface: Surface
    visible: Seen
    boxes: Seen


def flown(seed: int, conditions: Conditions) -> Flown:
    """Fly the lines of one seed over the world of that seed, and draw what a detector finds."""
    c, area = conditions, demo_area()
    rng = np.random.default_rng([seed, 0xC0DE])
    world = World.build(area, seed, density=c.density)
    strata = design_survey(
        area, DesignRequest(min_lines=c.lines, heading_deg=0.0, seed=seed), strip_width_m=c.strip_width_m
    )
    transects = [transect for stratum in strata for transect in stratum.transects]
    lines = TransectLines.of(transects, area.frame)
    exclusions = area.frame.localise(shapely.union_all(list(area.exclusions)))
    ground = {s.name: shapely.difference(area.frame.localise(s.polygon), exclusions) for s in area.strata}
    land = [ground[name] for name in lines.strata]

    flight = _fly(lines, c, rng)
    footprints = _footprints(flight.reported, lines, c)
    assignment = assign_to_transects(
        flight.reported,
        flight.headings_deg,
        lines,
        cross_track_limit_m=15.0,
        end_slack_m=c.footprint_along_m / 2,
        footprints=footprints,
    )
    zones = core_zones(footprints, assignment, lines, land)
    effort = measure_effort(footprints, assignment, lines, land)
    surface = surface_of(assignment, zones, lines, ground, strip_width_m=c.strip_width_m)
    visible = _visible(world, flight, c)
    boxes = _detect(world, flight, visible, c, rng)
    return Flown(
        seed, world, strata, lines, land, flight, footprints, assignment, zones, effort, surface, visible, boxes
    )


def estimates(survey: Flown, c: Conditions) -> dict[str, Any]:
    """Estimate every species as a survey with pictures does: identity, verification, Jolly 2, correction, sum."""
    world, strata, lines, flight, assignment = (
        survey.world,
        survey.strata,
        survey.lines,
        survey.flight,
        survey.assignment,
    )
    visible, boxes, zones = survey.visible, survey.boxes, survey.zones.polygons
    names = np.array([kind.name for kind in world.species])
    on = assignment.transect[boxes.frame] >= 0
    detected = np.bincount(boxes.frame[on], minlength=len(flight.times))
    sample = draw_sample(detected, c.verify_positive, c.verify_zero, survey.seed)
    independent = (c.frame_error_m**2 + c.box_error_m**2) * np.eye(2)
    individuals = resolve(
        boxes.points[on],
        np.tile(independent, (int(on.sum()), 1, 1)),
        flight.times[boxes.frame[on]],
        boxes.frame[on],
        assignment.transect[boxes.frame[on]],
        names[boxes.species[on]],
        boxes.scores[on],
        speed_limit_mps=c.speed_limit_mps,
        footprints=survey.footprints[boxes.frame[on]],
        common_covariance=c.common_error_m**2 * np.eye(2),
    )
    here = on_land(individuals.positions, individuals.transects, survey.land)
    in_zone = shapely.contains_xy(zones[visible.frame], visible.points[:, 0], visible.points[:, 1])
    truth, result = world.truth(), {}
    for index, name in enumerate(names.tolist()):
        mine = here & (individuals.labels == name)
        true_counts = np.bincount(visible.frame[in_zone & (visible.species == index)], minlength=len(flight.times))
        by = verified_correction(
            sample,
            true_counts[sample.captures],
            detected,
            individuals.positions[mine],
            individuals.transects[mine],
            assignment,
            lines,
            source=f"verification of {name}",
            method=c.method,
        )
        stratum_of = np.array(lines.strata)[assignment.transect[sample.captures]]
        population = estimate_population(
            name,
            individuals.transects[mine],
            survey.effort,
            lines,
            strata,
            by,
            verified={s.name: float(true_counts[sample.captures][stratum_of == s.name].sum()) for s in strata},
            how=Estimation(estimator=c.estimator, spread=c.spread, form=c.form),
            surface=survey.surface,
            capture=captures_of(individuals.positions[mine], individuals.transects[mine], assignment, lines),
        )
        result[name] = {
            "truth": sum(truth[name].values()),
            **_plain(population.total),
            "strata": {s.name: {"truth": truth[name][s.name], **_plain(population.strata[s.name])} for s in strata},
            "uncorrected": population.counted_total.value,
            "uncorrected_cv": population.counted_total.cv,
            "correction": by.factor,
            "correction_cv": by.cv,
            "individuals": int(mine.sum()),
            "animals_in_strips": int(true_counts.sum()),
            "positive_frames": sample.stratum_sizes[1],
            "frames": len(flight.times),
        }
    return result


def _fly(lines: TransectLines, c: Conditions, rng: np.random.Generator) -> Flight:
    """Expose along every segment, up one line and down the next, with the errors of a receiver and an attitude."""
    step = c.footprint_along_m * (1 - c.front_overlap)
    centres, times, headings, sortie = [], [], [], []
    clock = 0.0
    for segment in range(len(lines.transect)):
        up = lines.transect[segment] % 2 == 0
        start, end = (lines.starts, lines.ends) if up else (lines.ends, lines.starts)
        direction = end[segment] - start[segment]
        length = float(np.hypot(*direction))
        along = np.append(np.arange(0.0, length, step), length)
        centres.append(start[segment] + along[:, None] * direction / length)
        times.append(clock + along / c.speed_mps)
        headings.append(np.full(len(along), np.degrees(np.arctan2(*direction)) % 360))
        sortie.append(np.full(len(along), lines.transect[segment] // c.lines_per_sortie))
        clock += length / c.speed_mps + c.line_change_s
    actual = np.vstack(centres)
    common = rng.normal(0.0, c.common_error_m, (int(np.concatenate(sortie).max()) + 1, 2))
    reported = actual + common[np.concatenate(sortie)] + rng.normal(0.0, c.frame_error_m, actual.shape)
    kept = rng.random(len(actual)) >= c.lost_frames
    return Flight(reported[kept], actual[kept], np.concatenate(times)[kept], np.concatenate(headings)[kept])


def _footprints(centres: Floats, lines: TransectLines, c: Conditions) -> Any:
    """North-south strips: rectangles along the lines."""
    half = np.array([c.strip_width_m, c.footprint_along_m]) / 2
    return shapely.box(*(centres - half).T, *(centres + half).T)


def _visible(world: World, flight: Flight, c: Conditions) -> Seen:
    """Every animal that is in a frame, where the frame's own georeference puts it."""
    half = np.array([c.strip_width_m, c.footprint_along_m]) / 2
    points, frames, animals = [np.empty((0, 2))], [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for frame, (centre, moment) in enumerate(zip(flight.actual, flight.times, strict=True)):
        where = world.positions(float(moment)).local_m
        inside = np.flatnonzero((np.abs(where - centre) <= half).all(axis=1))
        points.append(where[inside] + flight.reported[frame] - centre)
        frames.append(np.full(len(inside), frame))
        animals.append(inside)
    animal = np.concatenate(animals)
    return Seen(np.vstack(points), np.concatenate(frames), world.animals.species[animal], np.ones(len(animal)), animal)


def _detect(world: World, flight: Flight, visible: Seen, c: Conditions, rng: np.random.Generator) -> Seen:
    """Draw detections: some animals are easier than others in every frame; half of the false alarms stay put."""
    names = [kind.name for kind in world.species]
    recall = np.array([c.recall[name] for name in names])[world.animals.species]
    spread = c.recall_spread * np.minimum(recall, 1 - recall) * 2
    ease = np.clip(recall + spread * rng.uniform(-1, 1, len(recall)), 0.0, 1.0)
    found = rng.random(len(visible.animal)) < ease[visible.animal]
    points = [visible.points[found] + rng.normal(0.0, c.box_error_m, (int(found.sum()), 2))]
    frames, species = [visible.frame[found]], [visible.species[found]]
    half = np.array([c.strip_width_m, c.footprint_along_m]) / 2
    for index, name in enumerate(names):
        hits = int((visible.species[found] == index).sum())
        alarms = rng.poisson(hits * (1 / c.precision[name] - 1))
        frame = rng.integers(0, len(flight.times), alarms)
        spot = flight.actual[frame] + rng.uniform(-1, 1, (alarms, 2)) * half
        lasting = rng.random(alarms) < 0.5
        for step in (0, 1):
            other = np.minimum(frame + step, len(flight.times) - 1)
            there = (np.abs(spot - flight.actual[other]) <= half).all(axis=1) & (
                (step == 0) | (lasting & (other > frame))
            )
            jitter = rng.normal(0.0, c.box_error_m, (alarms, 2))
            points.append((spot + flight.reported[other] - flight.actual[other] + jitter)[there])
            frames.append(other[there])
            species.append(np.full(int(there.sum()), index))
    frame_all = np.concatenate(frames)
    return Seen(
        np.vstack(points),
        frame_all,
        np.concatenate(species),
        rng.uniform(0.3, 1.0, len(frame_all)),
        np.concatenate([visible.animal[found], np.full(len(frame_all) - int(found.sum()), -1)]),
    )


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
    return {
        name: {
            "total": summarise([run[name] for run in runs]),
            "strata": {s: summarise([run[name]["strata"][s] for run in runs]) for s in runs[0][name]["strata"]},
            "mean_individuals": float(np.mean([run[name]["individuals"] for run in runs])),
            "mean_animals_in_strips": float(np.mean([run[name]["animals_in_strips"] for run in runs])),
            "mean_correction": float(np.mean([run[name]["correction"] or np.nan for run in runs])),
            "mean_correction_cv": float(np.nanmean([run[name]["correction_cv"] or np.nan for run in runs])),
            "mean_uncorrected_cv": float(np.nanmean([run[name]["uncorrected_cv"] or np.nan for run in runs])),
            "mean_positive_frames": float(np.mean([run[name]["positive_frames"] for run in runs])),
            "mean_frames": float(np.mean([run[name]["frames"] for run in runs])),
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
    parser.add_argument("--method", choices=[str(method) for method in SubsampleMethod])
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
        ("method", SubsampleMethod),
        ("spread", EncounterVariance),
        ("estimator", SampleEstimator),
    ):
        if getattr(options, name):
            changed[name] = kind(getattr(options, name))
    return Conditions(**changed)


if __name__ == "__main__":
    main()
