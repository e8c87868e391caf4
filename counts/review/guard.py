"""What stands between the network and the pages: host names, origins, sizes of bodies, and headers of answers.

A request for a host name that is not ours, or one that changes something and comes from another origin, is refused
before any page sees it: other web pages that a ranger's browser has open can send requests to this server too.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from counts.review.settings import MAX_BODY_BYTES, ReviewSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
     b"worker-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
     b"object-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)  # fmt: skip


class Guard:
    """Refuses what no page of ours sends; see the module."""

    def __init__(self, app: App, settings: ReviewSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in _HEADERS if h[0] not in there)]
            await send(message)

        await self._app(scope, _Bounded(receive), with_headers)

    def _refusal(self, method: str, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        host = headers.get(b"host", b"").decode("latin-1")
        if _name(host) not in self._settings.allowed_hosts:
            return 421, "this server does not go by that name"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return 413, f"a request holds at most {MAX_BODY_BYTES >> 20} MB"
        if method in SAFE_METHODS:
            return None
        site = headers.get(b"sec-fetch-site", b"same-origin")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if site not in (b"same-origin", b"none") or (origin and urlsplit(origin).netloc != host):
            return 403, "this was sent by another page"
        if not origin and b"sec-fetch-site" not in headers and b"x-overfly" not in headers:
            return 403, "changes are sent with an Origin, or with a header X-Overfly"
        return None


class _Bounded:
    """A body that ends the request when it is longer than its header said it may be."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._left = receive, MAX_BODY_BYTES

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        return {"type": "http.disconnect"} if self._left < 0 else message


def _name(host: str) -> str:
    """A host header without its port."""
    return urlsplit(f"//{host}").hostname or "" if "@" not in host and "/" not in host else ""


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
