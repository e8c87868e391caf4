"""Connections that say little are closed, and leave those of others alone."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from counts.review.serving import Prompt


class Quick(Prompt):
    headers_s = 0.2


@pytest.fixture
def protocol() -> type[Prompt]:
    return Prompt


@pytest.fixture
def address(guarded, protocol: type[Prompt]) -> Iterator[tuple[str, int]]:
    app = guarded.as_role("manager").app
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_level="error", server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join(60)
    assert not thread.is_alive()


def answer(stream: socket.socket) -> bytes:
    """What comes until the other side closes or the answer is whole."""
    found = b""
    while b"\r\n\r\n" not in found:
        part = stream.recv(65536)
        if not part:
            return found
        found += part
    return found


BAD = b"HTTP/1.1 400"
ASKED = b"GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("protocol", [Quick])
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: loc", ASKED + b"GET /api/v1/me HT"])
def test_headers_that_never_end_are_not_waited_for(address, said) -> None:
    with socket.create_connection(address, timeout=60) as stream:
        stream.sendall(said)
        while stream.recv(65536):
            pass  # The answer to what was whole; then it is closed, or this would time out.


def test_a_whole_request_is_answered_beside_many_that_trickle(address) -> None:
    slow = [socket.create_connection(address, timeout=60) for _ in range(40)]
    for stream in slow:
        stream.sendall(b"GET /")
    with socket.create_connection(address, timeout=60) as stream:
        stream.sendall(ASKED)
        assert answer(stream).startswith(b"HTTP/1.1 200")
    for stream in slow:
        stream.close()


def test_a_websocket_and_nonsense_are_answered_and_break_nothing(address) -> None:
    upgrade = (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    expected = {
        upgrade: b"HTTP/1.1 200",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n": b"HTTP/1.1 400",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n": b"HTTP/1.1 400",
        b"GET / HTTP/1.1\r\n\r\n": b"HTTP/1.1 400",
        b"GET / HTTP/1.0\r\n\r\n": b"HTTP/1.1 421",
        b"GET /x\x00y HTTP/1.1\r\nHost: localhost\r\n\r\n": b"HTTP/1.1 400",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n": b"HTTP/1.1 421",
        b"POST /api/v1/undo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n": BAD,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 50_000 + b"\r\n\r\n": b"HTTP/1.1 431",
    }
    for said, start in expected.items():
        with socket.create_connection(address, timeout=60) as stream:
            stream.sendall(said)
            assert answer(stream).startswith(start), said[:60]
    with socket.create_connection(address, timeout=60) as stream:
        stream.sendall(ASKED)
        told = answer(stream)
        assert told.startswith(b"HTTP/1.1 200")
        assert b"server:" not in told.lower()
