"""The one way out to services: HTTP with a token nobody sees, with patience, and with a key on every request.

A request ends in one of four ways: it arrived (2xx, or 409: it was there), it was refused for what it says (other 4xx),
the door is shut (401, 403, 404, a redirect: nothing more is tried), or nobody knows (no answer, 408, 425, 429, 5xx).
Of the last kind it is tried again, after waiting as long as the service asks or twice as long as before.
"""

from __future__ import annotations

import ipaddress
import json
import math
import os
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from counts.exchange.files import one_line
from flightplan.clock import Clock, WallClock
from flightplan.closing import Closing
from flightplan.errors import ServiceError

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 1 << 22
MAX_DOCUMENT_BYTES = 1 << 27
"""Years of a collar's fixes are some megabytes."""
KEY_HEADER = "Idempotency-Key"
_TRY_AGAIN = frozenset({408, 425, 429})
_SHUT = frozenset({401, 403, 404, 405, 410})
_NO_HTTPX = "sending to services needs httpx"


@dataclass(frozen=True)
class Patience:
    """How often a request is tried, how long an answer may take, and how long is waited in between, in seconds."""

    tries: int = 5
    timeout_s: float = 30.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 300.0


@dataclass(frozen=True)
class Answer:
    """What a service said: `is_known` when it has had the request before; `document` is its JSON, None for none."""

    status: int
    document: Any
    text: str
    is_known: bool = False


class RefusedError(ServiceError):
    """A request that the service understood and does not take: the same again would be refused again."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"refused it ({status}): {said}" if said else f"refused it ({status})")
        self.status = status


class UnansweredError(ServiceError):
    """A request that may have arrived or not, however often it was tried."""


@dataclass(frozen=True)
class Token:
    """A secret for a header. It shows itself to nobody but the service."""

    value: str = field(repr=False)
    source: str = "given"

    def __str__(self) -> str:
        return f"<token from {self.source}>"


def read_token(variable: str, file: Path | None = None) -> Token:
    """Return the secret in a file, else in an environment variable.

    Raises ServiceError where there is none, and for a file that others on this machine can read.
    """
    if file is None:
        value = os.environ.get(variable, "").strip()
        if not value:
            raise ServiceError(
                "there is no token for the service", hint=f"Set {variable}, or name a file with --token-file"
            )
        return Token(_checked(value, variable), variable)
    try:
        if os.name == "posix" and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ServiceError("the token's file can be read by others", where=str(file), hint=f"chmod 600 {file}")
        value = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, ServiceError):
            raise
        raise ServiceError("the token's file cannot be read", where=str(file)) from error
    return Token(_checked(value, str(file)), str(file))


def check_target(url: str) -> str:
    """Return a service's address without a slash at its end.

    Raises ServiceError for what is no http(s) address, carries a password, or would send the token in the clear.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ServiceError(f"{url!r} is no address", hint="Name one like https://park.pamdas.org") from error
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ServiceError(f"{url!r} is no address of a service", hint="Name one like https://park.pamdas.org")
    if parts.username or parts.password:
        raise ServiceError("the address carries a name or a password", hint="Put it into the token's file instead")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ServiceError(f"http would send the token to {host} in the clear", hint="Use https")
    return url.rstrip("/")


class ServiceClient(Closing):
    """A connection to one service. Use it as a context manager, or close it.

    `headers` go with every request. `clock` is what waiting goes by. Raises ServiceError when httpx is not installed.
    """

    def __init__(
        self,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        secrets: tuple[Token, ...] = (),
        patience: Patience | None = None,
        clock: Clock | None = None,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        self.target = check_target(target)
        self.patience = patience or Patience()
        self._secrets = secrets
        self._clock = clock or WallClock()
        self._on_wait = on_wait or (lambda seconds, why: None)
        self._http = _open(self.patience, headers or {})

    def post(
        self, path: str, body: Any, key: str, *, is_there: Callable[[], bool] | None = None, in_doubt: bool = False
    ) -> Answer:
        """Send a JSON body with its idempotency key, again and again as long as nobody knows whether it arrived.

        `is_there` asks the service whether it has the item; it is asked before every request but the first, and before
        the first too when an earlier run left the item `in_doubt`. Raises RefusedError, UnansweredError, and
        ServiceError where the door is shut.
        """
        content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        headers = {"Content-Type": "application/json", KEY_HEADER: key}
        wait_s = self.patience.first_wait_s
        why = ""
        for turn in range(1, self.patience.tries + 1):
            if (turn > 1 or in_doubt) and is_there is not None and is_there():
                return Answer(200, None, "", is_known=True)
            answer, asked_s, why = self._once("POST", path, headers=headers, content=content)
            if answer is not None:
                return answer
            if turn < self.patience.tries:
                pause_s = wait_s if asked_s is None else asked_s
                if pause_s > self.patience.longest_wait_s:
                    why = f"{why}, and asks to wait {pause_s:.0f} s"
                    break
                self._wait(pause_s, why)
                wait_s = min(wait_s * 2, self.patience.longest_wait_s)
        raise UnansweredError(why, where=self.target, hint="It stays in the outbox: run the same again later")

    def find(self, path: str, params: Mapping[str, str] | None = None) -> Answer | None:
        """Ask for something, None where there is no such thing (404). Raises as `post` does, without trying again."""
        answer, _, why = self._once("GET", path, may_miss=True, params=dict(params or {}))
        if answer is None:
            raise UnansweredError(why, where=self.target)
        return None if answer.status == 404 else answer

    def fetch(self, path: str, params: Mapping[str, str] | None = None, *, may_miss: bool = False) -> Any:
        """Ask for a document, again and again as long as nobody answers; None where `may_miss` and there is none (404).

        Raises UnansweredError, RefusedError, and ServiceError where the door is shut, or for what is not JSON or too
        large.
        """
        wait_s, why = self.patience.first_wait_s, ""
        for turn in range(1, self.patience.tries + 1):
            answer, asked_s, why = self._once(
                "GET", path, may_miss=may_miss, most_bytes=MAX_DOCUMENT_BYTES, params=dict(params or {})
            )
            if answer is not None:
                if answer.document is None and answer.status != 404:
                    raise ServiceError("answered what is no JSON, or too large", where=self.target + path)
                return answer.document
            pause_s = wait_s if asked_s is None else asked_s
            if turn < self.patience.tries and pause_s <= self.patience.longest_wait_s:
                self._wait(pause_s, why)
                wait_s = min(wait_s * 2, self.patience.longest_wait_s)
            else:
                break
        raise UnansweredError(why, where=self.target, hint="Nothing was brought in: run the same again later")

    def sign_in(self, landing: str, path: str, form: Mapping[str, str]) -> None:
        """Open a page, then post a form whose answer leaves a cookie: as SMART Connect wants it, with its redirects."""
        pages: list[tuple[str, str, dict[str, Any]]] = [("GET", landing, {}), ("POST", path, {"data": dict(form)})]
        for method, where, sent in pages:
            try:
                answer, _, why = self._once(method, where, redirect_is_fine=True, **sent)
            except RefusedError as error:
                raise ServiceError(
                    f"does not let us in ({error.status})", where=self.target, hint=_HINTS[401]
                ) from error
            if answer is None:
                raise UnansweredError(why, where=self.target)

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def _once(
        self,
        method: str,
        path: str,
        *,
        redirect_is_fine: bool = False,
        may_miss: bool = False,
        most_bytes: int = MAX_ANSWER_BYTES,
        **request: Any,
    ) -> tuple[Answer | None, float | None, str]:
        """Make one request; no answer means that nobody knows, with the seconds the service asks for, and why."""
        import httpx

        try:
            with self._http.stream(method, self.target + path, **request) as response:
                status, headers = response.status_code, response.headers
                text = self._text(response, most_bytes)
        except httpx.TransportError as error:
            return None, None, f"did not answer ({_kind(error)})"
        except httpx.HTTPError as error:
            return None, None, f"answered what cannot be read ({_kind(error)})"
        if status in _TRY_AGAIN or status >= 500:
            return None, _retry_after(headers.get("retry-after"), self._clock.now_s()), f"answered {status}"
        if 300 <= status < 400 and not redirect_is_fine:
            raise ServiceError(
                f"sends on to another address ({status})", where=self.target, hint="Name that address, if you trust it"
            )
        if status == 404 and may_miss:
            return Answer(status, None, ""), None, ""
        if status in _SHUT:
            raise ServiceError(f"does not let us in ({status})", where=self.target + path, hint=_HINTS.get(status))
        document = _document(text)
        if 400 <= status < 500 and status != 409:
            raise RefusedError(status, self._hidden(one_line(text)[:300]))
        return Answer(status, document, self._hidden(one_line(text)[:200]), is_known=status == 409), None, ""

    def _text(self, response: httpx.Response, most_bytes: int) -> str:
        found, size = [], 0
        for part in response.iter_bytes():
            found.append(part)
            size += len(part)
            if size > most_bytes:
                break
        return b"".join(found)[:most_bytes].decode("utf-8", errors="replace")

    def _hidden(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret.value, "***")
        return text

    def _wait(self, seconds: float, why: str) -> None:
        self._on_wait(seconds, why)
        condition = threading.Condition()
        with condition:
            self._clock.wait(condition, seconds)


_HINTS = {
    401: "Its token is wrong or has run out",
    403: "Its account may not write there",
    404: "The address, or the area's id, is not the service's",
    405: "The address is not the service's",
}


def _open(patience: Patience, headers: Mapping[str, str]) -> httpx.Client:
    try:
        import httpx
    except ImportError as error:
        raise ServiceError(_NO_HTTPX, hint="pip install 'overfly[services]'") from error
    return httpx.Client(
        headers={"Accept": "application/json", "User-Agent": "overfly", **headers},
        timeout=patience.timeout_s,
        follow_redirects=False,
    )


def _checked(value: str, source: str) -> str:
    if not value or not value.isprintable() or not value.isascii():
        raise ServiceError("the token is empty, or holds what no token holds", where=source)
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _retry_after(said: str | None, now_s: float) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3): a number, or a date; None for anything else."""
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            moment = parsedate_to_datetime(said)
        except ValueError:
            return None
        zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        seconds = (zoned - datetime.fromtimestamp(now_s, UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _kind(error: Exception) -> str:
    return type(error).__name__
