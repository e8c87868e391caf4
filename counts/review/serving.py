"""How the review page is put on the network: HTTP/1.1 alone, and no connection is held open by saying little."""

from __future__ import annotations

import asyncio

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEADERS_S = 20.0


class Prompt(H11Protocol):
    """HTTP/1.1 whose connections are closed when a request's headers take longer than `headers_s`.

    Uvicorn waits for them without end: a few hundred that trickle would leave no connection for anybody else.
    """

    headers_s = HEADERS_S
    _clock: asyncio.TimerHandle | None = None
    _last: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch."""
        super().connection_made(transport)
        self._clock = self.loop.call_later(self.headers_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._clock is not None:
            self._clock.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        waiting = cycle is None or cycle.response_complete
        if waiting and cycle is self._last:
            self.transport.close()
            return
        # A request that is being answered may take its time; what comes after it is watched from then on.
        self._last = cycle if waiting else None
        self._clock = self.loop.call_later(self.headers_s, self._look)


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until it is stopped."""
    uvicorn.run(app, host=host, port=port, http=Prompt, ws="none", log_level="warning", server_header=False)
