"""Fly the sorties of a plan one after another, each with its own log folder, none twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flightplan.clock import Clock
from flightplan.errors import PreflightError, WorkspaceError
from flightplan.plan import Sortie
from flightplan.vehicle.flight import FlightResult, Outcome, fly_sortie
from flightplan.vehicle.link import Link
from flightplan.vehicle.logs import FlightCapture, FlightEvent

SUMMARY = "flight.json"
# What a survey needs of an ArduPilot: arm and take off in AUTO, come back when the ground station or the battery is
# lost, mind the fence that was uploaded and no other. Set without asking on a simulator, on a real vehicle never.
SAFE_PARAMETERS: Mapping[str, float] = {
    "AUTO_OPTIONS": 3,
    "FS_GCS_ENABLE": 1,
    "BATT_FS_LOW_ACT": 2,
    "FENCE_TYPE": 4,
    "FENCE_ENABLE": 1,
}
_ONLY_IN_SIMULATORS = "SIM_SPEEDUP"


def is_simulator(link: Link) -> bool:
    """Whether a vehicle is simulated: it is on this machine, and has a parameter that only simulators have."""
    return link.address.is_loopback and bool(link.parameters([_ONLY_IN_SIMULATORS]))


def authorise(link: Link, *, live: bool, system_id: int | None) -> bool:
    """Let a simulator fly, and a real vehicle only when its system id was typed; return whether it is a simulator.

    PreflightError otherwise.
    """
    if live and system_id == link.system_id:
        return False
    if live:
        raise PreflightError(
            "this is not the vehicle whose system id was typed", where=link.address.url, hint="Check which one it is."
        )
    if is_simulator(link):
        return True
    raise PreflightError(
        "this is not a simulator on this machine, but perhaps a real vehicle",
        where=link.address.url,
        hint="To fly it, add --live --system-id N with its system id.",
    )


def was_completed(folder: Path) -> bool:
    """Whether a log folder holds a flight that was completed."""
    return _summary(folder).get("outcome") == Outcome.COMPLETED


def fly_one(
    sortie: Sortie,
    url: str,
    *,
    out: Path,
    clock: Clock | None = None,
    live: bool = False,
    system_id: int | None = None,
    overrides: Collection[str] = (),
    parameters: Mapping[str, float] | None = None,
    timeout_s: float = 30.0,
    on_event: Callable[[FlightEvent], None] | None = None,
    on_capture: Callable[[FlightCapture], None] | None = None,
) -> FlightResult:
    """Connect, fly one sortie, and leave its log and summary in `out`/IDENTIFIER; an earlier log is set aside.

    `parameters` are set on the vehicle first: naming them is the consent. A simulator is given SAFE_PARAMETERS too.
    """
    with Link.connect(url, clock=clock, timeout_s=timeout_s, system_id=system_id) as link:
        simulated = authorise(link, live=live, system_id=system_id)
        wanted = {**(SAFE_PARAMETERS if simulated and link.is_ardupilot else {}), **(parameters or {})}
        if not (sortie.mission.fence or sortie.mission.fence_circles):
            wanted = {name: value for name, value in wanted.items() if not name.startswith("FENCE_")}
        result = fly_sortie(
            link,
            sortie.mission,
            log_folder=out / sortie.identifier,
            energy_share=sortie.energy_share or None,
            overrides=overrides,
            parameters=wanted,
            on_event=on_event,
            on_capture=on_capture,
        )
    summary = {"sortie": sortie.identifier, "simulated": simulated, "connected_to": url, **describe(result)}
    summary.pop("captures")
    summary.pop("events")
    (result.log / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return result


def choose_sorties(sorties: Iterable[Sortie], identifier: str | None, out: Path) -> tuple[Sortie, ...]:
    """Return the sortie that was asked for, else those not completed yet. WorkspaceError for an unknown name."""
    known = tuple(sorties)
    if identifier is None:
        return tuple(s for s in known if not was_completed(out / s.identifier))
    chosen = tuple(s for s in known if s.identifier == identifier)
    if not chosen:
        names = ", ".join(s.identifier for s in known)
        raise WorkspaceError(f"there is no sortie {identifier}", hint=f"The plan has {names}.")
    return chosen


def describe(result: FlightResult) -> dict[str, Any]:
    """Return a flight as plain values for JSON."""
    return {
        "outcome": str(result.outcome),
        "reason": result.reason,
        "capture_count": len(result.captures),
        "on_line_count": sum(c.on_line for c in result.captures),
        "captures": [asdict(c) for c in result.captures],
        "gaps": [asdict(g) for g in result.gaps],
        "events": [asdict(e) for e in result.events],
        "preflight": [asdict(c) for c in result.preflight.checks] if result.preflight else [],
        "transfers": {name: asdict(end) for name, end in result.transfers.items()},
        "log": str(result.log),
        "set_aside": str(result.set_aside) if result.set_aside else None,
    }


def _summary(folder: Path) -> dict[str, Any]:
    try:
        document = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
