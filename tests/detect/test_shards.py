"""Work that is shared out, killed and gone on with: every picture once, and the file is the same to the byte."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detect.detections import Detections, sorted_detections
from detect.into_file import detect_into_file
from detect.journal import Journal
from detect.shards import Shard, Wanted
from flightplan.errors import CaptureError, UnreadableFileError


@dataclass
class Counting:
    """A detector that finds a box of odd numbers in each picture, and counts what it is shown."""

    names: tuple[str, ...] = ("elephant", "zebra")
    content_hash: str = "a" * 64
    threshold: float = 0.25
    fixed_tile_px: tuple[int, int] | None = None
    seen: list[str] = field(default_factory=list)

    def detect_batch(self, tiles: Sequence[np.ndarray]) -> list[Detections]:
        self.seen += [hashlib.sha256(tile.tobytes()).hexdigest() for tile in tiles]
        means = [tile.mean() for tile in tiles]
        return [
            sorted_detections([[m / 7, m / 9, m / 3, m / 2]] * 2, [m / 300, m / 400], [0, 1], self.names, "a" * 64)
            for m in means
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures in two folders, one of them twice, one cut short, one no picture."""
    folder = tmp_path / "photos"
    rng = np.random.default_rng(8)
    for number in range(12):
        path = folder / f"{number % 2}" / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 48, 3), dtype=np.uint8)).save(path)
    shutil.copy(folder / "0" / "00.jpg", folder / "1" / "again.jpg")
    cut = folder / "0" / "04.jpg"
    cut.write_bytes(cut.read_bytes()[:700])
    (folder / "1" / "gone.jpg").symlink_to("nowhere.jpg")
    return folder


def pictures(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jpg"))


@given(st.integers(1, 40), st.binary(min_size=1))
def test_every_picture_belongs_to_exactly_one_shard(count: int, content: bytes) -> None:
    key = hashlib.sha256(content).hexdigest()
    owners = [i for i in range(1, count + 1) if Shard(i, count).owns(key)]
    assert len(owners) == 1
    assert Wanted(Shard(owners[0], count))(key)
    assert not Wanted(Shard(owners[0], count), frozenset({key}))(key)


def test_shards_are_of_about_one_size() -> None:
    keys = [hashlib.sha256(bytes([i % 256, i // 256])).hexdigest() for i in range(6000)]
    sizes = [sum(Shard(i, 3).owns(key) for key in keys) for i in (1, 2, 3)]
    assert sum(sizes) == 6000
    assert max(sizes) - min(sizes) < 250


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "1/3/5", "-1/3", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="shard"):
        Shard.parse(text)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_shards_in_any_order_make_the_file_of_one_run(suffix: str, folder: Path, tmp_path: Path) -> None:
    whole, joined = tmp_path / f"whole{suffix}", tmp_path / f"joined{suffix}"
    alone = detect_into_file(pictures(folder), whole, Counting())
    assert (alone.captures, alone.detections) == (12, 24)
    assert [Path(skip.item).name for skip in alone.skips] == ["04.jpg", "gone.jpg"]
    seen: list[str] = []
    for index in (2, 3, 1):
        assert not joined.exists()
        detector = Counting()
        part = detect_into_file(pictures(folder), joined, detector, shard=Shard(index, 3))
        assert part.shards_missing == {2: ("1/3", "3/3"), 3: ("1/3",), 1: ()}[index]
        seen += detector.seen
    assert joined.read_bytes() == whole.read_bytes()
    # The picture that is there twice is looked at twice, by one shard; no other is.
    assert len(seen) == 12
    assert len(set(seen)) == 11
    assert [skip.item for skip in part.skips] == [skip.item for skip in alone.skips]


def test_a_run_that_is_killed_goes_on_and_looks_at_nothing_twice(folder: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    detect_into_file(pictures(folder), whole, Counting())
    for after in (1, 4, 7):
        detector = Counting()

        def stop(done: int, _: int, after: int = after) -> None:
            if done == after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            detect_into_file(pictures(folder), out, detector, progress=stop)
        assert not out.exists()
    progress = Journal.beside(out, Shard())
    with progress.open("ab") as file:
        file.write(b'{"image": "half a li')
    written = {line["sha256"] for line in map(json.loads, progress.read_bytes().splitlines()[1:-1])}
    detector = Counting()
    result = detect_into_file(pictures(folder), out, detector)
    assert result.again == len([p for p in pictures(folder) if p.exists() and hash_of(p) in written])
    assert result.looked_at == 14 - result.again
    assert out.read_bytes() == whole.read_bytes()
    assert not progress.exists()


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_picture_that_failed_is_tried_again_only_when_asked(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    first = detect_into_file(pictures(folder), out, Counting(), shard=Shard(1, 1000))
    assert first.shards_missing
    shard = next(s for s in (Shard(i, 2) for i in (1, 2)) if s.owns(hash_of(folder / "0" / "04.jpg")))
    once = detect_into_file(pictures(folder), out, Counting(), shard=shard)
    again = detect_into_file(pictures(folder), out, Counting(), shard=shard)
    retried = detect_into_file(pictures(folder), out, Counting(), shard=shard, retry=True)
    unreadable = int(shard.owns_name((folder / "1" / "gone.jpg").as_posix()))
    assert (again.looked_at, retried.looked_at) == (unreadable, unreadable + 1)
    assert once.skips == again.skips == retried.skips


def test_a_picture_that_was_renamed_is_known_and_one_that_changed_is_not(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    both = [detect_into_file(pictures(folder), out, Counting(), shard=Shard(i, 2)) for i in (1, 2)]
    assert both[1].captures == 12
    (folder / "0" / "02.jpg").rename(folder / "0" / "02b.jpg")
    Image.fromarray(np.full((32, 48, 3), 9, np.uint8)).save(folder / "0" / "06.jpg")
    detectors = Counting(), Counting()
    with pytest.raises(CaptureError, match="made of different pictures"):
        detect_into_file(pictures(folder), out, detectors[0], shard=Shard(1, 2))
    result = detect_into_file(pictures(folder), out, detectors[1], shard=Shard(2, 2))
    assert len(detectors[0].seen + detectors[1].seen) == 1
    assert result.captures == 12
    assert "02b.jpg" in out.read_text()


def test_another_models_run_is_not_mixed_in(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    detect_into_file(pictures(folder), out, Counting(), shard=Shard(1, 2))
    with pytest.raises(UnreadableFileError, match="another threshold"):
        detect_into_file(pictures(folder), out, Counting(threshold=0.5), shard=Shard(1, 2))
    with pytest.raises(UnreadableFileError, match="another detector"):
        detect_into_file(pictures(folder), out, Counting(content_hash="b" * 64), shard=Shard(2, 2))


def test_two_runs_do_not_write_one_journal(tmp_path: Path) -> None:
    settings = {"detector": "a", "names": ["elephant"]}
    path = tmp_path / "out.csv.progress"
    with Journal(path, settings), pytest.raises(UnreadableFileError, match="Another run is writing it"):
        Journal(path, settings)
    with Journal(path, settings) as journal, Journal(path, settings, reading=True) as other:
        assert journal.done == other.done == frozenset()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"hello\n", "line 1"), (b'{"format": "other"}\n', "line 1"), (b"[]\n", "line 1")],
)
def test_a_file_that_is_no_journal_is_left_alone(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "out.csv.progress"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=message):
        Journal(path, {"detector": "a"})
    assert path.read_bytes() == content


def test_numbers_are_read_back_to_the_last_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    names = ("elephant", "zebra")
    found = sorted_detections(rng.normal(0, 1e3, (50, 4)), rng.random(50), rng.integers(0, 2, 50), names, "a")
    empty = sorted_detections([], [], [], names, "a")
    with Journal(tmp_path / "j", {"detector": "a", "names": list(names)}) as journal:
        journal.add("one.jpg", "1" * 64, found)
        journal.add("two.jpg", "2" * 64, empty)
    with Journal(tmp_path / "j", {"detector": "a", "names": list(names)}) as journal:
        again, nothing = journal.get("one.jpg", "1" * 64), journal.get("elsewhere.jpg", "2" * 64)
    assert isinstance(again, Detections)
    assert isinstance(nothing, Detections)
    assert again.boxes_px.tobytes() == found.boxes_px.tobytes()
    assert again.scores.tobytes() == found.scores.tobytes()
    assert again.labels == found.labels
    assert (again.detector, again.lonlat, again.image_size_px) == ("a", None, None)
    assert nothing.boxes_px.shape == (0, 4)
