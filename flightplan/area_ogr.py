"""What GDAL reads: Shapefile, also zipped, GeoPackage and FlatGeobuf, as plain features."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyogrio
import pyproj
import shapely

from flightplan.area_archive import member_names, read_member
from flightplan.area_features import MAX_FEATURES, Feature, named, printable
from flightplan.errors import AreaError, UnreadableFileError

Bounds = tuple[float, float, float, float]

_SIDE_FILES = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_BROKEN = (RuntimeError, ValueError, OSError, shapely.errors.ShapelyError, MemoryError, OverflowError)


def read_ogr(path: Path, near: Bounds | None = None, *, called: str | None = None) -> list[Feature]:
    """Read every layer that has geometries; of those, with `near` (west, south, east, north), only what touches it.

    `called` names the file in errors, when what is read is a copy of it.
    """
    where = called or str(path)
    # What GDAL warns of is an open ring or a missing index: both are put right, and checked as polygons later.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        except _BROKEN as error:
            raise UnreadableFileError(f"cannot be opened: {_said(error, path)}", where=where) from error
        features: list[Feature] = []
        for layer in layers:
            label = "" if len(layers) == 1 else f"layer {printable(layer)}, "
            try:
                features += _layer(path, layer, near, where, label)
            except _BROKEN as error:
                if isinstance(error, UnreadableFileError | AreaError):
                    raise
                raise UnreadableFileError(
                    f"layer {printable(layer)} cannot be read: {_said(error, path)}", where=where
                ) from error
            if len(features) > MAX_FEATURES:
                break
    return features


def read_zipped_shapefile(path: Path, near: Bounds | None = None) -> list[Feature]:
    """Read the one Shapefile in a zip. Only its five parts are unpacked, under names of our own."""
    names = member_names(path)
    shapefiles = [n for n in names if n.lower().endswith(".shp") and not n.startswith("__MACOSX/")]
    if len(shapefiles) != 1:
        found = ", ".join(printable(n) for n in shapefiles[:5]) or "none"
        raise UnreadableFileError(
            f"is a zip that should hold one Shapefile, and holds {len(shapefiles)}: {found}",
            where=str(path),
            hint="Unpack it and name the file" if shapefiles else "Areas in a zip are Shapefiles; unpack anything else",
        )
    stem = str(PurePosixPath(shapefiles[0]).with_suffix(""))
    with tempfile.TemporaryDirectory(prefix="overfly-") as folder:
        for name in names:
            suffix = PurePosixPath(name).suffix.lower()
            if suffix in _SIDE_FILES and name[: -len(suffix)] == stem:
                (Path(folder) / f"area{suffix}").write_bytes(read_member(path, name))
        return read_ogr(Path(folder) / "area.shp", near, called=str(path))


def _layer(path: Path, layer: str, near: Bounds | None, where: str, label: str) -> list[Feature]:
    crs = _crs(pyogrio.read_info(path, layer=layer)["crs"], where)
    bbox = None if near is None or crs is None else _bounds_in(crs, near)
    meta, _, shapes, columns = pyogrio.raw.read(
        path, layer=layer, force_2d=True, max_features=MAX_FEATURES + 1, encoding=None, bbox=bbox
    )
    fields = [str(f) for f in meta["fields"]]
    features = []
    for i, shape in enumerate(shapely.from_wkb(shapes), start=1):
        properties = {"layer": layer} | {f: _plain(c[i - 1]) for f, c in zip(fields, columns, strict=True)}
        name = named(f"{label}feature {i}", properties)
        if shape is None:
            raise UnreadableFileError("has no geometry", where=f"{where}, {name}")
        features.append(Feature(shape, properties, name, crs))
    return features


def _crs(stated: Any, where: str) -> pyproj.CRS | None:
    if not stated:
        return None
    try:
        return pyproj.CRS.from_user_input(stated)
    except pyproj.exceptions.CRSError as error:
        raise AreaError(
            "states a coordinate reference system that nobody knows",
            where=where,
            hint="Correct its .prj file, or convert it to WGS 84 in the program that it came from",
        ) from error


def _bounds_in(crs: pyproj.CRS, near: Bounds) -> Bounds | None:
    try:
        bounds = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform_bounds(*near)
    except pyproj.exceptions.ProjError:
        return None
    # Outside of where a projection works nothing is left out here; it is when the geometries are known.
    return bounds if np.isfinite(bounds).all() else None


def _said(error: BaseException, path: Path) -> str:
    return printable(str(error).replace(str(path), path.name).partition("; ")[0]) or type(error).__name__


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    # A missing number comes as NaN, and is as good as no attribute.
    return None if isinstance(value, float) and np.isnan(value) else value
