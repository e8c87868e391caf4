"""Whole frames and crops: sizes, tiles of the pyramid, pictures of detections."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from counts.review.api.items import Key
from counts.review.description import BYTES
from counts.review.pictures import CROP_PX, TILE_PX, NotDrawnYetError, Picture
from counts.review.place import Here, Place, Viewer
from counts.schema import Capture, Sortie, Transect
from flightplan.errors import CaptureError

router = APIRouter(tags=["frames"])
Level = Annotated[int, Path(ge=0, le=32)]
Column = Annotated[int, Path(ge=0, le=2**24)]
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {"schema": BYTES}}}}
_KEPT = {"Cache-Control": "private, max-age=86400"}


class Frame(BaseModel):
    """A capture as a pyramid of tiles. Time, place, planned line and flight are None where unknown.

    `drawn` is under 1 while the coarse levels of a mosaic are drawn for the first time: the share that is there.
    Below manager they are withheld where the survey has sensitive species, and the file's name with them.
    """

    capture_id: int
    name: str
    width_px: int
    height_px: int
    tile_px: int
    levels: int
    drawn: float
    time_utc: str | None
    longitude_deg: float | None
    latitude_deg: float | None
    line: str | None
    flight: str | None
    withheld: str | None


class Pictures(BaseModel):
    """Of the survey's `total` pictures, how many lie elsewhere than where they came in from, and how many nowhere.

    `hint` is what to do about those that are missing; None where there are none.
    """

    total: int
    moved: int
    missing: int
    hint: str | None


@router.get("/pictures")
def pictures(here: Here, visitor: Viewer) -> Pictures:
    """Whether the survey's pictures are there: a census may have come from another laptop, or a card be missing."""
    with here.census.reading() as session:
        found = here.presence.look(session, here.survey(session).survey_id)
    return Pictures(total=found.total, moved=found.moved, missing=found.missing, hint=found.hint)


@router.get("/captures/{capture_id}")
def frame(here: Here, visitor: Viewer, capture_id: Key) -> Frame:
    """A capture: what it is called, how large it is, when and where it was taken."""
    with here.census.reading() as session:
        picture = here.picture(session, capture_id)
        here.pictures.draw_ahead([picture])
        row = session.get_one(Capture, capture_id)
        hidden = here.withholds(visitor)
        point = None if hidden else row.position
        return Frame(
            capture_id=capture_id, name=here.name_of(capture_id, picture.path, visitor),
            width_px=picture.width_px, height_px=picture.height_px,
            tile_px=TILE_PX, levels=picture.levels, drawn=drawn_share(here, picture),
            time_utc=row.time_utc.isoformat() if row.time_utc and not hidden else None,
            longitude_deg=point.x if point is not None else None,
            latitude_deg=point.y if point is not None else None,
            line=None if hidden else _identifier(session, Transect, row.transect_id),
            flight=None if hidden else _identifier(session, Sortie, row.sortie_id),
            withheld="time, place and name are for managers: the survey has sensitive species" if hidden else None,
        )  # fmt: skip


@router.get(
    "/captures/{capture_id}/tiles/{level}/{column}/{row}.jpg", response_class=Response, responses={**JPEG, 410: {}}
)
def tile(here: Here, visitor: Viewer, capture_id: Key, level: Level, column: Column, row: Column) -> Response:
    """One tile of the pyramid: level 0 is the whole frame in one tile, each further one twice as fine."""
    with here.census.reading() as session:
        picture = here.picture(session, capture_id)
    try:
        content = here.pictures.tile(picture, level, column, row)
    except NotDrawnYetError as error:
        raise _not_yet(error) from error
    except (CaptureError, OSError) as error:
        raise HTTPException(410, _said(error, picture)) from error
    if content is None:
        raise HTTPException(404, "there is no such tile")
    return Response(content, media_type="image/jpeg", headers=_KEPT)


@router.get("/detections/{detection_id}/crop.jpg", response_class=Response, responses={**JPEG, 410: {}})
def crop(
    here: Here, visitor: Viewer, detection_id: Key, size: Annotated[int, Query(ge=48, le=768)] = CROP_PX
) -> Response:
    """A detection with some room around it."""
    with here.census.reading() as session:
        picture, box = here.box(session, detection_id)
    try:
        content = here.pictures.crop(picture, box, size)
    except NotDrawnYetError as error:
        raise _not_yet(error) from error
    except (CaptureError, OSError) as error:
        raise HTTPException(410, _said(error, picture)) from error
    # The box may be moved: the address stays, so the browser asks whether it is still this one.
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=60"})


def _identifier(session: Session, table: type[Transect] | type[Sortie], key: int | None) -> str | None:
    return None if key is None else session.scalars(select(table.identifier).where(table.fid == key)).one()


def drawn_share(here: Place, picture: Picture) -> float:
    """The share of a picture's coarse levels that is drawn; 1 where nothing is to be waited for."""
    try:
        return here.pictures.drawn(picture)
    except CaptureError:
        # Its tiles say why it cannot be shown.
        return 1.0


def _not_yet(error: NotDrawnYetError) -> HTTPException:
    return HTTPException(503, f"the picture cannot be shown yet: {error.what}", headers={"Retry-After": "2"})


def _said(error: CaptureError | OSError, picture: Picture) -> str:
    why = (error.what if isinstance(error, CaptureError) else error.strerror) or "it cannot be read"
    # Some errors of libraries name the file.
    why = "it cannot be read" if picture.path.name in why or str(picture.path.parent) in why else why
    return f"the picture cannot be shown: {why}"
