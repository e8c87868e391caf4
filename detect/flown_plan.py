"""The plan of flights that nobody planned here, read from their pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from detect.captures import Capture
from detect.flights import Flight, flights_of
from flightplan.areas import StudyArea
from flightplan.camera import Camera
from flightplan.errors import CaptureError, Skip
from flightplan.flown_lines import lines_as_flown
from flightplan.frames import Floats
from flightplan.messages import message
from flightplan.plan import SurveyPlan

LEAST_PICTURES = 3
"""A straight run of fewer pictures is no line."""


def plan_as_flown(
    area: StudyArea, captures: Iterable[Capture], *, height_m: float | None = None
) -> tuple[SurveyPlan, tuple[Skip, ...]]:
    """Return the plan that flights over an area would have had, and the pictures that say nothing about it.

    The camera is the one of most pictures. `height_m` above ground is for pictures that know no height above take-off;
    over hills it is the one that was planned. The plan has lines, but no sorties: there is nothing left to fly. Raises
    CaptureError where no picture has a camera and a position, or none has a height; DesignError where the pictures
    make no lines over a stratum.
    """
    camera, usable, skips = _usable(list(captures))
    if camera is None:
        raise CaptureError(
            "no picture has both a position and a known camera",
            where=area.name,
            hint="overfly ingest says of each picture what is not known",
        )
    flights = flights_of(usable)
    runs, steps, speeds = _runs(area, flights)
    if not runs:
        raise CaptureError(
            f"no {LEAST_PICTURES} pictures lie on a straight line: nothing was flown along lines",
            where=area.name,
            hint="`overfly count --estimator total` counts what the pictures show, without lines",
        )
    height = _height_m(usable, area) if height_m is None else height_m
    across_m, along_m = camera.footprint_m(height)
    flown = lines_as_flown(area, runs, across_m)
    step_m = float(np.median(steps))
    first = message(
        "the lines are those flown, read from {pictures} pictures; whether the first was placed at random, as the"
        " limits take it to be, is not known",
        pictures=len(usable),
    )
    plan = SurveyPlan(
        area=area,
        design=flown.design,
        camera=camera,
        strata=flown.strata,
        sorties=(),
        altitude_agl_m=height,
        speed_mps=float(np.median(speeds)) if len(speeds) else 0.0,
        trigger_distance_m=step_m,
        gsd_cm=float(camera.gsd_cm(height)),
        front_overlap=1.0 - step_m / along_m,
        metres_outside=0.0,
        warnings=(first, *flown.warnings),
    )
    return plan, tuple(skips)


def _usable(captures: list[Capture]) -> tuple[Camera | None, list[Capture], list[Skip]]:
    """The commonest camera, its pictures whose place is known, and why the others say nothing."""
    cameras: Counter[Camera] = Counter(
        c.camera for c in captures if c.camera is not None and c.longitude_deg is not None
    )
    commonest = cameras.most_common(1)[0][0] if cameras else None
    usable, skips = [], []
    for capture in captures:
        if capture.georeference is not None:
            skips.append(Skip(str(capture.path), "an orthomosaic: it was not flown along lines"))
        elif capture.longitude_deg is None or capture.latitude_deg is None:
            skips.append(Skip(str(capture.path), "no position is known"))
        elif capture.camera is None:
            skips.append(Skip(str(capture.path), "its camera is unknown"))
        elif commonest is None or capture.camera.name != commonest.name:
            skips.append(Skip(str(capture.path), f"of another camera ({capture.camera.name}) than most"))
        else:
            usable.append(capture)
    return commonest, usable, skips


def _runs(area: StudyArea, flights: Iterable[Flight]) -> tuple[list[Floats], Floats, Floats]:
    """The places of each straight run in the area's metres, the steps between pictures, and the speeds there."""
    runs, steps, speeds = [], [np.empty(0)], [np.empty(0)]
    for flight in flights:
        lonlat = np.array([(c.longitude_deg, c.latitude_deg) for c in flight.captures], dtype=np.float64)
        places = area.frame.to_local(lonlat)
        for number in range(int(flight.line.max(initial=-1)) + 1):
            rows = np.flatnonzero(flight.line == number)
            if len(rows) < LEAST_PICTURES:
                continue
            run = places[rows]
            step, taken = np.hypot(*np.diff(run, axis=0).T), np.diff(flight.time_s[rows])
            if float(step.max()) == 0.0:
                continue
            runs.append(run)
            steps.append(step)
            timed = taken > 0
            speeds.append(step[timed] / taken[timed])
    return runs, np.concatenate(steps), np.concatenate(speeds)


def _height_m(captures: list[Capture], area: StudyArea) -> float:
    heights = [c.altitude_takeoff_m for c in captures if c.altitude_takeoff_m is not None]
    if not heights or float(np.median(heights)) <= 0:
        raise CaptureError(
            "no picture knows its height above take-off", where=area.name, hint="Give the height flown with --height"
        )
    return float(np.median(heights))
