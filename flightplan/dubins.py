"""Shortest paths of an aircraft that cannot turn tighter than a radius: arcs and straight lines.

Headings are mathematical here: radians, counter-clockwise from the first axis (east). Lengths in one local frame's
metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import acos, asin, atan2, cos, hypot, pi, sin, sqrt

import numpy as np

from flightplan.errors import PlanError
from flightplan.frames import Floats

LEFT, RIGHT = 1, -1
"""Which way a circle is flown: counter-clockwise, clockwise."""

_TWO_PI = 2 * pi
# A whole circle that rounding makes of no turn at all would be flown.
_HAIR = 1e-9
# Circles that touch, and circles that are one, to within rounding.
_TOUCHING = 1e-12


@dataclass(frozen=True)
class Pose:
    """A place and a direction of flight."""

    x: float
    y: float
    heading: float

    def ahead(self, distance: float) -> Pose:
        """Return the pose a distance further straight on."""
        return Pose(self.x + distance * cos(self.heading), self.y + distance * sin(self.heading), self.heading)

    def centre(self, side: int, radius: float) -> tuple[float, float]:
        """Return the centre of the circle that is flown from here to one side."""
        return self.x - side * radius * sin(self.heading), self.y + side * radius * cos(self.heading)

    @property
    def point(self) -> Floats:
        """The place, (2,)."""
        return np.array([self.x, self.y])


@dataclass(frozen=True)
class Path:
    """Pieces flown one after the other from a pose: (side, length), side 0 for a straight one."""

    start: Pose
    radius: float
    pieces: tuple[tuple[int, float], ...]

    @property
    def length(self) -> float:
        """The length of the path."""
        return sum(length for _, length in self.pieces)

    @property
    def word(self) -> str:
        """Its pieces as letters: LSL, RSR, LSR, RSL, RLR or LRL for a path of Dubins."""
        return "".join({LEFT: "L", RIGHT: "R", 0: "S"}[side] for side, _ in self.pieces)

    @property
    def end(self) -> Pose:
        """The pose at its end."""
        here = self.start
        for side, length in self.pieces:
            here = _moved(here, side, length, self.radius)
        return here

    def points(self, step_deg: float) -> Floats:
        """Return points on the path, (N, 2), arcs at steps of no more than an angle; both ends are among them."""
        found = [self.start.point[None]]
        here = self.start
        for side, length in self.pieces:
            if length <= _HAIR:
                continue
            number = max(1, int(np.ceil(np.degrees(length / self.radius) / step_deg))) if side else 1
            if side:
                cx, cy = here.centre(side, self.radius)
                angles = here.heading + side * np.linspace(0.0, length / self.radius, number + 1)[1:]
                found.append(
                    np.column_stack(
                        [cx + side * self.radius * np.sin(angles), cy - side * self.radius * np.cos(angles)]
                    )
                )
            here = _moved(here, side, length, self.radius)
            if not side:
                found.append(here.point[None])
        return np.concatenate(found)


def dubins_paths(start: Pose, end: Pose, radius: float) -> list[Path]:
    """Return the paths of at most three pieces between two poses, shortest first (Dubins 1957; at most six).

    The formulas are Shkel & Lumelsky's (2001, Robotics and Autonomous Systems 34:179-202). The first is the shortest of
    all paths that turn no tighter than the radius. Raises PlanError for a radius that is none.
    """
    if not radius > 0:
        raise PlanError(f"a turn radius of {radius:g} m is none")
    dx, dy = end.x - start.x, end.y - start.y
    d = hypot(dx, dy) / radius
    towards = atan2(dy, dx) if d > 0 else 0.0
    a, b = start.heading - towards, end.heading - towards
    found = [
        Path(start, radius, tuple((side, length * radius) for side, length in zip(sides, lengths, strict=True)))
        for sides, lengths in _words(d, a, b)
    ]
    return sorted(found, key=lambda p: p.length)


def path_along_circles(start: Pose, end: Pose, centres: Floats, sides: tuple[int, int], radius: float) -> Path | None:
    """Return a short path from circle to circle: from the first, which holds `start`, to the last, which holds `end`.

    `sides` are those of the first and the last; the others are flown whichever way is shorter. The path lies within a
    radius of the way from centre to centre. None where two neighbouring circles of different sides overlap, whatever
    the others.
    """
    number = len(centres)
    # Best way to be on circle i with side s having come from a circle with side r: length so far, heading, pieces.
    best: dict[int, tuple[float, float, tuple[tuple[int, float], ...]]] = {sides[0]: (0.0, start.heading, ())}
    for i in range(1, number):
        step = centres[i] - centres[i - 1]
        further: dict[int, tuple[float, float, tuple[tuple[int, float], ...]]] = {}
        for side in (LEFT, RIGHT) if i < number - 1 else (sides[1],):
            ways = []
            for last, (length, heading, pieces) in best.items():
                tangent = _tangent(step, last, side, radius)
                if tangent is None:
                    continue
                towards, straight = tangent
                arc = _turn(last * (towards - heading)) * radius
                ways.append((length + arc + straight, towards, (*pieces, (last, arc), (0, straight))))
            if ways:
                further[side] = min(ways, key=lambda w: w[0])
        best = further
    if sides[1] not in best or (number == 1 and sides[0] != sides[1]):
        return None
    _, heading, pieces = best[sides[1]]
    return Path(start, radius, (*pieces, (sides[1], _turn(sides[1] * (end.heading - heading)) * radius)))


def _words(d: float, a: float, b: float) -> list[tuple[tuple[int, int, int], tuple[float, float, float]]]:
    sa, sb, ca, cb, cab = sin(a), sin(b), cos(a), cos(b), cos(a - b)
    found: list[tuple[tuple[int, int, int], tuple[float, float, float]]] = []
    square = 2 + d * d - 2 * cab + 2 * d * (sa - sb)
    if square > -_TOUCHING:
        # On one and the same circle there is no straight piece to take a direction from.
        theta = atan2(cb - ca, d + sa - sb) if square > _TOUCHING else b
        found.append(((LEFT, 0, LEFT), (_turn(theta - a), sqrt(max(square, 0.0)), _turn(b - theta))))
    square = 2 + d * d - 2 * cab + 2 * d * (sb - sa)
    if square > -_TOUCHING:
        theta = atan2(ca - cb, d - sa + sb) if square > _TOUCHING else b
        found.append(((RIGHT, 0, RIGHT), (_turn(a - theta), sqrt(max(square, 0.0)), _turn(theta - b))))
    square = -2 + d * d + 2 * cab + 2 * d * (sa + sb)
    if square > -_TOUCHING:
        p = sqrt(max(square, 0.0))
        theta = atan2(-ca - cb, d + sa + sb) - atan2(-2.0, p)
        found.append(((LEFT, 0, RIGHT), (_turn(theta - a), p, _turn(theta - b))))
    square = -2 + d * d + 2 * cab - 2 * d * (sa + sb)
    if square > -_TOUCHING:
        p = sqrt(max(square, 0.0))
        theta = atan2(ca + cb, d - sa - sb) - atan2(2.0, p)
        found.append(((RIGHT, 0, LEFT), (_turn(a - theta), p, _turn(b - theta))))
    cosine = (6 - d * d + 2 * cab + 2 * d * (sa - sb)) / 8
    if abs(cosine) <= 1:
        p = _TWO_PI - acos(cosine)
        t = _turn(a - atan2(ca - cb, d - sa + sb) + p / 2)
        found.append(((RIGHT, LEFT, RIGHT), (t, p, _turn(a - b - t + p))))
    cosine = (6 - d * d + 2 * cab + 2 * d * (sb - sa)) / 8
    if abs(cosine) <= 1:
        p = _TWO_PI - acos(cosine)
        t = _turn(-a - atan2(ca - cb, d + sa - sb) + p / 2)
        found.append(((LEFT, RIGHT, LEFT), (t, p, _turn(b - a - t + p))))
    return found


def _tangent(step: Floats, last: int, side: int, radius: float) -> tuple[float, float] | None:
    """Return heading and length of the straight piece from a circle to one a step away; None where they overlap."""
    distance, towards = hypot(*step), atan2(step[1], step[0])
    if last == side:
        return towards, distance
    if distance < 2 * radius:
        return None
    return towards + last * asin(2 * radius / distance), sqrt(distance**2 - 4 * radius**2)


def _turn(angle: float) -> float:
    turned = angle % _TWO_PI
    return 0.0 if turned > _TWO_PI - _HAIR else turned


def _moved(pose: Pose, side: int, length: float, radius: float) -> Pose:
    if not side:
        return pose.ahead(length)
    cx, cy = pose.centre(side, radius)
    heading = pose.heading + side * length / radius
    return Pose(cx + side * radius * sin(heading), cy - side * radius * cos(heading), heading)
