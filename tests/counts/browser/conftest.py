"""The review server over a census with pictures, and the system's Chromium to look at it, cut off from any network."""

from __future__ import annotations

import io
import re
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from sqlalchemy import select, update

from counts.census import Census
from counts.review import ReviewSettings, create_app
from counts.review.pages import VENDOR
from counts.schema import Capture
from counts.store import (
    DetectionTable,
    DetectorInfo,
    MaskEntry,
    add_detections,
    add_masks,
    find_survey,
    latest_detection_run,
    open_detection_run,
    read_area,
    read_detections,
)
from detect.detections import Detections
from detect.sources import hash_file
from overfly.chain import count_survey
from overfly.chain.verifying import draw_for_people

SURVEY = "2026-wet"
SPECIES = ("elephant", "zebra", "impala")
HALF_PX = np.array([[23.0, 11.0], [11.0, 5.0], [9.0, 5.0]])
"""Half of a box of each species, across and down."""
COLOURS = ((92, 84, 78), (214, 208, 196), (164, 106, 66))
HERD, HERDS = 25, 46
PATIENCE_S = 60.0
"""How long is waited for what has to come: a machine that tests is busy, and that is no property of the page."""
_WAITING = "() => { const e = document.getElementById('unsent'); return e.hidden ? 0 : parseInt(e.textContent); }"
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Served:
    """A server that runs, and the census file under it."""

    address: str
    census: Path


@pytest.fixture(scope="session")
def pictured_file(filled_file: Path, fill: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The filled census with pictures, a herd of impala in some of them, and a season before it; to be read only."""
    folder = tmp_path_factory.mktemp("pictured")
    path = Path(shutil.copy(filled_file, folder / "pictured.gpkg"))
    with Census.open(path) as census:
        run = _with_impala(census)
        with census.reading() as session:
            table = read_detections(session, run)
        _draw_pictures(census, table, folder)
        with census.writing() as session:
            key = find_survey(session, SURVEY).survey_id
            area = read_area(session, key)
            pond = area.strata[0].polygon.centroid.buffer(0.001)
            add_masks(session, key, [MaskEntry("no habitat", pond, "test", "pond")])
        fill(census, name="2025-wet", species=SPECIES[:2], seed=8)
        for survey in ("2025-wet", SURVEY):
            count_survey(census, survey=survey)
    return path


@pytest.fixture
def census_file(pictured_file: Path, tmp_path: Path) -> Path:
    """A copy of the pictured census, to write into."""
    return Path(shutil.copy(pictured_file, tmp_path / "census.gpkg"))


@pytest.fixture
def serve(census_file: Path, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start servers over one census, as `overfly review` does; changes are settings of the server."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(**changes) -> Served:
        # Two servers over one census draw their pictures into two folders: each is closed with its own.
        cache = tmp_path / f"cache-{len(running)}"
        settings = ReviewSettings(
            str(census_file),
            SURVEY,
            cache,
            **{"count": _counting(census_file), "draw": _drawing(census_file), **changes},
        )
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((server, thread))
        _until(lambda: server.started, "the server starts")
        return Served(f"http://127.0.0.1:{listener.getsockname()[1]}", census_file)

    yield start
    for server, _ in running:
        server.should_exit = True
    for _, thread in running:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    program = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if program is None:
        pytest.skip(f"no Chromium here: none of {', '.join(_CHROMIUM)}")
    if not (VENDOR / "maplibre-gl-csp.js").exists():
        pytest.skip("the page's libraries are not built: make web")
    with sync_playwright() as playwright:
        # SwiftShader: maps are drawn with WebGL, and no machine that tests has a graphics card.
        arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        opened = playwright.chromium.launch(executable_path=program, args=arguments)
        expect.set_options(timeout=PATIENCE_S * 1000)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages of a server, each in a browser context of its own: `visit(served, "/map", width=390)`.

    Requests to anybody but the server do not go out, and fail the test when it is over; so do errors of the page,
    unless `trouble_expected`, for a server that is down shows as one.
    """
    contexts: list[BrowserContext] = []
    elsewhere: list[str] = []
    troubles: list[str] = []

    def open_page(
        served: Served, path: str = "/", *, width: int = 1440, height: int = 900, trouble_expected: bool = False
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        contexts.append(context)
        context.set_default_timeout(PATIENCE_S * 1000)
        own = re.escape(served.address)
        context.route(re.compile(rf"^(?!{own}/|data:|blob:)"), lambda route: route.abort())

        def sent(url: str) -> None:
            if not re.match(rf"{own}/|data:|blob:", url):
                elsewhere.append(url)

        context.on("request", lambda request: sent(request.url))
        page = context.new_page()
        page.on("websocket", lambda socket: sent(socket.url))
        if not trouble_expected:
            page.on("pageerror", lambda error: troubles.append(f"{page.url}: {error}"))
            page.on("console", lambda m: troubles.append(f"{page.url}: {m.text}") if m.type == "error" else None)
        page.goto(served.address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert elsewhere == [], "the page asked somebody else"
    assert troubles == [], "the page had errors"


@pytest.fixture
def rows_of() -> Callable[..., list[tuple]]:
    """What is in a census file, read past any server."""

    def read(census: Path, query: str, *values) -> list[tuple]:
        with closing(sqlite3.connect(f"file:{census}?mode=ro", uri=True)) as base:
            return base.execute(query, values).fetchall()

    return read


@pytest.fixture
def rows(rows_of: Callable[..., list[tuple]]) -> Callable[..., list[tuple]]:
    """What is in a served census file, read past the server."""
    return lambda served, query, *values: rows_of(served.census, query, *values)


@pytest.fixture
def served_at() -> type[Served]:
    """A server that a test starts by itself: its address and census file."""
    return Served


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for something outside of the browser."""
    return _until


@pytest.fixture
def on_disk() -> Callable[[Page], None]:
    """Wait until the server has all that was pressed; a slow one may take its time as long as it goes on taking."""

    def wait(page: Page) -> None:
        waiting, since = page.evaluate(_WAITING), time.monotonic()
        while waiting:
            page.wait_for_timeout(50)
            before, waiting = waiting, page.evaluate(_WAITING)
            if waiting != before:
                since = time.monotonic()
            assert time.monotonic() - since < PATIENCE_S, f"{waiting} are not on disk, and no more comes there"

    return wait


def _until(there: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.02)


def _counting(path: Path) -> Callable[[], dict]:
    def count() -> dict:
        with Census.open(path, create=False) as census:
            return asdict(count_survey(census, survey=SURVEY))

    return count


def _drawing(path: Path) -> Callable[[str, int, int, int], int]:
    def draw(who: str, positive: int, zero: int, seed: int) -> int:
        with Census.open(path, create=False) as census:
            return draw_for_people(census, survey=SURVEY, who=who, positive=positive, zero=zero, seed=seed)

    return draw


def _with_impala(census: Census) -> int:
    """Look again, as another detector would that finds impala, too; elephants and zebras stay as they were."""
    rng = np.random.default_rng([41])
    with census.writing() as session:
        survey_id = find_survey(session, SURVEY).survey_id
        before = read_detections(session, latest_detection_run(session, survey_id).run_id)
        captures = session.scalars(
            select(Capture.fid).where(Capture.survey_id == survey_id).order_by(Capture.fid)
        ).all()
        of_label = np.array([SPECIES.index(label) for label in before.labels])
        herds = set(rng.permutation(np.setdiff1d(captures, before.capture_id))[:HERDS].tolist())
        detector = DetectorInfo("cd" * 32, "overfly-nano", "detect", SPECIES)
        found = {}
        for capture in captures:
            mine = before.capture_id == capture
            centres = (before.boxes_px[mine, :2] + before.boxes_px[mine, 2:]) / 2
            kinds, scores = of_label[before.label_ids[mine]], before.scores[mine]
            if capture in herds:
                grid = np.stack(np.meshgrid(np.arange(5) * 90 + 200, np.arange(5) * 60 + 170), -1).reshape(-1, 2)
                centres, kinds = grid + rng.uniform(-20, 20, grid.shape), np.full(HERD, 2)
                scores = rng.uniform(0.3, 0.95, HERD).round(3)
            boxes = np.hstack([centres - HALF_PX[kinds], centres + HALF_PX[kinds]])
            found[capture] = Detections(boxes, scores, kinds, SPECIES, detector.content_hash)
        run = open_detection_run(session, survey_id, detector, threshold=0.25, parameters={"impala": True})
        add_detections(session, run, found)
    return run


def _draw_pictures(census: Census, table: DetectionTable, folder: Path) -> None:
    """Draw the animals on plain ground; all captures without any share one picture."""
    rng = np.random.default_rng([42])
    small = rng.normal((148, 138, 92), 9, (75, 100, 3))
    ground = Image.fromarray(np.clip(small, 0, 255).astype(np.uint8)).resize((800, 600), Image.Resampling.BICUBIC)
    held = io.BytesIO()
    ground.save(held, "JPEG", quality=80)
    with census.writing() as session:
        for capture in session.scalars(select(Capture.fid)).all():
            # What follows a JPEG's end is not looked at: each picture is the same, and a file of its own.
            path = folder / f"empty-{capture}.jpg"
            path.write_bytes(held.getvalue() + str(capture).encode())
            known = {"path": str(path), "content_hash": hash_file(path)}
            session.execute(update(Capture).where(Capture.fid == capture).values(known))
        for capture in np.unique(table.capture_id).tolist():
            picture = ground.copy()
            pen = ImageDraw.Draw(picture)
            for i in np.flatnonzero(table.capture_id == capture):
                x0, y0, x1, y1 = table.boxes_px[i].tolist()
                pen.ellipse((x0 + 5, y0 + 4, x1 + 4, y1 + 3), fill=(70, 64, 48))
                pen.ellipse(
                    (x0 + 2, y0 + 1, x1 - 2, y1 - 1), fill=COLOURS[SPECIES.index(table.labels[table.label_ids[i]])]
                )
            path = folder / f"capture-{capture}.jpg"
            picture.save(path, quality=85)
            known = {"path": str(path), "content_hash": hash_file(path)}
            session.execute(update(Capture).where(Capture.fid == capture).values(known))
