"""Heights over uneven ground."""

from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely

from flightplan.areas import Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.drones import drone_named
from flightplan.errors import TerrainError
from flightplan.frames import HeightDatum, LocalFrame
from flightplan.mission import Command, Mission
from flightplan.planning import plan_survey
from flightplan.profile import follow_terrain
from flightplan.request import PlanRequest
from flightplan.terrain import Terrain

FRAME = LocalFrame(34.83, -2.33)
AREA = StudyArea("hills", (Stratum("all", FRAME.delocalise(shapely.box(-1500, -1500, 1500, 1500))),))
CELL_DEG = 0.0002


def ground(height_of: object, datum: HeightDatum | None = HeightDatum.MEAN_SEA_LEVEL) -> Terrain:
    """A model of 22 m cells over the area, its heights a function of metres east and north."""
    columns, rows = np.meshgrid(np.arange(200), np.arange(200))
    longitude, latitude = 34.81 + (columns + 0.5) * CELL_DEG, -2.31 - (rows + 0.5) * CELL_DEG
    local = FRAME.to_local(np.column_stack([longitude.ravel(), latitude.ravel()]))
    heights = height_of(local[:, 0], local[:, 1]).reshape(rows.shape)  # type: ignore[operator]
    return Terrain(
        grid_m=heights,
        crs=pyproj.CRS.from_epsg(4326),
        transform=(CELL_DEG, 0.0, 34.81, 0.0, -CELL_DEG, -2.31),
        datum=datum,
        source="made for this test",
    )


def ridge(east: np.ndarray, north: np.ndarray) -> np.ndarray:
    return 1500 + 120 * np.exp(-((north / 250) ** 2)) + east * 0.01


def flown(mission: Mission, terrain: Terrain) -> tuple[np.ndarray, np.ndarray]:
    """Heights above ground every few metres of a mission, by interpolation between its waypoints, and its slopes."""
    assert mission.home is not None
    items = [i for i in mission.items if i.longitude_deg is not None]
    points = AREA.frame.to_local([(i.longitude_deg, i.latitude_deg) for i in items])
    heights = np.array([i.altitude_m for i in items]) + terrain.heights_m([mission.home])[0]
    legs = np.hypot(*np.diff(points, axis=0).T)
    at = np.concatenate([[0], np.cumsum(legs)])
    fine = np.arange(0, at[-1], 3.0)
    where = np.column_stack([np.interp(fine, at, points[:, k]) for k in (0, 1)])
    above = np.interp(fine, at, heights) - terrain.heights_m(AREA.frame.to_lonlat(where))
    return above, np.diff(heights)[legs > 1] / legs[legs > 1]


def test_height_above_ground_is_held_over_a_ridge_within_what_the_drone_climbs() -> None:
    terrain, drone = ground(ridge), drone_named("DJI Matrice 350 RTK")
    plan = plan_survey(
        AREA,
        PlanRequest(
            camera=camera_named("overfly-demo"),
            altitude_agl_m=80.0,
            spacing_m=500.0,
            heading_deg=0.0,
            drone=drone,
            speed_mps=8.0,
            terrain=terrain,
            height_tolerance_m=4.0,
        ),
    )
    for sortie in plan.sorties:
        above, slopes = flown(sortie.mission, terrain)
        assert above.min() > 80 - 4 - 1.0
        climb_mps, descent_mps = drone.path_rates_mps
        assert slopes.max() <= climb_mps / 8.0 + 0.01
        assert slopes.min() >= -descent_mps / 8.0 - 0.01
        assert sortie.mission.home_altitude_msl_m == pytest.approx(terrain.heights_m([sortie.mission.home])[0])
    assert any("height above ground is 7" in w for w in plan.warnings)


def test_waypoints_that_hold_the_height_belong_to_the_transect_they_lie_on() -> None:
    plan = plan_survey(
        AREA,
        PlanRequest(
            camera=camera_named("overfly-demo"),
            altitude_agl_m=80.0,
            spacing_m=500.0,
            heading_deg=0.0,
            drone="DJI Matrice 350 RTK",
            terrain=ground(ridge),
        ),
    )
    on, between = False, 0
    for sortie in plan.sorties:
        for item in sortie.mission.items:
            if item.command == Command.DO_SET_CAM_TRIGG_DIST:
                on = item.params[0] > 0
            elif item.command == Command.NAV_WAYPOINT:
                assert (item.transect is not None) == on
                between += on
    lines = sum(len(t.segments) for t in plan.strata[0].transects)
    assert between > 3 * lines


def test_level_ground_needs_no_waypoint_between_corners() -> None:
    terrain = ground(lambda east, north: np.full_like(east, 1200.0))
    asked = {"camera": camera_named("overfly-demo"), "altitude_agl_m": 80.0, "spacing_m": 500.0, "heading_deg": 0.0}
    on_model, on_nothing = (
        plan_survey(AREA, PlanRequest(terrain=terrain, **asked)),
        plan_survey(AREA, PlanRequest(**asked)),
    )  # type: ignore[arg-type]
    assert [s.mission.items for s in on_model.sorties] == [s.mission.items for s in on_nothing.sorties]


def test_a_cliff_is_climbed_ahead_of_time_and_never_cut() -> None:
    terrain = ground(lambda east, north: np.where(north > 0, 1300.0, 1200.0))
    path = np.array([[0.0, -1400.0], [0.0, 1400.0]])
    profile = follow_terrain(
        path, AREA, terrain, altitude_agl_m=80, tolerance_m=2.0, steepest_climb=0.2, steepest_descent=0.1
    )
    at = np.linspace(0, 2800, 1000)
    height = np.interp(at, profile.distance_m, profile.altitude_home_m)
    assert profile.agl_range_m[0] > 80 - 2.0
    assert profile.agl_range_m[1] == pytest.approx(180, abs=10)
    assert height[at < 850] == pytest.approx(80, abs=2)
    assert height[at > 1450] == pytest.approx(180, abs=2)
    assert profile.ascent_m == pytest.approx(100, abs=3)


def test_a_void_under_the_path_is_refused_with_its_place() -> None:
    def holed(east: np.ndarray, north: np.ndarray) -> np.ndarray:
        return np.where(np.hypot(east - 200, north) < 100, np.nan, 1200.0)

    with pytest.raises(TerrainError, match=r"made for this test: knows no height at longitude 34\.83"):
        plan_survey(
            AREA,
            PlanRequest(
                camera=camera_named("overfly-demo"),
                altitude_agl_m=80.0,
                spacing_m=100.0,
                heading_deg=0.0,
                terrain=ground(holed),
            ),
        )


def test_a_model_without_a_datum_says_no_height_of_home_above_the_sea() -> None:
    plan = plan_survey(
        AREA,
        PlanRequest(
            camera=camera_named("overfly-demo"), altitude_agl_m=80.0, spacing_m=500.0, terrain=ground(ridge, datum=None)
        ),
    )
    assert {s.mission.home_altitude_msl_m for s in plan.sorties} == {None}


def test_a_real_mountain_side_is_flown_at_a_held_height(shared_data: Path) -> None:
    terrain = Terrain.from_file(shared_data / "terrain" / "dem_ngi_baviaans_za.tif")
    rows, columns = np.nonzero(np.isfinite(terrain.grid_m))
    a, _, c, _, e, f = terrain.transform
    middle = (c + a * np.median(columns), f + e * np.median(rows))
    to_degrees = pyproj.Transformer.from_crs(terrain.crs, "EPSG:4326", always_xy=True)
    frame = LocalFrame(*to_degrees.transform(*middle))
    area = StudyArea("Baviaanskloof", (Stratum("all", frame.delocalise(shapely.box(-400, -400, 400, 400))),))
    plan = plan_survey(
        area,
        PlanRequest(
            camera=camera_named("overfly-demo"),
            altitude_agl_m=80.0,
            spacing_m=200.0,
            drone="DJI Matrice 350 RTK",
            speed_mps=5.0,
            terrain=terrain,
        ),
    )
    assert plan.metres_outside == 0.0
    for sortie in plan.sorties:
        items = [i for i in sortie.mission.items if i.longitude_deg is not None]
        ground_m = terrain.heights_m([(i.longitude_deg, i.latitude_deg) for i in items])
        above = np.array([i.altitude_m for i in items]) + terrain.heights_m([sortie.mission.home])[0] - ground_m
        assert above.min() > 74
