"""Several simulated vehicles at once."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.clock import SimulatedClock
from flightplan.errors import VehicleError
from flightplan.mission import Mission, MissionItem
from flightplan.vehicle.flight import FlightResult, Outcome, fly_sortie
from flightplan.vehicle.link import Link
from sim.vehicle import KINDS, Fleet, Home, PositionError, SimulatedVehicle, Wind, line_up

HOME = Home(34.83, -2.33, 1500.0)
SAFE = {"AUTO_OPTIONS": 3, "FS_GCS_ENABLE": 1, "BATT_FS_LOW_ACT": 2}


def line(vehicle: SimulatedVehicle, length_m: float) -> Mission:
    """A mission of one line to the north of where a vehicle stands, photographed each 20 m."""
    start, end = vehicle.home.moved(40.0, 0.0), vehicle.home.moved(40.0 + length_m, 0.0)
    return Mission(
        (
            MissionItem(22, 3, (0, 0, 0, 0), vehicle.home.lon, vehicle.home.lat, 40.0),
            MissionItem(16, 3, (0, 0, 0, 0), start.lon, start.lat, 40.0),
            MissionItem(206, 2, (20, 0, 1, 0)),
            MissionItem(16, 3, (0, 0, 0, 0), end.lon, end.lat, 40.0),
            MissionItem(206, 2, (0, 0, 0, 0)),
            MissionItem(20, 2, (0, 0, 0, 0)),
        ),
        home=(vehicle.home.lon, vehicle.home.lat),
    )


def flown_together(folder: Path, count: int = 3) -> tuple[list[SimulatedVehicle], list[FlightResult]]:
    clock = SimulatedClock(1.79e9)
    vehicles = line_up(HOME, count, spacing_m=30.0, seed=4, parameters=SAFE)
    results: dict[int, FlightResult] = {}
    with Fleet(vehicles, clock=clock) as fleet:

        def fly(number: int) -> None:
            with Link.connect(fleet.addresses[number], clock=clock) as link:
                mission = line(vehicles[number], 60.0 + 20.0 * number)
                results[number] = fly_sortie(link, mission, log_folder=folder / str(number))

        threads = [threading.Thread(target=fly, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return vehicles, [results[number] for number in range(count)]


def test_three_vehicles_fly_three_missions_at_once_and_the_same_each_time(tmp_path: Path) -> None:
    vehicles, results = flown_together(tmp_path / "first")
    assert [r.outcome for r in results] == [Outcome.COMPLETED] * 3
    # Whoever is first on the ground rests until all are: one clock for all.
    assert len({v.elapsed_s for v in vehicles}) == 1
    frames = [[(e.index, e.lon, e.lat, e.time_s) for e in v.exposures] for v in vehicles]
    assert [len(f) for f in frames] == [4, 5, 6]
    again, _ = flown_together(tmp_path / "second")
    assert [[(e.index, e.lon, e.lat, e.time_s) for e in v.exposures] for v in again] == frames


def test_vehicles_stand_in_a_row_with_ids_and_seeds_of_their_own() -> None:
    vehicles = line_up(HOME, 3, spacing_m=25.0, seed=7)
    east_m = [(v.home.lon - HOME.lon) * 111_226 for v in vehicles]
    assert east_m == pytest.approx([0.0, 25.0, 50.0], abs=0.05)
    assert [v.parameters["MAV_SYSID"] for v in vehicles] == [1, 2, 3]


def systems(link: socket.socket, count: int) -> set[int]:
    """Return the first so many system ids heard on a socket."""
    link.settimeout(60)
    heard: set[int] = set()
    parser = mav.MAVLink(None)
    while len(heard) < count:
        heard |= {m.get_srcSystem() for m in parser.parse_buffer(link.recv(4096)) or ()}
    return heard


def test_over_tcp_each_has_a_port() -> None:
    with Fleet(line_up(HOME, 3), speed=20.0) as fleet:
        assert len(set(fleet.addresses)) == 3
        links = [socket.create_connection(("127.0.0.1", int(a.rsplit(":", 1)[1])), 60) for a in fleet.addresses]
        try:
            assert [systems(link, 1) for link in links] == [{1}, {2}, {3}]
        finally:
            for link in links:
                link.close()


def test_a_named_tcp_port_is_followed_by_every_tenth(free_port: Callable[..., int]) -> None:
    port = free_port(10)
    with Fleet(line_up(HOME, 2), f"tcp:127.0.0.1:{port}") as fleet:
        assert fleet.addresses == (f"tcp:127.0.0.1:{port}", f"tcp:127.0.0.1:{port + 10}")


def test_over_udp_all_speak_to_the_one_ground_station() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ground:
        ground.bind(("127.0.0.1", 0))
        with Fleet(line_up(HOME, 4), f"udp:127.0.0.1:{ground.getsockname()[1]}", speed=20.0):
            assert systems(ground, 4) == {1, 2, 3, 4}


def test_a_vehicle_flies_on_when_its_ground_station_hangs_up() -> None:
    vehicle = SimulatedVehicle(HOME)
    with Fleet([vehicle], speed=200.0) as fleet:
        port = int(fleet.addresses[0].rsplit(":", 1)[1])
        socket.create_connection(("127.0.0.1", port), 60).close()
        with socket.create_connection(("127.0.0.1", port), 60) as again:
            parser, beats = mav.MAVLink(None), 0
            while beats < 5:
                beats += sum(m.get_type() == "HEARTBEAT" for m in parser.parse_buffer(again.recv(4096)) or ())
    assert vehicle.time_s > 4.0


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_same_seed_says_the_same_and_another_something_else(kind: str) -> None:
    said = []
    for seed in (5, 5, 6):
        vehicle = KINDS[kind](HOME, seed, wind=Wind(5.0, 40.0, 1.0), position_error=PositionError(1.0, 0.5))
        said.append(hashlib.sha256())
        for message in (None, (176, 1, *((4, 2) if kind == "px4" else (vehicle.modes.guided,))), (400, 1)):
            for _ in range(45 if message is None else 1):
                said[-1].update(vehicle.step(1.0))
            if message is not None:
                number, *params = message
                filled = [*params, *[0.0] * (7 - len(params))]
                command = mav.MAVLink_command_long_message(1, 1, number, 0, *filled)
                vehicle.receive(command.pack(mav.MAVLink(None, srcSystem=255)))
        assert vehicle.armed
        vehicle.telemetry.every(33, 0.5)
        said[-1].update(vehicle.step(5.0))
    assert said[0].digest() == said[1].digest() != said[2].digest()


def test_a_fleet_of_none_is_refused() -> None:
    with pytest.raises(VehicleError, match="no vehicle"):
        Fleet([])
