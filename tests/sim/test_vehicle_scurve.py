"""Legs limited in speed, acceleration and jerk."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.vehicle.scurve import Leg


def leg(length_m: float, speed: float = 10.0, accel: float = 2.5, jerk: float = 1.0) -> Leg:
    return Leg((length_m, 0.0, 0.0), speed, 2.5, 1.5, accel, 1.0, jerk, 0.3)


@settings(max_examples=60, deadline=None)
@given(
    length_m=st.floats(0.05, 5000.0),
    speed=st.floats(0.5, 25.0),
    accel=st.floats(0.5, 5.0),
    jerk=st.floats(0.3, 10.0),
)
def test_a_leg_ends_at_its_end_at_rest_and_keeps_its_limits(
    length_m: float, speed: float, accel: float, jerk: float
) -> None:
    one = leg(length_m, speed, accel, jerk)
    times = np.linspace(0.0, one.end_s, 4001)
    s, v, a = np.array([one.along(t) for t in times]).T
    assert s[-1] == pytest.approx(length_m, rel=1e-9)
    assert v[-1] == pytest.approx(0.0, abs=1e-6)
    assert v.max() <= speed * (1 + 1e-6)
    assert np.abs(a).max() <= accel * (1 + 1e-6)
    assert np.abs(np.gradient(a, times)).max() <= jerk * 1.02 + 1e-6
    assert np.all(np.diff(s) >= -1e-9)


@settings(max_examples=30, deadline=None)
@given(length_m=st.floats(0.5, 2000.0), at=st.floats(0.05, 0.95))
def test_speed_is_the_rate_of_distance(length_m: float, at: float) -> None:
    one = leg(length_m)
    t, h = one.end_s * at, 1e-4
    before, after = one.along(t - h), one.along(t + h)
    assert (after[0] - before[0]) / (2 * h) == pytest.approx(one.along(t)[1], abs=1e-4)


def test_a_short_leg_does_not_reach_its_speed() -> None:
    # The peak of ArduCopter's 50 m leg at 10 m/s, 2.5 m/s² and 1 m/s³ with pulses of 0.6 s: A(r + t4) where
    # A = 2.5, r = 2.8 and t4 = (-3 r + sqrt(r² + 8 · 25 / A)) / 2.
    hold_s = (-3 * 2.8 + math.sqrt(2.8**2 + 8 * 25 / 2.5)) / 2
    assert leg(50.0).speed_mps == pytest.approx(2.5 * (2.8 + hold_s))
    assert leg(300.0).speed_mps == pytest.approx(10.0)


def test_a_climbing_leg_keeps_the_climb_rate() -> None:
    one = Leg((30.0, 40.0, 50.0), 10.0, 2.5, 1.5, 2.5, 1.0, 1.0, 0.3)
    assert one.speed_mps * 50 / math.hypot(50.0, 50.0) == pytest.approx(2.5)
    down = Leg((30.0, 40.0, -50.0), 10.0, 2.5, 1.5, 2.5, 1.0, 1.0, 0.3)
    assert down.speed_mps * 50 / math.hypot(50.0, 50.0) == pytest.approx(1.5)
