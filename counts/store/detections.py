"""Detections in the census: runs are layers, and a run that was cut short goes on where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from counts.schema import Capture, Detection, DetectionRun, DetectionRunCapture, Detector
from counts.store.captures import Keys, StoredCapture, captures_not_looked_at
from detect.detections import Detections
from flightplan.errors import CensusError
from flightplan.frames import Floats


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
class DetectionTable:
    """Detections as arrays with one row each, ordered by key. `label_ids` points into `labels`."""

    detection_id: Keys
    capture_id: Keys
    boxes_px: Floats
    scores: Floats
    label_ids: Keys
    labels: tuple[str, ...]

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
    run_id = session.scalars(
        select(DetectionRun.fid)
        .where(DetectionRun.survey_id == survey_id)
        .order_by(DetectionRun.asked.desc(), DetectionRun.fid.desc())
        .limit(1)
    ).one_or_none()
    return None if run_id is None else read_detection_run(session, run_id)


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
    if not found:
        return
    found = {int(key): detections for key, detections in found.items()}
    again = session.scalars(
        select(DetectionRunCapture.capture_id).where(
            DetectionRunCapture.run_id == run_id, DetectionRunCapture.capture_id.in_(list(found))
        )
    ).first()
    if again is not None:
        path = session.scalars(select(Capture.path).where(Capture.fid == again)).one()
        raise CensusError("the run has looked at this capture before", where=path, hint="Ask only for what is not done")
    session.execute(
        insert(DetectionRunCapture),
        [{"run_id": run_id, "capture_id": key, "detections": len(boxes)} for key, boxes in found.items()],
    )
    rows = [
        {
            "run_id": run_id,
            "capture_id": key,
            "label": label,
            "score": score,
            "x_min_px": box[0],
            "y_min_px": box[1],
            "x_max_px": box[2],
            "y_max_px": box[3],
        }
        for key, detections in found.items()
        for label, score, box in zip(
            detections.labels, detections.scores.tolist(), detections.boxes_px.tolist(), strict=True
        )
    ]
    if rows:
        session.execute(insert(Detection), rows)


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


def read_detections(session: Session, run_id: int) -> DetectionTable:
    """Return what a run found, as arrays; captures that were refused since are left out."""
    rows = session.execute(
        select(
            Detection.fid,
            Detection.capture_id,
            Detection.score,
            Detection.x_min_px,
            Detection.y_min_px,
            Detection.x_max_px,
            Detection.y_max_px,
            Detection.label,
        )
        .join(Capture, Detection.capture_id == Capture.fid)
        .where(Detection.run_id == run_id, Capture.refused.is_(None))
        .order_by(Detection.fid)
    ).all()
    labels, label_ids = np.unique([row[7] for row in rows], return_inverse=True)
    numbers: npt.NDArray[np.float64] = np.array([row[2:7] for row in rows], dtype=np.float64).reshape(-1, 5)
    return DetectionTable(
        detection_id=np.array([row[0] for row in rows], dtype=np.int64),
        capture_id=np.array([row[1] for row in rows], dtype=np.int64),
        boxes_px=numbers[:, 1:],
        scores=numbers[:, 0],
        label_ids=np.asarray(label_ids, dtype=np.int64),
        labels=tuple(str(label) for label in labels),
    )
