"""Where the frames of a plan are taken, without a vehicle to fly it (`sim.gimbal` is for one that was flown)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyproj

from flightplan.errors import CameraError
from flightplan.frames import LocalFrame
from flightplan.plan import SurveyPlan
from sim.makers import Slips
from sim.photographs import PoseErrors, Shot, reported_poses
from sim.relief import Relief
from sim.view import Pose

_GEOD = pyproj.Geod(ellps="WGS84")
LEAST_HEIGHT_M = 5.0
TURN_S = 12.0
"""From the last frame of a segment to the first of the next."""


def planned_shots(
    plan: SurveyPlan,
    seed: int,
    start_s: float,
    *,
    errors: PoseErrors | None = None,
    shake_deg: float = 0.25,
    slips: Slips | None = None,
) -> list[Shot]:
    """Shots of a plan flown as planned: every trigger distance along each transect's segments, from end to end.

    Transects are flown in the sorties' order at the planned speed and height above flat ground, beginning at
    `start_s` (seconds since 1970-01-01 UTC); the camera is held straight down but for `shake_deg`. Names are the
    transect's identifier and a number along it. `slips` of the metadata are drawn beside; `over_hills` puts the shots
    on a relief.
    """
    errors = errors or PoseErrors()
    rng = np.random.default_rng([seed, 4102])
    segments = {t.identifier: t.segments for stratum in plan.strata for t in stratum.transects}
    order = dict.fromkeys(name for sortie in plan.sorties for name in sortie.transects)
    names: list[str] = []
    poses: list[Pose] = []
    times_s: list[float] = []
    clock_s = start_s
    for transect in order:
        number = 0
        for begin, end in segments[transect]:
            heading, _, length_m = _GEOD.inv(*begin, *end)
            count = max(1, math.ceil(length_m / plan.trigger_distance_m)) + 1
            along = np.minimum(np.arange(count) * plan.trigger_distance_m, length_m)
            longitude, latitude, _ = _GEOD.fwd(
                np.full(count, begin[0]), np.full(count, begin[1]), np.full(count, heading), along
            )
            for i in range(count):
                number += 1
                names.append(f"{transect}_{number:04d}.jpg")
                times_s.append(clock_s + float(along[i]) / plan.speed_mps)
                poses.append(
                    Pose(
                        longitude_deg=float(longitude[i]),
                        latitude_deg=float(latitude[i]),
                        altitude_agl_m=plan.altitude_agl_m + float(rng.normal(0.0, 0.4)),
                        yaw_deg=float(heading) % 360.0,
                        pitch_deg=-90.0 + float(rng.normal(0.0, shake_deg)),
                        roll_deg=float(rng.normal(0.0, shake_deg)),
                    )
                )
            clock_s = times_s[-1] + TURN_S
    believed = reported_poses(poses, times_s, errors, rng)
    wrong = [""] * len(names) if slips is None else slips.drawn(len(names), np.random.default_rng([seed, 4103]))
    return [
        Shot(name, time_s, pose, report, None, errors.horizontal_m, slip=slip)
        for name, time_s, pose, report, slip in zip(names, times_s, poses, believed, wrong, strict=True)
    ]


def over_hills(shots: Sequence[Shot], frame: LocalFrame, relief: Relief, *, follow: bool) -> list[Shot]:
    """Put shots that were reckoned over flat ground on a relief, with the heights that a drone then reports.

    With `follow` the drone keeps its height above the ground under it, else the height above where the first shot
    was taken, which stands for its take-off. Raises CameraError where the ground is higher than the drone.
    """
    if not shots:
        return []
    true = frame.to_local([(shot.true.longitude_deg, shot.true.latitude_deg) for shot in shots])
    ground = relief.at(true)
    found = []
    for shot, here in zip(shots, ground.tolist(), strict=True):
        rise = 0.0 if follow else here - float(ground[0])
        height_m = shot.true.altitude_agl_m - rise
        if height_m < LEAST_HEIGHT_M:
            raise CameraError(
                f"the ground at {shot.name} is {-height_m:.0f} m above the drone"
                if height_m < 0
                else f"the drone is only {height_m:.0f} m above the ground at {shot.name}",
                hint="Fly along the ground, or higher",
            )
        above_m = here + height_m + shot.reported.altitude_agl_m - shot.true.altitude_agl_m
        found.append(
            replace(
                shot,
                true=replace(shot.true, altitude_agl_m=height_m),
                reported=replace(shot.reported, altitude_agl_m=shot.reported.altitude_agl_m - rise),
                altitude_msl_m=above_m,
                takeoff_m=above_m - float(ground[0]),
            )
        )
    return found
