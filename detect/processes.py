"""Several processes of one machine share the pictures; each runs the network on threads of its own.

Pictures are dealt to whoever has the fewest waiting; results come in the order asked for. A process that dies (a
decoder that crashes on a broken file, no memory left) is replaced, and the pictures it had are looked at again one by
one: the one it dies of is set aside by name.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from detect.detectors import Detector, load_detector
from detect.pipeline import Ask, Looked, Wanted, look_at, processors
from detect.sources import shown
from detect.tiles import TilePolicy
from flightplan.errors import DetectorError, OverflyError, Skip

_AHEAD_PER_WORKER = 8
_MOST_WAITING = 1000


@dataclass(frozen=True)
class Recipe:
    """How to load a detector: the model file and the settings of `load_detector`."""

    model: Path
    settings: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Detector:
        """Load it."""
        return load_detector(self.model, **{"threads": 1, **self.settings})

    def like(self, detector: Detector) -> Recipe:
        """The same with the runtime that loaded `detector`: another may differ in the last digits."""
        backend = getattr(detector, "backend", type(detector).__module__.rpartition(".")[2])
        return replace(self, settings={**self.settings, "backend": backend})


@dataclass(frozen=True)
class _Task:
    """What a process is told when it starts."""

    recipe: Recipe
    policy: TilePolicy
    workers: int
    wanted: Wanted | None
    hashed: bool
    most_ahead: int


def look_at_in_processes(
    asks: Iterable[Ask],
    recipe: Recipe,
    *,
    policy: TilePolicy,
    processes: int,
    workers: int | None = None,
    wanted: Wanted | None = None,
    hashed: bool = False,
) -> Iterator[Looked]:
    """Look at pictures in `processes` processes with `workers` threads among them; see `detect.pipeline.look_at`."""
    each = max(1, (workers or processors()) // processes)
    task = _Task(recipe, policy, each, wanted, hashed, _AHEAD_PER_WORKER * each)
    crew = [_Process(task) for _ in range(processes)]
    try:
        yield from _deal(enumerate(asks), crew)
    finally:
        for process in crew:
            process.end()


def _deal(asks: Iterator[tuple[int, Ask]], crew: list[_Process]) -> Iterator[Looked]:
    results: dict[int, Looked] = {}
    due, handed_out, more = 0, 0, True
    while True:
        while more and handed_out - due < _MOST_WAITING and (free := _freest(crew)) is not None:
            coming = next(asks, None)
            if coming is None:
                more = False
                for process in crew:
                    process.finish()
            else:
                free.give(*coming)
                handed_out += 1
        while due in results:
            yield results.pop(due)
            due += 1
        busy = {process.pipe: process for process in crew if process.waiting}
        if not busy:
            if more:
                continue
            return
        for pipe in wait(list(busy)):
            results.update(busy[pipe].take(last=not more))  # type: ignore[index]


def _freest(crew: list[_Process]) -> _Process | None:
    free = [process for process in crew if process.has_room]
    return min(free, key=lambda process: len(process.waiting)) if free else None


class _Process:
    """One process of the crew, and whichever replaces it when it dies."""

    def __init__(self, task: _Task) -> None:
        self._task = task
        self.waiting: deque[tuple[int, Ask]] = deque()
        self._suspects: deque[tuple[int, Ask]] = deque()
        self._start(task)

    def _start(self, task: _Task) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, task), daemon=True)
        self._process.start()
        theirs.close()
        self._loaded = False

    @property
    def has_room(self) -> bool:
        """Whether it can be given another picture; it has to hold more than it works ahead, or it waits for one."""
        return not self._suspects and len(self.waiting) < self._task.most_ahead + 2

    def give(self, number: int, ask: Ask) -> None:
        """Give it a picture."""
        self.waiting.append((number, ask))
        self._send(ask)

    def finish(self) -> None:
        """Say that no more is coming."""
        self._send(None)

    def take(self, *, last: bool) -> dict[int, Looked]:
        """The next result by its number; raises what the process raised. `last`: nothing more will be given."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            return self._replace(last)
        if isinstance(answer, BaseException):
            raise answer
        if answer is None:
            self._loaded = True
            return {}
        number, _ = self.waiting.popleft()
        if self._suspects:
            self._suspects.popleft()
            if self._suspects:
                self._send(self._suspects[0][1])
            else:
                self._restart(self._task, last)
        return {number: answer}

    def _replace(self, last: bool) -> dict[int, Looked]:
        """Start another process after one died, with one picture at a time until those it had are done."""
        self._process.join()
        if not self._loaded:
            raise DetectorError(
                f"A process ended while it loaded the model ({_ending(self._process.exitcode)})",
                hint="Use fewer --processes.",
            )
        dead: dict[int, Looked] = {}
        if self._suspects:
            number, ask = self.waiting.popleft()
            reason = f"The process that looked at it ended ({_ending(self._process.exitcode)}). Leave it out."
            dead[number] = Looked(ask.path, ask.content_hash, Skip(shown(ask.path), reason))
        self._suspects = deque(self.waiting)
        if self._suspects:
            self._restart(replace(self._task, most_ahead=0), last=False)
            self._send(self._suspects[0][1])
        else:
            self._restart(self._task, last)
        return dead

    def _restart(self, task: _Task, last: bool) -> None:
        self.end()
        self._start(task)
        if last:
            self.finish()

    def _send(self, ask: Ask | None) -> None:
        # Where it died, reading from it will tell.
        with suppress(OSError):
            self.pipe.send(ask)

    def end(self) -> None:
        """End it, whatever it is doing."""
        self.pipe.close()
        self._process.terminate()
        self._process.join()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"


def _serve(pipe: Connection, task: _Task) -> None:
    """What a process of the crew does: load the model, then answer picture by picture."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        detector = task.recipe.load()
        pipe.send(None)
        for looked in look_at(
            iter(pipe.recv, None),
            detector,
            policy=task.policy,
            workers=task.workers,
            wanted=task.wanted,
            hashed=task.hashed,
            most_ahead=task.most_ahead,
        ):
            pipe.send(looked)
    except OverflyError as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # nobody is waiting any more


def _leave_with_parent() -> None:
    # A parent that is killed cannot end its children.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
