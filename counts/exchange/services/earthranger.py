"""EarthRanger: events to `activity/events`, observations to the sensor endpoint of a provider.

EarthRanger has no idempotency keys of its own (earthranger-client 1.19 sends none). So each event carries its key in
its details, and after a doubtful request the events of its moment are asked for before it is sent again. Observations
cannot be asked for in that way: after a doubt they are sent again, with the same source and the same moment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from counts.columns import canonical_json
from counts.exchange.earthranger import event_bodies, observation_bodies
from counts.exchange.exported import ExportOptions
from counts.exchange.files import iso_time
from counts.exchange.records import SurveyRecords
from counts.exchange.services.client import Answer, ServiceClient, Token
from counts.store.outbox import OutgoingItem, WaitingItem
from flightplan.errors import Skip

TOKEN_VARIABLE = "OVERFLY_EARTHRANGER_TOKEN"  # noqa: S105 (the name of a variable)
KEY_FIELD = "overfly_key"
EVENTS = "/api/v1.0/activity/events"
_BATCH = 50


def headers(token: Token) -> dict[str, str]:
    """Return what lets a request in."""
    return {"Authorization": f"Bearer {token.value}"}


def make_items(
    records: SurveyRecords, options: ExportOptions, provider: str
) -> tuple[list[OutgoingItem], tuple[Skip, ...]]:
    """Return the survey's events, then the drone's observations by fifties, and the individuals without a time."""
    events, skips = event_bodies(records, options)
    items = []
    for key, body in events:
        details = {**body["event_details"], KEY_FIELD: key}
        items.append(OutgoingItem(f"event/{key}", body["title"], EVENTS, {**body, "event_details": details}))
    observations = observation_bodies(records)
    path = f"/api/v1.0/sensors/generic/{quote(provider, safe='')}/status"
    for start in range(0, len(observations), _BATCH):
        batch = observations[start : start + _BATCH]
        about = f"{len(batch)} places of the drone from {batch[0]['recorded_at']}"
        # Known by what they say: pictures that came later move the borders of a batch, and have to be told too.
        digest = hashlib.sha256(canonical_json(batch).encode()).hexdigest()
        items.append(OutgoingItem(f"observations/{records.survey.name}/{digest}", about, path, batch))
    return items, skips


def asks(client: ServiceClient, item: WaitingItem) -> Callable[[], bool] | None:
    """Return a question whether the service has an event; None for observations."""
    if item.path != EVENTS:
        return None

    def is_there() -> bool:
        moment = datetime.fromisoformat(item.body["time"])
        span = {"lower": iso_time(moment - timedelta(seconds=1)), "upper": iso_time(moment + timedelta(seconds=1))}
        answer = client.find(
            EVENTS, {"filter": json.dumps({"date_range": span}), "include_details": "true", "page_size": "200"}
        )
        key = item.body["event_details"][KEY_FIELD]
        return any(e.get("event_details", {}).get(KEY_FIELD) == key for e in _results(answer))

    return is_there


def _results(answer: Answer | None) -> list[dict[str, Any]]:
    document = None if answer is None else answer.document
    data = document.get("data", document) if isinstance(document, dict) else document
    rows = data.get("results") if isinstance(data, dict) else data
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
