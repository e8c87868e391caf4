"""Fly the sorties of one plan on several vehicles at once: a thread for each, a tower over all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flightplan.clock import Clock, WallClock
from flightplan.drones import Drone
from flightplan.energy import Wind
from flightplan.errors import OverflyError, PreflightError
from flightplan.frames import LocalFrame
from flightplan.plan import Sortie
from flightplan.separation import UNPLANNED, Separation
from flightplan.separation import return_height_m as height_of_return_m
from flightplan.timeline import Timeline, predict
from flightplan.vehicle.campaign import fly_one
from flightplan.vehicle.controls import ORDERS
from flightplan.vehicle.flight import FlightResult, Outcome
from flightplan.vehicle.loading import CANCEL_KEY
from flightplan.vehicle.logs import FlightEvent
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.tower import Tower

_LOOK_S = 0.2
_LET_END_S = 5.0
ALL, _STAY = "a", ("r", "l", CANCEL_KEY)


@dataclass
class Member:
    """One vehicle of those that fly together: its address, what it has to fly, and how it got on.

    `system_id` is needed for a real vehicle. `sortie` is what it is about now; `results` has the flights that ended, by
    their sortie; `error` is what kept it from going on.
    """

    number: int
    url: str
    sorties: Sequence[Sortie]
    system_id: int | None = None
    sortie: Sortie | None = None
    results: dict[str, FlightResult] = field(default_factory=dict)
    error: OverflyError | None = None
    last: FlightEvent | None = None
    transect: str = ""
    is_over: bool = False

    @property
    def left(self) -> tuple[str, ...]:
        """The sorties that it has not come to."""
        return tuple(s.identifier for s in self.sorties if s.identifier not in self.results)


class Desk:
    """Hands the keys of one keyboard to vehicles: a digit chooses one, "a" all, then orders as for one vehicle.

    To one that waits on the ground return and land mean to stay there.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._lock = threading.Lock()
        self._typed = dict.fromkeys(numbers, "")
        self.chosen: int | None = None
        self.is_closed = False

    def type(self, keys: str) -> None:
        """Take what was typed."""
        with self._lock:
            for key in keys.lower():
                if key == ALL or key == "0":
                    self.chosen = None
                elif key.isdigit() and int(key) in self._typed:
                    self.chosen = int(key)
                elif key in ORDERS or key == CANCEL_KEY:
                    for number in self._typed if self.chosen is None else (self.chosen,):
                        self._typed[number] += key

    def calls_off(self, number: int) -> bool:
        """Whether a vehicle on the ground was told to stay there; orders for the air are for nothing there."""
        if self.is_closed:
            return True
        with self._lock:
            typed, self._typed[number] = self._typed[number], ""
        return any(key in typed for key in _STAY)

    def close(self) -> None:
        """End every watch: whoever asks for keys next is told so."""
        self.is_closed = True

    def keys_for(self, number: int) -> Callable[[], str]:
        """Return the key source of one vehicle. It raises KeyboardInterrupt when the desk has been closed."""

        def take() -> str:
            if self.is_closed:
                raise KeyboardInterrupt
            with self._lock:
                typed, self._typed[number] = self._typed[number], ""
            return typed

        return take


class Together:
    """Several vehicles, each with its sorties, in one air.

    `flying` is as in `fly_one`, without the sortie, the address and what differs between vehicles. One that fails or is
    cut short flies no more; the others fly on. With `one_each` every vehicle flies one sortie: then comes a battery.
    `wind` is the one that the plan reckoned with.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        frame: LocalFrame,
        drone: Drone,
        rules: Separation | None = None,
        wind: Wind | None = None,
        clock: Clock | None = None,
        one_each: bool = False,
        setup: FlightSetup | None = None,
        on_event: Callable[[Member, FlightEvent], None] | None = None,
        **flying: Any,
    ) -> None:
        self.members = tuple(members)
        self.rules = rules or UNPLANNED
        self.desk = Desk([c.number for c in members])
        self._clock = clock or WallClock()
        self._drone, self._frame, self._wind = drone, frame, wind
        self._one_each, self._setup, self._flying = one_each, setup or FlightSetup(), flying
        self._on_event = on_event
        self._failures: list[BaseException] = []
        self.tower = Tower(self._clock, frame, self.rules)

    def fly(self, look: Callable[[], None] | None = None) -> None:
        """Fly until every vehicle is done; `look` is called a few times a second meanwhile.

        What went wrong is in each member's `error` and results. KeyboardInterrupt ends the watch, not the flights.
        """
        with self.tower:
            threads = [threading.Thread(target=self._fly, args=(c,), name=c.url, daemon=True) for c in self.members]
            for thread in threads:
                thread.start()
            try:
                for thread in threads:
                    while thread.is_alive():
                        thread.join(_LOOK_S)
                        if look is not None:
                            look()
            except BaseException:
                self.desk.close()
                for thread in threads:
                    thread.join(_LET_END_S)
                raise
        if self._failures:
            raise self._failures[0]

    def _fly(self, member: Member) -> None:
        try:
            for sortie in member.sorties[:1] if self._one_each else member.sorties:
                member.sortie = sortie
                result = self._fly_one(member, sortie)
                member.results[sortie.identifier] = result
                if result.outcome is not Outcome.COMPLETED:
                    break
        except OverflyError as error:
            member.error = error
        except KeyboardInterrupt:
            member.error = PreflightError(
                "the watch was ended; a vehicle in the air flies on by itself", where=member.url
            )
        except BaseException as error:  # raised again where all flights end
            self._failures.append(error)
        finally:
            member.is_over = True

    def _fly_one(self, member: Member, sortie: Sortie) -> FlightResult:
        def note(event: FlightEvent) -> None:
            member.last = event
            if event.kind == "transect":
                member.transect = event.text.removeprefix("transect ").partition(";")[0]
            elif event.kind == "end" and not event.text.startswith(Outcome.LOST):
                # Its log is about to be closed.
                self.tower.over(member.number)
            if self._on_event is not None:
                self._on_event(member, event)

        member.transect = ""
        clearance = self.tower.clearance(
            member.number,
            f"{sortie.identifier} on vehicle {member.number}",
            timeline_of(sortie, member.number, self._frame, self._drone, self.rules, self._wind),
            sortie.takeoff_offset_s,
            lambda: self.desk.calls_off(member.number),
        )
        # One rally point for all would have them land on each other: each comes back to where it took off.
        sortie = replace(sortie, mission=replace(sortie.mission, rally=()))
        setup = replace(
            self._setup,
            clearance=clearance,
            keys=self.desk.keys_for(member.number),
            clear_rally=True,
            return_height_m=return_height_m(sortie, member.number, self.rules),
        )
        result = None
        try:
            result = fly_one(
                sortie,
                member.url,
                clock=self._clock,
                system_id=member.system_id,
                setup=setup,
                on_event=note,
                **self._flying,
            )
            return result
        finally:
            if result is None or result.outcome is not Outcome.LOST:
                self.tower.over(member.number)


def return_height_m(sortie: Sortie, number: int, rules: Separation) -> float:
    """Return how high above home a vehicle comes back: above the lines, and each apart from the others."""
    # In a plan's own layers only the drone that it was planned for is apart from the others.
    layer_m = sortie.transit_offset_m if sortie.drone == number else 0.0
    return height_of_return_m(sortie.mission, number, rules.vertical_m, layer_m)


def timeline_of(
    sortie: Sortie, number: int, frame: LocalFrame, drone: Drone, rules: Separation, wind: Wind | None = None
) -> Timeline:
    """Return where a vehicle of that number will be when it flies a sortie."""
    return predict(sortie.mission, frame, drone, return_height_m(sortie, number, rules), wind=wind)


def outcome_of(members: Sequence[Member]) -> Outcome:
    """Return how it went for all: the first that did not complete, else completed."""
    for member in members:
        if member.error is not None and not member.results:
            return Outcome.NOT_FLOWN
        for result in member.results.values():
            if result.outcome is not Outcome.COMPLETED:
                return result.outcome
    return Outcome.COMPLETED


def flown(members: Sequence[Member]) -> Mapping[str, FlightResult]:
    """Return all flights by their sortie, in the vehicles' order."""
    return {name: result for member in members for name, result in member.results.items()}
