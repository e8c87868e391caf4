"""`overfly fly`: what it prints, how it ends, what it leaves."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flightplan.clock import SimulatedClock
from flightplan.commands.fly import fly_command
from sim.vehicle import Home, SimulatedVehicle, VehicleServer

LON, LAT = 34.8333, -2.3333
FRAMES = 4

# QGC WPL 110: home, take-off, speed, a line of 80 m with a photograph each 25 m, return.
WAYPOINTS = "\n".join(
    "\t".join(str(v) for v in (n, int(n == 0), *row, 1))
    for n, row in enumerate(
        [
            (0, 16, 0, 0, 0, 0, LAT, LON, 1500),
            (3, 22, 0, 0, 0, 0, LAT, LON, 40),
            (2, 178, 1, 10, -1, 0, 0, 0, 0),
            (3, 16, 0, 0, 0, 0, LAT + 0.0003, LON, 40),
            (2, 206, 25, 0, 1, 0, 0, 0, 0),
            (3, 16, 0, 0, 0, 0, LAT + 0.00102, LON, 40),
            (2, 206, 0, 0, 0, 0, 0, 0, 0),
            (2, 20, 0, 0, 0, 0, 0, 0, 0),
        ]
    )
)


@pytest.fixture
def mission(tmp_path: Path) -> Path:
    path = tmp_path / "line.waypoints"
    path.write_text(f"QGC WPL 110\n{WAYPOINTS}\n")
    return path


@contextmanager
def served() -> Iterator[tuple[str, SimulatedClock]]:
    clock = SimulatedClock(1.79e9)
    with VehicleServer(SimulatedVehicle(Home(LON, LAT, 1500.0)), clock=clock) as server:
        yield server.address, clock


def fly(*arguments: object, clock: SimulatedClock | None = None) -> Result:
    return CliRunner().invoke(fly_command, [str(a) for a in arguments], obj=clock)


def test_one_mission_file_is_flown_and_the_document_tells_all(mission: Path, tmp_path: Path) -> None:
    with served() as (url, clock):
        result = fly(mission, "--connect", url, "--out", tmp_path / "flights", "--json", clock=clock)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["outcome"] == "completed"
    assert document["left"] == []
    assert [s["sortie"] for s in document["sorties"]] == ["line"]
    assert (document["capture_count"], document["on_line_count"]) == (FRAMES, FRAMES)
    first = document["captures"][0]
    assert (first["index"], first["sortie"], first["on_line"]) == (1, "line", True)
    assert first["altitude_home_m"] == pytest.approx(40.0, abs=0.5)
    assert document["datums"]["altitude_msl_m"] == "mean sea level"
    assert document["gaps"] == []
    assert document["log"] == str(tmp_path / "flights")
    assert "completed" in result.stderr
    assert (tmp_path / "flights/line/flight.tlog").stat().st_size > 10_000


def test_a_completed_sortie_is_not_flown_twice(mission: Path, tmp_path: Path) -> None:
    out = tmp_path / "flights"
    with served() as (url, clock):
        assert fly(mission, "--connect", url, "--out", out, clock=clock).exit_code == 0
    before = (out / "line/captures.jsonl").read_bytes()
    again = fly(mission, "--connect", "tcp:127.0.0.1:9", "--out", out)
    assert again.exit_code == 0
    assert "Every sortie was flown before" in again.stdout
    assert (out / "line/captures.jsonl").read_bytes() == before


def test_a_vehicle_that_never_answers_is_one_sentence_and_exit_code_1(mission: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "tcp:{}:{}".format(*silent.getsockname())
        result = fly(mission, "--connect", url, "--timeout", 0.3, "--out", tmp_path / "flights")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert f"Error: {url}: no vehicle answered within 0.3 s." in result.stderr


def test_a_failed_check_is_exit_code_1_with_its_remedy(mission: Path, tmp_path: Path) -> None:
    with served() as (url, clock):
        result = fly(
            mission, "--connect", url, "--set", "FS_GCS_ENABLE=0", "--out", tmp_path / "f", "--json", clock=clock
        )
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["outcome"] == "not flown"
    assert "Set FS_GCS_ENABLE to 1." in document["sorties"][0]["reason"]


def test_check_prints_the_table_and_flies_nothing(mission: Path, tmp_path: Path) -> None:
    with served() as (url, clock):
        result = fly(mission, "--connect", url, "--check", "--out", tmp_path / "f", clock=clock)
    assert result.exit_code == 0, result.stderr
    rows = [line.split(maxsplit=2) for line in result.stdout.splitlines() if "  " in line]
    table = {row[1]: row[0] for row in rows if row[0] in ("pass", "fail", "unknown")}
    assert table["mission"] == table["gcs-failsafe"] == "pass"
    assert table["terrain"] == "unknown"
    assert "checked, not flown" in result.stdout
    assert not (tmp_path / "f/line").exists()
    assert (tmp_path / "f/checks/line/events.jsonl").is_file()
    # Nothing has been begun by that.
    with served() as (url, clock):
        flown = fly(mission, "--connect", url, "--out", tmp_path / "f", "--pilot", "Neema", "--json", clock=clock)
    assert json.loads(flown.stdout)["outcome"] == "completed"
    assert json.loads((tmp_path / "f/logbook.jsonl").read_text())["pilot"] == "Neema"


def test_a_live_vehicle_is_set_up_without_a_question_only_when_told_and_put_back(mission: Path, tmp_path: Path) -> None:
    out = tmp_path / "f"
    with served() as (url, clock):
        live = ["--connect", url, "--live", "--system-id", 1, "--out", out]
        refused = fly(mission, *live, "--no-test-camera", clock=clock)
        assert refused.exit_code == 1
        assert "fail     gcs-failsafe" in refused.stdout
        assert "-> Set FS_GCS_ENABLE to 1." in refused.stdout
        flown = fly(mission, *live, "--set-parameters", "--json", clock=clock)
        assert flown.exit_code == 0, flown.stderr
        document = json.loads(flown.stdout)
        # A test picture on the ground, as for every real vehicle.
        assert document["capture_count"] == document["on_line_count"] + 1
    with served_again() as url:
        restored = fly(
            mission, "--connect", url, "--live", "--system-id", 1, "--out", out, "--restore-parameters", "--json"
        )
    assert restored.exit_code == 0, restored.stderr
    assert json.loads(restored.stdout)["restored"] == {"FS_GCS_ENABLE": 0.0, "BATT_FS_LOW_ACT": 0.0}


@contextmanager
def served_again() -> Iterator[str]:
    with VehicleServer(SimulatedVehicle(Home(LON, LAT, 1500.0)), speed=5.0) as server:
        yield server.address


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--check", "--resume"], "--resume chooses its own"),
        (["--live"], "--live needs --system-id"),
        (["--set", "WPNAV_SPEED=fast"], "not NAME=VALUE"),
        (["--system-id", "300"], "not in the range"),
    ],
)
def test_wrong_usage_is_exit_code_2(mission: Path, tmp_path: Path, arguments: list[str], words: str) -> None:
    result = fly(mission, "--connect", "tcp:127.0.0.1:9", "--out", tmp_path / "f", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
