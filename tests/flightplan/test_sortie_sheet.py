"""The sheet of a sortie says what is flown: its lines, their heights over the ground, and what to do in need."""

import re

import numpy as np
import pytest
import shapely

from flightplan.area_heights import Level
from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.drones import drone_named
from flightplan.frames import LocalFrame
from flightplan.obstacles import Obstacle
from flightplan.plan import SurveyPlan
from flightplan.plan_page import plan_page
from flightplan.planning import plan_survey
from flightplan.profile_chart import heights_along, profile_chart
from flightplan.request import PlanRequest
from flightplan.sortie_sheet import MOST_LINES, sheet_of
from flightplan.terrain import Terrain

FRAME = LocalFrame(34.83, -2.33)
SLOPE = 0.1


def terrain() -> Terrain:
    """Ground that rises 10 m for each 100 m to the east, 1000 m high under the frame's origin."""
    cell_m, cells = 20.0, 400
    columns = (np.arange(cells) - cells / 2 + 0.5) * cell_m
    grid = np.tile(1000 + SLOPE * columns, (cells, 1))
    half = cell_m * cells / 2
    return Terrain(grid_m=grid, crs=FRAME.crs, transform=(cell_m, 0.0, -half, 0.0, -cell_m, half))


def plan(obstacles: tuple[Obstacle, ...] = (), **asked: object) -> SurveyPlan:
    ((longitude, latitude),) = FRAME.to_lonlat([(0.0, -650.0)])
    land = Stratum("all", FRAME.delocalise(shapely.box(-1000, -700, 1000, 700)))
    area = StudyArea("Olare", (land,), (), (LaunchSite("camp", float(longitude), float(latitude)),), obstacles)
    settings = {"altitude_agl_m": 80.0, "spacing_m": 300.0, "heading_deg": 90.0, "seed": 2, **asked}
    return plan_survey(area, PlanRequest(camera=camera_named("overfly-demo"), **settings))  # type: ignore[arg-type]


def test_the_lines_of_a_sheet_are_those_flown_in_their_order() -> None:
    result = plan()
    lengths = {t.identifier: t.length_m for s in result.strata for t in s.transects}
    for sortie in result.sorties:
        lines = sheet_of(result, sortie, 9).lines
        assert [f"all-{int(line.name):03d}" for line in lines] == list(sortie.transects)
        for line in lines:
            assert line.length_m == pytest.approx(lengths[f"all-{int(line.name):03d}"], rel=1e-3)
            assert line.heading_deg in (90, 270)
            assert (line.above_takeoff_m, line.above_ground_m) == ("80", "80*")
        minutes = [line.minute for line in lines]
        assert minutes == sorted(minutes)
        assert 0 < minutes[-1] < sortie.duration_s / 60
        assert 1 > lines[0].battery_left >= lines[-1].battery_left > 1 - sortie.energy_share


def test_heights_over_a_slope_are_the_aircraft_s_less_the_ground_s() -> None:
    result = plan(terrain=terrain())
    for sortie in result.sorties:
        heights = heights_along(sortie, result.area)
        assert heights is not None
        assert heights.distance_m[-1] == pytest.approx(sortie.length_m, rel=2e-3)
        assert np.ptp(heights.ground_m) == pytest.approx(SLOPE * 2000, rel=0.1)
        on = heights.on_effort
        assert heights.above_ground_m[on].min() >= 80 - 5.5
        for line in sheet_of(result, sortie, 9).lines:
            low, _, high = line.above_ground_m.partition(" to ")
            assert 74 <= float(low) <= float(high or low) <= 100


def test_the_chart_draws_the_ground_below_the_way_and_names_the_least_and_the_greatest_height() -> None:
    result = plan(terrain=terrain())
    chart, heights = profile_chart(result.sorties[0], result.area), heights_along(result.sorties[0], result.area)
    assert chart is not None
    assert heights is not None

    def points(path: str) -> np.ndarray:
        return np.array([p.split() for p in path.rstrip("z")[1:].split("L")], dtype=float)

    way, ground = points(chart.way), points(chart.ground)[:-2]
    assert (way[:, 1] < np.interp(way[:, 0], ground[:, 0], ground[:, 1]) + 1).all()
    assert (np.diff(way[:, 0]) >= -0.11).all()
    aloft = heights.above_ground_m[heights.flown_m > 0]
    assert chart.lowest.text == f"lowest: {aloft.min():.0f} m above ground"
    assert chart.highest.text == f"highest: {aloft.max():.0f} m"
    assert [t.text for t in chart.distances][:2] == ["0 km", "1 km"]
    assert all(0 <= label.x <= chart.width for label in (chart.lowest, chart.highest))


def test_without_elevation_there_is_no_chart_and_the_sheet_says_so() -> None:
    result = plan()
    assert profile_chart(result.sorties[0], result.area) is None
    page = plan_page(result)
    assert "* On level ground: no elevation was given." in page
    assert "hills on the way are not known" in page


def test_in_need_the_sheet_says_the_return_height_that_the_plan_worked_out() -> None:
    result = plan(terrain=terrain())
    for sortie in result.sorties:
        said = dict(sheet_of(result, sortie, 9).emergency)
        assert sortie.return_height_m is not None
        assert said["Return height"].startswith(f"{sortie.return_height_m:.0f} m above take-off clears")
        assert said["Battery at landing"].startswith(f"{1 - sortie.energy_share:.0%}")
        assert re.fullmatch(r"2\.33\d{3}° S, 34\.8\d{4}° E", said["Take-off and landing"])


def test_a_sortie_of_very_many_lines_says_how_many_are_not_listed() -> None:
    result = plan(spacing_m=None, side_overlap=0.7, drone=drone_named("DJI Matrice 350 RTK"))
    sortie = max(result.sorties, key=lambda s: len(s.transects))
    sheet = sheet_of(result, sortie, 9)
    assert len(sheet.lines) + sheet.lines_left >= len(sortie.transects)
    assert len(sheet.lines) <= MOST_LINES


def test_each_sortie_has_a_sheet_of_its_own_to_print() -> None:
    result = plan(terrain=terrain())
    page = plan_page(result)
    assert page.count('<section class="sheet') == len(result.sorties)
    assert page.count("Heights of sortie-") == len(result.sorties)
    assert "break-before: page" in page
    assert page.count("Before take-off") == len(result.sorties)


def test_a_mast_on_the_way_home_raises_the_return_height_or_is_named() -> None:
    ((longitude, latitude),) = FRAME.to_lonlat([(300.0, -200.0)])
    mast = Obstacle("mast", shapely.Point(longitude, latitude), Level(300.0, "agl"))
    flat, hilly = plan(obstacles=(mast,)), plan(obstacles=(mast,), terrain=terrain())
    passed = [s for s in hilly.sorties if any(w.startswith(f"{s.identifier}: coming home") for w in hilly.warnings)]
    assert passed
    for sortie in passed:
        # 300 m of mast on ground 30 m above the origin's, 20 m of room.
        assert sortie.return_height_m == pytest.approx(350.0, abs=5.0)
        assert dict(sheet_of(hilly, sortie, 9).emergency)["Return height"].startswith(f"{sortie.return_height_m:.0f} m")
    said = [dict(sheet_of(flat, s, 9).emergency)["Return height"] for s in flat.sorties]
    assert any("mast" in text and "320 m above take-off or higher" in text for text in said)
