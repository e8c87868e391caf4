"""Areas in files of every format, to be made wrong one thing at a time."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyogrio
import rasterio
import shapely
from affine import Affine

Content = str | bytes | Callable[[Path], object]


SQUARE = [[34.0, -2.0], [34.02, -2.0], [34.02, -1.98], [34.0, -1.98], [34.0, -2.0]]


def polygon(*rings, **members) -> str:
    return json.dumps({"type": "Polygon", "coordinates": [list(map(list, r)) for r in rings], **members})


def features(*pairs) -> str:
    members = [{"type": "Feature", "properties": p, "geometry": json.loads(g)} for g, p in pairs]
    return json.dumps({"type": "FeatureCollection", "features": members})


def point(x: float, y: float) -> str:
    return json.dumps({"type": "Point", "coordinates": [x, y]})


def moved(east: float, north: float = 0.0) -> list[list[float]]:
    return [[x + east, y + north] for x, y in SQUARE]


def kml(body: str) -> str:
    return f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{body}</Document></kml>'


def kml_polygon(coordinates: str) -> str:
    ring = f"<LinearRing><coordinates>{coordinates}</coordinates></LinearRing>"
    return kml(f"<Placemark><Polygon><outerBoundaryIs>{ring}</outerBoundaryIs></Polygon></Placemark>")


def archive(**members: str | bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "."), data)
    return buffer.getvalue()


def shapefile(crs: str | None, geometry: shapely.Geometry) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        pyogrio.raw.write(
            path,
            geometry=np.array([shapely.to_wkb(geometry)], dtype=object),
            field_data=[np.array(["a"])],
            fields=np.array(["name"]),
            geometry_type=geometry.geom_type,
            crs=crs or "EPSG:4326",
        )
        if crs is None:
            path.with_suffix(".prj").unlink()

    return write


def raster(height_m: float = 1500.0, *, bands: int = 1, crs: str | None = "EPSG:4326", **where: float) -> Content:
    west, north, cell, side = (
        where.get(k, v) for k, v in (("west", 33.9), ("north", -1.9), ("cell", 0.002), ("side", 120))
    )

    def write(path: Path) -> None:
        grid = np.full((bands, int(side), int(side)), height_m, dtype=np.float32)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=int(side),
            height=int(side),
            count=bands,
            dtype="float32",
            crs=crs,
            transform=Affine(cell, 0, west, 0, -cell, north),
            nodata=-9999.0,
        ) as file:
            file.write(grid)

    return write


BOW_TIE = [[34.0, -2.0], [34.02, -1.98], [34.02, -2.0], [34.0, -1.98], [34.0, -2.0]]
