"""DJI's WPML: a .kmz with wpmz/template.kml and wpmz/waylines.wpml (developer.dji.com, Cloud API, "DJI WPML", 1.0.2).

Waypoints, speed, gimbal pitch, pictures at a point or every so many metres, take-off height and what to do at the end.
Home, fence, rally points and transects are not carried: DJI's own home and fence apply.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from flightplan.formats.checks import altitude, latitude, longitude, number, refuse, speed, whole, xml_of
from flightplan.formats.waypoint_flight import Act, Step, Waypoint, WaypointFlight, as_mission
from flightplan.mission import Command, Frame, Mission

_KML = "http://www.opengis.net/kml/2.2"
_WPML_PREFIX = "http://www.dji.com/wpmz/"
_ALONG, _STRAIGHT = "followWayline", "toPointAndStopWithDiscontinuityCurvature"
_FRAMES = {"relativeToStartPoint": Frame.GLOBAL_RELATIVE_ALT, "realTimeFollowSurface": Frame.GLOBAL_TERRAIN_ALT}
_FINISH = {"goHome": Command.NAV_RETURN_TO_LAUNCH, "autoLand": Command.NAV_LAND, "noAction": None}


def is_wpml(root_text: bytes) -> bool:
    """Whether an XML file speaks DJI's vocabulary."""
    return _WPML_PREFIX.encode() in root_text[:4096]


def read_wpml(data: bytes, where: str, unread: dict[str, None] | None = None) -> Mission:
    """Read waylines.wpml, or a template without waypoints. Raises MissionFormatError with the placemark named.

    What a mission here has no place for, but flies without, is added to `unread`.
    """
    root = xml_of(data, where)
    names = _Names(root, where)
    config = root.find(f"{{{_KML}}}Document/{names.wpml('missionConfig')}")
    if config is None:
        refuse("no missionConfig: neither waylines nor a template of DJI", where)
    folders = [f for f in root.iter(f"{{{_KML}}}Folder") if f.find(f"{{{_KML}}}Placemark") is not None]
    if len(folders) > 1:
        refuse(f"{len(folders)} waylines in one file; a mission is one of them", where)
    if not folders:
        if root.find(f".//{{{_KML}}}Placemark") is not None:
            refuse("waypoints outside of a wayline's folder", where)
        speed_mps = _optional_speed(names.text(config, "globalTransitionalSpeed"), "globalTransitionalSpeed", where)
        return Mission((), cruise_speed_mps=speed_mps)
    security = names.text(config, "takeOffSecurityHeight")
    finish = names.text(config, "finishAction")
    if finish not in _FINISH:
        refuse(f"finishAction {finish!r} has no place in a mission here", where)
    auto = _optional_speed(names.text(folders[0], "autoFlightSpeed"), "autoFlightSpeed", where)
    transit = _optional_speed(names.text(config, "globalTransitionalSpeed"), "globalTransitionalSpeed", where)
    frame, waypoints = _flown(folders[0], names, auto, where)
    if unread is not None:
        unread.update(_beyond(folders[0], names))
    flight = WaypointFlight(
        waypoints=waypoints,
        frame=frame,
        takeoff_m=None if security is None else altitude(security, where, "takeOffSecurityHeight"),
        finish=_FINISH[finish],
        cruise_speed_mps=auto,
        first_speed_mps=transit,
    )
    return as_mission(flight)


def _beyond(folder: Element, names: _Names) -> dict[str, None]:
    """Return what waypoints also say: headings, curves, and turns of the gimbal other than its pitch."""
    found: dict[str, None] = {}
    for placemark in folder.findall(f"{{{_KML}}}Placemark"):
        if names.text(placemark, "waypointHeadingParam", "waypointHeadingMode") not in (None, _ALONG):
            found["headings at waypoints (the nose points along the way)"] = None
        turn = names.text(placemark, "waypointTurnParam", "waypointTurnMode")
        if turn not in (None, _STRAIGHT) or names.text(placemark, "useStraightLine") == "0":
            found["curved turns (waypoints are flown to in straight lines)"] = None
        for name in ("gimbalYawRotateEnable", "gimbalRollRotateEnable"):
            if any(element.text == "1" for element in placemark.iter(names.wpml(name))):
                found["the gimbal's roll and yaw"] = None
    return found


# Reading --------------------------------------------------------------------------------------------------------------


class _Names:
    """Element names in the version of DJI's namespace that a file uses."""

    def __init__(self, root: Element, where: str) -> None:
        found = {e.tag[1:].split("}")[0] for e in root.iter() if isinstance(e.tag, str) and e.tag.startswith("{")}
        ours = sorted(uri for uri in found if uri.startswith(_WPML_PREFIX))
        if len(ours) != 1:
            refuse(f"{len(ours)} versions of DJI's vocabulary instead of one", where)
        self._uri = ours[0]

    def wpml(self, name: str) -> str:
        """Return a name with its namespace."""
        return f"{{{self._uri}}}{name}"

    def text(self, parent: Element, *path: str) -> str | None:
        """Return the text of a descendant, None when there is none."""
        found = parent.findtext("/".join(self.wpml(name) for name in path))
        return None if found is None else found.strip()


def _flown(folder: Element, names: _Names, auto: float | None, where: str) -> tuple[Frame, tuple[Waypoint, ...]]:
    mode = names.text(folder, "executeHeightMode")
    if mode not in _FRAMES:
        refuse(
            f"heights are {mode!r}, neither above the take-off point nor above the surface",
            where,
            "Plan it in DJI Pilot relative to the take-off point",
        )
    waypoints: list[Waypoint] = []
    groups: list[_Group] = []
    for expected, placemark in enumerate(folder.findall(f"{{{_KML}}}Placemark")):
        place = f"{where}, placemark {expected}"
        if whole(names.text(placemark, "index"), "index", place) != expected:
            refuse(f"index {names.text(placemark, 'index')} where {expected} should be", place)
        lon, lat = _coordinates(placemark, place)
        height = altitude(names.text(placemark, "executeHeight"), place, "executeHeight")
        wanted = _optional_speed(names.text(placemark, "waypointSpeed"), "waypointSpeed", place)
        waypoints.append(Waypoint(lon, lat, height, speed_mps=wanted or auto))
        groups += [_group(element, names, place) for element in placemark.findall(names.wpml("actionGroup"))]
    for group in groups:
        _act(group, waypoints)
    waypoints[-1] = replace(waypoints[-1], speed_mps=waypoints[-2].speed_mps if len(waypoints) > 1 else None)
    return _FRAMES[mode], tuple(waypoints)


@dataclass(frozen=True)
class _Group:
    """Actions at each of some waypoints, or pictures every so many metres from the first of them to the last."""

    start: int
    end: int
    steps: tuple[Step, ...]
    interval_m: float | None
    where: str


def _group(group: Element, names: _Names, where: str) -> _Group:
    start = whole(names.text(group, "actionGroupStartIndex"), "actionGroupStartIndex", where)
    end = whole(names.text(group, "actionGroupEndIndex"), "actionGroupEndIndex", where)
    trigger = names.text(group, "actionTrigger", "actionTriggerType")
    steps = [_step(action, names, where) for action in group.findall(names.wpml("action"))]
    taken = tuple(step for step in steps if step is not None)
    if trigger == "multipleDistance":
        if taken != (Step(Act.PICTURE),):
            refuse("actions every so many metres that are not one picture have no place in a mission here", where)
        given = names.text(group, "actionTrigger", "actionTriggerParam")
        return _Group(start, end, (), number(given, "actionTriggerParam", where, 0.01, 1e5), where)
    if trigger != "reachPoint":
        refuse(f"an action triggered by {trigger!r} has no place in a mission here", where)
    return _Group(start, end, taken, None, where)


def _step(action: Element, names: _Names, where: str) -> Step | None:
    kind = names.text(action, "actionActuatorFunc")
    param = "actionActuatorFuncParam"
    if kind == "takePhoto":
        return Step(Act.PICTURE)
    if kind == "hover":
        stay_s = number(names.text(action, param, "hoverTime"), "hoverTime", where, 0.0, 3600.0)
        return Step(Act.STAY, stay_s) if stay_s else None
    if kind != "gimbalRotate":
        refuse(f"action {kind!r} has no place in a mission here", where)
    if names.text(action, param, "gimbalRotateMode") != "absoluteAngle":
        refuse("a gimbal turned by a difference has no place in a mission here", where)
    if not whole(names.text(action, param, "gimbalPitchRotateEnable"), "gimbalPitchRotateEnable", where, 0, 1):
        return None
    angle = names.text(action, param, "gimbalPitchRotateAngle")
    return Step(Act.TILT, number(angle, "gimbalPitchRotateAngle", where, -120.0, 120.0))


def _act(group: _Group, waypoints: list[Waypoint]) -> None:
    if not group.start <= group.end < len(waypoints):
        refuse(f"actions from waypoint {group.start} to {group.end} of {len(waypoints)}", group.where)
    if group.interval_m is None:
        for n in range(group.start, group.end + 1):
            waypoints[n] = replace(waypoints[n], steps=(*waypoints[n].steps, *group.steps))
        return
    for n in range(group.start, group.end):
        if waypoints[n].interval_m:
            refuse("pictures by distance are asked for twice on one way", group.where)
        waypoints[n] = replace(waypoints[n], interval_m=group.interval_m)


def _optional_speed(text: str | None, what: str, where: str) -> float | None:
    return None if text is None else speed(text, what, where)


def _coordinates(placemark: Element, where: str) -> tuple[float, float]:
    parts = (placemark.findtext(f"{{{_KML}}}Point/{{{_KML}}}coordinates") or "").strip().split(",")
    if len(parts) not in (2, 3):
        refuse("no coordinates as longitude,latitude", where)
    return longitude(parts[0], where), latitude(parts[1], where)
