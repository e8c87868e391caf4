"""Connections by URL: tcp, udp in and out, serial. dronekit's threads run on them, its own clockwork does not."""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

# Read when pymavlink is imported: MAVLink 2, and one dialect instead of all of them.
os.environ["MAVLINK20"] = "1"
os.environ.setdefault("MAVLINK_DIALECT", "ardupilotmega")

from dronekit import Vehicle
from dronekit.mavlink import MAVConnection
from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega

from flightplan.clock import Clock
from flightplan.errors import VehicleError
from flightplan.vehicle.ports import GCS_COMPONENT, GCS_SYSTEM, TcpPort, open_port
from flightplan.vehicle.signing import SigningKey

_BAUDS = range(1200, 4_000_001)

# What the autopilot says is told as events; dronekit's complaints about a link that ends are errors of ours.
for _name in ("dronekit", "autopilot"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


@dataclass(frozen=True)
class Address:
    """Where a vehicle is: tcp:HOST:PORT, udp:HOST:PORT (we call), udpin:HOST:PORT (it calls), serial:DEVICE:BAUD.

    udpout: is another word for udp:, listen: for udpin:.
    """

    kind: str
    host: str
    number: int
    url: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a URL; VehicleError when it is none."""
        kind, _, rest = url.partition(":")
        kind = {"udpout": "udp", "listen": "udpin"}.get(kind, kind)
        host, _, number = rest.removeprefix("//").rpartition(":")
        if kind == "serial" and not number.isdigit():
            host, number = rest, "57600"
        if kind not in ("tcp", "udp", "udpin", "serial") or not host or not number.isdigit():
            raise VehicleError(
                "this is not an address of a vehicle",
                where=url,
                hint="Write tcp:HOST:PORT, udp:HOST:PORT, udpin:HOST:PORT or serial:DEVICE:BAUD.",
            )
        if kind == "serial" and int(number) not in _BAUDS:
            raise VehicleError(
                f"{number} is not a speed of a serial port", where=url, hint="Often it is 57600 or 115200."
            )
        if kind != "serial" and not 0 < int(number) < 65536:
            raise VehicleError(f"{number} is not a port", where=url, hint="A port is between 1 and 65535.")
        return cls(kind, host, int(number), url)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can be at the other end."""
        if self.kind == "serial":
            return False
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def open_connection(
    address: Address,
    *,
    timeout_s: float,
    clock: Clock,
    on_sent: Callable[[bytes], None],
    on_end: Callable[[], None],
    signing: SigningKey | None = None,
) -> tuple[Vehicle, Hashable, Hashable]:
    """Open an address and return dronekit's vehicle on it, its threads not started, our end and the far end.

    `on_sent` gets each packet just before it leaves, `on_end` is called when the other side hangs up. With `signing`
    packets are signed, and what comes without a good signature is refused. OSError when it cannot be opened.
    """
    mavutil.set_dialect("ardupilotmega")
    port = open_port(address.kind, address.host, address.number, timeout_s, on_end)
    connection = MAVConnection("udpout:127.0.0.1:9", source_system=GCS_SYSTEM, source_component=GCS_COMPONENT)
    connection.master.close()
    protocol = connection.master.mav
    ours, theirs = _ends(port)
    protocol.file = _Outbox(connection, clock, theirs, on_sent)
    protocol.robust_parsing = True
    if signing is not None:
        signing.sign(protocol, clock.now_s())
    port.mav, port.first_byte = protocol, False
    connection.master = port
    vehicle = Vehicle(connection)
    # dronekit's own heartbeats, link timeout and download of all 1,300 parameters follow the wall's clock.
    connection.loop_listeners.clear()
    return vehicle, ours, theirs


def _ends(port: Any) -> tuple[Hashable, Hashable]:
    if isinstance(port, TcpPort):
        return port.port.getsockname(), port.port.getpeername()
    return (id(port), "ours"), (id(port), "theirs")


class _Outbox:
    """What pymavlink writes its packets to: counted, logged, and left to dronekit's sending thread."""

    def __init__(self, connection: MAVConnection, clock: Clock, to: Hashable, on_sent: Callable[[bytes], None]) -> None:
        self._connection, self._clock, self._to, self._on_sent = connection, clock, to, on_sent

    def write(self, packet: bytes) -> None:
        data = bytes(packet)
        self._on_sent(data)
        self._clock.posted(self._to)
        self._connection.out_queue.put(data)


__all__ = ["GCS_COMPONENT", "GCS_SYSTEM", "Address", "ardupilotmega", "mavutil", "open_connection"]
