"""Serving a simulated vehicle to a ground station over TCP or UDP, in wall time or in step with a simulated clock."""

from __future__ import annotations

import time
from typing import Literal

from flightplan.clock import SimulatedClock
from sim.vehicle.autopilot import STEP_S, SimulatedVehicle
from sim.vehicle.links import count_packets, open_link
from sim.vehicle.threaded import Threaded

LEAD_S = 2.0  # how far a vehicle in lockstep may run ahead of its ground station's last heartbeat
PATIENCE_S = 2.0  # wall seconds without a heartbeat after which it flies on alone
CHUNK_S = 0.1
SILENCE_S = 0.5  # wall seconds without a byte after which an upload's time moves again, so that it can ask again
IDLE_REPEAT_S = 0.05  # wall seconds between two rounds of telemetry while simulated time stands still

Idle = Literal["run", "hold"]


class VehicleServer(Threaded):
    """A vehicle, its socket and its pace: a context manager, or `start` and `stop`, or `run` in the foreground.

    Parameters
    ----------
    vehicle
        The vehicle; nobody else may call it while it is served.
    listen
        "tcp:HOST:PORT" waits for ground stations (one at a time), port 0 picks a free one; "udp:HOST:PORT" sends to
        that address.
    clock
        A simulated clock that the vehicle moves as it steps. None paces the vehicle by wall time x `speed`.
    speed
        Simulated seconds per wall second, without a clock.
    lockstep
        With a clock: never more than LEAD_S ahead of the ground station's last heartbeat, once the vehicle is ready.
    idle
        "hold": simulated time stands still while the vehicle waits on the ground for a command, so that a flight does
        not depend on how long its ground station took.
    """

    def __init__(
        self,
        vehicle: SimulatedVehicle,
        listen: str = "tcp:127.0.0.1:0",
        *,
        clock: SimulatedClock | None = None,
        speed: float = 1.0,
        lockstep: bool = True,
        idle: Idle = "run",
    ) -> None:
        super().__init__()
        self.vehicle = vehicle
        self._link = open_link(listen)
        self._clock = clock
        self._speed = speed
        self._lockstep = lockstep and clock is not None
        self._hold = idle == "hold"
        self._heard_wall_s = self._bytes_wall_s = 0.0
        self._credit_until_s = 0.0
        if clock is None:
            vehicle.transfers.keep_pace(speed)

    @property
    def address(self) -> str:
        """What a ground station connects to: "tcp:HOST:PORT" or "udp:HOST:PORT"."""
        return self._link.address

    def run(self) -> None:
        """Serve until `stop` is called elsewhere."""
        vehicle, link = self.vehicle, self._link
        started = time.monotonic()
        repeated = 0.0
        while not self._stop.is_set():
            if not link.connected:
                link.accept(0.05)
                started = time.monotonic() - vehicle.elapsed_s / self._speed
                self._heard_wall_s = time.monotonic()
                continue
            if self._clock is not None and self._clock.in_step:
                self._keep_step(self._clock)
                continue
            wait_s = self._wait_s(started)
            self._receive(wait_s)
            if not self._link.connected:
                self._forget_who_hung_up()
                continue
            now = time.monotonic()
            if self._holding(now):
                started = now - vehicle.elapsed_s / self._speed
                if now - repeated >= IDLE_REPEAT_S:
                    repeated = now
                    vehicle.telemetry.repeat()
                link.send(vehicle.collect())
                continue
            if self._clock is not None:
                if self._may_step(now):
                    link.send(vehicle.step(CHUNK_S))
                    self._clock.advance(CHUNK_S)
                else:
                    link.send(vehicle.collect())
                continue
            behind = (now - started) * self._speed - vehicle.elapsed_s
            steps = min(int(behind / STEP_S), max(1, int(CHUNK_S / STEP_S)))
            link.send(vehicle.step(steps * STEP_S) if steps > 0 else vehicle.collect())

    def _keep_step(self, clock: SimulatedClock) -> None:
        """Read what is on its way here; step when nobody is at work (see `flightplan.clock`)."""
        vehicle, link = self.vehicle, self._link
        ours = link.ends[0]
        mail = clock.under_way(ours)
        if not mail and clock.settle(0.01):
            data = vehicle.step(CHUNK_S)
            clock.advance(CHUNK_S)
            self._post(clock, data)
            return
        before = vehicle.received_count
        vehicle.receive(link.receive(0.005 if mail else 0.0))
        self._post(clock, vehicle.collect())
        clock.taken(ours, vehicle.received_count - before)
        self._forget_who_hung_up()

    def _post(self, clock: SimulatedClock, data: bytes) -> None:
        if data:
            clock.posted(self._link.ends[1], count_packets(data))
            self._link.send(data)
            self._forget_who_hung_up()

    def _forget_who_hung_up(self) -> None:
        """Have time wait no longer for mail to or from a ground station that is gone."""
        if self._clock is not None and not self._link.connected:
            for end in self._link.ends:
                self._clock.forget(end)

    def _name(self) -> str:
        return f"vehicle {self.address}"

    def _close(self) -> None:
        self._link.close()

    def _receive(self, wait_s: float) -> None:
        data = self._link.receive(wait_s)
        while data:
            self._bytes_wall_s = time.monotonic()
            before = self.vehicle.heard_count
            self.vehicle.receive(data)
            if self.vehicle.heard_count != before:
                self._heard_wall_s = time.monotonic()
                self._credit_until_s = self.vehicle.elapsed_s + LEAD_S
            data = self._link.receive(0.0)

    def _holding(self, now: float) -> bool:
        """Whether simulated time stands still because nothing happens."""
        if not self._hold or not self.vehicle.waiting:
            return False
        return not self.vehicle.transfers.uploading or now - self._bytes_wall_s < SILENCE_S

    def _may_step(self, now: float) -> bool:
        vehicle = self.vehicle
        if not self._lockstep or not vehicle.ready or vehicle.elapsed_s < self._credit_until_s:
            return True
        return now - self._heard_wall_s > PATIENCE_S

    def _wait_s(self, started: float) -> float:
        """Wall seconds that may pass waiting for bytes before time has to move."""
        vehicle = self.vehicle
        if self._holding(time.monotonic()):
            return 0.005
        if self._clock is not None:
            return 0.0 if self._may_step(time.monotonic()) else 0.005
        ahead = vehicle.elapsed_s + STEP_S - (time.monotonic() - started) * self._speed
        return min(max(ahead / self._speed, 0.0), 0.02)


def serve(
    vehicle: SimulatedVehicle,
    listen: str = "tcp:127.0.0.1:0",
    *,
    clock: SimulatedClock | None = None,
    speed: float = 1.0,
    lockstep: bool = True,
    idle: Idle = "run",
) -> VehicleServer:
    """Serve a vehicle in a thread; see `VehicleServer`."""
    return VehicleServer(vehicle, listen, clock=clock, speed=speed, lockstep=lockstep, idle=idle).start()
