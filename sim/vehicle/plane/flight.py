"""The flight modes of the simulated fixed wing: take-off, lines, circles, return, landing.

What is done follows ArduPlane's documentation and sources; there is no recording of one here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.vehicle.airframe import GRAVITY_MPS2, wrap_pi
from sim.vehicle.items import Item
from sim.vehicle.modes import CIRCLE, PLANE_AUTO, PLANE_GUIDED, PLANE_LOITER, PLANE_MANUAL, PLANE_RTL, PLANE_TAKEOFF
from sim.vehicle.plane.guidance import along_line, around, reference_length
from sim.vehicle.rally import return_point
from sim.vehicle.waypoints import Point

if TYPE_CHECKING:
    from sim.vehicle.plane import PlaneVehicle

IDLE, RUN, CLIMB_OUT, LINE, ROUND, APPROACH, ROLL_OUT, BLIND = range(8)
_HEIGHT_GAIN_PER_S = 0.35
_GLIDE_SLOPE_M = 15.0  # GLIDE_SLOPE_MIN: a smaller descent is made at once, a larger one along the leg
_FLARE_SINK_MPS = 0.4
_CIRCLES = (17, 18, 19, 31)
_LAND_FROM_HOME, _LAND_AT_ONCE = 1, 2  # RTL_AUTOLAND, where the mission has a landing


class PlaneFlight:
    """What the aeroplane is doing; see `sim.vehicle.piloting.Pilot`."""

    def __init__(self, vehicle: PlaneVehicle) -> None:
        self._vehicle = vehicle
        self.mode = PLANE_MANUAL
        self.stage = IDLE
        self.landed, self.leg_done, self.blind = True, False, False
        self.destination: Point | None = None
        self.wanted_u = 0.0
        self._start: Point = (0.0, 0.0, 0.0)
        self._turn_deg = 0.0
        self._course = 0.0
        self._top_u = 0.0
        self._radius_m, self._clockwise = 60.0, True
        self._joined = False
        self._turned = 0.0
        self._bearing = 0.0
        self._turns_wanted: float | None = None
        self._height_wanted = False
        self._speed: float | None = None
        self._stopped_s = math.inf
        self._idle_since_s = 0.0

    @property
    def running_mission(self) -> bool:
        """Whether the mission commands the vehicle now."""
        return self.mode == PLANE_AUTO

    paused = False

    @property
    def flying(self) -> bool:
        """Whether it is off the ground or about to leave it."""
        return not self.landed or self.stage == RUN

    @property
    def landing(self) -> bool:
        """Whether it is coming down to land."""
        return self.stage == APPROACH

    @property
    def climbing_out(self) -> bool:
        """Whether it is on its way to the take-off height."""
        return self.stage == CLIMB_OUT

    # --- what it is told ------------------------------------------------------------------------------------------

    def enter(self, mode: int) -> None:
        """Change the flight mode; what it needs has been checked."""
        vehicle = self._vehicle
        self.mode = mode
        if self.landed and mode != PLANE_TAKEOFF:
            self.stage = IDLE
            return
        if mode == PLANE_AUTO:
            self._start, self.destination = vehicle.position, None
            vehicle.mission.start_or_resume()
        elif mode == PLANE_RTL:
            self.go_home()
            if vehicle.parameters["RTL_AUTOLAND"] == _LAND_AT_ONCE:
                vehicle.start_landing()
        elif mode == PLANE_TAKEOFF:
            if vehicle.armed and self.landed:
                self.take_off(vehicle.parameters["TKOFF_ALT"])
        elif mode in (PLANE_LOITER, PLANE_GUIDED, CIRCLE):
            self._circle_here()
        else:
            self._hold_course()

    def take_off(self, altitude_home_m: float) -> None:
        """Run, leave the ground and climb straight ahead to a height above home."""
        vehicle = self._vehicle
        self._top_u = self.wanted_u = vehicle.home_u + altitude_home_m
        self._course, self.leg_done = vehicle.body.yaw, False
        self.stage = RUN if self.landed else CLIMB_OUT

    def navigate(self, item: Item, following: Item | None) -> None:
        """Begin a navigation item of the mission."""
        self.leg_done = False
        self._turns_wanted, self._height_wanted = None, False
        if item.command == 22:
            self.take_off(self._point(item)[2] - self._vehicle.home_u)
        elif item.command == 20:
            self.go_home()
        elif item.command == 21:
            self._fly_to(self._point(item))
            self.stage = APPROACH
        elif item.command == 93:
            self.leg_done = True
        elif item.command in _CIRCLES:
            radius = item.params[1] if item.command == 31 else item.params[2]
            self._circle(self._point(item), radius)
            self._turns_wanted = item.params[0] if item.command == 18 else None
            self._height_wanted = item.command == 31
        else:
            self._fly_to(self._point(item), self._point(following) if following is not None else None)

    def go_to(self, n: float, e: float, u: float) -> None:
        """Fly to a point in GUIDED, and round it."""
        self._circle((n, e, u), 0.0)

    def go_home(self) -> None:
        """Fly to home or a rally point at the return height, and circle there."""
        vehicle = self._vehicle
        n, e, u = return_point(vehicle)
        height = vehicle.parameters["RTL_ALTITUDE"]
        base = vehicle.home_u if (n, e, u) == (vehicle.home_n, vehicle.home_e, vehicle.home_u) else u
        wanted = vehicle.position[2] if height < 0 else base + (height if base == vehicle.home_u else 0.0)
        self._circle((n, e, wanted), vehicle.parameters["RTL_RADIUS"])

    def mission_over(self) -> None:
        """ArduPlane returns when its mission ends."""
        vehicle = self._vehicle
        if not self.landed:
            vehicle.say(6, "Mission complete, changing mode to RTL")
            vehicle.change_mode(PLANE_RTL)

    def pause(self, paused: bool) -> bool:
        """An aeroplane does not stand still: there is no such command for it."""
        return False

    def change_speed(self, kind: int, speed_mps: float) -> None:
        """DO_CHANGE_SPEED: 0 through the air; over the ground (1) it is kept as if it were the same."""
        if kind in (0, 1) and speed_mps > 0:
            self._speed = speed_mps

    def fix_yaw(self, yaw: float, *, relative: bool, clockwise: bool) -> None:
        """The nose of an aeroplane goes where it flies."""

    def forget_speed(self) -> None:
        """Fly the next mission at the parameter's speed."""
        self._speed = None

    def rest(self) -> None:
        """The motor has stopped on the ground."""
        self.landed, self.stage, self.destination = True, IDLE, None

    def motor_lost(self) -> None:
        """The motor has stopped: nothing is said, it sinks."""

    def configure(self) -> None:
        """Parameters are read where they are used."""

    # --- time -----------------------------------------------------------------------------------------------------

    def step(self, dt: float) -> None:
        """Fly for a time step."""
        vehicle, body = self._vehicle, self._vehicle.body
        if not vehicle.armed:
            return
        if self.landed and self.stage not in (RUN, ROLL_OUT):
            body.rest()
            waited_s = vehicle.time_s - max(self._idle_since_s, vehicle.armed_s)
            if self.mode != PLANE_AUTO and waited_s > vehicle.parameters["DISARM_DELAY"] > 0:
                vehicle.disarm()
            return
        self._idle_since_s = vehicle.time_s
        wind_n, wind_e = vehicle.wind_now()
        if self.stage in (RUN, ROLL_OUT):
            self._on_the_ground(dt, wind_n, wind_e)
            return
        bank, climb = self._steer(dt)
        if self.mode == PLANE_AUTO:
            # Before it moves: what the mission does now is done where it believes to be.
            vehicle.mission.tick()
        falling = body.vu
        body.glide(dt, bank, climb, self._wanted_speed(), wind_n, wind_e, motor=vehicle.motor_turns)
        body.floor = vehicle.ground.under(body.n, body.e)
        if body.u <= body.floor:
            self._touch(-falling)

    def _on_the_ground(self, dt: float, wind_n: float, wind_e: float) -> None:
        vehicle, body = self._vehicle, self._vehicle.body
        if self.stage == RUN:
            body.roll_along(dt, vehicle.parameters["AIRSPEED_MIN"] * 1.1, wind_n, wind_e)
            if body.airspeed >= vehicle.parameters["AIRSPEED_MIN"]:
                self.landed, self.stage = False, CLIMB_OUT
            return
        body.roll_along(dt, 0.0, wind_n, wind_e)
        if body.airspeed == 0.0:
            self._stopped_s = min(self._stopped_s, vehicle.time_s)
            if vehicle.time_s - self._stopped_s >= vehicle.parameters["LAND_DISARMDELAY"]:
                vehicle.disarm()

    def _steer(self, dt: float) -> tuple[float, float]:
        """Return the wanted bank (radians) and climb (m/s)."""
        vehicle, p = self._vehicle, self._vehicle.parameters
        place, velocity = vehicle.position[:2], vehicle.velocity[:2]
        period, damping = p["NAVL1_PERIOD"], p["NAVL1_DAMPING"]
        if not vehicle.position_ok:
            return math.radians(20.0), self._climb_to(vehicle.position[2])
        if self.stage == CLIMB_OUT:
            return self._climb_straight()
        if self.stage == BLIND or self.destination is None:
            return self._onto_course(), self._climb_to(self.wanted_u)
        if self.stage == ROUND:
            right, joined = around(
                place, velocity, self.destination[:2], self._radius_m, self._clockwise, period, damping
            )
            self._count_turns(joined)
        else:
            right = along_line(place, velocity, self._start[:2], self.destination[:2], period, damping)
            self._watch_arrival()
        limit = math.radians(p["ROLL_LIMIT_DEG"])
        bank = min(max(math.atan(right / GRAVITY_MPS2), -limit), limit)
        if self.stage == APPROACH:
            return self._come_down(bank)
        return bank, self._climb_to(self._height_on_leg())

    def _climb_straight(self) -> tuple[float, float]:
        vehicle = self._vehicle
        if vehicle.position[2] >= self._top_u - 0.5 and not self.leg_done:
            self.leg_done = True
            vehicle.say(6, f"Takeoff complete at {vehicle.position[2] - vehicle.home_u:.2f}m")
            if self.mode != PLANE_AUTO:
                self._circle_here()
        return self._onto_course(), self._climb_to(self._top_u + 1.0)

    def _onto_course(self) -> float:
        error = wrap_pi(self._course - self._vehicle.body.yaw)
        limit = math.radians(self._vehicle.parameters["ROLL_LIMIT_DEG"])
        return min(max(1.5 * error, -limit), limit)

    def _climb_to(self, u: float) -> float:
        p = self._vehicle.parameters
        wanted = _HEIGHT_GAIN_PER_S * (u - self._vehicle.position[2])
        return min(max(wanted, -p["TECS_SINK_MAX"]), p["TECS_CLMB_MAX"])

    def _height_on_leg(self) -> float:
        """Climb at once; come down along the leg."""
        assert self.destination is not None
        if self.stage != LINE or self._start[2] - self.destination[2] < _GLIDE_SLOPE_M:
            self.wanted_u = self.destination[2]
        else:
            self.wanted_u = self._start[2] + (self.destination[2] - self._start[2]) * self._share_flown()
        return self.wanted_u

    def _share_flown(self) -> float:
        assert self.destination is not None
        leg = (self.destination[0] - self._start[0], self.destination[1] - self._start[1])
        size = leg[0] ** 2 + leg[1] ** 2
        n, e, _ = self._vehicle.position
        if size < 1e-6:
            return 1.0
        return min(max(((n - self._start[0]) * leg[0] + (e - self._start[1]) * leg[1]) / size, 0.0), 1.2)

    def _watch_arrival(self) -> None:
        """A waypoint is reached at its radius, less before a slight turn, or when it has been passed."""
        if self.stage != LINE or self.leg_done:
            return
        assert self.destination is not None
        vehicle, p = self._vehicle, self._vehicle.parameters
        n, e, _ = vehicle.position
        away = math.hypot(self.destination[0] - n, self.destination[1] - e)
        length = reference_length(math.hypot(*vehicle.velocity[:2]), p["NAVL1_PERIOD"], p["NAVL1_DAMPING"])
        radius = min(p["WP_RADIUS"], length) * min(self._turn_deg, 90.0) / 90.0
        if away <= radius:
            self.leg_done = True
            vehicle.say(6, f"Reached waypoint #{vehicle.mission.seq} dist {away:.0f}m")
        elif self._share_flown() >= 1.0:
            self.leg_done = True
            vehicle.say(6, f"Passed waypoint #{vehicle.mission.seq} dist {away:.0f}m")

    def _count_turns(self, joined: bool) -> None:
        """Count the angle flown round, once on the circle: a circle of a mission is done after its turns."""
        assert self.destination is not None
        vehicle = self._vehicle
        n, e, u = vehicle.position
        bearing = math.atan2(e - self.destination[1], n - self.destination[0])
        if self._joined:
            self._turned += wrap_pi(bearing - self._bearing) * (1.0 if self._clockwise else -1.0)
        self._bearing = bearing
        self._joined = self._joined or joined
        if not self._joined or self.leg_done:
            return
        if self.mode == PLANE_RTL:
            self.leg_done = True
            if vehicle.parameters["RTL_AUTOLAND"] == _LAND_FROM_HOME:
                vehicle.start_landing()
            return
        if self._turns_wanted is not None:
            self.leg_done = self._turned >= 2 * math.pi * self._turns_wanted
        elif self._height_wanted:
            self.leg_done = abs(u - self.destination[2]) < 5.0
        else:
            self.leg_done = True

    def _come_down(self, bank: float) -> tuple[float, float]:
        """The glide slope from the last waypoint to the landing point, and the flare."""
        vehicle, body = self._vehicle, self._vehicle.body
        assert self.destination is not None
        height = vehicle.position[2] - body.floor
        if height <= vehicle.parameters["LAND_FLARE_ALT"]:
            return 0.0, -_FLARE_SINK_MPS
        slope = self._start[2] + (self.destination[2] - self._start[2]) * self._share_flown()
        self.wanted_u = slope
        leg = math.hypot(self.destination[0] - self._start[0], self.destination[1] - self._start[1])
        level = math.hypot(*vehicle.velocity[:2])
        along = (self.destination[2] - self._start[2]) / max(leg, 1.0) * level
        p = vehicle.parameters
        return bank, min(max(along + self._climb_to(slope), -p["TECS_SINK_MAX"]), p["TECS_CLMB_MAX"])

    def _touch(self, speed_mps: float) -> None:
        vehicle, body = self._vehicle, self._vehicle.body
        body.u = body.floor
        vehicle.say(6, f"SIM Hit ground at {speed_mps:.6f} m/s")
        self.landed, self._stopped_s = True, math.inf
        if speed_mps > 4.0 or abs(body.roll) > math.radians(40.0):
            body.rest()
            vehicle.say(2, "Crash: Disarming")
            vehicle.disarm()
            return
        self.stage = ROLL_OUT

    def _wanted_speed(self) -> float:
        p = self._vehicle.parameters
        speed = self._speed if self._speed is not None and self.mode == PLANE_AUTO else p["AIRSPEED_CRUISE"]
        if self.stage == APPROACH:
            speed = min(speed, 1.2 * p["AIRSPEED_MIN"])
        return min(max(speed, p["AIRSPEED_MIN"]), p["AIRSPEED_MAX"])

    # --- where to -------------------------------------------------------------------------------------------------

    def _fly_to(self, point: Point, following: Point | None = None) -> None:
        """A line from the last destination when that was reached, else from here."""
        self._start = self.destination if self.destination is not None else self._vehicle.position
        if self.stage == CLIMB_OUT or math.dist(self._start[:2], point[:2]) < 1.0:
            self._start = self._vehicle.position
        self.destination, self.stage = point, LINE
        self._turn_deg = 90.0
        if following is not None:
            first = math.atan2(point[1] - self._start[1], point[0] - self._start[0])
            second = math.atan2(following[1] - point[1], following[0] - point[0])
            self._turn_deg = abs(math.degrees(wrap_pi(second - first)))

    def _circle(self, centre: Point, radius_m: float) -> None:
        radius = radius_m or self._vehicle.parameters["WP_LOITER_RAD"] or 60.0
        self.destination, self.stage = centre, ROUND
        self.wanted_u = centre[2]
        self._radius_m, self._clockwise = max(abs(radius), 10.0), radius > 0
        self._joined, self._turned, self.leg_done = False, 0.0, False

    def _circle_here(self) -> None:
        self._circle(self._vehicle.position, 0.0)

    def _hold_course(self) -> None:
        self._course, self.wanted_u = self._vehicle.body.yaw, self._vehicle.position[2]
        self.stage, self.destination = BLIND, None

    def _point(self, item: Item) -> Point:
        vehicle = self._vehicle
        if item.x == 0 and item.y == 0:
            n, e = (self.destination or vehicle.position)[:2]
        else:
            n, e = vehicle.grid.local(item.x, item.y)
        return n, e, vehicle.up(item.z, item.frame, (n, e))
