"""MAVLink 2 message signing: the key's file, and the time that may never go back, kept beside it.

mavlink.io/en/guide/message_signing.html: a signature is the first 6 bytes of SHA-256 over key, packet, link id and a
timestamp in units of 10 µs since 2015, which has to grow from packet to packet, also over restarts.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flightplan.errors import VehicleError

RADIO_STATUS = 109
_EPOCH_S = 1_420_070_400  # 2015-01-01
_TICKS_PER_S = 100_000
_AHEAD = 60 * _TICKS_PER_S
_LONGEST_FILE = 4096


@dataclass
class SigningKey:
    """A secret of 32 bytes, the link id it is used with, and where its time is kept.

    One key is used by one running program at a time.
    """

    secret: bytes = field(repr=False)
    time_file: Path
    link_id: int = 1
    _reserved: int = 0

    @classmethod
    def read(cls, path: Path, *, link_id: int = 1) -> SigningKey:
        """Read a key file: 32 bytes, 64 hexadecimal digits, or a passphrase.

        A passphrase is hashed with SHA-256, as Mission Planner and MAVProxy do. VehicleError when it is none of these.
        """
        try:
            data = path.read_bytes() if path.stat().st_size <= _LONGEST_FILE else b""
        except OSError as error:
            raise VehicleError(f"cannot read the signing key ({error.strerror})", where=str(path)) from error
        secret = _secret(data)
        if secret is None:
            raise VehicleError(
                "this is no signing key",
                where=str(path),
                hint="It holds 32 bytes, 64 hexadecimal digits, or a passphrase of one line.",
            )
        return cls(secret, path.with_name(f"{path.name}.timestamp"), link_id)

    def sign(self, protocol: Any, now_s: float) -> None:
        """Have a pymavlink protocol sign what it sends, and refuse what is not signed, except RADIO_STATUS."""
        signing = protocol.signing
        signing.secret_key, signing.link_id, signing.sign_outgoing = self.secret, self.link_id, True
        signing.allow_unsigned_callback = lambda _, message_id: message_id == RADIO_STATUS
        signing.timestamp = max(self._stored(), ticks(now_s))
        self._reserve(signing.timestamp)
        check = protocol.check_signature

        def check_signature(packet: bytearray, system: int, component: int) -> bool:
            # pymavlink notes the time of a packet before it looks at its signature: anybody could end a link with one.
            return _is_signed_with(self.secret, packet) and bool(check(packet, system, component))

        protocol.check_signature = check_signature

    def advance(self, protocol: Any, now_s: float) -> None:
        """Bring the time up to now before a packet is signed; what is on disk stays ahead of it."""
        signing = protocol.signing
        signing.timestamp = max(signing.timestamp, ticks(now_s))
        if signing.timestamp + _AHEAD // 2 > self._reserved:
            self._reserve(signing.timestamp)

    def _stored(self) -> int:
        try:
            return int(self.time_file.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            raise VehicleError(
                "cannot read the time of the signing key's last use",
                where=str(self.time_file),
                hint="Delete it if it is damaged; the clock of this computer has to be right then.",
            ) from error

    def _reserve(self, timestamp: int) -> None:
        """Write down a time that is ahead, so that a killed program's successor begins after it."""
        self._reserved = timestamp + _AHEAD
        draft = self.time_file.with_name(self.time_file.name + ".new")
        try:
            with draft.open("w", encoding="ascii") as file:
                file.write(f"{self._reserved}\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.time_file)
        except OSError as error:
            raise VehicleError(
                f"cannot keep the time of the signing key ({error.strerror})",
                where=str(self.time_file),
                hint="The key's folder has to be writable.",
            ) from error


def ticks(time_s: float) -> int:
    """Return seconds since 1970 as signing counts them."""
    return max(0, round((time_s - _EPOCH_S) * _TICKS_PER_S))


def _secret(data: bytes) -> bytes | None:
    if len(data) == 32 and not re.fullmatch(rb"[\x20-\x7e\s]*", data):
        return data
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    if re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        return bytes.fromhex(text)
    return hashlib.sha256(text.encode()).digest() if text and "\n" not in text and text.isprintable() else None


def _is_signed_with(secret: bytes, packet: bytearray) -> bool:
    signature = hashlib.sha256(secret + bytes(packet[:-6])).digest()[:6]
    return hmac.compare_digest(signature, bytes(packet[-6:]))
