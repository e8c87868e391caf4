"""The options of `overfly plan` that say how lines are flown."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from typing import Any

import click

from flightplan.ordering import ENTRIES
from flightplan.patterns import DEFAULT_BANK_DEG, TURNS, Pattern

_OPTIONS = (
    click.option("--entry", type=click.Choice(ENTRIES), help="The corner of the lines to begin at."),
    click.option("--alternate", is_flag=True, help="Fly every other line first, and then the rest."),
    click.option(
        "--turnaround",
        "turnaround_m",
        type=float,
        metavar="M",
        help="Fly straight on before and after each line. By default a fixed wing 90 m, or its turn radius if larger.",
    ),
    click.option(
        "--turns", type=click.Choice(TURNS), help="A fixed wing's turns: arcs unless said. They count no effort."
    ),
    click.option(
        "--bank",
        "bank_deg",
        type=float,
        default=DEFAULT_BANK_DEG,
        show_default=True,
        metavar="DEG",
        help="Of a fixed wing's turns; with speed and --wind it makes their radius.",
    ),
    click.option(
        "--hover", "hover_s", type=float, metavar="S", help="Stop for each picture, so many seconds before it is taken."
    ),
    click.option(
        "--corridor",
        "corridor_m",
        type=float,
        metavar="WIDTH",
        help="AREA holds lines (a river, a fence, a coast): cover the ground along them, so many metres wide.",
    ),
    click.option("--refly", is_flag=True, help="Full coverage: fly it again, at 90°."),
)
_NAMES = ("entry", "alternate", "turnaround_m", "turns", "bank_deg", "hover_s", "refly")


def pattern_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which is given them as one `pattern`."""

    @wraps(command)
    def with_pattern(*arguments: Any, **asked: Any) -> Any:
        said = {name: asked.pop(name) for name in _NAMES}
        return command(*arguments, pattern=Pattern(**said), **asked)

    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), with_pattern)
