"""What must be right before take-off, as a table of pass, fail and unknown with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

from flightplan.mission import Mission
from flightplan.vehicle.checks import Check, Preflight, Status
from flightplan.vehicle.items import FENCE, KINDS, MISSION, RALLY
from flightplan.vehicle.link import Link
from flightplan.vehicle.needs import check_parameters, parameter_names
from flightplan.vehicle.readiness import (
    PREARM_BIT,
    check_aircraft,
    check_battery,
    check_camera,
    check_clock,
    check_ground,
    check_home,
    check_position,
    check_prearm,
    check_remote_id,
    check_signing,
    check_storage,
    has_position,
)
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.transfer import Holding, TransferEnd

_COMPLAINTS = ("PreArm: ", "Preflight Fail: ")
_RUN_PREARM_CHECKS = 401


def is_ready(link: Link) -> bool:
    """Whether the vehicle has a horizontal position and then holds its PREARM bit: the bit alone is set too early.

    An autopilot other than ArduPilot that has no such bit is ready with its position.
    """
    status = link.latest.get("SYS_STATUS")
    if not link.is_ardupilot and (status is None or not status.onboard_control_sensors_present & PREARM_BIT):
        return has_position(link) or "GLOBAL_POSITION_INT" in link.latest
    return has_position(link) and status is not None and bool(status.onboard_control_sensors_health & PREARM_BIT)


def run_preflight(
    link: Link,
    mission: Mission,
    transfers: Mapping[int, TransferEnd],
    *,
    setup: FlightSetup | None = None,
    energy_share: float | None = None,
    ready_within_s: float = 120.0,
) -> Preflight:
    """Check the vehicle against what a mission needs, waiting `ready_within_s` for its position estimate.

    `transfers` says how the upload of each kind of list ended; `energy_share` is the part of a full battery that the
    sortie uses, None when nobody planned it.
    """
    setup = setup or FlightSetup()
    # What it does not have is asked for in vain, and that takes time: better while it is still getting ready.
    parameters = link.parameters(parameter_names(link.dialect))
    storage = check_storage(link, setup)
    said: list[str] = []

    def note(message: object) -> None:
        text = getattr(message, "text", "")
        said.extend(text.removeprefix(c) for c in _COMPLAINTS if isinstance(text, str) and text.startswith(c))

    stop = link.listen(note)
    try:
        if not link.wait_until(lambda: is_ready(link), ready_within_s) and link.is_ardupilot:
            said.clear()
            link.command(_RUN_PREARM_CHECKS, tries=1, listen_s=0.0)  # it then says all that it has against arming
            link.pause(1.0)
    finally:
        stop()
    link.ask_again()
    checks = [
        check_aircraft(link, setup),
        check_signing(link),
        check_position(link),
        check_prearm(link, tuple(dict.fromkeys(said))),
        check_battery(link, energy_share),
        *(_list_held(kind, transfers.get(kind)) for kind in (MISSION, FENCE, RALLY)),
        check_home(link, mission),
        check_ground(link, mission, setup),
        check_camera(link, setup),
        storage,
        check_remote_id(link),
        check_clock(link, setup),
        *check_parameters(link.dialect, parameters, mission, setup),
    ]
    return Preflight(tuple(checks), parameters)


def check_again(link: Link, mission: Mission, setup: FlightSetup, before: Preflight) -> Preflight:
    """Return the table with what parameters decide looked at again, after some were changed."""
    parameters = {**before.parameters, **link.parameters(before.parameters)}
    new = {c.name: c for c in check_parameters(link.dialect, parameters, mission, setup)}
    return Preflight(tuple(new.get(c.name, c) for c in before.checks), parameters)


def _list_held(kind: int, end: TransferEnd | None) -> Check:
    name = {MISSION: "mission", FENCE: "fence", RALLY: "rally"}[kind]
    if end is None:
        if kind == MISSION:
            return Check(name, Status.FAIL, "no mission was uploaded", "Upload one.", binding=True)
        return Check(name, Status.UNKNOWN, f"the plan has no {KINDS[kind]}; the vehicle keeps what it has")
    if end.holding is Holding.EXACTLY:
        return Check(name, Status.PASS, f"read back and equal: {KINDS[kind]}")
    item = f", item {end.item}" if end.item is not None else ""
    status = Status.FAIL if end.holding is Holding.NONE else Status.UNKNOWN
    text = f"{end.holding}: {end.reason}{item}"
    return Check(name, status, text, "Upload again; do not arm before it is read back.", binding=True)


__all__ = ["Check", "Preflight", "Status", "check_again", "is_ready", "run_preflight"]
