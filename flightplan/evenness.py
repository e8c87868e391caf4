"""How even a design's coverage is: a test against what theory says, and what unevenness does to an estimate.

An estimate from animals seen over area searched takes every place for as likely to be seen as any other. Where that is
not so it is biased by as much as animals and coverage go together: three simple patterns of animals tell how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from scipy import stats

from flightplan.coverage import turn
from flightplan.coverage_probability import CoverageGrid
from flightplan.design import COMPLEMENTARY, FULL, RANDOM, SEGMENTED, SYSTEMATIC, ZIGZAGS, SurveyDesign
from flightplan.frames import Floats
from flightplan.legs import RECTANGLE, zigzag_legs
from flightplan.messages import message

ALONG, ACROSS, CORE = "from one end to the other", "from one side to the other", "from the border to the core"

_PATTERNS = {
    ALONG: message("from one end to the other"),
    ACROSS: message("from one side to the other"),
    CORE: message("from the border to the core"),
}
_CELLS, _FEWEST_CELLS = 1200, 200
_STARTS_PER_STRIP = 40
_WORTH_SAYING = 0.005
_MOST_WORK = 40_000_000


@dataclass(frozen=True)
class Flatness:
    """A test that cells are seen with the probability expected of them.

    `largest_z` is the cell furthest from it, in standard errors of the simulation; `p_value` the chance of one as far
    among so many cells (exact binomial, both sides, Bonferroni's allowance: on the safe side for neighbouring cells,
    which share their draws). `share_within` is the share of cells whose own 95 % interval holds the expected value;
    `dispersion` the mean squared z, 1 where there is only chance.
    """

    cells: int
    draws: int
    expected: float
    largest_z: float
    p_value: float
    share_within: float
    dispersion: float

    def is_flat(self, level: float = 0.01) -> bool:
        """Whether chance alone explains the cell that is furthest off."""
        return self.p_value >= level


def flatness(
    grid: CoverageGrid, expected: npt.ArrayLike | None = None, where: npt.NDArray[np.bool_] | None = None
) -> Flatness:
    """Test the cells `where` (all by default) against an expected probability, one for all or one each.

    Without one it is their own mean, which only tells whether they are alike.
    """
    inside = np.ones(len(grid.seen), dtype=bool) if where is None else where
    seen, n = grid.seen[inside], grid.draws
    asked = grid.probability[inside].mean() if expected is None else np.asarray(expected, dtype=np.float64)
    p = np.broadcast_to(asked, grid.seen.shape if np.ndim(asked) else inside.shape)[inside]
    tails = np.minimum(stats.binom.cdf(seen, n, p), stats.binom.sf(seen - 1, n, p))
    z = (seen / n - p) / np.sqrt(np.maximum(p * (1 - p), 1e-12) / n)
    lower, upper = grid.interval()
    within = (lower[inside] <= p) & (p <= upper[inside])
    return Flatness(
        cells=len(seen),
        draws=n,
        expected=float(p.mean()),
        largest_z=float(np.abs(z).max()),
        p_value=float(min(1.0, 2 * tails.min() * len(seen))),
        share_within=float(within.mean()),
        dispersion=float((z**2).mean()),
    )


def expected_probability(design: SurveyDesign, stratum: str, polygon: Any) -> float | None:
    """Return what theory says of a place of a stratum (local polygon), away from its edges; None where it varies."""
    width, spacing = design.strip_width_m, design.spacing_in(stratum)
    if design.kind in (SYSTEMATIC, RANDOM):
        return width / spacing
    if design.kind == SEGMENTED and design.segment_m is not None and design.segment_spacing_m is not None:
        return width / spacing * design.segment_m / design.segment_spacing_m
    if design.kind == FULL:
        return 1.0
    if design.kind in ZIGZAGS and design.kind != COMPLEMENTARY and design.bounds == RECTANGLE:
        _, south, _, north = shapely.bounds(turn(polygon, design.heading_deg))
        return width * float(np.hypot(spacing, north - south)) / (spacing * float(north - south))
    return None


def clear_of_edges(grid: CoverageGrid, buffer_m: float) -> npt.NDArray[np.bool_]:
    """Return the cells of a grid that lie clear of the edges that this module states for its design.

    For parallel lines and segments: half a strip and the buffer from exclusions, where a line may not pass. For a
    zigzag also w·√(c² + H²) / 2c from the sides that it turns at: so far the strips of two legs overlap, and a place
    has as many looks as elsewhere but more often two at once. A hundredth of a strip is added for rounding.
    """
    design, half = grid.design, grid.design.strip_width_m / 2
    clear = np.ones(len(grid.points), dtype=bool)
    if not grid.area.local_exclusions.is_empty:
        apart = shapely.distance(shapely.points(grid.points), grid.area.local_exclusions)
        clear &= apart > half + buffer_m + 0.02 * half
    if design.kind in ZIGZAGS:
        for i, polygon in enumerate(grid.area.local_strata):
            own = grid.stratum == i
            c = design.spacing_in(grid.area.strata[i].name)
            from_m, high_m = _from_turns_m(grid.points[own], polygon, design)
            clear[own] &= from_m > half * (np.hypot(c, high_m) / c + 0.02)
    return clear


def zigzag_evenness(polygon: Any, design: SurveyDesign, spacing_m: float) -> tuple[Floats, Floats]:
    """Return the expected looks of a zigzag at places of a stratum (local polygon): places (M, 2) and looks (M,).

    Over starts at equal distances, as a whole number of them: no chance is left in it. Legs that an exclusion keeps
    from being flown are taken as flown.
    """
    west, south, east, north = shapely.bounds(polygon)
    across = shapely.bounds(turn(polygon, design.heading_deg))
    legs = int((across[2] - across[0]) / spacing_m) + 8
    # So close together that the number of starts that see a place hardly depends on where it lies between them.
    starts = int(np.clip(_STARTS_PER_STRIP * spacing_m / design.strip_width_m, 50, 2000))
    cells = float(np.clip(_MOST_WORK / (legs * starts), _FEWEST_CELLS, _CELLS))
    cell_m = float(np.sqrt(polygon.area / cells))
    x, y = np.meshgrid(np.arange(west + cell_m / 2, east, cell_m), np.arange(south + cell_m / 2, north, cell_m))
    points = np.column_stack([x.ravel(), y.ravel()])
    points = points[shapely.contains_xy(polygon, points)]
    looks = np.zeros(len(points))
    for start in (np.arange(starts) + 0.5) * 2 * spacing_m / starts:
        for mirrored in (False, True) if design.kind == COMPLEMENTARY else (False,):
            laid = zigzag_legs(
                polygon, design.heading_deg, spacing_m, float(start), design.bounds, 0.0, mirrored=mirrored
            )
            looks += _looks(points, laid, design.strip_width_m)
    return points, looks / starts


def biases(points: Floats, looks: Floats, polygon: Any, heading_deg: float) -> Mapping[str, float]:
    """Return the relative bias of animals seen over area searched, for animals twice as dense at one end as on average.

    Densities rise evenly from nothing: along the design's axis, across it, and from the border of the polygon inwards.
    Over the first two the bias has the other sign when they fall. To first order: Σ looks·density / Σ looks over the
    mean density, less 1.
    """
    turned = turn(shapely.points(points), heading_deg)
    across, along = shapely.get_x(turned), shapely.get_y(turned)
    inward = shapely.distance(shapely.points(points), shapely.boundary(polygon))
    found = {}
    for name, place in ((ALONG, across), (ACROSS, along), (CORE, inward)):
        density = (place - place.min()) / max(float(np.ptp(place)), 1e-9)
        found[name] = float((looks * density).sum() / looks.sum() / density.mean() - 1) if looks.sum() > 0 else 0.0
    return found


def zigzag_warning(design: SurveyDesign, stratum: str, polygon: Any) -> str | None:
    """Return what a plan has to say of a zigzag whose coverage is uneven, with numbers; None where it is not."""
    points, looks = zigzag_evenness(polygon, design, design.spacing_in(stratum))
    if not looks.sum() > 0:
        return None
    pattern, bias = max(biases(points, looks, polygon, design.heading_deg).items(), key=lambda item: abs(item[1]))
    low, high = np.quantile(looks, [0.05, 0.95]) / looks.mean()
    if abs(bias) < _WORTH_SAYING and max(1 - low, high - 1) < 10 * _WORTH_SAYING:
        return None
    said = message(
        "stratum {stratum}: a zigzag does not see every place alike ({low:.2f} to {high:.2f} times the mean for nine"
        " tenths of it); were animals to grow denser evenly {pattern}, the estimate would be {bias:+.1%} off",
        stratum=stratum,
        low=float(low),
        high=float(high),
        pattern=_PATTERNS[pattern],
        bias=float(bias),
    )
    if design.bounds == RECTANGLE:
        return said
    return message("{found}; --bounds rectangle is more even, parallel lines are even", found=said)


def _from_turns_m(points: Floats, polygon: Any, design: SurveyDesign) -> tuple[Floats, Floats]:
    """How far points lie, along the lines, from where a zigzag turns, and how far its two sides are apart there."""
    turned = turn(polygon, design.heading_deg)
    west, south, east, north = shapely.bounds(turned)
    xy = shapely.get_coordinates(turn(shapely.points(points), design.heading_deg))
    if design.bounds == RECTANGLE:
        return np.minimum(xy[:, 1] - south, north - xy[:, 1]), np.full(len(xy), north - south)
    hull = shapely.convex_hull(turned)
    ends = np.empty((len(xy), 2, 2))
    ends[:, :, 0] = np.clip(xy[:, 0], west, east)[:, None]
    ends[:, 0, 1], ends[:, 1, 1] = south - 1, north + 1
    spans = shapely.bounds(shapely.intersection(shapely.linestrings(ends), hull))
    return np.minimum(xy[:, 1] - spans[:, 1], spans[:, 3] - xy[:, 1]), spans[:, 3] - spans[:, 1]


def _looks(points: Floats, legs: Floats, width_m: float) -> Floats:
    run = legs[:, 1] - legs[:, 0]
    length = np.hypot(*run.T)
    along = run / length[:, None]
    offset = points[None] - legs[:, :1]
    t = (offset * along[:, None]).sum(axis=2)
    s = offset[..., 0] * along[:, None, 1] - offset[..., 1] * along[:, None, 0]
    return np.asarray(((np.abs(s) <= width_m / 2) & (t >= 0) & (t <= length[:, None])).sum(axis=0), dtype=np.float64)
