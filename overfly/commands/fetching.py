"""`overfly import STANDARD URL`: what a live service knows, into the census."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from counts.census import Census
from counts.exchange import services
from counts.exchange.importing import Imported, ImportOptions, import_standard
from counts.exchange.services.downloads import download_patrols, download_subjects
from flightplan.console import say
from flightplan.errors import CensusError

LIVE = ("earthranger", "smart")


def is_address(text: str) -> bool:
    """Whether a source is a service and no file."""
    return text.startswith(("http://", "https://"))


def import_live(
    census: Census,
    standard: str,
    target: str,
    options: ImportOptions,
    *,
    token_file: Path | None,
    since: datetime | None,
    until: datetime | None,
    patrols: Sequence[str],
) -> Imported:
    """Fetch what a service knows and bring it in as its file would be; its address is where it came from."""
    if standard not in LIVE:
        raise CensusError(f"{standard} is not read from a service", hint=f"These are: {', '.join(LIVE)}")
    if standard == "smart" and not patrols:
        raise CensusError(
            "SMART Connect is asked for patrols by their UUIDs", hint="Name them with --patrol; or export a file there"
        )
    services.check_target(target)
    token = services.read_token(services.SERVICES[standard], token_file)
    host = urlsplit(target).hostname or target
    with (
        tempfile.TemporaryDirectory(prefix="overfly-") as scratch,
        services.open_service(
            standard, target, token, on_wait=lambda seconds, why: say(f"The service {why}: waiting {seconds:.0f} s")
        ) as service,
    ):
        service.let_in()
        if standard == "earthranger":
            path, skips = download_subjects(service.client, Path(scratch), since=since, until=until)
        else:
            path, skips = download_patrols(service.client, Path(scratch), patrols)
        asked = replace(options, origin=options.origin or host)
        done = import_standard(census, standard, path, asked, now=datetime.now(UTC))
    return replace(done, skips=(*skips, *done.skips))
