"""Detection functions, line transects, rates and sightability: known truths, and data that cannot carry them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counts.estimators import (
    Adjustment,
    DetectionModel,
    Estimate,
    GroupSize,
    Key,
    Rate,
    SampledStratum,
    availability_in_view,
    divided_by,
    fit_detection_function,
    fit_sightability,
    fit_two_observers,
    goodness_of_fit,
    jolly2,
    line_transects,
    select_detection_function,
    sightability_total,
    total,
)
from flightplan.errors import EstimateError

HAZARD = DetectionModel(Key.HAZARD_RATE)
UNIFORM_COSINE = DetectionModel(Key.UNIFORM, Adjustment.COSINE, (1,))


def half_normal_sightings(n: int, sigma: float, width: float, seed: int) -> np.ndarray:
    x = np.random.default_rng([seed]).uniform(0, width, 20 * n)
    return x[np.random.default_rng([seed, 1]).uniform(size=len(x)) < np.exp(-((x / sigma) ** 2) / 2)][:n]


@pytest.mark.parametrize(
    "model",
    [
        DetectionModel(),
        HAZARD,
        UNIFORM_COSINE,
        DetectionModel(Key.HALF_NORMAL, Adjustment.COSINE, (2,)),
        DetectionModel(Key.HALF_NORMAL, Adjustment.HERMITE, (4,)),
    ],
    ids=str,
)
def test_every_model_finds_the_share_that_a_half_normal_observer_sees(model: DetectionModel) -> None:
    x = half_normal_sightings(2000, 60, 120, seed=3)
    truth = 60 * math.sqrt(2 * math.pi) * (0.9772498680518208 - 0.5) / 120
    function = fit_detection_function(x, 120, model)
    assert function.probability == pytest.approx(truth, abs=0.05)
    assert function.detection([0.0])[0] == pytest.approx(1.0)
    assert np.all(np.diff(function.detection(np.linspace(0, 120, 60))) < 1e-6), "it falls with distance"


def test_aic_puts_the_model_the_distances_came_from_before_a_flat_one() -> None:
    x = half_normal_sightings(400, 40, 120, seed=4)
    fits = select_detection_function(x, 120, [DetectionModel(Key.UNIFORM), DetectionModel()])
    assert [f.model.key for f in fits] == [Key.HALF_NORMAL, Key.UNIFORM]
    assert fits[1].log_likelihood == pytest.approx(-400 * math.log(120)), "flat: 1/w each"
    assert goodness_of_fit(fits[0], x).p_cramer_von_mises > 0.05
    assert goodness_of_fit(fits[1], x).p_chi_squared < 1e-6


def test_distances_in_bins_give_nearly_the_same_function_as_exact_ones() -> None:
    x = half_normal_sightings(800, 50, 120, seed=5)
    exact, binned = fit_detection_function(x, 120), fit_detection_function(x, 120, bins=np.linspace(0, 120, 13))
    assert binned.probability == pytest.approx(exact.probability, rel=0.03)
    fit = goodness_of_fit(binned, x)
    assert sum(fit.observed) == 800
    assert sum(fit.expected) == pytest.approx(800, rel=1e-3)
    assert fit.kolmogorov_smirnov is None
    assert "bins" in (fit.reason or "")


def test_a_blind_strip_under_the_aircraft_is_left_out_of_distances_and_area() -> None:
    x = half_normal_sightings(3000, 60, 120, seed=6)
    function = fit_detection_function(x, 120, left=30)
    assert math.exp(function.parameters[0]) == pytest.approx(60, rel=0.06)
    assert function.sightings == np.count_nonzero(x >= 30)
    assert function.effective_half_width == pytest.approx(function.probability * 90)


def test_a_covariate_of_visibility_is_found_and_each_sighting_weighted_by_its_own_chance() -> None:
    open_x, cover_x = half_normal_sightings(600, 80, 120, seed=7), half_normal_sightings(300, 30, 120, seed=8)
    x, cover = np.concatenate([open_x, cover_x]), np.repeat([[0.0], [1.0]], [len(open_x), len(cover_x)], axis=0)
    function = fit_detection_function(x, 120, covariates=cover)
    assert np.exp(function.parameters) == pytest.approx([80, 30 / 80], rel=0.12)
    assert function.aic < fit_detection_function(x, 120).aic
    inverse, variance = function.covered(np.ones(2), [[0.0], [1.0]])
    assert inverse[1] > 2 * inverse[0]
    assert variance > 0
    with pytest.raises(EstimateError, match="0 covariates where the function was fitted with 1"):
        line_transects(function, [1.0], [0], [10.0, 10.0], 1e6)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 1000), st.integers(0, 50))
def test_the_unit_of_length_does_not_matter(unit: float, seed: int) -> None:
    x, rng = half_normal_sightings(80, 50, 120, seed=9), np.random.default_rng([seed])
    lines, lengths = rng.integers(0, 8, len(x)), rng.uniform(500, 3000, 8)
    metres = line_transects(fit_detection_function(x, 120), x, lines, lengths, 5e7)
    other = line_transects(fit_detection_function(x * unit, 120 * unit), x * unit, lines, lengths * unit, 5e7 * unit**2)
    assert other.value == pytest.approx(metres.value, rel=1e-4)
    assert other.standard_error == pytest.approx(metres.standard_error, rel=1e-3)


def test_where_all_are_seen_line_transects_are_a_strip_count() -> None:
    x, lines, lengths = np.linspace(0, 50, 60), np.arange(60) % 7, np.array([800.0, 900, 1000, 1100, 1200, 700, 950])
    function = fit_detection_function(x, 50, DetectionModel(Key.UNIFORM))
    result = line_transects(function, x, lines, lengths, 4e7)
    strip = jolly2(np.bincount(lines), lengths * 100, 4e7)
    assert (function.probability, function.probability_se) == (pytest.approx(1.0), 0.0)
    assert result.value == pytest.approx(strip.value)
    assert result.degrees_of_freedom == pytest.approx(6)


def test_far_off_only_large_herds_are_seen_and_the_regression_takes_that_back() -> None:
    rng = np.random.default_rng([10])
    x, size = rng.uniform(0, 120, 6000), 1 + rng.poisson(4, 6000)
    seen = rng.uniform(size=6000) < np.exp(-((x / (18 * size)) ** 2) / 2)
    x, size = x[seen], size[seen]
    function = fit_detection_function(x, 120)
    args = (function, x, np.arange(len(x)) % 20, np.full(20, 1e4), 1e9)
    mean, regression = (line_transects(*args, sizes=size, group_size=g) for g in (GroupSize.MEAN, GroupSize.REGRESSION))
    groups = line_transects(*args)
    assert mean.value / groups.value > 5.2, "the mean of those seen is too high: truth is 5"
    assert regression.value / groups.value == pytest.approx(5, abs=0.3)


def test_lines_without_a_sighting_count_as_effort_and_one_line_has_no_limits() -> None:
    x = half_normal_sightings(60, 50, 120, seed=11)
    function = fit_detection_function(x, 120)
    half = line_transects(function, x, np.arange(60) % 5, np.full(10, 1000.0), 1e8)
    all_lines = line_transects(function, x, np.arange(60) % 5, np.full(5, 1000.0), 1e8)
    assert half.value == pytest.approx(all_lines.value / 2)
    single = line_transects(function, x, np.zeros(60, dtype=int), [5000.0], 1e8)
    assert (single.standard_error, single.lower) == (None, None)
    assert "at least two" in (single.reason or "")
    nothing = line_transects(function, [], [], [1000.0, 1000.0], 1e8)
    assert (nothing.value, nothing.upper) == (0.0, None)


def test_strata_that_share_a_detection_function_share_its_error() -> None:
    x = half_normal_sightings(100, 50, 120, seed=12)
    function = fit_detection_function(x, 120)
    parts = [line_transects(function, x[i::2], np.arange(50) % 6, np.full(6, 2000.0), 5e7) for i in (0, 1)]
    whole = total(parts)
    detection = sum(c.variance for c in whole.components if c.name == "detection")
    assert math.sqrt(detection) / whole.value == pytest.approx(function.probability_se / function.probability)


@pytest.mark.parametrize(
    ("distances", "width", "match"),
    [
        ([1.0, math.nan, 3.0], 5.0, "negative or unknown"),
        ([1.0, -2.0, 3.0], 5.0, "negative or unknown"),
        ([9.0, 9.0], 5.0, "0 sightings cannot carry 1"),
        ([1.0, 2.0], 0.0, "no width"),
    ],
)
def test_distances_that_carry_no_function_are_refused(distances: list[float], width: float, match: str) -> None:
    with pytest.raises(EstimateError, match=match):
        fit_detection_function(distances, width)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"lines": [0, 7]}, "not flown"),
        ({"lengths": [100.0, 0.0]}, "no length"),
        ({"sizes": [1.0, 0.0]}, "no size"),
        ({"stratum_area": -1.0}, "larger than 0"),
    ],
)
def test_lines_and_sizes_that_cannot_be_are_refused(change: dict[str, object], match: str) -> None:
    function = fit_detection_function(half_normal_sightings(60, 50, 120, seed=11), 120)
    given = {"distances": [1.0, 2.0], "lines": [0, 1], "lengths": [100.0, 100.0], "stratum_area": 1e6, **change}
    with pytest.raises(EstimateError, match=match):
        line_transects(function, **given)


def sampled(value: float = 1000.0) -> Estimate:
    return jolly2([10, 12, 9, 14], [1.0, 1.1, 0.9, 1.2], 100.0 * value / 1000)


def test_an_availability_raises_the_estimate_and_adds_its_relative_error() -> None:
    plain = sampled()
    corrected = divided_by(plain, Rate("availability", 0.8, 0.04, "collars"))
    assert corrected.value == pytest.approx(plain.value / 0.8)
    assert corrected.cv**2 == pytest.approx(plain.cv**2 + 0.05**2)
    assert corrected.seen == plain.seen
    assert {c.name for c in corrected.components} == {"sampling", "availability"}


@pytest.mark.parametrize("value", [0.0, -0.5, 1.2, math.nan])
def test_an_availability_that_is_no_share_is_refused(value: float) -> None:
    with pytest.raises(EstimateError, match="availability"):
        divided_by(sampled(), Rate("availability", value, 0.1, "collars"))


def test_an_estimate_without_limits_stays_without() -> None:
    single = jolly2([10], [1.0], 100.0)
    corrected = divided_by(single, Rate("availability", 0.5, 0.1, "collars"))
    assert corrected.value == pytest.approx(2 * single.value)
    assert (corrected.lower, corrected.reason) == (None, single.reason)


def test_a_picture_sees_the_share_at_the_surface_and_a_long_look_sees_all() -> None:
    assert availability_in_view(30, 90) == pytest.approx(0.25)
    assert availability_in_view(30, 90, 20) == pytest.approx(0.25 + 0.75 * (1 - math.exp(-20 / 90)))
    assert availability_in_view(30, 90, 1e5) == pytest.approx(1)
    assert availability_in_view(30, 0) == 1


def test_sightability_finds_the_logistic_it_was_made_with() -> None:
    rng = np.random.default_rng([13])
    cover = rng.uniform(0, 1, 5000)
    seen = rng.uniform(size=5000) < 1 / (1 + np.exp(-(2 - 3 * cover)))
    model = fit_sightability(seen, cover)
    assert model.coefficients == pytest.approx([2, -3], abs=0.25)
    theta, covariance = model.inflation([[0.5]])
    assert theta[0] == pytest.approx(1 + math.exp(-0.5), rel=0.05)
    assert covariance[0, 0] > 0


def test_trials_that_are_separated_perfectly_are_refused() -> None:
    with pytest.raises(EstimateError, match="separated"):
        fit_sightability([1, 1, 1, 0, 0, 0], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9])


def test_one_sampled_unit_in_a_stratum_leaves_the_corrected_total_without_limits() -> None:
    rng = np.random.default_rng([14])
    cover = rng.uniform(0, 1, 300)
    model = fit_sightability(rng.uniform(size=300) < 1 / (1 + np.exp(-(2 - 3 * cover))), cover)
    result = sightability_total(model, [3, 4], [0.2, 0.6], [0, 0], ["a", "a"], [SampledStratum(10, 1)])
    assert result.value > 70
    assert (result.lower, result.standard_error) == (None, None)
    with pytest.raises(EstimateError, match="more units than were sampled"):
        sightability_total(model, [3, 4], [0.2, 0.6], [0, 0], ["a", "b"], [SampledStratum(10, 1)])


def test_two_observers_measure_what_both_miss_on_the_line() -> None:
    rng = np.random.default_rng([15])
    x = rng.uniform(0, 100, 20000)
    first, second = (rng.uniform(size=len(x)) < 1 / (1 + np.exp(-(b - 0.03 * x))) for b in (0.4, -0.2))
    seen = first | second
    observers = fit_two_observers(first[seen], second[seen], x[seen], observer=True)
    assert observers.coefficients == pytest.approx([0.4, -0.03, -0.6], abs=0.12)
    on_line, _ = observers.on_the_line(1)
    assert on_line[0] == pytest.approx(1 - (1 - 0.599) * (1 - 0.450), abs=0.03)
    bent = DetectionModel(Key.HALF_NORMAL, Adjustment.COSINE, (2,))
    function, *_ = select_detection_function(x[seen], 100, [DetectionModel(), HAZARD, bent])
    assert function.model == bent
    at = np.arange(seen.sum()) % 15
    plain, both = (
        line_transects(function, x[seen], at, np.full(15, 1000.0), 3e6, observers=o) for o in (None, observers)
    )
    assert both.value == pytest.approx(20000, rel=0.08)
    assert plain.value < 0.85 * 20000, "taking the line as certain misses those that both missed"
    assert both.cv > plain.cv


@pytest.mark.parametrize(
    ("first", "second", "match"),
    [([1, 0, 1], [0, 0, 1], "neither"), ([1, 2, 1], [1, 1, 1], "seen \\(1\\) or not"), ([1], [1], "cannot carry")],
)
def test_sightings_that_two_observers_cannot_have_made_are_refused(
    first: list[int], second: list[int], match: str
) -> None:
    with pytest.raises(EstimateError, match=match):
        fit_two_observers(first, second, np.linspace(1, 5, len(first)))


def test_two_observers_that_always_agree_measure_nothing() -> None:
    with pytest.raises(EstimateError, match="do not determine"):
        fit_two_observers(np.ones(40), np.ones(40), np.linspace(0, 50, 40))
