"""SMART: sorties as missions, pictures with the waypoints, and both read back."""

import base64
import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from counts.census import Census
from counts.exchange.attachments import LARGEST_PX, read_attachment
from counts.exchange.exported import ExportOptions
from counts.exchange.records import gather
from counts.exchange.services.smart import asks, make_items
from counts.exchange.smart import make_features
from counts.schema import Capture as CaptureRow
from counts.store.elsewhere import read_patrols, read_reported
from counts.store.outbox import WaitingItem
from detect.sources import hash_file
from flightplan.errors import CensusError
from overfly.cli import main

SURVEY, AREA = "2026-wet", "3e6efdfd-b3fe-4929-816a-b1f735a80fad"
SPECIES = {
    label: {"category": "animals.live", "count": "numberofanimals", "attributes": {"species": label}}
    for label in ("elephant", "zebra")
}
MISSION = {"transportType": "uav", "mandate": "research", "survey": AREA}


def features(census: Census, **options) -> list[dict]:
    with census.reading() as session:
        records = gather(session, SURVEY, options.pop("sensitive", ()))
    found, _ = make_features(records, ExportOptions(**options))
    return found


def of_kind(found: list[dict], kind: str) -> list[dict]:
    return [f["properties"]["smartAttributes"] for f in found if f["properties"]["smartFeatureType"] == kind]


def test_sorties_are_missions_with_their_track_and_their_waypoints(filled: Census) -> None:
    found = features(filled, mapping={"species": SPECIES, "mission": MISSION})
    assert {f["properties"]["smartDataType"] for f in found} == {"mission"}
    starts, track, waypoints = (of_kind(found, kind) for kind in ("start", "trackpoint/new", "waypoint/new"))
    assert len(starts) == 2
    # What the server wants of a mission's start (smartconnect-client 1.16, add_mission).
    assert {"missionUuid", "objective", "comment", "transportType", "mandate"} <= set(starts[0])
    assert starts[0]["survey"] == AREA
    known = {s["missionUuid"] for s in starts}
    assert {t["missionUuid"] for t in track} == {w["missionUuid"] for w in waypoints} == known
    assert not any("patrolUuid" in each for each in (*starts, *track, *waypoints))


def test_a_mission_without_what_smart_wants_and_a_sortie_that_is_both_are_refused(filled: Census) -> None:
    with pytest.raises(CensusError, match=r"\[mission\] does not say mandate"):
        features(filled, mapping={"species": SPECIES, "mission": {"transportType": "uav"}})
    with pytest.raises(CensusError, match="a \\[patrol\\] and a \\[mission\\]"):
        features(filled, mapping={"species": SPECIES, "mission": MISSION, "patrol": {}})


def test_each_request_of_a_mission_has_a_key_of_its_own_and_is_not_asked_for(filled: Census) -> None:
    with filled.reading() as session:
        records = gather(session, SURVEY, ())
    items, _ = make_items(records, ExportOptions(mapping={"species": SPECIES, "mission": MISSION}), AREA)
    assert len({item.item_key for item in items}) == len(items)
    start = items[0]
    waiting = WaitingItem(1, start.item_key, "key", start.path, start.body, False)
    assert asks(None, waiting) is None, "its client knows no question for missions"  # type: ignore[arg-type]


@pytest.fixture
def pictured(filled: Census, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Census:
    """The pictures of the survey that show an elephant, red where the boxes are."""
    monkeypatch.chdir(tmp_path)
    with filled.reading() as session:
        records = gather(session, SURVEY, ())
    for key in {a.capture_id for a in records.individuals if a.species == "elephant"}:
        shot = records.captures[key].capture
        pixels = np.full((600, 800, 3), 90, dtype=np.uint8)
        for x0, y0, x1, y1 in records.detections.boxes_px[records.detections.capture_id == key].astype(int).tolist():
            pixels[max(y0, 0) : y1, max(x0, 0) : x1] = (220, 30, 30)
        shot.path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels)
        exif = image.getexif()
        exif[0x010F] = "overfly"
        image.save(shot.path, quality=95, exif=exif)
        with filled.writing() as session:
            session.get_one(CaptureRow, key).content_hash = hash_file(shot.path)
    return filled


def test_a_waypoint_has_what_its_picture_shows_without_metadata(pictured: Census) -> None:
    found = features(pictured, mapping={"species": {"elephant": SPECIES["elephant"]}}, pictures=True)
    assert len(found) > 5
    for feature in found:
        (file,) = feature["properties"]["smartAttributes"]["attachments"]
        image = Image.open(io.BytesIO(base64.b64decode(file["data"], validate=True)))
        assert file["filename"].startswith("elephant-")
        assert image.format == "JPEG"
        assert max(image.size) <= LARGEST_PX
        assert not image.getexif()
        pixels = np.asarray(image.convert("RGB")).astype(int)
        assert (pixels[..., 0] - pixels[..., 1]).max() > 120, "the elephant is in it"


def test_with_a_sensitive_species_no_picture_is_told_and_a_lost_one_is_named(pictured: Census) -> None:
    with pictured.reading() as session:
        records = gather(session, SURVEY, ("zebra",))
    found, skips = make_features(records, ExportOptions(mapping={"species": SPECIES}, pictures=True))
    assert "attachments" not in json.dumps(found)
    assert [s.item for s in skips] == ["pictures"]
    with pictured.reading() as session:
        records = gather(session, SURVEY, ())
    _, skips = make_features(records, ExportOptions(mapping={"species": {"zebra": SPECIES["zebra"]}}, pictures=True))
    lost = [s for s in skips if "no picture goes with its waypoint: it is not there" in s.reason]
    assert len(lost) > 3
    assert all(s.item.endswith(".jpg") for s in lost)
    assert [s.item for s in skips if s not in lost] == ["elephant"], "the mapping names zebras alone"


def run(*arguments: str) -> dict:
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code in (0, 3), done.output
    return json.loads(done.stdout)


def test_missions_and_pictures_come_back_in(pictured: Census, tmp_path: Path) -> None:
    mapping = tmp_path / "smart.toml"
    mapping.write_text(
        '[species.elephant]\ncategory = "animals.live"\ncount = "numberofanimals"\n'
        'attributes = {species = "elephant"}\n[mission]\ntransportType = "uav"\nmandate = "research"\n'
    )
    out, census = tmp_path / "smart.json", str(pictured.where)
    told = run("export", "smart", census, "--mapping", str(mapping), "--pictures", "--out", str(out))
    first = run("import", "smart", str(out), census, "--attachments", str(tmp_path / "files"))
    waypoints = told["counts"]["waypoints"]
    assert first["added"] == {"patrols": 2, "sightings": waypoints}
    with pictured.reading() as session:
        missions, seen = read_patrols(session), read_reported(session)
    assert all(m.transport == "uav" and (m.length_m or 0) > 10_000 for m in missions)
    files = {p.name for p in (tmp_path / "files").iterdir()}
    assert {s.details["attachments"] for s in seen} == files
    assert all(p.read_bytes()[:3] == b"\xff\xd8\xff" for p in (tmp_path / "files").iterdir())
    assert f"{waypoints} attachments are in" in first["notes"][0]
    again = run("import", "smart", str(out), census)
    assert again["added"] == {}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"filename": "a.jpg"}, "no content"),
        ({"data": "YQ=="}, "no name"),
        ({"filename": "a.jpg", "data": "not base64!"}, "not base64"),
        ({"filename": "a.jpg", "data": 3}, "no content"),
        ("a.jpg", "no name"),
    ],
)
def test_a_broken_attachment_is_refused(said, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_attachment(said)


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\x\\..\\y.jpg", "/abs/y.jpg", "..", "a\x00b.jpg", "." * 300])
def test_the_name_of_a_file_of_others_leads_nowhere(tmp_path: Path, name: str) -> None:
    found = read_attachment({"filename": name, "data": "YQ=="})
    path = tmp_path / found.file_name
    assert path.resolve().parent == tmp_path.resolve()
    assert found.content == b"a"


def test_smart_s_client_takes_missions_and_pictures(pictured: Census, readers: Path) -> None:
    mapping = {"species": {"elephant": SPECIES["elephant"]}, "mission": MISSION}
    found = features(pictured, mapping=mapping, pictures=True)
    check = (
        "import json,sys\nfrom smartconnect.models import SMARTRequest\n"
        "from gundi_core.schemas.v2.smart import SMARTRequest as Gundi\n"
        "seen=[SMARTRequest.parse_obj(f).properties.smartAttributes for f in json.load(sys.stdin)]\n"
        "print(json.dumps([len(seen), sorted({k for s in seen for k in s.__fields_set__}),"
        " [a.filename for s in seen for a in s.attachments or []]]))"
    )
    done = subprocess.run(
        [readers / "bin/python", "-c", check],
        input=json.dumps(found), capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    number, kept, files = json.loads(done.stdout)
    assert number == len(found)
    assert {"attachments", "objective", "comment", "transportType", "mandate", "observationGroups"} <= set(kept)
    sent = [a["filename"] for s in of_kind(found, "waypoint/new") for a in s["attachments"]]
    assert files == sent
