"""Several simulated vehicles served from one thread: on one simulated clock in step, or paced by wall time."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from typing import Any

from flightplan.clock import SimulatedClock
from flightplan.errors import VehicleError
from sim.vehicle.autopilot import STEP_S, SimulatedVehicle
from sim.vehicle.links import TcpLink, UdpLink, count_packets, open_link
from sim.vehicle.place import Home
from sim.vehicle.threaded import Threaded

CHUNK_S = 0.1
PORTS_APART = 10  # between the TCP ports of two vehicles, as ArduPilot's own simulator has them
_LATE_S = 1.0  # wall seconds that a machine too slow for the asked speed is left behind before the rest is let go


def line_up(
    home: Home,
    count: int,
    *,
    spacing_m: float = 10.0,
    seed: int = 0,
    make: Callable[..., SimulatedVehicle] = SimulatedVehicle,
    **options: Any,
) -> list[SimulatedVehicle]:
    """Return `count` vehicles in a row to the east of `home`, with system ids from 1 and a seed each.

    `make` builds one from (home, seed, system_id=…, and `options`).
    """
    return [
        make(home.moved(0.0, number * spacing_m), seed + number, system_id=number + 1, **options)
        for number in range(count)
    ]


class Fleet(Threaded):
    """Vehicles, their sockets and their common time: a context manager, or `start` and `stop`, or `run`.

    Parameters
    ----------
    vehicles
        Nobody else may call them while they are served. Their system ids should differ.
    listen
        "tcp:HOST:PORT": each vehicle waits on a port of its own, PORTS_APART from the one before (port 0: free ones);
        "udp:HOST:PORT": all send to that one address, each from a socket of its own, as a ground station that tells
        vehicles apart by their system ids (QGroundControl, MAVProxy) expects.
    clock
        A simulated clock that the fleet moves, in lockstep with the ground stations that have joined it
        (`flightplan.vehicle.link.Link` does). None paces the vehicles by wall time x `speed`.
    speed
        Simulated seconds per wall second, without a clock.
    wait_for
        With a clock: time first moves when so many vehicles have had a ground station; None is all of them. So a
        flight does not depend on which ground station's thread was first.
    """

    def __init__(
        self,
        vehicles: Sequence[SimulatedVehicle],
        listen: str = "tcp:127.0.0.1:0",
        *,
        clock: SimulatedClock | None = None,
        speed: float = 1.0,
        wait_for: int | None = None,
    ) -> None:
        super().__init__()
        if not vehicles:
            raise VehicleError("there is no vehicle to serve", where=listen)
        self.vehicles = tuple(vehicles)
        self._clock, self._speed = clock, speed
        self._wait_for = len(vehicles) if wait_for is None else wait_for
        self._posts = _open_posts(self.vehicles, listen)
        if clock is None:
            for vehicle in self.vehicles:
                vehicle.transfers.keep_pace(speed)

    @property
    def addresses(self) -> tuple[str, ...]:
        """What a ground station connects to, vehicle by vehicle."""
        return tuple(post.link.address for post in self._posts)

    def run(self) -> None:
        """Serve until `stop` is called elsewhere."""
        while not self._stop.is_set():
            if self._clock is None:
                self._keep_pace()
            elif self._clock.in_step:
                self._keep_step(self._clock)
            else:
                # Nobody has joined the clock: it stands still, and the vehicles only answer.
                self._listen(0.005)

    def _keep_step(self, clock: SimulatedClock) -> None:
        """Read what is on its way here; step all when nobody is at work (see `flightplan.clock`)."""
        self._accept()
        mail = [post for post in self._posts if clock.under_way(post.link.ends[0])]
        if not mail and clock.settle(0.01):
            # Who connected while the clock settled is let in first: it waits for a heartbeat of this very step.
            if self._accept() or sum(post.begun for post in self._posts) < self._wait_for:
                time.sleep(0.0005)
                return
            said = [post.vehicle.step(CHUNK_S) for post in self._posts]
            clock.advance(CHUNK_S)
            for post, data in zip(self._posts, said, strict=True):
                self._post(clock, post, data)
            return
        for post in mail or self._posts:
            self._answer(clock, post, 0.005 if mail else 0.0)

    def _answer(self, clock: SimulatedClock, post: _Post, wait_s: float) -> None:
        ours = post.link.ends[0]
        before = post.vehicle.received_count
        post.vehicle.receive(post.link.receive(wait_s))
        self._post(clock, post, post.vehicle.collect())
        clock.taken(ours, post.vehicle.received_count - before)
        _forget_if_gone(clock, post)

    def _post(self, clock: SimulatedClock, post: _Post, data: bytes) -> None:
        if data and post.link.connected:
            clock.posted(post.link.ends[1], count_packets(data))
            post.link.send(data)
            _forget_if_gone(clock, post)

    def _keep_pace(self) -> None:
        """Listen until the next step is due, and make the steps that are."""
        now = time.monotonic()
        begun = [post for post in self._posts if post.begun]
        ahead_s = min((post.due_s(self._speed) - now for post in begun), default=0.05)
        self._listen(min(max(ahead_s, 0.0), 0.05))
        now = time.monotonic()
        for post in self._posts:
            if post.begun:
                post.link.send(post.vehicle.step(steps * STEP_S) if (steps := post.steps(now, self._speed)) else b"")

    def _listen(self, wait_s: float) -> None:
        self._accept()
        ready, _, _ = select.select([post.link.waits_on for post in self._posts], [], [], wait_s)
        for post in self._posts:
            if post.link.waits_on not in ready or not post.link.connected:
                continue
            if self._clock is not None:
                # Somebody may have joined the clock since it was looked at: what comes and goes is counted too.
                self._answer(self._clock, post, 0.0)
            else:
                post.vehicle.receive(post.link.receive(0.0))
                post.link.send(post.vehicle.collect())

    def _accept(self) -> bool:
        """Let in who knocks; True when somebody did."""
        came = False
        for post in self._posts:
            if not post.link.connected:
                post.link.accept(0.0)
                came = came or post.link.connected
            if post.link.connected and not post.begun:
                post.begun = True
                post.started = time.monotonic()
        return came

    def _name(self) -> str:
        return f"fleet {self.addresses[0]}"

    def _close(self) -> None:
        for post in self._posts:
            post.link.close()


class _Post:
    """A vehicle, its link, and since when it runs: it is switched on by its first ground station."""

    def __init__(self, vehicle: SimulatedVehicle, link: TcpLink | UdpLink) -> None:
        self.vehicle, self.link = vehicle, link
        self.begun = False
        self.started = 0.0

    def due_s(self, speed: float) -> float:
        """The wall time of the next step."""
        return self.started + (self.vehicle.elapsed_s + STEP_S) / speed

    def steps(self, now: float, speed: float) -> int:
        """How many steps to make now: what is due, in small portions."""
        behind_s = (now - self.started) * speed - self.vehicle.elapsed_s
        if behind_s > _LATE_S * speed:
            self.started += behind_s / speed - _LATE_S
        return min(int(behind_s / STEP_S + 1e-6), max(1, int(CHUNK_S * max(speed, 1.0) / STEP_S)))


def _forget_if_gone(clock: SimulatedClock, post: _Post) -> None:
    """Have time wait no longer for mail to or from a ground station that has hung up."""
    if not post.link.connected:
        for end in post.link.ends:
            clock.forget(end)


def _open_posts(vehicles: Sequence[SimulatedVehicle], listen: str) -> list[_Post]:
    posts: list[_Post] = []
    kind, _, rest = listen.partition(":")
    host, _, port = rest.rpartition(":")
    try:
        for number, vehicle in enumerate(vehicles):
            apart = number * PORTS_APART if kind == "tcp" and port.isdigit() and int(port) else 0
            where = f"tcp:{host}:{int(port) + apart}" if apart else listen
            posts.append(_Post(vehicle, open_link(where)))
    except VehicleError:
        for post in posts:
            post.link.close()
        raise
    return posts
