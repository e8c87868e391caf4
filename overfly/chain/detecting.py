"""Captures through a detector, into the census."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

import overfly
from counts.census import Census
from counts.store import (
    DetectorInfo,
    add_detections,
    add_skips,
    find_survey,
    latest_survey,
    open_detection_run,
    read_footprints,
    refuse_captures,
)
from counts.store.detections import read_detection_run
from counts.store.looking import (
    CaptureToLookAt,
    captures_to_look_at,
    count_not_looked_at,
    looked_at,
    readmit_captures,
)
from detect.detections import Detections
from detect.detectors import Detector, is_rounded, named_thresholds, task_of
from detect.engine import Ask, Crew, Looked, Recipe, look, policy_for
from detect.shards import Shard
from detect.sources import is_remote
from detect.tiles import TilePolicy
from flightplan.errors import CaptureError, Skip
from overfly.chain.found_so_far import FoundSoFar

_BATCH = 128
_BATCH_S = 1.0
Progress = Callable[[int, int], None]
_Done = tuple[CaptureToLookAt, Looked]


@dataclass(frozen=True)
class Detected:
    """What a run over a survey found.

    `looked_at` and `skips` are of this call, the rest of the whole run: `left` captures it has not looked at yet, those
    of other shards among them; the run is complete when there are none. `unscaled` pictures of this call were looked at
    as they are, because the size of their pixels on the ground is not known.
    """

    survey: str
    run_id: int
    looked_at: int
    captures: int
    detections: int
    skips: tuple[Skip, ...]
    left: int = 0
    unscaled: int = 0


def detect_survey(
    census: Census,
    detector: Detector,
    *,
    name: str,
    survey: str | None = None,
    workers: int | None = None,
    recipe: Recipe | None = None,
    crew: Crew | None = None,
    shard: Shard | None = None,
    retry: bool = False,
    policy: TilePolicy | None = None,
    progress: Progress | None = None,
) -> Detected:
    """Look at every capture of a survey that this detector, at its threshold, has not looked at yet.

    What was found is on disk picture by picture, and in the census batch by batch, so a run that is killed goes on
    where it stopped; while a batch is written, the next pictures are looked at. A picture that cannot be decoded, or is
    not the one that was brought in, is set aside with its reason, named, lowers the area searched, and is tried again
    only with `retry`. `name` is what to call the detector. `shard` looks at its part only; shards may write into one
    census at once. `recipe` and `crew` are those of `detect.engine.look`, `policy` how pictures are cut. Raises
    CaptureError where none of the pictures is where it was, or their folder goes.
    """
    policy = policy_for(detector, policy)
    with census.writing() as session:
        info = find_survey(session, survey) if survey else latest_survey(session)
        run_id = open_detection_run(
            session,
            info.survey_id,
            DetectorInfo(detector.content_hash, name, task_of(detector), tuple(detector.names)),
            threshold=detector.threshold,
            parameters=_parameters(detector, policy),
            code_version=overfly.__version__,
        )
    with census.reading() as session:
        todo = captures_to_look_at(session, run_id, retry=retry)
        gsds_cm = _gsds_cm(session, info.survey_id) if policy.target_gsd_cm is not None else {}
    if shard is not None:
        todo = tuple(capture for capture in todo if shard.owns(capture.content_hash))
    _check_there(todo)
    write = _Writer(census, info.survey_id, run_id)
    done = unscaled = 0
    skips: list[Skip] = []
    kept = FoundSoFar(census.where, detector, _parameters(detector, policy), shard)
    with closing(kept), ThreadPoolExecutor(1, thread_name_prefix="write") as writer:
        before = kept.of(todo)
        write([(capture, Looked(Path(capture.path), capture.content_hash, found)) for capture, found in before])
        known = {capture.capture_id for capture, _ in before}
        todo = tuple(capture for capture in todo if capture.capture_id not in known)
        asks = [Ask(Path(c.path), c.content_hash, gsds_cm.get(c.capture_id)) for c in todo]
        results = look(asks, detector, recipe=recipe, crew=crew or Crew(workers=workers), policy=policy)
        writing: Future[None] | None = None
        for batch in _batched(_noted(zip(todo, results, strict=True), kept)):
            if writing is not None:
                writing.result()
            there = [(capture, looked) for capture, looked in batch if not _is_gone(capture, looked)]
            writing = writer.submit(write, there)
            skips += [looked.result for _, looked in there if isinstance(looked.result, Skip)]
            unscaled += sum(isinstance(looked.result, Detections) and not looked.result.scaled for _, looked in there)
            done += len(there)
            if len(there) < len(batch):
                writing.result()
                raise CaptureError(
                    f"The folder of the pictures is gone, after {done} of {len(todo)}",
                    where=next(capture.path for capture, looked in batch if _is_gone(capture, looked)),
                    hint="Connect the card or the drive again, and go on with the same command.",
                )
            if progress is not None:
                progress(done, len(todo))
        if writing is not None:
            writing.result()
        kept.forget()
    with census.reading() as session:
        run = read_detection_run(session, run_id)
        left = count_not_looked_at(session, run_id)
    return Detected(info.name, run_id, done, run.captures_done, run.detections, tuple(skips), left, unscaled)


def _parameters(detector: Detector, policy: TilePolicy) -> dict[str, Any]:
    """What makes another run of the same model at the same threshold; what is as always is not mentioned."""
    parameters: dict[str, Any] = {"tile_px": policy.max_px, "overlap_px": policy.overlap_px}
    if named := named_thresholds(detector):
        parameters["thresholds"] = dict(named)
    if is_rounded(detector):
        parameters["bits"] = 16
    if policy.target_gsd_cm is not None:
        parameters["target_gsd_cm"] = policy.target_gsd_cm
    return parameters


def _gsds_cm(session: Session, survey_id: int) -> dict[int, float]:
    """The ground sampling distance of each capture that has one, by its key."""
    table = read_footprints(session, survey_id)
    known = np.isfinite(table.gsd_cm)
    return dict(zip(table.capture_id[known].tolist(), table.gsd_cm[known].tolist(), strict=True))


@dataclass(frozen=True)
class _Writer:
    """Writes results into a run, batch by batch."""

    census: Census
    survey_id: int
    run_id: int

    def __call__(self, batch: Sequence[_Done]) -> None:
        if not batch:
            return
        with self.census.writing() as session:
            # Two runs over the same pictures at once find the same: whoever is first has it.
            known = looked_at(session, self.run_id, [capture.capture_id for capture, _ in batch])
            fresh = [(capture, looked.result) for capture, looked in batch if capture.capture_id not in known]
            found = {capture.capture_id: result for capture, result in fresh if isinstance(result, Detections)}
            failed = [(capture.capture_id, result) for capture, result in fresh if isinstance(result, Skip)]
            readmit_captures(session, [c.capture_id for c, _ in fresh if c.failed and c.capture_id in found])
            add_detections(session, self.run_id, found)
            if failed:
                refuse_captures(session, self.survey_id, [(key, skip.reason) for key, skip in failed])
                add_skips(session, self.survey_id, "detect", [skip for _, skip in failed])


def _check_there(todo: Sequence[CaptureToLookAt]) -> None:
    """A card that is not in its slot is no reason to set every picture aside."""
    if not todo or any(is_remote(capture.path) or Path(capture.path).exists() for capture in todo):
        return
    raise CaptureError(
        f"None of {len(todo)} pictures to look at is where it was brought in from",
        where=todo[0].path,
        hint="Connect the card or the drive, or bring the pictures in from where they are now.",
    )


def _is_gone(capture: CaptureToLookAt, looked: Looked) -> bool:
    """Whether a picture failed because a card was pulled out: that is no fault of the picture."""
    if not isinstance(looked.result, Skip) or is_remote(capture.path):
        return False
    return not Path(capture.path).parent.exists()


def _noted(items: Iterable[_Done], kept: FoundSoFar) -> Iterator[_Done]:
    for capture, looked in items:
        kept.add(capture, looked.result)
        yield capture, looked


def _batched(items: Iterable[_Done]) -> Iterator[list[_Done]]:
    """What came within a second, or `_BATCH` of them: others see it soon, and writing is no work to speak of."""
    batch: list[_Done] = []
    since = time.monotonic()
    for item in items:
        batch.append(item)
        if len(batch) >= _BATCH or time.monotonic() - since >= _BATCH_S:
            yield batch
            batch, since = [], time.monotonic()
    if batch:
        yield batch
