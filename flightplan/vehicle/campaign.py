"""Fly the sorties of a plan one after another, each with its own log folder, none twice."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from flightplan.clock import Clock
from flightplan.errors import PreflightError, WorkspaceError
from flightplan.plan import Sortie, SurveyPlan
from flightplan.terrain import Terrain
from flightplan.vehicle.attach import logged_sorties, recognise
from flightplan.vehicle.autopilots import Airframe
from flightplan.vehicle.flight import FlightResult, Outcome, fly_sortie
from flightplan.vehicle.link import Link
from flightplan.vehicle.logs import FlightCapture, FlightEvent, iso_utc
from flightplan.vehicle.resume import Assessment, assess, log_folders, plan_resume
from flightplan.vehicle.setup import Change, FlightSetup
from flightplan.vehicle.signing import SigningKey

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
# The parameter of a copter's return height, and its units to the metre; its name has changed with 4.7.
_RETURN_UNITS = {"RTL_ALT_M": 1, "RTL_ALT": 100}
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
    setup: FlightSetup | None = None,
    signing: SigningKey | None = None,
    others: Sequence[Sortie] = (),
    on_event: Callable[[FlightEvent], None] | None = None,
    on_capture: Callable[[FlightCapture], None] | None = None,
) -> FlightResult:
    """Connect, fly one sortie, and leave its log and summary in `out`/IDENTIFIER; an earlier log is set aside.

    `parameters` are set on the vehicle first: naming them is the consent. A simulator is given SAFE_PARAMETERS too.
    A vehicle found in the air with this sortie's mission, one of the `others`' or that of a flight logged in `out`,
    since the program that watched it was ended, is watched to its landing: the log is then that sortie's.
    PreflightError when it is in the air with another mission.
    """
    with Link.connect(url, clock=clock, timeout_s=timeout_s, system_id=system_id, signing=signing) as link:
        simulated = authorise(link, live=live, system_id=system_id)
        attach = link.armed
        if attach:
            sortie = recognise(link, [sortie, *others, *logged_sorties(out)])
        copter = link.is_ardupilot and link.dialect.airframe is Airframe.MULTIROTOR
        setup = setup or FlightSetup()
        wanted = {**(SAFE_PARAMETERS if simulated and copter else {}), **(parameters or {})}
        if copter and setup.return_height_m is not None:
            wanted = {**_return_height(link, setup, setup.return_height_m, simulated, on_event), **wanted}
        if not (sortie.mission.fence or sortie.mission.fence_circles):
            wanted = {name: value for name, value in wanted.items() if not name.startswith("FENCE_")}
        result = fly_sortie(
            link,
            sortie.mission,
            log_folder=out / sortie.identifier,
            energy_share=sortie.energy_share or None,
            overrides=overrides,
            parameters=wanted,
            setup=replace(setup, sortie=sortie, simulated=simulated, attach=attach),
            on_event=on_event,
            on_capture=on_capture,
        )
    summary = {"sortie": sortie.identifier, "simulated": simulated, "connected_to": url, "attached": attach}
    summary |= describe(result)
    summary.pop("captures")
    summary.pop("events")
    _write_summary(result.log, summary)
    return result


def _return_height(
    link: Link, setup: FlightSetup, height_m: float, simulated: bool, on_event: Callable[[FlightEvent], None] | None
) -> dict[str, float]:
    """Return the parameter that has a copter come back at least so high, when it does not and may be changed."""
    held = link.parameters(_RETURN_UNITS)
    name = next((n for n in _RETURN_UNITS if n in held), None)
    wanted = math.ceil(height_m * _RETURN_UNITS[name]) if name else 0
    if name is None or held[name] >= wanted:
        return {}
    if simulated or setup.consent([Change(name, held[name], wanted, "several fly: each comes home at its own height")]):
        return {name: wanted}
    if on_event is not None:
        text = f"it may come home at the others' height: {name} would have to be {wanted}"
        on_event(FlightEvent(iso_utc(link.clock.now_s()), "warning", text))
    return {}


def resume_one(
    plan: SurveyPlan,
    sortie: Sortie,
    url: str,
    *,
    out: Path,
    launch: tuple[float, float] | None = None,
    terrain: Terrain | None = None,
    on_sortie: Callable[[Sortie, Assessment], None] | None = None,
    **flying: Any,
) -> tuple[FlightResult | None, Assessment]:
    """Fly one battery of what a sortie's logs in `out` miss; return the flight, None when nothing is, and what is left.

    `launch`, (longitude, latitude), is where the crew stands when it is not the sortie's home. `on_sortie` is told what
    will be flown. `flying` is as in `fly_one`. PlanError when it cannot be planned.
    """
    resumed, before = next_resume(plan, sortie, out, launch=launch, terrain=terrain)
    if resumed is None:
        return None, before
    if on_sortie is not None:
        on_sortie(resumed, before)
    result = fly_one(resumed, url, out=out, **flying)
    return result, note_what_is_left(plan, sortie, result, out)


def next_resume(
    plan: SurveyPlan,
    sortie: Sortie,
    out: Path,
    *,
    launch: tuple[float, float] | None = None,
    terrain: Terrain | None = None,
) -> tuple[Sortie | None, Assessment]:
    """Return one battery of what a sortie's logs in `out` miss, None when nothing is, and how it stands."""
    folders = log_folders(out, sortie.identifier)
    before = assess(plan, sortie, folders)
    if not before.missing:
        return None, before
    number = 1 + max((_resume_number(f, sortie.identifier) for f in folders), default=0)
    return plan_resume(plan, sortie, before.missing, first_number=number, launch=launch, terrain=terrain)[0], before


def note_what_is_left(plan: SurveyPlan, sortie: Sortie, result: FlightResult, out: Path) -> Assessment:
    """Assess a sortie after a resumed flight of it, and write into that flight's summary which gaps are left."""
    left = assess(plan, sortie, log_folders(out, sortie.identifier))
    _write_summary(result.log, {**_summary(result.log), "gaps_left": [asdict(m) for m in left.missing]})
    return left


def was_resumed_to_the_end(out: Path, identifier: str) -> bool:
    """Whether a resumed flight of a sortie left nothing missing."""
    return any(_summary(folder).get("gaps_left") == [] for folder in log_folders(out, identifier))


def _resume_number(folder: Path, identifier: str) -> int:
    number = folder.name.removeprefix(f"{identifier}-resume-").partition(".")[0]
    return int(number) if number.isdigit() and folder.name.startswith(f"{identifier}-resume-") else 0


def _write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    (folder / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def choose_sorties(sorties: Iterable[Sortie], identifier: str | None, out: Path) -> tuple[Sortie, ...]:
    """Return the sortie that was asked for, else those not completed yet. WorkspaceError for an unknown name."""
    known = tuple(sorties)
    if identifier is None:
        done = (was_completed(out / s.identifier) or was_resumed_to_the_end(out, s.identifier) for s in known)
        return tuple(s for s, flown in zip(known, done, strict=True) if not flown)
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
