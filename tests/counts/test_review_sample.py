"""The random sample: given out, counted blind, corrected by its counter alone, and compared."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from counts.census import Census
from counts.store import find_survey, latest_detection_run
from counts.store.detections import read_detections
from counts.store.people import add_person
from counts.store.samples import SampleFrameEntry, add_sample, checked_sample_of, first_counts, latest_sample

API = "/api/v1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
# An L: its notch belongs to another frame.
ZONE = [[[100, 100], [700, 100], [700, 300], [400, 300], [400, 500], [100, 500], [100, 100]]]
Serve = Callable[..., TestClient]


@pytest.fixture
def serve(serve: Serve, filled: Census) -> Serve:
    with filled.writing() as session:
        for name, role in (("amina", "reviewer"), ("ben", "reviewer"), ("vera", "viewer")):
            add_person(session, name, role, who="boss", time_utc=NOON)
    return lambda **changes: serve(draw=lambda *said: draw(filled, *said), **changes)


def draw(census: Census, who: str, positive: int, zero: int, seed: int) -> int:
    """What the census draws: here the captures with the first keys."""
    with census.writing() as session:
        survey = find_survey(session, "2026-wet").survey_id
        run = latest_detection_run(session, survey)
        assert run is not None
        keys = list(dict.fromkeys(read_detections(session, run.run_id).capture_id.tolist()))[: positive + zero]
        return add_sample(
            session, survey, run.run_id, [SampleFrameEntry(k, "positive", ZONE) for k in keys],
            seed=seed, parameters={"positive": positive, "zero": zero}, who=who, time_utc=NOON,
        )  # fmt: skip


def read(client: TestClient, path: str):
    found = client.get(API + path)
    assert found.status_code == 200, found.text
    return found.json()


def post(client: TestClient, path: str, request: str, **content):
    found = client.post(API + path, json={"request": request, **content})
    assert found.status_code == 200, found.text
    return found.json()


def count_all(client: TestClient, name: str, seen: list[dict]) -> None:
    for i, marks in enumerate(seen):
        frame = read(client, "/sample/next")
        post(client, "/sample/counts", f"{name}-{i:05d}", frame_id=frame["frame_id"], marks_px=marks)


def herd(n: int) -> list[list[float]]:
    return [[150 + 10 * i, 200] for i in range(n)]


def test_a_manager_draws_and_the_same_draw_is_the_same_sample(serve: Serve) -> None:
    chief = serve()
    assert read(chief, "/sample")["sample_id"] is None
    first = post(chief, "/sample", "request-0001", positive=4, zero=2, seed=3)
    assert (first["frames"], first["first_left"], first["second_left"], first["counted"]) == (6, 6, 6, 0)
    assert post(chief, "/sample", "request-0002", positive=4, zero=2, seed=3)["sample_id"] == first["sample_id"]
    refused = serve(local_name="amina").post(f"{API}/sample", json={"request": "request-0003"})
    assert refused.status_code == 403
    assert serve(local_name="vera").get(f"{API}/sample").status_code == 403


def test_nobody_gets_a_frame_that_another_has_in_that_look(serve: Serve) -> None:
    chief, amina, ben = serve(), serve(local_name="amina"), serve(local_name="ben")
    post(chief, "/sample", "request-0001", positive=5, zero=0)
    assert post(amina, "/sample/assignments", "request-0002", open=3)["open"] == 3
    assert post(amina, "/sample/assignments", "request-0002", open=3)["open"] == 3, "sent again it gives no more"
    assert post(ben, "/sample/assignments", "request-0003", open=9)["open"] == 2
    assert post(ben, "/sample/assignments", "request-0004", open=9, turn=2)["open"] == 5
    mine = read(amina, "/sample/next")["frame_id"]
    theirs = ben.get(f"{API}/sample/frames/{read(ben, '/sample/next')['frame_id']}")
    assert theirs.status_code == 200
    assert serve().get(f"{API}/sample/frames/{mine}").status_code == 404


def test_a_frame_tells_nothing_of_what_was_detected_in_it(serve: Serve) -> None:
    chief = serve()
    post(chief, "/sample", "request-0001", positive=2, zero=0)
    post(chief, "/sample/assignments", "request-0002", open=2)
    frame = read(chief, "/sample/next")
    assert set(frame) == {
        "frame_id", "number", "capture_id", "part", "width_px", "height_px", "tile_px", "levels", "drawn", "zone_px",
        "marks_px", "before",
    }  # fmt: skip
    assert frame["zone_px"] == ZONE


def test_what_was_not_marked_was_not_there(serve: Serve, filled: Census) -> None:
    amina = serve(local_name="amina")
    post(serve(), "/sample", "request-0001", positive=3, zero=0)
    post(amina, "/sample/assignments", "request-0002", open=3)
    count_all(amina, "amina", [{"zebra": herd(4)}, {}, {"donkey": herd(1)}])
    assert read(amina, "/sample/next") is None
    with filled.reading() as session:
        sample = latest_sample(session, find_survey(session, "2026-wet").survey_id)
        assert sample is not None
        counts = list(first_counts(session, sample).values())
    assert counts == [
        {"elephant": 0, "zebra": 4},
        {"elephant": 0, "zebra": 0},
        {"elephant": 0, "zebra": 0, "donkey": 1},
    ]
    state = read(amina, "/sample")
    assert (state["counted"], state["mine"], state["open"]) == (3, 3, 0)


def test_a_second_count_of_ones_own_corrects_the_first(serve: Serve, filled: Census) -> None:
    amina = serve(local_name="amina")
    post(serve(), "/sample", "request-0001", positive=2, zero=0)
    post(amina, "/sample/assignments", "request-0002", open=2)
    count_all(amina, "amina", [{"zebra": herd(4)}])
    frame = read(amina, "/sample/next")
    before = read(amina, f"/sample/frames/{frame['before']}")
    assert (before["number"], before["marks_px"]["zebra"]) == (1, herd(4))
    post(amina, "/sample/counts", "request-0003", frame_id=frame["before"], marks_px={"elephant": herd(2)})
    post(amina, "/sample/counts", "request-0003", frame_id=frame["before"], marks_px={"elephant": herd(9)})
    with filled.reading() as session:
        sample = latest_sample(session, find_survey(session, "2026-wet").survey_id)
        assert sample is not None
        assert first_counts(session, sample) == {frame["before"]: {"elephant": 2, "zebra": 0}}


def test_two_people_over_the_same_frames_are_compared(serve: Serve) -> None:
    chief, amina, ben = serve(), serve(local_name="amina"), serve(local_name="ben")
    post(chief, "/sample", "request-0001", positive=4, zero=0)
    post(amina, "/sample/assignments", "request-0002", open=4)
    post(ben, "/sample/assignments", "request-0003", open=4, turn=2)
    assert all(a["frames"] == 0 for a in read(chief, "/sample/agreement"))
    count_all(amina, "amina", [{"zebra": herd(n)} for n in (0, 0, 2, 3)])
    count_all(ben, "ben", [{"zebra": herd(n)} for n in (0, 1, 2, 3)])
    found = {a["species"]: a for a in read(chief, "/sample/agreement")}
    zebra = found["zebra"]
    assert (zebra["frames"], zebra["first_total"], zebra["second_total"], zebra["same"]) == (4, 5, 6, 0.75)
    # Presence: 3 of 4 agree; by chance 1/2 * 3/4 + 1/2 * 1/4 = 1/2 would: κ = (3/4 - 1/2) / (1/2).
    assert zebra["presence_kappa"] == pytest.approx(0.5)
    assert found["elephant"]["presence_kappa"] is None
    assert amina.get(f"{API}/sample/agreement").status_code == 403


@pytest.mark.parametrize(
    ("marks", "status"),
    [
        ({"zebra": [[600, 400]]}, 409),
        ({"zebra": [[50, 50]]}, 409),
        ({"zebra": [[99, 300]]}, 200),
        ({"zebra": [["a", 1]]}, 422),
        ({"zebra": [[1e9, 1]]}, 422),
        ({"": [[150, 200]]}, 422),
        ({"zebra": [[150, 200, 3]]}, 422),
    ],
)
def test_marks_lie_inside_the_outline(serve: Serve, marks: dict, status: int) -> None:
    chief = serve()
    post(chief, "/sample", "request-0001", positive=1, zero=0)
    post(chief, "/sample/assignments", "request-0002", open=1)
    frame = read(chief, "/sample/next")["frame_id"]
    body = {"request": "request-0003", "frame_id": frame, "marks_px": marks}
    assert chief.post(f"{API}/sample/counts", json=body).status_code == status
    assert read(chief, "/sample")["counted"] == (status == 200)


def test_the_page_is_for_those_who_count(serve: Serve) -> None:
    assert "<title>Sample · overfly</title>" in serve(local_name="amina").get("/sample").text
    assert "Draw a sample" not in serve(local_name="amina").get("/sample").text
    assert "Draw a sample" in serve().get("/sample").text
    assert serve(local_name="vera").get("/sample").status_code == 403


def test_a_sample_just_begun_takes_nothing_away_from_one_that_is_done(serve: Serve, filled: Census) -> None:
    def used() -> int | None:
        with filled.reading() as session:
            run = latest_detection_run(session, find_survey(session, "2026-wet").survey_id)
            assert run is not None
            return checked_sample_of(session, run.run_id)

    amina, chief = serve(local_name="amina"), serve()
    first = post(chief, "/sample", "request-0001", positive=2, zero=0)["sample_id"]
    assert used() is None
    post(amina, "/sample/assignments", "request-0002", open=2)
    count_all(amina, "first", [{}])
    assert used() == first, "better than none"
    count_all(amina, "again", [{}])
    second = post(chief, "/sample", "request-0003", positive=2, zero=1, seed=2)["sample_id"]
    post(amina, "/sample/assignments", "request-0004", open=3)
    count_all(amina, "later", [{}, {}])
    assert used() == first
    count_all(amina, "last0", [{}])
    assert used() == second
