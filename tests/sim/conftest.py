"""A ground station in the test's own process, for the simulated vehicle."""

from __future__ import annotations

import gzip
import json
import math
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle import SimulatedVehicle

Row = dict[str, Any]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sitl: needs ArduPilot's SITL binary, named by OVERFLY_ARDUCOPTER")


class Station:
    """Sends to a vehicle, steps it, and keeps what it says as (vehicle seconds, message)."""

    def __init__(self, vehicle: SimulatedVehicle, *, heartbeat_phase_s: float = 0.0) -> None:
        self.vehicle = vehicle
        self.heard: list[tuple[float, Any]] = []
        self.path: list[tuple[float, float, float, float]] = []
        self.silent: tuple[float, float] = (math.inf, math.inf)
        self._mav = mav.MAVLink(None, srcSystem=255, srcComponent=190)
        self._parser = mav.MAVLink(None)
        self._heartbeat_s = heartbeat_phase_s

    def send(self, message: Any) -> list[Any]:
        """Send a message; return the answers that come at once."""
        before = len(self.heard)
        self.vehicle.receive(message.pack(self._mav))
        self._take(self.vehicle.collect())
        return [m for _, m in self.heard[before:]]

    def command(self, number: int, *params: float) -> int:
        """Send a COMMAND_LONG and return the result of its acknowledgement."""
        filled = (*params, *(0.0,) * (7 - len(params)))
        answers = self.send(mav.MAVLink_command_long_message(1, 1, number, 0, *filled))
        return next(m.result for m in answers if m.get_type() == "COMMAND_ACK")

    def until(self, time_s: float) -> None:
        """Let the vehicle's time run to a moment, with a heartbeat a second."""
        vehicle = self.vehicle
        while vehicle.elapsed_s < time_s - 1e-6:
            if vehicle.elapsed_s >= self._heartbeat_s:
                self._heartbeat_s += 1.0
                if not self.silent[0] < vehicle.elapsed_s < self.silent[1]:
                    self.send(mav.MAVLink_heartbeat_message(6, 8, 0, 0, 0, 3))
            self._take(vehicle.step(0.1))
            self.path.append((vehicle.elapsed_s, *vehicle.position))

    def run(self, seconds: float, done: Callable[[], bool] | None = None) -> None:
        """Let time pass, or until something is so."""
        end_s = self.vehicle.elapsed_s + seconds
        while self.vehicle.elapsed_s < end_s - 1e-6 and not (done is not None and done()):
            self.until(min(self.vehicle.elapsed_s + 0.5, end_s))

    def upload(self, items: Iterable[Row], kind: int = 0) -> int:
        """Upload items as a plain ground station does; return the type of the MISSION_ACK that ends it."""
        rows = list(items)
        answers = self.send(mav.MAVLink_mission_count_message(1, 1, len(rows), kind))
        while True:
            for message in answers:
                if message.get_type() == "MISSION_ACK":
                    return int(message.type)
            asked = [m.seq for m in answers if m.get_type() in ("MISSION_REQUEST", "MISSION_REQUEST_INT")]
            answers = self.send(item_message(rows[asked[-1]], asked[-1], kind))

    def messages(self, name: str) -> list[tuple[float, Any]]:
        """Return what was heard of one kind."""
        return [(t, m) for t, m in self.heard if m.get_type() == name]

    @property
    def texts(self) -> list[str]:
        """The STATUSTEXTs heard."""
        return [m.text for _, m in self.messages("STATUSTEXT")]

    def _take(self, data: bytes) -> None:
        self.heard += [(self.vehicle.elapsed_s, m) for m in self._parser.parse_buffer(data) or ()]


def item_message(row: Row, seq: int, kind: int = 0) -> Any:
    return mav.MAVLink_mission_item_int_message(
        1, 1, seq, row.get("frame", 3), row["command"], 0, 1, *(row.get(f"param{i}", 0) for i in (1, 2, 3, 4)),
        row.get("x", 0), row.get("y", 0), row.get("z", 0), kind,
    )  # fmt: skip


@pytest.fixture(scope="session")
def heeds_ctrl_c() -> Callable[[], None]:
    """What a process does first: a shell makes what it starts in the background deaf to Ctrl-C, tests included."""

    def listen() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return listen


@pytest.fixture(scope="session")
def station_class() -> type[Station]:
    return Station


@pytest.fixture(scope="session")
def recording(shared_data: Path) -> Callable[[str], list[Row]]:
    """Read a recording of a real ArduCopter, a row per message."""

    def read(name: str) -> list[Row]:
        with gzip.open(shared_data / "autopilot" / f"{name}.jsonl.gz", "rt") as lines:
            return [json.loads(line) for line in lines]

    return read
