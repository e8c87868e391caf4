"""Where the frames of a flight are taken: of one that was flown by the simulated vehicle, or of one only planned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyproj

from flightplan.plan import SurveyPlan
from flightplan.vehicle.logs import FlightCapture
from sim.camera import Pose
from sim.photographs import PoseErrors, Shot, reported_poses
from sim.vehicle.exposures import Exposure

_GEOD = pyproj.Geod(ellps="WGS84")
_TURN_S = 12.0


@dataclass(frozen=True)
class Gimbal:
    """A mount that holds the camera down: standard deviations in degrees of where it points, and of what it reports.

    `pointing_deg` moves pitch and roll away from straight down, `sensing_deg` is how far off the reported angles are,
    `compass_deg` how far off the reported yaw.
    """

    pointing_deg: float = 0.3
    sensing_deg: float = 0.2
    compass_deg: float = 0.8


def flown_shots(
    exposures: Sequence[Exposure],
    captures: Sequence[FlightCapture],
    prefix: str,
    seed: int,
    *,
    gimbal: Gimbal | None = None,
    accuracy_m: float | None = 1.0,
) -> list[Shot]:
    """Shots of what a vehicle flew: the truth from its shutter, the report from its camera feedback, by their index.

    The camera hangs in a gimbal, looks down, and keeps the top of the picture towards the nose. An exposure whose
    feedback was lost has no shot. Names are `prefix` and the index.
    """
    gimbal = gimbal or Gimbal()
    feedback: Mapping[int, FlightCapture] = {capture.index: capture for capture in captures}
    shots = []
    for exposure in exposures:
        report = feedback.get(exposure.index & 0xFFFF)
        if report is None:
            continue
        # One generator a frame: a flight resumed, or with a frame lost, shakes the others as before.
        rng = np.random.default_rng([seed, 4101, exposure.index])
        tilt = rng.normal(0.0, gimbal.pointing_deg, 2)
        sensed = tilt + rng.normal(0.0, gimbal.sensing_deg, 2)
        true = Pose(
            longitude_deg=exposure.lon,
            latitude_deg=exposure.lat,
            altitude_agl_m=exposure.altitude_home_m,
            yaw_deg=exposure.yaw_deg,
            pitch_deg=-90.0 + float(tilt[0]),
            roll_deg=float(tilt[1]),
        )
        reported = Pose(
            longitude_deg=report.longitude_deg,
            latitude_deg=report.latitude_deg,
            altitude_agl_m=report.altitude_home_m,
            yaw_deg=report.yaw_deg + float(rng.normal(0.0, gimbal.compass_deg)),
            pitch_deg=-90.0 + float(sensed[0]),
            roll_deg=float(sensed[1]),
        )
        name = f"{prefix}_{exposure.index:04d}.jpg"
        shots.append(Shot(name, exposure.time_s, true, reported, report.altitude_msl_m, accuracy_m))
    return shots


def planned_shots(
    plan: SurveyPlan, seed: int, start_s: float, *, errors: PoseErrors | None = None, gimbal: Gimbal | None = None
) -> list[Shot]:
    """Shots of a plan flown as planned: every trigger distance along each transect's segments, from end to end.

    Transects are flown in the sorties' order at the planned speed and height above flat ground, beginning at
    `start_s` (seconds since 1970-01-01 UTC). Names are the transect's identifier and a number along it.
    """
    errors, gimbal = errors or PoseErrors(), gimbal or Gimbal()
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
                        pitch_deg=-90.0 + float(rng.normal(0.0, gimbal.pointing_deg)),
                        roll_deg=float(rng.normal(0.0, gimbal.pointing_deg)),
                    )
                )
            clock_s = times_s[-1] + _TURN_S
    believed = reported_poses(poses, times_s, errors, rng)
    return [
        Shot(name, time_s, pose, report, None, errors.horizontal_m)
        for name, time_s, pose, report in zip(names, times_s, poses, believed, strict=True)
    ]
