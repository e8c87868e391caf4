"""`overfly design`: what a design would give, before anything is planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import click

from flightplan.allocation import EarlierStratum, expected_variances
from flightplan.areas import avoiding, read_area
from flightplan.cameras import camera_from_file, camera_named
from flightplan.commands.design_options import (
    EFFORTS,
    buffer_option,
    design_asked,
    design_options,
    efforts_said,
    gsd_option,
    height_option,
)
from flightplan.console import OverflyCommand, finish, json_option
from flightplan.coverage import baseline
from flightplan.coverage_picture import coverage_page, coverage_png
from flightplan.coverage_probability import (
    DEFAULT_DRAWS,
    CoverageGrid,
    coverage_probability,
    write_csv,
    write_geotiff,
)
from flightplan.design import NO_POSSIBLE_TRANSECTS, SYSTEMATIC
from flightplan.errors import UnreadableFileError
from flightplan.request import DesignRequest, PlanRequest

_NARROW_M = 1.0
"""The strip that lines are laid with where nobody said how wide it is: lines and lengths hardly depend on it."""

_EXAMPLE = """
\b
Examples:
  overfly design park.geojson --camera "DJI Mavic 3E wide" --gsd 2 --spacing 500
  overfly design park.geojson --width 96 --fraction 15 --design zigzag --out coverage.png --out coverage.tif
  overfly design park.geojson --width 96 --length 90 --allocate neyman --earlier 2025.csv --json
"""


@click.command("design", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("area", type=click.Path(path_type=Path))
@click.option("--width", "strip_width_m", type=float, metavar="M", help="Width of the strip that a line sees.")
@click.option("--camera", metavar="NAME|FILE", help="Whose pictures are the strip, with --gsd or --height.")
@gsd_option
@height_option
@design_options
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of the first draw.")
@click.option("--draws", type=int, default=DEFAULT_DRAWS, show_default=True, metavar="N", help="How often it is drawn.")
@click.option("--cell", "cell_m", type=float, metavar="M", help="Side of a cell of the map; about 4000 by default.")
@buffer_option
@click.option("--crs", metavar="EPSG:N", help="What the area's coordinates are, when its file does not say.")
@click.option("--strata-field", metavar="NAME", help="The attribute that names the strata.")
@click.option("--avoid", type=click.Path(path_type=Path), multiple=True, metavar="FILE", help="Never flown over.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Where the coverage map goes: .png, .html, .tif or .csv. May be given again.",
)
@json_option
def design_command(
    area: Path,
    kind: str | None,
    strip_width_m: float | None,
    camera: str | None,
    gsd_cm: float | None,
    altitude_agl_m: float | None,
    buffer_m: float,
    draws: int,
    cell_m: float | None,
    crs: str | None,
    strata_field: str | None,
    avoid: tuple[Path, ...],
    out: tuple[Path, ...],
    as_json: bool,
    **given: Any,
) -> None:
    """Draw a design over AREA many times: lines, length, sampled share, and how likely each place is to be seen.

    What a line sees is --width, or what a camera's pictures hold (--camera with --gsd or --height). Without either,
    lines and their length are all that is told.
    """
    if efforts_said(given) != 1:
        raise click.UsageError(f"Say one of {EFFORTS}.")
    strange = [str(o) for o in out if o.suffix.lower() not in _WRITERS]
    if strange:
        raise click.UsageError(f"--out {strange[0]} is not one of {', '.join(_WRITERS)}.")
    width_m = _strip_width_m(strip_width_m, camera, gsd_cm, altitude_agl_m)
    if width_m is None and (given["fraction_percent"] is not None or out):
        raise click.UsageError("A share of the area, or a map of coverage, needs --width, or --camera with --gsd.")
    asked = design_asked(given)
    grid = coverage_probability(
        reduce(avoiding, avoid, read_area(area, crs=crs, strata_field=strata_field)),
        DesignRequest(kind=kind or SYSTEMATIC, **asked),
        strip_width_m=_NARROW_M if width_m is None else width_m,
        buffer_m=buffer_m,
        draws=draws,
        cell_m=cell_m,
    )
    document = design_document(
        grid,
        tuple(out),
        random_heading=asked["random_heading"],
        with_width=width_m is not None,
        earlier=asked.get("earlier"),
    )
    for path in out:
        _WRITERS[path.suffix.lower()](grid, path, document)
    finish(document, as_json=as_json, text=_text(document))


def design_document(
    grid: CoverageGrid,
    out: tuple[Path, ...] = (),
    *,
    random_heading: bool = False,
    with_width: bool = True,
    earlier: Mapping[str, EarlierStratum] | None = None,
) -> dict[str, Any]:
    """Return what `overfly design --json` prints; ranges are over the draws, coverage over the cells.

    With what an `earlier` survey found, the standard error to expect is among it.
    """
    design, probability = grid.design, grid.probability
    lower, upper = grid.interval()
    known = {
        "strip_width_m": design.strip_width_m,
        "sampled_share": _range(grid.sampled_share),
        "coverage_probability": _range(probability),
        "coverage_interval_width": float((upper - lower).mean()),
        "coverage_unevenness": grid.unevenness(),
        "coverage_unevenness_by_chance": grid.chance(),
    }
    return {
        "design": design.kind,
        "heading_deg": None if random_heading else design.heading_deg,
        "spacing_m": design.spacing_m,
        "area_km2": round(grid.area.area_m2 / 1e6, 4),
        "draws": grid.draws,
        "lines": _range(grid.lines),
        "length_km": _range(grid.length_m / 1000),
        **(known if with_width else dict.fromkeys(known)),
        "coverage_reason": None if with_width else "how wide a strip a line sees was not said",
        "no_possible_transects": NO_POSSIBLE_TRANSECTS.get(design.kind),
        "strata": [_stratum(grid, i, with_width=with_width) for i in range(len(grid.area.strata))],
        "to_expect": None if not earlier else _to_expect(grid, earlier),
        "cells": len(probability) if with_width else None,
        "cell_m": grid.cell_m if with_width else None,
        "map": str(out[0]) if out else None,
        "maps": [str(o) for o in out],
    }


def _stratum(grid: CoverageGrid, index: int, *, with_width: bool) -> dict[str, Any]:
    name, polygon = grid.area.strata[index].name, grid.area.local_strata[index]
    filled_m = baseline(polygon, grid.design.heading_deg)[2]
    counted = with_width and grid.design.kind not in NO_POSSIBLE_TRANSECTS
    cells = grid.probability[grid.stratum == index]
    return {
        "name": name,
        "area_km2": round(float(polygon.area) / 1e6, 4),
        "baseline_km": round(filled_m / 1000, 3),
        "spacing_m": grid.design.spacing_in(name),
        "lines": float(grid.stratum_lines[:, index].mean()),
        "length_km": float(grid.stratum_length_m[:, index].mean() / 1000),
        "sampled_share": float(grid.stratum_searched_m2[:, index].mean() / polygon.area) if with_width else None,
        "possible_transects": filled_m / grid.design.strip_width_m if counted else None,
        "coverage_probability": float(cells.mean()) if with_width and len(cells) else None,
    }


def _to_expect(grid: CoverageGrid, earlier: Mapping[str, EarlierStratum]) -> dict[str, Any]:
    """The standard error of the total, were the animals spread as the earlier survey found them."""
    names = [s.name for s in grid.area.strata]
    lines = {n: float(max(grid.stratum_lines[:, i].mean(), 1.0)) for i, n in enumerate(names)}
    searched = grid.stratum_searched_m2.mean(axis=0) / [p.area for p in grid.area.local_strata]
    share = {n: float(min(searched[i], 1.0)) for i, n in enumerate(names)}
    variances = expected_variances({n: earlier[n] for n in names}, lines, share)
    error = sum(variances.values()) ** 0.5
    estimates = [earlier[n].estimate for n in names]
    total = sum(e for e in estimates if e is not None) if None not in estimates else None
    return {
        "standard_error": error,
        "cv": error / total if total else None,
        "strata": {n: v**0.5 for n, v in variances.items()},
    }


def _strip_width_m(
    width_m: float | None, camera: str | None, gsd_cm: float | None, altitude_agl_m: float | None
) -> float | None:
    if width_m is not None:
        if camera is not None or gsd_cm is not None or altitude_agl_m is not None:
            raise click.UsageError("Say --width, or --camera with --gsd or --height: one follows from the other.")
        return width_m
    if camera is None:
        if gsd_cm is not None or altitude_agl_m is not None:
            raise click.UsageError("--gsd and --height need --camera.")
        return None
    if (gsd_cm is None) == (altitude_agl_m is None):
        raise click.UsageError("--camera needs one of --gsd and --height.")
    found = camera_from_file(Path(camera)) if Path(camera).is_file() else camera_named(camera)
    request = PlanRequest(camera=found, gsd_cm=gsd_cm, altitude_agl_m=altitude_agl_m)
    return float(found.footprint_m(request.height_m())[0])


def _range(values: Any) -> dict[str, float]:
    return {"min": float(values.min()), "mean": float(values.mean()), "max": float(values.max())}


def _text(document: dict[str, Any]) -> str:
    lines, length = document["lines"], document["length_km"]
    rows = [
        f"{document['design']}, {document['spacing_m']:.0f} m apart, drawn {document['draws']} times:",
        f"  {lines['mean']:.1f} lines ({lines['min']:.0f} to {lines['max']:.0f}), {length['mean']:.1f} km on effort"
        f" ({length['min']:.1f} to {length['max']:.1f})",
    ]
    if len(document["strata"]) > 1:
        rows += [
            f"    {s['name']}: {s['lines']:.1f} lines {s['spacing_m']:.0f} m apart, {s['length_km']:.1f} km"
            for s in document["strata"]
        ]
    if document["coverage_reason"] is None:
        share, seen = document["sampled_share"], document["coverage_probability"]
        rows += [
            f"  {share['mean']:.1%} of {document['area_km2']:.4g} km² in the strips"
            f" ({share['min']:.1%} to {share['max']:.1%})",
            f"  a place is seen with probability {seen['mean']:.3f} ({seen['min']:.3f} to {seen['max']:.3f} over"
            f" {document['cells']} cells; unevenness {document['coverage_unevenness']:.3f},"
            f" {document['coverage_unevenness_by_chance']:.3f} by chance alone)",
        ]
    else:
        rows.append(f"  coverage is not told: {document['coverage_reason']}")
    expect = document["to_expect"]
    if expect:
        cv = "" if expect["cv"] is None else f", CV {expect['cv']:.0%}"
        rows.append(f"  to expect, with animals spread as before: SE {expect['standard_error']:.0f}{cv}")
    return "\n".join([*rows, *(f"Written to {path}" for path in document["maps"])])


_WRITERS: dict[str, Callable[[CoverageGrid, Path, dict[str, Any]], None]] = {
    ".png": lambda grid, path, _: _write(path, coverage_png(grid)),
    ".html": lambda grid, path, document: _write(path, coverage_page(grid, document).encode("utf-8")),
    ".tif": lambda grid, path, _: write_geotiff(grid, path),
    ".tiff": lambda grid, path, _: write_geotiff(grid, path),
    ".csv": lambda grid, path, _: write_csv(grid, path),
}


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UnreadableFileError(f"cannot be written: {error.strerror}", where=str(path)) from error
