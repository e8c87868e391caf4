"""What lies around a survey: obstacles, airspace, masks; and what its plan warned of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import shapely
from shapely.geometry import MultiPolygon, Polygon
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from counts.schema import Airspace, KeptClear, Mask, Obstacle, PlanWarning
from flightplan.area_heights import Level
from flightplan.areas import StudyArea
from flightplan.errors import CensusError
from flightplan.messages import from_stored, to_stored
from flightplan.obstacles import AirspaceZone
from flightplan.obstacles import Obstacle as AreaObstacle


@dataclass(frozen=True)
class MaskEntry:
    """Ground where no animal could be seen: `kind` ("water", "cloud", ...), geographic polygons, and who says so."""

    kind: str
    polygon: Polygon | MultiPolygon
    source: str
    name: str | None = None


@dataclass(frozen=True)
class Surroundings:
    """What is known of the air over a survey and of the ground that its plan kept clear of, as in its study area."""

    obstacles: tuple[AreaObstacle, ...]
    airspace: tuple[AirspaceZone, ...]
    kept_clear: tuple[Polygon | MultiPolygon, ...]


def add_surroundings(session: Session, survey_id: int, area: StudyArea, warnings: Iterable[str] = ()) -> None:
    """Write what the plan knew of the air, and what it warned of, for a survey that has none of it yet."""
    session.add_all(
        Obstacle(
            survey_id=survey_id,
            name=o.name,
            top_m=o.top.metres if o.top else None,
            top_datum=o.top.datum if o.top else None,
            geometry=o.geometry,
        )
        for o in area.obstacles
    )
    session.add_all(
        Airspace(
            survey_id=survey_id,
            name=zone.name,
            kind=zone.kind,
            lower_m=zone.lower.metres if zone.lower else None,
            lower_datum=zone.lower.datum if zone.lower else None,
            upper_m=zone.upper.metres if zone.upper else None,
            upper_datum=zone.upper.datum if zone.upper else None,
            polygon=zone.polygon,
        )
        for zone in area.airspace
    )
    session.add_all(KeptClear(survey_id=survey_id, polygon=polygon) for polygon in area.kept_clear)
    session.add_all(
        PlanWarning(survey_id=survey_id, text=str(text), message=to_stored(text)) for text in dict.fromkeys(warnings)
    )
    session.flush()


def read_surroundings(session: Session, survey_id: int) -> Surroundings:
    """Return what the plan knew of the air, in the order it was written."""
    obstacles = session.scalars(select(Obstacle).where(Obstacle.survey_id == survey_id).order_by(Obstacle.fid))
    zones = session.scalars(select(Airspace).where(Airspace.survey_id == survey_id).order_by(Airspace.fid))
    clear = session.scalars(select(KeptClear.polygon).where(KeptClear.survey_id == survey_id).order_by(KeptClear.fid))
    return Surroundings(
        obstacles=tuple(AreaObstacle(o.name, o.geometry, _level(o.top_m, o.top_datum)) for o in obstacles),
        airspace=tuple(
            AirspaceZone(z.name, z.kind, z.polygon, _level(z.lower_m, z.lower_datum), _level(z.upper_m, z.upper_datum))
            for z in zones
        ),
        kept_clear=tuple(clear),
    )


def read_warnings(session: Session, survey_id: int) -> tuple[str, ...]:
    """Return what the survey's plan warned of, in its order."""
    rows = session.scalars(select(PlanWarning).where(PlanWarning.survey_id == survey_id).order_by(PlanWarning.fid))
    return tuple(from_stored(row.text, row.message) for row in rows)


def add_masks(session: Session, survey_id: int, masks: Iterable[MaskEntry]) -> int:
    """Write masks and return how many were new: the same ground by the same source is not written twice.

    Raises CensusError for a mask that is empty or no valid polygon.
    """
    known = {(m.kind, m.name, m.source, shapely.to_wkb(_multi(m.polygon))) for m in read_masks(session, survey_id)}
    rows = {}
    for mask in masks:
        if mask.polygon.is_empty or not mask.polygon.is_valid:
            raise CensusError(
                f"the mask {mask.name or mask.kind!r} is empty or crosses itself",
                where=mask.source,
                hint="Mend it with: overfly mend",
            )
        polygon = _multi(mask.polygon)
        key = (mask.kind, mask.name, mask.source, shapely.to_wkb(polygon))
        if key not in known:
            rows[key] = {
                "survey_id": survey_id,
                "kind": mask.kind,
                "name": mask.name,
                "source": mask.source,
                "polygon": polygon,
            }
    if rows:
        session.execute(insert(Mask), list(rows.values()))
    return len(rows)


def read_masks(session: Session, survey_id: int) -> tuple[MaskEntry, ...]:
    """Return the survey's masks in the order they were written."""
    rows = session.scalars(select(Mask).where(Mask.survey_id == survey_id).order_by(Mask.fid))
    return tuple(MaskEntry(row.kind, row.polygon, row.source, row.name) for row in rows)


def _level(metres: float | None, datum: str | None) -> Level | None:
    return None if metres is None or datum is None else Level(metres, datum)


def _multi(polygon: Polygon | MultiPolygon) -> MultiPolygon:
    return polygon if isinstance(polygon, MultiPolygon) else MultiPolygon([polygon])
