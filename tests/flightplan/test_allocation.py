"""Effort shared out over strata."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightplan.allocation import (
    EarlierStratum,
    allocate_length,
    allocate_lines,
    neyman_weights,
    spacing_for_length,
    spacing_for_lines,
)
from flightplan.errors import DesignError


def test_neyman_weights_are_the_strata_s_spread_whatever_effort_measured_it() -> None:
    # N = 100, S = 3: N²S²(1 - n/N)/n with 10 and with 25 lines; and N = 50, S = 2.
    ten, five_and_twenty = 100**2 * 9 * 0.9 / 10, 100**2 * 9 * 0.75 / 25
    weights = neyman_weights(
        {
            "a": EarlierStratum(ten, 10, 0.1),
            "b": EarlierStratum(five_and_twenty, 25, 0.25),
            "c": EarlierStratum(50**2 * 4 * 0.8 / 10, 10, 0.2),
        }
    )
    assert weights == pytest.approx({"a": 300.0, "b": 300.0, "c": 100.0})
    assert allocate_lines(70, weights) == {"a": 30, "b": 30, "c": 10}


def test_no_other_allocation_has_less_variance() -> None:
    spread = {"a": 500.0, "b": 200.0, "c": 90.0}
    got = allocate_lines(24, spread)

    def variance(lines: tuple[int, ...]) -> float:
        return sum(w**2 / n for w, n in zip(spread.values(), lines, strict=True))

    best = min(variance(n) for n in itertools.product(range(2, 21), repeat=3) if sum(n) == 24)
    assert variance(tuple(got.values())) <= best * 1.005


@given(
    weights=st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 1e6), min_size=1, max_size=6),
    spare=st.integers(0, 200),
)
def test_every_line_is_given_and_none_less_than_two(weights: dict[str, float], spare: int) -> None:
    total = 2 * len(weights) + spare
    lines = allocate_lines(total, weights)
    assert sum(lines.values()) == total
    assert min(lines.values()) >= 2
    assert list(lines) == list(weights)


def test_lengths_and_spacings() -> None:
    assert allocate_length(90e3, {"a": 2.0, "b": 1.0}) == pytest.approx({"a": 60e3, "b": 30e3})
    assert spacing_for_length({"a": 12e6}, {"a": 60e3}) == pytest.approx({"a": 200.0})
    assert spacing_for_lines({"a": 6000.0}, {"a": 12}) == pytest.approx({"a": 500.0})


@pytest.mark.parametrize(
    "call",
    [
        lambda: allocate_lines(3, {"a": 1.0, "b": 1.0}),
        lambda: allocate_lines(9, {"a": math.nan}),
        lambda: allocate_length(0, {"a": 1.0}),
        lambda: neyman_weights({"a": EarlierStratum(math.nan, 5)}),
        lambda: neyman_weights({"a": EarlierStratum(9.0, 1)}),
        lambda: neyman_weights({"a": EarlierStratum(9.0, 5, 1.0)}),
    ],
)
def test_an_allocation_of_nothing_is_refused(call) -> None:
    with pytest.raises(DesignError):
        call()
