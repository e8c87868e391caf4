"""How the simulated autopilot starts: what it says, and when it has a clock, a GPS, an origin and a position."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle

INITIALISED_S, GPS_S, ORIGIN_S, AIDED_S = 2.0, 9.9, 20.0, 41.4
Text = tuple[float, int, str]

COPTER_TEXTS: tuple[Text, ...] = (
    (0.0, 7, "RCInput: decoding UDP (Pulses)"),
    (0.0, 6, "Calibrating barometer"),
    (1.4, 6, "Barometer 1 calibration complete"),
    (1.4, 6, "Barometer 2 calibration complete"),
    (2.0, 6, "ArduPilot Ready"),
    (2.0, 6, "AHRS: DCM active"),
    (2.4, 6, "RC7: SaveWaypoint LOW"),
    (4.2, 6, "EKF3 IMU0 initialised"),
    (4.2, 6, "EKF3 IMU1 initialised"),
    (4.2, 6, "AHRS: EKF3 active"),
    (5.6, 6, "EKF3 IMU0 tilt alignment complete"),
    (5.6, 6, "EKF3 IMU1 tilt alignment complete"),
    (5.7, 6, "EKF3 IMU0 MAG0 initial yaw alignment complete"),
    (5.7, 6, "EKF3 IMU1 MAG0 initial yaw alignment complete"),
    (9.7, 6, "GPS 1: probing for u-blox at 230400 baud"),
    (9.8, 6, "GPS 1: detected u-blox"),
)


class Boot:
    """The first 42 seconds. `tick` is called at each step until `over`."""

    gps_s, origin_s, aided_s = GPS_S, ORIGIN_S, AIDED_S

    def __init__(self, vehicle: SimulatedVehicle, texts: tuple[Text, ...] = COPTER_TEXTS) -> None:
        self._vehicle = vehicle
        self._texts = list(texts)

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self._vehicle.time_s >= self.aided_s + 1

    def tick(self) -> None:
        """Say and find what is due."""
        vehicle = self._vehicle
        now = vehicle.time_s
        while self._texts and self._texts[0][0] <= now:
            _, severity, text = self._texts.pop(0)
            vehicle.say(severity, text)
        if not vehicle.gps_seen and now >= self.gps_s:
            vehicle.gps_seen = vehicle.gps_fix = True
        if not vehicle.home_set and now >= self.origin_s:
            vehicle.set_home(*vehicle.position)
            vehicle.send(vehicle.telemetry.origin())
            self._say_origin()
        if not vehicle.aided and now >= self.aided_s and vehicle.gps_fix:
            vehicle.aided = vehicle.position_ok = True
            self._say_aided()

    def _say_origin(self) -> None:
        vehicle = self._vehicle
        vehicle.say(6, "EKF3 IMU0 origin set")
        vehicle.say(6, f"Field Elevation Set: {vehicle.home.altitude_msl_m:.0f}m")
        vehicle.say(6, "EKF3 IMU1 origin set")

    def _say_aided(self) -> None:
        self._vehicle.say(6, "EKF3 IMU0 is using GPS")
        self._vehicle.say(6, "EKF3 IMU1 is using GPS")
