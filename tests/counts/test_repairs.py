"""Repairs are a layer over what was read: the census gives captures as repaired, and keeps both."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from counts import store
from counts.audit import verify
from counts.census import Census
from counts.merging import merge
from counts.schema import Capture, FlightFinding, PoseRepair
from counts.store import add_findings, add_repairs, read_captures, read_findings, read_repairs
from detect.findings import PoseFinding, Repair
from flightplan.errors import CensusError

BOTH = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)
LATER = datetime(2026, 2, 14, 9, 30, 1, 250000, tzinfo=UTC)


@pytest.fixture
def hashes(filled: Census) -> list[str]:
    with filled.reading() as session:
        return [c.capture.content_hash for c in read_captures(session, 1)][:3]


def turned(content_hash: str, yaw: float, kind: str = "yaw-flipped") -> Repair:
    return Repair(kind, content_hash, "yaw_deg", 12.5, yaw, f"repaired: XMP; {kind}")


def captured(census: Census) -> dict[str, store.StoredCapture]:
    with census.reading() as session:
        assert verify(session).sound
        return {c.capture.content_hash: c for c in read_captures(session, 1)}


@BOTH
def test_captures_are_given_as_repaired_and_kept_as_they_were_read(filled: Census, hashes: list[str]) -> None:
    before = captured(filled)
    with filled.writing() as session:
        assert add_repairs(session, 1, [
            turned(hashes[0], -167.5),
            Repair("clock-step", hashes[0], "time_utc", None, LATER, "repaired: EXIF; clock-step"),
            Repair("log-matched", hashes[1], "longitude_deg", None, 34.9, "flight log a.tlog"),
            Repair("clock-reset", hashes[2], "time_utc", LATER, None, "repaired: the clock was reset"),
        ]) == 4  # fmt: skip
    after = captured(filled)
    first = after[hashes[0]].capture
    assert (first.yaw_deg, first.time_utc) == (-167.5, LATER)
    assert first.sources["yaw_deg"] == "repaired: XMP; yaw-flipped"
    assert after[hashes[1]].capture.longitude_deg == 34.9
    third = after[hashes[2]].capture
    assert (third.time_utc, third.unknown["time_utc"]) == (None, "repaired: the clock was reset")
    assert [h for h in before if before[h] != after[h]] == hashes
    with filled.reading() as session:
        rows = session.execute(select(Capture.yaw_deg, Capture.time_utc).where(Capture.content_hash == hashes[0])).one()
        assert tuple(rows) == (before[hashes[0]].capture.yaw_deg, before[hashes[0]].capture.time_utc)
        assert read_repairs(session, 1)[1].after == LATER


@BOTH
def test_the_last_repair_of_a_field_holds_and_the_same_one_is_not_written_twice(
    filled: Census, hashes: list[str]
) -> None:
    with filled.writing() as session:
        assert add_repairs(session, 1, [turned(hashes[0], 100.0)]) == 1
        assert add_repairs(session, 1, [turned(hashes[0], 100.0)]) == 0
        assert add_repairs(session, 1, [turned(hashes[0], 101.0, "pose-refined"), turned("unknown", 1.0)]) == 1
    assert captured(filled)[hashes[0]].capture.yaw_deg == 101.0


def test_findings_are_written_once_and_read_in_order(filled: Census, hashes: list[str]) -> None:
    found = [
        PoseFinding("yaw-flipped", tuple(hashes), "three are turned"),
        PoseFinding("clock-step", (hashes[0],), "a step", None, True),
    ]
    with filled.writing() as session:
        add_findings(session, 1, found)
        add_findings(session, 1, [*reversed(found), found[0]])
    with filled.reading() as session:
        assert read_findings(session, 1) == tuple(found)


@BOTH
@pytest.mark.parametrize("table", [FlightFinding, PoseRepair])
def test_neither_is_changed_or_deleted(
    filled: Census, hashes: list[str], table: type[FlightFinding | PoseRepair]
) -> None:
    with filled.writing() as session:
        add_findings(session, 1, [PoseFinding("yaw-flipped", tuple(hashes), "three are turned")])
        add_repairs(session, 1, [turned(hashes[0], 100.0)])
    for statement in (update(table).values(kind="other"), delete(table)):
        with pytest.raises(CensusError, match=f"{table.__tablename__} is append-only"), filled.writing() as session:
            session.execute(statement)


def test_two_copies_repairs_come_together(filled: Census, hashes: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other.gpkg"
    shutil.copy(filled.where, other)
    with Census.open(other) as theirs, theirs.writing() as session:
        add_findings(session, 1, [PoseFinding("yaw-flipped", (hashes[1],), "one is turned")])
        add_repairs(session, 1, [turned(hashes[1], 55.0)])
    with filled.writing() as session:
        add_repairs(session, 1, [turned(hashes[0], 44.0)])
    merged = merge(filled, other)
    assert (merged.added["flight_findings"], merged.added["pose_repairs"], merged.conflicts) == (1, 1, [])
    assert [captured(filled)[h].capture.yaw_deg for h in hashes[:2]] == [44.0, 55.0]
    assert merge(filled, other).added["pose_repairs"] == 0
