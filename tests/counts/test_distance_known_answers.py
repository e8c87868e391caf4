"""Distance sampling, rates and sightability give the known answers of R's Distance, mrds and SightabilityModel."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counts.estimators import (
    DetectionModel,
    EncounterVariance,
    Estimate,
    GroupSize,
    Key,
    Rate,
    SampledStratum,
    divided_by,
    fit_detection_function,
    fit_sightability,
    fit_two_observers,
    line_transects,
    sightability_total,
    total,
)

KEYS = {"hn": Key.HALF_NORMAL, "hr": Key.HAZARD_RATE}


@dataclass
class Lines:
    """One region of a table of sightings."""

    area: float
    lengths: dict[str, float] = field(default_factory=dict)
    distances: list[float] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)


def regions(vector: dict[str, Any], per_length: float = 1.0) -> dict[str, Lines]:
    """Rows without a distance are lines without a sighting; `per_length` distance units make a unit of effort."""
    found: dict[str, Lines] = {}
    for row in vector["inputs"]["rows"]:
        region = found.setdefault(row["region"], Lines(row["area"] * per_length**2))
        region.lengths.setdefault(row["sample"], row["effort"] * per_length)
        if row["distance"] is not None:
            region.distances.append(row["distance"])
            region.at.append(list(region.lengths).index(row["sample"]))
            region.sizes.append(row.get("size") or 1)
    return found


def all_distances(found: dict[str, Lines]) -> list[float]:
    return [x for region in found.values() for x in region.distances]


@pytest.fixture(scope="module")
def known(shared_data: Path) -> Any:
    def load(number: str) -> dict[str, Any]:
        (path,) = (shared_data / "counts").glob(f"{number}_*.json")
        answer: dict[str, Any] = json.loads(path.read_text())
        return answer

    return load


@pytest.mark.parametrize("spread", ["R2", "O2", "S2"])
def test_half_normal_abundance_with_the_variance_of_systematic_lines(known: Any, spread: str) -> None:
    vector = known("v03")
    expected = vector["expected"]["halfnormal"]
    # R's dht2 put the lines in the order of their labels as text (1, 10, 11, 2, ...), which changes O2 and S2.
    lines = sorted(vector["inputs"]["transects_in_order"], key=lambda line: str(line["label"]))
    at = np.repeat(np.arange(len(lines)), [line["n"] for line in lines])
    function = fit_detection_function(vector["inputs"]["distances_m"], vector["inputs"]["truncation_m"])
    assert math.exp(function.parameters[0]) == pytest.approx(expected["sigma"], rel=1e-6)
    assert function.probability == pytest.approx(expected["Pa"], rel=1e-6)
    assert function.probability_se == pytest.approx(expected["Pa_se"], rel=1e-6)
    assert function.aic == pytest.approx(expected["AIC"], rel=1e-6)
    result = line_transects(
        function,
        vector["inputs"]["distances_m"],
        at,
        np.array([line["length_km"] for line in lines]) * 1000,
        vector["inputs"]["area_km2"] * 1e6,
        spread=EncounterVariance(spread),
    )
    answer = expected["abundance"][spread]
    tolerance = vector["tolerance"]["rel_abundance"]
    assert result.value == pytest.approx(answer["N"], rel=tolerance)
    assert result.standard_error == pytest.approx(answer["se"], rel=tolerance)
    assert (result.lower, result.upper) == pytest.approx((answer["lcl"], answer["ucl"]), rel=tolerance)
    if spread != "S2":
        assert result.degrees_of_freedom == pytest.approx(answer["df"], rel=tolerance)


@pytest.mark.parametrize("key", ["hn", "hr"])
@pytest.mark.parametrize(("number", "width", "per_length"), [("v04", 20, 1000), ("v05", 1.5, 1)])
def test_line_transects_by_key_and_stratum(known: Any, number: str, width: float, per_length: float, key: str) -> None:
    vector = known(number)
    expected, tolerance = vector["expected"][key], vector["tolerance"]
    found = regions(vector, per_length)
    function = fit_detection_function(all_distances(found), width, DetectionModel(KEYS[key]))
    assert function.sightings == expected["n"]
    assert function.parameters == pytest.approx(expected["par"], rel=tolerance["rel"])
    assert function.probability == pytest.approx(expected["Pa"], rel=tolerance["rel"])
    assert function.probability_se == pytest.approx(expected["Pa_se"], rel=tolerance["rel"])
    assert function.log_likelihood == pytest.approx(expected["logLik"], rel=tolerance["rel"])
    assert function.aic == pytest.approx(expected["AIC"], rel=tolerance["rel"])
    estimates = {
        name: line_transects(function, r.distances, r.at, list(r.lengths.values()), r.area) for name, r in found.items()
    }
    estimates["Total"] = total(list(estimates.values()))
    for answer in expected["strata"]:
        result = estimates[answer["stratum"]]
        assert result.value == pytest.approx(answer["N"], rel=tolerance["rel"])
        assert result.standard_error == pytest.approx(answer["se"], rel=tolerance["rel"])
        assert result.degrees_of_freedom == pytest.approx(answer["df"], rel=tolerance["rel_ci"])
        assert result.upper == pytest.approx(answer["ucl"], rel=tolerance["rel_ci"])
        if answer["N"] > answer["lcl"] > result.seen:
            assert result.lower == pytest.approx(answer["lcl"], rel=tolerance["rel_ci"])


def test_strips_that_overlap_the_stratum_many_times_have_no_floor_at_the_animals_seen(known: Any) -> None:
    vector = known("v04")
    (region,) = regions(vector, 1000).values()
    function = fit_detection_function(region.distances, 20)
    result = line_transects(function, region.distances, region.at, list(region.lengths.values()), region.area)
    assert result.lower == pytest.approx(vector["expected"]["hn"]["strata"][0]["lcl"], rel=0.005)
    assert any("no floor" in note for note in result.notes)


def test_groups_times_their_mean_size_per_stratum_and_in_total(known: Any) -> None:
    vector = known("v06")
    found, tolerance = regions(vector), vector["tolerance"]
    function = fit_detection_function(all_distances(found), 1.5, DetectionModel(Key.HAZARD_RATE))
    estimates = {
        name: line_transects(
            function, r.distances, r.at, list(r.lengths.values()), r.area, sizes=r.sizes, group_size=GroupSize.MEAN
        )
        for name, r in found.items()
    }
    estimates["Total"] = total(list(estimates.values()))
    for answer in vector["expected"]["individuals"]:
        result = estimates[answer["stratum"]]
        assert result.value == pytest.approx(answer["N"], rel=tolerance["rel"])
        assert result.standard_error == pytest.approx(answer["se"], rel=tolerance["rel"])
        assert (result.lower, result.upper) == pytest.approx((answer["lcl"], answer["ucl"]), rel=tolerance["rel_ci"])


@pytest.fixture(scope="module")
def deer(known: Any) -> tuple[dict[str, Any], dict[str, Lines], dict[str, Estimate], dict[str, Estimate]]:
    """Dung of sika deer, by region and by region weighted with its effort over 100 km²."""
    vector = known("v11")
    found = regions(vector, 100_000)
    function = fit_detection_function(all_distances(found), vector["inputs"]["truncation_value"])
    assert math.exp(function.parameters[0]) == pytest.approx(vector["expected"]["sigma_cm"], rel=0.005)
    rates = [
        Rate(name, r["rate"], r["SE"], f"{name} of dung", per_animal=False)
        for name, r in vector["inputs"]["multipliers"].items()
    ]
    effort = math.fsum(length for r in found.values() for length in r.lengths.values())

    def deer_of(r: Lines, area: float) -> Estimate:
        return divided_by(line_transects(function, r.distances, r.at, list(r.lengths.values()), area), *rates)

    per_region = {name: deer_of(r, r.area) for name, r in found.items()}
    weighted = {name: deer_of(r, 100e10 * math.fsum(r.lengths.values()) / effort) for name, r in found.items()}
    return vector, found, per_region, weighted


@pytest.mark.parametrize("row", range(8))
def test_dung_over_its_rates_of_creation_and_decay(deer: Any, row: int) -> None:
    vector, found, per_region, _ = deer
    answer, tolerance = vector["expected"]["strata"][row], vector["tolerance"]
    result = per_region[answer["stratum"]]
    assert result.value == pytest.approx(answer["N"], rel=tolerance["rel"])
    if len(found[answer["stratum"]].lengths) == 1:
        assert result.standard_error is None, "one line: R reports the other errors alone, as if lines never differed"
        assert "at least two" in (result.reason or "")
        return
    assert result.standard_error == pytest.approx(answer["se"], rel=tolerance["rel"])
    assert (result.lower, result.upper) == pytest.approx((answer["lcl"], answer["ucl"]), rel=tolerance["rel_ci"])


def test_dung_weighted_by_effort_over_the_whole_area(deer: Any) -> None:
    vector, _, _, weighted = deer
    (answer,) = (r for r in vector["expected"]["strata"] if r["stratum"] == "Total")
    value = math.fsum(e.value for e in weighted.values())
    assert value == pytest.approx(answer["N"], rel=0.005)
    # R gives regions with one line an error of 0 between lines; the errors of detection and decay are common to all.
    sampling = math.fsum(c.variance for e in weighted.values() for c in e.components if c.name == "sampling")
    (example, *_) = (e for e in weighted.values() if e.components)
    shared = math.fsum(c.variance for c in example.components if c.name != "sampling") / example.value**2
    assert math.sqrt(sampling + value**2 * shared) == pytest.approx(answer["se"], rel=0.005)
    assert total(list(weighted.values())).standard_error is None


def test_moose_corrected_for_cover_with_the_three_parts_of_their_variance(known: Any) -> None:
    vector = known("v09")
    inputs, expected, rel = vector["inputs"], vector["expected"], vector["tolerance"]["rel"]
    trials, groups = inputs["sightability_trials"], inputs["observed_groups"]
    model = fit_sightability([t["observed"] for t in trials], [t["voc"] for t in trials])
    assert model.coefficients == pytest.approx(list(expected["logit_coef"].values()), rel=rel)
    assert model.covariance.ravel() == pytest.approx(np.ravel(expected["logit_vcov"]), rel=rel)
    order = {s["stratum"]: i for i, s in enumerate(inputs["strata"])}
    result = sightability_total(
        model,
        [g["total"] for g in groups],
        [g["voc"] for g in groups],
        [order[g["stratum"]] for g in groups],
        [g["subunit"] for g in groups],
        [SampledStratum(s["Nh"], s["nh"]) for s in inputs["strata"]],
    )
    wong = expected["result"]["wong"]
    assert result.value == pytest.approx(wong["tau.hat"], rel=rel)
    assert result.variance == pytest.approx(wong["VarTot"], rel=rel)
    parts = {c.name: c.variance for c in result.components}
    assert parts["sampling"] == pytest.approx(wong["VarSamp"], rel=rel)
    assert parts["detection"] == pytest.approx(wong["VarSight"], rel=rel)
    assert parts["sightability model"] == pytest.approx(wong["VarMod"], rel=rel)
    assert result.seen == expected["animals_seen_T"]
    assert (result.lower, result.upper) == pytest.approx(tuple(expected["ci95_wong_package"]), rel=rel)
    assert (round(result.lower or 0), round(result.upper or 0)) in {(8549, 21430)}


@pytest.mark.parametrize("model", ["mr_distance", "mr_distance_observer_sex_exposure"])
def test_two_observers_of_golf_tees_under_point_independence(known: Any, model: str) -> None:
    vector = known("v08")
    expected, rel = vector["expected"][model], vector["tolerance"]["rel"]
    one, two = ([r for r in vector["inputs"]["rows"] if r["observer"] == k] for k in (1, 2))
    assert [r["object"] for r in one] == [r["object"] for r in two]
    distances, sizes = [r["distance"] for r in one], [r["size"] for r in one]
    covariates = None if model == "mr_distance" else [[r["sex"], r["exposure"]] for r in one]
    observers = fit_two_observers(
        [r["detected"] for r in one],
        [r["detected"] for r in two],
        distances,
        covariates=covariates,
        distance_by_observer=model != "mr_distance",
    )
    function = fit_detection_function(distances, vector["inputs"]["width"])
    on_line, _ = observers.on_the_line(len(one), covariates)
    assert len(one) / np.sum(1 / on_line) == pytest.approx(expected["p0_mr"], rel=rel)
    assert function.aic + observers.aic == pytest.approx(expected["AIC"], rel=rel)
    # The strips covered all of the ground: 210 m of line, 4 m to each side, are its 1680 m².
    common = (function, distances, np.arange(len(one)) % 11, np.full(11, 210 / 11), 1680.0)
    groups = line_transects(*common, observers=observers, observer_covariates=covariates)
    assert groups.value == pytest.approx(expected["Nhat_covered"], rel=rel)
    assert len(one) / groups.value == pytest.approx(expected["p_average"], rel=rel)
    tees = line_transects(*common, sizes=sizes, observers=observers, observer_covariates=covariates)
    assert tees.value == pytest.approx(expected["individuals"][-1]["N"], rel=rel)
