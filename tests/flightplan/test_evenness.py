"""Designs whose coverage is flat pass a test for it, those whose is not fail it, and what that does to an estimate."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from flightplan.areas import Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.coverage_probability import CoverageGrid, coverage_probability
from flightplan.design import resolve_design
from flightplan.evenness import (
    ACROSS,
    ALONG,
    CORE,
    biases,
    clear_of_edges,
    expected_probability,
    flatness,
    zigzag_evenness,
    zigzag_warning,
)
from flightplan.frames import LocalFrame
from flightplan.legs import HULL, RECTANGLE
from flightplan.planning import plan_survey
from flightplan.request import DEFAULT_BUFFER_M, DesignRequest, PlanRequest

FRAME = LocalFrame(34.83, -2.33)
WIDTH_M, SPACING_M = 60.0, 300.0
L_SHAPE = shapely.Polygon([(-1500, -900), (1500, -900), (1500, 0), (200, 0), (200, 900), (-1500, 900)])
HOLED = shapely.difference(shapely.box(-1500, -700, 1500, 700), shapely.box(-400, -250, 300, 300))
WEDGE = shapely.Polygon([(-2000, 0), (2000, -1000), (2000, 1000)])


def area_of(polygon: shapely.Polygon) -> StudyArea:
    holes = tuple(FRAME.delocalise(shapely.Polygon(ring)) for ring in polygon.interiors)
    return StudyArea("test", (Stratum("all", FRAME.delocalise(shapely.Polygon(polygon.exterior))),), holes)


def drawn(polygon: shapely.Polygon, kind: str, draws: int = 250, **asked: object) -> CoverageGrid:
    settings = {"spacing_m": SPACING_M, "heading_deg": 0.0, **asked}
    request = DesignRequest(kind=kind, **settings)  # type: ignore[arg-type]
    return coverage_probability(area_of(polygon), request, strip_width_m=WIDTH_M, draws=draws, cell_m=50.0)


@pytest.mark.parametrize("polygon", [L_SHAPE, HOLED], ids=["concave", "holed"])
@pytest.mark.parametrize(
    ("kind", "asked"),
    [("systematic", {}), ("random", {}), ("segmented", {"segment_m": 200.0}), ("zigzag", {"bounds": RECTANGLE})],
)
def test_flat_designs_pass_away_from_their_edges(polygon: shapely.Polygon, kind: str, asked: dict[str, object]) -> None:
    grid = drawn(polygon, kind, **asked)
    expected = expected_probability(grid.design, "all", grid.area.local_strata[0])
    assert expected is not None
    tested = flatness(grid, expected, clear_of_edges(grid, DEFAULT_BUFFER_M))
    assert tested.cells > 0.7 * len(grid.points)
    assert tested.is_flat(), tested
    # A column of cells along a line shares its draws: there are sixty of them to go by.
    assert tested.share_within > 0.8


def test_a_zigzag_on_the_hull_of_a_wedge_fails() -> None:
    grid = drawn(WEDGE, "zigzag", draws=600, bounds=HULL, spacing_m=600.0)
    assert expected_probability(grid.design, "all", WEDGE) is None
    tested = flatness(grid, None, clear_of_edges(grid, DEFAULT_BUFFER_M))
    assert not tested.is_flat(0.05)


def test_ground_beside_an_exclusion_fails_where_its_edge_is_not_taken_away() -> None:
    grid = drawn(HOLED, "systematic", draws=500)
    assert not flatness(grid, WIDTH_M / SPACING_M).is_flat(1e-3)


def test_a_flat_coin_passes_and_a_slightly_bent_one_fails() -> None:
    grid = drawn(shapely.box(-1000, -400, 1000, 400), "systematic", draws=2)
    rng = np.random.default_rng([5])
    fair = replace(grid, draws=1000, seen=rng.binomial(1000, 0.2, size=len(grid.seen)))
    assert flatness(fair, 0.2).is_flat()
    assert flatness(fair, 0.2).dispersion == pytest.approx(1.0, abs=0.15)
    bent = replace(fair, seen=np.where(np.arange(len(grid.seen)) == 7, 290, fair.seen))
    assert not flatness(bent, 0.2).is_flat()
    each = np.where(np.arange(len(grid.seen)) == 7, 0.29, 0.2)
    assert flatness(bent, each).is_flat()


def test_the_looks_of_a_zigzag_without_chance_are_those_of_many_draws() -> None:
    grid = drawn(WEDGE, "zigzag", draws=400)
    points, looks = zigzag_evenness(WEDGE, grid.design, SPACING_M)
    west, east = points[:, 0] < 0, grid.points[:, 0] < 0
    for part, of_grid in ((west, east), (~west, ~east)):
        assert looks[part].mean() == pytest.approx(grid.looks[of_grid].mean(), rel=0.04)


def test_a_bias_is_what_coverage_and_animals_do_together() -> None:
    x, y = np.meshgrid(np.arange(50.0, 1000, 100), np.arange(50.0, 500, 100))
    points = np.column_stack([x.ravel(), y.ravel()])
    box = shapely.box(0, 0, 1000, 500)
    assert biases(points, np.ones(len(points)), box, 0.0) == pytest.approx({ALONG: 0.0, ACROSS: 0.0, CORE: 0.0})
    # Looks and animals both rise from 0 to twice their means in ten steps: mean(x²)/mean(x)² - 1.
    rising = (points[:, 0] - 50) / 900
    expected = float((rising**2).mean() / rising.mean() ** 2 - 1)
    found = biases(points, rising, box, 0.0)
    assert found[ALONG] == pytest.approx(expected)
    assert found[ACROSS] == pytest.approx(0.0, abs=1e-12)
    # Turned by 90° the axis runs north.
    assert biases(points, rising, box, 90.0)[ACROSS] == pytest.approx(expected)


def test_a_zigzag_says_with_a_number_what_its_unevenness_does_and_on_a_rectangle_it_has_nothing_to_say() -> None:
    def asked(bounds: str) -> DesignRequest:
        return DesignRequest(kind="zigzag", spacing_m=SPACING_M, heading_deg=0.0, bounds=bounds)

    uneven = resolve_design(area_of(WEDGE), asked(HULL), strip_width_m=WIDTH_M)
    text = zigzag_warning(uneven, "all", WEDGE)
    assert text is not None
    assert "times the mean" in text
    assert "% off" in text
    # The wedge is narrow in the west and seen more often there.
    points, looks = zigzag_evenness(WEDGE, uneven, SPACING_M)
    assert biases(points, looks, WEDGE, 0.0)[ALONG] < -0.01
    even = resolve_design(area_of(L_SHAPE), asked(RECTANGLE), strip_width_m=20.0)
    assert zigzag_warning(even, "all", L_SHAPE) is None


def test_a_plan_of_a_zigzag_has_the_warning() -> None:
    request = PlanRequest(
        camera=camera_named("overfly-demo"), altitude_agl_m=80.0, kind="zigzag", spacing_m=500.0, heading_deg=0.0
    )
    warnings = plan_survey(area_of(WEDGE), request).warnings
    assert any("does not see every place alike" in w for w in warnings)
