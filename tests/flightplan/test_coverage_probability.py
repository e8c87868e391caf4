"""What each design sees with what probability, against theory; zigzags and segments as transects and missions."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from flightplan.areas import Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.coverage_probability import CoverageGrid, coverage_probability, write_csv, write_geotiff
from flightplan.design import (
    NO_POSSIBLE_TRANSECTS,
    RANDOM,
    SEGMENTED,
    SYSTEMATIC,
    ZIGZAG,
    design_survey,
    resolve_design,
)
from flightplan.errors import DesignError
from flightplan.frames import LocalFrame
from flightplan.legs import RECTANGLE, zigzag_looks
from flightplan.mission_builder import mission_path
from flightplan.plan_files import load_plan, save_plan
from flightplan.planning import plan_survey
from flightplan.request import DesignRequest, PlanRequest

FRAME = LocalFrame(34.83, -2.33)
RECTANGULAR = shapely.box(-1500, -600, 1500, 600)
L_SHAPE = shapely.Polygon([(-1500, -900), (1500, -900), (1500, 0), (200, 0), (200, 900), (-1500, 900)])
WEDGE = shapely.Polygon([(-2000, 0), (2000, -1000), (2000, 1000)])
WIDTH_M, SPACING_M = 60.0, 300.0


def area_of(*polygons: shapely.Polygon, hole: shapely.Polygon | None = None) -> StudyArea:
    strata = tuple(Stratum(f"s{i}", FRAME.delocalise(p)) for i, p in enumerate(polygons))
    return StudyArea("test", strata, () if hole is None else (FRAME.delocalise(hole),))


def drawn(area: StudyArea, kind: str, *, draws: int = 150, **asked: object) -> CoverageGrid:
    cell_m: float = asked.pop("cell_m", 80.0)  # type: ignore[assignment]
    settings = {"spacing_m": SPACING_M, "heading_deg": 0.0, **asked}
    request = DesignRequest(kind=kind, **settings)  # type: ignore[arg-type]
    return coverage_probability(area, request, strip_width_m=WIDTH_M, draws=draws, cell_m=cell_m)


@pytest.mark.parametrize(
    ("kind", "asked", "expected"),
    [
        (SYSTEMATIC, {}, WIDTH_M / SPACING_M),
        (RANDOM, {}, WIDTH_M / SPACING_M),
        (SYSTEMATIC, {"random_heading": True, "heading_deg": None}, WIDTH_M / SPACING_M),
        (SEGMENTED, {"segment_m": 200.0}, WIDTH_M / SPACING_M * 200 / 300),
        (SEGMENTED, {"segment_m": 200.0, "segment_spacing_m": 250.0, "heading_deg": 30.0}, 0.2 * 0.8),
    ],
)
def test_parallel_designs_are_flat_to_the_very_edge(kind: str, asked: dict[str, object], expected: float) -> None:
    grid = drawn(area_of(L_SHAPE), kind, **asked)
    assert grid.probability.mean() == pytest.approx(expected, rel=0.03)
    lower, upper = grid.interval()
    assert np.mean((lower <= expected) & (expected <= upper)) > 0.88
    assert grid.unevenness() < grid.chance()
    np.testing.assert_allclose(grid.looks, grid.probability)


def test_a_zigzag_is_flat_over_a_rectangle_away_from_its_turns_at_the_theoretical_level() -> None:
    """w·√(c² + H²) / (c·H) looks; beside the turns fewer, since legs end on the border."""
    area = area_of(RECTANGULAR)
    grid = drawn(area, ZIGZAG)
    expected = WIDTH_M * math.hypot(SPACING_M, 1200) / (SPACING_M * 1200)
    inner = np.abs(grid.points[:, 1]) < 600 - 2 * WIDTH_M
    assert grid.looks[inner].mean() == pytest.approx(expected, rel=0.01)
    assert grid.looks[inner].std() < 1.3 * math.sqrt(expected / grid.draws)
    edge = np.abs(grid.points[:, 1]) > 600 - WIDTH_M
    assert grid.probability[edge].mean() < 0.9 * expected
    assert grid.sampled_share.mean() == pytest.approx(expected, rel=0.01)


def test_a_zigzag_on_the_hull_of_a_wedge_looks_more_often_where_it_is_narrow() -> None:
    area = area_of(WEDGE)
    uneven, even = drawn(area, ZIGZAG), drawn(area, ZIGZAG, bounds=RECTANGLE)
    assert even.unevenness() < even.chance()
    # H is 2000 m at the broad end and 500 m at x = -1000.
    broad, narrow = ((uneven.points[:, 0] > 1400), (np.abs(uneven.points[:, 0] + 1000) < 300))
    assert uneven.looks[narrow].mean() / uneven.looks[broad].mean() > 1.1
    # Animals that crowd into the tip are overestimated, and the bound by Cauchy and Schwarz holds.
    density = np.where(uneven.points[:, 0] < -1000, 10.0, 1.0)
    bias = uneven.relative_bias(density)
    assert bias > 0.05
    assert bias < (uneven.looks.std() / uneven.looks.mean()) * (density.std() / density.mean()) + 1e-9
    assert abs(even.relative_bias(density)) < 0.05
    assert abs(uneven.relative_bias(np.ones(len(density)))) < 1e-12


def test_the_formula_of_a_zigzags_looks_is_that_of_its_share() -> None:
    polygon = area_of(WEDGE).local_strata[0]
    looks, share = zigzag_looks(polygon, 0.0, SPACING_M, WIDTH_M, RECTANGLE)
    assert np.ptp(looks) < 1e-9
    assert looks[0] == pytest.approx(WIDTH_M * math.hypot(SPACING_M, 2000) / (SPACING_M * 2000), rel=1e-3)
    assert share.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("kind", "asked", "tolerance"),
    [(ZIGZAG, {}, 0.04), (ZIGZAG, {"bounds": RECTANGLE}, 0.03), (SEGMENTED, {"segment_m": 200.0}, 0.05)],
)
def test_a_share_asked_for_is_delivered_on_average(kind: str, asked: dict[str, object], tolerance: float) -> None:
    area = area_of(L_SHAPE)
    shares = []
    for seed in range(40):
        (design,) = design_survey(
            area,
            DesignRequest(kind=kind, sampling_fraction=0.15, heading_deg=20, seed=seed, **asked),
            strip_width_m=WIDTH_M,
        )  # type: ignore[arg-type]
        shares.append(sum(t.strip_area_m2 for t in design.transects) / design.area_m2)
    assert np.mean(shares) == pytest.approx(0.15, rel=tolerance)


def test_a_zigzag_turns_at_equal_distances_inside_the_area_and_each_leg_is_a_transect() -> None:
    area = area_of(RECTANGULAR)
    (design,) = design_survey(
        area, DesignRequest(kind=ZIGZAG, spacing_m=SPACING_M, heading_deg=0, seed=4), strip_width_m=WIDTH_M
    )
    ends = [area.frame.to_local(np.asarray(t.segments).reshape(-1, 2)) for t in design.transects]
    for before, after in pairwise(ends[1:-1]):
        assert np.hypot(*(before[-1] - after[0])) < 0.01
        assert abs(abs(after[0, 1]) - 600) < 0.5
        assert after[-1, 0] - after[0, 0] == pytest.approx(SPACING_M, rel=1e-3)
    stratum = shapely.buffer(area.local_strata[0], 0.5)
    assert all(stratum.covers(shapely.LineString(e)) for e in ends[1:-1])


def test_no_number_of_possible_transects_is_made_up_where_there_is_none() -> None:
    area = area_of(L_SHAPE)
    for kind, asked in ((ZIGZAG, {}), (SEGMENTED, {"segment_m": 200.0})):
        (design,) = design_survey(area, DesignRequest(kind=kind, spacing_m=SPACING_M, **asked), strip_width_m=WIDTH_M)  # type: ignore[arg-type]
        assert design.possible_transects is None
        assert NO_POSSIBLE_TRANSECTS[kind]


def test_segments_are_equal_but_at_the_border_and_never_nearer_than_asked() -> None:
    area = area_of(RECTANGULAR)
    (design,) = design_survey(
        area,
        DesignRequest(kind=SEGMENTED, spacing_m=SPACING_M, segment_m=150, segment_spacing_m=400, heading_deg=0),
        strip_width_m=WIDTH_M,
    )
    lengths = np.array([t.length_m for t in design.transects])
    assert lengths.max() == pytest.approx(150, abs=0.1)
    assert np.mean(lengths > 149.9) >= 0.5
    lines = [shapely.LineString(area.frame.to_local(np.asarray(t.segments[0]))) for t in design.transects]
    assert min(a.distance(b) for i, a in enumerate(lines) for b in lines[:i]) >= 250 - 0.1


@pytest.mark.parametrize("kind", [ZIGZAG, SEGMENTED])
@pytest.mark.parametrize("heading_deg", [0.0, 37.0, 90.0, 128.0])
def test_zigzags_and_segments_are_flown_without_a_metre_outside(kind: str, heading_deg: float, tmp_path: Path) -> None:
    village = shapely.Polygon([(-900, -500), (-500, -520), (-450, -150), (-800, -100)])
    area = area_of(L_SHAPE, hole=village)
    asked = {"segment_m": 200.0} if kind == SEGMENTED else {}
    plan = plan_survey(
        area,
        PlanRequest(
            camera=camera_named("overfly-demo"),
            altitude_agl_m=80.0,
            spacing_m=300.0,
            kind=kind,
            heading_deg=heading_deg,
            **asked,
        ),
    )
    assert plan.metres_outside == 0.0
    assert plan.allowance_m is not None
    air = shapely.buffer(area.local_strata[0].union(area.local_exclusions), plan.allowance_m + 0.05, quad_segs=64)
    for sortie in plan.sorties:
        path = shapely.LineString(area.frame.to_local(mission_path(sortie.mission)))
        assert path.difference(air).length == 0
        assert path.intersection(area.local_exclusions.buffer(15 - 0.05)).length == 0
    flown = {name for sortie in plan.sorties for name in sortie.transects}
    assert flown == {t.identifier for s in plan.strata for t in s.transects}
    assert plan.coverage is not None
    assert plan.coverage <= sum(t.strip_area_m2 for s in plan.strata for t in s.transects) / area.area_m2 + 1e-9
    save_plan(plan, tmp_path)
    assert load_plan(tmp_path) == plan


def test_a_stratum_can_have_a_spacing_of_its_own() -> None:
    area = area_of(shapely.box(-1500, 0, 1500, 900), shapely.box(-1500, -900, 1500, 0))
    asked = DesignRequest(spacing_m=500.0, heading_deg=0.0, stratum_spacing_m={"s0": 100.0})
    dense, sparse = design_survey(area, asked, strip_width_m=WIDTH_M)
    assert len(dense.transects) in (30, 31)
    assert len(sparse.transects) in (6, 7)


def test_the_map_is_the_grid(tmp_path: Path) -> None:
    grid = drawn(area_of(L_SHAPE), SYSTEMATIC, draws=20)
    write_geotiff(grid, tmp_path / "coverage.tif")
    with rasterio.open(tmp_path / "coverage.tif") as dataset:
        assert dataset.descriptions == ("probability", "lower", "upper", "looks")
        sampled = np.array(list(dataset.sample(grid.points)))
        assert np.isnan(dataset.read(1)).sum() == dataset.width * dataset.height - len(grid.points)
    np.testing.assert_allclose(sampled[:, 0], grid.probability, atol=1e-6)
    np.testing.assert_allclose(sampled[:, 2], grid.interval()[1], atol=1e-6)
    write_csv(grid, tmp_path / "coverage.csv")
    rows = (tmp_path / "coverage.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "longitude,latitude,stratum,probability,lower,upper,looks"
    assert len(rows) == len(grid.points) + 1


@pytest.mark.parametrize(
    ("kind", "asked", "words"),
    [
        (SEGMENTED, {}, "length of its segments"),
        (SYSTEMATIC, {"segment_m": 100.0}, "length of its segments"),
        (SEGMENTED, {"segment_m": 400.0}, "overlap"),
        (SEGMENTED, {"segment_m": math.nan}, "segments of nan m"),
        (ZIGZAG, {"bounds": "circle"}, "does not turn on 'circle'"),
        (ZIGZAG, {"spacing_m": None, "sampling_fraction": 0.001}, "one leg of a zigzag"),
        (SYSTEMATIC, {"random_heading": True}, "random heading"),
        (SYSTEMATIC, {"stratum_spacing_m": {"moon": 400.0}}, "no stratum 'moon'"),
        (SYSTEMATIC, {"stratum_spacing_m": {"s0": math.nan}}, "spacing of nan m"),
    ],
)
def test_a_design_that_contradicts_itself_is_refused(kind: str, asked: dict[str, object], words: str) -> None:
    settings = {"spacing_m": SPACING_M, "heading_deg": 0.0, **asked}
    with pytest.raises(DesignError, match=words):
        resolve_design(area_of(L_SHAPE), DesignRequest(kind=kind, **settings), strip_width_m=WIDTH_M)  # type: ignore[arg-type]


@pytest.mark.parametrize(("asked", "words"), [({"draws": 1}, "no probability"), ({"cell_m": 0.5}, "the limit is")])
def test_a_simulation_that_says_nothing_is_refused(asked: dict[str, float], words: str) -> None:
    with pytest.raises(DesignError, match=words):
        drawn(area_of(L_SHAPE), SYSTEMATIC, **asked)  # type: ignore[arg-type]
