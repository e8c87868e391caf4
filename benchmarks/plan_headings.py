"""Plan every area of a folder at many headings, and measure by other means what was promised.

    python benchmarks/plan_headings.py ../shared/data/areas --headings 36 --processes 2

Of each plan: metres of path that are illegal (a transverse Mercator plane, finely drawn borders, none of the planner's
own geometry), and for full coverage how often each pixel of the ground is looked at (`looks.py`). The ground sampling
distance is chosen so that an area has about `--lines` lines; areas larger than a battery reaches across are planned
with an aircraft that does not exist, since it is geometry that is measured. Prints JSON, a line an area as it goes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely

sys.path.insert(0, str(Path(__file__).parent))
from looks import Plane, looks_at

from flightplan.areas import StudyArea, read_area_parts
from flightplan.cameras import camera_named
from flightplan.drones import Drone, drone_named
from flightplan.errors import OverflyError
from flightplan.mission_builder import mission_path
from flightplan.patterns import Pattern
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

PROJECTION_M = 0.05
_SUFFIXES = (".geojson", ".kml", ".kmz", ".csv", ".shp", ".gpkg")
# StAndrew.shp has no .prj; its coordinates are metres from the equator and Greenwich.
_SAID_CRS = {"StAndrew.shp": "+proj=tmerc +lat_0=0 +lon_0=0 +k=0.9996 +x_0=0 +y_0=0 +datum=WGS84 +units=m +type=crs"}
_FRONT, _SIDE = 0.75, 0.70
_CAMERA = "overfly-demo"
_FAR_REACHING = replace(
    drone_named("overfly-demo"),
    name="an aircraft that does not exist",
    battery_wh=1e6,
    cruise_speed_mps=60.0,
    max_speed_mps=100.0,
    climb_mps=50.0,
    descent_mps=50.0,
)


class Check:
    """The legal air of an area, drawn independently."""

    def __init__(self, area: StudyArea, allowance_m: float, buffer_m: float) -> None:
        self._plane = Plane(area)
        land = self._plane.shape(shapely.union_all([s.polygon for s in area.strata]))
        slack_m = PROJECTION_M
        reach_m = float(np.hypot(*shapely.get_coordinates(land).T).max())
        # What is straight in one plane bends in another: 20 m over 200 km, by the square of the distance and more.
        if reach_m > 20_000:
            slack_m = 30.0 * (reach_m / 220_000) ** 2
        self.slack_m = slack_m
        kept_out = self._plane.shape(shapely.union_all(list(area.exclusions)))
        self.legal = shapely.difference(
            land.buffer(allowance_m + slack_m, quad_segs=32), kept_out.buffer(buffer_m - slack_m, quad_segs=32)
        )
        shapely.prepare(self.legal)

    def illegal_m(self, plan: SurveyPlan) -> float:
        """The length of a plan's paths outside of the legal air."""
        illegal = 0.0
        for sortie in plan.sorties:
            points = self._plane.points(mission_path(sortie.mission))
            legs = shapely.linestrings(np.stack([points[:-1], points[1:]], axis=1))
            suspects = legs[~shapely.covers(self.legal, legs)]
            illegal += float(shapely.length(shapely.difference(suspects, self.legal)).sum())
        return illegal


def measure(path: Path, headings: int, lines: int, pixels: float, drone: str | None) -> list[dict[str, Any]]:
    """Return a row for each part of an area: what its plans at all headings keep and break."""
    try:
        parts = read_area_parts(path, crs=_SAID_CRS.get(path.name))
    except OverflyError as refused:
        return [{"area": path.name, "refused": refused.what}]
    return [measure_area(part, path.name, headings, lines, pixels, drone) for part in parts]


def measure_area(
    area: StudyArea, name: str, headings: int, lines: int, pixels: float, drone: str | None
) -> dict[str, Any]:
    """Return a row for an area."""
    camera = camera_named(_CAMERA)
    spacing_m = np.sqrt(area.area_m2) / lines
    height_m = float(np.clip(80.0 * spacing_m / (1 - _SIDE) / camera.footprint_m(80.0)[0], 20.0, 9000.0))
    row: dict[str, Any] = {"area": name, "name": area.name, "km2": round(area.area_m2 / 1e6, 3), "plans": 0}
    row |= {"height_m": round(height_m, 1), "refusals": [], "illegal_m": 0.0, "own_check_m": 0.0, "unseen": 0}
    row |= {"too_few": 0, "deep": 0, "pixels": 0, "named_but_seen": 0, "worst": None}
    flown_m = lines_m = planning_s = 0.0
    check: Check | None = None
    aircraft: Drone | str = drone or ("overfly-demo" if area.area_m2 < 20e6 else _FAR_REACHING)
    worst = (0, 0.0)
    for heading_deg in np.linspace(0, 360, headings, endpoint=False):
        asked = PlanRequest(
            camera=camera,
            altitude_agl_m=height_m,
            front_overlap=_FRONT,
            side_overlap=_SIDE,
            heading_deg=float(heading_deg),
            drone=aircraft,
            pattern=Pattern(),
        )
        started = time.perf_counter()
        try:
            plan = plan_survey(area, asked)
        except OverflyError as refused:
            row["refusals"].append(f"{heading_deg:g}: {refused}")
            continue
        planning_s += time.perf_counter() - started
        check = check or Check(area, plan.allowance_m or 0.0, plan.buffer_m or 0.0)
        looks = looks_at(plan, side_overlap=_SIDE, pixels_a_footprint=pixels)
        row["plans"] += 1
        row["own_check_m"] = max(row["own_check_m"], plan.metres_outside)
        row["illegal_m"] += check.illegal_m(plan)
        row["slack_m"] = round(check.slack_m, 2)
        row["unseen"] += looks.unseen
        row["too_few"] += looks.too_few
        row["deep"] += looks.deep
        row["pixels"] += len(looks.looks)
        row["named_but_seen"] += looks.named_but_seen
        row["listed_share"] = max(row.get("listed_share", 0.0), float(looks.listed.mean()))
        if (looks.unseen + looks.too_few, 0.0) > worst:
            worst = (looks.unseen + looks.too_few, float(heading_deg))
            row["worst"] = {"heading_deg": float(heading_deg), "unseen": looks.unseen, "too_few": looks.too_few}
        row["wanted_looks"] = looks.wanted
        flown_m += plan.length_m
        lines_m += sum(t.length_m for s in plan.strata for t in s.transects)
    row["flown_over_lines"] = round(flown_m / lines_m, 3) if lines_m else None
    row["s_a_plan"] = round(planning_s / max(1, row["plans"]), 3)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--headings", type=int, default=36)
    parser.add_argument("--lines", type=int, default=80, help="lines an area, about")
    parser.add_argument("--pixels", type=float, default=12.0, help="pixels of the raster a footprint's shorter side")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", default="", help="areas whose file name holds this")
    parser.add_argument("--without", help="areas whose file name does not hold this")
    parser.add_argument("--drone", help="a drone of the library instead")
    asked = parser.parse_args()
    paths = [p for p in sorted(asked.folder.iterdir()) if p.suffix in _SUFFIXES and asked.only in p.name]
    if asked.without:
        paths = [p for p in paths if asked.without not in p.name]
    started = time.perf_counter()
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(asked.processes) as pool:
        waiting = [pool.submit(measure, p, asked.headings, asked.lines, asked.pixels, asked.drone) for p in paths]
        for done in waiting:
            for row in done.result():
                rows.append(row)
                print(json.dumps(row), file=sys.stderr, flush=True)
    planned = [r for r in rows if "refused" not in r]
    total = {key: sum(r[key] for r in planned) for key in ("plans", "illegal_m", "unseen", "too_few", "deep", "pixels")}
    total["refusals"] = sum(len(r["refusals"]) for r in planned)
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"headings": asked.headings, "seconds": seconds, "total": total, "areas": rows}, indent=1))


if __name__ == "__main__":
    main()
