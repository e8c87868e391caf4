"""What a plan needs of the parameters of ArduCopter and ArduPlane."""

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
    follows_terrain,
    hears_us,
    low_battery_mah,
    passed,
    planned_speed_mps,
    trigger_every_s,
    unknown,
)

_FENCE_CEILING, _FENCE_CIRCLE, _FENCE_POLYGON = 1, 2, 4
_CONTINUE_IN_AUTO = 2  # bit of FS_OPTIONS: "Continue if in Auto on GCS failsafe"
_TERMINATE, _PARACHUTE = 3, 5
_ABOVE_TERRAIN, _LEAST_RETURN_M = 1, 20.0
_LANDS_ON_RETURN = 1
NAMES = (
    *("AUTO_OPTIONS", "ARMING_CHECK", "ARMING_SKIPCHK"),
    *("BATT_MONITOR", "BATT_CAPACITY", "BATT_FS_LOW_ACT", "BATT_LOW_MAH", "BATT_LOW_VOLT"),
    *("FENCE_ACTION", "FENCE_ALT_MAX", "FENCE_ENABLE", "FENCE_RADIUS", "FENCE_TYPE"),
    *("FS_GCS_ENABLE", "FS_GCS_ENABL", "FS_GCS_TIMEOUT", "FS_OPTIONS", "FS_LONG_ACTN", "FS_LONG_TIMEOUT"),
    *("MAV_GCS_SYSID", "SYSID_MYGCS"),
    *("RTL_ALT", "RTL_ALT_M", "RTL_ALT_TYPE", "RTL_ALTITUDE", "ALT_HOLD_RTL"),
    *("AIRSPEED_MIN", "AIRSPEED_MAX", "ARSPD_FBW_MIN", "ARSPD_FBW_MAX", "TERRAIN_ENABLE"),
    *("CAM1_TYPE", "CAM1_INTRVAL_MIN", "CAM1_TRIGG_DIST", "CAM1_FEEDBAK_PIN"),
    *("WP_RADIUS", "RTL_AUTOLAND"),
    *("CAM_TRIGG_TYPE", "CAM_MIN_INTERVAL", "CAM_TRIGG_DIST"),
)


def _copter_ground_station(q: Question) -> Check:
    name = "gcs-failsafe"
    if "FS_GCS_ENABLE" not in q.held:
        return unknown(name, "what the vehicle does when it hears nothing is not known")
    if not q.held["FS_GCS_ENABLE"]:
        change = q.change("FS_GCS_ENABLE", 1, "so that it comes back when it hears no ground station")
        return failed(name, "the vehicle flies on when it hears no ground station", change)
    if int(q.held.get("FS_OPTIONS", 0)) & _CONTINUE_IN_AUTO or q.held["FS_GCS_ENABLE"] == 2:
        changes = [q.change("FS_GCS_ENABLE", 1, "so that it comes back from a mission too")]
        if "FS_OPTIONS" in q.held:
            kept = int(q.held["FS_OPTIONS"]) & ~_CONTINUE_IN_AUTO
            changes.append(q.change("FS_OPTIONS", kept, "so that it comes back from a mission too"))
        changes = [c for c in changes if c.old != c.new]
        return failed(name, "the vehicle flies on with its mission when it hears no ground station", *changes)
    heard = hears_us(q, name, q.first("MAV_GCS_SYSID", "SYSID_MYGCS"), q.first("FS_GCS_TIMEOUT"))
    return heard or passed(name, "the vehicle acts when it hears no ground station")


def _plane_ground_station(q: Question) -> Check:
    name = "gcs-failsafe"
    if "FS_GCS_ENABL" not in q.held or "FS_LONG_ACTN" not in q.held:
        return unknown(name, "what the vehicle does when it hears nothing is not known")
    changes = []
    if not q.held["FS_GCS_ENABL"]:
        changes.append(q.change("FS_GCS_ENABL", 1, "so that it misses the ground station"))
    if not q.held["FS_LONG_ACTN"]:
        changes.append(q.change("FS_LONG_ACTN", 1, "so that it comes back from a mission too"))
    if changes:
        return failed(name, "the vehicle flies on when it hears no ground station", *changes)
    heard = hears_us(q, name, q.first("MAV_GCS_SYSID", "SYSID_MYGCS"), q.first("FS_LONG_TIMEOUT"))
    return heard or passed(name, "the vehicle acts when it hears no ground station")


def _battery(q: Question, back: int) -> Check:
    name = "battery-failsafe"
    if "BATT_FS_LOW_ACT" not in q.held:
        return unknown(name, "what the vehicle does with a low battery is not known")
    if q.held.get("BATT_MONITOR", 1) == 0:
        return failed(name, "the vehicle does not measure its battery", remedy="Set up BATT_MONITOR.")
    action = q.held["BATT_FS_LOW_ACT"]
    changes = []
    if action in (0, _TERMINATE if back == 1 else _PARACHUTE):
        changes.append(q.change("BATT_FS_LOW_ACT", back, "so that it comes back on a low battery"))
    if not (q.held.get("BATT_LOW_VOLT", 0) > 0 or q.held.get("BATT_LOW_MAH", 0) > 0):
        left_mah = low_battery_mah(q, q.first("BATT_CAPACITY"))
        if left_mah is not None and "BATT_LOW_MAH" in q.held:
            changes.append(
                q.change("BATT_LOW_MAH", left_mah, "a fifth of its capacity is left when it has to come back")
            )
        else:
            remedy = f"Set BATT_FS_LOW_ACT to {back} (return home), and BATT_LOW_VOLT or BATT_LOW_MAH."
            return failed(name, "the vehicle flies on with a low battery", remedy=remedy)
    if not changes:
        return passed(name, "the vehicle comes back or lands on a low battery")
    # With 5 a copter stops its motors, with 3 a plane does: neither is a way home.
    text = "the vehicle flies on with a low battery" if action == 0 or len(changes) > 1 else "its battery failsafe"
    if action and changes[0].name == "BATT_FS_LOW_ACT":
        text = "the vehicle stops its motors on a low battery"
    elif action:
        text = "the vehicle does not know when its battery is low"
    return failed(name, text, *changes)


def _fence(q: Question) -> Check:
    name, fence = "fence-enabled", fenced(q.mission)
    if "FENCE_ENABLE" not in q.held:
        return unknown(name, "whether a fence is enabled is not known")
    enabled = bool(q.held["FENCE_ENABLE"])
    if not enabled and not fence:
        return passed(name, "the plan has no fence, and none is enabled")
    faults, changes = [], []
    if not enabled:
        faults.append("the fence is loaded but not enabled")
        changes.append(q.change("FENCE_ENABLE", 1, "so that the plan's fence holds"))
    wrong = _wrong_fences(q, fence)
    faults += wrong
    if wrong and "FENCE_TYPE" in q.held:
        changes.append(q.change("FENCE_TYPE", _FENCE_POLYGON, "the plan's fence alone"))
    if fence and q.held.get("FENCE_ACTION", 1) == 0:
        faults.append("the vehicle only reports when it crosses its fence")
        changes.append(q.change("FENCE_ACTION", 1, "so that it comes back at the fence"))
    if faults:
        return failed(name, "; ".join(faults), *changes)
    return passed(name, "the fence is enabled, and the plan is within it")


def _wrong_fences(q: Question, fence: bool) -> list[str]:
    """Return which fences of the vehicle's own are not the plan's, or would defeat it."""
    kinds, found = int(q.held.get("FENCE_TYPE", _FENCE_POLYGON)), []
    radius_m, ceiling_m = q.held.get("FENCE_RADIUS", 0.0), q.held.get("FENCE_ALT_MAX", 0.0)
    if fence and not kinds & _FENCE_POLYGON:
        found.append("polygons are not among its fences")
    if kinds & _FENCE_CIRCLE and radius_m < q.extent.reach_m:
        found.append(f"the vehicle's own fence is a circle of {radius_m:.0f} m, the plan goes {q.extent.reach_m:.0f} m")
    if kinds & _FENCE_CEILING and ceiling_m < q.extent.highest_m:
        found.append(f"the vehicle's own ceiling is {ceiling_m:.0f} m, the plan flies at {q.extent.highest_m:.0f} m")
    return found


def _return_height(q: Question, *names: str, keeps_height: bool) -> Check:
    own = q.first(*names)
    if own is not None and q.held.get("RTL_ALT_TYPE") == _ABOVE_TERRAIN and keeps_height:
        return _return_over_terrain(q, own)
    if own is not None and q.held.get("FENCE_ENABLE") and int(q.held.get("FENCE_TYPE", 0)) & _FENCE_CEILING:
        too_high = ceiling_above(q, "return-height", own, q.held.get("FENCE_ALT_MAX", 0.0))
        if too_high is not None:
            return too_high
    return comes_back_high_enough(q, own, keeps_height=keeps_height)


def _return_over_terrain(q: Question, own: str) -> Check:
    """Check a return height that a copter keeps above the ground it flies over, as far as it knows that."""
    above_m = q.held[own] * (0.01 if own == "RTL_ALT" else 1.0)
    if above_m >= _LEAST_RETURN_M:
        return passed("return-height", f"it comes back {above_m:.0f} m above the ground it knows of")
    new = _LEAST_RETURN_M * (100 if own == "RTL_ALT" else 1)
    change = q.change(own, new, "so that it clears trees on its way home")
    return failed("return-height", f"it comes back only {above_m:.0f} m above the ground", change)


def _copter_speed(q: Question) -> Check:
    if follows_terrain(q.mission) and not q.held.get("TERRAIN_ENABLE"):
        change = [q.change("TERRAIN_ENABLE", 1, "the mission's heights need it")] if "TERRAIN_ENABLE" in q.held else []
        return failed("speed", "the mission follows the vehicle's terrain data, which are off", *change)
    speed = planned_speed_mps(q.mission)
    fastest = q.setup.drone.max_speed_mps if q.setup.drone else None
    if speed is None:
        return unknown("speed", "the mission does not say how fast it is flown")
    if fastest is not None and speed > fastest:
        text = f"the plan flies at {speed:g} m/s, and {q.setup.drone.name if q.setup.drone else ''} at {fastest:g}"
        return failed("speed", text, remedy="Plan again with a speed that it has.")
    return passed("speed", f"the mission sets its own speed, {speed:g} m/s")


def _plane_speed(q: Question) -> Check:
    low, high = q.first("AIRSPEED_MIN", "ARSPD_FBW_MIN"), q.first("AIRSPEED_MAX", "ARSPD_FBW_MAX")
    speed = planned_speed_mps(q.mission)
    if low is None or high is None or speed is None:
        return unknown("speed", "which speeds the vehicle keeps to, or the plan wants, is not known")
    if q.held[low] <= speed <= q.held[high]:
        return passed("speed", f"{speed:g} m/s is within its {q.held[low]:g} to {q.held[high]:g} m/s")
    text = f"the plan flies at {speed:g} m/s, the vehicle between {q.held[low]:g} and {q.held[high]:g}"
    return failed("speed", text, remedy="Plan again with a speed that it has.")


def _trigger(q: Question) -> Check:
    name, every_s = "trigger", trigger_every_s(q.mission)
    kind = q.first("CAM1_TYPE", "CAM_TRIGG_TYPE")
    if every_s is None:
        return passed(name, "the mission triggers nothing by distance")
    if kind is None:
        return unknown(name, "how the camera is triggered is not known")
    if kind == "CAM1_TYPE" and q.held[kind] == 0:  # the older CAM_TRIGG_TYPE counts from 0, a servo
        return failed(name, "the vehicle has no camera set up", remedy="Set CAM1_TYPE to how yours is triggered.")
    least = q.first("CAM1_INTRVAL_MIN", "CAM_MIN_INTERVAL")
    least_s = 0.0 if least is None else q.held[least] * (0.001 if least == "CAM_MIN_INTERVAL" else 1.0)
    if least is not None and least_s > every_s:
        change = q.change(least, 0, "frames would be left out")
        return failed(name, f"the plan takes a frame each {every_s:.1f} s, the vehicle one in {least_s:.1f} s", change)
    always = q.first("CAM1_TRIGG_DIST", "CAM_TRIGG_DIST")
    if always is not None and q.held[always] > 0:
        change = q.change(always, 0, "only the mission triggers")
        return failed(name, f"the vehicle triggers each {q.held[always]:g} m by itself, from take-off on", change)
    return passed(name, f"a frame each {every_s:.1f} s is within what the vehicle does")


def _own_checks(q: Question) -> Check:
    name = "own-checks"
    if "ARMING_SKIPCHK" in q.held:  # 4.7 names what is left out instead of what is done
        skipped = int(q.held["ARMING_SKIPCHK"])
        if skipped == 0:
            return passed(name, "the vehicle makes all its own checks")
        change = q.change("ARMING_SKIPCHK", 0, "all checks")
        return failed(name, "the vehicle leaves out some of its own checks", change)
    if "ARMING_CHECK" not in q.held:
        return unknown(name, "whether the vehicle makes its own checks is not known")
    done = int(q.held["ARMING_CHECK"])
    if done & 1:
        return passed(name, "the vehicle makes all its own checks")
    how = "leaves out some of its own checks" if done else "makes none of its own checks"
    return failed(name, f"the vehicle {how}", q.change("ARMING_CHECK", 1, "all checks"))


def _plane_landing(q: Question) -> Check:
    name = "landing"
    if not lands(q.mission):
        return unknown(name, "the mission ends without a landing: it circles over home until its pilot lands it")
    if q.held.get("RTL_AUTOLAND", _LANDS_ON_RETURN) != 0:
        return passed(name, "the mission ends with a landing")
    # ArduPlane does not arm with DO_LAND_START and a return that knows nothing of it.
    change = q.change("RTL_AUTOLAND", _LANDS_ON_RETURN, "so that it arms, and lands after a return too")
    return failed(name, "the mission lands, and the vehicle's return to launch does not", change)


Checks = Mapping[str, Callable[[Question], Check]]
COPTER: Checks = {
    "gcs-failsafe": _copter_ground_station,
    "battery-failsafe": lambda q: _battery(q, back=2),
    "fence-enabled": _fence,
    # A copter climbs to this height before it comes back, and keeps a greater one.
    "return-height": lambda q: _return_height(q, "RTL_ALT_M", "RTL_ALT", keeps_height=True),
    "speed": _copter_speed,
    "trigger": _trigger,
    "own-checks": _own_checks,
}
PLANE: Checks = {
    **COPTER,
    "gcs-failsafe": _plane_ground_station,
    "battery-failsafe": lambda q: _battery(q, back=1),
    # A plane also comes down to it; -1 keeps the height it has.
    "return-height": lambda q: _return_height(q, "RTL_ALTITUDE", "ALT_HOLD_RTL", keeps_height=False),
    "speed": _plane_speed,
    "turns": lambda q: turns_late_enough(q, "WP_RADIUS"),
    "landing": _plane_landing,
}

__all__ = ["COPTER", "NAMES", "PLANE"]
