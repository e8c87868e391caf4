"""Who is asking: signed cookies, logins, and what each role may do.

Words are kept as scrypt hashes (RFC 7914) in the census; a cookie holds a name and when it was given, signed with a key
that lies beside the drawn tiles. The role is looked up at every request, so that taking it away works at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from fastapi import HTTPException, Request

from counts.census import Census
from counts.review.settings import ReviewSettings
from counts.store.people import MANAGER, NONE, REVIEWER, VIEWER, find_person

COOKIE = "overfly_session"
LASTS_S = 14 * 24 * 3600
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1, "dklen": 32}
_TRIES, _TRIES_S = 8, 300.0


class Role(IntEnum):
    """What somebody may do; each may do what those below it may."""

    NOBODY = 0
    VIEWER = 1
    REVIEWER = 2
    MANAGER = 3


_ROLES = {NONE: Role.NOBODY, VIEWER: Role.VIEWER, REVIEWER: Role.REVIEWER, MANAGER: Role.MANAGER}


@dataclass(frozen=True)
class Visitor:
    """Somebody at the page: their name, key in the census (None for one it does not list) and role."""

    name: str
    role: Role
    person_id: int | None = None


def hash_word(word: str) -> str:
    """A salted hash of a password, to be kept as a person's secret."""
    salt = secrets.token_bytes(16)
    return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(_scrypt(word, salt)).decode()}"


def is_word(word: str, secret: str) -> bool:
    """Whether a password is the one that was hashed."""
    try:
        kind, salt, wanted = secret.split("$")
        found = _scrypt(word, base64.b64decode(salt))
    except ValueError:
        return False
    return kind == "scrypt" and hmac.compare_digest(found, base64.b64decode(wanted))


class Sessions:
    """The cookies of one server, and its memory of failed logins."""

    def __init__(self, settings: ReviewSettings, census: Census) -> None:
        self._settings, self._census = settings, census
        self._key = _key(settings.cache)
        self._failed: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def cookie(self, name: str) -> str:
        """A signed cookie for somebody."""
        content = base64.urlsafe_b64encode(json.dumps([name, int(time.time())]).encode()).decode()
        return f"{content}.{self._signed(content)}"

    def visitor(self, request: Request) -> Visitor:
        """Who sent a request; nobody, where they have to log in first."""
        name = self._named(request.cookies.get(COOKIE, ""))
        if name is None:
            if not self._settings.on_loopback:
                return Visitor("", Role.NOBODY)
            name = self._settings.local_name
        with self._census.reading() as session:
            person = find_person(session, name)
        if person is None:
            return Visitor(name, Role.MANAGER if self._settings.on_loopback else Role.NOBODY)
        return Visitor(person.name, _ROLES[person.role], person.person_id)

    def log_in(self, name: str, word: str, address: str) -> str:
        """Return a cookie for a name and its password. Raises HTTPException after too many failures, or a wrong one."""
        with self._lock:
            tries = [t for t in self._failed.get(address, []) if time.monotonic() - t < _TRIES_S]
            if len(tries) >= _TRIES:
                raise HTTPException(429, "too many wrong passwords: wait five minutes")
        with self._census.reading() as session:
            person = find_person(session, name)
        # A hash is worked out for names that are not there too: how long it takes tells nobody who is.
        secret = person.secret if person is not None and person.secret else _NOBODY
        if not is_word(word, secret) or person is None or person.role == NONE:
            with self._lock:
                self._failed[address] = [*tries, time.monotonic()]
            raise HTTPException(401, "name and password do not fit")
        return self.cookie(person.name)

    def _named(self, cookie: str) -> str | None:
        content, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signed(content).encode()):
            return None
        try:
            name, given = json.loads(base64.urlsafe_b64decode(content))
        except ValueError:
            return None
        return str(name) if time.time() - float(given) < LASTS_S else None

    def _signed(self, content: str) -> str:
        return hmac.new(self._key, content.encode(), hashlib.sha256).hexdigest()


def at_least(role: Role) -> Callable[[Request], Visitor]:
    """A dependency: the visitor, refused with 401 or 403 below a role."""

    def check(request: Request) -> Visitor:
        visitor: Visitor = request.app.state.place.sessions.visitor(request)
        if visitor.role is Role.NOBODY:
            raise HTTPException(401, "log in first")
        if visitor.role < role:
            raise HTTPException(403, f"this needs a {role.name.lower()}, and {visitor.name} is not one")
        return visitor

    return check


def _scrypt(word: str, salt: bytes) -> bytes:
    return hashlib.scrypt(word.encode(), salt=salt, **_SCRYPT)


_NOBODY = hash_word(secrets.token_hex(16))


def _key(cache: Path) -> bytes:
    """The key that signs: made once, readable by its owner alone."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / "session.key"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    return path.read_bytes()
