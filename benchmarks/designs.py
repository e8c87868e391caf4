"""Is the coverage probability of each design what theory says of it? Over many realisations, on made and on real areas.

Each design is drawn `--n` times over each area; every cell's probability is tested against theory (w/c for parallel
lines, w·m/(c·d) for segments, w·√(c² + H²)/(c·H) for a zigzag that turns on a rectangle), cell by cell with the exact
binomial and Bonferroni's allowance for their number. The stated edge: half a strip and the buffer beside exclusions;
for a zigzag also w·√(c² + H²)/2c from the sides it turns at, where the strips of two legs overlap. A zigzag on a convex
hull has no flat theory: there the unevenness is reported, with its bias for three simple patterns of animals, and
mapped (`--maps DIR`). All are tested to the border as well ("to the edge": exclusions' surroundings included).

    python benchmarks/designs.py --n 1000 --data ../shared/data/areas --maps maps > designs.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from flightplan.areas import Stratum, StudyArea, read_area
from flightplan.coverage_picture import coverage_png
from flightplan.coverage_probability import CoverageGrid, coverage_probability
from flightplan.evenness import biases, clear_of_edges, expected_probability, flatness
from flightplan.frames import LocalFrame
from flightplan.request import DEFAULT_BUFFER_M, DesignRequest

FRAME = LocalFrame(34.83, -2.33)
WIDTH_M = 96.0
LEVEL = 0.01
REAL = ("wadl_stanford.csv", "cz_thayatal_multipolygon3.geojson", "cz_gory_stolowe_2holes.geojson")
DESIGNS: dict[str, dict[str, Any]] = {
    "systematic": {"kind": "systematic"},
    "random": {"kind": "random"},
    "segmented": {"kind": "segmented", "segment_m": 300.0},
    "zigzag on a rectangle": {"kind": "zigzag", "bounds": "rectangle"},
    "zigzag on the hull": {"kind": "zigzag", "bounds": "hull"},
    "complementary zigzag on the hull": {"kind": "complementary-zigzag", "bounds": "hull"},
}


def areas(folder: Path | None) -> Iterator[StudyArea]:
    """Yield a rectangle, a concave, a holed, a wedge-shaped and a two-part area, and real ones where there is data."""
    rectangle = shapely.box(-2500, -900, 2500, 900)
    shapes = {
        "rectangle": rectangle,
        "concave": shapely.difference(rectangle, shapely.box(-200, 100, 1200, 900)),
        "holed": shapely.difference(rectangle, shapely.box(-900, -300, -100, 350)),
        "wedge": shapely.Polygon([(-2500, 0), (2500, -1200), (2500, 1200)]),
        "two parts": shapely.union_all([shapely.box(-2500, -900, -400, 200), shapely.box(300, -300, 2500, 900)]),
    }
    for name, shape in shapes.items():
        holes = [FRAME.delocalise(shapely.Polygon(r)) for p in shapely.get_parts(shape) for r in p.interiors]
        whole = shapely.union_all([shapely.Polygon(p.exterior) for p in shapely.get_parts(shape)])
        yield StudyArea(name, (Stratum("all", FRAME.delocalise(whole)),), tuple(holes))
    for file in REAL if folder is not None and folder.is_dir() else ():
        yield read_area(folder / file)


def measure(area: StudyArea, asked: dict[str, Any], draws: int) -> tuple[CoverageGrid, dict[str, Any]]:
    """Draw one design over one area, and return what comes of it."""
    # A fifth of the area, in about a dozen lines or more whatever its size.
    width_m = min(WIDTH_M, float(np.sqrt(area.area_m2)) / 30)
    request = DesignRequest(sampling_fraction=0.2, seed=1, **asked)
    started = time.perf_counter()
    grid = coverage_probability(area, request, strip_width_m=width_m, draws=draws, cell_m=width_m * 0.75)
    seconds = time.perf_counter() - started
    (polygon,) = area.local_strata
    expected = expected_probability(grid.design, "all", polygon)
    inner = clear_of_edges(grid, DEFAULT_BUFFER_M)
    away, whole = flatness(grid, expected, inner), flatness(grid, expected)
    lower, upper = grid.interval()
    return grid, {
        "draws": draws,
        "cells": len(grid.points),
        "cells_away_from_edge": away.cells,
        "strip_width_m": round(width_m, 1),
        "spacing_m": round(grid.design.spacing_m, 1),
        "theory": expected,
        "mean_away_from_edge": round(float(grid.probability[inner].mean()), 4),
        "range_away_from_edge": [round(float(f(grid.probability[inner])), 3) for f in (np.min, np.max)],
        "interval_width": round(float((upper - lower).mean()), 4),
        "largest_z": round(away.largest_z, 2),
        "p_value": away.p_value,
        "dispersion": round(away.dispersion, 3),
        "cells_within_own_interval": round(away.share_within, 3),
        "flat_away_from_edge": away.is_flat(LEVEL),
        "flat_to_the_edge": whole.is_flat(LEVEL),
        "largest_z_to_the_edge": round(whole.largest_z, 2),
        "unevenness_away_from_edge": _unevenness(grid, inner),
        "unevenness": round(grid.unevenness(), 4),
        "bias": {k: round(v, 4) for k, v in biases(grid.points, grid.looks, polygon, grid.design.heading_deg).items()},
        "seconds": round(seconds, 1),
    }


def _unevenness(grid: CoverageGrid, inner: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    p = grid.probability[inner]
    chance = float((p * (1 - p)).mean()) / (grid.draws - 1)
    return round(float(np.sqrt(max(float(p.var()) - chance, 0.0)) / p.mean()), 4)


def main() -> None:
    """Measure every design over every area."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="realisations of each design over each area")
    parser.add_argument("--data", type=Path, help="folder of real areas")
    parser.add_argument("--only", nargs="*", help="areas by name")
    parser.add_argument("--designs", nargs="*", choices=list(DESIGNS), help="designs by name")
    parser.add_argument("--maps", type=Path, help="folder for the maps of what is not flat")
    given = parser.parse_args()
    results = []
    for area in areas(given.data):
        if given.only and area.name not in given.only:
            continue
        for name, asked in DESIGNS.items():
            if given.designs and name not in given.designs:
                continue
            grid, row = measure(area, asked, given.n)
            print(
                f"{area.name}, {name}: flat {row['flat_away_from_edge']}, largest z {row['largest_z']},"
                f" unevenness {row['unevenness']}, {row['seconds']} s",
                file=sys.stderr,
            )
            if given.maps is not None and not row["flat_away_from_edge"]:
                given.maps.mkdir(parents=True, exist_ok=True)
                path = given.maps / f"{area.name} {name}.png".replace(" ", "-")
                path.write_bytes(coverage_png(grid))
                row["map"] = str(path)
            results.append({"area": area.name, "design": name, **row})
    tested = [r for r in results if r["theory"] is not None]
    summary = {
        "with_a_flat_theory": len(tested),
        "flat_away_from_edge": sum(r["flat_away_from_edge"] for r in tested),
        "expected_to_fail_by_chance": LEVEL * len(tested),
        "level": LEVEL,
    }
    print(json.dumps({"summary": summary, "results": results}, indent=1))


if __name__ == "__main__":
    main()
