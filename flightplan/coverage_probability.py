"""Coverage probability: how likely a design is to see each place, by drawing it again and again.

A design-based estimate stands on this being the same everywhere, or known. What matters to an estimator that counts an
animal in every unit that saw it, over the area searched in every unit, is the expected number of looks; for strips that
never overlap it is the probability of at least one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.errors
import shapely

from flightplan.areas import StudyArea
from flightplan.coverage import Line
from flightplan.design import SurveyDesign, default_allowance_m, lay_lines, resolve_design
from flightplan.errors import DesignError, UnreadableFileError
from flightplan.frames import Floats
from flightplan.paths import Airspace
from flightplan.request import DEFAULT_BUFFER_M, DesignRequest

DEFAULT_DRAWS = 200
_DEFAULT_CELLS = 4000
MAX_CELLS = 250_000
_BANDS = ("probability", "lower", "upper", "looks")


@dataclass(frozen=True)
class CoverageGrid:
    """The coverage of a design at the centres of square cells whose centre lies in the area.

    `points` (M, 2) are centres in the area's frame, (east, north) in metres; `stratum` (M,) numbers the area's strata;
    `seen` (M,) is the number of `draws` in which at least one strip held the centre, `looks` (M,) the mean number of
    strips that did. `rows` and `columns` (M,) are the cells' places, row 0 the northernmost. `stratum_lines`,
    `stratum_length_m` and `stratum_searched_m2` are (draws, strata): units flown, their length on effort, their strips'
    area, overlaps twice.
    """

    area: StudyArea
    design: SurveyDesign
    cell_m: float
    draws: int
    points: Floats
    stratum: npt.NDArray[np.intp]
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    seen: npt.NDArray[np.int64]
    looks: Floats
    stratum_lines: npt.NDArray[np.int64]
    stratum_length_m: Floats
    stratum_searched_m2: Floats

    @property
    def lines(self) -> npt.NDArray[np.int64]:
        """The units flown in each draw, (draws,)."""
        return np.asarray(self.stratum_lines.sum(axis=1))

    @property
    def length_m(self) -> Floats:
        """Their length on effort, (draws,)."""
        return np.asarray(self.stratum_length_m.sum(axis=1))

    @property
    def sampled_share(self) -> Floats:
        """Their strips' area, overlaps twice, over the area's, (draws,)."""
        return np.asarray(self.stratum_searched_m2.sum(axis=1) / self.area.area_m2)

    @property
    def probability(self) -> Floats:
        """The share of the draws that saw each centre, (M,)."""
        return self.seen / self.draws

    def interval(self, z: float = 1.959964) -> tuple[Floats, Floats]:
        """Return the Monte-Carlo limits of each probability: Wilson's (1927, JASA 22:209-212), 95 % by default.

        They hold for one centre: of a thousand, about fifty lie outside of theirs.
        """
        p, n = self.probability, self.draws
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)

    def unevenness(self) -> float:
        """Return the coefficient of variation of the probability between cells beyond what chance makes of the draws.

        Near 0 for a flat design; values below `chance` say nothing, since neighbouring cells share draws. By Cauchy
        and Schwarz the relative bias of an estimate that takes the coverage for flat is at most this times the
        coefficient of variation of the animals' density.
        """
        p = self.probability
        chance = float((p * (1 - p)).mean()) / max(self.draws - 1, 1)
        return float(np.sqrt(max(float(p.var()) - chance, 0.0)) / p.mean()) if p.mean() > 0 else 0.0

    def chance(self) -> float:
        """Return the coefficient of variation between cells that a flat design would show in so many draws."""
        mean = float(self.probability.mean())
        return float(np.sqrt((1 - mean) / mean / self.draws)) if mean > 0 else 0.0

    def relative_bias(self, density: npt.ArrayLike) -> float:
        """Return the bias, relative to the truth, of animals seen over area searched, for a density in each cell (M,).

        To first order: Σ looks·density / Σ looks over the mean density. Strata count as one.
        """
        there = np.asarray(density, dtype=np.float64)
        if there.shape != self.looks.shape or not there.sum() > 0 or not self.looks.sum() > 0:
            raise DesignError(f"a bias needs a density at each of {len(self.looks)} cells, above 0 somewhere")
        return float((self.looks * there).sum() / self.looks.sum() / there.mean() - 1.0)


def coverage_probability(
    area: StudyArea,
    asked: DesignRequest,
    *,
    strip_width_m: float,
    allowance_m: float | None = None,
    buffer_m: float = DEFAULT_BUFFER_M,
    draws: int = DEFAULT_DRAWS,
    cell_m: float | None = None,
) -> CoverageGrid:
    """Draw a design `draws` times and count what its strips see of each cell's centre; see `resolve_design`.

    With `random_heading` each draw has its own. Draws take the seeds that follow the one asked for. Raises DesignError
    for a design that cannot be drawn, too few draws, or cells too small.
    """
    design = resolve_design(area, asked, strip_width_m=strip_width_m)
    room_m = default_allowance_m(strip_width_m) if allowance_m is None else allowance_m
    airspace = Airspace.over(area, allowance_m=room_m, buffer_m=buffer_m)
    return simulate_coverage(area, design, airspace, random_heading=asked.random_heading, draws=draws, cell_m=cell_m)


def simulate_coverage(
    area: StudyArea,
    design: SurveyDesign,
    airspace: Airspace,
    *,
    random_heading: bool = False,
    draws: int = DEFAULT_DRAWS,
    cell_m: float | None = None,
) -> CoverageGrid:
    """Draw a resolved design `draws` times; see `coverage_probability`."""
    if draws < 2:
        raise DesignError(f"{draws} draws tell no probability", hint="Ask for a few hundred")
    size_m = float(np.sqrt(area.area_m2 / _DEFAULT_CELLS)) if cell_m is None else cell_m
    points, stratum, rows, columns = _cells(area, size_m)
    seen, looks = np.zeros(len(points), dtype=np.int64), np.zeros(len(points), dtype=np.int64)
    shape = (draws, len(area.strata))
    lines, length_m, searched_m2 = np.zeros(shape, dtype=np.int64), np.zeros(shape), np.zeros(shape)
    members = [np.flatnonzero(stratum == i) for i in range(len(area.strata))]
    for i in range(draws):
        drawn = replace(design, seed=design.seed + i)
        if random_heading:
            turned = np.random.default_rng([drawn.seed, len(area.strata)])
            drawn = replace(drawn, heading_deg=float(turned.uniform(0.0, 180.0)))
        for k, (own, laid) in enumerate(zip(members, lay_lines(area, drawn, airspace), strict=True)):
            found = _looks(points[own], laid, design.strip_width_m)
            looks[own] += found
            seen[own] += found > 0
            lines[i, k] = len(laid)
            length_m[i, k] = sum(line.length_m for line in laid)
            searched_m2[i, k] = sum(line.strip_area_m2 for line in laid)
    return CoverageGrid(
        area, design, size_m, draws, points, stratum, rows, columns, seen, looks / draws, lines, length_m, searched_m2
    )


def write_geotiff(grid: CoverageGrid, path: Path | str) -> None:
    """Write a grid as a GeoTIFF in the area's frame: probability, its limits, mean looks; NaN outside."""
    west = float(grid.points[:, 0].min() - (grid.columns.min() + 0.5) * grid.cell_m)
    north = float(grid.points[:, 1].max() + (grid.rows.min() + 0.5) * grid.cell_m)
    bands = np.full((len(_BANDS), grid.rows.max() + 1, grid.columns.max() + 1), np.nan, dtype=np.float32)
    for band, values in zip(bands, (grid.probability, *grid.interval(), grid.looks), strict=True):
        band[grid.rows, grid.columns] = values
    try:
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=len(bands),
            height=bands.shape[1],
            width=bands.shape[2],
            dtype="float32",
            nodata=float("nan"),
            crs=grid.area.frame.crs.to_wkt(),
            transform=rasterio.Affine(grid.cell_m, 0.0, west, 0.0, -grid.cell_m, north),
            compress="deflate",
        ) as dataset:
            dataset.write(bands)
            dataset.descriptions = _BANDS
    except rasterio.errors.RasterioError as error:
        raise UnreadableFileError(f"cannot be written: {error}", where=str(path)) from error


def write_csv(grid: CoverageGrid, path: Path | str) -> None:
    """Write a grid as a table: longitude, latitude, stratum, probability, its limits, mean looks; one row a cell."""
    lonlat = grid.area.frame.to_lonlat(grid.points)
    names = [s.name.replace('"', '""') for s in grid.area.strata]
    lower, upper = grid.interval()
    table = zip(lonlat, grid.stratum, grid.probability, lower, upper, grid.looks, strict=True)
    rows = [
        f'{at[0]:.7f},{at[1]:.7f},"{names[s]}",{p:.6f},{low:.6f},{high:.6f},{n:.6f}' for at, s, p, low, high, n in table
    ]
    header = "longitude,latitude,stratum,probability,lower,upper,looks"
    try:
        Path(path).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise UnreadableFileError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _cells(
    area: StudyArea, cell_m: float
) -> tuple[Floats, npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return centres (M, 2), and stratum, row and column (M,) of the cells whose centre lies in the area."""
    if not cell_m > 0 or not np.isfinite(cell_m):
        raise DesignError(f"cells of {cell_m:g} m are none")
    west, south, east, north = (float(v) for v in shapely.total_bounds(list(area.local_strata)))
    shape = max(1, int(np.ceil((north - south) / cell_m))), max(1, int(np.ceil((east - west) / cell_m)))
    if shape[0] * shape[1] > MAX_CELLS:
        raise DesignError(
            f"cells of {cell_m:g} m are {shape[0] * shape[1]}; the limit is {MAX_CELLS}", hint="Ask for larger cells"
        )
    row, column = (index.ravel() for index in np.indices(shape))
    points = np.column_stack([west + (column + 0.5) * cell_m, north - (row + 0.5) * cell_m])
    stratum = np.full(len(points), -1, dtype=np.intp)
    for i, polygon in enumerate(area.local_strata):
        stratum[shapely.contains_xy(polygon, points)] = i
    inside = stratum >= 0
    if not inside.any():
        raise DesignError(f"no centre of a cell of {cell_m:g} m lies in the area", hint="Ask for smaller cells")
    return points[inside], stratum[inside], row[inside].astype(np.intp), column[inside].astype(np.intp)


def _looks(points: Floats, lines: list[Line], strip_width_m: float) -> npt.NDArray[np.int64]:
    """Return how many lines' strips hold each point; pieces of one line never overlap."""
    found = np.zeros(len(points), dtype=np.int64)
    for line in lines:
        for start, end in line.segments:
            run = end - start
            length_m = float(np.hypot(*run))
            offset = points - start
            t = offset @ (run / length_m)
            s = offset @ (np.array([run[1], -run[0]]) / length_m)
            found += (np.abs(s) <= strip_width_m / 2) & (t >= 0) & (t <= length_m)
    return found
