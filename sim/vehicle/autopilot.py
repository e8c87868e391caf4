"""A multirotor that speaks MAVLink 2 and behaves as ArduCopter does, with neither socket nor clock inside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.terrain import Terrain
from sim.vehicle import equipment as carried
from sim.vehicle.airframe import Airframe, Battery, Body
from sim.vehicle.arming import Arming
from sim.vehicle.boot import INITIALISED_S, Boot
from sim.vehicle.commands import Commands
from sim.vehicle.equipment import Aircraft, Equipment
from sim.vehicle.exposures import Exposure, Shutter
from sim.vehicle.failsafes import Failsafes
from sim.vehicle.fence import Fence
from sim.vehicle.flight import Flight
from sim.vehicle.items import FENCE, MISSION, RALLY, home_item
from sim.vehicle.missions import COMPLETE, MissionRun
from sim.vehicle.modes import COPTER
from sim.vehicle.parameters import Parameters
from sim.vehicle.piloting import Pilot
from sim.vehicle.place import Home
from sim.vehicle.radio import Radio
from sim.vehicle.telemetry import Telemetry
from sim.vehicle.transfers import Transfers
from sim.vehicle.weather import Air, PositionError, Wind
from sim.vehicle.whereabouts import Whereabouts

STEP_S = 0.02
# After a flight it is some time before the vehicle counts as waiting: its ground station may still wait on its clock.
AFTERWARDS_S = 60.0


class SimulatedVehicle(Whereabouts):
    """One vehicle. `receive` takes bytes, `step` moves time and returns the bytes to send, `collect` those due now.

    Parameters
    ----------
    home
        Where it is switched on.
    seed
        Of wind gusts and position errors; they are drawn anew at each arming, so that a flight does not depend on how
        long the vehicle stood before it.
    wind, position_error, airframe
        What disturbs it and how it flies. The default airframe is ArduPilot's simulated quad; see `Airframe.survey`.
    battery_ah
        Capacity of its pack; None is a pack that stays at its voltage (as ArduPilot's simulator has).
    start_time_utc_s
        Seconds since 1970-01-01 UTC at switching on.
    parameters
        Values that differ from the defaults, as a parameter file would set them.
    system_id
        Its MAVLink system id.
    terrain
        The ground under it; None is a plane.
    equipment, traffic
        What it carries, and the aircraft that it hears of.
    """

    kind = "copter"
    modes = COPTER
    vehicle_type: int = mav.MAV_TYPE_QUADROTOR
    first_item = 0
    banner = ("ArduCopter V4.7.0-dev (overfly)", "overfly simulated vehicle", "Frame: QUAD/PLUS")

    def __init__(
        self,
        home: Home,
        seed: int = 0,
        *,
        wind: Wind | None = None,
        position_error: PositionError | None = None,
        airframe: Airframe | None = None,
        battery_ah: float | None = None,
        start_time_utc_s: float = 1_790_000_000.0,
        parameters: Mapping[str, float] | None = None,
        system_id: int = 1,
        terrain: Terrain | None = None,
        equipment: Equipment | None = None,
        traffic: Iterable[Aircraft] = (),
    ) -> None:
        self.frame = airframe or Airframe()
        Whereabouts.__init__(self, home, self._make_body(home), terrain)
        self.battery = Battery(battery_ah)
        self.parameters = self._make_parameters({"MAV_SYSID": system_id, **(parameters or {})})
        if battery_ah is not None:
            self.parameters.set("BATT_CAPACITY", battery_ah * 1000)
        if wind is not None:
            self.parameters.set("SIM_WIND_SPD", wind.speed_mps)
            self.parameters.set("SIM_WIND_DIR", wind.from_deg)
        self.air = Air(wind or Wind(), position_error or PositionError(), seed)
        self.air.speed_mps, self.air.from_deg = self.parameters["SIM_WIND_SPD"], self.parameters["SIM_WIND_DIR"]
        self._start_s = start_time_utc_s
        self.equipment = equipment or Equipment()
        self.traffic = tuple(traffic)
        self.radio = Radio(system_id)
        self.radio.signing.use(self.equipment.signing_key, start_time_utc_s)
        self._armings = 0
        self._off_until_s = -math.inf
        self.gps_works = True
        self._elapsed_steps = 0
        self.transfers = self._make_transfers()
        self.heard_count = 0
        self._switch_on()

    def _switch_on(self) -> None:
        """Make everything that does not outlast a lack of power."""
        self._steps = 0
        self._reboot_next = False
        self._yaw_aligned = False
        self._lose_bearings()
        self.time_s = 0.0
        self.armed = False
        self.motor_turns = True
        self.armed_s = self.touched_s = math.inf
        self.disarmed_s = -math.inf
        self.heard_s: float | None = None
        self.fence = Fence(self)
        self.shutter = self._make_shutter()
        self._assemble()

    def _make_body(self, home: Home) -> Body:
        return Body(self.frame, math.radians(home.yaw_deg))

    def _make_parameters(self, values: Mapping[str, float]) -> Parameters:
        return Parameters(values)

    def _make_transfers(self) -> Transfers:
        return Transfers(self.send, self.say, self._items_changed)

    def _make_shutter(self) -> Shutter:
        return Shutter(self)

    def _assemble(self) -> None:
        """Make the parts in which one autopilot differs from another."""
        self.flight: Pilot = Flight(self)
        self.mission = MissionRun(self)
        self.failsafes = Failsafes(self)
        self.arming = Arming(self)
        self.telemetry = Telemetry(self)
        self.boot = Boot(self)
        self.commands = Commands(self)

    # --- the face -------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes from a ground station; answers are in the next `collect` or `step`."""
        for message in self.radio.parse(data):
            if self.is_off:
                continue
            if message.get_type() == "HEARTBEAT":
                if message.get_srcSystem() == int(self.parameters["MAV_GCS_SYSID"]):
                    self.heard_s = self.time_s
                    self.heard_count += 1
                continue
            if message.get_type() == "SETUP_SIGNING":
                self.radio.signing.set_up(message, self.epoch_s)
                continue
            if not self.transfers.handle(message, self.time_s):
                self.commands.handle(message)
            self.flush_texts()

    def step(self, dt_s: float = STEP_S) -> bytes:
        """Move time on by a whole number of fixed steps and return the bytes to send."""
        for _ in range(max(1, round(dt_s / STEP_S))):
            self._step()
        return self.collect()

    def collect(self) -> bytes:
        """Return the bytes to send now, without moving time."""
        self.flush_texts()
        return self.radio.take()

    @property
    def received_count(self) -> int:
        """How many messages came, understood or not."""
        return self.radio.received_count

    @property
    def exposures(self) -> list[Exposure]:
        """The truth of each frame taken, in order."""
        return self.shutter.exposures

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was first switched on; `time_s` counts from its last start."""
        return self._elapsed_steps * STEP_S

    @property
    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._start_s + self.elapsed_s

    @property
    def initialised(self) -> bool:
        """Whether its boot is over."""
        return self.time_s >= INITIALISED_S

    @property
    def ready(self) -> bool:
        """Whether it has a position and would arm."""
        return self.position_ok and self.arming.ready

    @property
    def waiting(self) -> bool:
        """Whether nothing happens but waiting for a command: ready on the ground, and no flight begun or just over."""
        flight = self.flight
        return (
            self.ready
            and flight.landed
            and not flight.flying
            and not (self.armed and self.touched_s <= self.time_s)
            and self.time_s - self.disarmed_s > AFTERWARDS_S
        )

    @property
    def is_off(self) -> bool:
        """Whether it has no power, or its firmware has not begun."""
        return self.elapsed_s < self._off_until_s

    def reboot(self, silent_s: float = 3.0) -> None:
        """Start anew, as after a watchdog or a loose connector: deaf and mute at first, motors stopped.

        What is stored stays: parameters, and of an upload what was accepted. Streams, home, position and readiness are
        lost.
        """
        self.transfers.forget_upload()
        self.radio.fall_silent()
        self._off_until_s = self.elapsed_s + silent_s
        self._switch_on()

    def reboot_soon(self) -> None:
        """Start anew with the next step, so that what was said is heard."""
        self._reboot_next = True

    def lose_motor(self) -> None:
        """A motor stops for good."""
        self.motor_turns = False
        if self.armed:
            self.flight.motor_lost()

    def mislead_compass(self, error: float) -> None:
        """Have it believe in a heading that is off by an angle (radians); 0 when it has found out."""
        if error == self.yaw_error:
            return
        found_out, self.yaw_error = error == 0.0, error
        if found_out:
            self.say(4, "EKF3 IMU0 emergency yaw reset")
            self.say(4, "EKF3 IMU1 emergency yaw reset")

    # --- what its parts use ---------------------------------------------------------------------------------------

    def send(self, message: Any) -> None:
        """Queue a message."""
        self.radio.send(message)

    def say(self, severity: int, text: str) -> None:
        """Queue a STATUSTEXT, after the messages of the same step."""
        self.radio.say(severity, text)

    def flush_texts(self) -> None:
        """Send the texts said since the last messages."""
        self.radio.flush()

    def wind_now(self) -> tuple[float, float]:
        """The air's velocity north and east where the vehicle is (m/s)."""
        return self.air.wind(self.body.u)

    def battery_percent(self) -> int:
        """Charge left by count, 0 to 100."""
        capacity = self.parameters["BATT_CAPACITY"]
        return max(0, min(100, math.floor(100 * (1 - self.battery.used_mah / capacity)))) if capacity > 0 else -1

    def change_mode(self, mode: int | None) -> None:
        """Enter a flight mode and tell it; None is one that this vehicle does not have."""
        if mode is None or mode == self.flight.mode:
            return
        if mode != self.modes.auto and self.mission.state == 3:
            self.mission.state = 2
        self.flight.enter(mode)
        self.send(self.telemetry.heartbeat())

    def become_armed(self) -> None:
        """Start the motors; home is here."""
        self.armed, self.armed_s, self.touched_s = True, self.time_s, math.inf
        self._armings += 1
        self.air.draw(self._armings)
        if self.position_ok:
            self.set_home(*self.position)
            self.send(self.telemetry.origin())
        self.mission.reset()
        self.flight.forget_speed()
        self.say(6, "Arming motors")

    def disarm(self) -> None:
        """Stop the motors."""
        if not self.armed:
            return
        if self.flight.mode == self.modes.auto:
            self.mission.landed()
        self.armed, self.disarmed_s = False, self.time_s
        if self.body.u <= self.body.floor:
            self.body.rest()
        self.flight.rest()
        self.failsafes.rest()
        if self.mission.state == COMPLETE:
            self.mission.seq = 0
        else:
            self.mission.reset()
        self.say(6, "Disarming motors")
        self.flush_texts()
        self.send(self.telemetry.heartbeat())

    def set_home(self, n: float, e: float, u: float) -> None:
        """Make a place home."""
        self.home_n, self.home_e, self.home_u = n, e, u
        self.home_true_u = self.body.u
        self.home_set = True
        lat, lon = self.grid.e7(n, e)
        self.transfers.set_home(home_item(lat, lon, round(self.home.altitude_msl_m + u, 2)))
        self.send(self.telemetry.home_position())

    def parameter_changed(self, name: str) -> None:
        """Take up a changed parameter that something keeps a copy of."""
        if name == "SIM_BATT_VOLTAGE":
            self.battery.set_voltage = self.parameters[name]
        if name in self.parameters:  # a PX4's own names are not among them
            self.air.parameter_changed(name, self.parameters[name])
        self.flight.configure()

    # --- time -----------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        self._elapsed_steps += 1
        self.radio.signing.advance(self.epoch_s)
        if self._reboot_next:
            self.reboot()
        if self.is_off:
            self._lie_or_fall()
            return
        self._steps += 1
        self.time_s = now = self._steps * STEP_S
        if not self.boot.over:
            self.boot.tick()
        if self.armed:
            self.air.advance(STEP_S)
        self._believe(self.air.error)
        if not self.armed:
            self._lie_or_fall()
        self.flight.step(STEP_S)
        if self.armed:
            self._believe(self.air.error)
            self.battery.drain(STEP_S, self._current_a())
            self.shutter.tick()
            if self.flight.landed and now - self.touched_s >= 2.0:
                self.disarm()
        else:
            self.battery.current_a = 0.0
        self.transfers.tick(now)
        if self._steps % 5 == 0:
            if not self._yaw_aligned and self.position[2] > 2.1:
                self._yaw_aligned = True
                self.say(6, "EKF3 IMU0 MAG0 in-flight yaw alignment complete")
                self.say(6, "EKF3 IMU1 MAG0 in-flight yaw alignment complete")
            self.gps_fix = self.gps_seen and self.gps_works and bool(self.parameters["SIM_GPS1_ENABLE"])
            self.failsafes.tick()
            if self._steps % 50 == 0:
                self.arming.tick()
                carried.tick(self)
        self.telemetry.tick()
        self.flush_texts()

    def _lie_or_fall(self) -> None:
        """Without power to its motors: on the ground, or on the way to it."""
        body = self.body
        body.floor = self.ground.under(body.n, body.e)
        if body.u > body.floor:
            body.fall(STEP_S)
        else:
            body.rest()

    def _current_a(self) -> float:
        if self.flight.landed:
            return self.frame.idle_current_a
        return self.frame.current_a(self.body.thrust_ratio, self.body.vu)

    def _items_changed(self, kind: int) -> None:
        if kind == FENCE:
            self.fence.load()
        elif kind == RALLY:
            self.parameters.set("RALLY_TOTAL", float(len(self.transfers.items[RALLY])))
        elif kind == MISSION:
            self.parameters.set("MIS_TOTAL", float(len(self.transfers.items[MISSION])))
            if not self.armed:
                self.mission.reset()
