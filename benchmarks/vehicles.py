"""How fast the simulated vehicle is: simulated seconds per wall second, and vehicles at real time on one core.

    python benchmarks/vehicles.py [--kind copter] [--minutes 5] [--fleet 100]

One vehicle flies a survey at full fidelity (gusts, position errors, a fence, all streams that `overfly fly` asks for, a
ground station that reads every message), once without a link and once over loopback TCP in lockstep. Then a fleet
flies in one thread, stepped in real time's portions, and the load tells how many would keep up on this core. Prints
JSON; `aim` is issue 4's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.clock import SimulatedClock
from flightplan.vehicle.link import Link
from sim.vehicle import KINDS, Airframe, Fleet, Home, PositionError, SimulatedVehicle, Wind, line_up

HOME = Home(34.8333, -2.3333, 1500.0)
STREAMS = {33: 0.25, 30: 0.25, 1: 1, 147: 1, 42: 1, 24: 1, 193: 1, 74: 1, 62: 1, 162: 1, 245: 1, 242: 5, 168: 1}
AIM = 100
CHUNK_S = 0.1


def survey(home: Home, lines: int = 12, length_m: float = 600.0, spacing_m: float = 60.0) -> list[tuple[Any, ...]]:
    """Items as (frame, command, four parameters, place, height): lines to and fro, a frame each 25 m, and home."""
    shoot, stop = (2, 206, (25, 0, 1, 0), None, 0.0), (2, 206, (0, 0, 0, 0), None, 0.0)
    items: list[tuple[Any, ...]] = [(3, 16, (0, 0, 0, 0), home, 0.0), (3, 22, (0, 0, 0, 0), home, 80.0)]
    for number in range(lines):
        ends = [(50.0, number * spacing_m), (50.0 + length_m, number * spacing_m)]
        first, last = ends if number % 2 == 0 else ends[::-1]
        items += [(3, 16, (0, 0, 0, 0), home.moved(*first), 80.0), shoot]
        items += [(3, 16, (0, 0, 0, 0), home.moved(*last), 80.0), stop]
    return [*items, (2, 20, (0, 0, 0, 0), None, 0.0)]


class Station:
    """A ground station in the same process: it uploads, starts, sends heartbeats, and parses what comes."""

    def __init__(self, vehicle: SimulatedVehicle) -> None:
        self.vehicle = vehicle
        self.out, self.parser = mav.MAVLink(None, srcSystem=255, srcComponent=190), mav.MAVLink(None)
        self.messages = 0
        self._beat_s = 0.0

    def send(self, message: Any) -> list[Any]:
        """Send a message and return the answers."""
        self.vehicle.receive(message.pack(self.out))
        return list(self.parser.parse_buffer(self.vehicle.collect()) or [])

    def command(self, number: int, *params: float) -> None:
        """Send a command."""
        system = int(self.vehicle.parameters["MAV_SYSID"])
        self.send(mav.MAVLink_command_long_message(system, 1, number, 0, *params, *[0.0] * (7 - len(params))))

    def begin(self) -> None:
        """Wait until it is ready, ask for everything, upload, arm and start."""
        vehicle = self.vehicle
        while not vehicle.ready:
            self.fly(1.0)
        for number, period_s in STREAMS.items():
            self.command(511, number, period_s * 1e6)
        system = int(vehicle.parameters["MAV_SYSID"])
        self._upload(system, 1, fence(vehicle.home))
        self._upload(system, 0, survey(vehicle.home)[vehicle.first_item :])
        self.command(176, 1, *((4, 4) if vehicle.kind == "px4" else (vehicle.modes.auto,)))
        self.command(400, 1)
        self.command(300)
        assert vehicle.armed, "it did not arm"

    def fly(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / CHUNK_S)):
            if self.vehicle.elapsed_s >= self._beat_s:
                self._beat_s += 1.0
                self.send(mav.MAVLink_heartbeat_message(6, 8, 0, 0, 0, 3))
            self.messages += len(self.parser.parse_buffer(self.vehicle.step(CHUNK_S)) or ())

    def _upload(self, system: int, kind: int, items: list[tuple[Any, ...]]) -> None:
        answers = self.send(mav.MAVLink_mission_count_message(system, 1, len(items), kind))
        while (asked := [m.seq for m in answers if m.get_type().startswith("MISSION_REQUEST")]) and asked:
            frame, command, params, place, height = items[asked[-1]]
            x, y = (round(place.lat * 1e7), round(place.lon * 1e7)) if place is not None else (0, 0)
            answers = self.send(
                mav.MAVLink_mission_item_int_message(
                    system, 1, asked[-1], frame, command, 0, 1, *params, x, y, height, kind
                )
            )


def fence(home: Home) -> list[tuple[Any, ...]]:
    """An inclusion polygon well around the survey."""
    corners = [(-500, -500), (-500, 2000), (2000, 2000), (2000, -500)]
    return [(3, 5001, (4, 0, 0, 0), home.moved(*corner), 0.0) for corner in corners]


def options(kind: str) -> dict[str, Any]:
    """What makes it full fidelity."""
    parameters = {
        "copter": {"AUTO_OPTIONS": 3, "FENCE_ENABLE": 1, "FENCE_TYPE": 4, "FS_GCS_ENABLE": 1},
        "plane": {"FENCE_ENABLE": 1, "FENCE_TYPE": 4, "FS_GCS_ENABL": 1},
        "px4": {"NAV_DLL_ACT": 2, "MPC_XY_CRUISE": 10},
    }[kind]
    return {
        "wind": Wind(5.0, 110.0, 1.0),
        "position_error": PositionError(1.0, 0.8),
        "airframe": Airframe.survey(),
        "parameters": parameters,
    }


def one_vehicle(kind: str, simulated_s: float) -> dict[str, float]:
    """Fly one survey as fast as it goes."""
    station = Station(KINDS[kind](HOME, 1, **options(kind)))
    station.begin()
    before, started = station.vehicle.elapsed_s, time.process_time()
    station.fly(simulated_s)
    spent = time.process_time() - started
    flown = station.vehicle.elapsed_s - before
    assert station.vehicle.armed, "the survey was over before the measurement was"
    return {
        "simulated s per core s": round(flown / spent, 1),
        "frames": len(station.vehicle.exposures),
        "messages per simulated s": round(station.messages / station.vehicle.elapsed_s, 1),
    }


def over_a_link(kind: str, simulated_s: float) -> dict[str, float]:
    """Fly the same survey served over TCP, in lockstep with a `Link` that listens."""
    clock = SimulatedClock(1.79e9)
    vehicle = KINDS[kind](HOME, 1, **options(kind))
    Station(vehicle).begin()
    with Fleet([vehicle], clock=clock) as fleet, Link.connect(fleet.addresses[0], clock=clock) as link:
        before, started = vehicle.elapsed_s, time.monotonic()
        link.pause(simulated_s)
        spent = time.monotonic() - started
    return {"simulated s per wall s": round((vehicle.elapsed_s - before) / spent, 1)}


def a_fleet(kind: str, count: int, simulated_s: float) -> dict[str, float]:
    """Fly many at once in one thread, in portions of a tenth of a second each, as `Fleet` paces them."""
    vehicles = line_up(HOME, count, spacing_m=2000.0, seed=1, make=KINDS[kind], **options(kind))
    stations = [Station(vehicle) for vehicle in vehicles]
    for station in stations:
        station.begin()
    started, latest = time.process_time(), 0.0
    for _ in range(round(simulated_s / CHUNK_S)):
        portion = time.process_time()
        for station in stations:
            station.fly(CHUNK_S)
        latest = max(latest, time.process_time() - portion)
    spent = time.process_time() - started
    return {
        "vehicles flown": count,
        "vehicles at real time on one core": round(count * simulated_s / spent, 1),
        "longest portion of 0.1 s, in core s": round(latest, 4),
    }


def main() -> None:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="copter", choices=list(KINDS))
    parser.add_argument("--minutes", type=float, default=5.0, help="simulated minutes of one vehicle")
    parser.add_argument("--fleet", type=int, default=100, help="vehicles at once")
    parser.add_argument("--fleet-seconds", type=float, default=20.0, help="simulated seconds of the fleet")
    asked = parser.parse_args()
    result = {
        "kind": asked.kind,
        "one": one_vehicle(asked.kind, 60 * asked.minutes),
        "one over loopback in lockstep": over_a_link(asked.kind, 60 * asked.minutes),
        "fleet": a_fleet(asked.kind, asked.fleet, asked.fleet_seconds),
        "aim": {"simulated s per s": AIM, "vehicles at real time on one core": AIM},
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(),
                    "python": sys.version.split()[0]},
    }  # fmt: skip
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
