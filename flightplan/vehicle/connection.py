"""Connections by URL: tcp, udp in and out, serial. dronekit's threads run on them, its own clockwork does not."""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

# Read when pymavlink is imported: MAVLink 2, and one dialect instead of all of them.
os.environ["MAVLINK20"] = "1"
os.environ.setdefault("MAVLINK_DIALECT", "ardupilotmega")

from dronekit import Vehicle
from dronekit.mavlink import MAVConnection, mavudpin_multi
from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega

from flightplan.clock import Clock
from flightplan.errors import VehicleError

GCS_SYSTEM, GCS_COMPONENT = 255, 190
_LOOPBACK = ("127.", "localhost", "::1")

# What the autopilot says is told as events; dronekit's complaints about a link that ends are errors of ours.
for _name in ("dronekit", "autopilot"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


@dataclass(frozen=True)
class Address:
    """Where a vehicle is: tcp:HOST:PORT, udp:HOST:PORT (we call), udpin:HOST:PORT (it calls), serial:DEVICE:BAUD."""

    kind: str
    host: str
    number: int
    url: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a URL; VehicleError when it is none."""
        kind, _, rest = url.partition(":")
        host, _, number = rest.removeprefix("//").rpartition(":")
        if kind == "udpout":
            kind = "udp"
        if kind == "serial" and not number.isdigit():
            host, number = rest, "57600"
        if kind not in ("tcp", "udp", "udpin", "serial") or not host or not number.isdigit():
            raise VehicleError(
                "this is not an address of a vehicle",
                where=url,
                hint="Write tcp:HOST:PORT, udp:HOST:PORT, udpin:HOST:PORT or serial:DEVICE:BAUD.",
            )
        if kind != "serial" and not 0 < int(number) < 65536:
            raise VehicleError(f"{number} is not a port", where=url, hint="A port is between 1 and 65535.")
        return cls(kind, host, int(number), url)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can be at the other end."""
        return self.kind in ("tcp", "udp") and self.host.startswith(_LOOPBACK)


def open_connection(
    address: Address, *, timeout_s: float, clock: Clock, on_sent: Callable[[bytes], None], on_end: Callable[[], None]
) -> tuple[Vehicle, Hashable, Hashable]:
    """Open an address and return dronekit's vehicle on it, its threads not started, our end and the far end.

    `on_sent` gets each packet just before it leaves, `on_end` is called when the other side hangs up. OSError when
    it cannot be opened.
    """
    mavutil.set_dialect("ardupilotmega")
    port = _open_port(address, timeout_s, on_end)
    connection = MAVConnection("udpout:127.0.0.1:9", source_system=GCS_SYSTEM, source_component=GCS_COMPONENT)
    connection.master.close()
    protocol = connection.master.mav
    ours, theirs = _ends(port)
    protocol.file = _Outbox(connection, clock, theirs, on_sent)
    protocol.robust_parsing = True
    port.mav, port.first_byte = protocol, False
    connection.master = port
    vehicle = Vehicle(connection)
    # dronekit's own heartbeats, link timeout and download of all 1,300 parameters follow the wall's clock.
    connection.loop_listeners.clear()
    return vehicle, ours, theirs


def _open_port(address: Address, timeout_s: float, on_end: Callable[[], None]) -> Any:
    names: dict[str, Any] = {"source_system": GCS_SYSTEM, "source_component": GCS_COMPONENT}
    place = f"{address.host}:{address.number}"
    if address.kind == "tcp":
        return _TcpPort(address, timeout_s, on_end)
    if address.kind == "udpin":
        return mavudpin_multi(place, input=True, **names)
    if address.kind == "udp":
        return mavudpin_multi(place, input=False, **names)
    try:
        return mavutil.mavserial(address.host, baud=address.number, **names)
    except Exception as error:  # pyserial's errors, or its absence
        raise OSError(errno.ENODEV, str(error)) from error


def _ends(port: Any) -> tuple[Hashable, Hashable]:
    if isinstance(port, _TcpPort):
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


class _TcpPort(mavutil.mavtcp):  # type: ignore[misc]
    """pymavlink's TCP, with a bounded connect, whole writes, and a hang-up that is told instead of printed."""

    def __init__(self, address: Address, timeout_s: float, on_end: Callable[[], None]) -> None:
        self._timeout_s, self._on_end, self._ended = timeout_s, on_end, False
        super().__init__(
            f"{address.host}:{address.number}", source_system=GCS_SYSTEM, source_component=GCS_COMPONENT, retries=1
        )

    def do_connect(self) -> None:
        self.port = socket.create_connection(self.destination_addr, timeout=self._timeout_s)
        self.port.setblocking(False)
        self.port.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, n: int | None = None) -> bytes:
        try:
            data: bytes = self.port.recv(65536)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._end()
        return data

    def write(self, buf: bytes) -> None:
        left = memoryview(buf)
        while left:
            try:
                left = left[self.port.send(left) :]
            except BlockingIOError:
                select.select([], [self.port], [], 0.1)
                if self._ended:
                    return
            except OSError:
                self._end()
                return

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._on_end()


__all__ = ["GCS_COMPONENT", "GCS_SYSTEM", "Address", "ardupilotmega", "mavutil", "open_connection"]
