"""ArduPilot's own simulated copter, where its binary is: started with our home, speed and address, and ended with us.

Options as ArduPilot documents them (ardupilot.org/dev/docs/sitl-simulator-software-in-the-loop): instance N listens at
`--base-port` + 10 N, keeps its stored parameters in its working folder, and takes its first ones from `--defaults`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from flightplan.errors import VehicleError, VehicleTimeoutError
from sim.vehicle.fleet import PORTS_APART
from sim.vehicle.place import Home
from sim.vehicle.weather import Wind

ENVIRONMENT = "OVERFLY_ARDUCOPTER"
_PATIENCE_S = 30.0
_TAIL = 5


def find_arducopter(environment: Mapping[str, str] | None = None) -> Path:
    """Return the ArduCopter binary that OVERFLY_ARDUCOPTER names. VehicleError when it names none."""
    named = (os.environ if environment is None else environment).get(ENVIRONMENT, "")
    if not named:
        raise VehicleError(
            "no ArduCopter binary is named",
            where=ENVIRONMENT,
            hint="Set it to ArduPilot's SITL binary, such as build/sitl/bin/arducopter; or fly --autopilot simulated.",
        )
    found = shutil.which(named)
    if found is None:
        raise VehicleError("there is no program of this name that can be run", where=f"{ENVIRONMENT}={named}")
    return Path(found).resolve()


def command_line(
    binary: Path, home: Home, listen: str, defaults: Path, *, instance: int = 0, speed: float = 1.0
) -> list[str]:
    """Return the command that starts one ArduCopter at a place. VehicleError when `listen` is no address."""
    kind, _, rest = listen.partition(":")
    host, _, port = rest.rpartition(":")
    if kind not in ("tcp", "udp") or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise VehicleError(
            "not an address that ArduCopter can use", where=listen, hint="Write tcp:HOST:PORT or udp:HOST:PORT"
        )
    line = [
        str(binary),
        "--model",
        "quad",
        "--home",
        f"{home.lat:.7f},{home.lon:.7f},{home.altitude_msl_m:.2f},{home.yaw_deg:.1f}",
        "--speedup",
        f"{speed:g}",
        "--instance",
        str(instance),
        "--sysid",
        str(instance + 1),
        "--defaults",
        str(defaults),
    ]
    if kind == "tcp":
        return [*line, "--base-port", port, "--wipe"]
    return [*line, "--serial0", f"udpclient:{host}:{port}", "--wipe"]


class ArduCopter:
    """One or more running ArduCopters: a context manager, or `start` and `stop`."""

    def __init__(
        self,
        binary: Path,
        home: Home,
        listen: str,
        *,
        count: int = 1,
        speed: float = 1.0,
        wind: Wind | None = None,
        spacing_m: float = 10.0,
    ) -> None:
        self._wind = wind or Wind()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._running: list[subprocess.Popen[bytes]] = []
        self._binary, self._speed = binary, speed
        self._homes = [home.moved(0.0, number * spacing_m) for number in range(count)]
        self._listen = listen
        kind, _, rest = listen.partition(":")
        host, _, port = rest.rpartition(":")
        apart = PORTS_APART if kind == "tcp" else 0
        command_line(binary, home, listen, Path("-"))  # refuses an address before anything is started
        self.addresses = tuple(f"{kind}:{host}:{int(port) + number * apart}" for number in range(count))

    def start(self) -> ArduCopter:
        """Start them, and wait until those on TCP listen. VehicleError when one does not stay up."""
        self._folder = tempfile.TemporaryDirectory(prefix="overfly-arducopter-")
        try:
            for number, home in enumerate(self._homes):
                folder = Path(self._folder.name) / str(number)
                folder.mkdir()
                defaults = folder / "defaults.parm"
                defaults.write_text(self._parameters(), encoding="ascii")
                line = command_line(self._binary, home, self._listen, defaults, instance=number, speed=self._speed)
                with (folder / "log").open("wb") as log:
                    process = subprocess.Popen(  # noqa: S603 (the operator named the binary)
                        line, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                    )
                self._running.append(process)
            for number in range(len(self._homes)):
                self._await(number)
        except OSError as error:
            self.stop()
            raise VehicleError(f"ArduCopter could not be started ({error})", where=str(self._binary)) from error
        except VehicleError:
            self.stop()
            raise
        return self

    def run(self) -> None:
        """Wait until one of them ends, which is an error: they run until they are stopped."""
        while True:
            for number, process in enumerate(self._running):
                if process.poll() is not None:
                    raise self._ended(number)
            time.sleep(0.2)

    def stop(self) -> None:
        """End them, and whatever they started."""
        for process in self._running:
            _signal(process, signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()
        self._running.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> ArduCopter:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _parameters(self) -> str:
        wind = self._wind
        values = {
            "FRAME_CLASS": 1,
            "SIM_WIND_SPD": wind.speed_mps,
            "SIM_WIND_DIR": wind.from_deg,
            "SIM_WIND_TURB": wind.gust_mps,
        }
        return "".join(f"{name} {value:g}\n" for name, value in values.items())

    def _await(self, number: int) -> None:
        kind, host, port = self.addresses[number].split(":")
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if self._running[number].poll() is not None:
                raise self._ended(number)
            if kind == "udp" or _is_listening(host, int(port)):
                return
            time.sleep(0.05)
        raise VehicleTimeoutError(f"ArduCopter does not listen after {_PATIENCE_S:g} s", where=self.addresses[number])

    def _ended(self, number: int) -> VehicleError:
        assert self._folder is not None
        log = (Path(self._folder.name) / str(number) / "log").read_text(errors="replace").strip().splitlines()
        said = "; ".join(log[-_TAIL:]) or "it said nothing"
        code = self._running[number].returncode
        return VehicleError(f"ArduCopter ended by itself with code {code}: {said}", where=str(self._binary))


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a process and its children: a session of its own is a group of its own."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return


def _is_listening(host: str, port: int) -> bool:
    """Whether a port is taken, without connecting: ArduCopter begins with its first client, which is not us."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
