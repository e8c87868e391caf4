"""What stands between the network and the pages: host names, origins, sizes and times of requests, headers of answers.

A request for a host name that is not ours, or one that changes something and comes from another origin, is refused
before any page sees it: other web pages that a ranger's browser has open can send requests to this server too.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from counts.review.settings import MAX_BODY_BYTES, MAX_HEADERS_BYTES, MAX_TARGET_BYTES, ReviewSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data: blob:; style-src 'self'; "
     b"style-src-attr 'unsafe-inline'; "
     b"worker-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
     b"object-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    # What somebody may see is not kept for who sits at the laptop next; answers that may be kept say so themselves.
    (b"cache-control", b"no-store"),
)  # fmt: skip
_ONCE = (b"host", b"origin", b"content-length", b"sec-fetch-site", b"range", b"content-type")
_RANGE = re.compile(rb"bytes=(\d{1,18}-\d{0,18}|-\d{1,18})")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
Refusal = tuple[int, str]


class Guard:
    """Refuses what no page of ours sends; see the module."""

    def __init__(self, app: App, settings: ReviewSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        body = _Bounded(receive, self._settings.body_s)
        begun = False

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            # What the page makes of a body that was cut off is of no use to anybody.
            if body.refusal is not None and not begun:
                return
            if message["type"] == "http.response.start":
                begun = True
                there = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in _HEADERS if h[0] not in there)]
            await send(message)

        await self._app(scope, body, with_headers)
        if body.refusal is not None and not begun:
            await _answer(send, *body.refusal)

    def _refusal(self, scope: Scope) -> Refusal | None:
        names = [name.lower() for name, _ in scope["headers"]]
        twice = next((name for name in _ONCE if names.count(name) > 1), None)
        if twice is not None:
            return 400, f"{twice.decode()} is said twice"
        headers = {name.lower(): value for name, value in scope["headers"]}
        host = headers.get(b"host", b"").decode("latin-1")
        if _name(host) not in self._settings.allowed_hosts:
            return 421, "this server does not go by that name"
        return _too_large(scope, headers) or _foreign(scope["method"], headers, host)


def _too_large(scope: Scope, headers: dict[bytes, bytes]) -> Refusal | None:
    length = headers.get(b"content-length", b"0")
    # Thousands of digits would take their time to become a number.
    if not length.isdigit() or len(length) > 18 or int(length) > MAX_BODY_BYTES:
        return 413, f"a request holds at most {MAX_BODY_BYTES >> 20} MB"
    if len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"]) > MAX_TARGET_BYTES:
        return 414, "no address of this server is that long"
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADERS_BYTES:
        return 431, "no request needs that many headers"
    if b"range" in headers and not _RANGE.fullmatch(headers[b"range"]):
        return 416, "one range of bytes is asked for at a time"
    return None


def _foreign(method: str, headers: dict[bytes, bytes], host: str) -> Refusal | None:
    site = headers.get(b"sec-fetch-site", b"same-origin")
    if method in SAFE_METHODS:
        # Another page may lead here, and may not build what it finds here into itself.
        if site not in (b"same-origin", b"none") and headers.get(b"sec-fetch-dest") not in (b"document", None):
            return 403, "this was asked for by another page"
        return None
    origin = headers.get(b"origin", b"").decode("latin-1")
    if site not in (b"same-origin", b"none") or (origin and _netloc(origin) != host.lower()):
        return 403, "this was sent by another page"
    if not origin and b"sec-fetch-site" not in headers and b"x-overfly" not in headers:
        return 403, "changes are sent with an Origin, or with a header X-Overfly"
    # Pages send JSON: what a form of another page can send without asking is none.
    kind = headers.get(b"content-type", b"application/json").split(b";")[0].strip().lower()
    if kind != b"application/json":
        return 415, "changes are sent as application/json"
    return None


class _Bounded:
    """A body that ends the request when it is longer, or takes longer, than a page's may; `refusal` says so then."""

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive, self._left, self._seconds = receive, MAX_BODY_BYTES, seconds
        self._until: float | None = None
        self._whole = False
        self.refusal: Refusal | None = None

    async def __call__(self) -> MutableMapping[str, Any]:
        if self._whole:
            return await self._receive()
        if self.refusal is None:
            now = asyncio.get_running_loop().time()
            self._until = now + self._seconds if self._until is None else self._until
            try:
                message = await asyncio.wait_for(self._receive(), max(self._until - now, 0.0))
            except TimeoutError:
                self.refusal = 408, f"a request arrives within {self._seconds:g} s"
            else:
                self._left -= len(message.get("body", b""))
                self._whole = not message.get("more_body", False)
                if self._left >= 0:
                    return message
                self.refusal = 413, f"a request holds at most {MAX_BODY_BYTES >> 20} MB"
        return {"type": "http.disconnect"}


def _name(host: str) -> str:
    """A host header without its port; "" for what is none."""
    return (urlsplit(f"//{host}").hostname or "") if _HOST.fullmatch(host) else ""


def _netloc(origin: str) -> str | None:
    scheme, _, rest = origin.partition("://")
    return rest.lower() if scheme in ("http", "https") and _HOST.fullmatch(rest) else None


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *_HEADERS]
    if status in (408, 413):
        # The rest of the body is not read, so nothing else can follow on this connection.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
