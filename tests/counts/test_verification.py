"""A random sample of captures says how far the detector's count is off, and how surely."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counts.estimators import LimitForm, SubsampleMethod, jolly2, total, total_count
from counts.verification import Correction, apply, correction, draw_sample
from flightplan.errors import EstimateError

DETECTED = np.array([0] * 200 + [1, 2, 5] * 40)


def corrected(y: Any, m: Any, h: Any, **options: Any) -> Correction:
    options = {"stratum_sizes": (200, 120), "census_totals": (0.0, 320.0), "source": "s"} | options
    return correction(y, m, h, **options)


def test_the_sample_is_drawn_from_both_strata_without_replacement() -> None:
    sample = draw_sample(DETECTED, 40, 30, seed=5)
    assert (sample.stratum_sizes, sample.sample_sizes) == ((200, 120), (30, 40))
    assert len(np.unique(sample.captures)) == len(sample.captures) == 70
    assert np.array_equal(sample.stratum, (DETECTED[sample.captures] > 0).astype(int))
    assert np.array_equal(draw_sample(DETECTED, 40, 30, seed=5).captures, sample.captures)
    assert not np.array_equal(draw_sample(DETECTED, 40, 30, seed=6).captures, sample.captures)


def test_a_stratum_smaller_than_asked_is_taken_whole() -> None:
    sample = draw_sample([0, 0, 3], 10, 10, seed=1)
    assert sample.captures.tolist() == [0, 1, 2]
    assert sample.sample_sizes == (2, 1)


def test_every_capture_of_a_stratum_has_the_same_chance() -> None:
    drawn = np.zeros(len(DETECTED))
    for seed in range(400):
        drawn[draw_sample(DETECTED, 30, 20, seed).captures] += 1
    # Binomial(400, 0.1) and (400, 0.25): five standard deviations around 40 and 100.
    assert np.all(np.abs(drawn[:200] - 40) < 5 * np.sqrt(400 * 0.1 * 0.9))
    assert np.all(np.abs(drawn[200:] - 100) < 5 * np.sqrt(400 * 0.25 * 0.75))


def test_the_difference_estimator_by_hand() -> None:
    result = corrected(
        [0, 2, 0, 3, 4, 1], [0, 0, 0, 3, 2, 2], [0, 0, 0, 1, 1, 1], stratum_sizes=(30, 12), census_totals=(0, 40)
    )
    # Zero stratum: 30 · 2/3 = 20, s² = 4/3; positive: 40 + 12 · (0 + 2 − 1)/3 = 44, s² = 7/3.
    assert result.true_total == pytest.approx(64)
    assert result.factor == pytest.approx(64 / 40)
    variance = 30**2 * (1 - 3 / 30) * (4 / 3) / 3 + 12**2 * (1 - 3 / 12) * (7 / 3) / 3
    assert result.variance == pytest.approx(variance / 40**2)
    assert result.verified == 10


def test_the_ratio_estimator_by_hand() -> None:
    result = corrected(
        [0, 2, 0, 4, 4, 2],
        [0, 0, 0, 3, 3, 2],
        [0, 0, 0, 1, 1, 1],
        stratum_sizes=(30, 12),
        census_totals=(0, 40),
        method=SubsampleMethod.RATIO,
    )
    assert result.true_total == pytest.approx(20 + 40 * 10 / 8)
    residual = np.array([4, 4, 2]) - 10 / 8 * np.array([3, 3, 2])
    ratio_part = 12**2 * (1 - 3 / 12) * (residual**2).sum() / 2 / 3 * (40 / 12 / (8 / 3)) ** 2
    assert result.variance == pytest.approx((30**2 * 0.9 * (4 / 3) / 3 + ratio_part) / 40**2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([SubsampleMethod.DIFFERENCE, SubsampleMethod.RATIO]))
def test_all_captures_verified_give_the_truth_exactly(seed: int, method: SubsampleMethod) -> None:
    rng = np.random.default_rng(seed)
    y = rng.poisson(1.0, 60)
    m = rng.binomial(y, 0.8) + rng.poisson(0.05, 60)
    if not y.sum() or not m.sum():
        return
    sample = draw_sample(m, 60, 60, seed)
    h = sample.stratum
    result = correction(
        y[sample.captures],
        m[sample.captures],
        h,
        sample.stratum_sizes,
        [0.0, float(m.sum())],
        source="all",
        method=method,
    )
    assert result.true_total == pytest.approx(y.sum())
    assert result.variance == pytest.approx(0, abs=1e-12)


def test_the_difference_estimator_is_unbiased_and_its_variance_is_right() -> None:
    rng = np.random.default_rng(3)
    y = rng.negative_binomial(0.3, 0.12, 320)
    m = rng.binomial(y, 0.85) + (rng.random(320) < 0.03)
    totals = [float(m[m == 0].sum()), float(m.sum())]
    results = []
    for seed in range(600):
        sample = draw_sample(m, 50, 50, seed)
        result = correction(
            y[sample.captures], m[sample.captures], sample.stratum, sample.stratum_sizes, totals, source="s"
        )
        results.append((result.true_total, (result.variance or 0) * m.sum() ** 2))
    estimates = np.array(results, dtype=float)
    error = estimates[:, 0].std() / np.sqrt(600)
    assert abs(estimates[:, 0].mean() - y.sum()) < 4 * error
    assert estimates[:, 1].mean() == pytest.approx(estimates[:, 0].var(), rel=0.2)


@pytest.mark.parametrize(
    ("y", "m", "h", "options", "reason"),
    [
        ([1, 0], [0, 0], [0, 0], {"census_totals": (0.0, 0.0)}, "counted none"),
        ([1, 2], [1, 2], [1, 1], {}, "0 of 200 captures without detections verified"),
        ([1, 2, 0], [1, 2, 0], [1, 1, 0], {}, "1 of 200 captures without detections verified"),
        ([0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1], {"census_totals": (0.0, 120.0)}, "none of the individuals"),
    ],
)
def test_a_correction_that_cannot_be_measured_says_why(
    y: list[int], m: list[int], h: list[int], options: dict[str, Any], reason: str
) -> None:
    result = corrected(y, m, h, **options)
    assert (result.factor, result.variance, result.cv) == (None, None, None)
    assert result.reason is not None
    assert reason in result.reason


def test_more_captures_verified_than_there_are_is_refused() -> None:
    with pytest.raises(EstimateError, match="3 captures verified of 2"):
        corrected([0] * 3, [0] * 3, [0] * 3, stratum_sizes=(2, 0))


def test_a_herd_missed_where_nothing_was_detected_is_pointed_out() -> None:
    zeros, seen = [0] * 29 + [40], [3, 3, 4]
    result = corrected([*zeros, *seen], [0] * 30 + seen, [0] * 30 + [1] * 3)
    assert any("80% of the animals verified" in note for note in result.notes)
    assert any("group of 40 stood where nothing was detected" in note for note in result.notes)


def test_a_thin_sample_of_the_zero_stratum_is_pointed_out() -> None:
    result = corrected([0] * 5 + [1, 1], [0] * 5 + [1, 2], [0] * 5 + [1, 1])
    assert any("only 5 of 200 captures without detections" in note for note in result.notes)


def known(factor: float, cv: float, df: float = 30, source: str = "sample") -> Correction:
    return Correction("detection", factor, (factor * cv) ** 2, df, "m", source)


def test_a_correction_multiplies_and_its_cv_adds() -> None:
    counted = jolly2([3, 0, 12, 7, 1, 0, 4, 9], [1.0] * 8, 50.0, 40)
    result = apply(counted, known(1.2, 0.1), verified=11)
    assert counted.value is not None
    assert counted.cv is not None
    assert result.value == pytest.approx(1.2 * counted.value)
    assert result.cv == pytest.approx(np.hypot(counted.cv, 0.1))
    assert result.degrees_of_freedom == pytest.approx(
        (counted.cv**2 + 0.01) ** 2 / (counted.cv**4 / 7 + 0.01**2 / 30), rel=1e-9
    )
    assert (result.seen, {part.name for part in result.components}) == (11, {"sampling", "detection"})


def test_a_correction_pooled_over_strata_is_added_once_in_the_total() -> None:
    strata = [jolly2(y, [1.0] * 4, 50.0, 40) for y in ([3, 0, 12, 7], [5, 8, 0, 2])]
    by = known(1.2, 0.2)
    summed = total([apply(e, by) for e in strata])
    plain = total(strata)
    assert summed.value == pytest.approx(1.2 * (plain.value or 0))
    assert summed.cv == pytest.approx(np.hypot(plain.cv or 0, 0.2))
    other = total([apply(strata[0], by), apply(strata[1], known(1.2, 0.2, source="another sample"))])
    assert other.cv is not None
    assert summed.cv is not None
    assert other.cv < summed.cv


def test_a_total_count_gets_its_limits_from_detection_alone() -> None:
    result = apply(total_count([30, 20]), known(1.1, 0.05), form=LimitForm.LOGNORMAL, verified=12)
    assert result.value == pytest.approx(55)
    assert result.cv == pytest.approx(0.05)
    assert result.lower is not None
    assert result.upper is not None
    assert 12 < result.lower < 55 < result.upper


def test_one_transect_stays_without_limits_after_correction() -> None:
    result = apply(jolly2([5], [1.0], 50.0, 40), known(1.2, 0.1))
    assert result.value == pytest.approx(300)
    assert result.lower is None
    assert result.reason is not None
    assert "at least two" in result.reason


def test_a_count_without_a_usable_correction_stays_as_counted_and_says_so() -> None:
    counted = jolly2([3, 0, 12, 7], [1.0] * 4, 50.0, 40)
    refused = corrected([1, 0], [0, 0], [0, 0], census_totals=(0.0, 0.0))
    result = apply(counted, refused)
    assert (result.value, result.lower) == (counted.value, counted.lower)
    assert result.notes[-1].startswith("not corrected for detection: the census counted none")


def test_even_false_alarms_do_not_make_transects_look_alike() -> None:
    rng = np.random.default_rng(2)
    y = rng.negative_binomial(0.4, 0.2, 8000)
    m = rng.binomial(y, 0.8) + rng.poisson(0.5, 8000)
    h = (m > 0).astype(int)
    sizes = (int((h == 0).sum()), int((h == 1).sum()))
    result = correction(y, m, h, sizes, [0.0, float(m.sum())], source="all")
    assert result.response == pytest.approx(0.8, abs=0.05)
    assert result.factor is not None
    assert result.factor < 1.0
    assert result.spread_factor == pytest.approx(1 / result.response)
    # Two hundred transects of forty captures each: the error of the corrected count is that of the true one.
    counted = jolly2(m.reshape(200, 40).sum(axis=1), np.ones(200), 1000.0, 1000)
    truth = jolly2(y.reshape(200, 40).sum(axis=1), np.ones(200), 1000.0, 1000)
    corrected_count = apply(counted, result)
    assert corrected_count.value == pytest.approx(truth.value)
    assert corrected_count.cv == pytest.approx(truth.cv, rel=0.1)
    assert counted.cv is not None
    assert truth.cv is not None
    assert counted.cv < 0.8 * truth.cv


def test_a_response_from_few_animals_is_not_used() -> None:
    result = corrected([0] * 20 + [1, 2], [0] * 20 + [1, 1], [0] * 20 + [1, 1])
    assert result.response is None
    assert result.spread_factor == result.factor
