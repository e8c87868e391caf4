"""A plan for two drones, flown by two vehicles: the tower lets flights go when the plan says, and they keep apart."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from click.testing import CliRunner

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.clock import SimulatedClock
from flightplan.commands.fly import fly_command
from flightplan.commands.fly_together import rules_for
from flightplan.drones import drone_named
from flightplan.fleet import Fleet as Drones
from flightplan.frames import LocalFrame
from flightplan.operations import Operations
from flightplan.plan import SurveyPlan
from flightplan.plan_files import save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.separation import UNPLANNED, Separation, return_height_m
from sim.vehicle import Fleet, Home, SimulatedVehicle

FRAME = LocalFrame(34.83, -2.33)
START_S = 1_790_000_000.0
# Of the plan's 30 s for being early or late, for arming, spooling up and the tower's ticks.
HELD_S = 15.0

needs_ortools = pytest.mark.skipif(
    importlib.util.find_spec("ortools") is None, reason="OR-Tools (the extra `fleet`) is not installed"
)


class Tracked(SimulatedVehicle):
    """A vehicle that remembers where it truly was, each tenth of a second."""

    def step(self, dt_s: float = 0.02) -> bytes:
        said = super().step(dt_s)
        place = self.home.moved(self.body.n, self.body.e)
        east, north = FRAME.to_local([(place.lon, place.lat)])[0]
        self.__dict__.setdefault("trail", []).append((float(east), float(north), self.body.u))
        return said

    @property
    def take_offs_s(self) -> list[float]:
        up = np.array(self.trail)[:, 2] > 3
        return ((np.flatnonzero(up[1:] & ~up[:-1]) + 1) / 10).tolist()


def made(fleet: Drones | None = None) -> SurveyPlan:
    """Flights of two drones from one site: the way of one crosses that of the other."""
    ((lon, lat),) = FRAME.to_lonlat([(-400, -240)])
    land = FRAME.delocalise(shapely.box(-450, -250, 450, 250))
    area = StudyArea("Ol", (Stratum("all", land),), (), (LaunchSite("camp", lon, lat),))
    request = PlanRequest(
        camera=camera_named("overfly-demo"), altitude_agl_m=80.0, spacing_m=150.0, heading_deg=0.0, seed=4,
        drone=replace(drone_named("overfly-demo"), battery_wh=30.0),
        operations=Operations(fleet=fleet or Drones(drones=2)),
    )  # fmt: skip
    return plan_survey(area, request)


SOME = made(Drones())  # of one drone


@needs_ortools
def test_vehicles_take_off_when_the_plan_says_and_keep_its_separation(tmp_path: Path) -> None:
    plan = made()
    assert plan.separation is not None
    save_plan(plan, tmp_path / "plan")
    clock = SimulatedClock(START_S)
    home = Home(*plan.sorties[0].mission.home, 1500.0)
    vehicles = [
        Tracked(
            home.moved(0.0, 15.0 * n),
            n,
            system_id=n + 1,
            start_time_utc_s=START_S,
            # Nobody changes batteries between the flights of one vehicle here.
            parameters={"BATT_CAPACITY": 60_000},
        )
        for n in range(2)
    ]
    with Fleet(vehicles, clock=clock) as fleet:
        urls = ",".join(fleet.addresses)
        result = CliRunner().invoke(
            fly_command, [str(tmp_path / "plan"), "--connect", urls, "--out", str(tmp_path / "f")], obj=clock
        )
    assert result.exit_code == 0, result.stderr
    first_s = min(v.take_offs_s[0] for v in vehicles)
    for drone, vehicle in enumerate(vehicles, 1):
        planned_s = [s.takeoff_offset_s for s in plan.sorties if s.drone == drone]
        assert len(vehicle.take_offs_s) == len(planned_s) >= 1
        for took_off_s, offset_s in zip(vehicle.take_offs_s, planned_s, strict=True):
            assert -1.0 <= took_off_s - first_s - offset_s <= HELD_S
    assert "waits in the air" not in result.stderr
    count = min(len(v.trail) for v in vehicles)
    p, q = (np.array(v.trail[:count]) for v in vehicles)
    up = (p[:, 2] > 3) & (q[:, 2] > 3)
    assert np.count_nonzero(up) > 1000, "they fly at the same time, for minutes"
    level = up & (np.abs(p[:, 2] - q[:, 2]) < plan.separation.vertical_m - 1.0)
    apart_m = float(np.min(np.hypot(*(p - q)[level, :2].T), initial=math.inf))
    assert apart_m >= plan.separation.horizontal_m


def test_distances_are_as_asked_else_as_planned_and_only_flights_as_planned_need_no_more_than_the_plans_margin() -> (
    None
):
    plan = replace(SOME, separation=Separation(100.0, 20.0, 30.0))
    assert rules_for(plan, None, as_planned=True) == Separation(100.0, 20.0, 30.0)
    others = rules_for(plan, None, as_planned=False)
    assert (others.horizontal_m, others.early_share, others.late_share) == (100.0, 0.1, 0.2)
    asked = rules_for(plan, (70.0, 10.0), as_planned=True)
    assert (asked.horizontal_m, asked.vertical_m, asked.margin_s) == (70.0, 10.0, 30.0)
    assert rules_for(replace(plan, separation=None), None, as_planned=False) == UNPLANNED


def test_a_drone_comes_home_in_its_planned_layer_and_another_above_its_lines() -> None:
    mission = SOME.sorties[0].mission
    assert return_height_m(mission, 1, 20.0, 20.0) == 100.0
    assert return_height_m(mission, 2, 20.0, 40.0) == 120.0
    assert return_height_m(mission, 2, 20.0, 20.0) == 80.0 + 44.0
    assert return_height_m(mission, 1, 15.0) == 80.0 + 17.0
