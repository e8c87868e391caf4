"""`overfly export`: one verb for every standard, and what went wrong said in one sentence."""

import hashlib
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from counts import store
from counts.census import Census
from detect.captures import Capture
from detect.detections import Detections
from overfly.cli import main


@pytest.fixture
def census_file(tmp_path: Path) -> Path:
    """Two pictures, one with two animals, placed and told apart; the second animal's species is another."""
    path = tmp_path / "census.gpkg"
    with Census.open(path) as census, census.writing() as session:
        survey = store.add_survey(session, name="beach")
        captures = [
            Capture(
                Path(f"images/{i}.jpg"), hashlib.sha256(bytes([i])).hexdigest(), 100, 100,
                time_utc=datetime(2026, 2, 1, 6, i, tzinfo=UTC), longitude_deg=34.0, latitude_deg=-2.0,
            )
            for i in range(2)
        ]  # fmt: skip
        keys = store.add_captures(session, survey, [store.CaptureEntry(c) for c in captures]).added
        labels = ("rhino", "hare")
        detector = store.DetectorInfo("ab" * 32, "demo", "detect", labels)
        run = store.open_detection_run(session, survey, detector, threshold=0.3, parameters={})
        boxes = np.array([[10.0, 10, 20, 20], [40, 40, 60, 60]])
        found = Detections(boxes, np.array([0.9, 0.8]), np.arange(2), labels, "ab" * 32)
        none = Detections(np.empty((0, 4)), np.empty(0), np.empty(0, np.int64), labels, "ab" * 32)
        store.add_detections(session, run, {keys[0]: found, keys[1]: none})
        table = store.read_detections(session, run)
        places = np.array([[34.01234, -2.01234], [34.02, -2.02]])
        entry = store.IdentityEntry(
            table.detection_id, places, np.tile(np.eye(2), (2, 1, 1)), np.arange(2), list(labels), places, [None, None]
        )
        store.add_identity_run(session, run, entry, method="", parameters={})
    return path


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["export", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


def test_one_document_says_what_was_written(census_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "tables"
    code, said, _ = run("csv", census_file, "--survey", "beach", "--out", out, "--sensitive", "rhino", "--json")
    assert code == 0
    document = json.loads(said)
    assert document["files"] == [str(out / f"{name}.csv") for name in ("individuals", "sightings", "estimates")]
    assert document["counts"]["individuals"] == 2
    text = (out / "individuals.csv").read_text()
    assert "34.01234" not in text
    assert "34.05,-2.05" in text, "the rhino's cell"
    assert "34.02,-2.02" in text, "the hare's place"


def test_the_latest_survey_is_meant_when_none_is_named(census_file: Path, tmp_path: Path) -> None:
    code, said, notes = run("darwincore", census_file, "--out", tmp_path / "a.zip", "--taxon", "hare=Lepus capensis")
    assert code == 0
    assert "2 present" in said
    assert "rhino: no scientific name" in notes
    assert "hare:" not in notes


def test_what_the_park_s_data_model_lacks_is_named_and_ends_in_three(census_file: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "smart.toml"
    mapping.write_text('[species.hare]\ncategory = "animals.live"\n')
    code, _, skipped = run("smart", census_file, "--out", tmp_path / "smart.json", "--mapping", mapping)
    assert code == 3
    assert "Skipped: rhino" in skipped


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["csv", "--sensitive", "rino"], 1, "no species 'rino'"),
        (["csv", "--layer", "secrets"], 1, "no layer 'secrets'"),
        (["csv", "--survey", "hill"], 1, "no survey 'hill'"),
        (["smart"], 1, "no category for any species"),
        (["smart", "--zone", "Mars/Olympus"], 1, "no time zone"),
        (["darwincore", "--taxon", "hare"], 2, "LABEL=NAME"),
        (["shapefile"], 2, "Invalid value"),
    ],
)
def test_what_cannot_be_done_is_said(
    census_file: Path, tmp_path: Path, words: list[str], code: int, sentence: str
) -> None:
    left, _, said = run(words[0], census_file, *words[1:], "--out", tmp_path / "out")
    assert left == code
    assert sentence in " ".join(said.split())
    assert not (tmp_path / "out").exists()


def test_an_export_never_takes_the_place_of_the_census(census_file: Path) -> None:
    code, _, said = run("geopackage", census_file, "--out", census_file)
    assert code == 1
    assert "is a census" in said


def send(census: Path, *words: object) -> tuple[int, str, str]:
    return run("earthranger", census, "--survey", "beach", "--to", "http://127.0.0.1:9", *words)


def test_a_dry_run_shows_what_would_be_sent_and_leaves_no_trace(census_file: Path) -> None:
    before = census_file.read_bytes()
    code, said, _ = send(census_file, "--dry-run", "--json", "--sensitive", "rhino")
    assert code == 0
    document = json.loads(said)
    events = [i["body"] for i in document["items"] if i["path"].endswith("/events")]
    assert [e["title"] for e in events] == ["1 rhino (aerial survey)", "1 hare (aerial survey)"]
    assert events[0]["location"] == {"latitude": -2.05, "longitude": 34.05}, "the rhino's cell"
    assert census_file.read_bytes() == before


def test_without_a_line_all_of_it_waits_in_the_census(census_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERFLY_EARTHRANGER_TOKEN", "t0ken")
    monkeypatch.setattr("counts.exchange.services.Patience", lambda: None)
    monkeypatch.setattr("counts.exchange.services.client.Patience.first_wait_s", 0.0)
    monkeypatch.setattr("counts.exchange.services.client.Patience.__init__.__defaults__", (2, 1.0, 0.0, 1.0))
    for known in (0, 3):
        code, said, skipped = send(census_file, "--json")
        assert code == 3
        document = json.loads(said)
        assert (document["queued"], document["known"], document["delivered"]) == (3 - known, known, 0)
        assert document["waiting"] == 3
        assert "they wait in the outbox of the census: http://127.0.0.1:9: did not answer" in skipped
        assert "t0ken" not in said + skipped


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["csv", "--to", "https://x.example"], 2, "goes to --out PATH"),
        (["earthranger"], 2, "--out PATH, or --to URL"),
        (["earthranger", "--to", "https://x.example", "--out", "x"], 2, "--out PATH, or --to URL"),
        (["earthranger", "--to", "http://park.example"], 1, "in the clear"),
        (["earthranger", "--to", "https://park.example"], 1, "OVERFLY_EARTHRANGER_TOKEN"),
        (["smart", "--to", "https://park.example", "--dry-run"], 1, "wants a conservation area"),
    ],
)
def test_what_cannot_be_sent_is_said(
    census_file: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, sentence: str
) -> None:
    monkeypatch.delenv("OVERFLY_EARTHRANGER_TOKEN", raising=False)
    left, _, said = run(words[0], census_file, *words[1:])
    assert left == code
    assert sentence in " ".join(said.split())


def test_a_checklist_gives_names_keys_and_what_to_blur(census_file: Path, tmp_path: Path) -> None:
    (tmp_path / "species.csv").write_text(
        "scientificName,vernacularName,gbifKey,listed\nDiceros bicornis,rhino,2440897,CITES I\n"
    )
    words = ["--checklist", tmp_path / "species.csv", "--blur-listed", "--licence", "CC-BY-4.0", "--json"]
    code, said, notes = run("darwincore", census_file, "--out", tmp_path / "a.zip", *words)
    assert code == 0
    assert json.loads(said)["unresolved"] == [{"name": "hare", "reason": "species.csv does not have it"}]
    assert "hare: species.csv does not have it" in notes
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        text = archive.read("occurrence.txt").decode()
    assert "https://www.gbif.org/species/2440897" in text
    assert "34.01234" not in text
