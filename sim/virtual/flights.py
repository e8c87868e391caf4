"""The lines of a plan as they are flown and photographed: where each frame is taken, when, and what it covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from counts.assignment import TransectLines
from flightplan.areas import StudyArea
from flightplan.design import FULL, StratumDesign, SurveyDesign, default_allowance_m, draw_design
from flightplan.errors import DesignError
from flightplan.frames import Floats
from flightplan.paths import Airspace
from flightplan.plan import SurveyPlan
from flightplan.request import DEFAULT_BUFFER_M
from sim.shots import TURN_S

Ints = npt.NDArray[np.int64]

START_S = 1_781_503_200.0
"""When the first frame is taken, seconds since 1970-01-01 UTC: at six on the 15th of June 2026."""


@dataclass(frozen=True)
class Exposures:
    """Every frame of a survey in the order it is taken, as planned.

    `centres_m` (F, 2) in the area's frame, `times_s` (F,), `headings_deg` (F,) clockwise from the frame's north,
    `sortie` (F,). A frame covers `across_m` by `along_m` of ground, and the share `overlap` of the next one's. Seen
    from `height_m`, tall animals lean outwards; from None they do not.
    """

    centres_m: Floats
    times_s: Floats
    headings_deg: Floats
    sortie: Ints
    across_m: float
    along_m: float
    overlap: float = 0.0
    height_m: float | None = None

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def axes(self) -> tuple[Floats, Floats]:
        """Unit vectors along the flight and to its right, each (F, 2)."""
        heading = np.radians(self.headings_deg)
        along = np.column_stack([np.sin(heading), np.cos(heading)])
        return along, np.column_stack([along[:, 1], -along[:, 0]])

    def outlines(self, centres_m: Floats) -> npt.NDArray[np.object_]:
        """The ground (F,) that frames at these places cover, as polygons."""
        along, right = self.axes
        a, r = along * self.along_m / 2, right * self.across_m / 2
        return np.asarray(shapely.polygons(centres_m[:, None] + np.stack([a - r, a + r, r - a, -a - r], axis=1)))

    def rows(self, kept: npt.NDArray[np.bool_]) -> Exposures:
        """Some of the frames."""
        return replace(
            self,
            centres_m=self.centres_m[kept],
            times_s=self.times_s[kept],
            headings_deg=self.headings_deg[kept],
            sortie=self.sortie[kept],
        )


@dataclass(frozen=True)
class Drawn:
    """The lines of one draw of a design: what the statistics need of its strata, its lines, land and frames."""

    strata: tuple[StratumDesign, ...]
    lines: TransectLines
    land: tuple[Any, ...]
    exposures: Exposures


@dataclass(frozen=True)
class Flying:
    """What is needed of a plan to fly it without a vehicle.

    `sorties` are the transects of each in their order; of lines that are drawn anew each takes as many as there were.
    """

    area: StudyArea
    design: SurveyDesign
    strata: tuple[StratumDesign, ...]
    sorties: tuple[tuple[str, ...], ...]
    trigger_m: float
    speed_mps: float
    front_overlap: float
    allowance_m: float
    buffer_m: float
    altitude_agl_m: float | None = None

    @classmethod
    def of(cls, plan: SurveyPlan) -> Flying:
        """Take a plan. Raises DesignError for full coverage: nothing is sampled there."""
        width_m = plan.design.strip_width_m
        return cls.designed(
            plan.area,
            plan.design,
            plan.strata,
            trigger_m=plan.trigger_distance_m,
            speed_mps=plan.speed_mps,
            front_overlap=plan.front_overlap,
            sorties=tuple(s.transects for s in plan.sorties),
            allowance_m=default_allowance_m(width_m) if plan.allowance_m is None else plan.allowance_m,
            buffer_m=DEFAULT_BUFFER_M if plan.buffer_m is None else plan.buffer_m,
            altitude_agl_m=plan.altitude_agl_m,
        )

    @classmethod
    def designed(
        cls,
        area: StudyArea,
        design: SurveyDesign,
        strata: tuple[StratumDesign, ...],
        *,
        trigger_m: float,
        speed_mps: float,
        front_overlap: float,
        sorties: Sequence[Sequence[str]] = (),
        allowance_m: float | None = None,
        buffer_m: float = DEFAULT_BUFFER_M,
        lines_per_sortie: int = 5,
        altitude_agl_m: float | None = None,
    ) -> Flying:
        """Take a design that no sorties were planned for: then each flies `lines_per_sortie` lines."""
        if design.kind == FULL:
            raise DesignError(
                "full coverage samples nothing, so that there is no error of sampling to simulate",
                where=area.name,
                hint="What walking does to it `overfly count --worlds` tells",
            )
        if not sorties:
            names = [t.identifier for s in strata for t in s.transects]
            sorties = [names[i : i + lines_per_sortie] for i in range(0, len(names), lines_per_sortie)]
        room_m = default_allowance_m(design.strip_width_m) if allowance_m is None else allowance_m
        each = tuple(tuple(s) for s in sorties)
        return cls(area, design, strata, each, trigger_m, speed_mps, front_overlap, room_m, buffer_m, altitude_agl_m)

    def draw(self, seed: int | None = None) -> Drawn:
        """Lay the lines: those of the plan, or with a `seed` those of another draw of its design."""
        strata, sorties = self.strata, self.sorties
        if seed is not None:
            airspace = Airspace.over(self.area, allowance_m=self.allowance_m, buffer_m=self.buffer_m)
            strata = draw_design(self.area, replace(self.design, seed=seed), airspace)
            names = [t.identifier for s in strata for t in s.transects]
            each = max(1, round(len(names) / max(len(self.sorties), 1)))
            sorties = tuple(tuple(names[i : i + each]) for i in range(0, len(names), each))
        transects = [t for s in strata for t in s.transects]
        lines = TransectLines.of(transects, self.area.frame)
        of = dict(zip((s.name for s in self.area.strata), self.area.local_strata, strict=True))
        land = tuple(of[name] for name in lines.strata)
        return Drawn(strata, lines, land, self._exposures(lines, sorties))

    def _exposures(self, lines: TransectLines, sorties: Sequence[Sequence[str]]) -> Exposures:
        """A frame every trigger distance along each segment, and one at its end; see `sim.shots.planned_shots`."""
        row = {name: i for i, name in enumerate(lines.identifiers)}
        flown: set[str] = set()
        centres, times, headings, sortie = [], [], [], []
        clock_s = START_S
        for number, names in enumerate(sorties):
            for name in names:
                if name in flown or name not in row:
                    continue
                flown.add(name)
                for segment in np.flatnonzero(lines.transect == row[name]).tolist():
                    run = lines.ends[segment] - lines.starts[segment]
                    length_m = float(np.hypot(*run))
                    count = max(1, int(np.ceil(length_m / self.trigger_m))) + 1
                    along = np.minimum(np.arange(count) * self.trigger_m, length_m)
                    centres.append(lines.starts[segment] + along[:, None] * run / length_m)
                    times.append(clock_s + along / self.speed_mps)
                    headings.append(np.full(count, np.degrees(np.arctan2(run[0], run[1])) % 360.0))
                    sortie.append(np.full(count, number, dtype=np.int64))
                    clock_s = float(times[-1][-1]) + TURN_S
        return Exposures(
            np.vstack(centres),
            np.concatenate(times),
            np.concatenate(headings),
            np.concatenate(sortie),
            self.design.strip_width_m,
            self.trigger_m / (1 - self.front_overlap),
            self.front_overlap,
            self.altitude_agl_m,
        )
