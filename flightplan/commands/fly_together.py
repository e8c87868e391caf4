"""`overfly fly` with several vehicles: one screen over all of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from flightplan.clock import Clock, WallClock
from flightplan.console import say
from flightplan.drones import Drone, drone_named
from flightplan.errors import WorkspaceError
from flightplan.plan import Sortie, SurveyPlan
from flightplan.separation import UNPLANNED, Separation
from flightplan.terrain import Terrain
from flightplan.vehicle.campaign import choose_sorties, next_resume, note_what_is_left
from flightplan.vehicle.controls import Keyboard
from flightplan.vehicle.flight import FlightResult
from flightplan.vehicle.logs import FlightEvent
from flightplan.vehicle.resume import Assessment, assess, log_folders
from flightplan.vehicle.screen import table
from flightplan.vehicle.separation import share_out, take_off_times
from flightplan.vehicle.setup import Change, Consent
from flightplan.vehicle.together import Member, Together, timeline_of


@dataclass(frozen=True)
class Flown:
    """How several vehicles got on; `assessed` is what all flights of each resumed sortie together leave."""

    members: tuple[Member, ...]
    left: list[str]
    assessed: dict[str, Assessment] | None

    @property
    def results(self) -> dict[str, FlightResult]:
        """The flights by the names of their logs, vehicle by vehicle."""
        return {r.log.name: r for m in self.members for r in m.results.values()}

    @property
    def vehicles(self) -> list[dict[str, Any]]:
        """Each vehicle for JSON."""
        return [
            {
                "number": m.number,
                "connected_to": m.url,
                "sorties": list(m.results),
                "left": list(m.left),
                "error": None if m.error is None else str(m.error),
            }
            for m in self.members
        ]


def addresses(given: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses of repeated --connect, commas between several. UsageError for one that is named twice."""
    urls = tuple(url.strip() for text in given for url in text.split(",") if url.strip())
    twice = {url for url in urls if urls.count(url) > 1}
    if twice:
        raise click.UsageError(f"--connect {', '.join(sorted(twice))} is named twice.")
    return urls


def read_separation(text: str | None) -> tuple[float, float] | None:
    """Read "HORIZONTAL,VERTICAL" in metres; BadParameter when it is not that."""
    if text is None:
        return None
    try:
        horizontal_m, vertical_m = (float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text} is not METRES,METRES", param_hint="--separation") from error
    return horizontal_m, vertical_m


def is_as_planned(plan: SurveyPlan, vehicles: int) -> bool:
    """Whether so many vehicles can fly the plan's flights each at its time."""
    return 1 < plan.drones <= vehicles


def rules_for(plan: SurveyPlan, asked: tuple[float, float] | None, *, as_planned: bool) -> Separation:
    """Return how vehicles keep apart: as asked, else as the plan does.

    Only where take-offs are `as_planned` is the plan's margin all that flights may be early or late by.
    """
    rules = plan.separation or UNPLANNED
    if not as_planned:
        rules = replace(rules, early_share=UNPLANNED.early_share, late_share=UNPLANNED.late_share)
    return rules if asked is None else replace(rules, horizontal_m=asked[0], vertical_m=asked[1])


def fly_together(
    plan: SurveyPlan | None,
    urls: Sequence[str],
    *,
    identifier: str | None,
    system_ids: Sequence[int],
    apart_m: tuple[float, float] | None,
    resume: bool,
    launch: tuple[float, float] | None,
    model: Terrain | None,
    keyboard: Keyboard,
    flying: dict[str, Any],
) -> Flown:
    """Fly a plan's sorties, or what is missing of those begun, on the vehicles at `urls`.

    `apart_m` is how far apart over the ground or in height; None as the plan has it.
    """
    if plan is None:
        raise WorkspaceError("one mission file is for one vehicle", hint="Give a plan's folder")
    live, out = flying["live"], flying["out"]
    if live and len(system_ids) != len(urls):
        raise click.UsageError("--live needs a --system-id for each --connect, in their order.")
    resumed = _what_is_missing(plan, identifier, out, launch, model) if resume else {}
    asked = [s for s, _ in resumed.values()] if resume else list(choose_sorties(plan.sorties, identifier, out))
    as_planned = is_as_planned(plan, len(urls))
    asked = _timed(asked, as_planned=as_planned)
    rules = rules_for(plan, apart_m, as_planned=as_planned and not resume)
    shares = share_out(asked, len(urls))
    members = [
        Member(n, url, sorties, system_ids[n - 1] if system_ids else None)
        for n, (url, sorties) in enumerate(zip(urls, shares, strict=True), 1)
    ]
    drone = plan.aircraft or drone_named(plan.drone or "")
    _tell_times(plan, members, rules, drone, live=live)
    clock: Clock = flying["clock"] or WallClock()
    setup = replace(flying["setup"], consent=_one_at_a_time(flying["setup"].consent))
    rest = {k: v for k, v in flying.items() if k not in ("clock", "system_id", "setup", "on_event")}
    screen = Screen()
    together = Together(
        members, frame=plan.area.frame, drone=drone, rules=rules, wind=plan.wind, clock=clock, one_each=live,
        setup=setup, on_event=screen.tell, **rest,
    )  # fmt: skip
    with screen:
        together.fly(lambda: screen.look(together, clock, keyboard))
    results = {n: r for m in members for n, r in m.results.items()}
    left = [s.identifier for s in asked if s.identifier not in results]
    if not resume:
        return Flown(together.members, left, None)
    for sortie, original in resumed.values():
        if sortie.identifier in results:
            note_what_is_left(plan, original, results[sortie.identifier], out)
    assessed = {
        s.identifier: assess(plan, s, log_folders(out, s.identifier))
        for s in plan.sorties
        if identifier in (None, s.identifier) and log_folders(out, s.identifier)
    }
    return Flown(together.members, left, assessed)


def _timed(sorties: Sequence[Sortie], *, as_planned: bool) -> list[Sortie]:
    """Return sorties with the take-offs of the plan, from the first of these; at any time where others fly them."""
    first_s = min((s.takeoff_offset_s for s in sorties), default=0.0)
    return [replace(s, takeoff_offset_s=s.takeoff_offset_s - first_s if as_planned else 0.0) for s in sorties]


def _what_is_missing(
    plan: SurveyPlan,
    identifier: str | None,
    out: Path,
    launch: tuple[float, float] | None,
    model: Terrain | None,
) -> dict[str, tuple[Sortie, Sortie]]:
    """Return, for each sortie begun that misses something, one battery's flight of that, and the sortie."""
    found = {}
    for sortie in plan.sorties:
        if identifier not in (None, sortie.identifier) or not log_folders(out, sortie.identifier):
            continue
        resumed, before = next_resume(plan, sortie, out, launch=launch, terrain=model)
        if resumed is not None:
            say(f"Sortie {resumed.identifier}: {before.missing_m:.0f} m of {before.line_m:.0f} m are missing")
            found[sortie.identifier] = resumed, sortie
    return found


def _tell_times(plan: SurveyPlan, members: Sequence[Member], rules: Separation, drone: Drone, *, live: bool) -> None:
    queues = [m.sorties[:1] if live else m.sorties for m in members]
    timelines = [
        [timeline_of(s, m.number, plan.area.frame, drone, rules, plan.wind) for s in queue]
        for m, queue in zip(members, queues, strict=True)
    ]
    offsets = [[s.takeoff_offset_s for s in queue] for queue in queues]
    starts = take_off_times(timelines, rules, not_before_s=offsets)
    for member, queue, times in zip(members, queues, starts, strict=True):
        flights = ", ".join(f"{s.identifier} at {t / 60:.0f} min" for s, t in zip(queue, times, strict=True))
        say(f"Vehicle {member.number}, {member.url}: {flights or 'nothing to fly'}")


def _one_at_a_time(consent: Consent) -> Consent:
    lock = threading.Lock()

    def ask(changes: Sequence[Change]) -> bool:
        with lock:
            return consent(changes)

    return ask


class Screen:
    """Where events are printed, and on a terminal below them how each vehicle stands: a context manager."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def look(self, together: Together, clock: Clock, keyboard: Keyboard) -> None:
        """Hand on what was typed, and draw anew."""
        together.desk.type(keyboard())
        if self._live is not None:
            self._live.update(table(together, clock.now_s()), refresh=True)

    def tell(self, member: Member, event: FlightEvent) -> None:
        """Print an event, above the table where there is one."""
        name = member.sortie.identifier if member.sortie else ""
        text = f"  {event.time_utc[11:19]} [{member.number} {name}] {event.kind}: {event.text}"
        if self._live is None:
            say(text)
        else:
            self._console.print(text, markup=False, highlight=False)
