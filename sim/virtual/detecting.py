"""What a detector says of frames that nobody rendered: which animals each frame holds, and what is found in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely
from scipy.special import ndtr, ndtri

from flightplan.frames import Floats
from sim.virtual.flights import Exposures
from sim.virtual.recipe import WorldRecipe
from sim.world import World

Ints = npt.NDArray[np.int64]
_TREE_PUSH_M = 6.0


@dataclass(frozen=True)
class Seen:
    """One row for each animal, or box, in a frame, by frame.

    `points_m` (N, 2) is where the frame's own georeference puts it, `animal` (N,) its row in the world or −1 for a
    false alarm, `species` (N,) a row of the recipe's.
    """

    points_m: Floats
    frame: Ints
    species: Ints
    animal: Ints

    def __len__(self) -> int:
        return len(self.frame)


def visible_in(world: World, exposures: Exposures, reported_m: Floats, available: npt.NDArray[np.bool_]) -> Seen:
    """Find the animals in view of each frame, as they stand when it is taken.

    `reported_m` (F, 2) is where the survey believes its frames to be, `available` (A,) which animals can be seen.
    """
    animals = world.animals
    walks = animals.speed_mps > 0
    along, right = exposures.axes
    pairs = []
    for rows, room in (
        (np.flatnonzero(available & ~walks), 0.0),
        (np.flatnonzero(available & walks), float(animals.range_m.max(initial=0.0)) / 2 + _TREE_PUSH_M),
    ):
        if not len(rows):
            continue
        grown = replace(exposures, across_m=exposures.across_m + 2 * room, along_m=exposures.along_m + 2 * room)
        boxes = grown.outlines(exposures.centres_m)
        frame, found = shapely.STRtree(shapely.points(animals.home_m[rows])).query(boxes)
        row = rows[found]
        where = world.positions(exposures.times_s[frame], row).local_m if room else animals.home_m[row]
        offset = where - exposures.centres_m[frame]
        inside = np.abs((offset * along[frame]).sum(axis=1)) <= exposures.along_m / 2
        inside &= np.abs((offset * right[frame]).sum(axis=1)) <= exposures.across_m / 2
        pairs.append((frame[inside], row[inside], where[inside]))
    frame = np.concatenate([p[0] for p in pairs]) if pairs else np.zeros(0, dtype=np.int64)
    row = np.concatenate([p[1] for p in pairs]) if pairs else np.zeros(0, dtype=np.int64)
    where = np.concatenate([p[2] for p in pairs]) if pairs else np.zeros((0, 2))
    order = np.lexsort((row, frame))
    frame, row = frame[order].astype(np.int64), row[order].astype(np.int64)
    points = where[order] + (reported_m - exposures.centres_m)[frame]
    return Seen(points, frame, animals.species[row], row)


def detect(
    world: World,
    recipe: WorldRecipe,
    exposures: Exposures,
    reported_m: Floats,
    visible: Seen,
    rng: np.random.Generator,
) -> tuple[Seen, Floats]:
    """Draw the boxes of a detector as `recipe` has it, with their scores (N,)."""
    errors, box_m = recipe.detector, recipe.placing.box_m
    found = _found(world, recipe, len(exposures), visible, rng)
    points = [visible.points_m[found] + rng.normal(0.0, box_m, (int(found.sum()), 2))]
    frames, species, animals = [visible.frame[found]], [visible.species[found]], [visible.animal[found]]
    recall = np.array([kind.recall for kind in recipe.species])
    hits = np.bincount(visible.species, minlength=len(recall)) * recall
    along, right = exposures.axes
    weight = np.exp(errors.alarm_frame_spread * rng.standard_normal(len(exposures)))
    for index, kind in enumerate(recipe.species):
        # What lasts is a box in the next frame too, where the two overlap.
        boxes = 1 + exposures.overlap * errors.alarms_lasting
        number = int(rng.poisson(hits[index] * (1 / kind.precision - 1) / boxes))
        frame = rng.choice(len(exposures), number, p=weight / weight.sum())
        at, beside = rng.uniform(-0.5, 0.5, (2, number, 1))
        spot = exposures.centres_m[frame] + at * exposures.along_m * along[frame]
        spot += beside * exposures.across_m * right[frame]
        lasting = rng.random(number) < errors.alarms_lasting
        for step in (0, 1):
            other = np.minimum(frame + step, len(exposures) - 1)
            offset = spot - exposures.centres_m[other]
            there = np.abs((offset * along[other]).sum(axis=1)) <= exposures.along_m / 2
            there &= np.abs((offset * right[other]).sum(axis=1)) <= exposures.across_m / 2
            there &= (step == 0) | (lasting & (other > frame))
            jitter = rng.normal(0.0, box_m, (number, 2))
            points.append((spot + reported_m[other] - exposures.centres_m[other] + jitter)[there])
            frames.append(other[there])
            species.append(np.full(int(there.sum()), index, dtype=np.int64))
            animals.append(np.full(int(there.sum()), -1, dtype=np.int64))
    frame_all = np.concatenate(frames).astype(np.int64)
    scores = rng.uniform(0.3, 1.0, len(frame_all))
    return Seen(np.vstack(points), frame_all, np.concatenate(species), np.concatenate(animals)), scores


def _found(
    world: World, recipe: WorldRecipe, frames: int, visible: Seen, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Which of the animals in view are found: a probit with effects of herd, frame and animal."""
    errors = recipe.detector
    effects = (errors.herd_spread, errors.frame_spread, errors.animal_spread)
    numbers = (int(world.animals.herd.max(initial=-1)) + 1, frames, len(world.animals))
    herd, frame, animal = (
        spread * rng.standard_normal(number) for spread, number in zip(effects, numbers, strict=True)
    )
    # Φ(a/√(1 + Σσ²)) is the mean of Φ(a + Σσz): so the recall on average is the one asked for.
    level = ndtri(np.array([kind.recall for kind in recipe.species])) * np.sqrt(1 + sum(e**2 for e in effects))
    logit = level[visible.species] + herd[world.animals.herd[visible.animal]]
    logit += frame[visible.frame] + animal[visible.animal]
    return np.asarray(rng.random(len(visible)) < ndtr(logit), dtype=np.bool_)
