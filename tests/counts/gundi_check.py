"""Run by an interpreter of its own (`make readers`): what EarthRanger's and SMART's clients say of our bodies.

gundi-core and smartconnect-client want pydantic below 2. Reads a JSON document from stdin, writes one to stdout.
"""

import json
import sys

from erclient.client import ERClient
from gundi_core.schemas.v2.earthranger import EREvent, ERObservation
from gundi_core.schemas.v2.smart import SMARTRequest as GundiRequest
from smartconnect.models import DataModel, SMARTRequest


class Answer:
    ok, status_code, text = True, 201, "{}"

    @staticmethod
    def json():
        return {"data": {"id": "1"}}


class Session:
    """Stands in for the session of requests: it keeps what would go over the line."""

    def __init__(self):
        self.posted = []

    def patch(self, url, **request):
        raise AssertionError("nothing is patched")

    def post(self, url, data=None, headers=None, params=None):
        self.posted.append({"url": url, "body": json.loads(data)})
        return Answer()


def extra(model, body):
    return sorted(set(body) - set(model.__fields__))


def main():
    asked = json.load(sys.stdin)
    session = Session()
    client = ERClient(service_root="https://park.example", token="t", provider_key="overfly", client_id="x")
    client._http_session = session
    client.auth_headers = lambda: {}
    for event in asked["events"][:3]:
        EREvent.parse_obj(event)
        client.post_event(dict(event))
    client.post_sensor_observation([dict(o) for o in asked["observations"][:3]], "generic")
    for event in asked["events"]:
        EREvent.parse_obj(event)
    for observation in asked["observations"]:
        ERObservation.parse_obj(observation)
    dates = []
    for feature in asked["features"]:
        dates.append(json.loads(SMARTRequest.parse_obj(feature).json())["properties"]["dateTime"])
        GundiRequest.parse_obj(feature)
    model = DataModel()
    model.load(asked["data_model"])
    found = model.export_as_dict()
    json.dump(
        {
            "events": len(asked["events"]),
            "observations": len(asked["observations"]),
            "features": len(dates),
            "extra": {
                "event": sorted({k for e in asked["events"] for k in extra(EREvent, e)}),
                "observation": sorted({k for o in asked["observations"] for k in extra(ERObservation, o)}),
            },
            "posted": session.posted,
            "dates": dates,
            "attributes_kept": sorted(
                {
                    k
                    for f in asked["features"]
                    for k in SMARTRequest.parse_obj(f).properties.smartAttributes.__fields_set__
                }
            ),
            "categories": sorted(c["path"] for c in found["categories"] if c["isactive"] == "true"),
            "options": {a["key"]: sorted(o["key"] for o in a["options"] or []) for a in found["attributes"]},
        },
        sys.stdout,
    )


main()
