"""How precise a survey will be before it is flown: a quick simulation of what lines over such herds will find.

Animals are drawn as for virtual surveys, in many worlds at once, and only two of their coordinates matter: across the
lines, which says whether a strip holds them, and along, which says in whose frame. Sampling is simulated: each world is
crossed by many draws of the lines, and the error of the expansion Z·Σy/Σz is taken against the truth. The error of
checking a sample of frames is worked out: the variance of the stratified difference estimator (Cochran 1977, §7.1)
over all frames of each world, with what a detector of the stated quality finds in them. Availability adds its own.
Lines are flown where they are, and animals told apart: both add little to the error of sampling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from flightplan.coverage import baseline, rotation, turn
from flightplan.design import RANDOM, SYSTEMATIC, SurveyDesign
from flightplan.errors import DesignError
from flightplan.frames import Floats
from sim.virtual.checking import Frames, Herds, InStrips, checking_variances
from sim.virtual.populations import Ground, herd_places, members
from sim.virtual.recipe import Inhabitants, WorldRecipe
from sim.world import build_land

Ints = npt.NDArray[np.int64]

WORLDS = 1000
STARTS = 8
MOST_ANIMALS = 4_000_000
FEWEST_WORLDS = 30
_CHORDS = 1500
_KINDS = (SYSTEMATIC, RANDOM)


@dataclass(frozen=True)
class Precision:
    """What to expect of one species at one effort.

    `number` is the mean number of animals; `cv` the standard deviation of the corrected estimate's error over it, with
    its Monte-Carlo standard error `cv_error`. It is made of `sampling`, `checking` and `availability`, whose squares
    add up to its own. `stratum_variances` are those of sampling each stratum's total, before anything else.
    """

    species: str
    number: float
    cv: float
    cv_error: float
    sampling: float
    checking: float
    availability: float
    stratum_numbers: Mapping[str, float]
    stratum_variances: Mapping[str, float]


@dataclass(frozen=True)
class Effort:
    """What a design flies on average: lines by stratum, the share of each that is in the strips, and frames in all."""

    lines: Mapping[str, float]
    shares: Mapping[str, float]
    frames: float


class Foresight:
    """Worlds drawn once, over which any number of designs of one heading and strip can be tried."""

    def __init__(
        self,
        ground: Ground,
        recipe: WorldRecipe,
        *,
        heading_deg: float,
        strip_width_m: float,
        trigger_m: float,
        front_overlap: float,
        worlds: int = WORLDS,
        starts: int = STARTS,
        seed: int = 1,
    ) -> None:
        self.recipe, self.width_m, self.trigger_m, self.overlap = recipe, strip_width_m, trigger_m, front_overlap
        self.names, self.starts, self.seed = ground.names, starts, seed
        self.worlds = _affordable(ground, recipe, worlds)
        self._heading_deg = heading_deg
        turned = [turn(polygon, heading_deg) for polygon in ground.strata]
        self._areas = [float(polygon.area) for polygon in turned]
        self._extents = [baseline(polygon, heading_deg)[:2] for polygon in ground.strata]
        self._crossed = [_crossed(t, e) for t, e in zip(turned, self._extents, strict=True)]
        self._searched = [_searched_up_to(t, *c[:2]) for t, c in zip(turned, self._crossed, strict=True)]
        reach_m = trigger_m / (1 - front_overlap) / 2
        self._herds, self._beyond, self._numbers = _draw(ground, recipe, self.worlds, seed, heading_deg, reach_m)

    def effort(self, design: SurveyDesign) -> Effort:
        """Return what a design flies on average."""
        lines, shares, frames = {}, {}, 0.0
        for row, name in enumerate(self.names):
            found = [self._strips(design, row, start) for start in range(self.starts)]
            lines[name] = float(np.mean([len(edges) for edges, _ in found]))
            shares[name] = float(np.mean([areas.sum() for _, areas in found]) / self._areas[row])
            # A frame every trigger distance of a piece of a line, one at its begin, and one where it ends between two.
            at, length_m, pieces = self._crossed[row]
            middles = [edges + self.width_m / 2 for edges, _ in found]
            frames += float(
                np.mean([(np.interp(m, at, length_m / self.trigger_m + 1.5 * pieces)).sum() for m in middles])
            )
        return Effort(lines, shares, frames)

    def of(self, design: SurveyDesign) -> dict[str, Precision]:
        """Return what to expect of a design, by species. Raises DesignError for one without parallel lines."""
        if design.kind not in _KINDS or abs((design.heading_deg - self._heading_deg + 90) % 180 - 90) > 1e-6:
            raise DesignError(
                f"the precision of a {design.kind} design is not told beforehand",
                hint="Draw a plan of it, and fly that with: overfly sim survey",
            )
        frames = self.effort(design).frames
        seen, beyond = self._seen(design, self._herds), self._seen(design, self._beyond)
        checking = checking_variances(self.recipe, seen, beyond, self._frames(frames))
        return {
            kind.name: self._precision(kind, row, design, checking[row]) for row, kind in enumerate(self.recipe.species)
        }

    def _precision(self, kind: Inhabitants, row: int, design: SurveyDesign, checking: Floats) -> Precision:
        numbers = self._numbers[row]
        truth, mean = numbers.sum(axis=0), float(numbers.sum(axis=0).mean())
        if not mean > 0:
            raise DesignError(f"the world has no {kind.name}: there is nothing to be precise about")
        errors = np.zeros((self.starts, len(self.names), self.worlds))
        available = [kind.available_in(name) for name in self.names]
        for start in range(self.starts):
            for stratum in range(len(self.names)):
                edges, areas = self._strips(design, stratum, start)
                herds = self._herds[row][stratum]
                luck = np.random.default_rng([self.seed, 3, row, stratum, start]).random(len(herds.world))
                inside = (_strip_of(herds.across_m, edges, self.width_m) >= 0) & (luck < available[stratum])
                found = np.bincount(herds.world[inside], minlength=self.worlds) / available[stratum]
                expanded = found * self._areas[stratum] / max(float(areas.sum()), 1e-9)
                errors[start, stratum] = expanded - numbers[stratum]
        squared = (errors.sum(axis=1) ** 2).mean(axis=0)
        told = sum((float(n.mean()) * kind.availability_se / a) ** 2 for n, a in zip(numbers, available, strict=True))
        whole = squared + checking + told
        cv = float(np.sqrt(whole.mean())) / mean
        by_stratum = (errors**2).mean(axis=(0, 2))
        return Precision(
            species=kind.name,
            number=float(truth.mean()),
            cv=cv,
            cv_error=float(whole.std(ddof=1) / np.sqrt(self.worlds) / (2 * cv * mean**2)),
            sampling=float(np.sqrt(squared.mean())) / mean,
            checking=float(np.sqrt(checking.mean())) / mean,
            availability=float(np.sqrt(told)) / mean,
            stratum_numbers={name: float(n.mean()) for name, n in zip(self.names, numbers, strict=True)},
            stratum_variances={name: float(v) for name, v in zip(self.names, by_stratum, strict=True)},
        )

    def _strips(self, design: SurveyDesign, stratum: int, start: int) -> tuple[Floats, Floats]:
        """The lower edges (K,) of a draw's strips over a stratum, and the area (K,) that each searches there."""
        first, last = self._extents[stratum]
        half, spacing = self.width_m / 2, design.spacing_in(self.names[stratum])
        rng = np.random.default_rng([self.seed, 1, stratum, start])
        # Starts are spread evenly, each at random in its part: fewer of them then say as much.
        share = (start + float(rng.random())) / self.starts
        if design.kind == RANDOM:
            paved = np.arange(first - half + share * self.width_m, last + half, self.width_m)
            number = int(np.floor(len(paved) * self.width_m / spacing + rng.uniform()))
            centres = np.sort(rng.choice(paved, size=min(number, len(paved)), replace=False))
        else:
            centres = np.arange(first - half + share * spacing, last + half, spacing)
        at, area = self._crossed[stratum][0], self._searched[stratum]
        areas = np.interp(centres + half, at, area) - np.interp(centres - half, at, area)
        return centres[areas > 0] - half, areas[areas > 0]

    def _frames(self, number: float) -> Frames:
        return Frames(number, self.trigger_m, self.overlap, self.worlds, self.seed)

    def _seen(self, design: SurveyDesign, of: Sequence[Sequence[Herds]]) -> list[list[InStrips]]:
        """Which of some animals are in the strips of the first draw, by species and stratum."""
        found = []
        for row, kind in enumerate(self.recipe.species):
            each = []
            for stratum, name in enumerate(self.names):
                edges, areas = self._strips(design, stratum, 0)
                herds = of[row][stratum]
                line = _strip_of(herds.across_m, edges, self.width_m)
                luck = np.random.default_rng([self.seed, 3, row, stratum, 0]).random(len(herds.world))
                rows = np.flatnonzero((line >= 0) & (luck < kind.available_in(name)))
                some = herds.rows(rows)
                stands_for = self._areas[stratum] / max(float(areas.sum()), 1e-9) / kind.available_in(name)
                each.append(InStrips(some, line[rows], stratum, stands_for))
            found.append(each)
        return found


def _strip_of(across_m: Floats, edges: Floats, width_m: float) -> Ints:
    """The strip (N,) that holds each place, or −1."""
    line = np.searchsorted(edges, across_m, side="right") - 1
    inside = (
        (line >= 0) & (across_m - edges[np.maximum(line, 0)] < width_m) if len(edges) else np.zeros(len(line), bool)
    )
    return np.where(inside, line, -1).astype(np.int64)


def _crossed(turned: Any, extent: tuple[float, float]) -> tuple[Floats, Floats, Floats]:
    """Places across the lines, how much of a line at each lies in the stratum, and in how many pieces."""
    low, high = extent
    at = np.linspace(low, high, _CHORDS)
    _, bottom, _, top = shapely.bounds(turned)
    # A hair inside, or the first and last chord would run along the border.
    inner = np.clip(at, low + 1e-6 * (high - low), high - 1e-6 * (high - low))
    ends = np.stack([np.column_stack([inner, np.full(_CHORDS, y)]) for y in (bottom, top)], axis=1)
    chords = shapely.intersection(shapely.linestrings(ends), turned)
    return at, shapely.length(chords), shapely.get_num_geometries(chords).astype(np.float64)


def _searched_up_to(turned: Any, at: Floats, length_m: Floats) -> Floats:
    """The area of the stratum that lies before each place across the lines."""
    area = np.concatenate([[0.0], np.cumsum((length_m[1:] + length_m[:-1]) / 2 * np.diff(at))])
    return np.asarray(area * float(turned.area) / max(float(area[-1]), 1e-9))


def _affordable(ground: Ground, recipe: WorldRecipe, worlds: int) -> int:
    areas_km2 = [polygon.area / 1e6 for polygon in ground.strata]
    animals = sum(
        kind.density_in(name) * km2
        for kind in recipe.species
        for name, km2 in zip(ground.names, areas_km2, strict=True)
    )
    return int(np.clip(MOST_ANIMALS / max(animals, 1.0), FEWEST_WORLDS, worlds))


def _draw(
    ground: Ground, recipe: WorldRecipe, worlds: int, seed: int, heading_deg: float, reach_m: float
) -> tuple[list[list[Herds]], list[list[Herds]], list[Floats]]:
    """The animals by species and stratum, and how many each world has (strata, worlds), by species.

    Beside them are those that stand no further than `reach_m` beyond the stratum, along the lines.
    """
    found, others, numbers = [], [], []
    # From east and north to across and along the lines.
    forward = rotation(heading_deg).T
    ahead = np.array([[0.0, reach_m]]) @ forward.T
    for row, kind in enumerate(recipe.species):
        parts: list[list[Herds]] = [[] for _ in ground.names]
        near: list[list[Herds]] = [[] for _ in ground.names]
        count = np.zeros((len(ground.names), worlds))
        herds = 0
        for world in range(worlds):
            rng = np.random.default_rng([seed, 2, world, row])
            land = build_land(ground.strata, ground.names, world) if kind.cover_preference != 1.0 else None
            places = herd_places(ground, kind, land, rng)
            herd, where = members(kind, places, rng)
            stratum = ground.stratum_of(where)
            turned = where @ forward
            one = Herds(np.full(len(where), world, dtype=np.int64), turned[:, 0], turned[:, 1], herd + herds)
            for i, polygon in enumerate(ground.strata):
                mine = np.flatnonzero(stratum == i)
                count[i, world] = len(mine)
                parts[i].append(one.rows(mine))
                out = np.flatnonzero(stratum != i)
                shown = [shapely.contains_xy(polygon, *(where[out] + way).T) for way in (ahead, -ahead)]
                near[i].append(one.rows(out[np.any(shown, axis=0)]))
            herds += len(places)
        found.append([_joined(each) for each in parts])
        others.append([_joined(each) for each in near])
        numbers.append(count)
    return found, others, numbers


def _joined(parts: Sequence[Herds]) -> Herds:
    return Herds(
        np.concatenate([p.world for p in parts]),
        np.concatenate([p.across_m for p in parts]),
        np.concatenate([p.along_m for p in parts]),
        np.concatenate([p.herd for p in parts]).astype(np.int64),
    )
