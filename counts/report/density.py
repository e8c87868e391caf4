"""Density on a grid: animals seen in each cell over the ground of it that was searched."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from counts.report.facts import Facts
from counts.report.raster import burnt
from flightplan.drawing import Canvas, areas_path, round_below
from flightplan.frames import Floats

Shapes = npt.NDArray[np.object_]
Bools = npt.NDArray[np.bool_]

CELLS_ACROSS = 22
PARTS = 12
"""Each cell is looked at in so many parts a side to find how much of it was searched."""
LEAST_SEARCHED = 0.2
"""A cell with less than this of what is usual searched has no density: one animal there would say far too much."""
CLASSES = 4
MOST_SPECIES = 6
WIDTH = 500.0


@dataclass(frozen=True)
class DensityGrid:
    """One species' density. `classes` are the paths of cells: searched and none seen, then by rising density.

    `bounds` are the classes' upper ends in animals per km², the last the highest seen. Paths are in the drawing's
    units, `width` by `height`.
    """

    species: str
    mark: int
    cell_m: float
    width: float
    height: float
    outline: str
    classes: tuple[str, ...]
    bounds: tuple[float, ...]


def density_grids(facts: Facts, *, sensitive: Collection[str] = ()) -> tuple[DensityGrid, ...]:
    """Return the grid of each species that was seen, but for sensitive ones; none without an area or footprints."""
    area, table, animals = facts.area, facts.footprints, facts.individuals
    if area is None or animals is None or not len(animals) or not len(table.polygons) or not facts.strata:
        return ()
    outlines = np.array([s.polygon for s in area.strata], dtype=object)
    local = area.frame.localise(outlines)
    canvas = Canvas(area.frame, tuple(shapely.total_bounds(local)), width=WIDTH, max_height=WIDTH)
    cell_m = round_below(canvas.width / canvas.px_per_m / CELLS_ACROSS * 1.3)
    searched_km2 = _searched_km2(table.polygons[table.on_effort], outlines, canvas, cell_m)
    if not searched_km2.any():
        return ()
    enough = searched_km2 >= LEAST_SEARCHED * np.median(searched_km2[searched_km2 > 0])
    outline = areas_path(canvas.draw(outlines))
    counted = np.array([t is not None or facts.mosaics is not None for t in animals.transect])
    found = []
    for number, species in enumerate(facts.species):
        if species in sensitive or species in facts.signs:
            continue
        seen = _counted(animals.lonlat[counted & (animals.species == species)], canvas, cell_m, searched_km2.shape)
        density = np.where(enough, seen / np.where(enough, searched_km2, 1), 0.0)
        if not density.any():
            continue
        bounds = _bounds(float(density.max()))
        classes = np.where(enough, np.searchsorted(bounds, density, side="left") + 1, -1)
        classes[enough & (density == 0)] = 0
        paths = tuple(_squares(classes == index, cell_m * canvas.px_per_m) for index in range(len(bounds) + 1))
        found.append(
            DensityGrid(
                species, number % 6, cell_m, round(canvas.width, 1), round(canvas.height, 1), outline, paths, bounds
            )
        )
    return tuple(found[:MOST_SPECIES])


def _bounds(most: float) -> tuple[float, ...]:
    """Each class reaches twice as far as the one before, to a round number; the last as far as the highest."""
    inner = [round_below(most / 2**step) for step in range(CLASSES - 1, 0, -1)]
    return (*dict.fromkeys(b for b in inner if b < most), most)


def _searched_km2(polygons: Shapes, outlines: Shapes, canvas: Canvas, cell_m: float) -> Floats:
    """The ground of each cell inside the strata that pictures on effort show, in km²."""
    step_px = cell_m * canvas.px_per_m / PARTS
    rows = int(np.ceil(canvas.height / (step_px * PARTS))) * PARTS
    columns = int(np.ceil(canvas.width / (step_px * PARTS))) * PARTS
    covered = np.zeros((rows, columns), dtype=bool)
    if len(polygons):
        covered = _filled(polygons, canvas, step_px, rows, columns) & _filled(outlines, canvas, step_px, rows, columns)
    parts = covered.reshape(rows // PARTS, PARTS, columns // PARTS, PARTS).sum(axis=(1, 3))
    result: Floats = parts * (cell_m / PARTS) ** 2 / 1e6
    return result


def _filled(shapes: Shapes, canvas: Canvas, step_px: float, rows: int, columns: int) -> Bools:
    filled: Bools = burnt(canvas.draw(shapes), step_px, rows, columns).astype(np.bool_)
    return filled


def _counted(lonlat: Floats, canvas: Canvas, cell_m: float, shape: tuple[int, ...]) -> Floats:
    counts = np.zeros(shape)
    if len(lonlat):
        cell = np.floor(canvas.xy(lonlat) / (cell_m * canvas.px_per_m)).astype(np.int64)
        inside = (cell >= 0).all(axis=1) & (cell[:, 0] < shape[1]) & (cell[:, 1] < shape[0])
        np.add.at(counts, (cell[inside, 1], cell[inside, 0]), 1)
    return counts


def _squares(cells: Bools, side_px: float) -> str:
    row, column = np.nonzero(cells)
    return "".join(
        f"M{x:.1f} {y:.1f}h{side_px:.1f}v{side_px:.1f}h-{side_px:.1f}z"
        for x, y in zip((column * side_px).tolist(), (row * side_px).tolist(), strict=True)
    )
