"""Sightings in a part of the map, in the time of as many as are drawn however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Integer, Select, func, literal_column, select, text
from sqlalchemy.orm import Session

from counts.geopackage import decode_many, raw
from counts.schema import Capture, Detection, Individual, Sighting
from counts.store.captures import Keys
from flightplan.errors import CensusError
from flightplan.frames import Floats

_CROWDED = 4
"""Of a part of the map that holds so many times as many as are wanted, not all are gone through."""

_MOST_TRIED = 5
"""So many times as many as are wanted are looked up to find those in a part of the map."""

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class PlaceTable:
    """Sightings in a part of the map, as arrays; `individual_id` is -1 for none.

    `truncated` says that there are more. Of very many they are some from everywhere in that part.
    """

    detection_id: Keys
    individual_id: Keys
    species: tuple[str, ...]
    lonlat: Floats
    truncated: bool


def sightings_in(session: Session, identity_run_id: int, bounds_deg: Bounds, *, limit: int = 10_000) -> PlaceTable:
    """Return the sightings of an identity run inside west, south, east, north, at most `limit` of them."""
    west, south, east, north = bounds_deg
    if not (west <= east and south <= north):
        raise CensusError(f"a part of the map is west, south, east, north, not {bounds_deg}")
    there = {"west": west, "south": south, "east": east, "north": north}
    rows = _some(session, identity_run_id, there, limit) if _crowded(session, there, limit) else None
    if rows is not None:
        return _table(rows[:limit], truncated=True)
    inside = text(_INSIDE[session.get_bind().dialect.name])
    # The plus keeps SQLite from going through all of the run instead of the R-tree.
    of_run = literal_column("+sightings.identity_run_id", Integer) == identity_run_id
    found = session.execute(_places().where(of_run, inside).limit(limit + 1), there).all()
    return _table(found[:limit], truncated=len(found) > limit)


def _crowded(session: Session, there: dict[str, float], limit: int) -> bool:
    most = _CROWDED * limit
    query = text(f"SELECT count(*) FROM ({_COUNTED[session.get_bind().dialect.name]} LIMIT :most) AS found")  # noqa: S608
    return bool(session.execute(query, {**there, "most": most}).scalar_one() >= most)


def _some(session: Session, identity_run_id: int, there: dict[str, float], limit: int) -> list[Any] | None:
    """Every so many-th sighting of the run that lies there; None where so few are left that all can be read instead."""
    of_run = Sighting.identity_run_id == identity_run_id
    first, last = (
        session.scalars(select(Sighting.detection_id).where(of_run).order_by(order).limit(1)).one_or_none()
        for order in (Sighting.detection_id, Sighting.detection_id.desc())
    )
    corners = session.execute(text(_EXTENT[session.get_bind().dialect.name])).one()
    if first is None or last is None or None in corners:
        return None
    share = _share(there, tuple(corners))
    wanted = min(_MOST_TRIED, 1 / max(share, 1e-9)) * limit
    step = int((last - first + 1) / wanted)
    if step < 2:
        return None
    query = _places().where(of_run, text(_EVERY))
    rows = list(session.execute(query, {"first": first, "step": step, "last": last}).all())
    places = shapely.get_coordinates(decode_many([r[3] for r in rows])).reshape(-1, 2)
    low, high = (there["west"], there["south"]), (there["east"], there["north"])
    kept = np.flatnonzero(((places >= low) & (places <= high)).all(axis=1))
    return [rows[i] for i in kept.tolist()] if len(kept) * _CROWDED >= limit else None


def _share(there: dict[str, float], corners: tuple[float, ...]) -> float:
    """The share of the layer's extent that a part of the map is."""
    west, south, east, north = corners
    across = min(there["east"], east) - max(there["west"], west)
    along = min(there["north"], north) - max(there["south"], south)
    whole = (east - west) * (north - south)
    return max(across, 0.0) * max(along, 0.0) / whole if whole > 0 else 1.0


def _places() -> Select[Any]:
    return (
        select(
            Sighting.detection_id,
            func.coalesce(Sighting.individual_id, -1),
            func.coalesce(Individual.species, Detection.label),
            raw(Sighting.point),
        )
        .join(Detection, Sighting.detection_id == Detection.fid)
        .join(Capture, Detection.capture_id == Capture.fid)
        .outerjoin(Individual, Sighting.individual_id == Individual.fid)
        .where(Capture.refused.is_(None))
    )


def _table(rows: Any, *, truncated: bool) -> PlaceTable:
    kept = sorted(rows, key=lambda r: int(r[0]))
    return PlaceTable(
        detection_id=np.array([r[0] for r in kept], dtype=np.int64),
        individual_id=np.array([r[1] for r in kept], dtype=np.int64),
        species=tuple(str(r[2]) for r in kept),
        lonlat=shapely.get_coordinates(decode_many([r[3] for r in kept])),
        truncated=truncated,
    )


# R-trees keep single precision, rounded outwards: what lies a metre beside the part of a map does no harm on it.
_COUNTED = {
    "sqlite": "SELECT id FROM rtree_sightings_point"
    " WHERE maxx >= :west AND minx <= :east AND maxy >= :south AND miny <= :north",
    "postgresql": "SELECT fid FROM sightings WHERE point && ST_MakeEnvelope(:west, :south, :east, :north, 4326)",
}
_INSIDE = {name: f"sightings.fid IN ({query})" for name, query in _COUNTED.items()}
# As a list to look up: joined, SQLite would go through all of the run.
_EVERY = (
    "sightings.detection_id IN (WITH RECURSIVE every(key) AS (SELECT CAST(:first AS INTEGER)"
    " UNION ALL SELECT key + :step FROM every WHERE key + :step <= :last) SELECT key FROM every)"
)
_EXTENT = {
    "sqlite": "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = 'sightings'",
    "postgresql": "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)"
    " FROM (SELECT ST_EstimatedExtent('sightings', 'point') AS e) AS s",
}
