"""`overfly sim vehicle`: simulated autopilots alone, for any ground station."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from flightplan.console import OverflyCommand, say
from flightplan.errors import VehicleError
from flightplan.terrain import Terrain
from flightplan.vehicle.signing import SigningKey
from sim.faults import FAULTY, Faults
from sim.vehicle import (
    KINDS,
    ArduCopter,
    Equipment,
    Fleet,
    Home,
    SimulatedVehicle,
    Wind,
    find_arducopter,
    line_up,
)

_FILE = click.Path(path_type=Path, dir_okay=False)
_SIMULATED, _ARDUCOPTER = "simulated", "arducopter"
_EXAMPLE = """
\b
Examples:
  overfly sim vehicle --listen tcp:127.0.0.1:5760 --home -2.3333,34.8333,1500,0 --wind 6,90
  overfly sim vehicle --listen udp:127.0.0.1:14550 --count 3 --speed 5
  overfly sim vehicle --kind plane --faults loss=0.2,double=0.1,reorder=0.1,shots=0.02,sag_s=180

\b
Faults, in the text or in a TOML file with the same names:
  loss, double, reorder  share of messages each way that are lost, sent twice, or overtaken
  delay_s                seconds that every message takes
  cut, gps               FROM-TO[+FROM-TO] seconds after arming: no link, no position
  sag_s, sag_volts       when after arming the battery drops, and to what
  shots                  share of shots that the camera misses
  motor_s                when after arming a motor stops: a quad falls, a fixed wing glides
  compass_s, compass_deg, compass_lasts_s
                         when the compass turns, by how much, how long the vehicle believes it
  restart, reboot_s      item of an upload, seconds after arming, at which the vehicle starts anew
  restart_s              how long it is gone before it boots
  refuse, lost_acks      item that is refused; how many acknowledgements of lists are lost
  [[traffic]]            in a file only: callsign, from_s, until_s, north_m, east_m, height_m, course_deg, speed_mps
"random" draws a bad day from the seed.
"""


@dataclass(frozen=True)
class _Asked:
    """What was asked for on the line."""

    listen: str
    home: str
    kind: str
    autopilot: str
    speed: float
    wind: str
    seed: int
    faults: str | None
    count: int
    terrain: Path | None
    signing_key: Path | None
    card_mb: float | None
    remote_id: str
    battery_ah: float | None

    @property
    def place(self) -> Home:
        """Where the first vehicle stands."""
        lat, lon, altitude_m, yaw_deg = _numbers(self.home, 4, "--home", "LAT,LON,ALTITUDE,YAW")
        return Home(lon=lon, lat=lat, altitude_msl_m=altitude_m, yaw_deg=yaw_deg)

    @property
    def air(self) -> Wind:
        """The wind, with gusts."""
        speed_mps, from_deg = _numbers(self.wind, 2, "--wind", "MPS,DEG")
        return Wind(speed_mps=speed_mps, from_deg=from_deg, gust_mps=speed_mps / 5)


@click.command("vehicle", cls=OverflyCommand, epilog=_EXAMPLE)
@click.option(
    "--listen", default="tcp:127.0.0.1:5760", show_default=True, help="tcp:HOST:PORT, or udp:HOST:PORT to send to."
)
@click.option("--home", default="-2.3333,34.8333,1500,0", show_default=True, help="LAT,LON,ALTITUDE_MSL_M,YAW_DEG.")
@click.option(
    "--kind", default="copter", show_default=True, type=click.Choice(list(KINDS)), help="Which autopilot it is like."
)
@click.option(
    "--autopilot",
    default=_SIMULATED,
    show_default=True,
    type=click.Choice([_SIMULATED, _ARDUCOPTER]),
    help="Our own, or ArduPilot's SITL binary that OVERFLY_ARDUCOPTER names.",
)
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.01, 1000), help="Times wall time.")
@click.option("--wind", default="0,180", show_default=True, help="MPS,FROM_DEG; a fifth of it in gusts.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of wind, errors and faults.")
@click.option("--faults", metavar="FILE|loss=0.2,...|random", help="What goes wrong: see below.")
@click.option(
    "--count",
    default=1,
    show_default=True,
    type=click.IntRange(1, 100),
    help="So many, ids from 1, each 10 m east of the one before. TCP: each at a port 10 higher; UDP: all to one.",
)
@click.option("--terrain", type=_FILE, help="Elevation model under it, any raster; without one the ground is a plane.")
@click.option("--signing-key", type=_FILE, help="Sign, and listen only to who signs with the same key.")
@click.option(
    "--card-mb", type=click.FloatRange(0), help="Size of the camera's card; without it the camera tells none."
)
@click.option(
    "--battery",
    "battery_ah",
    type=click.FloatRange(0.1, 1000),
    metavar="AH",
    help="Size of its battery at 12 V; without it 3.3 Ah by its own count, some ten minutes.",
)
@click.option("--remote-id", default="none", metavar="none|ready|WHY", help="A Remote ID transmitter, ready or not.")
def vehicle_command(**options: Any) -> None:
    """Serve simulated vehicles that speak MAVLink 2, until Ctrl-C."""
    asked = _Asked(**options)
    # Who ends us politely ends what we started too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    served = _arducopter(asked) if asked.autopilot == _ARDUCOPTER else _simulated(asked)
    try:
        for number, address in enumerate(served.addresses):
            place = asked.place.moved(0.0, 10.0 * number)
            say(f"Vehicle {number + 1} at {place.lat:.6f}, {place.lon:.6f} on {address}. Ctrl-C ends it.")
        served.run()
    except KeyboardInterrupt:
        say("Ended.")
    finally:
        served.stop()
        signal.signal(signal.SIGTERM, before)


def _simulated(asked: _Asked) -> Fleet:
    if asked.faults is not None:
        Faults.parse(asked.faults, asked.seed)  # refused before anything is opened

    def make(home: Home, seed: int, **options: Any) -> SimulatedVehicle:
        if asked.faults is None:
            return KINDS[asked.kind](home, seed, **options)
        return FAULTY[asked.kind](home, seed, faults=Faults.parse(asked.faults, seed), **options)

    carried = Equipment(
        card_mb=asked.card_mb,
        remote_id={"none": None, "ready": ""}.get(asked.remote_id, asked.remote_id),
        signing_key=None if asked.signing_key is None else SigningKey.read(asked.signing_key).secret,
    )
    vehicles = line_up(
        asked.place,
        asked.count,
        seed=asked.seed,
        make=make,
        wind=asked.air,
        terrain=None if asked.terrain is None else Terrain.from_file(asked.terrain),
        equipment=carried,
        battery_ah=asked.battery_ah,
        start_time_utc_s=time.time(),
    )
    return Fleet(vehicles, asked.listen, speed=asked.speed)


def _arducopter(asked: _Asked) -> ArduCopter:
    for name in ("faults", "terrain", "signing_key", "card_mb", "battery_ah"):
        if getattr(asked, name) is not None:
            option = name.removesuffix("_ah").replace("_", "-")
            raise VehicleError(
                "ArduCopter's own simulator does not know this", where=f"--{option}",
                hint="It is for --autopilot simulated.",
            )  # fmt: skip
    if asked.kind != "copter":
        raise VehicleError(f"ArduCopter is no {asked.kind}", where="--kind")
    binary = find_arducopter()
    copter = ArduCopter(binary, asked.place, asked.listen, count=asked.count, speed=asked.speed, wind=asked.air)
    return copter.start()


def _numbers(text: str, count: int, name: str, form: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or any(abs(n) > 1e5 for n in numbers):
        raise VehicleError(f"{text!r} is not {form}", where=name)
    return numbers
