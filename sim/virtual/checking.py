"""What checking a sample of frames adds to an estimate's error, worked out over all frames of many worlds.

The variance of the stratified difference estimator (Cochran 1977, §7.1), with frames stratified by whether a detector
found anything in them, and what a detector of the stated quality finds. Where two frames meet, errors of position put
an animal into one frame's zone for who checks and into the other's for the count, and that counts as an error too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from flightplan.frames import Floats
from sim.virtual.recipe import Inhabitants, WorldRecipe

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# A frame's key is one number: world, stratum, line, place along it. Frames without a place come after all of those.
_MOST_STRATA, _MOST_LINES, _MOST_ALONG = 1 << 7, 1 << 12, 1 << 20
_SLOT = _MOST_STRATA * _MOST_LINES * _MOST_ALONG
_MOST_FRAMES = 2 * _SLOT


@dataclass(frozen=True)
class Herds:
    """Animals of one species in one stratum, of all worlds: world (N,), place across and along the lines, herd."""

    world: Ints
    across_m: Floats
    along_m: Floats
    herd: Ints

    def rows(self, rows: Ints) -> Herds:
        """Some of them."""
        return Herds(self.world[rows], self.across_m[rows], self.along_m[rows], self.herd[rows])


@dataclass(frozen=True)
class InStrips:
    """Animals of one species in the strips of a stratum, the line (N,) of each, and what one of them stands for."""

    herds: Herds
    line: Ints
    stratum: int
    stands_for: float


@dataclass(frozen=True)
class Frames:
    """How many frames a survey has, every `trigger_m` of a line and overlapping by a share, in so many worlds."""

    number: float
    trigger_m: float
    overlap: float
    worlds: int
    seed: int


@dataclass(frozen=True)
class _Part:
    """Some of what is in frames of one species, by key (N,): animals, individuals counted, boxes."""

    species: int
    keys: Ints
    animals: Floats
    individuals: Floats
    boxes: Floats


def checking_variances(
    recipe: WorldRecipe, seen: Sequence[Sequence[InStrips]], beyond: Sequence[Sequence[InStrips]], frames: Frames
) -> list[Floats]:
    """Return the variance (W,) that checking adds to the total of each species, in each world.

    `seen` are the animals in strips by species and stratum, `beyond` those that the frames at the ends of lines show
    outside of the stratum: they do not count, but their frames are among those with detections.
    """
    rng = np.random.default_rng([frames.seed, 5])
    parts: list[_Part] = []
    for row, kind in enumerate(recipe.species):
        boxes = np.zeros(frames.worlds)
        for some in seen[row]:
            shown, both = _shown(recipe, kind, row, some, frames, rng)
            parts += shown
            boxes += np.bincount(some.herds.world, weights=kind.recall * (1 + both), minlength=frames.worlds)
        for some in beyond[row]:
            shown, _ = _shown(recipe, kind, row, some, frames, rng)
            own, none = shown[0], np.zeros(len(some.line))
            parts.append(_Part(row, own.keys, none, none, own.boxes))
            boxes += np.bincount(some.herds.world, weights=own.boxes, minlength=frames.worlds)
        parts.append(_alarms(recipe, kind, row, boxes, frames, rng))
    keys, index = np.unique(np.concatenate([p.keys for p in parts]), return_inverse=True)
    keys, index = _share_frames(keys, index, frames.number)
    apart = [np.zeros(len(keys)) for _ in recipe.species]
    boxed, at = np.zeros(len(keys)), 0
    for part in parts:
        where = index[at : at + len(part.keys)]
        at += len(part.keys)
        apart[part.species] += np.bincount(where, weights=part.animals - part.individuals, minlength=len(keys))
        boxed += np.bincount(where, weights=part.boxes, minlength=len(keys))
    world, positive = keys // _MOST_FRAMES, boxed > 0
    return [_variance(recipe, apart[row], positive, world, frames) * _expansion(each) for row, each in enumerate(seen)]


def _variance(recipe: WorldRecipe, apart: Floats, positive: Bools, world: Ints, frames: Frames) -> Floats:
    """Of the corrected number in the strips (W,), from how far each frame's count is off."""
    with_ = np.bincount(world, weights=positive, minlength=frames.worlds)
    variance = np.zeros(frames.worlds)
    for mine, size, wanted in (
        (positive, with_, recipe.counting.verify_positive),
        (~positive, np.maximum(round(frames.number) - with_, 0), recipe.counting.verify_zero),
    ):
        total = np.bincount(world, weights=apart * mine, minlength=frames.worlds)
        squares = np.bincount(world, weights=apart**2 * mine, minlength=frames.worlds)
        spread = (squares - total**2 / np.maximum(size, 1)) / np.maximum(size - 1, 1)
        sampled = np.minimum(wanted, size)
        variance += np.where(sampled > 0, size * (size - sampled) / np.maximum(sampled, 1) * spread, 0.0)
    return np.maximum(variance, 0.0)


def _expansion(each: Sequence[InStrips]) -> float:
    """The square of how many animals one in the strips stands for, on average."""
    animals = sum(len(some.line) for some in each)
    return float((sum(some.stands_for * len(some.line) for some in each) / max(animals, 1)) ** 2)


def _shown(
    recipe: WorldRecipe, kind: Inhabitants, row: int, some: InStrips, frames: Frames, rng: np.random.Generator
) -> tuple[list[_Part], Bools]:
    """What is found of the animals in the frame whose zone they stand in, and in the neighbour's where both show them.

    With it whether each is in two frames (N,).
    """
    errors, herds, number = recipe.detector, some.herds, len(some.line)
    spreads = (errors.herd_spread, errors.frame_spread, errors.animal_spread)
    level = ndtri(kind.recall) * np.sqrt(1 + sum(s**2 for s in spreads))
    place = np.floor(herds.along_m / frames.trigger_m).astype(np.int64)
    offset = herds.along_m / frames.trigger_m - place - 0.5
    both = (1 - np.abs(offset)) * (1 - frames.overlap) <= 0.5
    own, other = (_key(some, p) for p in (place, place + np.where(offset > 0, 1, -1)))
    ease = level + errors.animal_spread * rng.standard_normal(number) + _effect(herds.herd, errors.herd_spread, rng)
    of_frame = _effect(np.unique(np.concatenate([own, other]), return_inverse=True)[1], errors.frame_spread, rng)
    first = rng.random(number) < ndtr(ease + of_frame[:number])
    second = both & (rng.random(number) < ndtr(ease + of_frame[number:]))
    inner_m = (0.5 - np.abs(offset)) * frames.trigger_m
    there, counted_there = _across(recipe, np.minimum(own, other), inner_m, first, second, rng)
    found = first | second
    return [
        _Part(row, own, there[0].astype(np.float64), (found & ~counted_there).astype(np.float64), 1.0 * first),
        _Part(row, other, there[1].astype(np.float64), (found & counted_there).astype(np.float64), 1.0 * second),
    ], both


def _across(
    recipe: WorldRecipe, pair: Ints, inner_m: Floats, first: Bools, second: Bools, rng: np.random.Generator
) -> tuple[tuple[Bools, Bools], Bools]:
    """What errors of position do near the border of two zones, `inner_m` (N,) away on the own side of it.

    The border is the middle between where the two frames of a `pair` (N,) are believed to be, so of their errors each
    sees half the difference, the one this way and the other that. Returns whether a person who looks at either frame
    counts the animal there, and whether what is counted of it (`first` and `second` say by which frame) lies beyond.
    """
    apart_m = _effect(np.unique(pair, return_inverse=True)[1], recipe.placing.frame_m / np.sqrt(2), rng)
    box_m = recipe.placing.box_m * rng.standard_normal(len(pair))
    at_m = np.where(first & second, box_m / np.sqrt(2), np.where(first, apart_m, -apart_m) + box_m)
    return (apart_m < inner_m, -apart_m > inner_m), at_m > inner_m


def _alarms(
    recipe: WorldRecipe, kind: Inhabitants, row: int, boxes: Floats, frames: Frames, rng: np.random.Generator
) -> _Part:
    """False alarms, as many as the precision says beside so many true boxes (W,), in any frame of their world."""
    errors = recipe.detector
    number = rng.poisson(boxes * (1 / kind.precision - 1) / (1 + frames.overlap * errors.alarms_lasting))
    world = np.repeat(np.arange(frames.worlds), number)
    place = rng.random(len(world))
    if errors.alarm_frame_spread:
        weight = np.cumsum(np.exp(errors.alarm_frame_spread * rng.standard_normal(max(round(frames.number), 1))))
        place = np.searchsorted(weight, place * weight[-1]) / len(weight)
    # The frames of a world are numbered; which of them show animals is for `_share_frames` to say.
    key = world * _MOST_FRAMES + _SLOT + np.floor(place * frames.number).astype(np.int64)
    ones = np.ones(len(key))
    return _Part(row, key, 0 * ones, ones, ones)


def _share_frames(keys: Ints, index: Ints, frames: float) -> tuple[Ints, Ints]:
    """Let a false alarm's frame be, as often as chance has it, one of those that show animals in the same world."""
    world, place = keys // _MOST_FRAMES, keys % _MOST_FRAMES
    animals, alarms = np.flatnonzero(place < _SLOT), np.flatnonzero(place >= _SLOT)
    counts = np.bincount(world[animals], minlength=int(world.max(initial=0)) + 1)
    before = np.cumsum(counts) - counts
    slot = place[alarms] - _SLOT
    meets = slot < np.minimum(counts[world[alarms]], frames)
    to = np.arange(len(keys))
    # Keys are in order, so the animals' frames of a world follow each other in `animals`.
    to[alarms[meets]] = animals[before[world[alarms[meets]]] + slot[meets]]
    kept, again = np.unique(to, return_inverse=True)
    return keys[kept], again[index]


def _key(some: InStrips, place: Ints) -> Ints:
    of_line = (some.stratum % _MOST_STRATA) * _MOST_LINES + some.line % _MOST_LINES
    return some.herds.world * _MOST_FRAMES + of_line * _MOST_ALONG + (place + _MOST_ALONG // 2) % _MOST_ALONG


def _effect(of: npt.NDArray[np.integer], spread: float, rng: np.random.Generator) -> Floats:
    """A normal effect that all with the same number share."""
    if not spread or not len(of):
        return np.zeros(len(of))
    return np.asarray(spread * rng.standard_normal(int(of.max()) + 1)[of])
