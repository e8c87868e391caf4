"""What is doubted about the poses of flights, and what was repaired."""

from __future__ import annotations

from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from counts.columns import Json
from counts.schema.base import Base, Key, parent


class FlightFinding(Base):
    """What is doubted about captures of a flight (their content hashes), and what that rests on. Append-only.

    `message` is what `text` was made from (`flightplan.messages`), None in rows older than that.
    """

    __tablename__ = "flight_findings"
    __table_args__ = (UniqueConstraint("survey_id", "kind", "text"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys")
    kind: Mapped[str]
    text: Mapped[str]
    captures: Mapped[list[str]]
    is_proved: Mapped[bool]
    message: Mapped[Any | None] = mapped_column(Json)


class PoseRepair(Base):
    """One field of a capture as it was and as it is since. Append-only: the last repair of a field holds."""

    __tablename__ = "pose_repairs"
    fid: Mapped[Key]
    capture_id: Mapped[int] = parent("captures", index=True)
    kind: Mapped[str]
    field: Mapped[str]
    before: Mapped[Any | None] = mapped_column(Json)
    after: Mapped[Any | None] = mapped_column(Json)
    source: Mapped[str]
