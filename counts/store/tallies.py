"""How many detections of a run have which label, score and state: kept up to date, so that no page counts them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from counts.schema import Capture, Detection, DetectionRun, ReviewState, Tally

UNSEEN = "unseen"
_CHUNK = 500
TallyKey = tuple[int, str, int, str]
"""The run under review, the label, the score in whole percent, and the state."""


@dataclass(frozen=True)
class TallyRow:
    """How many detections have one label, one score in whole percent (cut off) and one state."""

    label: str
    percent: int
    state: str
    detections: int


def percent_of(score: float) -> int:
    """Return a score of 0 to 1 in whole percent, cut off."""
    return min(100, max(0, int(score * 100)))


def tally(session: Session, changes: Mapping[TallyKey, int]) -> None:
    """Add to the tallies, or take from them."""
    rows = [
        {"run": run, "label": label, "percent": percent, "state": state, "by": by}
        for (run, label, percent, state), by in sorted(changes.items())
        if by
    ]
    if rows:
        session.connection().execute(
            text(
                "INSERT INTO tallies (run_id, label, percent, state, detections)"
                " VALUES (:run, :label, :percent, :state, :by)"
                " ON CONFLICT (run_id, label, percent, state)"
                " DO UPDATE SET detections = tallies.detections + excluded.detections"
            ),
            rows,
        )


def untally_captures(session: Session, capture_ids: Iterable[int]) -> None:
    """Take what was found in captures out of the tallies, before they are refused; refused ones are out already."""
    ids = sorted(set(capture_ids))
    for start in range(0, len(ids), _CHUNK):
        changes: dict[TallyKey, int] = {}
        rows = session.execute(
            select(
                DetectionRun.fid,
                DetectionRun.drawn_over_id,
                Detection.label,
                Detection.score,
                ReviewState.label,
                ReviewState.score,
                ReviewState.action,
            )
            .join(DetectionRun, Detection.run_id == DetectionRun.fid)
            .join(Capture, Detection.capture_id == Capture.fid)
            .outerjoin(ReviewState, ReviewState.detection_id == Detection.fid)
            .where(Detection.capture_id.in_(ids[start : start + _CHUNK]), Capture.refused.is_(None))
        )
        for run, over, label, score, now, score_now, action in rows:
            key = (over or run, now or label, percent_of(score if score_now is None else score_now), action or UNSEEN)
            changes[key] = changes.get(key, 0) - 1
        tally(session, changes)


def rebuild_tallies(session: Session, run_id: int) -> None:
    """Count the detections of a run anew, with what was drawn over it."""
    session.execute(delete(Tally).where(Tally.run_id == run_id))
    # A cast cuts off in SQLite, which may have no floor(), and rounds in PostgreSQL.
    cut = "{0} * 100" if session.get_bind().dialect.name == "sqlite" else "floor({0} * 100)"
    percent = f"CAST({cut.format('coalesce(s.score, d.score)')} AS INTEGER)"
    session.connection().execute(
        text(
            "INSERT INTO tallies (run_id, label, percent, state, detections)"  # noqa: S608
            f" SELECT :run, coalesce(s.label, d.label), {percent}, coalesce(s.action, '{UNSEEN}'), count(*)"
            " FROM detections d JOIN captures c ON d.capture_id = c.fid"
            " LEFT JOIN review_states s ON s.detection_id = d.fid"
            " WHERE c.refused IS NULL"
            " AND d.run_id IN (SELECT fid FROM detection_runs WHERE fid = :run OR drawn_over_id = :run)"
            " GROUP BY 1, 2, 3, 4"
        ),
        {"run": run_id},
    )


def read_tallies(session: Session, run_id: int, *, least_score: float = 0.0) -> tuple[TallyRow, ...]:
    """Return the tallies of a run from a score up, by label and falling score.

    `least_score` is taken in whole percent, cut off.
    """
    rows = session.execute(
        select(Tally.label, Tally.percent, Tally.state, Tally.detections)
        .where(Tally.run_id == run_id, Tally.percent >= percent_of(least_score), Tally.detections > 0)
        .order_by(Tally.label, Tally.percent.desc(), Tally.state)
    )
    return tuple(TallyRow(*row) for row in rows)
