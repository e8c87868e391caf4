"""Orthomosaics: any GeoTIFF as a capture that needs no camera, the ground it shows, and places in it.

What is measured in one is on the ground already. How well depends on how it was made, which its file does not say: the
defaults are those of a mosaic without ground control or RTK, which lies where its receiver said (1.5 m), and true in
itself to three of its pixels (OpenDroneMap's documentation puts the relative accuracy at one to three times the ground
pixel).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.features
import shapely
from pyproj import Geod
from rasterio import Affine
from rasterio.errors import RasterioError
from shapely.geometry import Polygon

from detect.captures import Capture
from detect.georef import Placed
from detect.georeference import Georeference
from detect.images import Mosaic
from detect.raycast import Placement
from detect.sources import RASTER_SUFFIXES, TIFF_SUFFIXES, hash_file, on_disk
from flightplan.errors import CaptureError, GeoreferenceError

DEFAULT_ACCURACY_M = 1.5
OWN_PX = 3.0

_MASK_PX = 4_000_000
_SPECKLE = 1e-4
_NO_PLACE = "an orthomosaic's own coordinates say where it lies"


def read_mosaic(path: Path) -> Capture | None:
    """Return a GeoTIFF as a capture, or None for a picture that carries no coordinates of its own.

    Only its header and mask are read, so its size does not matter. Raises CaptureError for a raster that cannot be
    opened, or whose coordinates are no place on Earth.
    """
    if path.suffix.lower() not in TIFF_SUFFIXES | RASTER_SUFFIXES:
        return None
    file = on_disk(path)
    with Mosaic(file) as mosaic:
        size = mosaic.width_px, mosaic.height_px
        crs, transform = mosaic.crs, mosaic.transform
    if crs is None or transform is None or transform == Affine.identity():
        return None
    authority = crs.to_authority()
    place = Georeference(
        ":".join(authority) if authority else crs.to_wkt(),
        (transform.a, transform.b, transform.c, transform.d, transform.e, transform.f),
        0.0,
    )
    middle = np.array(size) / 2.0
    asked = middle + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    lon, lat = place.to_lonlat(asked).T
    known = np.isfinite(lon).all() and (np.abs(lat) <= 90).all()
    # Far outside of where a projection holds it leads somewhere, and not back.
    if not (known and np.allclose(place.to_pixels(np.column_stack([lon, lat])), asked, atol=0.5)):
        raise CaptureError("Its coordinates are no place on Earth", where=str(path), hint="Is its CRS the right one?")
    _, _, sides = Geod(ellps="WGS84").inv(lon[[0, 0]], lat[[0, 0]], lon[[1, 2]], lat[[1, 2]])
    gsd_cm = 100.0 * float(np.sqrt(np.prod(sides)))
    if not 0.0 < gsd_cm < 1e6:
        raise CaptureError("Its pixels have no size on the ground", where=str(path), hint="Is its CRS the right one?")
    source = f"GeoTIFF ({place.crs.split('[')[0] if '[' in place.crs else place.crs})"
    unknown = dict.fromkeys(("camera", "yaw_deg", "pitch_deg", "roll_deg", "altitude_takeoff_m"), _NO_PLACE)
    unknown["time_utc"] = "an orthomosaic is made of many moments"
    return Capture(
        path=path,
        content_hash=hash_file(file),
        width_px=size[0],
        height_px=size[1],
        longitude_deg=float(lon[0]),
        latitude_deg=float(lat[0]),
        georeference=Georeference(place.crs, place.transform, gsd_cm),
        sources={"longitude_deg": source, "latitude_deg": source, "georeference": source},
        unknown=unknown,
    )


def valid_ground(capture: Capture) -> Polygon:
    """Return the ground that an orthomosaic shows, in degrees: what its mask, alpha or nodata leave of it.

    The mask is read on at most four million pixels, so its edge is off by at most one of those; specks below a
    ten-thousandth of the whole are left out, and filled. Parts apart from each other are joined by strips as wide as
    such a pixel, because a footprint is one polygon. Raises GeoreferenceError when nothing in it is valid.
    """
    place = _georeference(capture)
    try:
        with rasterio.open(on_disk(capture.path)) as file:
            shrink = max(1.0, float(np.sqrt(file.width * file.height / _MASK_PX)))
            shape = (max(1, round(file.height / shrink)), max(1, round(file.width / shrink)))
            valid = file.dataset_mask(out_shape=shape) > 0
    except RasterioError as error:
        raise GeoreferenceError(f"its mask cannot be read ({error})", where=str(capture.path)) from error
    least = _SPECKLE * valid.size
    valid = rasterio.features.sieve(valid.astype(np.uint8), max(2, int(least))) > 0 if least >= 2 else valid
    scale = Affine.scale(capture.width_px / shape[1], capture.height_px / shape[0])
    parts = [
        shapely.geometry.shape(geometry)
        for geometry, value in rasterio.features.shapes(valid.astype(np.uint8), mask=valid, transform=scale)
        if value == 1
    ]
    if not parts:
        raise GeoreferenceError("nothing in it is valid: all of it is nodata", where=str(capture.path))
    pixel = max(scale.a, scale.e)
    outline = shapely.segmentize(shapely.simplify(_joined(parts, pixel), pixel / 2), max(capture.width_px, 64) / 32)
    polygon = shapely.transform(outline, place.to_lonlat)
    if not polygon.is_valid:
        polygon = max(shapely.get_parts(shapely.make_valid(polygon)), key=lambda part: part.area)
    return polygon


def outline_error_m(capture: Capture) -> float:
    """How far the outline of `valid_ground` may lie from the last valid pixels, in metres on the ground."""
    shrink = max(1.0, float(np.sqrt(capture.width_px * capture.height_px / _MASK_PX)))
    return 1.5 * shrink * _georeference(capture).gsd_cm / 100.0


def place_in_mosaic(capture: Capture, points_px: npt.ArrayLike) -> Placed:
    """Place points (N, 2) of an orthomosaic on the ground; 0, 0 is the outer corner of its first pixel.

    Heights are NaN. What is common to all is a stated accuracy or `DEFAULT_ACCURACY_M`, what is each one's own
    `OWN_PX` pixels.
    """
    place = _georeference(capture)
    lonlat = place.to_lonlat(points_px)
    count = len(lonlat)
    common = (capture.horizontal_accuracy_m or DEFAULT_ACCURACY_M) ** 2
    own = (OWN_PX * place.gsd_cm / 100.0) ** 2
    square = np.broadcast_to(np.eye(2), (count, 2, 2))
    known = np.isfinite(lonlat).all(axis=1)
    status = np.where(known, Placement.GROUND, Placement.NO_RAY).astype(np.int8)
    return Placed(lonlat, np.full(count, np.nan), square * (common + own), square * common, status)


def _georeference(capture: Capture) -> Georeference:
    if capture.georeference is None:
        raise GeoreferenceError("it has no coordinates of its own", where=str(capture.path))
    return capture.georeference


def _joined(parts: list[Polygon], width: float) -> Polygon:
    """One polygon of many: each joined to the nearest by a strip."""
    joined = max(parts, key=lambda part: part.area)
    rest = sorted((p for p in parts if p is not joined), key=lambda part: (part.distance(joined), part.bounds))
    for part in rest:
        strip = shapely.shortest_line(joined, part)
        # Parts that meet at a corner need a strip of some length too.
        joined = shapely.union_all([joined, part, shapely.buffer(strip, width / 2, cap_style="square")])
    return joined if isinstance(joined, Polygon) else max(shapely.get_parts(joined), key=lambda part: part.area)
