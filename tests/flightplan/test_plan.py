"""A plan as a whole: legal everywhere, the same every time, and read back as written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flightplan.areas import LaunchSite, Stratum, StudyArea, avoiding, read_area, write_area
from flightplan.cameras import camera_named
from flightplan.commands.plan import plan_command
from flightplan.errors import AreaError, DesignError, PlanError, UnreadableFileError
from flightplan.formats import read_mission
from flightplan.frames import LocalFrame
from flightplan.messages import Message
from flightplan.mission_builder import mission_path
from flightplan.plan import SurveyPlan
from flightplan.plan_files import load_plan, save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

FRAME = LocalFrame(34.83, -2.33)
CAMERA = camera_named("overfly-demo")
LAND = shapely.Polygon([(-1500, -900), (1500, -900), (1500, 0), (200, 0), (200, 900), (-1500, 900)])
VILLAGE = shapely.Polygon([(-900, -500), (-500, -520), (-450, -150), (-800, -100)])


def study_area() -> StudyArea:
    ((longitude, latitude),) = FRAME.to_lonlat([(-1400, -850)])
    return StudyArea(
        "Olare",
        (Stratum("all", FRAME.delocalise(shapely.difference(LAND, VILLAGE))),),
        (FRAME.delocalise(VILLAGE),),
        (LaunchSite("camp", float(longitude), float(latitude)),),
    )


def plan(area: StudyArea | None = None, **asked: object) -> SurveyPlan:
    settings = {"altitude_agl_m": 80.0, "spacing_m": 300.0, **asked}
    return plan_survey(area or study_area(), PlanRequest(camera=CAMERA, **settings))  # type: ignore[arg-type]


def illegal_metres(plan: SurveyPlan) -> float:
    """The check of a plan by other means: a transverse Mercator plane, finely drawn borders, no airspace."""
    centre = shapely.union_all([s.polygon for s in plan.area.strata]).centroid
    plane = pyproj.CRS.from_proj4(f"+proj=tmerc +lat_0={centre.y} +lon_0={centre.x} +k=1 +datum=WGS84 +units=m")
    project = pyproj.Transformer.from_crs("EPSG:4326", plane, always_xy=True).transform

    def flat(geometry: shapely.Geometry) -> shapely.Geometry:
        return shapely.transform(shapely.segmentize(geometry, 0.001), lambda p: np.column_stack(project(*p.T)))

    assert plan.allowance_m is not None
    assert plan.buffer_m is not None
    # 5 cm for the difference between two projections of a straight leg.
    land = flat(shapely.union_all([s.polygon for s in plan.area.strata])).buffer(plan.allowance_m + 0.05, quad_segs=64)
    kept_out = flat(shapely.union_all(list(plan.area.exclusions))).buffer(plan.buffer_m - 0.05, quad_segs=64)
    illegal = 0.0
    for sortie in plan.sorties:
        points = np.column_stack(project(*mission_path(sortie.mission).T))
        path = shapely.LineString(points)
        illegal += path.difference(land).length + path.intersection(kept_out).length
    return illegal


def test_a_plan_never_leaves_the_air_it_may_use() -> None:
    for heading_deg in range(0, 180, 20):
        result = plan(heading_deg=float(heading_deg))
        assert result.metres_outside == 0.0
        assert illegal_metres(result) == 0.0


@st.composite
def stars(draw: st.DrawFn, radius_m: float, corners: int, centre: tuple[float, float] = (0.0, 0.0)) -> shapely.Polygon:
    radii = draw(st.lists(st.floats(0.25 * radius_m, radius_m), min_size=corners, max_size=corners))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return shapely.Polygon(np.column_stack([np.cos(angles), np.sin(angles)]) * np.array(radii)[:, None] + centre)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    land=stars(2500, 11),
    holes=st.tuples(stars(300, 7, (150, 100)), stars(200, 5, (-500, -200))),
    heading_deg=st.floats(0, 360),
    seed=st.integers(0, 1000),
    spacing_m=st.sampled_from([60.0, 150.0, 400.0]),
    buffer_m=st.sampled_from([0.0, 15.0, 60.0]),
)
def test_over_any_concave_and_holed_area_no_metre_lies_outside(
    land: shapely.Polygon,
    holes: tuple[shapely.Polygon, shapely.Polygon],
    heading_deg: float,
    seed: int,
    spacing_m: float,
    buffer_m: float,
) -> None:
    kept_out = [h for h in shapely.get_parts(shapely.union_all(holes).intersection(land)) if h.area > 0]
    area = StudyArea(
        "any",
        (Stratum("all", FRAME.delocalise(shapely.difference(land, shapely.union_all(kept_out)))),),
        tuple(FRAME.delocalise(h) for h in kept_out),
    )
    assume(all(s.area > 10_000 for s in area.local_strata))
    try:
        result = plan(area, heading_deg=heading_deg, seed=seed, spacing_m=spacing_m, buffer_m=buffer_m)
    except DesignError as refused:
        # A sliver of land under exclusions: no start of the lines finds a legal one.
        assume("no line of the design can be flown" not in str(refused))
        raise
    assert result.metres_outside == 0.0
    assert illegal_metres(result) == 0.0
    flown = {t for s in result.sorties for t in s.transects}
    assert flown == {t.identifier for s in result.strata for t in s.transects}


@pytest.mark.parametrize(
    ("name", "spacing_m", "headings"),
    [
        ("cz_gory_stolowe_2holes.geojson", 500.0, (125.0,)),
        ("cz_podyji_2holes.geojson", 500.0, (0.0,)),
        ("cz_thayatal_multipolygon3.geojson", 400.0, (0.0, 70.0)),
        ("freetown_aoi.geojson", 300.0, (0.0, 55.0, 120.0)),
        ("oc_sample_field.kml", 120.0, (0.0, 55.0, 120.0)),
        ("wadl_HMR_trees.kml", 200.0, (0.0, 55.0, 120.0)),
        ("wadl_stanford.csv", 300.0, (0.0, 55.0, 120.0)),
        ("wadl_stanford.kmz", 300.0, (30.0, 90.0)),
    ],
)
def test_real_areas_are_planned_inside(
    shared_data: Path, name: str, spacing_m: float, headings: tuple[float, ...]
) -> None:
    area = read_area(shared_data / "areas" / name)
    for heading_deg in headings:
        result = plan(area, heading_deg=heading_deg, spacing_m=spacing_m)
        assert result.metres_outside == 0.0
        assert illegal_metres(result) == 0.0
        assert result.coverage == pytest.approx(96 / spacing_m, rel=0.25)


def test_an_area_larger_than_a_local_frame_is_refused(shared_data: Path) -> None:
    with pytest.raises(AreaError, match=r"AreaRStrata\.shp: reaches 286 km from its centre"):
        read_area(shared_data / "areas" / "AreaRStrata.shp")


def test_a_plans_warnings_know_in_its_folder_what_they_were_made_from(tmp_path):
    made = replace(plan(seed=1), warnings=(*plan(seed=1).warnings, "in plain words"))
    assert any(isinstance(text, Message) for text in made.warnings)
    save_plan(made, tmp_path)
    read = load_plan(tmp_path)
    assert read == made
    assert [isinstance(t, Message) for t in read.warnings] == [isinstance(t, Message) for t in made.warnings]
    # One that an older overfly wrote has the texts alone.
    document = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    del document["messages"]
    (tmp_path / "plan.json").write_text(json.dumps(document), encoding="utf-8")
    assert load_plan(tmp_path) == made
    assert not any(isinstance(text, Message) for text in load_plan(tmp_path).warnings)


def test_the_same_plan_twice_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_plan(plan(seed=3), tmp_path / name)
    assert (tmp_path / "a" / "plan.json").read_bytes() == (tmp_path / "b" / "plan.json").read_bytes()


def test_another_plan_is_not_written_into_the_same_folder(tmp_path: Path) -> None:
    save_plan(plan(seed=1), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    save_plan(plan(seed=1), tmp_path)
    with pytest.raises(PlanError, match="another plan in this folder"):
        save_plan(plan(seed=2), tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_the_mission_files_of_a_sortie_say_what_the_plan_says(tmp_path: Path) -> None:
    result = plan()
    files = save_plan(result, tmp_path)
    for sortie in result.sorties:
        read = read_mission(tmp_path / files[sortie.identifier]["plan"])
        assert mission_path(read) == pytest.approx(mission_path(sortie.mission), abs=1e-7)
        assert [i.command for i in read.items] == [i.command for i in sortie.mission.items]
        assert [i.transect for i in read.items] == [i.transect for i in sortie.mission.items]


def test_a_plan_saved_reads_back_equal(tmp_path: Path) -> None:
    result = plan()
    save_plan(result, tmp_path / "p")
    assert load_plan(tmp_path / "p") == result
    assert load_plan(tmp_path / "p" / "plan.json") == result
    assert read_area(tmp_path / "p" / "area.geojson") == result.area
    lines = json.loads((tmp_path / "p" / "lines.geojson").read_text(encoding="utf-8"))
    assert [f["properties"]["transect"] for f in lines["features"]] == [
        t.identifier for s in result.strata for t in s.transects
    ]


def test_a_plan_file_that_is_not_one_is_refused_with_the_place(tmp_path: Path) -> None:
    save_plan(plan(), tmp_path)
    file = tmp_path / "plan.json"
    document = json.loads(file.read_text(encoding="utf-8"))

    def changed(text: str) -> Path:
        path = tmp_path / "changed.json"
        path.write_text(text, encoding="utf-8")
        return path

    document["plan"]["sorties"][0]["mission"]["items"][2]["latitude_deg"] = "north"
    with pytest.raises(UnreadableFileError, match=r"sorties\[0\]\.mission\.items\[2\]\.latitude_deg: is 'north'"):
        load_plan(changed(json.dumps(document)))
    del document["plan"]["camera"]
    with pytest.raises(UnreadableFileError, match="lacks 'camera'"):
        load_plan(changed(json.dumps(document)))
    with pytest.raises(UnreadableFileError, match="is not JSON"):
        load_plan(changed(file.read_text(encoding="utf-8")[:-20]))
    with pytest.raises(UnreadableFileError, match="not an overfly plan"):
        load_plan(changed("{}"))
    with pytest.raises(UnreadableFileError, match="version 7"):
        load_plan(changed('{"type": "overfly plan", "version": 7}'))
    with pytest.raises(UnreadableFileError, match="no plan here"):
        load_plan(tmp_path / "nowhere")


def test_height_follows_from_ground_sampling_distance_and_back() -> None:
    by_gsd, by_height = plan(gsd_cm=12.0, altitude_agl_m=None), plan(altitude_agl_m=80.0)
    assert by_gsd.altitude_agl_m == pytest.approx(80.0)
    assert by_height.gsd_cm == pytest.approx(12.0)
    assert by_height.design.strip_width_m == pytest.approx(96.0)
    assert by_height.trigger_distance_m == pytest.approx(72 * 0.8)


def test_speed_is_held_below_what_the_camera_can_follow() -> None:
    camera = replace(CAMERA, min_trigger_interval_s=2.0)
    result = plan_survey(
        study_area(), PlanRequest(camera=camera, altitude_agl_m=80.0, spacing_m=300.0, front_overlap=0.8)
    )
    assert result.speed_mps == pytest.approx(72 * 0.2 / 2.0)
    assert any("speed held at 7.2 m/s" in w for w in result.warnings)


def test_a_launch_site_outside_is_moved_and_the_plan_says_so() -> None:
    area = study_area()
    ((longitude, latitude),) = FRAME.to_lonlat([(-2500, 0)])
    moved = plan(
        StudyArea(area.name, area.strata, area.exclusions, (LaunchSite("far", float(longitude), float(latitude)),))
    )
    assert any("launch site far lies 9" in w for w in moved.warnings)
    assert moved.metres_outside == 0.0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"altitude_agl_m": None}, "either the height or the ground sampling distance"),
        ({"gsd_cm": 3.0}, "either the height or the ground sampling distance"),
        ({"altitude_agl_m": -5.0}, "height of -5 m"),
        ({"altitude_agl_m": float("nan")}, "height of nan m"),
        ({"front_overlap": 1.0}, "front overlap of 1 "),
        ({"side_overlap": 0.5}, "side overlap and spacing"),
        ({"spacing_m": None, "side_overlap": -0.5}, "side overlap of -0.5"),
        ({"speed_mps": 90.0}, "90 m/s is not a speed"),
        ({"buffer_m": -1.0}, "buffer of -1 m"),
        ({"drone": "carrier pigeon"}, "no drone named"),
    ],
)
def test_a_plan_that_cannot_be_made_is_refused_with_the_reason(asked: dict[str, object], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        plan(**asked)


def test_ground_left_out_is_named_mapped_and_measured(tmp_path: Path) -> None:
    result = plan(spacing_m=80.0, heading_deg=0.0, buffer_m=80.0)
    assert result.not_covered is not None
    local = result.area.localise(result.not_covered)
    assert result.not_covered_m2 == pytest.approx(local.area, rel=1e-3)
    assert result.coverage == pytest.approx(1 - result.not_covered_m2 / result.area.area_m2, abs=1e-6)
    assert local.distance(result.area.local_exclusions) < 0.01
    assert any("ha cannot be seen" in w for w in result.warnings)
    save_plan(result, tmp_path)
    written = json.loads((tmp_path / "not_covered.geojson").read_text(encoding="utf-8"))
    assert shapely.geometry.shape(written["features"][0]["geometry"]) == result.not_covered
    assert load_plan(tmp_path) == result


def test_a_second_file_adds_exclusions(tmp_path: Path) -> None:
    near, far = FRAME.delocalise(shapely.box(-200, 100, 100, 500)), shapely.box(150, 40, 151, 41)
    lake = StudyArea("lake", (Stratum("all", near), Stratum("elsewhere", far)))
    write_area(lake, tmp_path / "lake.geojson")
    area = avoiding(study_area(), tmp_path / "lake.geojson")
    assert len(area.exclusions) == 2
    assert area.area_m2 == pytest.approx(study_area().area_m2 - 300 * 400, rel=1e-4)
    result = plan(area)
    assert illegal_metres(result) == 0.0


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(plan_command, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_the_command_prints_one_document_and_writes_the_plan(tmp_path: Path) -> None:
    write_area(study_area(), tmp_path / "park.geojson")
    asked = [
        "--camera",
        "overfly-demo",
        "--gsd",
        "12",
        "--spacing",
        "300",
        "--seed",
        "9",
        "--out",
        str(tmp_path / "plan"),
    ]
    code, out, err = run(str(tmp_path / "park.geojson"), *asked, "--json")
    assert code == 0
    document = json.loads(out)
    assert document["metres_outside"] == 0
    assert document["lines"] == sum(len(s.transects) for s in load_plan(tmp_path / "plan").strata)
    assert document["coverage"] == pytest.approx(0.32, abs=0.05)
    assert {"length_km", "duration_min", "warnings"} <= document.keys()
    for sortie in document["sorties"]:
        assert {"plan", "waypoints", "kml"} <= sortie["files"].keys()
        assert {"items", "energy_share", "duration_min", "files"} <= sortie.keys()
        assert all(Path(p).is_file() for p in sortie["files"].values())
    assert "Warning: heights are above the launch site" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--camera", "overfly-demo", "--spacing", "300", "--out", "x"], 2, "--gsd or --height"),
        (["--camera", "overfly-demo", "--gsd", "3", "--out", "x"], 2, "--side, --spacing"),
        (["--camera", "box brownie", "--gsd", "3", "--spacing", "300", "--out", "x"], 1, "no camera named"),
        (["--camera", "overfly-demo", "--gsd", "3", "--spacing", "-3", "--out", "x"], 1, "spacing of -3 m"),
    ],
)
def test_the_command_refuses_with_the_documented_exit_code(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    write_area(study_area(), tmp_path / "park.geojson")
    got, out, err = run(str(tmp_path / "park.geojson"), *arguments)
    assert (got, out) == (code, "")
    assert words in err


def test_an_area_that_is_not_there_is_one_clear_sentence(tmp_path: Path) -> None:
    asked = ["--camera", "overfly-demo", "--gsd", "3", "--spacing", "300", "--out", str(tmp_path / "p")]
    code, _, err = run(str(tmp_path / "nowhere.geojson"), *asked)
    assert code == 1
    assert "nowhere.geojson: there is no such file" in err
    assert not (tmp_path / "p").exists()
