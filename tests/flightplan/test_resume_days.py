"""Another day, another place, another aircraft: what is missing is known from the logs and the plan on disk alone."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from click.testing import CliRunner

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.clock import SimulatedClock
from flightplan.commands.fly import fly_command
from flightplan.frames import HeightDatum, LocalFrame
from flightplan.mission import Command
from flightplan.plan import SurveyPlan
from flightplan.plan_files import load_plan, save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.terrain import Terrain
from flightplan.vehicle.campaign import fly_one, resume_one
from flightplan.vehicle.flight import Outcome
from flightplan.vehicle.resume import assess, log_folders, plan_resume
from sim.vehicle import Fleet, Home, PlaneVehicle, Px4Vehicle, SimulatedVehicle

FRAME = LocalFrame(34.83, -2.33)
START_S, DAY_S = 1_790_000_000.0, 86_400.0
PACK = {"BATT_CAPACITY": 12_000}


def survey(drone: str = "overfly-demo", *, spacing_m: float = 200.0, half_m: float = 250.0, **asked) -> SurveyPlan:
    """A square with a launch site in its south-west."""
    ((lon, lat),) = FRAME.to_lonlat([(-half_m + 10, -half_m + 10)])
    land = FRAME.delocalise(shapely.box(-half_m, -half_m, half_m, half_m))
    area = StudyArea("Ol", (Stratum("all", land),), (), (LaunchSite("camp", lon, lat),))
    request = PlanRequest(
        camera=camera_named("overfly-demo"), altitude_agl_m=80.0, spacing_m=spacing_m, heading_deg=0.0, seed=4,
        drone=drone, **asked,
    )  # fmt: skip
    return plan_survey(area, request)


@pytest.fixture(scope="module")
def plan() -> SurveyPlan:
    return survey()


def vehicle(
    plan: SurveyPlan, *, at: tuple[float, float] | None = None, day: int = 0, kind: type = SimulatedVehicle, **more
) -> SimulatedVehicle:
    home = Home(*(at or plan.sorties[0].mission.home), 1500.0)
    more.setdefault("parameters", PACK)
    return kind(home, 5 + day, start_time_utc_s=START_S + day * DAY_S, **more)


def fly(plan: SurveyPlan, one: SimulatedVehicle, out: Path, day: int = 0, stop_at: int | None = None):
    """Fly the first sortie; at a frame somebody sends the vehicle home."""
    clock = SimulatedClock(START_S + day * DAY_S)
    with Fleet([one], clock=clock) as fleet:
        return fly_one(plan.sorties[0], fleet.addresses[0], out=out, clock=clock, on_capture=home_at(one, stop_at))


def home_at(one: SimulatedVehicle, frame: int | None) -> Callable:
    return lambda capture: one.change_mode(one.modes.back) if capture.index == frame else None


def test_the_next_day_from_the_other_side_by_the_command_alone(plan: SurveyPlan, tmp_path: Path) -> None:
    save_plan(plan, tmp_path / "plan")
    first = vehicle(plan)
    assert fly(plan, first, tmp_path / "f", stop_at=7).outcome is Outcome.CUT_SHORT
    there = tuple(FRAME.to_lonlat([(230.0, 200.0)])[0].tolist())
    second = vehicle(plan, at=there, day=1)
    clock = SimulatedClock(START_S + DAY_S)
    with Fleet([second], clock=clock) as fleet:
        arguments = [tmp_path / "plan", "--resume", "--launch", there[0], there[1], "--connect", fleet.addresses[0]]
        arguments += ["--out", tmp_path / "f", "--json"]
        result = CliRunner().invoke(fly_command, [str(a) for a in arguments], obj=clock)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["gaps"] == []
    days = {c["time_utc"][:10] for c in document["captures"]}
    assert days == {"2026-09-22"}
    # It landed where it started, and flew only what the first day had not.
    assert np.hypot(second.body.n, second.body.e) < 2.0
    whole = len(vehicle_frames(plan, tmp_path / "whole"))
    assert len(second.exposures) <= whole - 6 + 4
    again = load_plan(tmp_path / "plan")
    assert assess(again, again.sorties[0], log_folders(tmp_path / "f", "sortie-01")).missing == ()


def vehicle_frames(plan: SurveyPlan, out: Path) -> list:
    one = vehicle(plan)
    assert fly(plan, one, out).outcome is Outcome.COMPLETED
    return one.exposures


def test_heights_of_a_flight_from_a_lower_place_are_judged_by_its_own_mission(tmp_path: Path) -> None:
    """Over a slope the same height over the ground is another height over another home."""
    (west, south), (east, north) = FRAME.to_lonlat([(-2000.0, -2000.0), (2000.0, 2000.0)]).tolist()
    heights_m = np.tile(np.linspace(1400.0, 1600.0, 400), (400, 1))
    cell = (east - west) / 400, 0.0, west, 0.0, (south - north) / 400, north
    slope = Terrain(grid_m=heights_m, crs=pyproj.CRS(4326), transform=cell, datum=HeightDatum.MEAN_SEA_LEVEL)
    plan = survey(terrain=slope)
    sortie = plan.sorties[0]
    lower = tuple(FRAME.to_lonlat([(-245.0, 200.0)])[0].tolist())
    higher = tuple(FRAME.to_lonlat([(245.0, 200.0)])[0].tolist())
    missing = assess(plan, sortie, []).missing
    (from_below,) = plan_resume(plan, sortie, missing, launch=lower, terrain=slope)
    (from_above,) = plan_resume(plan, sortie, missing, launch=higher, terrain=slope)
    assert from_below.mission.home_altitude_msl_m == pytest.approx(1500 - 245 / 20, abs=2.0)
    assert from_above.mission.home_altitude_msl_m == pytest.approx(1500 + 245 / 20, abs=2.0)
    lines = [
        [i.altitude_m for i in s.mission.items if i.transect and i.longitude_deg is not None]
        for s in (from_below, from_above)
    ]
    assert np.array(lines[0]) - np.array(lines[1]) == pytest.approx(490 / 20, abs=3.0)


class PilotedPlane(PlaneVehicle):
    """A fixed wing circles over home until its pilot lands it; this one's does at once."""

    def step(self, dt_s: float = 0.02) -> bytes:
        said = super().step(dt_s)
        item = self.mission.current
        going_home = self.flight.mode == self.modes.back or (item is not None and item.command == 20)
        if self.armed and going_home and np.hypot(self.body.n, self.body.e) < 150.0:
            self.body.u = 0.0
            self.disarm()
        return said


@pytest.mark.parametrize("kind", [Px4Vehicle, PilotedPlane])
def test_a_px4_and_a_fixed_wing_are_resumed_too(kind: type, tmp_path: Path) -> None:
    wing = kind is PilotedPlane
    plan = survey("WingtraOne GEN II", half_m=400.0, spacing_m=400.0) if wing else survey()
    more = {} if wing else {"parameters": {"BAT1_CAPACITY": 12_000}}
    sortie = plan.sorties[0]
    first = vehicle(plan, kind=kind, **more)
    clock = SimulatedClock(START_S)
    with Fleet([first], clock=clock) as fleet:
        result = fly_one(sortie, fleet.addresses[0], out=tmp_path, clock=clock, on_capture=home_at(first, 6))
    assert result.outcome is Outcome.CUT_SHORT, result.reason
    before = assess(plan, sortie, log_folders(tmp_path, "sortie-01"))
    assert before.missing
    assert before.good_count >= 5
    left, frames = before, []
    for day in (1, 2) if wing else (1,):
        # A wing that came out of its turn beside a line's start flies that piece the other way round on the next day.
        again = vehicle(plan, kind=kind, day=day, **more)
        clock = SimulatedClock(START_S + day * DAY_S)
        with Fleet([again], clock=clock) as fleet:
            result, left = resume_one(plan, sortie, fleet.addresses[0], out=tmp_path, clock=clock)
        assert result is not None
        assert result.outcome is Outcome.COMPLETED, result.reason
        frames.append(len(again.exposures))
        if not left.missing:
            break
    assert left.missing == ()
    assert frames[0] <= before.missing_m / plan.trigger_distance_m + 3 * len(before.missing)
    assert frames[-1] <= frames[0]


def test_a_fixed_wing_is_straight_and_level_for_its_run_in_before_each_piece() -> None:
    plan = survey("WingtraOne GEN II", half_m=500.0, spacing_m=400.0)
    sortie = plan.sorties[0]
    everything = assess(plan, sortie, []).missing
    part = everything[0]
    frame = plan.area.frame
    start, end = frame.to_local([part.start, part.end])
    along = (end - start) / np.hypot(*(end - start))
    middle = frame.to_lonlat([start + 300 * along, start + 400 * along])
    gap = type(part)(part.transect, part.line, 300.0, 400.0, tuple(middle[0]), tuple(middle[1]))
    (again,) = plan_resume(plan, sortie, [gap])
    items = again.mission.items
    on = next(n for n, i in enumerate(items) if i.command == Command.DO_SET_CAM_TRIGG_DIST and i.params[0] > 0)
    path = frame.to_local([(i.longitude_deg, i.latitude_deg) for i in items[:on] if i.longitude_deg is not None])
    begins = path[-1]
    # The waypoint where the line begins, and before it one on the same straight line, a run-in away.
    run_in = begins - path[-2]
    assert np.hypot(*run_in) >= plan.turning.run_in_m - 0.1
    assert run_in / np.hypot(*run_in) == pytest.approx(along, abs=1e-3)
    assert float((begins - start) @ along) < 300.0 - 36.0
