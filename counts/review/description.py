"""The API's own description (OpenAPI 3.1): each route with the role it is for and the errors it may answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from counts.review.sessions import COOKIE, Role

ERRORS = {
    400: "the request is no HTTP, or its body no JSON",
    401: "log in first",
    403: "the role does not allow it, or another page sent it",
    404: "there is no such thing in the survey under review",
    408: "the body took too long to arrive",
    409: "it does not fit what is there; the answer says why",
    410: "the picture is not there any more, or cannot be read",
    413: "the body is too large",
    414: "the address is too long",
    415: "the body is not application/json",
    416: "there are no such bytes, or more than one range was asked for",
    421: "the server does not go by that name",
    422: "a field is missing, unknown, or out of its bounds; the answer says which",
    429: "too many wrong passwords: wait",
    431: "the headers are too long",
    503: "the census is busy or out of reach, or a mosaic is being drawn: try again, under the same request name",
}
"""What errors mean, by status; each has a JSON body with `detail`."""

BYTES = {"type": "string", "format": "binary"}
ANYWHERE = (400, 404, 409, 414, 421, 422, 431, 503)
_CHANGES, _FOR_SOMEBODY = (403, 408, 413, 415), (401, 403)
_BODY = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
_FLAW = {
    "type": "object",
    "required": ["type", "loc", "msg"],
    "additionalProperties": False,
    "description": "What is wrong with one field, and where it is.",
    "properties": {
        "type": {"type": "string"},
        "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "msg": {"type": "string"},
    },
}
_REFUSAL = {
    "type": "object",
    "required": ["detail"],
    "additionalProperties": False,
    "description": "Why a request was refused; what is wrong with its fields (422), where that is why.",
    "properties": {
        "detail": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/Flaw"}}]}
    },
}


def describe(app: FastAPI, routers: Iterable[APIRouter], prefix: str) -> dict[str, Any]:
    """Return the OpenAPI document of all routes in the schema; `routers` are the app's, included under `prefix`."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    roles = {(prefix + route.path, method): role_of(route) for route in routes for method in route.methods or ()}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(operation, method, roles[path, method.upper()])
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas |= {"Refusal": _REFUSAL, "Flaw": _FLAW}
    _tuples_as_lists(document)
    parts["securitySchemes"] = {"session": {"type": "apiKey", "in": "cookie", "name": COOKIE}}
    return document


def _tuples_as_lists(part: Any) -> None:
    """Say of a tuple of like things that it is a list so long: the same, in words that more programs know."""
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _tuples_as_lists(inner)
    if (
        isinstance(part, dict)
        and isinstance(kinds := part.get("prefixItems"), list)
        and all(k == kinds[0] for k in kinds)
    ):
        part["items"] = part.pop("prefixItems")[0]


def shape(schema: dict[str, Any]) -> str:
    """A schema in a few words, for people: "list of Item", "text, at most 80", "1 to 500"."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(shape(s) for s in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " or ".join(f"“{v}”" for v in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        items = schema.get("items")
        many = " and ".join(shape(s) for s in schema["prefixItems"]) if "prefixItems" in schema else ""
        told = f"list of {many or (shape(items) if isinstance(items, dict) else 'anything')}"
        return told + _limits(schema, "minItems", "maxItems")
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"{shape(schema['additionalProperties'])}, by name" + _limits(schema, "minProperties", "maxProperties")
    words = {"null": "nothing", "string": "text", "object": "object"}
    if kind == "string":
        return words[kind] + _limits(schema, "minLength", "maxLength")
    return words.get(kind, kind) + _limits(schema, "minimum", "maximum")


def _limits(schema: dict[str, Any], least: str, most: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low is None and high is None:
        return ""
    return (
        f", {low} to {high}"
        if None not in (low, high)
        else f", at least {low}"
        if high is None
        else f", at most {high}"
    )


def role_of(route: APIRoute) -> Role:
    """The least role a route is for, by its dependencies."""
    roles = [getattr(d.call, "least_role", Role.NOBODY) for d in route.dependant.dependencies]
    return max(roles, default=Role.NOBODY)


def _complete(operation: dict[str, Any], method: str, role: Role) -> None:
    operation["x-role"] = role.name.lower()
    statuses = {*ANYWHERE, *(_CHANGES if method == "post" else ())}
    if role is not Role.NOBODY:
        statuses |= {*_FOR_SOMEBODY}
        operation["security"] = [{"session": []}]
    answers = operation["responses"]
    # What a route says of an error itself stays.
    for status in sorted(statuses | {int(s) for s in answers if s.isdigit() and int(s) >= 400}):
        told = answers.get(str(status), {}).get("description")
        kept = told if told not in (None, "", "Validation Error") else ERRORS[status]
        answers[str(status)] = {"description": kept, "content": _BODY}
    operation["responses"] = dict(sorted(answers.items()))
