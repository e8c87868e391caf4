"""Keys of a terminal, one by one, and a terminal that is left as it was found."""

import io
import os
import termios
from collections.abc import Iterator

import pytest

from flightplan.vehicle.controls import Keyboard


@pytest.fixture
def terminal() -> Iterator[tuple[int, io.TextIOBase]]:
    """The far end of a terminal, and the stream that a program reads from it."""
    far, near = os.openpty()
    stream = os.fdopen(near, "r")
    yield far, stream
    stream.close()
    os.close(far)


def test_keys_come_without_enter_and_without_waiting(terminal) -> None:
    far, stream = terminal
    before = termios.tcgetattr(stream.fileno())
    with Keyboard(stream) as keyboard:
        assert keyboard.is_terminal
        assert keyboard() == ""
        os.write(far, b"pr")
        assert keyboard() == "pr"
        assert keyboard() == ""
        with keyboard.lines():
            assert termios.tcgetattr(stream.fileno())[3] & termios.ICANON
        assert not termios.tcgetattr(stream.fileno())[3] & termios.ICANON
    assert termios.tcgetattr(stream.fileno()) == before


def test_the_terminal_is_put_back_when_a_flight_fails(terminal) -> None:
    _, stream = terminal
    before = termios.tcgetattr(stream.fileno())
    with pytest.raises(OSError, match="no space"), Keyboard(stream):
        raise OSError("no space left on device")
    assert termios.tcgetattr(stream.fileno()) == before


def test_a_file_is_no_keyboard() -> None:
    with Keyboard(io.StringIO("rrrr")) as keyboard:
        assert (keyboard.is_terminal, keyboard()) == (False, "")
        with keyboard.lines():
            pass
    closed = io.StringIO()
    closed.close()
    with Keyboard(closed) as keyboard:
        assert keyboard() == ""
