"""Everything that people hand in by mistake, and what they are told: what is wrong, where, and what to do.

Each case runs the verb itself, on a file made here. It ends with 1 (refused) or 2 (wrong usage), says all the parts
listed, on stderr, and writes nothing.
"""

import importlib.util
import json
from pathlib import Path

import click
import pytest
import shapely
from click.testing import CliRunner

from flightplan.commands.convert import convert_command
from flightplan.commands.design import design_command
from flightplan.commands.mend import mend_command
from flightplan.commands.plan import plan_command

_spec = importlib.util.spec_from_file_location("area_files", Path(__file__).with_name("area_files.py"))
area_files = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(area_files)
BOW_TIE, Content, SQUARE, archive, features = (
    area_files.BOW_TIE,
    area_files.Content,
    area_files.SQUARE,
    area_files.archive,
    area_files.features,
)
kml, kml_polygon, moved, point, polygon = (
    area_files.kml,
    area_files.kml_polygon,
    area_files.moved,
    area_files.point,
    area_files.polygon,
)
raster, shapefile = area_files.raster, area_files.shapefile


Case = tuple[str, Content, list[str]]


GOOD = json.dumps({"type": "Polygon", "coordinates": [SQUARE]})


POLY_CUT = "park\n1\n 34 -2\n 34.1 -2\n 34.1 -1.9\nEND\n"


AREAS: list[Case] = [
    ("missing.geojson", lambda path: None, ["missing.geojson", "no such file"]),
    ("folder.geojson", lambda path: path.mkdir(), ["folder.geojson", "is a folder"]),
    ("empty.geojson", "", ["empty.geojson", "is not JSON"]),
    ("text.geojson", "the park is by the river", ["text.geojson", "is not JSON", "line 1 column 1"]),
    ("cut.geojson", GOOD[:60], ["cut.geojson", "is not JSON"]),
    (
        "latin.geojson",
        '{"name": "Nationalpark Gesäuse"}'.encode("latin-1"),
        ["byte 27", "not UTF-8", "Save it as UTF-8"],
    ),
    ("list.geojson", "[1, 2]", ["list.geojson", "not an object"]),
    ("nothing.geojson", '{"type": "FeatureCollection", "features": []}', ["holds no feature", "one polygon or more"]),
    ("nolist.geojson", '{"type": "FeatureCollection"}', ["without a list of features"]),
    ("null.geojson", '{"type": "Feature", "properties": {}, "geometry": null}', ["feature 1", "has no geometry"]),
    ("word.geojson", polygon([[34, -2], [34.1, "-2"], [34.1, -1.9], [34, -2]]), ["a coordinate is not a number"]),
    ("line.geojson", '{"type": "LineString", "coordinates": [[34, -2], [34.1, -2]]}', ["LineString", "Draw the area"]),
    ("ring.geojson", json.dumps({"type": "LineString", "coordinates": SQUARE}), ["a closed line", "as a polygon"]),
    ("points.geojson", point(34, -2), ["no polygon to survey", "Draw the area"]),
    ("bowtie.geojson", polygon(BOW_TIE), ["crosses itself at longitude 34.010000, latitude -1.990000", "overfly mend"]),
    (
        "spike.geojson",
        polygon([*SQUARE[:2], [34.06, -2], *SQUARE[1:]]),
        ["spike.geojson, feature 1", "itself at longitude"],
    ),
    ("holeout.geojson", polygon(SQUARE, moved(0.1)), ["hole lies outside shell", "Correct it"]),
    ("nan.geojson", polygon([[34, -2], [float("nan"), -2], [34.1, -1.9], [34, -2]]), ["not a number", "Correct it"]),
    ("flat.geojson", polygon([[34, -2], [34.1, -2], [34.2, -2], [34, -2]]), ["has no area", "draw it again"]),
    (
        "swapped.geojson",
        polygon([[-2, 134], [-2, 134.02], [-1.98, 134.02], [-2, 134]]),
        ["latitude 134.0200", "swapped"],
    ),
    ("around.geojson", polygon([[179.9, -2], [-179.9, -2], [-179.9, -1.9], [179.9, -2]]), ["antimeridian", "Split it"]),
    (
        "metres.geojson",
        polygon([[5e5, 9.7e6], [5.1e5, 9.7e6], [5.1e5, 9.8e6], [5e5, 9.7e6]]),
        ["not degrees", "metres"],
    ),
    (
        "huge.geojson",
        polygon([[30, -5], [36, -5], [36, 1], [30, 1], [30, -5]]),
        ["a single part reaches", "Cut it into"],
    ),
    ("mars.geojson", polygon(SQUARE, crs={"properties": {"name": "Mars"}}), ["crs member", "Remove it if"]),
    (
        "overlap.geojson",
        features((GOOD, {"stratum": "a"}), (polygon(moved(0.019)), {"stratum": "b"})),
        ["stratum b overlaps", "counted in both"],
    ),
    (
        "covered.geojson",
        features((GOOD, {}), (polygon(moved(0)), {"role": "exclusion"})),
        ["stratum all has nothing left", "the exclusion that covers it"],
    ),
    (
        "exclusion_elsewhere.geojson",
        features((GOOD, {}), (polygon([[y, x] for x, y in SQUARE]), {"role": "exclusion"})),
        ["exclusion 1 lies", "km from the area", "swapped"],
    ),
    (
        "camp.geojson",
        features((GOOD, {}), (point(14, 45), {"name": "camp"})),
        ["launch site camp lies", "another place"],
    ),
    (
        "launch.geojson",
        features((GOOD, {}), (GOOD, {"role": "launch"})),
        ["feature 2", "not a point", "Draw it as a point"],
    ),
    ("broken.kml", "<kml><Document>", ["broken.kml", "not readable KML"]),
    ("bomb.kml", '<!DOCTYPE k [<!ENTITY a "aa">]><kml>&a;</kml>', ["bomb.kml", "entities", "Export it again"]),
    ("spaces.kml", kml_polygon("34.0, -2.0, 0 34.02, -2.0, 0"), ["placemark 1", "'34.0,'", "without spaces"]),
    ("few.kml", kml_polygon("34.0,-2.0 34.02,-2.0"), ["placemark 1", "ring that is not one"]),
    ("empty.kml", kml("<Placemark><name>x</name></Placemark>"), ["empty.kml", "holds no feature"]),
    ("deep.kml", "<kml>" + "<Folder>" * 200 + "</Folder>" * 200 + "</kml>", ["deep.kml", "nested deeper than 100"]),
    ("text.kmz", "not a zip", ["text.kmz", "not a readable zip"]),
    ("none.kmz", archive(readme__txt="x"), ["none.kmz", "without a .kml inside"]),
    ("bomb.kmz", lambda p: p.write_bytes(archive(doc__kml=b" " * (65 << 20))), ["doc.kml unpacks to more than 67 MB"]),
    ("empty.csv", "", ["empty.csv", "holds no row", "names the columns"]),
    ("names.csv", "a,b\n1,2\n", ["no columns named longitude and latitude", "first line must name"]),
    ("words.csv", "lon,lat\n34,-2\nx,3\n34,-1\n", ["words.csv, the polygon", "not numbers: 'x'"]),
    ("comma.csv", "lon;lat\n34,0;-2,0\n34,1;-2,0\n34,1;-1,9\n", ["'34,0'", "decimals with a point"]),
    ("wkt.csv", f'wkt\n"{shapely.box(34, -2, 34.1, -1.9).wkt}"\n', ["does not state", "--crs EPSG"]),
    ("badwkt.csv", "wkt\nPOLYGON((0 0, 1\n", ["row 1", "not WKT"]),
    ("cut.poly", POLY_CUT, ["cut.poly", "stops in the middle", "END"]),
    ("words.poly", "34.0 -2.0\nnorth east\n34.1 -1.9\n", ["words.poly, line 2", "not numbers: 'north'"]),
    ("text.shp", "not a shapefile", ["text.shp", "cannot be opened"]),
    ("noprj.shp", shapefile(None, shapely.box(0, 0, 1, 1)), ["noprj.shp", "does not state", ".prj"]),
    (
        "utm.shp",
        shapefile("EPSG:32736", shapely.box(9_778_000, 611_000, 9_779_000, 612_000)),
        ["UTM zone 36S", "axes swapped"],
    ),
    ("text.gpkg", "not a geopackage", ["text.gpkg", "cannot be opened"]),
    ("none.zip", archive(readme__txt="x"), ["none.zip", "holds 0", "unpack anything else"]),
    ("two.zip", archive(a__shp="x", b__shp="x"), ["two.zip", "holds 2: a.shp, b.shp", "Unpack it"]),
    ("up.zip", archive(**{"../../up__shp": "x"}), ["up.zip", "cannot be opened"]),
    ("bomb.zip", lambda p: p.write_bytes(archive(a__shp=b"\0" * (65 << 20))), ["a.shp unpacks to more than 67 MB"]),
    ("plan.docx", "x", ["plan.docx", "cannot tell what a .docx is", ".gpkg"]),
]


def run(command: click.Command, *words: object) -> tuple[int, str]:
    result = CliRunner().invoke(command, [str(w) for w in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes() for p in sorted(folder.rglob("*"))}


def put(path: Path, content: Content) -> Path:
    if callable(content):
        content(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(folder: Path, command: click.Command, words: list[object], parts: list[str]) -> None:
    before = contents(folder)
    code, said = run(command, *words)
    assert code in (1, 2), said
    assert [p for p in parts if p not in said] == [], said
    assert contents(folder) == before
    assert "Traceback" not in said


def names(cases) -> list[str]:
    return [c[0] if isinstance(c[0], str) else " ".join(map(str, c[0])) for c in cases]


@pytest.mark.parametrize(("name", "content", "parts"), AREAS, ids=names(AREAS))
def test_an_area_that_cannot_be_flown(tmp_path: Path, name: str, content: Content, parts: list[str]) -> None:
    area = put(tmp_path / name, content)
    words = [area, "--camera", "overfly-demo", "--height", 80, "--lines", 3, "--out", tmp_path / "out"]
    refused(tmp_path, plan_command, words, parts)


FURTHER: list[tuple[str, str, Content, list[str]]] = [
    ("--avoid", "swapped.geojson", polygon([[y, x] for x, y in SQUARE]), ["swapped.geojson", "nearest", "swapped"]),
    ("--avoid", "cross.geojson", polygon(BOW_TIE), ["cross.geojson, feature 1", "crosses itself"]),
    ("--launch-file", "none.geojson", GOOD, ["none.geojson", "no point to launch from", "as points"]),
    ("--launch-file", "far.geojson", point(30.0, -2.0), ["launch site launch 1 lies", "km from the area"]),
    (
        "--obstacles",
        "bare.geojson",
        features((point(34.01, -1.99), {"h": 5})),
        ["no attribute", "it has: h", "height:m:agl"],
    ),
    ("--obstacles", "unit.geojson", features((point(34.01, -1.99), {"height": 5})), ["'5'", "does not say its unit"]),
    ("--obstacles", "moon.geojson", features((point(34.01, -1.99), {"height_agl_m": 4e8})), ["height of 400000000"]),
    ("--airspace", "bare.geojson", features((GOOD, {"class": "D"})), ["no attribute", "--airspace-limits"]),
    (
        "--airspace",
        "text.geojson",
        features((GOOD, {"lower": "low", "upper": "UNL"})),
        ["'low'", "does not say its unit"],
    ),
    ("--airspace", "point.geojson", features((point(34.01, -1.99), {"lower": "GND"})), ["not a polygon but Point"]),
    (
        "--airspace",
        "sea.geojson",
        features((GOOD, {"name": "TMA", "lower": "900 ft MSL"})),
        ["airspace TMA", "height of the ground is not known", "--terrain"],
    ),
    (
        "--airspace",
        "all.geojson",
        features((polygon([[33, -3], [35, -3], [35, -1], [33, -1], [33, -3]]), {"name": "P-1", "lower": "GND"})),
        ["leave nothing of the area", "P-1", "--permit"],
    ),
    ("--terrain", "text.tif", "not a raster", ["text.tif", "not an elevation model"]),
    ("--terrain", "away.tif", raster(west=20.0), ["away.tif", "does not reach the study area"]),
    ("--terrain", "colour.tif", raster(bands=3), ["colour.tif", "3 bands", "one-band raster"]),
    ("--terrain", "nowhere.tif", raster(crs=None), ["nowhere.tif", "no coordinate reference system"]),
    ("--terrain", "void.tif", raster(-9999.0), ["void.tif", "has a height there"]),
    ("--camera", "cut.toml", 'name = "x\n', ["cut.toml", "not a camera file"]),
    (
        "--camera",
        "key.toml",
        'name = "x"\nfocal_lenght_mm = 24\n',
        ["key.toml", "unknown key 'focal_lenght_mm'", "focal_length_mm"],
    ),
    ("--camera", "bare.toml", 'name = "x"\nimage_width_px = 4000\nimage_height_px = 3000\n', ["bare.toml", "missing"]),
    ("--camera", "many.json", "[1, 2]", ["many.json", "keys of one camera"]),
]


@pytest.mark.parametrize(
    ("option", "name", "content", "parts"), FURTHER, ids=[f"{option} {name}" for option, name, _, _ in FURTHER]
)
def test_a_further_file_that_cannot_be_used(
    tmp_path: Path, option: str, name: str, content: Content, parts: list[str]
) -> None:
    area = put(tmp_path / "park.geojson", GOOD)
    file = put(tmp_path / name, content)
    words = [area, "--height", 80, "--lines", 3, "--out", tmp_path / "out", option, file]
    refused(tmp_path, plan_command, words if option == "--camera" else [*words, "--camera", "overfly-demo"], parts)


BASE = ["--camera", "overfly-demo", "--height", "80", "--lines", "3"]
OPTIONS: list[tuple[list[str], list[str]]] = [
    (["--camera", "Nokia 3310", "--height", "80", "--lines", "3"], ["no camera named 'Nokia 3310'"]),
    (["--camera", "overfly-demo", "--lines", "3"], ["Say one of --gsd or --height"]),
    (["--camera", "overfly-demo", "--height", "80", "--gsd", "2", "--lines", "3"], ["Say one of --gsd or --height"]),
    (["--camera", "overfly-demo", "--height", "80"], ["Say one of --side"]),
    (["--camera", "overfly-demo", "--height", "-80", "--lines", "3"], ["-80 m above ground cannot be flown"]),
    (["--camera", "overfly-demo", "--height", "80", "--lines", "0"], ["needs one line or more"]),
    (
        ["--camera", "overfly-demo", "--height", "80", "--spacing", "10", "--design", "systematic"],
        ["overlap: no sample", "Ask for"],
    ),
    (["--camera", "overfly-demo", "--height", "80", "--side", "100"], ["side overlap of 1 is not a share"]),
    (["--camera", "overfly-demo", "--height", "80", "--fraction", "150"], ["1.5 is not between 0 and 1"]),
    ([*BASE, "--front", "100"], ["front overlap of 1 is not a share"]),
    ([*BASE, "--drone", "Zeppelin"], ["Zeppelin"]),
    ([*BASE, "--speed", "90"], ["90 m/s is not a speed that", "At most"]),
    ([*BASE, "--buffer", "-5"], ["buffer of -5 m is not one"]),
    ([*BASE, "--buffer", "nan"], ["buffer of nan m is not one"]),
    ([*BASE, "--heading", "nan"], ["heading is not a number"]),
    ([*BASE, "--crs", "EPSG:0", "--strata-field", "zone"], ["no attribute 'zone'", "Name one of these"]),
    ([*BASE, "--launch", "-1.99", "34.01"], ["launch site launch 1 lies", "swapped"]),
    ([*BASE, "--launch", "34.01"], ["--launch"]),
    ([*BASE, "--species", "yeti"], ["yeti"]),
    ([*BASE, "--species", "elephant", "--height", "20"], ["20 m above ground is below the 60 m", "--force-height"]),
    ([*BASE, "--ceiling", "50"], ["would reach 80 m above ground", "ceiling is 50 m"]),
    ([*BASE, "--wind", "30"], ["wind of 30 m/s is more than", "calmer day"]),
    ([*BASE, "--date", "tomorrow"], ["'tomorrow' is not a date", "2026-03-01"]),
    ([*BASE, "--date", "2026-03-01T07:30"], ["does not say its offset"]),
    ([*BASE, "--design", "spiral"], ["spiral"]),
    ([*BASE, "--permit", "CTR"], ["no airspace 'CTR' here", "--airspace FILE"]),
    (
        [*BASE, "--obstacle-height", "h:yards:agl", "--obstacles", "x.geojson"],
        ["does not say a height", "height:m:agl"],
    ),
]


@pytest.mark.parametrize(("words", "parts"), OPTIONS, ids=[" ".join(w[-2:]) for w, _ in OPTIONS])
def test_options_that_do_not_go_together(tmp_path: Path, words: list[str], parts: list[str]) -> None:
    area = put(tmp_path / "park.geojson", GOOD)
    refused(tmp_path, plan_command, [area, *words, "--out", tmp_path / "out"], parts)


PLAN = {
    "fileType": "Plan",
    "version": 1,
    "groundStation": "QGroundControl",
    "mission": {
        "version": 2,
        "firmwareType": 3,
        "vehicleType": 2,
        "cruiseSpeed": 12,
        "hoverSpeed": 5,
        "plannedHomePosition": [-2.0, 34.0, 1500],
        "items": [
            {
                "type": "SimpleItem",
                "autoContinue": True,
                "command": 16,
                "doJumpId": 1,
                "frame": 3,
                "params": [0, 0, 0, None, -2.0, 34.0, 80],
            }
        ],
    },
    "geoFence": {"version": 2, "polygons": [], "circles": []},
    "rallyPoints": {"version": 2, "points": []},
}


def plan_with(**changes: object) -> str:
    document = json.loads(json.dumps(PLAN))
    for path, value in changes.items():
        *way, last = path.split("__")
        place = document
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        if value is KeyError:
            del place[last]
        else:
            place[last] = value
    return json.dumps(document)


WPL = "QGC WPL 110\n0\t1\t0\t16\t0\t0\t0\t0\t-2.0\t34.0\t1500\t1\n"
MISSIONS: list[Case] = [
    ("missing.plan", lambda path: None, ["missing.plan"]),
    ("text.plan", "no", ["text.plan", "JSON"]),
    ("type.plan", plan_with(fileType="Parameters"), ["type.plan", "fileType"]),
    ("version.plan", plan_with(version=9), ["version.plan", "version"]),
    ("mission.plan", plan_with(mission=KeyError), ["mission.plan", "mission"]),
    (
        "nan.plan",
        plan_with(mission__items__0__params=[0, 0, 0, 0, "north", 34.0, 80]),
        ["nan.plan", "mission.items[0]", "'north'"],
    ),
    (
        "north.plan",
        plan_with(mission__items__0__params=[0, 0, 0, 0, 95.0, 34.0, 80]),
        ["north.plan", "mission.items[0]", "latitude is 95"],
    ),
    ("code.plan", plan_with(mission__items__0__command="fly"), ["code.plan, mission.items[0]", "fly"]),
    ("head.waypoints", "QGC WPL 999\n", ["head.waypoints"]),
    ("short.waypoints", WPL + "1\t0\t3\t16\t0\t0\n", ["short.waypoints", "line 3"]),
    ("words.waypoints", WPL + "1\t0\t3\t16\t0\t0\t0\t0\tnorth\t34\t80\t1\n", ["words.waypoints", "line 3", "north"]),
    ("text.kmz", "no zip", ["text.kmz"]),
    ("none.kmz", archive(readme__txt="x"), ["none.kmz"]),
    ("bomb.kml", '<!DOCTYPE k [<!ENTITY a "aa">]><kml>&a;</kml>', ["bomb.kml"]),
    ("area.kml", kml_polygon("34,-2 34.1,-2 34.1,-1.9 34,-2"), ["area.kml", "overfly plan"]),
    ("area.geojson", GOOD, ["area.geojson"]),
    ("notes.txt", "x", ["notes.txt"]),
]


@pytest.mark.parametrize(("name", "content", "parts"), MISSIONS, ids=names(MISSIONS))
def test_a_mission_that_says_nothing_to_fly(tmp_path: Path, name: str, content: Content, parts: list[str]) -> None:
    mission = put(tmp_path / name, content)
    target = tmp_path / ("out.waypoints" if not name.endswith(".waypoints") else "out.plan")
    refused(tmp_path, convert_command, [mission, target], parts)


def test_the_other_verbs_refuse_the_same_areas(tmp_path: Path) -> None:
    area = put(tmp_path / "bowtie.geojson", polygon(BOW_TIE))
    refused(tmp_path, design_command, [area, "--width", 100, "--lines", 3], ["bowtie.geojson", "crosses itself"])
    good = put(tmp_path / "good.geojson", GOOD)
    refused(tmp_path, mend_command, [good, tmp_path / "out.geojson"], ["good.geojson", "nothing to mend"])
    refused(tmp_path, mend_command, [area, tmp_path / "out.kml"], ["out.kml", "End it with .geojson"])
    refused(tmp_path, mend_command, [area, good], ["good.geojson", "is there already"])


def test_there_are_sixty_of_them_and_more() -> None:
    assert len({*names(AREAS), *(f"{o} {n}" for o, n, _, _ in FURTHER), *names(OPTIONS), *names(MISSIONS)}) >= 110


def test_the_areas_are_bad_for_their_own_reason_only(tmp_path: Path) -> None:
    # What is put in the place of one part at a time is flown over as it is.
    area = put(tmp_path / "park.geojson", GOOD)
    mast = put(tmp_path / "mast.geojson", features((point(34.01, -1.99), {"height_agl_m": 5})))
    dem = put(tmp_path / "dem.tif", raster())
    code, said = run(
        plan_command,
        area,
        *BASE,
        "--obstacles",
        mast,
        "--terrain",
        dem,
        "--launch",
        34.01,
        -1.99,
        "--out",
        tmp_path / "out",
    )
    assert code == 0, said
    plan = put(tmp_path / "good.plan", plan_with())
    assert run(convert_command, plan, tmp_path / "good.waypoints")[0] == 0
