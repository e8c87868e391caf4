"""A census on a read-only medium is read, and says so where it would have to be written; a full disk hurts nothing."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from counts import audit, store
from counts.census import Census
from flightplan.errors import CensusError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def card(filled_file, tmp_path, protect):
    """A census on a card that is write-protected: file and folder."""
    folder = tmp_path / "card"
    folder.mkdir()
    path = Path(shutil.copy(filled_file, folder / "census.gpkg"))
    protect(folder)
    yield path
    folder.chmod(0o755)
    path.chmod(0o644)


def test_a_census_on_a_protected_card_is_read_and_nothing_is_left_beside_it(card):
    with Census.open(card, create=False) as census, census.reading() as session:
        assert store.latest_survey(session).name == "2026-wet"
        assert len(store.read_individuals(session, 1)) > 100
        assert audit.verify(session).sound
    assert [p.name for p in card.parent.iterdir()] == ["census.gpkg"]


def test_what_would_write_to_it_says_why_it_cannot_and_what_to_do(card):
    before = card.read_bytes()
    with (
        Census.open(card, create=False) as census,
        pytest.raises(CensusError, match=r"cannot be written: its file may not be written.*Copy it to a folder"),
        census.writing(),
    ):
        pass
    assert card.read_bytes() == before


@pytest.mark.parametrize("spelling", ["file:{}?mode=ro", "sqlite:///{}?mode=ro"])
def test_an_address_can_ask_for_reading_only(filled_file, tmp_path, spelling):
    path = shutil.copy(filled_file, tmp_path / "census.gpkg")
    with Census.open(spelling.format(path)) as census:
        with census.reading() as session:
            assert store.latest_survey(session).name == "2026-wet"
        with pytest.raises(CensusError, match="opened to be read only"), census.writing():
            pass


def test_a_file_that_is_not_there_is_not_made_by_reading_only(tmp_path):
    with pytest.raises(CensusError, match="no census here"):
        Census.open(tmp_path / "census.gpkg", read_only=True)
    assert not list(tmp_path.iterdir())


def test_a_census_in_use_by_another_can_be_read_only(filled):
    with filled.writing() as session:
        store.add_survey(session, name="in the log")
    with Census.open(filled.where, read_only=True) as census, census.reading() as session:
        assert store.latest_survey(session).name == "in the log"


def test_one_of_an_older_overfly_cannot_be_brought_up_to_date_there(filled_file, tmp_path, protect):
    folder = tmp_path / "card"
    folder.mkdir()
    path = shutil.copy(filled_file, folder / "census.gpkg")
    with Census.open(path) as census:
        census.downgrade("r0004")
    protect(folder)
    with pytest.raises(CensusError, match="written by an older overfly and has to be brought up to date, but"):
        Census.open(path)
    folder.chmod(0o755)


def test_a_new_census_is_not_begun_in_a_protected_folder(tmp_path, protect):
    folder = tmp_path / "card"
    folder.mkdir()
    protect(folder)
    with pytest.raises(CensusError, match="its folder is read-only"):
        Census.open(folder / "census.gpkg")
    folder.chmod(0o755)


def overfly(*words, bytes_at_most=None):
    """Run a verb as a process that can make no file larger than so many bytes."""

    def limit():
        if bytes_at_most is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_at_most, bytes_at_most))

    command = [sys.executable, "-m", "overfly", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, preexec_fn=limit)


def test_a_disk_that_fills_while_counting_is_one_clear_error_and_the_file_is_as_it_was(filled_file, tmp_path):
    path = Path(shutil.copy(filled_file, tmp_path / "census.gpkg"))
    said = overfly("count", path, bytes_at_most=40_000)  # less than the log of one counting
    assert said.returncode == 1
    assert len(said.stderr.strip().splitlines()) <= 2
    assert "disk" in said.stderr
    assert "what was there before is kept" in said.stderr
    with Census.open(path, create=False) as census, census.reading() as session:
        assert audit.verify(session).sound
        assert session.scalars(text("PRAGMA integrity_check")).all() == ["ok"]
        assert store.latest_identity_run(session, 1) == 1
    assert overfly("count", path).returncode == 0
