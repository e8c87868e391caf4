"""Lines and circles for a fixed wing: the sideways acceleration that brings it onto them.

Park, Deyst and How (2004), "A new nonlinear guidance logic for trajectory tracking", as ArduPlane uses it (ArduPilot,
libraries/AP_L1_Control): a reference length grows with speed, period and damping, and a circle once joined is held by a
proportional and differential law on its radius.
"""

from __future__ import annotations

import math

Level = tuple[float, float]


def reference_length(speed_mps: float, period_s: float, damping: float) -> float:
    """Return L1 (m): damping x period x speed over pi."""
    return max(damping * period_s * speed_mps / math.pi, 1.0)


def along_line(place: Level, velocity: Level, start: Level, end: Level, period_s: float, damping: float) -> float:
    """Return the acceleration to the right (m/s²) that brings a vehicle onto the line from `start` to `end`."""
    speed = max(math.hypot(*velocity), 0.1)
    length = reference_length(speed, period_s, damping)
    line = math.hypot(end[0] - start[0], end[1] - start[1])
    if line < 1e-3:
        return _towards(place, velocity, end, length, damping)
    ahead = ((end[0] - start[0]) / line, (end[1] - start[1]) / line)
    from_start = (place[0] - start[0], place[1] - start[1])
    along = from_start[0] * ahead[0] + from_start[1] * ahead[1]
    away = math.hypot(*from_start)
    if away > length and along / max(away, 1.0) < -math.sqrt(0.5):
        return _towards(place, velocity, start, length, damping)
    if along > line + 3.0 * speed:
        return _towards(place, velocity, end, length, damping)
    right = ahead[0] * from_start[1] - ahead[1] * from_start[0]
    drift = math.atan2(_cross(ahead, velocity), velocity[0] * ahead[0] + velocity[1] * ahead[1])
    closing = math.asin(min(max(right / length, -math.sqrt(0.5)), math.sqrt(0.5)))
    return _demand(-(closing + drift), speed, length, damping)


def around(
    place: Level, velocity: Level, centre: Level, radius_m: float, clockwise: bool, period_s: float, damping: float
) -> tuple[float, bool]:
    """Return the acceleration to the right (m/s²) onto a circle and round it, and whether it is on it."""
    speed = max(math.hypot(*velocity), 0.1)
    length = reference_length(speed, period_s, damping)
    out_n, out_e = place[0] - centre[0], place[1] - centre[1]
    away = math.hypot(out_n, out_e)
    out = (out_n / away, out_e / away) if away > 0.1 else (velocity[0] / speed, velocity[1] / speed)
    sideways = _cross(out, velocity)
    inward = -(velocity[0] * out[0] + velocity[1] * out[1])
    capture = _demand(math.atan2(sideways, inward), speed, length, damping)
    omega = 2 * math.pi / period_s
    turn = 1.0 if clockwise else -1.0
    outside = away - radius_m
    tangent = sideways * turn
    correction = outside * omega * omega - inward * 2 * damping * omega
    if inward < 0 and tangent < 0:
        correction = max(correction, 0.0)
    circle = turn * (correction + tangent * tangent / max(0.5 * radius_m, radius_m + outside))
    if outside > 0 and turn * capture < turn * circle:
        return capture, False
    return circle, outside < 0.25 * radius_m


def _towards(place: Level, velocity: Level, point: Level, length: float, damping: float) -> float:
    speed = max(math.hypot(*velocity), 0.1)
    way = (point[0] - place[0], point[1] - place[1])
    angle = math.atan2(_cross(velocity, way), velocity[0] * way[0] + velocity[1] * way[1])
    return _demand(angle, speed, length, damping)


def _demand(angle: float, speed: float, length: float, damping: float) -> float:
    angle = min(max(angle, -math.pi / 2), math.pi / 2)
    return 4 * damping * damping * speed * speed / length * math.sin(angle)


def _cross(a: Level, b: Level) -> float:
    """Positive when `b` points to the right of `a` (north, east)."""
    return a[0] * b[1] - a[1] * b[0]
