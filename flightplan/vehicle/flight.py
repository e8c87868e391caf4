"""Fly one sortie: upload and read back, preflight, arm, start, watch to the landing, all on disk as it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from flightplan.errors import PreflightError
from flightplan.mission import Mission
from flightplan.plain_values import to_plain
from flightplan.vehicle.aloft import LINK_LOST_S, give, watch_to_the_end, words_on_silence
from flightplan.vehicle.checks import Preflight
from flightplan.vehicle.departure import ARM, depart
from flightplan.vehicle.effort import EffortMap
from flightplan.vehicle.entry import log_entry
from flightplan.vehicle.items import KINDS
from flightplan.vehicle.link import Link
from flightplan.vehicle.loading import CANCEL_KEY, load_lists, put, set_one, set_parameters, still_holds
from flightplan.vehicle.logbook import append_entry
from flightplan.vehicle.logs import SORTIE, FlightCapture, FlightEvent, FlightLog
from flightplan.vehicle.outcome import FlightResult, Outcome
from flightplan.vehicle.preflight import check_again, run_preflight
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.transfer import TransferEnd
from flightplan.vehicle.watch import FlightWatch

_ROUNDS = 3


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
        watch = FlightWatch(link, effort, log, on_event, on_capture, setup)
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
                        transfers = _load(link, mission, watch, log, setup, parameters or {})
                        preflight = run_preflight(
                            link,
                            mission,
                            transfers,
                            setup=setup,
                            energy_share=energy_share,
                            ready_within_s=ready_within_s,
                        )
                        preflight = _settle(link, mission, preflight, watch, log, setup, parameters or {})
                        for check in preflight.overridden(overrides):
                            watch.tell("override", f"{check.name} failed, and is flown past: {check.text}")
                        preflight.refuse(overrides)
                except PreflightError as error:
                    reason = str(error)
                    watch.tell("refusal", reason)
                else:
                    if preflight is not None and setup.check_only:
                        outcome, reason = Outcome.CHECKED, None
                    else:
                        outcome, reason = Outcome.LOST, "it was not watched to its end; the vehicle flies on by itself"
                        outcome, reason = _fly(link, mission, preflight, transfers, watch, at_most_s, setup)
        finally:
            watch.tell("end", f"{outcome}: {reason}" if reason else str(outcome))
            if watch.was_armed:
                append_entry(log.folder.parent, log_entry(link, watch, setup, log.folder, outcome, reason, overrides))
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
    link: Link,
    mission: Mission,
    preflight: Preflight | None,
    transfers: Mapping[int, TransferEnd],
    watch: FlightWatch,
    at_most_s: float,
    setup: FlightSetup,
) -> tuple[Outcome, str | None]:
    if preflight is None:
        return watch_to_the_end(link, watch, setup, at_most_s)
    watch.on_silence = words_on_silence(link.dialect, preflight.parameters)
    try:
        setup.clearance(link, watch.tell)
        typed = setup.keys()
        if CANCEL_KEY in typed:
            raise PreflightError("the operator cancelled it before take-off", where=link.address.url)
        still_holds(link, transfers)
        depart(link, mission, preflight.parameters)
    except PreflightError as error:
        watch.tell("refusal", str(error))
        if link.command(ARM, 0).accepted:
            return Outcome.NOT_FLOWN, str(error)
        watch.tell("mode", "it is in the air without its mission: it is sent home")
        give(link, watch, link.dialect.return_home())
        watch_to_the_end(link, watch, setup, at_most_s)
        return Outcome.CUT_SHORT, str(error)
    return watch_to_the_end(link, watch, setup, at_most_s)


def _load(
    link: Link,
    mission: Mission,
    watch: FlightWatch,
    log: FlightLog,
    setup: FlightSetup,
    parameters: Mapping[str, float],
) -> dict[int, TransferEnd]:
    """Set the parameters of a vehicle on the ground and load its lists; return how each transfer ended."""
    if link.armed:
        raise PreflightError(
            "the vehicle is armed, perhaps in the air",
            where=link.address.url,
            hint="A new mission is not loaded over its head: bring it down first.",
        )
    link.ask_for()
    set_parameters(link, parameters, watch.tell, log.change)
    transfers = load_lists(link, mission, watch.tell, setup.keys, clear_rally=setup.clear_rally)
    if any(end.attempts > 1 for end in transfers.values()):
        link.ask_for()  # it may have started anew, and forgotten what it was asked for
    return transfers


def _settle(
    link: Link,
    mission: Mission,
    preflight: Preflight,
    watch: FlightWatch,
    log: FlightLog,
    setup: FlightSetup,
    asked_for: Mapping[str, float],
) -> Preflight:
    """Change what may be changed with consent, and tell the table. What was asked for by name is not changed back."""
    for _ in range(_ROUNDS):  # one change may let another fault be seen
        changes = tuple(c for c in preflight.changes if c.name not in asked_for)
        if not changes or not (setup.simulated or setup.consent(changes)):
            break
        for change in changes:
            set_one(link, change, watch.tell, log.change)
        preflight = check_again(link, mission, setup, preflight)
    for check in preflight.checks:
        watch.tell("preflight", f"{check.status}: {check.name}: {check.text}")
    return preflight


__all__ = ["LINK_LOST_S", "FlightResult", "Outcome", "fly_sortie", "put"]
