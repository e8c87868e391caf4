"""Rendering whole flights: a folder of frames and the truth about each, begun again where it was cut short."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any

from flightplan.camera import Camera
from flightplan.errors import UnreadableFileError
from sim.camera import AnimalLabel, Look, render_frame
from sim.land import Land
from sim.orthophoto import PhotographedLand
from sim.photographs import Shot, Writing, write_frame
from sim.species import SPECIES
from sim.world import World

TRUTH_FILE = "truth.jsonl"


@dataclass(frozen=True)
class FrameTruth:
    """What one frame shows: the stand-in for a person who looks at it.

    `key` tells whether the frame on disk is the one asked for: the world's seed, the time, the true pose, and how it is
    drawn and written where that is out of the ordinary.
    """

    frame: str
    key: str
    time_s: float
    animals: tuple[AnimalLabel, ...]


class Renderer:
    """Processes that render frames of one world and camera, for any number of flights; a context manager.

    `jobs` processes, one a core when None; the pictures do not depend on it. One job is a thread of this process.
    """

    def __init__(
        self,
        world: World,
        camera: Camera,
        *,
        jobs: int | None = None,
        look: Look | None = None,
        writing: Writing | None = None,
    ) -> None:
        self.world = world
        self.manner = manner_of(world, look, writing)
        work: Callable[[Path, Shot], FrameTruth] = partial(_render_one, world, camera, look, writing, self.manner)
        jobs = jobs or os.cpu_count() or 1
        self._pool: Executor
        if jobs == 1:
            self._pool, self._work = ThreadPoolExecutor(1, thread_name_prefix="render"), work
            return
        # Spawned, not forked: the caller may hold threads and sockets of a vehicle.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(work,))
        self._work = _in_worker

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def flight(self, folder: Path) -> FlightFrames:
        """Open a flight's folder: what is in it already is not rendered again."""
        return FlightFrames(self, folder)

    def submit(self, folder: Path, shot: Shot) -> Future[FrameTruth]:
        """Begin to render one frame."""
        return self._pool.submit(self._work, folder, shot)


class FlightFrames:
    """One flight's folder of frames, filled as the shots come.

    Each frame's truth is a line of `truth.jsonl`; frames that are there already, and are those asked for, are kept as
    they are. Raises UnreadableFileError for a truth file that is not one.
    """

    def __init__(self, renderer: Renderer, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._renderer, self._folder = renderer, folder
        self._path = folder / TRUTH_FILE
        self._known = {truth.frame: truth for truth in read_truth(self._path)} if self._path.exists() else {}
        # A line cut short by a kill goes, or the next one would be written on to it.
        _replace(self._path, "".join(_line(truth) for truth in self._known.values()))
        self._waiting: dict[str, Future[FrameTruth]] = {}

    def take(self, shot: Shot) -> None:
        """Render a frame in the background, unless it is there."""
        known = self._known.get(shot.name)
        key = _key(self._renderer.world, shot, self._renderer.manner)
        if shot.name not in self._waiting and not (
            known is not None and known.key == key and (self._folder / shot.name).is_file()
        ):
            self._waiting[shot.name] = self._renderer.submit(self._folder, shot)

    def finish(self, shots: Sequence[Shot], progress: Callable[[int, int], None] | None = None) -> list[FrameTruth]:
        """Wait for every shot, and write the truth in the shots' order. `progress` gets (done, total)."""
        for shot in shots:
            self.take(shot)
        with self._path.open("a", encoding="utf-8") as log:
            for number, shot in enumerate(shots, start=1):
                if shot.name in self._waiting:
                    truth = self._waiting.pop(shot.name).result()
                    log.write(_line(truth))
                    log.flush()
                    self._known[shot.name] = truth
                if progress is not None:
                    progress(number, len(shots))
        ordered = [self._known[shot.name] for shot in shots]
        names = {shot.name for shot in shots}
        others = [truth for name, truth in self._known.items() if name not in names]
        _replace(self._path, "".join(_line(truth) for truth in [*others, *ordered]))
        return ordered


def render_flight(
    world: World,
    shots: Sequence[Shot],
    camera: Camera,
    folder: Path,
    *,
    jobs: int | None = None,
    look: Look | None = None,
    writing: Writing | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[FrameTruth]:
    """Render every shot into `folder` and write its truth to `truth.jsonl`, one line a frame in the shots' order.

    Begun again where it was cut short; see `Renderer` and `FlightFrames`.
    """
    with Renderer(world, camera, jobs=jobs, look=look, writing=writing) as renderer:
        return renderer.flight(folder).finish(shots, progress)


def read_truth(path: Path) -> list[FrameTruth]:
    """Read a truth file. A last line cut short, by a kill, is left out; raises UnreadableFileError for any other."""
    lines = path.read_text(encoding="utf-8").split("\n")
    truths = []
    for number, line in enumerate(lines, start=1):
        if not line or number == len(lines):
            continue
        try:
            fields = json.loads(line)
            animals = tuple(
                AnimalLabel(
                    **{**animal, **{k: tuple(animal[k]) for k in ("box_px", "middle_px") if animal.get(k) is not None}}
                )
                for animal in fields["animals"]
            )
            truths.append(FrameTruth(fields["frame"], fields["key"], fields["time_s"], animals))
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableFileError(
                f"line {number} is not the truth about a frame", where=str(path), hint="Delete the file to render again"
            ) from error
    return truths


_WORK: list[Callable[[Path, Shot], FrameTruth]] = []


def _begin(work: Callable[[Path, Shot], FrameTruth]) -> None:
    _WORK[:] = [work]
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _in_worker(folder: Path, shot: Shot) -> FrameTruth:
    return _WORK[0](folder, shot)


def _render_one(
    world: World, camera: Camera, look: Look | None, writing: Writing | None, manner: str, folder: Path, shot: Shot
) -> FrameTruth:
    image, labels = render_frame(world, camera, shot.true, shot.time_s, look)
    write_frame(folder / shot.name, image, shot, camera, writing)
    return FrameTruth(shot.name, _key(world, shot, manner), shot.time_s, labels)


def manner_of(world: World, look: Look | None, writing: Writing | None) -> str:
    """A short name of all that makes a picture of one seed another; empty for the plain one."""
    if look is None and writing is None and world.relief is None and type(world.land) is Land:
        return "" if world.species == SPECIES else f" {_digest(repr(world.species))}"
    hills = b"" if world.relief is None else world.relief.heights_m.tobytes()
    ground = world.land.pixels.tobytes() if isinstance(world.land, PhotographedLand) else b""
    told = repr((look, writing, world.species)).encode()
    return f" {_digest(told + hashlib.sha256(hills).digest() + hashlib.sha256(ground).digest())}"


def _digest(said: str | bytes) -> str:
    return hashlib.sha256(said.encode() if isinstance(said, str) else said).hexdigest()[:12]


def _key(world: World, shot: Shot, manner: str) -> str:
    pose = shot.true
    numbers = (
        pose.longitude_deg,
        pose.latitude_deg,
        pose.altitude_agl_m,
        pose.yaw_deg,
        pose.pitch_deg,
        pose.roll_deg,
    )
    place = " ".join(f"{number:.9f}" for number in numbers)
    return f"{world.seed} {shot.time_s:.6f} {place}{manner}{' ' + shot.slip if shot.slip else ''}"


def _line(truth: FrameTruth) -> str:
    fields: dict[str, Any] = {
        "frame": truth.frame,
        "key": truth.key,
        "time_s": truth.time_s,
        "animals": [asdict(animal) for animal in truth.animals],
    }
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _replace(path: Path, text: str) -> None:
    waiting = path.with_name(f".{path.name}.part")
    waiting.write_text(text, encoding="utf-8")
    waiting.replace(path)
