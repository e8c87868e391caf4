"""A density surface of a census: segments are pieces of the strips, cells the ground whose animals are estimated."""

import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from counts.assignment import TransectLines, assign_to_transects
from counts.availability import availability_of
from counts.census import Census
from counts.effort import captures_of, core_zones, measure_effort
from counts.masks import NO_HABITAT
from counts.population import Estimation, SampleEstimator, estimate_population
from counts.segments import cells_of, segments_of, surface_of
from counts.store import MaskEntry, add_masks, find_survey, latest_estimate_run, read_area, read_estimates
from flightplan.design import StratumDesign, Transect
from flightplan.errors import EstimateError
from flightplan.frames import LocalFrame
from overfly.chain import count_survey
from overfly.cli import main

FRAME = LocalFrame(34.83, -2.33)
STRIP_M, STEP_M, LENGTH_M, SPACING_M, LINES = 96.0, 72.0, 1440.0, 400.0, 12
XS = 200 + np.arange(LINES) * SPACING_M
LAND = shapely.box(0, 0, LINES * SPACING_M, LENGTH_M)
SURFACE = Estimation(SampleEstimator.DENSITY_SURFACE)


def line(number: int) -> Transect:
    start, end = (tuple(p) for p in FRAME.to_lonlat([[XS[number], 0.0], [XS[number], LENGTH_M]]).tolist())
    return Transect(f"T{number}", "park", number + 1, ((start, end),), LENGTH_M, STRIP_M * LENGTH_M)  # type: ignore[arg-type]


TRANSECTS = tuple(line(i) for i in range(LINES))
STRATUM = StratumDesign("park", LAND.area, LINES * SPACING_M, LINES * SPACING_M / STRIP_M, TRANSECTS)
OF_LINES = TransectLines.of(TRANSECTS, FRAME)
CENTRES = np.array([[x, STEP_M * (k + 0.5)] for x in XS for k in range(20)])
FOOTPRINTS = shapely.box(*(CENTRES - [48, 36]).T, *(CENTRES + np.array([48, 36])).T)
ASSIGNED = assign_to_transects(CENTRES, np.zeros(len(CENTRES)), OF_LINES, cross_track_limit_m=5)
ZONES = core_zones(FOOTPRINTS, ASSIGNED, OF_LINES, [LAND] * LINES)
EFFORT = measure_effort(FOOTPRINTS, ASSIGNED, OF_LINES, [LAND] * LINES)


def herds(rng: np.random.Generator, gradient: float = 0.0) -> np.ndarray:
    """Animals over the whole park, in herds of about 6 that keep within 15 m; denser to the east by `gradient`."""
    middles = rng.uniform((0, 0), (LINES * SPACING_M, LENGTH_M), (160, 2))
    kept = rng.random(160) < np.exp(gradient * (middles[:, 0] / (LINES * SPACING_M) - 1))
    sizes = 1 + rng.poisson(5, int(kept.sum()))
    return np.repeat(middles[kept], sizes, axis=0) + rng.normal(0, 15, (int(sizes.sum()), 2))


def estimated(animals: np.ndarray, **options):
    transect = np.full(len(animals), -1)
    for i, x in enumerate(XS):
        transect[(np.abs(animals[:, 0] - x) < STRIP_M / 2) & (animals[:, 1] > 0) & (animals[:, 1] < LENGTH_M)] = i
    seen = transect >= 0
    return estimate_population(
        "zebra",
        transect[seen],
        EFFORT,
        OF_LINES,
        [STRATUM],
        surface=surface_of(ASSIGNED, ZONES, OF_LINES, {"park": LAND}, strip_width_m=STRIP_M),
        capture=captures_of(animals[seen], transect[seen], ASSIGNED, OF_LINES),
        **options,
    )


def test_segments_are_whole_core_zones_and_hold_the_area_searched() -> None:
    found = segments_of(ASSIGNED, ZONES, OF_LINES, 192.0)
    assert len(found.areas_m2) == LINES * 8, "1440 m in pieces of 192 m"
    assert found.areas_m2.sum() == pytest.approx(EFFORT.area_m2.sum())
    assert np.bincount(found.transect, weights=found.areas_m2) == pytest.approx(EFFORT.area_m2)
    assert found.places_m[:, 0] == pytest.approx(XS[found.transect])
    inside = [CENTRES[found.of_capture == i, 1] for i in range(len(found.areas_m2))]
    assert all(np.ptp(each) < 192 for each in inside)
    assert found.places_m[:, 1] == pytest.approx([each.mean() for each in inside], abs=1)


def test_a_capture_without_any_ground_of_its_own_is_in_the_nearest_segment_of_its_line() -> None:
    land = shapely.box(0, 500, 5000, LENGTH_M)
    zones = core_zones(FOOTPRINTS, ASSIGNED, OF_LINES, [land] * LINES)
    found = segments_of(ASSIGNED, zones, OF_LINES, 100.0)
    assert np.all(found.areas_m2 > 0)
    assert np.all(found.of_capture >= 0)
    south = np.flatnonzero(CENTRES[:, 1] < 400)
    assert np.all(found.transect[found.of_capture[south]] == ASSIGNED.transect[south])
    assert found.places_m[found.of_capture[south], 1] == pytest.approx(np.full(len(south), 533), abs=40)
    with pytest.raises(EstimateError, match="no length"):
        segments_of(ASSIGNED, zones, OF_LINES, 0.0)


@settings(max_examples=30, deadline=None)
@given(st.floats(20, 3000), st.floats(20, 3000), st.integers(0, 3), st.floats(0.05, 0.9))
def test_the_cells_of_a_stratum_are_its_ground_once(width: float, height: float, corner: int, cut: float) -> None:
    west, south = (width * (1 - cut) * (corner % 2), height * (1 - cut) * (corner // 2))
    hole = shapely.box(west, south, west + width * cut, south + height * cut)
    land = shapely.box(0, 0, width, height).difference(hole)
    cells = cells_of(land, most=400)
    assert cells.areas_m2.sum() == pytest.approx(land.area, rel=1e-9)
    middle = cells.areas_m2 @ cells.places_m / land.area
    assert middle == pytest.approx(shapely.get_coordinates(land.centroid)[0], abs=1e-6 * (width + height))
    assert len(cells.areas_m2) > 300


def test_a_surface_counts_the_park_without_bias_and_its_error_is_that_between_lines() -> None:
    values, errors, held = [], [], 0
    for seed in range(10):
        animals = herds(np.random.default_rng([seed, 1]), gradient=2.0)
        found = estimated(animals, how=SURFACE).total
        values.append(found.value / len(animals))
        errors.append(found.cv)
        held += found.lower <= len(animals) <= found.upper
    assert np.mean(values) == pytest.approx(1.0, abs=3 * np.std(values) / np.sqrt(10))
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.5)
    assert held >= 8


def test_the_error_of_a_surface_knows_that_herds_reach_over_segments() -> None:
    """One herd all along a line: its segments are not independent, and lines are the units of the error."""
    rng = np.random.default_rng(3)
    even = rng.uniform((0, 0), (LINES * SPACING_M, LENGTH_M), (600, 2))
    long = np.column_stack([rng.normal(XS[4], 10, 90), rng.uniform(0, LENGTH_M, 90)])
    plain, herded = estimated(even, how=SURFACE).total, estimated(np.vstack([even, long]), how=SURFACE).total
    assert herded.cv > 2 * plain.cv
    assert herded.degrees_of_freedom == LINES - 1
    assert herded.units == LINES
    beyond, made_of = herded.notes
    assert beyond.startswith("19% of the cells lie beyond")
    assert made_of == "park: a surface of 96 segments of 12 transects over 2576 cells"


def test_shares_of_animals_by_class_of_availability_add_up_though_a_surface_is_not_linear(filled: Census) -> None:
    value = {"species": "elephant", "standard_error": 0.05, "source": "collars"}
    tables = [{**value, "value": 0.5, "hours": hours} for hours in ([6, 9.2], [9.2, 6])]
    plain = count_survey(filled, how=SURFACE, species=["elephant"])
    given = availability_of({"availability": tables})
    found = count_survey(filled, how=SURFACE, species=["elephant"], availability=given)
    assert len(found.corrections[0].details) == 2
    for before, after in zip(plain.estimates[:3], found.estimates[:3], strict=True):
        assert after.value == pytest.approx(2 * before.value, rel=1e-6)
        # One source, so the errors of all hours and strata move together: 0.05 / 0.5 of the whole.
        assert after.components["availability"] == pytest.approx((0.1 * after.value) ** 2, rel=1e-6)


def test_a_survey_counted_by_a_surface_is_a_layer_with_its_shares_of_the_variance(filled: Census) -> None:
    jolly = count_survey(filled)
    counted = count_survey(filled, how=SURFACE)
    assert counted.estimate_run_id != jolly.estimate_run_id
    with filled.reading() as session:
        run = latest_estimate_run(session, find_survey(session, "2026-wet").survey_id)
        kept = read_estimates(session, run.estimate_run_id)
    assert kept == counted.estimates
    for entry, other in zip(kept, jolly.estimates, strict=True):
        assert entry.method.startswith("density surface" if entry.stratum else "sum of strata: density surface")
        assert abs(entry.value - other.value) < 1.5 * other.se
        assert entry.lower < entry.value < entry.upper
        assert entry.components["sampling"] == pytest.approx(entry.se**2)
        assert (entry.units, entry.individuals) == (other.units, other.individuals)


def test_the_surface_is_summed_over_habitat_alone(filled: Census) -> None:
    whole = count_survey(filled, how=SURFACE, species=["zebra"])
    with filled.writing() as session:
        survey = find_survey(session, "2026-wet")
        west, south, east, north = shapely.total_bounds(
            [s.polygon for s in read_area(session, survey.survey_id).strata]
        )
        lake = shapely.box(west, south, west + (east - west) / 4, north)
        add_masks(session, survey.survey_id, [MaskEntry(NO_HABITAT, lake, "lake")])
    dry = count_survey(filled, how=SURFACE, species=["zebra"])
    before, after = whole.estimates[-1], dry.estimates[-1]
    assert after.area_m2 < 0.8 * before.area_m2
    assert after.value == pytest.approx(after.individuals / after.area_searched_m2 * after.area_m2, rel=0.1)


def test_the_command_takes_it_and_names_the_extra_that_is_missing(
    filled: Census, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(filled.where)
    done = CliRunner().invoke(main, ["count", path, "--estimator", "density-surface", "--confidence", "0.9"])
    assert done.exit_code == 0, done.output
    assert "90 % limits" in done.stdout
    monkeypatch.setitem(__import__("sys").modules, "statsmodels.gam.api", None)
    refused = CliRunner().invoke(main, ["count", path, "--estimator", "density-surface"])
    assert refused.exit_code == 1
    assert "pip install 'overfly[density]'" in refused.stderr


def test_a_surface_without_the_segments_is_refused() -> None:
    with pytest.raises(EstimateError, match="segments of the lines"):
        estimate_population("zebra", [0, 1], EFFORT, OF_LINES, [STRATUM], how=SURFACE)
