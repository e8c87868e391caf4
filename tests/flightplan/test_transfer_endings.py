"""Uploads that are watched, stopped by hand, or meet a vehicle that is not done with an earlier one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.clock import SimulatedClock
from flightplan.mission import Mission, MissionItem
from flightplan.vehicle.items import FENCE, MISSION, WireItem, mission_items
from flightplan.vehicle.link import Link
from flightplan.vehicle.loading import put
from flightplan.vehicle.opaque import opaque_id
from flightplan.vehicle.transfer import Holding, Put
from sim.vehicle import KINDS, Home, SimulatedVehicle, VehicleServer
from sim.vehicle.px4.transfers import Px4Transfers

HOME = (34.8333, -2.3333)


def survey(count: int, *, height_m: float = 80.0, with_home: bool = False) -> tuple[WireItem, ...]:
    items = [MissionItem(22, 3, (0, 0, 0, 0), *HOME, height_m)]
    items += [MissionItem(16, 3, (0, 0, 0, 0), HOME[0] + n * 1e-4, HOME[1], height_m) for n in range(count - 1)]
    return mission_items(Mission(tuple(items), home=HOME), with_home=with_home)


@contextmanager
def served(kind: str = "copter") -> Iterator[tuple[Link, SimulatedVehicle]]:
    clock = SimulatedClock(1.79e9)
    vehicle = KINDS[kind](Home(*HOME, 1500.0))
    with VehicleServer(vehicle, clock=clock) as server, Link.connect(server.address, clock=clock) as link:
        yield link, vehicle


def test_progress_rises_to_the_end() -> None:
    told: list[float] = []
    with served() as (link, _):
        end = put(link, survey(120, with_home=True), MISSION, on_progress=told.append)
    assert end.holding is Holding.EXACTLY
    assert told == sorted(told)
    assert told[0] == 0.0
    assert told[-1] <= 1.0


def test_it_is_cancelled_by_the_operator_and_nothing_is_held() -> None:
    with served() as (link, vehicle):
        end = put(link, survey(50, with_home=True), MISSION, cancelled=lambda: True)
        assert len(vehicle.transfers.items[MISSION]) <= 1
    assert (end.holding, end.reason) == (Holding.NONE, "it was cancelled")


def test_ctrl_c_clears_what_has_arrived_before_it_ends_the_program() -> None:
    def interrupt(share: float) -> None:
        raise KeyboardInterrupt

    with served() as (link, vehicle):
        with pytest.raises(KeyboardInterrupt):
            put(link, survey(50, with_home=True), MISSION, on_progress=interrupt)
        assert len(vehicle.transfers.items[MISSION]) <= 1
        assert not vehicle.transfers.uploading


def test_a_refusal_names_the_item_on_px4_too() -> None:
    items = list(survey(10))
    items[6] = WireItem(31999, 3, (0.0, 0.0, 0.0, 0.0), 0, 0, 80.0)
    with served("px4") as (link, _):
        end = put(link, tuple(items), MISSION)
    assert (end.holding, end.item) == (Holding.NONE, 6)


def test_px4_gives_each_list_an_id_that_changes_with_it() -> None:
    with served("px4") as (link, _):
        first = put(link, survey(10), MISSION)
        assert link.wait_until(lambda: link.list_ids.get(MISSION) == first.opaque_id, 5.0)
        second = put(link, survey(10, height_m=60.0), MISSION)
        assert link.wait_until(lambda: link.list_ids.get(MISSION) == second.opaque_id, 5.0)
        assert FENCE not in link.list_ids
    assert first.opaque_id is not None
    assert first.opaque_id != second.opaque_id


def test_ardupilot_gives_none() -> None:
    with served() as (link, _):
        assert put(link, survey(10, with_home=True), MISSION).opaque_id is None


def test_an_id_whose_last_bytes_are_zero_is_read_from_a_shortened_packet() -> None:
    packer = mav.MAVLink(None, srcSystem=1, srcComponent=1)

    class Count(mav.MAVLink_mission_count_message):
        def pack(self, station, force_mavlink1=False):
            return self._pack(station, self.crc_extra, b"\x0a\x00\xff\xbe\x00\x2a\x01\x00\x00")

    packet = Count(255, 190, 10, 0).pack(packer)
    assert packet[1] == 7  # two zeros were left out
    assert opaque_id(packer.decode(bytearray(packet))) == 0x12A


class Px4:
    """PX4's half of the protocol, without a link between."""

    def __init__(self) -> None:
        self.said: list = []
        self.transfers = Px4Transfers(self.said.append, lambda severity, text: None, lambda kind: None)
        self._packer = mav.MAVLink(None, srcSystem=255, srcComponent=190)

    def take(self, messages, now_s: float) -> list:
        for message in messages:
            self.transfers.handle(self._packer.decode(bytearray(message.pack(self._packer))), now_s)
        said = [self._packer.decode(bytearray(m.pack(self._packer))) for m in self.said]
        self.said.clear()
        return said


@pytest.mark.parametrize("broken_off_after", [1, 5, 19])
def test_a_vehicle_still_busy_with_a_broken_upload_is_waited_for(broken_off_after: int) -> None:
    vehicle, items = Px4(), survey(20)
    # Another program began the same and died.
    dead = Put(items, MISSION, ardupilot=False)
    answers = vehicle.take(dead.start(0.0), 0.0)
    for _ in range(broken_off_after):
        answers = vehicle.take([m for a in answers for m in dead.receive(a, 0.0)], 0.0)
    upload, now_s = Put(items, MISSION, ardupilot=False), 0.1
    out = upload.start(now_s)
    while not upload.done and now_s < 300:
        heard = vehicle.take(out, now_s)
        out = [m for message in heard for m in upload.receive(message, now_s)]
        if not out:
            now_s = max(now_s + 0.01, min(upload.next_s, vehicle.transfers.ask_again_s))
            vehicle.transfers.tick(now_s)
            out = upload.tick(now_s)
    assert upload.end is not None
    assert upload.end.holding is Holding.EXACTLY
    assert [i.x for i in vehicle.transfers.items[MISSION]][-20:] == [i.x for i in items]
