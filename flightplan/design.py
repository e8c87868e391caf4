"""Survey designs: where to look, and with what probability.

A transect is the sampling unit of the statistics: one line of the design across one stratum. A hole or a concavity cuts
it into segments; they stay one transect.

The grid of a systematic design reaches half a strip beyond the stratum on both sides of its baseline, its start is
uniform in [0, spacing), and a line is flown wherever its strip holds some of the stratum. So every point of the stratum
is seen with the same probability, strip width over spacing (plus sampling: Strindberg, Buckland & Thomas 2004, in
Advanced Distance Sampling, ch. 7), but for the ground beside exclusions, where a line that would pass within the buffer
cannot be flown. A random design has the same probability, by drawing without replacement among strips that pave the
baseline from a random start.

A segmented grid leaves gaps on the lines of a systematic one: the same segments on every line, shifted at random along
them too, so its coverage is flat as well. A segment is the sampling unit. An equal-spaced zigzag turns on the stratum's
convex hull or rectangle, at equal distances along the axis across the heading; a leg is the sampling unit. Its coverage
is flat over a rectangle and rises where a hull is narrow (Strindberg & Buckland 2004, JABES 9:443-461): `overfly
design` measures it. Legs at equal angles, the other zigzag in use, would be less even still, so there are none. A
complementary zigzag is two of them from one start, each turning where the other does on the opposite side.

Which variance fits. Random lines: Jolly 2 with N = `possible_transects`, the variance of a simple random sample.
Systematic lines: the same is on the safe side where there is a trend; successive differences follow it (Fewster et al.
2009, Biometrics 65:225-236). Zigzag legs and segments: Jolly 2 with N = Z over the mean area searched, since N, a
number of units to draw from, is not defined for them; neighbouring legs share their turning point, so successive
differences take a likeness of neighbours for precision and the variance of a simple random sample is the one on the
safe side.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.corridor import Corridor, lines_along
from flightplan.coverage import (
    SHORTEST_SEGMENT_M,
    Line,
    baseline,
    best_heading,
    fill_gaps,
    lines_across,
    long_axis_heading,
)
from flightplan.errors import DesignError
from flightplan.frames import Floats
from flightplan.legs import BOUNDS, HULL, lines_on_legs, segment_legs, zigzag_legs
from flightplan.paths import Airspace
from flightplan.request import (
    COMPLEMENTARY,
    DEFAULT_BUFFER_M,
    FULL,
    KINDS,
    RANDOM,
    SEGMENTED,
    SYSTEMATIC,
    ZIGZAG,
    DesignRequest,
)
from flightplan.spacing import said_efforts, stratum_spacings

__all__ = [
    "COMPLEMENTARY",
    "FULL",
    "KINDS",
    "MAX_LINES",
    "NO_POSSIBLE_TRANSECTS",
    "RANDOM",
    "SEGMENTED",
    "SYSTEMATIC",
    "ZIGZAG",
    "ZIGZAGS",
    "StratumDesign",
    "SurveyDesign",
    "Transect",
    "default_allowance_m",
    "design_survey",
    "draw_design",
    "lay_lines",
    "resolve_design",
]

ZIGZAGS = (ZIGZAG, COMPLEMENTARY)

NO_POSSIBLE_TRANSECTS = {
    ZIGZAG: "the legs of a zigzag are no draw from a number of legs",
    COMPLEMENTARY: "the legs of a zigzag are no draw from a number of legs",
    SEGMENTED: "how many segments there could be depends on how the border cuts them",
}
"""Why a kind's `possible_transects` is None."""

MAX_LINES = 20_000


@dataclass(frozen=True)
class SurveyDesign:
    """What was asked for, enough to draw the same lines again.

    `kind` is "systematic" (parallel lines, one random start per stratum), "random" (parallel lines at random places,
    whose strips do not overlap), "full" (full coverage: neighbouring strips touch or overlap), "zigzag" (equal-spaced,
    one random start per stratum), "complementary-zigzag" (two of them, mirrored) or "segmented" (segments of equal
    length on systematic lines). `heading_deg` is the direction of the lines, clockwise from true north; of a zigzag,
    the direction across its axis. `spacing_m` is the mean distance of a random design's lines, and the distance of a
    zigzag's turning points along the axis; `stratum_spacing_m` names the strata that have another. Segments `segment_m`
    long begin `segment_spacing_m` apart. A zigzag turns on `bounds`, "hull" or "rectangle". With `refly` full
    coverage is flown a second time, across; with a `corridor` it is flown along its lines, and has no heading.
    """

    kind: str
    seed: int
    heading_deg: float
    spacing_m: float
    strip_width_m: float
    segment_m: float | None = None
    segment_spacing_m: float | None = None
    bounds: str = HULL
    stratum_spacing_m: tuple[tuple[str, float], ...] = ()
    refly: bool = False
    corridor: Corridor | None = None

    def spacing_in(self, stratum: str) -> float:
        """The spacing in a stratum."""
        return dict(self.stratum_spacing_m).get(stratum, self.spacing_m)


@dataclass(frozen=True)
class Transect:
    """One line flown on effort: a line of parallel ones, a leg of a zigzag, a segment of a segmented grid.

    `segments` are ((lon, lat), (lon, lat)) pairs in the line's own direction; `position` orders the transects of a
    stratum in space (1 is the first along the baseline); `strip_area_m2` is the part of the strip inside the stratum.
    """

    identifier: str
    stratum: str
    position: int
    segments: tuple[tuple[tuple[float, float], tuple[float, float]], ...]
    length_m: float
    strip_area_m2: float


@dataclass(frozen=True)
class StratumDesign:
    """What the statistics need of one stratum: its area, and how many transects were possible.

    `possible_transects` is the length of the baseline over the strip width (N of Jolly's method 2) for parallel lines,
    and None for zigzag and segmented designs: `NO_POSSIBLE_TRANSECTS` says why, and the estimator then takes the area
    over the mean area searched in a unit.
    """

    name: str
    area_m2: float
    baseline_m: float
    possible_transects: float | None
    transects: tuple[Transect, ...]


def resolve_design(area: StudyArea, asked: DesignRequest, *, strip_width_m: float) -> SurveyDesign:
    """Turn what was asked into one design, enough to draw the same lines again.

    Raises DesignError for a design that cannot be drawn.
    """
    kind = asked.kind or SYSTEMATIC
    heading_deg, segment_m, segment_spacing_m = asked.heading_deg, asked.segment_m, asked.segment_spacing_m
    if kind not in KINDS:
        raise DesignError(f"there is no design called {kind!r}", hint=f"Known are: {', '.join(KINDS)}")
    if not strip_width_m > 0 or not np.isfinite(strip_width_m):
        raise DesignError(f"a strip {strip_width_m:g} m wide sees nothing")
    _check_options(area, kind, asked)
    if asked.random_heading:
        if heading_deg is not None:
            raise DesignError("a heading and a random heading were both asked for", hint="Say one of them")
        heading_deg = float(np.random.default_rng([asked.seed, zlib.crc32(b"heading")]).uniform(0.0, 180.0))
    if heading_deg is None:
        heading_deg = _default_heading(area, kind, asked.spacing_m or strip_width_m)
    elif not np.isfinite(heading_deg):
        raise DesignError("the heading is not a number")
    spacing_m, of_strata_m = stratum_spacings(area, asked, kind, heading_deg, strip_width_m)
    if not spacing_m > 0 or not np.isfinite(spacing_m):
        raise DesignError(f"a spacing of {spacing_m:g} m is not one", hint="It must be more than 0")
    if segment_m is not None and segment_spacing_m is None:
        segment_spacing_m = spacing_m
    _check_spacing(kind, [spacing_m, *of_strata_m.values()], strip_width_m, segment_m, segment_spacing_m)
    return SurveyDesign(
        kind,
        asked.seed,
        float(heading_deg) % 360,
        float(spacing_m),
        float(strip_width_m),
        None if segment_m is None else float(segment_m),
        None if segment_spacing_m is None else float(segment_spacing_m),
        asked.bounds,
        tuple((name, float(value)) for name, value in of_strata_m.items()),
    )


def reflown(design: SurveyDesign) -> SurveyDesign:
    """Return full coverage flown a second time, across. Raises DesignError for a sample."""
    if design.kind != FULL:
        raise DesignError(
            "a sample is not flown again across: what both passes see would count twice",
            hint="Ask for full coverage (--side), or for more lines",
        )
    return replace(design, refly=True)


def along_corridor(design: SurveyDesign, corridor: Corridor) -> SurveyDesign:
    """Return full coverage flown along lines. Raises DesignError for a sample, and for one that is flown again."""
    if design.kind != FULL or design.refly:
        raise DesignError(
            "along a corridor there is full coverage, flown once", hint="Say the overlap of its lines (--side)"
        )
    return replace(design, corridor=corridor)


def draw_design(area: StudyArea, design: SurveyDesign, airspace: Airspace) -> tuple[StratumDesign, ...]:
    """Lay the transects of a design over every stratum; the same design and area give the same transects.

    Raises DesignError when a stratum gets none.
    """
    drawn = []
    for stratum, polygon, lines in zip(area.strata, area.local_strata, lay_lines(area, design, airspace), strict=True):
        if not lines:
            raise DesignError(
                "no line of the design can be flown here",
                where=f"stratum {stratum.name}",
                hint="Ask for a smaller spacing or buffer, another seed, or join it to another stratum",
            )
        _, _, filled = baseline(polygon, design.heading_deg)
        possible = None if design.kind in NO_POSSIBLE_TRANSECTS else filled / design.strip_width_m
        transects = _transects(area, stratum.name, lines)
        drawn.append(StratumDesign(stratum.name, float(polygon.area), filled, possible, transects))
    return tuple(drawn)


def lay_lines(area: StudyArea, design: SurveyDesign, airspace: Airspace) -> list[list[Line]]:
    """Lay the lines of a design over every stratum, in the frame's metres; none where none can be flown."""
    if design.corridor is not None:
        width_m = design.strip_width_m
        return [
            lines_along(area, design.corridor, polygon, design.spacing_in(stratum.name), width_m, airspace)
            for stratum, polygon in zip(area.strata, area.local_strata, strict=True)
        ]
    return [
        _lines(stratum.name, polygon, design, airspace)
        for stratum, polygon in zip(area.strata, area.local_strata, strict=True)
    ]


def design_survey(
    area: StudyArea,
    asked: DesignRequest,
    *,
    strip_width_m: float,
    allowance_m: float | None = None,
    buffer_m: float = DEFAULT_BUFFER_M,
) -> tuple[StratumDesign, ...]:
    """Resolve and draw a design in one call; see `resolve_design` and `draw_design`.

    `allowance_m` is how far outside of the area the aircraft may be, by default what lines that graze it need.
    """
    design = resolve_design(area, asked, strip_width_m=strip_width_m)
    room_m = default_allowance_m(strip_width_m) if allowance_m is None else allowance_m
    return draw_design(area, design, Airspace.over(area, allowance_m=room_m, buffer_m=buffer_m))


def default_allowance_m(strip_width_m: float, turn_m: float = 0.0) -> float:
    """Return the larger of 30 m, the vehicle's turn, and what a line grazing the area from beside needs."""
    return float(np.ceil(max(30.0, turn_m, strip_width_m / 2 + 12.0)))


def _lines(stratum: str, polygon: Any, design: SurveyDesign, airspace: Airspace) -> list[Line]:
    heading, width, spacing = design.heading_deg, design.strip_width_m, design.spacing_in(stratum)
    start, end, _ = baseline(polygon, heading)
    # The stratum's name, not its place in the file, decides its draw: reordering features moves no line.
    rng = np.random.default_rng([design.seed, zlib.crc32(stratum.encode())])
    if design.kind in ZIGZAGS:
        _check_number(int((end - start) / spacing) + 1, spacing)
        shift = rng.uniform(0, 2 * spacing)
        legs = zigzag_legs(polygon, heading, spacing, shift, design.bounds, width)
        if design.kind == COMPLEMENTARY:
            # Flown back the other way, so that it begins where the first ends.
            back = zigzag_legs(polygon, heading, spacing, shift, design.bounds, width, mirrored=True)
            legs = np.concatenate([legs, back[::-1, ::-1]])
        return lines_on_legs(polygon, legs, width, airspace.inset, bridge_m=width, trim=airspace.trim)
    offsets = _offsets(design, spacing, start, end, rng)
    if design.kind == SEGMENTED:
        assert design.segment_m is not None
        assert design.segment_spacing_m is not None
        along = baseline(polygon, heading + 90.0)[:2]
        _check_number(int(len(offsets) * ((along[1] - along[0]) / design.segment_spacing_m + 1)), spacing)
        shift = rng.uniform(0, design.segment_spacing_m)
        legs = segment_legs(polygon, heading, offsets, design.segment_m, design.segment_spacing_m, shift)
        return lines_on_legs(polygon, legs, width, airspace.inset, bridge_m=width, trim=airspace.trim)
    lines = lines_across(polygon, heading, offsets, width, airspace.inset, bridge_m=width, trim=airspace.trim)
    if design.kind == FULL and lines:
        lines += fill_gaps(polygon, heading, lines, width, airspace.inset, trim=airspace.trim)
    if design.refly:
        across = replace(design, refly=False, heading_deg=(heading + 90.0) % 360)
        lines += _lines(stratum, polygon, across, airspace)
    return lines


def _offsets(design: SurveyDesign, spacing_m: float, start: float, end: float, rng: np.random.Generator) -> Floats:
    half = design.strip_width_m / 2
    if design.kind == FULL:
        number = max(1, int(np.ceil((end - start - design.strip_width_m) / spacing_m - 1e-9)) + 1)
        _check_number(number, spacing_m)
        return np.asarray((start + end) / 2 + (np.arange(number) - (number - 1) / 2) * spacing_m)
    _check_number(int((end - start) / spacing_m) + 1, spacing_m)
    if design.kind == RANDOM:
        # The baseline is paved with strips from a random start, and some of them are drawn: their number is rounded up
        # or down at random, so that each strip has the same probability, strip width over spacing.
        paved = np.arange(start - half + rng.uniform(0, design.strip_width_m), end + half, design.strip_width_m)
        number = int(np.floor(len(paved) * design.strip_width_m / spacing_m + rng.uniform()))
        return np.sort(rng.choice(paved, size=min(number, len(paved)), replace=False))
    return np.arange(start - half + rng.uniform(0, spacing_m), end + half, spacing_m)


def _check_spacing(
    kind: str, spacings_m: list[float], strip_width_m: float, segment_m: float | None, segment_spacing_m: float | None
) -> None:
    if segment_m is not None and segment_spacing_m is not None and segment_m > segment_spacing_m * (1 + 1e-9):
        raise DesignError(
            f"segments {segment_m:g} m long that begin {segment_spacing_m:g} m apart overlap",
            hint="Ask for shorter segments, or for more room between them",
        )
    if kind == FULL and max(spacings_m) > strip_width_m * (1 + 1e-9):
        raise DesignError(
            f"lines {max(spacings_m):.1f} m apart leave gaps between strips {strip_width_m:.1f} m wide:"
            " no full coverage",
            hint="Ask for a systematic design, or for a smaller spacing",
        )
    if kind not in (FULL, *ZIGZAGS) and min(spacings_m) < strip_width_m * (1 - 1e-9):
        raise DesignError(
            f"lines {min(spacings_m):.1f} m apart make strips {strip_width_m:.1f} m wide overlap: no sample",
            hint="Ask for full coverage, or for a larger spacing",
        )


def _check_options(area: StudyArea, kind: str, asked: DesignRequest) -> None:
    said = said_efforts(asked)
    if said > 1 or (said == 0 and {s.name for s in area.strata} != set(asked.stratum_spacing_m)):
        raise DesignError(
            "say one of spacing, sampling fraction, lines a stratum, and lines or length in all",
            hint="And only one of them",
        )
    segment_m, segment_spacing_m = asked.segment_m, asked.segment_spacing_m
    if (segment_m is not None) != (kind == SEGMENTED) or (segment_spacing_m is not None and kind != SEGMENTED):
        raise DesignError("a segmented design, and no other, needs the length of its segments")
    for value in (segment_m, segment_spacing_m):
        if value is not None and not (value >= SHORTEST_SEGMENT_M and np.isfinite(value)):
            raise DesignError(f"segments of {value:g} m are none", hint=f"At least {SHORTEST_SEGMENT_M:g} m")
    if asked.bounds not in BOUNDS:
        raise DesignError(f"a zigzag does not turn on {asked.bounds!r}", hint=f"Known are: {', '.join(BOUNDS)}")
    names = {s.name for s in area.strata}
    for name, value in asked.stratum_spacing_m.items():
        if name not in names:
            raise DesignError(f"there is no stratum {name!r}", hint=f"There are: {', '.join(sorted(names))}")
        if not (value > 0 and np.isfinite(value)):
            raise DesignError(f"a spacing of {value:g} m is not one", where=f"stratum {name}")


def _check_number(number: int, spacing_m: float) -> None:
    if number > MAX_LINES:
        raise DesignError(
            f"a spacing of {spacing_m:g} m means {number} lines; the limit is {MAX_LINES}",
            hint="Is the spacing in metres?",
        )


def _default_heading(area: StudyArea, kind: str, spacing_m: float) -> float:
    whole = shapely.union_all(list(area.local_strata))
    if kind == FULL:
        return best_heading(whole, spacing_m)
    return (long_axis_heading(whole) + 90.0) % 180.0


def _transects(area: StudyArea, stratum: str, lines: Sequence[Line]) -> tuple[Transect, ...]:
    # All at once: a projection costs as much for one point as for a hundred.
    lonlat = area.frame.to_lonlat(np.concatenate([line.segments.reshape(-1, 2) for line in lines]))
    ends = iter(lonlat.reshape(-1, 2, 2).tolist())
    found = []
    for position, line in enumerate(lines, start=1):
        segments = tuple(((a[0], a[1]), (b[0], b[1])) for a, b in islice(ends, len(line.segments)))
        name = f"{stratum}-{position:03d}"
        found.append(Transect(name, stratum, position, segments, line.length_m, line.strip_area_m2))
    return tuple(found)
