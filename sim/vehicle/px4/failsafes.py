"""What a PX4 does by itself when something fails. Its words are those of its sources, not of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sim.vehicle.failsafes import ACT_LAND, NOTHING, RETURN, Failsafes

if TYPE_CHECKING:
    from sim.vehicle.px4 import Px4Vehicle

_ACT_AT_CRITICAL = {2: ACT_LAND, 3: RETURN}  # by COM_LOW_BAT_ACT


class Px4Failsafes(Failsafes):
    """Battery by its share left (COM_LOW_BAT_ACT), ground station, fence and position."""

    texts: ClassVar[dict[str, str]] = {
        **Failsafes.texts,
        "gcs": "Connection to ground station lost",
        "gcs cleared": "Connection to ground station regained",
        "recovery": "Failsafe activated: geofence",
        "ekf": "Position estimate lost",
        "ekf land": "Failsafe activated: Landing without position",
        "ekf cleared": "Position estimate regained",
        "gps": "",
        "aiding": "",
        "smart": "",
    }

    def __init__(self, vehicle: Px4Vehicle) -> None:
        super().__init__(vehicle)
        self._px4 = vehicle
        self._stage = 0

    def arming_faults(self) -> list[str]:
        """Return what the battery says against arming."""
        return ["Low battery"] if self._level() > 0 else []

    def _level(self) -> int:
        """0 good, 1 low, 2 critical, 3 emergency."""
        told, left = self._px4.told, self._px4.battery_share()
        limits = ("BAT_LOW_THR", "BAT_CRIT_THR", "BAT_EMERGEN_THR")
        return sum(left < told[name] for name in limits)

    def _watch_battery(self) -> None:
        level = self._level()
        if level <= self._stage:
            return
        self._stage = level
        vehicle = self._px4
        vehicle.say(2, {1: "Low battery level", 2: "Critical battery level", 3: "Emergency battery level"}[level])
        action = _ACT_AT_CRITICAL.get(round(vehicle.told["COM_LOW_BAT_ACT"]), NOTHING)
        if level >= 2 and action:
            self.battery = True
            vehicle.say(4, "Failsafe activated: battery")
            self._act(ACT_LAND if level == 3 else action)
