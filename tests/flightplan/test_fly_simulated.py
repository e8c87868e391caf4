"""Whole flights against the embedded vehicle, over loopback, in lockstep."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pymavlink import mavutil

from flightplan.clock import SimulatedClock
from flightplan.errors import PreflightError
from flightplan.mission import FencePolygon, Mission, MissionItem, RallyPoint
from flightplan.plan import Sortie
from flightplan.vehicle.campaign import authorise, choose_sorties, fly_one, was_completed
from flightplan.vehicle.flight import Outcome
from flightplan.vehicle.link import Link
from flightplan.vehicle.logs import read_captures
from sim.vehicle import Home, SimulatedVehicle, VehicleServer

LON, LAT, METRES = 34.8333, -2.3333, 111_319.49
START_S = 1_790_000_000.0


def sortie(lines: int = 2, *, identifier: str = "S1", energy_share: float = 0.4, length_m: float = 140.0) -> Sortie:
    """Lines to the north, 60 m apart, one photograph each 25 m."""
    items = [MissionItem(22, 3, (0, 0, 0, 0), LON, LAT, 80.0), MissionItem(178, 2, (1, 10, -1, 0))]
    for n in range(lines):
        lon, name = LON + 60 * n / METRES, f"T{n + 1}"
        ends = [LAT + 54 / METRES, LAT + (54 + length_m) / METRES]
        start, end = ends if n % 2 == 0 else reversed(ends)
        items += [
            MissionItem(16, 3, (0, 0, 0, 0), lon, start, 80.0),
            MissionItem(206, 2, (25.0, 0, 1, 0), transect=name),
            MissionItem(16, 3, (0, 0, 0, 0), lon, end, 80.0, transect=name),
            MissionItem(206, 2),
        ]
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    mission = Mission(
        (*items, MissionItem(20, 2)),
        home=(LON, LAT),
        fence=(FencePolygon(tuple((LON + x * 0.02, LAT + y * 0.02) for x, y in corners), True),),
        rally=(RallyPoint(LON, LAT, 80.0),),
    )
    return Sortie(identifier, tuple(f"T{n + 1}" for n in range(lines)), mission, 0.0, 0.0, energy_share)


@contextmanager
def served(**options) -> Iterator[tuple[str, SimulatedClock, SimulatedVehicle]]:
    clock = SimulatedClock(START_S)
    vehicle = SimulatedVehicle(Home(LON, LAT, 1500.0), 5, start_time_utc_s=START_S, **options)
    with VehicleServer(vehicle, clock=clock) as server:
        yield server.address, clock, vehicle


def test_a_sortie_is_flown_from_upload_to_landing_and_all_its_frames_count(tmp_path: Path) -> None:
    with served() as (url, clock, vehicle):
        result = fly_one(sortie(), url, out=tmp_path, clock=clock)
        assert not vehicle.armed
        assert [e.index for e in vehicle.exposures] == [c.index for c in result.captures]
    assert result.outcome is Outcome.COMPLETED
    assert {name: end.holding.name for name, end in result.transfers.items()} == {
        "fence": "EXACTLY",
        "rally points": "EXACTLY",
        "mission": "EXACTLY",
    }
    assert {c.name for c in result.preflight.checks if c.status.value != "pass"} == {
        *("terrain", "camera", "storage", "remote-id", "clock"),
    }
    assert "fail" not in {c.status.value for c in result.preflight.checks}
    per_line = {name: sum(c.transect == name for c in result.captures) for name in ("T1", "T2")}
    assert per_line == {"T1": 6, "T2": 6}
    assert all(c.on_line for c in result.captures)
    assert result.gaps == ()
    assert all(c.altitude_home_m == pytest.approx(80.0, abs=1.0) for c in result.captures)
    assert was_completed(tmp_path / "S1")


def test_the_same_seed_leaves_the_same_frames_and_events(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with served() as (url, clock, _):
            fly_one(sortie(1), url, out=tmp_path / name, clock=clock)
    for file in ("captures.jsonl", "events.jsonl"):
        assert (tmp_path / "a/S1" / file).read_bytes() == (tmp_path / "b/S1" / file).read_bytes()
    assert (tmp_path / "a/S1/captures.jsonl").read_bytes().count(b"\n") == 6


def test_the_telemetry_log_opens_and_holds_what_was_sent_and_received(tmp_path: Path) -> None:
    with served() as (url, clock, _):
        result = fly_one(sortie(1), url, out=tmp_path, clock=clock)
    log = mavutil.mavlink_connection(str(result.log / "flight.tlog"), robust_parsing=False)
    kinds: dict[str, int] = {}
    times = []
    while (message := log.recv_match()) is not None:
        kinds[message.get_type()] = kinds.get(message.get_type(), 0) + 1
        times.append(message._timestamp)
    log.close()
    assert kinds["CAMERA_FEEDBACK"] == 6
    assert kinds["MISSION_ITEM_INT"] >= 2 * 8  # sent, and read back
    assert kinds["GLOBAL_POSITION_INT"] > 50
    assert times == sorted(times)
    assert times[0] >= START_S
    assert read_captures(result.log) == result.captures


def test_an_earlier_log_is_set_aside_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "S1").mkdir()
    (tmp_path / "S1" / "captures.jsonl").write_text("from a flight cut short\n")
    with served() as (url, clock, _):
        result = fly_one(sortie(1), url, out=tmp_path, clock=clock)
    assert result.set_aside == tmp_path / "S1.1"
    assert (tmp_path / "S1.1" / "captures.jsonl").read_text() == "from a flight cut short\n"
    assert len(read_captures(tmp_path / "S1")) == 6


def test_a_vehicle_without_the_start_from_auto_option_takes_off_guided(tmp_path: Path) -> None:
    with served() as (url, clock, _):
        result = fly_one(sortie(1), url, out=tmp_path, clock=clock, parameters={"AUTO_OPTIONS": 0})
    assert result.outcome is Outcome.COMPLETED
    assert any(e.kind == "mode" and "from GUIDED to AUTO" in e.text for e in result.events)
    assert sum(c.on_line for c in result.captures) == 6


def test_nothing_flies_past_a_failed_check(tmp_path: Path) -> None:
    with served() as (url, clock, vehicle):
        result = fly_one(sortie(1, energy_share=0.99), url, out=tmp_path, clock=clock, parameters={"FS_GCS_ENABLE": 0})
        assert vehicle.exposures == []
    assert result.outcome is Outcome.NOT_FLOWN
    assert "flies on when it hears no ground station" in result.reason
    assert not was_completed(tmp_path / "S1")


def test_a_failed_check_is_flown_past_when_named(tmp_path: Path) -> None:
    with served() as (url, clock, _):
        result = fly_one(
            sortie(1), url, out=tmp_path, clock=clock, parameters={"FS_GCS_ENABLE": 0}, overrides=["gcs-failsafe"]
        )
    assert result.outcome is Outcome.COMPLETED


def test_a_refused_mission_is_not_flown_and_the_vehicle_holds_none(tmp_path: Path) -> None:
    good = sortie(1)
    items = list(good.mission.items)
    items[4] = replace(items[4], command=214)  # a time trigger, which this autopilot refuses
    bad = replace(good, mission=replace(good.mission, items=tuple(items)))
    with served() as (url, clock, vehicle):
        result = fly_one(bad, url, out=tmp_path, clock=clock, overrides=["mission"])
        assert not vehicle.armed
        assert len(vehicle.transfers.items[0]) <= 1
    assert result.outcome is Outcome.NOT_FLOWN
    assert result.transfers["mission"].item == 5
    assert "its command is not supported" in result.reason


def test_a_low_battery_cuts_a_flight_short_and_says_what_is_missing(tmp_path: Path) -> None:
    with served() as (url, clock, vehicle):

        def sag(event) -> None:
            if event.text.startswith("transect T2"):
                vehicle.parameters.set("SIM_BATT_VOLTAGE", 10.0)
                vehicle.parameter_changed("SIM_BATT_VOLTAGE")

        result = fly_one(sortie(2, length_m=400.0), url, out=tmp_path, clock=clock, on_event=sag)
    assert result.outcome is Outcome.CUT_SHORT
    assert "battery" in result.reason
    assert {g.transect for g in result.gaps} == {"T2"}
    off = [c for c in result.captures if not c.on_line]
    assert off
    assert all("RTL" in c.reason for c in off)


def test_a_vehicle_far_from_the_plan_does_not_fly_it(tmp_path: Path) -> None:
    plan = sortie(1)
    away = replace(plan, mission=replace(plan.mission, home=(LON + 0.1, LAT)))
    with served() as (url, clock, _):
        result = fly_one(away, url, out=tmp_path, clock=clock)
    assert result.outcome is Outcome.NOT_FLOWN
    assert "11.1 km from the plan's home" in result.reason


def test_a_fence_of_the_vehicles_own_that_defeats_the_plan_is_found_on_the_ground(tmp_path: Path) -> None:
    with served() as (url, clock, _):
        result = fly_one(
            sortie(1, length_m=400.0), url, out=tmp_path, clock=clock, parameters={"FENCE_TYPE": 7, "FENCE_RADIUS": 150}
        )
    assert result.outcome is Outcome.NOT_FLOWN
    assert "circle of 150 m, the plan goes 45" in result.reason


def test_a_mission_is_not_loaded_over_the_head_of_a_flying_vehicle(tmp_path: Path) -> None:
    with served() as (url, clock, vehicle):
        with Link.connect(url, clock=clock) as link:
            link.wait_until(lambda: vehicle.ready, 100.0)
            assert link.command(176, 1, 4).accepted
            assert link.command(400, 1).accepted
            assert link.wait_until(lambda: link.armed, 5.0)
        before = list(vehicle.transfers.items[0])
        with pytest.raises(PreflightError, match="armed, perhaps in the air"):
            fly_one(sortie(1), url, out=tmp_path, clock=clock)
        assert vehicle.transfers.items[0] == before


@pytest.mark.parametrize(("options", "refused", "outcome"), [(3, 300, "not flown"), (0, 176, "cut short")])
def test_a_vehicle_that_will_not_start_its_mission_is_disarmed_or_sent_home(
    tmp_path: Path, options: int, refused: int, outcome: str
) -> None:
    with served() as (url, clock, vehicle):
        handlers = vehicle.commands._handlers
        real = handlers[refused]
        # MISSION_START, or the change to AUTO in the air.
        handlers[refused] = lambda p, m: 4 if p[1] in (0, 3) and vehicle.armed else real(p, m)
        result = fly_one(sortie(1), url, out=tmp_path, clock=clock, parameters={"AUTO_OPTIONS": options})
        assert not vehicle.armed
        assert vehicle.flight.landed
        assert vehicle.exposures == []
    assert result.outcome == outcome
    assert "would not" in result.reason


def test_each_frame_is_on_disk_before_anybody_is_told_of_it(tmp_path: Path) -> None:
    seen = []
    with served() as (url, clock, _):
        fly_one(
            sortie(1),
            url,
            out=tmp_path,
            clock=clock,
            on_capture=lambda c: seen.append((c.index, len(read_captures(tmp_path / "S1")))),
        )
    assert seen == [(n, n) for n in range(1, 7)]


def test_a_flight_that_is_no_longer_watched_says_so_in_its_log(tmp_path: Path) -> None:
    def fail(capture) -> None:
        if capture.index == 3:
            raise OSError("no space left on device")

    with served() as (url, clock, _), pytest.raises(OSError, match="no space left"):
        fly_one(sortie(1), url, out=tmp_path, clock=clock, on_capture=fail)
    last = json.loads((tmp_path / "S1" / "events.jsonl").read_text().splitlines()[-1])
    assert last["kind"] == "end"
    assert "not watched to its end; the vehicle flies on by itself" in last["text"]
    assert not was_completed(tmp_path / "S1")


def test_a_real_vehicle_needs_its_system_id_typed() -> None:
    with served(system_id=7) as (url, clock, vehicle), Link.connect(url, clock=clock) as link:
        assert authorise(link, live=False, system_id=None) is True
        assert authorise(link, live=True, system_id=7) is False
        with pytest.raises(PreflightError, match="not the vehicle whose system id"):
            authorise(link, live=True, system_id=8)
        vehicle.parameters._values.pop("SIM_SPEEDUP")
        vehicle.parameters._index.pop("SIM_SPEEDUP")
        with pytest.raises(PreflightError, match="add --live --system-id"):
            authorise(link, live=False, system_id=None)


def test_sorties_already_completed_are_left_out_unless_named(tmp_path: Path) -> None:
    sorties = [sortie(identifier="A"), sortie(identifier="B")]
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "flight.json").write_text(json.dumps({"outcome": "completed"}))
    assert [s.identifier for s in choose_sorties(sorties, None, tmp_path)] == ["B"]
    assert [s.identifier for s in choose_sorties(sorties, "A", tmp_path)] == ["A"]
    (tmp_path / "A" / "flight.json").write_text('{"outcome": "comp')  # killed while it was written
    assert [s.identifier for s in choose_sorties(sorties, None, tmp_path)] == ["A", "B"]
