"""A mission as DJI's waylines: the two XML files of a .kmz that `flightplan.formats.wpml` reads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from flightplan.formats.checks import plain, refuse
from flightplan.formats.waypoint_flight import Act, Step, Waypoint, WaypointFlight, as_waypoints
from flightplan.mission import CAPACITIES, Command, Frame, Mission

_KML, _WPML = "http://www.opengis.net/kml/2.2", "http://www.dji.com/wpmz/1.0.2"
TEMPLATE, WAYLINES = "wpmz/template.kml", "wpmz/waylines.wpml"
_HEIGHT_MODES = {
    Frame.GLOBAL_RELATIVE_ALT: "relativeToStartPoint",
    Frame.GLOBAL_TERRAIN_ALT: "realTimeFollowSurface",
}
# Mavic 3 Enterprise with its wide camera (DJI's tables of drone and payload values).
_DRONE, _PAYLOAD = 77, 66
_DEFAULT_SPEED_MPS, _DEFAULT_TAKEOFF_M = 10.0, 20.0
_FINISH = {Command.NAV_RETURN_TO_LAUNCH: "goHome", Command.NAV_LAND: "autoLand", None: "noAction"}
_FEWEST = 2
_LOWEST_TAKEOFF_M, _HIGHEST_TAKEOFF_M = 1.2, 1500.0
_STAMP = (1980, 1, 1, 0, 0, 0)


def write_wpml(mission: Mission) -> bytes:
    """Return the .kmz; the same mission gives the same bytes.

    Raises MissionFormatError with fewer than two waypoints or more than DJI takes, or heights that it does not know.
    """
    flight = as_waypoints(mission)
    most = CAPACITIES["dji"].waypoints
    if not _FEWEST <= len(flight.waypoints) <= (most or _FEWEST):
        refuse(f"{len(flight.waypoints)} waypoints; DJI flies {_FEWEST} to {most}", "the mission")
    if flight.takeoff_m is not None and not _LOWEST_TAKEOFF_M <= flight.takeoff_m <= _HIGHEST_TAKEOFF_M:
        low, high = _LOWEST_TAKEOFF_M, _HIGHEST_TAKEOFF_M
        refuse(f"a take-off to {flight.takeoff_m:g} m; DJI climbs {low:g} to {high:g} m first", "the mission")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, root in ((TEMPLATE, _template(flight)), (WAYLINES, _waylines(flight))):
            indent(root, " ")
            text = '<?xml version="1.0" encoding="UTF-8"?>\n' + str(tostring(root, encoding="unicode")) + "\n"
            archive.writestr(zipfile.ZipInfo(name, _STAMP), text.encode("utf-8"), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _tag(name: str) -> str:
    return f"wpml:{name}"


def _add(parent: Element, name: str, value: object) -> None:
    SubElement(parent, _tag(name)).text = plain(value) if isinstance(value, float) else str(value)


def _document(flight: WaypointFlight) -> tuple[Element, Element]:
    root = Element("kml", {"xmlns": _KML, "xmlns:wpml": _WPML})
    document = SubElement(root, "Document")
    config = SubElement(document, _tag("missionConfig"))
    for name, value in (
        ("flyToWaylineMode", "safely"),
        ("finishAction", _FINISH[Command(flight.finish) if flight.finish is not None else None]),
        ("exitOnRCLost", "executeLostAction"),
        ("executeRCLostAction", "goBack"),
        ("takeOffSecurityHeight", _DEFAULT_TAKEOFF_M if flight.takeoff_m is None else flight.takeoff_m),
        ("globalTransitionalSpeed", flight.first_speed_mps or auto_speed_mps(flight)),
    ):
        _add(config, name, value)
    drone = SubElement(config, _tag("droneInfo"))
    _add(drone, "droneEnumValue", _DRONE)
    _add(drone, "droneSubEnumValue", 0)
    payload = SubElement(config, _tag("payloadInfo"))
    _add(payload, "payloadEnumValue", _PAYLOAD)
    _add(payload, "payloadPositionIndex", 0)
    return root, document


def _template(flight: WaypointFlight) -> Element:
    root, document = _document(flight)
    folder = SubElement(document, "Folder")
    _add(folder, "templateType", "waypoint")
    _add(folder, "templateId", 0)
    system = SubElement(folder, _tag("waylineCoordinateSysParam"))
    _add(system, "coordinateMode", "WGS84")
    _add(system, "heightMode", _HEIGHT_MODES[Frame(flight.frame)])
    for name, value in (
        ("autoFlightSpeed", auto_speed_mps(flight)),
        ("globalHeight", flight.waypoints[0].height_m),
        ("gimbalPitchMode", "manual"),
        ("globalWaypointTurnMode", "toPointAndStopWithDiscontinuityCurvature"),
        ("globalUseStraightLine", 1),
    ):
        _add(folder, name, value)
    _heading(folder, "globalWaypointHeadingParam")
    groups = 0
    for index, point in enumerate(flight.waypoints):
        placemark = _placemark(folder, index, point)
        _add(placemark, "ellipsoidHeight", point.height_m)
        _add(placemark, "height", point.height_m)
        for name in ("useGlobalHeight", "useGlobalSpeed"):
            _add(placemark, name, 0)
        for name in ("useGlobalHeadingParam", "useGlobalTurnParam"):
            _add(placemark, name, 1)
        _add(placemark, "waypointSpeed", point.speed_mps or auto_speed_mps(flight))
        groups = _actions_of(placemark, index, flight.waypoints, groups)
    return root


def _waylines(flight: WaypointFlight) -> Element:
    root, document = _document(flight)
    folder = SubElement(document, "Folder")
    _add(folder, "templateId", 0)
    _add(folder, "executeHeightMode", _HEIGHT_MODES[Frame(flight.frame)])
    _add(folder, "waylineId", 0)
    _add(folder, "autoFlightSpeed", auto_speed_mps(flight))
    groups = 0
    for index, point in enumerate(flight.waypoints):
        placemark = _placemark(folder, index, point)
        _add(placemark, "executeHeight", point.height_m)
        _add(placemark, "waypointSpeed", point.speed_mps or auto_speed_mps(flight))
        _heading(placemark, "waypointHeadingParam")
        turn = SubElement(placemark, _tag("waypointTurnParam"))
        _add(turn, "waypointTurnMode", "toPointAndStopWithDiscontinuityCurvature")
        _add(turn, "waypointTurnDampingDist", 0)
        _add(placemark, "useStraightLine", 1)
        groups = _actions_of(placemark, index, flight.waypoints, groups)
    return root


def _placemark(folder: Element, index: int, point: Waypoint) -> Element:
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


def _actions_of(placemark: Element, index: int, waypoints: tuple[Waypoint, ...], groups: int) -> int:
    """Add what is done at a waypoint and on the way from it; `groups` are those before, and with these are returned."""
    point = waypoints[index]
    steps = point.steps
    if index == 0 and point.pitch_deg is not None:
        steps = (Step(Act.TILT, point.pitch_deg), *steps)
    if steps:
        actions = [_ACTIONS[step.act](step.value) for step in steps]
        _group(placemark, groups, index, index, "reachPoint", None, actions)
        groups += 1
    before_m = waypoints[index - 1].interval_m if index else 0.0
    if point.interval_m > 0 and point.interval_m != before_m:
        end = next(n for n in range(index, len(waypoints)) if waypoints[n].interval_m != point.interval_m)
        shoot = [_ACTIONS[Act.PICTURE](0.0)]
        _group(placemark, groups, index, end, "multipleDistance", point.interval_m, shoot)
        groups += 1
    return groups


def _gimbal(pitch_deg: float) -> dict[str, object]:
    return {
        "gimbalHeadingYawBase": "north",
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


# Of a Mavic 3 Enterprise's two cameras the wide one.
_PHOTO: dict[str, object] = {
    "payloadPositionIndex": 0,
    "fileSuffix": "overfly",
    "payloadLensIndex": "wide",
    "useGlobalPayloadLensIndex": 0,
}
_ACTIONS: dict[Act, Callable[[float], tuple[str, dict[str, object]]]] = {
    Act.TILT: lambda pitch_deg: ("gimbalRotate", _gimbal(pitch_deg)),
    Act.STAY: lambda stay_s: ("hover", {"hoverTime": stay_s}),
    Act.PICTURE: lambda _: ("takePhoto", _PHOTO),
}


def auto_speed_mps(flight: WaypointFlight) -> float:
    """Return the speed that DJI wants for a whole flight: the cruise speed, else the first that was said."""
    said = (flight.cruise_speed_mps, flight.first_speed_mps, *(w.speed_mps for w in flight.waypoints))
    return next((speed for speed in said if speed), _DEFAULT_SPEED_MPS)
