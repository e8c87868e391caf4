"""The heights of a sortie over the ground along its way, as SVG path data to be drawn above a ruler of kilometres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flightplan.areas import StudyArea
from flightplan.drawing import Label, round_below
from flightplan.frames import Floats
from flightplan.plan import Sortie

WIDTH, HEIGHT = 900.0, 190.0
_LEFT, _RIGHT, _TOP, _FOOT = 46.0, 12.0, 20.0, 24.0


@dataclass(frozen=True)
class Heights:
    """Heights along a mission (N,): distance flown, ground and aircraft above take-off, whether on effort."""

    distance_m: Floats
    ground_m: Floats
    flown_m: Floats
    on_effort: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @property
    def above_ground_m(self) -> Floats:
        """Height above ground."""
        return self.flown_m - self.ground_m


@dataclass(frozen=True)
class ProfileChart:
    """What the template draws: the ground's area, the way and its lines on effort, marks, rulers."""

    ground: str
    way: str
    lines: str
    lowest: Label
    highest: Label
    marks: str
    heights: tuple[Label, ...]
    distances: tuple[Label, ...]
    width: float = WIDTH
    height: float = HEIGHT


def heights_along(sortie: Sortie, area: StudyArea) -> Heights | None:
    """Return the heights along a sortie's mission from the ground kept with it; None where none was kept."""
    if sortie.ground is None or not sortie.ground.item or sortie.mission.home is None:
        return None
    places = [(-1, sortie.mission.home, 0.0, False)]
    places += [
        (n, (i.longitude_deg, i.latitude_deg), i.altitude_m, i.transect is not None)
        for n, i in enumerate(sortie.mission.items)
        if i.longitude_deg is not None and i.latitude_deg is not None
    ]
    local = area.frame.to_local([place for _, place, _, _ in places])
    legs_m = np.hypot(*np.diff(local, axis=0).T)
    reach_m = np.concatenate([[0.0], np.cumsum(legs_m)])
    index = {number: i for i, (number, _, _, _) in enumerate(places)}
    leg = np.array([index[n] for n in sortie.ground.item])
    share = np.array(sortie.ground.share)
    heights = np.array([height for _, _, height, _ in places])
    effort = np.array([on for _, _, _, on in places])
    return Heights(
        reach_m[leg - 1] + share * legs_m[leg - 1],
        np.array(sortie.ground.ground_home_m),
        heights[leg - 1] + share * (heights[leg] - heights[leg - 1]),
        effort[leg],
    )


def profile_chart(sortie: Sortie, area: StudyArea) -> ProfileChart | None:
    """Return the chart of a sortie; None where no elevation was given with the plan.

    The lowest and the highest place above ground are of the path flown at height: not of take-off and landing.
    """
    heights = heights_along(sortie, area)
    if heights is None:
        return None
    low = float(min(heights.ground_m.min(), 0.0))
    high = float(heights.flown_m.max())
    room = max(high - low, 20.0) * 0.08
    low, high = low - room, high + room
    across = (WIDTH - _LEFT - _RIGHT) / max(float(heights.distance_m[-1]), 1.0)
    up = (HEIGHT - _TOP - _FOOT) / (high - low)

    def xy(distance_m: Floats, height_m: Floats) -> Floats:
        return np.column_stack([_LEFT + distance_m * across, HEIGHT - _FOOT - (height_m - low) * up])

    floor = np.array([[WIDTH - _RIGHT, HEIGHT - _FOOT], [_LEFT, HEIGHT - _FOOT]])
    # The first leg climbs on the spot: the ground there is home's, and the height above it nothing to mark.
    aloft = heights.flown_m > 0
    above = np.where(aloft, heights.above_ground_m, np.nan)
    lowest, highest = int(np.nanargmin(above)), int(np.nanargmax(above))
    places = xy(heights.distance_m, heights.flown_m)
    feet = xy(heights.distance_m, heights.ground_m)
    return ProfileChart(
        ground=_line(np.vstack([feet, floor])) + "z",
        way=_line(places),
        lines="".join(_line(places[part]) for part in _runs(heights.on_effort)),
        lowest=_named(places[lowest], f"lowest: {above[lowest]:.0f} m above ground"),
        highest=_named(places[highest], f"highest: {above[highest]:.0f} m"),
        marks="".join(_line(np.vstack([places[i], feet[i]])) for i in (lowest, highest)),
        heights=_ticks(low, high, lambda v: HEIGHT - _FOOT - (v - low) * up, "m", 4, down=True),
        distances=_ticks(
            0.0, float(heights.distance_m[-1]) / 1000, lambda v: _LEFT + v * 1000 * across, "km", 9, down=False
        ),
    )


def _line(xy: Floats) -> str:
    """Path data, thinned to what half a pixel shows."""
    step = np.abs(np.diff(xy, axis=0)).max(axis=1)
    keep = np.concatenate([[True], np.floor(np.cumsum(step) / 0.5)[1:] != np.floor(np.cumsum(step) / 0.5)[:-1], [True]])
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in xy[keep].tolist())


def _runs(on: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(int)))
    return [slice(a, b) for a, b in edges.reshape(-1, 2).tolist() if b - a > 1]


def _named(xy: Floats, text: str) -> Label:
    # Towards the middle, so that no word runs out of the picture.
    x = float(np.clip(xy[0], _LEFT + 75, WIDTH - _RIGHT - 75))
    return Label(round(x, 1), round(max(float(xy[1]) - 6, 11.0), 1), text)


def _ticks(
    low: float, high: float, place: Callable[[float], float], unit: str, number: int, *, down: bool
) -> tuple[Label, ...]:
    step = round_below((high - low) / number * 1.5)
    values = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    shown = [(round(float(place(v)), 1), f"{v + 0.0:g} {unit}".replace("-", "−")) for v in values.tolist()]
    return tuple(Label(0.0, at, text) if down else Label(at, HEIGHT, text) for at, text in shown)
