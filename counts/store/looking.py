"""Which captures a detection run has looked at and which it still has to: a run is complete when none is left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Exists, bindparam, func, select, update
from sqlalchemy.orm import Session

from counts.schema import Capture, Detection, DetectionRun, DetectionRunCapture, SkippedItem
from counts.store.tallies import rebuild_tallies

_STAGE = "detect"
_CHUNK = 5_000


@dataclass(frozen=True)
class CaptureToLookAt:
    """A capture by its key: where its picture is, and the SHA-256 that it must have. `failed`: it did before."""

    capture_id: int
    path: str
    content_hash: str
    failed: bool = False


def captures_to_look_at(session: Session, run_id: int, *, retry: bool = False) -> tuple[CaptureToLookAt, ...]:
    """Return the usable captures that a run has not looked at yet, in the order they were added.

    `retry` adds those that a detector could not use before (their reason is among the survey's skips), not those that
    were set aside for anything else.
    """
    survey_id = session.get_one(DetectionRun, run_id).survey_id
    waiting = (
        select(Capture.fid, Capture.path, Capture.content_hash, Capture.refused)
        .where(Capture.survey_id == survey_id, ~_looked_at(run_id))
        .order_by(Capture.fid)
    )
    if not retry:
        rows = session.execute(waiting.where(Capture.refused.is_(None)))
        return tuple(CaptureToLookAt(row[0], row[1], row[2]) for row in rows)
    reasons = set(
        session.scalars(
            select(SkippedItem.reason).where(SkippedItem.survey_id == survey_id, SkippedItem.stage == _STAGE)
        )
    )
    return tuple(
        CaptureToLookAt(key, path, content_hash, failed=refused is not None)
        for key, path, content_hash, refused in session.execute(waiting)
        if refused is None or refused in reasons
    )


def looked_at(session: Session, run_id: int, capture_ids: Iterable[int] | None = None) -> set[int]:
    """Return the captures that a run has looked at, of those named or of all."""
    query = select(DetectionRunCapture.capture_id).where(DetectionRunCapture.run_id == run_id)
    if capture_ids is None:
        return set(session.scalars(query))
    keys = list(capture_ids)
    found: set[int] = set()
    for start in range(0, len(keys), _CHUNK):
        found.update(session.scalars(query.where(DetectionRunCapture.capture_id.in_(keys[start : start + _CHUNK]))))
    return found


def count_looked_at(session: Session, run_id: int) -> int:
    """Return how many captures a run has looked at."""
    query = select(func.count()).select_from(DetectionRunCapture).where(DetectionRunCapture.run_id == run_id)
    return session.scalars(query).one()


def count_not_looked_at(session: Session, run_id: int) -> int:
    """Return how many usable captures of its survey a run has not looked at: 0 for a run that is complete."""
    survey_id = session.get_one(DetectionRun, run_id).survey_id
    return session.scalars(
        select(func.count()).where(Capture.survey_id == survey_id, Capture.refused.is_(None), ~_looked_at(run_id))
    ).one()


def read_content_hashes(session: Session, survey_id: int) -> tuple[str, ...]:
    """Return the content hashes of all captures of a survey."""
    return tuple(session.scalars(select(Capture.content_hash).where(Capture.survey_id == survey_id)))


def readmit_captures(session: Session, capture_ids: Iterable[int]) -> None:
    """Take captures back that were set aside: their pictures can be used after all."""
    rows = [{"key": int(key)} for key in capture_ids]
    if not rows:
        return
    session.connection().execute(
        update(Capture).where(Capture.fid == bindparam("key")).values(refused=None, on_effort=None), rows
    )
    # Other runs' detections in them count again.
    keys = [row["key"] for row in rows]
    for run_id in session.scalars(select(Detection.run_id).where(Detection.capture_id.in_(keys)).distinct()).all():
        rebuild_tallies(session, run_id)


def _looked_at(run_id: int) -> Exists:
    done = select(DetectionRunCapture.fid)
    return done.where(DetectionRunCapture.run_id == run_id, DetectionRunCapture.capture_id == Capture.fid).exists()
