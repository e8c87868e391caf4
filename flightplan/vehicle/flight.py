"""Fly one sortie: upload and read back, preflight, arm, start, watch to the landing, all on disk as it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from flightplan.errors import PreflightError, VehicleError
from flightplan.mission import Command, Mission
from flightplan.plain_values import to_plain
from flightplan.vehicle.effort import EffortMap, Gap
from flightplan.vehicle.items import FENCE, KINDS, MISSION, RALLY, WireItem, fence_items, mission_items, rally_items
from flightplan.vehicle.link import Link
from flightplan.vehicle.logs import SORTIE, FlightCapture, FlightEvent, FlightLog
from flightplan.vehicle.preflight import Preflight, run_preflight
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.transfer import Holding, Put, TransferEnd
from flightplan.vehicle.watch import FlightWatch

_SET_MODE, _ARM, _MISSION_START, _TAKEOFF = 176, 400, 300, 22
_ARDUPILOT_AUTO, _ARDUPILOT_GUIDED, _ARDUPILOT_RTL = 3, 4, 6
_PX4_MISSION, _PX4_RETURN = (4, 4), (4, 5)
_ARM_AND_TAKE_OFF_IN_AUTO = 3
_GUIDED_TAKEOFF_M = 20.0
LINK_LOST_S = 180.0


class Outcome(StrEnum):
    """How a flight ended."""

    COMPLETED = "completed"
    CUT_SHORT = "cut short"
    NOT_FLOWN = "not flown"
    LOST = "link lost"


@dataclass(frozen=True)
class FlightResult:
    """One flight: its outcome and why, frames, stretches without frames, events, preflight table, log folder.

    `track` is where it reported to be from arming to landing, (longitude, latitude).
    """

    outcome: Outcome
    reason: str | None
    captures: tuple[FlightCapture, ...]
    gaps: tuple[Gap, ...]
    events: tuple[FlightEvent, ...]
    preflight: Preflight | None
    transfers: Mapping[str, TransferEnd]
    log: Path
    set_aside: Path | None
    track: tuple[tuple[float, float], ...] = ()


def fly_sortie(
    link: Link,
    mission: Mission,
    *,
    log_folder: Path,
    energy_share: float | None = None,
    overrides: Collection[str] = (),
    parameters: Mapping[str, float] | None = None,
    setup: FlightSetup | None = None,
    ready_within_s: float = 120.0,
    at_most_s: float = 7200.0,
    on_event: Callable[[FlightEvent], None] | None = None,
    on_capture: Callable[[FlightCapture], None] | None = None,
) -> FlightResult:
    """Fly one mission from upload to landing, as `setup` says.

    Times are seconds of the link's clock. `on_event` and `on_capture` are told each event and frame as it comes, after
    it was written down. `parameters` are set on the vehicle first. Nothing flies past a failed check that is not in
    `overrides` (names as in the preflight table). What the vehicle refuses makes an outcome NOT_FLOWN with its reason,
    not an error; a dead connection is a VehicleError before take-off and the outcome LOST after it.
    """
    setup = setup or FlightSetup()
    with FlightLog(log_folder) as log:
        if setup.sortie is not None:
            log.keep(SORTIE, json.dumps(to_plain(setup.sortie)) + "\n")
        effort = EffortMap(mission, first_item=1 if link.is_ardupilot else 0)
        watch = FlightWatch(link, effort, log, on_event, on_capture)
        outcome, reason = Outcome.NOT_FLOWN, None
        preflight: Preflight | None = None
        transfers: dict[int, TransferEnd] = {}
        try:
            with watch:
                try:
                    if setup.attach:
                        link.ask_for()
                        watch.tell("attached", "it is in the air with this mission already: it is watched from here on")
                    else:
                        _on_the_ground(link)
                        link.ask_for()
                        _set_parameters(link, parameters or {}, watch)
                        transfers = _load(link, mission, watch)
                        preflight = run_preflight(
                            link, mission, transfers, energy_share=energy_share, ready_within_s=ready_within_s
                        )
                        for check in preflight.checks:
                            watch.tell("preflight", f"{check.status}: {check.name}: {check.text}")
                        preflight.refuse(overrides)
                except PreflightError as error:
                    reason = str(error)
                    watch.tell("refusal", reason)
                else:
                    outcome, reason = Outcome.LOST, "it was not watched to its end; the vehicle flies on by itself"
                    if preflight is None:
                        outcome, reason = _watch_to_the_end(link, watch, at_most_s)
                    else:
                        outcome, reason = _fly(link, mission, preflight, watch, at_most_s, setup)
        finally:
            watch.tell("end", f"{outcome}: {reason}" if reason else str(outcome))
        return FlightResult(
            outcome,
            reason,
            tuple(watch.captures),
            effort.gaps(watch.places),
            tuple(watch.events),
            preflight,
            {KINDS[kind]: end for kind, end in transfers.items()},
            log.folder,
            log.set_aside,
            tuple(watch.track),
        )


def _fly(
    link: Link, mission: Mission, preflight: Preflight, watch: FlightWatch, at_most_s: float, setup: FlightSetup
) -> tuple[Outcome, str | None]:
    try:
        setup.clearance(link, watch.tell)
        _start(link, mission, preflight)
    except PreflightError as error:
        watch.tell("refusal", str(error))
        if link.command(_ARM, 0).accepted:
            return Outcome.NOT_FLOWN, str(error)
        watch.tell("mode", "it is in the air without its mission: it is sent home")
        link.command(_SET_MODE, 1, *(_PX4_RETURN if not link.is_ardupilot else (_ARDUPILOT_RTL,)))
        _watch_to_the_end(link, watch, at_most_s)
        return Outcome.CUT_SHORT, str(error)
    return _watch_to_the_end(link, watch, at_most_s)


def put(link: Link, items: tuple[WireItem, ...], kind: int, *, timeout_s: float | None = None) -> TransferEnd:
    """Upload a list to a vehicle, read it back, compare; on failure clear it.

    When the time runs out, or anything else ends the conversation, what the vehicle holds is unknown.
    """
    conversation = Put(items, kind, ardupilot=link.is_ardupilot)
    try:
        link.hold(conversation, timeout_s or 120.0 + 2.0 * len(items))
    except VehicleError as error:
        return TransferEnd(Holding.UNKNOWN, error.what)
    return conversation.end or TransferEnd(Holding.UNKNOWN, "it took too long", attempts=conversation.attempt)


def _on_the_ground(link: Link) -> None:
    if link.armed:
        raise PreflightError(
            "the vehicle is armed, perhaps in the air",
            where=link.address.url,
            hint="A new mission is not loaded over its head: bring it down first.",
        )


def _set_parameters(link: Link, parameters: Mapping[str, float], watch: FlightWatch) -> None:
    held = link.parameters(parameters)
    for name, value in parameters.items():
        if name not in held:
            raise PreflightError(f"the vehicle has no parameter {name}", where=link.address.url)
        if held[name] == value:
            continue
        if not link.set_parameter(name, value):
            raise PreflightError(f"the vehicle does not take {value:g} for {name}", where=link.address.url)
        watch.tell("parameter", f"{name} set from {held[name]:g} to {value:g}")


def _load(link: Link, mission: Mission, watch: FlightWatch) -> dict[int, TransferEnd]:
    lists = {
        FENCE: fence_items(mission),
        RALLY: rally_items(mission),
        MISSION: mission_items(mission, with_home=link.is_ardupilot),
    }
    ends: dict[int, TransferEnd] = {}
    for kind, items in lists.items():
        if not items:
            continue
        ends[kind] = end = put(link, items, kind)
        said = f"{KINDS[kind]}: {end.holding}" + (f": {end.reason}" if end.reason else "")
        watch.tell("upload", f"{said} (item {end.item})" if end.item is not None else said)
    return ends


def _start(link: Link, mission: Mission, preflight: Preflight) -> None:
    if not link.is_ardupilot:
        _must(link, "go to mission mode", _SET_MODE, 1, *_PX4_MISSION)
        _must(link, "arm", _ARM, 1)
    elif int(preflight.parameters.get("AUTO_OPTIONS", 0)) & _ARM_AND_TAKE_OFF_IN_AUTO == _ARM_AND_TAKE_OFF_IN_AUTO:
        _must(link, "go to AUTO", _SET_MODE, 1, _ARDUPILOT_AUTO)
        _must(link, "arm", _ARM, 1)
        _must(link, "start the mission", _MISSION_START)
    else:
        height_m = next((i.altitude_m for i in mission.items if i.command == Command.NAV_TAKEOFF), _GUIDED_TAKEOFF_M)
        height_m = min(height_m, _GUIDED_TAKEOFF_M)
        _must(link, "go to GUIDED", _SET_MODE, 1, _ARDUPILOT_GUIDED)
        _must(link, "arm", _ARM, 1)
        _must(link, "take off", _TAKEOFF, 0, 0, 0, 0, 0, 0, height_m)
        link.wait_until(lambda: link.latest["GLOBAL_POSITION_INT"].relative_alt > 900 * height_m, 60.0)
        _must(link, "go to AUTO", _SET_MODE, 1, _ARDUPILOT_AUTO)


def _must(link: Link, deed: str, command: int, *params: float) -> None:
    answer = link.command(command, *params)
    if not answer.accepted:
        raise PreflightError(f"the vehicle would not {deed}: {answer.words}", where=link.address.url)


def _watch_to_the_end(link: Link, watch: FlightWatch, at_most_s: float) -> tuple[Outcome, str | None]:
    deadline_s = link.clock.now_s() + at_most_s
    try:
        while not link.wait_until(lambda: watch.over, 5.0):
            silent_s = link.clock.now_s() - (link.heard_s or 0.0)
            watch.note_silence(silent_s)
            if silent_s >= LINK_LOST_S:
                return Outcome.LOST, f"nothing heard for {silent_s:.0f} s; the vehicle follows its own failsafe"
            if link.clock.now_s() >= deadline_s:
                return Outcome.LOST, f"still flying after {at_most_s:.0f} s; it is not watched any more"
    except VehicleError as error:
        return Outcome.LOST, error.what
    if watch.completed:
        return Outcome.COMPLETED, None
    return Outcome.CUT_SHORT, watch.why_cut_short
