"""How far apart the lines of a design lie for the effort that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flightplan.allocation import (
    ALLOCATIONS,
    BY_AREA,
    FEWEST_LINES,
    Room,
    allocate_length,
    allocate_lines,
    length_weights,
    line_weights,
    spacing_for_lines,
)
from flightplan.areas import StudyArea
from flightplan.coverage import baseline
from flightplan.errors import DesignError
from flightplan.legs import zigzag_spacing_m
from flightplan.request import COMPLEMENTARY, FULL, ZIGZAG, DesignRequest


def stratum_spacings(
    area: StudyArea, asked: DesignRequest, kind: str, heading_deg: float, strip_width_m: float
) -> tuple[float, dict[str, float]]:
    """Return the spacing of a design, and those of the strata that have one of their own.

    Where effort is shared out over strata each has its own, and the first is their mean: that of one design over the
    whole with as many metres of line. Raises DesignError for effort that cannot be had.
    """
    own = dict(asked.stratum_spacing_m)
    rooms = _rooms(area, heading_deg)
    if asked.total_length_m is not None or asked.total_lines is not None:
        if kind == FULL:
            raise DesignError("full coverage has no effort to share out", hint="Ask for a systematic design")
        own = {**_shared_out(area, asked, kind, heading_deg, strip_width_m, rooms), **own}
    elif asked.allocation is not None:
        raise DesignError("sharing effort out needs a total", hint="Say a number of lines or a length for all strata")
    if own and set(own) == set(rooms):
        return _mean(rooms, own), own
    return _one_spacing(area, asked, kind, heading_deg, strip_width_m), own


def said_efforts(asked: DesignRequest) -> int:
    """Return in how many ways the effort was said: one is right, none will do where each stratum has a spacing."""
    said = (asked.spacing_m, asked.sampling_fraction, asked.min_lines, asked.total_length_m, asked.total_lines)
    return sum(value is not None for value in said)


def spacing_for_share(
    asked: DesignRequest, kind: str, polygons: Any, heading_deg: float, strip_width_m: float, share: float
) -> float:
    """Return the spacing at which strips are expected to hold a share of polygons, overlaps twice."""
    if not 0 < share <= 1 + 1e-9:
        raise DesignError(f"a sampling fraction of {share:g} is not between 0 and 1")
    spacing_m = strip_width_m / share
    if kind in (ZIGZAG, COMPLEMENTARY):
        of_one = share if kind == ZIGZAG else share / 2
        return zigzag_spacing_m(polygons, heading_deg, strip_width_m, asked.bounds, sampling_fraction=of_one)
    if asked.segment_m is not None:
        # Without a distance of its own along the line, a segment stands in a square of lines and segments.
        if asked.segment_spacing_m is None:
            return float(np.sqrt(spacing_m * asked.segment_m))
        return spacing_m * asked.segment_m / asked.segment_spacing_m
    return spacing_m


def _one_spacing(area: StudyArea, asked: DesignRequest, kind: str, heading_deg: float, strip_width_m: float) -> float:
    if asked.spacing_m is not None:
        return asked.spacing_m
    if asked.sampling_fraction is not None:
        return spacing_for_share(asked, kind, area.local_strata, heading_deg, strip_width_m, asked.sampling_fraction)
    if asked.min_lines is None or asked.min_lines < 1:
        raise DesignError("a stratum needs one line or more")
    # A hair under the even division, so that no random start drops below the number asked for.
    return min(baseline(p, heading_deg)[2] for p in area.local_strata) / asked.min_lines * (1 - 1e-9)


def _shared_out(
    area: StudyArea,
    asked: DesignRequest,
    kind: str,
    heading_deg: float,
    strip_width_m: float,
    rooms: Mapping[str, Room],
) -> dict[str, float]:
    by = asked.allocation or BY_AREA
    if by not in ALLOCATIONS:
        raise DesignError(f"effort is not shared out by {by!r}", hint=f"Known are: {', '.join(ALLOCATIONS)}")
    baselines = {n: room.baseline_m for n, room in rooms.items()}
    if asked.total_lines is not None:
        most = {n: int(room.baseline_m / strip_width_m) for n, room in rooms.items()}
        lines = allocate_lines(asked.total_lines, line_weights(by, rooms, asked.earlier), most)
        return spacing_for_lines(baselines, lines)
    assert asked.total_length_m is not None
    lengths = allocate_length(
        asked.total_length_m,
        length_weights(by, rooms, asked.earlier),
        {n: FEWEST_LINES * room.line_m for n, room in rooms.items()},
        {n: room.area_m2 / strip_width_m for n, room in rooms.items()},
    )
    polygons = {s.name: p for s, p in zip(area.strata, area.local_strata, strict=True)}
    return {
        n: spacing_for_share(
            asked, kind, (polygons[n],), heading_deg, strip_width_m, m * strip_width_m / rooms[n].area_m2
        )
        for n, m in lengths.items()
    }


def _rooms(area: StudyArea, heading_deg: float) -> dict[str, Room]:
    return {
        s.name: Room(float(p.area), baseline(p, heading_deg)[2])
        for s, p in zip(area.strata, area.local_strata, strict=True)
    }


def _mean(rooms: Mapping[str, Room], own: Mapping[str, float]) -> float:
    return sum(r.area_m2 for r in rooms.values()) / sum(r.area_m2 / own[n] for n, r in rooms.items())
