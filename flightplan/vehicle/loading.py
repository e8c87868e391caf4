"""Loading a vehicle: its lists, read back and compared; its parameters, each change written down and put back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flightplan.errors import PreflightError, VehicleError
from flightplan.mission import Mission
from flightplan.vehicle.items import FENCE, KINDS, MISSION, RALLY, WireItem, fence_items, mission_items, rally_items
from flightplan.vehicle.link import Link
from flightplan.vehicle.logs import CHANGES, iso_utc
from flightplan.vehicle.messages import Message
from flightplan.vehicle.setup import Change
from flightplan.vehicle.transfer import Holding, Put, TransferEnd

CANCEL_KEY = "x"
_SAID_IN_STEPS = 40
_RESTORED = "parameters-restored.jsonl"
Tell = Callable[[str, str], None]
Record = Callable[[Mapping[str, Any]], None]


def put(
    link: Link,
    items: tuple[WireItem, ...],
    kind: int,
    *,
    timeout_s: float | None = None,
    on_progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> TransferEnd:
    """Upload a list to a vehicle, read it back, compare; on failure clear it.

    `on_progress` is told the share that the vehicle has asked for; when `cancelled` says so, or on Ctrl-C, it is
    stopped and cleared. When the time runs out, or anything else ends the conversation, what it holds is unknown.
    """
    conversation = Put(items, kind, ardupilot=link.is_ardupilot)
    seconds = timeout_s or 120.0 + 2.0 * len(items)

    def interrupt() -> list[Message] | None:
        if on_progress is not None:
            on_progress(conversation.progress)
        return conversation.cancel(link.clock.now_s()) if cancelled is not None and cancelled() else None

    try:
        try:
            link.hold(conversation, seconds, interrupt if on_progress or cancelled else None)
        except KeyboardInterrupt:
            link.hold(_Clearing(conversation), seconds)
            raise
    except VehicleError as error:
        return TransferEnd(Holding.UNKNOWN, error.what)
    return conversation.end or TransferEnd(Holding.UNKNOWN, "it took too long", attempts=conversation.attempt)


class _Clearing:
    """The rest of a conversation that was broken off."""

    def __init__(self, conversation: Put) -> None:
        self._conversation = conversation
        self.receive, self.tick = conversation.receive, conversation.tick

    @property
    def done(self) -> bool:
        return self._conversation.done

    @property
    def next_s(self) -> float:
        return self._conversation.next_s

    def start(self, now_s: float) -> list[Message]:
        return self._conversation.cancel(now_s)


def load_lists(
    link: Link, mission: Mission, tell: Tell, keys: Callable[[], str], *, clear_rally: bool = False
) -> dict[int, TransferEnd]:
    """Load fence, rally points and mission, as far as the plan has them; CANCEL_KEY stops it.

    With `clear_rally` a plan without rally points clears those that the vehicle holds.
    """
    lists = {
        FENCE: fence_items(mission),
        RALLY: rally_items(mission),
        MISSION: mission_items(mission, with_home=link.is_ardupilot),
    }
    ends: dict[int, TransferEnd] = {}
    typed = ""
    for kind, items in lists.items():
        if not items and not (kind == RALLY and clear_rally):
            continue
        said = 0

        def progress(share: float, name: str = KINDS[kind], count: int = len(items)) -> None:
            nonlocal said
            if count >= _SAID_IN_STEPS and int(share * 4) > said and share < 1:
                said = int(share * 4)
                tell("upload", f"{name}: {share:.0%} of {count} items")

        def cancelled() -> bool:
            nonlocal typed
            typed += keys().lower()
            return CANCEL_KEY in typed

        ends[kind] = end = put(link, items, kind, on_progress=progress, cancelled=cancelled)
        words = f"{KINDS[kind]}: {end.holding}" + (f": {end.reason}" if end.reason else "")
        tell("upload", f"{words} (item {end.item})" if end.item is not None else words)
        if CANCEL_KEY in typed:
            break
    return ends


def still_holds(link: Link, ends: Mapping[int, TransferEnd]) -> None:
    """Ask a vehicle that gives ids to its lists whether they are still those that were read back.

    PreflightError when somebody has put another one in their place. A vehicle without ids is believed.
    """
    for kind, end in ends.items():
        told = link.list_ids.get(kind)
        if end.opaque_id is not None and told is not None and told != end.opaque_id:
            raise PreflightError(
                f"the vehicle no longer holds the {KINDS[kind]} that was uploaded",
                where=link.address.url,
                hint="Somebody else has loaded another: upload again.",
            )


def set_parameters(link: Link, wanted: Mapping[str, float], tell: Tell, record: Record) -> None:
    """Set parameters that were asked for by name. PreflightError when the vehicle has or takes one not."""
    held = link.parameters(wanted)
    for name, value in wanted.items():
        if name not in held:
            raise PreflightError(f"the vehicle has no parameter {name}", where=link.address.url)
        if held[name] != value:
            set_one(link, Change(name, held[name], value, "asked for"), tell, record)


def set_one(link: Link, change: Change, tell: Tell, record: Record) -> None:
    """Set a parameter, and write down what it was, first."""
    record(
        {
            "time_utc": iso_utc(link.clock.now_s()),
            "system_id": link.system_id,
            "name": change.name,
            "old": change.old,
            "new": change.new,
            "why": change.why,
        }
    )
    if not link.set_parameter(change.name, change.new):
        raise PreflightError(f"the vehicle does not take {change.new:g} for {change.name}", where=link.address.url)
    tell("parameter", f"{change.name} set from {change.old:g} to {change.new:g}")


def changed_parameters(out: Path, system_id: int) -> dict[str, float]:
    """Return what parameters of a vehicle were before the flights logged in a folder, since they were last put back."""
    restored = max(
        (str(r["time_utc"]) for r in _records(out / _RESTORED) if r.get("system_id") == system_id), default=""
    )
    changes = [
        r for path in sorted(out.glob(f"*/{CHANGES}")) for r in _records(path) if r.get("system_id") == system_id
    ]
    found: dict[str, float] = {}
    for record in sorted(changes, key=lambda r: str(r["time_utc"])):
        if str(record["time_utc"]) > restored:
            found.setdefault(str(record["name"]), float(record["old"]))
    return found


def restore_parameters(link: Link, out: Path, tell: Tell) -> dict[str, float]:
    """Put a vehicle's parameters back to what they were before the flights logged in a folder; return those set.

    PreflightError while it is armed, or when it does not take one.
    """
    if link.armed:
        raise PreflightError("the vehicle is armed", where=link.address.url, hint="Land it first.")
    before = changed_parameters(out, link.system_id)
    for name, value in before.items():
        if not link.set_parameter(name, value):
            raise PreflightError(f"the vehicle does not take {value:g} for {name}", where=link.address.url)
        tell("parameter", f"{name} is {value:g} again")
    if before:
        record = {"time_utc": iso_utc(link.clock.now_s()), "system_id": link.system_id, "restored": before}
        with (out / _RESTORED).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    return before


def _records(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "time_utc" in record:
            found.append(record)
    return found
