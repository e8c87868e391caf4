"""The options that say which design, and how much of it: shared by `overfly plan` and `overfly design`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import click

from flightplan.allocation import ALLOCATIONS, NEYMAN
from flightplan.design import KINDS
from flightplan.earlier import COLUMNS, read_earlier
from flightplan.legs import BOUNDS, HULL
from flightplan.request import DEFAULT_BUFFER_M

gsd_option = click.option(
    "--gsd", "gsd_cm", type=float, metavar="CM", help="Ground sampling distance in centimetres a pixel."
)
height_option = click.option(
    "--height", "altitude_agl_m", type=float, metavar="M", help="Height above ground, instead of --gsd."
)
buffer_option = click.option(
    "--buffer",
    "buffer_m",
    type=float,
    default=DEFAULT_BUFFER_M,
    show_default=True,
    metavar="M",
    help="Kept from exclusions.",
)

_OPTIONS = (
    click.option(
        "--spacing", "spacing_m", type=float, metavar="M", help="Distance between lines, or a zigzag's turns."
    ),
    click.option(
        "--fraction",
        "fraction_percent",
        type=float,
        metavar="PCT",
        help="Share of the area to see, instead of --spacing.",
    ),
    click.option("--lines", "min_lines", type=int, metavar="N", help="Lines a stratum at least, instead of --spacing."),
    click.option(
        "--total-lines", type=int, metavar="N", help="Lines in all, shared out by --allocate, instead of --spacing."
    ),
    click.option(
        "--length",
        "total_length_km",
        type=float,
        metavar="KM",
        help="Length of the lines in all, inside the area, shared out by --allocate, instead of --spacing.",
    ),
    click.option(
        "--allocate",
        "allocation",
        type=click.Choice(ALLOCATIONS),
        help="How --total-lines or --length are shared out over strata: area unless said.",
    ),
    click.option(
        "--earlier",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="For --allocate neyman: an earlier survey's strata, from `overfly estimate --json` (.json), or a .csv with"
        f" some of the columns {', '.join(COLUMNS)}.",
    ),
    click.option(
        "--stratum-spacing",
        multiple=True,
        metavar="NAME=M",
        help="A stratum's own spacing, whatever the others have. May be given again.",
    ),
    click.option("--heading", "heading_deg", type=float, metavar="DEG", help="Direction of the lines from true north."),
    click.option("--design", "kind", type=click.Choice(KINDS), help="Follows from the spacing when not said."),
    click.option("--random-heading", is_flag=True, help="Draw the heading by the seed, instead of --heading."),
    click.option("--segment", "segment_m", type=float, metavar="M", help="Segmented: length of a segment."),
    click.option(
        "--segment-spacing",
        "segment_spacing_m",
        type=float,
        metavar="M",
        help="Segmented: from the start of a segment to the next on its line; as far as the lines when not said.",
    ),
    click.option(
        "--bounds",
        type=click.Choice(BOUNDS),
        default=HULL,
        show_default=True,
        help="Zigzag: turn on each stratum's convex hull, or on its smallest rectangle along the axis.",
    ),
)

EFFORTS = "--spacing, --fraction, --lines, --total-lines or --length"


def design_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which design to a command; `design_asked` turns their values into a request's."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)


def design_asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a command's values with those of the design as `DesignRequest` takes them."""
    asked = dict(given)
    earlier, percent, length_km = (asked.pop(k) for k in ("earlier", "fraction_percent", "total_length_km"))
    if (earlier is not None) != (asked["allocation"] == NEYMAN):
        raise click.UsageError("--allocate neyman and --earlier FILE belong together.")
    if earlier is not None:
        asked["earlier"] = read_earlier(earlier)
    asked["sampling_fraction"] = None if percent is None else percent / 100
    asked["total_length_m"] = None if length_km is None else length_km * 1000
    asked["stratum_spacing_m"] = dict(_named_length(text) for text in asked.pop("stratum_spacing"))
    return asked


def efforts_said(given: Mapping[str, Any]) -> int:
    """Return in how many ways the effort was said; a stratum's own spacing alone counts as one."""
    names = ("spacing_m", "fraction_percent", "min_lines", "total_lines", "total_length_km")
    return sum(given[n] is not None for n in names) or int(bool(given["stratum_spacing"]))


def _named_length(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        if name.strip():
            return name.strip(), float(value)
        raise ValueError
    except ValueError:
        raise click.UsageError(f"--stratum-spacing {text!r} is not NAME=M, as in woodland=400.") from None
