"""CV against effort, drawn: SVG that stands alone, the same as PNG, and a page with the table under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from flightplan.drawing import round_below
from flightplan.picture import Colour, Picture
from overfly.precision import EffortRow, PrecisionTable

WIDTH, HEIGHT = 860.0, 470.0
_LEFT, _RIGHT, _TOP, _FOOT = 74.0, 26.0, 56.0, 92.0
_INK: Colour = (28, 33, 30)
_SOFT: Colour = (89, 98, 90)
_RULE: Colour = (213, 215, 204)
_LINES: tuple[Colour, ...] = ((28, 92, 122), (162, 64, 42), (86, 112, 40), (116, 74, 130), (150, 110, 20))
# Colours alone would not tell lines apart for everybody.
_DASHES: tuple[tuple[float, float] | None, ...] = (None, (9, 5), (3, 4), (14, 4), (6, 2))


@dataclass(frozen=True)
class _Axes:
    most_km: float
    most_cv: float

    def x(self, km: float) -> float:
        return _LEFT + km / self.most_km * (WIDTH - _LEFT - _RIGHT)

    def y(self, cv: float) -> float:
        return HEIGHT - _FOOT - cv / self.most_cv * (HEIGHT - _TOP - _FOOT)


def precision_svg(table: PrecisionTable) -> str:
    """Return the figure as SVG."""
    axes, parts = _axes(table), []
    for words, x, y, size, colour, anchor, bold in _words(table, axes):
        weight = ' font-weight="600"' if bold else ""
        place = {"l": "start", "m": "middle", "r": "end"}[anchor]
        parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{_hex(colour)}" text-anchor="{place}"{weight}>'
            f"{escape(words)}</text>"
        )
    strokes = []
    for path, colour, width, dash in _strokes(table, axes):
        dashed = f' stroke-dasharray="{dash[0]:g} {dash[1]:g}"' if dash else ""
        strokes.append(f'<path d="{path}" fill="none" stroke="{_hex(colour)}" stroke-width="{width:g}"{dashed}/>')
    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{_hex(colour)}" stroke="#fff"/>'
        for x, y, radius, colour in _dots(table, axes)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{escape(_title(table))}" font-family="system-ui, sans-serif">'
        f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="#fff"/>{"".join(strokes + dots + parts)}</svg>\n'
    )


def precision_png(table: PrecisionTable) -> bytes:
    """Return the figure as PNG, twice as large."""
    picture, axes = Picture(WIDTH, HEIGHT, scale=2.0), _axes(table)
    for path, colour, width, dash in _strokes(table, axes):
        picture.stroke(path, colour, width, dash=dash)
    for x, y, radius, colour in _dots(table, axes):
        picture.disc(x, y, radius, colour, (255, 255, 255), 1)
    for words, x, y, size, colour, anchor, bold in _words(table, axes):
        picture.text(x, y, words, size=size, colour=colour, anchor=f"{anchor}s", bold=bold, halo=False)
    return picture.png()


def precision_page(table: PrecisionTable, document: Mapping[str, Any]) -> str:
    """Return one HTML page with the figure and the table; it needs nothing else."""
    species = list(table.rows[0].species)
    names = ["line, km", "lines", "in the strips", *[f"CV, {s}" for s in species]]
    names += [*[f"decline seen, {s}" for s in species], "batteries", "hours in the air", "days"]
    body = "".join(
        f"<tr{' class=chosen' if i == table.chosen else ''}>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row, species))
        + "</tr>"
        for i, row in enumerate(table.rows)
    )
    notes = "".join(f"<p>{escape(str(note))}</p>" for note in [*document["warnings"], document["how"]])
    command = f"<pre>{escape(document['plan_command'])}</pre>" if document["plan_command"] else ""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(_title(table))}</title>
<style>
body {{ margin: 0 auto; max-width: 960px; padding: 24px; color: #1c211e; font: 15px/1.45 system-ui, sans-serif; }}
svg {{ width: 100%; height: auto; }} h1 {{ font-size: 24px; overflow-wrap: anywhere; }} pre {{ white-space: pre-wrap; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }} div {{ overflow-x: auto; }}
th, td {{ text-align: right; padding: 3px 12px; border-bottom: 1px solid #d5d7cc; font-weight: 400; }}
th {{ color: #59625a; }} .chosen td {{ font-weight: 600; background: #eef0e6; }}
@page {{ size: A4; margin: 12mm; }} @media print {{ body {{ padding: 0; font-size: 9pt; }} }}
</style></head><body>
<h1>{escape(_title(table))}</h1>
{precision_svg(table)}
<div><table><tr>{"".join(f"<th>{escape(n)}</th>" for n in names)}</tr>{body}</table></div>
<p>Marked: {escape(table.reason)}.</p>{command}{notes}
</body></html>
"""


def _cells(row: EffortRow, species: Sequence[str]) -> list[str]:
    flights = row.flights
    return [
        f"{row.length_km:.1f}",
        f"{sum(row.lines.values()):.0f}",
        f"{row.share:.0%}",
        *[f"{row.species[s].precision.cv:.0%}" for s in species],
        *["-" if (d := row.species[s].decline) is None else f"{d:.0%}" for s in species],
        *(["-"] * 3 if flights is None else [str(flights.sorties), f"{flights.hours:.1f}", str(flights.days)]),
    ]


def _title(table: PrecisionTable) -> str:
    return f"{table.area.name}: precision against effort"


def _axes(table: PrecisionTable) -> _Axes:
    cvs = [told.precision.cv for row in table.rows for told in row.species.values()]
    return _Axes(table.rows[-1].length_km * 1.06, max(cvs) * 1.12)


def _strokes(table: PrecisionTable, axes: _Axes) -> list[tuple[str, Colour, float, tuple[float, float] | None]]:
    found: list[tuple[str, Colour, float, tuple[float, float] | None]] = [
        (f"M{_LEFT} {axes.y(cv):.1f}L{WIDTH - _RIGHT} {axes.y(cv):.1f}", _RULE, 1.0, None)
        for cv in _ticks(axes.most_cv)
    ]
    if table.chosen is not None:
        x = axes.x(table.rows[table.chosen].length_km)
        found.append((f"M{x:.1f} {_TOP}L{x:.1f} {HEIGHT - _FOOT}", _SOFT, 1.2, (4, 4)))
    for i, name in enumerate(table.rows[0].species):
        places = [(axes.x(r.length_km), axes.y(r.species[name].precision.cv)) for r in table.rows]
        if len(places) > 1:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
            found.append((path, _LINES[i % len(_LINES)], 2.4, _DASHES[i % len(_DASHES)]))
    found.append((f"M{_LEFT} {_TOP}L{_LEFT} {HEIGHT - _FOOT}L{WIDTH - _RIGHT} {HEIGHT - _FOOT}", _SOFT, 1.2, None))
    return found


def _dots(table: PrecisionTable, axes: _Axes) -> list[tuple[float, float, float, Colour]]:
    return [
        (
            axes.x(row.length_km),
            axes.y(row.species[name].precision.cv),
            6.0 if k == table.chosen else 4.0,
            _LINES[i % len(_LINES)],
        )
        for i, name in enumerate(table.rows[0].species)
        for k, row in enumerate(table.rows)
    ]


def _words(table: PrecisionTable, axes: _Axes) -> list[tuple[str, float, float, float, Colour, str, bool]]:
    """Words with x, y, size, colour, anchor (left, middle, right) and whether they are bold."""
    found: list[tuple[str, float, float, float, Colour, str, bool]] = [(_title(table), 16, 26, 17, _INK, "l", True)]
    found.append(("coefficient of variation of the estimate", 16, 46, 12.5, _SOFT, "l", False))
    foot = HEIGHT - _FOOT
    found += [(f"{cv:.0%}", _LEFT - 8, axes.y(cv) + 4, 12.5, _SOFT, "r", False) for cv in _ticks(axes.most_cv)]
    names = ("km", "batteries", "days") if any(r.flights for r in table.rows) else ("km",)
    for k, name in enumerate(names):
        found.append((name, 10, foot + 20 + 17 * k, 12.5, _SOFT, "l", False))
    last = -np.inf
    for row in table.rows:
        x = axes.x(row.length_km)
        # Where two efforts lie close together the numbers of the first stand for both.
        if x - last < 34:
            continue
        last = x
        cells = [f"{row.length_km:.0f}"]
        cells += [str(row.flights.sorties), str(row.flights.days)] if row.flights else ["-"] * (len(names) - 1)
        for k, cell in enumerate(cells):
            found.append((cell, x, foot + 20 + 17 * k, 12.5, _INK, "m", False))
    first = table.rows[0]
    for i, (name, told) in enumerate(first.species.items()):
        x, y = axes.x(first.length_km) - 10, axes.y(told.precision.cv) + 4
        found.append((name, x, y, 13.5, _LINES[i % len(_LINES)], "r", True))
    if table.chosen is not None:
        row = table.rows[table.chosen]
        right = axes.x(row.length_km) > WIDTH * 0.6
        x = axes.x(row.length_km) + (-8 if right else 8)
        seen = [f"{n}: a decline of {t.decline:.0%} would show" for n, t in row.species.items() if t.decline]
        for k, words in enumerate(seen):
            found.append((words, x, _TOP + 10 + 16 * k, 12.5, _SOFT, "r" if right else "l", False))
    return found


def _ticks(most: float) -> list[float]:
    step = round_below(most / 4)
    return [float(v) for v in np.arange(0, most, step)]


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
