"""While it flies: keys, rules and the link are looked at, and the vehicle is told what follows from them."""

from __future__ import annotations

from collections.abc import Mapping

from flightplan.errors import VehicleError
from flightplan.vehicle.autopilots import Dialect, Firmware, Order
from flightplan.vehicle.controls import ORDERS
from flightplan.vehicle.link import Link
from flightplan.vehicle.outcome import Outcome
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.watch import FlightWatch

LINK_LOST_S = 180.0
_LOOK_S = 0.5
_AGAIN_S = 5.0
_ENDS_THE_SURVEY = {"r": "the operator had it return home", "l": "the operator had it land"}


def watch_to_the_end(
    link: Link, watch: FlightWatch, setup: FlightSetup, at_most_s: float
) -> tuple[Outcome, str | None]:
    """Watch until the vehicle has landed and disarmed; give the orders that keys and rules ask for.

    A fixed wing whose mission is done and that only circles is watched no longer: it would until its battery is empty.
    """
    deadline_s = link.clock.now_s() + at_most_s
    keeper = _RuleKeeper(link, watch)
    try:
        while not link.wait_until(lambda: watch.over, _LOOK_S):
            silent_s = link.clock.now_s() - (link.heard_s or 0.0)
            watch.note_silence(silent_s)
            if silent_s >= LINK_LOST_S:
                return Outcome.LOST, f"nothing heard for {silent_s:.0f} s; {watch.on_silence}"
            if link.clock.now_s() >= deadline_s:
                return Outcome.LOST, f"still flying after {at_most_s:.0f} s; it is not watched any more"
            _obey(link, watch, setup.keys())
            keeper.look()
            circles = watch.circles
            if circles is not None:
                watch.tell("circling", circles)
                return Outcome.COMPLETED, circles
    except VehicleError as error:
        return Outcome.LOST, f"{error.what}; {watch.on_silence}"
    if watch.completed:
        return Outcome.COMPLETED, None
    return Outcome.CUT_SHORT, watch.why_cut_short


def give(link: Link, watch: FlightWatch, order: Order) -> bool:
    """Give an order, and write down what the vehicle made of it."""
    answer = link.order(order)
    watch.tell("order", f"{order.deed}: {answer.words}")
    return answer.accepted


def words_on_silence(dialect: Dialect, parameters: Mapping[str, float]) -> str:
    """Say what the vehicle does by itself when it hears no ground station, as its parameters have it."""
    if dialect.firmware is Firmware.PX4:
        action = {1: "waits where it is", 2: "returns home", 3: "lands", 5: "stops its motors", 6: "stops its motors"}
        does, after = parameters.get("NAV_DLL_ACT"), parameters.get("COM_DL_LOSS_T")
    elif "FS_GCS_ENABL" in parameters:
        enabled = parameters["FS_GCS_ENABL"]
        action = {1: "returns home", 2: "glides", 3: "opens its parachute", 4: "goes on with its mission"}
        does, after = (parameters.get("FS_LONG_ACTN") if enabled else 0.0), parameters.get("FS_LONG_TIMEOUT")
    else:
        action = dict.fromkeys((1, 3, 4, 6), "returns home") | {2: "goes on with its mission", 5: "lands", 7: "brakes"}
        does, after = parameters.get("FS_GCS_ENABLE"), parameters.get("FS_GCS_TIMEOUT")
    if does is None:
        return "what it does without us is not known"
    if not does:
        return "it flies on with its mission by itself"
    when = f" after {after:.0f} s without us" if after is not None else ""
    return f"by its settings it {action.get(int(does), 'follows its failsafe')}{when}"


def _obey(link: Link, watch: FlightWatch, typed: str) -> None:
    for key in typed.lower():
        if key not in ORDERS:
            continue
        accepted = give(link, watch, ORDERS[key](link.dialect))
        if accepted and key in _ENDS_THE_SURVEY and not watch.completed:
            watch.ordered(_ENDS_THE_SURVEY[key])


class _RuleKeeper:
    """Sends the vehicle home once a rule asks for it, and again while it does not go."""

    def __init__(self, link: Link, watch: FlightWatch) -> None:
        self._link, self._watch = link, watch
        self._next_s = float("-inf")
        self._reason: str | None = None

    def look(self) -> None:
        watch, now_s = self._watch, self._link.clock.now_s()
        if not watch.on_mission or watch.completed or now_s < self._next_s:
            return
        way = watch.way_home
        reason = watch.guard.reason_to_return(*way) if way is not None else None
        if self._reason is None and reason is not None:
            self._reason = reason
            watch.tell("abort", f"{reason}: it is sent home")
        if self._reason is not None:
            self._next_s = now_s + _AGAIN_S
            if give(self._link, watch, self._link.dialect.return_home()):
                watch.ordered(self._reason)
