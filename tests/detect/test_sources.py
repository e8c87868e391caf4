"""Pictures in folders, archives and object stores: the same pictures, found, read and named alike."""

import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from detect.captures import find_images, read_capture
from detect.images import decode, open_raster
from detect.sources import as_path, hash_file, is_remote, list_remote, local_path, location, on_disk, read, shown
from flightplan.errors import CaptureError


def picture(seed: int, kind: str = "JPEG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(content, kind)
    return content.getvalue()


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Iterator[str]:
    """A store with two pictures, an orthophoto, and what else lies on a card."""
    memory = fsspec.filesystem("memory")
    root = f"memory://bucket-{os.getpid()}-{request.node.name[:20]}"
    files = {
        "DCIM/100MEDIA/DJI_0002.JPG": picture(2),
        "DCIM/100MEDIA/DJI_0001.JPG": picture(1),
        "DCIM/100MEDIA/._DJI_0001.JPG": b"\0",
        "DCIM/notes.txt": b"hello",
        "ortho.tif": picture(3, "TIFF"),
    }
    for name, data in files.items():
        memory.pipe_file(f"{root}/{name}", data)
    yield root
    memory.rm(root, recursive=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OVERFLY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/2026/DJI_0001.JPG",
        "memory://a/b.jpg",
        "zip://DCIM/a.jpg::file:///data/card.zip",
        "zip://a.jpg::s3://bucket/card.zip",
        "https://example.org/a.jpg",
    ],
)
def test_a_url_survives_being_a_path(url: str) -> None:
    assert location(as_path(url)) == url
    assert is_remote(as_path(url))
    assert as_path(url).name == url.split("::")[0].rsplit("/", 1)[1] or "::" in url


@pytest.mark.parametrize("path", ["/data/a.jpg", "a.jpg", "C:/data/a.jpg", "s3/a.jpg", "./x:y/a.jpg"])
def test_a_path_is_no_url(path: str) -> None:
    assert not is_remote(path)
    assert location(Path(path)) == Path(path).as_posix()


def test_a_name_that_a_path_cannot_hold_is_refused_not_changed() -> None:
    with pytest.raises(CaptureError, match=r"s3://bucket/a//b\.jpg: Its name holds //"):
        as_path("s3://bucket/a//b.jpg")


def test_names_are_shown_on_one_line_whatever_bytes_they_have() -> None:
    assert shown("a\nb.jpg") == r"a\nb.jpg"
    assert shown(Path(os.fsdecode(b"caf\xe9.jpg"))) == r"caf\udce9.jpg"
    assert shown("käfer.jpg") == "käfer.jpg"


def test_pictures_in_a_store_are_found_in_order_and_nothing_else(bucket: str) -> None:
    found, skips = find_images([bucket])
    assert [location(path) for path in found] == [
        f"{bucket}/DCIM/100MEDIA/DJI_0001.JPG",
        f"{bucket}/DCIM/100MEDIA/DJI_0002.JPG",
        f"{bucket}/ortho.tif",
    ]
    assert not skips
    assert find_images([f"{bucket}/ortho.tif", bucket])[0][0].name == "ortho.tif"


def test_a_capture_of_a_store_is_its_bytes_and_carries_its_url(bucket: str) -> None:
    path = find_images([bucket])[0][0]
    capture = read_capture(path)
    assert capture.content_hash == hashlib.sha256(picture(1)).hexdigest()
    assert location(capture.path) == f"{bucket}/DCIM/100MEDIA/DJI_0001.JPG"
    assert (decode(path) == decode(Path("x.jpg"), picture(1))).all()


def test_an_orthophoto_is_fetched_once_and_read_from_the_cache(bucket: str, cache: Path) -> None:
    path = as_path(f"{bucket}/ortho.tif")
    with open_raster(path) as raster:
        assert (raster.width_px, raster.height_px) == (64, 48)
    (kept,) = cache.iterdir()
    before = kept.stat().st_ino
    assert read(path) == picture(3, "TIFF")
    assert on_disk(path) == kept
    assert kept.stat().st_ino == before
    assert hash_file(kept) == hashlib.sha256(picture(3, "TIFF")).hexdigest()


def test_the_cache_forgets_what_was_used_longest_ago(bucket: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(picture(3, "TIFF"))
    monkeypatch.setenv("OVERFLY_CACHE_GB", str(2.5 * size / 1e9))
    memory = fsspec.filesystem("memory")
    kept = []
    for number in range(4):
        memory.pipe_file(f"{bucket}/{number}.tif", picture(10 + number, "TIFF"))
        kept.append(on_disk(as_path(f"{bucket}/{number}.tif")))
        os.utime(kept[-1], (number, number))
    assert [file.exists() for file in kept] == [False, False, True, True]
    monkeypatch.setenv("OVERFLY_CACHE_GB", str(0.5 * size / 1e9))
    with pytest.raises(CaptureError, match=r"0\.tif: The file is larger than the cache"):
        on_disk(as_path(f"{bucket}/0.tif"))


def test_a_local_archive_is_a_source_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "card.zip", "w") as archive:
        archive.writestr("DCIM/b.jpg", picture(5))
        archive.writestr("DCIM/a.jpg", picture(4))
        archive.writestr("__MACOSX/DCIM/._a.jpg", b"\0")
    monkeypatch.chdir(tmp_path)
    for named in ("zip://card.zip", "zip://::card.zip", f"zip://{tmp_path}/card.zip"):
        found, _ = list_remote(named)
        assert [location(p) for p in found] == [
            f"zip://DCIM/{name}.jpg::file://{tmp_path}/card.zip" for name in ("a", "b")
        ]
    monkeypatch.chdir("/")
    assert read(found[1]) == picture(5)
    assert [location(p) for p in list_remote(f"zip://DCIM/a.jpg::file://{tmp_path}/card.zip")[0]] == [
        location(found[0])
    ]


def test_a_file_url_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(1))
    assert local_path(f"file://{tmp_path}") == tmp_path
    assert find_images([f"file://{tmp_path}"])[0] == [tmp_path / "a.jpg"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://nowhere/at/all", "memory://nowhere/at/all: There is no such file or folder"),
        ("nosuch://bucket/a", "nosuch://bucket/a: .*nosuch"),
        ("zip://nothere.zip", "zip://::file:///.*nothere.zip: There is no such file"),
    ],
)
def test_what_is_wrong_with_a_store_is_said_with_its_url(url: str, message: str) -> None:
    with pytest.raises(CaptureError, match=message):
        find_images([url])


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(CaptureError, match=r"bad\.zip: The store cannot be read \(File is not a zip file\)"):
        find_images([f"zip://{tmp_path}/bad.zip"])


def test_names_that_are_no_text_and_folders_named_like_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "good.jpg").write_bytes(picture(1))
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "folder.jpg" / "inside.jpg").write_bytes(picture(2))
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(picture(3))
    found, skips = find_images([tmp_path])
    assert [path.name for path in found] == ["inside.jpg", "good.jpg"]
    assert [(Path(skip.item).name, skip.reason.split(":")[0].split(";")[0]) for skip in skips] == [
        ("folder.jpg", "a folder that is named like a picture"),
        (r"caf\udce9.jpg", "its name is no UTF-8 text, and cannot be written down"),
    ]


def test_without_the_extra_a_url_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(CaptureError, match=r"s3:// is read through fsspec.*pip install 'overfly\[remote\]'"):
        find_images(["s3://bucket/photos"])
