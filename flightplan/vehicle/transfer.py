"""Mission, fence and rally transfers as state machines: messages in, messages out, no socket and no clock of their own.

`Put` is what a ground station wants: upload, read back, compare, and on failure clear. It ends in one of three ways:
the vehicle holds exactly the new list, it holds none, or what it holds is unknown and it must not be armed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flightplan.vehicle.connection import ardupilotmega
from flightplan.vehicle.items import KINDS, WireItem, differences
from flightplan.vehicle.opaque import opaque_id

Message = Any
ACCEPTED, ERROR, INVALID_SEQUENCE, DENIED = 0, 1, 13, 14
REASONS = {
    1: "the vehicle reports an error",
    2: "its frame is not supported",
    3: "its command is not supported",
    4: "the vehicle has no space for so many items",
    5: "a value in it is not valid",
    6: "its parameter 1 is not valid",
    7: "its parameter 2 is not valid",
    8: "its parameter 3 is not valid",
    9: "its parameter 4 is not valid",
    10: "its latitude is not valid",
    11: "its longitude is not valid",
    12: "its altitude is not valid",
    13: "items arrived out of sequence",
    14: "the vehicle does not take missions from this ground station",
    15: "the vehicle cancelled the transfer",
}
_ABOUT_AN_ITEM = frozenset({2, 3, 5, 6, 7, 8, 9, 10, 11, 12})
# ArduPilot asks for the same item 8 times, a second apart, before it gives up.
RETRY_S, SILENCE_S, LAST_WORD_S = 1.5, 12.0, 3.0


class Holding(StrEnum):
    """What the vehicle holds after a transfer."""

    EXACTLY = "the vehicle holds exactly the new list"
    NONE = "the vehicle holds none"
    UNKNOWN = "what the vehicle holds is unknown"


@dataclass(frozen=True)
class TransferEnd:
    """How a transfer ended: what the vehicle holds, and why it is not what was asked. `item` is a place in the list.

    `opaque_id` is the name that the vehicle gives to the list it holds, None where it gives none.
    """

    holding: Holding
    reason: str | None = None
    item: int | None = None
    attempts: int = 1
    opaque_id: int | None = None


@dataclass(frozen=True)
class Refusal:
    """Why a phase failed: in words, the item concerned, and whether trying again can help."""

    reason: str
    item: int | None = None
    lasting: bool = False


class _Phase:
    """One exchange of a kind of list. It says its last word again after RETRY_S, and gives up after SILENCE_S."""

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.done = False
        self.failure: Refusal | None = None
        self.next_s = 0.0
        self._silent_since_s = 0.0

    def start(self, now_s: float) -> list[Message]:
        self._silent_since_s = now_s
        self.next_s = now_s + RETRY_S
        return self._ask()

    def tick(self, now_s: float) -> list[Message]:
        if self.done or now_s < self.next_s:
            return []
        if now_s - self._silent_since_s >= self._patience_s():
            self._silence()
            return []
        self.next_s = now_s + RETRY_S
        return self._ask()

    def receive(self, message: Message, now_s: float) -> list[Message]:
        if self.done or getattr(message, "mission_type", self.kind) != self.kind:
            return []
        answer = self._hear(message)
        if answer is None:
            return []
        self._silent_since_s = now_s
        self.next_s = now_s + RETRY_S
        return answer

    def _patience_s(self) -> float:
        return SILENCE_S

    def _ask(self) -> list[Message]:
        raise NotImplementedError

    def _hear(self, message: Message) -> list[Message] | None:
        raise NotImplementedError

    def _silence(self) -> None:
        self._fail("the vehicle fell silent")

    def _fail(self, reason: str, item: int | None = None, *, lasting: bool = False) -> None:
        self.done, self.failure = True, Refusal(reason, item, lasting)


class Upload(_Phase):
    """Offer a list and answer the vehicle's requests, in either form, until it acknowledges.

    `acknowledged` is False when all items were asked for and the vehicle's last word is missing: only reading back
    tells. A wrong sequence is not the end: the vehicle goes on asking for the right one.
    """

    def __init__(self, items: tuple[WireItem, ...], kind: int) -> None:
        super().__init__(kind)
        self.items = items
        self.asked_for: set[int] = set()
        self.last: int | None = None
        self.acknowledged = False
        self._complained = False

    @property
    def progress(self) -> float:
        """The share of items that the vehicle asked for."""
        return len(self.asked_for) / max(len(self.items), 1)

    def serve(self, message: Message) -> list[Message]:
        """Answer a request for an item, also a late one."""
        if message.seq >= len(self.items):
            return []
        return [self.items[message.seq].message(message.seq, self.kind)]

    def _ask(self) -> list[Message]:
        if self.last is None:
            return [ardupilotmega.MAVLink_mission_count_message(0, 1, len(self.items), self.kind)]
        return []

    def _hear(self, message: Message) -> list[Message] | None:
        name = message.get_type()
        if name in ("MISSION_REQUEST", "MISSION_REQUEST_INT"):
            self.last = message.seq
            self.asked_for.add(message.seq)
            self._complained = False
            return self.serve(message)
        if name == "MISSION_ACK":
            return self._end(message.type)
        return None

    @property
    def _is_complete(self) -> bool:
        """Whether the vehicle may have all: PX4 goes on where an earlier upload of the same list was broken off."""
        return len(self.asked_for) == len(self.items) or self.last == len(self.items) - 1

    def _end(self, answer: int) -> list[Message] | None:
        if answer == ACCEPTED:
            if self._is_complete:
                self.done = self.acknowledged = True
            return []
        if answer == INVALID_SEQUENCE:
            return []
        if answer == ERROR and self._is_complete:
            if self.kind == 0:
                self.done = True
                return []
        elif answer == ERROR:
            # Perhaps about something late, or it is busy with what was broken off: it may ask again.
            self._complained = True
            return None
        item = self.last if answer in _ABOUT_AN_ITEM else None
        lasting = answer not in (ERROR, DENIED, 15)
        self._fail(REASONS.get(answer, f"the vehicle answered {answer}"), item, lasting=lasting)
        return []

    def _patience_s(self) -> float:
        return LAST_WORD_S if self._is_complete else SILENCE_S

    def _silence(self) -> None:
        if self._is_complete:
            self.done = True
        elif self._complained:
            self._fail(REASONS[ERROR], self.last)
        elif self.last is None:
            self._fail("the vehicle did not ask for any item")
        else:
            self._fail("the vehicle stopped asking", self.last)


class Download(_Phase):
    """Ask for a list, item by item, and thank for it."""

    def __init__(self, kind: int) -> None:
        super().__init__(kind)
        self.count: int | None = None
        self.opaque_id: int | None = None
        self._items: dict[int, WireItem] = {}

    @property
    def items(self) -> tuple[WireItem, ...]:
        """What came, in order."""
        return tuple(self._items[i] for i in sorted(self._items))

    def _ask(self) -> list[Message]:
        if self.count is None:
            return [ardupilotmega.MAVLink_mission_request_list_message(0, 1, self.kind)]
        if len(self._items) < self.count:
            return [ardupilotmega.MAVLink_mission_request_int_message(0, 1, len(self._items), self.kind)]
        self.done = True
        return [ardupilotmega.MAVLink_mission_ack_message(0, 1, ACCEPTED, self.kind)]

    def _hear(self, message: Message) -> list[Message] | None:
        name = message.get_type()
        if name == "MISSION_COUNT" and self.count is None:
            self.count = message.count
            self.opaque_id = opaque_id(message)
            return self._ask()
        if name in ("MISSION_ITEM_INT", "MISSION_ITEM") and self.count is not None:
            if message.seq != len(self._items):
                return None
            self._items[message.seq] = WireItem.of(message)
            return self._ask()
        if name == "MISSION_ACK" and self.count is not None and message.type == INVALID_SEQUENCE:
            self._fail("the vehicle's list became shorter while it was read", len(self._items))
            return []
        return None


class Clear(_Phase):
    """Have the vehicle forget its list. Its yes is not believed: `Put` reads back that there is none."""

    def _ask(self) -> list[Message]:
        return [ardupilotmega.MAVLink_mission_clear_all_message(0, 1, self.kind)]

    def _hear(self, message: Message) -> list[Message] | None:
        if message.get_type() != "MISSION_ACK":
            return None
        if message.type == ACCEPTED:
            self.done = True
        return []


class Put:
    """Upload, read back, compare; try again when that can help; else clear, and read back that nothing is held."""

    def __init__(self, items: tuple[WireItem, ...], kind: int, *, ardupilot: bool, attempts: int = 3) -> None:
        self.items, self.kind, self.ardupilot = items, kind, ardupilot
        self.end: TransferEnd | None = None
        self.attempt = 0
        self._attempts = attempts
        self._upload = Upload(items, kind)
        self._phase: _Phase = self._upload
        self._why: Refusal | None = None
        self._cancelled = False
        self._clearing = 0

    @property
    def done(self) -> bool:
        """Whether it has ended, one way or another."""
        return self.end is not None

    @property
    def next_s(self) -> float:
        """When `tick` is due."""
        return self._phase.next_s

    @property
    def progress(self) -> float:
        """The share of items that the vehicle asked for."""
        return self._upload.progress

    def start(self, now_s: float) -> list[Message]:
        """Begin."""
        if not self.items:
            return self._clear(now_s)
        return self._begin_upload(now_s)

    def cancel(self, now_s: float) -> list[Message]:
        """Stop, and clear what has arrived."""
        if self.done or self._clearing:
            return []
        self._cancelled = True
        return self._give_up(Refusal("it was cancelled", lasting=True), now_s)

    def receive(self, message: Message, now_s: float) -> list[Message]:
        """Take one message of the vehicle and return the answers."""
        if self.done:
            return []
        out = self._phase.receive(message, now_s)
        late = message.get_type() in ("MISSION_REQUEST", "MISSION_REQUEST_INT") and self._phase is not self._upload
        if late and message.mission_type == self.kind and not self._clearing:
            out = out + self._upload.serve(message)
        return out + self._go_on(now_s)

    def tick(self, now_s: float) -> list[Message]:
        """Say again what was not answered."""
        if self.done:
            return []
        return self._phase.tick(now_s) + self._go_on(now_s)

    def _begin_upload(self, now_s: float) -> list[Message]:
        self.attempt += 1
        self._phase = self._upload = Upload(self.items, self.kind)
        return self._phase.start(now_s)

    def _go_on(self, now_s: float) -> list[Message]:
        phase = self._phase
        if not phase.done:
            return []
        if isinstance(phase, Upload):
            return self._retry_or_give_up(phase.failure, now_s) if phase.failure else self._read(now_s)
        if isinstance(phase, Clear):
            return self._read(now_s)
        assert isinstance(phase, Download)
        return self._judge(phase, now_s)

    def _read(self, now_s: float) -> list[Message]:
        self._phase = Download(self.kind)
        return self._phase.start(now_s)

    def _judge(self, read: Download, now_s: float) -> list[Message]:
        if self._clearing:
            return self._judge_cleared(read, now_s)
        if read.failure:
            return self._retry_or_give_up(read.failure, now_s)
        found = differences(self.items, read.items, self.kind, ardupilot=self.ardupilot)
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            return self._retry_or_give_up(Refusal(f"read back, it differs: {found[0]}{more}"), now_s)
        return self._finish(Holding.EXACTLY, read.opaque_id)

    def _judge_cleared(self, read: Download, now_s: float) -> list[Message]:
        # ArduPilot may keep item 0, its home, in an empty mission.
        none = read.failure is None and len(read.items) <= (1 if self.kind == 0 and self.ardupilot else 0)
        if none:
            return self._finish(Holding.NONE if self.items else Holding.EXACTLY)
        if self._clearing < self._attempts:
            return self._clear(now_s)
        return self._finish(Holding.UNKNOWN)

    def _retry_or_give_up(self, why: Refusal, now_s: float) -> list[Message]:
        if not why.lasting and self.attempt < self._attempts:
            self._why = why
            return self._begin_upload(now_s)
        return self._give_up(why, now_s)

    def _give_up(self, why: Refusal, now_s: float) -> list[Message]:
        self._why = why
        return self._clear(now_s)

    def _clear(self, now_s: float) -> list[Message]:
        self._clearing += 1
        self._phase = Clear(self.kind)
        return self._phase.start(now_s)

    def _finish(self, holding: Holding, identifier: int | None = None) -> list[Message]:
        why = self._why if holding is not Holding.EXACTLY else None
        reason = why.reason if why else None
        if holding is Holding.UNKNOWN and reason is None:
            reason = f"the vehicle does not forget its {KINDS[self.kind]}"
        self.end = TransferEnd(holding, reason, why.item if why else None, max(self.attempt, 1), identifier)
        return []
