"""Work done ahead of whoever looks, in the order in which it will be asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable

_MOST = 400

Job = tuple[Hashable, Callable[[], None]]


class Ahead:
    """One thread that does what was wished last first, and each wish in its own order.

    Who opened a page just now waits; what somebody wished before may not be looked at any more, and is done when there
    is time. What waits is bounded: the oldest wishes are forgotten.
    """

    def __init__(self, name: str) -> None:
        self._jobs: OrderedDict[Hashable, Callable[[], None]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._busy = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wish(self, jobs: Iterable[Job]) -> None:
        """These next, in this order; what was wished before comes after them."""
        with self._changed:
            for key, job in reversed(list(jobs)):
                self._jobs[key] = job
                self._jobs.move_to_end(key, last=False)
            while len(self._jobs) > _MOST:
                self._jobs.popitem()
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until there is nothing left to do, so long at most; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs and not self._busy, seconds)

    def close(self) -> None:
        """Forget what waits, and end when what is being done is done."""
        with self._changed:
            self._jobs.clear()
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if self._closed:
                    return
                _, job = self._jobs.popitem(last=False)
                self._busy = True
            job()
