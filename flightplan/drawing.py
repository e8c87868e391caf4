"""Drawing maps: from a local frame to the data of SVG paths, with a graticule and a scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from flightplan.frames import Floats, LocalFrame

WIDTH = 1000.0
MAX_HEIGHT = 1100.0
_NICE = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Label:
    """A word on the map, at x, y of the drawing."""

    x: float
    y: float
    text: str


class Canvas:
    """From longitude and latitude to the drawing's x (right) and y (down), north up.

    `bounds` are west, south, east, north in the frame's metres; a margin is added, and room where the shape is narrow.
    """

    def __init__(
        self,
        frame: LocalFrame,
        bounds: tuple[float, float, float, float],
        *,
        width: float = WIDTH,
        max_height: float = MAX_HEIGHT,
    ) -> None:
        west, south, east, north = bounds
        pad = 0.06 * max(east - west, north - south, 20.0)
        self.west, self.north = west - pad, north + pad
        span_x, span_y = east - west + 2 * pad, north - south + 2 * pad
        self.px_per_m = min(width / span_x, max_height / span_y)
        self.width = max(span_x * self.px_per_m, 0.62 * width)
        self.west -= (self.width / self.px_per_m - span_x) / 2
        self.height = max(span_y * self.px_per_m, 0.36 * self.width)
        self.north += (self.height / self.px_per_m - span_y) / 2
        self.frame = frame

    def xy(self, lonlat: npt.ArrayLike) -> Floats:
        """Return degrees (N, 2), longitude first, as places on the drawing (N, 2)."""
        return self.place(self.frame.to_local(lonlat))

    def place(self, local: Floats) -> Floats:
        """Return the frame's metres (N, 2) as places on the drawing (N, 2)."""
        return np.column_stack([local[:, 0] - self.west, self.north - local[:, 1]]) * self.px_per_m

    def draw(self, geometry: object) -> npt.NDArray[np.object_]:
        """Return geographic geometries in the drawing's units, as an array."""
        return np.atleast_1d(shapely.transform(geometry, self.xy))

    @property
    def scale(self) -> tuple[float, str]:
        """The length of a scale bar of a round number, and what it says."""
        metres = round_below(self.width / self.px_per_m / 4)
        text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
        return round(metres * self.px_per_m, 1), text


def areas_path(shapes: npt.NDArray[np.object_]) -> str:
    """Path data of polygons: each ring closed, to a tenth of a pixel."""
    rings = shapely.get_rings(shapely.get_parts(shapes))
    return "".join(_path(ring, closed=True) for ring in rings)


def lines_path(shapes: npt.NDArray[np.object_]) -> str:
    """Path data of lines, to a tenth of a pixel."""
    return "".join(_path(part, closed=False) for part in shapely.get_parts(shapes))


def round_below(value: float) -> float:
    """Return the greatest round number not above a value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(n for n in _NICE if n * power <= value * (1 + 1e-9)) * power)


def meridians(canvas: Canvas) -> tuple[Label, ...]:
    """Return where round longitudes meet the lower edge, named at y 0."""
    edge = np.column_stack([np.linspace(0, canvas.width, 200), np.full(200, canvas.height)])
    lon = _lonlat(canvas, edge)[:, 0]
    return tuple(
        Label(round(float(np.interp(value, lon, edge[:, 0])), 1), 0.0, _degrees(value, "E", "W", step))
        for value, step in _ticks(lon[0], lon[-1])
    )


def parallels(canvas: Canvas) -> tuple[Label, ...]:
    """Return where round latitudes meet the left edge, at x 0."""
    edge = np.column_stack([np.zeros(200), np.linspace(canvas.height, 0, 200)])
    lat = _lonlat(canvas, edge)[:, 1]
    return tuple(
        Label(0.0, _at(value, lat, edge[:, 1]), _degrees(value, "N", "S", step))
        for value, step in _ticks(lat[0], lat[-1])
    )


def _path(line: object, *, closed: bool) -> str:
    xy = np.round(shapely.get_coordinates(line), 1)
    keep = np.concatenate([[True], np.any(np.diff(xy, axis=0) != 0, axis=1)])
    kept = xy[keep][:-1] if closed and len(xy[keep]) > 3 else xy[keep]
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in kept.tolist()) + ("z" if closed else "")


def _at(value: float, degrees: Floats, pixels: Floats) -> float:
    return round(float(np.interp(value, degrees, pixels)), 1)


def _lonlat(canvas: Canvas, xy: Floats) -> Floats:
    local = np.column_stack([xy[:, 0] / canvas.px_per_m + canvas.west, canvas.north - xy[:, 1] / canvas.px_per_m])
    return canvas.frame.to_lonlat(local)


def _ticks(low: float, high: float) -> list[tuple[float, float]]:
    step = round_below((high - low) / 3)
    values = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return [(float(v), step) for v in values if low + 0.06 * (high - low) < v < high - 0.06 * (high - low)]


def _degrees(value: float, positive: str, negative: str, step: float) -> str:
    digits = next(d for d in range(12) if abs(round(step, d) - step) < 1e-9 * step)
    return f"{abs(value):.{digits}f}° {positive if value >= 0 else negative}"
