"""What a review page asks of the census, each in the time of one page however much there is.

Pages go by a key (score and detection), never by a number of rows to leave out, and counts come from the tallies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Double, and_, case, func, literal, null, or_, select, tuple_
from sqlalchemy.orm import Session

from counts.schema import Capture, Detection, DetectionRun, ReviewState
from counts.store.tallies import UNSEEN, read_tallies
from counts.store.verdicts import WITHDRAWN

PAGE = 60
MAX_PAGE = 1000


@dataclass(frozen=True)
class Cursor:
    """The place of a detection in the order of a page: falling score, then falling key."""

    score: float
    detection_id: int


@dataclass(frozen=True)
class ReviewItem:
    """A detection as it is now: after the verdicts on it, or as the detector said it where `state` is "unseen"."""

    detection_id: int
    capture_id: int
    path: str
    label: str
    score: float
    box_px: tuple[float, float, float, float]
    state: str
    verdict_id: int | None

    @property
    def cursor(self) -> Cursor:
        """Where the next page begins when this is the last of one."""
        return Cursor(self.score, self.detection_id)


@dataclass(frozen=True)
class Progress:
    """Of one label from a score up: how many there are, and how many in each state; `seen` of `total`."""

    label: str
    states: dict[str, int]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.states.values())

    @property
    def seen(self) -> int:
        """How many of them somebody has judged."""
        return self.total - self.states.get(UNSEEN, 0)


def progress(session: Session, run_id: int, *, least_score: float = 0.0) -> tuple[Progress, ...]:
    """Return each label's progress from a score up (in whole percent, cut off), the most frequent label first."""
    found: dict[str, dict[str, int]] = {}
    for row in read_tallies(session, run_id, least_score=least_score):
        if row.state == WITHDRAWN:
            continue  # What was drawn and taken back again is nothing to be seen.
        states = found.setdefault(row.label, {})
        states[row.state] = states.get(row.state, 0) + row.detections
    return tuple(sorted((Progress(k, v) for k, v in found.items()), key=lambda p: (-p.total, p.label)))


def unseen_page(
    session: Session,
    run_id: int,
    label: str,
    *,
    after: Cursor | None = None,
    least_score: float = 0.0,
    limit: int = PAGE,
) -> tuple[ReviewItem, ...]:
    """Return the next detections of a label that nobody has judged, by falling score, after a place in that order."""
    query = _unseen().where(
        Detection.run_id == run_id,
        Detection.label == label,
        Detection.score >= least_score,
        Detection.judged.is_(False),
    )
    if after is not None:
        query = query.where(tuple_(Detection.score, Detection.fid) < _place(after))
    return _items(session, query.order_by(Detection.score.desc(), Detection.fid.desc()), limit)


def next_unseen(
    session: Session, run_id: int, label: str, *, after: Cursor | None = None, least_score: float = 0.0
) -> ReviewItem | None:
    """Return the next detection of a label that nobody has judged; from the top again when there is none after."""
    for start in (after, None) if after is not None else (None,):
        found = unseen_page(session, run_id, label, after=start, least_score=least_score, limit=1)
        if found:
            return found[0]
    return None


def judged_page(
    session: Session,
    run_id: int,
    label: str,
    *,
    states: Iterable[str] = (),
    after: Cursor | None = None,
    least_score: float = 0.0,
    limit: int = PAGE,
) -> tuple[ReviewItem, ...]:
    """Return the next detections that people gave or left a label, by falling score; only those in `states` if any."""
    query = _judged().where(ReviewState.run_id == run_id, ReviewState.label == label, ReviewState.score >= least_score)
    wanted = tuple(states)
    query = query.where(ReviewState.action.in_(wanted) if wanted else ReviewState.action != WITHDRAWN)
    if after is not None:
        query = query.where(tuple_(ReviewState.score, ReviewState.detection_id) < _place(after))
    return _items(session, query.order_by(ReviewState.score.desc(), ReviewState.detection_id.desc()), limit)


def page(
    session: Session,
    run_id: int,
    label: str,
    *,
    after: Cursor | None = None,
    least_score: float = 0.0,
    limit: int = PAGE,
) -> tuple[ReviewItem, ...]:
    """Return the next detections of a label as they are now, judged or not, by falling score."""
    unseen = unseen_page(session, run_id, label, after=after, least_score=least_score, limit=limit)
    judged = judged_page(session, run_id, label, after=after, least_score=least_score, limit=limit)
    both = sorted((*unseen, *judged), key=lambda i: (i.score, i.detection_id), reverse=True)
    return tuple(both[:limit])


def in_capture(session: Session, run_id: int, capture_id: int) -> tuple[ReviewItem, ...]:
    """Return everything that a run found and people drew in one capture, as it is now, by key."""
    query = (
        select(
            Detection.fid,
            Detection.capture_id,
            Capture.path,
            func.coalesce(ReviewState.label, Detection.label),
            Detection.score,
            *(
                func.coalesce(getattr(ReviewState, n), getattr(Detection, n))
                for n in ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
            ),
            case((ReviewState.action.is_(None), literal(UNSEEN)), else_=ReviewState.action),
            ReviewState.verdict_id,
        )
        .join(Capture, Detection.capture_id == Capture.fid)
        .join(DetectionRun, Detection.run_id == DetectionRun.fid)
        .outerjoin(ReviewState, ReviewState.detection_id == Detection.fid)
        .where(
            Detection.capture_id == capture_id,
            or_(DetectionRun.fid == run_id, DetectionRun.drawn_over_id == run_id),
            or_(ReviewState.action.is_(None), ReviewState.action != WITHDRAWN),
        )
        .order_by(Detection.fid)
    )
    return _items(session, query, None)


def _place(after: Cursor) -> Any:
    """A place in the order; one past all keys is larger than PostgreSQL's own."""
    return tuple_(literal(after.score, Double), literal(after.detection_id, BigInteger))


def _unseen() -> Any:
    return select(
        Detection.fid,
        Detection.capture_id,
        Capture.path,
        Detection.label,
        Detection.score,
        Detection.x_min_px,
        Detection.y_min_px,
        Detection.x_max_px,
        Detection.y_max_px,
        literal(UNSEEN),
        null(),
    ).join(Capture, and_(Detection.capture_id == Capture.fid, Capture.refused.is_(None)))


def _judged() -> Any:
    return select(
        ReviewState.detection_id,
        ReviewState.capture_id,
        Capture.path,
        ReviewState.label,
        ReviewState.score,
        ReviewState.x_min_px,
        ReviewState.y_min_px,
        ReviewState.x_max_px,
        ReviewState.y_max_px,
        ReviewState.action,
        ReviewState.verdict_id,
    ).join(Capture, and_(ReviewState.capture_id == Capture.fid, Capture.refused.is_(None)))


def _items(session: Session, query: Any, limit: int | None) -> tuple[ReviewItem, ...]:
    if limit is not None:
        query = query.limit(min(max(limit, 1), MAX_PAGE))
    return tuple(
        ReviewItem(r[0], r[1], r[2], r[3], r[4], (r[5], r[6], r[7], r[8]), r[9], r[10]) for r in session.execute(query)
    )
