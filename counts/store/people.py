"""People who work on a census, and what each of them may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from counts.schema import Grant, Person
from flightplan.errors import CensusError

VIEWER, REVIEWER, MANAGER, NONE = ROLES = ("viewer", "reviewer", "manager", "none")


@dataclass(frozen=True)
class PersonInfo:
    """Somebody and the role that holds; `secret` is what a login is checked against, None where none is needed."""

    person_id: int
    name: str
    role: str
    secret: str | None


def add_person(
    session: Session, name: str, role: str, *, who: str, time_utc: datetime, secret: str | None = None
) -> int:
    """Return the key of a person, who is written with the role when not there yet, or given it when it is another.

    `secret` has to be a salted hash, never the word itself; None leaves the one that is there. `who` gives the role.
    """
    if role not in ROLES:
        raise CensusError(f"a role is one of {', '.join(ROLES)}, not {role!r}")
    if not name.strip():
        raise CensusError("a person needs a name")
    row = session.scalars(select(Person).where(Person.name == name)).one_or_none()
    if row is None:
        row = Person(name=name)
        session.add(row)
        session.flush()
    if secret is not None:
        row.secret = secret
    if _role(session, row.fid) != role:
        session.add(Grant(person_id=row.fid, role=role, who=who, time_utc=time_utc))
    session.flush()
    return row.fid


def find_person(session: Session, name: str) -> PersonInfo | None:
    """Return a person by name, None when the census does not know them."""
    row = session.scalars(select(Person).where(Person.name == name)).one_or_none()
    return None if row is None else PersonInfo(row.fid, row.name, _role(session, row.fid) or NONE, row.secret)


def read_people(session: Session) -> tuple[PersonInfo, ...]:
    """Return everybody the census knows, each with the role that holds."""
    newest = select(func.max(Grant.fid)).group_by(Grant.person_id)
    rows = session.execute(
        select(Person, Grant.role)
        .outerjoin(Grant, (Grant.person_id == Person.fid) & Grant.fid.in_(newest))
        .order_by(Person.fid)
    )
    return tuple(PersonInfo(person.fid, person.name, role or NONE, person.secret) for person, role in rows)


def _role(session: Session, person_id: int) -> str | None:
    return session.scalars(
        select(Grant.role).where(Grant.person_id == person_id).order_by(Grant.fid.desc()).limit(1)
    ).one_or_none()
