"""A mission as DJI's waylines: the two XML files of a .kmz that `flightplan.formats.wpml` reads."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from flightplan.formats.checks import IMAGE_START_CAPTURE, plain, refuse
from flightplan.mission import Command, Frame, Mission

_KML, _WPML = "http://www.opengis.net/kml/2.2", "http://www.dji.com/wpmz/1.0.2"
TEMPLATE, WAYLINES = "wpmz/template.kml", "wpmz/waylines.wpml"
_HEIGHT_MODES = {
    Frame.GLOBAL_RELATIVE_ALT: "relativeToStartPoint",
    Frame.GLOBAL_TERRAIN_ALT: "realTimeFollowSurface",
}
# Mavic 3 Enterprise with its wide camera (DJI's tables of drone and payload values).
_DRONE, _PAYLOAD = 77, 66
_DEFAULT_SPEED_MPS, _DEFAULT_TAKEOFF_M = 10.0, 20.0
_STAMP = (1980, 1, 1, 0, 0, 0)


def write_wpml(mission: Mission) -> bytes:
    """Return the .kmz; the same mission gives the same bytes. Raises MissionFormatError without waypoints."""
    flight = _flight(mission)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, root in ((TEMPLATE, _template(flight)), (WAYLINES, _waylines(flight))):
            indent(root, " ")
            text = '<?xml version="1.0" encoding="UTF-8"?>\n' + str(tostring(root, encoding="unicode")) + "\n"
            archive.writestr(zipfile.ZipInfo(name, _STAMP), text.encode("utf-8"), zipfile.ZIP_DEFLATED)
    return out.getvalue()


@dataclass(frozen=True)
class _Waypoint:
    longitude_deg: float
    latitude_deg: float
    height_m: float
    speed_mps: float
    hover_s: float
    pitch_deg: float | None = None
    pictures: int = 0
    interval_m: float = 0.0
    until: int = -1


@dataclass(frozen=True)
class _Flight:
    waypoints: tuple[_Waypoint, ...]
    height_mode: str
    takeoff_m: float
    speed_mps: float
    finish: str


def _flight(mission: Mission) -> _Flight:
    auto = mission.cruise_speed_mps or next(
        (i.params[1] for i in mission.items if i.command == Command.DO_CHANGE_SPEED and i.params[1] > 0),
        _DEFAULT_SPEED_MPS,
    )
    commands = {item.command for item in mission.items}
    pictures = commands & {Command.DO_SET_CAM_TRIGG_DIST, IMAGE_START_CAPTURE}
    # A survey whose gimbal nobody pointed would photograph the horizon.
    pitch = -90.0 if pictures and Command.DO_MOUNT_CONTROL not in commands else None
    takeoff_m, finish, flown_mps, started = _DEFAULT_TAKEOFF_M, "noAction", auto, -1
    points: list[_Waypoint] = []
    frames = set()
    for item in mission.items:
        if item.command == Command.NAV_TAKEOFF:
            takeoff_m = item.altitude_m
        elif item.command == Command.DO_CHANGE_SPEED:
            flown_mps = item.params[1]
        elif item.command == Command.DO_MOUNT_CONTROL:
            pitch = item.params[0]
        elif item.command == Command.NAV_WAYPOINT and item.longitude_deg is not None and item.latitude_deg is not None:
            frames.add(item.frame)
            hover_s = item.params[0] if item.params[0] > 0 else 0.0
            points.append(_Waypoint(item.longitude_deg, item.latitude_deg, item.altitude_m, flown_mps, hover_s, pitch))
            pitch = None
        elif item.command == Command.DO_SET_CAM_TRIGG_DIST and points:
            _close(points, started)
            started = -1
            if item.params[0] > 0:
                started = len(points) - 1
                points[started] = replace(points[started], interval_m=item.params[0])
        elif item.command == IMAGE_START_CAPTURE and points:
            points[-1] = replace(points[-1], pictures=points[-1].pictures + 1)
        elif item.command == Command.NAV_RETURN_TO_LAUNCH:
            finish = "goHome"
        elif item.command == Command.NAV_LAND:
            finish = "autoLand"
    _close(points, started)
    if not points:
        refuse("a mission without waypoints cannot be written as WPML", "the mission")
    if len(frames) > 1 or not frames <= set(_HEIGHT_MODES):
        refuse("DJI wants all heights above take-off, or all above ground", "the mission")
    return _Flight(tuple(points), _HEIGHT_MODES[Frame(frames.pop())], takeoff_m, auto, finish)


def _close(points: list[_Waypoint], started: int) -> None:
    """Let the pictures that began at a waypoint end at the last one so far; on no way at all there are none."""
    if started == len(points) - 1 >= 0:
        points[started] = replace(points[started], interval_m=0.0)
    elif started >= 0:
        points[started] = replace(points[started], until=len(points) - 1)


def _tag(name: str) -> str:
    return f"wpml:{name}"


def _add(parent: Element, name: str, value: object) -> None:
    SubElement(parent, _tag(name)).text = plain(value) if isinstance(value, float) else str(value)


def _document(flight: _Flight) -> tuple[Element, Element]:
    root = Element("kml", {"xmlns": _KML, "xmlns:wpml": _WPML})
    document = SubElement(root, "Document")
    config = SubElement(document, _tag("missionConfig"))
    for name, value in (
        ("flyToWaylineMode", "safely"),
        ("finishAction", flight.finish),
        ("exitOnRCLost", "executeLostAction"),
        ("executeRCLostAction", "goBack"),
        ("takeOffSecurityHeight", flight.takeoff_m),
        ("globalTransitionalSpeed", flight.speed_mps),
    ):
        _add(config, name, value)
    drone = SubElement(config, _tag("droneInfo"))
    _add(drone, "droneEnumValue", _DRONE)
    _add(drone, "droneSubEnumValue", 0)
    payload = SubElement(config, _tag("payloadInfo"))
    _add(payload, "payloadEnumValue", _PAYLOAD)
    _add(payload, "payloadPositionIndex", 0)
    return root, document


def _template(flight: _Flight) -> Element:
    root, document = _document(flight)
    folder = SubElement(document, "Folder")
    _add(folder, "templateType", "waypoint")
    _add(folder, "templateId", 0)
    system = SubElement(folder, _tag("waylineCoordinateSysParam"))
    _add(system, "coordinateMode", "WGS84")
    _add(system, "heightMode", "relativeToStartPoint")
    for name, value in (
        ("autoFlightSpeed", flight.speed_mps),
        ("globalHeight", flight.waypoints[0].height_m),
        ("gimbalPitchMode", "manual"),
        ("globalWaypointTurnMode", "toPointAndStopWithDiscontinuityCurvature"),
        ("globalUseStraightLine", 1),
    ):
        _add(folder, name, value)
    _heading(folder, "globalWaypointHeadingParam")
    for index, point in enumerate(flight.waypoints):
        placemark = _placemark(folder, index, point)
        _add(placemark, "ellipsoidHeight", point.height_m)
        _add(placemark, "height", point.height_m)
        for name in ("useGlobalHeight", "useGlobalSpeed"):
            _add(placemark, name, 0)
        for name in ("useGlobalHeadingParam", "useGlobalTurnParam"):
            _add(placemark, name, 1)
        _add(placemark, "waypointSpeed", point.speed_mps)
        _actions_of(placemark, index, point)
    return root


def _waylines(flight: _Flight) -> Element:
    root, document = _document(flight)
    folder = SubElement(document, "Folder")
    _add(folder, "templateId", 0)
    _add(folder, "executeHeightMode", flight.height_mode)
    _add(folder, "waylineId", 0)
    _add(folder, "autoFlightSpeed", flight.speed_mps)
    for index, point in enumerate(flight.waypoints):
        placemark = _placemark(folder, index, point)
        _add(placemark, "executeHeight", point.height_m)
        _add(placemark, "waypointSpeed", point.speed_mps)
        _heading(placemark, "waypointHeadingParam")
        turn = SubElement(placemark, _tag("waypointTurnParam"))
        _add(turn, "waypointTurnMode", "toPointAndStopWithDiscontinuityCurvature")
        _add(turn, "waypointTurnDampingDist", 0)
        _add(placemark, "useStraightLine", 1)
        _actions_of(placemark, index, point)
    return root


def _placemark(folder: Element, index: int, point: _Waypoint) -> Element:
    placemark = SubElement(folder, "Placemark")
    where = SubElement(SubElement(placemark, "Point"), "coordinates")
    where.text = f"{plain(point.longitude_deg)},{plain(point.latitude_deg)}"
    _add(placemark, "index", index)
    return placemark


def _heading(parent: Element, name: str) -> None:
    heading = SubElement(parent, _tag(name))
    _add(heading, "waypointHeadingMode", "followWayline")
    _add(heading, "waypointHeadingAngle", 0)
    _add(heading, "waypointHeadingPathMode", "followBadArc")


def _actions_of(placemark: Element, index: int, point: _Waypoint) -> None:
    number_of_group = 3 * index
    at_point: list[tuple[str, dict[str, object]]] = []
    if point.pitch_deg is not None:
        at_point.append(("gimbalRotate", _gimbal(point.pitch_deg)))
    if point.hover_s > 0:
        at_point.append(("hover", {"hoverTime": point.hover_s}))
    at_point += [("takePhoto", {"payloadPositionIndex": 0})] * point.pictures
    if at_point:
        _group(placemark, number_of_group, index, index, "reachPoint", None, at_point)
    if point.interval_m > 0:
        shoot: list[tuple[str, dict[str, object]]] = [("takePhoto", {"payloadPositionIndex": 0})]
        _group(placemark, number_of_group + 1, index, point.until, "multipleDistance", point.interval_m, shoot)


def _gimbal(pitch_deg: float) -> dict[str, object]:
    return {
        "gimbalHeadingYawBase": "aircraft",
        "gimbalRotateMode": "absoluteAngle",
        "gimbalPitchRotateEnable": 1,
        "gimbalPitchRotateAngle": pitch_deg,
        "gimbalRollRotateEnable": 0,
        "gimbalRollRotateAngle": 0,
        "gimbalYawRotateEnable": 0,
        "gimbalYawRotateAngle": 0,
        "gimbalRotateTimeEnable": 0,
        "gimbalRotateTime": 0,
        "payloadPositionIndex": 0,
    }


def _group(
    placemark: Element,
    identifier: int,
    start: int,
    end: int,
    trigger: str,
    param: float | None,
    actions: list[tuple[str, dict[str, object]]],
) -> None:
    group = SubElement(placemark, _tag("actionGroup"))
    _add(group, "actionGroupId", identifier)
    _add(group, "actionGroupStartIndex", start)
    _add(group, "actionGroupEndIndex", end)
    _add(group, "actionGroupMode", "sequence")
    when = SubElement(group, _tag("actionTrigger"))
    _add(when, "actionTriggerType", trigger)
    if param is not None:
        _add(when, "actionTriggerParam", param)
    for number_of_action, (kind, params) in enumerate(actions):
        action = SubElement(group, _tag("action"))
        _add(action, "actionId", number_of_action)
        _add(action, "actionActuatorFunc", kind)
        given = SubElement(action, _tag("actionActuatorFuncParam"))
        for name, value in params.items():
            _add(given, name, value)
