"""Detection into a census: shared out, interrupted, tried again, and always each capture once."""

import hashlib
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import fsspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from counts.audit import verify
from counts.census import Census
from counts.store import count_detections, find_survey, read_captures, read_skips
from counts.store.detections import DetectionTable, read_detections
from detect.detections import Detections, sorted_detections
from detect.shards import Shard
from detect.sources import location
from flightplan.errors import CaptureError
from overfly.chain import Detected, count_survey, detect_survey, detecting, ingest
from overfly.cli import main


@dataclass
class Counting:
    """A detector that finds a box or two in each picture, and counts what it is shown."""

    names: tuple[str, ...] = ("elephant", "zebra")
    content_hash: str = "a" * 64
    threshold: float = 0.25
    fixed_tile_px: tuple[int, int] | None = None
    seen: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    wait_for: threading.Event | None = None

    def detect_batch(self, tiles: Sequence[np.ndarray]) -> list[Detections]:
        self.begun.set()
        if self.wait_for is not None:
            assert self.wait_for.wait(60)
        self.seen += [hashlib.sha256(tile.tobytes()).hexdigest() for tile in tiles]
        means = [float(tile[0, 0].mean()) for tile in tiles]
        return [
            sorted_detections(
                [[m / 20, m / 30, 20 + m / 20, 20 + m / 10]] * 2, [m / 300, m / 400], [0, 1], self.names, "a" * 64
            )
            for m in means
        ]


def picture(seed: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(content, "JPEG")
    return content.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.jpg").write_bytes(picture(number))
    return folder


@pytest.fixture
def census(tmp_path: Path, folder: Path) -> Iterator[Census]:
    with Census.open(tmp_path / "c.gpkg") as opened:
        ingest(opened, "wet", [folder])
        yield opened


def look(census: Census, detector: Counting | None = None, **options: object) -> Detected:
    return detect_survey(census, detector or Counting(), name="counting", **options)  # type: ignore[arg-type]


def found(census: Census, run_id: int) -> DetectionTable:
    with census.reading() as session:
        return read_detections(session, run_id)


def both_at_work() -> list[Counting]:
    """Two detectors; neither finds anything before the other has begun, so that neither has written."""
    one, other = Counting(), Counting()
    one.wait_for, other.wait_for = other.begun, one.begun
    return [one, other]


def test_two_shards_that_write_one_census_at_once_make_the_run_of_one_process(census: Census, tmp_path: Path) -> None:
    Census.backup(Path(census.where), tmp_path / "other.gpkg")
    census.close()
    with Census.open(tmp_path / "other.gpkg") as alone:
        whole = look(alone)
        assert (whole.looked_at, whole.captures, whole.left) == (40, 40, 0)
        expected = found(alone, whole.run_id)
    detectors = both_at_work()

    def run(index: int) -> Detected:
        with Census.open(census.where) as mine:
            return look(mine, detectors[index - 1], shard=Shard(index, 2))

    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(run, (1, 2)))
    assert parts[0].run_id == parts[1].run_id
    assert parts[0].looked_at + parts[1].looked_at == 40
    assert not set(detectors[0].seen) & set(detectors[1].seen)
    with Census.open(census.where) as together:
        table = found(together, parts[0].run_id)
        for name in ("capture_id", "boxes_px", "scores", "label_ids"):
            assert np.array_equal(getattr(table, name), getattr(expected, name)), name
        assert look(together).looked_at == 0
        with together.reading() as session:
            assert verify(session).sound


def test_two_runs_over_the_same_pictures_at_once_find_nothing_twice(census: Census) -> None:
    def run(detector: Counting) -> Detected:
        with Census.open(census.where) as mine:
            return look(mine, detector)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(run, both_at_work()))
    assert [result.captures for result in both] == [40, 40]
    assert len(found(census, both[0].run_id)) == 80


def test_what_was_found_and_not_yet_written_is_not_looked_for_again(
    census: Census, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(detecting._Writer, "__call__", lambda writer, batch: killed() if batch else None)
        with pytest.raises(KeyboardInterrupt):
            look(census)
    (kept,) = Path(census.where).parent.glob("*-progress")
    with kept.open("ab") as file:
        file.write(b'{"image": "half a li')
    detector = Counting()
    result = look(census, detector)
    assert (detector.seen, result.captures, result.detections, result.left) == ([], 40, 80, 0)
    assert not kept.exists()
    # Another threshold is another run: nothing kept is taken for it.
    with monkeypatch.context() as patched:
        patched.setattr(detecting._Writer, "__call__", lambda writer, batch: killed() if batch else None)
        with pytest.raises(KeyboardInterrupt):
            look(census, Counting(threshold=0.5))
    other = Counting(threshold=0.6)
    assert look(census, other).looked_at == len(other.seen) == 40


def test_a_run_without_all_its_shards_is_said_to_be_incomplete(census: Census, tmp_path: Path) -> None:
    first = look(census, shard=Shard(1, 3))
    assert 0 < first.left == 40 - first.captures
    counted = count_survey(census)
    assert counted.not_looked_at == first.left
    assert counted.captures == first.captures
    said = run_overfly("count", census.where).stdout
    assert f"Not complete: {first.left} pictures are not looked at yet" in said
    for index in (2, 3):
        last = look(census, shard=Shard(index, 3))
    assert last.left == 0
    assert count_survey(census).not_looked_at == 0
    assert "Not complete" not in run_overfly("count", census.where).stdout


def test_a_picture_that_failed_lowers_the_area_and_is_tried_again_only_when_asked(census: Census, folder: Path) -> None:
    broken, whole = folder / "07.jpg", (folder / "07.jpg").read_bytes()
    broken.write_bytes(whole[:400])
    (folder / "08.jpg").unlink()
    (folder / "09.jpg").write_bytes(picture(99))
    first = look(census)
    assert [(Path(s.item).name, s.reason.split(" (")[0].split(":")[0]) for s in first.skips] == [
        ("07.jpg", "The file is not the picture that was brought in"),
        ("08.jpg", "The file cannot be read"),
        ("09.jpg", "The file is not the picture that was brought in"),
    ]
    assert (first.captures, first.left) == (37, 0)
    broken.write_bytes(whole)
    detector = Counting()
    assert look(census, detector).looked_at == 0
    again = look(census, detector, retry=True)
    assert (again.looked_at, again.captures, len(detector.seen)) == (3, 38, 1)
    with census.reading() as session:
        survey = find_survey(session, "wet").survey_id
        usable = {c.capture.path.name for c in read_captures(session, survey, usable=True)}
        assert {f"{n:02}.jpg" for n in range(40)} - usable == {"08.jpg", "09.jpg"}
        assert {Path(s.item).name for stage, s in read_skips(session, survey) if stage == "detect"} == {
            "08.jpg",
            "09.jpg",
        }
        assert count_detections(session, again.run_id) == {"elephant": 38, "zebra": 38}
        assert verify(session).sound


def test_a_card_that_is_not_there_sets_no_picture_aside(census: Census, folder: Path) -> None:
    moved = folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(CaptureError, match="None of 40 pictures to look at is where it was brought in from"):
        look(census)
    moved.rename(folder)
    assert look(census).captures == 40


def test_a_card_that_is_pulled_out_sets_no_picture_aside(census: Census, folder: Path) -> None:
    class Pulled(Counting):
        def detect_batch(self, tiles: Sequence[np.ndarray]) -> list[Detections]:
            if folder.exists():
                shutil.rmtree(folder)
            return super().detect_batch(tiles)

    with pytest.raises(CaptureError, match=r"The folder of the pictures is gone, after \d+ of 40"):
        look(census, Pulled(), workers=1)
    with census.reading() as session:
        survey = find_survey(session, "wet").survey_id
        assert len(read_captures(session, survey, usable=True)) == 40
        assert read_skips(session, survey) == tuple(s for s in read_skips(session, survey) if s[0] == "ingest")


@pytest.fixture
def archive(tmp_path: Path, folder: Path) -> str:
    with zipfile.ZipFile(tmp_path / "card.zip", "w") as made:
        for path in sorted(folder.iterdir())[:6]:
            made.write(path, f"DCIM/{path.name}")
    return f"zip://{tmp_path}/card.zip"


def run_overfly(*words: object, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == exit_code, result.output
    return result


def test_an_archive_and_a_store_go_through_the_chain_as_a_folder_does(
    archive: str, folder: Path, tmp_path: Path
) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/chain-photos", recursive=True)
    try:
        for source, count, name in ((archive, 6, "zip"), ("memory://chain-photos", 40, "memory")):
            into = tmp_path / f"{name}.gpkg"
            # None of them says where it is: kept, named, and looked at.
            brought = json.loads(run_overfly("ingest", source, "--census", into, "--json", exit_code=3).stdout)
            assert (brought["found"], brought["added"]) == (count, count)
            assert all(skip["item"].startswith(f"{name}://") for skip in brought["skipped"])
            looked = json.loads(run_overfly("detect", "--census", into, "--threshold", 0.01, "--json").stdout)
            assert (looked["looked_at"], looked["left"]) == (count, 0)
            with Census.open(into) as opened, opened.reading() as session:
                paths = [
                    location(c.capture.path) for c in read_captures(session, find_survey(session, "survey").survey_id)
                ]
            assert paths[0] == {"zip": f"zip://DCIM/00.jpg::file://{tmp_path}/card.zip"}.get(name, f"{source}/00.jpg")
    finally:
        memory.rm("/chain-photos", recursive=True)


def test_shards_of_an_archive_into_one_file(archive: str, tmp_path: Path) -> None:
    run_overfly("detect", archive, "--out", tmp_path / "whole.csv", "--threshold", 0.01)
    first = json.loads(run_overfly("detect", archive, "--out", tmp_path / "d.csv", "--threshold", 0.01,
                                   "--shard", "1/2", "--json").stdout)  # fmt: skip
    assert first["shards_missing"] == ["2/2"]
    assert not (tmp_path / "d.csv").exists()
    run_overfly("detect", archive, "--out", tmp_path / "d.csv", "--threshold", 0.01, "--shard", "2/2")
    assert (tmp_path / "d.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "d.csv").read_text().count("zip://DCIM/") >= 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--shard", "3/2"), "a shard is 1/2 to 2/2"),
        (("--shard", "two"), "a shard is written like 2/5"),
        (("--cluster", "photos"), "write SOURCE before --cluster"),
        (("--cluster", "local", "--processes", "2"), "use one"),
        (("--processes", "0"), "is not in the range"),
    ],
)
def test_what_cannot_be_shared_out_is_refused(
    words: tuple[str, ...], message: str, folder: Path, tmp_path: Path
) -> None:
    result = run_overfly("detect", folder, "--out", tmp_path / "d.csv", *words, exit_code=2)
    assert message in " ".join(result.stderr.split())
