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
from flightplan.formats.qgc_plan import item_document, plan_document, plan_text
from flightplan.formats.waypoint_flight import STRAIGHT_DOWN_DEG, TILTS
from flightplan.frames import Floats, LocalFrame
from flightplan.mission import Command, Frame, Mission, MissionItem

TOLERANCE_M = 10.0
"""How far a line end of QGroundControl's own may lie from ours, for a block to be written."""

_ITEMS_A_LINE = 4
_SPARE_M = 2000.0
_ENTRIES = (0, 1, 2, 3)
_STEP = 0.4
"""Of the spacing: how far a step of the outline reaches to either side of its line."""
_REACH, _GRID = 0.08, 85
"""Of the spacing: how far the first and the last step reach outwards at least, and less than a spacing at most."""
_WELL_ENOUGH_M = 0.25
_SPHERE_M = 6_371_000.0
_STRAIGHT_M = 1.5


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


def relaid_lines(corners: Floats, angle_deg: float, spacing_m: float, entry: int) -> Floats:
    """Return the lines that QGroundControl lays over a polygon of local (east, north) corners, (N, 2 ends, 2).

    After SurveyComplexItem.cc: lines `spacing_m` apart from a start that its bounding box gives, each from its first to
    its last crossing of the outline, flown to and fro from the corner named by `entry`.
    """
    angle = np.radians(angle_deg)
    along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    offsets = _offsets(corners, spacing_m) + _middle(corners) @ across
    a, b = corners, np.roll(corners, -1, axis=0)
    at_a, at_b = a @ across, b @ across
    lines = []
    for offset in offsets:
        crossed = np.flatnonzero((np.minimum(at_a, at_b) <= offset) & (offset <= np.maximum(at_a, at_b)))
        crossed = crossed[at_a[crossed] != at_b[crossed]]
        if len(crossed) < 2:
            continue
        share = (offset - at_a[crossed]) / (at_b[crossed] - at_a[crossed])
        points = a[crossed] + share[:, None] * (b[crossed] - a[crossed])
        distances = points @ along
        ends = sorted((int(distances.argmin()), int(distances.argmax())))
        if np.ptp(distances) > 1e-6:
            lines.append(points[ends])
    laid = np.array(lines).reshape(-1, 2, 2)
    if len(laid) == 0:
        return laid
    first = (laid[0, 1] - laid[0, 0]) @ along
    backwards = ((laid[:, 1] - laid[:, 0]) @ along) * first < 0
    laid[backwards] = laid[backwards, ::-1]
    if entry in (2, 3):
        laid = laid[:, ::-1]
    if entry in (1, 3):
        laid = laid[::-1]
    laid = laid.copy()
    laid[1::2] = laid[1::2, ::-1]
    return laid


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


# Drawing the polygon --------------------------------------------------------------------------------------------------


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
    corners = frame.to_lonlat(_outline(local, angle, spacing_m, frame))
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
        if relaid_miss_m(block) <= TOLERANCE_M:
            return block
    return None


def relaid_miss_m(block: SurveyBlock) -> float:
    """Return how far QGroundControl's own line ends would lie from a block's at most; infinite for other lines.

    Reckoned on the ellipsoid, as its newest versions do, and on the sphere of all before: the worse of both.
    """
    worst_m = 0.0
    for plane in (_ellipsoidal, _spherical):
        laid = relaid_lines(plane(block.corners, block.corners), block.angle_deg, block.spacing_m, block.entry)
        wanted = plane(block.corners, block.ends).reshape(-1, 2, 2)
        if laid.shape != wanted.shape:
            return float("inf")
        worst_m = max(worst_m, float(np.hypot(*(laid - wanted).reshape(-1, 2).T).max()))
    return worst_m


def _ellipsoidal(corners: Sequence[tuple[float, float]], points: Sequence[tuple[float, float]]) -> Floats:
    """Return points in the plane that touches the ground at the first corner."""
    return LocalFrame(*corners[0]).to_local(points)


def _spherical(corners: Sequence[tuple[float, float]], points: Sequence[tuple[float, float]]) -> Floats:
    """Return the same on a sphere, by the azimuthal equidistant projection (Snyder 1987, p. 195)."""
    lon, lat = np.radians(np.asarray(points)).T
    lon0, lat0 = np.radians(corners[0])
    cosine = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon - lon0)
    arc = np.arccos(np.clip(cosine, -1.0, 1.0))
    scale = _SPHERE_M * np.divide(arc, np.sin(arc), out=np.ones_like(arc), where=arc > 0)
    north = np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon - lon0)
    return np.column_stack([scale * np.cos(lat) * np.sin(lon - lon0), scale * north])


def _outline(local: Floats, angle: float, spacing_m: float, frame: LocalFrame) -> Floats:
    """Return a polygon of steps, one a line, over which QGroundControl lays lines where these are.

    Where its lines begin follows from the polygon's bounding box alone, so how far the first and the last step reach
    outwards decides it: tried on a grid. A line a little aside of ours still is as long as ours.
    """
    across, along = np.array([np.cos(angle), -np.sin(angle)]), np.array([np.sin(angle), np.cos(angle)])
    position = local.mean(axis=1) @ across
    order = np.argsort(position)
    at, reach = position[order], np.sort(local[order] @ along, axis=1)
    steps = np.stack([at - _STEP * spacing_m, at + _STEP * spacing_m], axis=1)

    def drawn(offsets: Floats, alongs: Floats) -> Floats:
        return np.asarray(offsets[..., None] * across + alongs[..., None] * along)

    # Stretched as the mean of ellipsoid and sphere, so that both miss equally.
    stretch = 1 + (_spherical_stretch(frame) - 1) / 2
    shares = np.linspace(_REACH, 1 - _REACH, _GRID) * spacing_m
    heads, tails = (a.ravel() for a in np.meshgrid(shares, shares))
    inner = drawn(np.repeat(steps.ravel()[1:-1], 2), np.repeat(reach, 2, axis=0)[1:-1].ravel())
    outer = np.concatenate(
        [drawn(e[:, None], r) for e, r in ((at[0] - heads, reach[0]), (at[-1] + tails, reach[-1]))], 1
    )
    least = np.minimum(inner.min(axis=0), outer.min(axis=1)) * stretch
    most = np.maximum(inner.max(axis=0), outer.max(axis=1)) * stretch
    begin = (least + most) / 2 @ across - ((most - least).max(axis=1) + _SPARE_M) / 2
    first = at[0] * (stretch @ across**2)
    misses = np.abs((first - begin + spacing_m / 2) % spacing_m - spacing_m / 2)
    # Of those that do well enough, the one that reaches most like half a spacing.
    cost = misses.clip(_WELL_ENOUGH_M) + 1e-3 * (np.abs(heads - spacing_m / 2) + np.abs(tails - spacing_m / 2))
    best = int(cost.argmin())
    steps[0, 0], steps[-1, 1] = at[0] - heads[best], at[-1] + tails[best]
    there, back = np.repeat(reach[:, 1], 2), np.repeat(reach[:, 0], 2)[::-1]
    return drawn(np.concatenate([steps.ravel(), steps.ravel()[::-1]]), np.concatenate([there, back]))


def _spherical_stretch(frame: LocalFrame) -> Floats:
    """Return how much longer QGroundControl's sphere takes a metre to be, east and north."""
    origin = (frame.longitude_deg, frame.latitude_deg)
    points = frame.to_lonlat(np.array([(1000.0, 0.0), (0.0, 1000.0)]))
    return np.diag(_spherical([origin], [(float(lon), float(lat)) for lon, lat in points])) / 1000.0


def _offsets(corners: Floats, spacing_m: float) -> Floats:
    width_m = float(np.ptp(corners, axis=0).max()) + _SPARE_M
    return np.arange(0.0, width_m, spacing_m) - width_m / 2


def _middle(corners: Floats) -> Floats:
    return np.asarray((corners.min(axis=0) + corners.max(axis=0)) / 2)


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
