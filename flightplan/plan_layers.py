"""What lies on a plan's map besides its lines: frames on level ground, obstacles, airspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.drawing import Canvas, Label, areas_path, lines_path
from flightplan.frames import Floats
from flightplan.mounting import Mounting
from flightplan.plan import SurveyPlan

MOST_FOOTPRINTS = 2500
"""Beyond so many frames a map shows the strips alone: the frames would be a grey."""

_MARK_PX, _LETTER_PX = 5.0, 6.6
_LABEL_ROOM_PX = 90.0
_MOST_LABELS = 24


@dataclass(frozen=True)
class Hazards:
    """Obstacles and airspace as SVG path data: `avoided` is stayed out of, `warned` only named."""

    obstacles: str = ""
    obstacle_labels: tuple[Label, ...] = ()
    avoided: str = ""
    warned: str = ""
    zone_labels: tuple[Label, ...] = ()


def footprints_of(plan: SurveyPlan, lines: Sequence[Floats]) -> Floats:
    """Return the frames taken on lines flown on effort, on level ground: corners (N, 4, 2) in the frame's metres.

    `lines` are geographic, (K, 2) each, in the direction of flight. The first frame is taken where a line begins, the
    next each trigger distance, as the autopilot's trigger does it.
    """
    view = Mounting(tilt_deg=plan.tilt_deg).view(plan.camera, plan.altitude_agl_m)
    near_m = view.across_m / 2
    far_m = near_m * view.coarsest_gsd_cm / view.finest_gsd_cm
    corners = np.array(
        [
            [-near_m, view.ahead_near_m],
            [near_m, view.ahead_near_m],
            [far_m, view.ahead_far_m],
            [-far_m, view.ahead_far_m],
        ]
    )
    found = [np.empty((0, 4, 2))]
    for line in lines:
        local = plan.area.frame.to_local(line)
        legs = np.hypot(*np.diff(local, axis=0).T)
        reach = np.concatenate([[0.0], np.cumsum(legs)])
        at = np.arange(0.0, reach[-1] + 1e-6, plan.trigger_distance_m)
        centres = np.column_stack([np.interp(at, reach, local[:, k]) for k in (0, 1)])
        leg = np.clip(np.searchsorted(reach, at, side="right") - 1, 0, len(legs) - 1)
        ahead = np.diff(local, axis=0)[leg] / np.maximum(legs[leg], 1e-9)[:, None]
        right = np.column_stack([ahead[:, 1], -ahead[:, 0]])
        found.append(centres[:, None] + corners[None, :, :1] * right[:, None] + corners[None, :, 1:] * ahead[:, None])
    return np.concatenate(found)


def footprints_path(plan: SurveyPlan, lines: Sequence[Floats], canvas: Canvas) -> tuple[str, int]:
    """Return the frames' outlines as path data, none where they are too many to tell apart, and their number."""
    corners = footprints_of(plan, lines)
    if not 0 < len(corners) <= MOST_FOOTPRINTS:
        return "", len(corners)
    xy = np.round(canvas.place(corners.reshape(-1, 2)), 1).reshape(-1, 4, 2)
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in frame) + "z" for frame in xy.tolist()), len(corners)


def hazards_of(area: StudyArea, canvas: Canvas, frame: Any) -> Hazards:
    """Return the obstacles and the airspace over an area, clipped to what the map shows."""

    def clipped(geometries: Sequence[Any]) -> Any:
        parts = shapely.get_parts(shapely.intersection(canvas.draw(np.array(geometries, dtype=object)), frame))
        return parts[~shapely.is_empty(parts)]

    marks, labels, zones, zone_labels = [], [], {True: "", False: ""}, []
    for obstacle in area.obstacles:
        parts = clipped([obstacle.geometry])
        if not len(parts):
            continue
        kinds = shapely.get_type_id(parts)
        marks += [_mast(xy) for xy in shapely.get_coordinates(parts[kinds == shapely.GeometryType.POINT])]
        marks.append(lines_path(parts[kinds == shapely.GeometryType.LINESTRING]))
        marks.append(areas_path(parts[kinds == shapely.GeometryType.POLYGON]))
        x, y = shapely.get_coordinates(shapely.centroid(parts[0]))[0]
        text = f"{obstacle.name} {obstacle.top}" if obstacle.top else obstacle.name
        labels.append(Label(_within(x + 9, text, canvas, centred=False), _tenth(y - 4), text))
    for zone in area.airspace:
        parts = clipped([zone.polygon])
        parts = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
        if not len(parts):
            continue
        zones[zone.is_avoided] += areas_path(parts)
        x, y = shapely.get_coordinates(shapely.point_on_surface(max(parts, key=lambda p: float(p.area))))[0]
        limits = f", {zone.lower or 'ground'} to {zone.upper or 'no limit stated'}"
        text = f"{zone.name}{f' ({zone.kind})' if zone.kind else ''}{limits}"
        zone_labels.append(Label(_within(x, text, canvas, centred=True), _tenth(y), text))
    return Hazards("".join(marks), _apart(labels), zones[True], zones[False], _apart(zone_labels))


def _mast(xy: Floats) -> str:
    x, y = (float(v) for v in xy)
    left, top, right, foot = x - _MARK_PX, y - 1.6 * _MARK_PX, x + _MARK_PX, y + _MARK_PX
    return f"M{left:.1f} {foot:.1f}L{x:.1f} {top:.1f}L{right:.1f} {foot:.1f}z"


def _apart(labels: Sequence[Label]) -> tuple[Label, ...]:
    """The labels that have room: a crowd of masts would be a blot of names."""
    shown: list[Label] = []
    for label in labels:
        if len(shown) < _MOST_LABELS and all(
            abs(label.x - o.x) >= _LABEL_ROOM_PX or abs(label.y - o.y) >= 15 for o in shown
        ):
            shown.append(label)
    return tuple(shown)


def _within(x: float, text: str, canvas: Canvas, *, centred: bool) -> float:
    """Where a word has to stand so that it ends inside the map."""
    wide = _LETTER_PX * len(text)
    before, after = (wide / 2, wide / 2) if centred else (0.0, wide)
    return _tenth(min(max(float(x), before + 4), max(canvas.width - after - 4, before + 4)))


def _tenth(value: float) -> float:
    return round(float(value), 1)
