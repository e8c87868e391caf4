"""Beside the report: its figures as SVG, and the data behind them as CSV.

Columns are named in English with their units whatever the report's language is, and numbers have a point: they are for
other programs to read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from counts.exchange.files import csv_bytes
from counts.exchange.generalise import CELL_DEG
from counts.report.coarse import cells_of
from counts.report.document import Document, MapFigure, Pictures
from counts.report.effort import effort_by_stratum
from counts.report.estimates import categories_of
from counts.report.facts import Facts
from counts.report.figures import draw_map, standing_alone
from counts.report.signs import carcass_ratios, signs
from counts.report.spread import variance_shares

Rows = Iterator[Sequence[Any]]


def write_beside(facts: Facts, document: Document, folder: Path, *, sensitive: Collection[str] = ()) -> list[Path]:
    """Write the figures of a document and the data of its survey into a folder, and return the files.

    Of species in `sensitive` only the cells are told that their sightings lie in, as on the map. A table without a row
    is not written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in (*_drawings(document), *_tables(facts, sensitive)):
        path = folder / name
        unfinished = path.with_name(name + ".part")
        unfinished.write_bytes(content)
        unfinished.replace(path)
        written.append(path)
    return written


def _drawings(document: Document) -> Iterator[tuple[str, bytes]]:
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, MapFigure):
                svg = draw_map(block.map, block.number, block.described)
                yield f"map-{block.number}.svg", standing_alone(svg, "map.css").encode()
            elif isinstance(block, Pictures):
                for picture in block.pictures:
                    yield f"{picture.file_name}.svg", standing_alone(picture.svg, "chart.css").encode()


def _tables(facts: Facts, sensitive: Collection[str]) -> Iterator[tuple[str, bytes]]:
    tables = {
        "estimates": (
            "species stratum method value se cv lower upper confidence df transects possible_transects seen area_m2 "
            "area_searched_m2 per_km2 category definite probable possible limits_reason",
            _estimates(facts),
        ),
        "variance": ("species source share", _variance(facts)),
        "effort": (
            "stratum transects_planned transects_searched length_km pictures area_searched_m2 area_m2 share",
            _effort(facts),
        ),
        "transects": (
            "transect area_searched_m2 length_m pictures planned_area_m2 masked_area_m2 gap_area_m2",
            _transects(facts),
        ),
        "flights": ("flight state started_utc ended_utc flown_m planned_m note", _flights(facts)),
        "corrections": ("species kind factor variance method source reason", _corrections(facts)),
        "changes": (
            "species stratum from_survey to_survey before now difference difference_lower difference_upper "
            "p_difference ratio ratio_lower ratio_upper p_ratio reason",
            _changes(facts),
        ),
        "seasons": ("species survey year value lower upper same_ground", _seasons(facts)),
        "trends": ("species stratum growth_per_year lower upper p reason", _trends(facts)),
        "signs": ("kind label seen per_hour per_searched_km2 estimate lower upper", _signs(facts)),
        "carcass_ratios": ("species dead alive ratio lower upper numbers", _ratios(facts)),
        "sightings_coarse": (
            "species cell_longitude_deg cell_latitude_deg cell_deg individuals",
            _coarse(facts, sensitive),
        ),
        "sightings": (
            "individual species longitude_deg latitude_deg transect pictures herd",
            _sightings(facts, sensitive),
        ),
    }  # fmt: skip
    for name, (columns, rows) in tables.items():
        found = list(rows)
        if found:
            yield f"{name}.csv", csv_bytes(columns.split(), found)


def _estimates(facts: Facts) -> Rows:
    for e in facts.estimates:
        own = categories_of(e, facts) if e in facts.totals() else None
        density = None if e.value is None or not e.area_m2 else e.value / e.area_m2 * 1e6
        categories = (None,) * 4 if own is None else (own.category, own.definite, own.probable, own.possible)
        yield (
            e.species, e.stratum, e.method, e.value, e.se, e.cv, e.lower, e.upper, e.confidence, e.df, e.units,
            e.possible_units, e.individuals, e.area_m2, e.area_searched_m2, density, *categories, e.limits_reason,
        )  # fmt: skip


def _variance(facts: Facts) -> Rows:
    for own in variance_shares(facts):
        for source, share in own.shares:
            yield own.species, source, share


def _effort(facts: Facts) -> Rows:
    for e in effort_by_stratum(facts):
        yield e.name, e.planned, e.flown, e.length_km, e.captures, e.area_searched_m2, e.area_m2, e.share


def _transects(facts: Facts) -> Rows:
    for e in facts.effort:
        yield (
            e.transect, e.area_searched_m2, e.length_m, e.captures, e.planned_area_m2, e.masked_area_m2, e.gap_area_m2,
        )  # fmt: skip


def _flights(facts: Facts) -> Rows:
    for f in facts.flights:
        yield f.sortie, f.status, f.started_utc, f.ended_utc, f.flown_length_m, f.planned_length_m, f.note


def _corrections(facts: Facts) -> Rows:
    for c in facts.corrections:
        yield c.species, c.kind, c.factor, c.variance, c.method, c.source, c.reason


def _changes(facts: Facts) -> Rows:
    for c in facts.history.comparison.changes if facts.history else ():
        told = c.change
        numbers: tuple[float | None, ...] = (None,) * 8
        if told is not None:
            numbers = (
                told.difference, told.difference_lower, told.difference_upper, told.p_linear, told.ratio,
                told.ratio_lower, told.ratio_upper, told.p_log,
            )  # fmt: skip
        yield c.species, c.stratum, c.first_survey, c.second_survey, c.first, c.second, *numbers, c.reason


def _seasons(facts: Facts) -> Rows:
    for species, seasons in facts.history.estimates.items() if facts.history else ():
        for s in seasons:
            yield species, s.survey, s.year, s.value, s.lower, s.upper, s.same_ground


def _trends(facts: Facts) -> Rows:
    for t in facts.history.comparison.trends if facts.history else ():
        told = t.trend
        numbers: tuple[float | None, ...] = (None,) * 4
        if told is not None:
            numbers = (told.growth, told.growth_lower, told.growth_upper, told.p_two_sided)
        yield t.species, t.stratum, *numbers, t.reason


def _signs(facts: Facts) -> Rows:
    for s in signs(facts):
        e = s.estimate
        numbers = (None,) * 3 if e is None else (e.value, e.lower, e.upper)
        yield s.kind, s.label, s.seen, s.per_hour, s.per_searched_km2, *numbers


def _ratios(facts: Facts) -> Rows:
    for r in carcass_ratios(facts):
        yield r.species, r.dead, r.alive, r.ratio, r.lower, r.upper, "estimates" if r.estimated else "seen"


def _sightings(facts: Facts, sensitive: Collection[str]) -> Rows:
    table = facts.individuals
    if table is None:
        return
    told = ~np.isin(table.species, list(sensitive))
    # Animals are numbered along the lines: a number left out would tell between which two a sensitive one stood.
    numbers = table.number.tolist() if told.all() else [None] * len(table)
    shown = sorted({int(herd) for herd in table.herd[told] if herd >= 0})
    herds = dict(zip(shown, shown if told.all() else range(1, len(shown) + 1), strict=True))
    for i in np.flatnonzero(told).tolist():
        lon, lat = table.lonlat[i].tolist()
        yield (
            numbers[i], table.species[i], round(lon, 7), round(lat, 7), table.transect[i], int(table.sightings[i]),
            herds.get(int(table.herd[i])),
        )  # fmt: skip


def _coarse(facts: Facts, sensitive: Collection[str]) -> Rows:
    for species in sorted(set(sensitive)):
        for (lon, lat), count in zip(*cells_of(facts, species), strict=True):
            yield species, float(lon), float(lat), CELL_DEG, count
