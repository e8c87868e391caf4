"""`overfly sim vehicle`: the simulated autopilot alone, for any ground station."""

from __future__ import annotations

import click

from flightplan.console import OverflyCommand, say
from flightplan.errors import VehicleError
from sim.vehicle import Home, SimulatedVehicle, VehicleServer, Wind


@click.command("vehicle", cls=OverflyCommand)
@click.option(
    "--listen", default="tcp:127.0.0.1:5760", show_default=True, help="tcp:HOST:PORT, or udp:HOST:PORT to send to."
)
@click.option("--home", default="-2.3333,34.8333,1500,0", show_default=True, help="LAT,LON,ALTITUDE_MSL_M,YAW_DEG.")
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.01, 1000), help="Times wall time.")
@click.option("--wind", default="0,180", show_default=True, help="MPS,FROM_DEG; a fifth of it in gusts.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of wind and position errors.")
def vehicle_command(listen: str, home: str, speed: float, wind: str, seed: int) -> None:
    r"""Serve a simulated multirotor that speaks MAVLink 2, until Ctrl-C.

    \b
    Example:
      overfly sim vehicle --listen tcp:127.0.0.1:5760 --home -2.3333,34.8333,1500,0 --wind 6,90
    """
    lat, lon, altitude_m, yaw_deg = _numbers(home, 4, "--home", "LAT,LON,ALTITUDE,YAW")
    speed_mps, from_deg = _numbers(wind, 2, "--wind", "MPS,DEG")
    vehicle = SimulatedVehicle(
        Home(lon=lon, lat=lat, altitude_msl_m=altitude_m, yaw_deg=yaw_deg),
        seed,
        wind=Wind(speed_mps=speed_mps, from_deg=from_deg, gust_mps=speed_mps / 5),
    )
    server = VehicleServer(vehicle, listen, speed=speed)
    try:
        say(f"Vehicle at {lat:.6f}, {lon:.6f} on {server.address}. Ctrl-C ends it.")
        server.run()
    except KeyboardInterrupt:
        say("Ended.")
    finally:
        server.stop()


def _numbers(text: str, count: int, name: str, form: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or any(abs(n) > 1e5 for n in numbers):
        raise VehicleError(f"{text!r} is not {form}", where=name)
    return numbers
