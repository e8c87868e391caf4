"""Virtual surveys without pictures: which animals each frame holds, and what a detector would say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flightplan.camera import Camera, rotation
from flightplan.frames import Floats
from sim.view import Pose
from sim.world import World


@dataclass(frozen=True)
class Visible:
    """Which animals are in which frame: one row per animal and frame, by frame, then by animal.

    `animal` is the row in `World.animals`; `local_m` is where it stood (N, 2); `pixel` (N, 2) is the ground under it in
    the picture, the centre of the top-left pixel being (0, 0).
    """

    frame: npt.NDArray[np.int64]
    animal: npt.NDArray[np.int64]
    species: npt.NDArray[np.int64]
    local_m: Floats
    pixel: Floats
    frames: int

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class DrawnDetections:
    """Detections that were drawn, not seen: one row each, by frame.

    `local_m` (N, 2) is where georeferencing would put it; `animal` is −1 for a false alarm.
    """

    frame: npt.NDArray[np.int64]
    animal: npt.NDArray[np.int64]
    species: npt.NDArray[np.int64]
    local_m: Floats


def visible_animals(world: World, camera: Camera, poses: Sequence[Pose], times_s: Sequence[float]) -> Visible:
    """Find the animals that stand inside each frame, from the camera's geometry over flat ground alone."""
    walking = world.animals.speed_mps > 0
    still = world.positions(0.0).local_m
    centres = world.area.frame.to_local([(pose.longitude_deg, pose.latitude_deg) for pose in poses])
    attitude = rotation(
        [pose.yaw_deg for pose in poses], [pose.pitch_deg for pose in poses], [pose.roll_deg for pose in poses]
    )
    frames: list[npt.NDArray[np.int64]] = []
    rows: list[npt.NDArray[np.int64]] = []
    places, pixels = [], []
    for number, (pose, time_s) in enumerate(zip(poses, times_s, strict=True)):
        reach = _reach_m(camera, pose)
        spare = np.where(walking, world.animals.range_m + 10.0, 0.0)
        near = np.nonzero((np.abs(still - centres[number]) < reach + spare[:, None]).all(axis=1))[0]
        if not len(near):
            continue
        local = world.positions(time_s, near).local_m
        offset = local - centres[number]
        vectors = np.column_stack([offset[:, 1], offset[:, 0], np.full(len(near), pose.altitude_agl_m)])
        pixel = camera.project(vectors @ attitude[number])
        inside = (pixel > -0.5).all(axis=1)
        inside &= (pixel[:, 0] < camera.image_width_px - 0.5) & (pixel[:, 1] < camera.image_height_px - 0.5)
        frames.append(np.full(int(inside.sum()), number, dtype=np.int64))
        rows.append(near[inside].astype(np.int64))
        places.append(local[inside])
        pixels.append(pixel[inside])
    animal = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    return Visible(
        frame=np.concatenate(frames) if frames else np.zeros(0, dtype=np.int64),
        animal=animal,
        species=world.animals.species[animal],
        local_m=np.concatenate(places) if places else np.zeros((0, 2)),
        pixel=np.concatenate(pixels) if pixels else np.zeros((0, 2)),
        frames=len(poses),
    )


def draw_detections(
    visible: Visible,
    species: Sequence[str],
    *,
    recall: Mapping[str, float],
    precision: Mapping[str, float],
    pose_error_m: float,
    footprints_m: Floats,
    rng: np.random.Generator,
    pointing_error_m: float = 0.3,
) -> DrawnDetections:
    """Draw what a detector of known quality would find, and where it would be put on the ground.

    Each visible animal is found with its species' `recall`, independently in each frame. False alarms are Poisson over
    all frames, as many as make the expected share of true ones `precision`, placed evenly in `footprints_m` (frames,
    4, 2). Every frame is moved as one by a normal error of `pose_error_m` per axis; each detection by
    `pointing_error_m`.
    """
    chance = np.array([recall[name] for name in species])
    share = np.array([precision[name] for name in species])
    found = rng.random(len(visible)) < chance[visible.species]
    seen = np.bincount(visible.species, minlength=len(species)) * chance
    alarms = rng.poisson(seen * (1 - share) / share)
    frame = np.concatenate([visible.frame[found], rng.integers(0, max(visible.frames, 1), int(alarms.sum()))])
    kind = np.concatenate([visible.species[found], np.repeat(np.arange(len(species)), alarms)])
    animal = np.concatenate([visible.animal[found], np.full(int(alarms.sum()), -1, dtype=np.int64)])
    corners = footprints_m[frame[found.sum() :]]
    across, down = rng.random((2, len(corners), 1))
    invented = (corners[:, 0] * (1 - across) + corners[:, 1] * across) * (1 - down)
    invented += (corners[:, 3] * (1 - across) + corners[:, 2] * across) * down
    local = np.concatenate([visible.local_m[found], invented.reshape(-1, 2)])
    local += rng.normal(0.0, pose_error_m, (visible.frames, 2))[frame]
    local += rng.normal(0.0, pointing_error_m, local.shape)
    order = np.lexsort((animal, frame))
    return DrawnDetections(frame[order], animal[order], kind[order], local[order])


def _reach_m(camera: Camera, pose: Pose) -> float:
    """A distance from the point below the camera that no corner of a frame exceeds."""
    half = np.hypot(camera.image_width_px, camera.image_height_px) / 2 / camera.focal_length_px
    tilt = np.radians(abs(pose.pitch_deg + 90.0) + abs(pose.roll_deg))
    return float(pose.altitude_agl_m * np.tan(min(np.arctan(1.3 * half) + tilt, np.radians(85.0))))
