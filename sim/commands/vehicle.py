"""`overfly sim vehicle`: the simulated autopilot alone, for any ground station."""

from __future__ import annotations

from functools import partial

import click

from flightplan.console import OverflyCommand, say
from flightplan.errors import VehicleError
from sim.faults import FAULTY, Faults
from sim.vehicle import KINDS, Fleet, Home, Wind, line_up

_EXAMPLE = """
\b
Examples:
  overfly sim vehicle --listen tcp:127.0.0.1:5760 --home -2.3333,34.8333,1500,0 --wind 6,90
  overfly sim vehicle --listen udp:127.0.0.1:14550 --count 3 --speed 5
  overfly sim vehicle --faults loss=0.2,double=0.1,reorder=0.1,shots=0.02,sag_s=180

\b
Faults, in the text or in a TOML file with the same names:
  loss, double, reorder  share of messages each way that are lost, sent twice, or overtaken
  delay_s                seconds that every message takes
  cut, gps               FROM-TO[+FROM-TO] seconds after arming: no link, no position
  sag_s, sag_volts       when after arming the battery drops, and to what
  shots                  share of shots that the camera misses
  restart, reboot_s      item of an upload, seconds after arming, at which the vehicle starts anew
  restart_s              how long it is gone before it boots
  motor_s                when after arming a motor stops: a quad falls, a fixed wing glides
  compass_s, compass_deg, compass_lasts_s
                         when the compass turns, by how much, how long the vehicle believes it
  refuse, lost_acks      item that is refused; how many acknowledgements of lists are lost
  [[traffic]]            in a file only: callsign, from_s, until_s, north_m, east_m, height_m, course_deg, speed_mps
"random" draws a bad day from the seed.
"""


@click.command("vehicle", cls=OverflyCommand, epilog=_EXAMPLE)
@click.option(
    "--listen", default="tcp:127.0.0.1:5760", show_default=True, help="tcp:HOST:PORT, or udp:HOST:PORT to send to."
)
@click.option("--home", default="-2.3333,34.8333,1500,0", show_default=True, help="LAT,LON,ALTITUDE_MSL_M,YAW_DEG.")
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
@click.option(
    "--kind", default="copter", show_default=True, type=click.Choice(list(KINDS)), help="Which autopilot it is like."
)
def vehicle_command(
    listen: str, home: str, speed: float, wind: str, seed: int, faults: str | None, count: int, kind: str
) -> None:
    """Serve simulated vehicles that speak MAVLink 2, until Ctrl-C."""
    lat, lon, altitude_m, yaw_deg = _numbers(home, 4, "--home", "LAT,LON,ALTITUDE,YAW")
    speed_mps, from_deg = _numbers(wind, 2, "--wind", "MPS,DEG")
    place = Home(lon=lon, lat=lat, altitude_msl_m=altitude_m, yaw_deg=yaw_deg)
    air = Wind(speed_mps=speed_mps, from_deg=from_deg, gust_mps=speed_mps / 5)
    make = KINDS[kind] if faults is None else partial(FAULTY[kind], faults=Faults.parse(faults, seed))
    fleet = Fleet(line_up(place, count, seed=seed, make=make, wind=air), listen, speed=speed)
    try:
        for vehicle, address in zip(fleet.vehicles, fleet.addresses, strict=True):
            where = f"{vehicle.home.lat:.6f}, {vehicle.home.lon:.6f}"
            say(f"Vehicle {vehicle.parameters['MAV_SYSID']:.0f} at {where} on {address}. Ctrl-C ends it.")
        fleet.run()
    except KeyboardInterrupt:
        say("Ended.")
    finally:
        fleet.stop()


def _numbers(text: str, count: int, name: str, form: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or any(abs(n) > 1e5 for n in numbers):
        raise VehicleError(f"{text!r} is not {form}", where=name)
    return numbers
