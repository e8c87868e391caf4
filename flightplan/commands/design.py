"""`overfly design`: what a design would give, before anything is planned."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import click

from flightplan.areas import avoiding, read_area
from flightplan.commands.design_options import EFFORTS, design_asked, design_options, efforts_said
from flightplan.console import OverflyCommand, finish, json_option
from flightplan.coverage_probability import (
    DEFAULT_DRAWS,
    CoverageGrid,
    coverage_probability,
    write_csv,
    write_geotiff,
)
from flightplan.design import NO_POSSIBLE_TRANSECTS, SYSTEMATIC
from flightplan.request import DEFAULT_BUFFER_M, DesignRequest

_EXAMPLE = """
\b
Examples:
  overfly design park.geojson --width 96 --spacing 500
  overfly design park.geojson --width 96 --fraction 15 --design zigzag --out coverage.tif --json
"""


@click.command("design", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("area", type=click.Path(path_type=Path))
@click.option(
    "--width", "strip_width_m", type=float, required=True, metavar="M", help="Width of the strip that a line sees."
)
@design_options
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of the first draw.")
@click.option("--draws", type=int, default=DEFAULT_DRAWS, show_default=True, metavar="N", help="How often it is drawn.")
@click.option("--cell", "cell_m", type=float, metavar="M", help="Side of a cell of the map; about 4000 by default.")
@click.option(
    "--buffer",
    "buffer_m",
    type=float,
    default=DEFAULT_BUFFER_M,
    show_default=True,
    metavar="M",
    help="Kept from exclusions.",
)
@click.option("--crs", metavar="EPSG:N", help="What the area's coordinates are, when its file does not say.")
@click.option("--strata-field", metavar="NAME", help="The attribute that names the strata.")
@click.option("--avoid", type=click.Path(path_type=Path), multiple=True, metavar="FILE", help="Never flown over.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Where the coverage map goes: .tif, or .csv."
)
@json_option
def design_command(
    area: Path,
    kind: str | None,
    strip_width_m: float,
    buffer_m: float,
    draws: int,
    cell_m: float | None,
    crs: str | None,
    strata_field: str | None,
    avoid: tuple[Path, ...],
    out: Path | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Draw a design over AREA many times: lines, length, sampled share, and how likely each place is to be seen."""
    if efforts_said(asked) != 1:
        raise click.UsageError(f"Say one of {EFFORTS}.")
    if out is not None and out.suffix.lower() not in (".tif", ".tiff", ".csv"):
        raise click.UsageError("--out is a .tif or a .csv.")
    grid = coverage_probability(
        reduce(avoiding, avoid, read_area(area, crs=crs, strata_field=strata_field)),
        DesignRequest(kind=kind or SYSTEMATIC, **design_asked(asked)),
        strip_width_m=strip_width_m,
        buffer_m=buffer_m,
        draws=draws,
        cell_m=cell_m,
    )
    if out is not None:
        (write_csv if out.suffix.lower() == ".csv" else write_geotiff)(grid, out)
    document = design_document(grid, out, random_heading=asked["random_heading"])
    finish(document, as_json=as_json, text=_text(document))


def design_document(grid: CoverageGrid, out: Path | None, *, random_heading: bool = False) -> dict[str, Any]:
    """Return what `overfly design --json` prints; ranges are over the draws, coverage over the cells."""
    design, probability = grid.design, grid.probability
    lower, upper = grid.interval()
    return {
        "design": design.kind,
        "heading_deg": None if random_heading else design.heading_deg,
        "spacing_m": design.spacing_m,
        "strip_width_m": design.strip_width_m,
        "area_km2": round(grid.area.area_m2 / 1e6, 4),
        "draws": grid.draws,
        "lines": _range(grid.lines),
        "length_km": _range(grid.length_m / 1000),
        "sampled_share": _range(grid.sampled_share),
        "coverage_probability": _range(probability),
        "coverage_interval_width": float((upper - lower).mean()),
        "coverage_unevenness": grid.unevenness(),
        "coverage_unevenness_by_chance": grid.chance(),
        "no_possible_transects": NO_POSSIBLE_TRANSECTS.get(design.kind),
        "cells": len(probability),
        "cell_m": grid.cell_m,
        "map": None if out is None else str(out),
    }


def _range(values: Any) -> dict[str, float]:
    return {"min": float(values.min()), "mean": float(values.mean()), "max": float(values.max())}


def _text(document: dict[str, Any]) -> str:
    lines, length, share, seen = (document[k] for k in ("lines", "length_km", "sampled_share", "coverage_probability"))
    rows = [
        f"{document['design']}, {document['spacing_m']:.0f} m apart, drawn {document['draws']} times:",
        f"  {lines['mean']:.1f} lines ({lines['min']:.0f} to {lines['max']:.0f}), {length['mean']:.1f} km on effort"
        f" ({length['min']:.1f} to {length['max']:.1f})",
        f"  {share['mean']:.1%} of {document['area_km2']:.4g} km² in the strips"
        f" ({share['min']:.1%} to {share['max']:.1%})",
        f"  a place is seen with probability {seen['mean']:.3f} ({seen['min']:.3f} to {seen['max']:.3f} over"
        f" {document['cells']} cells; unevenness {document['coverage_unevenness']:.3f},"
        f" {document['coverage_unevenness_by_chance']:.3f} by chance alone)",
    ]
    return "\n".join([*rows, *([f"Written to {document['map']}"] if document["map"] else [])])
