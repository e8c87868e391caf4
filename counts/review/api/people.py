"""Logging in and out, who one is, and the people of a census with their roles."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from counts.review.api.items import PLAIN
from counts.review.place import Here, Manager, Viewer
from counts.review.sessions import COOKIE, LASTS_S, Role, hash_word
from counts.store.people import add_person, read_people

router = APIRouter(tags=["people"])


def _composed(name: str) -> str:
    """One way to write a name: keyboards send é as one character or as two, and spaces around are seen by nobody."""
    composed = unicodedata.normalize("NFC", name).strip()
    if not composed:
        raise ValueError("a name has a letter at least")
    return composed


Name = Annotated[str, Field(min_length=1, max_length=80, pattern=PLAIN), AfterValidator(_composed)]
Word = Annotated[str, Field(min_length=8, max_length=200)]


class Login(BaseModel):
    """A name and its password."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    password: Annotated[str, Field(max_length=200)]


class Me(BaseModel):
    """Who the server takes one for."""

    name: str
    role: str


class PersonIn(BaseModel):
    """Somebody to let in, with a role; without a password the old one stays."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    role: Literal["viewer", "reviewer", "manager", "none"]
    password: Word | None = None


@router.get("/me")
def me(here: Here, visitor: Viewer) -> Me:
    """Who the server takes one for."""
    return Me(name=visitor.name, role=visitor.role.name.lower())


@router.post("/login", responses={401: {"description": "name and password do not fit"}, 429: {}})
def log_in(here: Here, request: Request, response: Response, login: Login) -> Me:
    """Get a session's cookie for a name and its password."""
    address = request.client.host if request.client else ""
    visitor, cookie = here.sessions.log_in(login.name, login.password, address)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, cookie, max_age=LASTS_S, httponly=True, samesite="strict", secure=secure)
    return Me(name=visitor.name, role=visitor.role.name.lower())


@router.post("/logout", status_code=204)
def log_out(here: Here, request: Request, response: Response) -> None:
    """End the session, and forget it in this browser."""
    here.sessions.log_out(request)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


@router.get("/people")
def people(here: Here, visitor: Manager) -> list[Me]:
    """Everybody the census lets in, with their roles."""
    with here.census.reading() as session:
        return [Me(name=p.name, role=p.role) for p in read_people(session)]


@router.post("/people")
def let_in(here: Here, visitor: Manager, person: PersonIn) -> Me:
    """Let somebody in, or give them another role or password. Nobody takes their own manager's role away."""
    if person.name == visitor.name and visitor.role is Role.MANAGER and person.role != "manager":
        raise HTTPException(409, "nobody takes their own role away: let another manager do it")
    secret = hash_word(person.password) if person.password else None
    with here.census.writing() as session:
        add_person(session, person.name, person.role, who=visitor.name, time_utc=datetime.now(UTC), secret=secret)
    return Me(name=person.name, role=person.role)
