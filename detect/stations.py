"""Captures in an adjustment: where their pixels lie, how far apart matched ones are, how a pose moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from detect.georef import Pose, ground_to_pixel, place_with_derivatives
from detect.matching import Ints, Matches
from detect.pose_errors import PoseErrors
from flightplan.camera import Camera, rotation
from flightplan.frames import Floats, LocalFrame
from flightplan.terrain import Terrain


@dataclass(frozen=True)
class Station:
    """A capture in an adjustment: its camera, pose as read, ground, and the errors to expect of the pose."""

    camera: Camera
    pose: Pose
    terrain: Terrain
    errors: PoseErrors


def above_ground_m(station: Station) -> float:
    """Return a camera's height above the ground under it, at least a metre."""
    pose = station.pose
    ground = station.terrain.heights_m([[float(pose.longitude_deg), float(pose.latitude_deg)]])[0]
    return max(1.0, float(pose.height_m) - (float(ground) if np.isfinite(ground) else 0.0))


def gaps_m(stations: Sequence[Station], matches: Matches, frame: LocalFrame) -> Floats:
    """How far apart the two places of each match lie, (N,); infinite where one is not on the ground."""
    ends = [placed(stations, i, matches.pixels[:, n], frame)[0] for n, i in enumerate((matches.first, matches.second))]
    apart = np.hypot(*(ends[0] - ends[1]).T)
    return np.asarray(np.where(np.isfinite(apart), apart, np.inf))


def placed(stations: Sequence[Station], index: Ints, pixels: Floats, frame: LocalFrame) -> tuple[Floats, Floats]:
    """Places (N, 2) in the frame of pixels, each of its station, and their derivatives (N, 2, 9)."""
    local, slopes = np.full((len(index), 2), np.nan), np.full((len(index), 2, 9), np.nan)
    for mine, camera, pose, terrain in _alike(stations, index):
        lonlat, slope = place_with_derivatives(camera, pose, pixels[mine], terrain)
        local[mine], slopes[mine] = frame.to_local(lonlat), slope
    return local, slopes


def seen(stations: Sequence[Station], index: Ints, local: Floats, frame: LocalFrame) -> Floats:
    """Pixels (N, 2) of places on the ground in the frame, each in its station's picture."""
    pixels = np.full((len(index), 2), np.nan)
    for mine, camera, pose, terrain in _alike(stations, index):
        lonlat = frame.to_lonlat(local[mine])
        pixels[mine] = ground_to_pixel(camera, pose, lonlat, terrain.heights_m(lonlat))
    return pixels


def _alike(stations: Sequence[Station], index: Ints) -> Iterator[tuple[Ints, Camera, Pose, Terrain]]:
    """Rows whose stations have one camera and one ground, with a pose for each row."""
    groups: dict[tuple[Camera, int], list[int]] = {}
    for n in np.unique(index).tolist():
        groups.setdefault((stations[n].camera, id(stations[n].terrain)), []).append(n)
    columns = np.array(
        [
            (p.longitude_deg, p.latitude_deg, p.height_m, p.yaw_deg, p.pitch_deg, p.roll_deg)
            for p in (s.pose for s in stations)
        ],
        dtype=np.float64,
    ).reshape(-1, 6)
    for (camera, _), members in groups.items():
        mine = np.flatnonzero(np.isin(index, members))
        yield mine, camera, Pose(*columns[index[mine]].T), stations[members[0]].terrain


def heading_deg(pose: Pose) -> float:
    """Where the top of the picture points on the ground (or, looking ahead, the camera), clockwise from north."""
    turned = rotation(pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
    way = turned[:2, 0] - turned[:2, 2]
    return float(np.degrees(np.arctan2(way[1], way[0])))


def moved_by(station: Station, step: Floats, frame: LocalFrame) -> Station:
    """Return a station shifted north, east, up (m) and turned about north, east, down (rad) by `step` (6,)."""
    pose = station.pose
    here = frame.to_local([[float(pose.longitude_deg), float(pose.latitude_deg)]])
    longitude, latitude = (float(v) for v in frame.to_lonlat(here + step[[1, 0]])[0])
    turned = Rotation.from_rotvec(step[3:]).as_matrix() @ rotation(pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
    yaw, pitch, roll = angles_deg(turned)
    moved = Pose(longitude, latitude, float(pose.height_m) + float(step[2]), yaw, pitch, roll)
    return Station(station.camera, moved, station.terrain, station.errors)


def change_between(new: Station, old: Station, frame: LocalFrame) -> Floats:
    """Return the step (6,) that `moved_by` takes from one to the other."""
    before, after = (frame.to_local([[float(s.pose.longitude_deg), float(s.pose.latitude_deg)]])[0] for s in (old, new))
    turned = [rotation(s.pose.yaw_deg, s.pose.pitch_deg, s.pose.roll_deg) for s in (old, new)]
    turn = Rotation.from_matrix(turned[1] @ turned[0].T).as_rotvec()
    rise = float(new.pose.height_m) - float(old.pose.height_m)
    return np.array([*(after - before)[::-1], rise, *turn])


def angles_deg(turned: Floats) -> tuple[float, float, float]:
    """Yaw, pitch and roll of a rotation (3, 3), in degrees; the inverse of `flightplan.camera.rotation`."""
    yaw, roll = np.arctan2(turned[1, 0], turned[0, 0]), np.arctan2(turned[2, 1], turned[2, 2])
    pitch = np.arcsin(np.clip(-turned[2, 0], -1.0, 1.0))
    if np.hypot(turned[0, 0], turned[1, 0]) < 1e-9:
        yaw, roll = np.arctan2(-turned[0, 1], turned[1, 1]), np.float64(0.0)
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))
