"""Full coverage planned by overfly, opencoverage 0.2.0 and drone-flightplan 1.0.0, in one process after import.

    pip install --no-deps --target /tmp/peers opencoverage==0.2.0 drone-flightplan==1.0.0 geojson
    python benchmarks/planners.py --peers /tmp/peers

overfly's time is for everything: lines, legal ways, sorties that fit a battery with the way home, mission items with
fence, the check of every metre, and what is left out. opencoverage's is for its bare lines, drone-flightplan's for its
waypoints. 2 cm a pixel, 75 % front and 70 % side overlap, a Mavic 3E's camera for overfly and opencoverage;
drone-flightplan has a table of its own cameras. A planner that is not installed is skipped, and the document says so.
Prints JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import shapely

from flightplan.areas import Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.drones import Drone, drone_named
from flightplan.frames import LocalFrame
from flightplan.mission import Command, Mission
from flightplan.mission_builder import mission_path
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import DEFAULT_DRONE, PlanRequest

_FRAME = LocalFrame(34.83, -2.33)
_GSD_CM, _FRONT, _SIDE = 2.0, 0.75, 0.70
_CAMERA = camera_named("DJI Mavic 3E wide")
# The others plan one flight and no way home. With an endless battery only the autopilot's storage ends a sortie.
_UNENDING = replace(drone_named(DEFAULT_DRONE), name="unending", battery_wh=1e7)
# What every planner may fly outside by; overfly's own allowance for strips of 106 m.
_ALLOWANCE_M = 66.0
_SLOWEST_OVER_LINES, _FASTER_THAN_WAYPOINTS = 20.0, 30.0


def square(side_m: float, across_m: float | None = None) -> shapely.Polygon:
    """A rectangle around the origin, `side_m` from south to north."""
    half, wide = side_m / 2, (across_m or side_m) / 2
    return shapely.box(-wide, -half, wide, half)


def u_shape() -> shapely.Polygon:
    """A U of 112 km²: 14 km by 10 km, with a bay of 4 km by 7 km."""
    return shapely.difference(shapely.box(-7000, -5000, 7000, 5000), shapely.box(-2000, -2000, 2000, 5000))


def overfly_plan(land: shapely.Polygon, heading_deg: float, drone: Drone | str = DEFAULT_DRONE) -> SurveyPlan:
    """Plan with overfly, from an area that nothing is known of yet."""
    area = StudyArea("benchmark", (Stratum("all", _FRAME.delocalise(land)),))
    return plan_survey(
        area,
        PlanRequest(
            camera=_CAMERA,
            gsd_cm=_GSD_CM,
            front_overlap=_FRONT,
            side_overlap=_SIDE,
            heading_deg=heading_deg,
            drone=drone,
        ),
    )


def opencoverage_plan(module: Any, models: Any, land: shapely.Polygon, heading_deg: float) -> Any:
    """Plan bare lines with opencoverage; its lines run along the second axis, so the land is turned."""
    turned = shapely.affinity.rotate(land, heading_deg, origin=(0, 0))
    width_mm, focal_mm = _CAMERA.sensor_width_mm, _CAMERA.focal_length_mm
    if width_mm is None or focal_mm is None or _CAMERA.sensor_height_mm is None:
        raise SystemExit(f"{_CAMERA.name} has no sensor size")
    camera = models.PinholeCamera(
        pixel_size_mm=width_mm / _CAMERA.image_width_px,
        focal_length_mm=focal_mm,
        sensor_width_mm=width_mm,
        sensor_height_mm=_CAMERA.sensor_height_mm,
    )
    return module.plan(
        polygon=turned,
        uav=models.UAV(min_height=10.0),
        camera=camera,
        pattern="back_forth",
        lateral_overlap=_SIDE,
        forward_overlap=_FRONT,
        target="resolution",
        target_value=_GSD_CM * 10,
    )


def measure_overfly(land: shapely.Polygon, heading_deg: float, repeats: int) -> dict[str, Any]:
    """Time overfly, and say what came of it."""
    seconds, plan = timed(lambda: overfly_plan(land, heading_deg), repeats)
    lines_m = sum(t.length_m for s in plan.strata for t in s.transects)
    unending = overfly_plan(land, heading_deg, _UNENDING)
    return {
        "s": seconds,
        "lines": sum(len(s.transects) for s in plan.strata),
        "sorties": len(plan.sorties),
        "flown_over_lines": round(sum(lines_and_turns_m(s.mission) for s in unending.sorties) / lines_m, 4),
        "flown_over_lines_with_batteries": round(plan.length_m / lines_m, 4),
        "metres_outside": plan.metres_outside,
        "km_outside": round(outside_m(land, overfly_paths(plan)) / 1000, 2),
        "coverage": plan.coverage,
    }


def measure_opencoverage(
    module: Any, models: Any, land: shapely.Polygon, heading_deg: float, repeats: int
) -> dict[str, Any]:
    """Time opencoverage's bare lines, and measure its path."""
    seconds, mission = timed(lambda: opencoverage_plan(module, models, land, heading_deg), repeats)
    path = np.asarray(mission.path)
    steps = np.diff(path, axis=0)
    along = np.abs(steps[:, 0]) < 1e-6
    # On its lines and inside: what is flown outside or between lines is not a line.
    turned = shapely.affinity.rotate(land, heading_deg, origin=(0, 0))
    legs = shapely.linestrings(np.stack([path[:-1], path[1:]], axis=1))
    lines_m = float(shapely.length(shapely.intersection(legs[along], turned)).sum())
    return {
        "s": seconds,
        "lines": len(np.unique(np.round(path[:, 0], 3))),
        "flown_over_lines": round(float(np.hypot(*steps.T).sum()) / lines_m, 4),
        "km_outside": round(outside_m(turned, [path]) / 1000, 2),
    }


def measure_drone_flightplan(create_waypoint: Any, mode: Any, land: shapely.Polygon) -> dict[str, Any]:
    """Time drone-flightplan's waypoints, once: it is slow."""
    geographic = json.loads(shapely.to_geojson(_FRAME.delocalise(land)))
    feature = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": geographic}]}

    def run() -> Any:
        return create_waypoint(feature, agl=0.0, gsd=_GSD_CM, forward_overlap=75, side_overlap=70, mode=mode)

    seconds, made = timed(run, 1, warm=False)
    points = json.loads(made["geojson"])["features"] if isinstance(made.get("geojson"), str) else []
    path = _FRAME.to_local([f["geometry"]["coordinates"][:2] for f in points]) if points else np.empty((0, 2))
    return {
        "s": seconds,
        "waypoints": len(points),
        "km_flown": round(float(np.hypot(*np.diff(path, axis=0).T).sum()) / 1000, 1) if len(path) else None,
        "km_outside": round(outside_m(land, [path]) / 1000, 2) if len(path) else None,
    }


def first_call(planner: str, area: str, folder: str | None) -> float:
    """Return what the first plan after import takes, in a process of its own: nothing is warm."""
    command = [sys.executable, __file__, "--first", planner, area, *(["--peers", folder] if folder else [])]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def timed(run: Callable[[], Any], repeats: int, *, warm: bool = True) -> tuple[float, Any]:
    """Return the median processor time of some runs after one that does not count, and what the last gave.

    Of this process, since others may be at work on the machine; all planners here keep to one processor.
    """
    if warm:
        run()
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        result = run()
        seconds.append(time.process_time() - started)
    return round(statistics.median(seconds), 4), result


def lines_and_turns_m(mission: Mission) -> float:
    """Return what is flown from the first line to the last one's end: the others plan no way from or to home."""
    here: list[tuple[float, float]] = []
    first, last = 0, 0
    for item in mission.items:
        if item.command == Command.DO_SET_CAM_TRIGG_DIST:
            first, last = (first or len(here)), len(here)
        elif item.longitude_deg is not None and item.latitude_deg is not None:
            here.append((item.longitude_deg, item.latitude_deg))
    path = _FRAME.to_local(here[first - 1 : last])
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def overfly_paths(plan: SurveyPlan) -> list[Any]:
    """Return the paths of all sorties in the metres of the benchmark."""
    return [_FRAME.to_local(mission_path(s.mission)) for s in plan.sorties]


def outside_m(land: shapely.Polygon, paths: list[Any]) -> float:
    """Return the length of paths outside of land and the allowance (and some metres, for the earth is round)."""
    legal = land.buffer(_ALLOWANCE_M + 3.0)
    return sum(float(shapely.LineString(p).difference(legal).length) for p in paths)


def exponent(lines: list[int], seconds: list[float]) -> float:
    """Return the power of the number of lines that time grows with: the slope of a straight line through logarithms."""
    return round(float(np.polyfit(np.log(lines), np.log(seconds), 1)[0]), 3)


def peers(folder: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Import what is installed; return modules by name, and why the others are missing."""
    if folder:
        sys.path.append(folder)
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    try:
        found["opencoverage"] = (
            importlib.import_module("opencoverage.planner"),
            importlib.import_module("opencoverage.models"),
        )
    except ImportError as error:
        missing["opencoverage"] = f"not installed: {error}"
    try:
        importlib.import_module("osgeo")
    except ImportError:
        # It is needed for elevations only, which are not asked for here.
        stand_in = types.ModuleType("osgeo")
        for name in ("gdal", "ogr", "osr"):
            setattr(stand_in, name, types.ModuleType(name))
        sys.modules["osgeo"] = stand_in
    try:
        found["drone-flightplan"] = (
            importlib.import_module("drone_flightplan.waypoints").create_waypoint,
            importlib.import_module("drone_flightplan.enums").FlightMode.WAYLINES,
        )
    except ImportError as error:
        missing["drone-flightplan"] = f"not installed: {error}"
    return found, missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", metavar="DIR", help="where the other planners are installed")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--first", nargs=2, metavar=("PLANNER", "AREA"), help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="without drone-flightplan, which takes a minute")
    asked = parser.parse_args()
    found, missing = peers(asked.peers)
    document: dict[str, Any] = {"skipped": missing, "areas": {}}
    areas = {
        "25 km2 square": (square(5000.0), 0.0),
        "112 km2 U, along": (u_shape(), 0.0),
        "112 km2 U, across": (u_shape(), 90.0),
    }
    if asked.first:
        planner, name = asked.first
        run = overfly_plan if planner == "overfly" else partial(opencoverage_plan, *found[planner])
        print(timed(lambda: run(*areas[name]), 1, warm=False)[0])
        return
    for name, (land, heading_deg) in areas.items():
        row = {"overfly": measure_overfly(land, heading_deg, asked.repeats)}
        if "opencoverage" in found:
            theirs = measure_opencoverage(*found["opencoverage"], land, heading_deg, asked.repeats)
            row["opencoverage"] = theirs
            ratio = row["overfly"]["s"] / theirs["s"]
            row["times_opencoverage"] = {"is": round(ratio, 2), "goal": _SLOWEST_OVER_LINES}
            row["times_opencoverage"]["reached"] = ratio <= _SLOWEST_OVER_LINES
            first = {p: first_call(p, name, asked.peers) for p in ("overfly", "opencoverage")}
            first["is"] = round(first["overfly"] / first["opencoverage"], 2)
            row["times_opencoverage_first_call"] = first
            if theirs["km_outside"] == 0:
                row["flown_no_further"] = row["overfly"]["flown_over_lines"] <= theirs["flown_over_lines"]
        document["areas"][name] = row
    if "drone-flightplan" in found and not asked.quick:
        row = document["areas"]["25 km2 square"]
        row["drone-flightplan"] = measure_drone_flightplan(*found["drone-flightplan"], square(5000.0))
        faster = row["drone-flightplan"]["s"] / row["overfly"]["s"]
        row["faster_than_drone_flightplan"] = {"is": round(faster, 1), "goal": _FASTER_THAN_WAYPOINTS}
        row["faster_than_drone_flightplan"]["reached"] = faster >= _FASTER_THAN_WAYPOINTS
    wider = [measure_overfly(square(5000.0, w), 0.0, asked.repeats) for w in (2500.0, 5000.0, 10_000.0, 20_000.0)]
    larger = [measure_overfly(square(s), 0.0, asked.repeats) for s in (2000.0, 3500.0, 6000.0, 9000.0)]
    document["growth"] = {
        "lines of 5 km, more of them": [(r["lines"], r["s"]) for r in wider],
        "exponent": exponent([r["lines"] for r in wider], [r["s"] for r in wider]),
        "squares, lines longer too": [(r["lines"], r["sorties"], r["s"]) for r in larger],
        "exponent over lines": exponent([r["lines"] for r in larger], [r["s"] for r in larger]),
        "exponent over sorties": exponent([r["sorties"] for r in larger], [r["s"] for r in larger]),
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
