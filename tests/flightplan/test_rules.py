"""When a flight is broken off: wind over its mean, charge against the way home."""

import pytest

from flightplan.vehicle.rules import AbortRules, Guard


def windy(guard: Guard, speeds: list[float], every_s: float = 1.0) -> None:
    for number, speed in enumerate(speeds):
        guard.hear_wind(speed, number * every_s)


def test_a_gust_is_not_the_wind_but_a_minute_of_it_is() -> None:
    guard = Guard(AbortRules(max_wind_mps=10.0))
    windy(guard, [5.0] * 60 + [20.0] * 5)
    assert guard.reason_to_return(500.0, 80.0) is None
    windy(guard, [12.0] * 120)
    assert guard.wind_mps == pytest.approx(12.0, abs=0.1)
    assert guard.reason_to_return(500.0, 80.0) == "the wind is 12 m/s, more than 10 m/s"


def test_without_a_limit_no_wind_is_too_much() -> None:
    guard = Guard(AbortRules(max_wind_mps=None))
    windy(guard, [30.0] * 200)
    assert guard.reason_to_return(500.0, 80.0) is None


def test_it_turns_back_when_the_way_home_would_leave_too_little() -> None:
    # 0.1 % a second: 800 m at 8 m/s, 75 m down at 1.5 m/s, and 40 s to land are 190 s, 19 %.
    guard = Guard(AbortRules(least_charge=0.10, return_mps=8.0), planned_per_s=0.001)
    guard.hear_charge(0.30, 0.0)
    assert guard.home_share(800.0, 85.0) == pytest.approx(0.19)
    assert guard.reason_to_return(800.0, 85.0) is None
    guard.hear_charge(0.25, 20.0)
    assert guard.reason_to_return(800.0, 85.0) == "charge 25%: the way home takes 19%, and 10% has to be left"
    assert guard.reason_to_return(100.0, 85.0) is None


def test_a_head_wind_makes_the_way_home_longer() -> None:
    guard = Guard(AbortRules(return_mps=8.0), planned_per_s=0.001)
    calm = guard.home_share(800.0, 0.0)
    windy(guard, [4.0] * 300)
    assert guard.home_share(800.0, 0.0) - calm == pytest.approx(0.1, abs=1e-3)


def test_the_plans_wind_counts_until_the_vehicle_tells_of_its_own() -> None:
    guard = Guard(AbortRules(return_mps=8.0, planned_wind_mps=4.0), planned_per_s=0.001)
    calm = Guard(AbortRules(return_mps=8.0), planned_per_s=0.001)
    assert guard.home_share(800.0, 0.0) == pytest.approx(calm.home_share(800.0, 0.0) + 0.1)
    windy(guard, [0.0] * 300)
    assert guard.home_share(800.0, 0.0) == pytest.approx(calm.home_share(800.0, 0.0))


def test_a_battery_that_drains_faster_than_planned_is_believed() -> None:
    guard = Guard(AbortRules(), planned_per_s=0.0005)
    guard.hear_charge(1.0, 0.0)
    guard.hear_charge(0.9, 20.0)  # too early to tell
    assert guard.drain_per_s == 0.0005
    guard.hear_charge(0.8, 100.0)
    assert guard.drain_per_s == pytest.approx(0.002)


def test_nothing_is_known_of_a_battery_that_nobody_planned_or_measured() -> None:
    guard = Guard(AbortRules())
    guard.hear_charge(0.05, 0.0)
    assert guard.home_share(100.0, 80.0) is None
    assert guard.reason_to_return(100.0, 80.0) is None
