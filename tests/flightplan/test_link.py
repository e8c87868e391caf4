"""The link: addresses, vehicles that do not answer, commands, parameters, heartbeats, and nothing left open."""

import os
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.clock import SimulatedClock, WallClock
from flightplan.errors import VehicleError, VehicleTimeoutError
from flightplan.vehicle.connection import Address
from flightplan.vehicle.link import Link
from sim.vehicle import Home, SimulatedVehicle, VehicleServer


@contextmanager
def served(**options) -> Iterator[tuple[str, SimulatedClock, SimulatedVehicle]]:
    clock = SimulatedClock(1.79e9)
    vehicle = SimulatedVehicle(Home(34.8333, -2.3333, 1500.0), **options)
    with VehicleServer(vehicle, clock=clock) as server:
        yield server.address, clock, vehicle


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("url", "kind", "host", "number", "loopback"),
    [
        ("tcp:127.0.0.1:5760", "tcp", "127.0.0.1", 5760, True),
        ("udp:192.168.1.7:14550", "udp", "192.168.1.7", 14550, False),
        ("udpin:0.0.0.0:14550", "udpin", "0.0.0.0", 14550, False),
        ("serial:/dev/ttyUSB0:57600", "serial", "/dev/ttyUSB0", 57600, False),
        ("serial:COM4", "serial", "COM4", 57600, False),
        ("tcp://localhost:5762", "tcp", "localhost", 5762, True),
        ("udpout:127.0.0.1:14550", "udp", "127.0.0.1", 14550, True),
        ("listen:0.0.0.0:14550", "udpin", "0.0.0.0", 14550, False),
        ("listen:127.0.0.1:14550", "udpin", "127.0.0.1", 14550, True),
        # A name that only looks like this machine.
        ("tcp:127.0.0.1.example.org:5760", "tcp", "127.0.0.1.example.org", 5760, False),
        ("tcp:localhost.example.org:5760", "tcp", "localhost.example.org", 5760, False),
    ],
)
def test_addresses_are_read(url: str, kind: str, host: str, number: int, loopback: bool) -> None:
    address = Address.parse(url)
    assert (address.kind, address.host, address.number, address.is_loopback) == (kind, host, number, loopback)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tcp",
        "tcp:host",
        "tcp:host:port",
        "http://example.org",
        "tcp:h:0",
        "tcp:h:70000",
        "serial:",
        "serial:COM4:7",
    ],
)
def test_what_is_no_address_is_refused_with_the_forms_it_could_have(url: str) -> None:
    with pytest.raises(VehicleError) as caught:
        Address.parse(url)
    assert caught.value.where == url
    assert caught.value.hint


def test_a_port_where_nothing_listens_is_one_sentence_with_the_address() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # nobody else gets it, and nobody listens
        port = held.getsockname()[1]
        refused = rf"tcp:127.0.0.1:{port}: no vehicle answered \(Connection refused\)"
        with pytest.raises(VehicleTimeoutError, match=refused):
            Link.connect(f"tcp:127.0.0.1:{port}", timeout_s=0.2)


@pytest.mark.parametrize("clock", [WallClock(), SimulatedClock(0.0, stall_s=0.2)])
def test_a_vehicle_that_is_silent_is_given_up_in_the_time_asked_for(clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "tcp:{}:{}".format(*silent.getsockname())
        with pytest.raises(VehicleTimeoutError, match=r"no vehicle answered within 0\.3 s\. Is it switched on"):
            Link.connect(url, clock=clock, timeout_s=0.3)


@pytest.mark.parametrize("rubbish", [b"GET / HTTP/1.1\r\n\r\n" * 50, bytes(range(256)) * 20, b"\xfd\xff\x00" * 400])
def test_rubbish_is_no_vehicle(rubbish: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            peer, _ = server.accept()
            # Who hangs up before all was read resets the connection.
            with peer, suppress(ConnectionError):
                peer.sendall(rubbish)
                while peer.recv(4096):
                    pass

        thread = threading.Thread(target=babble)
        thread.start()
        with pytest.raises(VehicleTimeoutError):
            Link.connect("tcp:{}:{}".format(*server.getsockname()), timeout_s=0.3)
        thread.join()


def test_another_ground_station_on_the_line_is_not_the_vehicle() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        packer = mav.MAVLink(None, srcSystem=254, srcComponent=190)

        def station() -> None:
            peer, _ = server.accept()
            with peer, suppress(ConnectionError):
                peer.sendall(mav.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3).pack(packer))
                while peer.recv(4096):
                    pass

        thread = threading.Thread(target=station)
        thread.start()
        with pytest.raises(VehicleTimeoutError):
            Link.connect("tcp:{}:{}".format(*server.getsockname()), timeout_s=0.3)
        thread.join()


def test_a_vehicle_tells_who_it_is() -> None:
    with served(system_id=9) as (url, clock, _), Link.connect(url, clock=clock) as link:
        assert link.system_id == 9
        assert link.is_ardupilot
        assert not link.armed
        assert link.mode == "STABILIZE"


def test_time_in_the_air_goes_by_the_vehicles_own_clock_which_a_simulator_may_run_faster() -> None:
    with served() as (url, clock, vehicle), Link.connect(url, clock=clock) as link:
        link.ask_for({33: 0.5})
        link.pause(2.0)
        before = link.vehicle_s
        assert link.wait_until(lambda: link.vehicle_s > before + 2.0, 10.0)
        assert link.vehicle_s == pytest.approx(vehicle.elapsed_s, abs=1.5)


def test_a_mode_that_nobody_knows_is_not_taken_for_the_last_one_known() -> None:
    with served() as (url, clock, vehicle), Link.connect(url, clock=clock) as link:
        link.command(176, 1, 3)
        assert link.wait_until(lambda: link.mode == "AUTO", 5.0)
        vehicle.flight.mode = 77
        assert link.wait_until(lambda: link.mode == "mode 77", 5.0)


def test_with_a_system_id_only_that_vehicle_counts() -> None:
    with served(system_id=9) as (url, clock, _), pytest.raises(VehicleTimeoutError):
        Link.connect(url, clock=clock, timeout_s=5.0, system_id=3)


def test_a_command_brings_its_answer_and_a_refusal_its_reason() -> None:
    with served() as (url, clock, _), Link.connect(url, clock=clock) as link:
        assert link.command(176, 1, 4).accepted
        refused = link.command(176, 1, 99)
        assert (refused.accepted, refused.words) == (False, "failed: No such mode 99")
        assert link.command(31999).words.startswith("unsupported")
        arming = link.command(400, 1)
        assert not arming.accepted
        assert "System not initialised" in arming.words


def test_parameters_are_read_and_set_by_name_and_unknown_ones_are_left_out() -> None:
    with served() as (url, clock, vehicle), Link.connect(url, clock=clock) as link:
        assert link.parameters(["WPNAV_SPEED", "NO_SUCH_NAME"]) == {"WPNAV_SPEED": 1000.0}
        assert link.set_parameter("WPNAV_SPEED", 1200.0)
        assert vehicle.parameters["WPNAV_SPEED"] == 1200.0
        assert link.parameters(["WPNAV_SPEED"]) == {"WPNAV_SPEED": 1200.0}
        assert not link.set_parameter("NO_SUCH_NAME", 1.0)


def test_messages_come_as_often_as_asked_for() -> None:
    with served() as (url, clock, _), Link.connect(url, clock=clock) as link:
        assert link.ask_for({33: 0.5, 9999: 1.0}) == [9999]
        came = []
        link.listen(lambda m: came.append(m) if m.get_type() == "GLOBAL_POSITION_INT" else None)
        link.pause(10.0)
        assert 18 <= len(came) <= 22


def test_a_request_for_messages_that_was_lost_is_made_again() -> None:
    with served() as (url, clock, vehicle), Link.connect(url, clock=clock) as link:
        link.ask_for()
        vehicle.telemetry.every(33, None)  # as if the request for it had been lost
        link.latest.pop("GLOBAL_POSITION_INT", None)
        link.pause(10.0)
        assert "GLOBAL_POSITION_INT" not in link.latest
        link.ask_again()
        link.pause(3.0)
        assert "GLOBAL_POSITION_INT" in link.latest


def all_has_arrived(clock: SimulatedClock) -> None:
    """Wait, while simulated time stands still, until nothing that was sent is on its way."""
    end_s = time.monotonic() + 60.0
    while any(clock.under_way(end) for end in tuple(clock._under_way)):
        assert time.monotonic() < end_s
        time.sleep(0.001)


def test_nobody_at_the_controls_is_no_heartbeat() -> None:
    # A program that hangs goes on receiving; its vehicle has to notice all the same.
    with served() as (url, clock, vehicle), Link.connect(url, clock=clock) as link:
        link.pause(5.0)
        all_has_arrived(clock)
        link._waited_s -= 60.0
        before = vehicle.heard_count
        with link._condition:
            link._boot_s += 100.0
            link._heartbeat_if_due()
        all_has_arrived(clock)
        assert vehicle.heard_count == before
        link.pause(3.0)
        assert vehicle.heard_count > before


def test_the_vehicle_hears_us_once_a_second_of_the_clock() -> None:
    with served() as (url, clock, vehicle), Link.connect(url, clock=clock) as link:
        before, start_s = vehicle.heard_count, clock.now_s()
        link.pause(60.0)
        assert clock.now_s() - start_s == pytest.approx(60.0, abs=0.2)
        assert 58 <= vehicle.heard_count - before <= 64


def test_a_vehicle_that_hangs_up_ends_the_wait_with_its_address() -> None:
    clock = SimulatedClock(1.79e9, stall_s=60.0)
    server = VehicleServer(SimulatedVehicle(Home(34.8333, -2.3333, 1500.0)), clock=clock).start()
    with Link.connect(server.address, clock=clock) as link:
        server.stop()
        with pytest.raises(VehicleError, match="ended the connection") as caught:
            link.pause(1000.0)
        assert caught.value.where == server.address


def test_what_a_listener_raises_is_raised_where_somebody_waits() -> None:
    with served() as (url, clock, _), Link.connect(url, clock=clock) as link:

        def full(_: object) -> None:
            raise OSError("no space left on device")

        link.listen(full)
        with pytest.raises(OSError, match="no space left"):
            link.pause(10.0)


def test_a_udp_port_that_is_taken_and_a_serial_device_that_is_not_there_are_said(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(VehicleTimeoutError, match="Address already in use"):
            Link.connect(f"udpin:127.0.0.1:{taken.getsockname()[1]}", timeout_s=0.2)
    with pytest.raises(VehicleTimeoutError, match="No such file or directory"):
        Link.connect(f"serial:{tmp_path}/ttyUSB0:57600", timeout_s=0.2)


@contextmanager
def on_a_serial_line() -> Iterator[tuple[str, int]]:
    """A cable's device, and its far end: whoever takes that closes it."""
    far, near = os.openpty()
    tty.setraw(near)
    try:
        yield f"serial:{os.ttyname(near)}:115200", far
    finally:
        os.close(near)


def test_a_serial_line_is_a_link_and_a_pulled_cable_is_its_end() -> None:
    packer = mav.MAVLink(None, srcSystem=4, srcComponent=1)
    heard: list[str] = []
    pulled = threading.Event()

    def plane(far: int) -> None:
        parser = mav.MAVLink(None)
        while "PING" not in heard:
            heard.extend(m.get_type() for m in parser.parse_buffer(os.read(far, 4096)) or ())
            os.write(far, mav.MAVLink_heartbeat_message(1, 3, 0, 10, 3, 3).pack(packer))
        os.close(far)
        pulled.set()

    with on_a_serial_line() as (url, far):
        thread = threading.Thread(target=plane, args=(far,))
        thread.start()
        with Link.connect(url, timeout_s=60.0) as link:
            assert (link.system_id, link.mode) == (4, "AUTO")
            link.send(mav.MAVLink_ping_message(0, 7, 0, 0))
            assert pulled.wait(60.0)
            with pytest.raises(VehicleError, match="ended the connection"):
                link.pause(60.0)
        thread.join()


def test_a_vehicle_that_calls_by_udp_is_heard(free_port: Callable[..., int]) -> None:
    port = free_port()
    vehicle = SimulatedVehicle(Home(34.8333, -2.3333, 1500.0))
    with (
        VehicleServer(vehicle, f"udp:127.0.0.1:{port}", speed=5.0),
        Link.connect(f"udpin:127.0.0.1:{port}", timeout_s=60.0) as link,
    ):
        assert link.parameters(["WPNAV_SPEED"], timeout_s=20.0) == {"WPNAV_SPEED": 1000.0}
