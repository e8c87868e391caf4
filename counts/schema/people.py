"""Who may look and decide: people and the roles they were given."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from counts.schema.base import Base, Key, parent


class Person(Base):
    """Somebody who works on the census. `secret` is a salted hash, NULL where no login is needed."""

    __tablename__ = "people"
    fid: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    secret: Mapped[str | None]


class Grant(Base):
    """A role that somebody was given ("viewer", "reviewer", "manager", "none"); the last one holds. Append-only."""

    __tablename__ = "grants"
    fid: Mapped[Key]
    person_id: Mapped[int] = parent("people", index=True)
    role: Mapped[str]
    who: Mapped[str]
    time_utc: Mapped[datetime]
