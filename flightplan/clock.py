"""One clock for link, vehicle and camera: wall time, or time that a simulator moves.

Lockstep, for a simulated vehicle and its ground station in one process, as fast as the machine allows and the same
on every run: time stands still while anybody is at work or a message is on its way.

- A ground station's thread calls `join`, then waits only through `wait`, and who wakes it calls `notify`. It is at
  work from its wake-up until its next `wait`, or until it calls `leave`.
- Whoever sends messages calls `posted(to)` just before; whoever receives them calls `taken(at)` after everything that
  they caused has been posted or notified. Both name the receiving end's socket address. Who sees a connection end
  calls `forget` for both ends.
- The vehicle, once anybody has joined, reads its socket while `under_way` has mail for it; else calls `settle`; and
  when that is True makes one step, calls `advance`, and only then sends what the step had to say.

All of these do nothing on wall time, so link and vehicle have one code for both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What the rooms ask of time."""

    def now_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...

    def wait(self, condition: threading.Condition, timeout_s: float) -> bool:
        """Wait on a held condition for at most `timeout_s` seconds of this clock; False when they ran out."""
        ...

    def notify(self, condition: threading.Condition) -> None:
        """Wake everybody who waits on a held condition."""
        ...

    def join(self) -> None:
        """Take part, as the calling thread: time stands still while it is at work."""
        ...

    def leave(self) -> None:
        """Take no more part, as the calling thread: time need not stand still for it."""
        ...

    def posted(self, to: Hashable, messages: int = 1) -> None:
        """Messages are about to be sent to a socket address."""
        ...

    def taken(self, at: Hashable, messages: int = 1) -> None:
        """Messages were received at a socket address, and all that they caused has been posted or notified."""
        ...

    def forget(self, address: Hashable) -> None:
        """Nothing more will arrive at a socket address: its connection has ended."""
        ...


class WallClock:
    """The computer's own clock, read once and then counted on steadily: a correction cannot end a wait too soon."""

    def __init__(self) -> None:
        self._epoch_s = time.time() - time.monotonic()

    def now_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._epoch_s + time.monotonic()

    def wait(self, condition: threading.Condition, timeout_s: float) -> bool:
        """Wait on a held condition for at most `timeout_s` seconds; False when they ran out."""
        return condition.wait(timeout_s)

    def notify(self, condition: threading.Condition) -> None:
        """Wake everybody who waits on a held condition."""
        condition.notify_all()

    def join(self) -> None:
        """Nothing: wall time stands still for nobody."""

    def leave(self) -> None:
        """Nothing: wall time stands still for nobody."""

    def posted(self, to: Hashable, messages: int = 1) -> None:
        """Nothing: wall time does not wait for messages."""

    def taken(self, at: Hashable, messages: int = 1) -> None:
        """Nothing: wall time does not wait for messages."""

    def forget(self, address: Hashable) -> None:
        """Nothing: wall time does not wait for messages."""


@dataclass
class _Waiter:
    condition: threading.Condition
    deadline_s: float
    woken: bool = False
    in_time: bool = True


class SimulatedClock:
    """A clock that stands still until somebody moves it.

    A simulated vehicle calls `advance`; whoever waits on this clock wakes when its simulated seconds have passed.
    `stall_s` is how long, in wall seconds, the clock may stand still under a waiter before the wait gives up: a
    simulator that died must not hang its ground station.
    """

    def __init__(self, start_s: float, *, stall_s: float = 30.0) -> None:
        self._start_s, self._elapsed_s, self._now_s = start_s, 0.0, start_s
        self._stall_s = stall_s
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiters: dict[int, _Waiter] = {}
        self._joined: set[int] = set()
        self._at_work: set[int] = set()
        self._under_way: dict[Hashable, int] = {}

    def now_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Move the clock forward, and wake those whose time has come."""
        with self._lock:
            self._elapsed_s += seconds  # small numbers add up exactly enough; seconds since 1970 do not
            self._now_s = self._start_s + self._elapsed_s
            due = [(thread, w) for thread, w in self._waiters.items() if not w.woken and w.deadline_s <= self._now_s]
            for thread, waiter in due:
                waiter.woken, waiter.in_time = True, False
                self._work(thread)
        for _, waiter in due:
            with waiter.condition:
                waiter.condition.notify_all()

    @property
    def in_step(self) -> bool:
        """Whether somebody has joined: time moves only when it is still."""
        return bool(self._joined)

    def is_still(self) -> bool:
        """Whether nobody is at work and no message is on its way: time may move."""
        return not self._at_work and not any(self._under_way.values())

    def settle(self, wall_s: float) -> bool:
        """Wait, at most so many wall seconds, until it is still or a message is posted; tell whether time may move."""
        with self._lock:
            if not self.is_still():
                self._changed.wait(wall_s)
            return self.is_still() and self.in_step

    def under_way(self, to: Hashable) -> int:
        """How many messages are on their way to a socket address."""
        return self._under_way.get(to, 0)

    def wait(self, condition: threading.Condition, timeout_s: float) -> bool:
        """Wait on a held condition for at most `timeout_s` simulated seconds; False when they ran out."""
        thread = threading.get_ident()
        with self._lock:
            if timeout_s <= 0:
                return False
            waiter = self._waiters[thread] = _Waiter(condition, self._now_s + timeout_s)
            self._at_work.discard(thread)
            self._changed.notify_all()
        seen_s, still_since = self._now_s, time.monotonic()
        while True:
            notified = condition.wait(min(self._stall_s, 0.5))
            with self._lock:
                if waiter.woken or notified:
                    break
                if self._now_s > seen_s:
                    seen_s, still_since = self._now_s, time.monotonic()
                elif time.monotonic() - still_since >= self._stall_s:
                    waiter.in_time = False
                    break
        with self._lock:
            self._work(thread)
            del self._waiters[thread]
        return waiter.in_time

    def notify(self, condition: threading.Condition) -> None:
        """Wake everybody who waits on a held condition: from now on they count as being at work."""
        with self._lock:
            for thread, waiter in self._waiters.items():
                if waiter.condition is condition and not waiter.woken:
                    waiter.woken = True
                    self._work(thread)
        condition.notify_all()

    def join(self) -> None:
        """Take part, as the calling thread: time stands still while it is at work."""
        with self._lock:
            self._joined.add(threading.get_ident())
            self._work(threading.get_ident())

    def leave(self) -> None:
        """Take no more part, as the calling thread: time need not stand still for it."""
        with self._lock:
            self._joined.discard(threading.get_ident())
            self._at_work.discard(threading.get_ident())
            self._changed.notify_all()

    def posted(self, to: Hashable, messages: int = 1) -> None:
        """Messages are about to be sent to a socket address."""
        with self._lock:
            self._under_way[to] = self._under_way.get(to, 0) + messages
            self._changed.notify_all()

    def taken(self, at: Hashable, messages: int = 1) -> None:
        """Messages were received at a socket address, and all that they caused has been posted or notified."""
        with self._lock:
            if at in self._under_way:
                # A server's address outlives its connections: what was forgotten with one may still be counted here.
                self._under_way[at] = max(self._under_way[at] - messages, 0)
                if not self._under_way[at]:
                    self._changed.notify_all()

    def forget(self, address: Hashable) -> None:
        """Nothing more will arrive at a socket address: its connection has ended."""
        with self._lock:
            self._under_way.pop(address, None)
            self._changed.notify_all()

    def _work(self, thread: int) -> None:
        if thread in self._joined:
            self._at_work.add(thread)
