"""Who is asking: signed cookies, logins, and what each role may do.

Words are kept as scrypt hashes (RFC 7914) in the census; a cookie holds a name and when it was given, signed with a key
that lies beside the drawn tiles and the hash of the word. The role is looked up at every request, so that taking it
away works at once, as do a new password and a log-out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from fastapi import HTTPException, Request

from counts.census import Census
from counts.review.settings import LOOPBACK_NAMES, ReviewSettings
from counts.store.people import MANAGER, NONE, REVIEWER, VIEWER, PersonInfo, find_person
from flightplan.errors import CensusError

COOKIE = "overfly_session"
LASTS_S = 14 * 24 * 3600
_KEY_BYTES = 32
_NAME = re.compile("[^\x00-\x1f\ud800-\udfff]{1,80}")
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1, "dklen": 32}
_TRIES, _TRIES_A_NAME, _TRIES_S = 8, 24, 300.0
_HASHING = threading.BoundedSemaphore(2)
"""A hash takes 16 MB: many logins at once wait for each other."""


class Role(IntEnum):
    """What somebody may do; each may do what those below it may."""

    NOBODY = 0
    VIEWER = 1
    REVIEWER = 2
    MANAGER = 3


_ROLES = {NONE: Role.NOBODY, VIEWER: Role.VIEWER, REVIEWER: Role.REVIEWER, MANAGER: Role.MANAGER}


@dataclass(frozen=True)
class Visitor:
    """Somebody at the page: their name, key in the census (None for one it does not list) and role.

    `logged_in` is whether they came with a session, and not from this laptop without one.
    """

    name: str
    role: Role
    person_id: int | None = None
    logged_in: bool = False


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
        self._guesses = Guesses()
        self._ended = EndedSessions(settings.cache / "ended.sessions")

    def visitor(self, request: Request) -> Visitor:
        """Who sent a request; nobody, where they have to log in first."""
        cookie = request.cookies.get(COOKIE, "")
        name = _name_in(cookie)
        with self._census.reading() as session:
            person = None if name is None else find_person(session, name)
            logged_in = person is not None and self._is_ours(cookie, person)
            if not logged_in:
                if not self._is_local(request):
                    return Visitor("", Role.NOBODY)
                name = self._settings.local_name
                person = find_person(session, name)
        if person is None:
            return Visitor(name or "", Role.MANAGER)
        return Visitor(person.name, _ROLES[person.role], person.person_id, logged_in)

    def log_in(self, name: str, word: str, address: str) -> tuple[Visitor, str]:
        """Return somebody and a cookie for a name and its password.

        Raises HTTPException after too many failures, or for a wrong one.
        """
        guess = self._guesses.begin(name, address)
        with self._census.reading() as session:
            person = find_person(session, name)
        # A hash is worked out for names that are not there too: how long it takes tells nobody who is.
        secret = person.secret if person is not None and person.secret else _NOBODY
        with _HASHING:
            fits = is_word(word, secret)
        if not fits or person is None or person.role == NONE:
            raise HTTPException(401, "name and password do not fit")
        self._guesses.forget(guess)
        return Visitor(person.name, _ROLES[person.role], person.person_id), self._cookie(person)

    def log_out(self, request: Request) -> None:
        """End a request's session, for whoever else has its cookie too."""
        cookie = request.cookies.get(COOKIE, "")
        name = _name_in(cookie)
        with self._census.reading() as session:
            person = None if name is None else find_person(session, name)
        # Only what is a session is noted: anybody could fill the disk with others.
        if person is not None and self._is_ours(cookie, person):
            self._ended.add(cookie)

    def _cookie(self, person: PersonInfo) -> str:
        facts = json.dumps([person.name, int(time.time()), secrets.token_hex(8)])
        content = base64.urlsafe_b64encode(facts.encode()).decode()
        return f"{content}.{self._signed(content, person)}"

    def _is_ours(self, cookie: str, person: PersonInfo) -> bool:
        content, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signed(content, person).encode()):
            return False
        given = json.loads(base64.urlsafe_b64decode(content))[1]
        return time.time() - float(given) < LASTS_S and cookie not in self._ended

    def _signed(self, content: str, person: PersonInfo) -> str:
        """With the password's hash in it a new password ends all sessions, and another census' cookies do not fit."""
        return hmac.new(self._key, f"{content}.{person.secret}".encode(), hashlib.sha256).hexdigest()

    def _is_local(self, request: Request) -> bool:
        """Whether a request is from this machine, and was not passed on by something that others can reach."""
        passed_on = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-forwarded-host"))
        return self._settings.on_loopback and request.url.hostname in LOOPBACK_NAMES and not passed_on


class Guesses:
    """Failed logins of the last minutes, by the address that tried and by the name that was tried."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], list[float]] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, address: str) -> tuple[float, list[tuple[str, str]]]:
        """Note a try, which counts as failed until it is forgotten. Raises HTTPException (429) when there were many."""
        now = time.monotonic()
        limits = {("address", address): _TRIES, ("name", name): _TRIES_A_NAME}
        with self._lock:
            self._times = {k: left for k, t in self._times.items() if (left := [x for x in t if now - x < _TRIES_S])}
            if any(len(self._times.get(key, ())) >= most for key, most in limits.items()):
                raise HTTPException(
                    429, "too many wrong passwords: wait five minutes", headers={"Retry-After": f"{_TRIES_S:.0f}"}
                )
            for key in limits:
                self._times.setdefault(key, []).append(now)
        return now, list(limits)

    def forget(self, guess: tuple[float, list[tuple[str, str]]]) -> None:
        """Take back a try that was right; earlier ones stay, or an own login would buy more guesses at another's."""
        now, keys = guess
        with self._lock:
            for key in keys:
                if now in self._times.get(key, ()):
                    self._times[key].remove(now)


class EndedSessions:
    """Cookies that somebody logged out of, kept in a file until they would have run out: a copy of one is no use."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._ended: dict[str, float] = {}

    def add(self, cookie: str) -> None:
        """End a session."""
        with self._lock, self._path.open("a", encoding="ascii") as file:
            file.write(f"{_digest(cookie)} {time.time():.0f}\n")

    def __contains__(self, cookie: str) -> bool:
        with self._lock:
            try:
                stat = self._path.stat()
            except FileNotFoundError:
                return False
            if self._seen != (stat.st_mtime_ns, stat.st_size):
                self._seen = (stat.st_mtime_ns, stat.st_size)
                self._ended = _read_ended(self._path)
            return _digest(cookie) in self._ended


def _read_ended(path: Path) -> dict[str, float]:
    ended = {}
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        digest, _, when = line.partition(" ")
        if when.isdecimal() and time.time() - int(when) < LASTS_S:
            ended[digest] = float(when)
    return ended


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _name_in(cookie: str) -> str | None:
    """The name that a cookie claims; None for what is no cookie of ours."""
    try:
        name, given, _ = json.loads(base64.urlsafe_b64decode(cookie.partition(".")[0]))
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(name, str) or not isinstance(given, int):
        return None
    # What no database takes is nobody's name: zeros, and halves of surrogate pairs.
    return name if _NAME.fullmatch(name) else None


def at_least(role: Role) -> Callable[[Request], Visitor]:
    """A dependency: the visitor, refused with 401 or 403 below a role."""

    def check(request: Request) -> Visitor:
        visitor: Visitor = request.app.state.place.sessions.visitor(request)
        if visitor.role is Role.NOBODY:
            raise HTTPException(401, "log in first")
        if visitor.role < role:
            raise HTTPException(403, f"this needs a {role.name.lower()}, and {visitor.name} is not one")
        return visitor

    check.least_role = role  # type: ignore[attr-defined]
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
            file.write(secrets.token_bytes(_KEY_BYTES))
    except FileExistsError:
        pass
    key = path.read_bytes()
    if len(key) < _KEY_BYTES:
        # With an empty key, left by a full disk, anybody could sign.
        raise CensusError("the key of the sessions is cut short", where=str(path), hint="Delete it; all log in anew")
    return key
