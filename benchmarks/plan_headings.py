"""Plan every area of a folder at many headings, and measure by other means how much of the path is illegal.

    python benchmarks/plan_headings.py ../shared/data/areas --headings 36

The check uses a transverse Mercator plane and finely drawn borders, and nothing of the planner's own geometry.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pyproj
import shapely

from flightplan.areas import StudyArea, read_area
from flightplan.cameras import camera_named
from flightplan.errors import DesignError, OverflyError
from flightplan.mission_builder import mission_path
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

PROJECTION_M = 0.05


class Check:
    """The legal air of an area, drawn independently."""

    def __init__(self, area: StudyArea, allowance_m: float, buffer_m: float) -> None:
        centre = shapely.union_all([s.polygon for s in area.strata]).centroid
        plane = f"+proj=tmerc +lat_0={centre.y} +lon_0={centre.x} +k=1 +datum=WGS84 +units=m"
        self._project = pyproj.Transformer.from_crs("EPSG:4326", plane, always_xy=True).transform
        land = self._flat(shapely.union_all([s.polygon for s in area.strata]))
        kept_out = self._flat(shapely.union_all(list(area.exclusions)))
        self.legal = shapely.difference(
            land.buffer(allowance_m + PROJECTION_M, quad_segs=32),
            kept_out.buffer(buffer_m - PROJECTION_M, quad_segs=32),
        )
        shapely.prepare(self.legal)

    def _flat(self, geometry: shapely.Geometry) -> shapely.Geometry:
        return shapely.transform(
            shapely.segmentize(geometry, 0.001), lambda p: np.column_stack(self._project(*p.T)) if len(p) else p
        )

    def illegal_m(self, plan: SurveyPlan) -> float:
        """The length of a plan's paths outside of the legal air."""
        illegal = 0.0
        for sortie in plan.sorties:
            points = np.column_stack(self._project(*mission_path(sortie.mission).T))
            legs = shapely.linestrings(np.stack([points[:-1], points[1:]], axis=1))
            suspects = legs[~shapely.covers(self.legal, legs)]
            illegal += float(shapely.length(shapely.difference(suspects, self.legal)).sum())
        return illegal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--headings", type=int, default=36)
    parser.add_argument("--lines", type=int, default=14, help="lines an area, about")
    asked = parser.parse_args()
    camera = camera_named("overfly-demo")
    print(
        f"{'area':34} {'plans':>5} {'refused':>7} {'own check':>10} {'other check':>11}"
        f" {'flown/lines':>11} {'s a plan':>8}"
    )
    for path in sorted(asked.folder.iterdir()):
        if path.suffix not in (".geojson", ".kml", ".kmz", ".csv", ".shp", ".gpkg"):
            continue
        try:
            area = read_area(path)
        except OverflyError as refused:
            print(f"{path.name:34} refused: {refused.what}")
            continue
        spacing_m = max(100.0, np.sqrt(area.area_m2) / asked.lines)
        plans: list[SurveyPlan] = []
        refusals, illegal_m, started = 0, 0.0, time.perf_counter()
        for heading_deg in np.linspace(0, 360, asked.headings, endpoint=False):
            try:
                plans.append(
                    plan_survey(
                        area,
                        PlanRequest(
                            camera=camera, altitude_agl_m=80.0, spacing_m=spacing_m, heading_deg=float(heading_deg)
                        ),
                    )
                )
            except DesignError:
                refusals += 1
        seconds = (time.perf_counter() - started) / asked.headings
        check = Check(area, plans[0].allowance_m or 0.0, plans[0].buffer_m or 0.0)
        illegal_m = sum(check.illegal_m(p) for p in plans)
        ratio = sum(p.length_m for p in plans) / sum(t.length_m for p in plans for s in p.strata for t in s.transects)
        print(
            f"{path.name:34} {len(plans):5} {refusals:7} {max(p.metres_outside for p in plans):10.3f}"
            f" {illegal_m:11.3f} {ratio:11.2f} {seconds:8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
