"""Flights on their way into the census, refined from their own pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detect.captures import Capture
from detect.findings import PoseFinding, Repair
from detect.flights import Flight, flights_of
from detect.images import Pixels, decode
from detect.refine import POSE_FIELDS, REFINED, refine
from detect.sources import read
from flightplan.errors import Skip

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RefinedFlights:
    """What pictures said of the flights of one folder: findings, the repairs they make, and what was left out."""

    findings: tuple[PoseFinding, ...]
    repairs: tuple[Repair, ...]
    skips: tuple[Skip, ...]


def refine_flights(
    captures: Iterable[Capture],
    *,
    done: frozenset[str],
    ground_msl_m: float | None = None,
    progress: Progress | None = None,
) -> RefinedFlights:
    """Refine each flight of captures on the ground that the census places them on, the take-off point's level.

    Captures come without what refined them before; `done` are the content hashes of those that it did. A flight that
    is done as a whole is left alone, one with new pictures is refined again from what was read.
    """
    findings: list[PoseFinding] = []
    repairs: list[Repair] = []
    skips: list[Skip] = []
    for flight in flights_of(captures):
        # Those that lack something are named where they cannot be placed.
        usable = [capture for capture in flight.captures if _is_placeable(capture)]
        if all(capture.content_hash in done for capture in usable):
            continue
        found = refine(usable, ground_msl_m=ground_msl_m, read=_pixels, progress=progress)
        findings += [_of(flight, finding) for finding in found.findings]
        repairs += found.repairs
        skips += found.skipped
    return RefinedFlights(tuple(findings), tuple(repairs), tuple(skips))


def without_refinement(repairs: Sequence[Repair]) -> list[Repair]:
    """Return a capture's repairs but for those that pictures made: what a flight is checked and refined from."""
    return [repair for repair in repairs if repair.kind != REFINED]


def refined_before(repairs: Mapping[str, Sequence[Repair]]) -> frozenset[str]:
    """Return the content hashes of captures whose poses were refined before."""
    return frozenset(h for h, made in repairs.items() if any(repair.kind == REFINED for repair in made))


def not_refined_away(repairs: Iterable[Repair], done: frozenset[str]) -> list[Repair]:
    """Return the repairs that do not undo a refined pose: what it was refined from has had its say in it."""
    return [repair for repair in repairs if repair.capture not in done or repair.field not in POSE_FIELDS]


def _is_placeable(capture: Capture) -> bool:
    return capture.camera is not None and None not in (
        capture.longitude_deg,
        capture.latitude_deg,
        capture.yaw_deg,
        capture.pitch_deg,
        capture.roll_deg,
    )


def _of(flight: Flight, finding: PoseFinding) -> PoseFinding:
    """The finding, saying of which flight: two flights of one survey may be found to be the same."""
    return PoseFinding(
        finding.kind, finding.captures, f"{flight.name}: {finding.text}", finding.repair, finding.is_proved
    )


def _pixels(path: Path) -> Pixels:
    return decode(path, read(path))
