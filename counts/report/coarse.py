"""Sensitive species on the report's maps and in its data: how many are in which cell of a fixed grid, and no places."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import shapely

from counts.exchange.generalise import CELL_DEG, coarsen
from counts.report.facts import Facts
from counts.report.words import Words
from flightplan.drawing import Canvas, Label, areas_path
from flightplan.frames import Floats

_KM_PER_DEG = 111.2
_INSET_PX, _STEP_PX, _LINE_PX, _EDGE_PX = 5.0, 7.0, 26.0, 116.0


@dataclass(frozen=True)
class CoarseCells:
    """One sensitive species on a map: `path` is of its cells, as far as the map shows them; `labels` tell how many."""

    species: str
    mark: int
    path: str
    labels: tuple[Label, ...]
    count: int


def cells_of(facts: Facts, species: str) -> tuple[Floats, list[int]]:
    """Return the centres (N, 2) of the grid's cells that hold individuals of a species, and how many each holds."""
    table = facts.individuals
    if table is None or not (table.species == species).any():
        return np.empty((0, 2)), []
    centres, counts = np.unique(coarsen(table.lonlat[table.species == species]), axis=0, return_counts=True)
    return np.asarray(centres, dtype=np.float64), counts.tolist()


def coarse_cells(
    facts: Facts, canvas: Canvas, marks: dict[str, int], sensitive: Collection[str]
) -> tuple[CoarseCells, ...]:
    """Return the cells of each sensitive species that was seen; `marks` are the species' numbers among the symbols.

    A cell is often larger than the map: it is cut off at its edge. Cells of several species lie inside each other.
    """
    found: list[CoarseCells] = []
    for species in (name for name in marks if name in sensitive):
        centres, counts = cells_of(facts, species)
        if not counts:
            continue
        inset = _INSET_PX + _STEP_PX * len(found)
        frame = shapely.box(inset, inset, canvas.width - inset, canvas.height - inset)
        half = CELL_DEG / 2
        squares = shapely.box(*(centres - half).T, *(centres + half).T)
        # Along meridians and parallels, which are no straight lines on the drawing.
        shown = [
            shapely.intersection(shapely.buffer(cell, -_STEP_PX * len(found)), frame)
            for cell in canvas.draw(shapely.segmentize(squares, CELL_DEG / 10))
        ]
        labels = []
        for cell, count in zip(shown, counts, strict=True):
            if not cell.is_empty:
                # Beside and below what names meridians and parallels at the map's edges.
                west, north = max(cell.bounds[0] + 12, _EDGE_PX), max(cell.bounds[1], _LINE_PX) + 24 * (1 + len(found))
                labels.append(Label(round(west, 1), round(north, 1), f"{species}: {count}"))
        visible = np.array([cell for cell in shown if not cell.is_empty], dtype=object)
        found.append(CoarseCells(species, marks[species], areas_path(visible), tuple(labels), sum(counts)))
    return tuple(found)


def coarse_text(species: str, say: Words) -> str:
    """Say that a species' places are told as cells, and how large these are."""
    return say._(
        "The places of {species} are told as cells of {cell}° (about {km} km) only: the species is marked as "
        "sensitive.",
        species=species,
        cell=say.decimal(CELL_DEG, 1),
        km=say.whole(CELL_DEG * _KM_PER_DEG),
    )
