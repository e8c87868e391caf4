"""From individuals and effort to a population with limits."""

import numpy as np
import pytest
import shapely

from counts.assignment import TransectLines, assign_to_transects
from counts.effort import Effort, measure_effort
from counts.population import estimate_population, on_land, verified_correction
from counts.verification import Correction, draw_sample
from flightplan.design import StratumDesign, Transect
from flightplan.errors import EstimateError
from flightplan.frames import LocalFrame

FRAME = LocalFrame(34.83, -2.33)
STRIP_M, LENGTH_M, SPACING_M = 96.0, 960.0, 480.0


def line(number: int, stratum: str, x: float, y: float) -> Transect:
    start, end = (tuple(p) for p in FRAME.to_lonlat([[x, y], [x, y + LENGTH_M]]).tolist())
    return Transect(f"{stratum}-{number}", stratum, number, ((start, end),), LENGTH_M, STRIP_M * LENGTH_M)  # type: ignore[arg-type]


XS = np.arange(4) * SPACING_M
STRATA = tuple(
    StratumDesign(
        name,
        4 * SPACING_M * LENGTH_M,
        4 * SPACING_M,
        4 * SPACING_M / STRIP_M,
        tuple(line(i + 1, name, x, y) for i, x in enumerate(XS)),
    )
    for name, y in (("south", 0.0), ("north", 2000.0))
)
LINES = TransectLines.of([t for stratum in STRATA for t in stratum.transects], FRAME)
LAND = [shapely.box(-240, y, 1680, y + LENGTH_M) for y in (0.0, 2000.0) for _ in XS]
CENTRES = np.array([[x, y + 36 + 72 * k] for y in (0.0, 2000.0) for x in XS for k in range(13)])
HALF = np.array([48, 36])
FOOTPRINTS = shapely.box(*(CENTRES - HALF).T, *(CENTRES + HALF).T)
ASSIGNED = assign_to_transects(CENTRES, np.zeros(len(CENTRES)), LINES, cross_track_limit_m=5)


@pytest.fixture
def effort() -> Effort:
    return measure_effort(FOOTPRINTS, ASSIGNED, LINES, LAND)


def test_each_stratum_expands_its_transects_by_the_area_searched(effort: Effort) -> None:
    individuals = [0, 0, 0, 1, 3, 3, 4, 5, 5, 6]
    result = estimate_population("zebra", individuals, effort, LINES, STRATA)
    searched = 936 * STRIP_M * 4
    assert result.strata["south"].value == pytest.approx(6 * STRATA[0].area_m2 / searched)
    assert result.strata["north"].value == pytest.approx(4 * STRATA[0].area_m2 / searched)
    assert result.total.value == pytest.approx(10 * STRATA[0].area_m2 / searched)
    assert result.total.seen == 10
    assert result.total.lower is not None
    assert result.individuals == 10


def test_a_transect_that_was_not_flown_is_no_zero(effort: Effort) -> None:
    flown = CENTRES[:, 0] < 1000
    less = assign_to_transects(CENTRES[flown], np.zeros(flown.sum()), LINES, cross_track_limit_m=5)
    part = measure_effort(FOOTPRINTS[flown], less, LINES, LAND)
    whole = estimate_population("zebra", [0, 1, 2], effort, LINES, STRATA)
    result = estimate_population("zebra", [0, 1, 2], part, LINES, STRATA)
    assert result.strata["south"].units == 3
    assert result.strata["south"].value == pytest.approx((whole.strata["south"].value or 0) * 4 / 3)


def test_what_stands_over_the_border_was_seen_but_its_ground_was_not_searched() -> None:
    positions = [[10.0, 950.0], [10.0, 965.0], [10.0, -5.0], [10.0, 2010.0]]
    assert on_land(positions, [0, 0, 0, 4], LAND).tolist() == [True, False, False, True]
    assert on_land(np.empty((0, 2)), [], LAND).tolist() == []


def test_the_verified_captures_correct_all_strata_and_their_error_counts_once(effort: Effort) -> None:
    rng = np.random.default_rng(4)
    animals = rng.integers(0, len(CENTRES), 260)
    found = animals[rng.random(260) < 0.8]
    detected = np.bincount(found, minlength=len(CENTRES))
    sample = draw_sample(detected, 30, 20, seed=1)
    true_counts = np.bincount(animals, minlength=len(CENTRES))[sample.captures]
    positions, transect = CENTRES[found] + rng.uniform(-20, 20, (len(found), 2)), ASSIGNED.transect[found]
    by = verified_correction(
        sample, true_counts, detected, positions, transect, ASSIGNED, LINES, source="verification of zebra"
    )
    assert by.cv is not None
    assert 0 < by.cv < 0.15
    assert by.factor == pytest.approx(260 / len(found), rel=3 * by.cv)
    result = estimate_population("zebra", transect, effort, LINES, STRATA, by)
    assert result.total.value == pytest.approx((result.counted_total.value or 0) * (by.factor or 0))
    assert by.spread_factor is not None
    sampling = (result.counted_total.cv or 0) * by.spread_factor / (by.factor or 1)
    assert result.total.cv == pytest.approx(np.hypot(sampling, by.cv))
    assert [part.source for part in result.total.components] == [None, None, "verification of zebra"]


def test_a_species_none_saw_is_zero_without_limits(effort: Effort) -> None:
    by = Correction("detection", None, None, None, "m", "s", reason="the census counted none")
    result = estimate_population("rhino", [], effort, LINES, STRATA, by)
    assert (result.total.value, result.total.lower, result.total.upper) == (0, None, None)
    assert result.total.reason == "none seen in any stratum"


def test_an_individual_on_a_transect_without_captures_is_refused() -> None:
    flown = CENTRES[:, 0] < 1000
    less = assign_to_transects(CENTRES[flown], np.zeros(flown.sum()), LINES, cross_track_limit_m=5)
    sample = draw_sample(np.ones(flown.sum()), 5, 5, seed=1)
    with pytest.raises(EstimateError, match="without captures"):
        verified_correction(sample, np.ones(5), np.ones(flown.sum()), [[1440.0, 100.0]], [3], less, LINES, source="s")
