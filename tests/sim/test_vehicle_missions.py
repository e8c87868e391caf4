"""Missions that no recording holds: the simulated vehicle flies whatever it is given, as flight itself says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sim.vehicle import Airframe, Home, SimulatedVehicle, Wind

READY_S, START_S = 43.0, 1_790_000_000.0
METRES_PER_DEGREE = 111_318.845
STEP_S = 0.1  # the station looks at the vehicle so often


@dataclass(frozen=True)
class Drawn:
    """A survey of parallel lines: how many, how long, how far apart, how high, how fast, which way, in which wind."""

    lines: int
    length_m: float
    spacing_m: float
    height_m: float
    speed_mps: float
    heading_deg: float
    trigger_m: float
    wind: Wind
    home: Home

    @classmethod
    def at_random(cls, seed: int) -> Drawn:
        rng = np.random.default_rng([seed, 8])
        speed = float(rng.uniform(4, 11))
        breeze = float(rng.uniform(0, 5))
        return cls(
            lines=int(rng.integers(1, 6)),
            length_m=float(rng.uniform(120, 700)),
            spacing_m=float(rng.uniform(25, 150)),
            height_m=float(rng.uniform(25, 118)),
            speed_mps=speed,
            heading_deg=float(rng.uniform(0, 360)),
            trigger_m=float(rng.uniform(12, 60)),
            wind=Wind(breeze, float(rng.uniform(0, 360)), breeze / 8),
            home=Home(float(rng.uniform(-170, 170)), float(rng.uniform(-60, 60)), float(rng.uniform(0, 3000))),
        )

    def place(self, along_m: float, across_m: float) -> tuple[float, float]:
        """Metres north and east of home of a place along and across the lines."""
        turn = math.radians(self.heading_deg)
        return (
            along_m * math.cos(turn) - across_m * math.sin(turn),
            along_m * math.sin(turn) + across_m * math.cos(turn),
        )

    @property
    def ends(self) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        """First and last place of each line, to and fro."""
        found = []
        for number in range(self.lines):
            pair = [
                self.place(40.0, number * self.spacing_m),
                self.place(40.0 + self.length_m, number * self.spacing_m),
            ]
            found.append((pair[0], pair[1]) if number % 2 == 0 else (pair[1], pair[0]))
        return found

    @property
    def items(self) -> list[dict[str, float]]:
        speed = {"command": 178, "frame": 2, "param1": 1, "param2": self.speed_mps}
        rows: list[dict[str, float]] = [{"command": 16}, {"command": 22, "z": self.height_m}, speed]
        for first, last in self.ends:
            rows += [self._at(first), {"command": 206, "frame": 2, "param1": self.trigger_m, "param3": 1}]
            rows += [self._at(last), {"command": 206, "frame": 2}]
        return [*rows, {"command": 20, "frame": 2}]

    def _at(self, place: tuple[float, float]) -> dict[str, float]:
        there = self.home.moved(*place)
        return {"command": 16, "x": round(there.lat * 1e7), "y": round(there.lon * 1e7), "z": self.height_m}


def flown(station_class: type[Any], drawn: Drawn, seed: int) -> Any:
    vehicle = SimulatedVehicle(
        drawn.home,
        seed,
        wind=drawn.wind,
        airframe=Airframe.survey(),
        start_time_utc_s=START_S,
        parameters={"AUTO_OPTIONS": 3},
    )
    one = station_class(vehicle)
    one.until(READY_S)
    assert one.upload(drawn.items) == 0
    assert [one.command(176, 1, 3), one.command(400, 1), one.command(300)] == [0, 0, 0]
    one.run(3000.0, lambda: not vehicle.armed)
    assert not vehicle.armed
    return one


def leg_s(length_m: float, speed_mps: float) -> float:
    """Seconds of a leg from rest to rest, ArduCopter's defaults: 2.5 m/s², jerk 1 m/s³ rising over 0.6 s."""
    accel, jerk, rise = 2.5, 1.0, 0.6
    reached = min(accel, (-rise + math.sqrt(rise * rise + 4 * speed_mps / jerk)) / 2 * jerk)
    ramp = rise + reached / jerk
    return length_m / speed_mps + max(speed_mps / reached + ramp, 2 * ramp)


@pytest.mark.parametrize("seed", range(16))
def test_a_survey_drawn_at_random_is_flown_as_flight_says(station_class: type[Any], seed: int) -> None:
    drawn = Drawn.at_random(seed)
    one = flown(station_class, drawn, seed)
    frames = one.vehicle.exposures
    waypoints = [n for n, row in enumerate(drawn.items) if row["command"] == 16 and n]
    reached = {m.seq: t for t, m in one.messages("MISSION_ITEM_REACHED")}
    assert [n for n in reached if n in waypoints] == waypoints
    path = np.array(one.path)
    shot = 0
    for number, (first, last) in enumerate(drawn.ends):
        begun, ended = reached[waypoints[2 * number]], reached[waypoints[2 * number + 1]]
        # It is reached on the way round its corner: in less than a whole leg from rest to rest, in more than at speed.
        at_speed = drawn.length_m / drawn.speed_mps
        assert 0.95 * at_speed < ended - begun < 1.05 * leg_s(drawn.length_m, drawn.speed_mps) + 0.5
        way = np.subtract(last, first) / drawn.length_m
        inside = path[(path[:, 0] > begun) & (path[:, 0] < ended)]
        from_first = inside[:, 1:3] - first
        along, across = from_first @ way, from_first @ np.array([-way[1], way[0]])
        middle = (along > 25.0) & (along < drawn.length_m - 25.0)
        assert np.abs(across[middle]).max() < 2.5
        assert np.abs(inside[middle, 3] - drawn.height_m).max() < 0.6
        cruising = np.diff(along[middle]) / STEP_S
        if len(cruising) > 50:
            assert np.median(cruising) == pytest.approx(drawn.speed_mps, rel=0.03)
        # What the station hears is up to one of its steps old.
        line = [f for f in frames if begun - STEP_S <= f.time_s - START_S <= ended]
        shot += len(line)
        # As many as there is room for: corners are rounded by up to the 2 m of WPNAV_RADIUS, gusts do the rest.
        assert abs(len(line) - (math.floor(drawn.length_m / drawn.trigger_m) + 1)) <= 1
        spots = np.array([[(f.lat - drawn.home.lat) * METRES_PER_DEGREE,
                           (f.lon - drawn.home.lon) * METRES_PER_DEGREE * math.cos(math.radians(drawn.home.lat))]
                          for f in line])  # fmt: skip
        steps = [float(np.hypot(*(b - a))) for a, b in pairwise(spots)]
        assert steps == pytest.approx([drawn.trigger_m] * len(steps), abs=drawn.speed_mps * 0.02 + 0.15)
        assert [f.altitude_home_m for f in line] == pytest.approx([drawn.height_m] * len(line), abs=0.6)
    assert shot == len(frames)
    assert one.vehicle.position[:2] == pytest.approx((0.0, 0.0), abs=1.0)


def test_surveys_drawn_at_random_are_all_different() -> None:
    drawn = [Drawn.at_random(seed) for seed in range(16)]
    assert {d.lines for d in drawn} == {1, 2, 3, 4, 5}
    assert max(d.length_m for d in drawn) > 3 * min(d.length_m for d in drawn)
    assert max(d.speed_mps for d in drawn) > 2 * min(d.speed_mps for d in drawn)
    assert len({round(d.heading_deg / 45) for d in drawn}) > 5
