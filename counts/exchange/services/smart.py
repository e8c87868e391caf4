"""SMART Connect 7: each feature of the export is one request to `api/data/{area}`.

It lets people in by a form whose answer leaves a cookie (smartconnect-client 1.16), so its secret is "name:password".
After a doubtful request an incident or the start of a patrol is asked for by its UUID, which follows from the survey;
track points, a patrol's waypoints and missions cannot be asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from counts.exchange.exported import ExportOptions
from counts.exchange.records import SurveyRecords
from counts.exchange.services.client import ServiceClient, Token
from counts.exchange.smart import make_features
from counts.store.outbox import OutgoingItem, WaitingItem
from flightplan.errors import CensusError, ServiceError, Skip

TOKEN_VARIABLE = "OVERFLY_SMART_LOGIN"  # noqa: S105 (the name of a variable)


def sign_in(client: ServiceClient, token: Token) -> None:
    """Open a session. Raises ServiceError for a secret that is not "name:password", and where it is not let in."""
    name, colon, password = token.value.partition(":")
    if not (name and colon and password):
        raise ServiceError("SMART Connect wants NAME:PASSWORD", where=token.source)
    client.sign_in("/connect/home", "/j_security_check", {"j_username": name, "j_password": password})


def make_items(
    records: SurveyRecords, options: ExportOptions, area: str | None
) -> tuple[list[OutgoingItem], tuple[Skip, ...]]:
    """Return a request for each feature, in their order. Raises CensusError without the area's UUID."""
    try:
        path = f"/api/data/{UUID(area or '').hex}"
    except ValueError as error:
        raise CensusError(
            f"{area!r} is no UUID of a conservation area" if area else "SMART Connect wants a conservation area",
            hint="Name its UUID with --area; SMART shows it in the area's properties",
        ) from error
    features, skips = make_features(records, options)
    items = []
    seen: dict[str, int] = {}
    for feature in features:
        said = feature["properties"]
        own = said["smartAttributes"]
        base = own.get("incidentUuid") or own.get("patrolUuid") or own.get("missionUuid")
        key = f"{said['smartFeatureType']}/{base}/{said['dateTime']}"
        seen[key] = seen.get(key, 0) + 1
        about = own.get("comment") or f"{said['smartFeatureType']} of {said['dateTime']}"
        items.append(OutgoingItem(f"{key}/{seen[key]}", about, path, feature))
    return items, skips


def asks(client: ServiceClient, item: WaitingItem) -> Callable[[], bool] | None:
    """Return a question whether the service has an incident or a patrol; None for what cannot be asked for."""
    said: dict[str, Any] = item.body["properties"]
    own = said["smartAttributes"]
    if said["smartDataType"] == "incident":
        path, field, value = "waypoint/incident", "client_incident_uuid", own["incidentUuid"]
    elif said["smartFeatureType"] == "start" and said["smartDataType"] == "patrol":
        path, field, value = "patrol", "client_patrol_uuid", own["patrolUuid"]
    else:
        return None

    def is_there() -> bool:
        answer = client.find(f"/api/query/custom/{path}", {field: value})
        return answer is not None and isinstance(answer.document, list) and len(answer.document) > 0

    return is_there
