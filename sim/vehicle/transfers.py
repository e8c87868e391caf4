"""The mission protocol of the simulated autopilot: upload, download and clearing of missions, fences, rally points.

It asks with MISSION_REQUEST, keeps what it accepted before a refusal, and gives up a silent upload after asking eight
times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle.items import FENCE, MAX_ITEMS, MISSION, RALLY, Item, Refused, check_fence, item_message, parse_item

RETRY_S = 1.0
RETRIES = 8


class Transfers:
    """Stored items of the three kinds, and an upload under way at most.

    `send` takes a message, `say` a severity and a text, `changed` is called with a kind whose items changed. `retry_s`
    is how long an item is waited for, by the vehicle's time, before it is asked for again.
    """

    def __init__(
        self, send: Callable[[Any], None], say: Callable[[int, str], None], changed: Callable[[int], None]
    ) -> None:
        self._send, self._say, self._changed = send, say, changed
        self.retry_s = RETRY_S
        self.items: dict[int, list[Item]] = {MISSION: [], FENCE: [], RALLY: []}
        self.current_seq = 0
        self._home: Item | None = None
        self._upload: _Upload | None = None
        self._handlers: dict[str, Callable[..., None]] = {
            "MISSION_COUNT": self._count,
            "MISSION_ITEM": self._item,
            "MISSION_ITEM_INT": self._item,
            "MISSION_REQUEST_LIST": self._list,
            "MISSION_REQUEST": self._request,
            "MISSION_REQUEST_INT": self._request,
            "MISSION_CLEAR_ALL": self._clear,
            "MISSION_ACK": self._acknowledged,
        }

    @property
    def uploading(self) -> bool:
        """Whether an upload waits for items."""
        return self._upload is not None

    def keep_pace(self, speed: float) -> None:
        """Give a ground station as long on the wall's clock as a real autopilot does, at `speed` seconds in one.

        Asked again too soon it sends an item twice, and the second is out of its turn.
        """
        self.retry_s = RETRY_S * max(speed, 1.0)

    def set_home(self, home: Item) -> None:
        """Make mission item 0 the vehicle's home."""
        self._home = home
        if self.items[MISSION]:
            self.items[MISSION][0] = home
        else:
            self.items[MISSION].append(home)

    def forget_upload(self) -> None:
        """Know nothing of an upload any more, as after a restart; what was stored stays."""
        self._upload = None

    @property
    def ask_again_s(self) -> float:
        """When `tick` is due; infinity without an upload."""
        return self._upload.ask_again_s if self._upload is not None else math.inf

    def tick(self, now_s: float) -> None:
        """Ask again, or give up."""
        upload = self._upload
        if upload is None or now_s < upload.ask_again_s:
            return
        if upload.asked >= RETRIES:
            self._upload = None
            self._ack(upload.system, upload.component, upload.kind, mav.MAV_MISSION_OPERATION_CANCELLED)
            self._say(4, "Mission upload timeout")
            return
        self._ask(upload, now_s)

    def handle(self, message: Any, now_s: float) -> bool:
        """Answer a message of the mission protocol; False when it is none."""
        kind = getattr(message, "mission_type", MISSION)
        system, component = message.get_srcSystem(), message.get_srcComponent()
        handler = self._handlers.get(message.get_type())
        # An item with current = 2 is a place to fly to now, no part of a list.
        if handler is None or getattr(message, "current", 0) == 2:
            return False
        if kind not in self.items:
            if message.get_type() != "MISSION_ACK":
                self._ack(system, component, kind, mav.MAV_MISSION_UNSUPPORTED)
            return True
        handler(message, kind, system, component, now_s)
        return True

    def _count(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        if self._upload is not None and (self._upload.system, self._upload.component) != (system, component):
            self._ack(system, component, kind, mav.MAV_MISSION_DENIED)
            return
        if message.count > MAX_ITEMS[kind]:
            self._ack(system, component, kind, mav.MAV_MISSION_NO_SPACE)
            self._say(4, f"Only {MAX_ITEMS[kind]} items are supported")
            return
        if message.count == 0:
            self._clear(message, kind, system, component, now_s)
            return
        if kind == MISSION:
            del self.items[MISSION][message.count :]
        self._upload = _Upload(kind, message.count, system, component)
        self._ask(self._upload, now_s)

    def _item(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        upload = self._upload
        if upload is None or upload.kind != kind:
            self._ack(system, component, kind, mav.MAV_MISSION_ERROR)
            return
        if (upload.system, upload.component) != (system, component):
            self._ack(system, component, kind, mav.MAV_MISSION_DENIED)
            return
        if message.seq != upload.next_seq:
            self._ack(system, component, kind, mav.MAV_MISSION_INVALID_SEQUENCE)
            return
        item = parse_item(message, kind)
        if isinstance(item, Refused):
            self._upload = None
            self._ack(system, component, kind, item.result)
            return
        self._store(upload, item)
        upload.next_seq += 1
        upload.asked = 0
        if upload.next_seq < upload.count:
            self._ask(upload, now_s)
        else:
            self._upload = None
            self._complete(upload)

    def _store(self, upload: _Upload, item: Item) -> None:
        if upload.kind != MISSION:
            upload.items.append(item)
            return
        stored = self.items[MISSION]
        # Item 0 is home, which the vehicle knows better.
        if upload.next_seq == 0:
            if not stored:
                stored.append(self._home or item)
        elif upload.next_seq < len(stored):
            stored[upload.next_seq] = item
        else:
            stored.append(item)
        self._changed(MISSION)

    def _complete(self, upload: _Upload) -> None:
        system, component, kind = upload.system, upload.component, upload.kind
        if kind == FENCE and not check_fence(upload.items):
            self._ack(system, component, kind, mav.MAV_MISSION_ERROR)
            self._say(6, "Incorrect item count")
            self._say(4, "Fence validation failed")
            return
        if kind != MISSION:
            self.items[kind] = upload.items
        self._changed(kind)
        self._ack(system, component, kind, mav.MAV_MISSION_ACCEPTED)
        if kind == MISSION:
            self._say(6, "Flight plan received")
        elif kind == FENCE:
            self._say(7, "Fence Indexed OK")

    def _list(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        if self._upload is not None and self._upload.kind == kind:
            self._ack(system, component, kind, mav.MAV_MISSION_DENIED)
            return
        self._send(mav.MAVLink_mission_count_message(system, component, len(self.items[kind]), kind))

    def _request(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        items = self.items[kind]
        if message.seq >= len(items):
            self._ack(system, component, kind, mav.MAV_MISSION_INVALID_SEQUENCE)
            return
        self._send(
            item_message(
                items[message.seq],
                message.seq,
                kind,
                scaled=message.get_type() == "MISSION_REQUEST_INT",
                current=kind == MISSION and message.seq == self.current_seq and message.seq > 0,
                system=system,
                component=component,
            )
        )

    def _clear(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        self._upload = None
        self.items[kind] = []
        self._changed(kind)
        self._ack(system, component, kind, mav.MAV_MISSION_ACCEPTED)

    def _acknowledged(self, message: Any, kind: int, system: int, component: int, now_s: float) -> None:
        """A ground station closes its download."""

    def _ask(self, upload: _Upload, now_s: float) -> None:
        upload.asked += 1
        upload.ask_again_s = now_s + self.retry_s
        self._send(mav.MAVLink_mission_request_message(upload.system, upload.component, upload.next_seq, upload.kind))

    def _ack(self, system: int, component: int, kind: int, result: int) -> None:
        self._send(mav.MAVLink_mission_ack_message(system, component, result, kind))


class _Upload:
    """An upload that waits for its next item."""

    __slots__ = ("ask_again_s", "asked", "component", "count", "items", "kind", "next_seq", "system")

    def __init__(self, kind: int, count: int, system: int, component: int) -> None:
        self.kind, self.count, self.system, self.component = kind, count, system, component
        self.next_seq = 0
        self.asked = 0
        self.ask_again_s = 0.0
        self.items: list[Item] = []
