"""The logbook: a line a flight, for a person and for programs, only ever added to."""

import csv
import json
from dataclasses import replace
from pathlib import Path

from flightplan.vehicle.logbook import LogbookEntry, append_entry, read_logbook

ENTRY = LogbookEntry(
    date="2026-06-15",
    sortie="S1",
    pilot="Neema, K.",
    observer=None,
    aircraft="overfly-demo",
    registration="5H-UAV1",
    autopilot="ArduPilot multirotor",
    system_id=7,
    simulated=False,
    departure_utc="2026-06-15T06:01:00.000Z",
    departure_longitude_deg=34.83,
    departure_latitude_deg=-2.33,
    arrival_utc="2026-06-15T06:16:30.000Z",
    arrival_longitude_deg=34.83,
    arrival_latitude_deg=-2.33,
    seconds=930.0,
    landings=1,
    distance_m=9000.0,
    highest_home_m=81.0,
    battery="B4",
    charge_before=0.99,
    charge_after=0.41,
    used_mah=2900.0,
    purpose="census",
    outcome="completed",
    reason=None,
    frames=120,
    frames_on_line=118,
    overrides=None,
    remarks='wind; "gusty"',
    log="flights/S1",
)


def test_each_flight_is_added_under_one_head(tmp_path: Path) -> None:
    append_entry(tmp_path, ENTRY)
    append_entry(tmp_path, replace(ENTRY, sortie="S2", arrival_utc=None, seconds=None, landings=0))
    with (tmp_path / "logbook.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["sortie"], r["pilot"], r["seconds"], r["landings"]) for r in rows] == [
        ("S1", "Neema, K.", "930.0", "1"),
        ("S2", "Neema, K.", "", "0"),
    ]
    assert rows[0]["remarks"] == 'wind; "gusty"'
    assert [e["sortie"] for e in read_logbook(tmp_path)] == ["S1", "S2"]
    assert read_logbook(tmp_path)[1]["seconds"] is None


def test_what_is_there_stays_and_a_line_cut_short_does_no_harm(tmp_path: Path) -> None:
    append_entry(tmp_path, ENTRY)
    with (tmp_path / "logbook.jsonl").open("a") as file:
        file.write('{"sortie": "S2", "pil\n')
    append_entry(tmp_path, replace(ENTRY, sortie="S3"))
    assert [e["sortie"] for e in read_logbook(tmp_path)] == ["S1", "S3"]


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    append_entry(tmp_path, replace(ENTRY, pilot='=HYPERLINK("x")', distance_m=-1.0))
    with (tmp_path / "logbook.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert row["pilot"] == '\'=HYPERLINK("x")'
    assert row["distance_m"] == "-1.0"
    assert json.loads((tmp_path / "logbook.jsonl").read_text())["pilot"] == '=HYPERLINK("x")'
