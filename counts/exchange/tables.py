"""CSV: one table per layer, in a folder."""

from __future__ import annotations

from pathlib import Path

import shapely

from counts.exchange.exported import Exported, ExportOptions
from counts.exchange.files import csv_bytes, write_whole
from counts.exchange.layers import Layer, make_layers, unresolved_names
from counts.exchange.records import SurveyRecords

DEFAULT = ("individuals", "sightings", "estimates")
_DECIMALS = 7


def export_csv(records: SurveyRecords, out: Path, options: ExportOptions) -> Exported:
    """Write `NAME.csv` for each layer into the folder `out`.

    Points are in `longitude_deg` and `latitude_deg` (WGS 84, seven decimals: a centimetre), other shapes in `wkt`. An
    empty cell is unknown, or withheld where `generalised` is 1. Times are UTC.
    """
    layers = make_layers(records, options.layers or DEFAULT, options)
    files = tuple(write_whole(out / f"{layer.name}.csv", _table(layer)) for layer in layers)
    return Exported(
        files, {layer.name: len(layer.rows) for layer in layers}, unresolved=unresolved_names(layers, options)
    )


def _table(layer: Layer) -> bytes:
    if layer.geometry_kind == "POINT":
        header = [*layer.columns, "longitude_deg", "latitude_deg"]
        places = [(round(float(p.x), _DECIMALS), round(float(p.y), _DECIMALS)) for p in layer.geometries]
        return csv_bytes(header, [(*row, *place) for row, place in zip(layer.rows, places, strict=True)])
    shapes = [None if g is None else shapely.to_wkt(g, rounding_precision=_DECIMALS) for g in layer.geometries]
    return csv_bytes([*layer.columns, "wkt"], [(*row, s) for row, s in zip(layer.rows, shapes, strict=True)])
