"""Joining a flight that is under way: which sortie a vehicle in the air flies is told by the mission that it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from flightplan.errors import PreflightError, UnreadableFileError
from flightplan.plain_values import from_plain
from flightplan.plan import Sortie
from flightplan.vehicle.items import MISSION, WireItem, differences, mission_items
from flightplan.vehicle.link import Link
from flightplan.vehicle.logs import SORTIE
from flightplan.vehicle.transfer import Download

_AT_MOST_S = 60.0
_MAX_BYTES = 64 * 1024 * 1024


def recognise(link: Link, candidates: Iterable[Sortie]) -> Sortie:
    """Return the sortie whose mission an armed vehicle holds, item for item.

    PreflightError when it is none of them, or its mission cannot be read: a new mission is not loaded over its head.
    """
    held = _held(link)
    names = []
    for sortie in candidates:
        wanted = mission_items(sortie.mission, with_home=link.is_ardupilot)
        if held and not differences(wanted, held, MISSION, ardupilot=link.is_ardupilot):
            return sortie
        names.append(sortie.identifier)
    what = f"a mission of {len(held)} items that is none of {', '.join(dict.fromkeys(names))}" if held else "no mission"
    raise PreflightError(
        f"the vehicle is armed, perhaps in the air, with {what}",
        where=link.address.url,
        hint="A new mission is not loaded over its head: watch it with the ground station that sent it, bring it down,"
        " then fly.",
    )


def logged_sorties(out: Path) -> tuple[Sortie, ...]:
    """Return the sorties that the flights logged in a folder flew, the latest resumed ones first."""
    logged = (logged_sortie(path.parent) for path in sorted(out.glob(f"*/{SORTIE}"), reverse=True))
    return tuple({s.identifier: s for s in logged if s is not None}.values())


def logged_sortie(folder: Path) -> Sortie | None:
    """Return the sortie that a flight's log says was flown; None when it does not say, or is damaged."""
    path = folder / SORTIE
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        return from_plain(Sortie, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, UnreadableFileError):
        return None


def _held(link: Link) -> tuple[WireItem, ...]:
    reading = Download(MISSION)
    if not link.hold(reading, _AT_MOST_S) or reading.failure is not None:
        return ()
    return reading.items
