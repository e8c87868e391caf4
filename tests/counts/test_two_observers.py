"""Two observers with covariates and without distances, and taken as independent at every distance."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counts.estimators import (
    FullIndependence,
    double_observer,
    fit_detection_function,
    fit_two_observers,
    huggins,
    line_transects,
)
from flightplan.errors import EstimateError


@pytest.fixture(scope="module")
def tees(shared_data: Path) -> dict[str, Any]:
    """The golf tees of St Andrews, one row for each group: who saw it, where, how many, its sex and its cover."""
    rows = json.loads((shared_data / "counts" / "v08_mrds_io_golftees.json").read_text())["inputs"]["rows"]
    one, two = ([r for r in rows if r["observer"] == k] for k in (1, 2))
    assert [r["object"] for r in one] == [r["object"] for r in two]
    return {
        "first": np.array([r["detected"] for r in one]),
        "second": np.array([r["detected"] for r in two]),
        "distance": np.array([r["distance"] for r in one]),
        "size": np.array([r["size"] for r in one]),
        "covariates": np.array([[r["sex"], r["exposure"]] for r in one], dtype=np.float64),
    }


# VGAM 1.1-8 under R 4.2.2: vglm(cbind(y1, y2) ~ sex + exposure, posbernoulli.t(parallel.t = ~ sex + exposure [- 1])).
VGAM = {
    False: ((-0.544753960503, 0.962502183527, 2.067733412256), 181.658505694, 8.93303031671),
    True: ((-0.815044292734, 0.641853886164, 0.962502186181, 2.067733414989), 179.765118128, 8.31860096405),
}


@pytest.mark.parametrize("observer", [False, True])
def test_huggins_of_the_golf_tees_is_that_of_vgam(tees: dict[str, Any], observer: bool) -> None:
    coefficients, value, error = VGAM[observer]
    model = fit_two_observers(tees["first"], tees["second"], covariates=tees["covariates"], observer=observer)
    found = huggins(model, covariates=tees["covariates"])
    assert model.coefficients == pytest.approx(coefficients, rel=1e-6)
    assert found.value == pytest.approx(value, rel=1e-7)
    assert found.standard_error == pytest.approx(error, rel=2e-5)
    assert found.seen == 162
    assert found.lower is not None
    assert found.lower > 162


def test_without_covariates_huggins_is_lincoln_and_petersen(tees: dict[str, Any]) -> None:
    model = fit_two_observers(tees["first"], tees["second"], observer=True)
    found = huggins(model, count=162)
    both = double_observer(124, 142, 104)
    assert found.value == pytest.approx(both.lincoln_petersen, rel=1e-7)
    assert model.detection([0.0])[0] == pytest.approx(both.detection_either, rel=1e-7)


def test_groups_raise_the_number_of_animals_and_its_error(tees: dict[str, Any]) -> None:
    model = fit_two_observers(tees["first"], tees["second"], covariates=tees["covariates"])
    groups, animals = (huggins(model, sizes=s, covariates=tees["covariates"]) for s in (None, tees["size"]))
    p, _ = model.detection(np.zeros(162), tees["covariates"])
    assert animals.value == pytest.approx((tees["size"] / p).sum())
    assert animals.seen == tees["size"].sum()
    assert animals.standard_error > 3 * groups.standard_error


def test_full_independence_of_the_golf_tees_averages_the_observers_over_the_strip(tees: dict[str, Any]) -> None:
    model = fit_two_observers(tees["first"], tees["second"], tees["distance"])
    strip = FullIndependence(model, 0.0, 4.0)
    found = line_transects(strip, tees["distance"], np.arange(162) % 11, np.full(11, 210 / 11), 1680.0)
    # The mean chance over an even spread of distances, here by a sum over 100,001 of them.
    fine, _ = model.detection(np.linspace(0, 4, 100_001))
    assert found.value == pytest.approx(162 / np.mean(fine), rel=1e-4)
    # Cover that both suffered from is not in the model: lower than under point independence, and than the truth, 250.
    point = line_transects(
        fit_detection_function(tees["distance"], 4.0), tees["distance"], np.arange(162) % 11, np.full(11, 210 / 11),
        1680.0, observers=model,
    )  # fmt: skip
    assert found.value < point.value
    assert any("independence" in note for note in found.notes)


def test_full_independence_finds_the_truth_where_it_holds() -> None:
    rng = np.random.default_rng(8)
    values = []
    for _ in range(60):
        x = rng.uniform(0, 100.0, 800)
        seen = rng.random((2, 800)) < 1 / (1 + np.exp(-(1.5 - 0.03 * x)))
        either = seen.any(axis=0)
        model = fit_two_observers(seen[0][either], seen[1][either], x[either])
        strip = FullIndependence(model, 0.0, 100.0)
        found = line_transects(strip, x[either], rng.integers(0, 10, int(either.sum())), np.full(10, 100.0), 200_000.0)
        values.append(found.value)
    assert np.mean(values) == pytest.approx(800, abs=3 * np.std(values) / np.sqrt(60))


def test_its_standard_error_is_that_of_repeated_surveys() -> None:
    rng = np.random.default_rng(9)
    values, errors = [], []
    for _ in range(200):
        cover = rng.integers(0, 2, 300).astype(np.float64)
        seen = rng.random((2, 300)) < 1 / (1 + np.exp(-(1.0 - 1.2 * cover)))
        either = seen.any(axis=0)
        model = fit_two_observers(seen[0][either], seen[1][either], covariates=cover[either][:, None])
        found = huggins(model, covariates=cover[either][:, None])
        values.append(found.value)
        errors.append(found.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)
    assert np.mean(values) == pytest.approx(300, abs=3 * np.std(values) / np.sqrt(200))


def test_a_model_with_distances_is_no_closed_population_and_the_other_way_round(tees: dict[str, Any]) -> None:
    with pytest.raises(EstimateError, match="line transects"):
        huggins(fit_two_observers(tees["first"], tees["second"], tees["distance"]), count=162)
    with pytest.raises(EstimateError, match="no distances"):
        fit_two_observers(tees["first"], tees["second"], distance_by_observer=True)
    assert huggins(fit_two_observers(tees["first"], tees["second"]), count=0).reason == "neither observer saw one"
