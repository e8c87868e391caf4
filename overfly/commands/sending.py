"""`overfly export STANDARD --to URL`: a survey to a live service, through the census' outbox."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from counts.census import Census
from counts.exchange import ExportOptions, services
from counts.exchange.names import gather_named
from flightplan.console import say
from flightplan.errors import Skip


def plan_sending(
    census: Census,
    survey: str,
    standard: str,
    target: str,
    options: ExportOptions,
    sensitive: Collection[str],
    area: str | None,
    provider: str,
) -> tuple[dict[str, Any], str, list[Skip]]:
    """Return what would be sent, without a request and without a trace in the outbox: document, text, skips."""
    address = services.check_target(target)
    with census.reading() as session:
        records, named = gather_named(session, survey, sensitive, options)
    items, skips = services.make_items(standard, records, named, area=area, provider=provider)
    document = {
        "standard": standard,
        "survey": survey,
        "to": address,
        "dry_run": True,
        "items": [{"about": i.about, "path": i.path, "body": i.body} for i in items],
    }
    text = "\n".join(
        [f"{len(items)} items would be sent to {address}", *(f"  {i.path}  {i.about}" for i in items[:20])]
    )
    return document, text if len(items) <= 20 else f"{text}\n  ...", list(skips)


def send_survey(
    census: Census,
    survey: str,
    standard: str,
    target: str,
    options: ExportOptions,
    sensitive: Collection[str],
    area: str | None,
    provider: str,
    token_file: Path | None,
) -> tuple[dict[str, Any], str, list[Skip]]:
    """Queue what a survey has to tell and send all that waits: document, text, and what was not sent, by name."""
    services.check_target(target)
    token = services.read_token(services.SERVICES[standard], token_file)
    with services.open_service(
        standard,
        target,
        token,
        area=area,
        provider=provider,
        on_wait=lambda seconds, why: say(f"The service {why}: waiting {seconds:.0f} s"),
    ) as service:
        queued, untold = services.enqueue(census, survey, service, options, sensitive=sensitive, now=datetime.now(UTC))
        address = service.client.target
        sent = services.send(census, service)
    document = {
        "standard": standard,
        "survey": survey,
        "to": address,
        "queued": queued.new,
        "known": queued.known,
        "delivered": sent.delivered,
        "already_there": sent.there,
        "refused": len(sent.refused),
        "waiting": sent.waiting,
        "stopped": sent.stopped,
    }
    text = f"{address}: {sent.delivered:,} delivered, {sent.there:,} already there, {sent.waiting:,} waiting"
    skips = [*untold, *queued.skips, *sent.refused]
    if sent.waiting:
        skips.append(Skip(f"{sent.waiting} items", f"they wait in the outbox of the census: {sent.stopped}"))
    return document, text, skips
