"""Signed links: who is believed, and a time that never goes back."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.clock import SimulatedClock
from flightplan.errors import VehicleError, VehicleTimeoutError
from flightplan.vehicle.link import Link
from flightplan.vehicle.signing import SigningKey, ticks

SECRET = bytes(range(32))
NOW_S = 1.79e9


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "drone.key"
    path.write_bytes(SECRET)
    return path


@pytest.mark.parametrize(
    ("data", "secret"),
    [
        (SECRET, SECRET),
        (SECRET.hex().encode() + b"\n", SECRET),
        ("wachtelkönig 7\n".encode(), hashlib.sha256("wachtelkönig 7".encode()).digest()),
        (b"thirty-two letters of a password", hashlib.sha256(b"thirty-two letters of a password").digest()),
    ],
)
def test_a_key_is_bytes_digits_or_a_passphrase(tmp_path: Path, data: bytes, secret: bytes) -> None:
    (tmp_path / "key").write_bytes(data)
    assert SigningKey.read(tmp_path / "key").secret == secret


@pytest.mark.parametrize("data", [b"", b"\n", b"two\nlines", b"\xff\xfe\x00", b"x" * 5000])
def test_what_is_no_key_is_refused_and_never_shown(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "key").write_bytes(data)
    with pytest.raises(VehicleError, match="no signing key"):
        SigningKey.read(tmp_path / "key")
    with pytest.raises(VehicleError, match="cannot read the signing key"):
        SigningKey.read(tmp_path / "nowhere")
    assert "01020304" not in repr(SigningKey(SECRET, tmp_path / "t"))


def test_time_never_goes_back_between_runs_even_when_the_clock_does(key_file: Path) -> None:
    def first_time(now_s: float) -> int:
        protocol = mav.MAVLink(None)
        SigningKey.read(key_file).sign(protocol, now_s)
        return protocol.signing.timestamp

    first = first_time(NOW_S)
    assert first == ticks(NOW_S)
    killed_at_once = first_time(NOW_S)
    assert killed_at_once > first
    assert first_time(NOW_S - 86_400) > killed_at_once
    assert first_time(NOW_S + 86_400) == ticks(NOW_S + 86_400)


def test_what_is_on_disk_stays_ahead_of_what_was_sent(key_file: Path) -> None:
    protocol, key = mav.MAVLink(None), SigningKey.read(key_file)
    key.sign(protocol, NOW_S)
    for second in range(300):
        key.advance(protocol, NOW_S + second)
        assert int(key.time_file.read_text()) > protocol.signing.timestamp
    assert protocol.signing.timestamp == ticks(NOW_S + 299)


def test_a_damaged_time_is_not_taken_for_the_beginning_of_time(key_file: Path) -> None:
    key_file.with_name("drone.key.timestamp").write_text("12x")
    with pytest.raises(VehicleError, match="time of the signing key"):
        SigningKey.read(key_file).sign(mav.MAVLink(None), NOW_S)


class Peer:
    """An autopilot that heartbeats, signed or not, and notes which of our packets it would believe."""

    def __init__(self, sock: socket.socket, secret: bytes | None) -> None:
        self.sock, self.believed, self.refused = sock, 0, 0
        self.out = mav.MAVLink(None, srcSystem=1, srcComponent=1)
        self.out.robust_parsing = True
        if secret is not None:
            signing = self.out.signing
            signing.secret_key, signing.sign_outgoing, signing.timestamp = secret, True, ticks(NOW_S)

    def heartbeat(self) -> None:
        self.say(mav.MAVLink_heartbeat_message(2, 3, 0, 0, 3, 3))

    def say(self, message) -> None:
        self.sock.sendall(message.pack(self.out))

    def hear(self) -> bool:
        try:
            data = self.sock.recv(4096)
        except ConnectionError:  # it hung up before it had read all
            return False
        for message in self.out.parse_buffer(data) or ():
            if message.get_type() == "BAD_DATA":
                self.refused += 1
            else:
                self.believed += 1
        return bool(data)


@contextmanager
def peer(secret: bytes | None) -> Iterator[tuple[str, Peer]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours: list[Peer] = []
        here = threading.Event()

        def serve() -> None:
            sock, _ = server.accept()
            with sock:
                ours.append(Peer(sock, secret))
                ours[0].heartbeat()
                here.set()
                while ours[0].hear():
                    pass

        thread = threading.Thread(target=serve)
        thread.start()

        class Late:
            def __getattr__(self, name: str):
                assert here.wait(60.0)
                return getattr(ours[0], name)

        yield "tcp:{}:{}".format(*server.getsockname()), Late()
        thread.join()


def test_a_vehicle_with_the_same_key_is_heard_and_believes_us(key_file: Path) -> None:
    with peer(SECRET) as (url, vehicle):
        with Link.connect(url, clock=FrozenWall(), timeout_s=60.0, signing=SigningKey.read(key_file)) as link:
            assert link.vehicle_signs
            for _ in range(5):
                link.send(mav.MAVLink_ping_message(0, 0, 0, 0))
            vehicle.heartbeat()
            assert link.wait_until(lambda: vehicle.believed >= 5, 60.0)
        assert vehicle.refused == 0


@pytest.mark.parametrize("secret", [None, bytes(32)])
def test_an_unsigned_or_foreign_vehicle_is_not_believed_and_said_so(key_file: Path, secret: bytes | None) -> None:
    key = Watched.read(key_file)
    with peer(secret) as (url, _), pytest.raises(VehicleTimeoutError, match="messages signed with this key"):
        Link.connect(url, clock=AfterRefusal(key), timeout_s=0.5, signing=key)


def test_only_the_radio_may_speak_unsigned(key_file: Path) -> None:
    protocol, key = mav.MAVLink(None), SigningKey.read(key_file)
    key.sign(protocol, NOW_S)
    protocol.robust_parsing = True
    unsigned = mav.MAVLink(None, srcSystem=1, srcComponent=1)
    radio = mav.MAVLink_radio_status_message(200, 200, 90, 20, 20, 0, 0)
    heartbeat = mav.MAVLink_heartbeat_message(2, 3, 0, 0, 3, 3)
    kinds = [m.get_type() for m in protocol.parse_buffer(radio.pack(unsigned) + heartbeat.pack(unsigned))]
    assert kinds == ["RADIO_STATUS", "BAD_DATA"]


def test_a_forged_packet_from_the_future_does_not_end_the_link(key_file: Path) -> None:
    protocol = mav.MAVLink(None)
    SigningKey.read(key_file).sign(protocol, NOW_S)
    protocol.robust_parsing = True

    def packet(secret: bytes, now_s: float) -> bytes:
        vehicle = mav.MAVLink(None, srcSystem=1, srcComponent=1)
        vehicle.signing.secret_key, vehicle.signing.sign_outgoing = secret, True
        vehicle.signing.timestamp = ticks(now_s)
        return bytes(mav.MAVLink_heartbeat_message(2, 3, 0, 0, 3, 3).pack(vehicle))

    came = [
        protocol.parse_buffer(p)[0].get_type()
        for p in (
            packet(SECRET, NOW_S),
            packet(bytes(32), NOW_S + 1e6),
            packet(SECRET, NOW_S + 1),
            packet(SECRET, NOW_S),
        )
    ]
    # The last one is the first told again.
    assert came == ["HEARTBEAT", "BAD_DATA", "HEARTBEAT", "BAD_DATA"]


class FrozenWall(SimulatedClock):
    """Seconds of the wall from a fixed start, as a vehicle with a right clock would have them."""

    def __init__(self) -> None:
        super().__init__(NOW_S, stall_s=2.0)

    def wait(self, condition, timeout_s: float) -> bool:
        came = condition.wait(timeout_s)
        self._now_s += 0.0 if came else timeout_s
        return came

    def notify(self, condition) -> None:
        condition.notify_all()


class Watched(SigningKey):
    """A key that tells whether something was not signed with it."""

    protocol = None

    def sign(self, protocol, now_s: float) -> None:
        super().sign(protocol, now_s)
        self.protocol = protocol

    @property
    def has_refused(self) -> bool:
        return self.protocol is not None and self.protocol.signing.reject_count > 0


class AfterRefusal(FrozenWall):
    """A clock on which time passes when something was refused, however long that takes to arrive."""

    def __init__(self, key: Watched) -> None:
        super().__init__()
        self._key = key

    def wait(self, condition, timeout_s: float) -> bool:
        if self._key.has_refused:
            self._now_s += timeout_s
            return False
        condition.wait(0.02)
        return True
