"""Pixels to the ground: seconds for a million, on level ground and over a terrain, against orthority (PyPI) in one run.

A Phantom 4 RTK with its lens distortion, 100 m up and 30° off nadir. Over terrain orthority takes each pixel by itself,
so it gets fewer of them. overfly is timed with the covariance of each point (`place`) and without (`cast`).
`--truth synthetic_rays.json` adds the errors of both over its exact pairs, in metres by category.

    python benchmarks/pixel_to_ground.py --n 1000000 --truth ../shared/data/imagery/synthetic_rays.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from orthority.camera import create_camera
from orthority.param_io import _rotation_to_opk
from rasterio import Affine

from detect.evaluate_georef import evaluate_georef
from detect.georef import Pose, place, sight_lines
from detect.raycast import cast
from flightplan.camera import Camera, rotation
from flightplan.ellipsoid import to_geodetic
from flightplan.frames import Floats, LocalFrame
from flightplan.terrain import Terrain

PHANTOM = Camera(
    "Phantom 4 RTK", 5472, 3648, 3657.02, focal_length_y_px=3650.62, principal_point_px=(2731.47, 1846.6),
    distortion=(-0.267098, 0.111977, 0.000924881, 8.82056e-05, -0.0331614),
)  # fmt: skip
POSE = Pose(25.0, -34.2, 100.0, 40.0, -60.0, 2.0)
CELL_M, CELLS = 5.0, 200
REPEATS = 3


def hills() -> Floats:
    """Heights of a terrain of a kilometre a side under the camera, 40 m of relief."""
    y, x = np.mgrid[0:CELLS, 0:CELLS] * CELL_M
    return 20 * np.sin(x / 120) * np.cos(y / 90) - 20


def orthority_camera(camera: Camera, pose: Pose, position: tuple[float, float, float]) -> Any:
    """The same camera as orthority has it, in a local frame of metres."""
    turned = rotation(pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
    to_world = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]) @ turned @ np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]])
    k1, k2, p1, p2, k3 = camera.distortion or (0.0,) * 5
    width, height = camera.image_width_px, camera.image_height_px
    cx, cy = camera.principal_point_px or ((width - 1) / 2, (height - 1) / 2)
    longer = max(width, height)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return create_camera(
            "brown" if camera.distortion else "pinhole",
            (width, height),
            # In parts of the picture's longer side, as OpenSfM has it.
            (camera.focal_length_px / longer, (camera.focal_length_y_px or camera.focal_length_px) / longer),
            cx=(cx - (width - 1) / 2) / longer,
            cy=(cy - (height - 1) / 2) / longer,
            xyz=position,
            opk=_rotation_to_opk(to_world),
            **({"k1": k1, "k2": k2, "p1": p1, "p2": p2, "k3": k3} if camera.distortion else {}),
        )


def seconds(work: Callable[[], object]) -> float:
    """The median of a few runs, after one to warm up."""
    work()
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def timed(count: int) -> dict[str, Any]:
    """Seconds per million points of both, and how often one takes the time of the other."""
    rng = np.random.default_rng([1, 2])
    frame = LocalFrame(float(POSE.longitude_deg), float(POSE.latitude_deg))
    grid = hills()
    half = CELLS * CELL_M / 2
    transform = (CELL_M, 0.0, -half, 0.0, -CELL_M, half)
    grounds = {"flat": Terrain.flat(0.0), "terrain": Terrain(grid_m=grid, crs=frame.crs, transform=transform)}
    other = orthority_camera(PHANTOM, POSE, (0.0, 0.0, float(POSE.height_m)))
    table: dict[str, Any] = {}
    for name, ground in grounds.items():
        pixels = rng.uniform([0, 0], [5471, 3647], (count, 2))
        ours = seconds(lambda p=pixels, g=ground: place(PHANTOM, POSE, p, g)) / count * 1e6  # type: ignore[misc]
        bare = seconds(lambda p=pixels, g=ground: _bare(p, g)) / count * 1e6  # type: ignore[misc]
        fewer = count if name == "flat" else max(1, min(count, 2000))
        some = np.ascontiguousarray(pixels[:fewer].T)
        if name == "flat":
            theirs = seconds(lambda s=some: other.pixel_to_world_z(s, 0.0))  # type: ignore[misc]
        else:
            theirs = seconds(
                lambda s=some: other._pixel_to_world_surf(s, grid, Affine(*transform))  # type: ignore[misc]
            )
        theirs = theirs / fewer * 1e6
        table[name] = {
            "points": count,
            "points_orthority": fewer,
            "overfly_s_per_million": round(ours, 3),
            "overfly_without_covariance_s_per_million": round(bare, 3),
            "orthority_s_per_million": round(theirs, 3),
            "orthority_over_overfly": round(theirs / ours, 2),
            "orthority_over_overfly_without_covariance": round(theirs / bare, 2),
        }
    return table


def _bare(pixels: Floats, ground: Terrain) -> object:
    origin, direction = sight_lines(PHANTOM, POSE, pixels)
    distance, _ = cast(origin, direction, ground)
    return to_geodetic(origin + distance[:, None] * direction)


def errors(truth: Path) -> dict[str, Any]:
    """Median and largest error of both over exact pairs, by category."""
    ours = evaluate_georef(truth).categories
    found: dict[str, list[Floats]] = defaultdict(list)
    for case in json.loads(truth.read_text(encoding="utf-8"))["cases"]:
        found[case["category"]].append(_orthority_errors(case, truth))
    return {
        name: {
            "n": ours[name].n,
            "overfly_median_m": round(ours[name].median_m, 4),
            "overfly_max_m": round(ours[name].max_m, 4),
            "orthority_median_m": round(float(np.median(np.concatenate(parts))), 4),
            "orthority_max_m": round(float(np.max(np.concatenate(parts))), 4),
        }
        for name, parts in found.items()
    }


def _orthority_errors(case: dict[str, Any], truth: Path) -> Floats:
    pose, figures = case["pose"], case["camera"]
    points = np.array(case["points"], dtype=np.float64)
    frame = LocalFrame(pose["lon"], pose["lat"])
    camera = Camera(
        "pairs", figures["width"], figures["height"], figures["fx"], focal_length_y_px=figures["fy"],
        principal_point_px=(figures["cx"], figures["cy"]),
        distortion=None if figures.get("dist") is None else tuple(figures["dist"]),
    )  # fmt: skip
    stood = Pose(pose["lon"], pose["lat"], pose["h"], pose["yaw"], pose["pitch"], pose["roll"])
    other = orthority_camera(camera, stood, (0.0, 0.0, pose["h"]))
    ji = np.ascontiguousarray(points[:, :2].T)
    if case["surface"]["type"] == "plane":
        local = other.pixel_to_world_z(ji, case["surface"]["h"])[:2].T
    else:
        terrain = Terrain.from_file(truth.parent.parent / "terrain" / Path(case["surface"]["file"]).name)
        # orthority wants the model in the frame's own grid: laid out at the model's cell.
        reach, cell = 4000.0, terrain.cell_m
        across = np.arange(-reach + cell / 2, reach, cell)
        x, y = np.meshgrid(across, -across)
        grid = terrain.heights_m(frame.to_lonlat(np.column_stack([x.ravel(), y.ravel()]))).reshape(x.shape)
        surface = Affine(cell, 0.0, -reach, 0.0, -cell, reach)
        local = other._pixel_to_world_surf(ji, grid, surface)[:2].T
    true = frame.to_local(points[:, [3, 2]])
    return np.asarray(np.hypot(*(local - true).T))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200_000)
    parser.add_argument("--truth", type=Path)
    asked = parser.parse_args()
    report = {"seconds": timed(asked.n), "errors_m": errors(asked.truth) if asked.truth else None}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
