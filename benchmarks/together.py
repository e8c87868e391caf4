"""Fly surveys with several drones at once under wind and random faults, and measure how near they truly came.

The drones share one launch site and one plan that was made for a single drone, the hardest case: nothing but the tower
keeps them apart. Distances are those of the simulated bodies, not of what they report, each tenth of a second; on the
ground (below 3 m) and 15 m or more apart in height they do not count.

    python benchmarks/together.py --surveys 30 --vehicles 3
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import shapely

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.clock import SimulatedClock
from flightplan.drones import drone_named
from flightplan.frames import LocalFrame
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.separation import UNPLANNED
from flightplan.vehicle.separation import share_out
from flightplan.vehicle.together import Member, Together
from sim.faults import Faults, FaultyVehicle
from sim.vehicle import Fleet, Home, Wind

START_S, BATTERY_MAH = 1.79e9, 12_000
_FRAME = LocalFrame(34.83, -2.33)
_UP_M = 3.0
_DRONE = replace(drone_named("overfly-demo"), battery_wh=26.0)


class Tracked(FaultyVehicle):
    """A vehicle that remembers where it truly was after each step of the fleet."""

    def step(self, dt_s: float = 0.02) -> bytes:
        """Move time on, and note the place."""
        said = super().step(dt_s)
        place = self.home.moved(self.body.n, self.body.e)
        ((east, north),) = _FRAME.to_local([(place.lon, place.lat)]).tolist()
        self.__dict__.setdefault("trail", []).append((east, north, self.body.u))
        return said

    @property
    def places(self) -> np.ndarray:
        """East, north and up in metres, (N, 3)."""
        return np.array(self.__dict__.get("trail", []), dtype=np.float64).reshape(-1, 3)


def survey(seed: int) -> SurveyPlan:
    """Return a plan of several sorties from one site in the middle of the southern edge."""
    ((longitude, latitude),) = _FRAME.to_lonlat([(0, -340)])
    land = _FRAME.delocalise(shapely.box(-450, -350, 450, 350))
    area = StudyArea("bench", (Stratum("all", land),), (), (LaunchSite("camp", float(longitude), float(latitude)),))
    request = PlanRequest(
        camera=camera_named("overfly-demo"),
        altitude_agl_m=80.0,
        spacing_m=120.0,
        heading_deg=float(seed % 3) * 30.0,
        seed=seed,
        drone=_DRONE,
    )
    return plan_survey(area, request)


def fly(plan: SurveyPlan, seed: int, count: int, out: Path, *, faulty: bool) -> dict[str, Any]:
    """Fly a plan with several vehicles, each with troubles of its own; return outcomes and the least distance."""
    rng = np.random.default_rng([seed, 5])
    speed_mps, from_deg = float(rng.uniform(0, 8)), float(rng.uniform(0, 360))
    assert plan.sorties[0].mission.home is not None
    home = Home(*plan.sorties[0].mission.home, 1500.0)
    vehicles = [
        Tracked(
            home.moved(0.0, 15.0 * n),
            seed * 100 + n,
            faults=Faults.at_random(seed * 100 + n) if faulty else Faults(),
            wind=Wind(speed_mps, from_deg, speed_mps / 5),
            start_time_utc_s=START_S,
            parameters={"BATT_CAPACITY": BATTERY_MAH},
            system_id=n + 1,
        )
        for n in range(count)
    ]
    clock = SimulatedClock(START_S)
    sorties = [replace(s, takeoff_offset_s=0.0) for s in plan.sorties]
    queues = share_out(sorties, count)
    with Fleet(vehicles, clock=clock, wait_for=sum(bool(q) for q in queues)) as fleet:
        members = [
            Member(n + 1, url, queue) for n, (url, queue) in enumerate(zip(fleet.addresses, queues, strict=True))
        ]
        Together(members, frame=plan.area.frame, drone=_DRONE, clock=clock, out=out, one_each=True).fly()
    results = [r for m in members for r in m.results.values()]
    return {
        "outcomes": [str(r.outcome) for r in results] + ["error" for m in members if m.error is not None],
        "closest_m": min((closest_m(a, b) for a, b in combinations(vehicles, 2)), default=float("inf")),
        "warnings": sum(e.kind == "separation" and "comes within" in e.text for r in results for e in r.events),
        "at_once": at_once(vehicles),
        "waited_s": clock.now_s() - START_S,
    }


def closest_m(a: Tracked, b: Tracked) -> float:
    """Return the least distance over the ground of two in the air at about the same height."""
    count = min(len(a.places), len(b.places))
    p, q = a.places[:count], b.places[:count]
    both = (p[:, 2] > _UP_M) & (q[:, 2] > _UP_M) & (np.abs(p[:, 2] - q[:, 2]) < UNPLANNED.vertical_m)
    return float(np.min(np.hypot(*(p - q)[both, :2].T), initial=np.inf))


def at_once(vehicles: list[Tracked]) -> float:
    """Return the share of the time in which somebody flies that more than one does."""
    count = min(len(v.places) for v in vehicles)
    up = np.sum([v.places[:count, 2] > _UP_M for v in vehicles], axis=0)
    return float(np.count_nonzero(up > 1) / max(np.count_nonzero(up > 0), 1))


def run(surveys: int, vehicles: int, seed: int, *, faulty: bool) -> dict[str, Any]:
    """Fly many surveys, and return how near drones came."""
    outcomes: Counter[str] = Counter()
    closest, shares, warnings, near = [], [], 0, []
    began = time.monotonic()
    for number in range(surveys):
        with TemporaryDirectory() as folder:
            found = fly(survey(number % 9 + 1), seed * 1000 + number, vehicles, Path(folder), faulty=faulty)
        outcomes.update(found["outcomes"])
        closest.append(found["closest_m"])
        shares.append(found["at_once"])
        warnings += found["warnings"]
        if found["closest_m"] < UNPLANNED.horizontal_m:
            near.append({"survey": number, "closest_m": round(found["closest_m"], 1), "outcomes": found["outcomes"]})
    finite = [c for c in closest if np.isfinite(c)]
    return {
        "surveys": surveys,
        "vehicles": vehicles,
        "faults": faulty,
        "flights": sum(outcomes.values()),
        "outcomes": dict(sorted(outcomes.items())),
        "closest_m": round(min(finite), 1) if finite else None,
        "surveys_closer_than_m": {str(m): sum(c < m for c in closest) for m in (10, 25, 50)},
        "near": near,
        "warnings": warnings,
        "share_of_time_with_several_in_the_air": round(float(np.mean(shares)), 2),
        "seed": seed,
        "wall_s": round(time.monotonic() - began, 1),
    }


def main() -> int:
    """Print how near they came as one JSON document; exit code 1 when two came within 10 m."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--surveys", type=int, default=30)
    parser.add_argument("--vehicles", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-faults", action="store_true")
    asked = parser.parse_args()
    logging.getLogger("autopilot").setLevel(logging.CRITICAL + 1)
    found = run(asked.surveys, asked.vehicles, asked.seed, faulty=not asked.no_faults)
    print(json.dumps(found, indent=1))
    return 1 if found["surveys_closer_than_m"]["10"] else 0


if __name__ == "__main__":
    sys.exit(main())
