"""The order of flying: which line follows which, and which way each is flown.

A sample's lines are few and far apart: each is flown whole, around whatever interrupts it. Full coverage has many lines
close together: an area with holes and bays is flown cell by cell (boustrophedon decomposition; Choset 2000, Autonomous
Robots 9), so that no hole is flown around at each line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flightplan.areas import StudyArea
from flightplan.design import FULL, StratumDesign, SurveyDesign
from flightplan.frames import Floats
from flightplan.paths import Airspace


@dataclass(frozen=True)
class Run:
    """A piece of a transect flown in one go: local (start, end), (2, 2), metres east and north."""

    transect: str
    ends: Floats

    @property
    def length_m(self) -> float:
        """Its length."""
        return float(np.hypot(*(self.ends[1] - self.ends[0])))

    def reversed(self) -> Run:
        """The same piece flown the other way."""
        return Run(self.transect, self.ends[::-1])


Sweep = list[list[Run]]
"""Lines that follow each other, each the list of its runs."""


def order_runs(
    area: StudyArea,
    design: SurveyDesign,
    strata: Sequence[StratumDesign],
    airspace: Airspace,
    *,
    start: Floats | None = None,
) -> list[list[Run]]:
    """Put the runs in the order of flying: a list for each part of the air, since no legal way joins the parts.

    The lines of a sweep (of a stratum, or of a cell in full coverage) follow each other, to and fro; the next
    sweep is the one of which a corner lies nearest, entered there. `start` is where the first take-off will be.
    """
    sweeps: dict[int, list[Sweep]] = {}
    for stratum in strata:
        for part, lines in _by_part(area, stratum, airspace).items():
            cells = _cells(lines, design.spacing_m) if design.kind == FULL else [lines]
            sweeps.setdefault(part, []).extend(cells)
    return [_chain(sweeps[part], start) for part in sorted(sweeps)]


def _by_part(area: StudyArea, stratum: StratumDesign, airspace: Airspace) -> dict[int, Sweep]:
    segments = [np.asarray(t.segments).reshape(-1, 2) for t in stratum.transects]
    ends = area.frame.to_local(np.concatenate(segments)).reshape(-1, 2, 2)
    parts = airspace.part_of(ends[:, 0])
    owners = np.repeat(np.arange(len(segments)), [len(s) // 2 for s in segments])
    by_part: dict[int, dict[int, list[Run]]] = {}
    for part, owner, pair in zip(parts.tolist(), owners.tolist(), ends, strict=True):
        run = Run(stratum.transects[owner].identifier, pair)
        by_part.setdefault(part, {}).setdefault(owner, []).append(run)
    return {part: list(lines.values()) for part, lines in by_part.items()}


def _cells(lines: Sweep, spacing_m: float) -> list[Sweep]:
    """Split lines where their number of runs beside each other changes: a cell has one run a line."""
    along = lines[0][0].ends[1] - lines[0][0].ends[0]
    along = along / np.hypot(*along)
    across = np.array([-along[1], along[0]])
    steps = np.abs(np.diff([line[0].ends[0] @ across for line in lines], prepend=np.nan))
    extents = [np.stack([run.ends @ along for run in line]) for line in lines]
    cells: list[Sweep] = []
    open_cells: list[Sweep | None] = []
    for i, (line, extent) in enumerate(zip(lines, extents, strict=True)):
        beside = (
            np.zeros((0, len(line)), dtype=bool)
            if not steps[i] < 1.5 * spacing_m
            else (extents[i - 1][:, None, 0] < extent[None, :, 1]) & (extent[None, :, 0] < extents[i - 1][:, None, 1])
        )
        now: list[Sweep | None] = []
        for j, run in enumerate(line):
            before = np.flatnonzero(beside[:, j])
            cell = open_cells[before[0]] if len(before) == 1 and beside[before[0]].sum() == 1 else None
            if cell is None:
                cell = []
                cells.append(cell)
            cell.append([run])
            now.append(cell)
        open_cells = now
    return cells


def _chain(sweeps: Sequence[Sweep], start: Floats | None) -> list[Run]:
    left = list(sweeps)
    flown: list[Run] = []
    here = start
    while left:
        ways = [_to_and_fro(order, turned) for s in left for order in (s, s[::-1]) for turned in (False, True)]
        nearest = 0 if here is None else int(np.argmin([np.hypot(*(w[0].ends[0] - here)) for w in ways]))
        flown += ways[nearest]
        here = flown[-1].ends[1]
        del left[nearest // 4]
    return flown


def _to_and_fro(lines: Sequence[Sequence[Run]], turned: bool) -> list[Run]:
    """Fly lines in turn, the first as drawn or turned, each other one from whichever end is nearer."""
    flown: list[Run] = []
    for i, line in enumerate(lines):
        backwards = [run.reversed() for run in reversed(line)]
        if i > 0:
            here = flown[-1].ends[1]
            turned = bool(np.hypot(*(backwards[0].ends[0] - here)) < np.hypot(*(line[0].ends[0] - here)))
        flown += backwards if turned else line
    return flown
