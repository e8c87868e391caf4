"""Many virtual surveys: on all processors or a cluster, the same whatever their number, and going on after a kill."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

import numpy as np

from flightplan.errors import UnreadableFileError
from sim.virtual.estimating import Result, estimate_all
from sim.virtual.surveys import Setting, Surveyor

Row = dict[str, dict[str, Result]]
"""One survey: species, then estimator, then its estimate beside the truth."""

_FORMAT = "overfly virtual surveys, version 2"
_CHUNK = 4


class Surveys(Protocol):
    """Surveys that can be made of seeds, by whichever process opens them; they have to go through pickle."""

    def open(self) -> Callable[[int], Row]:
        """Get ready: what makes the survey of a seed."""
        ...

    def fingerprint(self) -> str:
        """What tells these surveys from others."""
        ...


@dataclass(frozen=True)
class WithoutPictures:
    """The fast path: geometry and a detector's errors."""

    setting: Setting

    def open(self) -> Callable[[int], Row]:
        """Work out what all surveys share."""
        surveyor = Surveyor(self.setting)
        return lambda seed: estimate_all(surveyor.count(seed), self.setting.recipe)

    def fingerprint(self) -> str:
        """The hash of lines, world and how they are flown."""
        setting, flying = self.setting, self.setting.flying
        said = [
            [s.polygon.wkb_hex for s in flying.area.strata],
            [e.wkb_hex for e in flying.area.exclusions],
            asdict(flying.design),
            [[t.identifier, t.segments] for s in flying.strata for t in s.transects],
            flying.sorties,
            [flying.trigger_m, flying.speed_mps, flying.front_overlap, flying.altitude_agl_m],
            asdict(setting.recipe),
            [setting.redraw, setting.one_world],
        ]
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def run_seeds(seed: int, runs: int) -> list[int]:
    """The seed of each of `runs` surveys: the first ones are the same however many there are."""
    return [int(np.random.SeedSequence([seed, i]).generate_state(1)[0] >> 1) for i in range(runs)]


def run_surveys(
    surveys: Surveys,
    seeds: Sequence[int],
    *,
    processes: int = 1,
    cluster: str | None = None,
    journal: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Fly a survey for each seed and estimate it; in the order of the seeds, whoever did which.

    With `cluster` they are shared out over a Ray cluster (`detect.cluster`). What is done is written to the `journal`,
    and what it holds is not done again; raises UnreadableFileError for one of other surveys.
    """
    with _opened(journal, surveys) as kept:
        rows: dict[int, Row] = {s: kept.rows[s] for s in seeds if kept is not None and s in kept.rows}
        todo = [s for s in dict.fromkeys(seeds) if s not in rows]
        done = len(seeds) - len(todo)
        for seed, row in _results(surveys, todo, processes, cluster):
            rows[seed] = row
            if kept is not None:
                kept.add(seed, row)
            done += 1
            if progress is not None:
                progress(done, len(seeds))
    return [rows[s] for s in seeds]


def _results(surveys: Surveys, todo: Sequence[int], processes: int, cluster: str | None) -> Iterator[tuple[int, Row]]:
    if cluster is not None:
        yield from _on_cluster(surveys, todo, cluster, processes)
    elif processes <= 1 or len(todo) < 2:
        one = surveys.open()
        for seed in todo:
            yield seed, one(seed)
    else:
        # Spawned, not forked: the caller may have threads.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(surveys,)) as pool:
            yield from zip(todo, pool.map(_in_worker, todo, chunksize=_CHUNK), strict=True)


_WORKER: list[Callable[[int], Row]] = []


def _begin(surveys: Surveys) -> None:
    _WORKER[:] = [surveys.open()]


def _in_worker(seed: int) -> Row:
    return _WORKER[0](seed)


class _Cluster:
    """A worker of a Ray cluster: batches of seeds to survey."""

    def __init__(self, surveys: bytes) -> None:
        # The driver wrote it.
        self._one = pickle.loads(surveys).open()  # noqa: S301

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Survey a batch of seeds."""
        rows = [pickle.dumps(self._one(int(seed))) for seed in batch["seed"]]
        return {"seed": batch["seed"], "row": np.array(rows, dtype=object)}


def _on_cluster(surveys: Surveys, todo: Sequence[int], address: str, processes: int) -> Iterator[tuple[int, Row]]:
    from detect.cluster import connected

    if not todo:
        return
    with connected(address, processes) as ray:
        batch = max(1, min(_CHUNK, -(-len(todo) // max(processes, 1))))
        items = ray.data.from_items([{"seed": s} for s in todo], override_num_blocks=-(-len(todo) // batch))
        results = items.map_batches(
            _Cluster,
            fn_constructor_kwargs={"surveys": pickle.dumps(surveys)},
            batch_size=batch,
            concurrency=processes,
            num_cpus=1,
        )
        for row in results.iter_rows():
            # Only this cluster's own workers wrote it.
            yield int(row["seed"]), pickle.loads(row["row"])  # noqa: S301


class Journal:
    """Surveys done so far, a JSON line each behind a header that says of which setting; a context manager."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.rows: dict[int, Row] = {}
        self._path, self._header = path, {"format": _FORMAT, "setting": fingerprint}
        try:
            whole = self._read()
            self._file: TextIO = path.open("a" if whole else "w", encoding="utf-8")
        except OSError as error:
            if isinstance(error, UnreadableFileError):
                raise
            raise UnreadableFileError(f"the journal cannot be used: {error.strerror}", where=str(path)) from error
        if not whole:
            self._write(self._header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._file.close()

    def add(self, seed: int, row: Row) -> None:
        """Write one survey down."""
        plain = {name: {e: list(asdict(r).values()) for e, r in found.items()} for name, found in row.items()}
        self._write({"seed": seed, "row": plain})

    def _write(self, document: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(document, separators=(",", ":")) + "\n")
        self._file.flush()

    def _read(self) -> bool:
        """Take up what is there; a last line cut short by a kill is taken off."""
        if not self._path.exists() or not self._path.stat().st_size:
            return False
        text = self._path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        lines = whole.splitlines()
        try:
            if not lines:
                return False
            if json.loads(lines[0]) != self._header:
                raise UnreadableFileError(
                    "is the journal of other surveys", where=str(self._path), hint="Name another file"
                )
            for line in lines[1:]:
                document = json.loads(line)
                self.rows[int(document["seed"])] = {
                    name: {e: Result(*values) for e, values in found.items()} for name, found in document["row"].items()
                }
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableFileError("is no journal of virtual surveys", where=str(self._path)) from error
        if whole != text:
            self._path.write_text(whole, encoding="utf-8")
        return True


def _opened(path: Path | None, surveys: Surveys) -> AbstractContextManager[Journal | None]:
    return nullcontext(None) if path is None else Journal(path, surveys.fingerprint())
