"""Virtual surveys with pictures and without on the same worlds: do both paths count alike? Run by virtual_surveys.py.

The fast path takes what the detector did in the pictures: its recall of animals that no border cuts off, its precision,
and how often an animal missed in one frame is missed in the next.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from scipy import optimize, stats

from flightplan.areas import StudyArea
from flightplan.camera import Camera
from sim.virtual.estimating import CHOSEN
from sim.virtual.flights import Flying
from sim.virtual.recipe import Counting, Inhabitants, WorldRecipe
from sim.virtual.runs import WithoutPictures, run_seeds, run_surveys
from sim.virtual.scores import score
from sim.virtual.surveys import Setting

SPEED_MPS, OVERLAP = 12.0, 0.2


def pixels(options: argparse.Namespace) -> dict[str, Any]:
    """One setting with pictures, and without on the same worlds with the detector's errors as measured there."""
    from overfly.pixel_surveys import WithPictures

    plan, recipe = small_plan(), small_world()
    keep = options.journal / "pictures"
    seeds = run_seeds(options.seed, options.runs)
    journal = options.journal / "pixels.jsonl"
    seen = run_surveys(
        WithPictures(plan, recipe, keep=keep),
        seeds,
        journal=journal,
        progress=lambda done, total: print(f"{done} of {total}", file=sys.stderr, flush=True),
    )
    names = [kind.name for kind in recipe.species]
    quality = measured([keep / f"survey-{seed}" for seed in seeds], plan.camera, names)
    twice = np.array([quality[name]["shown twice"] for name in names])
    spreads = np.array([quality[name]["animal_spread"] for name in names])
    found = replace(
        recipe,
        species=tuple(
            replace(kind, recall=quality[kind.name]["recall"], precision=quality[kind.name]["precision"])
            for kind in recipe.species
        ),
        detector=replace(recipe.detector, animal_spread=float(np.average(spreads, weights=twice))),
    )
    drawn = run_surveys(WithoutPictures(Setting(Flying.of(plan), found)), seeds)
    document: dict[str, Any] = {"detector": quality, "animal_spread": found.detector.animal_spread, "species": {}}
    for name in quality:
        both = [(a[name], b[name]) for a, b in zip(seen, drawn, strict=True)]
        truth = np.array([a[CHOSEN].truth for a, _ in both])
        assert all(a[CHOSEN].truth == b[CHOSEN].truth for a, b in both)
        document["species"][name] = {
            estimator: {
                "with pictures": score([a[estimator] for a, _ in both]).document(),
                "without": score([b[estimator] for _, b in both]).document(),
                "difference": _paired(
                    [(a[estimator].value or 0.0) for a, _ in both],
                    [(b[estimator].value or 0.0) for _, b in both],
                    truth,
                ),
                "difference of stated CV": _paired(
                    [(a[estimator].cv or np.nan) for a, _ in both],
                    [(b[estimator].cv or np.nan) for _, b in both],
                    np.ones(len(truth)),
                ),
            }
            for estimator in (CHOSEN, "not corrected")
        }
    return document


def small_plan() -> Any:
    """Two strata of 1.5 by 0.5 km, six lines each: some 110 pictures of 800 × 600 pixels."""
    from flightplan.areas import LaunchSite, Stratum
    from flightplan.cameras import camera_named
    from flightplan.frames import LocalFrame
    from flightplan.planning import plan_survey
    from flightplan.request import PlanRequest

    frame = LocalFrame(34.83, -2.33)

    def box(west: float, east: float) -> Any:
        corners = frame.to_lonlat([(west, -250), (east, -250), (east, 250), (west, 250)])
        return shapely.Polygon([(round(x, 7), round(y, 7)) for x, y in corners.tolist()])

    strata = (Stratum("woodland", box(-1500, 0)), Stratum("floodplain", box(0, 1500)))
    area = StudyArea(name="small", strata=strata, exclusions=(), launch_sites=(LaunchSite("camp", 34.83, -2.33),))
    request = PlanRequest(
        camera=camera_named("overfly-demo"),
        altitude_agl_m=80.0,
        front_overlap=OVERLAP,
        min_lines=6,
        heading_deg=0.0,
        drone="overfly-demo",
        speed_mps=SPEED_MPS,
        seed=1,
    )
    return plan_survey(area, request)


def small_world() -> WorldRecipe:
    """As many animals as a small area needs for its surveys to say something."""
    return WorldRecipe(
        (
            Inhabitants("elephant", {"": 150.0}, herd_mean=3.0, herd_spacing_m=7.5, moving_share=0.2),
            Inhabitants("zebra", {"": 200.0}, herd_mean=4.0, moving_share=0.2, speed_mps=(0.4, 1.4)),
        ),
        counting=Counting(30, 20),
    )


def measured(folders: Sequence[Path], camera: Camera, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """What the detector did in the censuses' pictures, against their truth, box by box, as the fast path supposes it.

    Its recall is of animals that no border cuts off, its precision of all boxes. From those that two frames show whole:
    how often one frame's luck is the other's, as the standard deviation of an effect of the animal on a probit.
    """
    from sim.flights import TRUTH_FILE, read_truth

    tally = {name: Looks() for name in names}
    for folder in folders:
        truths = {
            f"{path.parent.name}/{truth.frame}": truth
            for path in sorted((folder / "images").glob(f"*/{TRUTH_FILE}"))
            for truth in read_truth(path)
        }
        for place, transect, boxes in _boxes(folder):
            for name, looks in tally.items():
                animals = [a for a in truths[place].animals if a.species == name]
                hit = _matched(np.array([a.box_px for a in animals]).reshape(-1, 4), boxes.get(name, np.empty((0, 4))))
                looks.boxes += len(boxes.get(name, ()))
                looks.right += int(hit.sum())
                for animal, found in zip(animals, hit.tolist(), strict=True):
                    x_min, y_min, x_max, y_max = animal.box_px
                    if x_min > 0 and y_min > 0 and x_max < camera.image_width_px and y_max < camera.image_height_px:
                        looks.whole.setdefault((folder.name, transect, animal.animal), []).append(found)
    return {name: looks.document() for name, looks in tally.items()}


@dataclass
class Looks:
    """Looks at animals of one species that show whole, by animal and transect, and boxes in all and right."""

    whole: dict[tuple[str, str, int], list[bool]] = field(default_factory=dict)
    boxes: int = 0
    right: int = 0

    def document(self) -> dict[str, float]:
        """Recall, precision and how unlike animals are to find."""
        looks = [found for each in self.whole.values() for found in each]
        twice = [sum(each) for each in self.whole.values() if len(each) == 2]
        return {
            "recall": float(np.mean(looks)),
            "precision": self.right / self.boxes,
            "animal_spread": _spread(twice),
            "whole animals shown": len(looks),
            "shown twice": len(twice),
            "found in neither": twice.count(0),
            "boxes": self.boxes,
        }


def _spread(found: Sequence[int]) -> float:
    """The standard deviation of an animal's effect that makes as many be found in neither of two looks."""
    missed, level = found.count(0) / len(found), stats.norm.ppf(1 - sum(found) / (2 * len(found)))

    def too_few(correlation: float) -> float:
        both = stats.multivariate_normal([0.0, 0.0], [[1.0, correlation], [correlation, 1.0]])
        return float(both.cdf([level, level])) - missed

    if too_few(0.0) >= 0:
        return 0.0
    shared = optimize.brentq(too_few, 0.0, 0.99) if too_few(0.99) > 0 else 0.99
    return float(np.sqrt(shared / (1 - shared)))


def _boxes(folder: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Each capture on a transect of a survey's census: "folder/file", transect, and its boxes (N, 4) by label."""
    from counts.census import Census
    from counts.store import find_survey, latest_detection_run, read_captures
    from counts.store.detections import read_detections
    from overfly.pixel_surveys import SURVEY

    with Census.open(str(folder / "census.gpkg")) as census, census.reading() as session:
        survey_id = find_survey(session, SURVEY).survey_id
        table = read_detections(session, latest_detection_run(session, survey_id).run_id)
        captures = [c for c in read_captures(session, survey_id) if c.transect is not None]
    labels = np.array(table.labels)[table.label_ids] if len(table) else np.empty(0, dtype=str)
    found = []
    for stored in captures:
        path, mine = Path(stored.capture.path), table.capture_id == stored.capture_id
        boxes = {name: table.boxes_px[mine & (labels == name)] for name in set(labels[mine].tolist())}
        found.append((f"{path.parent.name}/{path.name}", str(stored.transect), boxes))
    return found


def _matched(real: Any, boxes: Any) -> Any:
    """Which animals (N,) have a box of their own whose middle is near theirs."""
    hit = np.zeros(len(real), dtype=bool)
    if len(real) and len(boxes):
        middles = (real[:, None, :2] + real[:, None, 2:]) / 2 - (boxes[None, :, :2] + boxes[None, :, 2:]) / 2
        apart = np.hypot(*np.moveaxis(middles, -1, 0))
        near = apart < 0.6 * (real[:, 2:] - real[:, :2]).max(axis=1)[:, None]
        rows, columns = optimize.linear_sum_assignment(np.where(near, apart, 1e6))
        hit[rows] = near[rows, columns]
    return hit


def _paired(first: Sequence[float], second: Sequence[float], truth: Any) -> dict[str, float]:
    """The mean of the differences relative to the truth, and its Monte-Carlo standard error."""
    apart = (np.array(first) - np.array(second)) / truth
    apart = apart[np.isfinite(apart)]
    return {"mean": float(apart.mean()), "standard_error": float(apart.std(ddof=1) / np.sqrt(len(apart)))}
