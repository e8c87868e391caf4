"""The server: the API under /api/v1, the pages over it, and what guards both."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from counts.census import Census
from counts.picture_files import PictureFiles
from counts.review import pages
from counts.review.api import bulk, counting, dashboard, frames, geography, items, pairs, people, sample
from counts.review.basemap import BaseMap
from counts.review.description import describe
from counts.review.guard import Guard
from counts.review.pictures import PictureStore
from counts.review.place import Place, refused
from counts.review.presence import Presence
from counts.review.recount import Recount
from counts.review.sessions import Sessions
from counts.review.settings import ReviewSettings
from flightplan.errors import OverflyError

API = "/api/v1"
_ROUTERS = (
    items.router,
    bulk.router,
    frames.router,
    pairs.router,
    sample.router,
    counting.router,
    dashboard.router,
    geography.router,
    people.router,
)
_MOST_FAULTS = 20
_LOG = logging.getLogger("overfly.review")


def create_app(settings: ReviewSettings) -> FastAPI:
    """Make the server of one census. Raises CensusError when it cannot be opened."""
    census = Census.open(settings.census, create=False)
    try:
        return _over(census, settings)
    except BaseException:
        census.close()
        raise


def _over(census: Census, settings: ReviewSettings) -> FastAPI:
    files = PictureFiles.of_census(settings.census, settings.pictures, kept=settings.cache / "hashes.json")
    pictures = PictureStore(settings.cache, files)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            pictures.trim()
            place.draw_mosaics()
            yield
        finally:
            pictures.close()
            census.close()

    app = FastAPI(
        title="overfly review",
        description="Detections, verdicts, pairs, samples and estimates of one census.",
        version="1",
        lifespan=lifespan,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    basemap = None if settings.basemap is None else BaseMap.open(settings.basemap)
    people = Sessions(settings, census)
    place = Place(settings, census, people, pictures, Recount(settings.count), Presence(files), basemap)
    app.state.place = place
    for router in _ROUTERS:
        app.include_router(router, prefix=API)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")
    app.mount("/vendor", StaticFiles(directory=pages.VENDOR, check_dir=False), name="vendor")
    app.add_exception_handler(OverflyError, _said)
    app.add_exception_handler(RequestValidationError, _invalid)
    # The pages' routes are in no schema, so this is all there is.
    document = describe(app, _ROUTERS, API)
    app.openapi = lambda: document  # type: ignore[method-assign]
    app.add_middleware(Guard, settings=settings)
    return app


def _said(_: Request, error: Exception) -> JSONResponse:
    """An error of ours, see `refused`."""
    assert isinstance(error, OverflyError)
    _LOG.warning("%s", error)
    told = refused(error)
    return JSONResponse({"detail": told.detail}, status_code=told.status_code, headers=told.headers)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    """What is wrong with a request, without what it held: passwords, or what no JSON can hold, would come back."""
    assert isinstance(error, RequestValidationError)
    found = [{"type": e["type"], "loc": [_printable(v) for v in e["loc"]], "msg": _printable(e["msg"])}
             for e in error.errors()[:_MOST_FAULTS]]  # fmt: skip
    return JSONResponse({"detail": found}, status_code=422)


def _printable(part: str | int) -> str | int:
    """Part of a place in a request, as JSON can hold it."""
    return part if isinstance(part, int) else part[:200].encode("utf-8", "replace").decode()
