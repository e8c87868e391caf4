"""The options of `overfly plan` that say how its camera is mounted and how its flights are flown in the field."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from typing import Any

import click

from flightplan.energy import Wind
from flightplan.fleet import Fleet
from flightplan.ground import DEFAULT_CLEARANCE_M
from flightplan.landing import Landing
from flightplan.mission import CAPACITIES
from flightplan.mounting import DEFAULT_BLUR_PX, Mounting
from flightplan.operations import Operations

_ALONE = Fleet()

_CAMERA = (
    click.option("--portrait", is_flag=True, help="The camera is mounted with its long side along the flight."),
    click.option(
        "--tilt", "tilt_deg", type=float, default=0.0, metavar="DEG", help="Of the camera, forward from straight down."
    ),
    click.option("--exposure", metavar="S", help="Exposure, as 1/1000: the speed is held below what blurs."),
    click.option(
        "--blur",
        "blur_px",
        type=float,
        default=DEFAULT_BLUR_PX,
        show_default=True,
        metavar="PX",
        help="Motion blur let pass, in pixels.",
    ),
)
_FIELD = (
    click.option(
        "--wind",
        metavar="M/S[,DEG]",
        help="The wind forecast, against what the drone bears; with where it comes from, time and energy of each leg"
        " are worked out in it.",
    ),
    click.option(
        "--payload", "payload_kg", type=float, default=0.0, metavar="KG", help="Carried besides the usual camera."
    ),
    click.option(
        "--drones", type=int, default=1, show_default=True, metavar="N", help="Fly so many at once (needs OR-Tools)."
    ),
    click.option(
        "--separation",
        "horizontal_m",
        type=float,
        default=_ALONE.horizontal_m,
        show_default=True,
        metavar="M",
        help="Between drones over the ground, wherever they are less than a --layer apart in height.",
    ),
    click.option(
        "--layer",
        "layer_m",
        type=float,
        default=_ALONE.layer_m,
        show_default=True,
        metavar="M",
        help="Between the drones' ways out and home in height; 0 keeps them apart by time only.",
    ),
    click.option(
        "--margin",
        "margin_s",
        type=float,
        default=_ALONE.margin_s,
        show_default=True,
        metavar="S",
        help="How much earlier or later than planned a drone may be.",
    ),
    click.option(
        "--transit-height",
        "transit_agl_m",
        type=float,
        metavar="M",
        help="Height above ground of the ways out and home. By default that of the lines.",
    ),
    click.option(
        "--clearance",
        "return_clearance_m",
        type=float,
        default=DEFAULT_CLEARANCE_M,
        show_default=True,
        metavar="M",
        help="Kept above the ground on a straight way home, with --terrain.",
    ),
    click.option(
        "--max-distance", "max_distance_m", type=float, metavar="M", help="No flight goes further from its launch site."
    ),
    click.option(
        "--line-of-sight", is_flag=True, help="Refuse a plan that the ground hides anywhere from its launch site."
    ),
    click.option(
        "--landing",
        type=(float, float, float),
        metavar="LON LAT HEADING",
        help="Where a fixed wing touches down, and on which heading. By default at its launch site, into the --wind.",
    ),
    click.option("--accept-gaps", is_flag=True, help="Let full coverage have gaps on ground that is too high."),
    click.option(
        "--autopilot",
        type=click.Choice(sorted(CAPACITIES)),
        default="ardupilot",
        show_default=True,
        help="Missions fit what it holds.",
    ),
)


def operation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which is given them as one `mounting` and one `operations`, and `wind_mps`."""

    @wraps(command)
    def with_operations(*arguments: Any, **asked: Any) -> Any:
        exposure, wind = asked.pop("exposure"), asked.pop("wind")
        camera = {name: asked.pop(name) for name in ("portrait", "tilt_deg", "blur_px")}
        fleet = {name: asked.pop(name) for name in ("drones", "horizontal_m", "layer_m", "margin_s")}
        others = (
            "payload_kg",
            "transit_agl_m",
            "return_clearance_m",
            "max_distance_m",
            "line_of_sight",
            "accept_gaps",
            "autopilot",
        )
        speed_mps, from_deg = (None, None) if wind is None else _wind(wind)
        landing = asked.pop("landing")
        operations = Operations(
            landing=None if landing is None else Landing(*landing),
            wind=None if from_deg is None else Wind(speed_mps or 0.0, from_deg),
            fleet=Fleet(**fleet),
            **{name: asked.pop(name) for name in others},
        )
        mounting = Mounting(exposure_s=None if exposure is None else _seconds(exposure), **camera)
        return command(*arguments, mounting=mounting, operations=operations, wind_mps=speed_mps, **asked)

    return reduce(lambda decorated, option: option(decorated), reversed((*_CAMERA, *_FIELD)), with_operations)


def _wind(text: str) -> tuple[float, float | None]:
    """Return a speed, and where the wind comes from when that was said."""
    speed, _, direction = text.partition(",")
    try:
        return float(speed), float(direction) if direction else None
    except ValueError:
        raise click.UsageError(f"--wind {text!r} is no wind: say 6, or 6,240 for 6 m/s from 240°.") from None


def _seconds(text: str) -> float:
    """Return seconds, written 0.001 or 1/1000."""
    above, _, below = text.partition("/")
    try:
        return float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise click.UsageError(f"--exposure {text!r} is no time: say 1/1000.") from None
