"""GeoJSON (RFC 7946): one feature collection per layer, in a folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.polygon import orient

from counts.exchange.exported import Exported, ExportOptions
from counts.exchange.files import iso_time, json_bytes, write_whole
from counts.exchange.layers import Layer, make_layers, unresolved_names
from counts.exchange.records import SurveyRecords

DEFAULT = ("individuals", "sightings", "estimates")
_DECIMALS = 7


def export_geojson(records: SurveyRecords, out: Path, options: ExportOptions) -> Exported:
    """Write `NAME.geojson` for each layer into the folder `out`: WGS 84, longitude first, outer rings anticlockwise.

    Unknown is null; so is the geometry of an estimate of all strata together.
    """
    layers = make_layers(records, options.layers or DEFAULT, options)
    files = tuple(write_whole(out / f"{layer.name}.geojson", json_bytes(_collection(layer))) for layer in layers)
    return Exported(
        files, {layer.name: len(layer.rows) for layer in layers}, unresolved=unresolved_names(layers, options)
    )


def individual_features(records: SurveyRecords, options: ExportOptions) -> list[tuple[str, dict[str, Any]]]:
    """Return (number, feature) of each individual; a generalised one is numbered by its order after the others."""
    (layer,) = make_layers(records, ("individuals",), options)
    features = _collection(layer)["features"]
    numbers = [str(a.number) if a.number is not None else f"generalised-{i}" for i, a in enumerate(records.individuals)]
    return list(zip(numbers, features, strict=True))


def _collection(layer: Layer) -> dict[str, Any]:
    shapes = shapely.transform(np.array(layer.geometries, dtype=object), lambda xy: np.round(xy, _DECIMALS))
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {name: _plain(value) for name, value in zip(layer.columns, row, strict=True)},
                "geometry": _geometry(shape),
            }
            for row, shape in zip(layer.rows, shapes.tolist(), strict=True)
        ],
    }


def _plain(value: Any) -> Any:
    return iso_time(value) if isinstance(value, datetime) else value


def _geometry(shape: Any) -> dict[str, Any] | None:
    if shape is None:
        return None
    if shape.geom_type == "Point":
        return {"type": "Point", "coordinates": [shape.x, shape.y]}
    if shape.geom_type == "Polygon":
        shape = orient(shape)
    elif shape.geom_type == "MultiPolygon":
        shape = shapely.multipolygons([orient(part) for part in shape.geoms])
    document: dict[str, Any] = shapely.geometry.mapping(shape)
    return document
