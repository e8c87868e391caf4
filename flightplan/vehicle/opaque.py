"""The id that a vehicle gives to each list it holds, where it gives one (PX4 does, ArduPilot does not).

MAVLink's MISSION_COUNT, MISSION_ACK and MISSION_CURRENT end with it since 2023 (mavlink.io/en/services/mission.html,
"Detecting mission changes"); pymavlink's ardupilotmega dialect leaves it out, so it is read from the packet itself.
"""

from __future__ import annotations

import struct
from typing import Any

_HEADER = 10
# Offset of the id within the payload; MISSION_CURRENT has one for each kind of list.
_AT = {"MISSION_COUNT": 5, "MISSION_ACK": 4, "MISSION_CURRENT": 6}


def opaque_id(message: Any, kind: int = 0) -> int | None:
    """Return the id of a list of a kind (0 mission, 1 fence, 2 rally points), None where the vehicle gives none."""
    at = _AT.get(message.get_type())
    packet = message.get_msgbuf() if at is not None else None
    if at is None or not packet or packet[0] != 0xFD:
        return None
    at += 4 * kind if message.get_type() == "MISSION_CURRENT" else 0
    payload = bytes(packet[_HEADER : _HEADER + packet[1]])
    number = int(struct.unpack_from("<I", payload.ljust(at + 4, b"\0"), at)[0])  # zeros at the end are not sent
    return number or None
