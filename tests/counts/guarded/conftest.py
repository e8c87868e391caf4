"""A review server with people of every role over a census with something behind each route, and those routes."""

from __future__ import annotations

import copy
import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import func, select

from counts.census import Census
from counts.review import ReviewSettings, create_app
from counts.review.sessions import hash_word
from counts.schema import Capture, Detection
from counts.store import find_survey, latest_detection_run
from counts.store.identity import latest_identity_run
from counts.store.pairs import PairEntry, add_pairs
from counts.store.people import add_person
from counts.store.samples import SampleFrameEntry, add_sample, assign
from detect.sources import hash_file

API = "/api/v1"
SURVEY = "2026-wet"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORD = "correct horse battery"
NAMES = {"none": "nat", "viewer": "vera", "reviewer": "rita", "manager": "mona"}
PICTURE = "DJI_20260214_063107_0042.jpg"
ZONE = [[[0, 0], [1800, 0], [1800, 1300], [0, 1300], [0, 0]]]
WORLD = {"west": -180, "south": -90, "east": 180, "north": 90}


@dataclass(frozen=True)
class Route:
    """A route as somebody calls it: with these values it does what it is for."""

    method: str
    path: str
    role: str
    at: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    done: tuple[int, ...] = (200,)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def call(self, client: TestClient, **changed: Any):
        """Call it, with other values where they are given."""
        at, query, body = (changed.get(k, getattr(self, k)) for k in ("at", "query", "body"))
        options: dict[str, Any] = {"params": query}
        if body is not None:
            options["json"] = copy.deepcopy(body)
        return client.request(self.method, API + self.path.format(**at), **options)


@pytest.fixture(scope="session")
def routes() -> list[Route]:
    """All there is to ask for, each with the least role that may: the table that says who may do what."""
    box = [10.0, 10.0, 60.0, 40.0]
    tile = "/captures/{capture_id}/tiles/{level}/{column}/{row}.jpg"
    one, label = {"capture_id": 5}, {"label": "zebra"}
    judged = {
        "action": "add", "detection_id": None, "capture_id": 5, "label": "zebra", "box_px": box, "into": None,
        "note": "behind the tree",
    }  # fmt: skip
    many = {"label": "elephant", "least_score": 0.1, "capture_id": None}
    bulk = {"request": "bulk-00001", "chosen": many, "action": "relabel", "label": "buffalo", "expected": 1}
    return [
        Route("GET", "/progress", "viewer", query={"least_score": 0.1}),
        Route("GET", "/scores", "viewer", query=label),
        Route("GET", "/items", "viewer", query={**label, "state": "all", "limit": 5}),
        Route("GET", "/items/next", "viewer", query=label),
        Route("GET", "/captures/{capture_id}/items", "viewer", one),
        Route("POST", "/verdicts", "reviewer", body={"request": "verdict-0001", "verdicts": [judged]}),
        Route("POST", "/undo", "reviewer", body={"request": "undo-00001"}),
        Route("POST", "/acts", "reviewer", body={"acts": [{"request": "undo-00001"}]}),
        Route("POST", "/acts", "reviewer", body={"acts": [{"request": "act-00001", "verdicts": [judged]}]}),
        Route("POST", "/verdicts/bulk/count", "reviewer", body=many),
        Route("POST", "/verdicts/bulk", "reviewer", body=bulk, done=(200, 409)),
        Route("GET", "/pictures", "viewer"),
        Route("GET", "/captures/{capture_id}", "viewer", one),
        Route("GET", tile, "viewer", {"capture_id": 5, "level": 0, "column": 0, "row": 0}),
        Route("GET", "/detections/{detection_id}/crop.jpg", "viewer", {"detection_id": 1}, {"size": 96}),
        Route("GET", "/pairs/progress", "viewer"),
        Route("GET", "/pairs/next", "viewer"),
        Route("GET", "/pairs/{pair_id}", "viewer", {"pair_id": 1}),
        Route(
            "POST", "/pairs/answers", "reviewer",
            body={"request": "answer-0001", "pair_id": 1, "detection_ids": None, "answer": "same", "note": "its ear"},
        ),
        Route("POST", "/pairs/undo", "reviewer", body={"request": "unpair-0001"}),
        Route("GET", "/detections/{detection_id}/animal", "viewer", {"detection_id": 1}),
        Route("GET", "/sample", "reviewer"),
        Route("POST", "/sample", "manager", body={"request": "draw-00001", "positive": 3, "zero": 0, "seed": 7}),
        Route("POST", "/sample/assignments", "reviewer", body={"request": "take-00001", "turn": 1, "open": 2}),
        Route("GET", "/sample/next", "reviewer"),
        Route("GET", "/sample/frames/{frame_id}", "reviewer", {"frame_id": 1}, done=(200, 404)),
        Route(
            "POST", "/sample/counts", "reviewer", done=(200, 404),
            body={"request": "count-00001", "frame_id": 1, "marks_px": {"zebra": [[150.0, 200.0]]}},
        ),
        Route("GET", "/sample/agreement", "manager"),
        Route("GET", "/count", "viewer"),
        Route("POST", "/count", "reviewer", body={"request": "recount-0001"}),
        Route("GET", "/dashboard", "viewer"),
        Route("GET", "/map", "viewer"),
        Route("GET", "/map/footprints", "viewer", query={**WORLD, "capture": 5}),
        Route("GET", "/map/sightings", "viewer", query=WORLD),
        Route("GET", "/basemap", "viewer"),
        Route("GET", "/basemap.pmtiles", "viewer", done=(404,)),
        Route("GET", "/basemap/{zoom}/{column}/{row}", "viewer", {"zoom": 0, "column": 0, "row": 0}, done=(404,)),
        Route("GET", "/me", "viewer"),
        Route("POST", "/login", "nobody", body={"name": "vera", "password": WORD}),
        Route("POST", "/logout", "nobody", done=(204,)),
        Route("GET", "/people", "manager"),
        Route("POST", "/people", "manager", body={"name": "new", "role": "viewer", "password": "long enough"}),
    ]  # fmt: skip


@pytest.fixture(scope="session")
def peopled_file(filled_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The filled census with people, pairs to answer, a sample of which rita has two frames, and one picture."""
    folder = tmp_path_factory.mktemp("peopled")
    path = Path(shutil.copy(filled_file, folder / "peopled.gpkg"))
    photograph = folder / PICTURE
    _photograph(photograph)
    with Census.open(path) as census, census.writing() as session:
        for role, name in NAMES.items():
            add_person(session, name, role, who="boss", time_utc=NOON, secret=hash_word(WORD))
        survey = find_survey(session, SURVEY).survey_id
        firsts = session.execute(
            select(func.min(Detection.fid), Detection.capture_id)
            .group_by(Detection.capture_id)
            .order_by(Detection.capture_id)
            .limit(5)
        ).all()
        run = latest_identity_run(session, survey)
        add_pairs(session, run, [PairEntry(a[0], b[0], True, 2.5, 0.6, "near the gate") for a, b in pairwise(firsts)])
        frames = [SampleFrameEntry(row[1], "positive", ZONE) for row in firsts[:4]]
        detected = latest_detection_run(session, survey).run_id
        sample = add_sample(
            session, survey, detected, frames, seed=1, parameters={"positive": 4, "zero": 0}, who="boss", time_utc=NOON
        )
        assign(session, sample, NAMES["reviewer"], turn=1, time_utc=NOON, frames=2)
        for key in {5, session.get_one(Detection, 1).capture_id}:
            capture, picture = session.get_one(Capture, key), folder / f"folder-of-{key:04d}" / PICTURE
            picture.parent.mkdir()
            # What follows a JPEG's end is not looked at: the same picture, and another file.
            picture.write_bytes(photograph.read_bytes() + str(key).encode())
            capture.path, capture.width_px, capture.height_px = str(picture), 1800, 1300
            capture.content_hash = hash_file(picture)
    return path


def _photograph(path: Path) -> None:
    """A picture that says where and when it was taken."""
    pixels = np.random.default_rng([5]).integers(0, 255, (130, 180, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0132] = "2026:02:14 06:31:07"
    exif.get_ifd(0x8825).update({1: "S", 2: (2.0, 19.0, 48.0), 3: "E", 4: (34.0, 49.0, 48.0)})
    Image.fromarray(pixels).resize((1800, 1300)).save(path, exif=exif, quality=60)


@dataclass(frozen=True)
class Guarded:
    """Servers over one census of its own, started as they are asked for."""

    path: Path
    start: Callable[..., TestClient]

    def as_role(self, role: str, **changes: Any) -> TestClient:
        """A client that somebody of a role has; "nobody" comes from elsewhere and did not log in."""
        if role == "nobody":
            return self.start(host="camp.local", **changes)
        return self.start(local_name=NAMES[role], **changes)

    def tables(self) -> dict[str, str]:
        """What each table holds and how it is made, as digests."""
        found = {}
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as base:
            tables = base.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
            for name, made in tables:
                rows = repr(sorted(map(repr, base.execute(f'SELECT * FROM "{name}"')))) if "rtree" not in name else ""
                found[name] = hashlib.sha256(f"{made}{rows}".encode()).hexdigest()
        return found


@pytest.fixture
def guarded(peopled_file: Path, tmp_path: Path) -> Iterator[Guarded]:
    """Servers over a copy of the census with people; what breaks in them is a 500, as outside of tests."""
    path = Path(shutil.copy(peopled_file, tmp_path / "census.gpkg"))
    opened: list[TestClient] = []

    def draw(who: str, positive: int, zero: int, seed: int) -> int:
        with Census.open(path, create=False) as census, census.writing() as session:
            survey = find_survey(session, SURVEY).survey_id
            run = latest_detection_run(session, survey).run_id
            frames = [SampleFrameEntry(key, "positive", ZONE) for key in range(1, 1 + min(positive, 5))]
            return add_sample(
                session, survey, run, frames, seed=seed, parameters={"positive": positive}, who=who, time_utc=NOON
            )

    def start(**changes: Any) -> TestClient:
        changes = {"count": dict, "draw": draw, **changes}
        settings = ReviewSettings(str(path), SURVEY, tmp_path / "cache", **changes)
        host = "localhost" if settings.on_loopback else settings.host
        client = TestClient(
            create_app(settings), base_url=f"http://{host}:8077", headers={"X-Overfly": "1"},
            raise_server_exceptions=False,
        )  # fmt: skip
        client.__enter__()
        opened.append(client)
        return client

    yield Guarded(path, start)
    for client in opened:
        client.__exit__(None, None, None)
