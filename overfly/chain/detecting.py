"""Captures through a detector, into the census."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import overfly
from counts.census import Census
from counts.store import (
    DetectorInfo,
    add_detections,
    add_skips,
    captures_without_detections,
    find_survey,
    latest_survey,
    open_detection_run,
    refuse_captures,
)
from counts.store.detections import read_detection_run
from detect.detections import Detections
from detect.detectors import Detector
from detect.engine import detect_images, policy_for
from flightplan.errors import Skip

_BATCH = 32
Progress = Callable[[int, int], None]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Detected:
    """What a run over a survey found; `looked_at` counts this call's captures, the rest the whole run."""

    survey: str
    run_id: int
    looked_at: int
    captures: int
    detections: int
    skips: tuple[Skip, ...]


def detect_survey(
    census: Census,
    detector: Detector,
    *,
    name: str,
    survey: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Detected:
    """Look at every capture of a survey that this detector, at its threshold, has not looked at yet.

    What was found is on disk batch by batch, so a run that is killed goes on where it stopped. A picture that cannot
    be decoded is set aside with its reason, named, and lowers the area searched. `name` is what to call the detector.
    """
    policy = policy_for(detector)
    with census.writing() as session:
        info = find_survey(session, survey) if survey else latest_survey(session)
        run_id = open_detection_run(
            session,
            info.survey_id,
            DetectorInfo(detector.content_hash, name, "detect", tuple(detector.names)),
            threshold=detector.threshold,
            parameters={"tile_px": policy.max_px, "overlap_px": policy.overlap_px},
            code_version=overfly.__version__,
        )
    with census.reading() as session:
        todo = captures_without_detections(session, run_id)
    skips: list[Skip] = []
    results = detect_images(
        [Path(c.capture.path) for c in todo], Path(name), detector=detector, workers=workers, policy=policy
    )
    done = 0
    for batch in _batched(zip(todo, results, strict=True), _BATCH):
        found: dict[int, Detections] = {}
        refused: list[tuple[int, str]] = []
        for stored, (path, result) in batch:
            if isinstance(result, Skip):
                refused.append((stored.capture_id, result.reason))
                skips.append(Skip(str(path), result.reason))
            else:
                found[stored.capture_id] = result
        with census.writing() as session:
            add_detections(session, run_id, found)
            refuse_captures(session, info.survey_id, refused)
            add_skips(session, info.survey_id, "detect", skips[len(skips) - len(refused) :] if refused else [])
        done += len(batch)
        if progress is not None:
            progress(done, len(todo))
    with census.reading() as session:
        run = read_detection_run(session, run_id)
    return Detected(info.name, run_id, done, run.captures_done, run.detections, tuple(skips))


def _batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
