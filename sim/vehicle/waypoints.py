"""Flying from waypoint to waypoint: legs, corners, pauses.

The behaviour follows ArduCopter's waypoint controller (ArduPilot, libraries/AC_WPNav): legs are limited in jerk, a
waypoint that is not stopped at is rounded by adding the end of one leg to the beginning of the next, and the clock
along the track slows down while the vehicle cannot keep up.
"""

from __future__ import annotations

import math
from copy import copy

from sim.vehicle.control import PositionController, shape_speed, stopping_distance
from sim.vehicle.ground import Ground
from sim.vehicle.parameters import Parameters
from sim.vehicle.scurve import Leg

Point = tuple[float, float, float]


class WaypointFlight:
    """Moves the position controller's target along legs. Points are metres north, east and up of home."""

    def __init__(self, parameters: Parameters, control: PositionController) -> None:
        self._parameters = parameters
        self._control = control
        self.speed_mps = parameters["WPNAV_SPEED"] / 100
        self.paused = False
        self.reached = False
        self.destination: Point = (0.0, 0.0, 0.0)
        self._origin: Point = (0.0, 0.0, 0.0)
        self._next_destination: Point | None = None
        self._previous = self._leg = self._next = Leg.nowhere()
        self._track_scale, self._pace, self._pace_accel = 1.0, 0.0, 0.0
        self.active = False
        self._ground: Ground | None = None
        self._probe: Ground | None = None
        self._lift = 0.0

    def begin(self, position: Point, velocity: Point, speed_mps: float | None = None) -> None:
        """Start from where the vehicle will stop."""
        control, accel = self._control, self._accel
        level = math.hypot(velocity[0], velocity[1])
        reach = stopping_distance(level, self._parameters["PSC_POSXY_P"], accel)
        north, east = (velocity[0] / level * reach, velocity[1] / level * reach) if level > 0.01 else (0.0, 0.0)
        rise = math.copysign(stopping_distance(abs(velocity[2]), 1.0, 2.0), velocity[2])
        stop = (position[0] + north, position[1] + east, position[2] + rise)
        control.restart(*stop, 0.0, 0.0, 0.0)
        self.speed_mps = speed_mps or self._parameters["WPNAV_SPEED"] / 100
        self._origin = self.destination = stop
        self._previous = self._leg = self._next = Leg.nowhere()
        self._next_destination = None
        self._track_scale, self._pace, self._pace_accel = 1.0, self.speed_mps, 0.0
        self.paused, self.reached, self.active = False, False, True
        self._ground, self._probe, self._lift = None, None, 0.0

    def follow(self, ground: Ground | None) -> None:
        """Count heights from the ground under the target from now on, or from home again (None)."""
        if ground is self._ground:
            return
        n, e, u = self.destination
        lift = ground.at(n, e) if ground is not None else 0.0
        self.destination = (n, e, u + self._lift - lift)
        self._ground, self._lift = ground, lift
        self._probe = copy(ground)  # asked at other places than the ground under the vehicle
        self._next_destination = None

    def go(self, destination: Point) -> None:
        """Make a point the next destination; the leg starts at the last one."""
        self._origin = self.destination
        self._previous = self._leg
        self.destination = destination
        if self._next_destination is not None and _same(destination, self._next_destination):
            self._leg = self._next
        else:
            self._leg = self._make(self._origin, destination)
        self._next, self._next_destination = Leg.nowhere(), None
        self.reached = False

    def then(self, destination: Point) -> None:
        """Name the destination after this one: the corner between them is rounded, not stopped at."""
        self._next_destination = destination
        self._next = self._make(self.destination, destination)

    def change_speed(self, speed_mps: float) -> None:
        """Fly this and later legs at another speed."""
        if speed_mps <= 0 or abs(speed_mps - self.speed_mps) < 1e-6:
            return
        # A leg under way keeps its shape and is run through faster or slower.
        self._pace *= speed_mps / self.speed_mps if self.speed_mps else 1.0
        self.speed_mps = speed_mps
        if not self._leg.empty and self._leg.elapsed_s == 0.0:
            self._leg = self._make(self._origin, self.destination)
        if self._next_destination is not None and self._next.elapsed_s == 0.0:
            self._next = self._make(self.destination, self._next_destination)

    def advance(self, dt: float, position: Point, velocity: Point) -> None:
        """Move the target on by a time step."""
        control = self._control
        scale, tc = 1.0, self._accel / self._parameters["WPNAV_JERK"]
        target_speed = math.sqrt(control.vn**2 + control.ve**2 + control.vu**2)
        if target_speed > 1e-6:
            way = (control.vn / target_speed, control.ve / target_speed, control.vu / target_speed)
            error = sum((t - p) * w for t, p, w in zip((control.n, control.e, control.u), position, way, strict=True))
            speed = velocity[0] * way[0] + velocity[1] * way[1] + velocity[2] * way[2]
            scale = min(max(0.05 + (speed - self._parameters["PSC_POSXY_P"] * error) / target_speed, 0.0), 1.0)
        self._track_scale += (scale - self._track_scale) * min(dt / tc, 1.0)
        wanted = 0.0 if self.paused else self.speed_mps
        self._pace, self._pace_accel = shape_speed(
            wanted, self._pace, self._pace_accel, self._accel, self._parameters["PSC_JERK_XY"], dt
        )
        pace = self._pace / self.speed_mps
        target, speeds, accels, finished = self._move(self._track_scale * pace * dt)
        size = math.sqrt(speeds[0] ** 2 + speeds[1] ** 2 + speeds[2] ** 2)
        extra = self._pace_accel / self.speed_mps if size > 0 else 0.0
        rise = self._rise(dt, target)
        control.n, control.e, control.u = target[0], target[1], target[2] + self._lift
        control.vn, control.ve, control.vu = speeds[0] * pace, speeds[1] * pace, speeds[2] * pace + rise
        control.an = accels[0] * pace * pace + extra * speeds[0]
        control.ae = accels[1] * pace * pace + extra * speeds[1]
        control.au = accels[2] * pace * pace + extra * speeds[2]
        if finished and not self.reached:
            radius = self._parameters["WPNAV_RADIUS"] / 100
            n, e, u = self.destination
            self.reached = self._next_destination is not None or _distance(position, (n, e, u + self._lift)) <= radius

    def _rise(self, dt: float, target: Point) -> float:
        """Move the lift towards the height of the ground under the target, within climb and descent; return its speed.

        The ground is asked as far ahead as half a second of flight: a filter without that would be late on every slope.
        """
        if self._probe is None:
            return 0.0
        ahead = 0.5
        wanted = self._probe.under(target[0] + self._control.vn * ahead, target[1] + self._control.ve * ahead)
        p = self._parameters
        speed = min(max((wanted - self._lift) / ahead, -p["WPNAV_SPEED_DN"] / 100), p["WPNAV_SPEED_UP"] / 100)
        self._lift += speed * dt
        return speed

    def heading(self) -> float | None:
        """Return the heading of the target's motion (radians), None when it hardly moves."""
        vn, ve = self._control.vn, self._control.ve
        if math.hypot(vn, ve) <= 0.05 * self.speed_mps:
            return None
        return math.atan2(ve, vn)

    @property
    def _accel(self) -> float:
        return self._parameters["WPNAV_ACCEL"] / 100

    def _make(self, start: Point, end: Point) -> Leg:
        p = self._parameters
        vector = (end[0] - start[0], end[1] - start[1], end[2] - start[2])
        return Leg(
            vector,
            self.speed_mps,
            p["WPNAV_SPEED_UP"] / 100,
            p["WPNAV_SPEED_DN"] / 100,
            self._accel,
            p["WPNAV_ACCEL_Z"] / 100,
            p["WPNAV_JERK"],
            2 * max(p["ATC_INPUT_TC"], 0.1),
        )

    def _move(self, dt: float) -> tuple[Point, Point, Point, bool]:
        previous, leg, following = self._previous, self._leg, self._next
        pn, pe, pu = self._origin
        vn = ve = vu = an = ae = au = 0.0
        if not previous.empty and not previous.finished:
            previous.advance(dt)
            s, v, a = previous.along(previous.elapsed_s)
            dn, de, du = previous.direction
            s -= previous.length_m
            pn, pe, pu = pn + s * dn, pe + s * de, pu + s * du
            vn, ve, vu = v * dn, v * de, v * du
            an, ae, au = a * dn, a * de, a * du
        leg.advance(dt)
        s, v, a = leg.along(leg.elapsed_s)
        dn, de, du = leg.direction
        pn, pe, pu = pn + s * dn, pe + s * de, pu + s * du
        vn, ve, vu = vn + v * dn, ve + v * de, vu + v * du
        an, ae, au = an + a * dn, ae + a * de, au + a * du
        finished = leg.finished
        if self._next_destination is not None and not following.empty:
            if following.elapsed_s == 0.0:
                if leg.elapsed_s >= leg.turn_out_s - following.turn_in_s and self._may_turn(leg, following):
                    following.advance(dt)
            else:
                following.advance(dt)
                finished = finished or following.elapsed_s >= leg.remaining_s
            if following.elapsed_s > 0.0:
                s, v, a = following.along(following.elapsed_s)
                dn, de, du = following.direction
                pn, pe, pu = pn + s * dn, pe + s * de, pu + s * du
                vn, ve, vu = vn + v * dn, ve + v * de, vu + v * du
                an, ae, au = an + a * dn, ae + a * de, au + a * du
        return (pn, pe, pu), (vn, ve, vu), (an, ae, au), finished

    def _may_turn(self, leg: Leg, following: Leg) -> bool:
        """Whether starting the next leg now cuts the corner within its radius, speed and acceleration."""
        half = leg.remaining_s / 2
        s, v, a = leg.along(leg.elapsed_s + half)
        sn, vn, an = following.along(half)
        s -= leg.length_m
        point = [s * d + sn * e for d, e in zip(leg.direction, following.direction, strict=True)]
        speed = [v * d + vn * e for d, e in zip(leg.direction, following.direction, strict=True)]
        accel = [a * d + an * e for d, e in zip(leg.direction, following.direction, strict=True)]
        slowest = min(leg.speed_mps, following.speed_mps)
        corner = self._parameters["WPNAV_ACCEL_C"] / 100 or 2 * self._accel
        return (
            leg.remaining_s < following.end_s / 2
            and math.hypot(*point) < self._parameters["WPNAV_RADIUS"] / 100
            and math.hypot(speed[0], speed[1]) < slowest
            and math.hypot(accel[0], accel[1]) < corner
        )


def _same(a: Point, b: Point) -> bool:
    return _distance(a, b) < 1e-3


def _distance(a: Point, b: Point) -> float:
    return math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2)
