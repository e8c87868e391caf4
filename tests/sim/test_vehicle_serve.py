"""The simulated vehicle on a socket."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.clock import SimulatedClock
from flightplan.errors import VehicleError
from sim.commands.vehicle import vehicle_command
from sim.vehicle import Home, SimulatedVehicle, VehicleServer, serve

HOME = Home(34.83, -2.33, 1500.0)


def first(parser: mav.MAVLink, link: socket.socket, name: str) -> Any:
    while True:
        for message in parser.parse_buffer(link.recv(4096)) or ():
            if message.get_type() == name:
                return message


def test_a_tcp_client_hears_the_boot_and_then_heartbeats() -> None:
    clock = SimulatedClock(1000.0)
    with serve(SimulatedVehicle(HOME), clock=clock) as server:
        host, port = server.address.removeprefix("tcp:").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as link:
            parser = mav.MAVLink(None)
            assert first(parser, link, "STATUSTEXT").text == "RCInput: decoding UDP (Pulses)"
            beat = first(parser, link, "HEARTBEAT")
            assert (beat.type, beat.autopilot) == (2, 3)


def test_a_udp_vehicle_speaks_first() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ground:
        ground.bind(("127.0.0.1", 0))
        ground.settimeout(60)
        port = ground.getsockname()[1]
        with VehicleServer(SimulatedVehicle(HOME), f"udp:127.0.0.1:{port}", speed=50.0):
            data, peer = ground.recvfrom(4096)
            message = mav.MAVLink(None).parse_buffer(data)[0]
            assert message.get_srcSystem() == 1
            assert peer[0] == "127.0.0.1"


def test_a_held_vehicle_still_answers_and_its_time_stands_still() -> None:
    clock, vehicle = SimulatedClock(1000.0), SimulatedVehicle(HOME)
    with serve(vehicle, clock=clock, idle="hold") as server:
        host, port = server.address.removeprefix("tcp:").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as link:
            parser, out = mav.MAVLink(None), mav.MAVLink(None, srcSystem=255, srcComponent=190)
            while not vehicle.waiting:
                first(parser, link, "HEARTBEAT")
            request = mav.MAVLink_param_request_read_message(1, 1, b"RTL_ALT", -1)
            stood_s = None
            for _ in range(5):
                link.sendall(request.pack(out))
                assert first(parser, link, "PARAM_VALUE").param_value == 1500.0
                first(parser, link, "HEARTBEAT")
                # By its first answer the step in which it began to wait is over.
                stood_s = vehicle.time_s if stood_s is None else stood_s
            assert vehicle.time_s == stood_s
            assert clock.now_s() == pytest.approx(1000.0 + stood_s)


@pytest.mark.parametrize("listen", ["tcp:127.0.0.1", "serial:/dev/x:9", "tcp:127.0.0.1:99999", ""])
def test_an_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(VehicleError, match="not an address"):
        VehicleServer(SimulatedVehicle(HOME), listen)


def test_a_port_that_is_taken_is_named() -> None:
    with (
        VehicleServer(SimulatedVehicle(HOME)) as server,
        pytest.raises(VehicleError, match=r"cannot open it .*in use"),
    ):
        VehicleServer(SimulatedVehicle(HOME), server.address)


@pytest.mark.parametrize(("option", "value"), [("--home", "1,2,3"), ("--wind", "strong"), ("--listen", "here")])
def test_the_command_says_what_it_cannot_read(option: str, value: str) -> None:
    result = CliRunner().invoke(vehicle_command, [option, value])
    assert result.exit_code == 1
    assert option in result.output or "not an address" in result.output


@pytest.mark.parametrize("kind", ["copter", "px4"])
def test_the_command_ends_at_ctrl_c(kind: str, heeds_ctrl_c: Callable[[], None]) -> None:
    code = "from sim.commands.vehicle import vehicle_command; vehicle_command()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "--listen", "tcp:127.0.0.1:0", "--kind", kind],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeds_ctrl_c,
    ) as process:
        assert process.stderr is not None
        assert "Ctrl-C ends it" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "Ended.\n"
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(("kind", "name"), [("copter", b"BATT_CAPACITY"), ("px4", b"BAT1_CAPACITY")])
def test_the_command_gives_the_vehicle_the_battery_that_is_asked_for(
    kind: str, name: bytes, heeds_ctrl_c: Callable[[], None]
) -> None:
    code = "from sim.commands.vehicle import vehicle_command; vehicle_command()"
    options = ["--listen", "tcp:127.0.0.1:0", "--kind", kind, "--battery", "21", "--speed", "20"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *options], stderr=subprocess.PIPE, text=True, preexec_fn=heeds_ctrl_c
    ) as process:
        assert process.stderr is not None
        host, port = process.stderr.readline().split(" on tcp:")[1].split(". ")[0].split(":")
        with socket.create_connection((host, int(port)), timeout=60) as link:
            parser = mav.MAVLink(None, srcSystem=255)
            first(parser, link, "HEARTBEAT")
            link.sendall(mav.MAVLink_param_request_read_message(1, 1, name, -1).pack(parser))
            answer = first(parser, link, "PARAM_VALUE")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert answer.param_id == name.decode()
    assert answer.param_value == 21_000
