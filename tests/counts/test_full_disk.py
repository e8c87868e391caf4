"""Every verb that writes: on a full disk it says so and loses nothing, on a read-only medium it says why."""

import csv
import json
import resource
import shutil
import sqlite3
from contextlib import contextmanager

import numpy as np
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import Engine, event, func, select, text

from counts.audit import verify
from counts.census import Census
from counts.review import ReviewSettings, create_app
from counts.schema import Base
from overfly.cli import main

ROOM_PAGES = 2
VERBS = {
    "ingest": "ingest {pictures} --census {census} --survey 2026-wet",
    "detect": "detect --census {photographed} --survey s",
    "count": "count {census}",
    "count --draw": "count {census} --draw {made}",
    "count --verified": "count {census} --verified {check} --who amina",
    "import census": "import census {other} {census}",
    "import movebank": "import movebank {collars} {census}",
    "export --to": "export earthranger {census} --survey 2026-wet --to http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def given(tmp_path_factory, filled_file, blank_file, fill):
    """What the verbs read: pictures, a second copy of a census, a filled-in check, collars."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "pictures").mkdir()
    rng = np.random.default_rng([1])
    for i in range(3):
        exif = Image.Exif()
        exif[0x010F], exif[0x0110], exif[0x9003] = "overfly", "full", f"2026:02:14 06:{i:02d}:00"
        exif.get_ifd(0x8825).update(
            {1: "S", 2: (2.0, 20.0, float(i)), 3: "E", 4: (34.0, 49.0, float(i)), 5: b"\x00", 6: 80.0}
        )
        pixels = rng.integers(90, 130, (120, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{i}.jpg", exif=exif)
    shutil.copy(blank_file, folder / "other.gpkg")
    with Census.open(folder / "other.gpkg") as census:
        fill(census, name="2027-wet", seed=4)
    ran("ingest", folder / "pictures", "--census", folder / "photographed.gpkg", "--survey", "s")
    shutil.copy(filled_file, folder / "drawn.gpkg")
    ran("count", folder / "drawn.gpkg", "--draw", folder / "drawn.csv")
    with (folder / "drawn.csv").open(newline="") as asked, (folder / "check.csv").open("w", newline="") as answered:
        rows = csv.DictReader(asked)
        writer = csv.DictWriter(answered, rows.fieldnames)
        writer.writeheader()
        writer.writerows({name: value or "1" for name, value in row.items()} for row in rows)
    (folder / "collars.csv").write_text(
        "event-id,timestamp,location-long,location-lat,individual-local-identifier,visible\n"
        + "".join(
            f"{i},2026-02-14 {i // 60:02d}:{i % 60:02d}:00,{34.8 + i / 1e4},-2.33,animal {i % 3},true\n"
            for i in range(600)
        )
    )
    return folder


@pytest.fixture
def places(given, filled_file, tmp_path, monkeypatch):
    """Fresh copies of the censuses in a folder of their own, beside what is only read."""
    monkeypatch.setenv("OVERFLY_EARTHRANGER_TOKEN", "secret")
    card = tmp_path / "card"
    card.mkdir()
    shutil.copy(filled_file, card / "census.gpkg")
    shutil.copy(given / "photographed.gpkg", card / "photographed.gpkg")
    read = {name: given / f"{name}.{kind}" for name, kind in READ.items()}
    made = tmp_path / "made.csv"
    return {"pictures": given / "pictures", "made": made, **read} | {p.stem: p for p in card.iterdir()}


FEW_ROWS = ("ingest", "detect")
"""What they write here would fit into pages that the file has: their log cannot grow."""

LARGEST_BYTES = 40_000
READ = {"other": "gpkg", "check": "csv", "collars": "csv"}


@pytest.fixture
def full_disk(monkeypatch):
    """Give SQLite so few pages more than a file has now that no verb's work fits."""

    def limit(connection, _):
        if isinstance(connection, sqlite3.Connection):
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + ROOM_PAGES}")

    event.listen(Engine, "connect", limit)
    yield limit
    if event.contains(Engine, "connect", limit):
        event.remove(Engine, "connect", limit)


@contextmanager
def no_larger_file_than(bytes_at_most):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if bytes_at_most is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_at_most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def ran(*words):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code in (0, 3), done.stderr
    return done


def words_of(verb, places):
    return [word.format(**places) for word in VERBS[verb].split(" ")]


def rows_of(path):
    """How many rows each table of a sound census has."""
    with Census.open(path, create=False) as census, census.reading() as session:
        assert verify(session).sound
        assert session.scalars(text("PRAGMA integrity_check")).all() == ["ok"]
        assert session.execute(text("PRAGMA foreign_key_check")).all() == []
        return {t.name: session.scalars(select(func.count()).select_from(t)).one() for t in Base.metadata.sorted_tables}


@pytest.mark.parametrize("verb", VERBS)
def test_a_full_disk_is_one_clear_error_nothing_is_lost_and_the_verb_goes_on_when_there_is_room(
    verb, places, full_disk
):
    words = words_of(verb, places)
    census = places["photographed" if verb == "detect" else "census"]
    before = rows_of(census)
    with no_larger_file_than(LARGEST_BYTES if verb in FEW_ROWS else None):
        said = CliRunner().invoke(main, words)
    assert said.exit_code == 1, said.output
    assert ("disk I/O error" if verb in FEW_ROWS else "disk is full") in said.stderr
    assert "what was there before is kept" in said.stderr
    assert "Traceback" not in said.stderr
    event.remove(Engine, "connect", full_disk)
    after = rows_of(census)
    assert {name: rows for name, rows in before.items() if after[name] < rows} == {}
    again = CliRunner().invoke(main, words)
    if verb == "export --to":  # nobody listens there: everything waits in the census
        assert rows_of(census)["outbox_items"] > 0
    else:
        assert again.exit_code in (0, 3), again.stderr
    now = rows_of(census)
    assert sum(now.values()) > sum(before.values())


@pytest.mark.parametrize("verb", VERBS)
def test_on_a_read_only_medium_a_verb_says_why_it_cannot_write_and_changes_nothing(verb, places, protect):
    words = words_of(verb, places)
    census = places["photographed" if verb == "detect" else "census"]
    before = census.read_bytes()
    protect(census.parent)
    try:
        said = CliRunner().invoke(main, words)
    finally:
        census.parent.chmod(0o755)
    assert said.exit_code == 1, said.output
    assert "cannot be written" in said.stderr
    assert "Copy it to a folder where you may write" in said.stderr
    assert census.read_bytes() == before
    assert not places["made"].exists()


def test_a_new_census_on_a_full_disk_is_refused_and_is_none_the_next_time(places, full_disk, tmp_path):
    new = tmp_path / "new.gpkg"
    said = CliRunner().invoke(main, ["ingest", str(places["pictures"]), "--census", str(new), "--survey", "s"])
    assert said.exit_code == 1
    assert "disk is full" in said.stderr
    event.remove(Engine, "connect", full_disk)
    ran("ingest", places["pictures"], "--census", new, "--survey", "s")
    assert rows_of(new)["captures"] == 3


def asked(census, tmp_path):
    settings = ReviewSettings(census=str(census), survey="2026-wet", cache=tmp_path / "cache", local_name="amina")
    return TestClient(create_app(settings), base_url="http://localhost", headers={"X-Overfly": "1"})


def judged(client, request):
    item = client.get("/api/v1/items/next", params={"label": "zebra"}).json()
    verdicts = [{"action": "accept", "detection_id": item["detection_id"]}]
    return client.post("/api/v1/verdicts", json={"request": request, "verdicts": verdicts})


def test_a_verdict_that_finds_no_room_is_not_acknowledged_and_is_taken_when_there_is_room(places, full_disk, tmp_path):
    before = rows_of(places["census"])["verdicts"]
    with asked(places["census"], tmp_path) as client:
        kept = 0
        for number in range(400):
            answer = judged(client, f"request-{number:04d}")
            if answer.status_code != 200:
                break
            kept += 1
        assert answer.status_code == 503, answer.text
    event.remove(Engine, "connect", full_disk)
    assert rows_of(places["census"])["verdicts"] == before + kept
    with asked(places["census"], tmp_path) as client:
        assert judged(client, f"request-{kept:04d}").status_code == 200
    assert rows_of(places["census"])["verdicts"] == before + kept + 1


def test_on_a_read_only_medium_the_page_shows_everything_and_takes_no_verdict(places, tmp_path, protect):
    before = places["census"].read_bytes()
    protect(places["census"].parent)
    with asked(places["census"], tmp_path) as client:
        assert json.loads(client.get("/api/v1/progress").text)[0]["total"] > 0
        refused = judged(client, "request-0001")
    places["census"].parent.chmod(0o755)
    assert refused.status_code == 409
    assert "cannot be written" in refused.json()["detail"]
    assert places["census"].read_bytes() == before
