"""Same animal? Every answer is kept once, can be taken back, and the count follows."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from counts.census import Census
from counts.schema import Detection, PairDecision
from counts.store import add_estimate_run, find_survey, latest_detection_run
from counts.store.identity import latest_identity_run
from counts.store.pairs import PairEntry, add_pairs, answers_for
from counts.store.people import add_person
from counts.store.results import latest_estimate_run, read_corrections, read_effort, read_estimates
from flightplan.errors import EstimateError

API = "/api/v1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Serve = Callable[..., TestClient]


@pytest.fixture
def asked(filled: Census) -> list[tuple[int, int]]:
    """Three pairs that the newest counting could not tell: the detections of each, in the order asked."""
    with filled.writing() as session:
        run = latest_identity_run(session, find_survey(session, "2026-wet").survey_id)
        rows = session.execute(
            select(func.min(Detection.fid)).group_by(Detection.capture_id).order_by(Detection.capture_id).limit(4)
        )
        keys = [r[0] for r in rows]
        pairs = list(pairwise(keys))
        assert run is not None
        add_pairs(session, run, [PairEntry(a, b, True, 2.5, 0.6, "near the gate") for a, b in pairs])
    return pairs


def read(client: TestClient, path: str, **params):
    found = client.get(API + path, params=params)
    assert found.status_code == 200, found.text
    return found.json()


def answer(client: TestClient, request: str, pair_id: int, what: str):
    found = client.post(f"{API}/pairs/answers", json={"request": request, "pair_id": pair_id, "answer": what})
    assert found.status_code == 200, found.text
    return found.json()


def standing(census: Census) -> dict[tuple[int, int], str]:
    with census.reading() as session:
        run = latest_detection_run(session, find_survey(session, "2026-wet").survey_id)
        assert run is not None
        return dict(answers_for(session, run.run_id))


def test_pairs_come_one_after_the_other_until_all_are_answered(serve: Serve, filled: Census, asked) -> None:
    page = serve()
    said = ("same", "different", "unsure")
    after = 0
    for i, what in enumerate(said):
        pair = read(page, "/pairs/next", after=after)
        assert (pair["first"]["detection_id"], pair["second"]["detection_id"]) == asked[i]
        assert (pair["distance_m"], pair["probability"], pair["together"]) == (2.5, 0.6, True)
        done = answer(page, f"request-{i:04d}", pair["pair_id"], what)
        assert done["progress"]["decided"] == i + 1
        after = pair["pair_id"]
    assert read(page, "/pairs/next", after=after) is None
    assert read(page, "/pairs/progress") == {"total": 3, "decided": 3, "answers": dict.fromkeys(said, 1)}
    assert standing(filled) == dict(zip(asked, said, strict=True))


def test_a_pair_left_for_later_comes_again(serve: Serve, asked) -> None:
    page = serve()
    first = read(page, "/pairs/next")["pair_id"]
    last = read(page, "/pairs/next", after=first + 1)["pair_id"]
    assert read(page, "/pairs/next", after=last)["pair_id"] == first


def test_an_answer_sent_again_is_written_once(serve: Serve, filled: Census, asked) -> None:
    page = serve()
    key = read(page, "/pairs/next")["pair_id"]
    answer(page, "request-0001", key, "same")
    answer(page, "request-0001", key, "same")
    with filled.reading() as session:
        assert session.scalar(select(func.count()).select_from(PairDecision)) == 1


def test_undo_takes_back_ones_own_answers_one_by_one(serve: Serve, filled: Census, asked) -> None:
    with filled.writing() as session:
        for name in ("amina", "ben"):
            add_person(session, name, "reviewer", who="boss", time_utc=NOON)
    amina, ben = serve(local_name="amina"), serve(local_name="ben")
    keys = [read(amina, "/pairs/next")["pair_id"] + i for i in range(3)]
    answer(amina, "request-0001", keys[0], "same")
    answer(amina, "request-0002", keys[0], "different")
    answer(ben, "request-0003", keys[1], "same")
    undo = [amina.post(f"{API}/pairs/undo", json={"request": f"undo-{i:05d}"}).json() for i in (1, 1, 2, 3)]
    assert [u["pair_id"] for u in undo] == [keys[0], keys[0], keys[0], None]
    assert undo[0]["progress"]["answers"]["same"] == 2, "what was said before stands again"
    assert standing(filled) == {asked[1]: "same"}


def test_how_two_lie_to_each_other_is_told_in_metres_and_not_where_on_earth(serve: Serve, asked) -> None:
    pair = read(serve(), "/pairs/next")
    east = [pair[side]["place_m"][0] for side in ("first", "second")]
    north = [pair[side]["place_m"][1] for side in ("first", "second")]
    assert sum(east) == pytest.approx(0, abs=0.1)
    assert sum(north) == pytest.approx(0, abs=0.1)
    ring = pair["first"]["footprint_m"][0]
    assert max(x for x, _ in ring) - min(x for x, _ in ring) == pytest.approx(96, abs=1)
    assert "longitude" not in str(pair)


def test_times_are_withheld_from_reviewers_of_sensitive_species(serve: Serve, filled: Census, asked) -> None:
    with filled.writing() as session:
        add_person(session, "amina", "reviewer", who="boss", time_utc=NOON)
    hidden = read(serve(local_name="amina", sensitive=frozenset({"elephant"})), "/pairs/next")
    assert hidden["first"]["time_utc"] is None
    assert read(serve(sensitive=frozenset({"elephant"})), "/pairs/next")["first"]["time_utc"] is not None


def test_what_is_no_pair_or_no_answer_is_refused(serve: Serve, filled: Census, asked) -> None:
    with filled.writing() as session:
        add_person(session, "vera", "viewer", who="boss", time_utc=NOON)
    page, viewer = serve(), serve(local_name="vera")
    good = {"request": "request-0001", "pair_id": read(page, "/pairs/next")["pair_id"], "answer": "same"}
    for bad in ({"pair_id": 10**6}, {"answer": "undo"}, {"pair_id": -1}, {"who": "x"}, {"request": "a'; DROP"}):
        assert page.post(f"{API}/pairs/answers", json=good | bad).status_code in (404, 422)
    assert viewer.post(f"{API}/pairs/answers", json=good).status_code == 403
    assert viewer.post(f"{API}/count", json={"request": "request-0001"}).status_code == 403
    assert standing(filled) == {}


def count_one_more(census: Census) -> dict:
    """What a counting does to the census, with one zebra more in all."""
    with census.writing() as session:
        survey = find_survey(session, "2026-wet").survey_id
        last = latest_estimate_run(session, survey)
        assert last is not None
        key = last.estimate_run_id
        estimates = [
            type(e)(**{**vars(e), "value": e.value + 1}) if (e.species, e.stratum) == ("zebra", None) else e
            for e in read_estimates(session, key)
        ]
        add_estimate_run(
            session, survey, identity_run_id=last.identity_run_id, effort=read_effort(session, key),
            corrections=read_corrections(session, key), estimates=estimates, parameters={"again": True},
        )  # fmt: skip
    return {}


def test_counting_again_shows_the_new_estimates_beside_the_old(serve: Serve, filled: Census, asked) -> None:
    page = serve(count=lambda: count_one_more(filled))
    assert read(page, "/count")["state"] == "never"
    begun = page.post(f"{API}/count", json={"request": "request-0001"})
    assert begun.status_code == 200
    page.app.state.place.recount.wait()
    found = read(page, "/count")
    assert (found["state"], found["error"]) == ("done", None)
    old, new = (
        next(e["value"] for e in found[when] if e["species"] == "zebra" and e["stratum"] is None)
        for when in ("before", "after")
    )
    assert new == pytest.approx(old + 1)
    page.post(f"{API}/count", json={"request": "request-0001"})
    page.app.state.place.recount.wait()
    assert read(page, "/count") == found, "the same wish counts once"


def test_a_counting_that_fails_says_why(serve: Serve) -> None:
    def fail() -> dict:
        raise EstimateError("the design has no lines")

    page = serve(count=fail)
    page.post(f"{API}/count", json={"request": "request-0001"})
    page.app.state.place.recount.wait()
    found = read(page, "/count")
    assert (found["state"], found["error"]) == ("failed", "the design has no lines")
    assert serve().post(f"{API}/count", json={"request": "request-0002"}).status_code == 409


def test_the_page_opens(serve: Serve) -> None:
    assert "<title>Same animal? · overfly</title>" in serve().get("/pairs").text
