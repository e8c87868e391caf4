"""`overfly mend`: a boundary that crosses itself, before and after it is cut at its crossings."""

from __future__ import annotations

from pathlib import Path

import click

from flightplan.console import OverflyCommand, finish, json_option
from flightplan.mending import mend_file

_EXAMPLE = """
\b
Example:
  overfly mend park.kml mended.geojson
  overfly plan mended.geojson --camera overfly-demo --height 80 --lines 12 --out plan
"""


@click.command("mend", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("area", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--crs", metavar="EPSG:N", help="What the area's coordinates are, when its file does not say.")
@json_option
def mend_command(area: Path, out: Path, crs: str | None, as_json: bool) -> None:
    """Cut the polygons of AREA that cross themselves at their crossings, and write OUT, a GeoJSON.

    Beside OUT go a picture of each polygon before and after (.mending.svg) and both as GeoJSON. Look at it before you
    plan with OUT: no other command mends anything.
    """
    mendings, files = mend_file(area, out, crs=crs)
    polygons = [
        {
            "name": m.label,
            "crossings": [[round(x, 7), round(y, 7)] for x, y in m.crossings_lonlat.tolist()],
            "polygons_after": len(m.after.geoms) if hasattr(m.after, "geoms") else 1,
            "drawn_km2": m.drawn_m2 / 1e6,
            "mended_km2": m.after_m2 / 1e6,
            "difference_km2": (m.after_m2 - m.drawn_m2) / 1e6,
        }
        for m in mendings
    ]
    lines = [
        f"{p['name']}: crosses itself at {len(m.crossings_lonlat)}; as drawn {m.drawn_m2 / 1e6:.4g} km² (parts gone"
        f" round the other way taken off), mended {p['polygons_after']} polygons with {m.after_m2 / 1e6:.4g} km²,"
        f" {(m.after_m2 - m.drawn_m2) / 1e6:+.4g} km²"
        for p, m in zip(polygons, mendings, strict=True)
    ]
    text = "\n".join([*lines, f"Look at {files['picture']} before you use {files['area']}"])
    finish({"polygons": polygons, "files": files}, as_json=as_json, text=text)
