"""How a flight ended, and everything about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from flightplan.vehicle.checks import Preflight
from flightplan.vehicle.effort import Gap
from flightplan.vehicle.logs import FlightCapture, FlightEvent
from flightplan.vehicle.transfer import TransferEnd


class Outcome(StrEnum):
    """How a flight ended."""

    COMPLETED = "completed"
    CUT_SHORT = "cut short"
    NOT_FLOWN = "not flown"
    CHECKED = "checked, not flown"
    LOST = "link lost"


@dataclass(frozen=True)
class FlightResult:
    """One flight: its outcome and why, frames, stretches without frames, events, preflight table, log folder.

    `track` is where it reported to be from arming to landing, (longitude, latitude).
    """

    outcome: Outcome
    reason: str | None
    captures: tuple[FlightCapture, ...]
    gaps: tuple[Gap, ...]
    events: tuple[FlightEvent, ...]
    preflight: Preflight | None
    transfers: Mapping[str, TransferEnd]
    log: Path
    set_aside: Path | None
    track: tuple[tuple[float, float], ...] = ()
