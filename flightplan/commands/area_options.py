"""The options that say what lies on and over the ground: areas, exclusions, launch sites, obstacles, airspace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import click

from flightplan.area_heights import StatedHeight
from flightplan.areas import (
    LaunchSite,
    StudyArea,
    avoiding,
    check_area,
    launching,
    read_area_parts,
    with_airspace,
    with_obstacles,
)
from flightplan.corridor import read_corridor
from flightplan.keep_clear import DEFAULT_OBSTACLE_BUFFER_M, DEFAULT_VERTICAL_M, Clearance

_FILE = click.Path(path_type=Path)

_OPTIONS = (
    click.option("--crs", metavar="EPSG:N", help="What the coordinates are in files that do not say."),
    click.option("--strata-field", metavar="NAME", help="The attribute that names the strata."),
    click.option(
        "--avoid",
        type=_FILE,
        multiple=True,
        metavar="FILE",
        help="Polygons never flown over, besides the area's own. May be given again.",
    ),
    click.option(
        "--launch",
        type=(float, float),
        multiple=True,
        metavar="LON LAT",
        help="A launch site, besides the area's own. May be given again.",
    ),
    click.option(
        "--launch-file", type=_FILE, multiple=True, metavar="FILE", help="Points to launch from. May be given again."
    ),
    click.option(
        "--obstacles",
        type=_FILE,
        multiple=True,
        metavar="FILE",
        help="Masts, power lines and the like: points, lines or polygons with their height. May be given again.",
    ),
    click.option(
        "--obstacle-height",
        metavar="FIELD:UNIT:DATUM",
        help="Where their height is and what it means, when the file does not say: height:m:agl, top:ft:amsl.",
    ),
    click.option(
        "--obstacle-buffer",
        "obstacle_buffer_m",
        type=float,
        default=DEFAULT_OBSTACLE_BUFFER_M,
        show_default=True,
        metavar="M",
        help="Kept sideways from obstacles that reach near the flight or above it.",
    ),
    click.option(
        "--vertical-clearance",
        "vertical_m",
        type=float,
        default=DEFAULT_VERTICAL_M,
        show_default=True,
        metavar="M",
        help="What an obstacle must be lower than the flight to be flown over.",
    ),
    click.option(
        "--airspace",
        type=_FILE,
        multiple=True,
        metavar="FILE",
        help="Airspace: polygons with a lower and an upper limit, and a class. May be given again.",
    ),
    click.option(
        "--airspace-limits",
        type=(str, str),
        metavar="LOWER UPPER",
        help="Where its limits are, when the file does not say: lower:ft:amsl upper:ft:amsl.",
    ),
    click.option(
        "--permit",
        "permissions",
        multiple=True,
        metavar="NAME",
        help="Airspace, by name or class, that you have permission to fly in. May be given again.",
    ),
)


def area_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; `areas_asked` and `clearances_asked` take them out of what it is given."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)


def areas_asked(path: Path, asked: dict[str, Any]) -> tuple[StudyArea, ...]:
    """Read the area, in parts where it is too large for one local frame, with all that other files add to it."""
    crs, strata_field = asked.pop("crs"), asked.pop("strata_field")
    avoid, launch_files, obstacles, airspace = (asked.pop(k) for k in ("avoid", "launch_file", "obstacles", "airspace"))
    said_height, said_limits = asked.pop("obstacle_height"), asked.pop("airspace_limits")
    height = None if said_height is None else StatedHeight.parse(said_height)
    limits = None if said_limits is None else (StatedHeight.parse(said_limits[0]), StatedHeight.parse(said_limits[1]))
    sites = tuple(LaunchSite(f"launch {i}", *site) for i, site in enumerate(asked.pop("launch"), start=1))
    corridor_m = asked.pop("corridor_m", None)
    if corridor_m is None:
        areas = read_area_parts(path, crs=crs, strata_field=strata_field)
    else:
        along, asked["corridor"] = read_corridor(path, corridor_m, crs=crs)
        areas = (along,)
    if len(areas) > 1 and (sites or launch_files):
        raise click.UsageError(
            "The area is divided into parts far apart: put launch sites into its own file, where each finds its part."
        )
    found = []
    for area in areas:
        for file in avoid:
            area = avoiding(area, file, crs=crs)
        for file in launch_files:
            area = launching(area, file, crs=crs)
        if sites:
            area = replace(area, launch_sites=area.launch_sites + sites)
            check_area(area, where="--launch")
        for file in obstacles:
            area = with_obstacles(area, file, height=height, crs=crs)
        for file in airspace:
            area = with_airspace(area, file, limits=limits, crs=crs)
        found.append(area)
    return tuple(found)


def clearances_asked(asked: dict[str, Any], areas: Sequence[StudyArea]) -> tuple[Clearance, ...]:
    """Return what is kept from obstacles, and the permissions for airspace, for each of an area's parts.

    A permission goes to the parts that have such airspace; one that none has goes to all, to be refused by its name.
    """
    clearance = Clearance(asked.pop("obstacle_buffer_m"), asked.pop("vertical_m"), asked.pop("permissions"))
    known = [{z.name.lower() for z in a.airspace} | {z.kind.lower() for z in a.airspace} for a in areas]
    everywhere = set().union(*known)

    def of(own: set[str]) -> tuple[str, ...]:
        named = [(p, p.strip().lower()) for p in clearance.permissions]
        return tuple(p for p, name in named if name in own or name not in everywhere)

    return tuple(replace(clearance, permissions=of(own)) for own in known)
