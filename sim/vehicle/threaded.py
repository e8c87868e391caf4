"""Serving vehicles in a thread of its own, which is started once and ended in order."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Threaded(ABC):
    """What runs in a thread from `start` to `stop`, as a context manager too; `run` alone stays in the caller's."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @abstractmethod
    def run(self) -> None:
        """Serve until `stop` is called elsewhere."""

    @abstractmethod
    def _name(self) -> str:
        """The thread's name."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of the sockets, once the thread has ended."""

    def start(self) -> Self:
        """Serve in a thread; once, however often it is asked."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._guarded, name=self._name(), daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """End serving; raises what ended the thread, if anything did."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._close()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _guarded(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self._failure = error
