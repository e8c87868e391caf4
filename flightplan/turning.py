"""Where an aircraft that needs room to turn may end a line: the air, a turn radius smaller.

A place and a direction is safe when the whole circle on one side of it is legal: from there the aircraft can wait, and
go wherever circles can be rolled. A line may be flown where it can be entered from such a place and left at another,
each a run-in away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import shapely

from flightplan.dubins import LEFT, RIGHT, Pose
from flightplan.frames import Floats

_ARC = 16
# Chords around a corner of the air lie nearer to it than the radius.
_OUTWARD = 1 / float(np.cos(np.pi / (4 * _ARC)))
_CLEARANCE_SHARE = 1 / 8
_SEARCH_RADII = 8.0
_SHORTEST_M = 5.0
_HAIR_M = 0.01


@dataclass(frozen=True)
class TurningRoom:
    """The room in which circles may be flown: `centres` is where those of `radius_m` may have their middle.

    `run_in_m` is how far before a line the aircraft must be level and on it, and how far after it.
    """

    flyable: Any
    radius_m: float
    run_in_m: float
    _leads: dict[bytes, float] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def centres(self) -> Any:
        """Where circles may have their middle."""
        clearance_m = self.radius_m * _CLEARANCE_SHARE
        smaller = shapely.buffer(self.flyable, -(self.radius_m * _OUTWARD + clearance_m), quad_segs=_ARC)
        # Of few corners: ways are searched in it.
        room = shapely.simplify(smaller, clearance_m * 0.9)
        shapely.prepare(room)
        return room

    @cached_property
    def reach_of_centres(self) -> Any:
        """The same and a hair more: ways may begin and end at its edge, rounding and all. Circles there are legal."""
        room = shapely.buffer(self.centres, self.radius_m * _CLEARANCE_SHARE * 0.05, join_style="mitre")
        shapely.prepare(room)
        return room

    @cached_property
    def circled(self) -> Any:
        """What a circle can be flown through."""
        return shapely.buffer(self.centres, self.radius_m, quad_segs=_ARC)

    def sides(self, pose: Pose) -> list[int]:
        """Return the sides on which the whole circle from a pose is legal."""
        return [
            s for s in (LEFT, RIGHT) if shapely.intersects_xy(self.reach_of_centres, *pose.centre(s, self.radius_m))
        ]

    def lead_m(self, end: Floats, direction: Floats) -> float | None:
        """Return how far beyond the end of a line to fly straight on: the run-in, or more until a turn is safe.

        None where no safe place lies ahead. `direction` is of length 1.
        """
        key = np.concatenate([end, direction]).tobytes()
        if key not in self._leads:
            far = end + (self.run_in_m + _SEARCH_RADII * self.radius_m) * direction
            spans = self._safe(np.stack([end, far])[None])[0]
            ahead = [max(low, self.run_in_m) for low, high, _ in spans if high >= self.run_in_m]
            self._leads[key] = min(ahead) if ahead else np.nan
        lead = self._leads[key]
        return None if np.isnan(lead) else lead

    def trim(self, segments: Floats) -> Floats:
        """Cut segments (K, 2, 2) to what can be entered and left safely; those with nothing left become NaN."""
        trimmed = np.full(segments.shape, np.nan)
        run = segments[:, 1] - segments[:, 0]
        length = np.hypot(*run.T)
        long = length >= _SHORTEST_M
        if not long.all():
            trimmed[long] = self.trim(segments[long])
            return trimmed
        along = run / length[:, None]
        reach = self.run_in_m + _SEARCH_RADII * self.radius_m
        wider = np.stack([segments[:, 0] - reach * along, segments[:, 1] + reach * along], axis=1)
        for i, spans in enumerate(self._safe(wider, inside=reach)):
            # Both ends in one part of the room: nothing leads from part to part but lines.
            best = (0.0, 0.0)
            for part in {s[2] for s in spans}:
                first = min(s[0] for s in spans if s[2] == part) - reach
                last = max(s[1] for s in spans if s[2] == part) - reach
                start = max(0.0, first + self.run_in_m + _HAIR_M)
                end = min(length[i], last - self.run_in_m - _HAIR_M)
                best = max(best, (start, end), key=lambda s: (s[1] - s[0], -s[0]))
            if best[1] - best[0] >= _SHORTEST_M:
                trimmed[i] = segments[i, 0] + np.array(best)[:, None] * along[i]
        return trimmed

    def along(self, heading_deg: float, step_m: float) -> Any:
        """Return where lines of a heading may be flown, looked at every `step_m` across them."""
        angle = np.radians(heading_deg)
        along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
        points = shapely.get_coordinates(self.flyable)
        x, y = points @ across, points @ along
        at = np.arange(x.min() + step_m / 2, x.max(), step_m)
        ends = np.stack([at[:, None] * across + y.min() * along, at[:, None] * across + y.max() * along], axis=1)
        parts = shapely.get_parts(shapely.intersection(shapely.linestrings(ends), self.flyable))
        parts = parts[(shapely.get_type_id(parts) == 1) & (shapely.length(parts) > _SHORTEST_M)]
        whole = shapely.get_coordinates(parts).reshape(-1, 2, 2)
        kept = self.trim(whole)
        kept = kept[np.isfinite(kept[:, 0, 0])]
        return shapely.union_all(shapely.buffer(shapely.linestrings(kept), step_m / 2, cap_style="flat"))

    def _safe(self, lines: Floats, inside: float = 0.0) -> list[list[tuple[float, float, int]]]:
        """Return for each line the stretches of it from which a turn is safe.

        They are distances from its start, and the part of the room that the turn is in. Only those on the piece of
        legal air that holds the place `inside` metres along the line.
        """
        if not len(lines):
            return []
        run = lines[:, 1] - lines[:, 0]
        length = np.hypot(*run.T)
        along = run / length[:, None]
        left = np.column_stack([-along[:, 1], along[:, 0]]) * self.radius_m
        clear = _spans(lines, self.flyable, lines[:, 0], along)
        parts = shapely.get_parts(self.centres)
        sides = [
            (number, _spans(lines + s * left[:, None], part, lines[:, 0] + s * left, along))
            for s in (LEFT, RIGHT)
            for number, part in enumerate(parts)
        ]
        found = []
        for i in range(len(lines)):
            own = [(low, high) for low, high in clear[i] if low - 0.01 <= inside + 0.05 and inside - 0.05 <= high]
            low, high = own[0] if own else (0.0, -1.0)
            spans = [(max(a, low), min(b, high), part) for part, side in sides for a, b in side[i]]
            found.append([s for s in spans if s[0] <= s[1]])
        return found


def _spans(lines: Floats, region: Any, origins: Floats, along: Floats) -> list[list[tuple[float, float]]]:
    """Return the stretches of lines within a region, as distances from their origins."""
    parts, owner = shapely.get_parts(shapely.intersection(shapely.linestrings(lines), region), return_index=True)
    straight = (shapely.get_type_id(parts) == 1) & ~shapely.is_empty(parts)
    parts, owner = parts[straight], owner[straight]
    found: list[list[tuple[float, float]]] = [[] for _ in lines]
    if not len(parts):
        return found
    points, part = shapely.get_coordinates(parts, return_index=True)
    t = ((points - origins[owner[part]]) * along[owner[part]]).sum(axis=1)
    first = np.flatnonzero(np.diff(part, prepend=-1))
    lows, highs = np.minimum.reduceat(t, first), np.maximum.reduceat(t, first)
    for i, low, high in zip(owner.tolist(), lows.tolist(), highs.tolist(), strict=True):
        found[i].append((low, high))
    return found
