"""The tower: clears take-offs one by one, and watches that vehicles in the air keep apart.

It has a thread of its own on the clock that all share, and decides on what was known just before its tick: so in
simulated time the same flights are cleared at the same instants whichever vehicle's thread ran first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from types import TracebackType
from typing import Any

import numpy as np

from flightplan.clock import Clock
from flightplan.errors import PreflightError
from flightplan.frames import Floats, LocalFrame
from flightplan.separation import Separation
from flightplan.timeline import Timeline
from flightplan.vehicle.autopilots import Airframe
from flightplan.vehicle.link import Link
from flightplan.vehicle.messages import command_long
from flightplan.vehicle.separation import Encounter, clear_from, encounter, meeting
from flightplan.vehicle.setup import Clearance

TICK_S, _ASK_S = 0.5, 1.0
_KEPT, _UP_M, _MOVING_MPS, _SAY_AGAIN_S = 24, 3.0, 1.0, 15.0
_SILENT_S, _GONE_S = 5.0, 3600.0
_SLOWEST = 0.6  # of the speed as planned, for which a late vehicle is looked for on its way
# Told what happens: one word to sort by, then words.
Tell = Callable[[str, str], None]


@dataclass(frozen=True)
class Seen:
    """What a vehicle said of itself at a time of the clock: local metres, up above mean sea level; metres a second."""

    time_s: float
    point: Floats
    velocity: Floats
    height_m: float


class Craft:
    """One vehicle as the tower knows it."""

    def __init__(self, number: int, name: str, link: Link, tell: Tell) -> None:
        self.number, self.name, self.link = number, name, link
        self.timeline: Timeline | None = None
        self.not_before_s = 0.0
        self.asked_s: float | None = None
        self.cleared_s: float | None = None
        self.over_s: float | None = None
        self.held_for: Craft | None = None
        self.held_s = 0.0
        self.waits_for: str | None = None
        self._tell = tell
        self._speed_before: Floats = np.zeros(3)
        self._seen: deque[Seen] = deque(maxlen=_KEPT)
        self._modes: deque[tuple[float, bool]] = deque(maxlen=_KEPT)
        self._flown_s: float | None = None

    def is_waiting(self, now_s: float) -> bool:
        """Whether it had asked to take off before now and has not been let."""
        return self.asked_s is not None and self.asked_s < now_s and self.cleared_s is None

    def is_out(self, now_s: float) -> bool:
        """Whether it was cleared, and was not over before now."""
        return self.cleared_s is not None and not (self.over_s is not None and self.over_s < now_s)

    def seen(self, now_s: float) -> Seen | None:
        """Return the last it said before now."""
        return next((s for s in reversed(tuple(self._seen)) if s.time_s < now_s), None)

    def in_the_air(self, now_s: float) -> Seen | None:
        """Return where it is when it is flying."""
        last = self.seen(now_s)
        return last if last is not None and self.is_out(now_s) and last.height_m > _UP_M else None

    def on_mission(self, now_s: float) -> bool:
        """Whether it flies its mission: armed, and in that mode; so it is taken to be before it says otherwise."""
        if self._flown_s is None or self._flown_s >= now_s:
            return True
        return next((mission for told_s, mission in reversed(tuple(self._modes)) if told_s < now_s), True)

    def silent_s(self, now_s: float) -> float:
        """Return for how long nothing was heard of where it is."""
        last = self.seen(now_s)
        return now_s - (last.time_s if last is not None else self.cleared_s or now_s)

    def late_s(self, now_s: float) -> float:
        """Return by how much it is behind its timeline, as far as its place tells; 0 when it is not."""
        last = self.in_the_air(now_s)
        if last is None or self.timeline is None or self.cleared_s is None:
            return 0.0
        gone_s = last.time_s - self.cleared_s
        times_s, points = self.timeline.times_s, self.timeline.points
        # Where its way comes by the same place again, only the times around now are meant.
        now = (times_s >= _SLOWEST * gone_s) & (times_s <= gone_s)
        if not now.any():
            return 0.0
        away_m = np.linalg.norm(points[now] - points[0] - (last.point - self._ground(last)), axis=1)
        return max(gone_s - float(times_s[now][np.argmin(away_m)]), 0.0)

    def _ground(self, last: Seen) -> Floats:
        """Return the timeline's first point in terms of what the vehicle says: its heights may have another origin."""
        assert self.timeline is not None
        first = self.timeline.points[0]
        return np.array([first[0], first[1], last.point[2] - last.height_m])

    def can_hold(self, now_s: float) -> bool:
        """Whether it can stand still in the air on its mission."""
        return self.link.dialect.airframe is Airframe.MULTIROTOR and self.on_mission(now_s)

    def tell(self, kind: str, text: str) -> None:
        """Leave word in its log, while its flight lasts."""
        if self.over_s is None:
            self._tell(kind, text)

    def intended(self, last: Seen) -> Floats:
        """Return its velocity; of one that is held, the one it had and will have again."""
        return self._speed_before if self.held_for is not None else last.velocity

    def hold(self, last: Seen, other: Craft) -> None:
        """Have it stand still."""
        if self.held_for is None:
            self._speed_before = last.velocity
        self.held_for = other
        order = self.link.dialect.pause()
        self.link.send(command_long(order.command, *order.params))

    def go_on(self) -> None:
        """Have it fly on."""
        self.held_for = None
        order = self.link.dialect.resume()
        self.link.send(command_long(order.command, *order.params))

    def follow(self, frame: LocalFrame) -> None:
        """Listen to what it says."""
        link = self.link

        def hear(message: Any) -> None:
            kind = message.get_type()
            if kind == "GLOBAL_POSITION_INT":
                east, north = frame.to_local([(message.lon / 1e7, message.lat / 1e7)])[0]
                point = np.array([east, north, message.alt / 1000])
                velocity = np.array([message.vy, message.vx, -message.vz]) / 100
                self._seen.append(Seen(link.clock.now_s(), point, velocity, message.relative_alt / 1000))
            elif kind == "HEARTBEAT" and message.get_srcComponent() == 1:
                armed, mission = bool(message.base_mode & 128), link.mode == link.dialect.mission_mode
                self._modes.append((link.clock.now_s(), mission))
                if armed and mission and self._flown_s is None:
                    self._flown_s = link.clock.now_s()

        link.listen(hear)


class Tower:
    """Clears and watches vehicles, as a context manager around their flights.

    `frame` is the plan's. Waiting, clearance and vehicles that come too close are told in each flight's own log.
    """

    def __init__(self, clock: Clock, frame: LocalFrame, rules: Separation) -> None:
        self.rules = rules
        self._clock, self._frame = clock, frame
        self._condition = threading.Condition()
        self._crafts: dict[int, Craft] = {}
        self._first_s: float | None = None
        self._said: dict[tuple[int, int], float] = {}
        self._stopping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="tower", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Tower:
        self._thread.start()
        # It takes part in the clock before anybody asks it.
        self._ready.wait()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        with self._condition:
            self._stopping = True
            self._clock.notify(self._condition)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def clearance(
        self, number: int, name: str, timeline: Timeline, not_before_s: float, is_ended: Callable[[], bool]
    ) -> Clearance:
        """Return the `Clearance` of a vehicle's next flight, not before so many seconds after the first take-off.

        A vehicle that is in the air already is not asked to wait; where it will be is then not known. `is_ended` is
        asked each second whether it is to stay on the ground: the clearance is then refused.
        """

        def clear(link: Link, tell: Tell) -> None:
            craft = Craft(number, name, link, tell)
            craft.not_before_s = not_before_s
            craft.follow(self._frame)
            now_s = link.clock.now_s()
            if link.armed:
                craft.asked_s = craft.cleared_s = now_s
            else:
                craft.timeline, craft.asked_s = timeline, now_s
            with self._condition:
                self._crafts[number] = craft
            while not link.wait_until(lambda: _is_through(craft, link.clock.now_s()), _ASK_S):
                if is_ended() or self._failure is not None:
                    self.over(number)
                    raise PreflightError("the take-off was called off", where=name)
            tell("cleared", "it may take off")

        return clear

    def over(self, number: int) -> None:
        """Note that a vehicle's flight is over."""
        with self._condition:
            craft = self._crafts.get(number)
            if craft is not None and craft.over_s is None:
                craft.over_s = self._clock.now_s()

    def craft(self, number: int) -> Craft | None:
        """Return what is known of a vehicle that has asked to take off."""
        return self._crafts.get(number)

    def _run(self) -> None:
        self._clock.join()
        self._ready.set()
        try:
            with self._condition:
                while not self._stopping:
                    self._clock.wait(self._condition, TICK_S)
                    self._tick(self._clock.now_s())
        except BaseException as error:  # raised where the flights end
            self._failure = error
        finally:
            self._clock.leave()

    def _tick(self, now_s: float) -> None:
        crafts = [self._crafts[number] for number in sorted(self._crafts)]
        for craft in sorted((c for c in crafts if c.is_waiting(now_s)), key=lambda c: (c.not_before_s, c.number)):
            why = self._why_not(craft, [c for c in crafts if c.is_out(now_s)], now_s)
            if why is None:
                craft.cleared_s = now_s
                self._first_s = now_s if self._first_s is None else self._first_s
            elif craft.waits_for is None or why.partition(";")[0] != craft.waits_for.partition(";")[0]:
                craft.tell("waiting", why)
            craft.waits_for = why
        flying = [(craft, last) for craft in crafts if (last := craft.in_the_air(now_s)) is not None]
        for (a, seen_a), (b, seen_b) in combinations(flying, 2):
            self._keep_apart(a, seen_a, b, seen_b, now_s)
        for craft in crafts:
            if craft.held_for is not None:
                craft.held_s += TICK_S
                self._let_go(craft, now_s)

    def _why_not(self, craft: Craft, out: list[Craft], now_s: float) -> str | None:
        if self._first_s is not None and now_s < self._first_s + craft.not_before_s:
            return f"its time in the plan is {craft.not_before_s:.0f} s after the first take-off"
        assert craft.timeline is not None
        flights = []
        for other in out:
            silent_s = other.silent_s(now_s)
            if silent_s > _GONE_S:
                continue  # no battery lasts so long: it is down, wherever
            if silent_s > _SILENT_S:
                return f"{other.name} has not been heard: it has to be, or to be down"
            if other.timeline is None or other.cleared_s is None or not other.on_mission(now_s):
                return f"{other.name} is not on its mission: it has to be down first"
            start_s = other.cleared_s + max(other.held_s, other.late_s(now_s))
            if now_s > start_s + float(self.rules.window(other.timeline.times_s[-1:])[1][0]):
                return f"{other.name} is overdue: it has to be down first"
            if meeting(other.timeline, start_s, craft.timeline, now_s, self.rules, now_s=now_s) is not None:
                flights.append((other.timeline, start_s))
                blocked = other.name
        if not flights:
            return None
        clear_s = clear_from(craft.timeline, now_s, flights, self.rules) - now_s
        within = f"{self.rules.horizontal_m:.0f} m"
        return f"its way and that of {blocked} come within {within} of each other; clear in at most {clear_s:.0f} s"

    def _keep_apart(self, a: Craft, seen_a: Seen, b: Craft, seen_b: Seen, now_s: float) -> None:
        found = encounter(seen_a.point, seen_a.velocity, seen_b.point, seen_b.velocity, self.rules)
        if found is None:
            return
        # Who was cleared later gives way; both, when one alone does not help.
        later, earlier = sorted((a, b), key=lambda c: (-(c.cleared_s or 0.0), -c.number))
        places = {a.number: seen_a, b.number: seen_b}
        for held in ((later,), (earlier,), (later, earlier)):
            if all(c.can_hold(now_s) for c in held) and self._helps(held, a, seen_a, b, seen_b):
                for craft in held:
                    if craft.held_for is None or np.linalg.norm(places[craft.number].velocity) > _MOVING_MPS:
                        craft.hold(places[craft.number], earlier if craft is later else later)
                deed = " and ".join(c.name for c in held)
                self._warn(a, b, found, f"{deed} {'waits' if len(held) == 1 else 'wait'} in the air", now_s)
                return
        self._warn(a, b, found, "waiting does not help: send one of them home", now_s)

    def _helps(self, held: tuple[Craft, ...], a: Craft, seen_a: Seen, b: Craft, seen_b: Seen) -> bool:
        still = np.zeros(3)
        velocity_a = still if a in held else seen_a.velocity
        velocity_b = still if b in held else seen_b.velocity
        return encounter(seen_a.point, velocity_a, seen_b.point, velocity_b, self.rules) is None

    def _warn(self, a: Craft, b: Craft, found: Encounter, deed: str, now_s: float) -> None:
        pair = (a.number, b.number)
        if now_s - self._said.get(pair, -np.inf) < _SAY_AGAIN_S:
            return
        self._said[pair] = now_s
        for craft, other in ((a, b), (b, a)):
            text = (
                f"{other.name} comes within {found.horizontal_m:.0f} m, {found.vertical_m:.0f} m in height,"
                f" in {found.in_s:.0f} s: {deed}"
            )
            craft.tell("separation", text)

    def _let_go(self, craft: Craft, now_s: float) -> None:
        mine, other = craft.in_the_air(now_s), craft.held_for
        assert other is not None
        if mine is None or not craft.can_hold(now_s):
            craft.held_for = None  # it went home meanwhile
            return
        theirs = other.in_the_air(now_s)
        if theirs is not None and encounter(
            mine.point, craft.intended(mine), theirs.point, other.intended(theirs), self.rules
        ):
            return
        craft.go_on()
        craft.tell("separation", "clear: it flies on")


def _is_through(craft: Craft, now_s: float) -> bool:
    # A tick later, so that it does not matter which thread looks first.
    return craft.cleared_s is not None and now_s >= craft.cleared_s + TICK_S / 2
