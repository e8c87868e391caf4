"""Findings about flights, and repairs of captures' fields, in the census.

What was read from a picture stays in its row as it was written; a repair is a layer over it, and `read_captures` gives
the captures with their repairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from counts.schema import Capture as CaptureRow
from counts.schema import FlightFinding, PoseRepair
from detect.findings import PoseFinding, Repair
from flightplan.messages import from_stored, to_stored

_CHUNK = 5_000


def add_findings(session: Session, survey_id: int, findings: Iterable[PoseFinding]) -> None:
    """Write down findings about flights; one that is there already is not written twice."""
    known = {(f.kind, f.text) for f in read_findings(session, survey_id)}
    fresh = {(f.kind, f.text): f for f in findings if (f.kind, f.text) not in known}
    if fresh:
        session.execute(
            insert(FlightFinding),
            [
                {
                    "survey_id": survey_id,
                    "kind": f.kind,
                    "text": str(f.text),
                    "message": to_stored(f.text),
                    "captures": list(f.captures),
                    "is_proved": f.is_proved,
                }
                for f in fresh.values()
            ],
        )


def read_findings(session: Session, survey_id: int) -> tuple[PoseFinding, ...]:
    """Return what was found about the survey's flights, in the order it was written; without proposals."""
    rows = session.scalars(
        select(FlightFinding).where(FlightFinding.survey_id == survey_id).order_by(FlightFinding.fid)
    )
    return tuple(
        PoseFinding(row.kind, tuple(row.captures), from_stored(row.text, row.message), None, row.is_proved)
        for row in rows
    )


def add_repairs(session: Session, survey_id: int, repairs: Iterable[Repair]) -> int:
    """Write down repairs of captures that the survey has, and return how many were new."""
    coming = tuple(repairs)
    keys = _keys(session, survey_id, sorted({r.capture for r in coming}))
    last = {(row.capture_id, row.field): row for row in _rows(session, list(keys.values()))}
    rows = []
    for repair in coming:
        key = keys.get(repair.capture)
        after = _kept(repair.after)
        if key is None or ((held := last.get((key, repair.field))) is not None and held.after == after):
            continue
        rows.append(
            {
                "capture_id": key,
                "kind": repair.kind,
                "field": repair.field,
                "before": _kept(repair.before),
                "after": after,
                "source": repair.source,
            }
        )
    if rows:
        session.execute(insert(PoseRepair), rows)
    return len(rows)


def read_repairs(session: Session, survey_id: int) -> tuple[Repair, ...]:
    """Return the survey's repairs in the order they were written."""
    query = (
        select(PoseRepair, CaptureRow.content_hash)
        .join(CaptureRow, PoseRepair.capture_id == CaptureRow.fid)
        .where(CaptureRow.survey_id == survey_id)
        .order_by(PoseRepair.fid)
    )
    return tuple(
        Repair(row.kind, content_hash, row.field, _read(row.field, row.before), _read(row.field, row.after), row.source)
        for row, content_hash in session.execute(query)
    )


def repairs_by_capture(session: Session, survey_id: int) -> Mapping[str, list[Repair]]:
    """Return the survey's repairs by content hash."""
    found: dict[str, list[Repair]] = {}
    for repair in read_repairs(session, survey_id):
        found.setdefault(repair.capture, []).append(repair)
    return found


def _keys(session: Session, survey_id: int, hashes: Sequence[str]) -> dict[str, int]:
    keys: dict[str, int] = {}
    for start in range(0, len(hashes), _CHUNK):
        chunk = hashes[start : start + _CHUNK]
        rows = session.execute(
            select(CaptureRow.content_hash, CaptureRow.fid).where(
                CaptureRow.survey_id == survey_id, CaptureRow.content_hash.in_(chunk)
            )
        )
        keys.update((row[0], row[1]) for row in rows)
    return keys


def _rows(session: Session, keys: Sequence[int]) -> list[PoseRepair]:
    rows: list[PoseRepair] = []
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        rows += session.scalars(select(PoseRepair).where(PoseRepair.capture_id.in_(chunk)).order_by(PoseRepair.fid))
    return rows


def _kept(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _read(field: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if field == "time_utc" and value is not None else value
