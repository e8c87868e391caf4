"""The flight modes of the simulated multirotor: take-off, waypoints, hold, brake, return, land."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.vehicle.control import PositionController
from sim.vehicle.items import Item
from sim.vehicle.manoeuvres import LIFT_S, SPOOL_S, Brakes, Nose, Plumb, stand
from sim.vehicle.modes import AUTO, BRAKE, GUIDED, LAND, RTL, STABILIZE
from sim.vehicle.rally import return_point
from sim.vehicle.waypoints import Point, WaypointFlight
from sim.vehicle.whereabouts import ABOVE_GROUND

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle

IDLE, TAKEOFF, WAYPOINT, HOLD, BRAKING, RTL_CLIMB, RTL_RETURN, RTL_LOITER, DESCEND, GO_LAND = range(10)

BLIND_WAIT_S = 4.0  # a landing without position waits before it comes down


class Flight:
    """What the vehicle is doing in the air. `leg_done` tells the mission that its item has been flown."""

    def __init__(self, vehicle: SimulatedVehicle) -> None:
        self._vehicle = vehicle
        self.control = PositionController(vehicle.parameters)
        self.waypoints = WaypointFlight(vehicle.parameters, self.control)
        self.mode = STABILIZE
        self.stage = IDLE
        self.landed = True
        self.leg_done = False
        self.blind = False
        self._lift_s = math.inf
        self._top_u = 0.0
        self._plumb = Plumb(vehicle.parameters, self.control)
        self._brakes = Brakes(vehicle.parameters, self.control)
        self._nose = Nose(vehicle.parameters, vehicle.body.yaw)
        self._until_s = math.inf
        self._idle_since_s = 0.0
        self._target: Point = (0.0, 0.0, 0.0)

    @property
    def running_mission(self) -> bool:
        """Whether the mission commands the vehicle now."""
        return self.mode == AUTO

    @property
    def paused(self) -> bool:
        """Whether a mission or guided flight stands paused."""
        return self.waypoints.paused

    @property
    def flying(self) -> bool:
        """Whether it is off the ground or about to leave it."""
        return not self.landed or self.stage == TAKEOFF

    @property
    def landing(self) -> bool:
        """Whether it is coming down to land."""
        return self.stage == DESCEND and not self.landed

    @property
    def climbing_out(self) -> bool:
        """Whether it is on its way to the take-off height."""
        return self.stage == TAKEOFF and not self.landed

    @property
    def destination(self) -> Point | None:
        """Where it is flying to, None when nowhere."""
        return self.waypoints.destination if self.waypoints.active else None

    @property
    def wanted_u(self) -> float:
        """The height that it steers for."""
        return self.control.u

    def rest(self) -> None:
        """The motors have stopped on the ground."""
        self.landed, self.stage = True, IDLE
        self.control.relax()

    def configure(self) -> None:
        """Take up changed parameters."""
        self.control.configure(self._vehicle.parameters)

    def motor_lost(self) -> None:
        """A motor has stopped: the autopilot notices that it cannot hold its height."""
        if not self.landed:
            self._vehicle.say(0, "Potential Thrust Loss (1)")

    def enter(self, mode: int) -> None:
        """Change the flight mode; what it needs has been checked."""
        vehicle = self._vehicle
        self.mode = mode
        self.blind = mode == LAND and not vehicle.position_ok
        self.control.configure(vehicle.parameters)
        self._nose.hold(vehicle.body.yaw)
        self.waypoints.active = self.waypoints.paused = False
        if self.landed:
            self.stage = IDLE
            return
        if mode == AUTO:
            self._begin_legs()
            vehicle.mission.start_or_resume()
        elif mode == RTL:
            self.go_home()
        elif mode == LAND:
            self.descend()
        elif mode == BRAKE:
            self.stage = BRAKING
            self._brakes.start()
            self.control.restart(*vehicle.position, *vehicle.velocity)
        else:
            self._stop()

    def take_off(self, altitude_home_m: float) -> None:
        """Climb to a height above home."""
        vehicle = self._vehicle
        self._top_u = vehicle.home_u + altitude_home_m
        self.stage, self.leg_done = TAKEOFF, False
        if self.landed:
            self._lift_s = max(vehicle.armed_s + SPOOL_S, vehicle.time_s + LIFT_S)
            self._plumb.start(0.0)
            self.control.relax()
            self.control.restart(*vehicle.position, 0.0, 0.0, 0.0)
        else:
            self._lift_s = -math.inf
            self._plumb.start(vehicle.velocity[2])
            self._stop(keep_stage=True)
            self.control.u, self.control.vu = vehicle.position[2], vehicle.velocity[2]

    def navigate(self, item: Item, following: Item | None) -> None:
        """Begin a navigation item of the mission."""
        vehicle = self._vehicle
        if item.command == 22:
            self.take_off(vehicle.up(item.z, item.frame, vehicle.position[:2]) - vehicle.home_u)
        elif item.command == 20:
            self.go_home()
        elif item.command == 21:
            if item.x or item.y:
                self._legs()
                n, e = vehicle.grid.local(item.x, item.y)
                self.waypoints.go((n, e, self.waypoints.destination[2]))
                self.stage = GO_LAND
            else:
                self.descend()
        elif item.command == 93:
            self._stop()
            self.leg_done = True
        else:
            self._legs()
            follows = item.frame in ABOVE_GROUND and vehicle.ground.known
            self.waypoints.follow(vehicle.ground if follows else None)
            self.waypoints.go(self._point(item))
            if (
                item.command in (16, 82)
                and item.params[0] == 0
                and following is not None
                and following.command in (16, 82, 17, 18, 19)
                and (following.frame in ABOVE_GROUND) == (item.frame in ABOVE_GROUND)
            ):
                self.waypoints.then(self._point(following))
            self.stage = WAYPOINT
            self._nose.let_go()
        if item.command != 93:
            self.leg_done = False

    def go_to(self, n: float, e: float, u: float) -> None:
        """Fly to a point in GUIDED."""
        self._begin_legs()
        self.waypoints.go((n, e, u))
        self.stage = WAYPOINT

    def go_home(self) -> None:
        """Climb to the return height, fly home or to a rally point, wait, land."""
        vehicle = self._vehicle
        p = vehicle.parameters
        self._begin_legs(p["RTL_SPEED"] / 100 or None)
        self._target = return_point(vehicle)
        base, top = vehicle.home_u, self._target[2]
        if p["RTL_ALT_TYPE"] and vehicle.ground.known:
            # Heights above the ground, all the way.
            self.waypoints.follow(vehicle.ground)
            base, top = 0.0, top - vehicle.ground.at(*self._target[:2])
        stop = self.waypoints.destination
        height = max(p["RTL_ALT"] / 100, stop[2] - base, top - base)
        # The climb is never quite nothing, and takes the second or so that the smallest of legs takes.
        self.waypoints.go((stop[0], stop[1], base + height + 0.02))
        self.stage, self.leg_done = RTL_CLIMB, False

    def descend(self) -> None:
        """Come down and land here."""
        if not self.blind:
            self._stop()
        self.control.u, self.control.vu = self._vehicle.position[2], self._vehicle.velocity[2]
        self.stage, self.leg_done = DESCEND, False
        self._plumb.start(self._vehicle.velocity[2])
        self._until_s = self._vehicle.time_s + (BLIND_WAIT_S if self.blind else 0.0)

    def mission_over(self) -> None:
        """Hold where the mission ended."""
        if not self.landed:
            self._stop()

    def pause(self, paused: bool) -> bool:
        """Stand still on the present leg, or go on; False when there is none."""
        if self.mode not in (AUTO, GUIDED):
            return False
        if self.waypoints.active:
            self.waypoints.paused = paused
        return True

    def change_speed(self, kind: int, speed_mps: float) -> None:
        """DO_CHANGE_SPEED: 0 and 1 level, 2 climb, 3 descent."""
        if speed_mps <= 0:
            return
        if kind in (0, 1):
            self.waypoints.change_speed(speed_mps)
            self._mission_speed = speed_mps
        elif kind == 2:
            self._vehicle.parameters.set("WPNAV_SPEED_UP", 100 * speed_mps)
        elif kind == 3:
            self._vehicle.parameters.set("WPNAV_SPEED_DN", 100 * speed_mps)

    def fix_yaw(self, yaw: float, *, relative: bool, clockwise: bool) -> None:
        """Hold a heading (radians) until the next waypoint."""
        self._nose.fix(self._vehicle.body.yaw + (yaw if clockwise else -yaw) if relative else yaw)

    def step(self, dt: float) -> None:
        """Fly for a time step."""
        vehicle = self._vehicle
        body, control = vehicle.body, self.control
        if not vehicle.armed:
            return
        if self.landed and self.stage != TAKEOFF:
            body.rest()
            if vehicle.time_s - max(self._idle_since_s, vehicle.armed_s) > vehicle.parameters["DISARM_DELAY"]:
                vehicle.disarm()
            return
        self._idle_since_s = vehicle.time_s
        self._guide(dt)
        if self.landed:
            return
        n, e, u = vehicle.position
        vn, ve, vu = vehicle.velocity
        if self.blind or not vehicle.position_ok:
            want_n = want_e = 0.0
            control.relax_level()
        else:
            want_n, want_e = control.level(dt, n, e, vn, ve)
        want_u = control.vertical(u, vu)
        wind_n, wind_e = vehicle.wind_now()
        falling, body.floor = body.vu, vehicle.ground.under(body.n, body.e)
        if not vehicle.motor_turns:
            body.fall(dt)
        else:
            if vehicle.yaw_error:
                # It leans where it believes that the wanted direction is.
                cosine, sine = math.cos(vehicle.yaw_error), math.sin(vehicle.yaw_error)
                want_n, want_e = want_n * cosine + want_e * sine, want_e * cosine - want_n * sine
            body.fly(dt, want_n, want_e, want_u, wind_n, wind_e)
            body.turn(dt, self._heading() - vehicle.yaw_error)
        if body.u <= body.floor:
            if self.stage == DESCEND and vehicle.motor_turns:
                self._touch(-falling)
            elif falling < 0.0 or self.stage != TAKEOFF:
                self._crash(-falling)

    def _guide(self, dt: float) -> None:
        vehicle, stage = self._vehicle, self.stage
        if stage == TAKEOFF:
            self._climb_out(dt)
        elif stage in (WAYPOINT, RTL_CLIMB, RTL_RETURN, GO_LAND):
            self.waypoints.advance(dt, vehicle.position, vehicle.velocity)
            if self.waypoints.reached:
                self._arrived()
        elif stage == RTL_LOITER:
            stand(self.control)
            if vehicle.time_s >= self._until_s:
                if vehicle.parameters["RTL_ALT_FINAL"] > 0 and self.mode != AUTO:
                    self._begin_legs()
                    n, e, _ = self.waypoints.destination
                    self.waypoints.go((n, e, vehicle.home_u + vehicle.parameters["RTL_ALT_FINAL"] / 100))
                    self.stage = WAYPOINT
                else:
                    self.descend()
        elif stage == DESCEND:
            self._sink(dt)
        elif stage == BRAKING:
            self._brakes.advance(dt)
        else:
            stand(self.control)
        if self.mode == AUTO:
            vehicle.mission.tick()

    def _arrived(self) -> None:
        vehicle = self._vehicle
        if self.stage == RTL_CLIMB:
            n, e, _ = self._target
            self.waypoints.go((n, e, self.waypoints.destination[2]))
            self.stage = RTL_RETURN
        elif self.stage == RTL_RETURN:
            self.stage = RTL_LOITER
            self._until_s = vehicle.time_s + vehicle.parameters["RTL_LOIT_TIME"] / 1000
        elif self.stage == GO_LAND:
            self.descend()
        else:
            self.leg_done = True

    def _climb_out(self, dt: float) -> None:
        vehicle, control = self._vehicle, self.control
        waited_s = vehicle.time_s - self._lift_s
        if waited_s < 0:
            vehicle.body.rest()
            return
        if self.landed:
            self.landed = False
            control.restart(*vehicle.position, 0.0, 0.0, 0.0)
        there = self._plumb.climb(dt, self._top_u, waited_s)
        if there and not self.leg_done:
            self.leg_done = True
            if self.mode != AUTO:
                self._stop()
                control.u = self._top_u
        control.an = control.ae = control.vn = control.ve = 0.0

    def _sink(self, dt: float) -> None:
        vehicle, control = self._vehicle, self.control
        if vehicle.time_s < self._until_s:
            control.vu = control.au = 0.0
            return
        ground = vehicle.body.floor if vehicle.ground.known else vehicle.home_u
        self._plumb.sink(dt, vehicle.position[2] - ground)

    def _touch(self, speed_mps: float) -> None:
        vehicle = self._vehicle
        self.landed, self.stage = True, IDLE
        vehicle.body.rest()
        vehicle.say(6, f"SIM Hit ground at {speed_mps:.6f} m/s")
        vehicle.touched_s = vehicle.time_s

    def _crash(self, speed_mps: float) -> None:
        vehicle = self._vehicle
        vehicle.say(6, f"SIM Hit ground at {speed_mps:.6f} m/s")
        vehicle.say(2, "Crash: Disarming: AngErr=90>30, Accel=0.1<3.0")
        vehicle.disarm()

    def _heading(self) -> float:
        leg = self.waypoints.heading() if self.stage in (WAYPOINT, GO_LAND, RTL_RETURN) else None
        return self._nose.wanted(leg, is_return=self.stage == RTL_RETURN)

    def _legs(self) -> None:
        """Go on from the waypoint reached; from where the vehicle will stop when it was called away from one."""
        if not self.waypoints.active or not self.waypoints.reached:
            self._begin_legs(self.waypoints.speed_mps if self.waypoints.active else None)

    def _begin_legs(self, speed_mps: float | None = None) -> None:
        vehicle = self._vehicle
        n, e, u = vehicle.position
        vn, ve, vu = vehicle.velocity
        if self.stage == TAKEOFF and self.leg_done:
            u, vu = self._top_u, 0.0
        if self.mode == AUTO and speed_mps is None:
            speed_mps = self._mission_speed
        self.waypoints.begin((n, e, u), (vn, ve, vu), speed_mps)

    _mission_speed: float | None = None

    def forget_speed(self) -> None:
        """Fly the next mission at the parameter's speed."""
        self._mission_speed = None

    def _stop(self, *, keep_stage: bool = False) -> None:
        """Hold where the vehicle will come to rest."""
        self.waypoints.begin(self._vehicle.position, self._vehicle.velocity)
        self.waypoints.active = False
        if not keep_stage:
            self.stage = HOLD

    def _point(self, item: Item) -> Point:
        """The place of an item; while the ground is followed, its height above that."""
        vehicle = self._vehicle
        if item.x == 0 and item.y == 0:
            n, e, _ = self.waypoints.destination
        else:
            n, e = vehicle.grid.local(item.x, item.y)
        follows = item.frame in ABOVE_GROUND and vehicle.ground.known
        return n, e, item.z if follows else vehicle.up(item.z, item.frame)
