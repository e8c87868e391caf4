"""One virtual survey: animals drawn, lines flown, detections drawn, and then counted as a survey with pictures is.

From the detections on, identity, effort, verification and estimators are the functions of `counts` that
`overfly.chain.counting` calls, with the same settings. What stands in for pictures is geometry: a frame is a rectangle
on flat ground, moved by the errors of its position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counts.assignment import Assignment, assign_to_transects
from counts.availability import NAME as AVAILABILITY
from counts.effort import Effort, in_core_zones, measure_effort
from counts.estimators import Rate
from counts.identity import Individuals, resolve
from counts.population import Classes, on_land, verified_correction
from counts.verification import Correction, Sample, draw_sample
from flightplan.frames import Floats
from sim.virtual.detecting import Seen, Visible, detect, visible_in
from sim.virtual.flights import Drawn, Exposures, Flying
from sim.virtual.populations import Ground, populate
from sim.virtual.recipe import Inhabitants, WorldRecipe
from sim.world import World

Ints = npt.NDArray[np.int64]

CROSS_TRACK_SHARE = 0.25
"""As in `overfly.chain.ground`: how far off its line a capture may be, as a share of the strip's width."""

LEAST_AVAILABILITY = 0.02


@dataclass(frozen=True)
class Setting:
    """What is surveyed: a plan to fly over an area, and the world that it is flown over.

    With `redraw` every survey has lines of its own draw of the design, with `one_world` they all have the same animals.
    """

    flying: Flying
    recipe: WorldRecipe
    redraw: bool = False
    one_world: bool = False


@dataclass(frozen=True)
class SpeciesCount:
    """What a survey found of one species, before anything is estimated.

    `truth` is by stratum. `transect` (M,) is that of each individual on land, `positions_m` (M, 2) its place, `seen`
    the animals a person saw in the checked frames by stratum, `in_strips` (K,) the transect of each animal that was in
    the strips at all.
    """

    name: str
    truth: Mapping[str, int]
    transect: Ints
    positions_m: Floats
    correction: Correction
    seen: Mapping[str, float]
    in_strips: Ints
    availability: Classes | None


@dataclass(frozen=True)
class Flown:
    """Frames on their lines: the ground that each is believed to show (F,), and the area searched."""

    exposures: Exposures
    footprints: npt.NDArray[np.object_]
    assignment: Assignment
    effort: Effort


@dataclass(frozen=True)
class Counted:
    """A virtual survey up to its estimates: lines, area searched, and each species' individuals and correction."""

    seed: int
    drawn: Drawn
    flown: Flown
    sample: Sample
    species: tuple[SpeciesCount, ...]

    @property
    def effort(self) -> Effort:
        """The area searched."""
        return self.flown.effort

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.flown.exposures)


class Surveyor:
    """Flies surveys of one setting, one for each seed; what they share is worked out once."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.ground = Ground.of(setting.flying.area)
        self._drawn = setting.flying.draw()
        self._world: World | None = None

    def world(self, seed: int) -> World:
        """The world that the survey of a seed flies over."""
        if not self.setting.one_world:
            return populate(self.ground, self.setting.recipe, seed)
        if self._world is None:
            self._world = populate(self.ground, self.setting.recipe, 1)
        return self._world

    def count(self, seed: int) -> Counted:
        """Fly and count the survey of one seed: the same for the same setting and seed."""
        recipe = self.setting.recipe
        world = self.world(seed)
        drawn = self.setting.flying.draw(seed) if self.setting.redraw else self._drawn
        rng = np.random.default_rng([seed, 0xF17])
        exposures = drawn.exposures.rows(rng.random(len(drawn.exposures)) >= recipe.lost_frames)
        reported = _reported(exposures, recipe, rng)
        flown = on_lines(drawn, exposures, reported)
        visible = visible_in(world, exposures, reported, _available(world, recipe, self.ground, rng))
        boxes, scores = detect(world, recipe, exposures, reported, visible, rng)
        return _count(seed, world, recipe, drawn, flown, visible, boxes, scores, rng)


def _reported(exposures: Exposures, recipe: WorldRecipe, rng: np.random.Generator) -> Floats:
    """Where the survey believes its frames to be (F, 2)."""
    placing = recipe.placing
    common = rng.normal(0.0, placing.common_m, (int(exposures.sortie.max(initial=0)) + 1, 2))
    shape = exposures.centres_m.shape
    return exposures.centres_m + common[exposures.sortie] + rng.normal(0.0, placing.frame_m, shape)


def on_lines(drawn: Drawn, exposures: Exposures, reported: Floats) -> Flown:
    """Put frames, believed to be at `reported` (F, 2), on their lines and measure the area searched."""
    footprints = exposures.outlines(reported)
    assignment = assign_to_transects(
        reported,
        exposures.headings_deg,
        drawn.lines,
        cross_track_limit_m=CROSS_TRACK_SHARE * exposures.across_m,
        end_slack_m=exposures.along_m * (1 - exposures.overlap),
        footprints=footprints,
    )
    effort = measure_effort(footprints, assignment, drawn.lines, drawn.land)
    return Flown(exposures, footprints, assignment, effort)


def _available(world: World, recipe: WorldRecipe, ground: Ground, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which animals (A,) can be seen from above, all through the survey."""
    luck = rng.random(len(world.animals))
    share = np.ones(len(world.animals))
    for row, kind in enumerate(recipe.species):
        mine = world.animals.species == row
        shares = [kind.available_in(name) for name in ground.names]
        share[mine] = ground.by_stratum(shares, world.animals.stratum[mine])
    return luck < share


def _count(
    seed: int,
    world: World,
    recipe: WorldRecipe,
    drawn: Drawn,
    flown: Flown,
    visible: Visible,
    boxes: Seen,
    scores: Floats,
    rng: np.random.Generator,
) -> Counted:
    assignment, frames = flown.assignment, len(flown.exposures)
    names = np.array([kind.name for kind in recipe.species])
    detected = np.bincount(boxes.frame, minlength=frames)
    effort_rows = np.flatnonzero(assignment.transect >= 0)
    counting = recipe.counting
    drawn_rows = draw_sample(detected[effort_rows], counting.verify_positive, counting.verify_zero, seed)
    sample = Sample(
        effort_rows[drawn_rows.captures],
        drawn_rows.stratum,
        drawn_rows.stratum_sizes,
        drawn_rows.sample_sizes,
        seed,
    )
    individuals = _individuals(recipe, flown, boxes, scores, names)
    here = on_land(individuals.positions, individuals.transects, drawn.land)
    in_zone = in_core_zones(visible.points_m, visible.frame, flown.footprints, assignment, drawn.lines, drawn.land)
    truth = world.truth()
    strata_of_lines = np.array(drawn.lines.strata)
    of_sampled = strata_of_lines[assignment.transect[sample.captures]]
    counts = []
    for index, kind in enumerate(recipe.species):
        mine = here & (individuals.labels == kind.name)
        unit = individuals.transects[mine].astype(np.int64)
        true_counts = np.bincount(visible.frame[in_zone & (visible.species == index)], minlength=frames)
        by = verified_correction(
            sample,
            true_counts[sample.captures],
            detected,
            individuals.positions[mine],
            unit,
            assignment,
            drawn.lines,
            source=f"{len(sample.captures)} frames checked for {kind.name}",
        )
        seen = {s.name: float(true_counts[sample.captures][of_sampled == s.name].sum()) for s in drawn.strata}
        classes = _classes(kind, strata_of_lines[unit], [s.name for s in drawn.strata], rng)
        in_strips = np.repeat(assignment.transect, true_counts).astype(np.int64)
        counts.append(
            SpeciesCount(kind.name, truth[kind.name], unit, individuals.positions[mine], by, seen, in_strips, classes)
        )
    return Counted(seed, drawn, flown, sample, tuple(counts))


def _individuals(
    recipe: WorldRecipe, flown: Flown, boxes: Seen, scores: Floats, names: npt.NDArray[np.str_]
) -> Individuals:
    on = flown.assignment.transect[boxes.frame] >= 0
    frame = boxes.frame[on]
    independent = (recipe.placing.frame_m**2 + recipe.placing.box_m**2) * np.eye(2)
    return resolve(
        boxes.points_m[on],
        np.tile(independent, (len(frame), 1, 1)),
        flown.exposures.times_s[frame],
        frame,
        flown.assignment.transect[frame],
        names[boxes.species[on]],
        scores[on],
        speed_limit_mps=recipe.counting.speed_limit_mps,
        footprints=flown.footprints[frame],
    )


def _classes(
    kind: Inhabitants, strata: npt.NDArray[np.str_], names: list[str], rng: np.random.Generator
) -> Classes | None:
    """What the survey is told of availability: off by its standard error, as what is measured is."""
    off = rng.standard_normal(len(names)) * kind.availability_se
    if not kind.availability_se and all(kind.available_in(name) == 1.0 for name in names):
        return None
    told = {
        name: Rate(
            AVAILABILITY,
            float(np.clip(kind.available_in(name) + error, LEAST_AVAILABILITY, 1.0)),
            kind.availability_se,
            "the world file",
        )
        for name, error in zip(names, off, strict=True)
    }
    row = {name: i for i, name in enumerate(names)}
    return Classes(np.array([row[name] for name in strata.tolist()], dtype=np.int64), tuple(names), told)
