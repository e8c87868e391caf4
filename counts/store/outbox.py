"""The outbox: what is to be sent to a service, what was begun, how it ended. Append-only, so a kill loses nothing.

An item is known by what it is about (`item_key`) and by its idempotency key, which follows from that and its body. An
attempt is written before a request is made and a receipt after its answer: an attempt without a receipt is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from counts.columns import canonical_json
from counts.schema import OutboxAttempt, OutboxItem, OutboxReceipt
from flightplan.errors import Skip

DELIVERED, THERE, REFUSED, SUPERSEDED = "delivered", "already there", "refused", "superseded"
_ARRIVED = frozenset({DELIVERED, THERE})


@dataclass(frozen=True)
class OutgoingItem:
    """A request to be made: what it is about, in words too, and its JSON body for a path of the service."""

    item_key: str
    about: str
    path: str
    body: Any


@dataclass(frozen=True)
class WaitingItem:
    """An item without a receipt. `in_doubt`: a request was begun, and nobody knows whether it arrived."""

    item_id: int
    item_key: str
    idempotency_key: str
    path: str
    body: Any
    in_doubt: bool


@dataclass(frozen=True)
class Queued:
    """How many items are new in the outbox, how many were there, and those that are not sent: said otherwise before."""

    new: int
    known: int
    skips: tuple[Skip, ...]


@dataclass(frozen=True)
class _Known:
    item: OutboxItem
    outcome: str | None
    begun: bool


def queue_items(
    session: Session, survey_id: int, service: str, target: str, items: Iterable[OutgoingItem], time_utc: datetime
) -> Queued:
    """Put items into the outbox, in their order; what is in it already stays as it is.

    What was refused before is queued again. What says something else about the same thing as an item that arrived, or
    may have, is not queued, and named; one that still waits is taken back for it.
    """
    by_key: dict[str, list[_Known]] = {}
    for known in _all(session, service, target):
        by_key.setdefault(known.item.item_key, []).append(known)
    new, there, skips = 0, 0, []
    for item in items:
        before = by_key.get(item.item_key, [])
        tries = sum(k.outcome == REFUSED and k.item.body["json"] == item.body for k in before)
        key = idempotency_key(target, item, tries)
        if any(k.item.idempotency_key == key for k in before):
            there += 1
            continue
        if any(k.outcome in _ARRIVED for k in before):
            skips.append(Skip(item.about, f"something else was sent about it before: correct it at {target}"))
            continue
        if any(k.begun and k.outcome is None for k in before):
            skips.append(Skip(item.about, "something else about it may have arrived: send again to find out"))
            continue
        for waiting in before:
            if waiting.outcome is None:
                add_receipt(session, waiting.item.fid, SUPERSEDED, time_utc, None, None)
        row = OutboxItem(
            survey_id=survey_id,
            service=service,
            target=target,
            path=item.path,
            item_key=item.item_key,
            idempotency_key=key,
            body={"json": item.body},
        )
        session.add(row)
        session.flush()
        by_key[item.item_key] = [_Known(row, None, False)]
        new += 1
    return Queued(new, there, tuple(skips))


def idempotency_key(target: str, item: OutgoingItem, tries: int = 0) -> str:
    """Return a UUID that is the same for the same thing said to the same service, and another for anything else."""
    said = [target, item.item_key, item.path, item.body, tries]
    return str(uuid5(NAMESPACE_URL, "overfly:outbox:" + canonical_json(said)))


def waiting_items(session: Session, service: str, target: str) -> tuple[WaitingItem, ...]:
    """Return the items without a receipt in the order in which they came."""
    return tuple(
        WaitingItem(k.item.fid, k.item.item_key, k.item.idempotency_key, k.item.path, k.item.body["json"], k.begun)
        for k in _all(session, service, target)
        if k.outcome is None
    )


def outcomes(session: Session, service: str, target: str) -> dict[str, int]:
    """Return how many items ended in each way; those that still wait are "waiting"."""
    found: dict[str, int] = {}
    for known in _all(session, service, target):
        word = known.outcome or "waiting"
        found[word] = found.get(word, 0) + 1
    return found


def add_attempt(session: Session, item_id: int, time_utc: datetime) -> None:
    """Write down that a request is about to be made."""
    session.add(OutboxAttempt(item_id=item_id, time_utc=time_utc))


def add_receipt(
    session: Session, item_id: int, outcome: str, time_utc: datetime, status: int | None, answer: str | None
) -> None:
    """Write down how an item ended; an item has one receipt."""
    session.add(OutboxReceipt(item_id=item_id, outcome=outcome, time_utc=time_utc, status=status, answer=answer))
    session.flush()


def _all(session: Session, service: str, target: str) -> Sequence[_Known]:
    begun = select(OutboxAttempt.fid).where(OutboxAttempt.item_id == OutboxItem.fid).exists()
    query = (
        select(OutboxItem, OutboxReceipt.outcome, begun)
        .outerjoin(OutboxReceipt, OutboxReceipt.item_id == OutboxItem.fid)
        .where(OutboxItem.service == service, OutboxItem.target == target)
        .order_by(OutboxItem.fid)
    )
    return [_Known(item, outcome, bool(was_begun)) for item, outcome, was_begun in session.execute(query)]
