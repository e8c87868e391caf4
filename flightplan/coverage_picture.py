"""A design's coverage probability as a picture and as a page: how likely each place is to be seen, beside the mean."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from flightplan.coverage_probability import CoverageGrid
from flightplan.drawing import Canvas, areas_path, meridians, parallels
from flightplan.frames import Floats
from flightplan.picture import Colour, Picture

_LESS: tuple[Colour, ...] = ((33, 74, 140), (104, 152, 204), (208, 224, 238))
_MORE: tuple[Colour, ...] = ((250, 222, 200), (226, 128, 84), (158, 44, 36))
_MEAN: Colour = (247, 247, 242)
_INK: Colour = (28, 33, 30)
_SOFT: Colour = (89, 98, 90)
_PAPER: Colour = (247, 247, 242)
_MARGIN, _HEAD, _FOOT = 24.0, 66.0, 74.0
_LEAST_RANGE = 0.1
_SCALE = 1.4


def coverage_png(grid: CoverageGrid) -> bytes:
    """Return the map: each cell's probability over its stratum's mean, blue where less likely, red where more.

    The colours reach as far as the cells do, and at least 10 % either way; the scale says so, and how far chance alone
    takes a cell of a flat design.
    """
    area = grid.area
    shapes = area.frame.localise(np.array([s.polygon for s in area.strata], dtype=object))
    west, south, east, north = (float(v) for v in shapely.total_bounds(shapes))
    canvas = Canvas(area.frame, (west, south, east, north))
    relative, reach = _relative(grid)
    picture = Picture(canvas.width + 2 * _MARGIN, canvas.height + _HEAD + _FOOT, scale=_SCALE)
    picture.text(_MARGIN, 32, f"{area.name}: coverage probability", size=22, bold=True, colour=_INK, halo=False)
    picture.text(_MARGIN, 54, _said(grid), size=13, colour=_SOFT, halo=False)
    picture.box(_MARGIN, _HEAD, canvas.width, canvas.height, _PAPER, (191, 194, 180))
    picture.move_to(_MARGIN, _HEAD)
    cells = np.zeros((int(grid.rows.max()) + 1, int(grid.columns.max()) + 1, 4), dtype=np.uint8)
    cells[grid.rows, grid.columns, :3] = _colours(relative, reach)
    cells[grid.rows, grid.columns, 3] = 255
    corner = [
        float(grid.points[:, 0].min() - (grid.columns.min() + 0.5) * grid.cell_m),
        float(grid.points[:, 1].max() + (grid.rows.min() + 0.5) * grid.cell_m),
    ]
    ((x, y),) = canvas.place(np.array([corner])).tolist()
    picture.image(cells, x, y, grid.cell_m * canvas.px_per_m)
    for tick in meridians(canvas):
        picture.stroke(f"M{tick.x} 0L{tick.x} {canvas.height}", _SOFT, 0.8, alpha=0.25)
        picture.text(tick.x, 14, tick.text, size=12, colour=_SOFT, anchor="ms")
    for tick in parallels(canvas):
        picture.stroke(f"M0 {tick.y}L{canvas.width} {tick.y}", _SOFT, 0.8, alpha=0.25)
        picture.text(6, tick.y - 5, tick.text, size=12, colour=_SOFT)
    picture.stroke(areas_path(canvas.draw(np.array([s.polygon for s in area.strata], dtype=object))), _INK, 1.2)
    if area.exclusions:
        path = areas_path(canvas.draw(np.array(area.exclusions, dtype=object)))
        picture.hatch(path, (162, 64, 42), gap=5)
        picture.stroke(path, (162, 64, 42), 1.4)
    length, text = canvas.scale
    x, y = canvas.width - 20 - length, canvas.height - 14
    picture.stroke(f"M{x} {y - 6}L{x} {y}L{x + length} {y}L{x + length} {y - 6}", _INK, 2)
    picture.text(x + length / 2, y - 8, text, anchor="ms")
    _scale_bar(picture, grid, canvas, reach)
    return picture.png()


def coverage_page(grid: CoverageGrid, figures: Mapping[str, Any]) -> str:
    """Return one HTML page with the map and the figures of `overfly design`; it needs nothing else."""
    picture = base64.b64encode(coverage_png(grid)).decode("ascii")
    rows = "".join(
        f"<tr><th>{escape(name.replace('_', ' '))}</th><td>{escape(_value(value))}</td></tr>"
        for name, value in figures.items()
        if name not in ("strata", "map") and value is not None
    )
    strata = list(figures.get("strata") or ())
    head = "".join(f"<th>{escape(k.replace('_', ' '))}</th>" for k in (strata[0] if strata else ()))
    body = "".join("<tr>" + "".join(f"<td>{escape(_value(v))}</td>" for v in s.values()) + "</tr>" for s in strata)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Coverage probability: {escape(grid.area.name)}</title>
<style>
body {{ margin: 0 auto; max-width: 1120px; padding: 24px; color: #1c211e; font: 15px/1.45 system-ui, sans-serif; }}
img {{ width: 100%; height: auto; }} h1 {{ font-size: 24px; overflow-wrap: anywhere; }} h2 {{ font-size: 18px; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }} div {{ overflow-x: auto; }}
th, td {{ text-align: left; padding: 3px 18px 3px 0; border-bottom: 1px solid #d5d7cc; font-weight: 400; }}
th {{ color: #59625a; }} @page {{ size: A4; margin: 12mm; }} @media print {{ body {{ padding: 0; font-size: 9pt; }} }}
</style></head><body>
<h1>{escape(grid.area.name)}: how likely each place is to be seen</h1>
<img alt="Map of coverage probability" src="data:image/png;base64,{picture}">
<h2>Figures</h2><div><table>{rows}</table></div>
<h2>Strata</h2><div><table><tr>{head}</tr>{body}</table></div>
</body></html>
"""


def _relative(grid: CoverageGrid) -> tuple[Floats, float]:
    """Each cell's probability over its stratum's mean, and how far the colours reach."""
    relative = np.ones(len(grid.points))
    for stratum in np.unique(grid.stratum):
        own = grid.stratum == stratum
        mean = float(grid.probability[own].mean())
        relative[own] = grid.probability[own] / mean if mean > 0 else 1.0
    return relative, float(np.clip(np.abs(relative - 1).max(), _LEAST_RANGE, 1.0))


def _colours(relative: Floats, reach: float) -> npt.NDArray[np.uint8]:
    stops = np.array([*_LESS, _MEAN, *_MORE], dtype=np.float64)
    at = np.linspace(-1, 1, len(stops))
    place = np.clip((relative - 1) / reach, -1, 1)
    return np.stack([np.interp(place, at, stops[:, k]) for k in range(3)], axis=-1).round().astype(np.uint8)


def _said(grid: CoverageGrid) -> str:
    design = grid.design
    return (
        f"{design.kind.replace('-', ' ')}, {design.spacing_m:.0f} m apart, strips {design.strip_width_m:.0f} m wide,"
        f" {design.heading_deg:.0f}° from true north; {grid.draws} draws, cells of {grid.cell_m:.0f} m"
    )


def _scale_bar(picture: Picture, grid: CoverageGrid, canvas: Canvas, reach: float) -> None:
    wide, y = 320.0, canvas.height + 22.0
    steps = 64
    shades = _colours(1 + np.linspace(-reach, reach, steps), reach).tolist()
    for i, (red, green, blue) in enumerate(shades):
        picture.box(i * wide / steps, y, wide / steps + 0.5, 12, (red, green, blue))
    picture.box(0, y, wide, 12, None, _SOFT)
    mean = float(grid.probability.mean())
    for share in (-reach, 0.0, reach):
        x = (share / reach + 1) * wide / 2
        anchor = {-reach: "ls", 0.0: "ms", reach: "rs"}[share]
        picture.text(x, y + 28, f"{1 + share:.2f}", size=12, colour=_SOFT, anchor=anchor, halo=False)
    lower, upper = grid.interval()
    held = float(np.mean((lower <= mean) & (mean <= upper)))
    notes = (
        f"times the mean of {mean:.4f}; chance alone moves a flat design's cell by {1.96 * grid.chance():.0%} (95 %)",
        f"{held:.0%} of the cells' own 95 % intervals hold the mean; unevenness beyond chance {grid.unevenness():.3f}",
    )
    for i, text in enumerate(notes):
        picture.text(wide + 20, y + 10 + 18 * i, text, size=12.5, colour=_SOFT, halo=False)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_value(v)}" for k, v in value.items())
    return f"{value:.5g}" if isinstance(value, float) else str(value)
