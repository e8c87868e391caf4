"""Rendering whole flights: a folder of frames and the truth about each, begun again where it was cut short."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flightplan.camera import Camera
from flightplan.errors import UnreadableFileError
from sim.camera import AnimalLabel, Look, render_frame
from sim.photographs import Shot, write_frame
from sim.world import World

TRUTH_FILE = "truth.jsonl"


@dataclass(frozen=True)
class FrameTruth:
    """What one frame shows: the stand-in for a person who looks at it.

    `key` tells whether the frame on disk is the one asked for: the world's seed, the time and the true pose.
    """

    frame: str
    key: str
    time_s: float
    animals: tuple[AnimalLabel, ...]


def render_flight(
    world: World,
    shots: Sequence[Shot],
    camera: Camera,
    folder: Path,
    *,
    jobs: int | None = None,
    look: Look | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[FrameTruth]:
    """Render every shot into `folder` and write its truth to `truth.jsonl`, one line a frame in the shots' order.

    Frames that are there already, and are those asked for, are kept as they are. `jobs` processes render, one a core
    when None; the pictures do not depend on it. `progress` gets (done, total). Raises UnreadableFileError for a
    truth file that is not one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TRUTH_FILE
    known = {truth.frame: truth for truth in read_truth(path)} if path.exists() else {}
    keys = {shot.name: _key(world, shot) for shot in shots}
    done = {name: truth for name, truth in known.items() if keys.get(name) == truth.key and (folder / name).is_file()}
    waiting = [shot for shot in shots if shot.name not in done]
    if waiting:
        with path.open("a", encoding="utf-8") as log:
            for truth in _rendered(world, waiting, camera, folder, look, jobs):
                log.write(_line(truth))
                log.flush()
                done[truth.frame] = truth
                if progress is not None:
                    progress(len(done), len(shots))
    ordered = [done[shot.name] for shot in shots]
    others = [truth for name, truth in known.items() if name not in keys]
    _replace(path, "".join(_line(truth) for truth in [*others, *ordered]))
    return ordered


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
                AnimalLabel(**{**animal, "box_px": tuple(animal["box_px"])}) for animal in fields["animals"]
            )
            truths.append(FrameTruth(fields["frame"], fields["key"], fields["time_s"], animals))
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableFileError(
                f"line {number} is not the truth about a frame", where=str(path), hint="Delete the file to render again"
            ) from error
    return truths


def _rendered(
    world: World, shots: Sequence[Shot], camera: Camera, folder: Path, look: Look | None, jobs: int | None
) -> Iterator[FrameTruth]:
    work = partial(_render_one, world, camera, folder, look)
    jobs = min(jobs or os.cpu_count() or 1, (len(shots) + 15) // 16)
    if jobs == 1:
        yield from map(work, shots)
        return
    # Spawned, not forked: the caller may hold threads and sockets of a vehicle.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(work,)) as pool:
        yield from pool.map(_in_worker, shots, chunksize=4)


_WORK: list[Callable[[Shot], FrameTruth]] = []


def _begin(work: Callable[[Shot], FrameTruth]) -> None:
    _WORK[:] = [work]


def _in_worker(shot: Shot) -> FrameTruth:
    return _WORK[0](shot)


def _render_one(world: World, camera: Camera, folder: Path, look: Look | None, shot: Shot) -> FrameTruth:
    image, labels = render_frame(world, camera, shot.true, shot.time_s, look)
    write_frame(folder / shot.name, image, shot, camera)
    return FrameTruth(shot.name, _key(world, shot), shot.time_s, labels)


def _key(world: World, shot: Shot) -> str:
    pose = shot.true
    numbers = (
        pose.longitude_deg,
        pose.latitude_deg,
        pose.altitude_agl_m,
        pose.yaw_deg,
        pose.pitch_deg,
        pose.roll_deg,
    )
    return f"{world.seed} {shot.time_s:.6f} " + " ".join(f"{number:.9f}" for number in numbers)


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
