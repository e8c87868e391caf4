"""What the rest of a simulated vehicle asks of the part that flies it, be it a multirotor or a fixed wing."""

from __future__ import annotations

from typing import Protocol

from sim.vehicle.items import Item
from sim.vehicle.waypoints import Point


class Pilot(Protocol):
    """Flies the vehicle in its present mode. `leg_done` tells the mission that its item has been flown.

    `stage` is the pilot's own; 0 is nothing. Points are metres north, east and up of where it was switched on.
    """

    mode: int
    stage: int
    landed: bool
    leg_done: bool
    blind: bool

    @property
    def running_mission(self) -> bool:
        """Whether the mission commands the vehicle now."""
        ...

    @property
    def paused(self) -> bool:
        """Whether a mission or guided flight stands paused."""
        ...

    @property
    def flying(self) -> bool:
        """Whether it is off the ground or about to leave it."""
        ...

    @property
    def landing(self) -> bool:
        """Whether it is coming down to land."""
        ...

    @property
    def climbing_out(self) -> bool:
        """Whether it is on its way to the take-off height."""
        ...

    @property
    def destination(self) -> Point | None:
        """Where it is flying to, None when nowhere."""
        ...

    @property
    def wanted_u(self) -> float:
        """The height that it steers for."""
        ...

    def enter(self, mode: int) -> None:
        """Change the flight mode; what it needs has been checked."""
        ...

    def take_off(self, altitude_home_m: float) -> None:
        """Climb to a height above home."""
        ...

    def navigate(self, item: Item, following: Item | None) -> None:
        """Begin a navigation item of the mission."""
        ...

    def go_to(self, n: float, e: float, u: float) -> None:
        """Fly to a point in guided mode."""
        ...

    def mission_over(self) -> None:
        """Do what follows the last item."""
        ...

    def pause(self, paused: bool) -> bool:
        """Stand still on the present leg, or go on; False when that cannot be."""
        ...

    def change_speed(self, kind: int, speed_mps: float) -> None:
        """DO_CHANGE_SPEED."""
        ...

    def fix_yaw(self, yaw: float, *, relative: bool, clockwise: bool) -> None:
        """Hold a heading (radians)."""
        ...

    def forget_speed(self) -> None:
        """Fly the next mission at the parameter's speed."""
        ...

    def rest(self) -> None:
        """The motors have stopped on the ground."""
        ...

    def configure(self) -> None:
        """Take up changed parameters."""
        ...

    def motor_lost(self) -> None:
        """A motor has stopped."""
        ...

    def step(self, dt: float) -> None:
        """Fly for a time step."""
        ...
