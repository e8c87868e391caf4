"""How far pixels land from where they should: exact pairs, and ground points seen in two pictures."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.captures import Capture, find_images, read_capture
from detect.findings import repaired
from detect.flight_checks import check_captures
from detect.georef import Pose, place, place_with_derivatives
from detect.pose_errors import PoseErrors, common_turned
from detect.refine import Progress, Refinement, refine
from detect.standpoints import pose_of
from detect.stations import heading_deg
from flightplan.camera import Camera
from flightplan.ellipsoid import horizon_axes, to_geocentric
from flightplan.errors import GeoreferenceError, OverflyError, Skip, UnreadableFileError
from flightplan.frames import Floats
from flightplan.terrain import Terrain

_INSIDE_95 = 5.991464547107979
"""95 % point of χ² with two degrees of freedom."""
TIE_POINTS = "tie_points.csv"


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
    """Errors by category, and what could not be evaluated.

    For tie points `pairs` is what the poses used in the end leave, `stages` what they left before and after each step
    ("as_read", "repaired", "refined"), and `refinement` what the pictures said.
    """

    categories: Mapping[str, GeorefErrors]
    skipped: tuple[Skip, ...] = ()
    pairs: GeorefErrors | None = None
    stages: Mapping[str, GeorefErrors] = field(default_factory=dict)
    refinement: Refinement | None = None


def evaluate_georef(source: Path, *, terrain_folder: Path | None = None) -> GeorefEvaluation:
    """Evaluate a JSON file of exact pixel-to-ground pairs, or a folder with pictures and their `tie_points.csv`.

    Elevation models that the pairs name are looked for in `terrain_folder`, in the file's own folder, and in a folder
    `terrain` beside it. Raises UnreadableFileError for anything else.
    """
    source = Path(source)
    if source.is_dir():
        return evaluate_tie_points(source)
    if source.name == TIE_POINTS:
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
    folder: Path,
    *,
    captures: Mapping[str, Capture] | None = None,
    errors: PoseErrors | None = None,
    between: Mapping[tuple[str, str], Floats] | None = None,
) -> GeorefEvaluation:
    """Place the same ground point from two pictures and measure how far apart the two places are.

    One category `pairs`. `captures` by file name stand in for those read from the folder's pictures, for poses that
    were repaired or refined. The stated covariance is that of the difference: errors common to the flight count by
    how differently they move the two places.
    """
    points = _tie_points(folder)
    ends = {side: _Ends.empty(len(points.images[side])) for side in "ab"}
    skipped: list[Skip] = []
    for image in sorted({*points.images["a"], *points.images["b"]}):
        try:
            capture = captures[image] if captures is not None else read_capture(folder / image)
            for side in "ab":
                mine = np.flatnonzero(np.array(points.images[side]) == image)
                if len(mine):
                    ends[side].put(mine, capture, points.pixels[side][mine], errors)
        except KeyError:
            skipped.append(Skip(image, "is not among the captures"))
        except OverflyError as error:
            skipped.append(Skip(image, str(error)))
    a, b = ends["a"], ends["b"]
    seen = np.isfinite(a.lonlat).all(axis=1) & np.isfinite(b.lonlat).all(axis=1)
    if not seen.any():
        raise GeoreferenceError("no tie point could be placed from both its pictures", where=str(folder / TIE_POINTS))
    covariance = _of_difference(a, b, between or {})
    pairs = _errors(a.lonlat[seen], b.lonlat[seen], covariance[seen])
    return GeorefEvaluation({"pairs": pairs}, tuple(skipped), pairs)


def evaluate_flight(folder: Path, *, adjust: bool = True, progress: Progress | None = None) -> GeorefEvaluation:
    """Evaluate tie points with poses as read, with headings repaired, and refined from the pictures.

    The tie points are read only to score: what is repaired and refined rests on the pictures of the folder and their
    metadata. `pairs` are those of the last step that proved its gain, or of the repaired poses when not `adjust`.
    """
    _tie_points(folder)
    paths, skips = find_images([folder])
    read, unread = [], list(skips)
    for path in paths:
        try:
            read.append(read_capture(path))
        except OverflyError as error:
            unread.append(Skip(str(path), str(error)))
    # What track, neighbours and clock prove comes first, then what the pictures prove.
    found = refine(repaired(read, check_captures(read))[0], progress=progress)
    steps = {"as_read": tuple(read), "repaired": found.repaired}
    if adjust and found.applied:
        steps["refined"] = found.captures
    stages: dict[str, GeorefErrors] = {}
    skipped: tuple[Skip, ...] = ()
    for name, captures in steps.items():
        step = evaluate_tie_points(
            folder,
            captures={capture.path.name: capture for capture in captures},
            between=found.between if name == "refined" else None,
        )
        stages[name], skipped = step.categories["pairs"], step.skipped
    pairs = list(stages.values())[-1]
    return GeorefEvaluation({"pairs": pairs}, (*unread, *found.skipped, *skipped), pairs, stages, found)


@dataclass(frozen=True)
class _TiePoints:
    images: Mapping[str, list[str]]
    pixels: Mapping[str, Floats]


def _tie_points(folder: Path) -> _TiePoints:
    table = folder / TIE_POINTS
    try:
        with table.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        pixels = {s: np.array([[float(r[f"col_{s}"]), float(r[f"row_{s}"])] for r in rows]) for s in "ab"}
        images = {s: [Path(r[f"image_{s}"]).name for r in rows] for s in "ab"}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError(f"not a table of tie points: {error!r}", where=str(table)) from error
    return _TiePoints(images, {s: p.reshape(-1, 2) for s, p in pixels.items()})


@dataclass(frozen=True)
class _Ends:
    """One side of the tie points: places (N, 2), what each error does there (N, 2, 9), and the errors (N, 9, 9).

    `acting` (N, 6, 6) is how errors common to the flight act on the pose of each.
    """

    lonlat: Floats
    slopes: Floats
    own: Floats
    common: Floats
    acting: Floats
    names: list[str]

    @classmethod
    def empty(cls, count: int) -> _Ends:
        square = (count, 6, 6)
        return cls(
            np.full((count, 2), np.nan),
            np.full((count, 2, 9), np.nan),
            np.full((count, 9, 9), np.nan),
            np.full(square, np.nan),
            np.full(square, np.nan),
            [""] * count,
        )

    def put(self, rows: npt.NDArray[np.int64], capture: Capture, pixels: Floats, errors: PoseErrors | None) -> None:
        if capture.camera is None:
            reason = capture.unknown.get("camera", "no reason given")
            raise GeoreferenceError(f"its camera is unknown ({reason})", where=str(capture.path))
        stand = pose_of(capture)
        expected = errors or PoseErrors.of(capture)
        self.lonlat[rows], self.slopes[rows] = place_with_derivatives(capture.camera, stand.pose, pixels, stand.terrain)
        self.own[rows], self.common[rows] = expected.independent(), expected.common()[:6, :6]
        # What refined poses share is theirs and their neighbours', in the axes of the ground.
        heading = 0.0 if expected.refined is not None else heading_deg(stand.pose)
        self.acting[rows] = common_turned(np.array([heading]))[0]
        for row in rows.tolist():
            self.names[row] = capture.content_hash


def _of_difference(a: _Ends, b: _Ends, between: Mapping[tuple[str, str], Floats]) -> Floats:
    """Covariances (N, 2, 2) of the differences between two places of one ground point."""
    apart = a.slopes[:, :, :6] @ a.acting - b.slopes[:, :, :6] @ b.acting
    total = apart @ ((a.common + b.common) / 2) @ apart.swapaxes(1, 2)
    for row, names in enumerate(zip(a.names, b.names, strict=True)):
        if names in between:
            # The whole of both poses, less what they have in common.
            joint = a.slopes[row, :, :6] @ between[names] @ b.slopes[row, :, :6].T
            total[row] = -joint - joint.T
            for end in (a, b):
                total[row] += end.slopes[row, :, :6] @ end.common[row] @ end.slopes[row, :, :6].T
    # It is one ground point: its unknown height moves both places.
    relief = (a.slopes - b.slopes)[:, :, 6:7]
    total = total + relief * ((a.own + b.own) / 2)[:, 6:7, 6:7] @ relief.swapaxes(1, 2)
    for end in (a, b):
        rest = end.slopes.copy()
        rest[:, :, 6] = 0.0
        total = total + rest @ end.own @ rest.swapaxes(1, 2)
    return np.asarray(total)


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
