"""The estimators give the known answers of R's survey, mrds, Distance and SightabilityModel."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from scipy import stats

from counts.effort import multiplicity
from counts.estimators import (
    EncounterVariance,
    Estimate,
    LimitForm,
    RatioVariance,
    SubsampleMethod,
    bootstrap_ratio,
    double_observer,
    encounter_rate_variance,
    jolly1,
    jolly2,
    limits,
    precision_recall,
    sample_count_categories,
    stratified_subsample_total,
    subsample_total,
    t_quantile,
    total,
)
from counts.seasons import change, trend


@pytest.fixture(scope="session")
def known(shared_data: Path) -> Any:
    def load(number: str) -> dict[str, Any]:
        (path,) = (shared_data / "counts").glob(f"{number}_*.json")
        answer: dict[str, Any] = json.loads(path.read_text())
        return answer

    return load


def moose(vector: dict[str, Any], convention: RatioVariance) -> list[Estimate]:
    estimates = []
    for stratum in vector["inputs"]["strata"]:
        blocks = [b for b in vector["inputs"]["blocks"] if b["Stratum"] == stratum["Stratum"]]
        counts, areas = [b["NMoose"] for b in blocks], [b["Block.Area"] for b in blocks]
        z, n = stratum["Stratum.Area"], stratum["Stratum.Blocks"]
        estimates.append(jolly2(counts, areas, z, n, convention=convention))
    return estimates


@pytest.mark.parametrize("row", range(3), ids=["low", "medium", "high"])
def test_jolly_2_of_each_moose_stratum_in_both_variance_forms(known: Any, row: int) -> None:
    vector = known("v01")
    expected = vector["expected"]["strata"][row]
    n_form = moose(vector, RatioVariance.N_FORM)[row]
    z_form = moose(vector, RatioVariance.Z_FORM)[row]
    assert n_form.value == pytest.approx(expected["estimate"], rel=1e-9)
    assert n_form.standard_error == pytest.approx(expected["se_jolly2_N_form"], rel=1e-9)
    assert z_form.standard_error == pytest.approx(expected["se_linearised_Z_form"], rel=1e-9)
    assert (n_form.lower, n_form.upper) == pytest.approx(expected["ci95_t_jolly"], rel=1e-9)
    assert n_form.degrees_of_freedom == pytest.approx(expected["t_df"], abs=1e-9)
    assert n_form.seen == expected["sum_y"]
    assert z_form.standard_error == pytest.approx(vector["published"][expected["stratum"]][1], rel=1e-6)


def test_jolly_2_summed_over_strata_with_satterthwaite(known: Any) -> None:
    vector = known("v01")
    expected = vector["expected"]["total"]
    summed = total(moose(vector, RatioVariance.N_FORM))
    linearised = total(moose(vector, RatioVariance.Z_FORM))
    assert summed.value == pytest.approx(expected["estimate"], rel=1e-9)
    assert summed.standard_error == pytest.approx(expected["se_jolly2_N_form"], rel=1e-9)
    assert summed.degrees_of_freedom == pytest.approx(expected["satterthwaite_df"], rel=1e-9)
    assert (summed.lower, summed.upper) == pytest.approx(expected["ci95_t_jolly"], rel=1e-9)
    assert linearised.standard_error == pytest.approx(expected["se_linearised_Z_form"], rel=1e-9)
    assert linearised.value is not None
    assert linearised.standard_error is not None
    value, error = linearised.value, linearised.standard_error
    assert limits(value, error, confidence=0.9) == pytest.approx(expected["ci90_normal"], rel=1e-9)
    lognormal = limits(value, error, form=LimitForm.LOGNORMAL)
    assert lognormal == pytest.approx(expected["ci95_lognormal_z_Zform"], rel=1e-9)


def test_jolly_1_of_the_moose_blocks_taken_as_equal(known: Any) -> None:
    vector = known("v02")
    estimates = []
    for stratum, expected in zip(vector["inputs"]["strata"], vector["expected"]["strata"], strict=True):
        counts = [b["NMoose"] for b in vector["inputs"]["blocks"] if b["Stratum"] == stratum["Stratum"]]
        estimates.append(jolly1(counts, stratum["Stratum.Blocks"]))
        assert estimates[-1].value == pytest.approx(expected["estimate"], rel=1e-9)
        assert estimates[-1].standard_error == pytest.approx(expected["se"], rel=1e-9)
        assert (estimates[-1].lower, estimates[-1].upper) == pytest.approx(expected["ci95_t"], rel=1e-9)
    assert total(estimates).value == pytest.approx(vector["expected"]["total"]["estimate"], rel=1e-9)
    assert total(estimates).standard_error == pytest.approx(vector["expected"]["total"]["se"], rel=1e-9)


@pytest.mark.parametrize("kind", ["R2", "R3", "R4", "S1", "S2", "O1", "O2", "O3"])
def test_encounter_rate_variance_of_systematic_lines(known: Any, kind: str) -> None:
    vector = known("v03")
    lines = vector["inputs"]["transects_in_order"]
    variance = encounter_rate_variance(
        [line["n"] for line in lines], [line["length_km"] for line in lines], EncounterVariance(kind)
    )
    assert variance == pytest.approx(vector["expected"]["encounter_rate_var"][kind], rel=1e-9)


def test_a_strip_by_jolly_2_and_by_successive_differences(known: Any) -> None:
    vector = known("v03")
    lines, expected = vector["inputs"]["transects_in_order"], vector["expected"]["strip_w10m_detection_1"]
    counts = [line["n"] for line in lines]
    areas = [line["length_km"] * 2 * vector["inputs"]["truncation_m"] / 1000 for line in lines]
    random = jolly2(counts, areas, vector["inputs"]["area_km2"])
    systematic = jolly2(counts, areas, vector["inputs"]["area_km2"], spread=EncounterVariance.SUCCESSIVE)
    assert random.value == pytest.approx(expected["estimate"], rel=1e-9)
    assert random.variance == pytest.approx(expected["var_srs_jolly2"], rel=1e-9)
    assert systematic.variance == pytest.approx(expected["var_successive_difference"], rel=1e-9)


def test_two_observers_of_the_golf_tees(known: Any) -> None:
    vector = known("v07")
    inputs, expected = vector["inputs"], vector["expected"]
    unseen = double_observer(inputs["n1"], inputs["n2"], inputs["m"])
    plain = unseen.estimate.with_limits(LimitForm.LOGNORMAL)
    assert unseen.lincoln_petersen == pytest.approx(expected["lincoln_petersen"], rel=1e-9)
    assert unseen.estimate.value == pytest.approx(expected["chapman"], rel=1e-9)
    assert unseen.estimate.variance == pytest.approx(expected["var_chapman"], rel=1e-9)
    assert unseen.estimate.seen == inputs["n_seen"]
    assert (unseen.estimate.lower, unseen.estimate.upper) == pytest.approx(expected["ci95_lognormal_f0"], rel=1e-9)
    assert (plain.lower, plain.upper) == pytest.approx(expected["ci95_lognormal_N"], rel=1e-9)
    probabilities = (unseen.detection_first, unseen.detection_second, unseen.detection_either)
    assert probabilities == pytest.approx((expected["p1"], expected["p2"], expected["p_either"]), rel=1e-9)
    assert "too low" in unseen.estimate.notes[0]


def test_trend_and_change_of_moose(known: Any) -> None:
    vector = known("v10")
    inputs, expected = vector["inputs"], vector["expected"]["trend"]
    fitted = trend(inputs["years"], inputs["estimates"], inputs["variances"])
    assert fitted.intercept_log == pytest.approx(expected["intercept_log"], rel=1e-6)
    assert fitted.slope_log_per_year == pytest.approx(expected["slope_log_per_year"], rel=1e-6)
    assert fitted.slope_se == pytest.approx(expected["se_slope_known_variance"], rel=1e-6)
    assert fitted.growth == pytest.approx(expected["lambda"], rel=1e-6)
    assert (fitted.growth_lower, fitted.growth_upper) == pytest.approx(expected["ci95_lambda"], rel=1e-6)
    assert fitted.p_two_sided == pytest.approx(expected["p_two_sided"], rel=1e-6)
    assert fitted.residual_dispersion == pytest.approx(expected["residual_dispersion"], rel=1e-6)
    n, v, expected = inputs["estimates"], inputs["variances"], vector["expected"]["compare_2004_2007"]
    compared = change(n[0], v[0], n[-1], v[-1])
    assert (compared.d, compared.p_linear) == pytest.approx((expected["d"], expected["p"]), rel=1e-6)
    assert (compared.z_log, compared.p_log) == pytest.approx((expected["z_log"], expected["p_log"]), rel=1e-6)
    assert compared.ratio == pytest.approx(expected["ratio"], rel=1e-6)
    assert (compared.ratio_lower, compared.ratio_upper) == pytest.approx(expected["ratio_ci95"], rel=1e-6)


@pytest.mark.parametrize("method", ["expansion", "difference", "regression"])
def test_a_verified_subsample_of_buffalo_photographs(known: Any, method: str) -> None:
    vector = known("v12")
    inputs, expected = vector["inputs"], vector["expected"]
    m = np.array(inputs["m_all"])
    chosen = np.array(inputs["verified_index_1based"]) - 1
    result = subsample_total(
        inputs["y_verified"],
        inputs["N"],
        cheap_counts=m[chosen],
        cheap_total=float(m.sum()),
        method=SubsampleMethod(method),
    )
    assert result.value == pytest.approx(expected[method]["T"], rel=1e-8)
    assert result.standard_error == pytest.approx(expected[method]["se"], rel=1e-8)
    if method == "difference":
        assert result.upper == pytest.approx(expected[method]["ci95_t"][1], rel=1e-8)
        assert result.standard_error is not None
        unfloored = limits(float(result.value or 0), result.standard_error, 119)
        assert unfloored == pytest.approx(expected[method]["ci95_t"], rel=1e-8)
        assert result.lower == sum(inputs["y_verified"])


def test_a_verification_stratified_by_the_detector_is_blind_to_herds_it_did_not_draw(known: Any) -> None:
    vector = known("v13")
    inputs, expected = vector["inputs"], vector["expected"]
    strata = ["zero", "small", "large"]
    result = stratified_subsample_total([inputs["y"][s] for s in strata], [inputs["N_h"][s] for s in strata])
    assert result.value == pytest.approx(expected["T"], rel=1e-8)
    assert result.standard_error == pytest.approx(expected["se"], rel=1e-8)
    assert result.degrees_of_freedom == pytest.approx(expected["df"])
    assert result.upper is not None
    assert result.upper < expected["true_total"]


def test_a_count_corrected_by_precision_and_recall(known: Any) -> None:
    vector = known("v14")
    inputs, expected = vector["inputs"], vector["expected"]
    result = precision_recall(
        inputs["count"],
        verified_detections=inputs["verified_detections"],
        true_positives=inputs["true_positive"],
        reference_animals=inputs["reference_animals"],
        recalled=inputs["recalled"],
    )
    assert result.estimate.value == pytest.approx(expected["N"], rel=1e-9)
    assert result.estimate.cv == pytest.approx(expected["cv"], rel=1e-9)
    assert (result.estimate.lower, result.estimate.upper) == pytest.approx(expected["ci95_lognormal"], rel=1e-9)
    assert result.precision_limits == pytest.approx(expected["precision_wilson95"], rel=1e-9)
    assert result.recall_limits == pytest.approx(expected["recall_wilson95"], rel=1e-9)


def test_limits_over_a_grid(known: Any) -> None:
    vector = known("v15")
    assert len(vector["inputs"]) == 27
    for case, expected in zip(vector["inputs"], vector["expected"], strict=True):
        df, error = float(case["df"]), case["N"] * case["cv"]
        assert t_quantile(df) == pytest.approx(expected["t"], rel=1e-9)
        assert limits(case["N"], error, df) == pytest.approx(expected["sym"], rel=1e-9)
        assert limits(case["N"], error, df, form=LimitForm.LOGNORMAL) == pytest.approx(expected["logn"], rel=1e-9)


def test_categories_of_the_african_elephant_database(known: Any) -> None:
    vector = known("v16")
    for case, expected in zip(vector["inputs"], vector["expected"], strict=True):
        split = sample_count_categories(case["e"], case["l"], case["u"], case["seen"])
        assert (split.definite, split.probable, split.possible) == pytest.approx(
            (expected["definite"], expected["probable"], expected["possible"]), abs=1e-6
        )


def test_an_animal_in_several_footprints_weighs_one_over_their_number(known: Any) -> None:
    vector = known("v17")
    inputs, expected = vector["inputs"], vector["expected"]
    south, north = inputs["footprints_y"]
    footprints = np.array([shapely.box(west, south, east, north) for west, east in inputs["footprints_x"]])
    seen_in = multiplicity(inputs["animals_xy"], footprints)
    assert seen_in.tolist() == expected["multiplicity"]
    assert seen_in.sum() == expected["naive_detections"]
    weighted = (1 / np.repeat(seen_in, seen_in)).sum()
    assert weighted == pytest.approx(expected["multiplicity_weighted"], abs=1e-9)
    union = shapely.area(shapely.union_all(footprints))
    assert union == pytest.approx(expected["union_area_m2"])
    assert expected["unique"] / union * 1e4 == pytest.approx(expected["density_per_ha"], abs=1e-9)


def test_bootstrap_of_whole_transects(known: Any) -> None:
    vector = known("v18")
    blocks, expected = vector["inputs"]["blocks"], vector["expected"]
    counts, areas = [b["NMoose"] for b in blocks], [b["Block.Area"] for b in blocks]
    result, drawn = bootstrap_ratio([counts], [areas], [vector["inputs"]["Z"]], seed=1, replicates=20_000)
    assert result.value == pytest.approx(expected["estimate"], rel=1e-9)
    assert result.standard_error == pytest.approx(expected["boot_se"], rel=0.03)
    assert (result.lower, result.upper) == pytest.approx(expected["perc95"], rel=0.03)
    assert result.value is not None
    basic = [2 * result.value - q for q in np.quantile(drawn, [0.975, 0.025])]
    assert basic == pytest.approx(expected["basic95"], rel=0.03)
    again, _ = bootstrap_ratio([counts], [areas], [vector["inputs"]["Z"]], seed=1, replicates=20_000)
    assert again == result


def test_limits_times_the_bias_of_wong_widen_upwards() -> None:
    c = np.exp(stats.norm.ppf(0.975) * np.sqrt(np.log1p(0.3**2)))
    assert limits(1000, 300, form=LimitForm.WONG) == pytest.approx(
        (1000 / c * np.sqrt(1.09), 1000 * c * np.sqrt(1.09)), rel=1e-12
    )
