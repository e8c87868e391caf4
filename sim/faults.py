"""What goes wrong on purpose: a link that loses, doubles, reorders and delays, and a vehicle with troubles of its own.

All of it in simulated time and drawn from a seed, so that a flight with faults is the same each time.
"""

from __future__ import annotations

import heapq
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.errors import VehicleError
from sim.vehicle.autopilot import SimulatedVehicle
from sim.vehicle.exposures import Shutter
from sim.vehicle.place import Home
from sim.vehicle.plane import PlaneVehicle
from sim.vehicle.px4 import Px4Vehicle

Span = tuple[float, float]
T = TypeVar("T")

_UP, _DOWN, _CAMERA = 1, 2, 3
_LATEST_S = 1.0
_UNKNOWN_COMMAND = 31999
_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Faults:
    """What goes wrong. Shares are 0 to 1, of messages each way or of shots; times are simulated seconds.

    `reorder` is the share of messages held back by up to a second, so that later ones overtake them; `delay_s` holds
    back all. `cut` (no message passes), `gps` (no position) and `sag_s` with `sag_volts` count from the last arming.
    `restart` is the item of an upload at which the vehicle starts anew: it forgets the upload and is deaf and mute for
    `restart_s`; what it had stored stays stored, as in flash memory. `refuse` is the mission item it refuses as
    unsupported, `lost_acks` how many of its acknowledgements of lists are lost, `shots` the share of shots that
    the camera misses, told by a gap in the numbers of its feedback.
    """

    loss: float = 0.0
    double: float = 0.0
    reorder: float = 0.0
    delay_s: float = 0.0
    cut: tuple[Span, ...] = ()
    restart: int | None = None
    restart_s: float = 5.0
    lost_acks: int = 0
    refuse: int | None = None
    shots: float = 0.0
    gps: tuple[Span, ...] = ()
    sag_s: float | None = None
    sag_volts: float = 10.0

    def __post_init__(self) -> None:
        for name in ("loss", "double", "reorder", "shots"):
            if not 0 <= getattr(self, name) <= 1:
                raise VehicleError(f"{name} is {getattr(self, name):g}, not a share from 0 to 1", where="faults")
        for name in ("delay_s", "restart_s", "lost_acks", "sag_volts"):
            if not 0 <= getattr(self, name) < math.inf:
                raise VehicleError(f"{name} is {getattr(self, name):g}", where="faults", hint="It is 0 or more")

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read "loss=0.2,cut=30-45,..." or a TOML file with the same names. VehicleError when it is neither.

        A span is FROM-TO in the text and [from, to] in a file; several are joined by "+" or in a list.
        """
        path = Path(text)
        if "=" not in text or path.is_file():
            return cls._of(_read(path), text)
        given: dict[str, Any] = {}
        for part in text.split(","):
            name, _, value = part.partition("=")
            spans = name.strip() in ("cut", "gps")
            given[name.strip()] = [s.split("-") for s in value.split("+")] if spans else value.strip()
        return cls._of(given, text)

    @classmethod
    def _of(cls, given: dict[str, Any], where: str) -> Faults:
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known:
                raise VehicleError(
                    f"there is no fault {name!r}", where=where, hint=f"Known are: {', '.join(sorted(known))}"
                )
            try:
                if name in ("cut", "gps"):
                    values[name] = tuple((float(a), float(b)) for a, b in value)
                elif name in ("restart", "refuse", "lost_acks"):
                    values[name] = int(value)
                else:
                    values[name] = float(value)
            except (TypeError, ValueError) as error:
                raise VehicleError(f"{value!r} is no value for {name}", where=where) from error
        return cls(**values)


class FaultyLink(Generic[T]):
    """One direction of a link in simulated time: messages in, and out again late, twice, in another order, or never."""

    def __init__(self, faults: Faults, seed: list[int]) -> None:
        self._faults = faults
        self._rng = np.random.default_rng(seed)
        self._on_the_way: list[tuple[float, int, T]] = []
        self._number = count()

    def send(self, now_s: float, message: T) -> None:
        """Hand over a message."""
        faults = self._faults
        if self._rng.random() < faults.loss:
            return
        for _ in range(1 + (self._rng.random() < faults.double)):
            late_s = _LATEST_S * self._rng.random() if self._rng.random() < faults.reorder else 0.0
            heapq.heappush(self._on_the_way, (now_s + faults.delay_s + late_s, next(self._number), message))

    @property
    def next_s(self) -> float:
        """When the next message arrives; infinity when none is on its way."""
        return self._on_the_way[0][0] if self._on_the_way else math.inf

    def due(self, now_s: float) -> list[T]:
        """Take out what has arrived by now."""
        arrived = []
        while self._on_the_way and self._on_the_way[0][0] <= now_s + 1e-9:
            arrived.append(heapq.heappop(self._on_the_way)[2])
        return arrived


class FaultyVehicle(SimulatedVehicle):
    """A simulated vehicle to which `Faults` happen; otherwise, and without any, the same as `SimulatedVehicle`."""

    def __init__(self, home: Home, seed: int = 0, *, faults: Faults, **options: Any) -> None:
        self.faults, self._fault_seed = faults, seed
        super().__init__(home, seed, **options)
        self._entry = mav.MAVLink(None)
        self._entry.robust_parsing = True
        self._repacker = mav.MAVLink(None)
        self._came = 0
        self._up: FaultyLink[bytes] = FaultyLink(faults, [seed, 71, _UP])
        self._down: FaultyLink[bytes] = FaultyLink(faults, [seed, 71, _DOWN])
        self._deaf_until_s = -math.inf
        self._restarted = False
        self._acks_to_lose = faults.lost_acks
        self._sagged = False

    def _make_shutter(self) -> Shutter:
        return Shutter(self, lambda index: _hit(self._fault_seed, index, self.faults.shots))

    @property
    def received_count(self) -> int:
        """How many messages were sent to it: on a simulated clock, those that get lost must be counted too."""
        return self._came

    def receive(self, data: bytes) -> None:
        """Take bytes from a ground station; what reaches the vehicle is up to the link."""
        for message in self._entry.parse_buffer(data) or ():
            if message.get_msgId() < 0:
                continue
            self._came += 1
            if not self._is_cut():
                self._up.send(self.elapsed_s, bytes(message.get_msgbuf()))
        self._deliver()

    def step(self, dt_s: float = 0.02) -> bytes:
        """Move time on, and return what reaches the ground station by then."""
        self._follow_script()
        self._deliver()
        return super().step(dt_s)

    def collect(self) -> bytes:
        """Return what reaches the ground station now."""
        for packet in _packets(super().collect()):
            if not self._is_cut() and not self._loses(packet):
                self._down.send(self.elapsed_s, packet)
        return b"".join(self._down.due(self.elapsed_s))

    def _deliver(self) -> None:
        for packet in self._up.due(self.elapsed_s):
            if self.elapsed_s < self._deaf_until_s:
                continue
            heard = self._changed(packet)
            if heard is not None:
                super().receive(heard)

    def _is_cut(self) -> bool:
        return self.elapsed_s < self._deaf_until_s or (
            self.armed and _within(self.time_s - self.armed_s, self.faults.cut)
        )

    def _changed(self, packet: bytes) -> bytes | None:
        """Return a packet as the vehicle hears it: an item made one that it refuses; None when it starts anew at it."""
        faults = self.faults
        if faults.restart is None and faults.refuse is None:
            return packet
        message = self._repacker.decode(bytearray(packet))
        if message.get_type() not in ("MISSION_ITEM", "MISSION_ITEM_INT") or message.mission_type != 0:
            return packet
        if message.seq == faults.restart and self.transfers.uploading and not self._restarted and not self.armed:
            self._restarted = True
            self._deaf_until_s = self.elapsed_s + faults.restart_s
            self.transfers.forget_upload()
            return None
        if message.seq != faults.refuse:
            return packet
        message.command = _UNKNOWN_COMMAND
        self._repacker.srcSystem, self._repacker.srcComponent = message.get_srcSystem(), message.get_srcComponent()
        return bytes(message.pack(self._repacker))

    def _loses(self, packet: bytes) -> bool:
        if self._acks_to_lose <= 0 or _message_id(packet) != mav.MAVLINK_MSG_ID_MISSION_ACK:
            return False
        self._acks_to_lose -= 1
        return True

    def _follow_script(self) -> None:
        faults = self.faults
        since_s = self.time_s - self.armed_s if self.armed else -math.inf
        if faults.gps:
            self.parameters.set("SIM_GPS1_ENABLE", float(not _within(since_s, faults.gps)))
        if faults.sag_s is not None and since_s >= faults.sag_s and not self._sagged:
            self._sagged = True
            self.parameters.set("SIM_BATT_VOLTAGE", faults.sag_volts)
            self.parameter_changed("SIM_BATT_VOLTAGE")


class FaultyPlane(FaultyVehicle, PlaneVehicle):
    """A fixed wing to which `Faults` happen."""


class FaultyPx4(FaultyVehicle, Px4Vehicle):
    """A PX4-like vehicle to which `Faults` happen."""


FAULTY: Mapping[str, type[FaultyVehicle]] = {"copter": FaultyVehicle, "plane": FaultyPlane, "px4": FaultyPx4}


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise VehicleError("is too large for a list of faults", where=str(path))
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except VehicleError:
        raise
    except (OSError, ValueError) as error:
        raise VehicleError(
            f"is neither NAME=VALUE,... nor a TOML file ({error})", where=str(path), hint="Write --faults loss=0.2"
        ) from error


def _hit(seed: int, index: int, misses: float) -> bool:
    return not misses or bool(np.random.default_rng([seed, 71, _CAMERA, index]).random() >= misses)


def _within(time_s: float, spans: tuple[Span, ...]) -> bool:
    return any(start <= time_s < end for start, end in spans)


def _packets(data: bytes) -> list[bytes]:
    """Cut a run of whole MAVLink 2 frames."""
    packets, at = [], 0
    while at < len(data):
        end = at + 12 + data[at + 1] + (13 if data[at + 2] & 1 else 0)
        packets.append(data[at:end])
        at = end
    return packets


def _message_id(packet: bytes) -> int:
    return int.from_bytes(packet[7:10], "little")
