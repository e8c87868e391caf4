"""Two people over the same frames: agreement beyond chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counts.reviewers import compare_reviewers
from flightplan.errors import EstimateError

COUNTS = st.lists(st.integers(0, 20), min_size=1, max_size=40)


def test_cohens_own_example_of_two_categories() -> None:
    # Fleiss, Levin & Paik 2003, table 18.1 collapsed: 20 both, 5 and 10 apart, 15 neither; observed 0.7, chance 0.5.
    a = np.repeat([1, 1, 0, 0], [20, 5, 10, 15])
    b = np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    found = compare_reviewers(a, b)
    assert found.presence_kappa == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert (found.frames, found.same, found.first_total, found.second_total) == (50, 0.7, 25, 30)


def test_weights_forgive_small_differences_of_counts() -> None:
    near = compare_reviewers([0, 5, 9, 2], [0, 6, 9, 2])
    far = compare_reviewers([0, 5, 9, 2], [0, 1, 9, 2])
    assert near.same == far.same == 0.75
    assert near.count_kappa > far.count_kappa
    assert near.presence_kappa == far.presence_kappa == 1.0


def test_where_nobody_saw_any_there_is_no_kappa_but_they_agree() -> None:
    found = compare_reviewers([0, 0, 0], [0, 0, 0])
    assert (found.same, found.presence_kappa, found.count_kappa) == (1.0, None, None)
    assert compare_reviewers([], []).same is None


@given(COUNTS)
def test_who_agrees_with_themselves_agrees_wholly(counts: list[int]) -> None:
    found = compare_reviewers(counts, counts)
    assert found.same == 1.0
    assert found.count_kappa in (None, 1.0)


@given(COUNTS, st.randoms(use_true_random=False))
def test_kappa_does_not_know_who_came_first_and_never_exceeds_1(counts: list[int], random) -> None:
    other = [max(0, c + random.choice((-1, 0, 1))) for c in counts]
    one, two = compare_reviewers(counts, other), compare_reviewers(other, counts)
    assert one.count_kappa == pytest.approx(two.count_kappa) if one.count_kappa is not None else two.count_kappa is None
    assert one.count_kappa is None or one.count_kappa <= 1.0


def test_counts_that_do_not_pair_are_refused() -> None:
    with pytest.raises(EstimateError, match="one count of each person"):
        compare_reviewers([1, 2], [1])
