"""What the watch makes of flights of a real autopilot."""

import gzip
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from pymavlink.dialects.v20 import ardupilotmega

from flightplan.mission import Mission, MissionItem
from flightplan.vehicle.autopilots import Dialect
from flightplan.vehicle.effort import EffortMap
from flightplan.vehicle.items import WireItem
from flightplan.vehicle.logs import FlightLog, read_captures
from flightplan.vehicle.rules import AbortRules
from flightplan.vehicle.watch import FlightWatch

MODES = {0: "STABILIZE", 3: "AUTO", 4: "GUIDED", 6: "RTL", 9: "LAND", 17: "BRAKE"}


def rows_of(folder: Path, name: str) -> list[dict]:
    with gzip.open(folder / "autopilot" / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def message_of(row: dict):
    kind = getattr(ardupilotmega, f"MAVLink_{row['msg'].lower()}_message")
    fields = {name: row[name] for name in kind.fieldnames}
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = value.encode()
    message = kind(**fields)
    packer = ardupilotmega.MAVLink(None, srcSystem=1, srcComponent=1)
    return packer.decode(bytearray(message.pack(packer)))


def mission_of(rows: list[dict]) -> Mission:
    sent: dict[int, WireItem] = {}
    for row in rows:
        if row["dir"] == "tx" and row["msg"] == "MISSION_ITEM_INT" and row["mission_type"] == 0:
            sent[row["seq"]] = WireItem.of(message_of(row))
    items = tuple(
        MissionItem(i.command, i.frame, i.params, i.y / 1e7 if i.x else None, i.x / 1e7 if i.x else None, i.z)
        for n, i in sorted(sent.items())
        if n > 0
    )
    return Mission(items, home=(34.8333, -2.3333))


class RecordedLink:
    """Plays a recording to whoever listens."""

    def __init__(self) -> None:
        self.clock = SimpleNamespace(now_s=lambda: self.now_s)
        self.dialect = Dialect.of(SimpleNamespace(type=2, autopilot=3))
        self.now_s, self.mode, self.on_sent, self.latest = 1.8e9, "STABILIZE", None, {}

    @property
    def vehicle_s(self) -> float:
        return self.now_s

    def listen(self, listener):
        self.listener = listener
        return lambda: None

    def play(self, rows: list[dict]) -> None:
        for row in rows:
            if row["dir"] != "rx":
                continue
            self.now_s = 1.8e9 + (row["boot_ms"] or 0) / 1000
            if row["msg"] == "HEARTBEAT":
                self.mode = MODES[row["custom_mode"]]
            self.latest[row["msg"]] = message = message_of(row)
            self.listener(message)


def watch(shared_data: Path, folder: Path, name: str) -> tuple[FlightWatch, EffortMap]:
    rows = rows_of(shared_data, name)
    effort = EffortMap(mission_of(rows))
    link = RecordedLink()
    with FlightLog(folder) as log, FlightWatch(link, effort, log) as seen:
        link.play(rows)
    return seen, effort


@pytest.mark.parametrize("name", ["survey_flight", "survey_wind"])
def test_all_frames_of_an_undisturbed_survey_are_on_its_lines(shared_data: Path, tmp_path: Path, name: str) -> None:
    seen, effort = watch(shared_data, tmp_path / "log", name)
    per_line = Counter(c.transect for c in seen.captures if c.on_line)
    assert list(per_line.values()) == [12, 12, 12, 12]
    assert effort.gaps(seen.places) == ()
    assert seen.over
    assert seen.completed
    assert seen.why_cut_short is None


def test_frames_after_a_pause_a_jump_and_a_return_home_do_not_count(shared_data: Path, tmp_path: Path) -> None:
    seen, _ = watch(shared_data, tmp_path / "log", "pause_resume")
    off = {c.index: c.reason for c in seen.captures if not c.on_line}
    # 24 to 26 were taken across country towards a waypoint set by hand, 27 to 33 on the way home.
    assert set(range(24, 35)) <= set(off)
    assert all("RTL" in off[i] for i in range(27, 34) if i > 27)
    assert {c.index for c in seen.captures if c.on_line} >= set(range(1, 23))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("battery_failsafe", "low battery"),
        ("gcs_failsafe", "has not heard the ground station"),
        ("fence_breach", "crossed its fence"),
        ("gps_loss", "the position is lost"),
    ],
)
def test_a_failsafe_cuts_a_flight_short_and_its_frames_do_not_count(
    shared_data: Path, tmp_path: Path, name: str, words: str
) -> None:
    seen, effort = watch(shared_data, tmp_path / "log", name)
    assert not seen.completed
    assert any(words in e.text for e in seen.events if e.kind == "failsafe")
    assert seen.why_cut_short is not None
    assert all(c.transect == effort.transects[0] for c in seen.captures if c.on_line)
    assert effort.gaps(seen.places)


def test_frames_and_packets_are_on_disk_as_they_came(shared_data: Path, tmp_path: Path) -> None:
    seen, _ = watch(shared_data, tmp_path / "log", "auto_start")
    assert read_captures(tmp_path / "log") == tuple(seen.captures)
    assert len(seen.captures) == 24
    first = seen.captures[0]
    assert (first.index, first.time_utc) == (1, "2026-11-22T01:23:27.236Z")
    assert (first.longitude_deg, first.latitude_deg) == (34.8332999, -2.3328507)
    assert first.altitude_msl_m == pytest.approx(1580.08)
    assert first.pitch_deg == pytest.approx(-21.0512)


def test_a_frame_told_twice_counts_once_and_one_that_was_lost_is_named(shared_data: Path, tmp_path: Path) -> None:
    rows = rows_of(shared_data, "auto_start")
    frames = [r for r in rows if r["msg"] == "CAMERA_FEEDBACK"]
    rows.remove(frames[4])
    rows.insert(rows.index(frames[9]), frames[9])
    link = RecordedLink()
    with FlightLog(tmp_path / "log") as log, FlightWatch(link, EffortMap(mission_of(rows)), log) as seen:
        link.play(rows)
    assert [c.index for c in seen.captures] == [1, 2, 3, 4, *range(6, 25)]
    assert [e.text for e in seen.events if e.kind == "camera"] == ["frame 5: taken, but the link lost where"]


def winds(shared_data: Path, folder: Path, name: str) -> tuple[list[float], dict[float, list[str | None]]]:
    """Return the wind as it was known at each frame on a line, and what limits of 6 and of 10 m/s make of it there."""
    rows = rows_of(shared_data, name)
    link, known, reasons = RecordedLink(), [], {6.0: [], 10.0: []}

    def note(capture) -> None:
        if capture.on_line:
            known.append(seen.guard.wind_mps)
            for limit, found in reasons.items():
                seen.guard.rules = AbortRules(max_wind_mps=limit, least_charge=None)
                found.append(seen.guard.reason_to_return(100.0, 80.0))

    with FlightLog(folder) as log:
        seen = FlightWatch(link, EffortMap(mission_of(rows)), log, on_capture=note)
        with seen:
            link.play(rows)
    return known, reasons


def test_the_wind_is_felt_where_the_autopilot_tells_none(shared_data: Path, tmp_path: Path) -> None:
    # WIND says 0.0 all along in both: as it comes, ArduCopter does not estimate it.
    known, reasons = winds(shared_data, tmp_path / "log", "survey_wind")
    assert known[24:] == pytest.approx([8.0] * 24, abs=1.0)
    assert "more than 6 m/s" in reasons[6.0][24]
    assert reasons[10.0] == [None] * 48


def test_no_wind_is_not_taken_for_one(shared_data: Path, tmp_path: Path) -> None:
    known, reasons = winds(shared_data, tmp_path / "log", "survey_flight")
    assert len(known) == 48
    assert [w for w in known if w is not None] == pytest.approx([0.0] * sum(w is not None for w in known), abs=1.0)
    assert reasons[6.0] == [None] * 48


def test_a_recorded_flight_is_measured_for_the_logbook(shared_data: Path, tmp_path: Path) -> None:
    seen, _ = watch(shared_data, tmp_path / "log", "survey_flight")
    # 4 lines of 300 m, 60 m apart, 80 m up.
    assert 1400 < seen.distance_m < 2100
    assert seen.highest_home_m == pytest.approx(80.0, abs=2.0)
    assert seen.charge_before == pytest.approx(1.0, abs=0.05)
    assert 0.2 < seen.charge < 0.7
    assert seen.used_mah > 1000
    assert 250 < seen.over_s - seen.armed_s < 400
    transects = [e.text for e in seen.events if e.kind == "transect"]
    assert [t.partition(":")[0].split("(")[1] for t in transects] == [f"{n} of 4)" for n in (1, 2, 3, 4)]
