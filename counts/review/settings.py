"""What a review server was started with."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_BODY_BYTES = 1 << 20
MAX_TARGET_BYTES = 8192
MAX_HEADERS_BYTES = 32768


@dataclass(frozen=True)
class ReviewSettings:
    """One census, one survey, one address.

    `host` is the address listened on; `names` are further host names that browsers may call it by. Off loopback
    everybody logs in; on it `local_name` works as a manager unless the census gives that name another role. `cache`
    holds drawn tiles and the key that signs sessions. `sensitive` species are coarsened below manager. `basemap` is a
    local PMTiles, MBTiles or GeoTIFF. `count` counts the survey again and returns the document of `overfly count`.
    `draw` draws a sample to check (who, frames with detections, frames without, seed) and returns its key. What a
    request holds has to arrive within `body_s` seconds. `pictures` are folders to look for pictures in that
    are not where the census says.
    """

    census: str
    survey: str | None
    cache: Path
    host: str = "127.0.0.1"
    port: int = 8077
    local_name: str = "local"
    names: frozenset[str] = frozenset()
    sensitive: frozenset[str] = frozenset()
    basemap: Path | None = None
    body_s: float = 20.0
    count: Callable[[], Mapping[str, Any]] | None = field(default=None, compare=False)
    draw: Callable[[str, int, int, int], int] | None = field(default=None, compare=False)
    pictures: tuple[Path, ...] = ()

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host in LOOPBACK_NAMES:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The host names, without port, that a request may be addressed to; others are a page rebinding its own."""
        named = {self.host, *self.names} - {"0.0.0.0", "::"}  # noqa: S104 (listening everywhere is no name)
        return frozenset(name.lower() for name in named | LOOPBACK_NAMES)
