"""Whole flights of the other kinds of vehicle, both only simulated: ArduPilot with wings, a multirotor of PX4."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flightplan.clock import SimulatedClock
from flightplan.drones import drone_named
from flightplan.mission import FencePolygon, Mission, MissionItem, RallyPoint
from flightplan.plan import Sortie
from flightplan.vehicle.campaign import fly_one
from flightplan.vehicle.flight import FlightResult, Outcome
from flightplan.vehicle.link import Link
from flightplan.vehicle.setup import FlightSetup
from sim.vehicle import KINDS, Home, SimulatedVehicle, VehicleServer

LON, LAT, METRES = 34.8333, -2.3333, 111_319.49
START_S = 1_790_000_000.0
RING = tuple((LON + x * 0.03, LAT + y * 0.03) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)))


def at(north_m: float, east_m: float) -> tuple[float, float]:
    return LON + east_m / METRES, LAT + north_m / METRES


def survey(lines: int, *, length_m: float, apart_m: float, speed: float, plane: bool) -> Sortie:
    items = [
        MissionItem(22, 3, (0, 0, 0, 0), *at(300 if plane else 0, 0), 80.0),
        MissionItem(178, 2, (1, speed, -1, 0)),
    ]
    for n in range(lines):
        first_m = 900.0 if plane else 300.0
        ends = [first_m, first_m + length_m]
        start, end = ends if n % 2 == 0 else reversed(ends)
        items += [
            MissionItem(16, 3, (0, 0, 0, 0), *at(start, n * apart_m), 80.0),
            MissionItem(206, 2, (25.0, 0, 1, 0), transect=f"T{n + 1}"),
            MissionItem(16, 3, (0, 0, 0, 0), *at(end, n * apart_m), 80.0, transect=f"T{n + 1}"),
            MissionItem(206, 2),
        ]
    if plane:
        items += [
            MissionItem(189, 3, (0, 0, 0, 0), *at(-600, 0), 40.0),
            MissionItem(16, 3, (0, 0, 0, 0), *at(-600, 0), 40.0),
            MissionItem(21, 3, (0, 0, 0, 0), *at(0, 0), 0.0),
        ]
    else:
        items.append(MissionItem(20, 2))
    mission = Mission(
        tuple(items), home=(LON, LAT), fence=(FencePolygon(RING, True),), rally=(RallyPoint(LON, LAT, 80.0),)
    )
    return Sortie("S1", tuple(f"T{n + 1}" for n in range(lines)), mission, 0.0, 0.0, 0.3)


@contextmanager
def served(kind: str, **options) -> Iterator[tuple[str, SimulatedClock, SimulatedVehicle]]:
    clock = SimulatedClock(START_S)
    vehicle = KINDS[kind](Home(LON, LAT, 1500.0), 5, start_time_utc_s=START_S, **options)
    with VehicleServer(vehicle, clock=clock) as server:
        yield server.address, clock, vehicle


def texts(result: FlightResult, kind: str) -> list[str]:
    return [e.text for e in result.events if e.kind == kind]


PX4_PLAN = survey(2, length_m=200.0, apart_m=60.0, speed=10.0, plane=False)
PLANE_PLAN = survey(2, length_m=500.0, apart_m=250.0, speed=18.0, plane=True)


def test_a_px4_is_loaded_checked_set_and_flown_and_its_pictures_count_once(tmp_path: Path) -> None:
    with served("px4") as (url, clock, vehicle):
        result = fly_one(PX4_PLAN, url, out=tmp_path, clock=clock)
        assert [e.index for e in vehicle.exposures] == [c.index for c in result.captures]
    assert (result.outcome, result.gaps) == (Outcome.COMPLETED, ())
    assert {c.source for c in result.captures} == {"CAMERA_IMAGE_CAPTURED"}
    assert sum(c.on_line for c in result.captures) >= 16
    assert "NAV_DLL_ACT set from 0 to 2" in texts(result, "parameter")
    assert all(end.opaque_id for end in result.transfers.values())
    assert any("from MISSION to RTL" in t for t in texts(result, "mode"))


def test_a_px4_whose_mission_somebody_replaces_before_take_off_does_not_fly_it(tmp_path: Path) -> None:
    def replace_it(link: Link, tell) -> None:
        from flightplan.vehicle.items import MISSION, mission_items
        from flightplan.vehicle.loading import put

        shorter = Mission(PX4_PLAN.mission.items[:4], home=(LON, LAT))
        put(link, mission_items(shorter, with_home=False), MISSION)
        link.pause(3.0)

    with served("px4") as (url, clock, vehicle):
        result = fly_one(PX4_PLAN, url, out=tmp_path, clock=clock, setup=FlightSetup(clearance=replace_it))
        assert not vehicle.armed
    assert result.outcome is Outcome.NOT_FLOWN
    assert "no longer holds the mission that was uploaded" in result.reason


@pytest.mark.parametrize(("key", "mode"), [("r", "RTL"), ("l", "LAND"), ("p", "LOITER")])
def test_a_px4_obeys_keys_in_its_own_modes(tmp_path: Path, key: str, mode: str) -> None:
    typed = []

    def keys() -> str:
        return typed.pop() if typed else ""

    def watch(event) -> None:
        if "transect T1" in event.text:
            typed.append(key)
        if "to LOITER" in event.text:
            typed.append("r")

    with served("px4") as (url, clock, _):
        result = fly_one(PX4_PLAN, url, out=tmp_path, clock=clock, setup=FlightSetup(keys=keys), on_event=watch)
    assert result.outcome is Outcome.CUT_SHORT
    assert any(t.endswith(f"to {mode}") for t in texts(result, "mode"))


def test_a_plane_flies_its_lines_and_lands_where_its_mission_says(tmp_path: Path) -> None:
    with served("plane") as (url, clock, vehicle):
        result = fly_one(PLANE_PLAN, url, out=tmp_path, clock=clock)
        assert vehicle.flight.landed
    assert result.outcome is Outcome.COMPLETED, result.reason
    per_line = {n: sum(c.on_line and c.transect == n for c in result.captures) for n in ("T1", "T2")}
    # It turns away 90 m before a line's end (WP_RADIUS): three frames of 20 at most.
    assert min(per_line.values()) >= 17
    assert "FENCE_TYPE set from 7 to 4" in texts(result, "parameter")


def test_a_plane_circles_when_paused_and_goes_on_with_its_mission(tmp_path: Path) -> None:
    typed = []

    def keys() -> str:
        return typed.pop() if typed else ""

    def watch(event) -> None:
        if "transect T2" in event.text:
            typed.append("p")
        if "from AUTO to LOITER" in event.text:
            typed.append("c")

    with served("plane") as (url, clock, _):
        result = fly_one(PLANE_PLAN, url, out=tmp_path, clock=clock, setup=FlightSetup(keys=keys), on_event=watch)
    assert texts(result, "order") == ["pause: accepted", "go on: accepted"]
    assert result.outcome is Outcome.COMPLETED


def test_a_plan_for_a_multirotor_stays_on_the_ground_with_a_plane(tmp_path: Path) -> None:
    setup = FlightSetup(drone=drone_named("overfly-demo"))
    with served("plane") as (url, clock, _):
        result = fly_one(PLANE_PLAN, url, out=tmp_path, clock=clock, setup=setup)
    assert result.outcome is Outcome.NOT_FLOWN
    assert "the plan is for overfly-demo, multirotor; this is ArduPilot, fixed wing" in result.reason
