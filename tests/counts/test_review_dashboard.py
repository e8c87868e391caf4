"""The dashboard: what people kept of what the detector said, what it missed, and the newest numbers."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from counts.census import Census
from counts.estimators import wilson_interval
from counts.review import ReviewSettings, create_app
from counts.schema import Detection
from counts.store import find_survey
from counts.store.identity import VerificationEntry, add_verification, latest_identity_run

API = "/api/v1"
BOTH = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)


@pytest.fixture
def page(serve: Callable[..., TestClient]) -> TestClient:
    return serve()


def board(page: TestClient):
    found = page.get(f"{API}/dashboard")
    assert found.status_code == 200, found.text
    return found.json()


def of(found: dict, label: str) -> dict:
    return next(d for d in found["detectors"] if d["label"] == label)


def judge(page: TestClient, request: str, *verdicts: dict) -> None:
    assert page.post(f"{API}/verdicts", json={"request": request, "verdicts": list(verdicts)}).status_code == 200


@BOTH
def test_precision_is_what_people_kept_of_what_the_detector_called_so(page: TestClient, filled: Census) -> None:
    with filled.reading() as session:
        high, low = (
            session.scalars(select(Detection.fid).where(Detection.label == "zebra", where).limit(4)).all()
            for where in (Detection.score >= 0.8, Detection.score < 0.6)
        )
    assert of(board(page), "zebra")["precision"] == {
        "hits": 0, "tried": 0, "share": None, "lower": None, "upper": None,
    }  # fmt: skip
    judge(page, "request-0001", *({"action": "accept", "detection_id": k} for k in high[:3]))
    judge(page, "request-0002", {"action": "relabel", "detection_id": high[3], "label": "elephant"})
    judge(page, "request-0003", *({"action": "reject", "detection_id": k} for k in low[:2]))
    judge(page, "request-0004", {"action": "add", "capture_id": 5, "label": "zebra", "box_px": [1, 1, 9, 9]})
    found = board(page)
    zebra = of(found, "zebra")
    assert (zebra["precision"]["hits"], zebra["precision"]["tried"]) == (3, 6)
    assert (zebra["precision"]["lower"], zebra["precision"]["upper"]) == pytest.approx(wilson_interval(3, 6))
    bands = {b["from_percent"]: (b["kept"]["hits"], b["kept"]["tried"]) for b in zebra["bands"]}
    assert sum(b[1] for k, b in bands.items() if k >= 80) == 4
    assert bands[50] == (0, 2)
    assert of(found, "elephant")["precision"]["tried"] == 0, "what people called so is no merit of the detector"
    assert {p["label"]: p["seen"] for p in found["progress"]}["zebra"] == 6


def test_recall_takes_no_credit_for_what_was_made_up_elsewhere(page: TestClient, filled: Census) -> None:
    with filled.writing() as session:
        run = latest_identity_run(session, find_survey(session, "2026-wet").survey_id)
        assert run is not None
        entries = [
            VerificationEntry(30 + i, "positive", "zebra", t, c) for i, (t, c) in enumerate([(4, 3), (0, 5), (6, 6)])
        ]
        add_verification(session, run, entries, who="amina", time_utc=datetime(2026, 3, 1, tzinfo=UTC))
    recall = of(board(page), "zebra")["recall"]
    assert (recall["hits"], recall["tried"]) == (9, 10)
    assert (recall["lower"], recall["upper"]) == pytest.approx(wilson_interval(9, 10))
    assert of(board(page), "elephant")["recall"]["share"] is None


def test_the_newest_estimates_effort_and_corrections_are_there(page: TestClient) -> None:
    found = board(page)
    assert {(e["species"], e["stratum"] is None) for e in found["estimates"]} >= {("zebra", True), ("elephant", True)}
    total = next(e for e in found["estimates"] if e["species"] == "zebra" and e["stratum"] is None)
    assert total["lower"] < total["value"] < total["upper"]
    assert of(found, "zebra")["factor"] == 1.06
    assert (found["effort"]["lines"], found["effort"]["planned_km2"], found["effort"]["gaps"]) == (26, None, 0)
    assert (found["seasons"], found["survey"]) == ([], "2026-wet")


def test_two_counted_surveys_stand_side_by_side(filled: Census, fill, tmp_path: Path) -> None:
    fill(filled, name="2027-wet", seed=4)
    app = create_app(ReviewSettings(filled.where, "2027-wet", tmp_path / "cache"))
    with TestClient(app, base_url="http://localhost:8077") as client:
        found = board(client)
        assert "<title>Dashboard · overfly</title>" in client.get("/dashboard").text
    zebra = next(s for s in found["seasons"] if s["species"] == "zebra")
    assert (zebra["first_survey"], zebra["second_survey"]) == ("2026-wet", "2027-wet")
    assert zebra["ratio"] == pytest.approx(zebra["second"] / zebra["first"])
    assert zebra["lower"] < zebra["ratio"] < zebra["upper"]
