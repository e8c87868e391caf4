"""A program that watched a flight was ended: the next one finds the vehicle in the air, and joins it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flightplan.clock import SimulatedClock
from flightplan.errors import PreflightError
from flightplan.mission import Mission, MissionItem
from flightplan.plan import Sortie
from flightplan.vehicle.attach import logged_sorties
from flightplan.vehicle.campaign import fly_one
from flightplan.vehicle.flight import Outcome
from flightplan.vehicle.logs import read_captures
from sim.vehicle import Fleet, Home, SimulatedVehicle

LON, LAT, METRES = 34.8333, -2.3333, 111_319.49
START_S = 1_790_000_000.0
FRAMES = 16


def sortie(name: str = "S1", length_m: float = 187.5) -> Sortie:
    """Two lines to the north and back, a frame each 25 m."""
    items = [MissionItem(22, 3, (0, 0, 0, 0), LON, LAT, 60.0), MissionItem(178, 2, (1, 10, -1, 0))]
    for n in range(2):
        ends = [LAT + 40 / METRES, LAT + (40 + length_m) / METRES]
        start, end = ends if n % 2 == 0 else reversed(ends)
        lon = LON + 60 * n / METRES
        items += [
            MissionItem(16, 3, (0, 0, 0, 0), lon, start, 60.0),
            MissionItem(206, 2, (25.0, 0, 1, 0), transect=f"T{n + 1}"),
            MissionItem(16, 3, (0, 0, 0, 0), lon, end, 60.0, transect=f"T{n + 1}"),
            MissionItem(206, 2),
        ]
    mission = Mission((*items, MissionItem(20, 2)), home=(LON, LAT))
    return Sortie(name, ("T1", "T2"), mission, 0.0, 0.0, 0.2)


class KilledError(Exception):
    """The end of the program, as a flight sees it."""


def kill_at(frame: int) -> Callable:
    def die(capture) -> None:
        if capture.index == frame:
            raise KilledError

    return die


def watched_until(frame: int, out: Path, fleet: Fleet, clock: SimulatedClock) -> None:
    """Fly, and be ended at a frame."""
    with pytest.raises(KilledError):
        fly_one(sortie(), fleet.addresses[0], out=out, clock=clock, on_capture=kill_at(frame))


def test_a_vehicle_found_in_the_air_with_our_mission_is_watched_to_its_landing(tmp_path: Path) -> None:
    clock = SimulatedClock(START_S)
    vehicle = SimulatedVehicle(Home(LON, LAT, 1500.0), 5, start_time_utc_s=START_S)
    with Fleet([vehicle], clock=clock) as fleet:
        watched_until(5, tmp_path, fleet, clock)
        result = fly_one(sortie("S2", 50.0), fleet.addresses[0], out=tmp_path, clock=clock, others=[sortie()])
    assert result.outcome is Outcome.COMPLETED
    assert result.log == tmp_path / "S1"
    assert result.transfers == {}
    assert result.events[0].kind == "attached"
    seen = [c.index for folder in ("S1.1", "S1") for c in read_captures(tmp_path / folder) if c.on_line]
    assert len(vehicle.exposures) == FRAMES
    # One may have been taken while nobody listened.
    assert seen == sorted(set(seen))
    assert FRAMES - 1 <= len(seen) <= FRAMES
    summary = json.loads((tmp_path / "S1" / "flight.json").read_text())
    assert (summary["sortie"], summary["attached"]) == ("S1", True)


def test_what_it_flies_is_known_from_the_log_of_the_ended_program(tmp_path: Path) -> None:
    clock = SimulatedClock(START_S)
    vehicle = SimulatedVehicle(Home(LON, LAT, 1500.0), 5, start_time_utc_s=START_S)
    with Fleet([vehicle], clock=clock) as fleet:
        watched_until(9, tmp_path, fleet, clock)
        assert [s.identifier for s in logged_sorties(tmp_path)] == ["S1"]
        vehicle.change_mode(6)  # somebody sends it home meanwhile
        result = fly_one(sortie("another", 50.0), fleet.addresses[0], out=tmp_path, clock=clock)
    assert result.log.name == "S1"
    assert result.outcome is Outcome.CUT_SHORT
    assert not vehicle.armed


def test_a_vehicle_in_the_air_with_a_mission_of_others_is_left_alone(tmp_path: Path) -> None:
    clock = SimulatedClock(START_S)
    vehicle = SimulatedVehicle(Home(LON, LAT, 1500.0), 5, start_time_utc_s=START_S)
    with Fleet([vehicle], clock=clock) as fleet:
        watched_until(3, tmp_path / "elsewhere", fleet, clock)
        held = list(vehicle.transfers.items[0])
        with pytest.raises(PreflightError, match=r"a mission of 12 items that is none of S2"):
            fly_one(sortie("S2", 50.0), fleet.addresses[0], out=tmp_path / "here", clock=clock)
    assert vehicle.armed
    assert vehicle.transfers.items[0] == held
    assert not (tmp_path / "here").exists()


def test_a_damaged_note_of_a_sortie_is_no_sortie(tmp_path: Path) -> None:
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"identifier": 3}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sortie.json").write_text(text)
    assert logged_sorties(tmp_path) == ()


class Reordering(SimulatedVehicle):
    """A vehicle over a link that hands over one old heartbeat, from before it was armed, just after a later one."""

    def __init__(self, *args, **more) -> None:
        super().__init__(*args, **more)
        self.kept, self.sent = b"", False

    def step(self, dt_s: float = 0.02) -> bytes:
        said = super().step(dt_s)
        packets = _packets(said)
        if not self.armed:
            self.kept = next((p for p in packets if p[7:10] == b"\0\0\0"), self.kept)
        elif not self.sent and any(p[7:10] == b"\0\0\0" for p in packets):
            self.sent = True
            return said + self.kept
        return said


def _packets(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        size = 12 + data[at + 1]
        found.append(data[at : at + size])
        at += size
    return found


def test_a_heartbeat_that_was_overtaken_does_not_end_a_flight(tmp_path: Path) -> None:
    clock = SimulatedClock(START_S)
    vehicle = Reordering(Home(LON, LAT, 1500.0), 5, start_time_utc_s=START_S)
    with Fleet([vehicle], clock=clock) as fleet:
        result = fly_one(sortie(), fleet.addresses[0], out=tmp_path, clock=clock)
    assert vehicle.sent
    assert result.outcome is Outcome.COMPLETED
    assert len(result.captures) == FRAMES
