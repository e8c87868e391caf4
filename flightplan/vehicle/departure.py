"""From standing on the ground with its mission to flying it, as each kind of vehicle wants it."""

from __future__ import annotations

from collections.abc import Mapping

from flightplan.errors import PreflightError
from flightplan.mission import Command, Mission
from flightplan.vehicle.autopilots import Airframe, Order
from flightplan.vehicle.link import Link

ARM = 400
_MISSION_START, _TAKEOFF = 300, 22
_ARM_AND_TAKE_OFF_IN_AUTO = 3
_GUIDED_TAKEOFF_M = 20.0
_CLIMB_S = 60.0


def depart(link: Link, mission: Mission, parameters: Mapping[str, float]) -> None:
    """Arm and start a mission; `parameters` are the vehicle's. PreflightError when it refuses a step.

    A multirotor of ArduPilot that may not take off in AUTO is taken up in GUIDED first. Planes, and PX4, start when
    they are armed in their mission mode.
    """
    dialect = link.dialect
    go = dialect.to_mode(dialect.mission_mode)
    arm = Order("arm", ARM, (1,))
    if not dialect.is_ardupilot or dialect.airframe is not Airframe.MULTIROTOR:
        _must(link, go, arm)
    elif int(parameters.get("AUTO_OPTIONS", 0)) & _ARM_AND_TAKE_OFF_IN_AUTO == _ARM_AND_TAKE_OFF_IN_AUTO:
        _must(link, go, arm, Order("start the mission", _MISSION_START))
    else:
        planned = [i.altitude_m for i in mission.items if i.command == Command.NAV_TAKEOFF]
        height_m = min([*planned[:1], _GUIDED_TAKEOFF_M])
        up = Order("take off", _TAKEOFF, (0, 0, 0, 0, 0, 0, height_m))
        _must(link, dialect.to_mode("GUIDED"), arm, up)
        link.wait_until(lambda: link.latest["GLOBAL_POSITION_INT"].relative_alt > 900 * height_m, _CLIMB_S)
        _must(link, go)


def _must(link: Link, *orders: Order) -> None:
    for order in orders:
        answer = link.order(order)
        if not answer.accepted:
            raise PreflightError(f"the vehicle would not {order.deed}: {answer.words}", where=link.address.url)
