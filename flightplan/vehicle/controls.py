"""Orders by key while a vehicle flies: pause, continue, return home, land."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

from flightplan.vehicle.autopilots import Dialect, Order

# What was typed since it was last asked; never waits.
KeySource = Callable[[], str]
ORDERS: dict[str, Callable[[Dialect], Order]] = {
    "p": Dialect.pause,
    "c": Dialect.resume,
    "r": Dialect.return_home,
    "l": Dialect.land,
}
HELP = "Keys: x cancels loading; in the air p pause, c continue, r return home, l land. Ctrl-C ends the watch only."


def no_keys() -> str:
    """Return that nothing was typed."""
    return ""


class Keyboard:
    """The keys of a terminal, one by one, without waiting for Enter; a context manager that puts the terminal back.

    Silent where standard input is no terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdin if stream is None else stream
        self._before: list[Any] | None = None
        self.is_terminal = False

    def __enter__(self) -> Keyboard:
        try:
            self.is_terminal = self._stream.isatty()
        except ValueError:  # it has been closed
            self.is_terminal = False
        if self.is_terminal and os.name == "posix":
            import termios
            import tty

            self._before = termios.tcgetattr(self._stream.fileno())
            tty.setcbreak(self._stream.fileno())
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(self._stream.fileno(), termios.TCSADRAIN, self._before)

    @contextmanager
    def lines(self) -> Iterator[None]:
        """Give the terminal back for a question that is answered with Enter."""
        if self._before is None:
            yield
            return
        import termios
        import tty

        number = self._stream.fileno()
        termios.tcsetattr(number, termios.TCSADRAIN, self._before)
        try:
            yield
        finally:
            tty.setcbreak(number)

    def __call__(self) -> str:
        """Return what was typed since the last call."""
        if not self.is_terminal:
            return ""
        if os.name != "posix":
            return _typed_on_windows()
        number = self._stream.fileno()
        ready, _, _ = select.select([number], [], [], 0.0)
        return os.read(number, 64).decode(errors="replace") if ready else ""


def _typed_on_windows() -> str:
    import msvcrt  # only there

    typed = ""
    while msvcrt.kbhit():  # type: ignore[attr-defined]
        typed += msvcrt.getwch()  # type: ignore[attr-defined]
    return typed
