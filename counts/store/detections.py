"""Detections in the census: runs are layers, and a run that was cut short goes on where it stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from counts.bulk import insert_rows
from counts.schema import Base, Capture, Detection, DetectionRun, DetectionRunCapture, Detector, ReviewState
from counts.store.captures import Keys, StoredCapture, captures_not_looked_at
from counts.store.tallies import UNSEEN, TallyKey, tally
from counts.store.verdicts import COUNTED, MOVE
from detect.detections import Detections
from flightplan.errors import CensusError
from flightplan.frames import Floats

_CHUNK = 5_000
_ROWS_AT_A_TIME = 50_000
_WRITTEN = ("run_id", "capture_id", "label", "score", "x_min_px", "y_min_px", "x_max_px", "y_max_px", "outline_px")
_COLUMNS = ("fid", "capture_id", "score", "x_min_px", "y_min_px", "x_max_px", "y_max_px", "label", "outline_px")


@dataclass(frozen=True)
class DetectorInfo:
    """A model: the SHA-256 of its file, its name, what it does ("detect", "points", ...), the labels it knows."""

    content_hash: str
    name: str
    task: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class DetectionRunInfo:
    """One detector at one threshold over one survey, and how far it has come."""

    run_id: int
    detector: DetectorInfo
    threshold: float | None
    parameters: Mapping[str, Any]
    code_version: str | None
    captures_done: int
    detections: int


@dataclass(frozen=True)
class RunInBrief:
    """The key of a run, and the labels that its detector knows."""

    run_id: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class DetectionTable:
    """Detections as arrays with one row each, ordered by capture and key. `label_ids` points into `labels`.

    `outlines_px` has, by row, the (K, 2) corners of those that are no upright box: an oriented box, or one point.
    """

    detection_id: Keys
    capture_id: Keys
    boxes_px: Floats
    scores: Floats
    label_ids: Keys
    labels: tuple[str, ...]
    outlines_px: Mapping[int, Floats] = field(default_factory=dict)

    @property
    def centres_px(self) -> Floats:
        """The middle of each, (N, 2): x, y."""
        centres: Floats = (self.boxes_px[:, :2] + self.boxes_px[:, 2:]) / 2.0
        for row, outline in self.outlines_px.items():
            centres[row] = outline.mean(axis=0)
        return centres

    def __len__(self) -> int:
        return len(self.detection_id)


def open_detection_run(
    session: Session,
    survey_id: int,
    detector: DetectorInfo,
    *,
    threshold: float | None,
    parameters: Mapping[str, Any],
    code_version: str | None = None,
) -> int:
    """Return the run of this detector with this threshold and these parameters: the one there is, or a new one.

    Another model, threshold or parameter makes another run; no run ever loses what it found.
    """
    detector_id = session.scalars(
        select(Detector.fid).where(Detector.content_hash == detector.content_hash)
    ).one_or_none()
    if detector_id is None:
        row = Detector(
            content_hash=detector.content_hash, name=detector.name, task=detector.task, labels=list(detector.labels)
        )
        session.add(row)
        session.flush()
        detector_id = row.fid
    same = session.scalars(
        select(DetectionRun)
        .where(DetectionRun.survey_id == survey_id, DetectionRun.detector_id == detector_id)
        .where(DetectionRun.parameters == dict(parameters))
        .where(DetectionRun.threshold.is_(None) if threshold is None else DetectionRun.threshold == threshold)
        .order_by(DetectionRun.fid.desc())
        .limit(1)
    ).one_or_none()
    asked = 1 + session.scalars(select(func.coalesce(func.max(DetectionRun.asked), 0))).one()
    if same is not None:
        same.asked = asked
        return same.fid
    run = DetectionRun(
        survey_id=survey_id,
        detector_id=detector_id,
        threshold=threshold,
        parameters=dict(parameters),
        code_version=code_version,
        asked=asked,
    )
    session.add(run)
    session.flush()
    return run.fid


def latest_detection_run(session: Session, survey_id: int) -> DetectionRunInfo | None:
    """Return the detection run of the survey that was asked for last, None when nothing was detected yet."""
    run = latest_run_in_brief(session, survey_id)
    return None if run is None else read_detection_run(session, run.run_id)


def latest_run_in_brief(session: Session, survey_id: int) -> RunInBrief | None:
    """Return what `latest_detection_run` does without counting its captures, which takes longer the more there are."""
    found = session.execute(
        select(DetectionRun.fid, Detector.labels)
        .join(Detector, DetectionRun.detector_id == Detector.fid)
        .where(DetectionRun.survey_id == survey_id, DetectionRun.drawn_over_id.is_(None))
        .order_by(DetectionRun.asked.desc(), DetectionRun.fid.desc())
        .limit(1)
    ).one_or_none()
    return None if found is None else RunInBrief(found[0], tuple(found[1]))


def read_detection_run(session: Session, run_id: int) -> DetectionRunInfo:
    """Return a run by its key. Raises CensusError when there is none."""
    found = session.execute(
        select(DetectionRun, Detector)
        .join(Detector, DetectionRun.detector_id == Detector.fid)
        .where(DetectionRun.fid == run_id)
    ).one_or_none()
    if found is None:
        raise CensusError(f"the census has no detection run {run_id}")
    run, detector = found
    done, boxes = session.execute(
        select(func.count(), func.coalesce(func.sum(DetectionRunCapture.detections), 0)).where(
            DetectionRunCapture.run_id == run_id
        )
    ).one()
    return DetectionRunInfo(
        run_id=run_id,
        detector=DetectorInfo(detector.content_hash, detector.name, detector.task, tuple(detector.labels)),
        threshold=run.threshold,
        parameters=run.parameters,
        code_version=run.code_version,
        captures_done=done,
        detections=boxes,
    )


def captures_without_detections(session: Session, run_id: int) -> tuple[StoredCapture, ...]:
    """Return the usable captures that the run has not looked at yet, in the order they were added."""
    return captures_not_looked_at(session, session.get_one(DetectionRun, run_id).survey_id, run_id)


def add_detections(session: Session, run_id: int, found: Mapping[int, Detections]) -> None:
    """Write what the run found, by the key of the capture, in one transaction with the mark that it was looked at.

    A capture without detections is written as looked at. Raises CensusError when the run has looked at it before.
    """
    keys = [int(key) for key in found]
    for start in range(0, len(keys), _CHUNK):
        again = session.scalars(
            select(DetectionRunCapture.capture_id).where(
                DetectionRunCapture.run_id == run_id,
                DetectionRunCapture.capture_id.in_(keys[start : start + _CHUNK]),
            )
        ).first()
        if again is not None:
            path = session.scalars(select(Capture.path).where(Capture.fid == again)).one()
            raise CensusError(
                "the run has looked at this capture before", where=path, hint="Ask only for what is not done"
            )
    if not keys:
        return
    insert_rows(
        session,
        Base.metadata.tables["detection_run_captures"],
        ("run_id", "capture_id", "detections"),
        ((run_id, key, len(boxes)) for key, boxes in zip(keys, found.values(), strict=True)),
    )
    insert_rows(
        session,
        Base.metadata.tables["detections"],
        _WRITTEN,
        (row for key, detections in zip(keys, found.values(), strict=True) for row in _rows(run_id, key, detections)),
    )
    counted: Counter[TallyKey] = Counter()
    for detections in found.values():
        percents = np.clip(np.floor(detections.scores * 100), 0, 100).astype(np.int64).tolist()
        counted.update((run_id, label, p, UNSEEN) for label, p in zip(detections.labels, percents, strict=True))
    tally(session, counted)


def _rows(run_id: int, capture_id: int, found: Detections) -> Iterator[tuple[Any, ...]]:
    outlines: list[Any] = [None] * len(found)
    if found.corners_px is not None:
        outlines = found.corners_px.tolist()
    elif found.points_px is not None:
        outlines = found.points_px.reshape(-1, 1, 2).tolist()
    for label, score, box, outline in zip(
        found.labels, found.scores.tolist(), found.boxes_px.tolist(), outlines, strict=True
    ):
        yield (run_id, capture_id, label, score, *box, outline)


def count_detections(session: Session, run_id: int) -> dict[str, int]:
    """Return how often a run found each label, the most frequent first; refused captures are left out."""
    rows = session.execute(
        select(Detection.label, func.count())
        .join(Capture, Detection.capture_id == Capture.fid)
        .where(Detection.run_id == run_id, Capture.refused.is_(None))
        .group_by(Detection.label)
        .order_by(func.count().desc(), Detection.label)
    )
    return {str(row[0]): int(row[1]) for row in rows}


def count_by_capture(session: Session, run_id: int) -> tuple[Keys, Keys]:
    """Return the captures that a run has looked at, (N,) by their keys, and how much it found in each, (N,)."""
    rows = session.execute(
        select(DetectionRunCapture.capture_id, DetectionRunCapture.detections)
        .where(DetectionRunCapture.run_id == run_id)
        .order_by(DetectionRunCapture.capture_id)
    ).all()
    found: Keys = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def read_detections(session: Session, run_id: int) -> DetectionTable:
    """Return what a run found, as arrays, capture by capture; captures that were refused since are left out.

    The order is the same whether one process wrote them or several at once.
    """
    return _table(
        session,
        select(*(getattr(Detection, name) for name in _COLUMNS))
        .join(Capture, Detection.capture_id == Capture.fid)
        .where(Detection.run_id == run_id, Capture.refused.is_(None))
        .order_by(Detection.fid),
    )


def read_reviewed(session: Session, run_id: int) -> DetectionTable:
    """Return what a run found as people left it: without what they rejected, relabelled, moved, with what they drew.

    What nobody has seen yet is as the detector said it; without verdicts this is `read_detections`.
    """
    seen = ReviewState
    return _table(
        session,
        select(
            Detection.fid,
            Detection.capture_id,
            Detection.score,
            *(func.coalesce(getattr(seen, name), getattr(Detection, name)) for name in _COLUMNS[3:8]),
            # A box that a person moved has the shape they gave it.
            case((seen.action == MOVE, None), else_=Detection.outline_px),
        )
        .join(DetectionRun, Detection.run_id == DetectionRun.fid)
        .join(Capture, Detection.capture_id == Capture.fid)
        .outerjoin(seen, seen.detection_id == Detection.fid)
        .where(
            or_(DetectionRun.fid == run_id, DetectionRun.drawn_over_id == run_id),
            Capture.refused.is_(None),
            or_(seen.action.is_(None), seen.action.in_(COUNTED)),
        )
        .order_by(Detection.fid),
    )


def _table(session: Session, query: Any) -> DetectionTable:
    """Read detections some at a time: as rows they take ten times the room that they do in arrays."""
    labels: dict[str, int] = {}
    outlines: dict[int, Any] = {}
    keys: list[Keys] = []
    numbers: list[Floats] = []
    total = 0
    for rows in session.execute(query, execution_options={"yield_per": _ROWS_AT_A_TIME}).partitions():
        ids, captures, scores, x0, y0, x1, y1, names, shapes = zip(*rows, strict=True)
        label_ids = [labels.setdefault(name, len(labels)) for name in names]
        keys.append(np.array([ids, captures, label_ids], dtype=np.int64))
        numbers.append(np.array([scores, x0, y0, x1, y1], dtype=np.float64))
        outlines.update((total + i, shape) for i, shape in enumerate(shapes) if shape is not None)
        total += len(rows)
    whole = np.concatenate(keys, axis=1) if keys else np.empty((3, 0), dtype=np.int64)
    keys.clear()
    values = np.concatenate(numbers, axis=1) if numbers else np.empty((5, 0))
    numbers.clear()
    # By capture here and not by the database, which would sort millions of rows on disk.
    order = np.lexsort((whole[0], whole[1]))
    place = np.argsort(order) if outlines else order
    for column in (*whole, *values):
        column[:] = column[order]
    names_sorted = tuple(sorted(labels))
    in_order = np.array([names_sorted.index(name) for name in labels], dtype=np.int64)
    return DetectionTable(
        detection_id=whole[0],
        capture_id=whole[1],
        boxes_px=np.ascontiguousarray(values[1:].T),
        scores=values[0],
        label_ids=in_order[whole[2]] if total else whole[2],
        labels=names_sorted,
        outlines_px={int(place[row]): np.array(shape, dtype=np.float64) for row, shape in outlines.items()},
    )
