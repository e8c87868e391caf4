"""Ground stations that others wrote find the simulated vehicle to be an autopilot like any other.

MAVProxy and MAVSDK connect, load what overfly wrote for them, read it back, arm and fly it. Nothing here knows how the
vehicle is made: what it did is told by the clients, and by the camera.
"""

import importlib.util
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymavlink import mavutil

from flightplan.formats import read_mission, write_formats
from flightplan.mission import FencePolygon, Mission, MissionItem, RallyPoint
from sim.faults import Faults, FaultyVehicle
from sim.vehicle import Home, Px4Vehicle, SimulatedVehicle, VehicleServer

LON, LAT, METRES = 34.8333, -2.3333, 111_319.49
SPEED = 30
PATIENCE_S = 120.0
FRAMES = 6
"""Two lines of 60 m, a frame each 25 m from their start."""


def mission() -> Mission:
    """Two lines of 60 m at 40 m, with a fence, an exclusion and a rally point."""
    items = [MissionItem(22, 3, (0, 0, 0, 0), LON, LAT, 40.0), MissionItem(178, 2, (1, 10, -1, 0))]
    for n in range(2):
        ends = [LAT + 30 / METRES, LAT + 90 / METRES]
        start, end = ends if n % 2 == 0 else reversed(ends)
        lon = LON + 40 * n / METRES
        items += [
            MissionItem(16, 3, (0, 0, 0, 0), lon, start, 40.0),
            MissionItem(206, 2, (25.0, 0, 1, 0), transect=f"T{n}"),
            MissionItem(16, 3, (0, 0, 0, 0), lon, end, 40.0, transect=f"T{n}"),
            MissionItem(206, 2),
        ]
    square = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    fence = FencePolygon(tuple((LON + x * 0.02, LAT + y * 0.02) for x, y in square), True)
    village = FencePolygon(tuple((LON + 0.01 + x * 0.001, LAT + y * 0.001) for x, y in square[:3]), False)
    return Mission(
        (*items, MissionItem(20, 2)),
        home=(LON, LAT),
        home_altitude_msl_m=1500.0,
        fence=(fence, village),
        rally=(RallyPoint(LON + 0.001, LAT, 40.0),),
    )


def meanings(items: Any) -> Any:
    """What items say, a row each: command, four parameters, where, how high."""
    return np.array(
        [(i.command, *i.params, i.latitude_deg or 0, i.longitude_deg or 0, i.altitude_m) for i in items], dtype=float
    )


class MavProxy:
    """MAVProxy as a person uses it: typed at, and read."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        program = Path(sys.executable).with_name("mavproxy.py")
        options = ["--default-modules", "wp,fence,rally,mode,arm,cmdlong,param", "--streamrate", "2"]
        # A home of its own: no start-up script of the person whose machine this is.
        environment = {**os.environ, "HOME": str(folder), "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(program), "--master", url, "--state-basedir", str(folder / "state"), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
            env=environment, cwd=folder,
        )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def type(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait_for_all(self, *patterns: str) -> None:
        """Wait until each was said once, in any order."""
        for pattern in patterns:
            if not any(re.search(pattern, line) for line in self.said):
                self.wait_for(pattern)

    def wait_for(self, pattern: str) -> str:
        deadline_s = time.monotonic() + PATIENCE_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left_s)
            except queue.Empty:
                break
            self.said.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"MAVProxy never said {pattern!r}:\n{''.join(self.said)}")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()  # the end of what is typed ends MAVProxy
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)


@contextmanager
def command_served(heeds_ctrl_c: Callable[[], None]) -> Iterator[str]:
    """`overfly sim vehicle` in a process of its own, which is `patient`."""
    patience = f"from sim.vehicle import transfers; transfers.RETRY_S = {PATIENCE_S}"
    command = [sys.executable, "-c", f"{patience}; from overfly.cli import main; main()"]
    command += ["sim", "vehicle", "--listen", "tcp:127.0.0.1:0", "--speed", str(SPEED)]
    command += ["--home", f"{LAT},{LON},1500,0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heeds_ctrl_c) as process:
        assert process.stderr is not None
        try:
            yield re.search(r"tcp:[\d.]+:\d+", process.stderr.readline())[0]  # type: ignore[index]
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=60)
            finally:
                process.kill()


def frames_in(log: Path) -> dict[int, Any]:
    """The camera's feedback in a telemetry log, by number."""
    reader = mavutil.mavlink_connection(str(log), robust_parsing=True)
    frames = {}
    while (message := reader.recv_match(type="CAMERA_FEEDBACK")) is not None:
        frames[message.img_idx] = message
    reader.close()
    return frames


def test_mavproxy_loads_reads_back_and_flies_what_overfly_wrote(
    tmp_path: Path, heeds_ctrl_c: Callable[[], None]
) -> None:
    if importlib.util.find_spec("MAVProxy") is None:
        pytest.skip("MAVProxy is not installed")
    sent = mission()
    files = write_formats(sent, tmp_path / "lines")
    with command_served(heeds_ctrl_c) as url:
        proxy = MavProxy(url, tmp_path)
        try:
            proxy.wait_for_all("IMU0 is using GPS", r"Received \d+ parameters")
            proxy.type(f"wp load {files['waypoints']}")
            proxy.wait_for("Flight plan received")
            proxy.type(f"wp save {tmp_path / 'back.waypoints'}")
            proxy.wait_for(r"Saved \d+ waypoints")
            proxy.type(f"fence load {files['fence']}")
            proxy.wait_for("Fence Indexed OK")
            proxy.type(f"fence save {tmp_path / 'back.fence.waypoints'}")
            proxy.wait_for(r"Saved \d+ fence")
            proxy.type(f"rally load {files['rally']}")
            proxy.wait_for("Got MISSION_ACK: TYPE_RALLY: ACCEPTED")
            proxy.type(f"rally save {tmp_path / 'back.rally.waypoints'}")
            proxy.wait_for(r"Saved \d+ rally")
            proxy.type("param set AUTO_OPTIONS 3")
            proxy.type("mode AUTO")
            proxy.wait_for("Mode AUTO")
            proxy.type("arm throttle")
            proxy.wait_for("Arming motors")
            proxy.type("long MISSION_START")
            proxy.wait_for("Got COMMAND_ACK: MISSION_START: ACCEPTED")
            proxy.wait_for("Disarming motors")
        finally:
            proxy.close()
    read = read_mission(tmp_path / "back.waypoints")
    # MAVProxy's files have six decimals.
    assert meanings(read.items) == pytest.approx(meanings(sent.items), abs=1e-6)
    assert read.home == pytest.approx(sent.home, abs=1e-6)
    fence = read_mission(tmp_path / "back.fence.waypoints").fence
    assert [p.inclusion for p in fence] == [True, False]
    assert [np.array(p.ring) for p in fence] == [pytest.approx(np.array(p.ring), abs=1e-6) for p in sent.fence]
    (rally,) = read_mission(tmp_path / "back.rally.waypoints").rally
    assert astuple(rally) == pytest.approx(astuple(sent.rally[0]), abs=1e-6)
    reached = [int(n) for n in re.findall(r"Reached command #(\d+)", "".join(proxy.said))]
    assert reached == [3, 5, 7, 9]
    frames = frames_in(tmp_path / "state" / "mav.tlog")
    assert sorted(frames) == list(range(1, FRAMES + 1))
    assert [f.alt_rel for f in frames.values()] == pytest.approx([40.0] * FRAMES, abs=1.0)


def patient(vehicle: SimulatedVehicle) -> None:
    """Have it not ask for an item again: a client that is slow because this machine is would send it twice."""
    vehicle.transfers.retry_s = PATIENCE_S * SPEED


class MavSdk:
    """MAVSDK with one vehicle: what it was told is in `texts`."""

    def __init__(self, url: str) -> None:
        import mavsdk
        from mavsdk.plugins import action, mission_raw, param, telemetry

        self._sdk = mavsdk.Mavsdk(mavsdk.Configuration.create_with_component_type(mavsdk.ComponentType.GROUND_STATION))
        self._condition = threading.Condition()
        self.texts: list[str] = []
        self.armed: list[bool] = []
        self._sdk.add_any_connection(url.replace("tcp:", "tcpout://"))
        self.system = self._sdk.first_autopilot(PATIENCE_S)
        assert self.system is not None
        self.mission, self.action = mission_raw.MissionRaw(self.system), action.Action(self.system)
        self.telemetry, self.param = telemetry.Telemetry(self.system), param.Param(self.system)
        self.telemetry.subscribe_status_text(lambda said, _=None: self._hear(self.texts, said.text))
        self.telemetry.subscribe_armed(lambda armed, _=None: self._hear(self.armed, armed))

    def wait_for(self, holds: Callable[[], bool]) -> None:
        with self._condition:
            assert self._condition.wait_for(holds, PATIENCE_S), self.texts

    def close(self) -> None:
        for plugin in (self.telemetry, self.param, self.mission, self.action):
            plugin.destroy()
        self._sdk.destroy()

    def _hear(self, heard: list[Any], what: Any) -> None:
        with self._condition:
            heard.append(what)
            self._condition.notify_all()


def test_mavsdk_loads_reads_back_and_flies_what_overfly_wrote(tmp_path: Path) -> None:
    pytest.importorskip("mavsdk", reason="MAVSDK is not installed")
    files = write_formats(mission(), tmp_path / "lines")
    vehicle = SimulatedVehicle(Home(LON, LAT, 1500.0), 3)
    with VehicleServer(vehicle, speed=SPEED) as server:
        patient(vehicle)
        sdk = MavSdk(server.address)
        try:
            assert (sdk.system.autopilot_type(), sdk.system.get_system_id()) == (2, 1)
            sdk.wait_for(lambda: "EKF3 IMU0 is using GPS" in sdk.texts)
            sent = sdk.mission.import_qgroundcontrol_mission(str(files["plan"]))
            lists = {
                "mission": (sent.mission_items, sdk.mission.upload_mission, sdk.mission.download_mission),
                "fence": (sent.geofence_items, sdk.mission.upload_geofence, sdk.mission.download_geofence),
                "rally": (sent.rally_items, sdk.mission.upload_rally_points, sdk.mission.download_rallypoints),
            }
            for name, (items, upload, download) in lists.items():
                upload(items)
                first = 1 if name == "mission" else 0  # ArduPilot's item 0 is its own home
                assert [wire(i) for i in download()[first:]] == [wire(i) for i in items[first:]], name
            sdk.param.set_param_int("AUTO_OPTIONS", 3)
            sdk.action.arm()
            sdk.mission.start_mission()
            sdk.wait_for(lambda: True in sdk.armed and not sdk.armed[-1])
        finally:
            sdk.close()
    assert [f"Reached command #{n}" for n in (3, 5, 7, 9)] == [t for t in sdk.texts if t.startswith("Reached")]
    assert len(vehicle.exposures) == FRAMES
    assert [e.altitude_home_m for e in vehicle.exposures] == pytest.approx([40.0] * FRAMES, abs=1.0)


def test_mavsdk_flies_a_px4_too(tmp_path: Path) -> None:
    pytest.importorskip("mavsdk", reason="MAVSDK is not installed")
    files = write_formats(mission(), tmp_path / "lines")
    vehicle = Px4Vehicle(Home(LON, LAT, 1500.0), 3)
    with VehicleServer(vehicle, speed=SPEED) as server:
        patient(vehicle)
        sdk = MavSdk(server.address)
        try:
            assert sdk.system.autopilot_type() == 1
            ready = threading.Event()
            sdk.telemetry.subscribe_health(lambda health, _=None: ready.set() if health.is_armable else None)
            assert ready.wait(PATIENCE_S)
            sent = sdk.mission.import_qgroundcontrol_mission(str(files["plan"])).mission_items
            sdk.mission.upload_mission(sent)
            assert [wire(i) for i in sdk.mission.download_mission()] == [wire(i) for i in sent]
            sdk.action.arm()
            sdk.mission.start_mission()
            sdk.wait_for(lambda: True in sdk.armed and not sdk.armed[-1])
        finally:
            sdk.close()
    assert len(vehicle.exposures) == FRAMES
    assert [e.altitude_home_m for e in vehicle.exposures] == pytest.approx([40.0] * FRAMES, abs=1.0)


def test_mavsdk_is_told_what_is_refused_and_that_a_vehicle_will_not_arm() -> None:
    pytest.importorskip("mavsdk", reason="MAVSDK is not installed")
    from mavsdk.plugins.action import ActionError
    from mavsdk.plugins.mission_raw import MissionItem as RawItem
    from mavsdk.plugins.mission_raw import MissionRawError

    vehicle = FaultyVehicle(Home(LON, LAT, 1500.0), 3, faults=Faults(gps=((0.0, 1e9),)))
    with VehicleServer(vehicle, speed=1.0) as server:
        patient(vehicle)
        sdk = MavSdk(server.address)
        try:
            places = round(LAT * 1e7), round(LON * 1e7), 40.0
            items = [RawItem(n, 3, kind, int(n == 0), 1, 0, 0, 0, 0, *places, 0) for n, kind in enumerate((16, 31999))]
            with pytest.raises(MissionRawError, match="UNSUPPORTED"):
                sdk.mission.upload_mission(items)
            with pytest.raises(ActionError, match="FAILED"):
                sdk.action.arm()  # it has no position, and will have none
        finally:
            sdk.close()
    assert not vehicle.armed


def wire(item: Any) -> tuple[Any, ...]:
    return item.command, *np.round((item.param1, item.param2, item.param3), 4), item.x, item.y, round(item.z, 2)
