"""How far pixels land from where they should: exact pairs, and ground points seen in two pictures."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detect.captures import Capture, read_capture
from detect.georef import Placed, Pose, PoseErrors, place, pose_of
from flightplan.camera import Camera
from flightplan.ellipsoid import horizon_axes, to_geocentric
from flightplan.errors import GeoreferenceError, OverflyError, Skip, UnreadableFileError
from flightplan.frames import Floats
from flightplan.terrain import Terrain

_INSIDE_95 = 5.991464547107979
"""95 % point of χ² with two degrees of freedom."""
_COLUMNS = ("image_a", "col_a", "row_a", "image_b", "col_b", "row_b")


@dataclass(frozen=True)
class GeorefErrors:
    """Errors of one category in metres on the ground.

    `inside_95` is the share of errors inside the 95 % ellipse of the covariance stated with each point.
    """

    n: int
    median_m: float
    p90_m: float
    max_m: float
    inside_95: float


@dataclass(frozen=True)
class GeorefEvaluation:
    """Errors by category, and what could not be evaluated."""

    categories: Mapping[str, GeorefErrors]
    skipped: tuple[Skip, ...] = ()


def evaluate_georef(source: Path, *, terrain_folder: Path | None = None) -> GeorefEvaluation:
    """Evaluate a JSON file of exact pixel-to-ground pairs, or a folder with pictures and their `tie_points.csv`.

    Elevation models that the pairs name are looked for in `terrain_folder`, in the file's own folder, and in a folder
    `terrain` beside it. Raises UnreadableFileError for anything else.
    """
    source = Path(source)
    if source.is_dir():
        return evaluate_tie_points(source)
    if source.name == "tie_points.csv":
        return evaluate_tie_points(source.parent)
    try:
        cases = json.loads(source.read_text(encoding="utf-8"))["cases"]
        folders = [terrain_folder] if terrain_folder else [source.parent, source.parent.parent / "terrain"]
        return _exact_pairs(cases, folders)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        if isinstance(error, OverflyError):
            raise
        raise UnreadableFileError(f"not a file of pixel-to-ground pairs: {error!r}", where=str(source)) from error


def evaluate_tie_points(
    folder: Path, *, captures: Mapping[str, Capture] | None = None, errors: PoseErrors | None = None
) -> GeorefEvaluation:
    """Place the same ground point from two pictures and measure how far apart the two places are.

    One category `pairs`. `captures` by file name stand in for those read from the folder's pictures, for poses that
    were repaired or refined. The stated covariance is that of the difference: errors common to the flight are taken to
    turn with each picture's heading, so they count in full.
    """
    table = folder / "tie_points.csv"
    try:
        with table.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        points = {name: np.array([float(r[name]) for r in rows]) for name in _COLUMNS if "image" not in name}
        names = {side: [Path(r[f"image_{side}"]).name for r in rows] for side in "ab"}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError(f"not a table of tie points: {error!r}", where=str(table)) from error
    images = sorted({*names["a"], *names["b"]})
    skipped: list[Skip] = []
    placed: dict[str, tuple[Floats, Floats]] = {}
    for side in "ab":
        lonlat, covariance = np.full((len(rows), 2), np.nan), np.full((len(rows), 2, 2), np.nan)
        placed[side] = lonlat, covariance
    for image in images:
        try:
            capture = captures[image] if captures is not None else read_capture(folder / image)
            for side in "ab":
                mine = np.flatnonzero(np.array(names[side]) == image)
                if len(mine):
                    pixels = np.column_stack([points[f"col_{side}"][mine], points[f"row_{side}"][mine]])
                    found = _place_capture(capture, pixels, errors)
                    placed[side][0][mine], placed[side][1][mine] = found.lonlat, found.covariance_m2
        except (OverflyError, KeyError) as error:
            skipped.append(Skip(image, str(error)))
    (a, cov_a), (b, cov_b) = placed["a"], placed["b"]
    seen = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    if not seen.any():
        raise GeoreferenceError("no tie point could be placed from both its pictures", where=str(table))
    return GeorefEvaluation({"pairs": _errors(a[seen], b[seen], (cov_a + cov_b)[seen])}, tuple(skipped))


def _place_capture(capture: Capture, pixels: Floats, errors: PoseErrors | None) -> Placed:
    if capture.camera is None:
        reason = capture.unknown.get("camera", "no reason given")
        raise GeoreferenceError(f"its camera is unknown ({reason})", where=str(capture.path))
    standpoint = pose_of(capture)
    return place(capture.camera, standpoint.pose, pixels, standpoint.terrain, errors or PoseErrors.of(capture))


def _exact_pairs(cases: list[dict[str, Any]], folders: list[Path]) -> GeorefEvaluation:
    terrains: dict[str, Terrain] = {}
    found: dict[str, list[tuple[Floats, Floats, Floats]]] = defaultdict(list)
    skipped: list[Skip] = []
    for number, case in enumerate(cases):
        try:
            pose = case["pose"]
            points = np.array(case["points"], dtype=np.float64)
            placed = place(
                _camera(case["camera"]),
                Pose(pose["lon"], pose["lat"], pose["h"], pose["yaw"], pose["pitch"], pose["roll"]),
                points[:, :2],
                _terrain(case["surface"], folders, terrains),
            )
        except OverflyError as error:
            skipped.append(Skip(f"case {number}", str(error)))
            continue
        good = placed.on_ground
        skipped += [
            Skip(f"case {number}, point {row}", "was not placed on the ground") for row in np.flatnonzero(~good)
        ]
        found[case["category"]].append((placed.lonlat[good], points[good][:, [3, 2]], placed.covariance_m2[good]))
    categories = {
        name: _errors(*(np.concatenate(part) for part in zip(*parts, strict=True))) for name, parts in found.items()
    }
    return GeorefEvaluation(categories, tuple(skipped))


def _camera(figures: Mapping[str, Any]) -> Camera:
    distortion = figures.get("dist")
    return Camera(
        name="pairs",
        image_width_px=figures["width"],
        image_height_px=figures["height"],
        focal_length_px=figures["fx"],
        focal_length_y_px=figures["fy"],
        principal_point_px=(figures["cx"], figures["cy"]),
        distortion=None if distortion is None else tuple(distortion),
    )


def _terrain(surface: Mapping[str, Any], folders: list[Path], known: dict[str, Terrain]) -> Terrain:
    if surface["type"] == "plane":
        return Terrain.flat(surface["h"])
    name = Path(surface["file"]).name
    if name not in known:
        path = next((folder / name for folder in folders if (folder / name).exists()), None)
        if path is None:
            raise GeoreferenceError("the elevation model of this case is nowhere to be found", where=name)
        known[name] = Terrain.from_file(path)
    return known[name]


def _errors(lonlat: Floats, truth: Floats, covariance: Floats) -> GeorefErrors:
    level = np.zeros(len(truth))
    offset = to_geocentric(lonlat, level) - to_geocentric(truth, level)
    apart = np.einsum("nij,ni->nj", horizon_axes(truth)[:, :, [1, 0]], offset)
    distance = np.hypot(apart[:, 0], apart[:, 1])
    squared = np.einsum("ni,nij,nj->n", apart, np.linalg.inv(covariance), apart)
    return GeorefErrors(
        n=len(distance),
        median_m=float(np.median(distance)),
        p90_m=float(np.percentile(distance, 90)),
        max_m=float(distance.max()),
        inside_95=float(np.mean(squared <= _INSIDE_95)),
    )
