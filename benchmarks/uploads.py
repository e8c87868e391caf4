"""Upload missions over a link that loses, doubles and reorders messages, in simulated time, and count the ends.

The ground station's and the simulated autopilot's halves of the mission protocol talk to each other without sockets.
What the vehicle holds is then compared with what was sent, by another way than the protocol's own read-back.

    python benchmarks/uploads.py --uploads 1000 --items 200 --loss 0.2 --double 0.2 --reorder 0.2
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from typing import Any

import numpy as np
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.clock import SimulatedClock
from flightplan.mission import Mission, MissionItem
from flightplan.vehicle.flight import put
from flightplan.vehicle.items import MISSION, WireItem, mission_items
from flightplan.vehicle.link import Link
from flightplan.vehicle.transfer import Holding, Put, TransferEnd
from sim.faults import FAULTY, Faults, FaultyLink
from sim.vehicle import Home, VehicleServer
from sim.vehicle.px4.transfers import Px4Transfers
from sim.vehicle.transfers import Transfers

AT_MOST_S = 7200.0


def survey(rng: np.random.Generator, count: int, kind: str = "copter") -> tuple[WireItem, ...]:
    """Return the items of a drawn survey of lines, home first where the vehicle wants it, `count` with it."""
    longitude, latitude = rng.uniform(-170, 170), rng.uniform(-60, 60)
    items = [MissionItem(22, 3, (0, 0, 0, 0), longitude, latitude, 80.0), MissionItem(178, 2, (1, 12, -1, 0))]
    while len(items) < count:
        longitude, north = longitude + 0.002, latitude + rng.uniform(0.002, 0.02)
        height_m = float(np.round(rng.uniform(40, 120), 2))
        items += [
            MissionItem(16, 3, (0, 0, 0, 0), longitude, latitude, height_m),
            MissionItem(206, 2, (float(np.round(rng.uniform(10, 60), 1)), 0, 1, 0)),
            MissionItem(16, 3, (0, 0, 0, 0), longitude, north, height_m),
            MissionItem(206, 2),
        ]
    with_home = kind != "px4"
    mission = Mission((*items[: count - 1 - with_home], MissionItem(20, 2)), home=(float(longitude), latitude))
    return mission_items(mission, with_home=with_home)


def upload(
    items: tuple[WireItem, ...], faults: Faults, seed: int, kind: str = "copter"
) -> tuple[TransferEnd | None, Transfers, float]:
    """Hold one upload to its end; return the end, the vehicle's half with what it holds, and the seconds it took."""
    said: list[Any] = []
    make = Px4Transfers if kind == "px4" else Transfers
    vehicle = make(said.append, lambda severity, text: None, lambda kind: None)
    up: FaultyLink[Any] = FaultyLink(faults, [seed, 1])
    down: FaultyLink[Any] = FaultyLink(faults, [seed, 2])
    packer = mav.MAVLink(None, srcSystem=255, srcComponent=190)
    put = Put(items, MISSION, ardupilot=kind != "px4")

    def post(link: FaultyLink[Any], messages: list[Any]) -> None:
        for message in messages:
            link.send(now_s, message)

    now_s = 0.0
    post(up, put.start(now_s))
    while not put.done and now_s < AT_MOST_S:
        now_s = max(now_s, min(put.next_s, vehicle.ask_again_s, up.next_s, down.next_s))
        for message in up.due(now_s):
            vehicle.handle(packer.decode(bytearray(message.pack(packer))), now_s)
        vehicle.tick(now_s)
        post(down, said)
        said.clear()
        for message in down.due(now_s):
            # Through bytes, as over a socket: PX4's ids are read from the packet.
            post(up, put.receive(packer.decode(bytearray(message.pack(packer))), now_s))
        post(up, put.tick(now_s))
    return put.end, vehicle, now_s


def upload_over_socket(
    items: tuple[WireItem, ...], faults: Faults, seed: int, kind: str = "copter"
) -> tuple[TransferEnd | None, Transfers, float]:
    """Do the same over TCP on loopback, in lockstep, with the whole link and vehicle."""
    clock = SimulatedClock(1.79e9)
    vehicle = FAULTY[kind](Home(34.8333, -2.3333, 1500.0), seed, faults=faults)
    with (
        VehicleServer(vehicle, clock=clock) as server,
        Link.connect(server.address, clock=clock, timeout_s=60.0) as link,
    ):
        began_s = clock.now_s()
        end = put(link, items, MISSION, timeout_s=AT_MOST_S)
        took_s = clock.now_s() - began_s
    return end, vehicle.transfers, took_s


def judge(items: tuple[WireItem, ...], end: TransferEnd | None, vehicle: Transfers) -> str:
    """Return "exact", "none" or "unknown" as the operator was told, or "silently different" when that is not so."""
    if end is None or end.holding is Holding.UNKNOWN:
        return "unknown"
    held = [(i.command, i.x, i.y, round(i.z, 2)) for i in vehicle.items[MISSION]]
    if end.holding is Holding.NONE:
        return "none" if len(held) <= 1 else "silently different"
    sent = [(i.command, i.x, i.y, round(i.z, 2)) for i in items]
    triggers = [i.params[0] for i in vehicle.items[MISSION] if i.command == 206]
    wanted = [float(np.float32(i.params[0])) for i in items if i.command == 206]
    first = 1 if sent[0][0] == 16 else 0  # home; a vehicle keeps its own, and before all items in any case
    return "exact" if held[1:] == sent[first:] and np.allclose(triggers, wanted, atol=1e-4) else "silently different"


def run(
    uploads: int, items: int, faults: Faults, seed: int, *, sockets: bool = False, kind: str = "copter"
) -> dict[str, Any]:
    """Do many uploads, in process or over `sockets`, and return how they ended."""
    ends: Counter[str] = Counter(dict.fromkeys(("exact", "none", "unknown", "silently different"), 0))
    seconds, attempts, began = [], [], time.monotonic()
    for number in range(uploads):
        wanted = survey(np.random.default_rng([seed, number]), items, kind)
        end, vehicle, took_s = (upload_over_socket if sockets else upload)(
            wanted, faults, seed * 1_000_003 + number, kind
        )
        ends[judge(wanted, end, vehicle)] += 1
        seconds.append(took_s)
        attempts.append(end.attempts if end else 0)
    return {
        "uploads": uploads,
        "items": items,
        "kind": kind,
        "over": "loopback TCP" if sockets else "simulated time only",
        "loss": faults.loss,
        "double": faults.double,
        "reorder": faults.reorder,
        "delay_s": faults.delay_s,
        "seed": seed,
        **ends,
        "exact_share": ends["exact"] / uploads,
        "simulated_s": {"median": float(np.median(seconds)), "longest": float(np.max(seconds))},
        "attempts": {str(n): attempts.count(n) for n in sorted(set(attempts))},
        "wall_s": round(time.monotonic() - began, 1),
    }


def main() -> int:
    """Print the ends as one JSON document; exit code 1 when one was silently different."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--loss", type=float, default=0.2)
    parser.add_argument("--double", type=float, default=0.2)
    parser.add_argument("--reorder", type=float, default=0.2)
    parser.add_argument("--delay", type=float, default=0.02, metavar="S")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sockets", action="store_true", help="over TCP on loopback, in lockstep: slower")
    parser.add_argument("--kind", choices=["copter", "plane", "px4"], default="copter")
    asked = parser.parse_args()
    faults = Faults(loss=asked.loss, double=asked.double, reorder=asked.reorder, delay_s=asked.delay)
    found = run(asked.uploads, asked.items, faults, asked.seed, sockets=asked.sockets, kind=asked.kind)
    print(json.dumps(found, indent=1))
    return 1 if found["silently different"] else 0


if __name__ == "__main__":
    sys.exit(main())
