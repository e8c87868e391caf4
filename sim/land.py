"""The simulated land: cover, soil, grass, relief and the things that lie on it, all from the seed alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from flightplan.frames import Floats
from sim.noise import Integers, Reals, fractal_noise, grain_tile, hash_unit, value_noise

TILE_PX = 1024


@dataclass(frozen=True)
class Clutter:
    """One kind of thing on the land, at most one in each square cell; lengths in metres, `colour` in sRGB 0 to 255.

    `presence` is the chance of one in a cell on open ground and in full woodland.
    """

    kind: str
    cell_m: float
    presence: tuple[float, float]
    radius_m: tuple[float, float]
    slenderness: tuple[float, float]
    height_per_radius: float
    colour: tuple[float, float, float]
    lumpiness: float


TREE = Clutter("tree", 9.0, (0.03, 0.62), (1.5, 4.0), (1.0, 1.25), 1.5, (74, 84, 46), 0.22)
BUSH = Clutter("bush", 5.5, (0.07, 0.34), (0.4, 1.4), (1.0, 1.5), 1.2, (98, 102, 60), 0.25)
ROCK = Clutter("rock", 13.0, (0.09, 0.07), (0.4, 1.7), (1.0, 2.1), 0.7, (128, 121, 112), 0.12)
MOUND = Clutter("mound", 27.0, (0.20, 0.14), (0.7, 2.0), (1.0, 1.5), 1.1, (138, 104, 78), 0.10)
LOG = Clutter("log", 21.0, (0.06, 0.20), (0.7, 2.4), (4.0, 9.0), 0.25, (172, 164, 150), 0.0)
CLUTTER = (LOG, ROCK, MOUND, BUSH, TREE)


@dataclass(frozen=True)
class Things:
    """Some clutter of one kind: rows of centre (east, north), half-axes, direction, height, tone and hash."""

    clutter: Clutter
    centre_m: Floats
    half_axes_m: Floats
    direction_rad: Floats
    height_m: Floats
    tone: Floats
    phase: Floats


@dataclass(frozen=True)
class Land:
    """Ground that can be looked at anywhere: `cover` is a grid of woodland from 0 to 1, `cell_m` wide.

    Its first row and column are centred on `corner_m` (east, north); rows run north. `bait` multiplies how many rocks,
    logs and termite mounds lie about: what a detector takes for animals.
    """

    seed: int
    cover: Reals
    corner_m: tuple[float, float]
    cell_m: float
    bait: float = 1.0

    def cover_at(self, points_m: npt.ArrayLike) -> Floats:
        """Woodland cover from 0 to 1 at (N, 2) points east and north, bilinear, held constant past the grid."""
        points = np.asarray(points_m, dtype=np.float64)
        rows, columns = self.cover.shape
        u = np.clip((points[:, 0] - self.corner_m[0]) / self.cell_m, 0, columns - 1.001)
        v = np.clip((points[:, 1] - self.corner_m[1]) / self.cell_m, 0, rows - 1.001)
        i, j = u.astype(np.int64), v.astype(np.int64)
        u, v = u - i, v - j
        near = self.cover[j, i] * (1 - u) + self.cover[j, i + 1] * u
        far = self.cover[j + 1, i] * (1 - u) + self.cover[j + 1, i + 1] * u
        blended: Floats = near * (1 - v) + far * v
        return blended

    def things_in(self, clutter: Clutter, bounds_m: tuple[float, float, float, float]) -> Things:
        """Return everything of one kind whose cell touches the bounds (west, south, east, north)."""
        west, south, east, north = bounds_m
        columns = np.arange(int(np.floor(west / clutter.cell_m)), int(np.floor(east / clutter.cell_m)) + 1)
        rows = np.arange(int(np.floor(south / clutter.cell_m)), int(np.floor(north / clutter.cell_m)) + 1)
        ix, iy = (grid.ravel() for grid in np.meshgrid(columns, rows))
        things, present = self._things(clutter, ix, iy)
        return _subset(things, present)

    def clear_of_trees(self, points_m: Floats, margin_m: Floats) -> Floats:
        """Move each point (N, 2) that lies under a canopy to `margin_m` (N,) beyond its edge."""
        centre, radius, present = self._trees_around(points_m, 1)
        away = points_m[:, None, :] - centre
        distance = np.hypot(away[..., 0], away[..., 1])
        missing = np.where(present, radius + margin_m[:, None] - distance, -1.0)
        nearest = missing.argmax(axis=1)
        row = np.arange(len(points_m))
        push = np.clip(missing[row, nearest], 0.0, None)
        direction = away[row, nearest] / np.maximum(distance[row, nearest], 1e-6)[:, None]
        moved: Floats = points_m + push[:, None] * direction
        return moved

    def into_shade(self, points_m: Floats) -> Floats:
        """Move each point (N, 2) under the nearest tree within some 30 m, half-way to its edge; others stay."""
        centre, radius, present = self._trees_around(points_m, 3)
        away = points_m[:, None, :] - centre
        distance = np.where(present, np.hypot(away[..., 0], away[..., 1]), np.inf)
        nearest = distance.argmin(axis=1) if len(points_m) else np.zeros(0, dtype=np.int64)
        row = np.arange(len(points_m))
        found = np.isfinite(distance[row, nearest])
        direction = away[row, nearest] / np.maximum(distance[row, nearest], 1e-6)[:, None]
        under = centre[row, nearest] + 0.5 * radius[row, nearest][:, None] * direction
        return np.where(found[:, None], under, points_m)

    def _trees_around(self, points_m: Floats, cells: int) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """Centres (N, K, 2) and radii (N, K) of the trees in the cells around points, and whether each is there."""
        steps = range(-cells, cells + 1)
        around = np.array([(dx, dy) for dx in steps for dy in steps])
        own = np.floor(points_m / TREE.cell_m).astype(np.int64)
        ix, iy = (own[:, None, axis] + around[None, :, axis] for axis in (0, 1))
        trees, present = self._things(TREE, ix.ravel(), iy.ravel())
        shape = (len(points_m), len(around))
        radius = trees.half_axes_m.max(axis=1).reshape(shape) if len(points_m) else np.zeros(shape)
        return trees.centre_m.reshape(*shape, 2), radius, present.reshape(shape)

    def ground(self, east_m: Reals, north_m: Reals, sun: tuple[float, float]) -> tuple[Reals, Reals]:
        """Return the bare ground's colour (..., 3) and its roughness (...) at points of any 2-D shape.

        `sun` is the horizontal direction to the sun (east, north); relief facing it is brighter. For detail above
        about a metre; `grain` holds what is finer.
        """
        cover = self.cover_at(np.column_stack([east_m.ravel(), north_m.ravel()])).reshape(east_m.shape)
        cover = cover.astype(np.float32)
        patches = fractal_noise(east_m, north_m, (61.0, 23.0, 9.0, 3.7, 1.6), self.seed + 11, 0.72)
        wet = fractal_noise(east_m, north_m, (310.0, 97.0), self.seed + 23, 0.6)
        tufts = fractal_noise(east_m, north_m, (4.3, 1.9, 1.1), self.seed + 37, 0.9)
        soil = _step(patches + 0.35 * self._season[1], 0.12, 0.42)
        green = np.clip(0.5 + 0.9 * wet + 0.25 * cover + self._season[0], 0.0, 1.0)
        burnt = _step(value_noise(east_m, north_m, 173.0, self.seed + 53) + 0.25 * patches, 0.62, 0.75)
        dry_grass, green_grass, earth, ash = self._palette
        colour = dry_grass + green[..., None] * (green_grass - dry_grass)
        colour = colour + soil[..., None] * (earth - colour)
        colour = colour + (0.75 * burnt * (1 - soil))[..., None] * (ash - colour)
        path = value_noise(east_m, north_m, 210.0, self.seed + 71) + 0.06 * patches
        trodden = 0.6 * (1.0 - _step(np.abs(path), 0.004, 0.011))
        colour = colour + trodden[..., None] * (1.08 * earth - colour)
        step_m = np.float32(3.0)
        relief = fractal_noise(east_m, north_m, (140.0, 47.0, 17.0), self.seed + 89, 0.5)
        toward = fractal_noise(
            east_m + step_m * np.float32(sun[0]),
            north_m + step_m * np.float32(sun[1]),
            (140.0, 47.0, 17.0),
            self.seed + 89,
            0.5,
        )
        light = 1.0 + 1.1 * (relief - toward) + 0.10 * tufts * (1 - soil) + 0.05 * wet
        lit: Reals = colour * light[..., None]
        roughness: Reals = np.float32(0.35) + np.float32(0.65) * (1 - soil) * (1 - np.float32(0.5) * burnt)
        return lit, roughness

    def grain(self, east_m: Reals, north_m: Reals) -> Reals:
        """Detail below a metre, deviation about 1: grass blades, pebbles, tussocks."""
        fine = self._lookup(east_m, north_m, 0.09, 0.31)
        coarse = self._lookup(east_m, north_m, 0.23, 1.13)
        result: Reals = np.float32(0.75) * fine + np.float32(0.55) * coarse
        return result

    def _lookup(self, east_m: Reals, north_m: Reals, cell_m: float, turn_rad: float) -> Reals:
        along, across = np.float32(np.cos(turn_rad) / cell_m), np.float32(np.sin(turn_rad) / cell_m)
        column = np.floor(along * east_m + across * north_m).astype(np.int32) & (TILE_PX - 1)
        row = np.floor(along * north_m - across * east_m).astype(np.int32) & (TILE_PX - 1)
        return self._tile[row * TILE_PX + column]

    @cached_property
    def _tile(self) -> Reals:
        return grain_tile(TILE_PX, 0.75, self.seed).ravel()

    @cached_property
    def _season(self) -> tuple[float, float]:
        rng = np.random.default_rng([self.seed, 5])
        return float(rng.uniform(-0.45, 0.35)), float(rng.uniform(-0.6, 0.5))

    @cached_property
    def _palette(self) -> tuple[Reals, Reals, Reals, Reals]:
        rng = np.random.default_rng([self.seed, 6])
        base = np.array([(178, 160, 112), (124, 130, 76), (158, 122, 92), (92, 84, 74)], dtype=np.float32)
        shift = rng.normal(0.0, 7.0, (4, 1)) + rng.normal(0.0, 5.0, (4, 3))
        palette = (base + shift).astype(np.float32)
        return palette[0], palette[1], palette[2], palette[3]

    def _things(self, clutter: Clutter, ix: Integers, iy: Integers) -> tuple[Things, npt.NDArray[np.bool_]]:
        key = self.seed * 31 + sum(map(ord, clutter.kind)) * 7919
        dice = [hash_unit(ix, iy, key + 13 * i).astype(np.float64) for i in range(8)]
        centre = np.column_stack([ix + 0.15 + 0.7 * dice[0], iy + 0.15 + 0.7 * dice[1]]) * clutter.cell_m
        cover = self.cover_at(centre)
        open_ground, woodland = clutter.presence
        plenty = self.bait if clutter in (LOG, ROCK, MOUND) else 1.0
        present = dice[2] < plenty * (open_ground + (woodland - open_ground) * cover)
        small, large = clutter.radius_m
        radius = small + (large - small) * dice[3] ** 1.7
        slender = clutter.slenderness[0] + (clutter.slenderness[1] - clutter.slenderness[0]) * dice[4]
        things = Things(
            clutter=clutter,
            centre_m=centre,
            half_axes_m=np.column_stack([radius, radius / slender]),
            direction_rad=2 * np.pi * dice[5],
            height_m=clutter.height_per_radius * radius,
            tone=0.78 + 0.44 * dice[6],
            phase=2 * np.pi * dice[7],
        )
        return things, present


def _step(value: Reals, low: float, high: float) -> Reals:
    """Smoothstep from 0 at `low` to 1 at `high`."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    result: Reals = t * t * (3 - 2 * t)
    return result


def _subset(things: Things, keep: npt.NDArray[np.bool_]) -> Things:
    return Things(
        clutter=things.clutter,
        centre_m=things.centre_m[keep],
        half_axes_m=things.half_axes_m[keep],
        direction_rad=things.direction_rad[keep],
        height_m=things.height_m[keep],
        tone=things.tone[keep],
        phase=things.phase[keep],
    )
