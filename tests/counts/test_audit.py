"""The audit: every transaction leaves an entry, and nothing can be changed since without its showing."""

import json
import sqlite3
import warnings
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select

from counts import audit, migrations, store
from counts.schema import AuditEntry, Capture, Detection
from counts.store.verdicts import VerdictEntry
from flightplan.errors import CensusError

pytestmark = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)


def entries(census):
    with census.reading() as session:
        return session.scalars(select(AuditEntry).order_by(AuditEntry.fid)).all()


def check(census):
    with census.reading() as session:
        return audit.verify(session)


def tamper(census, statement, *values):
    """Change the file or database behind overfly's back, triggers and all."""
    if census.engine.dialect.name == "postgresql":
        with census.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql(statement.replace("?", "%s"), values or None)
        return
    census.close()
    with closing(sqlite3.connect(census.where)) as database, database:
        for trigger in [r[0] for r in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
            if "_no_" in trigger or trigger.startswith("rtree_"):
                database.execute(f"DROP TRIGGER {trigger}")
        database.execute(statement, values)
    database.close()


def test_every_transaction_leaves_one_entry_that_names_its_rows(filled):
    found = entries(filled)
    assert [e.sequence for e in found] == list(range(1, len(found) + 1))
    assert found[0].previous_hash == audit.GENESIS
    assert found[0].details["added"]["surveys"]["rows"] == 1
    assert found[0].details["added"]["captures"]["rows"] == 26 * 16
    assert found[0].details["changed"]["captures"] == 26 * 16
    result = check(filled)
    assert result.sound
    assert result.entries == len(found)
    assert result.rows > 26 * 16


def test_a_transaction_that_wrote_nothing_leaves_no_entry(filled):
    before = len(entries(filled))
    with filled.writing():
        pass
    assert len(entries(filled)) == before


def test_a_transaction_that_failed_leaves_no_entry(filled):
    before = len(entries(filled))
    with pytest.raises(CensusError, match="no sortie"), filled.writing() as session:
        store.record_flight(session, 1, "sortie-09")
    assert len(entries(filled)) == before
    assert check(filled).sound


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE detections SET score = 0.99 WHERE fid = 5", "detections, keys 1 to"),
        ("DELETE FROM estimates WHERE fid = 2", "estimates, keys 1 to"),
        ("UPDATE individuals SET species = 'zebra' WHERE fid = 1", "individuals, keys 1 to"),
        ("UPDATE captures SET altitude_takeoff_m = 60 WHERE fid = 7", "captures, keys 1 to"),
        ("UPDATE verification_samples SET true_count = 9 + true_count WHERE fid = 1", "verification_samples, keys"),
        ("INSERT INTO verdicts (capture_id, action, who, time_utc) VALUES (1, 'add', 'x', '2026-01-01T00:00:00.000Z')",
         "1 rows of verdicts were not written by overfly"),
        ("UPDATE audit SET action = 'nothing' WHERE sequence = 2", "the entry itself was changed"),
        ("DELETE FROM audit WHERE sequence = 2", "entries 2 to 2 are missing"),
    ],
)  # fmt: skip
def test_a_change_behind_overflys_back_is_found_and_named(filled, statement, says):
    tamper(filled, statement)
    result = check(filled)
    assert not result.sound
    assert any(says in flaw.what for flaw in result.flaws), result.flaws


def test_an_entry_rewritten_to_fit_breaks_the_chain_after_it(filled):
    forged = entries(filled)[1]
    forged.details = {**forged.details, "added": {}}
    document, digest = json.dumps(forged.details), audit.entry_hash(forged)
    tamper(filled, "UPDATE audit SET details = ?, entry_hash = ? WHERE sequence = 2", document, digest)
    says = [f.what for f in check(filled).flaws]
    assert "does not follow from the entry before it" in says


def test_what_is_written_again_on_purpose_breaks_nothing(filled):
    with filled.writing() as session:
        keys = session.scalars(select(Capture.fid)).all()
        store.refuse_captures(session, 1, [(keys[0], "blurred")])
        store.record_flight(session, 1, "sortie-01", status="cut short", note="battery")
    assert entries(filled)[-1].details["changed"] == {"captures": 1, "sorties": 1}
    assert check(filled).sound


@pytest.mark.parametrize("change", ["UPDATE audit SET action = 'x'", "DELETE FROM audit"])
def test_the_audit_only_grows(filled, change):
    with pytest.raises(CensusError, match="append-only"), filled.writing() as session:
        session.connection().exec_driver_sql(change)


def test_a_census_of_before_the_audit_begins_its_chain_with_all_that_is_there(filled):
    filled.downgrade("r0003")
    filled.upgrade()
    assert entries(filled) == []
    with filled.writing() as session:
        detection = session.scalars(select(Detection)).first()
        entry = VerdictEntry(detection.capture_id, detection.fid, "accept", "amina", datetime(2026, 3, 1, tzinfo=UTC))
        store.add_verdict(session, entry)
    (first,) = entries(filled)
    assert first.details["added"]["captures"]["rows"] == 26 * 16
    assert check(filled).sound


def test_a_writer_can_be_named(filled, monkeypatch):
    monkeypatch.setenv(audit.WRITER_VARIABLE, "team north")
    with filled.writing() as session:
        store.add_import(session, 1, "flights", found=1, added=1)
    assert entries(filled)[-1].writer == "team north"


def test_columns_that_came_later_stand_in_no_digest_of_before(census):
    """Otherwise every row of an older census would look changed."""
    revisions = [r.revision for r in ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions()]
    found = {}
    later = columns_of(census)
    for newer, older in pairwise(revisions[: revisions.index("r0004") + 1]):
        census.downgrade(older)
        now = columns_of(census)
        added = {name: later[name] - now[name] - audit._MUTABLE.get(name, set()) for name in now.keys() & later.keys()}
        if any(added.values()):
            found[newer] = {name: frozenset(columns) for name, columns in added.items() if columns}
        later = now
    assert found == audit._ADDED_LATER


def columns_of(census):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type 'geometry'")
        looking = inspect(census.engine)
        names = set(looking.get_table_names()) & {t.name for t in audit._audited()}
        return {name: {c["name"] for c in looking.get_columns(name)} for name in names}
