"""What an autopilot flies: items, fence, rally points."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from flightplan.messages import Message, message


class Command(IntEnum):
    """The MAV_CMD values that overfly writes (mavlink.io/en/messages/common.html)."""

    NAV_WAYPOINT = 16
    NAV_LOITER_UNLIM = 17
    NAV_LOITER_TURNS = 18
    NAV_LOITER_TIME = 19
    NAV_RETURN_TO_LAUNCH = 20
    NAV_LAND = 21
    NAV_TAKEOFF = 22
    NAV_LOITER_TO_ALT = 31
    NAV_VTOL_TAKEOFF = 84
    NAV_VTOL_LAND = 85
    NAV_DELAY = 93
    CONDITION_DELAY = 112
    DO_JUMP = 177
    DO_CHANGE_SPEED = 178
    DO_LAND_START = 189
    DO_DIGICAM_CONTROL = 203
    DO_MOUNT_CONTROL = 205
    DO_SET_CAM_TRIGG_DIST = 206
    DO_GIMBAL_MANAGER_PITCHYAW = 1000
    IMAGE_START_CAPTURE = 2000


class Frame(IntEnum):
    """The MAV_FRAME values that overfly writes."""

    GLOBAL = 0
    MISSION = 2
    GLOBAL_RELATIVE_ALT = 3
    GLOBAL_TERRAIN_ALT = 10


class AutopilotType(IntEnum):
    """The MAV_AUTOPILOT values that missions are made for here."""

    ARDUPILOT = 3
    PX4 = 12


class VehicleType(IntEnum):
    """The MAV_TYPE values that missions are made for here."""

    FIXED_WING = 1
    QUADROTOR = 2


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
    `autopilot_type` (MAV_AUTOPILOT) and `vehicle_type` (MAV_TYPE) are what it was made for, None when nobody said.
    """

    items: tuple[MissionItem, ...]
    home: tuple[float, float] | None = None
    home_altitude_msl_m: float | None = None
    fence: tuple[FencePolygon, ...] = ()
    rally: tuple[RallyPoint, ...] = ()
    cruise_speed_mps: float | None = None
    fence_circles: tuple[FenceCircle, ...] = ()
    autopilot_type: int | None = None
    vehicle_type: int | None = None


@dataclass(frozen=True)
class Capacity:
    """How much of a mission an autopilot or a ground station holds; None where nobody says.

    `items` are all but home, `waypoints` those with a position that is flown to.
    """

    name: str
    items: int | None
    waypoints: int | None
    fence_points: int | None
    rally_points: int | None
    source: str


CAPACITIES = {
    "ardupilot": Capacity(
        name="ArduPilot",
        items=640,
        waypoints=None,
        fence_points=70,
        rally_points=None,
        source='ArduCopter 4.7 says "Only 650 items are supported" (recorded), less home and room for a resume; fence'
        " storage of the smallest boards is 84 points, less headers",
    ),
    "px4": Capacity(
        name="PX4",
        items=500,
        waypoints=None,
        fence_points=64,
        rally_points=8,
        source="PX4-Autopilot dataman.h and navigation.h: NUM_MISSIONS_SUPPORTED 500 since pull request 18827 (2021),"
        " DM_KEY_FENCE_POINTS_MAX 64, DM_KEY_SAFE_POINTS_MAX 8; boards with little memory hold 50 items",
    ),
    "dji": Capacity(
        name="DJI WPML",
        items=None,
        waypoints=65_535,
        fence_points=0,
        rally_points=0,
        source="DJI Mobile SDK, DJIWaypointV2Error: at least 2 and at most 65535 waypoints; Cloud API, wpml:index",
    ),
    "litchi": Capacity(
        name="Litchi",
        items=None,
        waypoints=99,
        fence_points=0,
        rally_points=0,
        source="DJI Mobile SDK 4, DJIWaypointMission: 2 to 99 waypoints in one upload; Litchi since 4.24 chains uploads"
        " in the air, which needs signal at each (forum.flylitchi.com/t/903)",
    ),
}
"""By who holds the mission. ArduPilot and PX4 count items, DJI and Litchi waypoints."""


def does_not_fit(mission: Mission, capacity: Capacity) -> tuple[Message, ...]:
    """Return what of a mission is more than `capacity` holds, a phrase each; none when all of it fits."""
    corners = sum(len(polygon.ring) for polygon in mission.fence) + len(mission.fence_circles)
    waypoints = sum(item.command == Command.NAV_WAYPOINT for item in mission.items)
    counts = (
        (message("items"), len(mission.items), capacity.items),
        (message("waypoints"), waypoints, capacity.waypoints),
        (message("fence points"), corners, capacity.fence_points or None),
        (message("rally points"), len(mission.rally), capacity.rally_points or None),
    )
    return tuple(
        message("{number} {what}, and {holder} holds {most}", number=count, what=what, holder=capacity.name, most=most)
        for what, count, most in counts
        if most and count > most
    )
