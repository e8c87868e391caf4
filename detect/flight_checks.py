"""What is wrong with a flight, as far as its metadata tell: yaw, heights, clock, frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detect.captures import Capture
from detect.clock_checks import CLOCK_OFFSET, CLOCK_RESET, CLOCK_STEP, check_clock
from detect.findings import YAW_FLIPPED, PoseFinding
from detect.flights import Flight, flights_of
from detect.height_checks import HEIGHT_DATUM, HEIGHT_JUMP, HEIGHT_OFFSET, HEIGHT_OUTLIER, HEIGHT_SIGN, check_heights
from detect.sequence_checks import check_sequence
from detect.yaw_checks import YAW_OFFSET, YAW_OUTLIER, YAW_REVERSED, check_yaw
from flightplan.terrain import Terrain

KINDS = (
    YAW_FLIPPED,
    YAW_OUTLIER,
    YAW_OFFSET,
    YAW_REVERSED,
    CLOCK_RESET,
    CLOCK_STEP,
    CLOCK_OFFSET,
    HEIGHT_OUTLIER,
    HEIGHT_JUMP,
    HEIGHT_OFFSET,
    HEIGHT_SIGN,
    HEIGHT_DATUM,
)
"""The kinds of finding that can come with a repair."""


def check_captures(
    captures: Iterable[Capture], *, terrain: Terrain | None = None, planned: Any = None
) -> list[PoseFinding]:
    """Put captures into flights and check each.

    `terrain` is for heights against the ground; `planned` is the planned lines as one geographic geometry, for what
    between them was not to be photographed.
    """
    return [f for flight in flights_of(captures) for f in check_flight(flight, terrain=terrain, planned=planned)]


def check_flight(flight: Flight, *, terrain: Terrain | None = None, planned: Any = None) -> list[PoseFinding]:
    """Check one flight: clock and frames, yaw, heights; in this order."""
    frames = check_sequence(flight, planned=planned)
    return [*check_clock(flight), *frames, *check_yaw(flight), *check_heights(flight, terrain)]
