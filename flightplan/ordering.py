"""The order of flying: which line follows which, and which way each is flown.

A sample's lines are few and far apart: each is flown whole, around whatever interrupts it. Full coverage has many lines
close together: an area with holes and bays is flown cell by cell (boustrophedon decomposition; Choset 2000, Autonomous
Robots 9), so that no hole is flown around at each line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from flightplan.areas import StudyArea
from flightplan.design import FULL, StratumDesign, SurveyDesign
from flightplan.dubins import Pose, dubins_paths
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.paths import Airspace

ENTRIES = ("nw", "ne", "sw", "se")
"""The corners at which flying may begin."""

_MOST_LEFT_OUT = 12


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
    entry: str | None = None,
    alternate: bool = False,
) -> list[list[Run]]:
    """Put the runs in the order of flying: a list for each part of the air, since no legal way joins the parts.

    The lines of a sweep (of a stratum, or of a cell in full coverage) follow each other, to and fro; the next
    sweep is the one of which a corner lies nearest, entered there. `start` is where the first take-off will be; an
    `entry` ("nw", "ne", "sw", "se") has the first line begin nearest to that corner of all lines instead. `alternate`
    flies every other line of a sweep first and then the rest. An aircraft that cannot turn from a line to the next
    leaves lines out and comes back for them, as far as makes the turns shortest.
    """
    if entry is not None and entry not in ENTRIES:
        raise PlanError(f"there is no entry corner {entry!r}", hint=f"Known are: {', '.join(ENTRIES)}")
    radius_m = 0.0 if airspace.turning is None else airspace.turning.radius_m
    sweeps: dict[int, list[Sweep]] = {}
    for stratum in strata:
        for part, lines in _by_part(area, stratum, airspace).items():
            passes = _passes(lines, design.heading_deg) if design.refly else [lines]
            by_cell = design.kind == FULL and design.corridor is None
            cells = [c for p in passes for c in _cells(p, design.spacing_m)] if by_cell else passes
            sweeps.setdefault(part, []).extend(cells)
    return [_chain(_arranged(sweeps[part], alternate, radius_m), start, entry) for part in sorted(sweeps)]


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


def _passes(lines: Sweep, heading_deg: float) -> list[Sweep]:
    """Part lines along a heading from those across it."""
    ends = np.stack([line[0].ends for line in lines])
    run = ends[:, 1] - ends[:, 0]
    angle = np.radians(heading_deg)
    along = np.abs(run @ [np.sin(angle), np.cos(angle)]) > np.hypot(*run.T) / 2**0.5
    both = [[line for line, chosen in zip(lines, mask, strict=True) if chosen] for mask in (along, ~along)]
    return [p for p in both if p]


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


def _arranged(sweeps: Sequence[Sweep], alternate: bool, radius_m: float) -> list[tuple[Sweep, Sweep]]:
    """Return each sweep's lines in the order of flying, from the one end and from the other."""
    both = [(sweep, sweep[::-1]) for sweep in sweeps]
    if alternate:
        return [(every_other(a), every_other(b)) for a, b in both]
    if radius_m > 0:
        return [(_leaving_room(a, radius_m), _leaving_room(b, radius_m)) for a, b in both]
    return both


def every_other(lines: Sweep) -> Sweep:
    """Return every other line, and then the rest on the way back."""
    return [*lines[::2], *lines[1::2][::-1]]


def interleaved(number: int, stride: int) -> list[int]:
    """Return an order of lines in which neighbours lie `stride` or `stride` - 1 apart, or further.

    Blocks of twice the stride are flown to and fro between their halves, each other block from its second half on; the
    last block takes what is left over.
    """
    blocks = max(1, number // (2 * stride))
    order: list[int] = []
    for block in range(blocks):
        first = block * 2 * stride
        size = number - first if block == blocks - 1 else 2 * stride
        half = size // 2 if block % 2 else (size + 1) // 2
        low, high = list(range(first, first + half)), list(range(first + half, first + size))
        a, b = (high, low) if block % 2 else (low, high)
        order += [i for pair in zip(a, b, strict=False) for i in pair]
        order += a[len(b) :]
    return order


def _leaving_room(lines: Sweep, radius_m: float) -> Sweep:
    """Return the lines in the order whose turns are the shortest for an aircraft of a turn radius, obstacles aside."""
    best, least_m = lines, _turns_m(lines, radius_m)
    strides = range(1, min(len(lines) // 2, _MOST_LEFT_OUT) + 1)
    for stride in strides:
        order = [lines[i] for i in interleaved(len(lines), stride)]
        length_m = _turns_m(order, radius_m)
        if length_m < least_m:
            best, least_m = order, length_m
    return best


def _turns_m(lines: Sweep, radius_m: float) -> float:
    flown = _to_and_fro(lines, False)
    return sum(dubins_paths(_pose(a.ends, 1), _pose(b.ends, 0), radius_m)[0].length for a, b in pairwise(flown))


def _pose(ends: Floats, which: int) -> Pose:
    east, north = ends[1] - ends[0]
    return Pose(float(ends[which, 0]), float(ends[which, 1]), float(np.arctan2(north, east)))


def _chain(sweeps: Sequence[tuple[Sweep, Sweep]], start: Floats | None, entry: str | None) -> list[Run]:
    flown: list[Run] = []
    here = start if entry is None else _corner(sweeps, entry)
    ways = [_to_and_fro(order, turned) for orders in sweeps for order in orders for turned in (False, True)]
    while ways:
        nearest = 0 if here is None else int(np.argmin([np.hypot(*(w[0].ends[0] - here)) for w in ways]))
        flown += ways[nearest]
        here = flown[-1].ends[1]
        first = nearest // 4 * 4
        del ways[first : first + 4]
    return flown


def _corner(sweeps: Sequence[tuple[Sweep, Sweep]], entry: str) -> Floats:
    points = np.concatenate([run.ends for sweep, _ in sweeps for line in sweep for run in line])
    low, high = points.min(axis=0), points.max(axis=0)
    return np.array([(high if "e" in entry else low)[0], (high if "n" in entry else low)[1]])


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
