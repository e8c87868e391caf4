"""What a plan needs of the parameters of a PX4 autopilot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flightplan.vehicle.checks import Check
from flightplan.vehicle.landings import lands, turns_late_enough
from flightplan.vehicle.needs import (
    Question,
    ceiling_above,
    comes_back_high_enough,
    failed,
    fenced,
    hears_us,
    passed,
    planned_speed_mps,
    trigger_every_s,
    unknown,
)

_TRIGGER_BY_MISSION = 4
_TERMINATES, _DISARMS = 5, 6
_GEOFENCE_TERMINATES = 4
NAMES = (
    *("NAV_DLL_ACT", "COM_DL_LOSS_T", "COM_LOW_BAT_ACT", "GF_ACTION", "GF_MAX_HOR_DIST", "GF_MAX_VER_DIST"),
    *("RTL_RETURN_ALT", "MPC_XY_VEL_MAX", "FW_AIRSPD_MIN", "FW_AIRSPD_MAX", "TRIG_MODE", "TRIG_MIN_INTERVA"),
    *("COM_ARM_WO_GPS", "MAV_SYS_ID", "NAV_ACC_RAD"),
)


def _ground_station(q: Question) -> Check:
    name = "gcs-failsafe"
    if "NAV_DLL_ACT" not in q.held:
        return unknown(name, "what the vehicle does when it hears nothing is not known")
    action = int(q.held["NAV_DLL_ACT"])
    change = q.change("NAV_DLL_ACT", 2, "so that it comes back when it hears no ground station")
    if action == 0:
        return failed(name, "the vehicle flies on when it hears no ground station", change)
    if action in (_TERMINATES, _DISARMS):
        return failed(name, "the vehicle stops its motors when it hears no ground station", change)
    heard = hears_us(q, name, None, q.first("COM_DL_LOSS_T"))
    return heard or passed(name, "the vehicle acts when it hears no ground station")


def _battery(q: Question) -> Check:
    name = "battery-failsafe"
    if "COM_LOW_BAT_ACT" not in q.held:
        return unknown(name, "what the vehicle does with a low battery is not known")
    if q.held["COM_LOW_BAT_ACT"] == 0:
        change = q.change("COM_LOW_BAT_ACT", 3, "so that it comes back on a low battery")
        return failed(name, "the vehicle only warns of a low battery", change)
    return passed(name, "the vehicle comes back or lands on a low battery")


def _fence(q: Question) -> Check:
    name = "fence-enabled"
    if "GF_ACTION" not in q.held:
        return unknown(name, "whether a fence is enabled is not known")
    far_m, high_m = q.held.get("GF_MAX_HOR_DIST", 0.0), q.held.get("GF_MAX_VER_DIST", 0.0)
    if 0 < far_m < q.extent.reach_m:
        text = f"the vehicle's own fence is a circle of {far_m:.0f} m, the plan goes {q.extent.reach_m:.0f} m"
        return failed(name, text, q.change("GF_MAX_HOR_DIST", 0, "the plan's fence alone"))
    if 0 < high_m < q.extent.highest_m:
        text = f"the vehicle's own ceiling is {high_m:.0f} m, the plan flies at {q.extent.highest_m:.0f} m"
        return failed(name, text, q.change("GF_MAX_VER_DIST", 0, "the plan's fence alone"))
    if not fenced(q.mission):
        return passed(name, "the plan has no fence, and is within the vehicle's own")
    action = int(q.held["GF_ACTION"])
    change = q.change("GF_ACTION", 3, "so that it comes back at the fence")
    if action in (0, 1):
        return failed(name, "the vehicle does nothing when it crosses its fence", change)
    if action == _GEOFENCE_TERMINATES:
        return failed(name, "the vehicle stops its motors when it crosses its fence", change)
    return passed(name, "the fence is enabled, and the plan is within it")


def _return_height(q: Question) -> Check:
    own, ceiling_m = q.first("RTL_RETURN_ALT"), q.held.get("GF_MAX_VER_DIST", 0.0)
    too_high = ceiling_above(q, "return-height", own, ceiling_m) if own is not None and ceiling_m > 0 else None
    return too_high or comes_back_high_enough(q, own, keeps_height=True)


def _speed(q: Question) -> Check:
    speed = planned_speed_mps(q.mission)
    low, high = q.first("FW_AIRSPD_MIN"), q.first("MPC_XY_VEL_MAX", "FW_AIRSPD_MAX")
    if speed is None or high is None:
        return unknown("speed", "which speeds the vehicle keeps to, or the plan wants, is not known")
    least = q.held[low] if low is not None and high == "FW_AIRSPD_MAX" else 0.0
    if least <= speed <= q.held[high]:
        return passed("speed", f"{speed:g} m/s is within its {least:g} to {q.held[high]:g} m/s")
    text = f"the plan flies at {speed:g} m/s, the vehicle between {least:g} and {q.held[high]:g}"
    return failed("speed", text, remedy="Plan again with a speed that it has.")


def _trigger(q: Question) -> Check:
    name, every_s = "trigger", trigger_every_s(q.mission)
    if every_s is None:
        return passed(name, "the mission triggers nothing by distance")
    if "TRIG_MODE" not in q.held:
        return unknown(name, "how the camera is triggered is not known")
    if q.held["TRIG_MODE"] != _TRIGGER_BY_MISSION:
        change = q.change("TRIG_MODE", _TRIGGER_BY_MISSION, "so that the mission triggers by distance; after a restart")
        return failed(name, "the mission does not trigger the camera by distance", change)
    least_s = q.held.get("TRIG_MIN_INTERVA", 0.0) / 1000
    if least_s > every_s:
        text = f"the plan takes a frame each {every_s:.1f} s, the vehicle one in {least_s:.1f} s"
        return failed(name, text, q.change("TRIG_MIN_INTERVA", 1000 * every_s, "frames would be left out"))
    return passed(name, f"a frame each {every_s:.1f} s is within what the vehicle does")


def _own_checks(q: Question) -> Check:
    name = "own-checks"
    if "COM_ARM_WO_GPS" not in q.held:
        return unknown(name, "whether the vehicle arms without a position is not known")
    if q.held["COM_ARM_WO_GPS"]:  # PX4's default; whether there is a position is a check of ours
        return unknown(name, "the vehicle would arm without a position")
    return passed(name, "the vehicle does not arm without a position")


def _landing(q: Question) -> Check:
    if lands(q.mission):
        return passed("landing", "the mission ends with a landing")
    return unknown("landing", "the mission ends without a landing: it circles over home until its pilot lands it")


CHECKS: Mapping[str, Callable[[Question], Check]] = {
    "gcs-failsafe": _ground_station,
    "battery-failsafe": _battery,
    "fence-enabled": _fence,
    # A multirotor climbs to this height before it comes back, and keeps a greater one.
    "return-height": _return_height,
    "speed": _speed,
    "trigger": _trigger,
    "own-checks": _own_checks,
    "turns": lambda q: turns_late_enough(q, "NAV_ACC_RAD"),
    "landing": _landing,
}
