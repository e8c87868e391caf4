"""Polygons that cross themselves, cut at their crossings: shown before and after, never done behind anybody's back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from flightplan.area_checks import area_inside_m2, check_degrees, check_polygon, crossings, mended
from flightplan.area_crs import to_wgs84
from flightplan.area_features import Feature
from flightplan.area_formats import read_features
from flightplan.drawing import Canvas, areas_path
from flightplan.errors import AreaError, OverflyError, UnreadableFileError
from flightplan.frames import Floats, LocalFrame

_PANEL, _MAX_HEIGHT, _HEAD = 480.0, 620.0, 40.0
_STYLE = (
    "text{font:14px sans-serif}.before{fill:#c8553d;fill-opacity:.35;stroke:#c8553d}"
    ".after{fill:#2f6f4f;fill-opacity:.35;stroke:#2f6f4f}.cross{fill:none;stroke:#000;stroke-width:2}"
)


@dataclass(frozen=True)
class Mending:
    """One polygon before and after, both geographic; `crossings_lonlat` are (N, 2), where it crosses itself."""

    label: str
    before: Any
    after: Any
    crossings_lonlat: Floats

    @property
    def drawn_m2(self) -> float:
        """The area as most programs reckon it: what is gone round one way, less what is gone round the other."""
        frame = LocalFrame.around(self.before)
        return float(abs(shapely.area(frame.localise(self.before))))

    @property
    def after_m2(self) -> float:
        """The area that the mended polygons enclose."""
        return area_inside_m2(self.after)


def mend_file(path: Path, out: Path, *, crs: str | None = None) -> tuple[tuple[Mending, ...], dict[str, str]]:
    """Mend the polygons of a file that cross themselves; return what was done and the files written.

    `out` is a GeoJSON of all features with the polygons mended; beside it go a picture of each before and after
    (`.mending.svg`) and both as GeoJSON (`.mending.geojson`). Raises AreaError when nothing needs mending, or nothing
    would be left of a polygon; UnreadableFileError when there is such a file already.
    """
    if out.suffix.lower() not in (".geojson", ".json"):
        raise UnreadableFileError("is not the name of a GeoJSON", where=str(out), hint="End it with .geojson")
    features = [to_wgs84(f, crs, path) for f in read_features(path)]
    found: list[Mending] = []
    kept: list[Feature] = []
    for feature in features:
        if feature.geometry.geom_type not in ("Polygon", "MultiPolygon") or feature.geometry.is_valid:
            kept.append(feature)
            continue
        where = f"{path}, {feature.label}"
        check_degrees(shapely.get_coordinates(feature.geometry), where)
        after = mended(feature.geometry)
        if after.is_empty:
            raise AreaError("encloses nothing, mended or not", where=where, hint="Draw it again")
        found.append(Mending(feature.label, feature.geometry, check_polygon(after, where), crossings(feature.geometry)))
        kept.append(Feature(after, feature.properties, feature.label, feature.crs))
    if not found:
        raise AreaError("holds no polygon that crosses itself: there is nothing to mend", where=str(path))
    files = {"area": out, "picture": out.with_suffix(".mending.svg"), "both": out.with_suffix(".mending.geojson")}
    for file in files.values():
        if file.exists():
            raise UnreadableFileError("is there already", where=str(file), hint="Choose another name")
    texts = {
        "area": _collection([(f.geometry, _plain(f.properties)) for f in kept]),
        "both": _collection([(g, {"name": m.label, "role": r}) for m in found for r, g in _sides(m)]),
        "picture": mending_svg(found),
    }
    try:
        for kind, file in files.items():
            file.write_text(texts[kind], encoding="utf-8", newline="\n")
    except OSError as error:
        if isinstance(error, OverflyError):
            raise
        raise UnreadableFileError(f"cannot be written: {error.strerror}", where=str(out)) from error
    return tuple(found), {kind: str(file) for kind, file in files.items()}


def mending_svg(mendings: Sequence[Mending]) -> str:
    """Return a picture of polygons before (left) and after (right), with rings around the crossings."""
    rows, top = [], 0.0
    for mending in mendings:
        frame = LocalFrame.around(mending.before)
        bounds = tuple(float(b) for b in frame.localise(mending.before).bounds)
        canvas = Canvas(frame, (bounds[0], bounds[1], bounds[2], bounds[3]), width=_PANEL, max_height=_MAX_HEIGHT)
        marks = "".join(
            f'<circle class="cross" cx="{x:.1f}" cy="{y:.1f}" r="7"/>'
            for x, y in canvas.xy(mending.crossings_lonlat).tolist()
        )
        parts = len(shapely.get_parts(mending.after))
        heads = (
            f"{mending.label}, as drawn: crosses itself at {len(mending.crossings_lonlat)}",
            f"mended: {parts} polygon{'s' if parts > 1 else ''}, {mending.after_m2 / 1e6:.4g} km²",
        )
        for side, (role, geometry) in enumerate(_sides(mending)):
            path = areas_path(canvas.draw(geometry))
            rows.append(
                f'<g transform="translate({side * (canvas.width + 20):.1f} {top + _HEAD:.1f})">'
                f'<text x="4" y="-12">{escape(heads[side])}</text>'
                f'<path class="{role}" fill-rule="evenodd" d="{path}"/>{marks if role == "before" else ""}</g>'
            )
        top += canvas.height + _HEAD
        width = 2 * canvas.width + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {top:.0f}" width="{width:.0f}">'
        f"<style>{_STYLE}</style>{''.join(rows)}</svg>\n"
    )


def _sides(mending: Mending) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("before", mending.before), ("after", mending.after)


def _collection(features: Sequence[tuple[Any, dict[str, Any]]]) -> str:
    members = [
        {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(geometry)}
        for geometry, properties in features
    ]
    return json.dumps({"type": "FeatureCollection", "features": members}, ensure_ascii=False, indent=1) + "\n"


def _plain(properties: Any) -> dict[str, Any]:
    return {
        str(k): v if v is None or (isinstance(v, str | bool | int | float) and not _is_nan(v)) else str(v)
        for k, v in properties.items()
    }


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not np.isfinite(value)
