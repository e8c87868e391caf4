"""One screen for several vehicles: a line for each, with what its pilot would look for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.table import Table

from flightplan.vehicle.together import Member, Together

KEYS = "Keys: 1-9 choose a vehicle, a all; p pause, c continue, r return home, l land. Ctrl-C ends the watch."
_UNKNOWN_CHARGE = -1


@dataclass(frozen=True)
class Status:
    """How one vehicle stands; what is not known is None. `nearest_m` is over the ground, to another in the air."""

    number: int
    sortie: str
    state: str
    line: str
    charge_percent: int | None
    height_m: float | None
    speed_mps: float | None
    nearest_m: float | None
    silent_s: float | None
    last: str


def status(together: Together, member: Member, now_s: float) -> Status:
    """Return how a vehicle stands, by what it said before now."""
    craft = together.tower.craft(member.number)
    sortie = member.sortie.identifier if member.sortie else ""
    last = f"{member.last.kind}: {member.last.text}" if member.last else ""
    if member.error is not None:
        last = str(member.error)
    if craft is None or member.is_over:
        return Status(member.number, sortie, _ended(member), member.transect, None, None, None, None, None, last)
    seen = craft.seen(now_s)
    system = craft.link.latest.get("SYS_STATUS")
    charge = None if system is None or system.battery_remaining == _UNKNOWN_CHARGE else int(system.battery_remaining)
    flying = craft.in_the_air(now_s)
    others = [
        place.point
        for other in together.members
        if other is not member
        and (there := together.tower.craft(other.number)) is not None
        and (place := there.in_the_air(now_s)) is not None
    ]
    state = craft.link.mode
    if craft.is_waiting(now_s):
        state, last = "waits for clearance", craft.waits_for or last
    elif craft.held_for is not None:
        state = f"waits in the air for {craft.held_for.name}"
    return Status(
        number=member.number,
        sortie=sortie,
        state=state,
        line=member.transect,
        charge_percent=charge,
        height_m=seen.height_m if seen else None,
        speed_mps=float(np.hypot(*seen.velocity[:2])) if seen else None,
        nearest_m=min((float(np.hypot(*(p - flying.point)[:2])) for p in others), default=None) if flying else None,
        silent_s=None if craft.link.heard_s is None else max(now_s - craft.link.heard_s, 0.0),
        last=last,
    )


def table(together: Together, now_s: float) -> Table:
    """Return the screen: the chosen vehicle is marked, or all are."""
    found = Table(caption=KEYS, caption_justify="left", expand=True)
    for heading in ("", "sortie", "state", "line", "charge", "height", "speed", "nearest", "heard", "last word"):
        found.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1 if heading == "last word" else None)
    for member in together.members:
        row = status(together, member, now_s)
        chosen = together.desk.chosen in (None, member.number)
        found.add_row(
            f"{'>' if chosen else ' '}{row.number}",
            row.sortie,
            row.state,
            row.line,
            _with_unit(row.charge_percent, "%"),
            _with_unit(row.height_m, "m"),
            _with_unit(row.speed_mps, "m/s"),
            _with_unit(row.nearest_m, "m"),
            "" if row.silent_s is None or row.silent_s < 3 else f"{row.silent_s:.0f} s ago",
            row.last,
        )
    return found


def _ended(member: Member) -> str:
    if member.error is not None:
        return "failed"
    if member.is_over:
        return str([*member.results.values()][-1].outcome) if member.results else "nothing to fly"
    return "is made ready"


def _with_unit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.0f} {unit}"
