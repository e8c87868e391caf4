"""Transfers: whatever the link does, the operator is told what the vehicle holds."""

import gzip
import heapq
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.mission import FencePolygon, Mission, MissionItem, RallyPoint
from flightplan.vehicle.items import (
    FENCE,
    MISSION,
    RALLY,
    WireItem,
    differences,
    fence_items,
    mission_items,
    rally_items,
)
from flightplan.vehicle.transfer import Holding, Put, TransferEnd
from sim.vehicle.transfers import Transfers

HOME = (34.8333, -2.3333)


def survey(lines: int) -> Mission:
    items = [MissionItem(22, 3, (0, 0, 0, 0), *HOME, 80.0), MissionItem(178, 2, (1, 10, -1, 0))]
    for n in range(lines):
        lon = HOME[0] + n * 5e-4
        items += [
            MissionItem(16, 3, (0, 0, 0, 0), lon, HOME[1], 80.0),
            MissionItem(206, 2, (25.5, 0, 1, 0)),
            MissionItem(16, 3, (0, 0, 0, 0), lon, HOME[1] + 3e-3, 80.0),
            MissionItem(206, 2),
        ]
    ring = ((34.82, -2.34), (34.85, -2.34), (34.85, -2.32), (34.82, -2.32))
    return Mission(
        (*items, MissionItem(20, 2)),
        home=HOME,
        fence=(FencePolygon(ring, True), FencePolygon(ring[:3], False)),
        rally=(RallyPoint(*HOME, 60.0),),
    )


class Vehicle:
    """The embedded autopilot's half of the protocol; `hears` and `says` may change or swallow messages."""

    def __init__(self) -> None:
        self.out: list = []
        self.transfers = Transfers(self.out.append, lambda severity, text: None, lambda kind: None)
        self.packer = mav.MAVLink(None, srcSystem=255, srcComponent=190)
        self.hears: Callable = lambda m: [m]
        self.says: Callable = lambda m: [m]

    def take(self, message, now_s: float) -> list:
        for heard in self.hears(message):
            self.transfers.handle(self.packer.decode(bytearray(heard.pack(self.packer))), now_s)
        return self.drain()

    def tick(self, now_s: float) -> list:
        self.transfers.tick(now_s)
        return self.drain()

    def drain(self) -> list:
        said = [m for message in self.out for m in self.says(message)]
        self.out.clear()
        return said


class Air:
    """A link in simulated time that loses, doubles and delays (so reorders) messages each way."""

    def __init__(self, seed: int, *, loss: float = 0.0, double: float = 0.0, late_s: float = 0.0) -> None:
        self.rng = np.random.default_rng([seed])
        self.loss, self.double, self.late_s = loss, double, late_s
        self.queue: list = []
        self.order = count()

    def carry(self, now_s: float, to: str, messages: list) -> None:
        for message in messages:
            if self.rng.random() < self.loss:
                continue
            for _ in range(1 + (self.rng.random() < self.double)):
                delay_s = 0.01 + self.late_s * self.rng.random()
                heapq.heappush(self.queue, (now_s + delay_s, next(self.order), to, message))


def hold(
    put: Put, vehicle: Vehicle, air: Air | None = None, *, within_s: float = 3000.0, on_message=None
) -> TransferEnd:
    """Let a transfer run to its end in simulated time."""
    air = air or Air(0)
    now_s = 0.0
    air.carry(now_s, "vehicle", put.start(now_s))
    while not put.done:
        ask_s = vehicle.transfers._upload.ask_again_s if vehicle.transfers._upload else float("inf")
        due_s = air.queue[0][0] if air.queue else float("inf")
        now_s = max(now_s, min(put.next_s, ask_s, due_s))
        assert now_s < within_s, "the transfer does not end"
        if due_s <= now_s:
            _, _, to, message = heapq.heappop(air.queue)
            if to == "vehicle":
                air.carry(now_s, "station", vehicle.take(message, now_s))
            else:
                if on_message:
                    air.carry(now_s, "vehicle", on_message(message, now_s))
                air.carry(now_s, "vehicle", put.receive(message, now_s))
        elif ask_s <= now_s:
            air.carry(now_s, "station", vehicle.tick(now_s))
        else:
            air.carry(now_s, "vehicle", put.tick(now_s))
    return put.end


def held(vehicle: Vehicle, kind: int) -> tuple[WireItem, ...]:
    return tuple(WireItem(i.command, i.frame, i.params, i.x, i.y, i.z) for i in vehicle.transfers.items[kind])


def put_mission(vehicle: Vehicle, mission: Mission, **options) -> TransferEnd:
    items = mission_items(mission, with_home=True)
    return hold(Put(items, MISSION, ardupilot=True), vehicle, **options)


def with_item(mission: Mission, number: int, **changes) -> Mission:
    items = list(mission.items)
    items[number - 1] = replace(items[number - 1], **changes)
    return replace(mission, items=tuple(items))


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        (MISSION, mission_items(survey(4), with_home=True)),
        (FENCE, fence_items(survey(1))),
        (RALLY, rally_items(survey(1))),
    ],
)
def test_a_vehicle_holds_exactly_what_was_uploaded(kind: int, items: tuple[WireItem, ...]) -> None:
    vehicle = Vehicle()
    assert hold(Put(items, kind, ardupilot=True), vehicle) == TransferEnd(Holding.EXACTLY)
    assert differences(items, held(vehicle, kind), kind, ardupilot=True) == ()
    assert len(held(vehicle, kind)) == len(items)


@pytest.mark.parametrize("seed", range(25))
def test_no_upload_over_a_bad_link_ends_silently_different(seed: int) -> None:
    mission, vehicle = survey(8), Vehicle()
    items = mission_items(mission, with_home=True)
    air = Air(seed, loss=0.2, double=0.1, late_s=0.6)
    end = hold(Put(items, MISSION, ardupilot=True), vehicle, air)
    if end.holding is Holding.EXACTLY:
        assert differences(items, held(vehicle, MISSION), MISSION, ardupilot=True) == ()
    elif end.holding is Holding.NONE:
        assert len(held(vehicle, MISSION)) <= 1
    else:
        assert end.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"latitude_deg": 95.0}, "latitude"),
        ({"longitude_deg": 190.0}, "longitude"),
        ({"command": 31999}, "command"),
        ({"frame": 250}, "frame"),
    ],
)
def test_a_refusal_names_its_reason_and_item_and_leaves_no_mission(changes: dict, reason: str) -> None:
    vehicle = Vehicle()
    assert put_mission(vehicle, survey(3)).holding is Holding.EXACTLY
    end = put_mission(vehicle, with_item(survey(4), 9, **changes))
    assert (end.holding, end.item, end.attempts) == (Holding.NONE, 9, 1)
    assert reason in end.reason
    assert held(vehicle, MISSION) == ()


def test_a_mission_too_long_is_refused_in_words() -> None:
    vehicle = Vehicle()
    end = put_mission(vehicle, survey(200))
    assert end.holding is Holding.NONE
    assert "no space" in end.reason
    assert end.item is None


def test_a_fence_with_a_wrong_count_is_refused_and_none_is_held() -> None:
    vehicle, items = Vehicle(), fence_items(survey(1))
    broken = tuple(replace(i, params=(5.0, 0, 0, 0)) for i in items[:4])
    end = hold(Put(broken, FENCE, ardupilot=True), vehicle)
    assert end.holding is Holding.NONE
    assert held(vehicle, FENCE) == ()


def test_the_last_acknowledgement_may_be_lost() -> None:
    vehicle = Vehicle()
    lost: list = []
    vehicle.says = lambda m: lost.append(m) or [] if m.get_type() == "MISSION_ACK" and not lost else [m]
    assert put_mission(vehicle, survey(4)) == TransferEnd(Holding.EXACTLY)
    assert len(lost) == 1


def test_a_last_item_that_never_arrives_is_no_success() -> None:
    # dronekit-python reports this as success, and the vehicle holds nothing of use.
    vehicle, mission = Vehicle(), survey(4)
    last = len(mission.items)
    vehicle.hears = lambda m: [] if m.get_type() == "MISSION_ITEM_INT" and m.seq == last else [m]
    end = put_mission(vehicle, mission)
    assert end.holding is Holding.NONE
    assert end.attempts == 3
    assert held(vehicle, MISSION) == ()


def test_a_vehicle_that_keeps_fewer_items_and_says_yes_is_found_out() -> None:
    vehicle = Vehicle()

    def shorten(message) -> list:
        if message.get_type() == "MISSION_ACK" and len(vehicle.transfers.items[MISSION]) > 10:
            del vehicle.transfers.items[MISSION][10:]
        return [message]

    vehicle.says = shorten
    end = put_mission(vehicle, survey(4))
    assert end.holding is Holding.NONE
    assert "10 items came back for 20" in end.reason


def test_a_vehicle_that_never_answers_leaves_it_unknown_in_bounded_time() -> None:
    vehicle = Vehicle()
    vehicle.hears = lambda m: []
    end = put_mission(vehicle, survey(4), within_s=200.0)
    assert end.holding is Holding.UNKNOWN
    assert end.reason == "the vehicle did not ask for any item"


def test_a_vehicle_that_does_not_forget_leaves_it_unknown() -> None:
    vehicle = Vehicle()
    vehicle.hears = lambda m: [] if m.get_type() == "MISSION_CLEAR_ALL" else [m]
    end = put_mission(vehicle, with_item(survey(4), 9, command=31999))
    assert end.holding is Holding.UNKNOWN
    assert end.item == 9


def test_a_vehicle_restarted_in_the_middle_is_uploaded_again() -> None:
    vehicle, done = Vehicle(), []

    def restart(message) -> list:
        if message.get_type() == "MISSION_ITEM_INT" and message.seq == 7 and not done:
            done.append(True)
            vehicle.transfers._upload = None
            vehicle.transfers.items[MISSION].clear()
            return []
        return [message]

    vehicle.hears = restart
    end = put_mission(vehicle, survey(4))
    assert (end.holding, end.attempts) == (Holding.EXACTLY, 2)


def test_a_cancelled_upload_is_cleared() -> None:
    vehicle = Vehicle()
    put = Put(mission_items(survey(4), with_home=True), MISSION, ardupilot=True)

    def cancel(message, now_s: float) -> list:
        return put.cancel(now_s) if message.get_type() == "MISSION_REQUEST" and message.seq == 6 else []

    end = hold(put, vehicle, on_message=cancel)
    assert end.holding is Holding.NONE
    assert "cancelled" in end.reason
    assert held(vehicle, MISSION) == ()


def test_a_vehicle_that_asks_for_integer_items_gets_them() -> None:
    vehicle = Vehicle()

    def integer(m) -> list:
        if m.get_type() != "MISSION_REQUEST":
            return [m]
        return [mav.MAVLink_mission_request_int_message(m.target_system, m.target_component, m.seq, m.mission_type)]

    vehicle.says = integer
    assert put_mission(vehicle, survey(4)) == TransferEnd(Holding.EXACTLY)


def test_an_empty_list_is_none_held_and_read_back() -> None:
    vehicle = Vehicle()
    assert hold(Put(fence_items(survey(1)), FENCE, ardupilot=True), vehicle).holding is Holding.EXACTLY
    assert hold(Put((), FENCE, ardupilot=True), vehicle) == TransferEnd(Holding.EXACTLY)
    assert held(vehicle, FENCE) == ()


@pytest.mark.parametrize(
    ("place", "changes", "words"),
    [
        (3, {"x": -23300000}, "item 3: position"),
        (3, {"z": 70.0}, "item 3: height 70 m instead of 80 m"),
        (3, {"frame": 0}, "item 3: frame 0 instead of 3"),
        (4, {"params": (25.0, 0, 1, 0)}, "item 4: parameter 1 is 25 instead of 25.5"),
        (4, {"command": 178}, "item 4: command 178 instead of 206"),
    ],
)
def test_what_differs_is_named(place: int, changes: dict, words: str) -> None:
    sent = mission_items(survey(2), with_home=True)
    read = tuple(replace(i, **changes) if n == place else i for n, i in enumerate(sent))
    found = differences(sent, read, MISSION, ardupilot=True)
    assert len(found) == 1
    assert found[0].startswith(words)


@given(
    command=st.sampled_from([16, 22, 178, 206, 20]),
    height_m=st.floats(0, 500, width=32),
    shift=st.integers(-1, 1),
    param=st.floats(-1000, 1000, width=32),
)
def test_what_an_ardupilot_drops_or_rounds_means_the_same(
    command: int, height_m: float, shift: int, param: float
) -> None:
    sent = WireItem(command, 3, (3.0, 0.0, 0.0, float("nan")), -23333000, 348333000, height_m)
    read = WireItem(command, 3, (3.0, 0.0, 0.0, param), -23333000 + shift, 348333000, round(height_m, 2))
    home = WireItem(16, 0, (0, 0, 0, 0))
    moved = replace(home, x=5, z=1500.09)
    assert differences((home, sent), (moved, read), MISSION, ardupilot=True) == ()


def test_what_a_real_autopilot_gave_back_means_what_was_sent(shared_data: Path) -> None:
    sent: dict[int, dict[int, WireItem]] = {MISSION: {}, FENCE: {}, RALLY: {}}
    read: dict[int, dict[int, WireItem]] = {MISSION: {}, FENCE: {}, RALLY: {}}
    with gzip.open(shared_data / "autopilot" / "mission_protocol.jsonl.gz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            if row["msg"] == "MISSION_ITEM_INT":
                values = [row[f"param{n}"] for n in range(1, 5)]
                item = WireItem(row["command"], row["frame"], tuple(values), row["x"], row["y"], row["z"])
                (sent if row["dir"] == "tx" else read)[row["mission_type"]].setdefault(row["seq"], item)
    for kind, length in ((MISSION, 20), (FENCE, 5), (RALLY, 1)):
        mine, theirs = (tuple(i for _, i in sorted(d[kind].items())) for d in (sent, read))
        assert len(theirs) == length
        assert differences(mine, theirs, kind, ardupilot=True) == ()
    assert differences(mine, theirs, RALLY, ardupilot=False) == ()
