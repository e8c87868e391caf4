"""Faults happen to a vehicle as they were asked for, in simulated time, the same each time."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.clock import SimulatedClock
from flightplan.errors import VehicleError
from flightplan.mission import Mission, MissionItem
from flightplan.vehicle.flight import put
from flightplan.vehicle.items import MISSION, WireItem, differences, mission_items
from flightplan.vehicle.link import Link
from flightplan.vehicle.transfer import Holding, TransferEnd
from sim.faults import Faults, FaultyLink, FaultyVehicle
from sim.vehicle import Home, SimulatedVehicle, VehicleServer

LON, LAT = 34.8333, -2.3333
HOME = Home(LON, LAT, 1500.0)
HEARTBEAT = mav.MAVLink_heartbeat_message(6, 8, 0, 0, 0, 3)
PACKER = mav.MAVLink(None, srcSystem=255, srcComponent=190)


def carried(faults: Faults, messages: int, seed: int = 1) -> list[tuple[float, int]]:
    """Send numbers a tenth of a second apart, and return when each arrived."""
    link: FaultyLink[int] = FaultyLink(faults, [seed])
    arrived = []
    for tick in range(messages + 100):
        if tick < messages:
            link.send(tick / 10, tick)
        arrived += [(tick / 10, number) for number in link.due(tick / 10)]
    assert link.next_s == float("inf")
    return arrived


def test_a_good_link_brings_everything_once_in_order_and_at_once() -> None:
    assert carried(Faults(), 50) == [(n / 10, n) for n in range(50)]


def test_a_late_link_brings_everything_late_and_in_order() -> None:
    assert carried(Faults(delay_s=0.3), 50) == [(pytest.approx(n / 10 + 0.3), n) for n in range(50)]


def test_shares_of_messages_are_lost_and_doubled() -> None:
    count = 4000
    lost = carried(Faults(loss=0.2), count)
    doubled = carried(Faults(double=0.1), count)
    # Five standard deviations of a binomial.
    assert len(lost) == pytest.approx(0.8 * count, abs=5 * np.sqrt(count * 0.16))
    assert len(doubled) == pytest.approx(1.1 * count, abs=5 * np.sqrt(count * 0.09))
    assert carried(Faults(loss=1.0), 20) == []


@given(st.integers(0, 1000))
def test_reordering_loses_nothing_and_holds_nothing_back_for_more_than_a_second(seed: int) -> None:
    arrived = carried(Faults(reorder=0.5), 60, seed)
    assert sorted(number for _, number in arrived) == list(range(60))
    assert [number for _, number in arrived] != list(range(60))
    assert all(0.0 <= at_s - number / 10 <= 1.1 for at_s, number in arrived)


def test_the_same_seed_brings_the_same() -> None:
    faults = Faults(loss=0.3, double=0.2, reorder=0.3)
    assert carried(faults, 200, 7) == carried(faults, 200, 7)
    assert carried(faults, 200, 7) != carried(faults, 200, 8)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("loss=0.2", Faults(loss=0.2)),
        ("loss=0.2, cut=30-45+60-70,refuse=7", Faults(loss=0.2, cut=((30, 45), (60, 70)), refuse=7)),
        ("gps=20-50,sag_s=120,sag_volts=9.5", Faults(gps=((20, 50),), sag_s=120, sag_volts=9.5)),
    ],
)
def test_faults_are_read_from_text(text: str, faults: Faults) -> None:
    assert Faults.parse(text) == faults


def test_faults_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "bad day.toml"
    path.write_text("loss = 0.1\ncut = [[30, 45]]\nrestart = 12\n")
    assert Faults.parse(str(path)) == Faults(loss=0.1, cut=((30.0, 45.0),), restart=12)


@pytest.mark.parametrize(
    "text", ["los=0.2", "loss=a lot", "loss=1.5", "cut=30", "delay_s=-1", "no such file", "gps=1-2-3"]
)
def test_faults_that_are_none_are_refused_in_words(text: str) -> None:
    with pytest.raises(VehicleError):
        Faults.parse(text)


def survey(count: int = 20) -> tuple[WireItem, ...]:
    way = [MissionItem(16, 3, (0, 0, 0, 0), LON + n * 1e-4, LAT, 80.0) for n in range(count)]
    return mission_items(
        Mission((MissionItem(22, 3, (0, 0, 0, 0), LON, LAT, 80.0), *way), home=(LON, LAT)), with_home=True
    )


def uploaded(faults: Faults, seed: int = 1) -> tuple[TransferEnd, tuple[WireItem, ...]]:
    """Upload over loopback in lockstep; return the end, and what the vehicle holds."""
    clock = SimulatedClock(1.79e9)
    vehicle = FaultyVehicle(HOME, seed, faults=faults)
    with VehicleServer(vehicle, clock=clock) as server, Link.connect(server.address, clock=clock) as link:
        end = put(link, survey(), MISSION)
        held = tuple(WireItem(i.command, i.frame, i.params, i.x, i.y, i.z) for i in vehicle.transfers.items[MISSION])
    return end, held


def is_exact(held: tuple[WireItem, ...]) -> bool:
    return differences(survey(), held, MISSION, ardupilot=True) == ()


@pytest.mark.parametrize(
    ("faults", "attempts"),
    [(Faults(), 1), (Faults(lost_acks=1), 1), (Faults(restart=9), 2), (Faults(loss=0.2, double=0.2, reorder=0.2), 1)],
)
def test_an_upload_over_a_socket_survives(faults: Faults, attempts: int) -> None:
    end, held = uploaded(faults)
    assert (end.holding, end.attempts) == (Holding.EXACTLY, attempts)
    assert is_exact(held)


def test_a_refused_item_is_named_and_nothing_is_left() -> None:
    end, held = uploaded(Faults(refuse=7))
    assert (end.holding, end.item) == (Holding.NONE, 7)
    assert len(held) <= 1


def boot(vehicle: SimulatedVehicle) -> None:
    while not vehicle.ready:
        vehicle.receive(HEARTBEAT.pack(PACKER))
        vehicle.step(1.0)


def arm(vehicle: SimulatedVehicle) -> None:
    boot(vehicle)
    for command, first, second in ((176, 1, 4), (400, 1, 0), (22, 0, 0)):
        vehicle.receive(mav.MAVLink_command_long_message(1, 1, command, 0, first, second, 0, 0, 0, 0, 30).pack(PACKER))
    assert vehicle.armed


def fly(vehicle: SimulatedVehicle, seconds: float) -> list[Any]:
    """Let it fly with a heartbeat a second; return what was heard."""
    heard, parser = [], mav.MAVLink(None)
    for _ in range(round(seconds)):
        vehicle.receive(HEARTBEAT.pack(PACKER))
        heard += parser.parse_buffer(vehicle.step(1.0)) or []
    return heard


def test_without_faults_it_says_what_the_plain_vehicle_says() -> None:
    said = []
    for vehicle in (SimulatedVehicle(HOME, 3), FaultyVehicle(HOME, 3, faults=Faults())):
        arm(vehicle)
        said.append([bytes(m.get_msgbuf()) for m in fly(vehicle, 20)])
        assert vehicle.received_count > 50
    assert said[0] == said[1]
    assert len(said[0]) > 20


def test_a_cut_link_is_silent_both_ways_and_the_vehicle_comes_home() -> None:
    vehicle = FaultyVehicle(HOME, 3, faults=Faults(cut=((20.0, 40.0),)), parameters={"FS_GCS_ENABLE": 1})
    arm(vehicle)
    assert fly(vehicle, 20)
    assert fly(vehicle, 19) == []
    texts = [m.text for m in fly(vehicle, 5) if m.get_type() == "STATUSTEXT"]
    assert vehicle.flight.mode == 6
    assert "GCS Failsafe Cleared" in texts


def test_a_position_is_lost_and_found_when_the_script_says_so() -> None:
    vehicle = FaultyVehicle(HOME, 3, faults=Faults(gps=((20.0, 40.0),)))
    arm(vehicle)
    seen = []
    for _ in range(3):
        fly(vehicle, 15)
        seen.append(vehicle.gps_fix)
    assert seen == [True, False, True]


def test_a_battery_sags_when_the_script_says_so() -> None:
    vehicle = FaultyVehicle(HOME, 3, faults=Faults(sag_s=20.0, sag_volts=9.9))
    arm(vehicle)
    fly(vehicle, 15)
    assert vehicle.battery.voltage > 11.0
    fly(vehicle, 10)
    assert vehicle.battery.voltage == pytest.approx(9.9, abs=0.1)


def test_a_camera_misses_its_share_of_shots_and_the_numbers_tell() -> None:
    vehicle = FaultyVehicle(HOME, 3, faults=Faults(shots=0.25))
    boot(vehicle)
    for _ in range(800):
        vehicle.shutter.fire()
    indices = [e.index for e in vehicle.exposures]
    assert vehicle.shutter.index == 800
    assert len(indices) == pytest.approx(600, abs=5 * np.sqrt(800 * 0.1875))
    assert indices == sorted(set(indices))


@pytest.fixture(scope="module")
def uploads(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("uploads")


def test_no_upload_of_two_hundred_items_over_a_bad_link_is_silently_different(uploads: ModuleType) -> None:
    found = uploads.run(20, 200, Faults(loss=0.2, double=0.2, reorder=0.2, delay_s=0.02), seed=5)
    assert found["silently different"] == 0
    assert found["exact"] >= 19
    assert found["exact"] + found["none"] + found["unknown"] == 20


def test_uploads_over_a_bad_link_and_sockets_end_the_same_way(uploads: ModuleType) -> None:
    found = uploads.run(2, 60, Faults(loss=0.2, double=0.2, reorder=0.2, delay_s=0.02), seed=5, sockets=True)
    assert found["exact"] == 2


def test_the_benchmark_finds_out_a_vehicle_that_holds_something_else(uploads: ModuleType) -> None:
    items = uploads.survey(np.random.default_rng(1), 20)
    end, vehicle, _ = uploads.upload(items, Faults(), 1)
    assert len(items) == 20
    assert uploads.judge(items, end, vehicle) == "exact"
    vehicle.items[MISSION].pop()
    assert uploads.judge(items, end, vehicle) == "silently different"
    assert uploads.judge(items, TransferEnd(Holding.UNKNOWN), vehicle) == "unknown"
    assert uploads.judge(items, TransferEnd(Holding.NONE), vehicle) == "silently different"
