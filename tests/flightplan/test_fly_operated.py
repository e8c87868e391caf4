"""Flights that somebody looks after: keys, consent, checks, limits, the logbook; and what a killed program leaves."""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pymavlink import mavutil

from flightplan.clock import SimulatedClock
from flightplan.errors import PreflightError
from flightplan.mission import FencePolygon, Mission, MissionItem
from flightplan.plan import Sortie
from flightplan.vehicle.campaign import fly_one
from flightplan.vehicle.flight import FlightResult, Outcome
from flightplan.vehicle.link import Link
from flightplan.vehicle.loading import changed_parameters, restore_parameters
from flightplan.vehicle.logbook import Crew, read_logbook
from flightplan.vehicle.logs import read_captures
from flightplan.vehicle.rules import AbortRules
from flightplan.vehicle.setup import FlightSetup
from sim.vehicle import Home, SimulatedVehicle, VehicleServer, Wind

LON, LAT, METRES = 34.8333, -2.3333, 111_319.49
START_S = 1_790_000_000.0


def sortie(lines: int = 2, *, length_m: float = 200.0, energy_share: float = 0.2) -> Sortie:
    """Lines to the north, 60 m apart, one photograph each 25 m."""
    items = [MissionItem(22, 3, (0, 0, 0, 0), LON, LAT, 40.0), MissionItem(178, 2, (1, 10, -1, 0))]
    for n in range(lines):
        lon = LON + 60 * n / METRES
        ends = [LAT + 54 / METRES, LAT + (54 + length_m) / METRES]
        start, end = ends if n % 2 == 0 else reversed(ends)
        items += [
            MissionItem(16, 3, (0, 0, 0, 0), lon, start, 40.0),
            MissionItem(206, 2, (25.0, 0, 1, 0), transect=f"T{n + 1}"),
            MissionItem(16, 3, (0, 0, 0, 0), lon, end, 40.0, transect=f"T{n + 1}"),
            MissionItem(206, 2),
        ]
    ring = tuple((LON + x * 0.02, LAT + y * 0.02) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)))
    mission = Mission((*items, MissionItem(20, 2)), home=(LON, LAT), fence=(FencePolygon(ring, True),))
    return Sortie("S1", tuple(f"T{n + 1}" for n in range(lines)), mission, 0.0, 120.0, energy_share)


@contextmanager
def served(**options) -> Iterator[tuple[str, SimulatedClock, SimulatedVehicle]]:
    clock = SimulatedClock(START_S)
    vehicle = SimulatedVehicle(Home(LON, LAT, 1500.0), 5, start_time_utc_s=START_S, **options)
    with VehicleServer(vehicle, clock=clock) as server:
        yield server.address, clock, vehicle


class Fingers:
    """Types a key when something has been said."""

    def __init__(self, *script: tuple[str, str]) -> None:
        self._script, self._typed = list(script), ""

    def watch(self, event) -> None:
        if self._script and self._script[0][0] in event.text:
            self._typed += self._script.pop(0)[1]

    def __call__(self) -> str:
        typed, self._typed = self._typed, ""
        return typed


def flown(tmp_path: Path, plan: Sortie, *, fingers: Fingers | None = None, setup=None, vehicle=None, **options):
    setup = setup or FlightSetup()
    if fingers is not None:
        setup = replace(setup, keys=fingers)
    with served(**(vehicle or {})) as (url, clock, _):
        return fly_one(
            plan, url, out=tmp_path, clock=clock, setup=setup, on_event=fingers.watch if fingers else None, **options
        )


def texts(result: FlightResult, kind: str) -> list[str]:
    return [e.text for e in result.events if e.kind == kind]


def test_pause_and_continue_by_key_and_the_survey_is_whole(tmp_path: Path) -> None:
    result = flown(tmp_path, sortie(), fingers=Fingers(("transect T1", "p"), ("pause: accepted", "C")))
    assert texts(result, "order") == ["pause: accepted", "go on: accepted"]
    assert (result.outcome, result.gaps) == (Outcome.COMPLETED, ())


@pytest.mark.parametrize(
    ("key", "mode", "reason"),
    [("r", "RTL", "the operator had it return home"), ("l", "LAND", "the operator had it land")],
)
def test_home_or_down_by_key_cuts_the_flight_short_and_says_who_did(tmp_path: Path, key, mode, reason) -> None:
    result = flown(tmp_path, sortie(), fingers=Fingers(("transect T2", key)))
    assert (result.outcome, result.reason) == (Outcome.CUT_SHORT, reason)
    assert any(f"to {mode}" in t for t in texts(result, "mode"))
    assert {g.transect for g in result.gaps} == {"T2"}


def test_a_key_that_means_nothing_does_nothing(tmp_path: Path) -> None:
    result = flown(tmp_path, sortie(1), fingers=Fingers(("transect T1", "q\x1b[A7")))
    assert (result.outcome, texts(result, "order")) == (Outcome.COMPLETED, [])


def test_loading_is_cancelled_by_key_and_the_vehicle_holds_none(tmp_path: Path) -> None:
    with served() as (url, clock, vehicle):
        result = fly_one(sortie(30), url, out=tmp_path, clock=clock, setup=FlightSetup(keys=Typed("x")))
        assert len(vehicle.transfers.items[0]) <= 1
        assert not vehicle.armed
    assert result.outcome is Outcome.NOT_FLOWN
    assert "it was cancelled" in result.reason


class Typed:
    """One key, typed once, after so many looks."""

    def __init__(self, key: str, after: int = 0) -> None:
        self._key, self._left = key, after

    def __call__(self) -> str:
        self._left -= 1
        return self._key if self._left == -1 else ""


def test_too_much_wind_sends_it_home_and_says_so(tmp_path: Path) -> None:
    setup = FlightSetup(rules=AbortRules(max_wind_mps=6.0))
    result = flown(tmp_path, sortie(6, length_m=400.0), setup=setup, vehicle={"wind": Wind(9.0, 110.0)})
    assert result.outcome is Outcome.CUT_SHORT
    assert "more than 6 m/s" in result.reason
    assert texts(result, "abort") == [f"{result.reason}: it is sent home"]
    assert texts(result, "order") == ["return home: accepted"]
    assert result.gaps


def test_a_battery_that_would_not_bring_it_home_sends_it_home_in_time(tmp_path: Path) -> None:
    setup = FlightSetup(rules=AbortRules(least_charge=0.5))
    with served(battery_ah=2.5) as (url, clock, vehicle):
        result = fly_one(sortie(8, length_m=400.0), url, out=tmp_path, clock=clock, setup=setup)
        assert vehicle.flight.landed
    assert result.outcome is Outcome.CUT_SHORT
    assert "50% has to be left" in result.reason
    # What is left is what was asked for, give or take what the way home really took.
    assert 0.45 <= read_logbook(tmp_path)[0]["charge_after"] <= 0.7


def test_with_ample_limits_the_same_flight_is_completed(tmp_path: Path) -> None:
    setup = FlightSetup(rules=AbortRules(max_wind_mps=14.0, least_charge=0.1))
    result = flown(tmp_path, sortie(2), setup=setup, vehicle={"wind": Wind(9.0, 110.0)})
    assert (result.outcome, texts(result, "abort")) == (Outcome.COMPLETED, [])


def test_what_the_vehicle_does_without_us_is_told_when_it_falls_silent(tmp_path: Path) -> None:
    with served() as (url, clock, vehicle):
        take = vehicle.radio.take
        silent = [False]

        def hear(event) -> None:
            silent[0] = silent[0] or event.text.startswith("transect T1")

        vehicle.radio.take = lambda: take()[: 0 if silent[0] else None]
        result = fly_one(sortie(1), url, out=tmp_path, clock=clock, on_event=hear)
    assert result.outcome is Outcome.LOST
    assert "by its settings it returns home after 5 s without us" in texts(result, "link")[0]
    assert "nothing heard for 18" in result.reason


def test_settings_are_changed_only_with_consent_and_each_is_written_down_and_put_back(tmp_path: Path) -> None:
    asked = []
    plan = sortie(1)

    def ask(changes) -> bool:
        asked.append([(c.name, c.old, c.new) for c in changes])
        return len(asked) > 1

    with served(system_id=7) as (url, clock, vehicle):
        live = {"live": True, "system_id": 7, "setup": FlightSetup(consent=ask)}
        refused = fly_one(plan, url, out=tmp_path, clock=clock, **live)
        assert refused.outcome is Outcome.NOT_FLOWN
        assert vehicle.parameters["FS_GCS_ENABLE"] == 0
        agreed = fly_one(plan, url, out=tmp_path, clock=clock, **live)
        assert vehicle.parameters["FS_GCS_ENABLE"] == 1
        assert (
            asked[0]
            == asked[1]
            == [
                ("FS_GCS_ENABLE", 0.0, 1.0),
                ("BATT_FS_LOW_ACT", 0.0, 2.0),
                ("FENCE_ENABLE", 0.0, 1.0),
                ("FENCE_TYPE", 7.0, 4.0),
            ]
        )
        changes = [json.loads(line) for line in (agreed.log / "parameters.jsonl").read_text().splitlines()]
        assert [(c["name"], c["old"], c["new"]) for c in changes] == asked[1]
        assert changed_parameters(tmp_path, 7) == {
            "FS_GCS_ENABLE": 0.0,
            "BATT_FS_LOW_ACT": 0.0,
            "FENCE_ENABLE": 0.0,
        } | {"FENCE_TYPE": 7.0}
        with Link.connect(url, clock=clock) as link:
            said = []
            restore_parameters(link, tmp_path, lambda kind, text: said.append(text))
            assert "FS_GCS_ENABLE is 0 again" in said
            assert [vehicle.parameters[n] for n, _, _ in asked[1]] == [0, 0, 0, 7]
            assert restore_parameters(link, tmp_path, lambda kind, text: None) == {}
    assert changed_parameters(tmp_path, 8) == {}


def test_the_table_without_a_flight(tmp_path: Path) -> None:
    result = flown(tmp_path, sortie(1), setup=FlightSetup(check_only=True))
    assert result.outcome is Outcome.CHECKED
    assert {c.name: c.status.value for c in result.preflight.checks}["mission"] == "pass"
    assert result.captures == ()
    assert read_logbook(tmp_path) == ()


def test_a_check_that_is_flown_past_is_in_the_log_and_the_logbook(tmp_path: Path) -> None:
    result = flown(tmp_path, sortie(1), parameters={"FS_GCS_ENABLE": 0}, overrides=["gcs-failsafe"])
    assert result.outcome is Outcome.COMPLETED
    assert texts(result, "override") == [
        "gcs-failsafe failed, and is flown past: the vehicle flies on when it hears no ground station"
    ]
    assert read_logbook(tmp_path)[0]["overrides"] == "gcs-failsafe"


def test_a_test_picture_is_asked_for_reported_and_counts_for_nothing(tmp_path: Path) -> None:
    result = flown(tmp_path, sortie(1), setup=FlightSetup(test_camera=True))
    assert {c.name: c.status.value for c in result.preflight.checks}["camera"] == "pass"
    first, *others = result.captures
    assert (first.on_line, first.reason) == (False, "taken on the ground, before take-off")
    assert len(others) == 9
    assert all(c.on_line for c in others)


def test_the_logbook_says_who_flew_what_when_and_where(tmp_path: Path) -> None:
    crew = Crew(pilot="Neema", observer="Joseph", registration="5H-UAV1", battery="B4", purpose="census")
    result = flown(tmp_path, sortie(2), setup=FlightSetup(crew=crew))
    entry = read_logbook(tmp_path)[0]
    assert (entry["pilot"], entry["battery"], entry["sortie"], entry["simulated"]) == ("Neema", "B4", "S1", True)
    assert entry["autopilot"] == "ArduPilot multirotor"
    assert (entry["outcome"], entry["landings"], entry["frames"]) == ("completed", 1, len(result.captures))
    assert entry["departure_longitude_deg"] == pytest.approx(LON, abs=1e-5)
    assert entry["arrival_latitude_deg"] == pytest.approx(LAT, abs=1e-4)
    # Out to the lines, 200 m up and down them, 60 m across, and home.
    assert entry["distance_m"] == pytest.approx(54 + 2 * 200 + 60 + 80, rel=0.1)
    assert entry["highest_home_m"] == pytest.approx(40, abs=1.5)
    assert 60 < entry["seconds"] < 300
    assert entry["charge_before"] > entry["charge_after"]
    assert entry["used_mah"] > 0
    with (tmp_path / "logbook.csv").open(newline="") as file:
        assert [r["pilot"] for r in csv.DictReader(file)] == ["Neema"]


def test_each_line_says_how_far_the_flight_and_its_battery_have_come(tmp_path: Path) -> None:
    said = texts(flown(tmp_path, sortie(4)), "transect")
    assert [t.partition(":")[0] for t in said] == [f"transect T{n} ({n} of 4)" for n in (1, 2, 3, 4)]
    assert "75% flown; charge" in said[3]
    assert "the rest takes 5%" in said[3]
    assert "wind 0 m/s" in said[3]


def test_a_vehicle_behind_a_simulators_id_is_noticed_before_anything_is_armed(tmp_path: Path) -> None:
    # A router on this machine mixes two vehicles with one id: the simulator answers that it is one, and both obey.
    with served(system_id=7) as (url, clock, vehicle):
        real = mavutil.mavlink.MAVLink(None, srcSystem=7, srcComponent=1)
        step = vehicle.step

        def mixed(seconds: float) -> bytes:
            second = mavutil.mavlink.MAVLink_system_time_message(0, round(5e6 + vehicle.time_s * 1000))
            return step(seconds) + bytes(second.pack(real))

        vehicle.step = mixed
        result = fly_one(sortie(1), url, out=tmp_path, clock=clock, overrides=["aircraft"])
        assert not vehicle.armed
    assert result.outcome is Outcome.NOT_FLOWN
    assert "two vehicles speak as system 7" in result.reason


def test_a_heartbeat_alone_makes_no_simulator(tmp_path: Path) -> None:
    # Whatever the heartbeat says, only the parameter of a simulator that is reached on this machine counts.
    with served() as (url, clock, vehicle):
        vehicle.parameters._values.pop("SIM_SPEEDUP")
        vehicle.parameters._index.pop("SIM_SPEEDUP")
        heartbeat = vehicle.telemetry.heartbeat

        def hil() -> object:
            message = heartbeat()
            message.base_mode |= 32  # MAV_MODE_FLAG_HIL_ENABLED
            return message

        vehicle.telemetry._builders[0] = hil
        with pytest.raises(PreflightError, match="add --live --system-id"):
            fly_one(sortie(1), url, out=tmp_path, clock=clock)
        assert not vehicle.armed


def test_a_killed_program_leaves_everything_that_it_had_received(tmp_path: Path) -> None:
    mission = tmp_path / "line.waypoints"
    rows = [
        (0, 16, 0, 0, 0, 0, LAT, LON, 1500),
        (3, 22, 0, 0, 0, 0, LAT, LON, 20),
        (2, 178, 1, 10, -1, 0, 0, 0, 0),
        (3, 16, 0, 0, 0, 0, LAT + 0.0003, LON, 20),
        (2, 206, 10, 0, 1, 0, 0, 0, 0),
        (3, 16, 0, 0, 0, 0, LAT + 0.02, LON, 20),
        (2, 206, 0, 0, 0, 0, 0, 0, 0),
        (2, 20, 0, 0, 0, 0, 0, 0, 0),
    ]
    lines = ["\t".join(str(v) for v in (n, int(n == 0), *row, 1)) for n, row in enumerate(rows)]
    mission.write_text("QGC WPL 110\n" + "\n".join(lines) + "\n")
    vehicle = SimulatedVehicle(Home(LON, LAT, 1500.0), 5)
    with VehicleServer(vehicle, speed=30.0) as server:
        program = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "overfly",
                "fly",
                str(mission),
                "--connect",
                server.address,
                "--out",
                str(tmp_path / "f"),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        # Its events come as they happen: it is killed in the middle of its line.
        for line in program.stderr:
            if "transect" in line:
                break
        captures = tmp_path / "f/line/captures.jsonl"
        while program.poll() is None and captures.read_bytes().count(b"\n") < 5:
            pass
        program.send_signal(signal.SIGKILL)
        program.stderr.close()
        assert program.wait() == -signal.SIGKILL
    frames = read_captures(tmp_path / "f/line")
    assert len(frames) >= 5
    assert [c.index for c in frames] == list(range(1, len(frames) + 1))
    log = mavutil.mavlink_connection(str(tmp_path / "f/line/flight.tlog"), robust_parsing=True)
    told, numbers = [], []
    while (message := log.recv_match()) is not None:
        told.append(message.get_type())
        if message.get_type() == "CAMERA_FEEDBACK":
            numbers.append(message.img_idx)
    log.close()
    # What comes is logged first: the kill may have come before the last frame was noted, and before no other.
    assert numbers[: len(frames)] == [c.index for c in frames]
    assert len(numbers) <= len(frames) + 1
    assert told.count("BAD_DATA") <= 1
    events = [json.loads(line) for line in (tmp_path / "f/line/events.jsonl").read_text().splitlines()]
    assert events[-1]["kind"] != "end"
