"""Clocks: wall time, and simulated time that stands still while anybody is at work."""

import threading

import pytest

from flightplan.clock import SimulatedClock, WallClock


def waiter(
    clock: SimulatedClock, condition: threading.Condition, seconds: float, results: list[bool]
) -> threading.Thread:
    def wait() -> None:
        clock.join()
        with condition:
            results.append(clock.wait(condition, seconds))
        clock.leave()

    thread = threading.Thread(target=wait)
    thread.start()
    while not clock.settle(0.1):
        pass
    return thread


def test_a_wait_ends_when_its_simulated_seconds_have_passed() -> None:
    clock, results = SimulatedClock(100.0), []
    thread = waiter(clock, threading.Condition(), 5.0, results)
    clock.advance(4.9)
    assert clock.settle(0.01)
    assert results == []
    clock.advance(0.2)
    thread.join()
    assert results == [False]
    assert clock.now_s() == pytest.approx(105.1)


def test_who_is_notified_is_at_work_until_the_next_wait() -> None:
    clock, condition, results = SimulatedClock(0.0), threading.Condition(), []
    thread = waiter(clock, condition, 5.0, results)
    with condition:
        clock.notify(condition)
        assert not clock.is_still()  # before the thread itself has run
    thread.join()
    assert results == [True]
    assert clock.is_still()
    assert not clock.in_step


def test_time_stands_still_while_a_message_is_on_its_way() -> None:
    clock = SimulatedClock(0.0)
    clock.posted("vehicle", 2)
    assert (clock.is_still(), clock.under_way("vehicle")) == (False, 2)
    clock.taken("vehicle")
    assert not clock.is_still()
    clock.taken("vehicle")
    assert clock.is_still()
    clock.posted("station")
    clock.forget("station")
    assert clock.is_still()
    clock.taken("station")  # late, after its connection ended
    assert clock.is_still()


def test_a_clock_that_nobody_moves_gives_a_wait_up() -> None:
    clock, condition = SimulatedClock(0.0, stall_s=0.05), threading.Condition()
    with condition:
        assert clock.wait(condition, 1000.0) is False
    assert clock.now_s() == 0.0


def test_a_tenth_of_a_second_adds_up() -> None:
    clock = SimulatedClock(1_790_000_000.0)
    for _ in range(36_000):
        clock.advance(0.1)
    assert clock.now_s() - 1_790_000_000.0 == pytest.approx(3600.0, abs=1e-5)


def test_wall_time_passes_by_itself_and_needs_nobody() -> None:
    clock, condition = WallClock(), threading.Condition()
    before_s = clock.now_s()
    clock.join()
    clock.posted("vehicle")
    with condition:
        assert clock.wait(condition, 0.01) is False
    clock.taken("vehicle")
    clock.forget("vehicle")
    clock.leave()
    assert clock.now_s() >= before_s + 0.009
