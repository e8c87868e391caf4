"""Fly a small survey under random faults, resume it until nothing is missing, and hold the logs against the truth.

Each round has a new vehicle (a new battery) with faults of its own, drawn by `sim.faults`: a bad link, one that is cut,
a sagging battery, lost GPS, missed shots, a refused item, a restart on the ground or in the air, a stopped motor, a
turned compass. The truth is where the simulated camera really was: a frame that counts must have been on a line, and
all counting frames together must have seen every line.

    python benchmarks/flights.py --flights 200
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import shapely

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.clock import SimulatedClock
from flightplan.errors import OverflyError
from flightplan.frames import LocalFrame
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.vehicle.campaign import fly_one, resume_one
from flightplan.vehicle.flight import FlightResult
from flightplan.vehicle.logs import read_captures
from flightplan.vehicle.resume import assess, log_folders
from sim.faults import Faults, FaultyVehicle
from sim.vehicle import Exposure, Home, VehicleServer, Wind

START_S, HEIGHT_M, MOST_ROUNDS, BATTERY_MAH = 1.79e9, 80.0, 30, 12_000
OFF_LINE_M = 20.0
"""The cross-track limit, and what a wind gust leaves between the reported place and the frame's."""
FAULTS = (
    *("loss", "double", "reorder", "delay_s", "cut", "restart", "lost_acks", "refuse", "shots", "gps", "sag_s"),
    *("motor_s", "compass_s", "reboot_s", "traffic"),
)
_FRAME = LocalFrame(34.83, -2.33)


class Remembering(FaultyVehicle):
    """A vehicle whose frames' truth outlives a restart in the air."""

    def reboot(self, silent_s: float = 3.0) -> None:
        """Start anew, and keep what was photographed."""
        self.__dict__.setdefault("before", []).extend(self.exposures)
        super().reboot(silent_s)

    @property
    def truth(self) -> list[Exposure]:
        """Every frame taken; the numbers begin again with a restart, and none is taken after it."""
        return [*self.exposures, *self.__dict__.get("before", ())]


def small_survey(seed: int) -> SurveyPlan:
    """Return a plan of one sortie over 700 by 500 m with a village in it."""
    village = shapely.box(-60, -60, 60, 60)
    land = shapely.difference(shapely.box(-350, -250, 350, 250), village)
    ((longitude, latitude),) = _FRAME.to_lonlat([(-340, -240)])
    site = LaunchSite("camp", float(longitude), float(latitude))
    area = StudyArea("bench", (Stratum("all", _FRAME.delocalise(land)),), (_FRAME.delocalise(village),), (site,))
    return plan_survey(
        area,
        PlanRequest(
            camera=camera_named("overfly-demo"),
            altitude_agl_m=HEIGHT_M,
            spacing_m=200.0,
            heading_deg=0.0,
            seed=seed,
            drone="overfly-demo",
        ),
    )


def fly_until_done(plan: SurveyPlan, seed: int, out: Path, met: Counter[str]) -> dict[str, Any]:
    """Fly the plan's first sortie, then resume it, each round with faults of its own; compare with the truth.

    `met` counts the flights with each fault.
    """
    sortie = plan.sorties[0]
    assert sortie.mission.home is not None
    home = Home(*sortie.mission.home, 1500.0)
    truth: dict[tuple[str, int], Exposure] = {}
    outcomes: list[str] = []
    counted: list[tuple[str, int]] = []
    while len(outcomes) < MOST_ROUNDS:
        rng = np.random.default_rng([seed, len(outcomes)])
        faults = Faults.at_random(seed * 100 + len(outcomes))
        met.update(name for name in FAULTS if getattr(faults, name) not in (None, 0, ()))
        clock = SimulatedClock(START_S)
        speed_mps = float(rng.uniform(0, 7))
        vehicle = Remembering(
            home,
            seed * 100 + len(outcomes),
            faults=faults,
            wind=Wind(speed_mps, float(rng.uniform(0, 360)), speed_mps / 5),
            start_time_utc_s=START_S,
            parameters={"BATT_CAPACITY": BATTERY_MAH},
        )
        result: FlightResult | None = None
        before = set(log_folders(out, sortie.identifier))
        with VehicleServer(vehicle, clock=clock) as server:
            try:
                if not log_folders(out, sortie.identifier):
                    result = fly_one(sortie, server.address, out=out, clock=clock)
                else:
                    result, left = resume_one(plan, sortie, server.address, out=out, clock=clock)
                    if result is None:
                        break
            except OverflyError as error:
                outcomes.append(f"error: {error.what}")
        logged = set(log_folders(out, sortie.identifier)) - before
        if result is not None:
            outcomes.append(str(result.outcome))
        truth |= {(folder.name, e.index): e for folder in logged for e in vehicle.truth}
    left = assess(plan, sortie, log_folders(out, sortie.identifier))
    not_good = {skip.item for skip in left.rejected}
    for folder in log_folders(out, sortie.identifier):
        found = [(folder.name, c.index) for c in read_captures(folder)]
        counted += [key for key in found if f"{key[0]} frame {key[1]}" not in not_good]
    frames = [truth[key] for key in counted]
    return {
        "outcomes": outcomes,
        "counted": len(frames),
        "gaps_left": len(left.missing),
        "off_line": int(np.count_nonzero(off_line_m(plan, frames) > OFF_LINE_M)),
        "metres_not_seen": metres_not_seen(plan, frames),
    }


def off_line_m(plan: SurveyPlan, frames: list[Exposure]) -> Any:
    """How far each frame truly was from the nearest transect."""
    lines = shapely.union_all([shapely.LineString(_FRAME.to_local(s)) for s in _segments(plan)])
    return shapely.distance(lines, shapely.points(_places(frames)))


def metres_not_seen(plan: SurveyPlan, frames: list[Exposure]) -> float:
    """What frames truly leave of the transects, without the log, the effort map or the assessment.

    A line's last metres beyond a trigger's reach are the plan's own to leave; 4 m are for wind and late triggers.
    """
    footprint_m = plan.camera.footprint_m(HEIGHT_M)[1]
    step_m, left_m, places = 2.0, 0.0, _places(frames)
    for start, end in (_FRAME.to_local(s) for s in _segments(plan)):
        length_m = float(np.hypot(*(end - start)))
        along = np.linspace(0, length_m, int(length_m / step_m) + 1)
        at = start + along[:, None] / length_m * (end - start)
        far = np.min(np.hypot(*(at[:, None] - places[None]).transpose(2, 0, 1)), axis=1, initial=np.inf)
        ends = np.minimum(along, length_m - along) < plan.trigger_distance_m
        left_m += step_m * np.count_nonzero(far > np.where(ends, plan.trigger_distance_m + 7, footprint_m / 2 + 4))
    return left_m


def _segments(plan: SurveyPlan) -> list[Any]:
    return [s for stratum in plan.strata for t in stratum.transects for s in t.segments]


def _places(frames: list[Exposure]) -> Any:
    return _FRAME.to_local([(e.lon, e.lat) for e in frames]) if frames else np.empty((0, 2))


def run(flights: int, seed: int) -> dict[str, Any]:
    """Do many surveys, and return how they went."""
    outcomes: Counter[str] = Counter()
    met: Counter[str] = Counter()
    rounds, worst, began = [], [], time.monotonic()
    off_line = unseen = 0
    for number in range(flights):
        with TemporaryDirectory() as folder:
            found = fly_until_done(small_survey(number % 5 + 1), seed * 10_000 + number, Path(folder), met)
        outcomes.update(found["outcomes"])
        rounds.append(len(found["outcomes"]))
        off_line += found["off_line"]
        unseen += found["metres_not_seen"] > 0 or found["gaps_left"] > 0
        if found["off_line"] or found["metres_not_seen"] or found["gaps_left"]:
            worst.append({"survey": number, **found})
    return {
        "surveys": flights,
        "flights": sum(rounds),
        "outcomes": dict(sorted(outcomes.items())),
        "flights_with_fault": dict(sorted(met.items())),
        "rounds": {str(n): rounds.count(n) for n in sorted(set(rounds))},
        "frames_off_line_that_count": off_line,
        "surveys_not_covered": unseen,
        "not_as_they_should_be": worst,
        "seed": seed,
        "wall_s": round(time.monotonic() - began, 1),
    }


def main() -> int:
    """Print how it went as one JSON document; exit code 1 when a frame off the lines counted or a line was not seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flights", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.getLogger("autopilot").setLevel(logging.CRITICAL + 1)
    found = run(asked.flights, asked.seed)
    print(json.dumps(found, indent=1))
    return 1 if found["not_as_they_should_be"] else 0


if __name__ == "__main__":
    sys.exit(main())
