"""The map as it is seen: over a base map from a local file, and linked with the pictures both ways."""

import gzip
import io
import json
import math
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow
MIDDLE_DEG, LATITUDE_DEG, ZOOM = 34.83, -2.33, 10
EXTENT = 4096
WATER, EARTH = (215, 227, 231), (231, 232, 215)
"""What a map's water and other ground look like: 60 % of their colour over the plain ground."""
RED, BLUE = (200, 60, 60), (60, 60, 200)


def column_of(longitude_deg: float) -> float:
    return (longitude_deg + 180) / 360 * 2**ZOOM


def row_of(latitude_deg: float) -> float:
    return (1 - math.asinh(math.tan(math.radians(latitude_deg))) / math.pi) / 2 * 2**ZOOM


TILE = (int(column_of(MIDDLE_DEG)), int(row_of(LATITUDE_DEG)))


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number: int, content: bytes | int) -> bytes:
    """A field of a protocol buffer: a number, or bytes with their length."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def rectangle(west: int, east: int) -> bytes:
    """A polygon over the tile's height, as commands of the Mapbox Vector Tile specification, 2.1, section 4.3."""
    corners = [(west, 0), (east, 0), (east, EXTENT), (west, EXTENT)]
    steps = np.diff([(0, 0), *corners], axis=0)
    zigzag = [int(v) * 2 if v >= 0 else -int(v) * 2 - 1 for v in steps.ravel()]
    commands = [1 | 1 << 3, *zigzag[:2], 2 | 3 << 3, *zigzag[2:], 7 | 1 << 3]
    return b"".join(varint(c) for c in commands)


def vector_tile() -> bytes:
    """Water to the west of the park's middle, and other land to the east."""
    edge = round((column_of(MIDDLE_DEG) - TILE[0]) * EXTENT)
    layers = b""
    for name, west, east in (("water", 0, edge), ("earth", edge, EXTENT)):
        feature = field(2, field(3, 3) + field(4, rectangle(west, east)))
        layers += field(3, field(15, 2) + field(1, name.encode()) + feature + field(5, EXTENT))
    return layers


def hilbert(zoom: int, column: int, row: int) -> int:
    """The number of a tile in PMTiles 3: those of lower zooms first, then along Hilbert's curve."""
    number, half = (4**zoom - 1) // 3, 2**zoom // 2
    while half:
        right, low = int(column & half > 0), int(row & half > 0)
        number += half * half * ((3 * right) ^ low)
        if not low:
            if right:
                column, row = half - 1 - column, half - 1 - row
            column, row = row, column
        half //= 2
    return number


def pmtiles(path: Path, tile: bytes, kind: int, layers: list[str]) -> Path:
    """A PMTiles file of one tile, after its specification, version 3."""
    packed = gzip.compress(tile) if kind == 1 else tile
    directory = b"".join(map(varint, (1, hilbert(ZOOM, *TILE), 1, len(packed), 1)))
    metadata = json.dumps({"vector_layers": [{"id": name, "fields": {}} for name in layers]}).encode()
    ends = np.cumsum([127, len(directory), len(metadata), len(packed)]).tolist()
    sizes = (127, len(directory), ends[1], len(metadata), ends[2], 0, ends[2], len(packed), 1, 1, 1)
    degrees = [round(v * 1e7) for v in (34.7, -2.5, 35.0, -2.2)]
    compressed = 2 if kind == 1 else 1
    header = b"PMTiles\x03" + struct.pack(
        "<11Q6B4iB2i", *sizes, 1, 1, compressed, kind, ZOOM, ZOOM, *degrees, ZOOM, *degrees[:2]
    )
    path.write_bytes(header + directory + metadata + packed)
    return path


def picture_tile() -> bytes:
    """Red to the west of the park's middle, blue to the east."""
    edge = round((column_of(MIDDLE_DEG) - TILE[0]) * 256)
    pixels = np.empty((256, 256, 3), np.uint8)
    pixels[:, :edge], pixels[:, edge:] = RED, BLUE
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def mbtiles(path: Path, tile: bytes, form: str) -> Path:
    layers = {"vector_layers": [{"id": "water"}, {"id": "earth"}]}
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE metadata (name TEXT, value TEXT)")
        base.execute("CREATE TABLE tiles (zoom_level INT, tile_column INT, tile_row INT, tile_data BLOB)")
        said = [("format", form), *([("json", json.dumps(layers))] if form == "pbf" else [])]
        base.executemany("INSERT INTO metadata VALUES (?, ?)", said)
        base.execute("INSERT INTO tiles VALUES (?, ?, ?, ?)", (ZOOM, TILE[0], 2**ZOOM - 1 - TILE[1], tile))
    return path


def geotiff(path: Path) -> Path:
    pixels = np.empty((3, 200, 200), np.uint8)
    pixels[:, :, :100], pixels[:, :, 100:] = (np.array(c)[:, None, None] for c in (RED, BLUE))
    place = Affine(0.001, 0, MIDDLE_DEG - 0.1, 0, -0.001, LATITUDE_DEG + 0.1)
    options = {"driver": "GTiff", "width": 200, "height": 200, "count": 3, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=place, photometric="RGB", **options) as file:
        file.write(pixels)
    return path


BASE_MAPS = {
    "vector PMTiles": lambda p: pmtiles(p / "base.pmtiles", vector_tile(), 1, ["water", "earth"]),
    "raster PMTiles": lambda p: pmtiles(p / "base.pmtiles", picture_tile(), 2, []),
    "vector MBTiles": lambda p: mbtiles(p / "base.mbtiles", gzip.compress(vector_tile()), "pbf"),
    "raster MBTiles": lambda p: mbtiles(p / "base.mbtiles", picture_tile(), "png"),
    "GeoTIFF": lambda p: geotiff(p / "base.tif"),
}


def seen(page: Page) -> Image.Image:
    expect(page.locator("#map")).not_to_have_attribute("aria-busy", "true", timeout=120_000)
    return Image.open(io.BytesIO(page.locator("#map").screenshot())).convert("RGB")


@pytest.mark.parametrize("kind", BASE_MAPS)
def test_a_base_map_from_a_local_file_lies_under_the_survey(serve, visit, tmp_path, kind) -> None:
    page = visit(serve(basemap=BASE_MAPS[kind](tmp_path)), "/map", width=1024, height=700)
    picture = seen(page)
    west, east = (WATER, EARTH) if "vector" in kind else (RED, BLUE)
    # The survey has the middle of the map; these are beside it.
    for x, colour in ((40, west), (picture.width - 120, east)):
        found = np.array(picture.getpixel((x, 90)))
        assert np.abs(found - colour).max() < 8, f"{kind}: {found} and not {colour}"


def test_density_is_drawn_where_the_animals_are_and_taken_away_again(serve, visit) -> None:
    page = visit(serve(), "/map")
    plain = np.asarray(seen(page), dtype=int)
    page.get_by_label("Density").check()
    hot = np.asarray(seen(page), dtype=int)
    warmer = (hot[..., 0] - hot[..., 2]) - (plain[..., 0] - plain[..., 2]) > 40
    assert 0.01 < warmer.mean() < 0.6
    page.get_by_label("Density").uncheck()
    assert (np.asarray(seen(page), dtype=int) == plain).mean() > 0.99


def test_a_sighting_leads_to_its_picture_and_the_picture_back_to_the_map(serve, visit, rows) -> None:
    served = serve()
    page = visit(served, "/map?line=woodland-03")
    seen(page)
    expected = rows(
        served, "SELECT c.fid, c.path FROM captures c JOIN transects t ON c.transect_id = t.fid"
        " JOIN surveys s ON c.survey_id = s.fid WHERE t.identifier = 'woodland-03' AND s.name = '2026-wet'"
        " AND c.refused IS NULL ORDER BY c.time_utc"
    )  # fmt: skip
    expect(page.locator("#chosen-title")).to_have_text(f"Line woodland-03: {len(expected)} pictures")
    links = page.locator("#pictures a")
    assert [a.get_attribute("href") for a in links.all()] == [f"/frames/{key}" for key, _ in expected]
    links.first.click()
    expect(page.locator("h1")).to_have_text(Path(expected[0][1]).name)
    page.get_by_role("link", name="flight sortie-01").click()
    expect(page.locator("#chosen-title")).to_contain_text("Flight sortie-01: ")
    seen(page)
    page.goto(f"{served.address}/frames/{expected[0][0]}")
    page.get_by_role("link", name="On the map").click()
    seen(page)
    # The picture is in the middle of the map, and a click on it opens it again.
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2 + 40)
    page.wait_for_url(f"**/frames/{expected[0][0]}")


def test_a_click_on_a_line_lists_its_pictures(serve, visit) -> None:
    page = visit(serve(), "/map")
    seen(page)
    for layer in ("Sightings", "Footprints"):
        page.get_by_label(layer).uncheck()
    page.get_by_label("Pictures of").select_option("line floodplain-07")
    seen(page)
    box = page.locator("#map").bounding_box()
    page.get_by_label("Pictures of").select_option("")
    expect(page.locator("#chosen")).to_be_hidden()
    seen(page)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#chosen-title")).to_contain_text("Line floodplain-07: ")
