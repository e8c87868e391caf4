"""MAVLink messages with the checksums that PX4 adds to them, which pymavlink's dialects do not know yet.

MISSION_COUNT and MISSION_ACK end with `opaque_id`, MISSION_CURRENT with one id for each kind of list (common.xml of
MAVLink). They are extensions: who does not know them reads the rest.
"""

from __future__ import annotations

import struct
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav


class MissionCount(mav.MAVLink_mission_count_message):  # type: ignore[misc]
    """MISSION_COUNT with the checksum of the list that it counts."""

    def __init__(self, system: int, component: int, count: int, kind: int, opaque_id: int) -> None:
        super().__init__(system, component, count, kind)
        self.opaque_id = opaque_id

    def pack(self, protocol: Any, force_mavlink1: bool = False) -> bytes:
        """Return the message as bytes."""
        payload = struct.pack(
            "<HBBBI", self.count, self.target_system, self.target_component, self.mission_type, self.opaque_id
        )
        return bytes(self._pack(protocol, self.crc_extra, payload, force_mavlink1))


class MissionAck(mav.MAVLink_mission_ack_message):  # type: ignore[misc]
    """MISSION_ACK with the checksum of the list that was accepted, else 0."""

    def __init__(self, system: int, component: int, result: int, kind: int, opaque_id: int) -> None:
        super().__init__(system, component, result, kind)
        self.opaque_id = opaque_id

    def pack(self, protocol: Any, force_mavlink1: bool = False) -> bytes:
        """Return the message as bytes."""
        payload = struct.pack(
            "<BBBBI", self.target_system, self.target_component, self.type, self.mission_type, self.opaque_id
        )
        return bytes(self._pack(protocol, self.crc_extra, payload, force_mavlink1))


class MissionCurrent(mav.MAVLink_mission_current_message):  # type: ignore[misc]
    """MISSION_CURRENT with the checksums of mission, fence and rally points."""

    def __init__(self, seq: int, total: int, state: int, mode: int, ids: tuple[int, int, int]) -> None:
        super().__init__(seq, total, state, mode)
        self.ids = ids

    def pack(self, protocol: Any, force_mavlink1: bool = False) -> bytes:
        """Return the message as bytes."""
        payload = struct.pack("<HHBBIII", self.seq, self.total, self.mission_state, self.mission_mode, *self.ids)
        return bytes(self._pack(protocol, self.crc_extra, payload, force_mavlink1))
