"""Verdicts: what a person decided about a detection. Append-only, so the history of every box can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from counts.schema import Verdict
from flightplan.errors import CensusError

ACCEPT, REJECT, RELABEL, MOVE, ADD = ACTIONS = ("accept", "reject", "relabel", "move", "add")


@dataclass(frozen=True)
class VerdictEntry:
    """One decision: `action` is one of `ACTIONS`; `before` and `after` hold what it changed.

    `detection_id` is None for an animal that the detector missed ("add").
    """

    capture_id: int
    detection_id: int | None
    action: str
    who: str
    time_utc: datetime
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def add_verdict(session: Session, entry: VerdictEntry) -> int:
    """Write a decision and return its key; it is on disk when the session's block ends."""
    if entry.action not in ACTIONS:
        raise CensusError(f"a verdict is one of {', '.join(ACTIONS)}, not {entry.action!r}")
    row = {
        "capture_id": entry.capture_id,
        "detection_id": entry.detection_id,
        "action": entry.action,
        "who": entry.who,
        "time_utc": entry.time_utc,
        "before": None if entry.before is None else dict(entry.before),
        "after": None if entry.after is None else dict(entry.after),
    }
    return session.scalars(insert(Verdict).returning(Verdict.fid), [row]).one()


def read_verdicts(session: Session, capture_id: int) -> tuple[VerdictEntry, ...]:
    """Return every decision about one capture, oldest first."""
    rows = session.scalars(select(Verdict).where(Verdict.capture_id == capture_id).order_by(Verdict.fid))
    return tuple(
        VerdictEntry(r.capture_id, r.detection_id, r.action, r.who, r.time_utc, r.before, r.after) for r in rows
    )
