"""Survey designs: where to look, and with what probability.

A transect is the sampling unit of the statistics: one line of the design across one stratum. A hole or a concavity cuts
it into segments; they stay one transect.

The grid of a systematic design reaches half a strip beyond the stratum on both sides of its baseline, its start is
uniform in [0, spacing), and a line is flown wherever its strip holds some of the stratum. So every point of the stratum
is seen with the same probability, strip width over spacing (plus sampling: Strindberg, Buckland & Thomas 2004, in
Advanced Distance Sampling, ch. 7), but for the ground beside exclusions, where a line that would pass within the buffer
cannot be flown. A random design has the same probability, by drawing without replacement among strips that pave the
baseline from a random start.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.coverage import Line, baseline, best_heading, fill_gaps, lines_across, long_axis_heading
from flightplan.errors import DesignError
from flightplan.frames import Floats
from flightplan.paths import Airspace

SYSTEMATIC, RANDOM, FULL = "systematic", "random", "full"
KINDS = (SYSTEMATIC, RANDOM, FULL)

MAX_LINES = 20_000


@dataclass(frozen=True)
class SurveyDesign:
    """What was asked for, enough to draw the same lines again.

    `kind` is "systematic" (parallel lines, one random start per stratum), "random" (parallel lines at random places,
    whose strips do not overlap) or "full" (full coverage: neighbouring strips touch or overlap). `heading_deg` is the
    direction of the lines, clockwise from true north. `spacing_m` is the mean distance of a random design's lines.
    """

    kind: str
    seed: int
    heading_deg: float
    spacing_m: float
    strip_width_m: float


@dataclass(frozen=True)
class Transect:
    """One line flown on effort.

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

    `possible_transects` is the length of the baseline over the strip width (N of Jolly's method 2).
    """

    name: str
    area_m2: float
    baseline_m: float
    possible_transects: float
    transects: tuple[Transect, ...]


def resolve_design(
    area: StudyArea,
    kind: str = SYSTEMATIC,
    *,
    strip_width_m: float,
    spacing_m: float | None = None,
    sampling_fraction: float | None = None,
    min_lines: int | None = None,
    heading_deg: float | None = None,
    seed: int = 1,
) -> SurveyDesign:
    """Turn what was asked into one design: exactly one of spacing, fraction or number of lines, and a heading.

    Without a heading, lines of a sample run across the area's long axis (more and shorter lines, so more sampling
    units), and lines of full coverage where fewest are needed. `min_lines` is per stratum, and the stratum with the
    shortest baseline decides. Raises DesignError for a design that cannot be drawn.
    """
    if kind not in KINDS:
        raise DesignError(f"there is no design called {kind!r}", hint=f"Known are: {', '.join(KINDS)}")
    if not strip_width_m > 0 or not np.isfinite(strip_width_m):
        raise DesignError(f"a strip {strip_width_m:g} m wide sees nothing")
    given = [v is not None for v in (spacing_m, sampling_fraction, min_lines)]
    if sum(given) != 1:
        raise DesignError("say one of spacing, sampling fraction and number of lines", hint="And only one of them")
    polygons = area.local_strata
    if heading_deg is None:
        heading_deg = _default_heading(area, kind, spacing_m or strip_width_m)
    elif not np.isfinite(heading_deg):
        raise DesignError("the heading is not a number")
    if sampling_fraction is not None:
        if not 0 < sampling_fraction <= 1:
            raise DesignError(f"a sampling fraction of {sampling_fraction:g} is not between 0 and 1")
        spacing_m = strip_width_m / sampling_fraction
    elif min_lines is not None:
        if min_lines < 1:
            raise DesignError("a stratum needs one line or more")
        # A hair under the even division, so that no random start drops below the number asked for.
        spacing_m = min(baseline(p, heading_deg)[2] for p in polygons) / min_lines * (1 - 1e-9)
    assert spacing_m is not None
    if not spacing_m > 0 or not np.isfinite(spacing_m):
        raise DesignError(f"a spacing of {spacing_m:g} m is not one", hint="It must be more than 0")
    if kind == FULL and spacing_m > strip_width_m * (1 + 1e-9):
        raise DesignError(
            f"lines {spacing_m:.1f} m apart leave gaps between strips {strip_width_m:.1f} m wide: no full coverage",
            hint="Ask for a systematic design, or for a smaller spacing",
        )
    if kind != FULL and spacing_m < strip_width_m * (1 - 1e-9):
        raise DesignError(
            f"lines {spacing_m:.1f} m apart make strips {strip_width_m:.1f} m wide overlap: no sample",
            hint="Ask for full coverage, or for a larger spacing",
        )
    return SurveyDesign(kind, seed, float(heading_deg) % 360, float(spacing_m), float(strip_width_m))


def draw_design(area: StudyArea, design: SurveyDesign, airspace: Airspace) -> tuple[StratumDesign, ...]:
    """Lay the transects of a design over every stratum; the same design and area give the same transects.

    Raises DesignError when a stratum gets none.
    """
    drawn = []
    for stratum, polygon in zip(area.strata, area.local_strata, strict=True):
        start, end, filled = baseline(polygon, design.heading_deg)
        offsets = _offsets(design, stratum.name, start, end)
        lines = lines_across(
            polygon,
            design.heading_deg,
            offsets,
            design.strip_width_m,
            airspace.inset,
            bridge_m=design.strip_width_m,
        )
        if not lines:
            raise DesignError(
                "no line of the design can be flown here",
                where=f"stratum {stratum.name}",
                hint="Ask for a smaller spacing or buffer, another seed, or join it to another stratum",
            )
        if design.kind == FULL:
            lines += fill_gaps(polygon, design.heading_deg, lines, design.strip_width_m, airspace.inset)
        transects = tuple(_transect(area, stratum.name, i, line) for i, line in enumerate(lines, start=1))
        drawn.append(StratumDesign(stratum.name, float(polygon.area), filled, filled / design.strip_width_m, transects))
    return tuple(drawn)


def design_survey(
    area: StudyArea,
    kind: str = SYSTEMATIC,
    *,
    strip_width_m: float,
    spacing_m: float | None = None,
    sampling_fraction: float | None = None,
    min_lines: int | None = None,
    heading_deg: float | None = None,
    seed: int = 1,
    allowance_m: float | None = None,
    buffer_m: float = 15.0,
) -> tuple[StratumDesign, ...]:
    """Resolve and draw a design in one call; see `resolve_design` and `draw_design`.

    `allowance_m` is how far outside of the area the aircraft may be, by default what lines that graze it need.
    """
    design = resolve_design(
        area,
        kind,
        strip_width_m=strip_width_m,
        spacing_m=spacing_m,
        sampling_fraction=sampling_fraction,
        min_lines=min_lines,
        heading_deg=heading_deg,
        seed=seed,
    )
    room_m = default_allowance_m(strip_width_m) if allowance_m is None else allowance_m
    return draw_design(area, design, Airspace.over(area, allowance_m=room_m, buffer_m=buffer_m))


def default_allowance_m(strip_width_m: float, turn_m: float = 0.0) -> float:
    """Return the larger of 30 m, the vehicle's turn, and what a line grazing the area from beside needs."""
    return float(np.ceil(max(30.0, turn_m, strip_width_m / 2 + 12.0)))


def _offsets(design: SurveyDesign, stratum: str, start: float, end: float) -> Floats:
    half = design.strip_width_m / 2
    if design.kind == FULL:
        number = max(1, int(np.ceil((end - start - design.strip_width_m) / design.spacing_m - 1e-9)) + 1)
        _check_number(number, design)
        return np.asarray((start + end) / 2 + (np.arange(number) - (number - 1) / 2) * design.spacing_m)
    _check_number(int((end - start) / design.spacing_m) + 1, design)
    # The stratum's name, not its place in the file, decides its draw: reordering features moves no line.
    rng = np.random.default_rng([design.seed, zlib.crc32(stratum.encode())])
    if design.kind == RANDOM:
        # The baseline is paved with strips from a random start, and some of them are drawn: their number is rounded up
        # or down at random, so that each strip has the same probability, strip width over spacing.
        paved = np.arange(start - half + rng.uniform(0, design.strip_width_m), end + half, design.strip_width_m)
        number = int(np.floor(len(paved) * design.strip_width_m / design.spacing_m + rng.uniform()))
        return np.sort(rng.choice(paved, size=min(number, len(paved)), replace=False))
    return np.arange(start - half + rng.uniform(0, design.spacing_m), end + half, design.spacing_m)


def _check_number(number: int, design: SurveyDesign) -> None:
    if number > MAX_LINES:
        raise DesignError(
            f"a spacing of {design.spacing_m:g} m means {number} lines; the limit is {MAX_LINES}",
            hint="Is the spacing in metres?",
        )


def _default_heading(area: StudyArea, kind: str, spacing_m: float) -> float:
    whole = shapely.union_all(list(area.local_strata))
    if kind == FULL:
        return best_heading(whole, spacing_m)
    return (long_axis_heading(whole) + 90.0) % 180.0


def _transect(area: StudyArea, stratum: str, position: int, line: Line) -> Transect:
    ends = area.frame.to_lonlat(line.segments.reshape(-1, 2)).reshape(-1, 2, 2)
    segments = tuple(((float(a[0]), float(a[1])), (float(b[0]), float(b[1]))) for a, b in ends)
    return Transect(f"{stratum}-{position:03d}", stratum, position, segments, line.length_m, line.strip_area_m2)
