"""What may be a study area, and what is refused with which words."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely

from flightplan.areas import LaunchSite, Stratum, StudyArea, read_area, write_area
from flightplan.errors import AreaError, OverflyError, UnreadableFileError

SQUARE = [(34.0, -2.0), (34.02, -2.0), (34.02, -1.98), (34.0, -1.98), (34.0, -2.0)]
HOLE = [(34.005, -1.995), (34.01, -1.995), (34.01, -1.99), (34.005, -1.99), (34.005, -1.995)]


def geojson(path: Path, *features: tuple[dict[str, object], dict[str, object]], **members: object) -> Path:
    document = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": p, "geometry": g} for p, g in features],
        **members,
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def polygon(*rings: list[tuple[float, float]]) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": [list(map(list, r)) for r in rings]}


def kml(body: str) -> str:
    return f'<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>{body}</Document></kml>'


def kml_ring(ring: list[tuple[float, float]]) -> str:
    return "<LinearRing><coordinates>" + " ".join(f"{x},{y},120" for x, y in ring) + "</coordinates></LinearRing>"


PLACEMARK = (
    "<Placemark><name>Mara</name><Polygon><outerBoundaryIs>"
    + kml_ring(SQUARE)
    + "</outerBoundaryIs><innerBoundaryIs>"
    + kml_ring(HOLE)
    + "</innerBoundaryIs></Polygon></Placemark>"
)


def test_an_area_written_reads_back_equal(tmp_path: Path) -> None:
    area = StudyArea(
        name="Ol Kinyei",
        strata=(
            Stratum("north", shapely.Polygon([(34, -2), (34.02, -2), (34.02, -1.98), (34.0, -1.98)], [HOLE])),
            Stratum(
                "süd", shapely.MultiPolygon([shapely.box(34, -2.02, 34.01, -2), shapely.box(34.05, -2.02, 34.06, -2)])
            ),
        ),
        exclusions=(shapely.Polygon(HOLE), shapely.box(34.002, -2.015, 34.004, -2.012)),
        launch_sites=(LaunchSite("camp", 34.001, -1.99), LaunchSite("gate", 34.015, -1.981)),
    )
    write_area(area, tmp_path / "a.geojson")
    assert read_area(tmp_path / "a.geojson") == area


def test_a_hole_is_never_flown_over_and_not_surveyed(tmp_path: Path) -> None:
    area = read_area(geojson(tmp_path / "a.geojson", ({}, polygon(SQUARE, HOLE))))
    assert len(area.exclusions) == 1
    assert area.exclusions[0].equals(shapely.Polygon(HOLE))
    geod = pyproj.Geod(ellps="WGS84")
    truth_m2 = abs(geod.geometry_area_perimeter(shapely.orient_polygons(shapely.Polygon(SQUARE, [HOLE])))[0])
    assert area.area_m2 == pytest.approx(truth_m2, rel=2e-5)


def test_a_hole_of_one_stratum_that_another_fills_is_no_exclusion(tmp_path: Path) -> None:
    path = geojson(
        tmp_path / "a.geojson",
        ({"stratum": "outer"}, polygon(SQUARE, HOLE)),
        ({"stratum": "core"}, polygon(HOLE)),
    )
    area = read_area(path)
    assert [s.name for s in area.strata] == ["outer", "core"]
    assert area.exclusions == ()


def test_features_say_what_they_are(tmp_path: Path) -> None:
    path = geojson(
        tmp_path / "a.geojson",
        ({"zone": "west"}, polygon(SQUARE)),
        ({"zone": "east"}, polygon([(x + 0.02, y) for x, y in SQUARE])),
        ({"zone": "east"}, polygon([(x + 0.08, y) for x, y in SQUARE])),
        ({"type": "Exclusion"}, polygon(HOLE)),
        ({"name": "strip"}, {"type": "Point", "coordinates": [34.001, -1.999, 1500]}),
    )
    area = read_area(path, strata_field="zone")
    assert [(s.name, len(shapely.get_parts(s.polygon))) for s in area.strata] == [("west", 1), ("east", 2)]
    assert len(area.exclusions) == 1
    assert area.launch_sites == (LaunchSite("strip", 34.001, -1.999),)
    assert read_area(path).strata[0].name == "all"


@pytest.mark.parametrize("suffix", [".kml", ".kmz"])
def test_kml_and_kmz_with_a_hole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mara{suffix}"
    if suffix == ".kml":
        path.write_text(kml(PLACEMARK), encoding="utf-8")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("doc.kml", kml(PLACEMARK))
    area = read_area(path)
    assert area.name == "mara"
    assert area.strata[0].polygon.equals(shapely.Polygon(SQUARE, [HOLE]))


def test_a_kml_folder_named_exclusions_holds_exclusions(tmp_path: Path) -> None:
    path = tmp_path / "mara.kml"
    village = f"<Placemark><Polygon><outerBoundaryIs>{kml_ring(HOLE)}</outerBoundaryIs></Polygon></Placemark>"
    outline = f"<Placemark><Polygon><outerBoundaryIs>{kml_ring(SQUARE)}</outerBoundaryIs></Polygon></Placemark>"
    path.write_text(kml(f"{outline}<Folder><name>Exclusions</name>{village}</Folder>"), encoding="utf-8")
    area = read_area(path)
    assert area.exclusions == (shapely.Polygon(HOLE),)
    assert area.strata == (Stratum("all", shapely.Polygon(SQUARE)),)


def test_a_geopackage_in_utm_is_brought_to_longitude_and_latitude(tmp_path: Path) -> None:
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32736", always_xy=True)
    utm = [to_utm.transform(x, y) for x, y in SQUARE]
    for name in ("a.gpkg", "a.shp"):
        pyogrio.raw.write(
            tmp_path / name,
            geometry=np.array([shapely.to_wkb(shapely.Polygon(utm))]),
            field_data=[np.array(["a"])],
            fields=np.array(["name"]),
            geometry_type="Polygon",
            crs="EPSG:32736",
        )
        area = read_area(tmp_path / name)
        assert area.strata[0].polygon.normalize().equals_exact(shapely.Polygon(SQUARE).normalize(), 1e-7)


def test_a_csv_of_corners_and_one_of_wkt(tmp_path: Path) -> None:
    corners = tmp_path / "corners.csv"
    corners.write_text("id,lat,lon\n" + "\n".join(f"{i},{y},{x}" for i, (x, y) in enumerate(SQUARE)), encoding="utf-8")
    assert read_area(corners).strata[0].polygon.equals(shapely.Polygon(SQUARE))
    wkt = tmp_path / "wkt.csv"
    wkt.write_text(f'stratum;x,wkt\nn,"{shapely.Polygon(SQUARE).wkt}"\n', encoding="utf-8")
    with pytest.raises(AreaError, match="does not state its coordinate reference system"):
        read_area(wkt)
    assert read_area(wkt, crs="EPSG:4326").strata[0].polygon.equals(shapely.Polygon(SQUARE))


BOW_TIE = [(34.0, -2.0), (34.02, -1.98), (34.02, -2.0), (34.0, -1.98), (34.0, -2.0)]
NAN = [(34.0, -2.0), (float("nan"), -2.0), (34.02, -1.98), (34.0, -2.0)]
FLAT = [(34.0, -2.0), (34.01, -2.0), (34.02, -2.0), (34.0, -2.0)]
SWAPPED = [(-2.0, 134.0), (-2.0, 134.02), (-1.98, 134.02), (-2.0, 134.0)]
AROUND = [(179.9, -2.0), (-179.9, -2.0), (-179.9, -1.9), (179.9, -1.9), (179.9, -2.0)]
METRES = [(500000.0, 9780000.0), (501000.0, 9780000.0), (501000.0, 9781000.0), (500000.0, 9780000.0)]
HUGE = [(30.0, -5.0), (36.0, -5.0), (36.0, 1.0), (30.0, 1.0), (30.0, -5.0)]


@pytest.mark.parametrize(
    ("ring", "words"),
    [
        (BOW_TIE, "crosses itself at longitude 34.010000, latitude -1.990000"),
        (BOW_TIE, "mended by its crossings it would be 2 polygons"),
        (NAN, "a coordinate that is not a number"),
        (FLAT, "has no area"),
        (SWAPPED, "latitude 134.0200.*swapped"),
        (AROUND, "crosses the antimeridian"),
        (METRES, "not degrees.*look like metres"),
        (HUGE, "km from its centre"),
    ],
)
def test_a_polygon_that_is_no_area_is_refused_with_the_reason(
    tmp_path: Path, ring: list[tuple[float, float]], words: str
) -> None:
    path = geojson(tmp_path / "bad.geojson", ({"name": "block 7"}, polygon(ring)))
    with pytest.raises(AreaError, match=words) as refused:
        read_area(path)
    assert "bad.geojson" in str(refused.value)


def test_the_refusal_names_the_feature(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", ({}, polygon(SQUARE)), ({"name": "block 7"}, polygon(BOW_TIE)))
    with pytest.raises(AreaError, match=r"a\.geojson, feature 2 \(block 7\): crosses itself"):
        read_area(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.geojson", "not json", "is not JSON"),
        ("a.geojson", "[1, 2]", "not GeoJSON"),
        ("a.geojson", '{"type": "FeatureCollection"}', "without a list of features"),
        ("a.geojson", '{"type": "FeatureCollection", "features": []}', "holds no feature"),
        ("a.geojson", '{"type": "FeatureCollection", "features": [7]}', "feature 1: is not a GeoJSON feature"),
        ("a.geojson", '{"type": "Feature", "properties": {}, "geometry": null}', "has no geometry"),
        ("a.geojson", '{"type": "Polygon", "coordinates": [[[1], [2]]]}', "not GeoJSON"),
        ("a.geojson", '{"type": "Polygon", "coordinates": []}', "empty polygon"),
        ("a.geojson", '{"type": "Point", "coordinates": [34, -2]}', "no polygon to survey"),
        ("a.geojson", '{"type": "LineString", "coordinates": [[34, -2], [34.1, -2]]}', "not a polygon but LineString"),
        ("a.geojson", '{"type": "Polygon", "coordinates": [], "crs": {"properties": {"name": "Mars"}}}', "crs member"),
        ("a.kml", "<kml><Document>", "not readable KML"),
        ("a.kml", kml(""), "holds no feature"),
        ("a.kml", kml("<Placemark><Polygon></Polygon></Placemark>"), "without one outer boundary"),
        ("a.kml", kml("<Placemark><Point><coordinates>a,b</coordinates></Point></Placemark>"), "not numbers"),
        ("a.kml", '<!DOCTYPE k [<!ENTITY a "aaaa">]><kml>&a;</kml>', "not readable KML"),
        ("a.kmz", "not a zip", "not a readable zip"),
        ("a.csv", "", "holds no row"),
        ("a.csv", "a,b\n1,2\n", "no columns named longitude and latitude"),
        ("a.csv", "lon,lat\n1,2\nx,3\n3,4\n", "not numbers"),
        ("a.gpkg", "not a geopackage", "cannot be opened"),
        ("a.shp", "not a shapefile", "cannot be opened"),
        ("a.docx", "x", "cannot tell what a .docx is"),
    ],
)
def test_a_file_that_is_not_what_it_claims_is_refused(tmp_path: Path, name: str, content: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(OverflyError, match=words) as refused:
        read_area(path)
    assert name in str(refused.value)


def test_a_kmz_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.kmz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("doc.kml", b" " * (65 * 1024 * 1024))
    assert path.stat().st_size < 100_000
    with pytest.raises(UnreadableFileError, match="unpacks to more than"):
        read_area(path)


def test_strata_that_overlap_are_refused(tmp_path: Path) -> None:
    path = geojson(
        tmp_path / "a.geojson",
        ({"stratum": "a"}, polygon(SQUARE)),
        ({"stratum": "b"}, polygon([(x + 0.019, y) for x, y in SQUARE])),
    )
    with pytest.raises(AreaError, match="stratum b overlaps"):
        read_area(path)


def test_an_attribute_that_names_no_strata_is_refused_with_those_there_are(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", ({"zone": "w", "ha": 5}, polygon(SQUARE)))
    with pytest.raises(AreaError, match="no attribute 'block'; it has: zone, ha"):
        read_area(path, strata_field="block")


def test_real_areas_are_read_or_refused_in_a_sentence(shared_data: Path) -> None:
    geod = pyproj.Geod(ellps="WGS84")
    for name in (
        "cz_podyji_2holes.geojson",
        "cz_thayatal_multipolygon3.geojson",
        "wadl_stanford.kmz",
        "wadl_stanford.csv",
    ):
        area = read_area(shared_data / "areas" / name)
        truth_m2 = sum(abs(geod.geometry_area_perimeter(shapely.orient_polygons(s.polygon))[0]) for s in area.strata)
        assert area.area_m2 == pytest.approx(truth_m2, rel=1e-4)
    assert len(read_area(shared_data / "areas" / "cz_podyji_2holes.geojson").exclusions) == 2
    with pytest.raises(AreaError, match=r"StAndrew\.shp: does not state its coordinate reference system.*--crs"):
        read_area(shared_data / "areas" / "StAndrew.shp")
    assert read_area(shared_data / "areas" / "StAndrew.shp", crs="EPSG:3857").area_m2 > 0
