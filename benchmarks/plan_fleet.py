"""How much sooner several drones are done, on real boundaries, and how long sharing out takes.

    python benchmarks/plan_fleet.py --data ../shared/data --drones 4

For each area: sorties, makespan, its ratio to one drone's, the least makespan that these flights could have (no sharing
beats it), how near two drones come, and seconds of planning. Launch sites are two points on the area's hull.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely

from flightplan.areas import LaunchSite, StudyArea, read_area
from flightplan.cameras import camera_named
from flightplan.errors import OverflyError
from flightplan.fleet import Fleet
from flightplan.operations import Operations
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

AREAS = ("wadl_stanford.kmz", "freetown_aoi.geojson", "cz_podyji_2holes.geojson", "cz_thayatal_multipolygon3.geojson")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--drones", type=int, default=3)
    parser.add_argument("--spacing", type=float, default=0.0, help="Metres between lines; 0: 25 lines over the area.")
    asked = parser.parse_args()
    rows = []
    for name in AREAS:
        area = with_sites(read_area(asked.data / "areas" / name))
        spacing_m = asked.spacing or max(120.0, float(np.sqrt(area.area_m2)) / 25)
        one_s = None
        for drones in range(1, asked.drones + 1):
            row = {"area": name, "km2": round(area.area_m2 / 1e6, 2), "drones": drones, "spacing_m": round(spacing_m)}
            start = time.perf_counter()
            try:
                plan = plan_survey(
                    area,
                    PlanRequest(
                        camera=camera_named("overfly-demo"),
                        altitude_agl_m=80.0,
                        spacing_m=spacing_m,
                        drone="DJI Matrice 350 RTK",
                        operations=Operations(fleet=Fleet(drones=drones)),
                    ),
                )
            except OverflyError as error:
                rows.append({**row, "refused": str(error)})
                continue
            assert plan.makespan_s is not None
            one_s = one_s or plan.makespan_s
            rows.append(
                {
                    **row,
                    "sorties": len(plan.sorties),
                    "air_min": round(plan.duration_s / 60, 1),
                    "makespan_min": round(plan.makespan_s / 60, 1),
                    "ratio_to_one": round(plan.makespan_s / one_s, 3),
                    "closest_m": plan.separation and plan.separation.closest_m,
                    "seconds": round(time.perf_counter() - start, 2),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"rows": rows}))


def with_sites(area: StudyArea) -> StudyArea:
    """Put a launch site at the western and at the eastern end of each part of an area."""
    land = shapely.union_all([s.polygon for s in area.strata])
    sites = []
    for number, part in enumerate(shapely.get_parts(land), start=1):
        corners = shapely.get_coordinates(part)
        for end, at in (("west", np.argmin(corners[:, 0])), ("east", np.argmax(corners[:, 0]))):
            sites.append(LaunchSite(f"{end} {number}", float(corners[at, 0]), float(corners[at, 1])))
    return replace(area, launch_sites=tuple(sites))


if __name__ == "__main__":
    main()
