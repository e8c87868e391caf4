"""The server: the API under /api/v1, the pages over it, and what guards both."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from counts.census import Census
from counts.review import pages
from counts.review.api import counting, dashboard, frames, geography, items, pairs, people, sample
from counts.review.basemap import BaseMap
from counts.review.guard import Guard
from counts.review.pictures import PictureStore
from counts.review.place import Place
from counts.review.recount import Recount
from counts.review.sessions import Sessions
from counts.review.settings import ReviewSettings
from flightplan.errors import OverflyError

API = "/api/v1"
_ROUTERS = (
    items.router,
    frames.router,
    pairs.router,
    sample.router,
    counting.router,
    dashboard.router,
    geography.router,
    people.router,
)
_LOG = logging.getLogger("overfly.review")


def create_app(settings: ReviewSettings) -> FastAPI:
    """Make the server of one census. Raises CensusError when it cannot be opened."""
    census = Census.open(settings.census, create=False)
    pictures = PictureStore(settings.cache)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pictures.trim()
        yield
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
    app.state.place = Place(settings, census, Sessions(settings, census), pictures, Recount(settings.count), basemap)
    for router in _ROUTERS:
        app.include_router(router, prefix=API)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")
    app.mount("/vendor", StaticFiles(directory=pages.VENDOR, check_dir=False), name="vendor")
    app.add_exception_handler(OverflyError, _said)
    app.add_middleware(Guard, settings=settings)
    return app


def _said(_: Request, error: Exception) -> JSONResponse:
    """An error of ours in its own words, without where on this machine it happened."""
    assert isinstance(error, OverflyError)
    _LOG.warning("%s", error)
    return JSONResponse({"detail": error.what}, status_code=409)
