"""Tables with a place: what CSV, GeoJSON and GeoPackage all write, each in its own spelling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import shapely

from counts.exchange.exported import ExportOptions
from counts.exchange.names import resolve_names
from counts.exchange.records import Animal, SurveyRecords
from detect.sources import location
from flightplan.errors import CensusError, Skip

TEXT, INTEGER, REAL, TIME = "text", "integer", "real", "time"


@dataclass(frozen=True)
class Layer:
    """A table of one noun. `columns` maps a name to TEXT, INTEGER, REAL or TIME; `rows` are in that order.

    `geometries` has one geographic geometry per row, longitude first, or None; `geometry_kind` is the GeoPackage's
    name of what they are.
    """

    name: str
    title: str
    columns: dict[str, str]
    rows: tuple[tuple[Any, ...], ...]
    geometries: tuple[Any, ...]
    geometry_kind: str


def make_layers(
    records: SurveyRecords, names: Sequence[str], options: ExportOptions | None = None
) -> tuple[Layer, ...]:
    """Return the layers asked for, each once; with names of species given, those that tell of species have them too.

    Raises CensusError for a layer there is not.
    """
    unknown = [name for name in names if name not in LAYERS]
    if unknown:
        raise CensusError(f"there is no layer {unknown[0]!r}", hint=f"There are: {', '.join(LAYERS)}")
    layers = tuple(LAYERS[name](records) for name in dict.fromkeys(names))
    if options is None or not (options.taxa or options.checklist):
        return layers
    return tuple(_with_names(layer, options) if "species" in layer.columns else layer for layer in layers)


def unresolved_names(layers: Sequence[Layer], options: ExportOptions) -> tuple[Skip, ...]:
    """Return the labels that a checklist was asked about and cannot tell, each with its reason."""
    if options.checklist is None:
        return ()
    return resolve_names(_labels(layers), options).unresolved


def _with_names(layer: Layer, options: ExportOptions) -> Layer:
    """Return a layer with the scientific name, GBIF's key and ITIS' number after each species."""
    names = resolve_names(_labels([layer]), options).known
    at = list(layer.columns).index("species")
    kinds = {"scientific_name": TEXT, "gbif_key": INTEGER, "tsn": INTEGER}
    columns = list(layer.columns.items())
    rows = []
    for row in layer.rows:
        taxon = names.get(row[at])
        told = (None, None, None) if taxon is None else (taxon.scientific_name, taxon.gbif_key, taxon.tsn)
        rows.append((*row[: at + 1], *told, *row[at + 1 :]))
    wider = dict([*columns[: at + 1], *kinds.items(), *columns[at + 1 :]])
    return replace(layer, columns=wider, rows=tuple(rows))


def _labels(layers: Sequence[Layer]) -> list[str]:
    found = dict.fromkeys(
        row[list(layer.columns).index("species")]
        for layer in layers
        if "species" in layer.columns
        for row in layer.rows
    )
    return list(found)


def _individuals(records: SurveyRecords) -> Layer:
    return _animals(records, records.individuals, "individuals", "Individuals: each animal once within its transect")


def _sightings(records: SurveyRecords) -> Layer:
    return _animals(records, records.sightings, "sightings", "Sightings: detections placed on the ground")


def _animals(records: SurveyRecords, animals: tuple[Animal, ...], name: str, title: str) -> Layer:
    columns = {
        "survey": TEXT, "number": INTEGER, "species": TEXT, "position_uncertainty_m": REAL, "stratum": TEXT,
        "transect": TEXT, "time_utc": TIME, "day": TEXT, "sightings": INTEGER, "score": REAL, "picture": TEXT,
        "generalised": INTEGER,
    }  # fmt: skip
    rows = tuple(
        (
            records.survey.name, a.number, a.species, a.uncertainty_m, a.stratum, a.transect, a.time_utc, a.day,
            a.sightings, a.score, _path(records, a.capture_id), int(a.generalised),
        )
        for a in animals
    )  # fmt: skip
    points = tuple(shapely.Point(a.longitude_deg, a.latitude_deg) for a in animals)
    return Layer(name, title, columns, rows, points, "POINT")


def _estimates(records: SurveyRecords) -> Layer:
    columns = {
        "survey": TEXT, "species": TEXT, "stratum": TEXT, "method": TEXT, "value": REAL, "se": REAL, "lower": REAL,
        "upper": REAL, "cv": REAL, "df": REAL, "confidence": REAL, "limits_form": TEXT, "limits_reason": TEXT,
        "units": INTEGER, "possible_units": REAL, "individuals": INTEGER, "area_m2": REAL, "area_searched_m2": REAL,
        "notes": TEXT,
    }  # fmt: skip
    own = [name for name in columns if name not in ("survey", "notes")]
    rows = tuple(
        (records.survey.name, *(getattr(e, name) for name in own), "; ".join(e.notes) or None)
        for e in records.estimates
    )
    polygons = {s.name: s.polygon for s in records.area.strata} if records.area else {}
    shapes = tuple(_multi(polygons.get(e.stratum)) if e.stratum else None for e in records.estimates)
    return Layer("estimates", "Estimates; no stratum: all of them together", columns, rows, shapes, "MULTIPOLYGON")


def _strata(records: SurveyRecords) -> Layer:
    columns = {"survey": TEXT, "stratum": TEXT, "area_m2": REAL, "transects": INTEGER}
    rows = tuple((records.survey.name, s.name, s.area_m2, len(s.transects)) for s in records.strata)
    polygons = {s.name: s.polygon for s in records.area.strata} if records.area else {}
    shapes = tuple(_multi(polygons.get(s.name)) for s in records.strata)
    return Layer("strata", "Strata", columns, rows, shapes, "MULTIPOLYGON")


def _transects(records: SurveyRecords) -> Layer:
    columns = {
        "survey": TEXT, "stratum": TEXT, "transect": TEXT, "position": INTEGER, "planned_length_m": REAL,
        "searched_length_m": REAL, "area_searched_m2": REAL, "pictures": INTEGER,
    }  # fmt: skip
    effort = {e.transect: e for e in records.effort}
    rows, shapes = [], []
    for stratum in records.strata:
        for line in stratum.transects:
            done = effort.get(line.identifier)
            searched = (done.length_m, done.area_searched_m2, done.captures) if done else (None, None, None)
            rows.append((records.survey.name, stratum.name, line.identifier, line.position, line.length_m, *searched))
            shapes.append(shapely.multilinestrings(list(line.segments)))
    title = "Transects and what was searched along them"
    return Layer("transects", title, columns, tuple(rows), tuple(shapes), "MULTILINESTRING")


def _footprints(records: SurveyRecords) -> Layer:
    columns = {
        "survey": TEXT, "picture": TEXT, "content_hash": TEXT, "transect": TEXT, "time_utc": TIME, "on_effort": INTEGER,
        "altitude_agl_m": REAL, "gsd_cm": REAL,
    }  # fmt: skip
    table = records.footprints
    rows, shapes = [], []
    for row, key in enumerate(table.capture_id.tolist()):
        stored = records.captures[key]
        rows.append(
            (
                records.survey.name, location(stored.capture.path), stored.capture.content_hash, stored.transect,
                stored.capture.time_utc, None if stored.on_effort is None else int(stored.on_effort),
                _known(table.altitude_agl_m[row]), _known(table.gsd_cm[row]),
            )
        )  # fmt: skip
        shapes.append(table.polygons[row])
    return Layer("footprints", "The ground each picture shows", columns, tuple(rows), tuple(shapes), "POLYGON")


LAYERS: dict[str, Callable[[SurveyRecords], Layer]] = {
    "individuals": _individuals,
    "sightings": _sightings,
    "estimates": _estimates,
    "strata": _strata,
    "transects": _transects,
    "footprints": _footprints,
}


def _path(records: SurveyRecords, capture_id: int | None) -> str | None:
    stored = None if capture_id is None else records.captures.get(capture_id)
    return location(stored.capture.path) if stored else None


def _known(value: Any) -> float | None:
    return float(value) if value == value else None


def _multi(geometry: Any) -> Any:
    return shapely.multipolygons([geometry]) if geometry is not None and geometry.geom_type == "Polygon" else geometry
