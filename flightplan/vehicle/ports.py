"""The ends of a connection that bytes go through: TCP, UDP in and out, serial; a hang-up is told, never printed."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pymavlink import mavutil

from flightplan.errors import VehicleError

GCS_SYSTEM, GCS_COMPONENT = 255, 190


def open_port(kind: str, host: str, number: int, timeout_s: float, on_end: Callable[[], None]) -> Any:
    """Open one as pymavlink knows them; `number` is the port, or the speed of a serial line. OSError when it cannot."""
    if kind == "tcp":
        return TcpPort(host, number, timeout_s, on_end)
    if kind in ("udp", "udpin"):
        return UdpPort(host, number, listen=kind == "udpin")
    try:
        return SerialPort(host, number, on_end)
    except ModuleNotFoundError as error:
        raise VehicleError(
            "serial ports need pyserial, which is not installed", where=host, hint="pip install pyserial"
        ) from error
    except Exception as error:  # pyserial's errors
        raise OSError(getattr(error, "errno", None) or errno.ENODEV, str(error)) from error


class TcpPort(mavutil.mavtcp):  # type: ignore[misc]
    """pymavlink's TCP, with a bounded connect, whole writes, and a hang-up that is told instead of printed."""

    def __init__(self, host: str, number: int, timeout_s: float, on_end: Callable[[], None]) -> None:
        self._timeout_s, self._on_end, self._ended = timeout_s, on_end, False
        super().__init__(f"{host}:{number}", source_system=GCS_SYSTEM, source_component=GCS_COMPONENT, retries=1)

    def do_connect(self) -> None:
        """Connect within the time allowed."""
        self.port = socket.create_connection(self.destination_addr, timeout=self._timeout_s)
        self.port.setblocking(False)
        self.port.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, n: int | None = None) -> bytes:
        """Return what has come; nothing when nothing has."""
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
        """Send all of it."""
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


class UdpPort(mavutil.mavfile):  # type: ignore[misc]
    """A UDP socket: calls one address, or listens and answers whoever called."""

    def __init__(self, host: str, number: int, *, listen: bool) -> None:
        self.port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._callers: dict[Any, None] = {}
        self._listens = listen
        try:
            if listen:
                self.port.bind((host, number))
            else:
                self.port.connect((host, number))  # nobody else is listened to
            self.port.setblocking(False)
            super().__init__(
                self.port.fileno(), host, source_system=GCS_SYSTEM, source_component=GCS_COMPONENT, input=listen
            )
        except BaseException:
            self.port.close()
            raise

    def recv(self, n: int | None = None) -> bytes:
        """Return one datagram; nothing when none has come, or when nobody is there yet."""
        try:
            data, caller = self.port.recvfrom(65535)
        except OSError:
            return b""
        if self._listens:
            self._callers[caller] = None
        return data

    def write(self, buf: bytes) -> None:
        """Send to the address, or to all who have called; what cannot be sent is lost, as in the air."""
        with suppress(OSError):
            if not self._listens:
                self.port.send(buf)
            for address in tuple(self._callers):
                self.port.sendto(buf, address)

    def close(self) -> None:
        """Close the socket."""
        self.port.close()


class SerialPort(mavutil.mavserial):  # type: ignore[misc]
    """pymavlink's serial port, with whole writes, and a cable that is pulled is told instead of printed."""

    def __init__(self, device: str, baud: int, on_end: Callable[[], None]) -> None:
        self._on_end, self._ended = on_end, False
        super().__init__(device, baud=baud, source_system=GCS_SYSTEM, source_component=GCS_COMPONENT)

    def recv(self, n: int | None = None) -> bytes:
        """Return what has come; nothing when nothing has."""
        try:
            return bytes(super().recv(n))
        except Exception:  # pyserial's SerialException, or what the closed port of a pulled adapter raises
            self._end()
            return b""

    def write(self, buf: bytes) -> None:
        """Send all of it."""
        try:
            self.port.write(bytes(buf))
        except Exception:  # as above
            self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._on_end()
