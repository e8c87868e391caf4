"""DJI's WPML: a .kmz with wpmz/template.kml and wpmz/waylines.wpml (developer.dji.com, Cloud API, "DJI WPML", 1.0.2).

Waypoints, speed, gimbal pitch, pictures at a point or every so many metres, take-off height and what to do at the end.
Home, fence, rally points and transects are not carried: DJI's own home and fence apply.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from flightplan.formats.checks import (
    IMAGE_START_CAPTURE,
    altitude,
    command_item,
    latitude,
    longitude,
    number,
    refuse,
    speed,
    whole,
    xml_of,
)
from flightplan.mission import Command, Frame, Mission, MissionItem

_KML = "http://www.opengis.net/kml/2.2"
_WPML_PREFIX = "http://www.dji.com/wpmz/"
_MOUNT_MAVLINK_TARGETING = 2.0
_FRAMES = {"relativeToStartPoint": Frame.GLOBAL_RELATIVE_ALT, "realTimeFollowSurface": Frame.GLOBAL_TERRAIN_ALT}
_FINISH = {"goHome": Command.NAV_RETURN_TO_LAUNCH, "autoLand": Command.NAV_LAND}


def is_wpml(root_text: bytes) -> bool:
    """Whether an XML file speaks DJI's vocabulary."""
    return _WPML_PREFIX.encode() in root_text[:4096]


def read_wpml(data: bytes, where: str) -> Mission:
    """Read waylines.wpml, or a template without waypoints. Raises MissionFormatError with the placemark named."""
    root = xml_of(data, where)
    names = _Names(root, where)
    config = root.find(f"{{{_KML}}}Document/{names.wpml('missionConfig')}")
    if config is None:
        refuse("no missionConfig: neither waylines nor a template of DJI", where)
    folders = [f for f in root.iter(f"{{{_KML}}}Folder") if f.find(f"{{{_KML}}}Placemark") is not None]
    if len(folders) > 1:
        refuse(f"{len(folders)} waylines in one file; a mission is one of them", where)
    first: list[MissionItem] = []
    security = names.text(config, "takeOffSecurityHeight")
    if folders and security is not None:
        first.append(MissionItem(Command.NAV_TAKEOFF, altitude_m=altitude(security, where, "takeOffSecurityHeight")))
    items = [*first, *_flown(folders[0], names, where)] if folders else []
    finish = _FINISH.get(names.text(config, "finishAction") or "")
    if finish is not None and folders:
        items.append(
            MissionItem(finish, Frame.MISSION if finish == Command.NAV_RETURN_TO_LAUNCH else Frame.GLOBAL_RELATIVE_ALT)
        )
    auto = names.text(folders[0] if folders else config, "autoFlightSpeed" if folders else "globalTransitionalSpeed")
    return Mission(tuple(items), cruise_speed_mps=None if auto is None else speed(auto, "autoFlightSpeed", where))


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


def _flown(folder: Element, names: _Names, where: str) -> list[MissionItem]:
    mode = names.text(folder, "executeHeightMode") or "relativeToStartPoint"
    if mode not in _FRAMES:
        refuse(
            f"heights are {mode!r}: above the ellipsoid, which no autopilot's frame is",
            where,
            "Plan it in DJI Pilot relative to the take-off point",
        )
    auto = speed(names.text(folder, "autoFlightSpeed") or "0", "autoFlightSpeed", where)
    flown_mps, intervals = auto, dict[int, list[float]]()
    items: list[MissionItem] = []
    for expected, placemark in enumerate(folder.findall(f"{{{_KML}}}Placemark")):
        place = f"{where}, placemark {expected}"
        if whole(names.text(placemark, "index"), "index", place) != expected:
            refuse(f"index {names.text(placemark, 'index')} where {expected} should be", place)
        wanted = speed(names.text(placemark, "waypointSpeed") or "0", "waypointSpeed", place) or auto
        if wanted is not None and wanted != flown_mps:
            items.append(command_item(Command.DO_CHANGE_SPEED, (1.0, wanted, -1.0, 0.0)))
            flown_mps = wanted
        lon, lat = _coordinates(placemark, place)
        height = altitude(names.text(placemark, "executeHeight"), place, "executeHeight")
        actions = _Actions()
        for group in placemark.findall(names.wpml("actionGroup")):
            actions.take(group, names, place)
        items += [
            command_item(Command.DO_MOUNT_CONTROL, (p, 0.0, 0.0, 0.0), _MOUNT_MAVLINK_TARGETING)
            for p in actions.pitch_deg
        ]
        items.append(
            MissionItem(Command.NAV_WAYPOINT, _FRAMES[mode], (actions.hover_s, 0.0, 0.0, 0.0), lon, lat, height)
        )
        items += [command_item(IMAGE_START_CAPTURE, (0.0, 0.0, 1.0, 0.0))] * actions.pictures
        if intervals.pop(expected, None) and actions.interval_m is None:
            items.append(command_item(Command.DO_SET_CAM_TRIGG_DIST, (0.0, 0.0, 0.0, 0.0)))
        if actions.interval_m is not None:
            intervals.setdefault(actions.until, []).append(actions.interval_m)
            items.append(command_item(Command.DO_SET_CAM_TRIGG_DIST, (actions.interval_m, 0.0, 1.0, 0.0)))
    return items


@dataclass
class _Actions:
    """What a placemark's action groups ask for."""

    pitch_deg: list[float] = field(default_factory=list)
    hover_s: float = 0.0
    pictures: int = 0
    interval_m: float | None = None
    until: int = -1

    def take(self, group: Element, names: _Names, where: str) -> None:
        """Take in one action group."""
        trigger = names.text(group, "actionTrigger", "actionTriggerType")
        if trigger == "multipleDistance":
            given = names.text(group, "actionTrigger", "actionTriggerParam")
            self.interval_m = number(given, "actionTriggerParam", where, 0.01, 1e5)
            self.until = whole(names.text(group, "actionGroupEndIndex"), "actionGroupEndIndex", where)
            return
        if trigger != "reachPoint":
            refuse(f"an action triggered by {trigger!r} has no place in a mission here", where)
        for action in group.findall(names.wpml("action")):
            self._act(action, names, where)

    def _act(self, action: Element, names: _Names, where: str) -> None:
        kind = names.text(action, "actionActuatorFunc")
        param = "actionActuatorFuncParam"
        if kind == "takePhoto":
            self.pictures += 1
        elif kind == "gimbalRotate":
            if names.text(action, param, "gimbalPitchRotateEnable") == "1":
                angle = names.text(action, param, "gimbalPitchRotateAngle")
                self.pitch_deg.append(number(angle, "gimbalPitchRotateAngle", where, -120.0, 120.0))
        elif kind == "hover":
            self.hover_s += number(names.text(action, param, "hoverTime"), "hoverTime", where, 0.0, 3600.0)
        else:
            refuse(f"action {kind!r} has no place in a mission here", where)


def _coordinates(placemark: Element, where: str) -> tuple[float, float]:
    parts = (placemark.findtext(f"{{{_KML}}}Point/{{{_KML}}}coordinates") or "").strip().split(",")
    if len(parts) not in (2, 3):
        refuse("no coordinates as longitude,latitude", where)
    return longitude(parts[0], where), latitude(parts[1], where)
