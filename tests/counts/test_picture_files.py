"""Pictures are found where they are now, and another picture is never taken for one of them."""

import hashlib
import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from sqlalchemy import update

from counts.census import Census
from counts.picture_files import PictureFiles, picture_name, picture_parts
from counts.schema import Capture
from detect.sources import hash_file
from flightplan.errors import CaptureError
from overfly.cli import main
from overfly.commands.review import tell_missing

API = "/api/v1"


def put(path: Path, content: str) -> str:
    """Write a picture; returns its hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return hashlib.sha256(content.encode()).hexdigest()


def test_a_picture_lies_where_it_was(tmp_path: Path) -> None:
    known = put(tmp_path / "images" / "0001.jpg", "a")
    assert PictureFiles().find(tmp_path / "images" / "0001.jpg", known) == tmp_path / "images" / "0001.jpg"


@pytest.mark.parametrize(
    "stored",
    [
        "/home/amina/serengeti/2026-wet/images/sortie-01/0001.jpg",
        "C:/Users/Amina/serengeti/2026-wet/images/sortie-01/0001.jpg",
        r"C:\Users\Amina\serengeti\2026-wet\images\sortie-01\0001.jpg",
        r"\\camp\share\2026-wet\images\sortie-01\0001.jpg",
        "2026-wet/images/sortie-01/0001.jpg",
        "s3://park/2026-wet/images/sortie-01/0001.jpg",
        "../../2026-wet/images/sortie-01/0001.jpg",
    ],
)
def test_a_workspace_copied_to_another_laptop_has_its_pictures(tmp_path: Path, stored: str) -> None:
    moved = tmp_path / "Desktop" / "copy of serengeti"
    known = put(moved / "2026-wet" / "images" / "sortie-01" / "0001.jpg", "a")
    beside = PictureFiles(beside=moved)
    assert beside.find(stored, known) == moved / "2026-wet" / "images" / "sortie-01" / "0001.jpg"
    named = PictureFiles([moved])
    assert named.find(stored, known) == moved / "2026-wet" / "images" / "sortie-01" / "0001.jpg"
    assert beside.look([stored]).missing == named.look([stored]).missing == 0


def test_pictures_beside_the_folder_of_the_census_are_found(tmp_path: Path) -> None:
    known = put(tmp_path / "card" / "DCIM" / "0001.jpg", "a")
    files = PictureFiles(beside=tmp_path / "card" / "work" / "serengeti")
    assert files.find("/media/usb0/DCIM/0001.jpg", known) == tmp_path / "card" / "DCIM" / "0001.jpg"


def test_of_two_cards_with_the_same_names_each_gives_its_own_picture(tmp_path: Path) -> None:
    first = put(tmp_path / "a" / "100MEDIA" / "DJI_0001.JPG", "north")
    second = put(tmp_path / "b" / "100MEDIA" / "DJI_0001.JPG", "south")
    files = PictureFiles([tmp_path])
    assert files.find("/media/card/DCIM/100MEDIA/DJI_0001.JPG", first).parts[-3] == "a"
    assert files.find("/media/card/DCIM/100MEDIA/DJI_0001.JPG", second).parts[-3] == "b"
    assert files.likely("/media/card/DCIM/100MEDIA/DJI_0001.JPG", second) == files.find("/x/DJI_0001.JPG", second)


def test_another_picture_of_that_name_is_not_taken_for_it(tmp_path: Path) -> None:
    stored = tmp_path / "card" / "DCIM" / "DJI_0001.JPG"
    put(stored, "another card in the same slot")
    files = PictureFiles([tmp_path], beside=tmp_path)
    with pytest.raises(CaptureError, match="another file"):
        files.find(stored, hashlib.sha256(b"ours").hexdigest())
    ours = put(tmp_path / "backup" / "dji_0001.jpg", "ours")
    later = PictureFiles([tmp_path])
    assert later.find(stored, ours) == tmp_path / "backup" / "dji_0001.jpg"


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    stored = tmp_path / "0001.jpg"
    known = put(stored, "ours")
    files = PictureFiles()
    assert files.find(stored, known) == stored
    put(stored, "others")
    os.utime(stored, ns=(1, time.time_ns() + 10**9))
    with pytest.raises(CaptureError, match="another file"):
        files.find(stored, known)


def test_folders_named_like_those_it_was_in_come_first(tmp_path: Path) -> None:
    put(tmp_path / "a" / "sortie-02" / "0001.jpg", "same")
    known = put(tmp_path / "b" / "sortie-01" / "0001.jpg", "same")
    found = PictureFiles([tmp_path]).find("/was/sortie-01/0001.jpg", known)
    assert found == tmp_path / "b" / "sortie-01" / "0001.jpg"


def test_what_is_missing_is_counted_and_says_what_to_do(tmp_path: Path) -> None:
    put(tmp_path / "now" / "images" / "0001.jpg", "a")
    stored = [f"/was/images/{number:04d}.jpg" for number in range(1, 5)]
    put(tmp_path / "here.jpg", "b")
    found = PictureFiles([tmp_path / "now"]).look([*stored, tmp_path / "here.jpg", "s3://park/0009.jpg"])
    assert (found.total, found.moved, found.missing, found.example) == (6, 1, 3, "/was/images/0002.jpg")
    assert "--pictures FOLDER" in found.hint
    nothing = PictureFiles().look([tmp_path / "here.jpg"])
    assert (nothing.missing, nothing.hint) == (0, None)
    with pytest.raises(CaptureError, match="it is not there"):
        PictureFiles([tmp_path / "now"]).find(stored[1], "ab" * 32)


def test_paths_lead_nowhere_else(tmp_path: Path) -> None:
    secret = put(tmp_path / "private" / "passport.jpg", "secret")
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    files = PictureFiles([tmp_path / "a" / "b" / "c"], beside=tmp_path / "a" / "b" / "c")
    for stored in ("../../../private/passport.jpg", r"..\..\..\private\passport.jpg", "x\x00y", "", "/", "C:"):
        with pytest.raises(CaptureError):
            files.find(stored, secret)
    os.mkfifo(tmp_path / "a" / "b" / "c" / "pipe.jpg")
    with pytest.raises(CaptureError, match="not there"):
        files.find("/was/pipe.jpg", secret)


def test_the_parts_of_a_path_are_those_of_its_system() -> None:
    assert picture_parts(r"D:\DCIM\100MEDIA\DJI_0001.JPG") == ("DCIM", "100MEDIA", "DJI_0001.JPG")
    assert picture_parts("zip:///inner/0001.jpg::file:///x/photos.zip") == ("inner", "0001.jpg")
    assert picture_parts("a/./../b.jpg") == ("a", "b.jpg")
    assert picture_parts(r"/odd\name.jpg") == (r"odd\name.jpg",)
    assert picture_name(r"D:\DCIM\DJI_0001.JPG") == "DJI_0001.JPG"


@pytest.fixture
def moved(filled: Census, tmp_path: Path) -> Path:
    """The first picture of the census lies elsewhere now, as its content says; the others are gone."""
    path = tmp_path / "card" / "DCIM" / "frame.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (64, 48), (200, 0, 0)).save(path)
    with filled.writing() as session:
        capture = session.get_one(Capture, 1)
        capture.path, capture.content_hash = r"D:\DCIM\frame.png", hash_file(path)
        capture.width_px, capture.height_px = 64, 48
    return path


def test_the_page_shows_a_picture_that_moved_and_says_how_many_are_missing(serve, filled: Census, moved: Path) -> None:
    tile = f"{API}/captures/1/tiles/0/0/0.jpg"
    without, named = serve(), serve(pictures=(moved.parents[1],))
    assert without.get(tile).status_code == 410
    shown = named.get(tile)
    assert shown.status_code == 200
    assert without.get(f"{API}/captures/1").json()["name"] == "frame.png"
    lost, found = without.get(f"{API}/pictures").json(), named.get(f"{API}/pictures").json()
    assert lost["missing"] == lost["total"] == found["missing"] + found["moved"]
    assert found["moved"] == 1
    assert "--pictures FOLDER" in lost["hint"]


def test_review_says_in_the_terminal_what_is_missing(filled: Census, moved: Path, capsys) -> None:
    tell_missing(filled.where, None, ())
    said = capsys.readouterr().err
    assert "pictures are not there" in said
    assert "--pictures FOLDER" in said
    with filled.writing() as session:
        session.execute(update(Capture).where(Capture.fid != 1).values(refused="gone"))
    tell_missing(filled.where, "2026-wet", (moved.parents[1],))
    assert "1 of 1 pictures were found elsewhere" in capsys.readouterr().err


def test_exports_name_and_show_pictures_where_they_are_now(filled: Census, moved: Path, tmp_path: Path) -> None:
    def names(*more: str) -> set[str]:
        out = tmp_path / f"{len(more)}.json"
        done = CliRunner().invoke(main, ["export", "coco", filled.where, "--out", str(out), *more])
        assert done.exit_code in (0, 3), done.output
        return {image["file_name"] for image in json.loads(out.read_text())["images"]}

    assert r"D:\DCIM\frame.png" in names()
    found = names("--pictures", str(moved.parents[1]))
    assert str(moved) in found
    assert r"D:\DCIM\frame.png" not in found
    wrong = CliRunner().invoke(main, ["export", "coco", filled.where, "--out", "x.json", "--pictures", "nowhere"])
    assert wrong.exit_code == 2
    assert "no folder 'nowhere'" in wrong.output
