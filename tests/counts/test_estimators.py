"""What an estimate may and may not claim, and the mistakes of public code that must not come back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from counts.estimators import (
    Component,
    EncounterVariance,
    Estimate,
    LimitForm,
    bootstrap_ratio,
    double_observer,
    encounter_rate_variance,
    estimate,
    jolly1,
    jolly2,
    jolly3,
    limits,
    precision_recall,
    reliability_categories,
    satterthwaite,
    subsample_total,
    t_quantile,
    total,
    total_count,
)
from counts.seasons import change, trend
from flightplan.errors import EstimateError

COUNTS = [3, 0, 12, 7, 1, 0, 4, 9]
AREAS = [1.0, 1.4, 2.0, 1.1, 0.6, 1.3, 1.7, 1.9]


def test_jolly_2_keeps_the_brackets_and_the_covariance() -> None:
    y, z = np.array(COUNTS), np.array(AREAS)
    n, possible = len(y), 40.0
    ratio = y.sum() / z.sum()
    covariance = np.cov(y, z, ddof=1)
    published = (
        possible * (possible - n) / n * (covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1])
    )
    lost_brackets = possible * (possible - n) / n * covariance[0, 0] - 2 * ratio * n + ratio**2 * covariance[1, 1]
    result = jolly2(y, z, 50.0, possible)
    assert result.variance == pytest.approx(published, rel=1e-12)
    assert result.variance != pytest.approx(lost_brackets, rel=0.01)


def test_a_95_percent_interval_uses_the_975_point() -> None:
    assert t_quantile(7) == pytest.approx(2.3646242510103)
    assert t_quantile(7) != pytest.approx(stats.t.ppf(0.95, 7))
    result = jolly2(COUNTS, AREAS, 50.0, 40)
    assert result.standard_error is not None
    assert result.value is not None
    assert result.upper == pytest.approx(result.value + 2.3646242510103 * result.standard_error)


@pytest.mark.parametrize(
    "one",
    [jolly1([5], 40), jolly2([5], [1.0], 50.0, 40), jolly3([5], [1.0], 50.0), subsample_total([3], 40)],
    ids=["Jolly 1", "Jolly 2", "Jolly 3", "verified subsample"],
)
def test_one_transect_gives_a_value_without_limits_and_says_why(one: Estimate) -> None:
    assert one.value is not None
    assert one.value > 0
    assert (one.standard_error, one.lower, one.upper, one.cv) == (None, None, None, None)
    assert one.reason is not None
    assert "at least two" in one.reason


def test_none_seen_is_zero_without_limits_not_an_interval_without_width() -> None:
    result = jolly2([0] * 12, [1.0] * 12, 50.0, 40)
    assert (result.value, result.standard_error, result.upper) == (0, None, None)
    assert result.reason is not None
    assert "none seen in 12 units" in result.reason


def test_equal_densities_give_no_interval_without_width() -> None:
    result = jolly2([2, 4], [1.0, 2.0], 50.0, 40)
    assert result.value == pytest.approx(100)
    assert (result.lower, result.upper) == (None, None)
    assert result.reason is not None


def test_every_possible_unit_searched_has_no_sampling_error_but_unknown_detection() -> None:
    result = jolly2(COUNTS, AREAS, sum(AREAS), len(COUNTS))
    assert result.value == pytest.approx(sum(COUNTS))
    assert result.lower is None
    assert result.reason is not None
    assert "detection was not measured" in result.reason


def test_a_total_count_has_no_limits_of_its_own_and_names_its_gaps() -> None:
    result = total_count([3, 4, 0], gaps=("the gorge",))
    assert (result.value, result.lower, result.upper) == (7, None, None)
    assert result.reason is not None
    assert "detection was not measured" in result.reason
    assert result.notes == ("not searched: the gorge",)
    assert reliability_categories(result).category == "A"
    assert reliability_categories(result).definite == 7


def test_no_unit_searched_is_unknown_not_zero() -> None:
    result = jolly2([], [], 50.0)
    assert result.value is None
    assert result.reason == "no unit was searched"
    assert total([jolly2(COUNTS, AREAS, 50.0), result], names=["north", "south"]).reason == "no estimate in south"


def test_animals_in_a_unit_without_area_are_refused() -> None:
    with pytest.raises(EstimateError, match="area searched is 0"):
        jolly2([3, 1], [0.0, 1.0], 50.0)


@pytest.mark.parametrize("counts", [[1, -1], [1, math.nan]])
def test_a_count_that_is_negative_or_unknown_is_refused(counts: list[float]) -> None:
    with pytest.raises(EstimateError, match="negative or unknown"):
        jolly2(counts, [1.0, 1.0], 50.0)


def test_a_unit_that_was_not_searched_is_no_zero() -> None:
    assert jolly2([4, 2, 0], [1.0, 2.0, 0.0], 50.0, 40).value == jolly2([4, 2], [1.0, 2.0], 50.0, 40).value


def test_limits_of_nothing_have_no_width_and_are_refused() -> None:
    with pytest.raises(ValueError, match="positive standard error"):
        limits(100.0, 0.0)


def test_the_lower_limit_is_never_under_the_animals_seen() -> None:
    result = jolly2([0, 0, 40, 0], [1.0] * 4, 20.0, 20)
    assert result.value == pytest.approx(200)
    assert result.lower == 40


def test_a_shared_recall_is_counted_once_over_strata() -> None:
    cv = 0.1
    strata = [
        estimate(
            y, (Component("sampling", v, 11), Component("detection", (y * cv) ** 2, 30, "sample")), method="m", units=12
        )
        for y, v in ((1000.0, 100.0**2), (500.0, 80.0**2))
    ]
    summed = total(strata)
    assert summed.variance == pytest.approx(100**2 + 80**2 + (1500 * cv) ** 2)
    twice = sum(e.variance for e in strata if e.variance)
    assert summed.variance != pytest.approx(twice, rel=0.05)
    assert summed.degrees_of_freedom == pytest.approx(
        summed.variance**2 / (100**4 / 11 + 80**4 / 11 + (150**4) / 30)  # type: ignore[operator]
    )


def test_a_stratum_where_none_was_seen_adds_nothing_and_is_named() -> None:
    north, south = jolly2(COUNTS, AREAS, 50.0, 40), jolly2([0, 0], [1.0, 1.0], 50.0, 40)
    summed = total([north, south], names=["north", "south"])
    assert (summed.value, summed.standard_error) == (north.value, north.standard_error)
    assert summed.notes == ("south: none seen, counted as 0 without error of its own",)


def test_a_stratum_of_one_transect_leaves_the_total_without_limits() -> None:
    summed = total([jolly2(COUNTS, AREAS, 50.0, 40), jolly2([3], [1.0], 50.0, 40)], names=["north", "south"])
    assert summed.value is not None
    assert summed.lower is None
    assert summed.reason is not None
    assert summed.reason.startswith("south: one unit")


def test_none_seen_anywhere_is_zero_without_limits() -> None:
    summed = total([jolly2([0, 0], [1.0, 1.0], 50.0, 40)] * 2)
    assert (summed.value, summed.upper, summed.reason) == (0, None, "none seen in any stratum")


def test_the_bootstrap_draws_units_as_often_as_they_fall() -> None:
    counts, areas = [np.array([10.0, 0.0, 2.0, 4.0])], [np.ones(4)]
    result, drawn = bootstrap_ratio(counts, areas, [4.0], seed=3, replicates=4000)
    # Without multiplicity a draw would be the mean of a subset: never 16 or 40, which need one unit drawn four times.
    assert {40.0, 16.0, 0.0} <= set(np.round(drawn, 9))
    assert result.standard_error == pytest.approx(4 * np.sqrt(np.var(counts[0]) / 4), rel=0.05)


def test_the_bootstrap_of_one_unit_has_no_limits() -> None:
    result, drawn = bootstrap_ratio([[3.0]], [[1.0]], [10.0], seed=1)
    assert (result.value, result.upper, len(drawn)) == (30.0, None, 0)


def test_a_systematic_variance_depends_on_the_order_of_the_lines() -> None:
    trend_counts, lengths = np.arange(12.0), np.ones(12)
    shuffled = trend_counts[[7, 0, 11, 3, 9, 1, 6, 10, 2, 8, 4, 5]]
    ordered = encounter_rate_variance(trend_counts, lengths, EncounterVariance.O2)
    assert ordered < 0.1 * encounter_rate_variance(trend_counts, lengths, EncounterVariance.R2)
    assert encounter_rate_variance(shuffled, lengths, EncounterVariance.O2) > 5 * ordered


@given(
    st.lists(st.tuples(st.integers(0, 60), st.floats(0.2, 5)), min_size=2, max_size=20),
    st.sampled_from([kind for kind in EncounterVariance if kind is not EncounterVariance.R4]),
    st.floats(0.1, 10),
)
def test_encounter_variance_is_never_negative_and_scales_with_the_unit(
    lines: list[tuple[int, float]], kind: EncounterVariance, scale: float
) -> None:
    n, length = np.array([a for a, _ in lines]), np.array([b for _, b in lines])
    variance = encounter_rate_variance(n, length, kind)
    assert variance >= 0
    rescaled = encounter_rate_variance(n, length * scale, kind)
    assert rescaled * scale**2 == pytest.approx(variance, rel=1e-5, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0.2, 5)), min_size=2, max_size=20), st.floats(20, 1e4))
def test_jolly_2_never_has_a_zero_width_or_an_interval_that_misses_its_value(
    lines: list[tuple[int, float]], area: float
) -> None:
    for form in LimitForm:
        result = jolly2([a for a, _ in lines], [b for _, b in lines], area + sum(b for _, b in lines), form=form)
        assert result.value is not None
        if result.lower is None or result.upper is None:
            assert result.reason
        else:
            assert result.lower < result.upper
            assert result.upper > result.value
            assert result.lower >= result.seen


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=8), st.integers(1, 50))
def test_satterthwaite_lies_between_the_least_and_the_sum(variances: list[float], df: int) -> None:
    result = satterthwaite(variances, [float(df)] * len(variances))
    assert df * (1 - 1e-9) <= result <= df * len(variances) * (1 + 1e-9)


def test_two_observers_who_agree_on_all_have_no_measurable_error() -> None:
    result = double_observer(12, 12, 12).estimate
    assert result.value == pytest.approx(12)
    assert result.lower is None


def test_precision_that_was_not_measured_gives_no_estimate() -> None:
    result = precision_recall(50, verified_detections=0, true_positives=0, reference_animals=20, recalled=18)
    assert result.estimate.value is None
    assert result.estimate.reason is not None


def test_a_correction_shared_by_both_seasons_cancels_in_the_ratio() -> None:
    alone = change(1000, 100**2, 800, 80**2)
    corrected = change(1000, 100**2 + 200**2, 800, 80**2 + 160**2, shared_cv=0.2)
    assert corrected.ratio_lower == pytest.approx(alone.ratio_lower)
    assert corrected.difference_se == pytest.approx(math.sqrt(100**2 + 80**2 + 200**2 + 160**2 - 2 * 1000 * 800 * 0.04))
    assert change(1000, 100**2 + 200**2, 800, 80**2 + 160**2).ratio_lower < alone.ratio_lower


def test_a_trend_needs_two_years() -> None:
    with pytest.raises(EstimateError, match="at least two years"):
        trend([2024], [100], [10])


def test_where_more_were_seen_than_the_upper_limit_there_are_no_limits_crossed() -> None:
    plain = estimate(20.0, (Component("sampling", 4.0),), method="m", units=5, seen=15)
    assert plain.lower is not None
    assert plain.upper is not None
    assert plain.lower < 20 < plain.upper
    crossed = estimate(20.0, (Component("sampling", 4.0),), method="m", units=5, seen=40)
    assert (crossed.lower, crossed.upper, crossed.standard_error) == (None, None, 2.0)
    assert "40 animals were seen, more than the upper limit" in (crossed.reason or "")


def test_a_stratum_searched_whole_but_for_rounding_has_no_interval_of_almost_no_width() -> None:
    areas = np.array([0.1, 0.2, 0.3, 0.7]) * 1.1
    for whole in (float(areas.sum()), float(areas.sum()) * (1 + 1e-13)):
        found = jolly2([3, 4, 9, 2], areas, whole)
        assert (found.standard_error, found.lower) == (None, None)
        assert "every possible unit was searched" in (found.reason or "")
    part = jolly2([3, 4, 9, 2], areas, float(areas.sum()) * 1.01)
    assert part.standard_error is not None


@pytest.mark.parametrize(("counts", "areas"), [([1, -2, 3], [1, 1, 1]), ([1, 2, np.nan], [1, 1, 1]), ([1, 2], [1, 0])])
def test_a_bootstrap_refuses_what_is_no_count_and_no_area(counts: list[float], areas: list[float]) -> None:
    with pytest.raises(EstimateError, match=r"negative or unknown|not larger than 0"):
        bootstrap_ratio([counts], [areas], [10.0], seed=1)
