"""Who wrote what and when: a chain of hashes for each writer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from counts.schema.base import Base, Key, parent


class AuditEntry(Base):
    """One transaction of one writer. Append-only.

    `entry_hash` is over everything but `fid` and `merged_by`, the entry of this census by which another copy's entry
    came in; `details` names the rows written (see `counts.audit`).
    """

    __tablename__ = "audit"
    __table_args__ = (UniqueConstraint("writer", "sequence"),)
    fid: Mapped[Key]
    writer: Mapped[str]
    sequence: Mapped[int]
    time_utc: Mapped[datetime]
    action: Mapped[str]
    code_version: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    previous_hash: Mapped[str]
    entry_hash: Mapped[str]
    merged_by: Mapped[int | None] = parent("audit", index=True)
