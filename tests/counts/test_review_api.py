"""The review server: nothing acknowledged is lost or doubled, all can be taken back, and only by whom it may be."""

from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import func, select

from counts.census import Census
from counts.review.pictures import TILE_PX
from counts.review.sessions import hash_word, is_word
from counts.schema import Capture, Detection, Verdict
from counts.store.people import add_person
from detect.sources import hash_file

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
API = "/api/v1"
Serve = Callable[..., TestClient]


@pytest.fixture
def page(serve: Serve) -> TestClient:
    return serve()


def read(client: TestClient, path: str, **params):
    found = client.get(API + path, params=params)
    assert found.status_code == 200, found.text
    return found.json()


def judge(client: TestClient, request: str, *verdicts: dict) -> list[int]:
    found = client.post(f"{API}/verdicts", json={"request": request, "verdicts": list(verdicts)})
    assert found.status_code == 200, found.text
    return found.json()["verdict_ids"]


def undo(client: TestClient, request: str) -> list[int]:
    return client.post(f"{API}/undo", json={"request": request}).json()["verdict_ids"]


def seen(client: TestClient) -> dict[str, tuple[int, int]]:
    return {p["label"]: (p["seen"], p["total"]) for p in read(client, "/progress")}


def everything(client: TestClient, label: str) -> list[dict]:
    found, after = [], {}
    while True:
        got = read(client, "/items", label=label, limit=50, **after)
        found += got["items"]
        if got["after"] is None:
            return found
        after = {"after_score": got["after"]["score"], "after_id": got["after"]["detection_id"]}


def test_pages_go_through_every_detection_once_by_falling_score(page: TestClient, filled: Census) -> None:
    found = everything(page, "zebra")
    with filled.reading() as session:
        there = session.scalars(select(Detection.fid).where(Detection.label == "zebra")).all()
    assert sorted(i["detection_id"] for i in found) == sorted(there)
    scores = [i["score"] for i in found]
    assert scores == sorted(scores, reverse=True)
    assert seen(page)["zebra"] == (0, len(there))


def test_a_verdict_is_counted_at_once_and_the_next_one_is_another(page: TestClient) -> None:
    first = read(page, "/items/next", label="zebra")
    judge(page, "request-0001", {"action": "accept", "detection_id": first["detection_id"]})
    after = {"after_score": first["score"], "after_id": first["detection_id"]}
    second = read(page, "/items/next", label="zebra", **after)
    assert second["detection_id"] != first["detection_id"]
    assert seen(page)["zebra"][0] == 1
    (judged,) = read(page, "/items", label="zebra", state="judged")["items"]
    assert (judged["detection_id"], judged["state"]) == (first["detection_id"], "accept")


def test_an_act_sent_again_is_known_and_not_written_twice(page: TestClient, filled: Census) -> None:
    item = read(page, "/items/next", label="zebra")
    verdict = {"action": "reject", "detection_id": item["detection_id"]}
    keys = judge(page, "request-0001", verdict)
    assert judge(page, "request-0001", verdict) == keys
    with filled.reading() as session:
        assert session.scalar(select(func.count()).select_from(Verdict)) == 1


def test_undo_takes_back_act_after_act_a_whole_batch_at_once(page: TestClient) -> None:
    items = everything(page, "zebra")[:7]
    judge(page, "request-0001", {"action": "reject", "detection_id": items[0]["detection_id"]})
    bulk = [{"action": "relabel", "detection_id": i["detection_id"], "label": "donkey"} for i in items[1:6]]
    judge(page, "request-0002", *bulk)
    judge(page, "request-0003", {"action": "accept", "detection_id": items[6]["detection_id"]})
    assert seen(page)["donkey"] == (5, 5)
    assert len(undo(page, "undo-00001")) == 1
    assert len(undo(page, "undo-00002")) == 5
    assert len(undo(page, "undo-00002")) == 5, "the same wish is the same undo"
    assert "donkey" not in seen(page)
    assert len(undo(page, "undo-00003")) == 1
    assert undo(page, "undo-00004") == []
    assert seen(page)["zebra"][0] == 0


def test_a_missed_animal_is_drawn_moved_and_withdrawn(page: TestClient) -> None:
    total = seen(page)["zebra"][1]
    drawn = {"action": "add", "capture_id": 5, "label": "zebra", "box_px": [10, 10, 40, 30]}
    judge(page, "request-0001", drawn)
    assert seen(page)["zebra"] == (1, total + 1)
    (item,) = [i for i in read(page, "/captures/5/items") if i["state"] == "add"]
    assert item["box_px"] == [10, 10, 40, 30]
    judge(page, "request-0002", {"action": "move", "detection_id": item["detection_id"], "box_px": [12, 10, 42, 30]})
    (item,) = [i for i in read(page, "/captures/5/items") if i["state"] == "move"]
    assert item["box_px"] == [12, 10, 42, 30]
    undo(page, "undo-00001")
    undo(page, "undo-00002")
    assert seen(page)["zebra"][0] == 0


def test_two_reviewers_undo_their_own_acts_alone(filled: Census, serve: Serve) -> None:
    with filled.writing() as session:
        for name in ("amina", "ben"):
            add_person(session, name, "reviewer", who="boss", time_utc=NOON)
    amina, ben = serve(local_name="amina"), serve(local_name="ben")
    one, two = everything(amina, "zebra")[:2]
    judge(amina, "request-0001", {"action": "reject", "detection_id": one["detection_id"]})
    judge(ben, "request-0002", {"action": "reject", "detection_id": two["detection_id"]})
    undo(amina, "undo-00001")
    assert undo(amina, "undo-00002") == []
    (left,) = read(amina, "/items", label="zebra", state="judged")["items"]
    assert left["detection_id"] == two["detection_id"]


@pytest.mark.parametrize(
    "verdict",
    [
        {"action": "accept", "detection_id": 10**9},
        {"action": "add", "capture_id": 10**9, "label": "zebra", "box_px": [0, 0, 1, 1]},
        {"action": "accept"},
        {"action": "relabel", "detection_id": 1},
        {"action": "add", "capture_id": 1, "label": "zebra", "box_px": [5, 0, 1, 1]},
        {"action": "add", "capture_id": 1, "label": "zebra", "box_px": [0, 0, float("1e9"), 1]},
        {"action": "accept", "detection_id": -1},
        {"action": "accept", "detection_id": 1, "who": "somebody else"},
        {"action": "relabel", "detection_id": 1, "label": "a\x00b"},
        {"action": "drop table", "detection_id": 1},
        {"action": "undo", "detection_id": 1},
    ],
)
def test_what_cannot_be_is_refused_and_nothing_of_its_act_is_written(
    page: TestClient, filled: Census, verdict: dict
) -> None:
    item = read(page, "/items/next", label="zebra")
    good = {"action": "accept", "detection_id": item["detection_id"]}
    found = page.post(f"{API}/verdicts", json={"request": "request-0001", "verdicts": [good, verdict]})
    assert found.status_code in (404, 409, 422)
    with filled.reading() as session:
        assert session.scalar(select(func.count()).select_from(Verdict)) == 0


def test_roles_say_who_may_look_decide_and_let_in(filled: Census, serve: Serve) -> None:
    with filled.writing() as session:
        for role in ("viewer", "reviewer", "none"):
            add_person(session, role, role, who="boss", time_utc=NOON)
    verdict = {"request": "request-0001", "verdicts": [{"action": "accept", "detection_id": 1}]}
    person = {"name": "new", "role": "viewer"}
    may = {"none": (401, 401, 401), "viewer": (200, 403, 403), "reviewer": (200, 200, 403), "chief": (200, 200, 200)}
    for name, expected in may.items():
        client = serve(local_name=name)
        done = (
            client.get(f"{API}/progress"),
            client.post(f"{API}/verdicts", json=verdict),
            client.post(f"{API}/people", json=person),
        )
        assert tuple(d.status_code for d in done) == expected


def test_off_loopback_everybody_logs_in_and_is_slowed_down_when_guessing(filled: Census, serve: Serve) -> None:
    with filled.writing() as session:
        add_person(session, "amina", "reviewer", who="boss", time_utc=NOON, secret=hash_word("correct horse"))
    client = serve(host="camp.local")
    assert client.get(f"{API}/progress").status_code == 401
    wrong = {"name": "amina", "password": "battery staple"}
    assert [client.post(f"{API}/login", json=wrong).status_code for _ in range(9)] == [401] * 8 + [429]
    fresh = serve(host="camp.local")
    right = fresh.post(f"{API}/login", json={"name": "amina", "password": "correct horse"})
    assert right.status_code == 200
    assert "HttpOnly" in right.headers["set-cookie"]
    assert "samesite=strict" in right.headers["set-cookie"].lower()
    assert read(fresh, "/me") == {"name": "amina", "role": "reviewer"}
    # A server that is started again knows the session still; a role taken away works at once.
    again = serve(host="camp.local")
    again.cookies = fresh.cookies
    assert read(again, "/me")["name"] == "amina"
    with filled.writing() as session:
        add_person(session, "amina", "none", who="boss", time_utc=NOON)
    assert again.get(f"{API}/me").status_code == 401


def test_a_cookie_that_was_tampered_with_is_nobodys(filled: Census, serve: Serve) -> None:
    with filled.writing() as session:
        add_person(session, "amina", "manager", who="boss", time_utc=NOON, secret=hash_word("correct horse"))
    client = serve(host="camp.local")
    client.post(f"{API}/login", json={"name": "amina", "password": "correct horse"})
    cookie = client.cookies["overfly_session"]
    for bad in (cookie[:-1] + ("0" if cookie[-1] != "0" else "1"), "x." + cookie.split(".")[1], "", "a.b.c", "é"):
        fresh = serve(host="camp.local")
        header = {"Cookie": f"overfly_session={bad}".encode()}
        assert fresh.get(f"{API}/me", headers=header).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost@evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://localhost:8077"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_other_pages_can_change_nothing(page: TestClient, headers: dict[str, str], status: int) -> None:
    found = page.post(f"{API}/undo", json={"request": "request-0001"}, headers=headers)
    assert found.status_code == status


def test_a_plain_form_of_another_page_is_refused(page: TestClient) -> None:
    del page.headers["X-Overfly"]
    found = page.post(f"{API}/undo", content=b'{"request":"request-0001"}', headers={"Content-Type": "text/plain"})
    assert found.status_code == 403


def test_bodies_are_bounded_whatever_their_header_says(page: TestClient) -> None:
    large = b"x" * (2 << 20)
    assert page.post(f"{API}/undo", content=large).status_code == 413
    chunks = (large[i : i + 65536] for i in range(0, len(large), 65536))
    assert page.post(f"{API}/undo", content=chunks).status_code in (400, 413)


def test_answers_forbid_scripts_and_frames_of_others(page: TestClient) -> None:
    headers = page.get(f"{API}/me").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.fixture
def drawn(filled: Census, tmp_path: Path) -> int:
    """A capture whose picture is there: 1800 × 1300, red on the left, blue on the right."""
    pixels = np.zeros((1300, 1800, 3), dtype=np.uint8)
    pixels[:, :900, 0], pixels[:, 900:, 2] = 200, 200
    path = tmp_path / "frame.png"
    Image.fromarray(pixels).save(path)
    with filled.writing() as session:
        capture = session.get_one(Capture, session.scalars(select(Detection.capture_id).limit(1)).one())
        capture.path, capture.width_px, capture.height_px = str(path), 1800, 1300
        capture.content_hash = hash_file(path)
        return capture.fid


def test_a_frame_is_a_pyramid_of_tiles(page: TestClient, drawn: int) -> None:
    frame = read(page, f"/captures/{drawn}")
    assert (frame["width_px"], frame["levels"], frame["tile_px"]) == (1800, 3, TILE_PX)
    sizes = {}
    for level in range(3):
        for column in range(5):
            found = page.get(f"{API}/captures/{drawn}/tiles/{level}/{column}/0.jpg")
            if found.status_code == 200:
                tile = Image.open(BytesIO(found.content))
                sizes[level] = sizes.get(level, 0) + tile.width
                red, _, blue = tile.getpixel((0, 0))
                assert (red > blue) == (column * TILE_PX * 2 ** (2 - level) < 900)
    assert sizes == {0: 450, 1: 900, 2: 1800}


def test_a_crop_shows_the_detection_in_its_middle(page: TestClient, drawn: int) -> None:
    judge(page, "request-0001", {"action": "add", "capture_id": drawn, "label": "x", "box_px": [880, 300, 920, 340]})
    (item,) = [i for i in read(page, f"/captures/{drawn}/items") if i["label"] == "x"]
    crop = Image.open(
        BytesIO(page.get(f"{API}/detections/{item['detection_id']}/crop.jpg", params={"size": 96}).content)
    )
    assert crop.size == (96, 96)
    assert crop.getpixel((10, 48))[0] > 150
    assert crop.getpixel((86, 48))[2] > 150


def test_a_picture_that_is_gone_is_said_and_no_other_file_is_read(page: TestClient) -> None:
    found = page.get(f"{API}/captures/7/tiles/0/0/0.jpg")
    assert found.status_code == 410
    assert "cannot be shown" in found.json()["detail"]
    for path in (
        "/captures/../../etc/passwd",
        "/captures/7/tiles/0/0/..%2f..%2fx.jpg",
        "/captures/0",
        "/captures/999999",
    ):
        assert page.get(f"{API}/captures/{path}").status_code in (404, 422)


def test_time_and_place_are_withheld_from_reviewers_of_sensitive_species(filled: Census, serve: Serve) -> None:
    with filled.writing() as session:
        add_person(session, "amina", "reviewer", who="boss", time_utc=NOON)
    hidden = read(serve(local_name="amina", sensitive=frozenset({"elephant"})), "/captures/5")
    assert (hidden["time_utc"], hidden["longitude_deg"], hidden["latitude_deg"]) == (None, None, None)
    shown = read(serve(sensitive=frozenset({"elephant"})), "/captures/5")
    assert shown["longitude_deg"] == pytest.approx(34.83, abs=0.1)


def test_a_password_is_known_by_its_hash_alone() -> None:
    one, two = hash_word("correct horse"), hash_word("correct horse")
    assert one != two
    assert is_word("correct horse", one)
    assert not is_word("correct hors", one)
    assert not is_word("correct horse", "plain")
    assert not is_word("", "")


def test_pages_open_for_whom_they_are_and_others_log_in(filled: Census, serve: Serve, drawn: int) -> None:
    with filled.writing() as session:
        add_person(session, "amina", "reviewer", who="boss", time_utc=NOON)
    chief, amina, stranger = serve(), serve(local_name="amina"), serve(host="camp.local")
    for path, title in (("/", "Review"), (f"/frames/{drawn}", "frame.png"), ("/people", "People")):
        assert f"<title>{title} · overfly</title>" in chief.get(path).text
    assert [amina.get(path).status_code for path in ("/", "/people", "/frames/999999", "/frames/0")] == [
        200,
        403,
        404,
        404,
    ]
    away = stranger.get("/", follow_redirects=False)
    assert (away.status_code, away.headers["location"]) == (303, "/login")
    assert "Password" in stranger.get("/login").text
    for name in ("review.css", "triage.js", "frame.js", "api.js"):
        assert chief.get(f"/static/{name}").status_code == 200
    assert chief.get("/static/../app.py").status_code == 404


def test_a_label_that_is_markup_is_shown_as_text(page: TestClient) -> None:
    item = read(page, "/items/next", label="zebra")
    label = '"><script>alert(1)</script>'
    judge(page, "request-0001", {"action": "relabel", "detection_id": item["detection_id"], "label": label})
    assert "<script>alert" not in page.get("/").text
