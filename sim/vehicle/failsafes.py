"""What the simulated vehicle does by itself when something fails: battery, ground station, fence, position."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from sim.vehicle.fence import ALTITUDE, CIRCLE, POLYGON

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle

EKF_PATIENCE_S = 8.0  # from the loss of GPS to the failsafe, as recorded
AIDING_S = 15.0  # to giving up dead reckoning
PLACE_S = 5.0  # to the camera's distance trigger falling silent
SMART_RTL_S = 22.2
# What a failsafe does.
NOTHING, ACT_LAND, RETURN, STOP, HOLD = range(5)
_FENCE_NAMES = {ALTITUDE: "Max Alt", CIRCLE: "Circle", POLYGON: "Polygon"}


class Failsafes:
    """Battery, ground station, fence and position, each watched ten times a second. Empty texts are not said."""

    texts: ClassVar[dict[str, str]] = {
        "gcs": "GCS Failsafe",
        "gcs cleared": "GCS Failsafe Cleared",
        "recovery": "Manual recovery started",
        "ekf": "EKF variance",
        "ekf land": "EKF Failsafe: changed to LAND Mode",
        "ekf cleared": "EKF Failsafe Cleared",
        "gps": "EKF3 IMU{} is using GPS",
        "aiding": "EKF3 IMU{} stopped aiding",
        "smart": "SmartRTL deactivated: bad position",
    }

    # ArduCopter's BATT_FS_LOW_ACT and FENCE_ACTION; what is not named returns.
    battery_actions: ClassVar[dict[int, int]] = {0: NOTHING, 1: ACT_LAND, 6: STOP, 7: HOLD}
    fence_actions: ClassVar[dict[int, int]] = {2: ACT_LAND, 4: STOP}

    def __init__(self, vehicle: SimulatedVehicle) -> None:
        self._vehicle = vehicle
        self.battery = False
        self.battery_critical = False
        self.gcs = False
        self.ekf = False
        self.breach = 0
        self.breach_count = 0
        self.breach_time_ms = 0
        self._low_since_s: float | None = None
        self._no_gps_since_s: float | None = None
        self.stopped_aiding = False
        self._smart_rtl_lost = False
        self._recovered_s = math.inf

    @property
    def any(self) -> bool:
        """Whether a failsafe is active that makes the vehicle's state critical."""
        return self.battery or self.gcs or self.ekf

    @property
    def knows_place(self) -> bool:
        """Whether it has a position, or had one a moment ago."""
        since = self._no_gps_since_s
        return self._vehicle.aided and (since is None or self._vehicle.time_s - since < PLACE_S)

    def arming_faults(self) -> list[str]:
        """Return what the battery says against arming."""
        vehicle = self._vehicle
        faults = []
        if self.battery:
            faults += ["Battery 1 low voltage failsafe", "Battery failsafe"]
        floor = vehicle.parameters["BATT_ARM_VOLT"]
        if floor and vehicle.battery.voltage < floor:
            faults.append("Battery 1 below minimum arming voltage")
        return faults

    def tick(self) -> None:
        """Look at everything."""
        self._watch_gps()
        self._watch_battery()
        self._watch_station()
        self._watch_fence()

    def rest(self) -> None:
        """Forget what ends with disarming."""
        self.gcs = False
        self.breach = 0

    def _watch_battery(self) -> None:
        vehicle = self._vehicle
        p = vehicle.parameters
        if not p["BATT_MONITOR"]:
            return
        volts, used = vehicle.battery.voltage, vehicle.battery.used_mah
        low = (p["BATT_LOW_VOLT"] > 0 and volts < p["BATT_LOW_VOLT"]) or (
            p["BATT_LOW_MAH"] > 0 and p["BATT_CAPACITY"] - used < p["BATT_LOW_MAH"]
        )
        if not low:
            self._low_since_s = None
            return
        if self._low_since_s is None:
            self._low_since_s = vehicle.time_s
        if self.battery or vehicle.time_s - self._low_since_s < p["BATT_LOW_TIMER"]:
            return
        self.battery = True
        vehicle.say(4, f"Battery 1 is low {volts:.2f}V used {used:.0f} mAh")
        vehicle.say(4, "Battery Failsafe")
        self._act(self.battery_actions.get(int(p["BATT_FS_LOW_ACT"]), RETURN))

    def _watch_station(self) -> None:
        vehicle = self._vehicle
        p = vehicle.parameters
        if not p["FS_GCS_ENABLE"] or vehicle.heard_s is None:
            return
        silent = vehicle.time_s - vehicle.heard_s > p["FS_GCS_TIMEOUT"]
        if silent and not self.gcs and vehicle.armed:
            self.gcs = True
            self._say(4, "gcs")
            in_mission = int(p["FS_OPTIONS"]) & 2 and vehicle.flight.mode == vehicle.modes.auto
            landing = int(p["FS_OPTIONS"]) & 8 and vehicle.flight.landing
            if not in_mission and not landing:
                self._act({5: ACT_LAND, 7: HOLD}.get(int(p["FS_GCS_ENABLE"]), RETURN))
        elif not silent and self.gcs:
            self.gcs = False
            self._say(4, "gcs cleared")

    def _watch_fence(self) -> None:
        vehicle = self._vehicle
        p = vehicle.parameters
        if not p["FENCE_ENABLE"] or not vehicle.armed or not vehicle.position_ok or vehicle.flight.landed:
            return
        breach = vehicle.fence.outside(vehicle.position)
        if breach & ~self.breach:
            names = " and ".join(name for bit, name in _FENCE_NAMES.items() if breach & bit)
            self.breach_count += 1
            self.breach_time_ms = round(vehicle.time_s * 1000)
            vehicle.say(5, f"{names} fence breached")
            action = int(p["FENCE_ACTION"])
            if action and vehicle.flight.mode not in (vehicle.modes.back, vehicle.modes.land):
                self._say(6, "recovery")
                self._act(self.fence_actions.get(action, RETURN))
        elif self.breach and not breach:
            vehicle.say(5, "Fence breach cleared")
        self.breach = breach

    def _watch_gps(self) -> None:
        vehicle = self._vehicle
        now = vehicle.time_s
        if vehicle.gps_fix:
            if self._no_gps_since_s is not None:
                self._no_gps_since_s = None
                if not vehicle.position_ok or self.stopped_aiding:
                    self._say(6, "gps", lanes=2)
                vehicle.position_ok = vehicle.aided = True
                self.stopped_aiding = False
                self._recovered_s = now + 1.0
            if self.ekf and now >= self._recovered_s:
                self.ekf = False
                self._say(2, "ekf cleared")
            return
        if not vehicle.aided:
            return
        if self._no_gps_since_s is None:
            self._no_gps_since_s = now
        lost = now - self._no_gps_since_s
        if lost > EKF_PATIENCE_S and not self.ekf:
            self.ekf = True
            vehicle.position_ok = False
            self._say(2, "ekf")
            blind = (vehicle.modes.manual, vehicle.modes.land)
            if vehicle.armed and vehicle.parameters["FS_EKF_ACTION"] and vehicle.flight.mode not in blind:
                self._say(2, "ekf land")
                vehicle.change_mode(vehicle.modes.land)
            vehicle.flight.blind = vehicle.flight.mode == vehicle.modes.land
        if lost > AIDING_S and not self.stopped_aiding:
            self.stopped_aiding = True
            self._say(4, "aiding", lanes=2)
        if lost > SMART_RTL_S and vehicle.armed and not self._smart_rtl_lost:
            self._smart_rtl_lost = True
            self._say(4, "smart")

    def _say(self, severity: int, key: str, lanes: int = 1) -> None:
        for lane in range(lanes):
            if text := self.texts[key]:
                self._vehicle.say(severity, text.format(lane))

    def _act(self, action: int) -> None:
        """Take an action, whichever failsafe it is for."""
        vehicle = self._vehicle
        if not vehicle.armed or action == NOTHING:
            return
        if vehicle.flight.landed:
            vehicle.disarm()
            return
        if action == ACT_LAND or not vehicle.position_ok:
            vehicle.change_mode(vehicle.modes.land)
        elif action == STOP:
            vehicle.change_mode(vehicle.modes.brake)
        elif action == HOLD:
            vehicle.change_mode(vehicle.modes.hold)
        elif vehicle.flight.mode != vehicle.modes.back:
            vehicle.change_mode(vehicle.modes.back)
