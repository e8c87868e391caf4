"""The API and its description are one: requests made up from it, good and bad ones, are answered as it says.

Schemathesis makes the requests. OVERFLY_SCHEMA_EXAMPLES=200 makes a longer run of it than the few of every day.
"""

import copy
import os
import warnings

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

API = "/api/v1"
EXAMPLES = int(os.environ.get("OVERFLY_SCHEMA_EXAMPLES", "4"))
FAR, NEAR = 2**53, 60
MAY_CHANGE = {
    "nobody": set(),
    "viewer": set(),
    "reviewer": {
        "verdicts", "review_states", "tallies", "detections", "detection_runs", "detectors", "pair_decisions",
        "sample_assignments", "sample_counts", "audit", "sqlite_sequence", "gpkg_contents",
    },
}  # fmt: skip
MAY_CHANGE["manager"] = MAY_CHANGE["reviewer"] | {"people", "grants", "samples", "sample_frames"}
# Under these names there are surveys, labels and people: a guess at random meets none of them.
BOX = {"enum": [[10, 10, 60, 40], [0, 0, 5, 5], [700, 500, 800, 600]]}
KNOWN = {"label": ["zebra", "elephant"], "name": ["vera", "rita", "nat"]}

pytestmark = pytest.mark.slow


def near(part):
    """The description with keys that are there: up to 60, and not up to 2**53."""
    if isinstance(part, dict):
        return {k: NEAR if k == "maximum" and v == FAR else near(v) for k, v in part.items()}
    return [near(v) for v in part] if isinstance(part, list) else part


def known(document: dict) -> dict:
    """The description with labels that are there, and decisions and answers that are whole."""
    document = copy.deepcopy(document)
    schemas = document["components"]["schemas"]
    one = schemas["Judgement"]["properties"]["detection_id"]["anyOf"][0]
    kinds = (
        {"action": {"enum": ["accept", "reject", "split"]}, "detection_id": one},
        {"action": {"const": "relabel"}, "detection_id": one, "label": {"enum": ["zebra", "impala"]}},
        {"action": {"const": "move"}, "detection_id": one, "box_px": BOX},
        {"action": {"const": "merge"}, "detection_id": one, "into": one},
        {"action": {"const": "add"}, "capture_id": one, "label": {"enum": ["zebra", "x"]}, "box_px": BOX},
    )
    schemas["Judgement"] = {"oneOf": [whole(kind) for kind in kinds]}
    act = schemas["Act"]["properties"]
    act["verdicts"] = act["verdicts"] | {"maxItems": 2}
    said = schemas["Answer"]["properties"]
    schemas["Answer"] = whole({"request": said["request"], "answer": said["answer"], "pair_id": {"enum": [1, 2, 3, 4]}})
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in KNOWN:
                    parameter["schema"] = {"type": "string", "enum": KNOWN[parameter["name"]]}
    return document


def whole(properties: dict) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


@pytest.mark.parametrize("role", ["nobody", "viewer", "reviewer", "manager"])
def test_whatever_the_description_allows_and_forbids_is_answered_as_it_says(guarded, role) -> None:
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        negative_data_rejection,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    if role == "manager":
        checks.append(negative_data_rejection)
    client = guarded.as_role(role)
    before = guarded.tables()
    document = client.get(f"{API}/openapi.json").json()
    for methods in document["paths"].values():
        for operation in methods.values():
            # Who asks is the client's matter here: a made-up cookie would be all that is wrong with most requests.
            operation.pop("security", None)
    answered: dict[str, dict[int, int]] = {}

    def send(case) -> None:
        prepared = requests.Request(**case.as_transport_kwargs(base_url=str(client.base_url))).prepare()
        headers = {k: v for k, v in prepared.headers.items() if k.lower() not in ("host", "content-length")}
        answer = client.request(prepared.method, prepared.url, content=prepared.body, headers=headers)
        seen = answered.setdefault(case.operation.label, {})
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        case.validate_response(answer, checks=checks)

    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    for described, mode in ((near(known(document)), modes[0]), (document, modes[0]), (document, modes[1])):
        for found in schemathesis.openapi.from_dict(described).get_all_operations():
            operation = found.ok()
            if mode is modes[1] and not (operation.body or operation.query or operation.path_parameters):
                continue
            strategy = operation.as_strategy(generation_mode=mode)
            run = settings(
                max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
                suppress_health_check=list(HealthCheck), phases=[Phase.generate],
            )(given(strategy)(send))  # fmt: skip
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    run()
            except Unsatisfiable:
                assert mode is modes[1], operation.label
    print(role, sum(sum(seen.values()) for seen in answered.values()), answered)
    assert len(answered) == sum(map(len, document["paths"].values()))
    after = guarded.tables()
    assert {name for name in before if before[name] != after[name]} <= MAY_CHANGE[role]
    good = {label for label, seen in answered.items() if any(status < 300 for status in seen)}
    if role == "manager":
        # Or all of it would be about requests that were refused.
        assert len(good) > len(answered) * 0.7, sorted(set(answered) - good)
