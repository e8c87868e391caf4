"""What the flights of a plan were found to meet: wind on the lines, ground under the strips, a camera's limits."""

from __future__ import annotations

from math import isfinite

import numpy as np

from flightplan.areas import StudyArea
from flightplan.camera import Camera
from flightplan.delivered import Delivered, delivered, judge
from flightplan.drones import FIXED_WING, Drone
from flightplan.energy import fly_legs, swath_turned_m
from flightplan.errors import PlanError
from flightplan.flying import Flown, Flying
from flightplan.messages import Message, Value, message
from flightplan.mounting import Mounting, View

_TOO_HIGH = 1.3
_WORTH_SAYING_MPS, _WORTH_SAYING_DEG = 0.1, 1.0


def held_speed(
    drone: Drone,
    camera: Camera,
    mounting: Mounting,
    trigger_distance_m: float,
    gsd_cm: float,
    asked_mps: float | None,
    warnings: list[str],
) -> float:
    """Return the speed to fly: what was asked, or the drone's own, held below what trigger and motion blur let be.

    Raises PlanError for a speed that the drone does not fly.
    """
    speed_mps = drone.cruise_speed_mps if asked_mps is None else asked_mps
    if not 0 < speed_mps <= drone.max_speed_mps:
        raise PlanError(
            f"{speed_mps:g} m/s is not a speed that {drone.name} flies", hint=f"At most {drone.max_speed_mps:g} m/s"
        )
    by_trigger_mps = fastest_by_trigger_mps(camera, trigger_distance_m)
    by_blur_mps = mounting.fastest_mps(camera, gsd_cm)
    if speed_mps > min(by_trigger_mps, by_blur_mps):
        if by_trigger_mps <= by_blur_mps:
            why = message(
                "{camera} takes a frame each {interval:g} s at most, and frames are {apart:.1f} m apart",
                camera=camera.name,
                interval=camera.min_trigger_interval_s or 0.0,
                apart=trigger_distance_m,
            )
        else:
            why = message(
                "an exposure of {exposure:.3g} s lets {blur:g} px of {gsd:.3g} cm blur",
                exposure=mounting.exposure_s or camera.exposure_s or 0.0,
                blur=mounting.blur_px,
                gsd=gsd_cm,
            )
        speed_mps = min(by_trigger_mps, by_blur_mps)
        warnings.append(message("speed held at {speed:.1f} m/s: {why}", speed=float(speed_mps), why=why))
    if speed_mps < drone.min_speed_mps:
        raise PlanError(
            f"{drone.name} does not fly as slowly as {speed_mps:.1f} m/s",
            hint="Ask for less overlap along the line, a shorter exposure, or another drone",
        )
    return float(speed_mps)


def fastest_by_trigger_mps(camera: Camera, trigger_distance_m: float) -> float:
    """Return the ground speed at which frames are as fast as the camera takes them; infinite where nobody says."""
    return trigger_distance_m / camera.min_trigger_interval_s if camera.min_trigger_interval_s else np.inf


def about_wind(
    flown: Flown, flying: Flying, camera: Camera, view: View, mounting: Mounting, spacing_m: float | None
) -> tuple[list[str], list[str]]:
    """Return notes and warnings on the lines in the wind; none without one.

    `spacing_m` is between the lines of full coverage, None for a sample.
    """
    wind = flying.operations.wind
    runs = [run.ends[1] - run.ends[0] for flight, _ in flown.flights for run in flight.runs if run.length_m > 0]
    if wind is None or not runs:
        return [], []
    drone = flying.drone
    costs = fly_legs(drone, np.stack(runs), flying.speed_mps, wind)
    slow, fast = float(costs.ground_mps.min()), float(costs.ground_mps.max())
    notes: list[str] = []
    warnings: list[str] = []
    said = message(
        "in {wind:g} m/s from {from_deg:g}° lines are flown at {slow:.1f} to {fast:.1f} m/s over ground",
        wind=wind.speed_mps,
        from_deg=wind.from_deg,
        slow=slow,
        fast=fast,
    )
    if drone.kind == FIXED_WING:
        crab_deg = float(np.abs(costs.crab_deg).max())
        notes.append(f"{said}, the nose up to {crab_deg:.0f}° off the track")
        of_frames, gaps = _about_turned_frames(view, flying.trigger_distance_m, crab_deg, spacing_m)
        notes += of_frames
        warnings += [*gaps, *_about_tailwind(fast, flying.trigger_distance_m, camera, mounting, view)]
    elif slow < flying.speed_mps - _WORTH_SAYING_MPS:
        warnings.append(
            message(
                "{found}: {drone} cannot hold {speed:.1f} m/s against it at its greatest airspeed of {most:g} m/s",
                found=said,
                drone=drone.name,
                speed=flying.speed_mps,
                most=drone.max_speed_mps,
            )
        )
    else:
        notes.append(f"{said}, at up to {float(costs.airspeed_mps.max()):.1f} m/s through the air")
    return notes, warnings


def _about_turned_frames(
    view: View, trigger_distance_m: float, crab_deg: float, spacing_m: float | None
) -> tuple[list[str], list[str]]:
    """Return notes and warnings on frames that the wind turns against the line."""
    if crab_deg <= _WORTH_SAYING_DEG:
        return [], []
    swath_m = swath_turned_m(view.across_m, view.along_m, trigger_distance_m, crab_deg)
    text = message(
        "frames turned by {angle:.0f}° show {swath:.0f} m across without gaps, not {across:.0f} m",
        angle=crab_deg,
        swath=float(swath_m),
        across=float(view.across_m),
    )
    if spacing_m is None or swath_m >= spacing_m:
        return [text], []
    return [], [
        message(
            "{found}: less than the {spacing:.0f} m between lines; ask for more overlap",
            found=text,
            spacing=float(spacing_m),
        )
    ]


def _about_tailwind(
    fast_mps: float, trigger_distance_m: float, camera: Camera, mounting: Mounting, view: View
) -> list[str]:
    """Return a warning where the wind behind makes the ground go by faster than the camera can take."""
    by_trigger_mps = fastest_by_trigger_mps(camera, trigger_distance_m)
    by_blur_mps = mounting.fastest_mps(camera, view.finest_gsd_cm)
    if fast_mps <= min(by_trigger_mps, by_blur_mps) + _WORTH_SAYING_MPS:
        return []
    if by_trigger_mps <= by_blur_mps:
        return [
            message(
                "{fast:.1f} m/s over ground, with the wind behind, is more than the {most:.1f} m/s that its trigger"
                " lets {camera} be flown at",
                fast=fast_mps,
                most=float(by_trigger_mps),
                camera=camera.name,
            )
        ]
    return [
        message(
            "{fast:.1f} m/s over ground, with the wind behind, is more than the {most:.1f} m/s that motion blur"
            " lets {camera} be flown at",
            fast=fast_mps,
            most=float(by_blur_mps),
            camera=camera.name,
        )
    ]


def about_heights(low_m: float, high_m: float, asked_m: float) -> Message:
    """Return what to know of the least and the greatest height above hilly ground, against the one asked for."""
    said = message(
        "height above ground is {low:.0f} to {high:.0f} m on the way; asked for {asked:.0f} m",
        low=float(low_m),
        high=float(high_m),
        asked=float(asked_m),
    )
    if high_m > _TOO_HIGH * asked_m:
        said = message("{found}: slower, it follows the ground more closely", found=said)
    return said


def about_ground(
    flown: Flown,
    area: StudyArea,
    flying: Flying,
    view: View,
    *,
    front_overlap: float,
    side_overlap: float | None,
    camera: Camera,
    mounting: Mounting,
) -> tuple[Delivered | None, list[str], list[str]]:
    """Return what the strips really get, with notes and warnings; nothing without an elevation model.

    Raises PlanError when hills would leave gaps in full coverage.
    """
    if flying.terrain is None:
        return None, [], []
    got = delivered(
        flown.flights,
        area,
        flying.terrain,
        altitude_agl_m=flying.altitude_agl_m,
        strip_width_m=view.across_m,
        gsd_cm=view.finest_gsd_cm,
        front_overlap=front_overlap,
        side_overlap=side_overlap,
    )
    if got is None:
        return None, [], []
    warnings = judge(
        got,
        front_overlap=front_overlap,
        side_overlap=side_overlap,
        accept_gaps=flying.operations.accept_gaps,
    )
    by_blur_mps = mounting.fastest_mps(camera, got.finest_gsd_cm)
    if isfinite(by_blur_mps) and flying.speed_mps > by_blur_mps + _WORTH_SAYING_MPS:
        warnings.append(
            message(
                "motion blur is {blur:.2g} px at the highest ground, where a pixel is {gsd:.2g} cm; {speed:.1f} m/s"
                " would keep it at {asked:g} px",
                blur=float(mounting.blur_px * flying.speed_mps / by_blur_mps),
                gsd=got.finest_gsd_cm,
                speed=float(by_blur_mps),
                asked=mounting.blur_px,
            )
        )
    side = "" if got.side_overlap is None else f", side overlap {got.side_overlap:.0%}"
    note = (
        f"in the strips the ground is {got.lowest_ground_m:.0f} to {got.highest_ground_m:.0f} m high and"
        f" {got.lowest_agl_m:.0f} to {got.highest_agl_m:.0f} m below the camera: a pixel is {got.finest_gsd_cm:.2g} to"
        f" {got.coarsest_gsd_cm:.2g} cm, front overlap at least {got.front_overlap:.0%}{side}"
    )
    return got, [note], warnings


def about_view(view: View, mounting: Mounting) -> list[str]:
    """Return the warnings that a tilted camera calls for."""
    if mounting.tilt_deg == 0:
        return []
    about: dict[str, Value] = {
        "tilt": mounting.tilt_deg,
        "near": float(view.ahead_near_m),
        "far": float(view.ahead_far_m),
        "finest": float(view.finest_gsd_cm),
        "coarsest": float(view.coarsest_gsd_cm),
    }
    if view.ahead_near_m > 0:
        return [
            message(
                "tilted {tilt:g}° forward the camera sees from {near:.0f} m to {far:.0f} m ahead: the first {near:.0f}"
                " m of each line are not seen, and as much beyond its end is; a pixel is {finest:.2g} cm at the near"
                " edge and {coarsest:.2g} cm at the far one",
                **about,
            )
        ]
    return [
        message(
            "tilted {tilt:g}° forward the camera sees from {near:.0f} m to {far:.0f} m ahead: a pixel is {finest:.2g}"
            " cm at the near edge and {coarsest:.2g} cm at the far one",
            **about,
        )
    ]


def about_fleet(flown: Flown, flying: Flying) -> list[str]:
    """Return what to bring: time, batteries, pictures, storage, and how several drones are kept apart."""
    sorties, fleet = flown.sorties, flying.operations.fleet
    images = sum(s.image_count or 0 for s in sorties)
    stored_gb = sum(s.storage_mb or 0.0 for s in sorties) / 1000
    minutes = flown.shares.makespan_s / 60
    notes = [
        f"bring {len(sorties)} charged batteries and {stored_gb:.1f} GB for {images} pictures; from the first take-off"
        f" to the last landing {minutes:.0f} min, with battery changes"
    ]
    if fleet.drones > 1 and flown.separation is not None:
        kept = flown.separation
        near = "never" if kept.closest_m is None else f"at least {kept.closest_m:.0f} m apart when"
        layers = f" {fleet.layer_m:g} m layers for ways out and home," if fleet.layer_m else ""
        notes.append(
            f"{fleet.drones} drones, kept apart by{layers} {fleet.horizontal_m:g} m over ground and"
            f" {fleet.margin_s:g} s either way: {near} less than {fleet.layer_m:g} m apart in height"
        )
    return notes
