"""Which survey and which run the page is about, and the few things every page asks of the census."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from sqlalchemy import select
from sqlalchemy.exc import OperationalError, StatementError
from sqlalchemy.orm import Session

from counts.census import Census
from counts.picture_files import picture_name
from counts.review.basemap import BaseMap
from counts.review.pictures import Picture, PictureStore
from counts.review.presence import Presence
from counts.review.recount import Recount
from counts.review.sessions import Role, Sessions, Visitor, at_least
from counts.review.settings import ReviewSettings
from counts.schema import Capture, Detection, DetectionRun, ReviewState
from counts.store import SurveyInfo, find_survey, latest_survey
from counts.store.detections import RunInBrief, latest_run_in_brief
from counts.store.review import progress
from detect.images import WINDOWED_PIXELS
from flightplan.errors import CensusError, OverflyError

MOST_MOSAICS = 50
_SURVEY = "overfly_survey"
"""Under which a request's session keeps the survey, which each question of the request asks for."""


@dataclass(frozen=True)
class Place:
    """One server's census with what was drawn from it."""

    settings: ReviewSettings
    census: Census
    sessions: Sessions
    pictures: PictureStore
    recount: Recount
    presence: Presence
    basemap: BaseMap | None = None

    def withholds(self, visitor: Visitor) -> bool:
        """Whether time and place of pictures, and their names, which hold them, are not for this visitor."""
        return bool(self.settings.sensitive) and visitor.role < Role.MANAGER

    def name_of(self, capture_id: int, path: Path | str, visitor: Visitor) -> str:
        """What a picture is called: as its file is, or by its key where files' names are withheld."""
        return f"picture {capture_id}" if self.withholds(visitor) else picture_name(path)

    def draw_mosaics(self) -> None:
        """Begin to draw the survey's mosaics, which take a minute each, the first ones first."""
        with self.census.reading() as session:
            try:
                survey_id = self.survey(session).survey_id
            except HTTPException:
                return
            pixels = Capture.width_px * Capture.height_px
            large = (Capture.survey_id == survey_id) & Capture.refused.is_(None) & (pixels > WINDOWED_PIXELS)
            keys = session.scalars(select(Capture.fid).where(large).order_by(Capture.fid).limit(MOST_MOSAICS)).all()
            found = self.some_pictures(session, keys)
        self.pictures.draw_mosaics([picture for picture in found.values() if picture.is_large])

    def survey(self, session: Session) -> SurveyInfo:
        """The survey under review. Raises HTTPException (404) where there is none."""
        known: SurveyInfo | None = session.info.get(_SURVEY)
        if known is not None:
            return known
        try:
            named = self.settings.survey
            found = find_survey(session, named) if named else latest_survey(session)
        except CensusError as error:
            raise HTTPException(404, error.what) from error
        session.info[_SURVEY] = found
        return found

    def run(self, session: Session) -> RunInBrief:
        """The detection run under review, asked for last. Raises HTTPException (404) where nothing was looked for."""
        run = latest_run_in_brief(session, self.survey(session).survey_id)
        if run is None:
            raise HTTPException(404, "nothing was looked for in this survey yet: run overfly detect")
        return run

    def labels(self, session: Session) -> list[str]:
        """What there is to be seen: the labels found, the most frequent first, then the detector's others."""
        run = self.run(session)
        found = [p.label for p in progress(session, run.run_id)]
        return list(dict.fromkeys([*found, *run.labels]))

    def picture(self, session: Session, capture_id: int) -> Picture:
        """A capture of the survey as a picture. Raises HTTPException (404) for any other."""
        row = session.execute(
            select(Capture.fid, Capture.content_hash, Capture.path, Capture.width_px, Capture.height_px).where(
                Capture.fid == capture_id, Capture.survey_id == self.survey(session).survey_id
            )
        ).one_or_none()
        if row is None:
            raise HTTPException(404, "the survey has no such picture")
        return Picture(row[0], row[1], Path(row[2]), row[3], row[4])

    def some_pictures(self, session: Session, keys: Iterable[int]) -> dict[int, Picture]:
        """Captures of the survey as pictures by their keys, in the order given; those it does not have are left out."""
        wanted = list(dict.fromkeys(keys))
        query = select(Capture.fid, Capture.content_hash, Capture.path, Capture.width_px, Capture.height_px)
        mine = (Capture.survey_id == self.survey(session).survey_id) & Capture.fid.in_(wanted)
        found = {
            row[0]: Picture(row[0], row[1], Path(row[2]), row[3], row[4]) for row in session.execute(query.where(mine))
        }
        return {key: found[key] for key in wanted if key in found}

    def box(self, session: Session, detection_id: int) -> tuple[Picture, tuple[float, float, float, float]]:
        """A detection of the run (or drawn over it) with its picture, as people left it. Raises HTTPException (404)."""
        run_id = self.run(session).run_id
        row = session.execute(
            select(Detection, ReviewState)
            .join(DetectionRun, Detection.run_id == DetectionRun.fid)
            .outerjoin(ReviewState, ReviewState.detection_id == Detection.fid)
            .where(Detection.fid == detection_id, (DetectionRun.fid == run_id) | (DetectionRun.drawn_over_id == run_id))
        ).one_or_none()
        if row is None:
            raise HTTPException(404, "the run has no such detection")
        found = row[1] or row[0]
        return self.picture(session, row[0].capture_id), (
            found.x_min_px,
            found.y_min_px,
            found.x_max_px,
            found.y_max_px,
        )


def refused(error: OverflyError) -> HTTPException:
    """An error of ours as an answer: 409 in its own words, without where on this machine it happened.

    A database that is busy or cannot be reached is 503: what was sent is to be sent again. Its own words stay here.
    """
    cause = error.__cause__
    if isinstance(cause, OperationalError):
        return HTTPException(503, "the census is busy or out of reach: try again", headers={"Retry-After": "2"})
    return HTTPException(409, "the census refused it" if isinstance(cause, StatementError) else error.what)


def place_of(request: Request) -> Place:
    """The server's place, for a request."""
    place: Place = request.app.state.place
    return place


Here = Annotated[Place, Depends(place_of)]
Viewer = Annotated[Visitor, Depends(at_least(Role.VIEWER))]
Reviewer = Annotated[Visitor, Depends(at_least(Role.REVIEWER))]
Manager = Annotated[Visitor, Depends(at_least(Role.MANAGER))]
