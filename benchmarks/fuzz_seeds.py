"""Good files of every format, for `fuzz.py` to break."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyogrio
import rasterio
import shapely
from PIL import Image
from rasterio.transform import from_origin

from counts.census import Census
from detect.jpeg_writing import put_position, write_jpeg
from detect.models import shipped_model
from flightplan.formats import SUFFIXES, write_mission
from flightplan.mission import Mission, MissionItem

RING = [(34.80, -2.35), (34.85, -2.35), (34.85, -2.31), (34.82, -2.33), (34.80, -2.31), (34.80, -2.35)]
UTC_US = 1_790_000_000_000_000
LARGEST_SEED = 700_000


def seeds(data: Path | None) -> dict[str, tuple[bytes, ...]]:
    """Return good files of every parser; `data` is the folder of real ones, where there is one."""
    with TemporaryDirectory() as folder:
        work = Path(folder)
        picture, coco, points = _jpeg(work), json.dumps(COCO).encode(), json.dumps(POINTS).encode()
        mosaic = _tiff(work, np.uint8, 3)
        return {
            **{f"area {suffix}": files for suffix, files in _areas(work, data).items()},
            **{f"mission {suffix}": files for suffix, files in _missions(work, data).items()},
            "plan": (_plan(work),),
            "terrain": (_tiff(work, np.float32, 1), *_real(data, "terrain/*.tif")),
            "drone": (DRONE.encode(),),
            "camera": (CAMERA.encode(),),
            "earlier survey": (b"stratum,sd,possible_units\nwest,3.5,40\neast,2,30\n",),
            "metadata of a picture": (picture, *_real(data, "imagery/pelicans_dji/*.JPG")),
            "pixels of a picture": (picture, *_real(data, "imagery/tree_crowns/SOAP*.png")),
            "metadata of a mosaic": (mosaic,),
            "pixels of a mosaic": (mosaic,),
            "subtitles": (SUBTITLES.encode(),),
            "telemetry log": (_tlog(),),
            "dataflash log": (_dataflash(),),
            "labels .json": (coco,),
            "labels .csv": (BOXES.encode(), *_real(data, "imagery/tree_crowns/*.csv")),
            "labels .xml": (VOC.encode(), *_real(data, "imagery/tree_crowns/SOAP*.xml")),
            "detections .json": (coco,),
            "detections .csv": (DETECTIONS.encode(),),
            "calibration": (CALIBRATION.encode(),),
            "model": (shipped_model().read_bytes(),),
            "Movebank": (MOVEBANK.encode(),),
            "EarthRanger": (json.dumps(TRACKS).encode(),),
            "sightings .csv": (SIGHTINGS.encode(),),
            "sightings .json": (points,),
            "SMART patrol .csv": (PATROL_ROWS.encode(),),
            "SMART patrol .json": (points,),
            "SMART patrol .gpx": (GPX.encode(),),
            "SMART data model": (MODEL.encode(),),
            "checklist": (b"scientificName,vernacularName,TSN\nEquus quagga,zebra,1\n",),
            "Camtrap DP": (_camtrap(),),
            "availability": (AVAILABILITY.encode(),),
            "table design": (TABLE_DESIGN.encode(),),
            "world": tuple(text.encode() for text in _worlds()),
            "base map": (_mbtiles(work),),
            "census": (_census(work),),
        }


def _real(data: Path | None, pattern: str) -> tuple[bytes, ...]:
    """Return real files, those of a size that can be tried thousands of times."""
    if data is None:
        return ()
    return tuple(p.read_bytes() for p in sorted(data.glob(pattern)) if 0 < p.stat().st_size <= LARGEST_SEED)


def _areas(work: Path, data: Path | None) -> dict[str, tuple[bytes, ...]]:
    """An area in each format, by suffix."""
    shape = shapely.Polygon(RING)
    ring = " ".join(f"{x},{y},0" for x, y in RING)
    kml = (
        '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder><name>west</name><Placemark>'
        f"<name>a</name><Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon></Placemark></Folder></Document></kml>"
    ).encode()
    geojson = {"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"stratum": "west"}, "geometry": json.loads(shapely.to_geojson(shape))}
    ]}  # fmt: skip
    made = {
        ".geojson": json.dumps(geojson).encode(),
        ".kml": kml,
        ".kmz": _zipped({"doc.kml": kml}),
        ".csv": ("lon,lat\n" + "\n".join(f"{x},{y}" for x, y in RING)).encode(),
        ".poly": "\n".join(f"{y} {x}" for x, y in RING).encode(),
        ".gpkg": _written(work / "area.gpkg", shape, "GPKG"),
        ".fgb": _written(work / "area.fgb", shape, "FlatGeobuf"),
    }
    (work / "shp").mkdir(exist_ok=True)
    _written(work / "shp" / "area.shp", shape, "ESRI Shapefile")
    made[".zip"] = _zipped({p.name: p.read_bytes() for p in (work / "shp").iterdir()})
    return {suffix: (content, *_real(data, f"areas/*{suffix}")) for suffix, content in made.items()}


def _written(path: Path, shape: Any, driver: str) -> bytes:
    pyogrio.raw.write(
        path, shapely.to_wkb(np.array([shape])), [np.array(["west"])], ["stratum"], crs="EPSG:4326",
        geometry_type="Polygon", driver=driver,
    )  # fmt: skip
    return path.read_bytes()


def _zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def small_mission() -> Mission:
    """Four lines with the camera on."""
    items = [MissionItem(22, 3, (0.0,) * 4, 34.83, -2.33, 60.0), MissionItem(178, 2, (1.0, 12.0, -1.0, 0.0))]
    for n in range(4):
        ends = (-2.33, -2.34) if n % 2 == 0 else (-2.34, -2.33)
        items += [
            MissionItem(16, 3, (0.0,) * 4, 34.83 + n * 0.002, ends[0], 80.0),
            MissionItem(206, 2, (57.6, 0.0, 1.0, 0.0)),
            MissionItem(16, 3, (0.0,) * 4, 34.83 + n * 0.002, ends[1], 80.0),
            MissionItem(206, 2),
        ]
    return Mission(items=(*items, MissionItem(20, 2)), home=(34.83, -2.33))


def _missions(work: Path, data: Path | None) -> dict[str, tuple[bytes, ...]]:
    mission = small_mission()
    return {
        suffix: (
            write_mission(mission, work / f"mission{suffix}").read_bytes(),
            *_real(data, f"missions/*{suffix}"),
            *_real(data, f"malformed/*{suffix}"),
        )
        for suffix in SUFFIXES
    }


def _jpeg(work: Path) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "DJI", "FC6310", "2026:02:14 06:00:00"
    put_position(exif, 34.83, -2.33, 1580.0)
    said = {"RelativeAltitude": "+80.00", "GimbalYawDegree": "+12.3", "GimbalPitchDegree": "-90.00", "RtkFlag": "50"}
    pixels = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    write_jpeg(work / "a.jpg", pixels, exif, said, quality=80)
    return (work / "a.jpg").read_bytes()


def _tiff(work: Path, kind: Any, bands: int) -> bytes:
    path = work / f"{np.dtype(kind).name}.tif"
    pixels = np.random.default_rng(2).integers(0, 200, (bands, 64, 64)).astype(kind)
    with rasterio.open(
        path, "w", driver="GTiff", width=64, height=64, count=bands, dtype=kind, crs="EPSG:32736", tiled=True,
        blockxsize=16, blockysize=16, compress="deflate", transform=from_origin(700_000, 9_742_000, 30, 30),
    ) as file:  # fmt: skip
        file.write(pixels)
    return path.read_bytes()


def _tlog() -> bytes:
    from pymavlink.dialects.v20 import ardupilotmega as mav

    link, data = mav.MAVLink(None, srcSystem=1, srcComponent=1), b""
    for n in range(8):
        longitude, latitude = round(34.83e7) + n * 5000, round(-2.33e7)
        for message in (
            link.heartbeat_encode(2, 3, 81, 0, 4),
            link.system_time_encode(UTC_US + n * 2_000_000, 1000 * n),
            link.global_position_int_encode(1000 * n, latitude, longitude, 1_580_000, 80_000, 0, 1200, 0, 9000),
            link.camera_feedback_encode(
                UTC_US + n * 2_000_000, 0, 0, n, latitude, longitude, 1580.0, 80.0, 0.0, -90.0, 90.0, 0.0, 0
            ),
        ):
            data += struct.pack(">Q", UTC_US + n * 2_000_000) + message.pack(link)
    return data


def _dataflash() -> bytes:
    codes = {"Q": "Q", "B": "B", "I": "I", "H": "H", "L": "i", "e": "i", "f": "f", "n": "4s", "N": "16s", "Z": "64s"}
    formats = {
        "FMT": (128, "BBnNZ", "Type,Length,Name,Format,Columns"),
        "GPS": (130, "QBIH", "TimeUS,Status,GMS,GWk"),
        "CAM": (131, "QBHIHLLeeefff", "TimeUS,I,Img,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,R,P,Y"),
    }

    def packed(form: str) -> str:
        return "<" + "".join(codes[c] for c in form)

    def message(name: str, *values: Any) -> bytes:
        return struct.pack("<BBB", 0xA3, 0x95, formats[name][0]) + struct.pack(packed(formats[name][1]), *values)

    data = b"".join(
        message("FMT", number, 3 + struct.calcsize(packed(form)), name.encode(), form.encode(), columns.encode())
        for name, (number, form, columns) in formats.items()
    )
    data += message("GPS", 5_000_000, 3, 500_000_000, 2400)
    for n in range(8):
        place = (round(-2.33e7), round(34.83e7) + n * 5000, 158_000, 8_000, 158_000, 0.0, -90.0, 90.0)
        data += message("CAM", 6_000_000 + n * 2_000_000, 0, n, 500_001_000 + 2000 * n, 2400, *place)
    return data


def _worlds() -> list[str]:
    """The world files that the docs show."""
    pages = sorted((Path(__file__).parent.parent / "docs").rglob("*.md"))
    blocks = [part.split("```")[0] for page in pages for part in page.read_text("utf-8").split("```toml")[1:]]
    return [block for block in blocks if "[species." in block and "per_km2" in block]


def _camtrap() -> bytes:
    package = {
        "profile": "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.1/camtrap-dp-profile.json",
        "resources": [
            {"name": name, "path": f"{name}.csv", "profile": "tabular-data-resource"}
            for name in ("deployments", "media", "observations")
        ],
    }
    return _zipped(
        {
            "datapackage.json": json.dumps(package).encode(),
            "deployments.csv": b"deploymentID,latitude,longitude,deploymentStart,deploymentEnd\n"
            b"d1,-2.33,34.83,2026-02-01T00:00:00Z,2026-03-01T00:00:00Z\n",
            "media.csv": b"mediaID,deploymentID,timestamp,filePath,filePublic,fileMediatype\n"
            b"m1,d1,2026-02-14T06:00:00Z,a.jpg,true,image/jpeg\n",
            "observations.csv": b"observationID,deploymentID,eventStart,eventEnd,observationLevel,observationType,"
            b"scientificName,count\no1,d1,2026-02-14T06:00:00Z,2026-02-14T06:01:00Z,event,animal,Equus quagga,2\n",
        }
    )


def _mbtiles(work: Path) -> bytes:
    import sqlite3
    from contextlib import closing

    picture = io.BytesIO()
    Image.new("RGB", (256, 256), (120, 140, 90)).save(picture, "PNG")
    path = work / "a.mbtiles"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE metadata (name TEXT, value TEXT)")
        file.execute("CREATE TABLE tiles (zoom_level INT, tile_column INT, tile_row INT, tile_data BLOB)")
        file.executemany("INSERT INTO metadata VALUES (?, ?)", [("format", "png"), ("minzoom", "0"), ("maxzoom", "1")])
        file.execute("INSERT INTO tiles VALUES (0, 0, 0, ?)", (picture.getvalue(),))
    return path.read_bytes()


def _census(work: Path) -> bytes:
    with Census.open(work / "census.gpkg"):
        pass
    return (work / "census.gpkg").read_bytes()


def _plan(work: Path) -> bytes:
    from click.testing import CliRunner

    from overfly.cli import main

    area = work / "for-plan.geojson"
    corners = [[34.80, -2.35], [34.82, -2.35], [34.82, -2.33], [34.80, -2.33], [34.80, -2.35]]
    geometry = {"type": "Polygon", "coordinates": [corners]}
    area.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": geometry}))
    arguments = [
        "plan",
        str(area),
        "--camera",
        "overfly-demo",
        "--drone",
        "DJI Mavic 3 Enterprise",
        "--spacing",
        "400",
        "--gsd",
        "5",
        "--out",
        str(work / "plan"),
        "--json",
    ]
    ended = CliRunner().invoke(main, arguments)
    if ended.exit_code:
        raise RuntimeError(f"no plan to begin with: {ended.output}")
    return (work / "plan" / "plan.json").read_bytes()


DRONE = """[[drone]]
name = "Scout"
kind = "multirotor"
source = "data sheet"
battery_wh = 77.0
hover_power_w = 180.0
cruise_power_w = 170.0
cruise_speed_mps = 12.0
max_speed_mps = 18.0
max_wind_mps = 12.0
"""
CAMERA = """name = "Eye"
source = "data sheet"
image_width_px = 4000
image_height_px = 3000
sensor_width_mm = 13.2
sensor_height_mm = 8.8
focal_length_mm = 8.8
distortion = [0.01, -0.002, 0.0, 0.0, 0.0]
"""
SUBTITLES = """1
00:00:00,000 --> 00:00:00,033
<font size="28">SrtCnt : 1, DiffTime : 33ms
2026-02-14 06:00:00.123
[iso : 100] [shutter : 1/800.0] [fnum : 280] [latitude: -2.330000] [longitude: 34.830000] [rel_alt: 80.000 abs_alt: 1580.0] </font>

2
00:00:00,033 --> 00:00:00,066
<font size="28">SrtCnt : 2, DiffTime : 33ms
2026-02-14 06:00:00.156
[iso : 100] [latitude: -2.330010] [longitude: 34.830000] [rel_alt: 80.000 abs_alt: 1580.0] </font>

"""  # noqa: E501
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.7, "area": 12}],
    "categories": [{"id": 1, "name": "zebra"}],
}
BOXES = "image,label,score,xmin,ymin,xmax,ymax\na.jpg,zebra,0.9,1,2,30,40\nb.jpg,zebra,0.5,5,6,7,8\n"
DETECTIONS = "image,label,score,x_min_px,y_min_px,x_max_px,y_max_px\na.jpg,zebra,0.9,1,2,30,40\nb.jpg,,,,,,\n"
VOC = (
    "<annotation><filename>a.jpg</filename><size><width>64</width><height>48</height><depth>3</depth></size><object>"
    "<name>zebra</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>"
)
CURVE = {"method": "isotonic", "knots": [0.0, 1.0], "values": [0.1, 0.9]}
CALIBRATION = json.dumps({"n": 100, "all": CURVE, "labels": {"zebra": CURVE}})
MOVEBANK = (
    "event-id,visible,timestamp,location-long,location-lat,individual-taxon-canonical-name,"
    "individual-local-identifier\n1,true,2026-02-14 06:00:00.000,34.83,-2.33,Loxodonta africana,Tim\n"
    "2,true,2026-02-14 07:00:00.000,34.84,-2.33,Loxodonta africana,Tim\n"
)
TRACKS = {"type": "FeatureCollection", "features": [{
    "type": "Feature", "geometry": {"type": "LineString", "coordinates": [[34.0, -2.0], [34.1, -2.0]]},
    "properties": {"id": "a", "subject_type": "wildlife", "coordinateProperties": {
        "times": ["2026-02-14T06:00:00Z", "2026-02-14T07:00:00Z"]}}}]}  # fmt: skip
SIGHTINGS = "species,lon,lat,time,count\nzebra,34,-2,2026-02-14T06:00,3\n"
POINTS = {"type": "FeatureCollection", "features": [{
    "type": "Feature", "properties": {"species": "elephant", "patrol_id": "A", "time": "2026-02-14T06:00:00Z"},
    "geometry": {"type": "Point", "coordinates": [34.0, -2.0]}}]}  # fmt: skip
PATROL_ROWS = "patrol_id,time,x,y\nA,2026-02-14T06:00:00Z,34,-2\nA,2026-02-14T06:05:00Z,34.01,-2\n"
GPX = (
    '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg><trkpt lat="-2" lon="34"><time>'
    "2026-02-14T06:00:00Z</time></trkpt></trkseg></trk></gpx>"
)
MODEL = (
    '<DataModel><attributes><attribute key="n" type="NUMERIC"/></attributes><categories><category key="a" '
    'isactive="true"><attribute attributekey="n" isactive="true"/></category></categories></DataModel>'
)
AVAILABILITY = """[[availability]]
species = "hippo"
value = 0.62
standard_error = 0.05
source = "dives"
hours = [6, 12]
"""
TABLE_DESIGN = """estimator = "jolly2"
spread = "O2"

[strata.woodland]
area_km2 = 80.0

[[rates]]
name = "availability"
value = 0.87
standard_error = 0.03
source = "collars"
"""
