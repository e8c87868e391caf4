"""Many detections at once, one box that holds two animals, two that hold one, and one animal in two pictures."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from counts.census import Census
from counts.schema import Detection, Verdict
from counts.store import find_survey, latest_detection_run
from counts.store.detections import read_reviewed
from counts.store.people import add_person
from overfly.chain import count_survey

API = "/api/v1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Serve = Callable[..., TestClient]


@pytest.fixture
def page(serve: Serve) -> TestClient:
    return serve()


def post(client: TestClient, path: str, status: int = 200, **body):
    found = client.post(API + path, json=body)
    assert found.status_code == status, found.text
    return found.json()


def judge(client: TestClient, request: str, *verdicts: dict, status: int = 200):
    return post(client, "/verdicts", status, request=request, verdicts=list(verdicts))


def animals(census: Census) -> Counter[str]:
    """What a count would start from, by label."""
    with census.reading() as session:
        table = read_reviewed(session, latest_detection_run(session, find_survey(session, "2026-wet").survey_id).run_id)
    return Counter(table.labels[i] for i in table.label_ids.tolist())


def in_one_capture(census: Census, least: int = 2) -> tuple[int, list[int]]:
    with census.reading() as session:
        query = (select(Detection.capture_id).where(Detection.label == "zebra").group_by(Detection.capture_id)).having(
            func.count() >= least
        )
        capture = session.scalars(query.order_by(Detection.capture_id)).first()
        keys = session.scalars(
            select(Detection.fid).where(Detection.capture_id == capture, Detection.label == "zebra")
        ).all()
    return capture, list(keys)


def test_all_above_a_score_are_one_act_and_one_undo(page: TestClient, filled: Census) -> None:
    with filled.reading() as session:
        high = (Detection.label == "zebra") & (Detection.score >= 0.8)
        there = set(session.scalars(select(Detection.fid).where(high)))
    before = animals(filled)
    chosen = {"label": "zebra", "least_score": 0.8}
    assert post(page, "/verdicts/bulk/count", **chosen)["detections"] == len(there) > 20
    act = {"request": "bulk-0001", "chosen": chosen, "action": "reject", "expected": len(there)}
    keys = post(page, "/verdicts/bulk", **act)["verdict_ids"]
    assert post(page, "/verdicts/bulk", **act)["verdict_ids"] == keys, "sent again it is the same act"
    with filled.reading() as session:
        assert set(session.scalars(select(Verdict.detection_id))) == there
    assert animals(filled)["zebra"] == before["zebra"] - len(there)
    assert post(page, "/verdicts/bulk/count", **chosen)["detections"] == 0
    assert len(post(page, "/undo", request="undo-0001")["verdict_ids"]) == len(there)
    assert animals(filled) == before


def test_acts_that_waited_are_written_in_their_order_once_and_all_or_none(page: TestClient, filled: Census) -> None:
    _, (first, second, *_) = in_one_capture(filled)

    def act(name: str, key: int, **verdict) -> dict:
        return {"request": name, "verdicts": [{"detection_id": key, **verdict}]}

    before = animals(filled)
    several = [
        act("act-00001", first, action="reject"),
        {"request": "undo-00001"},
        act("act-00002", second, action="relabel", label="donkey"),
    ]
    done = post(page, "/acts", acts=several)
    assert [len(d["verdict_ids"]) for d in done] == [1, 1, 1]
    assert post(page, "/acts", acts=several) == done
    assert animals(filled) == before - Counter(zebra=1) + Counter(donkey=1)
    refused = act("act-00004", first, action="merge", into=first)
    post(page, "/acts", 409, acts=[act("act-00003", first, action="reject"), refused])
    assert post(page, "/acts", acts=several) == done
    with filled.reading() as session:
        assert session.scalars(select(Verdict.action).order_by(Verdict.fid)).all() == ["reject", "undo", "relabel"]


def test_what_was_confirmed_is_what_is_done_or_nothing_is(page: TestClient, filled: Census) -> None:
    capture, keys = in_one_capture(filled)
    chosen = {"label": "zebra", "capture_id": capture}
    asked = post(page, "/verdicts/bulk/count", **chosen)["detections"]
    assert asked == len(keys)
    judge(page, "somebody-else", {"action": "accept", "detection_id": keys[0]})
    act = {"request": "bulk-0001", "chosen": chosen, "action": "relabel", "label": "donkey", "expected": asked}
    assert "look again" in post(page, "/verdicts/bulk", 409, **act)["detail"]
    assert animals(filled)["donkey"] == 0
    post(page, "/verdicts/bulk", **{**act, "expected": asked - 1})
    assert animals(filled)["donkey"] == asked - 1


def test_a_bulk_act_names_a_label_with_relabel_and_only_then(page: TestClient) -> None:
    act = {"request": "bulk-0001", "chosen": {"label": "zebra"}, "expected": 5}
    post(page, "/verdicts/bulk", 422, action="relabel", **act)
    post(page, "/verdicts/bulk", 422, action="accept", label="donkey", **act)


def test_viewers_neither_count_nor_judge_in_bulk(serve: Serve, filled: Census) -> None:
    with filled.writing() as session:
        add_person(session, "guest", "viewer", who="boss", time_utc=NOON)
    guest = serve(local_name="guest")
    post(guest, "/verdicts/bulk/count", 403, label="zebra")
    post(guest, "/verdicts/bulk", 403, request="bulk-0001", chosen={"label": "zebra"}, action="accept", expected=1)


def test_one_box_that_holds_two_animals_counts_two_and_undo_makes_it_one(page: TestClient, filled: Census) -> None:
    capture, keys = in_one_capture(filled)
    before = animals(filled)
    halves = [[10, 10, 20, 20], [20, 10, 30, 20]]
    split = {"action": "split", "detection_id": keys[0]}
    drawn = [{"action": "add", "capture_id": capture, "label": "zebra", "box_px": box} for box in halves]
    judge(page, "split-0001", split, *drawn)
    assert animals(filled)["zebra"] == before["zebra"] + 1
    assert len(post(page, "/undo", request="undo-0001")["verdict_ids"]) == 3
    assert animals(filled) == before


def test_two_boxes_on_one_animal_count_one_and_undo_makes_them_two(page: TestClient, filled: Census) -> None:
    _, (left, gone, *_) = in_one_capture(filled)
    before = animals(filled)
    judge(page, "merge-0001", {"action": "merge", "detection_id": gone, "into": left})
    assert animals(filled)["zebra"] == before["zebra"] - 1
    post(page, "/undo", request="undo-0001")
    assert animals(filled) == before


def test_merging_never_loses_the_animal(page: TestClient, filled: Census) -> None:
    _, (first, second, *_) = in_one_capture(filled)
    with filled.reading() as session:
        elsewhere = session.scalars(select(func.max(Detection.fid))).one()
    before = animals(filled)

    def merge(gone: int, into: int) -> dict:
        return {"action": "merge", "detection_id": gone, "into": into}

    judge(page, "merge-0001", merge(first, second), merge(second, first), status=409)
    judge(page, "merge-0002", merge(first, first), status=409)
    judge(page, "merge-0003", merge(first, elsewhere), status=409)
    assert animals(filled) == before
    judge(page, "merge-0004", merge(first, second))
    judge(page, "merge-0005", merge(second, first), status=409)
    assert animals(filled)["zebra"] == before["zebra"] - 1


def test_one_animal_of_two_pictures_is_told_apart_and_put_together_again(page: TestClient, filled: Census) -> None:
    before = count_survey(filled)
    with filled.reading() as session:
        keys = session.scalars(select(Detection.fid).order_by(Detection.fid)).all()
    others = {key: page.get(f"{API}/detections/{key}/animal").json()["others"] for key in keys}
    key, (other, *_) = next((k, o) for k, o in others.items() if o)
    assert key in [o["detection_id"] for o in others[other["detection_id"]]]
    pair = [key, other["detection_id"]]
    said = post(page, "/pairs/answers", request="answer-001", detection_ids=pair, answer="different")
    assert (said["pair_id"], said["detection_ids"]) == (None, pair)
    assert count_survey(filled).individuals == before.individuals + 1
    # The newer counting does not ask about the pair, and the answer can be taken back all the same.
    assert sorted(post(page, "/pairs/undo", request="undo-0001")["detection_ids"]) == sorted(pair)
    assert post(page, "/pairs/undo", request="undo-0002")["detection_ids"] is None
    assert count_survey(filled).individuals == before.individuals


def test_an_answer_is_about_a_pair_or_about_two_detections(page: TestClient, filled: Census) -> None:
    _, (first, second, *_) = in_one_capture(filled)
    post(page, "/pairs/answers", 422, request="answer-001", answer="same")
    post(page, "/pairs/answers", 422, request="answer-001", answer="same", pair_id=1, detection_ids=[first, second])
    post(page, "/pairs/answers", 404, request="answer-001", answer="same", detection_ids=[first, 10**6])
    post(page, "/pairs/answers", 409, request="answer-001", answer="same", detection_ids=[first, second])
