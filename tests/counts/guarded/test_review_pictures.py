"""What a picture, a link or a box may do to the server: nothing; and what it shows is what the census saw."""

import hashlib
import os
import sqlite3
import struct
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from counts.census import Census
from counts.schema import Capture
from detect.sources import hash_file

API = "/api/v1"
CAPTURE = 7


@pytest.fixture
def put(guarded, tmp_path):
    """Say of a capture that its picture lies there, with this size and hash."""

    def change(path, size=(64, 48), content_hash: str | None = None) -> None:
        with Census.open(guarded.path) as census, census.writing() as session:
            capture = session.get_one(Capture, CAPTURE)
            capture.path, (capture.width_px, capture.height_px) = str(path), size
            file = Path(path)
            if content_hash is None and "\x00" not in str(path) and file.is_file() and file.is_relative_to(tmp_path):
                content_hash = hash_file(file)
            if content_hash is not None:
                capture.content_hash = content_hash

    return change


@pytest.fixture
def ask(guarded):
    """Ask for the picture's first tile."""
    client = guarded.as_role("manager")
    return lambda: client.get(f"{API}/captures/{CAPTURE}/tiles/0/0/0.jpg")


def picture(path: Path, colour: int = 90, size: tuple[int, int] = (64, 48)) -> str:
    Image.new("RGB", size, (colour, colour, colour)).save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_link_leads_to_the_picture_that_the_census_saw_and_to_no_other_file(put, ask, tmp_path) -> None:
    survey, private = tmp_path / "survey", tmp_path / "private"
    survey.mkdir()
    private.mkdir()
    secret = private / "passport.png"
    picture(secret, 200)
    seen = picture(private / "seen.png")
    link, linked = survey / "0001.png", survey / "0002.png"
    link.symlink_to(secret)
    linked.symlink_to(private / "seen.png")
    put(link, content_hash=seen)
    refused = ask()
    assert refused.status_code == 410
    assert "another file" in refused.json()["detail"]
    assert "passport" not in refused.text
    # Nor through a folder that is a link, nor by dots.
    (survey / "card").symlink_to(private)
    for path in (survey / "card" / "passport.png", f"{survey}/../private/passport.png"):
        put(path, content_hash=seen)
        assert ask().status_code == 410
    put(linked, content_hash=seen)
    assert ask().status_code == 200


@pytest.mark.parametrize(
    "path", ["/dev/zero", "/dev/stdin", "/proc/self/environ", "/etc/passwd", "/", "x\x00y", "", "~/x"]
)
def test_what_is_no_picture_is_not_read_on_and_on(put, ask, path) -> None:
    put(path)
    answer = ask()
    assert answer.status_code == 410
    assert "root" not in answer.text


def test_a_pipe_is_not_waited_for(put, ask, tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    put(tmp_path / "pipe.png")
    assert ask().status_code == 410


def png(width: int, height: int) -> bytes:
    """A small file that claims to be large, and whose pixels would inflate to gigabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_pictures_that_would_fill_the_memory_are_refused(put, ask, tmp_path) -> None:
    bomb = tmp_path / "bomb.png"
    for size in ((100_000, 100_000), (2**31 - 1, 2**31 - 1), (30_000, 20_000)):
        bomb.write_bytes(png(*size))
        for said in (size, (64, 48)):
            put(bomb, said)
            assert ask().status_code in (404, 410)
    import rasterio

    sparse = tmp_path / "sparse.tif"
    for width, height, shown in ((60_000, 50_000, 503), (400_000, 300_000, 410)):
        with rasterio.open(
            sparse, "w", driver="GTiff", width=width, height=height, count=3, dtype="uint8", tiled=True,
            SPARSE_OK="TRUE", BIGTIFF="YES", crs="EPSG:4326", transform=rasterio.Affine(1e-6, 0, 34, 0, -1e-6, -2),
        ):  # fmt: skip
            pass
        put(sparse, (width, height))
        answer = ask()
        assert answer.status_code in (200, shown)
        if shown == 410:
            assert "million pixels" in answer.json()["detail"]


def test_files_that_are_broken_are_said_to_be_and_not_named(put, ask, tmp_path) -> None:
    good = tmp_path / "good.jpg"
    Image.fromarray(np.random.default_rng([1]).integers(0, 255, (480, 640, 3), dtype=np.uint8)).save(good)
    whole = good.read_bytes()
    for name, content in {
        "cut.jpg": whole[: len(whole) // 2],
        "nothing.jpg": b"",
        "zeros.jpg": bytes(10_000),
        "text.tif": b"II*\x00" + b"\xff" * 200,
        "page.jpg": b"<html><script>alert(1)</script>",
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "far.vrt": b"<VRTDataset><SourceFilename>/vsicurl/http://evil/x</SourceFilename></VRTDataset>",
        "post.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        put(path, (640, 480))
        answer = ask()
        assert answer.status_code == 410, name
        assert answer.headers["content-type"] == "application/json"
        assert name not in answer.text
        assert str(tmp_path) not in answer.text


def test_a_picture_of_another_size_than_the_census_saw_is_another_picture(put, ask, tmp_path) -> None:
    path = tmp_path / "a.png"
    picture(path)
    put(path, (64, 47))
    assert ask().status_code == 410
    put(path, (64, 48))
    assert ask().status_code == 200


@pytest.mark.parametrize(
    "content_hash", ["../../../evil", "/tmp/evil", "a" * 63, "A" * 64, "..", "", "x\x00", "a" * 5000]
)
def test_a_census_from_others_names_no_folder_of_this_machine(put, ask, tmp_path, content_hash) -> None:
    path = tmp_path / "a.png"
    picture(path)
    put(path, content_hash=content_hash)
    assert ask().status_code == 410
    assert not list(tmp_path.rglob("*evil*"))
    assert not Path("/tmp/evil").exists()


def test_a_box_as_large_as_the_world_is_cut_out_without_filling_the_memory(guarded) -> None:
    client = guarded.as_role("reviewer")
    for i, box in enumerate([[-1e6, -1e6, 1e6, 1e6], [9e5, 9e5, 1e6, 1e6], [0, 0, 1e6, 1e-9], [-1e6, 5, -9e5, 6]]):
        act = {"action": "add", "capture_id": 5, "label": "zebra", "box_px": box}
        written = client.post(f"{API}/verdicts", json={"request": f"verdict-{i:04d}", "verdicts": [act]})
        assert written.status_code in (200, 409, 422)
    drawn = [i for i in client.get(f"{API}/captures/5/items").json() if i["state"] == "add"]
    for item in drawn:
        assert client.get(f"{API}/detections/{item['detection_id']}/crop.jpg").status_code == 200


def test_tiles_and_crops_carry_no_time_and_place(guarded) -> None:
    client = guarded.as_role("viewer")
    for path in (f"{API}/captures/5/tiles/0/0/0.jpg", f"{API}/detections/1/crop.jpg"):
        found = client.get(path)
        assert found.status_code == 200
        assert b"Exif" not in found.content
        assert b"2026" not in found.content


def test_a_census_that_is_busy_is_asked_again_and_an_act_is_not_lost(guarded, monkeypatch) -> None:
    client = guarded.as_role("reviewer")
    act = {"request": "verdict-0001", "verdicts": [{"action": "accept", "detection_id": 1}]}
    place = client.app.state.place
    with place.census.engine.connect() as held:
        held.exec_driver_sql("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(guarded.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = client.post(f"{API}/verdicts", json=act)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "lock" not in answer.text
        other.execute("ROLLBACK")
    assert len(client.post(f"{API}/verdicts", json=act).json()["verdict_ids"]) == 1
