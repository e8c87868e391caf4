"""What stands in the air and lies on the ground of a survey, and what its plan warned of."""

from __future__ import annotations

from typing import Any

from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from counts.columns import Json
from counts.schema.base import Base, Key, parent


class Obstacle(Base):
    """Something that stands up: its top is above the ground ("agl") or above the sea ("amsl"), NULL where unknown."""

    __tablename__ = "obstacles"
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    name: Mapped[str]
    top_m: Mapped[float | None]
    top_datum: Mapped[str | None]
    geometry: Mapped[BaseGeometry]


class Airspace(Base):
    """Airspace with limits; a lower limit of NULL is the ground, an upper one of NULL is unknown or has no end."""

    __tablename__ = "airspaces"
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    name: Mapped[str]
    kind: Mapped[str]
    lower_m: Mapped[float | None]
    lower_datum: Mapped[str | None]
    upper_m: Mapped[float | None]
    upper_datum: Mapped[str | None]
    polygon: Mapped[MultiPolygon]


class KeptClear(Base):
    """Ground that the plan does not fly over because of an obstacle or airspace; it stays part of its stratum."""

    __tablename__ = "kept_clear"
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    polygon: Mapped[MultiPolygon]


class PlanWarning(Base):
    """What the plan warned of when it was made; `message` is what `text` was made from, None in older rows."""

    __tablename__ = "plan_warnings"
    __table_args__ = (UniqueConstraint("survey_id", "text"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys")
    text: Mapped[str]
    message: Mapped[Any | None] = mapped_column(Json)


class Mask(Base):
    """Ground where nobody could see an animal: water, cloud, closed canopy. `kind` says which, `source` who says so."""

    __tablename__ = "masks"
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    kind: Mapped[str]
    name: Mapped[str | None]
    source: Mapped[str]
    polygon: Mapped[MultiPolygon]
