"""How honest the covariance of a place on the ground is: simulated flights with realistic noise.

Every flight draws its common errors once and the others for every capture; over hills the elevation model is off by a
field of its own. Truth is where a pixel's own ray met the true ground. Printed per case: how many points lie inside
their 1-sigma ellipse (39 % if honest) and inside their 95 % ellipse. With `--refined` overlapping captures are adjusted
to matches first, and two places of one ground point are compared as well.

    python benchmarks/covariance.py --n 200 [--refined] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.ndimage
from scipy.spatial.transform import Rotation

from detect.bundle import adjust
from detect.georef import Pose, ground_to_pixel, place, place_with_derivatives
from detect.matching import Matches
from detect.pose_errors import PoseErrors, common_turned
from detect.stations import Station, angles_deg
from flightplan.camera import Camera, rotation
from flightplan.cameras import camera_named
from flightplan.frames import Floats, LocalFrame
from flightplan.terrain import Terrain

FRAME = LocalFrame(34.83, -2.33)
CAMERA = camera_named("overfly-demo")
HEIGHT_M, SPEED_M_S = 80.0, 12.0
INSIDE_1, INSIDE_95 = 1.0, 5.991464547107979

GNSS = PoseErrors(along_track_m=0.05 * SPEED_M_S)
RTK = PoseErrors(horizontal_common_m=0.02, horizontal_m=0.01, height_common_m=0.04, height_m=0.02, along_track_m=0.06)
FIXED_WING = replace(GNSS, horizontal_m=2.0, yaw_common_deg=3.0, yaw_deg=7.0, tilt_common_deg=2.0, tilt_deg=4.0)
RECEIVERS = {"gnss": GNSS, "rtk": RTK, "no gimbal": FIXED_WING}
VIEWS = {"nadir": -90.0, "oblique 60": -60.0, "oblique 45": -45.0}


@dataclass(frozen=True)
class Flight:
    """A simulated flight: true and told poses of its captures, and the ground as it is and as the model has it."""

    true: list[Pose]
    told: list[Pose]
    errors: list[PoseErrors]
    ground: Terrain
    model: Terrain


def simulated(rng: np.random.Generator, errors: PoseErrors, pitch_deg: float, *, hills: bool, lines: int) -> Flight:
    """Fly `lines` lines of eight captures to and fro, with front and side overlap."""
    ground, model = _ground(rng, errors.terrain_m, hills=hills)
    common = rng.normal(size=6) * np.sqrt(np.diag(errors.common())[:6])
    true, told, expected = [], [], []
    for line in range(lines):
        heading = 0.0 if line % 2 == 0 else 180.0
        for shot in range(8):
            along = 40.0 * shot if line % 2 == 0 else 280.0 - 40.0 * shot
            local = np.array([50.0 * line, along]) + rng.normal(0, 1.0, 2)
            lonlat = FRAME.to_lonlat([local])
            height_m = HEIGHT_M + float(ground.heights_m(lonlat)[0]) + rng.normal(0, 1.0)
            yaw = heading + rng.normal(0, 5.0)
            attitude = rotation(yaw, pitch_deg + rng.normal(0, 1.0), rng.normal(0, 1.0))
            own = replace(errors, track_deg=heading)
            noise = rng.multivariate_normal(np.zeros(6), own.independent()[:6, :6])
            noise = noise + common_turned(np.array([yaw]))[0] @ common
            turned = Rotation.from_rotvec(noise[3:]).as_matrix() @ attitude
            shifted = FRAME.to_lonlat([local + noise[[1, 0]]])[0]
            true.append(Pose(*lonlat[0], height_m, *angles_deg(attitude)))
            told.append(Pose(float(shifted[0]), float(shifted[1]), height_m + noise[2], *angles_deg(turned)))
            expected.append(own)
    return Flight(true, told, expected, ground, model)


def _ground(rng: np.random.Generator, terrain_m: float, *, hills: bool) -> tuple[Terrain, Terrain]:
    """The true ground and the model of it: off by a field that a hundred metres decide, or level and rough."""
    cell_m, size = 10.0, 120
    rows, columns = np.mgrid[0:size, 0:size] * cell_m
    shape = 25 * np.sin(columns / 150) * np.cos(rows / 130) + 0.04 * columns if hills else np.zeros((size, size))
    rough = scipy.ndimage.gaussian_filter(rng.normal(size=(size, size)), 1.5)
    rough = rough / rough.std() * terrain_m
    half = size * cell_m / 2
    transform = (cell_m, 0.0, 200.0 - half, 0.0, -cell_m, 200.0 + half)
    truth, model = (Terrain(grid_m=grid, crs=FRAME.crs, transform=transform) for grid in (shape + rough, shape))
    return truth, model if hills else Terrain.flat(0.0)


def as_read(rng: np.random.Generator, flight: Flight, camera: Camera = CAMERA) -> Floats:
    """Squares of the errors in units of what is stated, (N,), of ten points of every picture as read."""
    pixels = rng.uniform([0, 0], [camera.image_width_px - 1, camera.image_height_px - 1], (10 * len(flight.true), 2))
    truth = place(camera, _repeated(flight.true), pixels, flight.ground)
    # To and fro along one line the errors are alike.
    errors = flight.errors[0]
    noisy = pixels + rng.normal(0, errors.pixel_px, pixels.shape)
    return _squared(place(camera, _repeated(flight.told), noisy, flight.model, errors), truth.lonlat)


def _repeated(poses: list[Pose]) -> Pose:
    """Ten rows for each pose."""
    columns = np.array([list(vars(pose).values()) for pose in poses], dtype=np.float64)
    return Pose(*np.repeat(columns, 10, axis=0).T)


def _squared(placed, truth) -> Floats:  # type: ignore[no-untyped-def]
    good = placed.on_ground & np.isfinite(truth).all(axis=1)
    apart = FRAME.to_local(placed.lonlat[good]) - FRAME.to_local(truth[good])
    return np.asarray(np.einsum("ni,nij,nj->n", apart, np.linalg.inv(placed.covariance_m2[good]), apart))


def refined(rng: np.random.Generator, flight: Flight, camera: Camera = CAMERA) -> dict[str, Floats]:
    """The same after adjusting to matches: of places, and of gaps between two places of one ground point.

    Gaps are judged by the covariance of both poses together, and by their own parts alone, as a count does.
    """
    stations = [Station(camera, told, flight.model, e) for told, e in zip(flight.told, flight.errors, strict=True)]
    matches = matched(rng, flight, camera, per_pair=15)
    found = adjust(stations, matches, FRAME, match_m=0.7 * HEIGHT_M / camera.focal_length_px)
    squared = []
    for n, station in enumerate(found.stations):
        pixels = rng.uniform([0, 0], [camera.image_width_px - 1, camera.image_height_px - 1], (10, 2))
        truth = place(camera, flight.true[n], pixels, flight.ground)
        noisy = pixels + rng.normal(0, station.errors.pixel_px, pixels.shape)
        rough = max(found.noise * station.errors.terrain_m, 1e-3)
        errors = replace(
            station.errors,
            terrain_m=rough,
            refined=(*found.common[n][np.triu_indices(6)], *found.own[n][np.triu_indices(6)]),
        )
        squared.append(_squared(place(camera, station.pose, noisy, flight.model, errors), truth.lonlat))
    whole, alone = [], []
    others = matched(rng, flight, camera, per_pair=6)
    slopes = []
    for side, index in enumerate((others.first, others.second)):
        parts = [
            place_with_derivatives(camera, found.stations[n].pose, others.pixels[row : row + 1, side], flight.model)
            for row, n in enumerate(index.tolist())
        ]
        slopes.append((FRAME.to_local(np.concatenate([p[0] for p in parts])), np.concatenate([p[1] for p in parts])))
    (a, slope_a), (b, slope_b) = slopes
    for row, (i, j) in enumerate(zip(others.first.tolist(), others.second.tolist(), strict=True)):
        gap = a[row] - b[row]
        if not np.isfinite(gap).all() or (i, j) not in found.between:
            continue
        ja, jb = slope_a[row], slope_b[row]
        relief = (ja - jb)[:, 6:7] * found.noise * stations[i].errors.terrain_m
        ground = relief @ relief.T + 0.7**2 * (ja[:, 7:] @ ja[:, 7:].T + jb[:, 7:] @ jb[:, 7:].T)
        ja, jb = ja[:, :6], jb[:, :6]
        own = ja @ found.own[i] @ ja.T + jb @ found.own[j] @ jb.T
        cross = ja @ found.between[i, j] @ jb.T
        both = ja @ (found.own[i] + found.common[i]) @ ja.T + jb @ (found.own[j] + found.common[j]) @ jb.T
        whole.append(gap @ np.linalg.solve(both - cross - cross.T + ground, gap))
        alone.append(gap @ np.linalg.solve(own + ground, gap))
    return {"places": np.concatenate(squared), "gaps": np.array(whole), "gaps by own part": np.array(alone)}


def matched(rng: np.random.Generator, flight: Flight, camera: Camera, *, per_pair: int) -> Matches:
    """Ground points seen in two pictures of neighbours, each to 0.7 pixels."""
    first, second, pixels = [], [], []
    positions = FRAME.to_local([[p.longitude_deg, p.latitude_deg] for p in flight.true])
    for i in range(len(positions)):
        for j in range(i + 1, len(positions)):
            if np.hypot(*(positions[i] - positions[j])) > 75:
                continue
            tried = rng.uniform([0, 0], [camera.image_width_px - 1, camera.image_height_px - 1], (3 * per_pair, 2))
            placed = place(camera, flight.true[i], tried, flight.ground)
            seen = ground_to_pixel(camera, flight.true[j], placed.lonlat, placed.height_m)
            with np.errstate(invalid="ignore"):
                inside = ((seen >= 0) & (seen <= [camera.image_width_px - 1, camera.image_height_px - 1])).all(axis=1)
            rows = np.flatnonzero(inside)[:per_pair]
            if len(rows) < 10 and per_pair > 10:
                continue
            both = np.stack([tried[rows], seen[rows]], axis=1)
            pixels.append(both + rng.normal(0, 0.7, both.shape))
            first.append(np.full(len(rows), i))
            second.append(np.full(len(rows), j))
    joined = np.concatenate(pixels)
    return Matches(np.concatenate(first), np.concatenate(second), joined, np.zeros_like(joined))


def shares(squared: Floats) -> dict[str, float | int]:
    """Return how many lie inside their ellipses."""
    return {
        "n": len(squared),
        "inside_1_sigma": round(float(np.mean(squared <= INSIDE_1)), 4),
        "inside_95": round(float(np.mean(squared <= INSIDE_95)), 4),
    }


def measured(flights: int, seed: int, *, refine: bool) -> Iterator[dict[str, object]]:
    """Yield a row for each receiver, view and ground as it is done."""
    cases = [
        (receiver, view, hills)
        for receiver in RECEIVERS
        for view, pitch_deg in VIEWS.items()
        for hills in (False, True)
        if not refine or pitch_deg <= -60
    ]
    for number, (receiver, view, hills) in enumerate(cases):
        found: dict[str, list[Floats]] = {}
        for flown in range(flights):
            rng = np.random.default_rng([seed, flown, number])
            lines = 3 if refine else 2
            flight = simulated(rng, RECEIVERS[receiver], VIEWS[view], hills=hills, lines=lines)
            parts = refined(rng, flight) if refine else {"places": as_read(rng, flight)}
            for name, squared in parts.items():
                found.setdefault(name, []).append(squared)
        for name, every in found.items():
            yield {
                "poses": "refined" if refine else "as read",
                "receiver": receiver,
                "view": view,
                "ground": "hills" if hills else "level",
                "what": name,
                **shares(np.concatenate(every)),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100, help="flights of each case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--refined", action="store_true")
    asked = parser.parse_args()
    for row in measured(asked.n, asked.seed, refine=asked.refined):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
