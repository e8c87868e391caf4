"""Batteries: what a leg costs, and where a flight ends."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import shapely

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.design import FULL, draw_design, resolve_design
from flightplan.drones import drone_library, drone_named
from flightplan.errors import PlanError
from flightplan.frames import LocalFrame
from flightplan.mission import Command, Frame
from flightplan.mission_builder import MAX_FENCE_POINTS, mission_path
from flightplan.ordering import order_runs
from flightplan.paths import Airspace
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import DesignRequest, PlanRequest

FRAME = LocalFrame(34.83, -2.33)
CAMERA = camera_named("overfly-demo")


def study_area(
    land: shapely.Polygon, *exclusions: shapely.Polygon, launch: tuple[float, float] | None = None
) -> StudyArea:
    sites = ()
    if launch is not None:
        ((longitude, latitude),) = FRAME.to_lonlat([launch])
        sites = (LaunchSite("camp", float(longitude), float(latitude)),)
    return StudyArea(
        "test", (Stratum("all", FRAME.delocalise(land)),), tuple(FRAME.delocalise(e) for e in exclusions), sites
    )


PARK = study_area(shapely.box(-2000, -1000, 2000, 1000), shapely.box(500, -300, 900, 300), launch=(-1900, 0))


def plan(area: StudyArea = PARK, **asked: object) -> SurveyPlan:
    settings = {"altitude_agl_m": 80.0, "spacing_m": 300.0, "heading_deg": 0.0, "drone": "overfly-demo", **asked}
    return plan_survey(area, PlanRequest(camera=CAMERA, **settings))  # type: ignore[arg-type]


def test_a_multirotor_stops_at_each_corner() -> None:
    drone = replace(drone_named("overfly-demo"), acceleration_mps2=2.5)
    long_s, short_s = drone.leg_seconds([1000.0, 10.0], 10.0)
    assert long_s == pytest.approx(1000 / 10 + 10 / 2.5)
    assert short_s == pytest.approx(2 * np.sqrt(10 / 2.5))


def test_every_drone_says_where_its_figures_are_from_and_flies_about_as_long_as_stated() -> None:
    endurance_min = {"DJI Phantom 4 Pro V2.0": 30, "DJI Mavic 3 Enterprise": 45, "WingtraOne GEN II": 59}
    for drone in drone_library():
        assert len(drone.source) > 20
        assert 0 < drone.budget_wh < drone.battery_wh
    for name, minutes in endurance_min.items():
        drone = drone_named(name)
        assert drone.battery_wh / drone.cruise_power_w * 60 == pytest.approx(minutes, rel=0.02)


def test_an_unknown_drone_is_refused_with_those_near_it() -> None:
    with pytest.raises(PlanError, match=r"no drone named 'mavic 3'.*DJI Mavic 3 Enterprise"):
        drone_named("mavic 3")


def test_every_sortie_fits_its_battery_and_every_transect_is_flown_once() -> None:
    small = replace(drone_named("overfly-demo"), battery_wh=75.0)
    result = plan(drone=small)
    assert len(result.sorties) > 2
    assert all(0 < s.energy_share <= 1 - small.reserve_share for s in result.sorties)
    flown = [t for s in result.sorties for t in s.transects]
    assert sorted(flown) == sorted(t.identifier for s in result.strata for t in s.transects)


def test_energy_counts_the_way_out_and_home_the_climb_and_the_wind() -> None:
    drone = drone_named("overfly-demo")
    area = study_area(shapely.box(-60, -500, 60, 500), launch=(0, -500))
    (sortie,) = plan(area, spacing_m=110.0, wind_share=0.5, speed_mps=12.0, seed=4).sorties
    path = area.frame.to_local(mission_path(sortie.mission))
    legs = np.hypot(*np.diff(path, axis=0).T)
    level_s = drone.leg_seconds(legs[legs > 0.01], 12.0).sum()
    up_s, down_s = 80 / drone.climb_mps, 80 / drone.descent_mps + 10
    energy_wh = (160 * level_s + 1.3 * 160 * up_s + 160 * down_s) / 3600 * 1.5
    assert sortie.duration_s == pytest.approx(level_s + up_s + down_s, rel=1e-3)
    assert sortie.energy_share == pytest.approx(energy_wh / drone.battery_wh, rel=1e-3)


def test_a_line_longer_than_a_battery_is_flown_in_equal_pieces_and_stays_one_transect() -> None:
    area = study_area(shapely.box(-300, -9000, 300, 9000))
    result = plan(area, spacing_m=400.0)
    (transect, *_) = result.strata[0].transects
    assert len(transect.segments) == 1
    parts = [s for s in result.sorties if transect.identifier in s.transects]
    assert len(parts) > 1
    flown_m = sum(
        np.hypot(*np.diff(area.frame.to_local(leg), axis=0)[0])
        for s in parts
        for leg in effort_legs(s.mission.items, transect.identifier)
    )
    assert flown_m == pytest.approx(transect.length_m, rel=1e-6)


def test_a_launch_site_too_far_away_is_refused_with_the_figures() -> None:
    area = study_area(shapely.box(-100, -15_000, 100, 15_000), launch=(0, -15_000))
    with pytest.raises(PlanError, match=r"overfly-demo cannot reach transect all-0.*76 Wh"):
        plan(area, spacing_m=150.0)


def test_a_part_without_a_launch_site_is_refused() -> None:
    two = shapely.MultiPolygon([shapely.box(-2000, -500, -500, 500), shapely.box(500, -500, 2000, 500)])
    with pytest.raises(PlanError, match="no launch site has a legal way"):
        plan(study_area(two, launch=(-1000, 0)))
    without = plan(study_area(two))
    assert any("no launch site was given" in w for w in without.warnings)
    assert without.metres_outside == 0.0


def effort_legs(items: tuple[object, ...], transect: str) -> list[list[tuple[float, float]]]:
    """The (longitude, latitude) ends of every leg with the trigger on."""
    legs, here, on = [], None, False
    for item in items:
        if item.command == Command.DO_SET_CAM_TRIGG_DIST:
            on = item.params[0] > 0
        if item.longitude_deg is not None:
            point = (item.longitude_deg, item.latitude_deg)
            if on and item.transect == transect:
                legs.append([here, point])
            here = point
    return legs


def test_a_mission_takes_off_triggers_on_its_lines_only_and_comes_home_before_it_returns() -> None:
    result = plan(speed_mps=11.0)
    for sortie in result.sorties:
        items = sortie.mission.items
        assert items[0].command == Command.NAV_TAKEOFF
        assert items[0].altitude_m == 80.0
        assert items[1].command == Command.DO_CHANGE_SPEED
        speeds = [i.params for i in items if i.command == Command.DO_CHANGE_SPEED]
        assert speeds == [(1.0, 12.0, -1.0, 0.0), (1.0, 11.0, -1.0, 0.0), (1.0, 12.0, -1.0, 0.0)]
        assert items[-1].command == Command.NAV_RETURN_TO_LAUNCH
        assert (items[-2].longitude_deg, items[-2].latitude_deg) == sortie.mission.home
        assert {i.frame for i in items if i.longitude_deg is not None} == {Frame.GLOBAL_RELATIVE_ALT}
        for before, item, after in zip(items, items[1:], items[2:], strict=False):
            if item.command == Command.DO_SET_CAM_TRIGG_DIST and item.params[0] > 0:
                assert before.command in (Command.NAV_WAYPOINT, Command.DO_CHANGE_SPEED)
                assert after.command == Command.NAV_WAYPOINT
                assert item.params == (pytest.approx(72 * 0.8, rel=1e-3), 0.0, 1.0, 0.0)
                assert item.transect == after.transect
                assert before.transect is None
    transects = {t.identifier: t for s in result.strata for t in s.transects}
    for name, transect in transects.items():
        legs = [leg for s in result.sorties for leg in effort_legs(s.mission.items, name)]
        flown, asked = (np.array(sorted(sorted(ends) for ends in e)) for e in (legs, transect.segments))
        assert flown == pytest.approx(asked, abs=1e-10)


def test_the_fence_holds_what_is_flown_and_keeps_out_of_exclusions() -> None:
    result = plan()
    (village,) = result.area.exclusions
    for sortie in result.sorties:
        inclusion = [shapely.Polygon(f.ring) for f in sortie.mission.fence if f.inclusion]
        kept_out = [shapely.Polygon(f.ring) for f in sortie.mission.fence if not f.inclusion]
        flown = shapely.LineString(mission_path(sortie.mission))
        assert len(inclusion) == len(kept_out) == 1
        assert inclusion[0].covers(flown)
        assert kept_out[0].covers(village)
        assert kept_out[0].disjoint(flown)
        assert sum(len(f.ring) for f in sortie.mission.fence) <= MAX_FENCE_POINTS


def test_a_fence_stays_within_what_a_board_holds(shared_data) -> None:  # type: ignore[no-untyped-def]
    from flightplan.areas import read_area

    area = read_area(shared_data / "areas" / "cz_thayatal_multipolygon3.geojson")
    for sortie in plan(area, spacing_m=800.0).sorties:
        assert 3 < sum(len(f.ring) for f in sortie.mission.fence) <= MAX_FENCE_POINTS
        flown = shapely.LineString(mission_path(sortie.mission))
        assert shapely.Polygon(sortie.mission.fence[0].ring).covers(flown)


def test_an_island_inside_an_excluded_lake_is_flown_and_not_fenced_off() -> None:
    lake = shapely.box(-800, -800, 800, 800).difference(shapely.box(-300, -300, 300, 300))
    area = study_area(shapely.box(-2000, -2000, 2000, 2000).difference(lake), lake)
    result = plan(area, spacing_m=400.0)
    assert result.metres_outside == 0.0
    flown_over = [shapely.LineString(mission_path(s.mission)) for s in result.sorties]
    island = area.frame.delocalise(shapely.box(-300, -300, 300, 300))
    assert any(path.within(island.buffer(0.001)) for path in flown_over)
    for sortie, path in zip(result.sorties, flown_over, strict=True):
        for fence in sortie.mission.fence:
            ring = shapely.Polygon(fence.ring)
            assert ring.covers(path) if fence.inclusion else ring.disjoint(path)


def test_full_coverage_flies_around_a_hole_cell_by_cell() -> None:
    """Detours around a hole at each of its lines would cost hundreds of metres a line."""
    area = study_area(shapely.box(-1500, -1000, 1500, 1000), shapely.box(-800, -400, 800, 400))
    design = resolve_design(area, DesignRequest(kind=FULL, spacing_m=60, heading_deg=0), strip_width_m=90)
    air = Airspace.over(area, allowance_m=60, buffer_m=15)
    (runs,) = order_runs(area, design, draw_design(area, design, air), air)
    ways = [air.route(a.ends[1], b.ends[0]) for a, b in pairwise(runs)]
    detours = sum(np.hypot(*np.diff(w, axis=0).T).sum() > 500 for w in ways)
    assert len(runs) == 50 + 28
    assert detours <= 4
