"""What a vector file holds before anybody asks what it means: features, and the limits every reader keeps to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely

from flightplan.errors import UnreadableFileError

MAX_BYTES = 64 * 1024 * 1024
"""The largest text file, or unpacked member of a zip, that is read: a country's boundary at full detail is a tenth."""

MAX_FEATURES = 10_000

MAX_CORNERS = 1_000_000
"""All corners of a file together: a coast to a metre over hundreds of kilometres."""

MAX_DATABASE_BYTES = 1024 * 1024 * 1024
"""The largest file that is read in part only, by what lies near."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Feature:
    """A geometry in the coordinates of `crs` (None when the file states none), its attributes, and a label."""

    geometry: Any
    properties: Mapping[str, Any]
    label: str
    crs: pyproj.CRS | None


def wgs84() -> pyproj.CRS:
    """Return longitude and latitude on WGS 84."""
    return pyproj.CRS.from_epsg(4326)


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes, or raise UnreadableFileError: too large, or not readable at all."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UnreadableFileError(
                f"{size / 1e6:.0f} MB is too large for an area; the limit is {MAX_BYTES / 1e6:.0f} MB", where=str(path)
            )
        return path.read_bytes()
    except OSError as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def read_text(path: Path, what: str) -> str:
    """Return a file's text in UTF-8, with or without a byte order mark; `what` names what it should be."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            f"is not {what}: byte {error.start + 1} is not UTF-8 text", where=str(path), hint="Save it as UTF-8"
        ) from error


def number(text: Any, where: str) -> float:
    """Return a coordinate written as text; NaN and infinity pass, for the checks to name them."""
    try:
        return float(text)
    except (TypeError, ValueError) as error:
        shown = repr(text)
        comma = isinstance(text, str) and text.count(",") == 1
        raise UnreadableFileError(
            f"has coordinates that are not numbers: {shown if len(shown) < 40 else shown[:37] + '...'}",
            where=where,
            hint="Write decimals with a point" if comma else None,
        ) from error


def polygon(shell: Sequence[Point], holes: Sequence[Sequence[Point]], where: str) -> Any:
    """Return a polygon of rings, closed when they are not; raise UnreadableFileError for a ring that is none."""
    try:
        with np.errstate(invalid="ignore"):
            return shapely.Polygon(shell, holes)
    except (ValueError, shapely.errors.ShapelyError) as error:
        raise UnreadableFileError(f"has a ring that is not one: {error}", where=where) from error


def collect(shapes: Sequence[Any]) -> Any:
    """Return one geometry of several: a multipolygon when all are polygons."""
    if len(shapes) == 1:
        return shapes[0]
    if all(s.geom_type == "Polygon" for s in shapes):
        return shapely.MultiPolygon(shapes)
    return shapely.GeometryCollection(list(shapes))


def property_of(properties: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the first attribute of some names that is not empty, whatever its case; None without one."""
    lowered = {str(k).strip().lower(): v for k, v in properties.items()}
    return next((lowered[n] for n in names if lowered.get(n) not in (None, "")), None)


def named(label: str, properties: Mapping[str, Any]) -> str:
    """Return a label with the feature's own name behind it, when it has one."""
    name = property_of(properties, ("name",))
    return label if name is None else f"{label} ({printable(str(name))})"


def printable(text: str) -> str:
    """Return text that can be written and shown: without lone surrogates and control characters, not endless."""
    shown = "".join(c if c.isprintable() else " " for c in text.encode("utf-8", "replace").decode("utf-8"))
    shown = " ".join(shown.split())
    return shown if len(shown) <= 80 else shown[:77] + "..."
