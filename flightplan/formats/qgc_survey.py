"""A mission's lines as QGroundControl's survey pattern: polygon, angle, spacing, camera and overlaps.

QGroundControl lays a survey's lines anew from its polygon when somebody changes a setting, and already on opening the
file when the speed is another than it expects (TransectStyleComplexItem.cc, `setMissionFlightStatus`): the items in the
file are then forgotten. So a block is written only for lines that QGroundControl would lay in the same places and fly
in the same order; its polygon is drawn for that, and is not the study area. All else stays simple items.

Source: QGroundControl, "Plan File Format" (developer guide); SurveyComplexItem.cc, TransectStyleComplexItem.cc and
CameraCalc.cc (survey version 5; TransectStyleComplexItem and CameraCalc in version 1, which every QGroundControl since
3.5 reads).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flightplan.camera import Camera
from flightplan.formats.qgc_layout import outline, relaid_miss_m
from flightplan.formats.qgc_plan import item_document, plan_document, plan_text
from flightplan.formats.waypoint_flight import STRAIGHT_DOWN_DEG, TILTS
from flightplan.frames import Floats, LocalFrame
from flightplan.mission import Command, Frame, Mission, MissionItem

TOLERANCE_M = 10.0
"""How far a line end of QGroundControl's own may lie from ours, for a block to be written."""

_ITEMS_A_LINE = 4
_STRAIGHT_M = 1.5
_ENTRIES = (0, 1, 2, 3)


@dataclass(frozen=True)
class SurveyBlock:
    """Lines `mission.items[start:stop]` of one survey pattern.

    `corners` are (longitude, latitude), not closed. `angle_deg` is the heading of the lines, -90 to 90. `entry` is
    QGroundControl's `entryLocation`. `ends` are the (longitude, latitude) points flown, (2 N, 2) for N lines.
    """

    start: int
    stop: int
    corners: tuple[tuple[float, float], ...]
    angle_deg: float
    spacing_m: float
    trigger_distance_m: float
    altitude_m: float
    entry: int
    ends: tuple[tuple[float, float], ...]
    length_m: float


def survey_plan(mission: Mission, camera: Camera) -> str | None:
    """Return the mission as a plan with survey blocks, or None where none of its lines can be shown so.

    Read back, it holds the same items in the same order.
    """
    blocks = survey_blocks(mission)
    if not blocks:
        return None
    tilted = any(item.command in TILTS and item.params[0] != STRAIGHT_DOWN_DEG for item in mission.items)
    entries: list[dict[str, Any]] = []
    at = 0
    for block in blocks:
        entries += [item_document(mission.items[n], n + 1) for n in range(at, block.start)]
        items = [item_document(mission.items[n], n + 1) for n in range(block.start, block.stop)]
        entries.append(_block_document(block, items, None if tilted else camera))
        at = block.stop
    entries += [item_document(mission.items[n], n + 1) for n in range(at, len(mission.items))]
    return plan_text(plan_document(mission, entries))


def survey_blocks(mission: Mission) -> list[SurveyBlock]:
    """Return the survey patterns in a mission, in order: two lines or more each.

    A line is a waypoint, the trigger switched on, a waypoint, the trigger switched off; lines of one block are
    parallel, evenly spaced, at one height above home, joined by straight ways.
    """
    blocks = []
    for starts in _streaks(mission.items):
        at = 0
        while at < len(starts) - 1:
            block, taken = _longest_block(mission.items, starts[at:])
            if block is not None:
                blocks.append(block)
            at += taken
    return blocks


# Finding the lines ----------------------------------------------------------------------------------------------------


def _streaks(items: Sequence[MissionItem]) -> list[list[int]]:
    """Return where lines begin, in groups of lines that follow each other without anything between them."""
    streaks: list[list[int]] = []
    at = 0
    while at + _ITEMS_A_LINE <= len(items):
        if not _is_line(items[at : at + _ITEMS_A_LINE]):
            at += 1
            continue
        if streaks and streaks[-1][-1] + _ITEMS_A_LINE == at and _alike(items, streaks[-1][-1], at):
            streaks[-1].append(at)
        else:
            streaks.append([at])
        at += _ITEMS_A_LINE
    return [streak for streak in streaks if len(streak) > 1]


def _is_line(items: Sequence[MissionItem]) -> bool:
    start, on, end, off = items
    return (
        _is_waypoint(start)
        and _is_waypoint(end)
        and on.command == off.command == Command.DO_SET_CAM_TRIGG_DIST
        and on.params[0] > 0 == off.params[0]
        and start.altitude_m == end.altitude_m
        and all(item.autocontinue for item in items)
    )


def _is_waypoint(item: MissionItem) -> bool:
    return (
        item.command == Command.NAV_WAYPOINT
        and item.frame == Frame.GLOBAL_RELATIVE_ALT
        and item.longitude_deg is not None
        and item.params[0] == 0
    )


def _alike(items: Sequence[MissionItem], one: int, other: int) -> bool:
    return items[one].altitude_m == items[other].altitude_m and items[one + 1].params[0] == items[other + 1].params[0]


def _longest_block(items: Sequence[MissionItem], starts: Sequence[int]) -> tuple[SurveyBlock | None, int]:
    """Return a block of as many of the first lines as can be shown as one, and how many lines that settles."""
    ends = np.array([_lonlat(items[n]) for start in starts for n in (start, start + 2)])
    local = _frame_at(ends[0]).to_local(ends).reshape(-1, 2, 2)
    fitting = _regular(local)
    # Halving, not one line less each time: a long streak of odd lines must not take the square of its length.
    count = fitting
    while count > 1:
        block = _block(items, starts[:count], ends[: 2 * count])
        if block is not None:
            return block, count
        count //= 2
    return None, max(1, fitting - 1)


def _regular(local: Floats) -> int:
    """Return how many of the first lines are parallel, flown to and fro, and evenly spaced."""
    vectors = local[:, 1] - local[:, 0]
    lengths = np.hypot(*vectors.T)
    if lengths[0] < 1.0:
        return 1
    along = vectors[0] / lengths[0]
    across = np.array([along[1], -along[0]])
    position = local.mean(axis=1) @ across
    steps = np.diff(position)
    step = steps[0]
    if abs(step) < 1.0:
        return 1
    alternating = np.where(np.arange(len(vectors)) % 2 == 0, 1.0, -1.0)
    good = (vectors @ along) * alternating > 0
    good &= np.abs(vectors @ across) < _STRAIGHT_M
    good[1:] &= np.abs(steps - step) < min(_STRAIGHT_M, 0.01 * abs(step))
    return int(len(good) if good.all() else good.argmin())


# Their polygon --------------------------------------------------------------------------------------------------------


def _block(items: Sequence[MissionItem], starts: Sequence[int], ends: Floats) -> SurveyBlock | None:
    """Return the block of these lines, or None when QGroundControl would lay others."""
    frame = _frame_at(ends[0])
    local = frame.to_local(ends).reshape(-1, 2, 2)
    vectors = local[:, 1] - local[:, 0]
    flown = np.where((np.arange(len(vectors)) % 2 == 0)[:, None], vectors, -vectors).sum(axis=0)
    angle_deg = float((np.degrees(np.arctan2(flown[0], flown[1])) + 90.0) % 180.0 - 90.0)
    angle = np.radians(angle_deg)
    position = local.mean(axis=1) @ np.array([np.cos(angle), -np.sin(angle)])
    spacing_m = float(abs(position[-1] - position[0]) / (len(position) - 1))
    corners = frame.to_lonlat(outline(local, angle, spacing_m, frame))
    for entry in _ENTRIES:
        block = SurveyBlock(
            start=starts[0],
            stop=starts[-1] + _ITEMS_A_LINE,
            corners=tuple((float(lon), float(lat)) for lon, lat in corners),
            angle_deg=angle_deg,
            spacing_m=spacing_m,
            trigger_distance_m=items[starts[0] + 1].params[0],
            altitude_m=items[starts[0]].altitude_m,
            entry=entry,
            ends=tuple((float(lon), float(lat)) for lon, lat in ends),
            length_m=float(np.hypot(*vectors.T).sum()),
        )
        if relaid_miss_m(block.corners, block.ends, angle_deg, spacing_m, entry) <= TOLERANCE_M:
            return block
    return None


def _frame_at(lonlat: Floats) -> LocalFrame:
    return LocalFrame(float(lonlat[0]), float(lonlat[1]))


def _lonlat(item: MissionItem) -> tuple[float, float]:
    assert item.longitude_deg is not None
    assert item.latitude_deg is not None
    return item.longitude_deg, item.latitude_deg


# Writing it -----------------------------------------------------------------------------------------------------------


def _block_document(block: SurveyBlock, items: list[dict[str, Any]], camera: Camera | None) -> dict[str, Any]:
    lines = len(block.ends) // 2
    return {
        "type": "ComplexItem",
        "complexItemType": "survey",
        "version": 5,
        "angle": block.angle_deg,
        "entryLocation": block.entry,
        "flyAlternateTransects": False,
        "splitConcavePolygons": False,
        "polygon": [[lat, lon] for lon, lat in block.corners],
        "TransectStyleComplexItem": {
            "version": 1,
            "CameraCalc": _camera_document(block, camera),
            "CameraShots": int(block.length_m / block.trigger_distance_m) + lines,
            "CameraTriggerInTurnAround": False,
            "FollowTerrain": False,
            "HoverAndCapture": False,
            "Items": items,
            "Refly90Degrees": False,
            "TurnAroundDistance": 0,
            "VisualTransectPoints": [[lat, lon] for lon, lat in block.ends],
        },
    }


def _camera_document(block: SurveyBlock, camera: Camera | None) -> dict[str, Any]:
    """Return the camera with overlaps that give spacing and trigger distance again; a gap between strips is below 0.

    Distances alone without a camera, as for a tilted one: QGroundControl knows pictures taken straight down only.
    """
    document: dict[str, Any] = {
        "version": 1,
        "AdjustedFootprintFrontal": block.trigger_distance_m,
        "AdjustedFootprintSide": block.spacing_m,
        "CameraName": "Manual (no camera specs)",
        "DistanceToSurface": block.altitude_m,
        "DistanceToSurfaceRelative": True,
    }
    if camera is None:
        return document
    if camera.focal_length_mm is None or camera.sensor_width_mm is None or camera.sensor_height_mm is None:
        return document
    density_cm = block.altitude_m * camera.sensor_width_mm * 100.0 / (camera.image_width_px * camera.focal_length_mm)
    side_m, frontal_m = camera.image_width_px * density_cm / 100.0, camera.image_height_px * density_cm / 100.0
    return document | {
        "CameraName": "Custom Camera",
        "FixedOrientation": False,
        "FocalLength": camera.focal_length_mm,
        "FrontalOverlap": 100.0 * (1 - block.trigger_distance_m / frontal_m),
        "ImageDensity": density_cm,
        "ImageHeight": camera.image_height_px,
        "ImageWidth": camera.image_width_px,
        "Landscape": True,
        "MinTriggerInterval": camera.min_trigger_interval_s or 0,
        "SensorHeight": camera.sensor_height_mm,
        "SensorWidth": camera.sensor_width_mm,
        "SideOverlap": 100.0 * (1 - block.spacing_m / side_m),
        "ValueSetIsDistance": True,
    }
