"""The simulated vehicle's end of MAVLink: bytes to messages and back, texts kept until the messages of their moment."""

from __future__ import annotations

from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.equipment import Signing


class Radio:
    """Parses what comes, packs what goes."""

    def __init__(self, system_id: int) -> None:
        self.system_id = system_id
        self._sends = mav.MAVLink(None, srcSystem=system_id, srcComponent=1)
        self._hears = mav.MAVLink(None)
        self._hears.robust_parsing = True
        self._out: list[bytes] = []
        self._texts: list[tuple[int, str]] = []
        self._sent: dict[int, int] = {}
        self.signing = Signing(self._sends, self._hears)

    @property
    def received_count(self) -> int:
        """How many messages came, understood or not."""
        return int(self._hears.total_packets_received)

    def parse(self, data: bytes) -> list[Any]:
        """Return the messages in bytes that are for this vehicle or for all."""
        return [
            message
            for message in self._hears.parse_buffer(data) or ()
            if message.get_msgId() >= 0 and getattr(message, "target_system", 0) in (0, self.system_id)
        ]

    def send(self, message: Any, component: int = 1) -> None:
        """Queue a message of one of the vehicle's components."""
        self._sends.srcComponent = component
        # Each component counts its own packets; a ground station tells lost and overtaken ones by that.
        self._sends.seq = self._sent.get(component, 0)
        self._sent[component] = (self._sends.seq + 1) % 256
        self._out.append(message.pack(self._sends))

    def say(self, severity: int, text: str) -> None:
        """Queue a STATUSTEXT, after the messages of the same step."""
        self._texts.append((severity, text))

    def flush(self) -> None:
        """Send the texts said since the last messages."""
        for severity, text in self._texts:
            self.send(mav.MAVLink_statustext_message(severity, text[:50].encode()))
        self._texts.clear()

    def take(self) -> bytes:
        """Return what is queued."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def fall_silent(self) -> None:
        """Lose what is queued, and count packets from the beginning again."""
        self._out.clear()
        self._texts.clear()
        self._sent.clear()
