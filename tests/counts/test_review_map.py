"""The map: what lies in a part of it, no more than may be told, over a base map from a local file."""

import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from fastapi.testclient import TestClient
from PIL import Image

from counts.census import Census
from counts.review.basemap import BaseMap
from counts.store import MaskEntry, add_masks, find_survey, read_area
from counts.store.people import add_person
from flightplan.errors import UnreadableFileError

API = "/api/v1"
BOTH = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)
WORLD = {"west": -180, "south": -90, "east": 180, "north": 90}
Serve = Callable[..., TestClient]


@pytest.fixture
def serve(serve: Serve, filled: Census) -> Serve:
    with filled.writing() as session:
        add_person(session, "amina", "reviewer", who="boss", time_utc=datetime(2026, 3, 1, tzinfo=UTC))
    return serve


def read(client: TestClient, path: str, **params):
    found = client.get(API + path, params=params)
    assert found.status_code == 200, found.text
    return found.json()


def test_the_survey_is_there_with_its_plan_and_masks(serve: Serve, filled: Census) -> None:
    with filled.writing() as session:
        key = find_survey(session, "2026-wet").survey_id
        area = read_area(session, key)
        assert area is not None
        add_masks(
            session, key, [MaskEntry("no habitat", area.strata[0].polygon.centroid.buffer(0.001), "test", "lake")]
        )
    found = read(serve(), "/map")
    assert [f["properties"]["name"] for f in found["strata"]["features"]] == [s.name for s in area.strata]
    assert len(found["planned"]["features"]) == 26
    assert found["masks"]["features"][0]["properties"] == {"name": "lake", "kind": "no habitat"}
    west, south, east, north = found["bounds"]
    assert west < 34.83 < east
    assert south < -2.33 < north
    assert found["basemap"] is None


@BOTH
def test_footprints_are_those_in_the_part_looked_at_or_of_one_picture(serve: Serve) -> None:
    page = serve()
    every = read(page, "/map/footprints", **WORLD)["features"]["features"]
    west, south, east, north = read(page, "/map")["bounds"]
    half = read(page, "/map/footprints", west=west, south=south, east=(west + east) / 2, north=north)
    assert 0.3 < len(half["features"]["features"]) / len(every) < 0.7
    assert not half["truncated"]
    one = read(page, "/map/footprints", **WORLD, capture=5)["features"]["features"]
    assert [f["properties"]["capture"] for f in one] == [5]
    assert read(page, "/map/footprints", west=0, south=0, east=1, north=1)["features"]["features"] == []


@BOTH
def test_footprints_of_a_line_are_those_of_its_pictures_and_each_says_its_line(serve: Serve) -> None:
    page = serve()
    for name, identifier in (("line", "woodland-03"), ("flight", "sortie-02")):
        found = read(page, "/map/footprints", **WORLD, **{name: identifier})["features"]["features"]
        assert len(found) == {"line": 16, "flight": 208}[name]
        for one in (found[0], found[-1]):
            facts = read(page, f"/captures/{one['properties']['capture']}")
            assert (facts[name], facts["name"]) == (identifier, one["properties"]["picture"])
    assert read(page, "/map/footprints", **WORLD, line="of no plan")["features"]["features"] == []


@BOTH
def test_a_sighting_has_its_species_verdict_and_picture(serve: Serve) -> None:
    page = serve()
    before = read(page, "/map/sightings", **WORLD)["features"]["features"]
    chosen = next(f["properties"] for f in before if f["properties"]["species"] == "zebra")
    assert (chosen["state"], chosen["animal"]) == ("unseen", True)
    verdict = {"action": "reject", "detection_id": chosen["detection"]}
    page.post(f"{API}/verdicts", json={"request": "request-0001", "verdicts": [verdict]})
    after = {
        f["properties"]["detection"]: f["properties"]
        for f in read(page, "/map/sightings", **WORLD)["features"]["features"]
    }
    assert after[chosen["detection"]]["state"] == "reject"
    assert sum(p["state"] == "reject" for p in after.values()) == 1
    item = page.get(f"{API}/captures/{chosen['capture']}/items").json()
    assert chosen["detection"] in [i["detection_id"] for i in item]


def test_where_a_species_is_sensitive_all_sightings_are_told_by_cells_below_manager(serve: Serve) -> None:
    secret = frozenset({"elephant"})
    amina, chief = serve(local_name="amina", sensitive=secret), serve(sensitive=secret)
    everything = read(amina, "/map/sightings", **WORLD)
    told = everything["features"]["features"]
    real = read(chief, "/map/sightings", **WORLD)["features"]["features"]
    assert len(told) == len(real)
    for feature in told:
        assert {"capture", "detection"}.isdisjoint(feature["properties"])
        # Zebras, too: the map shows which of them somebody just rejected in a picture with elephants.
        cells = np.array(feature["geometry"]["coordinates"]) / 0.1 - 0.5
        assert cells == pytest.approx(np.round(cells), abs=1e-6)
    assert "degree cell" in everything["withheld"]
    assert read(amina, "/map/footprints", **WORLD, capture=5)["features"]["features"] == []
    # However small the part that is asked for, the same animals are in its cell.
    x, y = next(f["geometry"]["coordinates"] for f in real if f["properties"]["species"] == "elephant")
    parts = (
        {"west": x - 1e-4, "south": y - 1e-4, "east": x + 1e-4, "north": y + 1e-4},
        {"west": x + 2e-4, "south": y + 2e-4, "east": x + 3e-4, "north": y + 3e-4},
    )
    one, other = (read(amina, "/map/sightings", **part)["features"]["features"] for part in parts)
    assert one == other != []
    # Pictures are numbered along the lines.
    survey = read(amina, "/map")
    assert [survey[part]["features"] for part in ("planned", "flown", "gaps")] == [[], [], []]
    assert survey["strata"]["features"]
    assert "managers" in survey["withheld"]
    assert read(chief, "/map")["planned"]["features"]


@pytest.mark.parametrize("part", [{"west": 181}, {"north": 91}, {"west": "x"}, {"west": "nan"}, {"west": 5, "east": 4}])
def test_what_is_no_part_of_the_map_is_refused(serve: Serve, part: dict) -> None:
    assert serve().get(f"{API}/map/sightings", params=WORLD | part).status_code == 422


@pytest.fixture
def geotiff(tmp_path: Path) -> Path:
    """Green west and red east of 34.83° E, from 34.80 to 34.86 and -2.36 to -2.30."""
    path = tmp_path / "park.tif"
    pixels = np.zeros((3, 60, 60), dtype=np.uint8)
    pixels[1, :, :30], pixels[0, :, 30:] = 200, 200
    place = Affine(0.001, 0, 34.80, 0, -0.001, -2.30)
    with rasterio.open(
        path, "w", driver="GTiff", width=60, height=60, count=3, dtype="uint8", crs="EPSG:4326", transform=place
    ) as file:
        file.write(pixels)
    return path


def tile_of(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    north = np.arcsinh(np.tan(np.radians(lat)))
    return int((lon + 180) / 360 * 2**zoom), int((1 - north / np.pi) / 2 * 2**zoom)


def test_a_geotiff_is_drawn_as_tiles_where_it_lies(serve: Serve, geotiff: Path) -> None:
    page = serve(basemap=geotiff)
    assert read(page, "/map")["basemap"] == "raster"
    for lon, green in ((34.81, True), (34.85, False)):
        x, y = tile_of(lon, -2.33, 16)
        found = page.get(f"{API}/basemap/16/{x}/{y}")
        assert found.headers["content-type"] == "image/png"
        red, lime, _, there = Image.open(io.BytesIO(found.content)).getpixel((128, 128))
        assert (red, lime, there) == ((0, 200, 255) if green else (200, 0, 255))
    x, y = tile_of(34.80, -2.33, 12)
    edge = np.asarray(Image.open(io.BytesIO(page.get(f"{API}/basemap/12/{x}/{y}").content)))
    assert 0 < (edge[..., 3] == 0).mean() < 1, "clear where the file has nothing"
    assert page.get(f"{API}/basemap/16/0/0").status_code == 204
    assert page.get(f"{API}/basemap/99/0/0").status_code == 422
    assert serve().get(f"{API}/basemap/16/0/0").status_code == 404


def test_mbtiles_rows_are_turned_from_the_south_to_the_north(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "park.mbtiles"
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE metadata (name TEXT, value TEXT)")
        base.execute("INSERT INTO metadata VALUES ('format', 'png')")
        base.execute("CREATE TABLE tiles (zoom_level INT, tile_column INT, tile_row INT, tile_data BLOB)")
        base.execute("INSERT INTO tiles VALUES (3, 4, 5, ?)", (b"\x89PNG north",))
    page = serve(basemap=path)
    assert page.get(f"{API}/basemap/3/4/2").content == b"\x89PNG north"
    assert page.get(f"{API}/basemap/3/4/5").status_code == 204
    assert read(page, "/basemap") == {"kind": "mbtiles", "format": "png", "minzoom": 3, "maxzoom": 3, "layers": []}


def test_ranges_of_a_pmtiles_file_are_served_and_nothing_else(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "park.pmtiles"
    path.write_bytes(b"PMTiles\x03" + bytes(range(200)))
    page = serve(basemap=path)
    found = page.get(f"{API}/basemap.pmtiles", headers={"Range": "bytes=8-17"})
    assert (found.status_code, found.content) == (206, bytes(range(10)))
    assert page.get(f"{API}/basemap/3/4/2").status_code == 404


def test_a_file_that_is_no_base_map_is_refused_at_the_start(tmp_path: Path) -> None:
    for name, content, said in (
        ("a.pmtiles", b"SQLite format 3\x00", "not the pmtiles"),
        ("a.png", b"\x89PNG", "PMTiles, MBTiles or GeoTIFF"),
        ("a.tif", b"", "not the raster"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableFileError, match=said):
            BaseMap.open(tmp_path / name)


def test_the_page_opens(serve: Serve) -> None:
    assert "<title>Map · overfly</title>" in serve(local_name="amina").get("/map").text
