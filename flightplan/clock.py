"""One clock for link, vehicle and camera: wall time, or time that a simulator moves."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the rooms ask of time."""

    def now_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...

    def wait(self, condition: threading.Condition, timeout_s: float) -> bool:
        """Wait on a held condition for at most `timeout_s` seconds of this clock; False when they ran out."""
        ...


class WallClock:
    """The computer's own clock."""

    def now_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time()

    def wait(self, condition: threading.Condition, timeout_s: float) -> bool:
        """Wait on a held condition for at most `timeout_s` seconds; False when they ran out."""
        return condition.wait(timeout_s)


class SimulatedClock:
    """A clock that stands still until somebody moves it.

    A simulated vehicle calls `advance`; whoever waits on this clock wakes when its simulated seconds have passed.
    `stall_s` is how long, in wall seconds, the clock may stand still under a waiter before the wait gives up: a
    simulator that died must not hang its ground station.
    """

    def __init__(self, start_s: float, *, stall_s: float = 30.0) -> None:
        self._now_s = start_s
        self._stall_s = stall_s
        self._moved = threading.Condition()

    def now_s(self) -> float:
        """Simulated seconds since 1970-01-01 UTC."""
        with self._moved:
            return self._now_s

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        with self._moved:
            self._now_s += seconds
            self._moved.notify_all()

    def wait(self, condition: threading.Condition, timeout_s: float) -> bool:
        """Wait on a held condition for at most `timeout_s` simulated seconds; False when they ran out."""
        deadline_s = self.now_s() + timeout_s
        seen_s, still_since = self.now_s(), time.monotonic()
        while True:
            if condition.wait(0.002):
                return True
            now_s = self.now_s()
            if now_s >= deadline_s:
                return False
            if now_s > seen_s:
                seen_s, still_since = now_s, time.monotonic()
            elif time.monotonic() - still_since > self._stall_s:
                return False
