"""The vehicle's end of a link: a TCP port that waits for a ground station, or UDP to one."""

from __future__ import annotations

import socket
from collections.abc import Hashable

from flightplan.errors import VehicleError


def open_link(listen: str) -> TcpLink | UdpLink:
    """Open "tcp:HOST:PORT" to wait for a ground station, or "udp:HOST:PORT" to send to one. VehicleError if neither."""
    kind, _, rest = listen.partition(":")
    host, _, port = rest.rpartition(":")
    if kind not in ("tcp", "udp") or not host or not port.isdigit() or int(port) > 65535:
        raise VehicleError("not an address to listen on", where=listen, hint="Write tcp:HOST:PORT or udp:HOST:PORT")
    try:
        return TcpLink(host, int(port)) if kind == "tcp" else UdpLink(host, int(port))
    except OSError as error:
        raise VehicleError(f"cannot open it ({error.strerror or error})", where=listen) from error


class TcpLink:
    """A listening socket and the one ground station connected to it."""

    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.create_server((host, port), backlog=1)
        self.address = "tcp:{}:{}".format(*self._listener.getsockname()[:2])
        self._peer: socket.socket | None = None
        self.ends: tuple[Hashable, Hashable] = (None, None)

    @property
    def connected(self) -> bool:
        """Whether a ground station is there."""
        return self._peer is not None

    @property
    def waits_on(self) -> socket.socket:
        """What to `select` on."""
        return self._listener if self._peer is None else self._peer

    def accept(self, wait_s: float) -> None:
        """Wait at most so long for a ground station."""
        self._listener.settimeout(wait_s)
        try:
            self._peer, _ = self._listener.accept()
        except (TimeoutError, BlockingIOError):
            return
        self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ends = (self._peer.getsockname(), self._peer.getpeername())

    def receive(self, wait_s: float) -> bytes:
        """Wait at most so long for bytes; none also when it hung up."""
        if self._peer is None:
            return b""
        self._peer.settimeout(wait_s)
        try:
            data = self._peer.recv(65536)
        except (TimeoutError, BlockingIOError):
            return b""
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        return data

    def send(self, data: bytes) -> None:
        """Send bytes, or lose them when nobody is there."""
        if not data or self._peer is None:
            return
        self._peer.settimeout(2.0)
        try:
            self._peer.sendall(data)
        except OSError:
            self._hang_up()

    def close(self) -> None:
        """Close it for good."""
        self._hang_up()
        self._listener.close()

    def _hang_up(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None


class UdpLink:
    """Datagrams to a ground station's address, as an autopilot sends them: answers come to the same socket."""

    connected = True
    ends: tuple[Hashable, Hashable] = (None, None)

    @property
    def waits_on(self) -> socket.socket:
        """What to `select` on."""
        return self._socket

    def __init__(self, host: str, port: int) -> None:
        self._peer = (host, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = f"udp:{host}:{port}"

    def accept(self, wait_s: float) -> None:
        """Nobody to wait for."""

    def receive(self, wait_s: float) -> bytes:
        """Wait at most so long for bytes; none also when it hung up."""
        self._socket.settimeout(wait_s)
        try:
            data, self._peer = self._socket.recvfrom(65536)
        except (TimeoutError, BlockingIOError, ConnectionError):
            return b""
        return data

    def send(self, data: bytes) -> None:
        """Send bytes, or lose them when nobody is there."""
        # One MAVLink message a datagram is what every ground station understands; so is a few of them.
        for start in _datagrams(data):
            try:
                self._socket.sendto(start, self._peer)
            except OSError:  # nobody there, or no way there just now: datagrams get lost
                return

    def close(self) -> None:
        """Close it for good."""
        self._socket.close()


def _datagrams(data: bytes) -> list[bytes]:
    """Cut a run of MAVLink 2 frames into datagrams of whole frames."""
    packets, at, start = [], 0, 0
    while at < len(data):
        size = 12 + data[at + 1] + (13 if data[at + 2] & 1 else 0)
        if at + size - start > 1200 and at > start:
            packets.append(data[start:at])
            start = at
        at += size
    if start < len(data):
        packets.append(data[start:])
    return packets


def count_packets(data: bytes) -> int:
    """Count the MAVLink 2 frames in whole frames of bytes."""
    count, at = 0, 0
    while at < len(data):
        at += 12 + data[at + 1] + (13 if data[at + 2] & 1 else 0)
        count += 1
    return count
