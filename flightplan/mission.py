"""What an autopilot flies: items, fence, rally points."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Command(IntEnum):
    """The MAV_CMD values that overfly writes (mavlink.io/en/messages/common.html)."""

    NAV_WAYPOINT = 16
    NAV_LOITER_TIME = 19
    NAV_RETURN_TO_LAUNCH = 20
    NAV_LAND = 21
    NAV_TAKEOFF = 22
    DO_CHANGE_SPEED = 178
    DO_DIGICAM_CONTROL = 203
    DO_MOUNT_CONTROL = 205
    DO_SET_CAM_TRIGG_DIST = 206


class Frame(IntEnum):
    """The MAV_FRAME values that overfly writes."""

    GLOBAL = 0
    MISSION = 2
    GLOBAL_RELATIVE_ALT = 3
    GLOBAL_TERRAIN_ALT = 10


@dataclass(frozen=True)
class MissionItem:
    """One mission item. Angles in degrees on WGS 84, heights in metres in `frame`; params as MAVLink orders them.

    `latitude_deg` and `longitude_deg` are None for a command without a position; MAVLink's parameters 5 and 6, which
    share their place, are then `params_5_6`, and parameter 7 is `altitude_m`. `transect` names the transect whose
    flying begins or goes on with this item, None off effort. Without `autocontinue` the vehicle waits after it.
    """

    command: int
    frame: int = Frame.GLOBAL_RELATIVE_ALT
    params: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    longitude_deg: float | None = None
    latitude_deg: float | None = None
    altitude_m: float = 0.0
    transect: str | None = None
    params_5_6: tuple[float, float] = (0.0, 0.0)
    autocontinue: bool = True


@dataclass(frozen=True)
class FencePolygon:
    """A ring of (longitude, latitude), not closed, to stay inside (`inclusion`) or outside of."""

    ring: tuple[tuple[float, float], ...]
    inclusion: bool


@dataclass(frozen=True)
class FenceCircle:
    """A circle to stay inside (`inclusion`) or outside of."""

    longitude_deg: float
    latitude_deg: float
    radius_m: float
    inclusion: bool


@dataclass(frozen=True)
class RallyPoint:
    """A place to return to. The height is above home."""

    longitude_deg: float
    latitude_deg: float
    altitude_home_m: float


@dataclass(frozen=True)
class Mission:
    """The items of one flight (home is not among them), its fence, its rally points.

    `home` is (longitude, latitude); `home_altitude_msl_m` is None when the ground's height there is not known.
    """

    items: tuple[MissionItem, ...]
    home: tuple[float, float] | None = None
    home_altitude_msl_m: float | None = None
    fence: tuple[FencePolygon, ...] = ()
    rally: tuple[RallyPoint, ...] = ()
    cruise_speed_mps: float | None = None
    fence_circles: tuple[FenceCircle, ...] = ()
