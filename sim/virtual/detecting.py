"""What a detector says of frames that nobody rendered: which animals each frame holds, and what is found in it.

Animals have a body, and a frame's border cuts through some: what shows of those is found less often the less of it
there is, and its box has its middle in the frame though the animal's may be outside. Tall ones lean outwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely
from scipy.special import ndtr, ndtri

from flightplan.frames import Floats
from sim.camera import BODY_HEIGHT_SHARE
from sim.virtual.flights import Exposures
from sim.virtual.recipe import WorldRecipe
from sim.world import World

Ints = npt.NDArray[np.int64]
_TREE_PUSH_M = 6.0
NEVER_FOUND, WHOLLY_FOUND = 0.2, 0.8
"""Shares of a body: of less than the one nothing is found, of more than the other as much as of all of it."""


@dataclass(frozen=True)
class Seen:
    """One row for each box in a frame, by frame.

    `points_m` (N, 2) is where the frame's own georeference puts it, `animal` (N,) its row in the world or −1 for a
    false alarm, `species` (N,) a row of the recipe's.
    """

    points_m: Floats
    frame: Ints
    species: Ints
    animal: Ints

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class Visible(Seen):
    """One row for each animal of which a frame shows anything.

    `points_m` is where the middle of the whole animal seems to be, `shown_m` (N, 2) that of what shows of it, `share`
    (N,) how much does.
    """

    shown_m: Floats
    share: Floats


def visible_in(world: World, exposures: Exposures, reported_m: Floats, available: npt.NDArray[np.bool_]) -> Visible:
    """Find the animals in view of each frame, as they stand when it is taken.

    `reported_m` (F, 2) is where the survey believes its frames to be, `available` (A,) which animals can be seen.
    """
    animals = world.animals
    walks = animals.speed_mps > 0
    along, right = exposures.axes
    semi_m = _semi_axes(world)
    reach, pairs = float(semi_m.max(initial=0.0)), []
    for rows, moves in ((np.flatnonzero(available & ~walks), False), (np.flatnonzero(available & walks), True)):
        if not len(rows):
            continue
        room = reach + (float(animals.range_m.max(initial=0.0)) / 2 + _TREE_PUSH_M if moves else 0.0)
        grown = replace(exposures, across_m=exposures.across_m + 2 * room, along_m=exposures.along_m + 2 * room)
        boxes = grown.outlines(exposures.centres_m)
        frame, found = shapely.STRtree(shapely.points(animals.home_m[rows])).query(boxes)
        row = rows[found]
        where = world.positions(exposures.times_s[frame], row).local_m if moves else animals.home_m[row]
        offset = (where - exposures.centres_m[frame]) * _lean(world, exposures)[row, None]
        share, shift = np.ones(len(row)), np.zeros_like(offset)
        for axes, half_m in ((along, exposures.along_m / 2), (right, exposures.across_m / 2)):
            part, moved = _within(offset, axes[frame], half_m, animals.heading_deg[row], semi_m[row])
            share, shift = share * part, shift + moved[:, None] * axes[frame]
        shows = share > 0
        pairs.append((frame[shows], row[shows], offset[shows], shift[shows], share[shows]))
    if not pairs:
        none = np.zeros(0, dtype=np.int64)
        return Visible(np.zeros((0, 2)), none, none, none, np.zeros((0, 2)), np.zeros(0))
    frame, row, offset, shift, share = (np.concatenate(each) for each in zip(*pairs, strict=True))
    order = np.lexsort((row, frame))
    frame, row = frame[order].astype(np.int64), row[order].astype(np.int64)
    points = reported_m[frame] + offset[order]
    return Visible(points, frame, animals.species[row], row, points + shift[order], share[order])


def _lean(world: World, exposures: Exposures) -> Floats:
    """How much further from a frame's middle each animal (A,) appears than the ground that it stands on."""
    if exposures.height_m is None:
        return np.ones(len(world.animals))
    tall = np.array([kind.height_m for kind in world.species])[world.animals.species] * world.animals.size
    return np.asarray(1 / (1 - np.minimum(BODY_HEIGHT_SHARE * tall / exposures.height_m, 0.5)), dtype=np.float64)


def _semi_axes(world: World) -> Floats:
    """Half the length and half the width (A, 2) of each animal's body."""
    sizes = np.array([(kind.length_m, kind.width_m) for kind in world.species]).reshape(-1, 2)
    return np.asarray(world.animals.size[:, None] * sizes[world.animals.species] / 2, dtype=np.float64)


def _within(offset: Floats, axis: Floats, half_m: float, heading_deg: Floats, semi_m: Floats) -> tuple[Floats, Floats]:
    """The share (N,) of ellipses between two borders across an axis, and how far inwards what shows has its middle.

    `offset` (N, 2) is from the frame's middle, `semi_m` (N, 2) are half length and half width of each ellipse.
    """
    heading = np.radians(heading_deg)
    ahead = np.column_stack([np.sin(heading), np.cos(heading)])
    aside = np.column_stack([ahead[:, 1], -ahead[:, 0]])
    reach = np.hypot(semi_m[:, 0] * (ahead * axis).sum(axis=1), semi_m[:, 1] * (aside * axis).sum(axis=1))
    at = (offset * axis).sum(axis=1)
    # How much of the ellipse's reach lies inside of the nearer border, from −1 for nothing to 1 for all of it.
    inner = np.clip((half_m - np.abs(at)) / np.maximum(reach, 1e-9), -1.0, 1.0)
    share = 0.5 + (inner * np.sqrt(1 - inner**2) + np.arcsin(inner)) / np.pi
    return share, -np.sign(at) * reach * (1 - inner) / 2


def detect(
    world: World,
    recipe: WorldRecipe,
    exposures: Exposures,
    reported_m: Floats,
    visible: Visible,
    rng: np.random.Generator,
) -> tuple[Seen, Floats]:
    """Draw the boxes of a detector as `recipe` has it, with their scores (N,)."""
    errors, box_m = recipe.detector, recipe.placing.box_m
    found = _found(world, recipe, len(exposures), visible, rng)
    points = [visible.shown_m[found] + rng.normal(0.0, box_m, (int(found.sum()), 2))]
    frames, species, animals = [visible.frame[found]], [visible.species[found]], [visible.animal[found]]
    recall = np.array([kind.recall for kind in recipe.species])
    hits = np.bincount(visible.species, weights=_ease_of(visible.share), minlength=len(recall)) * recall
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
    world: World, recipe: WorldRecipe, frames: int, visible: Visible, rng: np.random.Generator
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
    return np.asarray(rng.random(len(visible)) < ndtr(logit) * _ease_of(visible.share), dtype=np.bool_)


def _ease_of(share: Floats) -> Floats:
    """How often what shows of an animal (N,) is found, against all of it; half of it half as often.

    So that as many boxes are lost of animals whose middle is in the frame as are found of others. Measured on the
    shipped detector: benchmarks/virtual_surveys.py, `pixels`.
    """
    return np.clip((share - NEVER_FOUND) / (WHOLLY_FOUND - NEVER_FOUND), 0.0, 1.0)
