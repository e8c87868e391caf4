"""What lines see, what they cannot, and in which direction they should run."""

import numpy as np
import pytest
import shapely

from flightplan.coverage import baseline, best_heading, fill_gaps, lines_across, long_axis_heading, out_of_reach
from flightplan.legs import lines_on_legs, out_of_zigzags_reach, zigzag_legs

PARK = shapely.box(-1000, -500, 1000, 500)
EVERYWHERE = PARK.buffer(500)


def test_a_baseline_is_measured_across_the_lines_without_its_gaps() -> None:
    two = shapely.MultiPolygon([shapely.box(0, 0, 100, 50), shapely.box(300, 0, 450, 50)])
    assert baseline(two, 0.0) == pytest.approx((0.0, 450.0, 250.0))
    start, end, filled = baseline(two, 90.0)
    assert (end - start, filled) == pytest.approx((50.0, 50.0))


def test_a_line_runs_along_its_heading_and_sees_its_strip() -> None:
    (line,) = lines_across(PARK, 0.0, [100.0], 80.0, EVERYWHERE, bridge_m=0.0)
    assert line.segments == pytest.approx(np.array([[[100, -500], [100, 500]]]))
    assert line.strip_area_m2 == pytest.approx(80_000)
    (turned,) = lines_across(PARK, 90.0, [-100.0], 80.0, EVERYWHERE, bridge_m=0.0)
    assert turned.segments == pytest.approx(np.array([[[-1000, 100], [1000, 100]]]), abs=1e-9)


def test_a_line_beside_the_area_is_flown_for_what_its_strip_holds() -> None:
    (line,) = lines_across(PARK, 0.0, [1030.0], 80.0, EVERYWHERE, bridge_m=0.0)
    assert line.strip_area_m2 == pytest.approx(10 * 1000)
    assert lines_across(PARK, 0.0, [1050.0], 80.0, EVERYWHERE, bridge_m=0.0) == []


def test_at_a_slanting_border_a_line_goes_on_until_its_strip_has_seen_the_corner() -> None:
    triangle = shapely.Polygon([(0, 0), (1000, 0), (0, 1000)])
    (line,) = lines_across(triangle, 0.0, [300.0], 100.0, triangle.buffer(200), bridge_m=0.0)
    assert line.segments[0, 1] == pytest.approx((300, 750))
    assert line.strip_area_m2 == pytest.approx(100 * 700)


def test_pieces_close_together_are_flown_as_one() -> None:
    notched = PARK.difference(shapely.box(-1000, -20, 1000, 20))
    apart = lines_across(notched, 0.0, [0.0], 80.0, EVERYWHERE, bridge_m=30.0)[0]
    joined = lines_across(notched, 0.0, [0.0], 80.0, EVERYWHERE, bridge_m=50.0)[0]
    assert (len(apart.segments), len(joined.segments)) == (2, 1)
    assert apart.strip_area_m2 == joined.strip_area_m2 == pytest.approx(80 * 960)


def test_lines_of_full_coverage_are_joined_by_some_alongside_an_exclusion() -> None:
    # Lines 90 m apart; the ones at -90 and 90 would pass within the exclusion's buffer and are not flown there.
    room = EVERYWHERE.difference(shapely.box(-100, -200, 100, 200))
    park = PARK.difference(shapely.box(-90, -190, 90, 190))
    lines = lines_across(park, 0.0, np.arange(-990, 1000, 90.0), 100.0, room, bridge_m=0.0)
    further = fill_gaps(park, 0.0, lines, 100.0, room)
    strips = [shapely.LineString(s).buffer(50, cap_style="flat") for line in [*lines, *further] for s in line.segments]
    left = park.difference(shapely.union_all(strips))
    assert park.difference(shapely.union_all(strips[: -len(further)])).area > left.area + 4000
    # Only what lies behind the exclusion's ends, in its buffer and out of reach, is left.
    assert left.difference(out_of_reach(park, 0.0, 100.0, room)).area < 500
    assert all(shapely.LineString(s).within(room.buffer(0.01)) for line in further for s in line.segments)


def test_ground_that_no_legal_line_can_see_is_found_exactly() -> None:
    # A square exclusion of 200 m with 50 m kept from it; a strip reaches 30 m to each side of its line.
    room = EVERYWHERE.difference(shapely.box(-150, -150, 150, 150))
    missed = out_of_reach(PARK.difference(shapely.box(-100, -100, 100, 100)), 0.0, 60.0, room)
    assert missed.equals(shapely.box(-120, -150, 120, 150).difference(shapely.box(-100, -100, 100, 100)))


def test_ground_out_of_reach_agrees_with_laying_every_line() -> None:
    room = EVERYWHERE.difference(shapely.Point(100, 50).buffer(180))
    park = PARK.difference(shapely.Point(100, 50).buffer(150))
    missed = out_of_reach(park, 33.0, 60.0, room)
    start, end, _ = baseline(park, 33.0)
    lines = lines_across(park, 33.0, np.arange(start - 30, end + 30, 1.0), 60.0, room, bridge_m=0.0)
    strips = [shapely.LineString(s).buffer(30, cap_style="flat") for line in lines for s in line.segments]
    by_lines = park.difference(shapely.union_all(strips))
    assert missed.symmetric_difference(by_lines).area < 0.05 * missed.area
    assert missed.area > 1000


def test_the_best_heading_of_a_long_area_is_along_it() -> None:
    turned = shapely.affinity.rotate(PARK, 30)  # counterclockwise: its long side now points to 60° from north
    assert best_heading(turned, 40.0) == pytest.approx(60, abs=0.01)
    assert long_axis_heading(turned) == pytest.approx(60, abs=0.01)


def test_the_best_heading_of_a_comb_is_along_its_teeth() -> None:
    comb = shapely.union_all(
        [shapely.box(0, 0, 900, 100), *(shapely.box(x, 100, x + 100, 900) for x in range(0, 900, 200))]
    )
    assert best_heading(comb, 20.0) == pytest.approx(0, abs=0.01)


def test_ground_that_no_leg_of_a_zigzag_sees_is_what_many_zigzags_leave() -> None:
    room = EVERYWHERE.difference(shapely.box(-200, -150, 200, 150))
    park = PARK.difference(shapely.box(-100, -100, 100, 100))
    left = out_of_zigzags_reach(park, 0.0, 300.0, 60.0, "hull", room)
    rng = np.random.default_rng([3])
    seen = shapely.MultiPolygon()
    for start_m in rng.uniform(0, 600, 150):
        lines = lines_on_legs(
            park, zigzag_legs(park, 0.0, 300.0, float(start_m), "hull", 60.0), 60.0, room, bridge_m=60.0
        )
        legs = shapely.linestrings(np.concatenate([line.segments for line in lines]))
        seen = seen.union(shapely.union_all(shapely.buffer(legs, 30.0, cap_style="flat")))
    # Within a hand's breadth of the strips' edges, and in the corners, 150 draws do not settle it.
    assert left.area > 30_000
    assert left.buffer(-4).intersection(seen).area < 0.01 * left.area
    assert park.difference(seen).buffer(-4).difference(left).area < 0.01 * left.area
    assert left.distance(shapely.box(-100, -100, 100, 100)) < 0.01
    # Where a leg may be flown everywhere, none of the ground is out of reach.
    assert out_of_zigzags_reach(PARK, 0.0, 300.0, 60.0, "hull", EVERYWHERE).is_empty
