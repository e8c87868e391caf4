"""What is on its way to services of others: append-only, so that nothing is lost and nothing sent twice unnoticed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from counts.schema.base import Base, Key, parent


class OutboxItem(Base):
    """One request to be made: the body for a path of a target, known by its idempotency key, sent in order of `fid`.

    `item_key` says what it is about; the same thing said otherwise has another idempotency key.
    """

    __tablename__ = "outbox_items"
    __table_args__ = (UniqueConstraint("target", "idempotency_key"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    service: Mapped[str]
    target: Mapped[str]
    path: Mapped[str]
    item_key: Mapped[str]
    idempotency_key: Mapped[str]
    body: Mapped[dict[str, Any]]


class OutboxAttempt(Base):
    """A request that is about to be made. Without a receipt after it, nobody knows whether it arrived."""

    __tablename__ = "outbox_attempts"
    fid: Mapped[Key]
    item_id: Mapped[int] = parent("outbox_items", index=True)
    time_utc: Mapped[datetime]


class OutboxReceipt(Base):
    """How an item ended: "delivered", "already there" or "refused". An item has one receipt at most."""

    __tablename__ = "outbox_receipts"
    fid: Mapped[Key]
    item_id: Mapped[int] = parent("outbox_items", unique=True)
    time_utc: Mapped[datetime]
    outcome: Mapped[str]
    status: Mapped[int | None]
    answer: Mapped[str | None]
