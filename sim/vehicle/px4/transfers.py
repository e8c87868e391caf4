"""The mission protocol as PX4 speaks it.

PX4-Autopilot, src/modules/mavlink/mavlink_mission.cpp: it asks with MISSION_REQUEST_INT, again after a quarter of a
second and no more after five; writes an upload beside the stored list and changes over when it is complete, so that a
refused or broken upload leaves what was there; ignores an item out of order; and sends a checksum of each list. Its
first item is number 0: home is not in the list.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.items import FENCE, MISSION, RALLY, Item, Refused, item_message
from sim.vehicle.px4.messages import MissionAck, MissionCount
from sim.vehicle.transfers import Transfers

RETRY_S, GIVE_UP_S = 0.25, 5.0
MAX_ITEMS = {MISSION: 500, FENCE: 64, RALLY: 32}
_GLOBAL, _MISSION_FRAME, _RELATIVE = 0, 2, 3
_PLACED = frozenset({16, 17, 19, 21, 22, 31, 80, 84, 85, 195, 201, 4501})
_PLACELESS = frozenset(
    {20, 80, 93, 112, 114, 177, 178, 179, 189, 196, 197, 201, 203, 204, 205, 206, 214, 400, 530, 2000, 2001, 2003,
     2500, 2501, 3000}
)  # fmt: skip
_FENCE_ITEMS, _RALLY_ITEMS = frozenset({5000, 5001, 5002, 5003, 5004}), frozenset({5100})


@dataclass
class _Upload:
    """An upload under way, beside the stored list."""

    kind: int
    count: int
    system: int
    component: int
    heard_s: float
    ask_again_s: float = 0.0
    items: list[Item] = field(default_factory=list)
    crc: int = 0


class Px4Transfers(Transfers):
    """Stored items of the three kinds. `items` of the mission begin with home, which PX4 does not tell of."""

    def __init__(
        self, send: Callable[[Any], None], say: Callable[[int, str], None], changed: Callable[[int], None]
    ) -> None:
        super().__init__(send, say, changed)
        self.ids = {MISSION: 0, FENCE: 0, RALLY: 0}
        self._coming: _Upload | None = None
        self._last: _Upload | None = None

    @property
    def uploading(self) -> bool:
        """Whether an upload waits for items."""
        return self._coming is not None

    def forget_upload(self) -> None:
        """Know nothing of an upload any more, as after a restart; what was stored stays."""
        self._coming = self._last = None

    @property
    def ask_again_s(self) -> float:
        """When `tick` is due; infinity without an upload."""
        return self._coming.ask_again_s if self._coming is not None else math.inf

    def tick(self, now_s: float) -> None:
        """Ask again, or give up."""
        upload = self._coming
        if upload is None or now_s < upload.ask_again_s:
            return
        if now_s - upload.heard_s > GIVE_UP_S:
            self._coming = None
            self._say(2, "Operation timeout")
            return
        self._ask_for(upload, now_s)

    def _count(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        upload = self._coming
        if upload is not None:
            if (upload.system, upload.component) != (system, component):
                self._answer(system, component, kind, mav.MAV_MISSION_ERROR)
            elif upload.items:
                self._say(2, "WPM: REJ. CMD: Busy")
                self._answer(system, component, kind, mav.MAV_MISSION_ERROR)
            else:
                upload.heard_s = now_s
                self._ask_for(upload, now_s)
            return
        if message.count > MAX_ITEMS[kind]:
            self._answer(system, component, kind, mav.MAV_MISSION_NO_SPACE)
            return
        if message.count == 0:
            self._replace(kind, [], 0)
            self._answer(system, component, kind, mav.MAV_MISSION_ACCEPTED)
            return
        self._coming = _Upload(kind, message.count, system, component, now_s)
        self._ask_for(self._coming, now_s)

    def _item(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        upload = self._coming
        if upload is None:
            last = self._last
            if last is not None and (last.kind, len(last.items)) == (kind, message.seq + 1):
                # The last item again: our acknowledgement was lost.
                self._answer(system, component, kind, mav.MAV_MISSION_ACCEPTED, last.crc)
                return
            self._say(2, "IGN MISSION_ITEM: No transfer")
            self._answer(system, component, kind, mav.MAV_MISSION_ERROR)
            return
        if (upload.system, upload.component) != (system, component):
            self._say(2, "REJ. MIS ITEM: partner id mismatch")
            return
        if upload.kind != kind:
            self._answer(system, component, kind, mav.MAV_MISSION_ERROR)
            return
        upload.heard_s = now_s
        if message.seq != len(upload.items):
            return
        item = _parse(message, kind)
        if isinstance(item, Refused):
            self._coming = None
            self._say(2, "IGN MISSION_ITEM: Invalid item")
            self._answer(system, component, kind, item.result)
            return
        upload.items.append(item)
        upload.crc = _checksum(message, upload.crc)
        if len(upload.items) < upload.count:
            self._ask_for(upload, now_s)
            return
        self._coming, self._last = None, upload
        self._replace(kind, upload.items, upload.crc)
        self._answer(system, component, kind, mav.MAV_MISSION_ACCEPTED, upload.crc)

    def _list(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        if self._coming is not None:
            self._say(6, "Mission download request ignored, already active")
            return
        self._send(MissionCount(system, component, len(self._told(kind)), kind, self.ids[kind]))

    def _request(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        items = self._told(kind)
        if message.seq >= len(items):
            self._say(2, "WPM: REJ. CMD: Req. WP was unexpected")
            self._answer(system, component, kind, mav.MAV_MISSION_ERROR)
            return
        scaled = message.get_type() == "MISSION_REQUEST_INT"
        item = items[message.seq]
        answer = item_message(
            item, message.seq, kind, scaled=scaled, current=kind == MISSION and message.seq == self.current_seq - 1,
            system=system, component=component,
        )  # fmt: skip
        answer.autocontinue = 1
        if scaled and item.frame in (_GLOBAL, _RELATIVE):
            answer.frame = {_GLOBAL: 5, _RELATIVE: 6}[item.frame]
        self._send(answer)

    def _clear(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        if self._coming is not None:
            self._say(2, "WPM: IGN CLEAR CMD: Busy")
            return
        self._replace(kind, [], 0)
        self._answer(system, component, kind, mav.MAV_MISSION_ACCEPTED)

    def _told(self, kind: int) -> list[Item]:
        return self.items[kind][1:] if kind == MISSION else self.items[kind]

    def _replace(self, kind: int, items: list[Item], checksum: int) -> None:
        home = self._home or Item(16, _GLOBAL, (0.0, 0.0, 0.0, 0.0), 0, 0, 0.0)
        self.items[kind] = [home, *items] if kind == MISSION else list(items)
        self.ids[kind] = checksum
        self._changed(kind)

    def _ask_for(self, upload: _Upload, now_s: float) -> None:
        upload.ask_again_s = now_s + RETRY_S
        self._send(
            mav.MAVLink_mission_request_int_message(upload.system, upload.component, len(upload.items), upload.kind)
        )

    def _answer(self, system: int, component: int, kind: int, result: int, checksum: int = 0) -> None:
        self._send(MissionAck(system, component, result, kind, checksum))


def _parse(message: Any, kind: int) -> Item | Refused:
    params = (float(message.param1), float(message.param2), float(message.param3), float(message.param4))
    command, frame = int(message.command), {5: _GLOBAL, 6: _RELATIVE}.get(message.frame, message.frame)
    scale = 1.0 if message.get_type() == "MISSION_ITEM_INT" else 1e7
    if frame == _MISSION_FRAME:
        if kind != MISSION or command not in _PLACELESS:
            return Refused(mav.MAV_MISSION_UNSUPPORTED)
        return Item(command, frame, params, 0, 0, 0.0)
    if frame not in (_GLOBAL, _RELATIVE):
        return Refused(mav.MAV_MISSION_UNSUPPORTED_FRAME)
    allowed = {MISSION: _PLACED, FENCE: _FENCE_ITEMS, RALLY: _RALLY_ITEMS}[kind]
    if command not in allowed:
        return Refused(mav.MAV_MISSION_UNSUPPORTED)
    if kind == FENCE and command in (5001, 5002) and params[0] < 3:
        return Refused(mav.MAV_MISSION_ERROR)
    if not all(math.isfinite(v) for v in (message.x, message.y, message.z)) or abs(message.z) > 1e5:
        return Refused(mav.MAV_MISSION_ERROR)
    return Item(command, frame, params, round(message.x * scale), round(message.y * scale), float(message.z))


def _checksum(message: Any, previous: int) -> int:
    """Return the CRC-32 over what PX4 packs of an item: frame, command, autocontinue, seven 32-bit fields."""
    place = "ii" if message.get_type() == "MISSION_ITEM_INT" else "ff"
    raw = struct.pack(
        f"<BHBffff{place}f", message.frame, message.command, message.autocontinue, message.param1, message.param2,
        message.param3, message.param4, message.x, message.y, message.z,
    )  # fmt: skip
    # PX4's crc32part has neither the initial nor the final inversion of zlib's.
    return zlib.crc32(raw, previous ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
