"""Looking at pictures into a file: killed anywhere it goes on, and shards of several machines become one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detect.detection_files import write_detections
from detect.detections import Detections
from detect.detectors import Detector, is_rounded, named_thresholds
from detect.engine import Ask, Crew, Recipe, look, policy_for
from detect.journal import Journal, Order
from detect.shards import Shard, Wanted
from detect.sources import as_path, is_remote, location
from detect.tiles import TilePolicy
from flightplan.errors import CaptureError, Skip

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class IntoFile:
    """What a run into a file did: `looked_at` now, `again` not needed because it was done before.

    `captures`, `detections` and `skips` are those of the file, or of this shard while others are missing:
    `shards_missing` names them, and `out` is then this shard's own file. `unscaled` pictures of this run were looked at
    as they are, because the size of their pixels on the ground is not known.
    """

    out: Path
    looked_at: int
    again: int
    captures: int
    detections: int
    skips: tuple[Skip, ...]
    shards_missing: tuple[str, ...] = ()
    unscaled: int = 0


def detect_into_file(
    paths: Sequence[Path],
    out: Path,
    detector: Detector,
    *,
    recipe: Recipe | None = None,
    crew: Crew | None = None,
    policy: TilePolicy | None = None,
    shard: Shard | None = None,
    retry: bool = False,
    progress: Progress | None = None,
) -> IntoFile:
    """Look at pictures and write a `.csv` or COCO `.json` with those of all shards, once all of them are there.

    What was done is kept beside `out` picture by picture, so that a run that is killed goes on where it stopped; a
    picture that failed is tried again only with `retry`. The file is the same, to the byte, however often the run was
    interrupted and however the work was shared out. Raises UnreadableFileError where another model's run is under way
    into `out`, CaptureError where the shards were made of different pictures.
    """
    shard = shard or Shard()
    settings = {
        "detector": detector.content_hash,
        "names": list(detector.names),
        "threshold": detector.threshold,
        "thresholds": dict(named_thresholds(detector)),
        "rounded": is_rounded(detector),
        "tiles": _plain(policy_for(detector, policy)),
    }
    path = Journal.beside(out, shard)
    with Journal(path, settings) as journal:
        looked_at, again, unscaled = _run(paths, journal, detector, recipe, crew, policy, shard, retry, progress)
        with ExitStack() as stack:
            journals, missing = _all_shards(out, shard, journal, settings, stack)
            if missing:
                captures, detections, skips = _tally(_of_shard(journal))
                return IntoFile(path, looked_at, again, captures, detections, skips, missing, unscaled)
            captures, detections, failed = write_detections(out, _joined(journals))
    if shard.count == 1:
        path.unlink()
    return IntoFile(out, looked_at, again, captures, detections, tuple(failed), unscaled=unscaled)


def _run(
    paths: Sequence[Path],
    journal: Journal,
    detector: Detector,
    recipe: Recipe | None,
    crew: Crew | None,
    policy: TilePolicy | None,
    shard: Shard,
    retry: bool,
    progress: Progress | None,
) -> tuple[int, int, int]:
    """How many pictures were looked at now, were done before, and were looked at without their scale."""
    done = journal.done - journal.failed if retry else journal.done
    order: list[tuple[str, str | None]] = []
    looked_at = again = unscaled = 0
    asks = [Ask(path) for path in paths]
    wanted = Wanted(shard, done)
    for looked in look(asks, detector, recipe=recipe, crew=crew, policy=policy, wanted=wanted, hashed=True):
        name = location(looked.path)
        order.append((name, looked.content_hash))
        if looked.result is None:
            again += looked.content_hash in done
        elif looked.content_hash is not None or shard.owns_name(name):
            journal.add(name, looked.content_hash, looked.result)
            looked_at += 1
            unscaled += isinstance(looked.result, Detections) and not looked.result.scaled
        if progress is not None:
            progress(len(order), len(asks))
    journal.finish(order)
    return looked_at, again, unscaled


def _all_shards(
    out: Path, own: Shard, journal: Journal, settings: dict[str, Any], stack: ExitStack
) -> tuple[list[Journal], tuple[str, ...]]:
    """The journals of all shards that are complete, and the names of those that are not."""
    journals, missing = [], []
    for index in range(1, own.count + 1):
        shard = Shard(index, own.count)
        path = Journal.beside(out, shard)
        if shard == own:
            journals.append(journal)
        elif not path.exists():
            missing.append(str(shard))
        else:
            other = stack.enter_context(Journal(path, settings, reading=True))
            if other.order is None:
                missing.append(str(shard))
            else:
                journals.append(other)
    return journals, tuple(missing)


def _of_shard(journal: Journal) -> Iterator[tuple[Path, Detections | Skip]]:
    for name, content_hash in journal.order or ():
        found = journal.get(name, content_hash)
        if found is not None:
            yield _path(name), found


def _joined(journals: Sequence[Journal]) -> Iterator[tuple[Path, Detections | Skip]]:
    order = journals[0].order or ()
    for other in journals[1:]:
        _check_same(order, other.order or (), other.path)
    for name, content_hash in order:
        found = next((f for f in (j.get(name, content_hash) for j in journals) if f is not None), None)
        if found is None:
            raise CaptureError(
                "No shard has looked at this picture", where=name, hint="It has changed since: run the shards again."
            )
        yield _path(name), found


def _check_same(ours: Order, theirs: Order, where: Path) -> None:
    if list(ours) == list(theirs):
        return
    differing = sorted(set(ours) ^ set(theirs), key=str)
    raise CaptureError(
        "The shards were made of different pictures"
        if differing
        else "The shards list their pictures in another order",
        where=str(where),
        hint=f"The first that differs: {differing[0][0]}" if differing else "Name the same SOURCE for each.",
    )


def _path(name: str) -> Path:
    return as_path(name) if is_remote(name) else Path(name)


def _tally(results: Iterator[tuple[Path, Detections | Skip]]) -> tuple[int, int, tuple[Skip, ...]]:
    captures = detections = 0
    skips: list[Skip] = []
    for _, found in results:
        if isinstance(found, Skip):
            skips.append(found)
        else:
            captures, detections = captures + 1, detections + len(found)
    return captures, detections, tuple(skips)


def _plain(policy: TilePolicy) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(policy).items()}
