"""Each format an area may come in, the same area out of each; and no bytes whatever end in anything but a refusal."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightplan.areas import (
    LaunchSite,
    StudyArea,
    avoiding,
    launching,
    read_area,
    read_area_parts,
    write_area,
)
from flightplan.errors import AreaError, OverflyError, UnreadableFileError

SQUARE = [(34.0, -2.0), (34.02, -2.0), (34.02, -1.98), (34.0, -1.98), (34.0, -2.0)]
HOLE = [(34.005, -1.995), (34.01, -1.995), (34.01, -1.99), (34.005, -1.99), (34.005, -1.995)]
PARK = shapely.Polygon(SQUARE, [HOLE])


def write_shapes(path: Path, shapes, *, crs: str | None = "EPSG:4326", **fields) -> Path:
    pyogrio.raw.write(
        path,
        geometry=np.array([shapely.to_wkb(s) for s in shapes], dtype=object),
        field_data=[np.array(v) for v in fields.values()],
        fields=np.array(list(fields)),
        geometry_type=shapes[0].geom_type,
        crs=crs,
    )
    return path


def zipped(path: Path, *files: Path, under: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, under + file.name)
    return path


def poly_text(*, end: bool = True) -> str:
    def section(name, ring):
        return [name, *(f"   {x:.7E}   {y:.7E}" for x, y in ring), "END"]

    lines = ["park", *section("1", SQUARE), *section("!2", HOLE)]
    return "\n".join([*lines, "END"] if end else lines) + "\n"


def geojson(path: Path, *geometries, **properties) -> Path:
    features = [
        {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(g)} for g in geometries
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def in_format(folder: Path, name: str) -> Path:
    """The square park with its hole, in a format."""
    path = folder / name
    if name.endswith(".zip"):
        return zipped(path, *sorted(in_format(folder, "park.shp").parent.glob("park.*")), under="inner/folder/")
    if path.suffix in (".shp", ".gpkg", ".fgb"):
        return write_shapes(path, [PARK], name=["park"])
    if path.suffix == ".poly":
        path.write_text(poly_text(), encoding="utf-8")
    elif path.suffix == ".csv":
        path.write_text(f'name;wkt\npark;"{PARK.wkt}"\n', encoding="utf-8")
    else:
        geojson(path, PARK)
    return path


@pytest.mark.parametrize("name", ["p.geojson", "p.shp", "p.zip", "p.gpkg", "p.fgb", "p.csv", "p.poly"])
def test_the_same_park_comes_out_of_every_format(tmp_path: Path, name: str) -> None:
    area = read_area(in_format(tmp_path, name), crs="EPSG:4326" if name.endswith(".csv") else None)
    assert area.strata[0].polygon.equals(PARK)
    assert [e.equals(shapely.Polygon(HOLE)) for e in area.exclusions] == [True]


def test_the_two_formats_called_poly_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    osmosis, planner = tmp_path / "osmosis.poly", tmp_path / "planner.poly"
    osmosis.write_text(poly_text(), encoding="utf-8")
    planner.write_text(
        "#saved by Mission Planner 1.3.80\n" + "".join(f"{y} {x}\n" for x, y in SQUARE), encoding="utf-8"
    )
    assert read_area(osmosis).boundary.equals(PARK)
    # Mission Planner writes latitude first.
    assert read_area(planner).strata[0].polygon.equals(shapely.Polygon(SQUARE))


def test_a_poly_of_two_parts_keeps_each_hole_in_its_own(tmp_path: Path) -> None:
    east = [(x + 0.1, y) for x, y in SQUARE]
    text = poly_text(end=False) + "\n".join(["3", *(f"{x} {y}" for x, y in east), "END", "END"])
    path = tmp_path / "two.poly"
    path.write_text(text, encoding="utf-8")
    area = read_area(path)
    expected = shapely.MultiPolygon([PARK, shapely.Polygon(east)])
    assert area.strata[0].polygon.normalize().equals_exact(expected.normalize(), 1e-9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("park\n1\n 34 -2\n 34.1 -2\nEND\nEND\n", "line 5: ends a ring of 2 corners"),
        ("park\n1\n 34 -2\n 34.1 -2\n 34.1 -1.9\nEND\n", "stops in the middle"),
        ("park\n!1\n 34 -2\n 34.1 -2\n 34.1 -1.9\nEND\nEND\n", "holds no polygon"),
        ("34.0\n", "line 1: is not a corner"),
        ("34.0 -2\nx y\n34 -1\n", "line 2: has coordinates that are not numbers: 'x'"),
        ("# nothing\n", "holds no corner"),
    ],
)
def test_a_poly_that_is_not_one_names_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.poly"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OverflyError, match=words):
        read_area(path)


def test_a_hole_outside_of_every_polygon_of_a_poly_is_refused(tmp_path: Path) -> None:
    far = [(x + 1, y) for x, y in HOLE]
    path = tmp_path / "bad.poly"
    path.write_text("\n".join(["p", "1", *(f"{x} {y}" for x, y in SQUARE), "END", "!2"]), encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" + "\n".join([*(f"{x} {y}" for x, y in far), "END", "END"]))
    with pytest.raises(AreaError, match="hole that does not lie in one of its polygons"):
        read_area(path)


def test_a_csv_of_semicolons_or_tabs_is_read_and_a_decimal_comma_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for delimiter in ";\t":
        path.write_text(f"lat{delimiter}lon\n" + "\n".join(f"{y}{delimiter}{x}" for x, y in SQUARE), encoding="utf-8")
        assert read_area(path).strata[0].polygon.equals(shapely.Polygon(SQUARE))
    path.write_text("lat;lon\n" + "\n".join(f"{y};{x}".replace(".", ",") for x, y in SQUARE), encoding="utf-8")
    with pytest.raises(UnreadableFileError, match=r"'34,0'.*Write decimals with a point"):
        read_area(path)


# --- reference systems -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crs", ["EPSG:32736", "EPSG:21036", "EPSG:3857", "EPSG:4210", "ESRI:102022"])
def test_any_system_that_a_file_states_leads_to_the_same_place(tmp_path: Path, crs: str) -> None:
    transformer = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    place = shapely.Polygon(np.column_stack(transformer.transform(*np.array(SQUARE).T)))
    area = read_area(write_shapes(tmp_path / "a.gpkg", [place], crs=crs, name=["a"]))
    assert area.strata[0].polygon.normalize().equals_exact(shapely.Polygon(SQUARE).normalize(), 1e-7)


def test_coordinates_where_their_system_is_not_used_are_refused(tmp_path: Path) -> None:
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32736", always_xy=True)
    swapped = shapely.Polygon(np.column_stack(to_utm.transform(*np.array(SQUARE).T))[:, ::-1])
    path = write_shapes(tmp_path / "a.gpkg", [swapped], crs="EPSG:32736", name=["a"])
    with pytest.raises(AreaError, match=r"where WGS 84 / UTM zone 36S is not used.*axes swapped"):
        read_area(path)


def test_a_system_of_an_old_datum_that_nobody_ties_to_wgs84_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'wkt\n"{shapely.box(2000, 2000, 3000, 3000).wkt}"\n', encoding="utf-8")
    with pytest.raises(AreaError, match="may be off by hundreds of metres"):
        read_area(path, crs="+proj=tmerc +lat_0=-2 +lon_0=34 +ellps=bessel")
    with pytest.raises(AreaError, match="there is no way from its coordinate reference system"):
        read_area(path, crs='LOCAL_CS["farm",UNIT["metre",1]]')
    with pytest.raises(AreaError, match="'the old one' is not a coordinate reference system"):
        read_area(path, crs="the old one")


# --- size ------------------------------------------------------------------------------------------------------------


def far_apart(degrees: float):
    return [shapely.box(20, 0, 20.3, 0.3), shapely.box(20 + degrees, 0, 20.3 + degrees, 0.3)]


def test_parts_within_one_frame_stay_one_area(tmp_path: Path) -> None:
    areas = read_area_parts(geojson(tmp_path / "a.geojson", *far_apart(3.0)))
    assert [a.name for a in areas] == ["a"]
    assert areas[0] == read_area(tmp_path / "a.geojson")


def test_parts_too_far_apart_get_frames_of_their_own(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", *far_apart(6.0), shapely.Point(26.1, 0.1))
    with pytest.raises(AreaError, match=r"reaches 35\d km from its centre; one local frame carries 220 km"):
        read_area(path)
    west, east = read_area_parts(path)
    assert [a.name for a in (west, east)] == ["a, part 1", "a, part 2"]
    # One stratum in two areas is a stratum in each: transects keep names of their own.
    assert [s.name for a in (west, east) for s in a.strata] == ["all 1", "all 2"]
    assert (west.launch_sites, east.launch_sites) == ((), (LaunchSite("launch 1", 26.1, 0.1),))
    assert west.frame.longitude_deg == pytest.approx(20.15)
    assert east.frame.longitude_deg == pytest.approx(26.15)
    geod = pyproj.Geod(ellps="WGS84")
    for area in (west, east):
        truth_m2 = abs(geod.geometry_area_perimeter(shapely.orient_polygons(area.boundary))[0])
        assert area.area_m2 == pytest.approx(truth_m2, rel=2e-5)


def test_strata_stay_whole_and_keep_their_names_in_parts(tmp_path: Path) -> None:
    features = [
        {"type": "Feature", "properties": {"stratum": name}, "geometry": shapely.geometry.mapping(box)}
        for name, box in zip(["west", "east"], far_apart(6.0), strict=True)
    ]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    assert [[s.name for s in a.strata] for a in read_area_parts(path)] == [["west"], ["east"]]


def test_an_area_split_at_the_antimeridian_is_planned_in_its_two_halves(tmp_path: Path) -> None:
    halves = [shapely.box(179.8, -17, 180, -16.8), shapely.box(-180, -17, -179.8, -16.8)]
    areas = read_area_parts(geojson(tmp_path / "fiji.geojson", *halves))
    assert [round(a.frame.longitude_deg, 1) for a in areas] == [179.9, -179.9]


def test_a_single_part_that_is_too_large_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", *far_apart(6.0), shapely.box(30, 0, 35, 5))
    with pytest.raises(AreaError, match=r"feature 3: a single part reaches \d+ km.*Cut it into several polygons"):
        read_area_parts(path)


def test_real_strata_around_ireland_fall_into_parts(shared_data: Path) -> None:
    path = shared_data / "areas" / "AreaRStrata.shp"
    areas = read_area_parts(path, strata_field="LinkID")
    assert [[s.name for s in a.strata] for a in areas] == [["1", "2", "3"], ["4", "5", "6"]]
    # The file states 38 898.25672 km² for all of them together.
    assert sum(a.area_m2 for a in areas) / 1e6 == pytest.approx(38_898.25672, rel=0.005)


# --- further files ---------------------------------------------------------------------------------------------------


def test_launch_sites_come_from_a_file_of_their_own(tmp_path: Path) -> None:
    area = read_area(geojson(tmp_path / "a.geojson", PARK))
    camp = geojson(tmp_path / "camps.geojson", shapely.Point(34.001, -1.99), name="camp")
    assert launching(area, camp).launch_sites == (LaunchSite("camp", 34.001, -1.99),)
    with pytest.raises(AreaError, match="holds no point to launch from"):
        launching(area, tmp_path / "a.geojson")


@pytest.mark.parametrize("add", [launching, avoiding])
def test_a_further_file_with_swapped_axes_or_of_another_place_is_refused(tmp_path: Path, add) -> None:
    area = read_area(geojson(tmp_path / "a.geojson", PARK))
    for name, (x, y), words in (
        ("swapped", (-1.99, 34.01), "look swapped: longitude comes first"),
        ("elsewhere", (12.0, 45.0), "Is it of another place"),
    ):
        shape = shapely.Point(x, y) if add is launching else shapely.Point(x, y).buffer(0.001)
        with pytest.raises(AreaError, match=rf"km from the area.*{words}"):
            add(area, geojson(tmp_path / f"{name}.geojson", shape))


def test_only_what_is_near_is_taken_from_a_country(tmp_path: Path) -> None:
    area = read_area(geojson(tmp_path / "a.geojson", PARK))
    near = shapely.box(34.012, -1.988, 34.014, -1.986)
    far = [shapely.box(34.0 + i, -1.9, 34.1 + i, -1.8) for i in range(1, 40)]
    for name in ("c.gpkg", "c.geojson"):
        path = tmp_path / name
        if name.endswith("gpkg"):
            write_shapes(path, [near, *far], name=["x"] * 40)
        else:
            geojson(path, near, *far)
        assert [e.equals(near) for e in avoiding(area, path).exclusions] == [False, True]


# --- a crowd of broken files -----------------------------------------------------------------------------------------

SUFFIXES = (".geojson", ".kml", ".kmz", ".csv", ".poly", ".zip", ".gpkg", ".shp", ".fgb")
CROWD = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def outcome(path: Path) -> tuple[StudyArea | None, str]:
    try:
        return read_area(path, crs="EPSG:4326"), ""
    except OverflyError as refused:
        return None, str(refused)


def ends_well(path: Path) -> None:
    """Read a file: it is an area that can be written, or refused in words that name the file."""
    area, said = outcome(path)
    if area is None:
        assert path.name in said
        assert len(said.encode("utf-8")) < 1000
        return
    assert area.area_m2 > 0
    assert shapely.is_valid(area.boundary)
    copy = path.with_name("copy.geojson")
    write_area(area, copy)
    assert read_area(copy).area_m2 == pytest.approx(area.area_m2)


@pytest.mark.parametrize("suffix", SUFFIXES)
@CROWD
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path: Path, suffix: str, data: bytes) -> None:
    path = tmp_path / f"crowd{suffix}"
    path.write_bytes(data)
    with pytest.raises(OverflyError, match="crowd"):
        read_area(path)


@st.composite
def mangling(draw) -> list[tuple[int, int, bytes]]:
    """Cuts at shares of a file's length: where, how many bytes go, what comes instead."""
    piece = st.one_of(st.binary(max_size=8), st.sampled_from([b"", b"NaN", b"1e999", b"-", b"\x00\xff", b"null", b"["]))
    return draw(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 30), piece), min_size=1, max_size=4))


def mangled(data: bytes, cuts) -> bytes:
    for share, gone, piece in cuts:
        at = len(data) * share // 1000
        data = data[:at] + piece + data[at + gone :]
    return data


@pytest.mark.parametrize("suffix", SUFFIXES)
@CROWD
@given(cuts=mangling())
def test_a_mangled_file_is_an_area_or_refused(tmp_path_factory, suffix: str, cuts) -> None:
    folder = tmp_path_factory.getbasetemp() / f"mangled{suffix[1:]}"
    folder.mkdir(exist_ok=True)
    good = folder / f"p{suffix}"
    if suffix in (".kml", ".kmz"):
        ring = " ".join(f"{x},{y},0" for x, y in SQUARE)
        text = (
            '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder><name>a</name><Placemark><name>p</name>'
            f"<Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing></outerBoundaryIs>"
            "</Polygon></Placemark></Folder></Document></kml>"
        )
        if suffix == ".kml":
            good.write_text(text, encoding="utf-8")
        else:
            with zipfile.ZipFile(good, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("doc.kml", text)
    elif not good.exists():
        in_format(folder, good.name)
    bad = folder / f"crowd{suffix}"
    bad.write_bytes(mangled(good.read_bytes(), cuts))
    if suffix == ".shp":
        for side in (".shx", ".dbf", ".prj"):
            (folder / f"crowd{side}").write_bytes((folder / f"p{side}").read_bytes())
    ends_well(bad)


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["Feature", "FeatureCollection", "Polygon", "MultiPolygon", "GeometryCollection", "Point"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["type", "features", "geometry", "properties", "coordinates", "geometries", "crs", "name", "role"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=25,
)


@settings(CROWD, max_examples=200)
@given(document=JSON)
def test_any_json_is_an_area_or_refused(tmp_path: Path, document) -> None:
    path = tmp_path / "crowd.geojson"
    path.write_text(json.dumps(document), encoding="utf-8")
    ends_well(path)


corner = st.tuples(
    st.one_of(st.floats(-400, 400), st.sampled_from([0.0, 180.0, -180.0, float("nan"), float("inf")])),
    st.one_of(st.floats(-100, 100), st.sampled_from([0.0, 90.0, -90.0, 1e300])),
)


@settings(CROWD, max_examples=200)
@given(rings=st.lists(st.lists(corner, max_size=6), max_size=3), role=st.sampled_from(["", "exclusion", "obstacle"]))
def test_any_rings_are_an_area_or_refused(tmp_path: Path, rings, role: str) -> None:
    path = tmp_path / "crowd.geojson"
    closed = [[*r, r[0]] if r else r for r in rings]
    members = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [SQUARE]}},
        {"type": "Feature", "properties": {"role": role}, "geometry": {"type": "Polygon", "coordinates": closed}},
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": members}), encoding="utf-8")
    ends_well(path)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("MAX_CORNERS", r"has 10 corners; the limit is 3\. Simplify it"),
        ("MAX_DATABASE_BYTES", r"is too large for an area.*Cut out the part"),
        ("MAX_FEATURES", r"more than 3 features; that is the limit.*Cut out"),
    ],
)
def test_more_than_can_be_held_is_refused(tmp_path: Path, monkeypatch, limit: str, words: str) -> None:
    parts = [PARK] * 4 if limit == "MAX_FEATURES" else [PARK]
    path = write_shapes(tmp_path / "a.gpkg", parts, name=["a"] * len(parts))
    assert len(read_area(path).exclusions) == 1
    monkeypatch.setattr(f"flightplan.area_formats.{limit}", 3)
    with pytest.raises(OverflyError, match=words):
        read_area(path)


def test_a_file_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.geojson"
    path.write_text('{"type":"Polygon","coordinates":' + "[" * 100_000 + "]" * 100_000 + "}", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match="not JSON"):
        read_area(path)
    kml = tmp_path / "deep.kml"
    kml.write_text("<kml>" + "<Folder>" * 50_000 + "</Folder>" * 50_000 + "</kml>", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match="nested deeper than 100"):
        read_area(kml)
