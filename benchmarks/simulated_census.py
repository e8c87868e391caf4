"""A survey of any size, made up as it is asked for, and its captures in a census: see `census_scale.py`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import box

from counts import store
from counts.census import Census
from detect.captures import Capture
from detect.detections import Detections
from flightplan.areas import Stratum, StudyArea
from flightplan.camera import Camera
from flightplan.design import StratumDesign, SurveyDesign, Transect
from flightplan.frames import LocalFrame
from flightplan.mission import Mission
from flightplan.plan import Sortie, SurveyPlan

PER_CAPTURE = 10
SPECIES = ("elephant", "zebra")
CAMERA = Camera("overfly-demo", 800, 600, 666.7, min_trigger_interval_s=1.0)
DETECTOR = store.DetectorInfo(hashlib.sha256(b"scale").hexdigest(), "scale", "detect", SPECIES)
STEP_M, ACROSS_M, ALONG_M, GSD_M, HEIGHT_M = 57.6, 96.0, 72.0, 0.12, 80.0
START = datetime(2026, 2, 14, 6, tzinfo=UTC)
CAPTURES_AT_A_TIME = 5_000


class World:
    """A survey of so many captures along north-south lines, with animals in herds under its strips."""

    def __init__(self, captures: int) -> None:
        self.lines = max(26, round(math.sqrt(captures / 2.2)))
        self.per_line = math.ceil(captures / self.lines)
        self.length_m = self.per_line * STEP_M
        self.spacing_m = 300.0
        self.width_m = self.lines * self.spacing_m
        self.captures = self.lines * self.per_line
        self.frame = LocalFrame(34.83, -2.33)
        self.plan = self._plan()

    def east(self, line: int) -> float:
        """Return how far east a line is, in metres."""
        return -self.width_m / 2 + (line + 0.5) * self.spacing_m

    def along(self) -> Any:
        """Return how far north the captures of a line are, in metres."""
        return -self.length_m / 2 + (np.arange(self.per_line) + 0.5) * STEP_M

    def animals(self, line: int) -> tuple[Any, Any]:
        """Return the places (A, 2) under a line's strip, across it and along it, and the kinds (A,) of its animals."""
        rng = np.random.default_rng([7, line])
        wanted = self.per_line * PER_CAPTURE * STEP_M / ALONG_M
        herds = max(1, round(wanted / 12))
        places = np.repeat(
            np.column_stack(
                [rng.uniform(-0.45, 0.45, herds) * ACROSS_M, rng.uniform(-0.5, 0.5, herds) * self.length_m]
            ),
            12,
            axis=0,
        )
        places += rng.normal(0, [8, 60], places.shape)
        places[:, 0] = np.clip(places[:, 0], -ACROSS_M / 2 + 2, ACROSS_M / 2 - 2)
        return places, np.repeat(rng.integers(0, 2, herds), 12)

    def detections(self, keys: Any) -> Iterator[dict[int, Detections]]:
        """Give the detections of so many captures at a time, by the key of the capture."""
        some: dict[int, Detections] = {}
        centres = self.along()
        for line in range(self.lines):
            places, kinds = self.animals(line)
            order = np.argsort(places[:, 1])
            places, kinds = places[order], kinds[order]
            low = np.searchsorted(places[:, 1], centres - ALONG_M / 2)
            high = np.searchsorted(places[:, 1], centres + ALONG_M / 2)
            rng = np.random.default_rng([8, line])
            for i in range(self.per_line):
                part = slice(low[i], high[i])
                local = places[part] - [0.0, centres[i]] + rng.normal(0, 0.3, (high[i] - low[i], 2))
                pixels = local / GSD_M * [1, -1] + [400, 300]
                some[int(keys[line * self.per_line + i])] = Detections(
                    np.hstack([pixels - 10, pixels + 10]),
                    rng.uniform(0.25, 1.0, len(pixels)),
                    kinds[part].astype(np.int64),
                    SPECIES,
                    DETECTOR.content_hash,
                )
                if len(some) == CAPTURES_AT_A_TIME:
                    yield some
                    some = {}
        if some:
            yield some

    def _plan(self) -> SurveyPlan:
        half = (self.width_m / 2, self.length_m / 2)
        polygon = self.frame.delocalise(shapely.segmentize(box(-half[0], -half[1], half[0], half[1]), 2000.0))
        lines = []
        for i in range(self.lines):
            ends = self.frame.to_lonlat([(self.east(i), -half[1]), (self.east(i), half[1])])
            segment = ((float(ends[0, 0]), float(ends[0, 1])), (float(ends[1, 0]), float(ends[1, 1])))
            lines.append(Transect(f"line-{i:04d}", "all", i + 1, (segment,), self.length_m, self.length_m * ACROSS_M))
        return SurveyPlan(
            area=StudyArea("scale", (Stratum("all", polygon),)),
            design=SurveyDesign("systematic", 7, 0.0, self.spacing_m, ACROSS_M),
            camera=CAMERA,
            strata=(
                StratumDesign("all", self.width_m * self.length_m, self.width_m, self.width_m / ACROSS_M, tuple(lines)),
            ),
            sorties=(Sortie("sortie-01", tuple(t.identifier for t in lines), Mission(()), 1.0, 1.0, 0.5),),
            altitude_agl_m=HEIGHT_M,
            speed_mps=12.0,
            trigger_distance_m=STEP_M,
            gsd_cm=GSD_M * 100,
            front_overlap=0.2,
            metres_outside=0.0,
        )


def fill_captures(census: Census, survey: int, world: World, timed: Callable[[str], Any]) -> Any:
    keys: list[int] = []
    entries, footprints = [], []
    local_box = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * [ACROSS_M, ALONG_M]
    number = 0

    def write() -> None:
        with timed("insert captures and footprints"), census.writing() as session:
            added = store.add_captures(session, survey, entries).added
            store.put_footprints(
                session,
                [
                    store.FootprintEntry(key, polygon, HEIGHT_M, GSD_M * 100, "height above take-off")
                    for key, polygon in zip(added, footprints, strict=True)
                ],
            )
            keys.extend(added)
        entries.clear()
        footprints.clear()

    for line in range(world.lines):
        centres = np.column_stack([np.full(world.per_line, world.east(line)), world.along()])
        lonlat = world.frame.to_lonlat(centres)
        corners = world.frame.to_lonlat((centres[:, None] + local_box).reshape(-1, 2)).reshape(-1, 4, 2)
        footprints_of_line = shapely.polygons(corners)
        for i in range(world.per_line):
            number += 1
            entries.append(
                store.CaptureEntry(
                    Capture(
                        path=Path(f"images/line-{line:04d}/{i:06d}.jpg"),
                        content_hash=hashlib.sha256(number.to_bytes(8, "big")).hexdigest(),
                        width_px=800,
                        height_px=600,
                        time_utc=START + timedelta(seconds=4.8 * number),
                        longitude_deg=float(lonlat[i, 0]),
                        latitude_deg=float(lonlat[i, 1]),
                        altitude_takeoff_m=HEIGHT_M,
                        yaw_deg=0.0,
                        pitch_deg=-90.0,
                        roll_deg=0.0,
                        camera=CAMERA,
                        maker="overfly",
                        model="scale",
                        sources={"position": "capture log"},
                    ),
                    sortie="sortie-01",
                )
            )
            footprints.append(footprints_of_line[i])
            if len(entries) == CAPTURES_AT_A_TIME:
                write()
    if entries:
        write()
    return np.array(keys)
