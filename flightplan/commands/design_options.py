"""The options that say which design: shared by `overfly plan` and `overfly design`."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import click

from flightplan.design import KINDS
from flightplan.legs import BOUNDS, HULL

_OPTIONS = (
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


def design_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which design to a command."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)
