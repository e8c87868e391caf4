"""What hills leave of overlap and pixel, what they hide, how high to come home, and the ground kept with a plan."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pyproj
import pytest
import rasterio
import shapely

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.drones import drone_named
from flightplan.errors import PlanError, TerrainError
from flightplan.frames import Floats, HeightDatum, LocalFrame
from flightplan.ground import ground_under, height_over_ground, return_height_m
from flightplan.mission import Command
from flightplan.mission_builder import mission_path
from flightplan.operations import Operations
from flightplan.plan import SurveyPlan
from flightplan.plan_files import load_plan, save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.terrain import Terrain
from flightplan.vehicle.checks import Status
from flightplan.vehicle.link import Link
from flightplan.vehicle.readiness import check_ground
from flightplan.vehicle.setup import FlightSetup
from flightplan.visibility import line_of_sight

FRAME = LocalFrame(34.83, -2.33)
CELL_DEG = 0.0002
CAMERA = camera_named("overfly-demo")


def ground(height_of: object) -> Terrain:
    """A model of 22 m cells around the frame's middle, its heights a function of metres east and north."""
    columns, rows = np.meshgrid(np.arange(240), np.arange(240))
    longitude, latitude = 34.806 + (columns + 0.5) * CELL_DEG, -2.306 - (rows + 0.5) * CELL_DEG
    local = FRAME.to_local(np.column_stack([longitude.ravel(), latitude.ravel()]))
    heights = height_of(local[:, 0], local[:, 1]).reshape(rows.shape)  # type: ignore[operator]
    return Terrain(
        grid_m=heights,
        crs=pyproj.CRS.from_epsg(4326),
        transform=(CELL_DEG, 0.0, 34.806, 0.0, -CELL_DEG, -2.306),
        datum=HeightDatum.MEAN_SEA_LEVEL,
        source="made/for/this test.tif",
    )


def ridge(east: Floats, north: Floats) -> Floats:
    """A ridge 120 m high along the east-west axis, half a kilometre wide."""
    return 1500 + 120 * np.exp(-((north / 250) ** 2))


def slope_of(rise: float) -> object:
    return lambda east, north: 1500 + rise * east


def area(width_m: float = 2400.0, launch: tuple[float, float] | None = (0.0, -1200.0)) -> StudyArea:
    half = width_m / 2
    sites = ()
    if launch is not None:
        ((longitude, latitude),) = FRAME.to_lonlat([launch])
        sites = (LaunchSite("camp", float(longitude), float(latitude)),)
    land = FRAME.delocalise(shapely.box(-half, -1200, half, 1200))
    return StudyArea("hills", (Stratum("all", land),), (), sites)


def plan(terrain: Terrain, park: StudyArea | None = None, **asked: object) -> SurveyPlan:
    settings = {
        "altitude_agl_m": 80.0,
        "heading_deg": 0.0,
        "drone": "DJI Matrice 350 RTK",
        "speed_mps": 8.0,
        **({} if "side_overlap" in asked else {"spacing_m": 600.0}),
        **asked,
    }
    park = park or area()
    return plan_survey(park, PlanRequest(camera=CAMERA, terrain=terrain, **settings))  # type: ignore[arg-type]


def test_over_a_slope_across_the_lines_overlaps_shrink_on_the_uphill_side_and_grow_on_the_other() -> None:
    """On ground that rises 0.15 across a strip 96 m wide, its upper edge is 7.2 m nearer: checked in closed form."""
    result = plan(ground(slope_of(0.15)), area(900.0), side_overlap=0.6, front_overlap=0.5, height_tolerance_m=0.5)
    got = result.delivered
    assert got is not None
    assert got.lowest_agl_m == pytest.approx(80 - 0.15 * 48, abs=0.8)
    assert got.highest_agl_m == pytest.approx(80 + 0.15 * 48, abs=0.8)
    assert got.front_overlap == pytest.approx(1 - 0.5 * 80 / got.lowest_agl_m)
    assert got.side_overlap is not None
    assert got.side_overlap == pytest.approx(1 - result.design.spacing_m / (96 * got.lowest_agl_m / 80))
    assert got.finest_gsd_cm == pytest.approx(12 * got.lowest_agl_m / 80)


def test_overlap_asked_as_advised_is_then_delivered() -> None:
    """The advice in the warning, followed, gives what was asked for at the highest ground."""
    steep = ground(slope_of(0.3))
    first = plan(steep, area(900.0), side_overlap=0.6, front_overlap=0.5, height_tolerance_m=0.5)
    assert first.delivered is not None
    advised = 1 - 0.5**2 / (1 - first.delivered.front_overlap)
    assert any(f"; {advised:.0%} would give it" in w for w in first.warnings if "front overlap is" in w)
    second = plan(steep, area(900.0), side_overlap=0.6, front_overlap=advised, height_tolerance_m=0.5)
    assert second.delivered is not None
    assert second.delivered.front_overlap == pytest.approx(0.5, abs=0.01)


def test_full_coverage_with_gaps_on_high_ground_is_refused_unless_they_are_accepted() -> None:
    steep = ground(slope_of(0.5))
    with pytest.raises(PlanError, match=r"front overlap is -.*full coverage would have gaps.*Ask for \d+%"):
        plan(steep, area(900.0), side_overlap=0.6, front_overlap=0.1)
    accepted = plan(steep, area(900.0), side_overlap=0.6, front_overlap=0.1, operations=Operations(accept_gaps=True))
    assert any("there are gaps between frames" in w for w in accepted.warnings)


def test_a_sample_with_gaps_between_frames_is_planned_and_says_so() -> None:
    result = plan(ground(slope_of(0.5)), front_overlap=0.1)
    assert any("there are gaps between frames" in w for w in result.warnings)
    assert result.delivered is not None
    assert result.delivered.side_overlap is None


def test_ground_that_rises_above_the_aircraft_within_its_strip_is_refused() -> None:
    park = area(500.0)
    level = plan(ground(lambda east, north: np.full_like(east, 1500.0)), park, spacing_m=520.0)
    line_east_m = float(FRAME.to_local([level.strata[0].transects[0].segments[0][0]])[0, 0])
    # A wall 100 m high beside the line, which flies 80 m above the ground under it.
    walled = ground(lambda east, north: np.where(np.abs(east - line_east_m - 45) < 25, 1600.0, 1500.0))
    with pytest.raises(PlanError, match=r"rises \d+ m above the aircraft, within its strip"):
        plan(walled, park, spacing_m=520.0)


def test_level_ground_delivers_what_was_asked() -> None:
    result = plan(
        ground(lambda east, north: np.full_like(east, 1200.0)), area(900.0), side_overlap=0.6, front_overlap=0.5
    )
    assert result.delivered is not None
    assert result.delivered.front_overlap == pytest.approx(0.5)
    assert result.delivered.side_overlap == pytest.approx(0.6)
    assert not any("overlap" in w or "hides" in w for w in result.warnings)


def rays_home_m(result: SurveyPlan, terrain: Terrain) -> float:
    """The highest ground on straight ways home from every 20 m of every sortie, above home: found ray by ray."""
    highest = -np.inf
    for sortie in result.sorties:
        assert sortie.mission.home is not None
        home = result.area.frame.to_local([sortie.mission.home])[0]
        home_m = terrain.heights_m([sortie.mission.home])[0]
        path = shapely.segmentize(shapely.LineString(result.area.frame.to_local(mission_path(sortie.mission))), 20.0)
        share = np.linspace(0, 1, 200)
        points = home + share[:, None, None] * (shapely.get_coordinates(path) - home)
        ground_m = terrain.heights_m(result.area.frame.to_lonlat(points.reshape(-1, 2)))
        highest = max(highest, float(ground_m.max() - home_m))
    return highest


def test_the_return_height_clears_a_ridge_that_straight_ways_home_cross() -> None:
    terrain = ground(ridge)
    result = plan(terrain)
    needed_m = rays_home_m(result, terrain) + 30.0
    assert result.return_height_m is not None
    assert needed_m <= result.return_height_m + 0.5
    assert result.return_height_m <= needed_m + 5
    assert all(r.altitude_home_m == s.return_height_m for s in result.sorties for r in s.mission.rally)
    higher = plan(terrain, operations=Operations(return_clearance_m=50.0))
    assert higher.return_height_m == pytest.approx(result.return_height_m + 20, abs=1)


def test_a_path_that_stays_on_its_side_of_the_ridge_need_not_clear_it() -> None:
    terrain, park = ground(ridge), area()
    home = np.array([0.0, -1200.0])
    near = np.array([[0.0, -1200.0], [500.0, -1000.0], [0.0, -1200.0]])
    asked = {"clearance_m": 30.0, "at_least_m": 80.0}
    assert return_height_m(near, home, park, terrain, **asked)[0] == 80.0
    far = np.array([[0.0, -1200.0], [500.0, 1000.0], [0.0, -1200.0]])
    assert return_height_m(far, home, park, terrain, **asked)[0] == pytest.approx(151, abs=1)


def test_without_elevation_no_return_height_is_made_up() -> None:
    result = plan_survey(area(), PlanRequest(camera=CAMERA, altitude_agl_m=80.0, spacing_m=600.0))
    assert result.return_height_m is None
    assert (result.terrain, result.delivered, result.sorties[0].ground) == (None, None, None)


def test_behind_a_ridge_is_out_of_sight_and_above_it_is_not() -> None:
    """Eye 1.7 m over flat ground, a wall 100 m high 1000 m away: at 2000 m, sight begins at about 198 m."""
    terrain = ground(lambda east, north: np.where(np.abs(north) < 25, 1300.0, 1200.0))
    park, home = area(), np.array([0.0, -1000.0])
    path = np.array([[0.0, -1000.0], [0.0, 1000.0]])
    eye, wall = 1.7, 100.0
    for height_m, expected in ((150.0, None), (230.0, 0.0)):
        seen = line_of_sight(path, np.array([0.0, 2000.0]), np.full(2, height_m), park, terrain)
        if expected == 0.0:
            assert seen.hidden_share == 0.0
            continue
        # Hidden from where the ray over the wall's far side passes the height flown, to the end.
        begins_m = 1000 * (height_m - eye) / (wall - eye)
        assert seen.hidden_share == pytest.approx((2000 - begins_m) / 2000, abs=0.03)
        assert seen.longest_hidden_m == pytest.approx(2000 - begins_m, abs=60)
        assert seen.longest_hidden_at is not None
        middle = park.frame.to_local([seen.longest_hidden_at])[0]
        assert np.hypot(*(middle - home)) == pytest.approx((2000 + begins_m) / 2, abs=60)


def test_the_earth_s_curve_hides_what_is_low_and_far() -> None:
    """Over flat ground an eye at 1.7 m sees the ground itself to about 5 km: √(2·R·h/(1 − k))."""
    flat = Terrain.flat(0.0)
    horizon_m = np.sqrt(2 * 6_371_000 * 1.7 / (1 - 0.13))
    park = area()
    for reach_m, hidden in ((0.8 * horizon_m, False), (1.6 * horizon_m, True)):
        path = np.array([[0.0, 0.0], [reach_m, 0.0]])
        seen = line_of_sight(path, np.array([0.0, reach_m]), np.full(2, 0.05), park, flat)
        assert (seen.hidden_share > 0) == hidden


def test_line_of_sight_is_warned_of_and_refused_when_asked() -> None:
    terrain = ground(ridge)
    result = plan(terrain)
    assert any("the ground hides" in w and "longest stretch" in w for w in result.warnings)
    assert max(s.visibility.hidden_share for s in result.sorties if s.visibility) > 0.1
    with pytest.raises(PlanError, match=r"the ground hides .*Launch from higher ground"):
        plan(terrain, operations=Operations(line_of_sight=True))
    with pytest.raises(PlanError, match="needs an elevation model"):
        plan_survey(
            area(),
            PlanRequest(camera=CAMERA, altitude_agl_m=80.0, spacing_m=600.0, operations=Operations(line_of_sight=True)),
        )


def test_no_flight_goes_further_than_asked_and_each_line_is_flown_from_a_site_in_reach() -> None:
    def site(name: str, east: float, north: float) -> LaunchSite:
        ((longitude, latitude),) = FRAME.to_lonlat([(east, north)])
        return LaunchSite(name, float(longitude), float(latitude))

    park = replace(area(), launch_sites=(site("west", -1200, 0), site("east", 1200, 0)))
    request = PlanRequest(
        camera=CAMERA,
        altitude_agl_m=80.0,
        spacing_m=300.0,
        heading_deg=0.0,
        operations=Operations(max_distance_m=1800.0),
    )
    result = plan_survey(park, request)
    assert {s.launch for s in result.sorties} == {"west", "east"}
    for sortie in result.sorties:
        assert sortie.mission.home is not None
        path = park.frame.to_local(mission_path(sortie.mission))
        away_m = np.hypot(*(path - park.frame.to_local([sortie.mission.home])[0]).T).max()
        assert away_m <= 1800.0
        assert sortie.furthest_m == pytest.approx(away_m, abs=0.1)
    flown = sorted(t for s in result.sorties for t in s.transects)
    assert flown == sorted(t.identifier for t in result.strata[0].transects)
    with pytest.raises(PlanError, match=r"further than 900 m from any launch site.*--launch"):
        plan_survey(park, replace(request, operations=Operations(max_distance_m=900.0)))


def test_ways_out_and_home_are_as_high_as_asked_and_lines_as_low_as_asked() -> None:
    terrain = ground(lambda east, north: 1200 + 20 * np.sin(east / 300))
    result = plan(terrain, operations=Operations(transit_agl_m=110.0), height_tolerance_m=2.0)
    for sortie in result.sorties:
        assert sortie.transit_offset_m == 30.0
        items = [i for i in sortie.mission.items if i.longitude_deg is not None]
        assert items[0].command == Command.NAV_TAKEOFF
        assert items[0].altitude_m == pytest.approx(110, abs=0.01)
        home_m = terrain.heights_m([sortie.mission.home])[0]
        ground_m = terrain.heights_m([(i.longitude_deg, i.latitude_deg) for i in items])
        above = np.array([i.altitude_m for i in items]) + home_m - ground_m
        on_line = np.array([i.transect is not None for i in items])
        assert above[on_line].max() < 80 + 20
        assert above[on_line].min() > 80 - 2.5
    with pytest.raises(PlanError, match="lower than the lines"):
        plan(terrain, operations=Operations(transit_agl_m=60.0))


def test_climbs_and_descents_stay_within_the_drone_s_on_lines_turns_and_raised_transits() -> None:
    slow = replace(drone_named("DJI Matrice 350 RTK"), en_route_climb_mps=2.0, en_route_descent_mps=1.5)
    result = plan(ground(ridge), operations=Operations(transit_agl_m=120.0), spacing_m=300.0, drone=slow)
    assert result.aircraft is not None
    climb_mps, descent_mps = result.aircraft.path_rates_mps
    assert (climb_mps, descent_mps) == (2.0, 1.5)
    speed_mps = max(result.speed_mps, result.aircraft.cruise_speed_mps)
    steepest = []
    for sortie in result.sorties:
        items = [i for i in sortie.mission.items if i.longitude_deg is not None]
        places = result.area.frame.to_local([(i.longitude_deg, i.latitude_deg) for i in items])
        run = np.hypot(*np.diff(places, axis=0).T)
        rise = np.diff([i.altitude_m for i in items])
        steepest.append((rise[run > 1] / run[run > 1]) * speed_mps)
    rates = np.concatenate(steepest)
    assert rates.max() <= climb_mps + 0.05
    assert rates.min() >= -descent_mps - 0.05
    # The ridge makes it use what it has.
    assert rates.max() > 0.8 * climb_mps


def test_the_ground_kept_with_a_plan_tells_a_mission_that_was_lowered_without_the_model(tmp_path: Path) -> None:
    terrain = ground(ridge)
    save_plan(plan(terrain), tmp_path / "plan")
    result = load_plan(tmp_path / "plan")
    for sortie in result.sorties:
        assert sortie.ground is not None
        over = height_over_ground(sortie.mission, sortie.ground)
        assert over is not None
        assert over.least_agl_m == pytest.approx(80, abs=6)
        # The kept ground is the model's, along each leg.
        assert sortie.ground.ground_home_m == ground_under(sortie.mission, result.area, terrain).ground_home_m
        lowered = tuple(
            replace(i, altitude_m=i.altitude_m - 70) if n == over.item else i
            for n, i in enumerate(sortie.mission.items)
        )
        now = height_over_ground(replace(sortie.mission, items=lowered), sortie.ground)
        assert now is not None
        assert now.least_agl_m < 20
        assert abs(now.item - over.item) <= 1
    cut = replace(result.sorties[0].mission, items=result.sorties[0].mission.items[:4])
    assert result.sorties[0].ground is not None
    with pytest.raises(PlanError, match="another mission"):
        height_over_ground(cut, result.sorties[0].ground)


def standing(east_m: float, north_m: float) -> Link:
    ((longitude, latitude),) = FRAME.to_lonlat([(east_m, north_m)])
    place = SimpleNamespace(lat=round(latitude * 1e7), lon=round(longitude * 1e7), alt=1_500_000)
    return cast(Link, SimpleNamespace(latest={"GLOBAL_POSITION_INT": place}))


def test_before_flying_heights_are_checked_by_the_ground_that_the_plan_kept() -> None:
    sortie = plan(ground(ridge)).sorties[0]
    setup = FlightSetup(sortie=sortie)
    well = check_ground(standing(0.0, -1200.0), sortie.mission, setup)
    assert well.status == Status.PASS
    assert "by the ground that the plan kept" in well.text
    items = tuple(replace(i, altitude_m=i.altitude_m - 65) if i.transect else i for i in sortie.mission.items)
    low = check_ground(standing(0.0, -1200.0), replace(sortie.mission, items=items), setup)
    assert low.status == Status.FAIL
    assert "on the way to item" in low.text
    elsewhere = check_ground(standing(0.0, -900.0), sortie.mission, setup)
    assert elsewhere.status == Status.UNKNOWN
    other = check_ground(standing(0.0, -1200.0), replace(sortie.mission, items=sortie.mission.items[:5]), setup)
    assert (other.status, "another mission" in other.text) == (Status.UNKNOWN, True)
    assert check_ground(standing(0.0, -1200.0), sortie.mission, FlightSetup()).status == Status.UNKNOWN


def test_a_plan_remembers_which_elevation_model_it_was_made_with() -> None:
    source = plan(ground(ridge)).terrain
    assert source is not None
    assert (source.name, source.crs, source.datum) == ("this test.tif", "EPSG:4326", "msl")
    assert source.void_share == 0.0
    assert source.heights_sha256 == ground(ridge).described().heights_sha256
    changed = ground(lambda east, north: ridge(east, north) + 0.01 * (east > 1500))
    assert source.heights_sha256 != changed.described().heights_sha256


def test_a_void_beside_a_line_is_said_and_nothing_is_claimed_of_it() -> None:
    def holed(east: Floats, north: Floats) -> Floats:
        # Beside the line that is flown, within its strip.
        return np.where((np.abs(east - line_east_m - 35) < 12) & (np.abs(north) < 300), np.nan, 1200.0)

    line_east_m = 1e9
    level = plan(ground(holed), area(500.0), spacing_m=520.0)
    start = level.strata[0].transects[0].segments[0][0]
    line_east_m = float(FRAME.to_local([start])[0, 0])
    result = plan(ground(holed), area(500.0), spacing_m=520.0)
    assert result.delivered is not None
    assert result.delivered.unknown_share > 0
    assert any("ground without a height" in w for w in result.warnings)


def test_the_ground_within_a_polygon_is_that_of_the_cells_it_touches(tmp_path: Path) -> None:
    heights = np.arange(100.0).reshape(10, 10)
    heights[5, 5] = np.nan
    path = tmp_path / "dem.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=10,
        width=10,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        nodata=np.nan,
        transform=rasterio.Affine(0.01, 0, 34.0, 0, -0.01, -2.0),
    ) as dataset:
        dataset.write(heights.astype("float32"), 1)
    terrain = Terrain.from_file(path)
    # Columns 3 to 4, rows 2 to 3.
    inside = terrain.range_within(shapely.box(34.031, -2.039, 34.049, -2.021))
    assert (inside.lowest_m, inside.highest_m, inside.void_share) == (23.0, 34.0, 0.0)
    around_void = terrain.range_within(shapely.box(34.051, -2.069, 34.059, -2.051))
    assert (around_void.lowest_m, around_void.highest_m, around_void.void_share) == (65.0, 65.0, 0.5)
    with pytest.raises(TerrainError, match="no height anywhere"):
        terrain.range_within(shapely.box(35.0, -2.03, 35.1, -2.02))


def test_a_real_gorge_is_measured_as_independent_rays_measure_it(shared_data: Path, tmp_path: Path) -> None:
    terrain = Terrain.from_file(shared_data / "terrain" / "dem_ngi_baviaans_za.tif")
    assert terrain.grid_m is not None
    assert terrain.transform is not None
    rows, columns = np.nonzero(np.isfinite(terrain.grid_m))
    a, _, c, _, e, f = terrain.transform
    to_degrees = pyproj.Transformer.from_crs(terrain.crs, "EPSG:4326", always_xy=True)
    frame = LocalFrame(*to_degrees.transform(c + a * np.median(columns), f + e * np.median(rows)))
    ((longitude, latitude),) = frame.to_lonlat([(-390, -390)])
    park = StudyArea(
        "Baviaanskloof",
        (Stratum("all", frame.delocalise(shapely.box(-400, -400, 400, 400))),),
        (),
        (LaunchSite("camp", float(longitude), float(latitude)),),
    )
    result = plan(terrain, park, spacing_m=200.0)
    needed_m = rays_home_m(result, terrain) + 30.0
    assert result.return_height_m is not None
    # Cells whole count, and one beyond the swept ground: a little on the safe side, on slopes this steep.
    assert needed_m - 0.5 <= result.return_height_m <= needed_m + 40
    assert result.delivered is not None
    assert result.delivered.lowest_agl_m < 70
    assert result.delivered.highest_ground_m - result.delivered.lowest_ground_m > 100
    save_plan(result, tmp_path / "plan")
    assert load_plan(tmp_path / "plan") == result
    document = json.loads((tmp_path / "plan" / "plan.json").read_text(encoding="utf-8"))
    assert document["plan"]["terrain"]["name"] == "dem_ngi_baviaans_za.tif"
