"""The survey on the map, as GeoJSON by part: the plan, what was flown, footprints, gaps, masks and sightings.

What grows with the survey is asked for by the part of the map that is looked at, and capped. Where the survey has
sensitive species, all sightings are told below manager by the cell that they lie in: one whose verdict somebody changes
in a picture and sees change on the map would tell where the picture lies, and all that is in it. Lines are left out,
for pictures are numbered along them.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Annotated, Any

import numpy as np
import shapely
from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel
from sqlalchemy import Integer, literal_column, select, text
from sqlalchemy.orm import Session

from counts.exchange.generalise import CELL_DEG, STATEMENT, coarsen
from counts.geopackage import decode_many, raw
from counts.review.api.items import Label
from counts.review.basemap import TILE_TYPES
from counts.review.description import BYTES
from counts.review.place import Here, Viewer
from counts.schema import Capture, Detection, Footprint, ReviewState, Sortie, Transect
from counts.store import latest_estimate_run, read_area, read_strata
from counts.store.captures import read_footprints
from counts.store.identity import latest_identity_run
from counts.store.places import sightings_in
from counts.store.results import read_gaps
from counts.store.surroundings import read_masks
from counts.store.surveys import read_flights
from counts.store.tallies import UNSEEN

router = APIRouter(tags=["map"])
Geo = dict[str, Any]
Degrees = Annotated[float, Query(ge=-180.0, le=180.0, allow_inf_nan=False)]
Latitude = Annotated[float, Query(ge=-90.0, le=90.0, allow_inf_nan=False)]
_PART = {"application/octet-stream": {"schema": BYTES}}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": _PART},
    206: {"content": _PART, "description": "The bytes asked for."},
    416: {},
}
_TILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {k: {"schema": BYTES} for k in TILE_TYPES}},
    204: {"description": "There is nothing here."},
}
MOST_FOOTPRINTS = 3000
MOST_SIGHTINGS = 10_000
TRACK_DEG = 2e-5
# The plus keeps SQLite from going through all captures of the survey instead of the R-tree.
_survey_of = literal_column("+captures.survey_id", Integer)
_KEYS_AT_A_TIME = 5000


class Survey(BaseModel):
    """What does not change while one reviews: strata, exclusions, lines planned and flown, gaps and masks.

    `bounds` are west, south, east, north of it all, None where nothing has a place. `labels` are those of sightings, by
    name, which is the order of their colours in the report too. `withheld` says what is left out for this visitor.
    """

    bounds: tuple[float, float, float, float] | None
    labels: list[str]
    strata: Geo
    exclusions: Geo
    planned: Geo
    flown: Geo
    gaps: Geo
    masks: Geo
    basemap: str | None
    withheld: str | None = None


class Part(BaseModel):
    """Features in a part of the map; `truncated` says that there are more. `withheld` says what is not told exactly."""

    features: Geo
    truncated: bool
    withheld: str | None = None


@router.get("/map")
def survey(here: Here, visitor: Viewer) -> Survey:
    """The survey's plan, tracks, gaps and masks, and where all of it lies."""
    hidden = here.withholds(visitor)
    with here.census.reading() as session:
        key = here.survey(session).survey_id
        area, strata = read_area(session, key), read_strata(session, key)
        newest = latest_estimate_run(session, key)
        gaps = () if newest is None or hidden else read_gaps(session, newest.estimate_run_id)
        land = [] if area is None else [(s.polygon, {"name": s.name}) for s in area.strata]
        shapes = [g for g, _ in land] or list(read_footprints(session, key).polygons)
        return Survey(
            bounds=tuple(np.round(shapely.total_bounds(shapes), 6).tolist()) if shapes else None,
            labels=sorted(here.labels(session)),
            strata=_collection(land),
            exclusions=_collection([] if area is None else [(e, {}) for e in area.exclusions]),
            planned=_collection(
                [
                    (shapely.MultiLineString(t.segments), {"name": t.identifier, "stratum": t.stratum})
                    for s in strata
                    for t in s.transects
                    if not hidden
                ]
            ),
            flown=_collection(
                [
                    (shapely.simplify(f.track, TRACK_DEG), {"name": f.sortie})
                    for f in read_flights(session, key)
                    if f.track is not None and not hidden
                ]
            ),
            gaps=_collection([(g.polygon, {"name": g.transect, "area_m2": round(g.area_m2)}) for g in gaps]),
            masks=_collection([(m.polygon, {"name": m.name, "kind": m.kind}) for m in read_masks(session, key)]),
            basemap=here.basemap.kind if here.basemap is not None else None,
            withheld="lines and gaps are for managers: the survey has sensitive species" if hidden else None,
        )


@router.get("/map/footprints")
def footprints(
    here: Here, visitor: Viewer, west: Degrees, south: Latitude, east: Degrees, north: Latitude,
    capture: Annotated[int | None, Query(ge=1, le=2**53)] = None, line: Annotated[Label | None, Query()] = None,
    flight: Annotated[Label | None, Query()] = None,
) -> Part:  # fmt: skip
    """The ground that pictures in this part of the map show, at most a few thousand in the order they were taken.

    Wherever they lie, those of one picture, of a line planned or of a flight, where one is named.
    """
    with here.census.reading() as session:
        if here.withholds(visitor):
            return Part(features=_collection([]), truncated=False, withheld="where pictures lie is for managers")
        key = here.survey(session).survey_id
        query = (
            select(Footprint.capture_id, Capture.on_effort, raw(Footprint.polygon), Capture.path)
            .join(Capture, Footprint.capture_id == Capture.fid)
            .where(_survey_of == key, Capture.refused.is_(None))
        )
        if capture is not None:
            query = query.where(Capture.fid == capture)
        elif line is not None or flight is not None:
            for column, table, name in ((Capture.transect_id, Transect, line), (Capture.sortie_id, Sortie, flight)):
                if name is not None:
                    of = select(table.fid).where(table.survey_id == key, table.identifier == name)
                    query = query.where(column == of.scalar_subquery())
            query = query.order_by(Capture.time_utc, Capture.fid)
        else:
            query = query.where(text(_SEEN[session.get_bind().dialect.name]))
            query = query.params(west=west, south=south, east=east, north=north)
        rows = session.execute(query.limit(MOST_FOOTPRINTS + 1)).all()
    outlines = decode_many([r[2] for r in rows[:MOST_FOOTPRINTS]])
    named = capture is not None or line is not None or flight is not None
    content = [
        (g, {"capture": r[0], "on_effort": r[1], **({"picture": PurePath(r[3]).name} if named else {})})
        for g, r in zip(outlines, rows, strict=False)
    ]
    return Part(features=_collection(content), truncated=len(rows) > MOST_FOOTPRINTS)


@router.get("/map/sightings")
def sightings(here: Here, visitor: Viewer, west: Degrees, south: Latitude, east: Degrees, north: Latitude) -> Part:
    """The sightings of the newest counting in this part of the map, with species and verdict.

    `animal` is true for one sighting of each animal: those make up the density.
    """
    if west > east or south > north:
        raise HTTPException(422, "a part of the map is west, south, east, north")
    with here.census.reading() as session:
        run = latest_identity_run(session, here.survey(session).survey_id)
        if run is None:
            return Part(features=_collection([]), truncated=False)
        hidden = here.withholds(visitor)
        bounds = (west, south, east, north)
        if hidden:
            # Whole cells are asked for: a small part of the map would tell where in its cell an animal is.
            low, high = coarsen([(west, south), (east, north)])
            bounds = (low[0] - CELL_DEG / 2, low[1] - CELL_DEG / 2, high[0] + CELL_DEG / 2, high[1] + CELL_DEG / 2)
        table = sightings_in(session, run, bounds, limit=MOST_SIGHTINGS)
        known = _of_detections(session, table.detection_id.tolist())
    exact, coarse = [], []
    places = np.round(table.lonlat, 7)
    cells = coarsen(places)
    met: set[int] = set()
    for i, (detection, animal) in enumerate(
        zip(table.detection_id.tolist(), table.individual_id.tolist(), strict=True)
    ):
        species = table.species[i]
        capture, state = known.get(detection, (None, UNSEEN))
        facts: Geo = {"species": species, "state": state, "animal": animal < 0 or animal not in met}
        met.add(animal)
        x, y = places[i].tolist()
        if hidden:
            coarse.append((shapely.Point(cells[i]), facts))
        elif west <= x <= east and south <= y <= north:
            exact.append((shapely.Point(x, y), {**facts, "detection": detection, "capture": capture}))
    # In the order of detections the neighbours of a coarsened one would tell which picture it is from.
    coarse.sort(key=lambda c: (c[0].x, c[0].y, c[1]["species"], c[1]["state"], c[1]["animal"]))
    content = [*exact, *coarse]
    return Part(
        features=_collection(content), truncated=table.truncated,
        withheld=STATEMENT if coarse else None,
    )  # fmt: skip


@router.get("/basemap")
def base_facts(here: Here, visitor: Viewer) -> Geo | None:
    """The kind of the base map ("pmtiles", "mbtiles", "raster") and what its file says of itself; None without one."""
    return None if here.basemap is None else here.basemap.facts()


@router.get("/basemap.pmtiles", response_class=FileResponse, responses=_FILE)
def base_file(here: Here, visitor: Viewer) -> FileResponse:
    """The base map's PMTiles file; ranges of bytes are asked for."""
    if here.basemap is None or here.basemap.kind != "pmtiles":
        raise HTTPException(404, "there is no such base map")
    return FileResponse(here.basemap.path, media_type="application/octet-stream")


@router.get("/basemap/{zoom}/{column}/{row}", response_class=Response, responses=_TILE)
def base_tile(
    here: Here, visitor: Viewer, zoom: Annotated[int, Path(ge=0, le=24)], column: Annotated[int, Path(ge=0, le=2**24)],
    row: Annotated[int, Path(ge=0, le=2**24)],
) -> Response:  # fmt: skip
    """A tile of the base map; an empty answer (204) where it has none."""
    if here.basemap is None or here.basemap.kind == "pmtiles":
        raise HTTPException(404, "there is no such base map")
    found = here.basemap.tile(zoom, column, row)
    if found is None:
        return Response(status_code=204)
    return Response(found[0], media_type=found[1], headers={"Cache-Control": "private, max-age=86400"})


def _of_detections(session: Session, keys: list[int]) -> dict[int, tuple[int, str]]:
    """The capture and the state of detections, by key."""
    found: dict[int, tuple[int, str]] = {}
    query = select(Detection.fid, Detection.capture_id, ReviewState.action).outerjoin(
        ReviewState, ReviewState.detection_id == Detection.fid
    )
    for start in range(0, len(keys), _KEYS_AT_A_TIME):
        for row in session.execute(query.where(Detection.fid.in_(keys[start : start + _KEYS_AT_A_TIME]))):
            found[row[0]] = (row[1], row[2] or UNSEEN)
    return found


def _collection(content: list[tuple[Any, Geo]]) -> Geo:
    """GeoJSON of shapes with facts, to seven decimals: a centimetre."""
    rounded = shapely.set_precision(np.array([shape for shape, _ in content], dtype=object), 1e-7, mode="pointwise")
    features = [
        {"type": "Feature", "geometry": json.loads(geometry), "properties": facts}
        for geometry, (_, facts) in zip(shapely.to_geojson(rounded).tolist(), content, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


# R-trees keep single precision, rounded outwards: a footprint that only almost touches does no harm on a map.
_SEEN = {
    "sqlite": "footprints.fid IN (SELECT id FROM rtree_footprints_polygon"
    " WHERE maxx >= :west AND minx <= :east AND maxy >= :south AND miny <= :north)",
    "postgresql": "footprints.polygon && ST_MakeEnvelope(:west, :south, :east, :north, 4326)",
}
