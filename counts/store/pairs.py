"""Pairs of detections that may be one animal: what an identity run could not tell, and what people answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, Select, func, insert, literal_column, or_, select
from sqlalchemy.orm import Session

from counts.schema import AmbiguousPair, Detection, DetectionRun, IdentityRun, PairDecision
from flightplan.errors import CensusError

SAME, DIFFERENT, UNSURE, UNDO = ANSWERS = ("same", "different", "unsure", "undo")


@dataclass(frozen=True)
class PairEntry:
    """Two detections, by their keys, that a run could not tell to be one animal or two.

    `together` is what the run chose. `probability` is that of their being one, None where the method has none.
    """

    first_id: int
    second_id: int
    together: bool
    distance_m: float | None = None
    probability: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class PairAnswer:
    """A person's answer whether two detections are one animal. `undoes` is the answer that an "undo" takes back."""

    first_id: int
    second_id: int
    answer: str
    who: str
    time_utc: datetime
    request: str | None = None
    undoes: int | None = None
    note: str | None = None
    person_id: int | None = None


def add_pairs(session: Session, identity_run_id: int, pairs: Iterable[PairEntry]) -> int:
    """Write the pairs of a run, each once, and return how many."""
    rows = {}
    for pair in pairs:
        first, second = _ordered(pair.first_id, pair.second_id)
        rows[first, second] = {
            "identity_run_id": identity_run_id,
            "first_id": first,
            "second_id": second,
            "together": bool(pair.together),
            "distance_m": None if pair.distance_m is None else float(pair.distance_m),
            "probability": None if pair.probability is None else float(pair.probability),
            "reason": pair.reason,
        }
    if rows:
        session.execute(insert(AmbiguousPair), list(rows.values()))
    return len(rows)


def read_pairs(
    session: Session, identity_run_id: int, *, after: int = 0, limit: int | None = None
) -> tuple[tuple[int, PairEntry], ...]:
    """Return (key, pair) of a run in the order they were written, those after a key."""
    query = select(AmbiguousPair).where(AmbiguousPair.identity_run_id == identity_run_id, AmbiguousPair.fid > after)
    rows = session.scalars(query.order_by(AmbiguousPair.fid).limit(limit))
    return tuple(
        (r.fid, PairEntry(r.first_id, r.second_id, r.together, r.distance_m, r.probability, r.reason)) for r in rows
    )


def count_pairs(session: Session, identity_run_id: int) -> int:
    """Return how many pairs a run asks about."""
    query = select(func.count()).select_from(AmbiguousPair).where(AmbiguousPair.identity_run_id == identity_run_id)
    return int(session.scalars(query).one())


def find_pair(session: Session, identity_run_id: int, key: int) -> PairEntry | None:
    """Return a pair of a run by its key, None when the run has none of that key."""
    found = read_pairs(session, identity_run_id, after=key - 1, limit=1)
    return found[0][1] if found and found[0][0] == key else None


def key_of_pair(session: Session, identity_run_id: int, first_id: int, second_id: int) -> int | None:
    """Return the key of a run's pair of these detections, the lower first; None when it has none."""
    return session.scalars(
        select(AmbiguousPair.fid).where(
            AmbiguousPair.identity_run_id == identity_run_id,
            AmbiguousPair.first_id == first_id,
            AmbiguousPair.second_id == second_id,
        )
    ).one_or_none()


def next_undecided_pair(session: Session, identity_run_id: int, *, after: int = 0) -> tuple[int, PairEntry] | None:
    """Return the (key, pair) of a run after a key that nobody has answered yet, None when there is none."""
    answered = decisions(session, identity_run_id)
    while batch := read_pairs(session, identity_run_id, after=after, limit=100):
        for key, pair in batch:
            if (pair.first_id, pair.second_id) not in answered:
                return key, pair
        after = batch[-1][0]
    return None


def add_answer(session: Session, answer: PairAnswer) -> int:
    """Write an answer and return its key; the one of a request that is there already is not written again.

    Raises CensusError for an answer that is none, and for two detections of one picture said to be the same.
    """
    if answer.answer not in ANSWERS:
        raise CensusError(f"an answer is one of {', '.join(ANSWERS)}, not {answer.answer!r}")
    if (answer.answer == UNDO) != (answer.undoes is not None):
        raise CensusError("an undo names the answer that it takes back, and only an undo does")
    if answer.request is not None:
        there = session.scalars(select(PairDecision.fid).where(PairDecision.request == answer.request)).first()
        if there is not None:
            return there
    first, second = _ordered(answer.first_id, answer.second_id)
    captures = session.scalars(select(Detection.capture_id).where(Detection.fid.in_((first, second)))).all()
    if len(captures) != 2:
        raise CensusError(f"there are no two detections {first} and {second}")
    if answer.answer == SAME and captures[0] == captures[1]:
        raise CensusError(
            "two boxes of one picture are not one animal seen twice", hint="Merge the boxes with a verdict"
        )
    row = {
        "first_id": first,
        "second_id": second,
        "answer": answer.answer,
        "who": answer.who,
        "time_utc": answer.time_utc,
        "person_id": answer.person_id,
        "request": answer.request,
        "undoes_id": answer.undoes,
        "note": answer.note,
    }
    return session.scalars(insert(PairDecision).returning(PairDecision.fid), [row]).one()


def undo_last_answer(
    session: Session, identity_run_id: int, *, who: str, time_utc: datetime, request: str, person_id: int | None = None
) -> tuple[int, int] | None:
    """Take back somebody's last answer that still stands, and return the pair's detections.

    It may be about any two detections that the run is about, whether it asked about them or an earlier one did.
    None when there is nothing left to take back. The same request again takes back nothing more.
    """
    there = session.scalars(select(PairDecision).where(PairDecision.request == request)).first()
    if there is not None:
        return there.first_id, there.second_id
    run_id = session.get_one(IdentityRun, identity_run_id).detection_run_id
    rows = session.scalars(
        _about(select(PairDecision), run_id).where(PairDecision.who == who).order_by(PairDecision.fid.desc())
    ).all()
    taken_back = {row.undoes_id for row in rows}
    last = next((row for row in rows if row.answer != UNDO and row.fid not in taken_back), None)
    if last is None:
        return None
    answer = PairAnswer(last.first_id, last.second_id, UNDO, who, time_utc, request, last.fid, person_id=person_id)
    add_answer(session, answer)
    return last.first_id, last.second_id


def decisions(session: Session, identity_run_id: int) -> Mapping[tuple[int, int], str]:
    """Return the answer that stands for each pair of an identity run; see `answers_for`."""
    pair = (PairDecision.first_id == AmbiguousPair.first_id) & (PairDecision.second_id == AmbiguousPair.second_id)
    query = select(PairDecision).join(AmbiguousPair, pair).where(AmbiguousPair.identity_run_id == identity_run_id)
    return _standing(session.scalars(query.order_by(PairDecision.fid)))


def answers_for(session: Session, detection_run_id: int) -> Mapping[tuple[int, int], str]:
    """Return the answer that stands for each pair of detections of a run and of what was drawn over it.

    By the keys (first, second), the lower first: "same", "different" or "unsure". Later identity runs hold to them.
    """
    return _standing(session.scalars(_about(select(PairDecision), detection_run_id).order_by(PairDecision.fid)))


def _about(query: Select[PairDecision], detection_run_id: int) -> Select[PairDecision]:
    """Of answers those about detections of a run, or drawn over it."""
    runs = select(DetectionRun.fid).where(
        or_(DetectionRun.fid == detection_run_id, DetectionRun.drawn_over_id == detection_run_id)
    )
    # The plus keeps SQLite from going through all detections of the run instead of the answers.
    run_id = literal_column("+detections.run_id", Integer)
    return query.join(Detection, PairDecision.first_id == Detection.fid).where(run_id.in_(runs))


def _standing(rows: Iterable[PairDecision]) -> dict[tuple[int, int], str]:
    taken_back: set[int] = set()
    answers: dict[tuple[int, int], str] = {}
    for row in reversed(list(rows)):
        if row.fid in taken_back:
            continue
        if row.answer == UNDO and row.undoes_id is not None:
            taken_back.add(row.undoes_id)
        else:
            answers.setdefault((row.first_id, row.second_id), row.answer)
    return dict(sorted(answers.items()))


def _ordered(first: int, second: int) -> tuple[int, int]:
    if first == second:
        raise CensusError(f"detection {first} is no pair with itself")
    return (int(first), int(second)) if first < second else (int(second), int(first))
