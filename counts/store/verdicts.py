"""Verdicts: what a person decided about a detection. Append-only, so the history of every box can be read.

What the verdicts on a detection come to is kept beside them (`review_states`): the last one that was not taken back
decides, and what relabelled or moved it before still holds. An "undo" takes one verdict back, be it an undo.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from counts.schema import Capture, Detection, DetectionRun, Detector, ReviewState, Verdict
from counts.store.tallies import UNSEEN, TallyKey, percent_of, tally
from flightplan.errors import CensusError

ACCEPT, REJECT, RELABEL, MOVE, ADD, SPLIT, MERGE, UNDO = ACTIONS = (
    "accept",
    "reject",
    "relabel",
    "move",
    "add",
    "split",
    "merge",
    "undo",
)
COUNTED = (ACCEPT, RELABEL, MOVE, ADD)
"""Verdicts after which a detection counts; one that nobody has seen does too."""

WITHDRAWN = "withdrawn"
"""What a drawn animal is after its "add" was taken back."""

PEOPLE = "people"
"""The detector of what people draw; theirs have a score of 1."""

_CHUNK = 500


@dataclass(frozen=True)
class VerdictEntry:
    """One decision: `action` is one of `ACTIONS`; `before` and `after` hold what it changed.

    `after` is read for "label" and "box_px" (x_min, y_min, x_max, y_max). `detection_id` is None for an animal that the
    detector missed ("add"): with a label and a box it gets a detection of its own, drawn over `run_id`, or over the
    survey's run that was asked for last. A box that holds several animals is "split", and each of them is an "add" of
    the same `batch`; a second box on one animal is a "merge", `after` naming the other one. `request` is the caller's
    name of the act: one that is there already is not written again. `undoes` is the verdict that an "undo" takes back.
    """

    capture_id: int
    detection_id: int | None
    action: str
    who: str
    time_utc: datetime
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    batch: str | None = None
    request: str | None = None
    undoes: int | None = None
    note: str | None = None
    person_id: int | None = None
    run_id: int | None = None


@dataclass(frozen=True)
class StoredVerdict:
    """A verdict as the census has it."""

    verdict_id: int
    entry: VerdictEntry


def add_verdict(session: Session, entry: VerdictEntry) -> int:
    """Write a decision and return its key; it is on disk when the session's block ends."""
    return add_verdicts(session, [entry])[0]


def add_verdicts(session: Session, entries: Sequence[VerdictEntry]) -> tuple[int, ...]:
    """Write decisions and return their keys, in their order; those of a request that is there already are not new.

    Raises CensusError for an action that is none, a detection that is not there or not in that capture, and an undo of
    what was taken back before.
    """
    requests = {e.request for e in entries if e.request is not None}
    if requests:
        there = session.scalars(select(Verdict.fid).where(Verdict.request.in_(requests)).order_by(Verdict.fid)).all()
        if there:
            return tuple(there)
    captures = _captures_of(session, [e.detection_id for e in entries if e.detection_id is not None])
    rows: list[dict[str, Any]] = []
    for entry in entries:
        if entry.action not in ACTIONS:
            raise CensusError(f"a verdict is one of {', '.join(ACTIONS)}, not {entry.action!r}")
        if (entry.action == UNDO) != (entry.undoes is not None):
            raise CensusError("an undo names the verdict that it takes back, and only an undo does")
        detection_id = entry.detection_id
        if detection_id is None:
            detection_id = _drawn(session, entry)
        elif captures.get(detection_id) != entry.capture_id:
            raise CensusError(f"there is no detection {detection_id} in capture {entry.capture_id}")
        rows.append(
            {
                "capture_id": entry.capture_id,
                "detection_id": detection_id,
                "action": entry.action,
                "who": entry.who,
                "time_utc": entry.time_utc,
                "before": None if entry.before is None else dict(entry.before),
                "after": None if entry.after is None else dict(entry.after),
                "batch": entry.batch,
                "request": entry.request,
                "undoes_id": entry.undoes,
                "note": entry.note,
                "person_id": entry.person_id,
            }
        )
    if not rows:
        return ()
    keys = session.scalars(insert(Verdict).returning(Verdict.fid, sort_by_parameter_order=True), rows).all()
    work_out_states(session, [row["detection_id"] for row in rows if row["detection_id"] is not None])
    return tuple(keys)


def undo_last(
    session: Session, run_id: int, *, who: str, time_utc: datetime, request: str | None = None
) -> tuple[int, ...]:
    """Take back the last act of a person on a run that still stands, a whole batch at once; () when there is none."""
    if request is not None:
        there = session.scalars(select(Verdict.fid).where(Verdict.request == request).order_by(Verdict.fid)).all()
        if there:
            return tuple(there)
    taken_back: set[int] = set()
    last = _last_standing(session, run_id, who, taken_back)
    if last is None:
        return ()
    act = [last]
    if last.batch is not None:
        same = select(Verdict).where(Verdict.batch == last.batch, Verdict.who == who, Verdict.action != UNDO)
        act = [v for v in session.scalars(same.order_by(Verdict.fid)) if v.fid not in taken_back]
    return add_verdicts(
        session,
        [
            VerdictEntry(
                v.capture_id, v.detection_id, UNDO, who, time_utc, undoes=v.fid, request=request, batch=v.batch
            )
            for v in act
        ],
    )


def _last_standing(session: Session, run_id: int, who: str, taken_back: set[int]) -> Verdict | None:
    """Return a person's last verdict that stands, and note those taken back since."""
    runs = set(
        session.scalars(
            select(DetectionRun.fid).where((DetectionRun.fid == run_id) | (DetectionRun.drawn_over_id == run_id))
        )
    )
    # Without a join: the database would go through all detections of the run for the last verdict.
    query = (
        select(Verdict.fid, Verdict.action, Verdict.undoes_id, Verdict.detection_id)
        .where(Verdict.who == who)
        .order_by(Verdict.fid.desc())
        .limit(_CHUNK)
    )
    before = None
    while batch := session.execute(query if before is None else query.where(Verdict.fid < before)).all():
        standing = []
        for row in batch:
            if row.fid in taken_back or row.detection_id is None:
                continue
            if row.action == UNDO and row.undoes_id is not None:
                taken_back.add(row.undoes_id)
            else:
                standing.append(row)
        # Nearly always the first is the one; those of other runs are looked up together.
        for some in (standing[:1], standing[1:]):
            ids = {row.detection_id for row in some}
            ours = set(session.scalars(select(Detection.fid).where(Detection.fid.in_(ids), Detection.run_id.in_(runs))))
            for row in some:
                if row.detection_id in ours:
                    return session.get_one(Verdict, row.fid)
        before = batch[-1].fid
    return None


def read_verdicts(session: Session, capture_id: int) -> tuple[VerdictEntry, ...]:
    """Return every decision about one capture, oldest first."""
    return tuple(v.entry for v in read_stored_verdicts(session, Verdict.capture_id == capture_id))


def read_stored_verdicts(session: Session, *where: Any) -> tuple[StoredVerdict, ...]:
    """Return decisions with their keys, oldest first."""
    rows = session.scalars(select(Verdict).where(*where).order_by(Verdict.fid))
    return tuple(
        StoredVerdict(
            r.fid,
            VerdictEntry(
                r.capture_id, r.detection_id, r.action, r.who, r.time_utc, r.before, r.after, r.batch, r.request,
                r.undoes_id, r.note, r.person_id,
            ),
        )
        for r in rows
    )  # fmt: skip


def work_out_states(session: Session, detection_ids: Iterable[int]) -> None:
    """Say anew what the verdicts on detections come to, and correct the tallies."""
    ids = sorted(set(detection_ids))
    for start in range(0, len(ids), _CHUNK):
        _work_out(session, ids[start : start + _CHUNK])


def _work_out(session: Session, ids: Sequence[int]) -> None:
    histories: dict[int, list[Verdict]] = defaultdict(list)
    for verdict in session.scalars(select(Verdict).where(Verdict.detection_id.in_(ids)).order_by(Verdict.fid)):
        if verdict.detection_id is not None:
            histories[verdict.detection_id].append(verdict)
    before = {s.detection_id: s for s in session.scalars(select(ReviewState).where(ReviewState.detection_id.in_(ids)))}
    rows: list[dict[str, Any]] = []
    unseen: list[int] = []
    changes: dict[TallyKey, int] = defaultdict(int)
    found = session.execute(
        select(Detection, DetectionRun.drawn_over_id, Capture.refused)
        .join(DetectionRun, Detection.run_id == DetectionRun.fid)
        .join(Capture, Detection.capture_id == Capture.fid)
        .where(Detection.fid.in_(ids))
    )
    for detection, over, refused in found:
        run_id = detection.run_id if over is None else over
        was = before.get(detection.fid)
        row = _state(detection, run_id, histories[detection.fid], drawn=over is not None)
        if row is None:
            unseen.append(detection.fid)
        else:
            rows.append(row)
        if refused is not None:
            continue
        if was is not None:
            changes[was.run_id, was.label, percent_of(was.score), was.action] -= 1
        elif over is None:
            changes[run_id, detection.label, percent_of(detection.score), UNSEEN] -= 1
        now = (detection.label, UNSEEN) if row is None else (row["label"], row["action"])
        changes[run_id, now[0], percent_of(detection.score), now[1]] += 1
    session.execute(delete(ReviewState).where(ReviewState.detection_id.in_(ids)))
    if rows:
        session.execute(insert(ReviewState), rows)
        seen = [row["detection_id"] for row in rows]
        session.execute(update(Detection).where(Detection.fid.in_(seen)).values(judged=True))
    if unseen:
        session.execute(update(Detection).where(Detection.fid.in_(unseen)).values(judged=False))
    tally(session, changes)


def _state(detection: Detection, run_id: int, history: Sequence[Verdict], *, drawn: bool) -> dict[str, Any] | None:
    """Return the row that a detection's verdicts come to, None when none of them stands."""
    taken_back: set[int] = set()
    standing: list[Verdict] = []
    for verdict in reversed(history):
        if verdict.fid in taken_back:
            continue
        if verdict.action == UNDO and verdict.undoes_id is not None:
            taken_back.add(verdict.undoes_id)
        else:
            standing.append(verdict)
    if not standing and not (drawn and history):
        return None
    label = detection.label
    box = [detection.x_min_px, detection.y_min_px, detection.x_max_px, detection.y_max_px]
    for verdict in reversed(standing):
        after = verdict.after or {}
        label = str(after.get("label") or label)
        box = _box(after) or box
    return {
        "detection_id": detection.fid,
        "run_id": run_id,
        "capture_id": detection.capture_id,
        "verdict_id": standing[0].fid if standing else history[-1].fid,
        "action": standing[0].action if standing else WITHDRAWN,
        "label": label,
        "score": detection.score,
        **dict(zip(("x_min_px", "y_min_px", "x_max_px", "y_max_px"), box, strict=True)),
    }


def _drawn(session: Session, entry: VerdictEntry) -> int | None:
    """Return the key of a new detection for a drawn animal; None where there is no run or no box to draw."""
    after = entry.after or {}
    box, label = _box(after), after.get("label")
    if entry.action != ADD:
        raise CensusError(f"{entry.action!r} is about a detection: name it")
    if box is None or not label:
        return None
    survey_id = session.scalars(select(Capture.survey_id).where(Capture.fid == entry.capture_id)).one()
    over = entry.run_id
    if over is None:
        over = session.scalars(
            select(DetectionRun.fid)
            .where(DetectionRun.survey_id == survey_id, DetectionRun.drawn_over_id.is_(None))
            .order_by(DetectionRun.asked.desc(), DetectionRun.fid.desc())
            .limit(1)
        ).one_or_none()
        if over is None:
            return None
    return session.scalars(
        insert(Detection).returning(Detection.fid),
        [
            {
                "run_id": _drawn_run(session, survey_id, over),
                "capture_id": entry.capture_id,
                "label": str(label),
                "score": 1.0,
                "judged": True,
                "outline_px": after.get("outline_px"),
                **dict(zip(("x_min_px", "y_min_px", "x_max_px", "y_max_px"), box, strict=True)),
            }
        ],
    ).one()


def _drawn_run(session: Session, survey_id: int, over: int) -> int:
    known = session.scalars(select(DetectionRun.fid).where(DetectionRun.drawn_over_id == over)).first()
    if known is not None:
        return known
    detector = session.scalars(select(Detector).where(Detector.content_hash == PEOPLE)).one_or_none()
    if detector is None:
        detector = Detector(content_hash=PEOPLE, name=PEOPLE, task="draw", labels=[])
        session.add(detector)
        session.flush()
    run = DetectionRun(
        survey_id=survey_id, detector_id=detector.fid, threshold=None, parameters={}, asked=0, drawn_over_id=over
    )
    session.add(run)
    session.flush()
    return run.fid


def _box(after: Mapping[str, Any]) -> list[float] | None:
    box = after.get("box_px")
    if box is None:
        return None
    if len(box) != 4 or not (box[0] <= box[2] and box[1] <= box[3]):
        raise CensusError(f"a box is x_min, y_min, x_max, y_max in pixels, not {box}")
    return [float(v) for v in box]


def _captures_of(session: Session, ids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for start in range(0, len(ids), _CHUNK):
        rows = session.execute(
            select(Detection.fid, Detection.capture_id).where(Detection.fid.in_(ids[start : start + _CHUNK]))
        )
        found.update((row[0], row[1]) for row in rows)
    return found
