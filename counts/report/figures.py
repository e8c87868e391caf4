"""Drawings of a report: SVG that stands alone, the same on the page, in the PDF and as a file beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from counts.report.density import DensityGrid
from counts.report.history import SeasonEstimate
from counts.report.map import SurveyMap
from counts.report.spread import Strip
from counts.report.words import Words
from counts.seasons import Trend
from flightplan.drawing import round_below

WIDTH = 500.0


def draw_density(grid: DensityGrid, say: Words) -> str:
    """Return the SVG of a species' density grid with its legend."""
    lows = ("0", *(say.significant(b, 2) for b in grid.bounds[:-1]))
    names = ["0", *(f"{low}–{say.significant(high, 2)}" for low, high in zip(lows, grid.bounds, strict=True))]
    step = (grid.width - 20) / max(len(names), 5)
    return _drawn("density.svg.j2", grid=grid, names=names, step=step, tall=grid.height + 34)


def draw_strips(strips: Sequence[Strip], mark: int) -> str:
    """Return the SVG of animals seen on each transect: one bar a transect, strata side by side."""
    total = sum(strip.transects for strip in strips)
    gap = 14.0
    unit = (WIDTH - gap * (len(strips) - 1)) / total
    placed, x = [], 0.0
    for strip in strips:
        placed.append((round(x, 2), round(strip.transects * unit, 2), strip))
        x += strip.transects * unit + gap
    return _drawn("strips.svg.j2", strips=placed, unit=unit, mark=mark, width=WIDTH)


def draw_seasons(seasons: Sequence[SeasonEstimate], fitted: Trend | None, mark: int, say: Words) -> str:
    """Return the SVG of one species' estimates over the seasons with limits, and the trend where one was fitted."""
    left, right, top, bottom = 58.0, WIDTH - 14, 12.0, 210.0
    most = max(v for s in seasons for v in (s.value, s.upper or 0.0)) or 1.0
    step = next(t for t in (round_below(most) / n for n in (1, 2, 4, 5)) if most / t >= 3)
    ticks = [step * i for i in range(math.floor(most * 1.04 / step) + 1)]
    first, last = seasons[0].year, seasons[-1].year
    margin = 0.08 * max(last - first, 0.5)

    def x(year: float) -> float:
        return round(left + (year - first + margin) / (last - first + 2 * margin) * (right - left), 1)

    def y(value: float) -> float:
        return round(bottom - value / (most * 1.06) * (bottom - top), 1)

    line = ""
    if fitted is not None:
        years = [first + (last - first) * i / 24 for i in range(25)]
        line = "M" + "L".join(
            f"{x(year):g} {y(math.exp(fitted.intercept_log + fitted.slope_log_per_year * (year - first))):g}"
            for year in years
        )
    points = [
        (x(s.year), y(s.value), None if s.lower is None else y(s.lower), None if s.upper is None else y(s.upper), s)
        for s in seasons
    ]
    labels, free = [], -math.inf
    for place, _, _, _, season in points:
        # Names stand where there is room for them.
        if place - free >= 7.0 * len(season.survey):
            labels.append((place, season.survey))
            free = place
    return _drawn(
        "seasons.svg.j2",
        points=points,
        ticks=[(y(t), say.significant(t, 3)) for t in ticks],
        line=line,
        labels=labels,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        mark=mark,
        width=WIDTH,
    )


def draw_map(survey_map: SurveyMap, number: int, described: str) -> str:
    """Return the SVG of a map, without its style."""
    return _drawn("map.svg.j2", map=survey_map, place=number, described=described)


def standing_alone(svg: str, styles: str) -> str:
    """Return an SVG as a file of its own: with its namespace, and the style that the page has for it."""
    opened, rest = svg.split(">", 1)
    head = opened if "xmlns=" in opened else opened.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{head}><style>{style_sheet(styles)}</style>{rest}"


@cache
def style_sheet(name: str) -> str:
    """Return a style sheet of the templates."""
    return files("counts.report").joinpath("templates", name).read_text(encoding="utf-8").strip()


def _drawn(name: str, **values: object) -> str:
    return str(_environment().get_template(name).render(**values))


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("counts.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
