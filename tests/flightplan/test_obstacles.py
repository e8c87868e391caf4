"""What stands in the air and what airspace has rules: flights keep clear of it, and the plan says so."""

import json
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flightplan.area_heights import AGL, AMSL, FOOT_M, Level, StatedHeight, level_of
from flightplan.areas import LaunchSite, Stratum, StudyArea, read_area, with_airspace, with_obstacles, write_area
from flightplan.cameras import camera_named
from flightplan.errors import AreaError, OverflyError, PlanError
from flightplan.frames import LocalFrame
from flightplan.keep_clear import Clearance, keep_clear
from flightplan.mission_builder import mission_path
from flightplan.obstacles import AirspaceZone, Obstacle
from flightplan.paths import Airspace
from flightplan.plan_files import load_plan, save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.terrain import Terrain

FRAME = LocalFrame(34.83, -2.33)
CAMERA = camera_named("overfly-demo")


def at(x: float, y: float) -> shapely.Point:
    return FRAME.delocalise(shapely.Point(x, y))


def place(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    return FRAME.delocalise(shapely.box(west, south, east, north))


def park(**over) -> StudyArea:
    return StudyArea("park", (Stratum("all", place(-1000, -600, 1000, 600)),), **over)


def asked(height_m: float = 80, **further) -> PlanRequest:
    return PlanRequest(
        camera=CAMERA,
        altitude_agl_m=height_m,
        **{"spacing_m": 200.0, "heading_deg": 0.0, "drone": "overfly-demo"} | further,
    )


def nearest_m(plan, geometry) -> float:
    """How near the missions, as they are written, come to something: on the ground, not in the planner's frame."""
    frame = LocalFrame.around(geometry)
    paths = [shapely.LineString(frame.to_local(mission_path(s.mission))) for s in plan.sorties]
    return min(float(shapely.distance(p, frame.localise(geometry))) for p in paths)


def geojson(path: Path, geometry, **properties) -> Path:
    feature = {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(geometry)}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    return path


# --- obstacles -------------------------------------------------------------------------------------------------------


MAST = at(100, 50)
LINE = FRAME.delocalise(shapely.LineString([(-1500, -100), (300, -80), (400, 90)]))


@pytest.mark.parametrize(("top_m", "kept"), [(59.9, False), (60.0, False), (60.5, True), (140, True), (None, True)])
@pytest.mark.parametrize("shape", [MAST, LINE], ids=["mast", "power line"])
def test_what_reaches_within_20_m_of_the_flight_is_kept_clear_of(shape, top_m: float | None, kept: bool) -> None:
    mast = Obstacle("mast", shape, None if top_m is None else Level(top_m, AGL))
    plan = plan_survey(park(obstacles=(mast,)), asked(spacing_m=100.0))
    assert plan.metres_outside == 0
    assert bool(plan.area.kept_clear) == kept
    assert not kept or nearest_m(plan, shape) >= 30.0
    assert any("(mast" in w and "within 20 m below" in w for w in plan.warnings) == (kept and top_m is not None)
    assert any("(mast)" in w and "height above the ground is not known" in w for w in plan.warnings) == (top_m is None)
    if shape is LINE:
        assert (nearest_m(plan, shape) == 0) == (not kept)


def test_a_straight_way_home_over_a_mast_is_told_with_the_height_that_clears_it() -> None:
    mast = Obstacle("mast", MAST, Level(140, AGL))
    camp = LaunchSite("camp", *(float(v) for v in at(-990, -590).coords[0]))
    plan = plan_survey(park(obstacles=(mast,), launch_sites=(camp,)), asked())
    # From the far corner straight back to camp: the mast stands in between.
    assert any("as a failsafe does, may pass 1 obstacle (mast (140 m AGL))" in w for w in plan.warnings)
    assert any("set the return height to 160 m above take-off or higher" in w for w in plan.warnings)
    beside = Obstacle("beside", at(-1500, 0), Level(140, AGL))
    plan = plan_survey(park(obstacles=(beside,), launch_sites=(camp,)), asked())
    assert not any("failsafe" in w and "beside" in w for w in plan.warnings)
    # On a hill of its own the mast is higher above take-off.
    x = np.linspace(-2000, 2000, 401)
    terrain = Terrain(
        grid_m=np.tile(1000.0 + (x + 2000) / 100, (401, 1)),
        crs=FRAME.crs,
        transform=(10.0, 0.0, -2005.0, 0.0, -10.0, 2005.0),
    )
    plan = plan_survey(park(obstacles=(mast,), launch_sites=(camp,)), asked(terrain=terrain))
    assert any("set the return height to 171 m above take-off" in w for w in plan.warnings)


def test_the_check_of_a_path_counts_what_lies_beside_a_mast() -> None:
    mast = Obstacle("mast", MAST, Level(120, AGL))
    plan = plan_survey(park(obstacles=(mast,)), asked(clearance=Clearance(obstacle_buffer_m=50)))
    air = Airspace.over(plan.area, allowance_m=plan.allowance_m, buffer_m=plan.buffer_m)
    x, y = plan.area.frame.to_local([(MAST.x, MAST.y)])[0]
    # A path straight over it lies in its circle for twice the buffer.
    assert air.metres_outside([(x - 200, y), (x + 200, y)]) == pytest.approx(100.0, abs=0.5)
    assert air.metres_outside([(x - 200, y + 51), (x + 200, y + 51)]) == 0


def test_ground_under_a_power_line_stays_in_the_stratum_and_is_named_as_not_seen() -> None:
    high = Obstacle("line", FRAME.delocalise(shapely.LineString([(-400, -2000), (-400, 2000)])), Level(90, AGL))
    free = plan_survey(park(), asked(side_overlap=0.3, spacing_m=None))
    plan = plan_survey(
        park(obstacles=(high,)), asked(side_overlap=0.3, spacing_m=None, clearance=Clearance(obstacle_buffer_m=100))
    )
    assert plan.strata[0].area_m2 == pytest.approx(free.strata[0].area_m2)
    assert plan.area.exclusions == ()
    # 200 m wide and 1200 m long, less what the lines beside it see of it.
    assert plan.not_covered_m2 == pytest.approx((200 - plan.design.strip_width_m) * 1200, rel=0.06)
    assert plan.coverage < free.coverage


def test_an_obstacle_stated_above_sea_level_is_judged_over_the_ground_it_stands_on() -> None:
    mast = Obstacle("mast", MAST, Level(1_550, AMSL))
    for ground_m, kept in ((1_480, True), (1_495, False)):
        plan = plan_survey(park(obstacles=(mast,)), asked(terrain=Terrain.flat(ground_m)))
        assert bool(plan.area.kept_clear) == kept
    # Without the ground nobody knows: it is kept clear of.
    plan = plan_survey(park(obstacles=(mast,)), asked())
    assert nearest_m(plan, MAST) >= 30
    assert any("not known" in w for w in plan.warnings)


def test_over_hills_the_lowest_flight_decides() -> None:
    # A ridge that the drone cannot follow closely: it flies lower above it than asked.
    x = np.linspace(-2000, 2000, 401)
    ridge = 60 * np.exp(-((x / 150) ** 2))
    terrain = Terrain(
        grid_m=np.tile(ridge, (401, 1)),
        crs=FRAME.crs,
        transform=(10.0, 0.0, -2005.0, 0.0, -10.0, 2005.0),
    )
    mast = Obstacle("mast", at(0, 50), Level(57, AGL))
    low = plan_survey(park(obstacles=(mast,)), asked(terrain=terrain, height_tolerance_m=5, heading_deg=90.0))
    assert low.area.kept_clear
    flat = plan_survey(park(obstacles=(mast,)), asked(heading_deg=90.0))
    assert not flat.area.kept_clear


def test_heights_come_from_their_attribute_with_unit_and_datum(tmp_path: Path) -> None:
    area = park()
    for properties, height, expected in (
        ({"height_agl_m": 45}, None, Level(45, AGL)),
        ({"top_amsl_ft": 1000}, None, Level(304.8, AMSL)),
        ({"height": "150 ft AGL"}, None, Level(150 * FOOT_M, AGL)),
        ({"h": "45"}, StatedHeight("h", "m", AGL), Level(45, AGL)),
        ({"H": 45.0}, StatedHeight.parse("h:m:agl"), Level(45, AGL)),
        ({"height": None}, None, None),
    ):
        found = with_obstacles(area, geojson(tmp_path / "o.geojson", MAST, **properties), height=height)
        assert [o.top for o in found.obstacles] == [expected]
    with pytest.raises(AreaError, match=r"'45' that does not say its unit.*height:m:agl"):
        with_obstacles(area, geojson(tmp_path / "o.geojson", MAST, height=45))
    with pytest.raises(AreaError, match=r"no attribute that states heights; it has: hoehe.*--obstacle-height"):
        with_obstacles(area, geojson(tmp_path / "o.geojson", MAST, hoehe=45))
    with pytest.raises(AreaError, match="'height:yards:agl' does not say a height"):
        StatedHeight.parse("height:yards:agl")


# --- airspace --------------------------------------------------------------------------------------------------------

EAST = place(300, -2000, 3000, 2000)


@pytest.mark.parametrize(
    ("lower", "upper", "height_m", "met"),
    [
        (None, None, 80, True),
        (Level(0, AGL), Level(500, AMSL), 80, True),
        (Level(120, AGL), None, 80, False),
        (Level(80, AGL), None, 80, True),
        (Level(100, AGL), Level(200, AGL), 80, False),
        (None, Level(60, AGL), 80, False),
        (None, Level(60, AGL), 50, True),
    ],
)
def test_airspace_is_stayed_out_of_when_its_limits_meet_the_flight(lower, upper, height_m, met) -> None:
    zone = AirspaceZone("R-7", "R", EAST, lower, upper)
    plan = plan_survey(park(airspace=(zone,)), asked(height_m))
    assert plan.metres_outside == 0
    assert (nearest_m(plan, EAST) >= 15.0) == met
    assert any("R-7" in w and "stayed out of" in w for w in plan.warnings) == met
    assert any("R-7" in n for n in plan.notes) == (not met)


def test_open_classes_are_flown_with_a_warning_and_permissions_are_said() -> None:
    zone = AirspaceZone("TMA South", "E", EAST)
    plan = plan_survey(park(airspace=(zone,)), asked())
    assert nearest_m(plan, EAST) == 0
    assert any("TMA South (class E" in w and "look up what it asks" in w for w in plan.warnings)
    closed = AirspaceZone("CTR Mara", "D", EAST)
    plan = plan_survey(park(airspace=(closed,)), asked(clearance=Clearance(permissions=("ctr mara",))))
    assert nearest_m(plan, EAST) == 0
    assert any("a permission for it was said to be held" in w for w in plan.warnings)
    with pytest.raises(PlanError, match=r"no airspace 'CTR Mora' here.*There are: CTR Mara"):
        plan_survey(park(airspace=(closed,)), asked(clearance=Clearance(permissions=("CTR Mora",))))


def test_airspace_above_sea_level_needs_the_ground() -> None:
    zone = AirspaceZone("TMA", "C", EAST, Level(1_570, AMSL), None)
    with pytest.raises(PlanError, match=r"TMA .*the height of the ground is not known.*--terrain"):
        plan_survey(park(airspace=(zone,)), asked())
    for ground_m, met in ((1_480, False), (1_495, True)):
        plan = plan_survey(park(airspace=(zone,)), asked(terrain=Terrain.flat(ground_m)))
        assert (nearest_m(plan, EAST) >= 15) == met


def test_airspace_that_leaves_nothing_is_refused_by_name() -> None:
    zone = AirspaceZone("P-1", "P", place(-3000, -3000, 3000, 3000))
    with pytest.raises(PlanError, match=r"leave nothing of the area to fly over: airspace P-1.*--permit"):
        plan_survey(park(airspace=(zone,)), asked())
    elsewhere = AirspaceZone("P-2", "P", place(5000, -3000, 9000, 3000))
    assert not plan_survey(park(airspace=(elsewhere,)), asked()).area.kept_clear


def test_limits_are_read_as_airspace_files_write_them(tmp_path: Path) -> None:
    area = park()
    for properties, lower, upper in (
        ({"lower": "GND", "upper": "1500 ft AMSL"}, Level(0, AGL), Level(1500 * FOOT_M, AMSL)),
        ({"floor": "500FT AGL", "ceiling": "UNL"}, Level(500 * FOOT_M, AGL), None),
        ({"lower_agl_m": 120, "upper_amsl_m": 2000}, Level(120, AGL), Level(2000, AMSL)),
        # A flight level lies by up to 300 m off, as the air pressure goes: towards the safe side.
        ({"lower": "FL 65", "upper": "FL195"}, Level(6500 * FOOT_M - 300, AMSL), Level(19500 * FOOT_M + 300, AMSL)),
        (
            {
                "lowerLimit": {"value": 0, "unit": 1, "referenceDatum": 0},
                "upperLimit": {"value": 45, "unit": 6, "referenceDatum": 2},
            },
            Level(0, AGL),
            Level(4500 * FOOT_M + 300, AMSL),
        ),
    ):
        file = geojson(tmp_path / "z.geojson", EAST, name="Z", **{"class": "D"}, **properties)
        (zone,) = with_airspace(area, file).airspace
        assert (zone.name, zone.kind) == ("Z", "D")
        assert (zone.lower, zone.upper) == (lower, upper)
    with pytest.raises(AreaError, match="'1500' that does not say its unit"):
        with_airspace(area, geojson(tmp_path / "z.geojson", EAST, lower="GND", upper="1500"))
    limits = (StatedHeight.parse("lower:ft:amsl"), StatedHeight.parse("upper:ft:amsl"))
    (zone,) = with_airspace(area, geojson(tmp_path / "z.geojson", EAST, lower=0, upper="1500"), limits=limits).airspace
    assert zone.upper == Level(1500 * FOOT_M, AMSL)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=12), st.floats(), st.integers(), st.dictionaries(st.text(), st.integers())))
def test_any_value_is_a_level_none_or_refused(value) -> None:
    try:
        level = level_of(value, "somewhere", highest=True)
    except AreaError as refused:
        said = str(refused)
    else:
        said = "somewhere"
        assert level is None or (np.isfinite(level.metres) and level.datum in (AGL, AMSL))
    assert "somewhere" in said


# --- the same everywhere ---------------------------------------------------------------------------------------------


def test_areas_and_plans_keep_obstacles_and_airspace_through_their_files(tmp_path: Path) -> None:
    area = park(
        obstacles=(
            Obstacle("mast", MAST, Level(90.5, AGL)),
            Obstacle("line", LINE),
            Obstacle("x", EAST, Level(9, AMSL)),
        ),
        airspace=(AirspaceZone("R-7", "R", EAST, Level(300, AGL), None), AirspaceZone("G", "G", EAST)),
    )
    write_area(area, tmp_path / "a.geojson")
    assert read_area(tmp_path / "a.geojson", name="park") == area
    plan = plan_survey(area, asked(terrain=Terrain.flat(1000.0)))
    assert plan.area.kept_clear
    save_plan(plan, tmp_path / "plan")
    assert load_plan(tmp_path / "plan") == plan
    # What another height keeps clear of is worked out anew.
    again = read_area(tmp_path / "plan" / "area.geojson")
    assert again == plan.area
    assert plan_survey(again, asked(80, terrain=Terrain.flat(1000.0))).area == plan.area


def test_fences_hold_the_circles_around_masts() -> None:
    mast = Obstacle("mast", MAST, Level(120, AGL))
    plan = plan_survey(park(obstacles=(mast,)), asked(clearance=Clearance(obstacle_buffer_m=60)))
    rings = [shapely.Polygon(f.ring) for s in plan.sorties for f in s.mission.fence if not f.inclusion]
    assert any(r.contains(MAST) for r in rings)


@settings(deadline=None, max_examples=50)
@given(x=st.floats(-900, 900), y=st.floats(-500, 500), top=st.floats(0, 150), height=st.floats(30, 120))
def test_an_obstacle_is_kept_clear_of_exactly_when_it_reaches_near(x, y, top, height) -> None:
    mast = Obstacle("m", at(x, y), Level(top, AGL))
    clear = keep_clear(park(obstacles=(mast,)), Clearance(), (height, height), buffer_m=15, reach_m=30, terrain=None)
    assert bool(clear.area.kept_clear) == (top + 20 > height + 1e-6)
    for kept in clear.area.kept_clear:
        # With the plan's own buffer of 15 m around it the mast has its 30 m.
        azimuths = np.linspace(0, 360, 36, endpoint=False)
        lon, lat, _ = pyproj.Geod(ellps="WGS84").fwd(
            *(np.full(36, v) for v in mast.geometry.coords[0]), azimuths, np.full(36, 14.99)
        )
        assert shapely.contains_xy(kept, lon, lat).all()


spot = st.tuples(st.floats(-1100, 1100), st.floats(-700, 700))


@settings(max_examples=12, deadline=None)
@given(
    masts=st.lists(spot, max_size=4),
    wire=st.lists(spot, min_size=2, max_size=4),
    corner=spot,
    heading=st.floats(0, 180),
    buffer_m=st.floats(0, 80),
)
def test_among_any_masts_wires_and_zones_a_plan_keeps_its_distance_or_is_refused(
    masts, wire, corner, heading, buffer_m
) -> None:
    standing = [Obstacle(f"mast {i}", at(x, y), Level(95, AGL)) for i, (x, y) in enumerate(masts)]
    standing.append(Obstacle("wire", FRAME.delocalise(shapely.LineString(wire)), Level(61, AGL)))
    x, y = corner
    zone = AirspaceZone("zone", "CTR", place(x, y, x + 400, y + 250), None, Level(300, AGL))
    area = park(obstacles=tuple(standing), airspace=(zone,))
    try:
        plan = plan_survey(area, asked(heading_deg=heading, clearance=Clearance(obstacle_buffer_m=buffer_m)))
    except OverflyError as refused:
        said = str(refused)
        assert "park" in said or "stratum" in said or "legal" in said
        return
    assert plan.metres_outside == 0
    assert nearest_m(plan, zone.polygon) >= 15 - 0.01
    for obstacle in standing:
        assert nearest_m(plan, obstacle.geometry) >= max(buffer_m, 15) - 0.01
