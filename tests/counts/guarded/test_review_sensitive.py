"""Below manager nothing tells exactly where, when, or in which file a sensitive species was seen."""

import re
from itertools import pairwise

import pytest
from sqlalchemy import select

from counts.census import Census
from counts.review.pages import PAGES
from counts.schema import Capture, Detection, Footprint, Sighting
from counts.store import find_survey

API = "/api/v1"
SECRET = frozenset({"elephant"})
LEAST_DEGREES = 0.004
"""A place told to within 400 m is one that poachers find; cells are a tenth of a degree."""


@pytest.fixture(scope="module")
def secrets(peopled_file):
    """What must not be told of the survey's pictures: files' names, times, and where they and the animals are."""
    with Census.open(peopled_file, create=False) as census, census.reading() as session:
        survey = find_survey(session, "2026-wet").survey_id
        rows = session.execute(
            select(Capture.path, Capture.time_utc, Capture.position).where(Capture.survey_id == survey)
        ).all()
        animals = session.scalars(select(Sighting.point)).all()
        outlines = session.scalars(select(Footprint.polygon)).all()
    names = {re.split(r"[/\\]", r[0])[-1] for r in rows} | {re.split(r"[/\\]", r[0])[-2] for r in rows}
    times = {f"{r[1]:%Y-%m-%d}" for r in rows} | {f"{r[1]:%H:%M:%S}" for r in rows} | {f"{r[1]:%Y%m%d}" for r in rows}
    places = {(p.x, p.y) for p in (*(r[2] for r in rows), *animals, *(o.centroid for o in outlines))}
    return names, times, places


def numbers(value):
    """Every pair of numbers side by side in a document, which is how places are written."""
    if isinstance(value, dict):
        yield from numbers(list(value.values()))
    elif isinstance(value, list):
        plain = [v if isinstance(v, (int, float)) and not isinstance(v, bool) else None for v in value]
        yield from ((a, b) for a, b in pairwise(plain) if a is not None and b is not None)
        for part in value:
            yield from numbers(part)


def told(answer, secrets) -> list[str]:
    """What an answer tells of what must not be told."""
    names, times, places = secrets
    text = answer.text + "".join(f"{k}: {v}" for k, v in answer.headers.items() if k not in ("date", "last-modified"))
    found = [name for name in names if name in text] + [time for time in times if time in text]
    if answer.content and "json" in answer.headers.get("content-type", ""):
        # The areas of the plan are no secret, nor are the corners that bound them.
        for a, b in numbers(without_the_plan(answer.json())):
            found += [f"{a} {b}" for x, y in places if abs(a - x) + abs(b - y) < LEAST_DEGREES]
    return found


def without_the_plan(document):
    if isinstance(document, dict):
        return {k: v for k, v in document.items() if k not in ("strata", "exclusions", "bounds", "masks")}
    return document


@pytest.mark.parametrize("role", ["nobody", "none", "viewer", "reviewer"])
def test_no_route_tells_where_when_or_in_which_file(guarded, routes, secrets, role) -> None:
    client = guarded.as_role(role, sensitive=SECRET)
    asked = 0
    for route in sorted(routes, key=lambda r: r.path in ("/login", "/logout")):
        for capture in (5, 30, 31) if "capture_id" in route.at else (None,):
            at = route.at if capture is None else {**route.at, "capture_id": capture}
            answer = route.call(client, at=at)
            assert told(answer, secrets) == [], (str(route), answer.text[:300])
            asked += 1
        for wrong in ({"request": "x"}, {**(route.body or {}), "request": "undo-99999"}):
            if route.method == "POST":
                assert told(route.call(client, body=wrong), secrets) == [], route
    assert asked >= len(routes)
    for path in (*(address for _, _, address in PAGES), "/frames/5", "/api", "/login", f"{API}/openapi.json"):
        assert told(client.get(path), secrets) == [], path


def test_a_manager_is_told_all_of_it(guarded, routes, secrets) -> None:
    """Or the test above would find nothing whatever the page said."""
    client = guarded.as_role("manager", sensitive=SECRET)
    by_route = {str(r): told(r.call(client), secrets) for r in routes if r.path not in ("/login", "/logout")}
    for route in (
        "GET /captures/{capture_id}", "GET /map", "GET /map/footprints", "GET /map/sightings", "GET /pairs/next",
    ):  # fmt: skip
        assert by_route[route], route


def test_in_a_survey_without_secrets_everybody_is_told(guarded, routes, secrets) -> None:
    client = guarded.as_role("viewer")
    assert told(client.get(f"{API}/captures/5"), secrets)
    assert client.get(f"{API}/map").json()["flown"]["features"]


def test_no_verdict_shows_on_the_map_which_picture_it_was_in(guarded) -> None:
    """A reviewer who rejects one zebra beside elephants would read off the map where both are."""
    client = guarded.as_role("reviewer", sensitive=SECRET)
    world = {"west": -180, "south": -90, "east": 180, "north": 90}
    with Census.open(guarded.path) as census, census.reading() as session:
        key = session.scalars(select(Detection.fid).where(Detection.label == "zebra").limit(1)).one()
    act = {"request": "verdict-0001", "verdicts": [{"action": "reject", "detection_id": key}]}
    assert client.post(f"{API}/verdicts", json=act).status_code == 200
    features = client.get(f"{API}/map/sightings", params=world).json()["features"]["features"]
    (rejected,) = [f for f in features if f["properties"]["state"] == "reject"]
    x, y = rejected["geometry"]["coordinates"]
    cell = [f for f in features if f["geometry"]["coordinates"] == [x, y]]
    assert len(cell) > 100
    assert [round(v / 0.1 - 0.5, 6) % 1 for v in (x, y)] == [0, 0]


def test_a_picture_that_is_gone_is_not_named(guarded, secrets) -> None:
    client = guarded.as_role("reviewer", sensitive=SECRET)
    answer = client.get(f"{API}/captures/40/tiles/0/0/0.jpg")
    assert answer.status_code == 410
    assert told(answer, secrets) == []
