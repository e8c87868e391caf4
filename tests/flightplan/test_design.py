"""Designs: where lines lie, what their strips see, with what probability."""

import math
from itertools import pairwise

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flightplan.areas import Stratum, StudyArea
from flightplan.design import FULL, RANDOM, SYSTEMATIC, StratumDesign, design_survey, resolve_design
from flightplan.errors import DesignError
from flightplan.frames import LocalFrame
from flightplan.request import DesignRequest

GEOD = pyproj.Geod(ellps="WGS84")
L_SHAPE = [(-1500, -900), (1500, -900), (1500, 0), (200, 0), (200, 900), (-1500, 900)]
VILLAGE = [(-900, -500), (-500, -520), (-450, -150), (-800, -100)]


def area_at(
    latitude_deg: float, *rings: list[tuple[float, float]], holes: tuple[list[tuple[float, float]], ...] = ()
) -> StudyArea:
    frame = LocalFrame(34.83, latitude_deg)
    strata = tuple(
        Stratum(f"s{i}", frame.delocalise(shapely.Polygon(ring, holes if i == 0 else ())))
        for i, ring in enumerate(rings)
    )
    return StudyArea("test", strata, tuple(frame.delocalise(shapely.Polygon(h)) for h in holes))


def local_segments(area: StudyArea, design: StratumDesign) -> list[np.ndarray]:
    return [area.frame.to_local(np.asarray(t.segments).reshape(-1, 2)).reshape(-1, 2, 2) for t in design.transects]


@pytest.mark.parametrize("latitude_deg", [0.0, -24.0, 52.0, 75.0])
@pytest.mark.parametrize("spacing_m", [60.0, 500.0])
def test_spacing_delivered_is_the_spacing_asked_for_on_the_ground(latitude_deg: float, spacing_m: float) -> None:
    area = area_at(latitude_deg, [(-6000, -6000), (6000, -6000), (6000, 6000), (-6000, 6000)])
    (design,) = design_survey(area, DesignRequest(spacing_m=spacing_m, heading_deg=30, seed=5), strip_width_m=40)
    lines = [np.asarray(t.segments[0]) for t in design.transects]
    delivered = []
    for line, following in pairwise(lines):
        # A frame around the middle of a line sees the next one as straight as a geodesic; the foot of the perpendicular
        # on it is then measured on the ellipsoid.
        (length,) = np.atleast_1d(GEOD.line_length(*line.T))
        azimuth, _, _ = GEOD.inv(*line[0], *line[1])
        longitude, latitude, _ = GEOD.fwd(*line[0], azimuth, length / 2)
        frame = LocalFrame(longitude, latitude)
        start, end = frame.to_local(following)
        along = (end - start) / np.hypot(*(end - start))
        foot = frame.to_lonlat(start - (start @ along) * along)[0]
        delivered.append(GEOD.inv(longitude, latitude, *foot)[2])
    assert len(delivered) > 20
    assert np.abs(np.array(delivered) - spacing_m).max() < max(spacing_m * 2e-4, 0.01)


def test_the_same_seed_draws_the_same_lines_and_another_one_others() -> None:
    area = area_at(-2.33, L_SHAPE)
    first = design_survey(area, DesignRequest(spacing_m=300, heading_deg=0, seed=7), strip_width_m=96)
    assert first == design_survey(area, DesignRequest(spacing_m=300, heading_deg=0, seed=7), strip_width_m=96)
    assert first != design_survey(area, DesignRequest(spacing_m=300, heading_deg=0, seed=8), strip_width_m=96)


def test_reordering_strata_moves_no_line() -> None:
    area = area_at(
        -2.33, [(-900, 0), (900, 0), (900, 900), (-900, 900)], [(-900, -900), (900, -900), (900, 0), (-900, 0)]
    )
    turned = StudyArea(area.name, area.strata[::-1])
    drawn = design_survey(area, DesignRequest(spacing_m=300, heading_deg=0, seed=3), strip_width_m=50)
    again = design_survey(turned, DesignRequest(spacing_m=300, heading_deg=0, seed=3), strip_width_m=50)
    assert drawn == again[::-1]


def test_a_hole_cuts_a_transect_into_segments_and_it_stays_one_sampling_unit() -> None:
    area = area_at(-2.33, L_SHAPE, holes=(VILLAGE,))
    (design,) = design_survey(area, DesignRequest(spacing_m=100, heading_deg=0, seed=1), strip_width_m=40)
    (village,) = shapely.get_parts(area.local_exclusions)
    west, _, east, _ = village.bounds
    for transect, segments in zip(design.transects, local_segments(area, design), strict=True):
        x = segments[0, 0, 0]
        assert len(segments) == (2 if west < x < east else 1), transect.identifier
        assert all(not shapely.LineString(s).intersects(village) for s in segments)
    assert [t.position for t in design.transects] == list(range(1, len(design.transects) + 1))
    offsets = [s[0, 0, 0] for s in local_segments(area, design)]
    assert offsets == sorted(offsets)


def test_strip_area_is_the_part_of_the_strip_inside_the_stratum() -> None:
    area = area_at(-2.33, L_SHAPE, holes=(VILLAGE,))
    (design,) = design_survey(area, DesignRequest(spacing_m=300, heading_deg=20, seed=2), strip_width_m=96)
    for transect, segments in zip(design.transects, local_segments(area, design), strict=True):
        strip = shapely.union_all([shapely.LineString(s).buffer(48, cap_style="flat") for s in segments])
        assert transect.strip_area_m2 == pytest.approx(strip.intersection(area.local_strata[0]).area, rel=1e-4)
        assert transect.length_m == pytest.approx(sum(shapely.LineString(s).length for s in segments), rel=1e-6)


def test_possible_transects_are_the_baseline_over_the_strip() -> None:
    area = area_at(0.0, [(-2000, -500), (2000, -500), (2000, 500), (-2000, 500)])
    (design,) = design_survey(area, DesignRequest(spacing_m=400, heading_deg=0, seed=1), strip_width_m=100)
    assert design.baseline_m == pytest.approx(4000, rel=1e-5)
    assert design.possible_transects == pytest.approx(40, rel=1e-5)
    assert design.area_m2 == pytest.approx(4e6, rel=1e-5)


@pytest.mark.parametrize("kind", [SYSTEMATIC, RANDOM])
def test_a_random_draw_sees_every_point_with_the_same_probability(kind: str) -> None:
    """Strip width over spacing everywhere, edges and the ground beside a concavity included."""
    area = area_at(-2.33, L_SHAPE)
    stratum = area.local_strata[0]
    east, north = np.meshgrid(np.arange(-1475, 1500, 50.0), np.arange(-875, 900, 50.0))
    points = np.column_stack([east.ravel(), north.ravel()])
    points = points[shapely.contains_xy(stratum, points)]
    rounds, seen = 400, np.zeros(len(points))
    for seed in range(rounds):
        (design,) = design_survey(
            area, DesignRequest(kind=kind, spacing_m=384, heading_deg=25, seed=seed), strip_width_m=96
        )
        for segments in local_segments(area, design):
            for start, end in segments:
                along = (end - start) / np.hypot(*(end - start))
                offset = points - start
                s, t = offset @ along, offset @ np.array([along[1], -along[0]])
                seen += (np.abs(t) <= 48) & (s >= 0) & (s <= np.hypot(*(end - start)))
    probability = seen / rounds
    se = math.sqrt(0.25 * 0.75 / rounds)
    assert abs(probability.mean() - 0.25) < 0.005
    # A cell is a binomial share: none should leave five standard errors, and the spread should be theirs.
    assert np.abs(probability - 0.25).max() < 5 * se
    assert probability.std() < 1.3 * se


def test_random_lines_never_overlap_and_do_not_keep_a_distance() -> None:
    area = area_at(-2.33, L_SHAPE)
    gaps = []
    for seed in range(30):
        (design,) = design_survey(
            area, DesignRequest(kind=RANDOM, spacing_m=240, heading_deg=0, seed=seed), strip_width_m=60
        )
        offsets = np.array([s[0, 0, 0] for s in local_segments(area, design)])
        gaps += np.diff(offsets).tolist()
    assert min(gaps) >= 60 - 1e-6
    assert min(gaps) < 61
    assert max(gaps) > 700


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), heading_deg=st.floats(0, 360), fraction=st.floats(0.05, 0.9))
def test_the_strips_see_the_fraction_asked_for_on_average_and_never_overlap(
    seed: int, heading_deg: float, fraction: float
) -> None:
    area = area_at(-2.33, L_SHAPE)
    (design,) = design_survey(
        area, DesignRequest(sampling_fraction=fraction, heading_deg=heading_deg, seed=seed), strip_width_m=60
    )
    strips = [
        shapely.union_all([shapely.LineString(s).buffer(29.99, cap_style="flat") for s in segments])
        for segments in local_segments(area, design)
    ]
    assert all(a.disjoint(b) for a, b in pairwise(strips))
    seen = sum(t.strip_area_m2 for t in design.transects) / design.area_m2
    assert abs(seen - fraction) < 60 * 3600 / design.area_m2 + 0.02


@pytest.mark.parametrize("heading_deg", [0.0, 37.0, 90.0, 141.0])
def test_full_coverage_leaves_nothing_out(heading_deg: float) -> None:
    area = area_at(-2.33, L_SHAPE)
    (design,) = design_survey(area, DesignRequest(kind=FULL, spacing_m=63, heading_deg=heading_deg), strip_width_m=90)
    strips = [
        shapely.LineString(s).buffer(45, cap_style="flat")
        for segments in local_segments(area, design)
        for s in segments
    ]
    missed = area.local_strata[0].difference(shapely.union_all(strips))
    assert missed.area < 1.0


def test_no_start_drops_below_the_lines_asked_for() -> None:
    area = area_at(
        -2.33, [(-900, 0), (900, 0), (900, 900), (-900, 900)], [(-700, -900), (700, -900), (700, 0), (-700, 0)]
    )
    for seed in range(30):
        for design in design_survey(area, DesignRequest(min_lines=12, heading_deg=0, seed=seed), strip_width_m=20):
            assert len(design.transects) >= 12


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"kind": "spiral", "spacing_m": 100}, "no design called 'spiral'"),
        ({}, "say one of spacing"),
        ({"spacing_m": 100, "min_lines": 5}, "say one of spacing"),
        ({"spacing_m": -5}, "spacing of -5 m"),
        ({"spacing_m": math.nan}, "spacing of nan m"),
        ({"spacing_m": 0.001, "strip_width_m": 0.0005}, "limit is"),
        ({"spacing_m": 30}, "overlap"),
        ({"kind": FULL, "spacing_m": 100}, "leave gaps"),
        ({"sampling_fraction": 1.5}, "not between 0 and 1"),
        ({"min_lines": 0}, "one line or more"),
        ({"spacing_m": 100, "strip_width_m": 0}, "sees nothing"),
        ({"spacing_m": 100, "heading_deg": math.inf}, "heading is not a number"),
    ],
)
def test_a_design_that_cannot_be_drawn_is_refused_with_the_reason(asked: dict[str, object], words: str) -> None:
    area = area_at(-2.33, L_SHAPE)
    width_m: float = asked.pop("strip_width_m", 50)  # type: ignore[assignment]
    with pytest.raises(DesignError, match=words):
        design_survey(area, DesignRequest(**asked), strip_width_m=width_m)  # type: ignore[arg-type]


def test_lines_of_a_sample_run_across_the_long_axis_by_default() -> None:
    area = area_at(0.0, [(-3000, -500), (3000, -500), (3000, 500), (-3000, 500)])
    assert resolve_design(
        area, DesignRequest(kind=SYSTEMATIC, spacing_m=200), strip_width_m=50
    ).heading_deg == pytest.approx(0, abs=0.1)
    heading_deg = resolve_design(area, DesignRequest(kind=FULL, spacing_m=50), strip_width_m=50).heading_deg
    assert heading_deg == pytest.approx(90, abs=0.1)
