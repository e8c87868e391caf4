"""The pages: HTML around the API, each opening on what matters most."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from counts.review.api.dashboard import dashboard as glance
from counts.review.description import ERRORS, shape
from counts.review.place import Here, place_of
from counts.review.sessions import Role, Visitor

STATIC = Path(__file__).parent / "static"
VENDOR = Path(__file__).parent / "vendor"
PAGES = (
    ("triage", "Review", "/"),
    ("pairs", "Same animal?", "/pairs"),
    ("sample", "Sample", "/sample"),
    ("map", "Map", "/map"),
    ("dashboard", "Dashboard", "/dashboard"),
    ("people", "People", "/people"),
)
FURTHER = (("api", "API", "/api"),)
NO_BREAK = "\u00a0"
router = APIRouter(include_in_schema=False)
_templates = Environment(
    loader=PackageLoader("counts.review", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


_templates.filters["number"] = lambda value: "–" if value is None else f"{value:,.0f}".replace(",", NO_BREAK)
_templates.filters["percent"] = lambda value: f"{value * 100:.0f}{NO_BREAK}%"


@router.get("/", response_class=HTMLResponse)
def triage(request: Request) -> Response:
    """The detections that nobody has judged, the most frequent label first."""
    return _page(request, "triage", Role.VIEWER, labels=_labels(request))


@router.get("/frames/{capture_id}", response_class=HTMLResponse)
def frame(request: Request, capture_id: int) -> Response:
    """A whole frame with everything found in it."""
    here = place_of(request)
    visitor = here.sessions.visitor(request)
    if visitor.role is Role.NOBODY:
        return _away(request)
    with here.census.reading() as session:
        if not 0 < capture_id < 2**53:
            raise HTTPException(404, "the survey has no such picture")
        name = here.name_of(capture_id, here.picture(session, capture_id).path, visitor)
    return _page(request, "frame", Role.VIEWER, capture_id=capture_id, picture=name, labels=_labels(request))


@router.get("/pairs", response_class=HTMLResponse)
def pairs(request: Request) -> Response:
    """The pairs that may be one animal, and the count that follows from the answers."""
    return _page(request, "pairs", Role.VIEWER)


@router.get("/sample", response_class=HTMLResponse)
def sample(request: Request) -> Response:
    """The frames drawn at random, to be counted blind."""
    return _page(request, "sample", Role.REVIEWER)


@router.get("/dashboard", response_class=HTMLResponse)
def dashboard(request: Request) -> Response:
    """The survey at a glance; the page asks for itself again from time to time."""
    here = place_of(request)
    visitor = here.sessions.visitor(request)
    if visitor.role is Role.NOBODY:
        return _away(request)
    return _page(request, "dashboard", Role.VIEWER, found=glance(here, visitor))


@router.get("/map", response_class=HTMLResponse)
def geography(request: Request) -> Response:
    """The survey on the map."""
    return _page(request, "map", Role.VIEWER)


@router.get("/people", response_class=HTMLResponse)
def people(request: Request) -> Response:
    """Who may look, decide and let others in."""
    return _page(request, "people", Role.MANAGER)


@router.get("/api", response_class=HTMLResponse)
def api(request: Request) -> Response:
    """The API, from its own description."""
    document = request.app.openapi()
    return _page(request, "api", Role.VIEWER, document=document, errors=ERRORS, shape=shape)


@router.get("/login", response_class=HTMLResponse)
def login(request: Request) -> Response:
    """Name and password."""
    return HTMLResponse(_render("login", Visitor("", Role.NOBODY), here=place_of(request)))


def _page(request: Request, name: str, least: Role, **content: Any) -> Response:
    here = place_of(request)
    visitor = here.sessions.visitor(request)
    if visitor.role is Role.NOBODY:
        return _away(request)
    if visitor.role < least:
        raise HTTPException(403, f"this page is for a {least.name.lower()}")
    return HTMLResponse(_render(name, visitor, here=here, **content))


def _away(request: Request) -> Response:
    # htmx would put the login into the middle of the page.
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": "/login"})
    return RedirectResponse("/login", status_code=303)


def _render(name: str, visitor: Visitor, *, here: Here, **content: Any) -> str:
    return _templates.get_template(f"{name}.html.j2").render(
        page=name, pages=PAGES, further=FURTHER, visitor=visitor, roles=Role, place=_place(here, visitor), **content
    )


def _place(here: Here, visitor: Visitor) -> str:
    """What tells a browser whether acts that wait in it are this visitor's, and about this census."""
    census = here.settings.census
    where = census if "://" in census else str(Path(census).resolve())
    return hashlib.sha256(f"{where}\n{visitor.name}".encode()).hexdigest()[:16]


def _labels(request: Request) -> list[str]:
    here = place_of(request)
    with here.census.reading() as session:
        return here.labels(session)
