"""What a polygon has to be before anybody flies over it; each refusal says what is wrong and where."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon

from flightplan.errors import AreaError
from flightplan.frames import Floats, LocalFrame


def check_polygon(geometry: Any, where: str) -> Polygon | MultiPolygon:
    """Return a geographic polygon as it is, or raise AreaError saying what is wrong with it and where."""
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        what = "a closed line" if geometry.geom_type == "LineString" and geometry.is_closed else geometry.geom_type
        raise AreaError(f"is not a polygon but {what}", where=where, hint="Draw the area as a polygon")
    if geometry.is_empty:
        raise AreaError("is an empty polygon", where=where, hint="Draw it, or take it out of the file")
    coordinates = shapely.get_coordinates(geometry)
    if not np.isfinite(coordinates).all():
        raise AreaError("has a coordinate that is not a number", where=where, hint="Correct it where it was drawn")
    check_degrees(coordinates, where)
    # A figure of eight has no area either, but its corners span one.
    if geometry.convex_hull.area <= 0:
        raise AreaError("has no area", where=where, hint="Its corners lie on one line: draw it again")
    if not geometry.is_valid:
        raise AreaError(_invalidity(geometry), where=where, hint=_what_mending_does(geometry))
    return geometry


def check_degrees(coordinates: Floats, where: str) -> None:
    """Raise AreaError for coordinates (N, 2) that are no longitudes and latitudes, or go round the antimeridian."""
    longitudes, latitudes = coordinates[:, 0], coordinates[:, 1]
    if not np.isfinite(coordinates).all():
        raise AreaError("has a coordinate that is not a number", where=where, hint="Correct it where it was drawn")
    if np.abs(coordinates).max() > 360:
        raise AreaError(
            f"has coordinates like {coordinates[0, 0]:.6g}, {coordinates[0, 1]:.6g}, which are not degrees",
            where=where,
            hint="They look like metres: say in which coordinate reference system",
        )
    if np.abs(latitudes).max() > 90:
        worst = latitudes[np.abs(latitudes).argmax()]
        swapped = np.abs(longitudes).max() <= 90 and np.abs(latitudes).max() <= 180
        raise AreaError(
            f"has latitude {worst:.4f}",
            where=where,
            hint="Latitude and longitude look swapped: longitude comes first" if swapped else "It ends at ±90°",
        )
    if np.abs(longitudes).max() > 180 or np.ptp(longitudes) > 180:
        raise AreaError("crosses the antimeridian", where=where, hint="Split it at 180° into two polygons")


def mended(geometry: Any) -> Polygon | MultiPolygon:
    """Return what a polygon that crosses itself encloses, cut at its crossings; empty when it encloses nothing."""
    found = shapely.get_parts(shapely.make_valid(geometry))
    # A ring that runs over itself leaves lines, and where it touches itself a collection of both.
    parts = [p for g in found for p in shapely.get_parts(g) if p.geom_type == "Polygon" and p.area > 0]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def crossings(geometry: Any) -> Floats:
    """Return the places (N, 2) where a polygon's rings cross or touch themselves or one another."""
    rings = [r for p in shapely.get_parts(geometry) for r in (p.exterior, *p.interiors)]
    corners = np.unique(np.concatenate([shapely.get_coordinates(r) for r in rings]), axis=0)
    noded = shapely.get_coordinates(shapely.node(shapely.MultiLineString([shapely.LineString(r) for r in rings])))
    known = {(round(x, 12), round(y, 12)) for x, y in corners.tolist()}
    new = [(x, y) for x, y in np.unique(noded, axis=0).tolist() if (round(x, 12), round(y, 12)) not in known]
    if not new:
        place = re.search(r"\[(\S+) (\S+)\]", shapely.is_valid_reason(geometry))
        new = [(float(place[1]), float(place[2]))] if place else []
    return np.array(new, dtype=np.float64).reshape(-1, 2)


def area_inside_m2(geometry: Any) -> float:
    """Return the area of a geographic geometry, in its own local frame."""
    return float(LocalFrame.around(geometry).localise(geometry).area) if not geometry.is_empty else 0.0


def _invalidity(geometry: Any) -> str:
    reason = shapely.is_valid_reason(geometry)
    match = re.fullmatch(r"(.+?)\s*\[(\S+) (\S+)\]", reason)
    if match is None:
        return f"is not a valid polygon: {reason}"
    words = {"Self-intersection": "crosses itself", "Ring Self-intersection": "has a ring that touches itself"}
    what = words.get(match[1], f"is not a valid polygon ({match[1].lower()})")
    return f"{what} at longitude {float(match[2]):.6f}, latitude {float(match[3]):.6f}"


def _what_mending_does(geometry: Any) -> str:
    """Say what a mended polygon would hold, so that nobody accepts one unseen."""
    whole = mended(geometry)
    return (
        "Correct it where it was drawn; mended by its crossings it would be"
        f" {len(shapely.get_parts(whole))} polygons with {area_inside_m2(whole) / 1e6:.4g} km²:"
        " `overfly mend` shows it before and after"
    )
