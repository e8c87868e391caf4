"""Counting the survey again, one counting at a time, while the page goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flightplan.errors import OverflyError

_LOG = logging.getLogger("overfly.review")


@dataclass(frozen=True)
class RecountState:
    """How far the last counting is: "never", "running", "done" or "failed", and then why.

    `before` is the key of the estimates that were the newest when it began, None where there were none.
    """

    state: str = "never"
    request: str | None = None
    who: str = ""
    before: int | None = None
    error: str | None = None


class Recount:
    """Counts in a thread of its own; whoever asks while it runs is told so."""

    def __init__(self, count: Callable[[], Mapping[str, Any]] | None) -> None:
        self._count, self._lock, self._state = count, threading.Lock(), RecountState()
        self._thread: threading.Thread | None = None

    @property
    def possible(self) -> bool:
        """Whether this server was started with something that counts."""
        return self._count is not None

    @property
    def state(self) -> RecountState:
        """How far the last counting is."""
        with self._lock:
            return self._state

    def start(self, request: str, who: str, before: int | None) -> RecountState:
        """Begin, unless it runs already or this very request was served; return how far it is."""
        with self._lock:
            if self._state.state == "running" or self._state.request == request:
                return self._state
            self._state = RecountState("running", request, who, before)
            self._thread = threading.Thread(target=self._run, name="count-again", daemon=True)
            self._thread.start()
            return self._state

    def wait(self, seconds: float = 600.0) -> RecountState:
        """Wait for the counting that runs, if one does."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return self.state

    def _run(self) -> None:
        assert self._count is not None
        try:
            self._count()
            state, said = "done", None
        except OverflyError as error:
            state, said = "failed", error.what
        except Exception:
            # A thread's error would be lost: it goes to the log, and the page learns that there is one.
            _LOG.exception("counting again failed")
            state, said = "failed", "counting failed: the server's log says why"
        with self._lock:
            self._state = replace(self._state, state=state, error=said)
