"""Who may do what at the review page: every role at every route, by the table in conftest.py."""

import pytest

from counts.review.sessions import Role

API = "/api/v1"
ORDER = ("nobody", "none", "viewer", "reviewer", "manager")
LAST = ("/login", "/logout")
PAGES = {
    "/": "viewer", "/frames/5": "viewer", "/pairs": "viewer", "/sample": "reviewer", "/map": "viewer",
    "/dashboard": "viewer", "/people": "manager", "/api": "viewer", "/login": "nobody",
    "/static/review.css": "nobody", "/api/v1/openapi.json": "nobody",
}  # fmt: skip


def test_every_route_of_the_api_is_in_the_table_with_its_role(guarded, routes) -> None:
    document = guarded.as_role("manager").get(f"{API}/openapi.json").json()
    described = {
        f"{method.upper()} {path.removeprefix(API)}": operation["x-role"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert described == {str(r): r.role for r in routes}, "a new route needs a line in conftest.py: routes"


def test_every_route_says_whom_it_is_for_what_it_answers_and_its_errors(guarded) -> None:
    document = guarded.as_role("manager").get(f"{API}/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert len(operation["description"]) > 15, path
            answers = operation["responses"]
            good = [a for status, a in answers.items() if status < "300"]
            assert all(content["schema"] for a in good for content in a.get("content", {}).values()), path
            assert any(a.get("content") for a in good) or "204" in answers, path
            for status in ("401", "403") if operation["x-role"] != "nobody" else ():
                assert status in answers, path
            assert {"400", "404", "422", "503"} <= set(answers), path
            assert method == "get" or {"403", "408", "413", "415"} <= set(answers), path
            if "requestBody" in operation:
                assert list(operation["requestBody"]["content"]) == ["application/json"]
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), f"{name} says nothing of itself"


@pytest.mark.parametrize("role", ORDER)
def test_a_role_may_what_the_table_says_and_nothing_else(guarded, routes, role) -> None:
    client = guarded.as_role(role)
    before = guarded.tables()
    rank = ORDER.index(role)
    forbidden = [r for r in routes if ORDER.index(r.role) > rank]
    for route in forbidden:
        answer = route.call(client)
        assert answer.status_code == (401 if rank < 2 else 403), route
        assert set(answer.json()) == {"detail"}
    assert guarded.tables() == before, "a refused request changed something"
    # Logging in makes somebody else of the client, so it comes last.
    for route in sorted((r for r in routes if ORDER.index(r.role) <= rank), key=lambda r: r.path in LAST):
        assert route.call(client).status_code in route.done, route


@pytest.mark.parametrize("role", ORDER)
def test_pages_open_for_whom_they_are(guarded, role) -> None:
    client = guarded.as_role(role)
    for path, least in PAGES.items():
        answer = client.get(path, follow_redirects=False)
        if ORDER.index(role) >= ORDER.index(least):
            assert answer.status_code == 200, path
        elif ORDER.index(role) < 2:
            assert (answer.status_code, answer.headers["location"]) == (303, "/login"), path
        else:
            assert answer.status_code == 403, path


def test_a_viewer_reads_and_leaves_the_census_as_it_is(guarded, routes) -> None:
    client = guarded.as_role("viewer")
    before = guarded.tables()
    for route in routes:
        route.call(client)
    assert guarded.tables() == before


def test_roles_are_in_the_order_of_the_tests() -> None:
    assert [r.name.lower() for r in sorted(Role)] == [r for r in ORDER if r != "none"]
