"""ArduPilot's own simulator: how it is started and ended, and flights on it where its binary is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from flightplan.errors import VehicleError
from flightplan.mission import Mission, MissionItem
from flightplan.vehicle.flight import Outcome, fly_sortie
from flightplan.vehicle.link import Link
from flightplan.vehicle.transfer import Holding
from sim.commands.vehicle import vehicle_command
from sim.vehicle import ArduCopter, Home, Wind, find_arducopter
from sim.vehicle.sitl import command_line

HOME = Home(lon=34.8333, lat=-2.3333, altitude_msl_m=1500.0, yaw_deg=90.0)


def program(folder: Path, body: str) -> Path:
    """A stand-in for the binary: it writes down what it was asked, then does `body`."""
    path = folder / "arducopter"
    head = f"#!{sys.executable}\nimport os, pathlib, signal, socket, sys, time\n"
    note = f"pathlib.Path({str(folder)!r}, 'asked' + sys.argv[sys.argv.index('--instance') + 1]).write_text("
    path.write_text(head + note + "' '.join(sys.argv[1:]) + ' ' + str(os.getpid()))\n" + textwrap.dedent(body))
    path.chmod(0o755)
    return path


SERVE = """
    port = int(sys.argv[sys.argv.index("--base-port") + 1]) + 10 * int(sys.argv[sys.argv.index("--instance") + 1])
    listener = socket.create_server(("127.0.0.1", port))
    print(pathlib.Path(sys.argv[sys.argv.index("--defaults") + 1]).read_text(), flush=True)
    pathlib.Path("eeprom.bin").write_text("kept here")
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in is slow to begin where the machine is busy."""
    monkeypatch.setattr("sim.vehicle.sitl._PATIENCE_S", 60.0)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_told_home_speed_and_address(tmp_path: Path) -> None:
    line = command_line(Path("/bin/ac"), HOME, "tcp:127.0.0.1:5760", tmp_path / "d", instance=2, speed=5.0)
    assert line[0] == "/bin/ac"
    asked = dict(zip(line[1::2], line[2::2], strict=False))
    assert asked["--home"] == "-2.3333000,34.8333000,1500.00,90.0"
    assert (asked["--speedup"], asked["--instance"], asked["--sysid"]) == ("5", "2", "3")
    assert asked["--base-port"] == "5760"
    udp = command_line(Path("/bin/ac"), HOME, "udp:10.0.0.7:14550", tmp_path / "d")
    assert udp[udp.index("--serial0") + 1] == "udpclient:10.0.0.7:14550"


def test_it_is_started_in_a_folder_of_its_own_and_ended_with_us(tmp_path: Path, free_port: Callable[..., int]) -> None:
    port = free_port(10)
    with ArduCopter(program(tmp_path, SERVE), HOME, f"tcp:127.0.0.1:{port}", count=2, wind=Wind(6.0, 110.0)) as copters:
        assert copters.addresses == (f"tcp:127.0.0.1:{port}", f"tcp:127.0.0.1:{port + 10}")
        asked = [(tmp_path / f"asked{i}").read_text().split() for i in (0, 1)]
        pids = [int(words[-1]) for words in asked]
        assert all(is_alive(pid) for pid in pids)
        homes = [words[words.index("--home") + 1] for words in asked]
        assert homes[0] != homes[1]
    assert not any(is_alive(pid) for pid in pids)
    assert not (tmp_path / "eeprom.bin").exists()


def test_one_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path, free_port: Callable[..., int]) -> None:
    binary = program(tmp_path, 'print("bad --home", flush=True); sys.exit(3)')
    with (
        pytest.raises(VehicleError, match=r"code 3: bad --home"),
        ArduCopter(binary, HOME, f"tcp:127.0.0.1:{free_port()}"),
    ):
        pass


def test_one_that_will_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: Callable[..., int]
) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + textwrap.dedent(SERVE)
    with ArduCopter(program(tmp_path, stubborn), HOME, f"tcp:127.0.0.1:{free_port()}"):
        pid = int((tmp_path / "asked0").read_text().split()[-1])
        monkeypatch.setattr("sim.vehicle.sitl._PATIENCE_S", 1.0)
    assert not is_alive(pid)


@pytest.mark.parametrize("listen", ["tcp:127.0.0.1:0", "serial:/dev/x:9", "udp:here", "5760"])
def test_an_address_that_it_cannot_use_is_refused(tmp_path: Path, listen: str) -> None:
    with pytest.raises(VehicleError, match="not an address"):
        ArduCopter(program(tmp_path, SERVE), HOME, listen)


def test_the_binary_is_the_one_that_the_environment_names(tmp_path: Path) -> None:
    binary = program(tmp_path, SERVE)
    assert find_arducopter({"OVERFLY_ARDUCOPTER": str(binary)}) == binary
    for environment in ({}, {"OVERFLY_ARDUCOPTER": str(tmp_path / "no such")}):
        with pytest.raises(VehicleError, match="OVERFLY_ARDUCOPTER"):
            find_arducopter(environment)


def test_the_command_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVERFLY_ARDUCOPTER", raising=False)
    for line, words in (
        (["--autopilot", "arducopter"], "OVERFLY_ARDUCOPTER"),
        (["--autopilot", "arducopter", "--kind", "plane"], "ArduCopter is no plane"),
        (["--autopilot", "arducopter", "--faults", "loss=0.1"], "--faults"),
    ):
        result = CliRunner().invoke(vehicle_command, line)
        assert result.exit_code == 1
        assert words in result.output


def test_the_command_ends_with_its_copter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: Callable[..., int]
) -> None:
    binary = program(tmp_path, SERVE.replace("time.sleep(60)", 'print("out of fuel", flush=True); time.sleep(0.5)'))
    monkeypatch.setenv("OVERFLY_ARDUCOPTER", str(binary))
    result = CliRunner().invoke(
        vehicle_command, ["--autopilot", "arducopter", "--listen", f"tcp:127.0.0.1:{free_port()}"]
    )
    assert result.exit_code == 1
    assert "out of fuel" in result.output


def test_ending_the_command_ends_its_copter(tmp_path: Path, free_port: Callable[..., int]) -> None:
    code = "from sim.commands.vehicle import vehicle_command; vehicle_command()"
    line = ["--autopilot", "arducopter", "--listen", f"tcp:127.0.0.1:{free_port()}"]
    environment = {**os.environ, "OVERFLY_ARDUCOPTER": str(program(tmp_path, SERVE))}
    with subprocess.Popen(
        [sys.executable, "-c", code, *line], env=environment, stderr=subprocess.PIPE, text=True
    ) as one:
        assert one.stderr is not None
        assert "Ctrl-C ends it" in one.stderr.readline()
        pid = int((tmp_path / "asked0").read_text().split()[-1])
        assert is_alive(pid)
        one.send_signal(signal.SIGTERM)
        assert one.stderr.readline() == "Ended.\n"
        one.wait(timeout=60)
    assert not is_alive(pid)


# --- with the real one ------------------------------------------------------------------------------------------------

needs_binary = pytest.mark.skipif(
    not os.environ.get("OVERFLY_ARDUCOPTER"), reason="OVERFLY_ARDUCOPTER names no ArduCopter binary"
)


def survey() -> Mission:
    """Two lines of 120 m, photographed each 20 m."""
    corners = [(30.0, 0.0), (150.0, 0.0), (150.0, 40.0), (30.0, 40.0)]
    places = [HOME.moved(*corner) for corner in corners]
    way = [MissionItem(16, 3, (0, 0, 0, 0), p.lon, p.lat, 40.0) for p in places]
    shoot, stop = MissionItem(206, 2, (20, 0, 1, 0)), MissionItem(206, 2, (0, 0, 0, 0))
    takeoff, back = MissionItem(22, 3, (0, 0, 0, 0), HOME.lon, HOME.lat, 40.0), MissionItem(20, 2, (0, 0, 0, 0))
    return Mission((takeoff, way[0], shoot, way[1], stop, way[2], shoot, way[3], stop, back), home=(HOME.lon, HOME.lat))


@pytest.mark.sitl
@needs_binary
def test_a_survey_is_flown_on_arducopter_itself(tmp_path: Path, free_port: Callable[..., int]) -> None:
    mission = survey()
    copter = ArduCopter(find_arducopter(), HOME, f"tcp:127.0.0.1:{free_port()}", speed=5.0)
    with copter, Link.connect(copter.addresses[0], timeout_s=60.0) as link:
        for name, value in (("AUTO_OPTIONS", 3), ("FS_GCS_ENABLE", 1), ("BATT_FS_LOW_ACT", 2)):
            assert link.set_parameter(name, value)
        result = fly_sortie(link, mission, log_folder=tmp_path / "log")
    assert result.transfers["mission"].holding is Holding.EXACTLY
    assert result.outcome is Outcome.COMPLETED
    assert 12 <= len(result.captures) <= 15
