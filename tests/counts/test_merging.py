"""Two field copies of one census become one: nothing lost, nothing twice, conflicts named."""

import shutil
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import func, select

from counts import audit, store
from counts.census import Census
from counts.merging import merge
from counts.schema import Base, Capture, Detection, Individual, Sortie, Verdict
from counts.store.verdicts import VerdictEntry
from detect.detections import Detections
from flightplan.errors import CensusError

WHEN = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture
def copies(filled_file, tmp_path):
    """The same census on two laptops."""
    north, south = (shutil.copy(filled_file, tmp_path / name) for name in ("north.gpkg", "south.gpkg"))
    with Census.open(north) as ours, Census.open(south) as theirs:
        yield ours, theirs


def judge(census, number, action, who, after=None):
    with census.writing() as session:
        detection = session.scalars(select(Detection).order_by(Detection.fid).offset(number)).first()
        store.add_verdict(session, VerdictEntry(detection.capture_id, detection.fid, action, who, WHEN, None, after))


def sizes(census):
    with census.reading() as session:
        return {
            t.name: session.execute(select(func.count()).select_from(t)).scalar_one()
            for t in Base.metadata.sorted_tables
            if t.name != "audit"
        }


def sound(census):
    with census.reading() as session:
        return audit.verify(session)


def test_two_equal_copies_have_nothing_to_bring(copies):
    ours, theirs = copies
    before = sizes(ours)
    result = merge(ours, theirs.where)
    assert not result.added
    assert not result.conflicts
    assert sizes(ours) == before


def test_verdicts_of_both_teams_are_kept_and_the_chains_are_joined(copies):
    ours, theirs = copies
    judge(ours, 0, "accept", "amina")
    judge(theirs, 1, "reject", "baraka")
    judge(theirs, 2, "relabel", "baraka", {"label": "zebra"})
    result = merge(ours, theirs.where)
    assert result.added == {"verdicts": 2}
    assert result.conflicts == []
    with ours.reading() as session:
        kept = [(v.action, v.who, v.after) for v in session.scalars(select(Verdict).order_by(Verdict.fid))]
    assert kept == [
        ("accept", "amina", None), ("reject", "baraka", None), ("relabel", "baraka", {"label": "zebra"}),
    ]  # fmt: skip
    found = sound(ours)
    assert found.sound, found.flaws
    assert len(found.writers) == 3  # whoever filled it, and the two laptops


def test_merging_again_changes_nothing(copies):
    ours, theirs = copies
    judge(theirs, 1, "reject", "baraka")
    merge(ours, theirs.where)
    before, entries = sizes(ours), sound(ours).entries
    again = merge(ours, theirs.where)
    assert not again.added
    assert (sizes(ours), sound(ours).entries) == (before, entries)


def test_merged_both_ways_both_copies_hold_the_same(copies):
    ours, theirs = copies
    judge(ours, 0, "accept", "amina")
    judge(theirs, 1, "reject", "baraka")
    merge(ours, theirs.where)
    merge(theirs, ours.where)
    assert sizes(ours) == sizes(theirs)
    assert sound(theirs).sound


def test_verdicts_that_disagree_are_named_and_both_are_kept(copies):
    ours, theirs = copies
    judge(ours, 0, "accept", "amina")
    judge(theirs, 0, "reject", "baraka")
    result = merge(ours, theirs.where)
    (conflict,) = result.conflicts
    assert (conflict.table, conflict.ours, conflict.theirs) == ("verdicts", "accept by amina", "reject by baraka")
    assert sizes(ours)["verdicts"] == 2


def test_a_field_that_one_side_does_not_know_takes_the_others_value(copies):
    ours, theirs = copies
    with ours.writing() as session:
        session.connection().exec_driver_sql("UPDATE sorties SET note = NULL, status = 'planned' WHERE fid = 1")
    with theirs.writing() as session:
        store.record_flight(session, 1, "sortie-01", note="windy", started_utc=WHEN)
    result = merge(ours, theirs.where)
    with ours.reading() as session:
        sortie = session.scalars(select(Sortie).where(Sortie.fid == 1)).one()
    assert (sortie.status, sortie.note) == ("flown", "windy")
    assert result.filled["sorties"] == 2
    # The start is known to both, and differs: ours stays, and it is said.
    assert [(c.table, c.field) for c in result.conflicts] == [("sorties", "started_utc")]


def test_another_season_comes_in_whole_with_all_that_hangs_on_it(copies, fill):
    ours, theirs = copies
    fill(theirs, name="2027-wet", seed=5)
    result = merge(ours, theirs.where)
    assert result.added["surveys"] == 1
    assert result.conflicts == []
    assert sizes(ours) == sizes(theirs)
    with ours.reading() as session, theirs.reading() as source:
        values = []
        for one in (session, source):
            run = store.latest_estimate_run(one, store.find_survey(one, "2027-wet").survey_id)
            values.append((run.provenance_hash, [e.value for e in store.read_estimates(one, run.estimate_run_id)]))
        assert values[0] == values[1]
        species = session.scalars(select(func.count()).select_from(Individual)).one()
        assert species == source.scalars(select(func.count()).select_from(Individual)).one()
    assert sound(ours).sound


def test_each_team_detected_in_its_own_half_of_the_pictures(blank_file, tmp_path, plan, filled_file):
    """One run, shared out: the two halves are one run again."""
    del blank_file
    ours, theirs = (Census.open(shutil.copy(filled_file, tmp_path / n)) for n in ("a.gpkg", "b.gpkg"))
    detector = store.DetectorInfo("ab" * 32, "other", "detect", ("elephant",))

    def half(census, take):
        with census.writing() as session:
            run = store.open_detection_run(session, 1, detector, threshold=0.5, parameters={})
            todo = store.captures_without_detections(session, run)
            box = Detections(np.array([[1.0, 2, 3, 4]]), np.array([0.9]), np.array([0]), ("elephant",), "ab" * 32)
            store.add_detections(session, run, {c.capture_id: box for c in todo[take]})
            return run

    half(ours, slice(0, 250))
    half(theirs, slice(200, None))
    result = merge(ours, theirs.where)
    with ours.reading() as session:
        run = store.latest_detection_run(session, 1)
        total = session.scalars(select(func.count()).select_from(Capture)).one()
    assert (run.captures_done, run.detections) == (total, total)
    assert result.added == {"detection_run_captures": total - 250, "detections": total - 250}
    assert result.conflicts == []
    ours.close()
    theirs.close()


def test_a_copy_that_was_changed_by_hand_is_refused(copies):
    ours, theirs = copies
    judge(theirs, 1, "reject", "baraka")
    with theirs.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE detections SET score = 0.1 WHERE fid = 3")
    before = sizes(ours)
    with pytest.raises(CensusError, match="audit does not hold"):
        merge(ours, theirs.where)
    assert sizes(ours) == before


def test_one_writer_who_went_on_in_two_ways_is_refused(copies, monkeypatch):
    ours, theirs = copies
    monkeypatch.setenv(audit.WRITER_VARIABLE, "one laptop, put back from a backup")
    judge(ours, 0, "accept", "amina")
    judge(theirs, 1, "reject", "amina")
    with pytest.raises(CensusError, match="wrote entry 1 in both copies"):
        merge(ours, theirs.where)


def test_one_name_for_two_plans_is_refused(copies):
    ours, theirs = copies
    with theirs.writing() as session:
        session.connection().exec_driver_sql("DELETE FROM audit WHERE 0")
    with ours.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE surveys SET plan_hash = 'another'")
    with pytest.raises(CensusError, match="planned in two ways"):
        merge(ours, theirs.where)


def test_a_census_is_not_merged_with_itself_nor_with_what_is_none(filled, tmp_path):
    with pytest.raises(CensusError, match="the census itself"):
        merge(filled, filled.where)
    (tmp_path / "notes.gpkg").write_text("hello")
    with pytest.raises(CensusError, match="not a census"):
        merge(filled, tmp_path / "notes.gpkg")
    with pytest.raises(CensusError, match="no census here"):
        merge(filled, tmp_path / "nothing.gpkg")
